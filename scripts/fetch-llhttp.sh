#!/bin/sh
# Bring llhttp's test vectors to the build folder: scripts/fetch-llhttp.sh DEST
#
# The HTTP parser is ours (docs/http.md says why); what llhttp's authors hold theirs to, ours is held to
# as well (tests/qemu/test_http_llhttp.py). Fetched, checked against one SHA-256, never edited or
# committed. The source is looked for in
#   1. third_party/        the tarball (llhttp*.tar.*), placed there by you
#   2. the per-user cache  ${XDG_CACHE_HOME:-~/.cache}/tophalf/<sha256>
#   3. Debian's archive    the source package llhttp (6 MB, once)
set -eu

WHAT=llhttp
SHA256=a9242958af22a424d8be7d499eb97bd2e78c6e3554c8bc01406f00d197b541f4
SHA1=5212ac15c870d693b033c35493b055d98f8721fc
FILE='llhttp_9.3.3~really9.3.0+~cs12.11.8.orig.tar.gz'
DEST=${1:?usage: fetch-llhttp.sh DEST}
TOP=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/debian-source.sh
. "$TOP/scripts/debian-source.sh"

hint() {
    say "without network: put $FILE into third_party/"
}

given 'llhttp*.tar.*' $SHA256
from_pool "main/l/llhttp/$FILE" $SHA1 $SHA256
unpack "$(cached $SHA256)" "$DEST" --wildcards '*/test/request/*.md'
