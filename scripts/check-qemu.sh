#!/bin/bash
# The QEMU tests: scripts/check-qemu.sh [EXPRESSION as for pytest -k]
#
# Two workers share the CPUs with their guests, and on a machine that has other work a guest or its
# peer may miss a deadline that it meets otherwise. Up to five tests that fail get a second try, alone
# on the machine, and the result names them: what is wrong fails again. The last line is pytest's
# summary of both tries together.
set -u
cd "$(dirname "$0")/.." || exit 1

select=(tests/qemu)
[ -z "${1:-}" ] || select+=(-k "$1")
log=$(mktemp)
trap 'rm -f "$log"' EXIT

run() {
    /usr/bin/python3 -m pytest -v "$@" 2>&1 | tee "$log"
    return "${PIPESTATUS[0]}"
}
# count WORD: of the summary, "2 failed, 70 passed, 1 error in 95.31s".
count() { grep -E ' in [0-9.]+s' "$log" | tail -n 1 | grep -oE "[0-9]+ $1" | grep -oE '^[0-9]+' || echo 0; }

run -n 2 --dist loadgroup --durations=40 "${select[@]}"
status=$?
failed=$(($(count failed) + $(count error)))
if [ "$status" != 1 ] || [ "$failed" -gt 5 ]; then exit "$status"; fi

good=$(count passed)
# "FAILED tests/qemu/x.py::test_y[two words]@group - why"
mapfile -t again < <(sed -nE '/^(FAILED|ERROR) tests/{s/^[A-Z]+ //;s/ - .*//;s/@[a-z0-9_]+$//;p}' "$log" | sort -u)
if [ "${#again[@]}" = 0 ]; then exit "$status"; fi
echo "Once more, one after the other: ${again[*]}"
run "${again[@]}"
status=$?
bad=$(($(count failed) + $(count error)))
echo "At the second try: $(count passed) passed of ${again[*]}"
echo "$((good + $(count passed))) passed, $bad failed in ${SECONDS}s"
exit "$status"
