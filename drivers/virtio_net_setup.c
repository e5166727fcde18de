/*
 * virtio-net: bring-up by the numbered steps of virtio 1.2 §3.1.1, interrupts and
 * their top halves, link, and recovery from a device that broke the rules.
 */
#include "pktbuf_pool.h"
#include "virtio_net.h"
#include <drivers/trace.h>
#include <kernel/config.h>
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/fmt.h>
#include <kernel/irq.h>
#include <kernel/page.h>
#include <kernel/printk.h>
#include <kernel/rand.h>
#include <kernel/softirq.h>
#include <string.h>

/* Device configuration, §5.1.4: offsets */
#define CONFIG_MAC    0
#define CONFIG_STATUS 6

#define STATUS_LINK_UP 1u

static struct nic the_nic;

/* Between nic_probe() and the first poll nobody has opened the softirq. */
void net_raise(const struct nic *nic)
{
    if (likely(READ_ONCE(nic->polled)))
        softirq_raise(SOFTIRQ_NET);
}

/* ---- Top halves. (The lecture: the top half "acknowledges interrupt, schedules the bottom half
 *      and disables further interrupts".) An MSI-X message needs no acknowledgement by us but
 *      the end-of-interrupt, which kernel/irq sends. */

static void irq_config(void *arg)
{
    struct nic *nic = arg;

    ASSERT_CONTEXT(CONTEXT_IRQ);
    nic->stats.config_interrupts++;
    WRITE_ONCE(nic->config_changed, true);
    net_raise(nic);
}

static void irq_rx(void *arg)
{
    struct nic *nic = arg;

    ASSERT_CONTEXT(CONTEXT_IRQ);
    trace_point(TRACE_INTERRUPT);
    nic->stats.rx_interrupts++;
    if (nic->rx_irq_ticks == 0)
        nic->rx_irq_ticks = this_cpu()->cputime_since; /* when irq_dispatch() began */
    if (unlikely(nic->naive.on))
        naive_receive(nic);
    else
        vq_irq_disable(&nic->rx);
    net_raise(nic);
}

static void irq_tx(void *arg)
{
    struct nic *nic = arg;

    ASSERT_CONTEXT(CONTEXT_IRQ);
    nic->stats.tx_interrupts++;
    vq_irq_disable(&nic->tx);
    net_raise(nic);
}

/* One vector for both queues: which of them it was nobody says. */
static void irq_queues(void *arg)
{
    struct nic *nic = arg;

    vq_irq_disable(&nic->tx);
    irq_rx(nic);
}

/* §4.1.5.4: reading the ISR status takes the line back; 0 is another device's interrupt. */
static void irq_intx(void *arg)
{
    struct nic *nic = arg;
    uint8_t isr = virtio_pci_isr(nic->dev);

    if (isr & VIRTIO_ISR_CONFIG)
        irq_config(nic);
    if (isr & VIRTIO_ISR_QUEUE)
        irq_queues(nic);
}

/* ---- Interrupts ---- */

/* Best first. The last one, INTx, is what a device without enough MSI-X entries gets. */
static const struct irq_layout irq_layouts[] = {
    { "MSI-X", .entries = 3, .config = 0, .rx = 1, .tx = 2 },
    { "MSI-X, queues share a vector", .entries = 2, .config = 0, .rx = 1, .tx = 1 },
    { "INTx", 0, VIRTIO_NO_VECTOR, VIRTIO_NO_VECTOR, VIRTIO_NO_VECTOR },
};

/* From the CPU's side: a vector with a top half for each entry (or the line). */
static bool irq_connect(struct nic *nic, const struct irq_layout *layout)
{
    int vectors[3] = { -1, -1, -1 };

    nic->irq = layout;
    if (layout->entries == 0) {
        vectors[0] = irq_request("virtio0", irq_intx, nic);
        return vectors[0] >= 0 && virtio_pci_intx(nic->dev, vectors[0]);
    }
    if (virtio_pci_msix_entries(nic->dev) < layout->entries)
        return false;
    vectors[0] = irq_request("virtio0-config", irq_config, nic);
    if (layout->entries == 3) {
        vectors[1] = irq_request("virtio0-input.0", irq_rx, nic);
        vectors[2] = irq_request("virtio0-output.0", irq_tx, nic);
    } else {
        vectors[1] = irq_request("virtio0-virtqueues", irq_queues, nic);
    }
    if (vectors[0] < 0 || vectors[1] < 0 || (layout->entries == 3 && vectors[2] < 0))
        return false;
    virtio_pci_msix(nic->dev, vectors, layout->entries);
    return true;
}

/* From the device's side. False where it refuses. */
static bool irq_assign(struct nic *nic)
{
    return virtio_pci_vector_config(nic->dev, nic->irq->config) &&
           virtio_pci_vector_queue(nic->dev, NET_QUEUE_RX, nic->irq->rx) &&
           virtio_pci_vector_queue(nic->dev, NET_QUEUE_TX, nic->irq->tx);
}

