#!/bin/sh
# Make the Linux guest that the benchmarks measure beside ours: bench/linux/build.sh DIR [XDP]
#
# Into DIR: vmlinuz (Debian's cloud kernel), initramfs.gz (Debian's busybox, nginx and memcached, the
# kernel's virtio modules, init and the command server of this folder, the site that is served, and
# the XDP objects of the folder XDP) and version. The packages are those of the
# file `packages`, by version and SHA-256, from the mirror that apt is configured for, and are
# kept in the per-user cache. Debian's archive keeps the newest version only: when a pinned one is
# gone, UNPINNED=1 takes what there is now, and `version` says so.
set -eu

DIR=${1:?usage: build.sh DIR [XDP]}
XDP=${2:-}
HERE=$(cd "$(dirname "$0")" && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tophalf/linux
MODULES="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover
    net_failover virtio_net"
LIBRARIES="libevent-2.1.so.7 libsasl2.so.2 libc.so.6 libcrypt.so.1 libpcre2-8.so.0 libssl.so.3 libcrypto.so.3 libz.so.1"

say() { echo "linux guest: $*"; }
die() {
    say "$*" >&2
    exit 1
}
is() { [ -f "$1" ] && [ "$(sha256sum < "$1" | cut -d' ' -f1)" = "$2" ]; }

if [ -f "$DIR/version" ] && { [ -z "$XDP" ] || [ -f "$DIR/has-xdp" ]; }; then
    # shellcheck disable=SC2086 # XDP may be empty
    newer=$(find "$HERE" "$HERE/../site.py" $XDP -newer "$DIR/version" -name '[a-z]*' \
        ! -name guest.py ! -name '*.md' -type f)
    [ -n "$newer" ] || exit 0
fi

download() { # PACKAGE[=VERSION] TO
    new=$(mktemp -d)
    chmod 755 "$new"
    if (cd "$new" && apt-get -q download "$1" > log 2>&1); then
        mv "$new"/*.deb "$2"
    fi
    rm -rf "$new"
    [ -f "$2" ]
}

fetch() { # NAME VERSION SHA256: sets $deb and $got
    deb=$CACHE/$3.deb got=$2
    ! is "$deb" "$3" || return 0
    say "fetching $1 $2"
    rm -f "$deb.new"
    if download "$1=$2" "$deb.new" && is "$deb.new" "$3"; then
        mv "$deb.new" "$deb"
        return 0
    fi
    rm -f "$deb.new"
    [ -n "${UNPINNED:-}" ] || die "apt has no $1 $2 with the pinned checksum (a newer one has
    taken its place, or the package lists are old: apt-get update). UNPINNED=1 takes today's; or
    pin that in bench/linux/packages."
    case $1 in # a newer kernel's package has another name
    linux-image-*) name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p') ;;
    *) name=$1 ;;
    esac
    deb=$CACHE/unpinned-$1.deb
    download "$name" "$deb" || die "apt cannot download $name"
    got="$(dpkg-deb -f "$deb" Version) (unpinned)"
}

mkdir -p "$DIR" "$CACHE"
WORK=$(mktemp -d "$DIR/work.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
grep -v '^#' "$HERE/packages" > "$WORK/packages"
while read -r name version sha; do
    fetch "$name" "$version" "$sha"
    dpkg-deb -x "$deb" "$WORK/x"
    case $name in
    linux-image-*) echo "$got" > "$WORK/version" ;;
    nginx) echo "$got" > "$WORK/nginx-version" ;;
    esac
done < "$WORK/packages"

root=$WORK/root
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/modules" "$root/etc" "$root/lib" \
    "$root/lib64" "$root/run" "$root/var/lib/nginx" "$root/var/log/nginx"
cp "$WORK/x/bin/busybox" "$WORK/x/usr/sbin/nginx" "$WORK/x/usr/bin/memcached" "$root/bin/"
cp "$HERE/init" "$root/init"
cp "$HERE/nginx.conf" "$root/etc/"
echo root:x:0:0::/:/bin/sh > "$root/etc/passwd"
echo root:x:0: > "$root/etc/group"
"$HERE/../site.py" "$root/www"
cp -L "$WORK"/x/lib64/ld-linux-x86-64.so.2 "$root/lib64/"
for library in $LIBRARIES; do
    file=$(find "$WORK/x" -name "$library" | head -n 1)
    [ -n "$file" ] || die "the packages have no $library"
    cp -L "$file" "$root/lib/"
done
${HOSTCC:-gcc} -std=gnu11 -O2 -Wall -Wextra -Werror -static "$HERE/server.c" -o "$root/server" \
    -lbpf -lelf -lz
if [ -n "$XDP" ]; then
    mkdir "$root/xdp"
    cp "$XDP"/*.o "$root/xdp/"
fi
number=10
for module in $MODULES; do
    file=$(find "$WORK/x/lib/modules" -name "$module.ko*" | head -n 1)
    [ -n "$file" ] || die "the kernel's package has no module $module"
    cp "$file" "$root/modules/$number-${file##*/}"
    number=$((number + 1))
done
for packed in "$root"/modules/*.xz; do
    [ ! -f "$packed" ] || xz -d "$packed"
done
(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) | gzip -9n > "$DIR/initramfs.gz"
cp "$WORK"/x/boot/vmlinuz-* "$DIR/vmlinuz"
cp "$WORK/nginx-version" "$DIR/nginx-version"
rm -f "$DIR/has-xdp" # whoever asks for no programs may have a guest with some
[ -z "$XDP" ] || : > "$DIR/has-xdp"
cp "$WORK/version" "$DIR/version"
say "Linux $(cat "$DIR/version")"
