#!/usr/bin/env bash
# Builds the OCI images eai-operator, eai-agent and eai-examples without a Docker engine, from binaries that cargo built:
#
#   images/build.sh [--bin-dir DIR] [--only IMAGE]... [--date SECONDS] OUT_DIR
#
#   --bin-dir  where the binaries are (default: target/debug, or debug under CARGO_TARGET_DIR)
#   --only     build just this image; may be given several times
#   --date     the time every file and the image bear, in seconds since 1970 (default: SOURCE_DATE_EPOCH, or 0)
#
# Leaves in OUT_DIR, for each image, NAME.tar (an OCI archive) and NAME.digest (sha256:...), which is what a registry
# will serve it under. The same binaries on the same system give the same digests and the same archives.
#
# An image is two layers. The base, the same in all three: the C library, users, CA certificates. On it: the binary,
# stripped. There is no shell and no package manager; everything belongs to root and runs as 65532.
# Needs: umoci, skopeo, GNU tar, strip (binutils), ldd, and CA certificates. Needs no rights.
set -euo pipefail
umask 022
export LC_ALL=C
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

UID_GID=65532
# Image and the binary in it.
declare -A BINARY=([eai-operator]=eai-operator [eai-agent]=eai-agent [eai-examples]=eai-trainer)
declare -A TITLE=([eai-operator]="EAI's hub" [eai-agent]="EAI's agent on a member" [eai-examples]="EAI's example jobs")
ALL=(eai-operator eai-agent eai-examples)

die() { echo "images/build.sh: $*" >&2; exit 1; }
usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

