/*
 * The life of a packet, stage by stage: what the command `trace` shows. Off, a trace point is one
 * load and one predictable branch. On, each of the next n received packets gets a record, which
 * travels with its packet buffer; whatever is sent while that packet is worked on is its answer.
 *
 * It stands in this layer because it is the lowest that knows packets; the layers above mark their
 * own stages. Run to completion makes it simple: one packet is worked on at a time, the current
 * one.
 */
#ifndef DRIVERS_TRACE_H
#define DRIVERS_TRACE_H

#include <kernel/lib.h>

struct pktbuf;

enum trace_stage {
    TRACE_INTERRUPT, /* taken: irq_rx() */
    TRACE_SOFTIRQ,   /* entered: napi_poll() */
    TRACE_RING,      /* taken off the receive ring: nic_rx_burst() */
    TRACE_IP,        /* handed to IP: ethernet_input() */
    TRACE_TRANSPORT, /* handed to TCP: tcp_input() */
    TRACE_APP,       /* handed to the app: its receive callback */
    TRACE_RESPONSE,  /* the app's answer queued: tcp_write() */
    TRACE_TX_RING,   /* written to the transmit ring: nic_tx() */
    TRACE_KICK,      /* the device was told: nic_flush() */
    TRACE_DONE,      /* the device has sent it: nic_tx_reap() */
    TRACE_STAGES,
};

extern bool trace_armed; /* there are packets to begin with, or begun ones to follow */

/* The slow halves of the calls below. Bottom half, but trace_hit(TRACE_INTERRUPT): any context. */
void trace_hit(enum trace_stage stage);
void trace_taken(struct pktbuf *buf);
void trace_enter(const struct pktbuf *buf);
void trace_leave(void);
void trace_sent(const void *token);
void trace_kicked(bool told);
void trace_done(const void *token);

/* A stage of the current packet (TRACE_INTERRUPT, TRACE_SOFTIRQ: of those that this poll takes). */
static inline void trace_point(enum trace_stage stage)
{
    if (unlikely(READ_ONCE(trace_armed)))
        trace_hit(stage);
}

#endif
