/* See fake_virtio.h. */
#include "fake_virtio.h"
#include <kernel/config.h>
#include "fakes.h"
#include <kernel/irq.h>
#include <kernel/page.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct virtio_pci fake_dev;
uint64_t fake_ring_features;
const char *fake_offloads = "all";

const char *config_get(const char *key, const char *fallback)
{
    return strcmp(key, "offloads") == 0 ? fake_offloads : fallback;
}
const char *fake_vector_name[FAKE_VECTORS];

static struct {
    irq_handler *handler;
    void *arg;
} vectors[FAKE_VECTORS];

static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

void fake_virtio_reset(void)
{
    for (unsigned i = 0; i < FAKE_QUEUES; i++)
        fake_queue_close(&fake_dev.queue[i]);
    fake_dev = (struct virtio_pci){ .offered = 1ull << 32 | 1 << 5 | 1 << 16 | fake_ring_features,
                                    .queue_size_max = { 256, 256, 64 },
                                    .msix_entries = 3,
                                    .msix_usable = 3,
                                    .intx = -1,
                                    .msix = { -1, -1, -1, -1 } };
    memcpy(fake_dev.config, mac, 6);
    fake_dev.config[6] = 1;
    memset(vectors, 0, sizeof(vectors));
    memset(fake_vector_name, 0, sizeof(fake_vector_name));
}

/* ---- kernel/irq.h ---- */

int irq_request(const char *name, irq_handler *handler, void *arg)
{
    for (int i = 0; i < FAKE_VECTORS; i++) {
        if (vectors[i].handler == NULL) {
            fake_vector_name[i] = name;
            vectors[i].handler = handler;
            vectors[i].arg = arg;
            return i;
        }
    }
    return -1;
}

void fake_vector_raise(int vector)
{
    enum context before = fake_context;

    assert_true(vector >= 0 && vectors[vector].handler != NULL);
    fake_context = CONTEXT_IRQ;
    vectors[vector].handler(vectors[vector].arg);
    fake_context = before;
}

/* ---- virtio_pci.h ---- */

struct virtio_pci *virtio_pci_probe(unsigned type)
{
    assert_int_equal(type, VIRTIO_TYPE_NET);
    return fake_dev.absent ? NULL : &fake_dev;
}

const char *virtio_pci_name(const struct virtio_pci *dev)
{
    (void)dev;
    return "1af4:1041 at 00:03.0";
}

bool virtio_pci_reset(struct virtio_pci *dev)
{
    dev->resets++;
    if (dev->no_reset)
        return false;
    for (unsigned i = 0; i < FAKE_QUEUES; i++) {
        dev->enabled[i] = false;
        dev->vector_queue[i] = VIRTIO_NO_VECTOR;
        fake_queue_close(&dev->queue[i]);
    }
    dev->vector_config = VIRTIO_NO_VECTOR;
    dev->status = 0;
    return true;
}

void virtio_pci_silence(struct virtio_pci *dev)
{
    dev->silenced++;
    virtio_pci_reset(dev);
}

void virtio_pci_status_add(struct virtio_pci *dev, uint8_t bits)
{
    switch (bits) {
    case VIRTIO_STATUS_ACKNOWLEDGE:
        assert_int_equal(dev->status, 0);
        break;
    case VIRTIO_STATUS_DRIVER:
        assert_int_equal(dev->status, 1);
        break;
    case VIRTIO_STATUS_DRIVER_OK:
        assert_int_equal(dev->status, 1 | 2 | 8);
        assert_true(dev->enabled[0] && dev->enabled[1]);
        break;
    default:
        assert_int_equal(bits, VIRTIO_STATUS_FAILED);
    }
    dev->status |= bits;
}

uint8_t virtio_pci_status(struct virtio_pci *dev)
{
    return dev->status;
}

uint64_t virtio_pci_features(struct virtio_pci *dev)
{
    assert_int_equal(dev->status, 1 | 2);
    return dev->offered;
}

bool virtio_pci_accept(struct virtio_pci *dev, uint64_t features)
{
    assert_int_equal(dev->status, 1 | 2);
    assert_int_equal(features & ~dev->offered, 0);
    dev->accepted = features;
    if (dev->refuses_features)
        return false;
    dev->status |= VIRTIO_STATUS_FEATURES_OK;
    return true;
}

unsigned virtio_pci_queue_size_max(struct virtio_pci *dev, unsigned queue)
{
    return dev->queue_size_max[queue];
}

