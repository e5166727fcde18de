#!/bin/sh
# Bring lwIP's source to the build folder: scripts/fetch-lwip.sh DEST
#
# lwIP is third-party: it is fetched, checked against one SHA-256 and never
# edited or committed. It is looked for, in this order, in
#   1. $LWIP_DIR           an unpacked lwIP tree of yours (used as it is, not checked)
#   2. third_party/        a tarball that you placed there (lwip*.tar.*)
#   3. the per-user cache  ${XDG_CACHE_HOME:-~/.cache}/tophalf/<sha256>
#   4. Debian's archive    the source package of suite trixie, from the mirror
#                          that this machine's apt is configured for, through an
#                          apt configuration private to the build folder.
set -eu

WHAT=lwip
SHA256=83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1
DEST=${1:?usage: fetch-lwip.sh DEST}
TOP=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/debian-source.sh
. "$TOP/scripts/debian-source.sh"

hint() {
    say "without apt: set LWIP_DIR=<an unpacked lwIP 2.2.1 tree>, or put the"
    say "tarball lwip_2.2.1*.orig.tar.* into third_party/ and run make again"
}

if [ -n "${LWIP_DIR:-}" ]; then
    [ -f "$LWIP_DIR/src/include/lwip/init.h" ] ||
        die "LWIP_DIR=$LWIP_DIR holds no src/include/lwip/init.h"
    rm -rf "$DEST" && mkdir -p "$(dirname "$DEST")"
    ln -s "$(cd "$LWIP_DIR" && pwd)" "$DEST"
    say "using $LWIP_DIR"
    exit 0
fi

tarball=$(cached $SHA256)
given 'lwip*.tar.*' $SHA256
if ! matches "$tarball" $SHA256; then
    from_apt lwip trixie "$(dirname "$DEST")/lwip-apt"
    for f in "$(dirname "$DEST")"/lwip-apt/lwip_*.orig.tar.*; do
        if matches "$f" $SHA256; then keep "$f" $SHA256; fi
    done
fi
matches "$tarball" $SHA256 || die "what Debian serves does not have the pinned checksum $SHA256"

unpack "$tarball" "$DEST"
say "2.2.1 unpacked into $DEST"
