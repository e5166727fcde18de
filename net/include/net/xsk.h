/*
 * Raw rings: frames straight from the driver to an app and back, without the stack and without a
 * copy. The model is AF_XDP's (the lecture: "Kernel bypass with AF_XDP"), in one address space:
 *
 *                     xskmap redirect                     nic_tx()
 *    card -> XDP program -----> [rx ring] -> app -> [tx ring] -----> card
 *                 |                           ^  |                    |
 *                 +--- a free frame for it ---|--+-[fill ring]        |
 *                                             +------[completion ring]+
 *
 * A frame is a packet buffer (drivers/pktbuf.h). A socket has a fixed number of them, its UMEM,
 * taken out of the pool when it is opened. Whatever is received for it is swapped for a frame of
 * its fill ring, which goes to the pool in its place: so the app may keep what it gets for as long
 * as it likes, and can starve nobody but itself. Frames that find the fill ring empty, or the rx
 * ring full, are dropped and counted, as Linux counts them.
 *
 * Each ring has one producer and one consumer. At any time every frame is in one of: a ring, the
 * app's hands, the card's transmit ring; xsk_accounted() says whether that is so.
 *
 * All of it is for the bottom half.
 */
#ifndef NET_XSK_H
#define NET_XSK_H

#include <drivers/pktbuf.h>
#include <kernel/lib.h>

#define XSK_SOCKETS_MAX 8u
#define XSK_FRAMES_MAX  4096u /* a socket */

/* Positions count up for ever, modulo 2^32; the size is a power of two. */
struct xsk_ring {
    struct pktbuf **slots;
    uint32_t mask;
    uint32_t put;   /* written by the producer */
    uint32_t taken; /* written by the consumer */
};

static inline uint32_t xsk_ring_count(const struct xsk_ring *ring)
{
    return READ_ONCE(ring->put) - READ_ONCE(ring->taken);
}

struct xsk_stats {
    uint64_t rx_packets, rx_bytes;
    uint64_t tx_packets, tx_bytes;
    uint64_t rx_fill_ring_empty_descs; /* dropped: Linux's name */
    uint64_t tx_stalls;                /* the card's ring was full: tried again in the next round */
};

struct xsk {
    uint32_t id;     /* what an entry of an xskmap names: from 1; 0: not open */
    uint32_t frames; /* of its UMEM */
    /* fill: app -> us; rx: us -> app; tx: app -> us; completion: us -> app */
    struct xsk_ring fill, rx, tx, completion;
    uint32_t in_flight; /* on the card's transmit ring */
    /* The rx ring has frames, or the fill ring has none and the completion ring has: called once a
     * round, when the burst is through. */
    void (*ready)(struct xsk *xsk);
    struct xsk_stats stats;
};

/* Open a socket with `frames` (a power of two, up to XSK_FRAMES_MAX) from the pool, all of them on
 * its fill ring. False: no memory, or XSK_SOCKETS_MAX are open; *why is a constant sentence. */
bool xsk_open(struct xsk *xsk, uint32_t frames, void (*ready)(struct xsk *xsk), const char **why);

/* ---- The app's side ---- */

/* Up to max received frames (frame, frame_len are theirs); the app's from here on. Returns how
 * many. */
unsigned xsk_rx_burst(struct xsk *xsk, struct pktbuf **bufs, unsigned max);

/*
 * Send: frame and frame_len of each as they are, with NIC_TX_HEADROOM bytes before it. A checksum
 * may be left to the card by xsk_tx_checksum(). Always takes all of them: the ring has a place for
 * each frame that there is. They leave when the round ends; xsk_completed() gives them back.
 */
void xsk_tx_burst(struct xsk *xsk, struct pktbuf *const *bufs, unsigned count);

/* Frames that the card has sent: the app's again. */
unsigned xsk_completed(struct xsk *xsk, struct pktbuf **bufs, unsigned max);

/* A frame of the fill ring back, to send what was never received; NULL: it is empty. */
struct pktbuf *xsk_frame_take(struct xsk *xsk);

/* Give frames to be received into. */
void xsk_fill(struct xsk *xsk, struct pktbuf *const *bufs, unsigned count);

/* For one frame, before xsk_tx_burst(): the card is to make the checksum from byte csum_start to
 * the end, and put it csum_offset behind that; there the pseudo header's sum is now. Only where
 * xsk_can_checksum(). */
void xsk_tx_checksum(struct pktbuf *buf, uint16_t csum_start, uint16_t csum_offset);
bool xsk_can_checksum(void);

/* Whether every frame is where it can be, `held` of them in the app's hands. For tests. */
bool xsk_accounted(const struct xsk *xsk, uint32_t held);

/* ---- The driver's side ---- */

/* A frame whose program redirected it to this id, which is one that xsk_is_open(): swapped in, or
 * dropped. Takes the buffer in any case. False: dropped. */
bool xsk_receive(uint32_t id, struct pktbuf *buf);
bool xsk_is_open(uint32_t id);

/* Call the apps that have something, then give the card what they send. Once a round. */
void xsk_round_end(void);

/* The card is done with a frame of a tx ring (stack_tx_complete()). */
void xsk_tx_done(struct pktbuf *buf);

/* Of all sockets together: the group xsk of `stats`. */
void xsk_stats(struct xsk_stats *out);

#endif
