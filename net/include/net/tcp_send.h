/*
 * How an app sends an answer: a head that is made for it and a body that lies in memory, as one
 * segment in one call. With lwIP's API alone that is two calls of tcp_write(), of which the first
 * copies a head that was put together elsewhere and the second looks for where to append: twice the
 * instructions. Bottom half.
 */
#ifndef NET_TCP_SEND_H
#define NET_TCP_SEND_H

#include <stdint.h>

struct pbuf;
struct tcp_pcb;

/* Room for a head of `bytes` (at most 4096), behind what the headers below TCP's will take: write
 * it to payload. NULL: no memory now. */
struct pbuf *tcp_send_head(uint16_t bytes);

/*
 * Queue the head and, by reference, as much of the body as goes with it. Takes `head` in any case.
 * Returns how many bytes of the body were taken (they stay as they are until acknowledged, see
 * apps/app.h), perhaps none; the rest is for tcp_write(). Or ERR_MEM: no room or memory now,
 * nothing was queued; ERR_CONN: nothing can be sent any more. It leaves with the next tcp_output(),
 * as what tcp_write() queues.
 */
int32_t tcp_send(struct tcp_pcb *pcb, struct pbuf *head, const void *body, uint64_t body_bytes);

/*
 * How many bytes the connection may give to tcp_write() now; beyond, it answers ERR_MEM. Segments
 * come from one pool, and who reads slowly, through a window of a few bytes, could hold hundreds.
 * So the fuller the pool, the fewer may one connection have; its last eighth is for what TCP itself
 * has to say: SYN-ACK, FIN. As large as it likes, mostly.
 */
uint32_t tcp_send_room(const struct tcp_pcb *pcb);

#endif
