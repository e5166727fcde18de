/*
 * The adaptive mode at work: measures what rx_policy.h wants to know, applies it, and keeps the
 * record of every switch. Bottom half, but for the readers.
 */
#ifndef NET_RX_ADAPT_H
#define NET_RX_ADAPT_H

#include "rx_policy.h"
#include <stdbool.h>

/* Begin anew, driven by interrupts: the mode was entered. */
void rx_adapt_start(uint64_t now_ticks);

/*
 * A poll has ended. `useful` is the TSC ticks that it took if it found packets, else 0. Returns
 * the regime to go on with.
 */
enum rx_regime rx_adapt_poll(uint64_t now_ticks, unsigned packets, uint64_t useful,
                             uint64_t defer_ns);

enum rx_regime rx_adapt_regime(void);

/* One switch, as `mode` shows it. */
struct rx_switch {
    uint64_t time_ns;
    enum rx_regime from, to;
    enum rx_reason reason;
    uint32_t pps;  /* the averages that decided */
    uint32_t busy; /* thousandths */
};
#define RX_SWITCH_LOG 16

struct rx_adapt_stats {
    uint64_t switches;
    uint64_t by_reason[RX_REASON_COUNT];
    uint32_t pps, busy; /* now */
    unsigned log_count;
    struct rx_switch log[RX_SWITCH_LOG]; /* oldest first */
};
void rx_adapt_stats(struct rx_adapt_stats *out);
void rx_adapt_reset_stats(void);

#endif
