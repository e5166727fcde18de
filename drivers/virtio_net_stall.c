/*
 * virtio-net: what the stall watchdog (net/watchdog.c) needs. It looks at the rings without
 * touching them, notifies the device whether that wants it or not, and has it reset. None of
 * this is on a packet's way.
 */
#include "virtio_net.h"
#include <kernel/context.h>
#include <kernel/cpu.h>

/* The device's index is shown as it is, believable or not: whoever takes from the ring checks it.
 */
static void ring_view(const struct virtqueue *vq, struct nic_ring *out)
{
    *out = (struct nic_ring){ .size = (uint16_t)vq_size(vq),
                              .free = (uint16_t)vq_free_slots(vq),
                              .avail = vq_added(vq),
                              .published = vq_published(vq),
                              .used = vq_used(vq),
                              .taken = vq_taken(vq),
                              .irq_on = vq_irq_on(vq) };
}

bool nic_rings(struct nic *nic, struct nic_rings *out)
{
    ASSERT_BOTTOM_HALF();
    if (nic->broken)
        return false;
    ring_view(&nic->rx, &out->rx);
    ring_view(&nic->tx, &out->tx);
    out->rx.packets = nic->stats.rx_packets;
    out->rx.kicks = nic->stats.rx_kicks;
    out->tx.packets = nic->stats.tx_packets - (uint16_t)(out->tx.avail - out->tx.taken);
    out->tx.kicks = nic->stats.tx_kicks;
    return true;
}

static void kick(struct nic *nic, struct virtqueue *vq, unsigned queue)
{
    bool irqs;

    ASSERT_BOTTOM_HALF();
    if (nic->broken)
        return;
    irqs = irq_save(); /* in the naive design the receive ring is the top half's */
    vq_publish(vq);
    irq_restore(irqs);
    /* As before any kick (§2.7.13.4): the index is in memory before the device is told. */
    dma_mb();
    virtio_pci_notify(nic->dev, queue);
}

void nic_rx_kick(struct nic *nic)
{
    kick(nic, &nic->rx, NET_QUEUE_RX);
}

void nic_tx_kick(struct nic *nic)
{
    kick(nic, &nic->tx, NET_QUEUE_TX);
}

void nic_reset(struct nic *nic, const char *why)
{
    ASSERT_BOTTOM_HALF();
    if (!nic->broken)
        net_break(nic, why);
}
