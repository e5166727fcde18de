/* Cut one TCP segment of lwIP's queues in two, without copying what is sent by reference. */
#ifndef NET_TCP_CUT_H
#define NET_TCP_CUT_H

#include <kernel/lib.h>
#include <lwip/arch.h>

struct tcp_pcb;
struct tcp_seg;

/*
 * The first `bytes` (more than 0, less than its payload) stay in `seg`; the rest becomes its
 * successor in the queue, which is pcb->unsent or pcb->unacked. False, and nothing is changed, when
 * memory is short or the device still reads the segment. Bottom half.
 */
bool tcp_cut(struct tcp_pcb *pcb, struct tcp_seg *seg, u16_t bytes);

#endif
