/*
 * virtio-net: the control queue (virtio 1.2 §5.1.6.5). What it is used for:
 *   - Without it the card hands us every frame that it sees, as if it were promiscuous, and each
 *     costs a turn of the bottom half; with it the card drops unicast frames to others itself
 *     (§5.1.6.5.1).
 *   - XDP programs want frames as they were on the wire, each in one buffer: what the card does to
 *     received ones is switched off while one is attached (§5.1.6.5.6).
 *
 * A command is sent and waited for, at start, after a reset, and when a person attaches a program:
 * nothing here is on a packet's way.
 */
#include "virtio_net.h"
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/page.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/time.h>
#include <string.h>

#define CTRL_RX          0u /* class */
#define CTRL_RX_PROMISC  0u
#define CTRL_RX_ALLMULTI 1u

#define CTRL_GUEST_OFFLOADS     5u /* class */
#define CTRL_GUEST_OFFLOADS_SET 0u

#define ACK_OK   0u
#define ACK_NONE 0xffu /* not answered: neither OK nor ERR */

#define ANSWER_TIMEOUT_NS (100 * NS_PER_MS)

/* §5.1.6.5; the device reads what is before `ack`, as far as the command goes, and writes that.
 * Static: were it to answer after our patience has ended, it would write here and do no harm. */
static struct {
    uint8_t class, command, data[8], ack;
} ctrl;

static bool answered(struct virtqueue *vq)
{
    uint64_t deadline = time_ns() + ANSWER_TIMEOUT_NS;
    uint32_t unused;

    while (vq_pop(vq, &unused) == NULL) {
        if (vq->broken || time_ns() > deadline)
            return false;
        time_spin_ns(NS_PER_US);
    }
    return true;
}

static bool ctrl_command(struct nic *nic, uint8_t class, uint8_t command, const void *data,
                         uint32_t bytes)
{
    struct virtqueue *vq = &nic->ctrl;
    struct vq_chain chain;

    if (!vq_chain_begin(vq, &chain, 2)) /* earlier commands were never answered */
        return false;
    ctrl.class = class;
    ctrl.command = command;
    memcpy(ctrl.data, data, bytes);
    ctrl.ack = ACK_NONE;
    vq_chain_put(vq, &chain, dma_address(&ctrl), offsetof(typeof(ctrl), data) + bytes, 0);
    vq_chain_put(vq, &chain, dma_address(&ctrl.ack), sizeof(ctrl.ack), VQ_DESC_F_WRITE);
    vq_chain_end(vq, &chain, &ctrl);
    vq_publish(vq);
    if (vq_kick_needed(vq))
        virtio_pci_notify(nic->dev, NET_QUEUE_CTRL);
    return answered(vq) && READ_ONCE(ctrl.ack) == ACK_OK;
}

static bool ctrl_rx(struct nic *nic, uint8_t command, uint8_t on)
{
    return ctrl_command(nic, CTRL_RX, command, &on, sizeof(on));
}

void net_filter(struct nic *nic)
{
    if (!net_has(nic, NET_F_CTRL_VQ) || !net_has(nic, NET_F_CTRL_RX))
        return;
    /* All multicast: IPv6 has a group for each address, and the stack looks itself. */
    if (!ctrl_rx(nic, CTRL_RX_ALLMULTI, true) || !ctrl_rx(nic, CTRL_RX_PROMISC, false))
        printk("virtio-net: the device does not take commands; it may hand us others' frames");
}

/* ---- What the device does to received frames ---- */

#define GUEST_TSO      (1ull << NET_F_GUEST_TSO4 | 1ull << NET_F_GUEST_TSO6)
#define GUEST_OFFLOADS (1ull << NET_F_GUEST_CSUM | GUEST_TSO)

/* One that the device has is on by itself after a start. */
static bool set_guest_offloads(struct nic *nic)
{
    uint64_t on = nic->rx_plain ? 0 : nic->features & GUEST_OFFLOADS; /* le64, as we are */

    if (!net_has(nic, NET_F_CTRL_GUEST_OFFLOADS) || !(nic->features & GUEST_OFFLOADS))
        return true;
    return ctrl_command(nic, CTRL_GUEST_OFFLOADS, CTRL_GUEST_OFFLOADS_SET, &on, sizeof(on));
}

void net_restore_offloads(struct nic *nic)
{
    if (nic->rx_plain && !set_guest_offloads(nic))
        printk("virtio-net: the device does not take commands; it goes on putting received "
               "segments together");
}

bool net_offload_suspended(const struct nic *nic, unsigned bit)
{
    return nic->rx_plain && net_has(nic, NET_F_CTRL_GUEST_OFFLOADS) &&
           (nic->features & GUEST_OFFLOADS) >> bit & 1;
}

bool nic_rx_plain(struct nic *nic, bool plain, const char **why)
{
    ASSERT_BOTTOM_HALF();
    if (plain && (nic->features & GUEST_TSO) && !net_has(nic, NET_F_CTRL_GUEST_OFFLOADS)) {
        *why = "the card puts received segments together and can not be told to stop: boot with "
               "offloads=-guest_tso4 -guest_tso6";
        return false;
    }
    nic->rx_plain = plain;
    if (nic->broken || set_guest_offloads(nic)) /* broken: when it is started again */
        return true;
    *why = "the card does not take the command that switches its receive offloads";
    nic->rx_plain = false;
    return false;
}

bool nic_rx_partial(const struct nic *nic, const struct pktbuf *buf, struct nic_rx_partial *out)
{
    const struct virtio_net_hdr *hdr = (const void *)(buf->frame - sizeof(*hdr));

    if (!net_has(nic, NET_F_GUEST_CSUM) || !(READ_ONCE(hdr->flags) & NET_HDR_F_NEEDS_CSUM))
        return false;
    out->start = READ_ONCE(hdr->csum_start);
    out->offset = READ_ONCE(hdr->csum_offset);
    return true;
}
