#!/usr/bin/env bash
# compat.sh COMMAND [REF]: this release beside an earlier one, REF; the newest release's tag (v*) before HEAD if none is given.
#
#   crds    the kinds have only grown since, but for what operator/xtask/additive.yaml gives a reason for
#   values  the charts still take the values that the earlier charts took
#   build   builds the earlier release into target/compat/src, unless it is there, and prints that path
#
# What both do together on real clusters is `make compat`; see docs/upgrades.md. Where there is no release yet and no REF,
# crds and values say so and are content.
set -euo pipefail
cd "$(dirname "$0")/.."
compat=$PWD/target/compat

die() { echo "tests/compat.sh: $*" >&2; exit 1; }

# The commit to compare with; nothing if there is none.
earlier() {
  local ref=$1 tag head
  if [ -z "$ref" ]; then
    head=$(git rev-parse --verify --quiet HEAD) || return 0
    for tag in $(git tag --list 'v*' --merged HEAD --sort=-version:refname); do
      if [ "$(git rev-parse "$tag^{commit}")" != "$head" ]; then ref=$tag; break; fi
    done
  fi
  [ -z "$ref" ] || git rev-parse --verify --quiet "$ref^{commit}" || die "$ref is no commit of this repository"
}

# unpack COMMIT PATH DIR: what lay at PATH then, into DIR.
unpack() { mkdir -p "$3"; git archive "$1" -- "$2" | tar -xm -C "$3"; }

crds() {
  unpack "$1" crds "$work"
  cargo xtask crds --additive "$work/crds"
}

values() {
  # shellcheck source-path=SCRIPTDIR source=charts/lib.sh
  . tests/charts/lib.sh
  local chart values were out
  unpack "$1" charts "$work"
  for chart in eai-hub eai-agent; do
    were=$work/charts/$chart
    for values in "$were"/ci/*.yaml; do
      if out=$("$HELM" template "$chart" "charts/$chart" --kube-version 1.36.0 -f "$were/values.yaml" -f "$values" 2>&1 >/dev/null)
      then pass; else fail "$chart refuses what it took: ${values#"$work"/}" "$out"; fi
    done
  done
  finish
}

# Dependencies that this release built serve the earlier one, too: cargo tells their versions and flags apart.
lend_dependencies() {
  if [ ! -d target/debug/.fingerprint ] || [ -d "$compat/target" ]; then return; fi
  mkdir -p "$compat/target/debug"
  cp -a target/debug/.fingerprint "$compat/target/debug/"
  cp -al target/debug/deps target/debug/build "$compat/target/debug/"
}

build() {
  local commit=$1 src=$compat/src
  if [ "$(cat "$compat/built" 2>/dev/null)" != "$commit" ]; then
    rm -rf "$src" "$compat/built"
    unpack "$commit" . "$src"
    lend_dependencies
    mkdir -p "$compat/target"
    ln -s ../target "$src/target"
    # Its own checkout in all but name: its tools look for each other below target/ there.
    (cd "$src" && unset CARGO_TARGET_DIR && cargo build -p eai-hub -p eai-agent -p eai-cli -p eai-trainer --bins &&
      images/build.sh target/images && npm ci --prefix contracts --no-audit --no-fund --loglevel=error) >&2
    echo "$commit" >"$compat/built"
  fi
  echo "$src"
}

command=${1:-} ref=${2:-}
case $command in crds|values|build) ;; *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;; esac
commit=$(earlier "$ref")
if [ -z "$commit" ]; then
  [ "$command" != build ] || die "there is no release (a tag v*) before this; say which commit to start from: make compat FROM=REF"
  echo "tests/compat.sh $command: there is no release before this to compare with"
  exit
fi
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
"$command" "$commit"
