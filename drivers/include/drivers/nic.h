/*
 * The network card as the layers above see it. It is pulled: nothing here calls up. All
 * functions are for the bottom half unless they say otherwise; one NIC, so no handle table.
 *
 * A typical round of the bottom half (net/napi.c):
 *
 *   n = nic_rx_burst(nic, bufs, budget);     the used ring -> packet buffers
 *   ... each buffer goes up the stack; answers come back through nic_tx() ...
 *   nic_rx_refill(nic);                      free buffers -> the available ring
 *   while ((t = nic_tx_reap(nic)) ...        buffers that the device is done with
 *   nic_flush(nic);                          one kick for all that was queued
 *   if (n < budget && nic_rx_irq_enable(nic))
 *       ... more work came in between: disable again and go on ...
 */
#ifndef DRIVERS_NIC_H
#define DRIVERS_NIC_H

#include <drivers/pktbuf.h>

struct nic;

/*
 * Find the first virtio-net function on PCI, bring it up by the steps of virtio 1.2 §3.1.1,
 * fill its receive ring and leave its interrupts masked. NULL when there is none or it cannot
 * be driven; the log says why. Boot, after irq_init() and pktbuf_pool_init().
 */
struct nic *nic_probe(void);

/* Name of the softirq to raise from the top half is fixed: SOFTIRQ_NET. */

const uint8_t *nic_mac(const struct nic *nic); /* 6 bytes; any context */
unsigned nic_mtu(const struct nic *nic);       /* bytes of IP packet; any context */
bool nic_link_up(struct nic *nic);

/* True once after the device has signalled a configuration change (link). */
bool nic_take_config_change(struct nic *nic);

/*
 * Receive: take up to `budget` frames off the ring. Returns how many; each buffer is the
 * caller's, with frame, frame_len and next set: a frame that the device has put together from TCP
 * segments (up to NIC_RX_FRAME_MAX bytes) lies in several. Frames that the device reports wrongly
 * are counted and dropped here, and count against the budget.
 */
#define NIC_RX_FRAME_MAX 65535u
unsigned nic_rx_burst(struct nic *nic, struct pktbuf **bufs, unsigned budget);

/*
 * From now on frames are to come as they were on the wire, each in one buffer, its checksums made:
 * what the device does to received ones (GUEST_CSUM, GUEST_TSO) is switched off, or on again.
 * Frames that are on the ring already are still as they are: in several buffers, or with a checksum
 * to be made (nic_rx_partial()). Holds across resets of the device. False: it can not be, or the
 * device did not take the command; *why is a constant sentence, and plain is off. Main context with
 * softirqs disabled: it waits for the device, at most 100 ms.
 */
bool nic_rx_plain(struct nic *nic, bool plain, const char **why);

/* A received frame (whose `checked` is true) that comes from this very host, with the transport's
 * checksum not made yet: the sum of the bytes from `start` to the end of the frame belongs `offset`
 * bytes behind that, where the pseudo header's is now. False: it is no such frame. Both are the
 * device's word: not checked. The frame must still lie where nic_rx_burst() has put it. */
struct nic_rx_partial {
    uint16_t start, offset;
};
bool nic_rx_partial(const struct nic *nic, const struct pktbuf *buf, struct nic_rx_partial *out);

/* Post free buffers until the ring is full or the pool is empty; publishes once, kicks once. While
 * the ring has frames to take, nothing is done until half of it lacks buffers. */
void nic_rx_refill(struct nic *nic);

/* True when the device has used buffers that nic_rx_burst() has not taken yet. */
bool nic_rx_pending(struct nic *nic);

/* Mask the receive interrupt at the ring. Any context: this is what the top half does too. */
void nic_rx_irq_disable(struct nic *nic);

/* Unmask it and look again. Returns true when a frame came in before the device could see the
 * unmasking, so that no interrupt will tell: the caller must disable again and go on. Until its
 * first call no top half raises SOFTIRQ_NET (nobody may have opened it yet), so that call always
 * returns true. */
bool nic_rx_irq_enable(struct nic *nic);

/* The naive design on or off: the top half takes the frames off the ring itself, and leaves its
 * interrupt on, instead of masking it until nic_rx_irq_enable(). From the next interrupt on; no
 * frame is lost, and they keep their order. */
void nic_rx_naive(struct nic *nic, bool on);

/* The receive interrupts there have been, and the TSC at the first since the last call (0: there
 * was none since). */
struct nic_rx_irqs {
    uint64_t count;
    uint64_t first_ticks;
};
void nic_rx_irqs(struct nic *nic, struct nic_rx_irqs *out);

/* Buffers that the device has filled by now, and of these how many nic_rx_burst() has taken; both
 * modulo 65536. */
struct nic_rx_position {
    uint16_t used, taken;
};
void nic_rx_position(struct nic *nic, struct nic_rx_position *out);

/* What the device does for a frame that is sent; only where nic_tx_can() says that it can. All
 * zero: nothing. */
