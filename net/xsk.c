/* Raw rings: see net/xsk.h. */
#include "stack_priv.h"
#include "tx_token.h"
#include <kernel/barrier.h>
#include <kernel/context.h>
#include <kernel/kmalloc.h>
#include <kernel/panic.h>
#include <kernel/reset.h>
#include <net/capture.h>
#include <net/xsk.h>
#include <string.h>

static struct xsk *sockets[XSK_SOCKETS_MAX];
static unsigned socket_count;

/* What a frame of a raw ring needs besides: in the owner's area of its packet buffer. */
struct xsk_frame {
    struct xsk *xsk; /* whose it is, while it is being sent */
    uint16_t csum_start, csum_offset;
};
_Static_assert(sizeof(struct xsk_frame) <= PKTBUF_PRIV, "it fits the owner's area");

static struct xsk_frame *frame_of(struct pktbuf *buf)
{
    return (struct xsk_frame *)(void *)buf->priv;
}

/* ---- Rings ---- */

/*
 * The slot is written before the position is shown, and read before it is given back. Producer and
 * consumer are on one CPU today; with two, x86 keeps both orders (kernel/barrier.h), and the
 * compiler is told to.
 */
static void ring_put(struct xsk_ring *ring, struct pktbuf *buf)
{
    ASSERT(xsk_ring_count(ring) <= ring->mask);
    ring->slots[ring->put & ring->mask] = buf;
    barrier();
    WRITE_ONCE(ring->put, ring->put + 1);
}

static struct pktbuf *ring_take(struct xsk_ring *ring)
{
    struct pktbuf *buf;

    if (xsk_ring_count(ring) == 0)
        return NULL;
    buf = ring->slots[ring->taken & ring->mask];
    barrier();
    WRITE_ONCE(ring->taken, ring->taken + 1);
    return buf;
}

static unsigned ring_take_some(struct xsk_ring *ring, struct pktbuf **bufs, unsigned max)
{
    unsigned n = 0;

    while (n < max && (bufs[n] = ring_take(ring)) != NULL)
        n++;
    return n;
}

/* ---- Opening ---- */

/* Each ring has a place for every frame: none can be full. */
static bool make_rings(struct xsk *xsk, uint32_t frames)
{
    struct xsk_ring *rings[] = { &xsk->fill, &xsk->rx, &xsk->tx, &xsk->completion };
    struct pktbuf **slots = kzalloc(sizeof(void *) * frames * ARRAY_SIZE(rings));

    if (slots == NULL)
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(rings); i++)
        *rings[i] = (struct xsk_ring){ .slots = slots + (size_t)i * frames, .mask = frames - 1 };
    return true;
}

static bool take_frames(struct xsk *xsk, uint32_t frames)
{
    struct pktbuf *buf;

    while (xsk->frames < frames) {
        buf = pktbuf_alloc();
        if (buf == NULL)
            return false;
        ring_put(&xsk->fill, buf);
        xsk->frames++;
    }
    return true;
}

bool xsk_open(struct xsk *xsk, uint32_t frames, void (*ready)(struct xsk *xsk), const char **why)
{
    struct pktbuf *buf;

    ASSERT_BOTTOM_HALF();
    ASSERT(IS_POWER_OF_TWO(frames) && frames <= XSK_FRAMES_MAX);
    *xsk = (struct xsk){ .ready = ready };
    *why = "too many raw sockets";
    if (socket_count == XSK_SOCKETS_MAX)
        return false;
    *why = "no memory for rings";
    if (!make_rings(xsk, frames))
        return false;
    *why = "too few packet buffers: see pktbufs= in tophalf.cfg";
    if (!take_frames(xsk, frames)) {
        while ((buf = ring_take(&xsk->fill)) != NULL)
            pktbuf_free(buf);
        kfree(xsk->fill.slots);
        return false;
    }
    sockets[socket_count++] = xsk;
    xsk->id = socket_count;
    return true;
}

bool xsk_is_open(uint32_t id)
{
    return id - 1 < socket_count;
}

void xsk_stats(struct xsk_stats *out)
{
    *out = (struct xsk_stats){ 0 };
    for (unsigned i = 0; i < socket_count; i++) {
        const struct xsk_stats *stats = &sockets[i]->stats;

        out->rx_packets += stats->rx_packets;
        out->rx_bytes += stats->rx_bytes;
        out->tx_packets += stats->tx_packets;
        out->tx_bytes += stats->tx_bytes;
        out->rx_fill_ring_empty_descs += stats->rx_fill_ring_empty_descs;
        out->tx_stalls += stats->tx_stalls;
    }
}

