/*
 * virtio-net (virtio 1.2 §5.1): a packet's way in and out of the rings. The bottom half owns
 * both rings; the top halves (virtio_net_setup.c) only mask them. No copy, allocation, lock or
 * division here.
 *
 * Receive: each buffer is one descriptor, from the 12 bytes before the frame (the headroom's
 * end), where the device puts its header, so that the frame itself begins on a cache line.
 * (The framing is free: VERSION_1 implies ANY_LAYOUT, §2.7.4.)
 *
 * Transmit: one descriptor for each segment, by reference. The header stands before the first one,
 * in the frame's own headroom, and goes with it.
 */
#include "pktbuf_pool.h"
#include "virtio_net.h"
#include <drivers/trace.h>
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/hist.h>
#include <kernel/page.h>
#include <kernel/time.h>

#define HDR_BYTES ((uint32_t)sizeof(struct virtio_net_hdr))
#define RX_OFFSET (PKTBUF_FRAME_OFFSET - HDR_BYTES) /* in the slot */
#define RX_BYTES  (HDR_BYTES + PKTBUF_FRAME_MAX)

_Static_assert(NET_RING_MIN > NIC_TX_SEGS_MAX, "the longest chain fits the smallest ring");

/* In a virtual machine a kick leaves the guest: the price is worth seeing. */
static struct hist kick_time;
HISTOGRAM(kick_time, "kick", "ns", kick_time);

static void net_kick(struct nic *nic, unsigned queue)
{
    uint64_t begun = rdtsc();

    virtio_pci_notify(nic->dev, queue);
    hist_add(&kick_time, time_tsc_to_ns(rdtsc() - begun));
}

/* ---- Receive. (The lecture: "RX ring: circular array containing pointers to received packets";
 *      the bottom half "processes all packets collected in the RX ring since the last round".) */

void net_rx_count_drop(struct nic *nic, uint32_t used_bytes)
{
    if (used_bytes == VQ_LEN_INVALID || used_bytes < HDR_BYTES)
        nic->stats.rx_bad_length++;
    else if (used_bytes < HDR_BYTES + ETH_HEADER_BYTES)
        nic->stats.rx_runt++;
    else
        nic->stats.rx_over_length++;
}

static void rx_break(struct nic *nic)
{
    nic->stats.rx_bad_id++;
    net_break(nic, nic->rx.broken_why);
}

static inline struct pktbuf *next(struct nic *nic, uint32_t *used_bytes)
{
    struct pktbuf *buf;

    if (unlikely(nic->naive.active)) {
        buf = naive_take(nic, used_bytes);
        if (buf != NULL || nic->naive.on)
            return buf;
    }
    buf = vq_pop(&nic->rx, used_bytes);
    if (likely(buf != NULL))
        pktbuf_from_device(buf);
    return buf;
}

struct pktbuf *net_rx_next(struct nic *nic, uint32_t *used_bytes)
{
    return next(nic, used_bytes);
}

/* §5.1.6.4.2: whether the frame's checksum has been checked, or never was on a wire (NEEDS_CSUM:
 * the frame is from this host, and not made yet). Without GUEST_CSUM the flags say nothing. */
static void rx_checksum(struct nic *nic, struct pktbuf *buf)
{
    const struct virtio_net_hdr *hdr = (const void *)(buf->frame - HDR_BYTES);

    buf->checked = net_has(nic, NET_F_GUEST_CSUM) &&
                   (READ_ONCE(hdr->flags) & (NET_HDR_F_NEEDS_CSUM | NET_HDR_F_DATA_VALID));
    nic->stats.rx_csum_ok += buf->checked;
}

unsigned nic_rx_burst(struct nic *nic, struct pktbuf **bufs, unsigned budget)
{
    struct virtqueue *vq = &nic->rx;
    uint32_t used_bytes, longest = nic->rx_frame_max - ETH_HEADER_BYTES;
    unsigned n = 0;

    ASSERT_BOTTOM_HALF();
    for (unsigned taken = 0; taken < budget; taken++) {
        struct pktbuf *buf = next(nic, &used_bytes);

        if (buf == NULL)
            break;
        buf->frame_len = used_bytes - HDR_BYTES;
        buf->next = NULL;
        /* One comparison for both ends: what is too short wraps around to far too long. */
        if (unlikely(buf->frame_len - ETH_HEADER_BYTES > longest || net_rx_pieces(nic, buf) != 1)) {
            buf = net_rx_large(nic, buf, used_bytes);
            if (buf == NULL)
                continue;
        } else {
            nic->stats.rx_bytes += buf->frame_len;
        }
        rx_checksum(nic, buf);
        trace_taken(buf);
        bufs[n++] = buf;
    }
    nic->stats.rx_packets += n;
    if (unlikely(vq->broken))
        rx_break(nic);
    return n;
}

