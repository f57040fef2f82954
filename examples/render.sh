#!/usr/bin/env bash
# Writes the examples with your image, your account and a fresh signing key filled in, ready for kubectl apply:
#
#   examples/render.sh --image REGISTRY/REPOSITORY@sha256:DIGEST --account 0xADDRESS OUT_DIR
#
#   --image    the eai-examples image: a line that images/push.sh printed
#   --account  the account in the Escrow that pays
#
# Changes only the lines marked SET. `make demo` writes target/demo/examples the same way.
set -euo pipefail
umask 077 # secret-score.yaml holds a key
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() { echo "examples/render.sh: $*" >&2; exit 1; }
usage() { sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

image='' account='' out=''
while [ $# -gt 0 ]; do
  case $1 in
    --image) image=${2:?}; shift 2 ;;
    --account) account=${2:?}; shift 2 ;;
    -*) usage ;;
    *) [ -z "$out" ] || usage; out=$1; shift ;;
  esac
done
[ -n "$image" ] && [ -n "$account" ] && [ -n "$out" ] || usage
[[ $image =~ ^[a-zA-Z0-9.:-]+(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$ ]] ||
  die "--image $image: give registry, repository and digest, such as registry.example.com/eai/eai-examples@sha256:..."
[[ $account =~ ^0x[0-9a-fA-F]{40}$ ]] || die "--account $account: give 0x and 40 hexadecimal digits"
key=$(openssl rand -hex 32)

mkdir -p "$out"
for example in "$here"/*.yaml; do
  sed -E -e "s|^(  image: )[^ ]+ # SET\$|\1$image|" -e "s|^(    account: )[^ ]+ # SET\$|\1\"$account\"|" \
    -e "s|^(  key: )[^ ]+ # SET\$|\1$key|" "$example" > "$out/$(basename "$example")"
  ! grep -q '# SET$' "$out/$(basename "$example")" || die "$example has a line marked SET that this script doesn't know"
  echo "$out/$(basename "$example")"
done
