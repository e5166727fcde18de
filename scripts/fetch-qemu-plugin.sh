#!/bin/sh
# Bring QEMU's plugin header to the build folder: scripts/fetch-qemu-plugin.sh DEST
#
# Debian's QEMU can load TCG plugins but ships no header for them: it is one file of the source
# package. Fetched, checked against one SHA-256, never edited or committed. It is looked for in
#   1. third_party/        the header itself (qemu-plugin.h), placed there by you
#   2. the per-user cache  ${XDG_CACHE_HOME:-~/.cache}/tophalf/<sha256>
#   3. Debian's archive    the source package of suite bookworm (24 MB, once)
set -eu

WHAT=qemu-plugin.h
SHA256=19f277b037d05a8bcb5069f2f81a465d177208e5903048a915c56627d4c3748e
DEST=${1:?usage: fetch-qemu-plugin.sh DEST}
TOP=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/debian-source.sh
. "$TOP/scripts/debian-source.sh"

hint() {
    say "without apt: put include/qemu/qemu-plugin.h of QEMU 7.2.0 into third_party/"
}

header=$(cached $SHA256)
given qemu-plugin.h $SHA256
if ! matches "$header" $SHA256; then
    work=$(dirname "$DEST")/qemu-apt
    from_apt qemu bookworm "$work"
    for tarball in "$work"/qemu_*.orig.tar.*; do
        tar -xf "$tarball" -C "$work" --wildcards '*/include/qemu/qemu-plugin.h'
    done
    for f in "$work"/*/include/qemu/qemu-plugin.h; do
        if matches "$f" $SHA256; then keep "$f" $SHA256; fi
    done
    rm -rf "$work"
fi
matches "$header" $SHA256 || die "what Debian serves does not have the pinned checksum $SHA256"
mkdir -p "$(dirname "$DEST")"
cp "$header" "$DEST"
