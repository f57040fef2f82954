#!/usr/bin/env bash
# cargo-deny over the workspace: bans, licences and sources always; advisories where their database can be fetched.
# cargo-deny itself is installed once per machine, outside the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
VERSION=0.20.2
root=${EAI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eai}/cargo-deny-$VERSION
if [ ! -x "$root/bin/cargo-deny" ]; then
  cargo install --quiet --locked --version "$VERSION" --no-default-features --root "$root" cargo-deny
fi
"$root/bin/cargo-deny" --log-level warn check --hide-inclusion-graph bans licenses sources
if ! "$root/bin/cargo-deny" --log-level error fetch db 2>/dev/null; then
  echo "tests/deny.sh: the advisory database can't be reached from here; advisories weren't checked" >&2
  exit 0
fi
"$root/bin/cargo-deny" --log-level warn check --hide-inclusion-graph advisories
