/*
 * What nic_tx() is given to remember a frame by, and nic_tx_reap() gives back: the chain of pbufs
 * that it is, or a packet buffer that leaves as it is. The two lowest bits, zero in both pointers,
 * tell. Bottom half.
 */
#ifndef NET_TX_TOKEN_H
#define NET_TX_TOKEN_H

#include <drivers/pktbuf.h>

enum tx_kind {
    TX_PBUF, /* struct pbuf: the stack's */
    TX_XDP,  /* struct pktbuf that a program sent back: to the pool */
    TX_XSK,  /* struct pktbuf of a raw ring's app: back to it (net/xsk.h) */
};
#define TX_KIND_MASK 3u

static inline void *tx_token(struct pktbuf *buf, enum tx_kind kind)
{
    return (void *)((uintptr_t)buf | kind);
}

static inline enum tx_kind tx_token_kind(const void *token)
{
    return (enum tx_kind)((uintptr_t)token & TX_KIND_MASK);
}

static inline struct pktbuf *tx_token_pktbuf(void *token)
{
    return (struct pktbuf *)((uintptr_t)token & ~(uintptr_t)TX_KIND_MASK);
}

#endif
