#!/bin/bash
# Documents that must stay true: scripts/check-docs.sh
#
# Every row "function   file" of docs/packet-walk.md names a function that is in that file, every
# relative link in a document leads to a file, and every key that the code asks tophalf.cfg for is
# explained in boot/tophalf.cfg (and the other way round).
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0

complain() {
    echo "$*"
    bad=1
}

# Rows of the walk: one or more names, blanks, a file of ours.
while read -r names file; do
    [ -f "$file" ] || { complain "packet-walk.md: there is no $file"; continue; }
    for name in ${names//,/ }; do
        grep -qw -- "$name" "$file" || complain "packet-walk.md: $name is not in $file"
    done
done < <(sed -nE 's/^ *([a-z_0-9, ]+[a-z_0-9]) {2,}((kernel|drivers|net|apps|boot)\/[a-z_0-9\/.]+\.[chS]).*/\1 \2/p' \
    docs/packet-walk.md | awk '{ f = $NF; $NF = ""; gsub(/ /, ""); print $0, f }')

while read -r doc link; do
    target=$(dirname "$doc")/${link%%#*}
    [ -e "$target" ] || complain "$doc: broken link: $link"
done < <(git ls-files '*.md' | while read -r doc; do
    grep -oE '\]\([^)]+\)' "$doc" | sed -E 's/^\]\(|\)$//g' | grep -vE '^(https?:|#)' |
        sed "s|^|$doc |"
done)

asked=$(git grep -hoE 'config_(get|u64|bool|choice)\("[a-z0-9_.]+"' -- kernel drivers net apps |
    sed -E 's/.*"(.*)"/\1/' | sort -u)
explained=$(sed -nE 's/^#([a-z0-9_.]+)=.*/\1/p' boot/tophalf.cfg | sort -u)
diff <(echo "$asked") <(echo "$explained") > /dev/null || {
    complain "boot/tophalf.cfg does not explain what the code asks for (< asked, > explained):"
    diff <(echo "$asked") <(echo "$explained")
}
exit $bad
