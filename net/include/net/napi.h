/*
 * NAPI: who looks at the receive ring, when, and for how long. (The lecture: "NAPI polling".)
 *
 * The top half masks the interrupt and raises SOFTIRQ_NET; napi_poll() is that softirq: it
 * takes at most `budget` packets and runs each to completion through the stack. Budget used up:
 * it raises itself again and other softirqs get their turn. Otherwise it unmasks the interrupt,
 * looks at the ring once more, and goes on if a packet came in between.
 */
#ifndef NET_NAPI_H
#define NET_NAPI_H

#include <drivers/nic.h>
#include <stdint.h>

#define NAPI_BUDGET_DEFAULT 64
#define NAPI_BUDGET_MAX     256

/* Take charge of the NIC's rings; budget= in tophalf.cfg. Boot. Interrupts come from here on. */
void napi_init(struct nic *nic);

struct napi_stats {
    uint64_t polls, empty_polls, packets;
    uint64_t budget_exhausted;
    uint64_t rearms;      /* interrupts unmasked and polling stopped */
    uint64_t rearm_races; /* unmasked, looked again, and found a packet: went on */
};
void napi_stats(struct napi_stats *out);

#endif
