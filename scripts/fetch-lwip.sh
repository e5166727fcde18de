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

SHA256=83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1
SUITE=trixie
DEST=${1:?usage: fetch-lwip.sh DEST}
TOP=$(cd "$(dirname "$0")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-${HOME:-$(dirname "$DEST")}/.cache}/tophalf
CACHED=$CACHE/$SHA256

say() { echo "lwip: $*"; }
die() {
    say "$*" >&2
    say "without apt: set LWIP_DIR=<an unpacked lwIP 2.2.1 tree>, or put the" >&2
    say "tarball lwip_2.2.1*.orig.tar.* into third_party/ and run make again" >&2
    exit 1
}
matches() { [ -f "$1" ] && [ "$(sha256sum < "$1" | cut -d' ' -f1)" = $SHA256 ]; }

keep() { # move a checked tarball into the cache so that no half file is ever seen there
    mkdir -p "$CACHE"
    cp "$1" "$CACHED.$$" && mv "$CACHED.$$" "$CACHED"
}

mirror() { # the first Debian "main" mirror in this machine's own apt sources
    # shellcheck disable=SC2016 # apt's own variables
    site=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT) $(ORIGIN)' \
        'Created-By: Packages' 2> /dev/null |
        awk '$3 == "main" && $4 == "Debian" && $2 !~ /security/ { print $1; exit }')
    # Without package lists (never updated, or removed from a container) apt knows no targets,
    # but still what it would ask for.
    [ -n "$site" ] || site=$(apt-get --print-uris update 2> /dev/null |
        sed -n "s,^'\(.*\)/dists/.*,\1,p" | grep -v security | head -n 1)
    echo "$site"
}

from_apt() {
    work=$1
    command -v apt-get > /dev/null || die "no apt-get here to fetch it with"
    site=$(mirror)
    [ -n "$site" ] || die "this machine's apt names no Debian mirror (try apt-get update)"
    mkdir -p "$work/lists/partial" "$work/archives/partial"
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $SUITE main" \
        > "$work/sources.list"
    # Everything apt would write is pointed into the build folder; the machine's
    # own lists, cache and sources stay as they are.
    cat > "$work/apt.conf" << CONF
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "$work/lists";
Dir::Cache "$work";
Dir::Cache::Archives "$work/archives";
APT::Sandbox::User "root";
CONF
    say "fetching the source package from Debian $SUITE (about 20 s)"
    # apt checks the file against the signed Release file; the pin above is ours and is what
    # counts.
    if ! (cd "$work" && APT_CONFIG=$work/apt.conf apt-get -q update &&
        APT_CONFIG=$work/apt.conf apt-get -q --download-only source lwip) \
        > "$work/apt.log" 2>&1; then
        tail -n 5 "$work/apt.log" >&2
        die "apt could not fetch it (whole log: $work/apt.log)"
    fi
    for f in "$work"/lwip_*.orig.tar.*; do
        if matches "$f"; then keep "$f"; return; fi
    done
    die "what $SUITE serves does not have the pinned checksum $SHA256"
}

if [ -n "${LWIP_DIR:-}" ]; then
    [ -f "$LWIP_DIR/src/include/lwip/init.h" ] ||
        die "LWIP_DIR=$LWIP_DIR holds no src/include/lwip/init.h"
    rm -rf "$DEST" && mkdir -p "$(dirname "$DEST")"
    ln -s "$(cd "$LWIP_DIR" && pwd)" "$DEST"
    say "using $LWIP_DIR"
    exit 0
fi

if ! matches "$CACHED"; then
    for f in "$TOP"/third_party/lwip*.tar.*; do
        [ -f "$f" ] || continue
        matches "$f" || die "$f has not the pinned checksum $SHA256"
        keep "$f"
    done
fi
matches "$CACHED" || from_apt "$(dirname "$DEST")/lwip-apt"

rm -rf "$DEST" "$DEST.part"
mkdir -p "$DEST.part"
tar -xf "$CACHED" -C "$DEST.part" --strip-components=1
mv "$DEST.part" "$DEST"
say "2.2.1 unpacked into $DEST"
