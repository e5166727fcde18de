#!/bin/sh
# See that this machine has what a part of the work needs: scripts/setup.sh GROUP...
#
# Groups: build, run, xdp, test (which is build, run and xdp as well), bench, debug. One dpkg-query tells what is
# missing; it is named, and then installed by apt, as root or through sudo. When nothing is
# missing this prints nothing and takes a moment, so that every make target can ask.
set -eu

# Debian packages, and for machines without dpkg the commands and files that stand for them.
BUILD_PACKAGES="gcc binutils libc6-dev make git gnu-efi mtools gdisk dosfstools tar xz-utils media-types
    ca-certificates libjsmn-dev"
BUILD_NEEDS="gcc make git mformat mcopy sgdisk mkfs.fat tar xz sha256sum /usr/include/efi/efi.h /usr/include/jsmn.h"
RUN_PACKAGES="qemu-system-x86 ovmf"
RUN_NEEDS="qemu-system-x86_64"
XDP_PACKAGES="clang libbpf-dev linux-libc-dev gcc"
XDP_NEEDS="clang gcc /usr/include/bpf/bpf_helpers.h /usr/include/linux/bpf.h"
TEST_PACKAGES="libcmocka-dev check pkg-config python3 python3-pytest python3-pytest-xdist
    python3-scapy python3-jsonschema python3-pyflakes curl iputils-ping clang-format clang-tidy cppcheck
    shellcheck iproute2 util-linux cpio python3-matplotlib wrk chromium chromium-driver
    clang clang-19 llvm libclang-rt-14-dev libpcap-dev libelf-dev zlib1g-dev tcpdump wget apache2-utils
    nghttp2-client slowhttptest nmap hping3"
TEST_NEEDS="pkg-config python3 curl ping ip unshare cpio wrk clang-format clang-tidy cppcheck shellcheck
    chromium chromedriver clang clang-19 llvm-strip tcpdump wget ab h2load slowhttptest nmap hping3
    /usr/include/cmocka.h /usr/include/check.h /usr/include/pcap/pcap.h"
BENCH_PACKAGES="libc6-dev python3 python3-matplotlib python3-scapy iproute2 iputils-ping util-linux mtools cpio
    xz-utils wrk $XDP_PACKAGES libelf-dev zlib1g-dev"
BENCH_NEEDS="python3 ping ip unshare taskset cpio xz wrk $XDP_NEEDS /usr/include/gelf.h /usr/include/zlib.h"
DEBUG_PACKAGES="gdb"
DEBUG_NEEDS="gdb"

say() { echo "tophalf: $*"; }
die() {
    say "$*" >&2
    exit 1
}

cross=${CROSS_COMPILE-x86_64-linux-gnu-}
packages='' needs="${cross}gcc ${cross}ld ${cross}objcopy"
for group; do
    case $group in
    build) packages="$packages $BUILD_PACKAGES" needs="$needs $BUILD_NEEDS" ;;
    run) packages="$packages $RUN_PACKAGES" needs="$needs $RUN_NEEDS" ;;
    xdp) packages="$packages $XDP_PACKAGES" needs="$needs $XDP_NEEDS" ;;
    test)
        packages="$packages $BUILD_PACKAGES $RUN_PACKAGES $XDP_PACKAGES $TEST_PACKAGES"
        needs="$needs $BUILD_NEEDS $RUN_NEEDS $XDP_NEEDS $TEST_NEEDS"
        ;;
    bench) packages="$packages $BENCH_PACKAGES" needs="$needs $BENCH_NEEDS" ;;
    debug) packages="$packages $DEBUG_PACKAGES" needs="$needs $DEBUG_NEEDS" ;;
    *) die "setup.sh: no group '$group' (there are: build run xdp test bench debug)" ;;
    esac
done
[ -n "$packages" ] || die "usage: setup.sh GROUP... (build run xdp test bench debug)"

if ! command -v dpkg-query > /dev/null; then
    absent=
    for need in $needs; do
        case $need in
        /*) [ -e "$need" ] || absent="$absent $need" ;;
        *) command -v "$need" > /dev/null || absent="$absent $need" ;;
        esac
    done
    [ -z "$absent" ] && exit 0
    say "missing here:$absent" >&2
    # shellcheck disable=SC2086 # the lists are words
    die "this is not a Debian system; please install what it calls:" $packages
fi

# The names in $packages that are not installed.
missing() {
    # shellcheck disable=SC2086,SC2016,SC2116 # words, to be made one line; dpkg-query's variables
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' $packages 2> /dev/null |
        awk -v want="$(echo $packages)" '
            $1 == "installed" { have[$2] = 1 }
            END {
                count = split(want, names)
                for (i = 1; i <= count; i++)
                    if (!(names[i] in have) && !seen[names[i]]++)
                        printf "%s%s", separator++ ? " " : "", names[i]
            }'
}

# Debian's native toolchain on amd64 carries the cross prefix already; elsewhere it is a package.
if ! command -v "${cross}gcc" > /dev/null && [ "$cross" = x86_64-linux-gnu- ] &&
    [ "$(dpkg --print-architecture)" != amd64 ]; then
    packages="$packages gcc-x86-64-linux-gnu"
fi

list=$(missing)
[ -n "$list" ] || exit 0

# Two makes at once (or make -j) must not meet in apt: one installs, the other then finds it done.
if command -v flock > /dev/null; then
    exec 9< "$0"
    flock 9
    list=$(missing)
    [ -n "$list" ] || exit 0
fi

command -v apt-get > /dev/null || die "there is no apt-get here; please install: $list"
if [ "$(id -u)" = 0 ]; then
    as_root=''
elif command -v sudo > /dev/null; then
    as_root=sudo
    # Without a terminal nobody can type a password: fail at once instead of waiting for one.
    [ -t 0 ] || as_root='sudo -n'
else
    die "neither root nor sudo; please let root run: apt-get install $list"
fi

say "installing with apt: $list"
# shellcheck disable=SC2086
{
    $as_root apt-get -q -o DPkg::Lock::Timeout=300 update ||
        say "apt-get update had errors; going on with the package lists that are there"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 install $list
} < /dev/null || die "apt could not install them; see above. Needed: $list"

list=$(missing)
[ -z "$list" ] || die "still missing after the installation: $list"
