/*
 * One-shot timers on the local APIC's timer (TSC-deadline where offered). Callbacks run in
 * softirq context (SOFTIRQ_TIMER), at or after their deadline. There is no tick: with no timer
 * armed, no timer interrupt comes.
 */
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
    struct timer *next; /* armed timers, by deadline */
    uint64_t deadline_ns;
    void (*fn)(void *arg);
    void *arg;
    bool armed;
};

void timer_init(void); /* boot, after time_init() and irq_init() */

/* Prepare a timer: its memory stays the caller's, for as long as it is armed. */
void timer_setup(struct timer *timer, void (*fn)(void *arg), void *arg);

/* Arm, or move, to an absolute time_ns(). A past deadline fires as soon as softirqs run.
 * Bottom half or boot; O(armed timers). */
void timer_set(struct timer *timer, uint64_t deadline_ns);

/* Disarm; harmless when not armed. After it returns fn is not called. Bottom half or boot. */
void timer_cancel(struct timer *timer);

/* Program the hardware so that a HLT ends at deadline_ns even if no timer is due: loop_wait(). */
void timer_wake_at(uint64_t deadline_ns);

#endif
