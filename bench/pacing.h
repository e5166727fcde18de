/*
 * When to send how much: offered rates are kept by the clock, not by counting sleeps, so that a
 * late wake-up is made up for by a larger burst. Pure arithmetic, tested on the host.
 */
#ifndef BENCH_PACING_H
#define BENCH_PACING_H

#include <stdint.h>

#define NS_PER_SEC 1000000000ull

/* Packets that are due `elapsed_ns` after the start, at `rate` packets a second. */
static inline uint64_t pacing_due(uint64_t rate, uint64_t elapsed_ns)
{
    return (uint64_t)((unsigned __int128)rate * elapsed_ns / NS_PER_SEC);
}

/* When packet number `n` (from 0) is due: the earliest time at which pacing_due() exceeds n. */
static inline uint64_t pacing_time(uint64_t rate, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)(n + 1) * NS_PER_SEC + rate - 1) / rate);
}

/* The value at or below which `per_mille` thousandths of the sorted values lie; 0 of none. */
static inline uint64_t percentile(const uint64_t *sorted, uint64_t count, unsigned per_mille)
{
    uint64_t rank = (count * per_mille + 999) / 1000;

    return count == 0 ? 0 : sorted[rank > 0 ? rank - 1 : 0];
}

#endif