void net_rx_post(struct virtqueue *vq, struct pktbuf *buf)
{
    vq_add_writable(vq, buf->phys + RX_OFFSET, RX_BYTES, buf);
}

void net_rx_show(struct nic *nic)
{
    if (!vq_publish(&nic->rx) || !vq_kick_needed(&nic->rx))
        return;
    net_kick(nic, NET_QUEUE_RX);
    nic->stats.rx_kicks++;
}

void net_rx_fill(struct nic *nic)
{
    struct virtqueue *vq = &nic->rx;

    while (vq_free_slots(vq) > 0) {
        struct pktbuf *buf = pktbuf_pool_get();

        if (unlikely(buf == NULL)) {
            nic->stats.rx_no_buffer++;
            break;
        }
        pktbuf_to_device(buf);
        net_rx_post(vq, buf);
    }
    net_rx_show(nic);
}

void nic_rx_refill(struct nic *nic)
{
    ASSERT_BOTTOM_HALF();
    if (unlikely(nic->naive.on)) {
        naive_refill(nic);
        return;
    }
    if (vq_free_slots(&nic->rx) == 0 || unlikely(nic->broken))
        return;
    /* While frames wait, in batches of half a ring: a device that ran out of buffers wants a kick
     * for each. Whoever has come to the ring's end is about to wait: all of it for the next burst.
     */
    if (vq_free_slots(&nic->rx) > nic->rx.mask / 2u || !vq_pending(&nic->rx))
        net_rx_fill(nic);
}

/* Looking at the ring may be what finds it broken. */
static bool rx_checked(struct nic *nic, bool pending)
{
    if (unlikely(nic->rx.broken))
        rx_break(nic);
    return pending;
}

bool nic_rx_pending(struct nic *nic)
{
    return rx_checked(nic, vq_pending(&nic->rx));
}

void nic_rx_irq_disable(struct nic *nic)
{
    vq_irq_disable(&nic->rx);
}

void nic_rx_irqs(struct nic *nic, struct nic_rx_irqs *out)
{
    out->first_ticks = READ_ONCE(nic->rx_irq_ticks);
    WRITE_ONCE(nic->rx_irq_ticks, 0);
    out->count = READ_ONCE(nic->stats.rx_interrupts);
}

void nic_rx_position(struct nic *nic, struct nic_rx_position *out)
{
    if (unlikely(nic->naive.active)) {
        out->used = (uint16_t)READ_ONCE(nic->naive.backlog.put);
        out->taken = (uint16_t)nic->naive.backlog.taken;
        return;
    }
    vq_look(&nic->rx);
    out->used = vq_seen(&nic->rx);
    out->taken = vq_taken(&nic->rx);
}

/* The first time there is always more: whatever interrupts came until now raised nothing. */
bool nic_rx_irq_enable(struct nic *nic)
{
    bool first = !nic->polled;

    ASSERT_BOTTOM_HALF();
    WRITE_ONCE(nic->polled, true);
    if (unlikely(nic->naive.on))
        return rx_checked(nic, naive_irq_enable(nic)) || first;
    /* Switched off, but with a backlog left: that is more, too. */
    return rx_checked(nic, vq_irq_enable(&nic->rx)) || nic->naive.active || first;
}

/* ---- Transmit ---- */

/*
 * No room. The interrupt that is off otherwise tells when there is; but not for what the device
 * has done already, nor for frames that it will never do: then the bottom half runs again.
 */
static bool tx_full(struct nic *nic)
{
    nic->stats.tx_ring_full++;
    nic->tx_waiting = true;
    nic_flush(nic); /* what is queued has to be seen for room to come */
    if (vq_irq_enable(&nic->tx) || nic->tx.detached != 0)
        net_raise(nic);
    return false;
}

unsigned nic_tx_can(const struct nic *nic)
{
    return (net_has(nic, NET_F_CSUM) ? NIC_TX_CSUM : 0) |
           (net_has(nic, NET_F_HOST_TSO4) ? NIC_TX_TSO4 : 0) |
           (net_has(nic, NET_F_HOST_TSO6) ? NIC_TX_TSO6 : 0);
}