static void xsk_reset_stats(void)
{
    for (unsigned i = 0; i < socket_count; i++)
        sockets[i]->stats = (struct xsk_stats){ 0 };
}
RESETTABLE(xsk, xsk_reset_stats);

/* ---- Receiving ---- */

bool xsk_receive(uint32_t id, struct pktbuf *buf)
{
    struct pktbuf *instead;
    struct xsk *xsk;

    ASSERT(xsk_is_open(id) && buf->next == NULL);
    xsk = sockets[id - 1];
    instead = ring_take(&xsk->fill);
    if (unlikely(instead == NULL)) {
        xsk->stats.rx_fill_ring_empty_descs++;
        pktbuf_free(buf);
        return false;
    }
    pktbuf_free(instead);
    xsk->stats.rx_packets++;
    xsk->stats.rx_bytes += buf->frame_len;
    ring_put(&xsk->rx, buf);
    return true;
}

unsigned xsk_rx_burst(struct xsk *xsk, struct pktbuf **bufs, unsigned max)
{
    unsigned n = ring_take_some(&xsk->rx, bufs, max);

    for (unsigned i = 0; i < n; i++)
        *frame_of(bufs[i]) = (struct xsk_frame){ 0 };
    return n;
}

struct pktbuf *xsk_frame_take(struct xsk *xsk)
{
    struct pktbuf *buf = ring_take(&xsk->fill);

    if (buf != NULL)
        *frame_of(buf) = (struct xsk_frame){ 0 };
    return buf;
}

void xsk_fill(struct xsk *xsk, struct pktbuf *const *bufs, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ring_put(&xsk->fill, bufs[i]);
}

/* ---- Sending ---- */

bool xsk_can_checksum(void)
{
    return stack.nic != NULL && (nic_tx_can(stack.nic) & NIC_TX_CSUM) != 0;
}

void xsk_tx_checksum(struct pktbuf *buf, uint16_t csum_start, uint16_t csum_offset)
{
    frame_of(buf)->csum_start = csum_start;
    frame_of(buf)->csum_offset = csum_offset;
}

void xsk_tx_burst(struct xsk *xsk, struct pktbuf *const *bufs, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ring_put(&xsk->tx, bufs[i]);
}

unsigned xsk_completed(struct xsk *xsk, struct pktbuf **bufs, unsigned max)
{
    return ring_take_some(&xsk->completion, bufs, max);
}

void xsk_tx_done(struct pktbuf *buf)
{
    struct xsk *xsk = frame_of(buf)->xsk;

    xsk->in_flight--;
    ring_put(&xsk->completion, buf);
}

/* False: the card's ring is full, or there is no card that works now. */
static bool send(struct xsk *xsk, struct pktbuf *buf)
{
    struct xsk_frame *frame = frame_of(buf);
    struct nic_tx_offload offload = { .csum_start = frame->csum_start,
                                      .csum_offset = frame->csum_offset };
    struct nic_seg seg = { .data = buf->frame, .len = buf->frame_len };

    frame->xsk = xsk;
    if (!nic_tx(stack.nic, &seg, 1, &offload, tx_token(buf, TX_XSK)))
        return false;
    xsk->in_flight++;
    xsk->stats.tx_packets++;
    xsk->stats.tx_bytes += seg.len;
    capture_tx(&seg, 1);
    return true;
}

/* What finds no room stays where it is, in its order. */
static void send_all(struct xsk *xsk)
{
    struct xsk_ring *tx = &xsk->tx;

    while (xsk_ring_count(tx) > 0) {
        if (!send(xsk, tx->slots[tx->taken & tx->mask])) {
            xsk->stats.tx_stalls++;
            return;
        }
        WRITE_ONCE(tx->taken, tx->taken + 1);
    }
}

/* Nothing can be received while the fill ring is empty, and only the app can put in it what the
 * card is done with. */
static bool has_something(const struct xsk *xsk)
{
    return xsk_ring_count(&xsk->rx) > 0 ||
           unlikely(xsk_ring_count(&xsk->fill) == 0 && xsk_ring_count(&xsk->completion) > 0);
}

void xsk_round_end(void)
{
    for (unsigned i = 0; i < socket_count; i++) {
        struct xsk *xsk = sockets[i];

        if (has_something(xsk))
            xsk->ready(xsk);
        if (stack.nic != NULL && xsk_ring_count(&xsk->tx) > 0)
            send_all(xsk);
    }
}

bool xsk_accounted(const struct xsk *xsk, uint32_t held)
{
    return xsk_ring_count(&xsk->fill) + xsk_ring_count(&xsk->rx) + xsk_ring_count(&xsk->tx) +
               xsk_ring_count(&xsk->completion) + xsk->in_flight + held ==
           xsk->frames;
}
