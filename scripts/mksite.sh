#!/bin/sh
# Pack a folder as a site archive: scripts/mksite.sh DIR OUT.tar
# Sorted and without owners, so that the same folder gives the same archive; OUT is left alone
# when nothing changed, so that make has nothing to do. What links name is packed as a file under
# each name: the kernel reads the archive in place and follows no links.
set -eu
dir=${1:?usage: mksite.sh DIR OUT}
out=${2:?usage: mksite.sh DIR OUT}

[ -d "$dir" ] || { echo "SITE=$dir: there is no such folder" >&2; exit 1; }
[ -r "$dir/index.html" ] || echo "note: $dir has no index.html; / will answer 404" >&2
tmp=$out.$$
trap 'rm -f "$tmp"' EXIT
trap 'exit 1' HUP INT TERM # sh runs the trap above only when it exits
tar --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    --dereference --hard-dereference -C "$dir" -cf "$tmp" .
if cmp -s "$tmp" "$out"; then exit 0; fi
mv "$tmp" "$out"
echo "  SITE    $dir ($(du -k "$out" | cut -f1) KiB)"
