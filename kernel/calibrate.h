/*
 * Measuring a counter's rate against a clock of known rate. Reads through function pointers, so
 * that the host tests put their own time behind it. Private to kernel/. Boot.
 */
#ifndef KERNEL_CALIBRATE_H
#define KERNEL_CALIBRATE_H

#include "clocksource.h"

#define CALIBRATE_WINDOW_NS   5000000ull
#define CALIBRATE_WINDOWS_MAX 10
#define CALIBRATE_PPM         2000 /* how far two windows may be apart: 0.2% */

struct calibrate_counters {
    uint64_t (*tsc)(void);
    uint32_t (*lapic)(void); /* counts down; NULL: not wanted */
};

struct calibrate_result {
    uint64_t tsc_hz, lapic_hz;
    unsigned windows; /* how many it took */
    bool agreed;      /* two successive windows were within CALIBRATE_PPM */
};

/*
 * Returns NULL, or a constant sentence where the clock does not count. Two windows that agree
 * are averaged; where none do (a very noisy host), the last is taken and agreed is false.
 */
const char *calibrate(const struct clocksource *clock, const struct calibrate_counters *counters,
                      struct calibrate_result *out);

#endif
