/*
 * The virtio transport over PCI (virtio 1.2 §4.1). Transitional devices are driven through their
 * modern interface; legacy-only ones are refused. See virtio_pci.h for the order of use.
 */
#include "virtio_pci.h"
#include "pci.h"
#include <kernel/fmt.h>
#include <kernel/io.h>
#include <kernel/page.h>
#include <kernel/printk.h>
#include <kernel/time.h>

#define VENDOR_VIRTIO   0x1af4u
#define DEVICE_MODERN   0x1040u /* + type, §4.1.2 */
#define DEVICE_OLDEST   0x1000u /* transitional: the type is the subsystem ID */
#define DEVICE_YOUNGEST 0x107fu

/* The device-independent registers, §4.1.4.3: offsets in the common structure. */
#define COMMON_DEVICE_FEATURE_SELECT 0x00 /* 32 bits, RW */
#define COMMON_DEVICE_FEATURE        0x04 /* 32, R */
#define COMMON_DRIVER_FEATURE_SELECT 0x08 /* 32, RW */
#define COMMON_DRIVER_FEATURE        0x0c /* 32, RW */
#define COMMON_CONFIG_VECTOR         0x10 /* 16, RW */
#define COMMON_NUM_QUEUES            0x12 /* 16, R */
#define COMMON_STATUS                0x14 /* 8, RW */
#define COMMON_CONFIG_GENERATION     0x15 /* 8, R */
#define COMMON_QUEUE_SELECT          0x16 /* 16, RW; the rest is of the selected queue */
#define COMMON_QUEUE_SIZE            0x18 /* 16, RW */
#define COMMON_QUEUE_VECTOR          0x1a /* 16, RW */
#define COMMON_QUEUE_ENABLE          0x1c /* 16, RW */
#define COMMON_QUEUE_NOTIFY_OFF      0x1e /* 16, R */
#define COMMON_QUEUE_DESC            0x20 /* 64, RW */
#define COMMON_QUEUE_DRIVER          0x28 /* 64, RW: the available ring, or its event */
#define COMMON_QUEUE_DEVICE          0x30 /* 64, RW: the used ring, or its event */
#define COMMON_BYTES                 0x38

/* struct virtio_pci_cap, §4.1.4: offsets in PCI's configuration space */
#define CAP_LENGTH            2
#define CAP_CFG_TYPE          3
#define CAP_BAR               4
#define CAP_OFFSET            8
#define CAP_BYTES             12
#define CAP_NOTIFY_MULTIPLIER 16

enum cfg_type {
    CFG_COMMON = 1,
    CFG_NOTIFY = 2,
    CFG_ISR = 3,
    CFG_DEVICE = 4,
    CFG_TYPES,
};

#define QUEUES_MAX         3u
#define RESET_TIMEOUT_NS   NS_PER_SEC
#define GENERATION_RETRIES 16

struct virtio_pci {
    const struct pci_function *f;
    struct region {
        volatile uint8_t *base; /* NULL: the device has none */
        uint64_t bytes;
    } region[CFG_TYPES];
    uint32_t notify_multiplier;
    volatile void *notify[QUEUES_MAX];
    struct pci_msix msix;
    bool intx; /* it interrupts by its line */
    char name[40];
};

static struct virtio_pci the_device; /* one NIC, so one device */

static volatile uint8_t *common(const struct virtio_pci *dev)
{
    return dev->region[CFG_COMMON].base;
}

/* ---- Finding it ---- */

/* What each structure must have, to be used at all (§4.1.4). */
static const struct {
    const char *name;
    unsigned bytes_min;
    bool required;
} cfg_types[CFG_TYPES] = {
    [CFG_COMMON] = { "common configuration", COMMON_BYTES, true },
    [CFG_NOTIFY] = { "notification", 2, true },
    [CFG_ISR] = { "ISR status", 1, true },
    [CFG_DEVICE] = { "device configuration", 1, false },
};

