#!/bin/bash
# Run libFuzzer programs: scripts/run-fuzzers.sh SECONDS PROGRAM[:SECONDS]...
#
# Seconds of CPU time, so that a busy machine makes a run longer and not weaker. As many at a time
# as there are CPUs, each from its seeds (tests/fuzz/corpus/<name>, and build/fuzz/<name>.seeds where
# a compiler makes them; inputs have 4096 bytes or what the largest seed has) and from what earlier
# runs have found in this build folder. A finding is kept beside the program, which shows it again:
# build/fuzz/fuzz_<name> build/fuzz/<name>.found/crash-... The last line is "N passed, N failed",
# counted in programs.
set -u
cd "$(dirname "$0")/.." || exit 1

seconds=$1
shift

cpu_seconds() { # PID: what it has used
    awk '{ sub(/.*\) /, ""); print int(($12 + $13) / 100) }' "/proc/$1/stat" 2> /dev/null
}

fuzz() { # PROGRAM[:SECONDS]: for its own seconds, or as many as all
    local program=${1%%:*} own=${1##*:} pid used seeds=() most
    local name=${program##*/fuzz_} folder=${program%/*}
    [ "$own" != "$1" ] || own=$seconds
    for most in "tests/fuzz/corpus/$name" "$folder/$name.seeds"; do
        [ ! -d "$most" ] || seeds+=("$most")
    done
    most=$(find "${seeds[@]}" -type f -printf '%s\n' | sort -n | tail -n 1)
    [ "$most" -gt 4096 ] || most=4096
    mkdir -p "$folder/$name.corpus" "$folder/$name.found"
    "$program" -max_total_time=$((20 * own)) -timeout=60 -rss_limit_mb=2048 -max_len="$most" \
        -print_final_stats=1 -artifact_prefix="$folder/$name.found/" \
        "$folder/$name.corpus" "${seeds[@]}" > "$folder/$name.log" 2>&1 &
    pid=$!
    while sleep 1 && used=$(cpu_seconds "$pid") && [ -n "$used" ]; do
        [ "$used" -lt "$own" ] || kill -USR1 "$pid" # it ends as if its time were up
    done
    if wait "$pid"; then
        awk -v name="$name" '
            /^stat::number_of_executed_units/ { runs = $2 }
            / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
            END { printf "  %-16s %9d runs, %5d edges\n", name, runs, cov }' "$folder/$name.log"
        return 0
    fi
    printf '  %-16s a finding in %s:\n' "$name" "$folder/$name.found"
    tail -n 40 "$folder/$name.log" | sed 's/^/    /'
    return 1
}

for program; do
    program=${program%%:*}
    name=${program##*/fuzz_}
    [ -d "tests/fuzz/corpus/$name" ] || [ -d "${program%/*}/$name.seeds" ] || {
        echo "tests/fuzz/corpus/$name: no seeds"
        exit 1
    }
done
results=$(mktemp)
trap 'rm -f "$results"' EXIT
one() {
    fuzz "$1"
    echo $? >> "$results"
}
export -f cpu_seconds fuzz one
export seconds results
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'one {}'
passed=$(grep -c '^0$' "$results")
echo "$passed passed, $(($# - passed)) failed"
[ "$passed" = $# ]
