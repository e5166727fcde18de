/*
 * virtio-net: received frames that take more than one buffer (MRG_RXBUF, virtio 1.2 §5.1.6.4), as
 * those do that the device has put together from the TCP segments of one connection (GUEST_TSO4,
 * GUEST_TSO6). Bottom half; off the way of simple frames.
 *
 * The first buffer has the device's header before the frame; the others begin, where the header
 * would be, with what continues it. The device shows all of them at once.
 */
#include "pktbuf_pool.h"
#include "virtio_net.h"

#define HDR_BYTES ((uint32_t)sizeof(struct virtio_net_hdr))

static void free_chain(struct pktbuf *buf)
{
    while (buf != NULL) {
        struct pktbuf *next = buf->next;

        pktbuf_pool_put(buf);
        buf = next;
    }
}

/* Chain the other buffers to the first one. Returns the bytes of all, with the header, or
 * VQ_LEN_INVALID: one is missing, empty, or longer than it can be. */
static uint32_t take_rest(struct nic *nic, struct pktbuf *last, uint32_t total, unsigned rest)
{
    for (; rest > 0; rest--) {
        uint32_t used_bytes;
        struct pktbuf *buf = net_rx_next(nic, &used_bytes);

        if (buf == NULL)
            return VQ_LEN_INVALID;
        buf->frame -= HDR_BYTES;
        buf->frame_len = used_bytes;
        buf->next = NULL;
        last->next = buf;
        last = buf;
        if (used_bytes == VQ_LEN_INVALID || used_bytes == 0 || total == VQ_LEN_INVALID)
            total = VQ_LEN_INVALID; /* but go on: the next frame begins behind this one */
        else
            total += used_bytes;
    }
    return total;
}

/* Whether the device was allowed to put it together. */
static bool is_gso(const struct nic *nic, const struct pktbuf *first)
{
    const struct virtio_net_hdr *hdr = (const void *)(first->frame - HDR_BYTES);

    switch (READ_ONCE(hdr->gso_type) & ~NET_HDR_GSO_ECN) {
    case NET_HDR_GSO_TCPV4:
        return net_has(nic, NET_F_GUEST_TSO4);
    case NET_HDR_GSO_TCPV6:
        return net_has(nic, NET_F_GUEST_TSO6);
    default:
        return false;
    }
}

struct pktbuf *net_rx_large(struct nic *nic, struct pktbuf *first, uint32_t used_bytes)
{
    bool has_header = net_rx_has_header(used_bytes);
    unsigned pieces = has_header ? net_rx_pieces(nic, first) : 1;
    bool gso = has_header && is_gso(nic, first);
    uint32_t most = HDR_BYTES + (gso ? NIC_RX_FRAME_MAX : nic->rx_frame_max);
    uint32_t total = take_rest(nic, first, used_bytes, pieces - 1);

    /* The first one holds at least the Ethernet header. */
    if (used_bytes < HDR_BYTES + ETH_HEADER_BYTES || total > most) {
        net_rx_count_drop(nic, total == VQ_LEN_INVALID || total > most ? total : used_bytes);
        free_chain(first);
        return NULL;
    }
    nic->stats.rx_bytes += total - HDR_BYTES;
    nic->stats.rx_merged += pieces > 1;
    nic->stats.rx_gso += gso;
    return first;
}