/* Map what one capability describes. What is odd is left out, and so not found later. */
static void take_capability(struct virtio_pci *dev, unsigned cap, struct pci_bar *bars)
{
    unsigned type = pci_read8(dev->f, cap + CAP_CFG_TYPE);
    unsigned bar = pci_read8(dev->f, cap + CAP_BAR);
    unsigned length = pci_read8(dev->f, cap + CAP_LENGTH);
    uint32_t offset, bytes;

    /* §4.1.4.1: other types and reserved BAR values are ignored; of several structures of a
     * type the first that we can use is the device's favourite. */
    if (type == 0 || type >= CFG_TYPES || bar > 5 || dev->region[type].base != NULL)
        return;
    if (length < (type == CFG_NOTIFY ? 20u : 16u) || cap + length > PCI_CONFIG_BYTES)
        return;
    offset = pci_read32(dev->f, cap + CAP_OFFSET);
    bytes = pci_read32(dev->f, cap + CAP_BYTES);
    if (bytes < cfg_types[type].bytes_min || (type == CFG_COMMON && offset % 4 != 0))
        return;
    if (bars[bar].bytes == 0 && !pci_bar(dev->f, bar, &bars[bar]))
        return;
    dev->region[type].base = pci_map(dev->f, &bars[bar], offset, bytes);
    dev->region[type].bytes = bytes;
    if (type == CFG_NOTIFY)
        dev->notify_multiplier = pci_read32(dev->f, cap + CAP_NOTIFY_MULTIPLIER);
}

static bool open_device(struct virtio_pci *dev, const struct pci_function *f)
{
    struct pci_bar bars[6] = { 0 };
    unsigned cap = 0, steps = 0;

    *dev = (struct virtio_pci){ .f = f };
    fmt_snprintf(dev->name, sizeof(dev->name), "%04x:%04x at %02x:%02x.%x", f->vendor_id,
                 f->device_id, f->bus, f->slot, f->fn);
    while (pci_capability_next(f, PCI_CAP_VENDOR, &cap, &steps))
        take_capability(dev, cap, bars);

    if (common(dev) == NULL && f->device_id < DEVICE_MODERN) {
        printk("virtio: %s has only the legacy interface, which is not supported", dev->name);
        return false;
    }
    for (unsigned type = CFG_COMMON; type < CFG_TYPES; type++) {
        if (cfg_types[type].required && dev->region[type].base == NULL) {
            printk("virtio: %s has no usable %s structure", dev->name, cfg_types[type].name);
            return false;
        }
    }
    pci_command(f, PCI_COMMAND_MEMORY, 0);
    pci_msix_open(f, &dev->msix);
    return true;
}

static bool is_type(const struct pci_function *f, unsigned type)
{
    if (f->vendor_id != VENDOR_VIRTIO || f->device_id < DEVICE_OLDEST ||
        f->device_id > DEVICE_YOUNGEST)
        return false;
    return f->device_id >= DEVICE_MODERN ? f->device_id == DEVICE_MODERN + type
                                         : f->subsystem_id == type;
}

struct virtio_pci *virtio_pci_probe(unsigned type)
{
    const struct pci_function *f;

    pci_init();
    for (unsigned i = 0; (f = pci_function(i)) != NULL; i++) {
        if (is_type(f, type) && open_device(&the_device, f))
            return &the_device;
    }
    return NULL;
}

const char *virtio_pci_name(const struct virtio_pci *dev)
{
    return dev->name;
}

/* ---- Status and features ---- */