read_arguments() {
  bin_dir=${CARGO_TARGET_DIR:-$repository/target}/debug date=${SOURCE_DATE_EPOCH:-0} out='' images=()
  while [ $# -gt 0 ]; do
    case $1 in
      --bin-dir) bin_dir=${2:?}; shift 2 ;;
      --only) [ -n "${BINARY[${2:?}]:-}" ] || die "there is no image $2: choose from ${ALL[*]}"; images+=("$2"); shift 2 ;;
      --date) date=${2:?}; shift 2 ;;
      -*) usage ;;
      *) [ -z "$out" ] || usage; out=$1; shift ;;
    esac
  done
  [ -n "$out" ] || usage
  [[ $date =~ ^[0-9]+$ ]] || die "--date $date: give whole seconds since 1970"
  [ ${#images[@]} -gt 0 ] || images=("${ALL[@]}")
  bin_dir=$(realpath -m "$bin_dir") out=$(realpath -m "$out")
  cd "$repository"
  created=$(date -u -d "@$date" +%Y-%m-%dT%H:%M:%SZ)
  version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
}

check_tools() {
  local tool image
  for tool in umoci skopeo tar strip ldd; do
    command -v "$tool" >/dev/null || die "$tool is missing (on Debian or Ubuntu: apt-get install umoci skopeo tar binutils libc-bin)"
  done
  ca=/etc/ssl/certs/ca-certificates.crt
  [ -s "$ca" ] || die "$ca is missing (on Debian or Ubuntu: apt-get install ca-certificates)"
  for image in "${images[@]}"; do
    [ -x "$bin_dir/${BINARY[$image]}" ] || die "$bin_dir/${BINARY[$image]} is missing: cargo build --bins"
  done
}

# The libraries that BINARY loads, as paths, the loader itself among them.
libraries() { ldd "$1" | sed -nE 's/^.*=> (\/[^ ]+) .*$/\1/p; s/^[[:space:]]*(\/[^ ]+) .*$/\1/p'; }

# Copies the library PATH to the same place under ROOT.
add_library() {
  local path=$1 root=$2
  mkdir -p "$root$(dirname "$path")"
  cp -L "$path" "$root$path"; chmod 755 "$root$path"
}

# The base's files: the libraries that a Rust binary can load by itself, whichever of them BINARY does, so that every
# image has the same base; users, name lookup, CA certificates, and the licences of what is copied.
make_base() {
  local root=$1 binary=$2 libc library package
  mkdir -p "$root"/{etc/ssl/certs,usr/bin,proc,sys,dev,eai}
  install -d -m 1777 "$root/tmp"
  libc=$(libraries "$binary" | grep '/libc\.so\.6$') || die "$binary doesn't load the GNU C library"
  for library in "$(libraries "$binary" | grep '/ld-linux')" "$libc" "${libc%/*}/libm.so.6" "${libc%/*}/libgcc_s.so.1"; do
    add_library "$library" "$root"
  done
  printf 'root:x:0:0:root:/:/sbin/nologin\neai:x:%s:%s:eai:/:/sbin/nologin\n' $UID_GID $UID_GID > "$root/etc/passwd"
  printf 'root:x:0:\neai:x:%s:\n' $UID_GID > "$root/etc/group"
  printf 'passwd: files\ngroup: files\nhosts: files dns\n' > "$root/etc/nsswitch.conf"
  install -m 644 "$ca" "$root$ca"
  for package in libc6 libgcc-s1 ca-certificates; do
    if [ -f "/usr/share/doc/$package/copyright" ]; then
      install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
    fi
  done
  if [ -f LICENSE ]; then install -D -m 644 LICENSE "$root/usr/share/doc/eai/copyright"; fi
}

# An image's own files: the binary, and the libraries it loads beyond the base's.
make_own() {
  local root=$1 binary=$2 base=$3 library
  mkdir -p "$root/usr/bin"
  strip --strip-all -o "$root/usr/bin/$(basename "$binary")" "$binary"
  chmod 755 "$root/usr/bin/$(basename "$binary")"
  for library in $(libraries "$binary"); do
    [ -e "$base$library" ] || add_library "$library" "$root"
  done
  if [ "$(basename "$binary")" = eai-trainer ]; then # its data set's licence asks for attribution
    install -D -m 644 examples/trainer/data/README.md "$root/usr/share/doc/eai-trainer/digits.md"
  fi
}

# A tar that depends on nothing but the files' names, modes and contents.
pack() {
  tar --create --file "$2" --directory "$1" --format=ustar --sort=name --mtime="@$date" --owner=0 --group=0 --numeric-owner .
}

# The layout's image NAME: base, own layer, configuration.
assemble() {
  local name=$1 binary=${BINARY[$1]} layout=$work/layout layer
  umoci new --image "$layout:$name"
  for layer in base "$name"; do
    umoci raw add-layer --history.created "$created" --history.created_by "images/build.sh: $layer" \
      --image "$layout:$name" "$work/$layer.tar"
  done
  umoci config --no-history --image "$layout:$name" --created "$created" \
    --config.user $UID_GID:$UID_GID --config.entrypoint "/usr/bin/$binary" --config.workingdir / --config.stopsignal SIGTERM \
    --config.env PATH=/usr/bin --config.env SSL_CERT_FILE="$ca" --config.env EAI_OUTPUT_DIR=/eai/output \
    --config.label org.opencontainers.image.title="${TITLE[$name]}" \
    --config.label org.opencontainers.image.version="$version" --config.label org.opencontainers.image.licenses=Apache-2.0
}

# OUT_DIR/NAME.tar, packed by the same rules, and its digest.
export_image() {
  local name=$1 single=$work/$1.oci
  skopeo copy --quiet "oci:$work/layout:$name" "oci:$single:$name:$version"
  mkdir -p "$out"
  pack "$single" "$out/$name.tar.part"
  skopeo inspect --format '{{.Digest}}' "oci:$single:$name:$version" > "$out/$name.digest"
  mv "$out/$name.tar.part" "$out/$name.tar"
  printf '%-13s %s  %s MiB\n' "$name" "$(cat "$out/$name.digest")" "$(($(stat -c %s "$out/$name.tar") / 1048576))"
}

read_arguments "$@"
check_tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umoci init --layout "$work/layout"
make_base "$work/base" "$bin_dir/${BINARY[${images[0]}]}"
pack "$work/base" "$work/base.tar"
for image in "${images[@]}"; do
  make_own "$work/$image" "$bin_dir/${BINARY[$image]}" "$work/base"
  pack "$work/$image" "$work/$image.tar"
  assemble "$image"
  export_image "$image"
done
