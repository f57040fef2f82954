# What the chart tests share. Sourced.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${EAI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eai}

# tool NAME VARIABLE PATTERN: the program of that name from $VARIABLE, the path, or the cache of built tools.
tool() {
  local found=${!2:-}
  [ -n "$found" ] || found=$(command -v "$1" || true)
  [ -n "$found" ] || found=$(compgen -G "$cache/$3" | sort -V | tail -n1 || true)
  [ -n "$found" ] || { echo "$1 is needed: put it on the PATH, set $2, or run \`cargo run -p eai-testbed -- up\`" >&2; exit 2; }
  echo "$found"
}
HELM=$(tool helm HELM 'helm-*/helm')
KUBECTL=$(tool kubectl KUBECTL 'kube-*/kubectl')

passed=0 failed=0
pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); printf 'FAIL  %s\n' "$1"; [ -z "${2:-}" ] || printf '%s\n' "$2" | head -n 12 | sed 's/^/      | /'; }
# The last line, and the exit status.
finish() { printf '\n%d passed, %d failed\n' "$passed" "$failed"; [ "$failed" -eq 0 ]; }