bool virtio_pci_reset(struct virtio_pci *dev)
{
    uint64_t deadline = time_ns() + RESET_TIMEOUT_NS;

    mmio_write8(common(dev) + COMMON_STATUS, 0);
    /* §4.1.4.3.2: it is done when 0 is read back */
    while (mmio_read8(common(dev) + COMMON_STATUS) != 0) {
        if (time_ns() > deadline) {
            printk("virtio: %s does not reset", dev->name);
            return false;
        }
        time_spin_ns(10 * NS_PER_US);
    }
    /* It may use memory (it has nothing to use yet), and the line that virtio_pci_silence() took.
     */
    pci_command(dev->f, PCI_COMMAND_MASTER, dev->intx ? PCI_COMMAND_INTX_DISABLE : 0);
    return true;
}

void virtio_pci_silence(struct virtio_pci *dev)
{
    if (!virtio_pci_reset(dev))
        pci_command(dev->f, PCI_COMMAND_INTX_DISABLE, PCI_COMMAND_MASTER);
}

uint8_t virtio_pci_status(struct virtio_pci *dev)
{
    return mmio_read8(common(dev) + COMMON_STATUS);
}

void virtio_pci_status_add(struct virtio_pci *dev, uint8_t bits)
{
    mmio_write8(common(dev) + COMMON_STATUS, virtio_pci_status(dev) | bits);
}

uint64_t virtio_pci_features(struct virtio_pci *dev)
{
    uint64_t features;

    mmio_write32(common(dev) + COMMON_DEVICE_FEATURE_SELECT, 1);
    features = (uint64_t)mmio_read32(common(dev) + COMMON_DEVICE_FEATURE) << 32;
    mmio_write32(common(dev) + COMMON_DEVICE_FEATURE_SELECT, 0);
    return features | mmio_read32(common(dev) + COMMON_DEVICE_FEATURE);
}

bool virtio_pci_accept(struct virtio_pci *dev, uint64_t features)
{
    /* §3.1.1 step 4, the driver's half */
    mmio_write32(common(dev) + COMMON_DRIVER_FEATURE_SELECT, 0);
    mmio_write32(common(dev) + COMMON_DRIVER_FEATURE, (uint32_t)features);
    mmio_write32(common(dev) + COMMON_DRIVER_FEATURE_SELECT, 1);
    mmio_write32(common(dev) + COMMON_DRIVER_FEATURE, (uint32_t)(features >> 32));
    /* step 5 */
    virtio_pci_status_add(dev, VIRTIO_STATUS_FEATURES_OK);
    /* step 6: still set? */
    return virtio_pci_status(dev) & VIRTIO_STATUS_FEATURES_OK;
}

/* ---- Queues ---- */

static void select_queue(struct virtio_pci *dev, unsigned queue)
{
    ASSERT(queue < QUEUES_MAX);
    mmio_write16(common(dev) + COMMON_QUEUE_SELECT, (uint16_t)queue);
}

unsigned virtio_pci_queue_size_max(struct virtio_pci *dev, unsigned queue)
{
    if (queue >= mmio_read16(common(dev) + COMMON_NUM_QUEUES))
        return 0;
    select_queue(dev, queue);
    return mmio_read16(common(dev) + COMMON_QUEUE_SIZE);
}

/* §4.1.3.1: 64-bit fields by two accesses of 32 bits */
static void write_common64(struct virtio_pci *dev, unsigned offset, uint64_t value)
{
    mmio_write32(common(dev) + offset, (uint32_t)value);
    mmio_write32(common(dev) + offset + 4, (uint32_t)(value >> 32));
}

