#!/usr/bin/env bash
# Pushes what images/build.sh left in OUT_DIR to a registry and prints each image's name by digest, as an AIJob or a
# chart's values take it:
#
#   images/push.sh [--ca FILE] OUT_DIR REGISTRY[/PATH] [IMAGE]...
#
#   --ca  the certificate of the authority that signed the registry's, if the system doesn't know it
#
# The registry's user and password, if it wants any, are those of `skopeo login REGISTRY`. Certificates are always
# checked. The digest is kept: an image that the registry already has isn't sent again.
set -euo pipefail

die() { echo "images/push.sh: $*" >&2; exit 1; }
usage() { sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

certificates=()
if [ "${1:-}" = --ca ]; then
  [ -s "${2:?}" ] || die "$2 isn't there: give --ca the authority's certificate in PEM"
  folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
  cp "$2" "$folder/ca.crt"; certificates=(--dest-cert-dir "$folder"); shift 2
fi
[ $# -ge 2 ] || usage
from=$1 to=${2%/}; shift 2
command -v skopeo >/dev/null || die "skopeo is missing (on Debian or Ubuntu: apt-get install skopeo)"
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for archive in "$from"/*.tar; do names+=("$(basename "$archive" .tar)"); done
fi
for name in "${names[@]}"; do
  [ -s "$from/$name.tar" ] || die "$from/$name.tar is missing: images/build.sh $from"
  digest=$(cat "$from/$name.digest")
  # The tag only keeps registries that collect untagged images from collecting this one; nothing refers to it.
  skopeo copy --quiet --preserve-digests "${certificates[@]}" "oci-archive:$from/$name.tar" "docker://$to/$name:${digest#sha256:}"
  echo "$to/$name@$digest"
done
