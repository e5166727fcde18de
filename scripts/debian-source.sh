# Third-party source from Debian's archive, for the scripts that source this file (sh).
#
# Nothing of it is ever committed or edited. Each file is checked against a SHA-256 of ours and
# then kept in the per-user cache under that sum, so that another clone asks nobody. The script
# that sources this sets WHAT (for messages) and DEST, and defines hint() (what to do without apt).
# shellcheck shell=sh

say() { echo "${WHAT:?}: $*"; }
die() {
    say "$*" >&2
    hint >&2
    exit 1
}

matches() { [ -f "$1" ] && [ "$(sha256sum < "$1" | cut -d' ' -f1)" = "$2" ]; } # FILE SHA256

CACHE=${XDG_CACHE_HOME:-${HOME:-$(dirname "${DEST:?}")}/.cache}/tophalf
cached() { echo "$CACHE/$1"; } # SHA256

keep() { # FILE SHA256: into the cache, where no half file is ever seen
    mkdir -p "$CACHE"
    cp "$1" "$CACHE/$2.$$" && mv "$CACHE/$2.$$" "$CACHE/$2"
}

given() { # PATTERN SHA256: a file of third_party/, which has to be the right one
    if matches "$(cached "$2")" "$2"; then return; fi
    for f in "${TOP:?}/third_party/"$1; do
        [ -f "$f" ] || continue
        matches "$f" "$2" || die "$f has not the pinned checksum $2"
        keep "$f" "$2"
    done
}

unpack() { # TARBALL DEST [what of it]: DEST is whole, or not there
    tarball=$1 dest=$2
    shift 2
    rm -rf "$dest" "$dest.part"
    mkdir -p "$dest.part"
    tar -xf "$tarball" -C "$dest.part" --strip-components=1 "$@"
    mv "$dest.part" "$dest"
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

from_apt() { # PACKAGE SUITE WORK: the upstream tarball of a source package, into WORK
    command -v apt-get > /dev/null || die "no apt-get here to fetch it with"
    site=$(mirror)
    [ -n "$site" ] || die "this machine's apt names no Debian mirror (try apt-get update)"
    mkdir -p "$3/lists/partial" "$3/archives/partial"
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $2 main" \
        > "$3/sources.list"
    # Everything apt would write is pointed into the build folder; the machine's
    # own lists, cache and sources stay as they are.
    cat > "$3/apt.conf" << CONF
Dir::Etc::SourceList "$3/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "$3/lists";
Dir::Cache "$3";
Dir::Cache::Archives "$3/archives";
APT::Sandbox::User "root";
CONF
    say "fetching the source package $1 from Debian $2 (about 20 s)"
    # apt checks the file against the signed Release file; the pin is ours and is what counts.
    if ! (cd "$3" && APT_CONFIG=$3/apt.conf apt-get -q update &&
        APT_CONFIG=$3/apt.conf apt-get -q --download-only --tar-only source "$1") \
        > "$3/apt.log" 2>&1; then
        tail -n 5 "$3/apt.log" >&2
        die "apt could not fetch it (whole log: $3/apt.log)"
    fi
}

from_pool() { # PATH SHA1 SHA256: a file of the archive, to the cache; where it was once, if it is gone
    if matches "$(cached "$3")" "$3"; then return; fi
    new=$DEST.new
    mkdir -p "$(dirname "$new")"
    for url in "$(mirror)/pool/$1" "https://snapshot.debian.org/file/$2"; do
        say "fetching $url"
        if curl -fsSL -o "$new" "$url" && matches "$new" "$3"; then
            keep "$new" "$3"
            break
        fi
    done
    rm -f "$new"
    matches "$(cached "$3")" "$3" || die "neither has it with the pinned checksum $3"
}
