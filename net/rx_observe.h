/*
 * What receiving looks like from inside: the histograms that napi_poll() fills. All are of work,
 * so that polls that find nothing add to none of them. Bottom half.
 *
 *   packets per interrupt   taken between two receive interrupts
 *   packets per poll
 *   interrupt -> poll       from the top half's entry to the poll's
 *   poll duration           from its entry to its last kick, packets' way through stack and app
 *                           included
 *   ring residency          how long the first packet of a poll can have waited on the ring: since
 *                           the last look that did not see it yet, or the interrupt that told of
 *                           it. The device writes no times, so this is an upper bound; it is
 *                           counted once for each packet of the poll.
 */
#ifndef NET_RX_OBSERVE_H
#define NET_RX_OBSERVE_H

#include <drivers/nic.h>

/* A poll begins. */
void rx_observe_begin(struct nic *nic, uint64_t now_ticks);

/* It ends, and has found n > 0 packets. Returns the TSC. */
uint64_t rx_observe_end(unsigned n, uint64_t begun_ticks);

#endif