struct nic_tx_offload {
    uint16_t
        csum_start; /* from here to the end, from the frame's beginning; 0: no checksum is made */
    uint16_t csum_offset; /* it goes there, from csum_start; the pseudo header's sum is there now */
    uint16_t gso_size;    /* cut into TCP segments with this much payload; 0: it is one */
    uint16_t hdr_len;     /* the headers that each of these gets */
    bool ipv6;
};

/* Bits of nic_tx_can(): the same from nic_probe() on. Any context. */
#define NIC_TX_CSUM 1u /* TCP's checksum */
#define NIC_TX_TSO4 2u /* segmentation, TCP over IPv4 */
#define NIC_TX_TSO6 4u
unsigned nic_tx_can(const struct nic *nic);

/* One piece of a frame to send, in memory that is in the direct map (or the kernel image). */
struct nic_seg {
    const void *data;
    uint32_t len;
};
#define NIC_TX_SEGS_MAX 16

/* The bytes before the first segment are the driver's, for the device's header: they must be there
 * and be writable. */
#define NIC_TX_HEADROOM 12u

/*
 * Queue one frame: no copy, no kick. The segments stay the device's to read until
 * nic_tx_reap() has given `token` (not NULL) back. Returns false when the ring is full: nothing
 * was queued; the transmit interrupt is on from now until room is there again, and
 * nic_tx_reap() must be called when SOFTIRQ_NET runs.
 */
bool nic_tx(struct nic *nic, const struct nic_seg *segs, unsigned count,
            const struct nic_tx_offload *offload, void *token);

/* The token of one frame that the device has finished with, or NULL. */
void *nic_tx_reap(struct nic *nic);

/* Frames queued and not reaped yet. */
unsigned nic_tx_outstanding(const struct nic *nic);

/* Kick the device if frames were queued since the last time and it wants to be told. */
void nic_flush(struct nic *nic);

/*
 * The device broke the rules in a way that leaves its rings unknown (an id out of range or not
 * outstanding, or its own wish for a reset): it was silenced. nic_recover() resets and restarts it;
 * tokens of frames that were in flight come back through nic_tx_reap(). Returns false when it does
 * not come back.
 */
bool nic_broken(const struct nic *nic);
bool nic_recover(struct nic *nic);

/*
 * For the stall watchdog (net/watchdog.h): the rings at one moment. The indices count chains,
 * modulo 65536, and follow one another in this order: avail, published, used, taken.
 */
struct nic_ring {
    uint16_t size, free; /* descriptors */
    uint16_t avail;      /* added by us */
    uint16_t published;  /* shown to the device */
    uint16_t used;       /* the device is done with: its own word, not checked */
    uint16_t taken;      /* taken back by us */
    bool irq_on;         /* its interrupt is not masked at the ring */
    uint64_t packets;    /* taken back, as nic_stats counts: does not wrap as `taken` does */
    uint64_t kicks;      /* as nic_stats counts: without those of nic_rx_kick(), nic_tx_kick() */
};
struct nic_rings {
    struct nic_ring rx, tx;
};

/* Look at both. False, and nothing is written, while the device is broken. */
bool nic_rings(struct nic *nic, struct nic_rings *out);

/* Show the device what was queued and notify it, whether it wants to be or not. */
void nic_rx_kick(struct nic *nic);
void nic_tx_kick(struct nic *nic);

/* Give the device up, as if it had broken the rules: nic_broken() is true, nic_recover() next. */
void nic_reset(struct nic *nic, const char *why);

/* Counters, named as `ethtool -S` users expect. Any context may read. */
struct nic_stats {
    uint64_t rx_packets, rx_bytes;
    uint64_t rx_no_buffer;    /* refills that found the pool empty */
    uint64_t rx_runt;         /* shorter than an Ethernet header */
    uint64_t rx_over_length;  /* longer than MTU + header + VLAN tag */
    uint64_t rx_bad_length;   /* device claimed more than was posted, or less than its header */
    uint64_t rx_bad_id;       /* device used an id that was not outstanding */
    uint64_t rx_backlog_drop; /* the naive design: taken off the ring, and no room behind it */
    uint64_t rx_interrupts, rx_kicks;
    uint64_t rx_csum_ok; /* checksums that the device says it has checked */
    uint64_t rx_gso;     /* frames put together from TCP segments */
    uint64_t rx_merged;  /* frames in more than one buffer */
    uint64_t tx_packets, tx_bytes;
    uint64_t tx_csum, tx_gso; /* of these, with a checksum to make; to be cut */
    uint64_t tx_ring_full, tx_bad_id;
    uint64_t tx_interrupts, tx_kicks;
    uint64_t config_interrupts;
    uint64_t device_resets;
};
void nic_stats(const struct nic *nic, struct nic_stats *out);
void nic_reset_stats(struct nic *nic); /* bottom half */

/* "virtio-net 1af4:1041 at 00:03.0, MSI-X" for people. */
const char *nic_description(const struct nic *nic);

#endif
