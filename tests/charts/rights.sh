#!/usr/bin/env bash
# rights.sh hub|member KUBECONFIG: who may do what, tried against a real API server and not only read.
#
# A case is a request in somebody's name (impersonation, or a real token) with what must come of it. Where a policy and
# not a role must stop it, the request is made with the group system:masters added: then no role stands in the way.
# Nearly all are server-side dry runs. What has to exist is made in namespaces and under names with "rights" in them, and
# removed. A chart that isn't installed is installed for the while, without a pod.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
[ $# -eq 2 ] || { echo "usage: $0 hub|member KUBECONFIG" >&2; exit 2; }
export KUBECONFIG=$2
work=$(mktemp -d)
undo=()
cleanup() {
  local i
  for ((i = ${#undo[@]} - 1; i >= 0; i--)); do eval "${undo[i]}" >/dev/null 2>&1; done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

k() { "$KUBECTL" "$@" 2>&1 | grep -v 'client (.*) and server ('; return "${PIPESTATUS[0]}"; }
must() { local out; out=$(k "$@") || { echo "the preparation failed: kubectl $*"; echo "$out"; exit 1; }; }

# may WHO WHAT ARGUMENTS...: kubectl with these arguments succeeds.
may() {
  local who=$1 what=$2 out; shift 2
  if out=$(k "$@"); then pass; printf 'yes  %-12s %s\n' "$who" "$what"; else fail "$who may not: $what" "$out"; fi
}
# mayNot WHO WHAT PATTERN ARGUMENTS...: it fails, with a message that matches.
mayNot() {
  local who=$1 what=$2 pattern=$3 out; shift 3
  if out=$(k "$@"); then fail "$who may: $what" "$out"
  elif grep -qE -- "$pattern" <<<"$out"; then pass; printf 'no   %-12s %s\n' "$who" "$what"
  else fail "$who may not: $what; but the message doesn't match: $pattern" "$out"; fi
}
# Standard input as a file's name, so that a case reads on one line. (What begins with a brace kubectl takes for JSON.)
file() { local f; f=$(mktemp "$work/XXXXXX.yaml"); { echo ---; cat; } >"$f"; echo "$f"; }
rbac='cannot (get|list|watch|create|update|patch|delete|use|approve)'
dry=--dry-run=server

# install CHART NAMESPACE VALUES: unless it is there; pods aren't wanted.
install() {
  local chart=$1 namespace=$2; shift 2
  "$HELM" status "$chart" -n "$namespace" >/dev/null 2>&1 && return
  echo "$chart isn't installed: installing it for this test"
  k get namespace "$namespace" >/dev/null || undo+=("k delete namespace '$namespace' --timeout=60s")
  "$HELM" install "$chart" "$root/charts/$chart" -n "$namespace" --create-namespace "$@" >/dev/null || exit 1
  undo+=("'$HELM' uninstall '$chart' -n '$namespace' --no-hooks --wait")
}

# No policy has an expression that the API server can't make sense of.
types() {
  local out; sleep 2
  out=$(k get validatingadmissionpolicies -l app.kubernetes.io/part-of=eai -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.status.typeChecking.expressionWarnings}{"\n"}{end}')
  ! grep -qE ' .' <<<"$out" && pass || fail "a policy fails the API server's type check" "$(grep -E ' .' <<<"$out")"
}

case $1 in
  hub) . "$here/rights-hub.sh" ;;
  member) . "$here/rights-member.sh" ;;
  *) echo "hub or member" >&2; exit 2 ;;
esac
finish
