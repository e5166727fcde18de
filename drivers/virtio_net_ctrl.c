/*
 * virtio-net: the control queue (virtio 1.2 §5.1.6.5). What it is used for: without it the card
 * hands us every frame that it sees, as if it were promiscuous, and each costs a turn of the bottom
 * half; with it the card drops unicast frames to others itself (§5.1.6.5.1).
 *
 * A command is sent and waited for, at start and after a reset only: nothing here is on a packet's
 * way.
 */
#include "virtio_net.h"
#include <kernel/cpu.h>
#include <kernel/page.h>
#include <kernel/printk.h>
#include <kernel/time.h>

#define CTRL_RX          0u /* class */
#define CTRL_RX_PROMISC  0u
#define CTRL_RX_ALLMULTI 1u

#define ACK_OK   0u
#define ACK_NONE 0xffu /* not answered: neither OK nor ERR */

#define ANSWER_TIMEOUT_NS (100 * NS_PER_MS)

/* §5.1.6.5; the device reads the first three and writes the last. Static: were it to answer
 * after our patience has ended, it would write here and do no harm. */
static struct {
    uint8_t class, command, on, ack;
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

static bool ctrl_command(struct nic *nic, uint8_t class, uint8_t command, bool on)
{
    struct virtqueue *vq = &nic->ctrl;
    struct vq_chain chain;

    if (!vq_chain_begin(vq, &chain, 2)) /* earlier commands were never answered */
        return false;
    ctrl.class = class;
    ctrl.command = command;
    ctrl.on = on;
    ctrl.ack = ACK_NONE;
    vq_chain_put(vq, &chain, dma_address(&ctrl), offsetof(typeof(ctrl), ack), 0);
    vq_chain_put(vq, &chain, dma_address(&ctrl.ack), sizeof(ctrl.ack), VQ_DESC_F_WRITE);
    vq_chain_end(vq, &chain, &ctrl);
    vq_publish(vq);
    if (vq_kick_needed(vq))
        virtio_pci_notify(nic->dev, NET_QUEUE_CTRL);
    return answered(vq) && READ_ONCE(ctrl.ack) == ACK_OK;
}

void net_filter(struct nic *nic)
{
    if (!net_has(nic, NET_F_CTRL_VQ) || !net_has(nic, NET_F_CTRL_RX))
        return;
    /* All multicast: IPv6 has a group for each address, and the stack looks itself. */
    if (!ctrl_command(nic, CTRL_RX, CTRL_RX_ALLMULTI, true) ||
        !ctrl_command(nic, CTRL_RX, CTRL_RX_PROMISC, false))
        printk("virtio-net: the device does not take commands; it may hand us others' frames");
}
