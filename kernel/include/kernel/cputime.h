/*
 * Where the CPU's time goes: interrupt, softirq, app, main, idle. One of them runs at any moment,
 * so that they sum to all the time there was. A change is a read of the TSC, an addition and a
 * store: cheap enough to stay on.
 *
 * (The lecture: "The problem of interrupts": "excessive interrupt overhead and high CPU/system
 * load"; this is where it shows.)
 */
#ifndef KERNEL_CPUTIME_H
#define KERNEL_CPUTIME_H

#include <kernel/cpu.h>

/* From now on the time is `state`'s; returns whose it was. Interrupts off, or no interrupt may
 * change the state in between: an interrupt gives back what it found. Any context. */
static inline enum cputime cputime_switch(struct cpu *cpu, enum cputime state)
{
    enum cputime before = cpu->cputime_state;
    uint64_t now = rdtsc();

    cpu->cputime_ticks[before] += now - cpu->cputime_since;
    cpu->cputime_since = now;
    cpu->cputime_state = state;
    return before;
}

/* From here on this CPU's time is counted. Boot. */
void cputime_start(struct cpu *cpu);

/* Nanoseconds in each state since cputime_start() or the last `reset`, up to now. Any context. */
struct cputime_split {
    uint64_t ns[CPUTIME_COUNT];
    uint64_t total_ns; /* their sum */
};
void cputime_read(struct cputime_split *out);

/* Hundredths of a per cent that sum to 10000 (or are 0 where no time has passed). */
void cputime_shares(const struct cputime_split *split, unsigned share[CPUTIME_COUNT]);

const char *cputime_name(enum cputime state);

#endif
