#!/bin/sh
# Run lwIP's own unit tests, built by tests/lwip.mk: scripts/run-lwip-tests.sh BUILD/lwip-unit
#
# Prints each program's result line as Debian's `check` has it, what failed, and one line for both
# ("lwip: N passed, N failed"). Exit status 0 when nothing failed.
set -u

OUT=$(cd "${1:?usage: run-lwip-tests.sh FOLDER}" && pwd)
passed=0 failed=0

for which in ours theirs; do
    case $which in
    ours) name="our options" ;;
    *) name="lwIP's own options" ;;
    esac
    log=$OUT/$which.log
    # In its own folder: lwIP's main writes an XML file into the current one.
    (cd "$OUT/$which" && timeout 300 ./unittests) > "$log" 2>&1
    status=$?
    result=$(grep '^[0-9]*%: Checks:' "$log")
    if [ -z "$result" ]; then
        tail -n 30 "$log"
        echo "lwip ($name): ended with status $status and no result"
        failed=$((failed + 1))
        continue
    fi
    echo "lwip ($name): $result"
    grep -E '^[^ ]+:[0-9]+:[FE]:' "$log"
    checks=$(echo "$result" | sed 's/.*Checks: \([0-9]*\),.*/\1/')
    failures=$(echo "$result" | sed 's/.*Failures: \([0-9]*\),.*/\1/')
    errors=$(echo "$result" | sed 's/.*Errors: \([0-9]*\).*/\1/')
    bad=$((failures + errors))
    if [ "$bad" -eq 0 ] && [ "$status" -ne 0 ]; then
        echo "lwip ($name): all checks passed, but it ended with status $status"
        bad=1
    fi
    passed=$((passed + checks - bad))
    failed=$((failed + bad))
done
echo "lwip: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
