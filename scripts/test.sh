#!/bin/bash
# The whole test suite: scripts/test.sh
#
# Set-up, the image, host unit tests, lwIP's own tests, eBPF against Linux's, fuzzing, QEMU tests, instruction counts, lint.
# A part that breaks does not keep the others from running. The last line is "N passed, N failed", the
# sum of all parts.
set -u
cd "$(dirname "$0")/.." || exit 1

MAKE=${MAKE:-make}
# Its variables are in the environment; the flags of the make that called us are not for those
# that we call (its -j has no job server here).
unset MAKEFLAGS MFLAGS MAKELEVEL
JOBS=$(nproc)
LOGS=${BUILD:-build}/test-logs
passed=0 failed=0 broken=()

scripts/setup.sh build run test || {
    echo "0 passed, 1 failed"
    exit 1
}
rm -rf "$LOGS"
mkdir -p "$LOGS"

# What the tools' last words say, as "PASSED FAILED"; nothing when there are no such words.
result() {
    awk '
        # ours: "12 passed, 0 failed", with or without a name before it
        /^([a-z]+: )?[0-9]+ passed, [0-9]+ failed$/ { p = $(NF - 3); f = $(NF - 1); found = 1 }
        # check: "100%: Checks: 82, Failures: 0, Errors: 0", one for each suite
        match($0, /Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
            split(substr($0, RSTART, RLENGTH), w, /[^0-9]+/)
            p += w[2] - w[3] - w[4]; f += w[3] + w[4]; found = 1
        }
        # pytest: "2 failed, 70 passed, 1 error in 95.31s"; no test may be skipped unseen
        /(passed|failed|error|errors|skipped).* in [0-9.]+s/ {
            p = f = 0; found = 1
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) p += $(i - 1)
                if ($i ~ /^(failed|error|skipped)/) f += $(i - 1)
            }
        }
        END { if (found) print p + 0, f + 0 }' "$1"
}

part() { # part NAME COMMAND...
    local name=$1 log=$LOGS/$1.log status good bad from=$SECONDS
    shift
    echo "== $name"
    "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    read -r good bad <<< "$(result "$log")"
    if [ -z "$good" ]; then # it builds something, or it broke before it could count
        good=$((status == 0)) bad=0
    fi
    if [ "$status" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
    if [ "$bad" != 0 ]; then broken+=("$name ($bad: $log)"); fi
    passed=$((passed + good)) failed=$((failed + bad))
    echo "== $name: $good passed, $bad failed, $((SECONDS - from)) s"
    return "$status"
}

part image "$MAKE" -j"$JOBS" --no-print-directory image
part check "$MAKE" -j"$JOBS" --no-print-directory check
part check-lwip "$MAKE" -j"$JOBS" --no-print-directory check-lwip
part check-bpf "$MAKE" -j"$JOBS" --no-print-directory check-bpf
part fuzz-targets "$MAKE" -j"$JOBS" --no-print-directory fuzz-targets

# The fuzzers take what the QEMU tests leave of the CPUs while guests halt and wait.
setsid nice -n 19 "$MAKE" --no-print-directory check-fuzz > "$LOGS/fuzz-output.log" 2>&1 &
fuzz=$!
trap 'kill -- "-$fuzz" 2> /dev/null' EXIT
fuzz_result() {
    cat "$LOGS/fuzz-output.log"
    return "$fuzz_status"
}

part check-qemu "$MAKE" --no-print-directory check-qemu
part check-instructions "$MAKE" --no-print-directory check-instructions
part lint "$MAKE" --no-print-directory lint
wait "$fuzz"
fuzz_status=$?
trap - EXIT
part check-fuzz fuzz_result

echo
for name in "${broken[@]}"; do echo "FAILED: $name"; done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
