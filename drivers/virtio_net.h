/*
 * What the virtio-net driver's files share: virtio_net.c is a packet's way (the rings),
 * virtio_net_merge.c receives frames that take several buffers, virtio_net_features.c is the
 * negotiation, virtio_net_ctrl.c the control queue, virtio_net_setup.c bring-up, interrupts and
 * recovery. The interface to the layers above is drivers/nic.h.
 */
#ifndef DRIVERS_VIRTIO_NET_H
#define DRIVERS_VIRTIO_NET_H

#include "virtio_pci.h"
#include "virtqueue.h"
#include <drivers/nic.h>

/* §5.1.2: the queues of a device without multiqueue */
#define NET_QUEUE_RX   0u
#define NET_QUEUE_TX   1u
#define NET_QUEUE_CTRL 2u

#define NET_RING_MAX 256u /* descriptors we use, of what the device allows */
#define NET_RING_MIN 32u  /* a frame of NIC_TX_SEGS_MAX segments and its header must fit */

/* §5.1.3; what is not in the table of virtio_net_features.c is never accepted. */
#define NET_F_CSUM                0
#define NET_F_GUEST_CSUM          1
#define NET_F_CTRL_GUEST_OFFLOADS 2
#define NET_F_MTU                 3
#define NET_F_MAC                 5
#define NET_F_GUEST_TSO4          7
#define NET_F_GUEST_TSO6          8
#define NET_F_HOST_TSO4           11
#define NET_F_HOST_TSO6           12
#define NET_F_MRG_RXBUF           15
#define NET_F_STATUS              16
#define NET_F_CTRL_VQ             17
#define NET_F_CTRL_RX             18

/* Device configuration, §5.1.4: offsets */
#define NET_CONFIG_MTU 10

/* §5.1.6: stands before every frame, in both directions. num_buffers is always there with
 * VERSION_1 (§5.1.6.1). */
struct virtio_net_hdr {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t num_buffers;
};
_Static_assert(sizeof(struct virtio_net_hdr) == 12, "virtio 1.2 §5.1.6");
_Static_assert(sizeof(struct virtio_net_hdr) <= PKTBUF_HEADROOM, "it ends the headroom");

#define NET_HDR_F_NEEDS_CSUM 1u
#define NET_HDR_F_DATA_VALID 2u
#define NET_HDR_GSO_TCPV4    1u
#define NET_HDR_GSO_TCPV6    4u
#define NET_HDR_GSO_ECN      0x80u /* beside one of the two */
_Static_assert(sizeof(struct virtio_net_hdr) == NIC_TX_HEADROOM, "it stands there");

#define ETH_HEADER_BYTES 14u
#define ETH_VLAN_BYTES   4u

#define NET_MTU_DEFAULT 1500u
#define NET_MTU_MIN     576u /* what every IPv4 host must take (RFC 791) */
#define NET_MTU_MAX     (PKTBUF_FRAME_MAX - ETH_HEADER_BYTES - ETH_VLAN_BYTES)

/* Which MSI-X entry is for what. */
struct irq_layout {
    const char *name;
    unsigned entries; /* 0: INTx */
    unsigned config, rx, tx;
};

/* The naive design (virtio_net_naive.c). A queue has one producer and one consumer; its counters
 * run on, modulo 2^32. */
#define NAIVE_FIFO_SIZE 256u
struct naive_fifo {
    uint32_t put, taken;
    struct pktbuf *slot[NAIVE_FIFO_SIZE];
};

struct naive {
    bool on;                   /* the top half takes frames off the ring */
    bool active;               /* on, or there may be something left of it */
    bool dropping;             /* the frame that is being taken is lost */
    uint16_t rest;             /* buffers of it that have not been taken */
    struct naive_fifo backlog; /* top half -> bottom half: frames; frame_len is what was used */
    struct naive_fifo spare;   /* bottom half -> top half: free buffers */
};

struct nic {
    struct virtqueue rx, tx;
    uint32_t rx_frame_max; /* bytes: MTU, Ethernet header, VLAN tag */
    bool broken;           /* silenced; nic_recover() is next */
    bool tx_waiting;       /* a sender found the ring full: the transmit interrupt is on */
    bool config_changed;   /* set by a top half, taken by nic_take_config_change() */
    bool rx_plain;         /* nic_rx_plain() */
    bool polled;           /* the bottom half has come to life: it may be raised */
    uint64_t rx_irq_ticks; /* TSC at the first receive interrupt since nic_rx_irqs(); 0: none */
    struct naive naive;
    struct nic_stats stats;