/* ---- Bring-up ---- */

/* What was negotiated for the rings; only sent frames are chains. */
static struct vq_config ring_config(const struct nic *nic, unsigned queue, unsigned size)
{
    bool tables = queue == NET_QUEUE_TX && net_has(nic, VIRTIO_F_INDIRECT_DESC);

    return (struct vq_config){ .size = size,
                               .packed = net_has(nic, VIRTIO_F_RING_PACKED),
                               .event_idx = net_has(nic, VIRTIO_F_EVENT_IDX),
                               .table_descs = tables ? NIC_TX_SEGS_MAX : 0 };
}

/* Memory for a ring, as large as both sides like: at the first start only. */
static bool ring_alloc(struct nic *nic, struct virtqueue *vq, unsigned queue)
{
    unsigned most = virtio_pci_queue_size_max(nic->dev, queue);
    unsigned least = queue == NET_QUEUE_CTRL ? 2 : NET_RING_MIN; /* a command's descriptors */
    unsigned size = NET_RING_MAX, order = 0;
    struct vq_config config;
    void *memory;

    while (size > most)
        size /= 2;
    if (size < least) {
        printk("virtio-net: queue %u has room for %u descriptors, %u are needed", queue, most,
               least);
        return false;
    }
    config = ring_config(nic, queue, size);
    while ((PAGE_SIZE << order) < vq_bytes(&config))
        order++;
    memory = page_alloc(order);
    if (memory == NULL) {
        printk("virtio-net: no memory for queue %u", queue);
        return false;
    }
    vq_init(vq, &config, memory);
    return true;
}

/* After a reset the device must be the one that it was: the ring stays as it is. */
static bool ring_fits(struct nic *nic, const struct virtqueue *vq, unsigned queue)
{
    struct vq_config config = ring_config(nic, queue, vq_size(vq));

    if (virtio_pci_queue_size_max(nic->dev, queue) < config.size) {
        printk("virtio-net: queue %u is smaller than before", queue);
        return false;
    }
    if (!vq_is(vq, &config)) {
        printk("virtio-net: queue %u is to be of another kind than before", queue);
        return false;
    }
    return true;
}

static bool ring_start(struct nic *nic, struct virtqueue *vq, unsigned queue)
{
    if (vq->desc == NULL && !ring_alloc(nic, vq, queue))
        return false;
    return ring_fits(nic, vq, queue) && virtio_pci_queue_start(nic->dev, queue, vq);
}

enum start {
    START_OK,
    START_FAILED,          /* the log says why */
    START_VECTORS_REFUSED, /* another layout of interrupts may do */
};

/* The steps of §3.1.1. The rings are empty (or detached), and stay so here. */
static enum start net_start(struct nic *nic)
{
    struct virtio_pci *dev = nic->dev;

    if (!virtio_pci_reset(dev)) /* step 1 */
        return START_FAILED;
    virtio_pci_status_add(dev, VIRTIO_STATUS_ACKNOWLEDGE); /* step 2 */
    virtio_pci_status_add(dev, VIRTIO_STATUS_DRIVER);      /* step 3 */
    if (!net_choose_features(nic))                         /* step 4 */
        return START_FAILED;
    if (!virtio_pci_accept(dev, nic->features)) { /* steps 4 to 6 */
        printk("virtio-net: the device does not accept the features 0x%llx",
               (unsigned long long)nic->features);
        return START_FAILED;
    }
    if (!irq_assign(nic)) /* step 7, device-specific setup: interrupts, queues */
        return START_VECTORS_REFUSED;
    if (!ring_start(nic, &nic->rx, NET_QUEUE_RX) || !ring_start(nic, &nic->tx, NET_QUEUE_TX))
        return START_FAILED;
    if (net_has(nic, NET_F_CTRL_VQ) && !ring_start(nic, &nic->ctrl, NET_QUEUE_CTRL))
        return START_FAILED;
    virtio_pci_status_add(dev, VIRTIO_STATUS_DRIVER_OK); /* step 8 */
    nic->rx_frame_max = nic->mtu + ETH_HEADER_BYTES + ETH_VLAN_BYTES;
    net_filter(nic);
    net_restore_offloads(nic);
    return START_OK;
}

/* Start with the best layout of interrupts that CPU and device agree on. */
static bool net_start_any(struct nic *nic)
{
    for (const struct irq_layout *l = irq_layouts; l < irq_layouts + ARRAY_SIZE(irq_layouts); l++) {
        enum start result;

        if (!irq_connect(nic, l))
            continue;
        result = net_start(nic);
        if (result != START_VECTORS_REFUSED)
            return result == START_OK;
        printk("virtio-net: the device refuses its interrupt vectors (%s)", l->name);
    }
    printk("virtio-net: no way to get its interrupts");
    return false;
}