/* §2.7.13.1, §2.8.13: rings begin as zeroes. */
static void check_empty(const struct virtqueue *vq)
{
    for (unsigned i = 0; i <= vq->mask; i++)
        assert_int_equal(vq->desc[i].addr | vq->desc[i].len | vq->desc[i].flags, 0);
    if (vq->packed)
        assert_int_equal(vq->device_event->flags | vq->device_event->off_wrap, 0);
    else
        assert_int_equal(vq->avail->idx | vq->used->idx, 0);
}

static bool accepted(const struct virtio_pci *dev, unsigned bit)
{
    return dev->accepted >> bit & 1;
}

bool virtio_pci_queue_start(struct virtio_pci *dev, unsigned queue, const struct virtqueue *vq)
{
    struct fake_queue_kind kind = { .packed = accepted(dev, VIRTIO_F_RING_PACKED),
                                    .event_idx = accepted(dev, VIRTIO_F_EVENT_IDX),
                                    .indirect = accepted(dev, VIRTIO_F_INDIRECT_DESC) };

    assert_int_equal(dev->status, 1 | 2 | 8);
    assert_true(vq->mask < dev->queue_size_max[queue]);
    check_empty(vq);
    fake_queue_open(&dev->queue[queue], kind, vq->mask + 1u, dma_address(vq->desc),
                    dma_address(vq->avail), dma_address(vq->used));
    dev->enabled[queue] = true;
    return true;
}

/* Commands that only set something: one buffer to read, one byte to write. §5.1.6.5.1: a byte;
 * §5.1.6.5.6: le64, of features that were negotiated. */
static bool is_command(const struct virtio_pci *dev, const uint8_t *data, uint32_t len)
{
    uint64_t offloads;

    if (data[0] != 5)
        return data[0] == 0 && len == 3;
    memcpy(&offloads, data + 2, sizeof(offloads));
    return accepted(dev, 2) && data[1] == 0 && len == 10 && (offloads & ~dev->accepted) == 0 &&
           (offloads & ~0x782ull) == 0;
}

static void obey(struct virtio_pci *dev)
{
    struct fake_chain chain;

    while (dev->ctrl != CTRL_SILENT && fake_take(&dev->queue[2], &chain)) {
        assert_int_equal(chain.count, 2);
        assert_false(chain.seg[0].write);
        assert_true(is_command(dev, chain.seg[0].data, chain.seg[0].len));
        assert_true(chain.seg[1].len == 1 && chain.seg[1].write);
        assert_true(dev->command_count < 8);
        memcpy(dev->commands[dev->command_count++], chain.seg[0].data, chain.seg[0].len);
        *chain.seg[1].data = dev->ctrl == CTRL_REFUSES;
        fake_use(&dev->queue[2], chain.head, 1);
    }
}

void virtio_pci_notify(const struct virtio_pci *dev, unsigned queue)
{
    assert_true(dev->status & VIRTIO_STATUS_DRIVER_OK); /* §3.1.1: never before */
    fake_dev.kicks[queue]++;
    if (queue == 2)
        obey(&fake_dev);
}

bool virtio_pci_config_read16(struct virtio_pci *dev, unsigned offset, uint16_t *value)
{
    memcpy(value, dev->config + offset, sizeof(*value));
    return true;
}

bool virtio_pci_config_read_bytes(struct virtio_pci *dev, unsigned offset, uint8_t *out,
                                  unsigned bytes)
{
    memcpy(out, dev->config + offset, bytes);
    return true;
}

unsigned virtio_pci_msix_entries(const struct virtio_pci *dev)
{
    return dev->msix_entries;
}

void virtio_pci_msix(struct virtio_pci *dev, const int *given, unsigned count)
{
    assert_true(count <= dev->msix_entries);
    memcpy(dev->msix, given, count * sizeof(*given));
}

bool virtio_pci_intx(struct virtio_pci *dev, int vector)
{
    dev->intx = vector;
    return !dev->no_intx;
}

bool virtio_pci_vector_config(struct virtio_pci *dev, unsigned entry)
{
    dev->vector_config = entry;
    return entry == VIRTIO_NO_VECTOR || entry < dev->msix_usable;
}

bool virtio_pci_vector_queue(struct virtio_pci *dev, unsigned queue, unsigned entry)
{
    dev->vector_queue[queue] = entry;
    return entry == VIRTIO_NO_VECTOR || entry < dev->msix_usable;
}

uint8_t virtio_pci_isr(struct virtio_pci *dev)
{
    uint8_t isr = dev->isr;

    dev->isr = 0;
    return isr;
}
