/* TCP segments for lwIP's queues: made anew, and cut in two without copying what is sent by
 * reference. Bottom half. */
#ifndef NET_TCP_CUT_H
#define NET_TCP_CUT_H

#include <kernel/lib.h>
#include <lwip/arch.h>

struct pbuf;
struct tcp_pcb;
struct tcp_seg;

/*
 * A segment over a chain whose first pbuf has room for TCP's header in front; ports in network byte
 * order. What tcp_output() fills in is left open. NULL when memory is short: p is the caller's
 * still.
 */
struct tcp_seg *tcp_new_segment(struct pbuf *p, u16_t src, u16_t dest, u32_t seqno, u8_t flags);

/*
 * The first `bytes` (more than 0, less than its payload) stay in `seg`; the rest becomes its
 * successor in the queue, which is pcb->unsent or pcb->unacked. False, and nothing is changed, when
 * memory is short or the device still reads the segment. Bottom half.
 */
bool tcp_cut(struct tcp_pcb *pcb, struct tcp_seg *seg, u16_t bytes);

#endif