/* The device's MAC, or one of our own where it has none to give (locally administered). */
static void read_mac(struct nic *nic)
{
    static const uint8_t none[6];
    uint8_t *mac = nic->mac;

    if (net_has(nic, NET_F_MAC) && virtio_pci_config_read_bytes(nic->dev, CONFIG_MAC, mac, 6) &&
        !(mac[0] & 1) && memcmp(mac, none, 6) != 0)
        return;
    printk("virtio-net: the device has no usable MAC address, taking a random one");
    rand_bytes(mac, 6);
    mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
}

const struct nic *net_nic(void)
{
    return the_nic.dev != NULL ? &the_nic : NULL;
}

struct nic *nic_probe(void)
{
    struct nic *nic = &the_nic;
    struct pktbuf_stats pool;

    ASSERT_CONTEXT(CONTEXT_MAIN);
    *nic = (struct nic){ .allowed = net_offloads_parse(config_get("offloads", "all")) };
    pktbuf_stats(&pool);
    if (pool.total == 0) {
        printk("virtio-net: no packet buffers, no network");
        return NULL;
    }
    nic->dev = virtio_pci_probe(VIRTIO_TYPE_NET);
    if (nic->dev == NULL) {
        printk("virtio-net: no network card found");
        return NULL;
    }
    if (!net_start_any(nic)) {
        virtio_pci_status_add(nic->dev, VIRTIO_STATUS_FAILED);
        return NULL;
    }
    read_mac(nic);
    fmt_snprintf(nic->description, sizeof(nic->description), "virtio-net %s, %s",
                 virtio_pci_name(nic->dev), nic->irq->name);
    net_rx_fill(nic);
    printk("%s, %02x:%02x:%02x:%02x:%02x:%02x, rings of %u and %u, mtu %u, features 0x%llx",
           nic->description, nic->mac[0], nic->mac[1], nic->mac[2], nic->mac[3], nic->mac[4],
           nic->mac[5], nic->rx.mask + 1u, nic->tx.mask + 1u, nic->mtu,
           (unsigned long long)nic->features);
    return nic;
}

/* ---- Recovery ---- */

void net_break(struct nic *nic, const char *why)
{
    struct pktbuf *buf;

    printk_ratelimited("virtio-net: the device needs a reset: %s", why);
    nic->broken = true;
    virtio_pci_silence(nic->dev);
    vq_reset(&nic->rx);
    vq_reset(&nic->tx); /* its tokens: nic_tx_reap() */
    if (nic->ctrl.desc != NULL) {
        vq_reset(&nic->ctrl);
        while (vq_detach(&nic->ctrl) != NULL)
            ; /* commands that were not answered */
    }
    while ((buf = vq_detach(&nic->rx)) != NULL) {
        pktbuf_from_device(buf);
        pktbuf_pool_put(buf);
    }
    net_raise(nic); /* the bottom half has to see to it; no interrupt will come */
}

bool nic_broken(const struct nic *nic)
{
    return nic->broken;
}

bool nic_recover(struct nic *nic)
{
    uint64_t features = nic->features;
    bool irqs;

    ASSERT_BOTTOM_HALF();
    ASSERT(nic->broken);
    /* Layers above have been told what it can do: it has to offer the same again. */
    nic->stats.device_resets++;
    if (net_start(nic) != START_OK || nic->features != features) {
        virtio_pci_silence(nic->dev);
        nic->features = features; /* so the next time, too */
        return false;
    }
    irqs = irq_save(); /* in the naive design the top half is at the ring as soon as it may be */
    nic->broken = false;
    net_rx_fill(nic);
    irq_restore(irqs);
    return true;
}

/* ---- What the layers above ask ---- */

const uint8_t *nic_mac(const struct nic *nic)
{
    return nic->mac;
}

unsigned nic_mtu(const struct nic *nic)
{
    return nic->mtu;
}

bool nic_link_up(struct nic *nic)
{
    uint16_t status;

    if (nic->broken)
        return false;
    if (!net_has(nic, NET_F_STATUS))
        return true; /* §5.1.4.2: without it the link is assumed to be up */
    return virtio_pci_config_read16(nic->dev, CONFIG_STATUS, &status) && (status & STATUS_LINK_UP);
}

bool nic_take_config_change(struct nic *nic)
{
    if (likely(!READ_ONCE(nic->config_changed)))
        return false;
    /* Cleared before the configuration is read: a change after that sets it again. */
    WRITE_ONCE(nic->config_changed, false);
    if (!nic->broken && (virtio_pci_status(nic->dev) & VIRTIO_STATUS_NEEDS_RESET)) /* §2.1.2 */
        net_break(nic, "it asks for a reset");
    return true;
}

void nic_stats(const struct nic *nic, struct nic_stats *out)
{
    *out = nic->stats;
}

void nic_reset_stats(struct nic *nic)
{
    ASSERT_BOTTOM_HALF();
    nic->stats = (struct nic_stats){ 0 };
}

const char *nic_description(const struct nic *nic)
{
    return nic->description;
}
