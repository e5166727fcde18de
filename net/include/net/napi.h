/*
 * NAPI and its alternatives: who looks at the receive ring, when, and for how long. (The lecture:
 * "The problem of interrupts", "NAPI polling".)
 *
 *   mode        interrupts                  the bottom half
 *   interrupt   always on: one a packet     runs when one came; they go on meanwhile
 *   napi        masked by the top half      polls with a budget; unmasks when it found less
 *   poll        never                       polls without end, from the main loop
 *   adaptive    as the load asks            as napi when quiet, as poll when busy, and between
 *                                           the two with a deferral (rx_policy.h)
 *
 * In all of them napi_poll() is SOFTIRQ_NET: it takes at most `budget` frames off the ring and
 * runs each to completion through the stack. They differ in what its last lines do, so that a
 * change of mode takes effect between two polls and loses nothing.
 */
#ifndef NET_NAPI_H
#define NET_NAPI_H

#include <drivers/nic.h>
#include <stdint.h>

enum rx_mode {
    RX_MODE_INTERRUPT,
    RX_MODE_NAPI,
    RX_MODE_POLL,
    RX_MODE_ADAPTIVE,
    RX_MODE_COUNT,
};

#define NAPI_BUDGET_DEFAULT   64
#define NAPI_BUDGET_MAX       256
#define NAPI_DEFER_US_DEFAULT 50
#define NAPI_DEFER_US_MAX     10000
#define NAPI_USECS_DEFAULT    2000 /* a softirq round: kernel/softirq.h */
#define NAPI_USECS_MIN        100
#define NAPI_USECS_MAX        50000

/* Take charge of the NIC's rings (NULL: there is none, only the settings are read); mode=, budget=,
 * defer_us=, usecs= in tophalf.cfg. Boot. Interrupts come from here on. */
void napi_init(struct nic *nic);

/* Take all that has been received by now up the stack. Bottom half, but none of its calls: main
 * context between net_enter() and net_leave(). */
void napi_drain(void);

/* The settings, which may be changed at any time. Main context. Without a NIC they are kept, and
 * nothing else happens. */
enum rx_mode napi_mode(void);
unsigned napi_budget(void);   /* packets */
unsigned napi_defer_us(void); /* microseconds */
void napi_set_mode(enum rx_mode mode);
void napi_set_budget(unsigned packets);
void napi_set_defer_us(unsigned us);

/* "interrupt", "napi", "poll", "adaptive"; NULL past the end. */
const char *rx_mode_name(unsigned mode);

/* How packets are received at this moment: "interrupt" or "poll", in the adaptive mode also what
 * lies between the two (rx_policy.h). */
const char *napi_regime_name(void);

struct napi_stats {
    uint64_t polls, empty_polls, packets;
    uint64_t budget_exhausted;
    uint64_t rearms;        /* interrupts unmasked and polling stopped */
    uint64_t rearm_races;   /* unmasked, looked again, and found a packet: went on */
    uint64_t deferrals;     /* instead: masked still, and a timer set */
    uint64_t time_squeeze;  /* a round ended by its bounds while packets were waiting */
    uint64_t mode_switches; /* by a person */
};
void napi_stats(struct napi_stats *out);

#endif
