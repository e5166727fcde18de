/* What the three files of the stack glue (stack.c, stack_rx.c, stack_tx.c) share. */
#ifndef NET_STACK_PRIV_H
#define NET_STACK_PRIV_H

#include <drivers/nic.h>
#include <lwip/netif.h>
#include <net/stack.h>

struct stack {
    struct nic *nic; /* NULL: none */
    struct netif netif;
    u16_t checksum_flags; /* the interface's own; the frame being received may need less */
    unsigned rx_held_max; /* see stack_rx_short() */
    bool tx_stalled;      /* a sender found the ring full since the last completion */
    struct stack_stats stats;
};
extern struct stack stack;

/* So many receive buffers are held that the ring may run dry. */
static inline bool stack_rx_short(void)
{
    return stack.stats.rx_held > stack.rx_held_max;
}

/* A pbuf for `len` bytes of a received frame, from its byte `at` on, which takes the buffer.
 * Nothing can be put before its payload. */
struct pktbuf;
struct pbuf *stack_rx_payload(struct pktbuf *buf, unsigned at, u16_t len);

/* The same for an answer that is written in place: headers may be put before it. */
struct pbuf *stack_rx_reply(struct pktbuf *buf, unsigned at, u16_t len);

/* Whether lwIP has to check the checksums of this frame. */
void stack_rx_checksum(const struct pktbuf *buf);

/* netif->linkoutput: queue a frame, without copying it, without a kick. */
err_t stack_linkoutput(struct netif *netif, struct pbuf *p);

/* Queue a frame, without copying it, without a kick. The caller keeps its reference, another one
 * is taken for as long as the device reads. False: the ring is full, or the frame is in too many
 * pieces or without room before it; nothing was done. */
bool stack_tx(struct pbuf *p, const struct nic_tx_offload *offload);

/* How much ICMP may be sent: the configuration's icmp_rate=. Boot. */
void stack_icmp_init(void);

/* Give up out-of-order TCP data while too many receive buffers are held. */
void stack_rx_reclaim(void);

#endif