bool virtio_pci_queue_start(struct virtio_pci *dev, unsigned queue, const struct virtqueue *vq)
{
    const struct region *notify = &dev->region[CFG_NOTIFY];
    uint64_t offset;

    /* §4.1.5.1.3: select, size, addresses, enable. A packed ring's areas go into the same
     * registers. */
    select_queue(dev, queue);
    mmio_write16(common(dev) + COMMON_QUEUE_SIZE, (uint16_t)vq_size(vq));
    write_common64(dev, COMMON_QUEUE_DESC, dma_address(vq->desc));
    write_common64(dev, COMMON_QUEUE_DRIVER, dma_address(vq->avail));
    write_common64(dev, COMMON_QUEUE_DEVICE, dma_address(vq->used));

    /* §4.1.4.4: each queue has a notify address of its own, or shares one (multiplier 0) */
    offset = (uint64_t)mmio_read16(common(dev) + COMMON_QUEUE_NOTIFY_OFF) * dev->notify_multiplier;
    if (offset + 2 > notify->bytes || offset % 2 != 0) {
        printk("virtio: %s: queue %u has its notify address outside the structure", dev->name,
               queue);
        return false;
    }
    dev->notify[queue] = notify->base + offset;
    mmio_write16(common(dev) + COMMON_QUEUE_ENABLE, 1);
    return true;
}

void virtio_pci_notify(const struct virtio_pci *dev, unsigned queue)
{
    mmio_write16(dev->notify[queue], (uint16_t)queue); /* §4.1.5.2 */
}

/* ---- Device configuration ---- */

static volatile uint8_t *config_at(struct virtio_pci *dev, unsigned offset, unsigned bytes)
{
    const struct region *config = &dev->region[CFG_DEVICE];

    return config->base != NULL && offset + bytes <= config->bytes ? config->base + offset : NULL;
}

/* §4.1.3.1: each field by accesses of its own width */
bool virtio_pci_config_read16(struct virtio_pci *dev, unsigned offset, uint16_t *value)
{
    volatile uint8_t *at = config_at(dev, offset, sizeof(*value));

    if (at == NULL)
        return false;
    *value = mmio_read16(at);
    return true;
}

bool virtio_pci_config_read_bytes(struct virtio_pci *dev, unsigned offset, uint8_t *out,
                                  unsigned bytes)
{
    volatile uint8_t *at = config_at(dev, offset, bytes);

    if (at == NULL)
        return false;
    /* §2.5.1: what is read in pieces is of one moment if the generation is the same after it */
    for (unsigned i = 0; i < GENERATION_RETRIES; i++) {
        uint8_t before = mmio_read8(common(dev) + COMMON_CONFIG_GENERATION);

        for (unsigned b = 0; b < bytes; b++)
            out[b] = mmio_read8(at + b);
        if (mmio_read8(common(dev) + COMMON_CONFIG_GENERATION) == before)
            return true;
    }
    return false;
}

/* ---- Interrupts ---- */

unsigned virtio_pci_msix_entries(const struct virtio_pci *dev)
{
    return dev->msix.entries;
}

void virtio_pci_msix(struct virtio_pci *dev, const int *vectors, unsigned count)
{
    pci_msix_enable(&dev->msix, true);
    dev->intx = false;
    for (unsigned i = 0; i < count; i++)
        pci_msix_route(&dev->msix, i, vectors[i]);
}

bool virtio_pci_intx(struct virtio_pci *dev, int vector)
{
    pci_msix_enable(&dev->msix, false);
    dev->intx = pci_intx_route(dev->f, vector);
    return dev->intx;
}

/* Without MSI-X the vector registers are not there to be written. */
static bool assign(struct virtio_pci *dev, unsigned reg, unsigned entry)
{
    if (entry == VIRTIO_NO_VECTOR)
        return true;
    mmio_write16(common(dev) + reg, (uint16_t)entry);
    /* §4.1.5.1.2: a device without resources for it answers NO_VECTOR */
    return mmio_read16(common(dev) + reg) == entry;
}

bool virtio_pci_vector_config(struct virtio_pci *dev, unsigned entry)
{
    return assign(dev, COMMON_CONFIG_VECTOR, entry);
}

bool virtio_pci_vector_queue(struct virtio_pci *dev, unsigned queue, unsigned entry)
{
    select_queue(dev, queue);
    return assign(dev, COMMON_QUEUE_VECTOR, entry);
}

uint8_t virtio_pci_isr(struct virtio_pci *dev)
{
    return mmio_read8(dev->region[CFG_ISR].base);
}
