#!/usr/bin/env bash
# Tests the images: builds them twice and compares, looks into what was built, runs the programs in it as a node would
# (read-only, as user 65532, with nothing but the image's own files) and pushes to a registry of its own.
#
#   images/test.sh [--bin-dir DIR] [--only IMAGE]...     as in images/build.sh
#
# Needs root, for its mounts and chroot, and Debian's docker-registry. All of it ends with the script.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ "$(id -u)" = 0 ] || { echo "images/test.sh: needs root: sudo $0" >&2; exit 1; }

# A mount namespace of its own: whatever happens, no mount outlives the script.
if [ -z "${EAI_IMAGES_TEST_INSIDE:-}" ]; then EAI_IMAGES_TEST_INSIDE=1 exec unshare --mount --propagation private "$0" "$@"; fi

work=$(mktemp -d) registry='' mounts=()
end() {
  if [ -n "$registry" ]; then kill "$registry" 2>/dev/null || true; fi
  if [ ${#mounts[@]} -gt 0 ]; then umount --recursive "${mounts[@]}" || true; fi
  rm -rf --one-file-system "$work"
}
trap end EXIT
failures=0
ok() { echo "ok    $1"; }
not_ok() { echo "FAIL  $1" >&2; failures=$((failures + 1)); }
check() { local what=$1; shift; if "$@"; then ok "$what"; else not_ok "$what"; fi; }
same() { [ "$1" = "$2" ] || { echo "      got  $1"$'\n'"      want $2" >&2; false; }; }
quietly() { "$@" >"$work/said" 2>&1; }
refused() { ! "$@" >"$work/said" 2>&1; }

builds_are_repeatable() {
  "$here/build.sh" "$@" "$work/first"
  (cd / && umask 077 && TZ=Asia/Taipei "$here/build.sh" "${absolute[@]}" "$work/second" >/dev/null)
  "$here/build.sh" "$@" --date 1700000000 "$work/dated" >/dev/null
  local archive name
  for archive in "$work"/first/*.tar; do
    name=$(basename "$archive" .tar); names+=("$name")
    check "$name: two builds give the same archive" cmp "$archive" "$work/second/$name.tar"
    check "$name: another date gives another digest" refused cmp "$work/first/$name.digest" "$work/dated/$name.digest"
    check "$name: the digest is the archive's" same \
      "$(skopeo inspect --format '{{.Digest}}' "oci-archive:$archive")" "$(cat "$work/first/$name.digest")"
  done
  check "all share the base layer" same \
    "$(for name in "${names[@]}"; do skopeo inspect "oci-archive:$work/first/$name.tar" | jq -r '.Layers[0]'; done | sort -u | wc -l)" 1
  check "an image that doesn't exist is refused" refused "$here/build.sh" --only nonsense "$work/none"
  check "missing binaries are named" refused "$here/build.sh" --bin-dir "$work" "$work/none"
  check "  with what to do" grep -q 'cargo build' "$work/said"
}

# Unpacks NAME to $work/NAME.
unpack() {
  skopeo copy --quiet "oci-archive:$work/first/$1.tar" "oci:$work/layout:$1"
  umoci unpack --image "$work/layout:$1" "$work/$1" >/dev/null
}

# Makes NAME's root read-only, as a node does, with a writable /tmp and /eai.
seal() {
  local root=$work/$1/rootfs
  mount --bind "$root" "$root"; mounts+=("$root")
  mount -o remount,bind,ro,nosuid,nodev "$root"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"; mount -t tmpfs -o mode=1777 tmpfs "$root/eai"
}

contents_are_right() {
  local name=$1 root=$work/$1/rootfs config
  config=$(skopeo inspect --config "oci-archive:$work/first/$name.tar")
  field() { jq -r "$1" <<<"$config"; }
  check "$name: runs as 65532" same "$(field .config.User)" 65532:65532
  check "$name: its entrypoint is a program in it" test -x "$root$(field '.config.Entrypoint[0]')"
  check "$name: bears the fixed date" same "$(field .created)" 1970-01-01T00:00:00Z
  check "$name: has two layers" same "$(field '.rootfs.diff_ids | length')" 2
  check "$name: names user 65532" grep -q '^eai:x:65532:65532:' "$root/etc/passwd"
  check "$name: all belongs to root" same "$(find "$root" -xdev \( ! -uid 0 -o ! -gid 0 \))" ''
  check "$name: nothing but /tmp is writable by others, nothing runs with another's rights" same \
    "$(find "$root" -xdev ! -type l \( -perm -002 -o -perm /6000 \))" "$root/tmp"
  check "$name: no shell" same "$(find "$root" -name 'sh' -o -name 'bash' -o -name 'busybox')" ''
  check "$name: the binary is stripped" same "$(nm "$root$(field '.config.Entrypoint[0]')" 2>&1 | grep -c ' [Tt] ')" 0
  check "$name: CA certificates are there" quietly openssl verify \
    -CAfile "$root/etc/ssl/certs/ca-certificates.crt" <(sed '/END/q' "$root/etc/ssl/certs/ca-certificates.crt")
}

# Runs a program of an image's root as a container would, with no environment but what is given:
# inside NAME [VARIABLE=VALUE]... PROGRAM [ARGUMENT]...
inside() {
  local root=$work/$1/rootfs environment=(); shift
  while [[ $1 == *=* ]]; do environment+=("$1"); shift; done
  env -i "${environment[@]}" "$(command -v chroot)" --userspec=65532:65532 --groups='' "$root" "$@"
}

examples_run() {
  local out=$work/eai-examples/rootfs/eai/output signature
  mkdir "$out"; chown 65532:65532 "$out"
  run() { local job=$1; shift; quietly inside eai-examples EAI_OUTPUT_DIR=/eai/output "$@" /usr/bin/eai-trainer "$job"; }
  check "train runs and is right about 97 % and more" run train NVIDIA_VISIBLE_DEVICES=0
  check "  and says what it computes on" grep -q 'computes on the CPU' "$work/said"
  check "  and leaves its figures" quietly jq -e '.held_out_accuracy >= 0.97' "$out/metrics.json"
  check "  and its model, as user 65532" same "$(stat -c %u:%g "$out/model.safetensors")" 65532:65532
  check "search runs" run search EPOCHS=2
  check "filter runs" run filter
  check "score runs" run score SIGNING_KEY=a-key-for-this-test
  signature=$(openssl dgst -sha256 -hmac a-key-for-this-test -r "$out/scores.json" | cut -d' ' -f1)
  check "  and openssl finds the same signature" same "$(cat "$out/scores.json.hmac")" "$signature"
  check "nothing can be written outside the volumes" refused run train EAI_OUTPUT_DIR=/usr/out
  check "  and the program says so" grep -q 'Read-only file system.*EAI_OUTPUT_DIR' "$work/said"
}

push_keeps_the_digest() {
  local port=$((20000 + RANDOM % 10000)) name reference
  openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
  cat > "$work/registry.yaml" <<Y
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$port", tls: {certificate: $work/cert.pem, key: $work/key.pem}}
Y
  docker-registry serve "$work/registry.yaml" >"$work/registry.log" 2>&1 & registry=$!
  for _ in $(seq 50); do curl -s --cacert "$work/cert.pem" "https://127.0.0.1:$port/v2/" >/dev/null && break; sleep 0.1; done
  check "a registry with an unknown certificate is refused" refused "$here/push.sh" "$work/first" "127.0.0.1:$port/eai"
  "$here/push.sh" --ca "$work/cert.pem" "$work/first" "127.0.0.1:$port/eai" >"$work/pushed"
  for name in "${names[@]}"; do
    reference="127.0.0.1:$port/eai/$name@$(cat "$work/first/$name.digest")"
    check "$name: pushed under its digest" grep -qxF "$reference" "$work/pushed"
    mkdir -p "$work/trust"; cp "$work/cert.pem" "$work/trust/ca.crt"
    check "$name: can be pulled by it" skopeo copy --quiet --src-cert-dir "$work/trust" "docker://$reference" "oci:$work/pulled:$name"
  done
}

absolute=() names=()
for argument in "$@"; do # the second build runs from another folder
  if [ -d "$argument" ]; then absolute+=("$(realpath "$argument")"); else absolute+=("$argument"); fi
done
builds_are_repeatable "$@"
for name in "${names[@]}"; do
  unpack "$name"
  contents_are_right "$name"
  seal "$name"
  program=$(skopeo inspect --config "oci-archive:$work/first/$name.tar" | jq -r '.config.Entrypoint[0]')
  check "$name: its program runs" quietly inside "$name" "$program" --help
done
[[ " ${names[*]} " != *' eai-examples '* ]] || examples_run
push_keeps_the_digest
[ $failures = 0 ] || { echo "images/test.sh: $failures check(s) failed" >&2; exit 1; }
echo "images/test.sh: all checks passed"
