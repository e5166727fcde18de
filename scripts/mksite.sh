#!/bin/sh
# Pack a folder as a site archive: scripts/mksite.sh DIR OUT.tar
# Sorted and without owners, so that the same folder gives the same archive; OUT is left alone
# when nothing changed, so that make has nothing to do. What links name is packed as a file under
# each name: the kernel reads the archive in place and follows no links.
#
# The first member, .tophalf/index, tells of each file what the kernel does not find out by itself,
# in a line of ETag (of its content's SHA-256), type (by the system's mime table; "-": not there),
# and path, with tabs between them. The dashboard is packed as well, below _/.
set -eu
dir=${1:?usage: mksite.sh DIR OUT}
out=${2:?usage: mksite.sh DIR OUT}
top=$(cd "$(dirname "$0")/.." && pwd)
types=${MIME_TYPES:-/etc/mime.types}

[ -d "$dir" ] || { echo "SITE=$dir: there is no such folder" >&2; exit 1; }
[ -r "$dir/index.html" ] || echo "note: $dir has no index.html; / will answer 404" >&2
for taken in _ .tophalf; do
    if [ -e "$dir/$taken" ]; then
        echo "SITE=$dir: $taken is taken by the system itself (docs/http.md): rename it" >&2
        exit 1
    fi
done
[ -r "$types" ] || { echo "note: no $types (package media-types): types by a table of ours" >&2; types=/dev/null; }

tmp=$out.$$
trap 'rm -rf "$tmp" "$tmp.d"' EXIT
trap 'exit 1' HUP INT TERM # sh runs the trap above only when it exits
mkdir -p "$tmp.d/.tophalf" "$tmp.d/_"
cp "$top"/apps/httpd/dashboard/* "$tmp.d/_"

# Names that sha256sum has to escape (with line feeds in them) get along without a line.
sums() { find -L "$1" -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum; }
{ (cd "$dir" && sums .); (cd "$tmp.d" && sums _); } | awk -v types="$types" '
    BEGIN {
        while ((getline line < types) > 0) {
            n = split(line, word, /[ \t]+/)
            if (word[1] !~ /^#/)
                for (i = 2; i <= n; i++)
                    type[word[i]] = word[1] ~ /^text\// ? word[1] "; charset=utf-8" : word[1]
        }
    }
    /^[0-9a-f]/ {
        path = substr($0, 67)
        sub(/^\.\//, "", path)
        if (path ~ /\t/)
            next
        name = path
        sub(/.*\//, "", name)
        extension = name ~ /.\./ ? tolower(name) : ""
        sub(/.*\./, "", extension)
        print substr($0, 1, 22) "\t" (extension != "" && extension in type ? type[extension] : "-") "\t" path
    }' > "$tmp.d/.tophalf/index"

pack() { tar --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX "$@"; }
touch -d @0 "$tmp.d/.tophalf/index" "$tmp.d"/_/* "$tmp.d/_"
pack -C "$tmp.d" -cf "$tmp" .tophalf/index _
pack --dereference --hard-dereference -C "$dir" -rf "$tmp" .
if cmp -s "$tmp" "$out"; then exit 0; fi
mv "$tmp" "$out"
echo "  SITE    $dir ($(du -k "$out" | cut -f1) KiB)"
