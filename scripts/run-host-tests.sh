#!/bin/bash
# Run cmocka programs: scripts/run-host-tests.sh PROGRAM...
#
# One line a program; the whole output of one that fails. The last line is "N passed, N failed",
# counted in tests. A test that a program planned and did not come to (a sanitizer ended it, or it
# hangs) counts as failed.
set -u

passed=0 failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

for program; do
    # cmocka's TAP: a plan "1..N" for each group, then "ok" or "not ok" for each test.
    { CMOCKA_MESSAGE_OUTPUT=TAP timeout 120 "$program" > "$output" 2>&1; } 2> /dev/null
    status=$?
    planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$output" | awk '{ n += $1 } END { print n + 0 }')
    ok=$(grep -c '^ok ' "$output")
    bad=$((planned - ok))
    if [ "$status" != 0 ] && [ "$bad" -le 0 ]; then bad=1; fi
    if [ "$planned" = 0 ] && [ "$bad" = 0 ]; then bad=1; fi # it tested nothing
    name=${program##*/}
    if [ "$bad" = 0 ]; then
        printf '  %-28s %4d passed\n' "$name" "$ok"
    else
        printf '  %-28s %4d passed, %d FAILED (exit status %d):\n' "$name" "$ok" "$bad" "$status"
        sed 's/^/    /' "$output"
    fi
    passed=$((passed + ok)) failed=$((failed + bad))
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