/* §5.1.6.2 */
static void tx_header(struct nic *nic, struct virtio_net_hdr *hdr,
                      const struct nic_tx_offload *offload)
{
    *hdr = (struct virtio_net_hdr){ 0 };
    if (offload->csum_start == 0)
        return;
    ASSERT(net_has(nic, NET_F_CSUM));
    hdr->flags = NET_HDR_F_NEEDS_CSUM;
    hdr->csum_start = offload->csum_start;
    hdr->csum_offset = offload->csum_offset;
    nic->stats.tx_csum++;
    if (offload->gso_size == 0)
        return;
    ASSERT(net_has(nic, offload->ipv6 ? NET_F_HOST_TSO6 : NET_F_HOST_TSO4));
    hdr->gso_type = offload->ipv6 ? NET_HDR_GSO_TCPV6 : NET_HDR_GSO_TCPV4;
    hdr->gso_size = offload->gso_size;
    hdr->hdr_len = offload->hdr_len;
    nic->stats.tx_gso++;
}

/* False: no room. */
static bool tx_chain(struct virtqueue *vq, const uint8_t *first, const struct nic_seg *segs,
                     unsigned count, void *token)
{
    struct vq_chain chain;

    if (unlikely(!vq_chain_begin(vq, &chain, count)))
        return false;
    vq_chain_put(vq, &chain, dma_address(first), HDR_BYTES + segs[0].len, 0);
    for (unsigned i = 1; i < count; i++)
        vq_chain_put(vq, &chain, dma_address(segs[i].data), segs[i].len, 0);
    vq_chain_end(vq, &chain, token);
    return true;
}

bool nic_tx(struct nic *nic, const struct nic_seg *segs, unsigned count,
            const struct nic_tx_offload *offload, void *token)
{
    struct virtqueue *vq = &nic->tx;
    uint8_t *first = (uint8_t *)(uintptr_t)segs[0].data - HDR_BYTES;

    ASSERT(count - 1 < NIC_TX_SEGS_MAX);
    if (unlikely(nic->broken))
        return false;
    if (unlikely(!(count == 1
                       ? vq_add_readable(vq, dma_address(first), HDR_BYTES + segs[0].len, token)
                       : tx_chain(vq, first, segs, count, token))))
        return tx_full(nic);
    tx_header(nic, (struct virtio_net_hdr *)(void *)first, offload); /* before it is published */
    trace_sent(token);
    nic->stats.tx_packets++;
    for (unsigned i = 0; i < count; i++)
        nic->stats.tx_bytes += segs[i].len;
    return true;
}

static __attribute__((noinline)) void *pop_again(struct virtqueue *vq)
{
    uint32_t unused;

    return vq_pop(vq, &unused);
}

/* The ring has nothing more to give: see to what is rarely the case. */
static void *tx_reap_end(struct nic *nic)
{
    struct virtqueue *vq = &nic->tx;

    if (unlikely(vq->broken)) {
        nic->stats.tx_bad_id++;
        net_break(nic, vq->broken_why);
    }
    if (unlikely(vq->detached != 0)) {
        void *token = vq_detach(vq);

        trace_lost(token);
        return token;
    }
    if (likely(!nic->tx_waiting))
        return NULL;
    if (vq_free_slots(vq) < NIC_TX_SEGS_MAX)
        return vq_irq_enable(vq) ? pop_again(vq) : NULL;
    nic->tx_waiting = false;
    vq_irq_disable(vq);
    return NULL;
}

void *nic_tx_reap(struct nic *nic)
{
    uint32_t unused; /* the device writes nothing into what we send */
    void *token = vq_pop(&nic->tx, &unused);

    if (token == NULL)
        token = tx_reap_end(nic);
    trace_done(token); /* NULL is no packet's */
    return token;
}

unsigned nic_tx_outstanding(const struct nic *nic)
{
    return vq_outstanding(&nic->tx);
}

void nic_flush(struct nic *nic)
{
    bool told;

    if (!vq_publish(&nic->tx))
        return;
    told = vq_kick_needed(&nic->tx);
    if (told) {
        net_kick(nic, NET_QUEUE_TX);
        nic->stats.tx_kicks++;
    }
    trace_kicked(told);
}