    struct virtqueue ctrl; /* virtio_net_ctrl.c */
    struct virtio_pci *dev;
    const struct irq_layout *irq;
    uint64_t offered, allowed; /* features: by the device, by the configuration */
    uint64_t features;         /* negotiated */
    uint32_t mtu;
    uint8_t mac[6];
    char description[80];
};

/* The device broke the rules, or has to start over: silence it, take its receive buffers back, have
 * the bottom half call nic_recover(). Bottom half. */
void net_break(struct nic *nic, const char *why);

/* Whether a feature was negotiated. */
static inline bool net_has(const struct nic *nic, unsigned bit)
{
    return nic->features >> bit & 1;
}

/* Raise the bottom half, once there is one. Any context. */
void net_raise(const struct nic *nic);

/* nic_rx_refill() for boot and recovery; in the naive design with interrupts off. */
void net_rx_fill(struct nic *nic);

/* The next buffer of a frame, the device's no more; NULL: there is none. The bottom half. */
struct pktbuf *net_rx_next(struct nic *nic, uint32_t *used_bytes);

/* Count why a frame is dropped that is of a length that can not be. */
void net_rx_count_drop(struct nic *nic, uint32_t used_bytes);

/* Its parts: a buffer that is the device's now onto the ring (which has room), and the ring shown
 * to the device. The ring's owner. */
void net_rx_post(struct virtqueue *vq, struct pktbuf *buf);
void net_rx_show(struct nic *nic);

/* The naive design: its top half's work; and what stands in the bottom half's place while it is
 * active. naive_take(): the next frame, as vq_pop() gives it. */
void naive_receive(struct nic *nic);
void naive_refill(struct nic *nic);
struct pktbuf *naive_take(struct nic *nic, uint32_t *used_bytes);
bool naive_irq_enable(struct nic *nic);

/* The card, or NULL. */
const struct nic *net_nic(void);

/* ---- virtio_net_ctrl.c ---- */

/* Have the device drop unicast frames to others, where it takes commands. Boot and recovery, when
 * the device runs; waits for it, but not long. */
void net_filter(struct nic *nic);

/* After a reset of the device: nic_rx_plain() goes on to hold. */
void net_restore_offloads(struct nic *nic);

/* Whether a feature that was negotiated is switched off by nic_rx_plain(). */
bool net_offload_suspended(const struct nic *nic, unsigned bit);

/* ---- virtio_net_merge.c ---- */

/* Whether the device claims to have written one. */
static inline bool net_rx_has_header(uint32_t used_bytes)
{
    return used_bytes >= sizeof(struct virtio_net_hdr) && used_bytes != VQ_LEN_INVALID;
}

/* How many buffers the frame takes that begins in this one (§5.1.6.4), by its header: 1 to
 * NET_PIECES_MAX. Without the feature the header's number means nothing; what can not be is a frame
 * of one buffer. NIC_RX_FRAME_MAX bytes take fewer. */
#define NET_PIECES_MAX 64u
static inline unsigned net_rx_pieces(const struct nic *nic, const struct pktbuf *buf)
{
    const struct virtio_net_hdr *hdr = (const void *)(buf->frame - sizeof(*hdr));
    unsigned pieces = READ_ONCE(hdr->num_buffers);

    if (likely(pieces - 1 >= NET_PIECES_MAX || !net_has(nic, NET_F_MRG_RXBUF)))
        return 1;
    return pieces;
}

/* Take the rest of a frame that is no simple one, of which the first buffer was taken. Returns that
 * buffer, or NULL: the frame was counted, and dropped. */
struct pktbuf *net_rx_large(struct nic *nic, struct pktbuf *first, uint32_t used_bytes);

/* ---- virtio_net_features.c ---- */

/* Fill nic->offered, features and mtu. False when one is missing that we need (the log says so). */
bool net_choose_features(struct nic *nic);

/* What offloads= allows, as feature bits: words of `all`, `none`, a name, or one behind a minus, by
 * commas or spaces; one that is none of these is logged, and all are allowed. */
uint64_t net_offloads_parse(const char *text);

/* The index-th of those features that are offloads. False: there are no more. */
struct net_offload {
    const char *name, *meaning;
    bool allowed, offered, negotiated;
    bool suspended; /* negotiated, and switched off while an XDP program is attached */
};
bool net_offload(const struct nic *nic, unsigned index, struct net_offload *out);

#endif
