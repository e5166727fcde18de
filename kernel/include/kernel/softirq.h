/*
 * Softirqs: the bottom halves. A top half raises one; it runs when the interrupt ends, or from
 * the main loop, with interrupts on, one at a time on a CPU, in the order of the enum.
 *
 * A round is bounded (SOFTIRQ_ROUND_RESTARTS passes over the pending set, or softirq_round_ns()):
 * what is left is *deferred*, which keeps interrupt exits from starting another round until the
 * main loop has had its turn. So a flood of interrupts can not starve the console, and no softirq
 * can starve another.
 *
 * (The lecture: "Top half schedules a kernel process for full interrupt handling, called bottom
 * half"; ours are calls, not a process: there is no context to switch to.)
 */
#ifndef KERNEL_SOFTIRQ_H
#define KERNEL_SOFTIRQ_H

#include <stdbool.h>
#include <stdint.h>

enum softirq {
    SOFTIRQ_TIMER,  /* expired timers (timer.h) */
    SOFTIRQ_NET,    /* the NIC's rings: net/napi.c */
    SOFTIRQ_SERIAL, /* the console's FIFO */
    SOFTIRQ_COUNT,
};

#define SOFTIRQ_ROUND_RESTARTS 10
#define SOFTIRQ_ROUND_NS       2000000ull /* by default: softirq_set_round_ns() */

/* Name the function of a softirq. Boot. */
void softirq_open(enum softirq nr, const char *name, void (*action)(void));

/* Mark it pending on this CPU. Any context; also from an action, which then runs again. */
void softirq_raise(enum softirq nr);

/* Keep softirqs from running while main context works on their data. Nests. Main context; the
 * outermost enable runs what came in between. */
void softirq_disable(void);
void softirq_enable(void);

bool softirq_pending(void);

/* The bound in time of a round, from the next one on. Main context. */
void softirq_set_round_ns(uint64_t ns);
uint64_t softirq_round_ns(void);

/* Run one bounded round. Called by the interrupt exit (softirq_irq_exit) and the main loop. */
void softirq_run(void);
void softirq_irq_exit(void);

struct softirq_stats {
    const char *name;
    uint64_t raised; /* times it went from idle to pending */
    uint64_t runs;
};
struct softirq_totals {
    uint64_t rounds_irq_exit, rounds_main, deferred; /* rounds that hit a bound */
};
bool softirq_stats(unsigned nr, struct softirq_stats *out); /* false past the end */
void softirq_totals(struct softirq_totals *out);

#endif
