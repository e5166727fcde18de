/*
 * Calibration. What disturbs it is time that passes between reading the clock and reading the
 * counter (an SMI, or a hypervisor that gave the core away). Against that, each instant is read
 * several times and the tightest reading taken, and two windows in a row must agree.
 */
#include "calibrate.h"
#include <kernel/lib.h>
#include <kernel/muldiv.h>

#define SAMPLE_TRIES 5
#define STUCK_READS  200000 /* at 100 ns and more each: a clock that stood for 20 ms is dead */
#define FS_PER_SEC   1000000000000000ull
#define FS_PER_NS    1000000ull

/* One instant on all the counters. */
struct sample {
    uint64_t clock, tsc;
    uint32_t lapic;
};

static struct sample take_sample(const struct clocksource *clock,
                                 const struct calibrate_counters *counters)
{
    struct sample best = { 0 };
    uint64_t best_width = UINT64_MAX;

    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before = counters->tsc();
        uint64_t ticks = clock->read();
        uint32_t lapic = counters->lapic != NULL ? counters->lapic() : 0;
        uint64_t width = counters->tsc() - before;

        if (width >= best_width)
            continue;
        best_width = width;
        best = (struct sample){ .clock = ticks, .tsc = before + width / 2, .lapic = lapic };
    }
    return best;
}

/* Wait until the clock has gone on for that many ticks. Returns false when it stands still. */
static bool wait_ticks(const struct clocksource *clock, uint64_t start, uint64_t ticks)
{
    uint64_t last = start;
    unsigned same = 0;

    for (;;) {
        uint64_t now = clock->read();

        if (((now - start) & clock->mask) >= ticks)
            return true;
        same = now == last ? same + 1 : 0;
        if (same == STUCK_READS)
            return false;
        last = now;
    }
}

static uint64_t rate(uint64_t counted, uint64_t elapsed_fs)
{
    return muldiv64(counted, FS_PER_SEC, elapsed_fs);
}

static bool measure_window(const struct clocksource *clock,
                           const struct calibrate_counters *counters, uint64_t *tsc_hz,
                           uint64_t *lapic_hz)
{
    uint64_t ticks = CALIBRATE_WINDOW_NS * FS_PER_NS / clock->tick_fs;
    struct sample start = take_sample(clock, counters);
    struct sample end;
    uint64_t elapsed_fs;

    if (!wait_ticks(clock, start.clock, ticks))
        return false;
    end = take_sample(clock, counters);
    elapsed_fs = ((end.clock - start.clock) & clock->mask) * clock->tick_fs;
    if (elapsed_fs == 0 || end.tsc <= start.tsc)
        return false;
    *tsc_hz = rate(end.tsc - start.tsc, elapsed_fs);
    *lapic_hz = rate(start.lapic - end.lapic, elapsed_fs); /* it counts down */
    return true;
}

static bool agree(uint64_t a, uint64_t b)
{
    return (a > b ? a - b : b - a) <= MAX(a, b) / 1000000 * CALIBRATE_PPM;
}

const char *calibrate(const struct clocksource *clock, const struct calibrate_counters *counters,
                      struct calibrate_result *out)
{
    uint64_t last_tsc = 0, last_lapic = 0;

    *out = (struct calibrate_result){ 0 };
    while (out->windows < CALIBRATE_WINDOWS_MAX) {
        uint64_t tsc_hz, lapic_hz;

        if (!measure_window(clock, counters, &tsc_hz, &lapic_hz))
            return "it does not count";
        out->windows++;
        out->tsc_hz = tsc_hz;
        out->lapic_hz = lapic_hz;
        if (out->windows > 1 && agree(tsc_hz, last_tsc) && agree(lapic_hz, last_lapic)) {
            out->tsc_hz = (tsc_hz + last_tsc) / 2;
            out->lapic_hz = (lapic_hz + last_lapic) / 2;
            out->agreed = true;
            break;
        }
        last_tsc = tsc_hz;
        last_lapic = lapic_hz;
    }
    return NULL;
}
