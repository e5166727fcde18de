/*
 * Packet buffers: fixed slots of 2 KiB in 2 MiB pages, what the NIC's receive ring is filled
 * with. The pool is LIFO, so that the buffer that is still in the cache is used again first.
 *
 *   slot (2048 bytes, 2048-aligned)
 *   +-------------+-----------------+------------------+------------------------------+------+
 *   | struct      | owner's area    | headroom         | frame                        | tail |
 *   | pktbuf (64) | PKTBUF_PRIV(64) | 256, the virtio  | up to PKTBUF_FRAME_MAX bytes | (16) |
 *   |             | net's pbuf      | header at its end|                              |      |
 *   +-------------+-----------------+------------------+------------------------------+------+
 *
 * The headroom is what XDP programs may grow a packet into, and where the stack prepends
 * headers when it answers in the same buffer. The tail is never the device's.
 */
#ifndef DRIVERS_PKTBUF_H
#define DRIVERS_PKTBUF_H

#include <kernel/lib.h>

#define PKTBUF_SIZE     2048u
#define PKTBUF_PRIV     64u
#define PKTBUF_HEADROOM 256u
#define PKTBUF_TAIL     16u
#define PKTBUF_FRAME_MAX                                                                           \
    (PKTBUF_SIZE - 64u - PKTBUF_PRIV - PKTBUF_HEADROOM - PKTBUF_TAIL) /* 1648 bytes */

/* Who a buffer belongs to; asserted at every change. */
enum pktbuf_owner {
    PKTBUF_POOL,
    PKTBUF_HELD,    /* the driver, the stack, the app */
    PKTBUF_DEVICE,  /* posted on a ring */
    PKTBUF_LINGERS, /* freed, but a frame in the transmit ring still refers to it */
};

struct pktbuf {
    struct pktbuf *next; /* in the pool; received: the frame goes on there, or NULL */
    uint64_t phys;       /* DMA address of the slot itself */
    uint8_t *frame;      /* first byte of the Ethernet frame, or of what continues it */
    uint32_t frame_len;  /* bytes, as received, in this buffer */
    uint8_t owner;       /* enum pktbuf_owner */
    bool checked;        /* received: the device vouches for the transport's checksum */
    uint16_t trace;      /* drivers/trace.c; means something only while a trace is armed */
    uint16_t tx_refs;    /* frames in the transmit ring that refer to bytes of it */
    uint8_t pad[30];
    uint8_t priv[PKTBUF_PRIV]; /* the upper layer's, kept across alloc and free */
};

/* Where the frame lies after pktbuf_alloc(), from the beginning of the slot. */
#define PKTBUF_FRAME_OFFSET (64u + PKTBUF_PRIV + PKTBUF_HEADROOM)

/* Set up `count` buffers (rounded up to whole 2 MiB pages). Returns false when memory is short;
 * what could be had is used then, and the log tells. Boot, once. */
bool pktbuf_pool_init(unsigned count);

/* A free buffer, the most recently freed first; NULL (counted) when there is none. The caller
 * owns it. frame is set to the default headroom. Bottom half. */
struct pktbuf *pktbuf_alloc(void);

/* Give a buffer that the caller holds back; twice panics. While frames in the transmit ring refer
 * to it, it is not used again. Bottom half. */
void pktbuf_free(struct pktbuf *buf);

/*
 * A frame that is queued for the device refers to this memory; does no more. Where that is in a
 * packet buffer (an app may answer by reference to what it received) the buffer is kept from being
 * filled anew meanwhile, whoever frees it for whatever reason; other memory is not looked at.
 * Bottom half.
 */
void pktbuf_tx_begin(const void *data);
void pktbuf_tx_end(const void *data);

struct pktbuf_stats {
    unsigned total, free;
    uint64_t empty; /* allocations that found none */
};
void pktbuf_stats(struct pktbuf_stats *out);

#endif
