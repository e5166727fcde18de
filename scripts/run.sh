#!/bin/sh
# Boot an image in QEMU for a person at a terminal: scripts/run.sh IMAGE
#
# The environment chooses: PORT (of this machine), GUEST_PORT (the app's), APP (for the message),
# MEM, MACHINE, CPU, ACCEL (tcg or kvm), OVMF (the firmware's code file), NIC (options after virtio-net-pci), QEMU_ARGS (appended),
# GDB=1 (QEMU waits; gdb runs in this terminal, and the serial console goes to a log file).
# The image is opened as a snapshot: what the firmware writes to its volume is not kept.
set -eu

IMAGE=${1:?usage: run.sh IMAGE}
TOP=$(cd "$(dirname "$0")/.." && pwd)
PORT=${PORT:-8080}
GUEST_PORT=${GUEST_PORT:-80}
BUILD_DIR=$(dirname "$IMAGE")

die() {
    echo "tophalf: $*" >&2
    exit 1
}

[ -f "$IMAGE" ] || die "there is no $IMAGE; 'make' builds it"
case $PORT in
'' | *[!0-9]* | ??????*) die "PORT=$PORT is not a port number" ;;
esac
if [ "$PORT" -lt 1 ] || [ "$PORT" -gt 65535 ]; then
    die "PORT=$PORT is not a port number (1 to 65535)"
fi

# Who listens there, for the line that tells; and the address that QEMU must forward to, which is
# not its DHCP server's where the configuration has a static one.
PROTOCOL=tcp
case ${APP:-httpd} in
httpd) where="http://127.0.0.1:$PORT" ;;
kv) PROTOCOL=udp where="kv at 127.0.0.1:$PORT, UDP (its port $GUEST_PORT)" ;;
*) where="$APP at 127.0.0.1:$PORT (its port $GUEST_PORT)" ;;
esac
GUEST_IP=$(sed -nE 's/^[[:blank:]]*ip[[:blank:]]*=[[:blank:]]*([0-9.]+)\/.*/\1/p' \
    "$BUILD_DIR/tophalf.cfg" 2> /dev/null || true)

# A /dev/kvm may be there, and even create a VM, and still not run guests as they are: without
# the CPU's own virtualisation it is an emulation. So ask for both.
accel_auto() {
    if [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; then echo kvm; else echo tcg; fi
}

find_ovmf() {
    for code in /usr/share/OVMF/OVMF_CODE.fd /usr/share/OVMF/OVMF_CODE_4M.fd \
        /usr/share/edk2/ovmf/OVMF_CODE.fd /usr/share/edk2/x64/OVMF_CODE.4m.fd \
        /usr/share/edk2-ovmf/x64/OVMF_CODE.fd /usr/share/qemu/edk2-x86_64-code.fd; do
        if [ -r "$code" ]; then
            echo "$code"
            return
        fi
    done
}

# Is something listening on this port of the loopback address? (QEMU's own message for it does
# not say what to do.) /proc/net/tcp has addresses in hexadecimal; state 0A is LISTEN.
port_taken() {
    cat /proc/net/tcp /proc/net/tcp6 2> /dev/null | awk -v port="$(printf '%04X' "$1")" '
        $4 == "0A" {
            split($2, at, ":")
            if (at[2] == port && at[1] ~ /^(0+|0100007F|0000000000000000FFFF00000100007F)$/)
                taken = 1
        }
        END { exit !taken }'
}

ACCEL=${ACCEL:-$(accel_auto)}
OVMF=${OVMF:-$(find_ovmf)}
[ -n "$OVMF" ] || die "no OVMF firmware found; install the package ovmf, or set OVMF=<code file>"
if port_taken "$PORT"; then
    die "port $PORT of this machine is taken; choose another one: make run PORT=$((PORT + 1))"
fi

set -- -machine "${MACHINE:-q35}" -accel "$ACCEL" -cpu "${CPU:-max}" -m "${MEM:-256M}" \
    -nodefaults -no-user-config -display none -vga none \
    -drive "if=pflash,format=raw,readonly=on,file=$OVMF" \
    -drive "file=$IMAGE,format=raw,snapshot=on" \
    -netdev "user,id=n0,hostfwd=$PROTOCOL:127.0.0.1:$PORT-$GUEST_IP:$GUEST_PORT" \
    -device "virtio-net-pci,netdev=n0,romfile=${NIC:+,$NIC}"

exec 3<&0

# However QEMU ends, the terminal is as it was: modes, colours, wrapping, cursor.
saved_tty=
if [ -t 0 ]; then saved_tty=$(stty -g); fi
child=
clean_up() {
    trap '' INT TERM HUP
    if [ -n "$child" ] && kill "$child" 2> /dev/null; then wait "$child" || true; fi
    if [ -n "$saved_tty" ]; then stty "$saved_tty" 2> /dev/null || true; fi
    if [ -t 1 ]; then printf '\033[0m\033[?7h\033[?25h\n'; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

if [ -z "${GDB:-}" ]; then
    echo "tophalf: $ACCEL; $where in about 5 seconds; Ctrl-A X ends (Ctrl-A is QEMU's key)"
    # shellcheck disable=SC2086 # QEMU_ARGS is words
    # Waited for, rather than run in front: a signal to this script then ends QEMU too.
    qemu-system-x86_64 "$@" -chardev stdio,id=console,mux=on,signal=off \
        -serial chardev:console -mon chardev=console,mode=readline ${QEMU_ARGS:-} <&3 &
    child=$!
    status=0
    wait "$child" || status=$?
    child=
    exit "$status"
fi

"$TOP/scripts/setup.sh" debug
socket=$BUILD_DIR/gdb.sock
console=$BUILD_DIR/debug-console
rm -f "$socket" "$console.sock"
: > "$console.log"
# setsid: Ctrl-C in gdb is for gdb, not for QEMU.
# shellcheck disable=SC2086
setsid qemu-system-x86_64 "$@" -S -monitor none -serial chardev:console \
    -chardev "socket,id=console,path=$console.sock,server=on,wait=off,logfile=$console.log" \
    -chardev "socket,id=gdb,path=$socket,server=on,wait=off" -gdb chardev:gdb \
    ${QEMU_ARGS:-} < /dev/null &
child=$!
tries=0
until [ -S "$socket" ]; do
    kill -0 "$child" 2> /dev/null || die "QEMU ended; see above"
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || die "QEMU does not open $socket"
    sleep 0.1
done
echo "tophalf: $where; in another terminal, to see the serial console:"
echo "    tail -f $console.log     or, to type as well: socat -,raw,echo=0,escape=1 $console.sock"
echo "tophalf: gdb stops at kernel_entry, after the firmware's seconds; 'kill' or 'quit' ends all"
gdb -q "$BUILD_DIR/kernel.debug" -ex 'set pagination off' -ex "target remote $socket" \
    -ex 'hbreak kernel_entry' -ex 'continue'
