/* The virtio transport against a device whose registers have their side effects (virtio 1.2
 * §4.1.4.3), laid out as QEMU's is, and against capabilities that lie. */
#include "fake_pci.h"
#include "fakes.h"
#include "virtio_pci.h"
#include <kernel/page.h>
#include <kernel/time.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint64_t kernel_image_offset;

void time_spin_ns(uint64_t ns)
{
    fake_time_ns += ns;
}

/* ---- the device ---- */

#define BAR       0x8000000000ull
#define BAR_BYTES 0x4000ull
#define COMMON    0x0000u
#define ISR       0x1000u
#define CONFIG    0x2000u
#define NOTIFY    0x3000u
#define TABLE_BAR 0xfebd0000ull

static struct {
    uint64_t offered, accepted;
    uint32_t offered_select, accepted_select;
    uint8_t status, generation;
    uint16_t config_vector, queue_select, num_queues, vectors;
    struct {
        uint16_t size, vector, enable, notify_off;
        uint64_t desc, avail, used;
    } queue[3];
    uint8_t isr, config[64];
    unsigned reset_polls;     /* reads of the status until a reset is done */
    unsigned generation_runs; /* readings during which the configuration changes */
    bool hangs, refuses;
    uint64_t notified_at;
    unsigned notified_queue;
} d;

static void set_half(uint64_t *to, unsigned high, uint32_t value)
{
    if (high)
        *to = (*to & 0xffffffff) | (uint64_t)value << 32;
    else
        *to = (*to & ~0xffffffffull) | value;
}

/* Width is checked: §4.1.3.1 has each field accessed by its own. */
static uint32_t common_read(unsigned at, unsigned bytes)
{
    unsigned q = d.queue_select;

    assert_int_equal(bytes, at == 0x14 || at == 0x15 ? 1 : at < 0x10 ? 4 : 2);
    switch (at) {
    case 0x04:
        return d.offered_select > 1 ? 0 : (uint32_t)(d.offered >> 32 * d.offered_select);
    case 0x10:
        return d.config_vector;
    case 0x12:
        return d.num_queues;
    case 0x14:
        if (d.reset_polls > 0 && --d.reset_polls == 0 && !d.hangs)
            d.status = 0;
        return d.status;
    case 0x15:
        return d.generation;
    case 0x18:
        return d.queue[q].size;
    case 0x1a:
        return d.queue[q].vector;
    case 0x1e:
        return d.queue[q].notify_off;
    default:
        fail_msg("read of the common structure at 0x%x", at);
        return 0;
    }
}

static void status_write(uint8_t value)
{
    if (value == 0) {
        d.reset_polls = d.status != 0 ? 3 : 0; /* a reset takes a while */
        if (d.hangs)
            d.reset_polls = 1000000000;
        return;
    }
    assert_int_equal(value & d.status, d.status); /* bits are added, never taken (§2.1.1) */
    d.status = value;
    if (d.refuses)
        d.status &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
}

static void common_write(unsigned at, uint32_t value, unsigned bytes)
{
    unsigned q = d.queue_select;

    assert_int_equal(bytes, at == 0x14 ? 1 : at < 0x10 || at >= 0x20 ? 4 : 2);
    switch (at) {
    case 0x00:
        d.offered_select = value;
        break;
    case 0x08:
        d.accepted_select = value;
        break;
    case 0x0c:
        assert_true(d.accepted_select <= 1);
        set_half(&d.accepted, d.accepted_select, value);
        break;
    case 0x10:
        d.config_vector = value < d.vectors ? (uint16_t)value : 0xffff;
        break;
    case 0x14:
        status_write((uint8_t)value);
        break;
    case 0x16:
        assert_true(value < ARRAY_SIZE(d.queue));
        d.queue_select = (uint16_t)value;
        break;
    case 0x18:
        assert_false(d.queue[q].enable);
        d.queue[q].size = (uint16_t)value;
        break;
    case 0x1a:
        d.queue[q].vector = value < d.vectors ? (uint16_t)value : 0xffff;
        break;
    case 0x1c:
        assert_int_equal(value, 1); /* §4.1.4.3.2: never 0 */
        d.queue[q].enable = 1;
        break;
    case 0x20:
    case 0x24:
        set_half(&d.queue[q].desc, at & 4, value);
        break;
    case 0x28:
    case 0x2c:
        set_half(&d.queue[q].avail, at & 4, value);
        break;
    case 0x30:
    case 0x34:
        set_half(&d.queue[q].used, at & 4, value);
        break;
    default:
        fail_msg("write of the common structure at 0x%x", at);
    }
}

uint32_t fake_mmio_read(uint64_t at, unsigned bytes)
{
    uint32_t value = 0;

    assert_true(at >= BAR && at + bytes <= BAR + BAR_BYTES && at % bytes == 0);
    at -= BAR;
    if (at < ISR)
        return common_read((unsigned)at, bytes);
    if (at == ISR) {
        assert_int_equal(bytes, 1);
        value = d.isr;
        d.isr = 0;
        return value;
    }
    assert_true(at >= CONFIG && at + bytes <= CONFIG + sizeof(d.config));
    memcpy(&value, d.config + (at - CONFIG), bytes);
    if (at == CONFIG + 3 && d.generation_runs > 0) { /* a change in the middle */
        d.generation_runs--;
        d.generation++;
        memset(d.config, d.config[0] + 1, 6);
    }
    return value;
}

void fake_mmio_write(uint64_t at, uint32_t value, unsigned bytes)
{
    if (at >= TABLE_BAR && at < TABLE_BAR + 4096)
        return; /* the MSI-X table is test_pci's */
    assert_true(at >= BAR && at + bytes <= BAR + BAR_BYTES && at % bytes == 0);
    at -= BAR;
    if (at >= NOTIFY) {
        assert_int_equal(bytes, 2);
        d.notified_at = at - NOTIFY;
        d.notified_queue = value;
    } else {
        assert_true(at < ISR);
        common_write((unsigned)at, value, bytes);
    }
}

/* ---- its PCI side ---- */

static struct fake_pci *net;

static void capability(unsigned offset, unsigned next, unsigned type, unsigned bar, uint32_t at,
                       uint32_t bytes)
{
    fake_pci_capability(net, offset, PCI_CAP_VENDOR, next);
    net->config[offset + 2] = type == 2 ? 20 : 16;
    net->config[offset + 3] = (uint8_t)type;
    net->config[offset + 4] = (uint8_t)bar;
    fake_pci_set32(net, offset + 8, at);
    fake_pci_set32(net, offset + 12, bytes);
}

/* As of QEMU 7.2. */
static int setup(void **state)
{
    (void)state;
    fake_time_ns = 0;
    memset(&d, 0, sizeof(d));
    d.offered = 1ull << 32 | 1 << 16 | 1 << 5;
    d.num_queues = 3;
    d.vectors = 3;
    for (unsigned i = 0; i < 3; i++) {
        d.queue[i].size = i == 2 ? 64 : 256;
        d.queue[i].notify_off = (uint16_t)i;
        d.queue[i].vector = 0xffff;
    }
    *net = (struct fake_pci){ .slot = 3 };
    fake_pci_set32(net, PCI_VENDOR_ID, 0x10411af4);
    fake_pci_bar(net, 1, TABLE_BAR, 4096, false);
    fake_pci_bar(net, 4, BAR, BAR_BYTES, true);
    net->config[PCI_CAPABILITIES] = 0x98;
    fake_pci_capability(net, 0x98, PCI_CAP_MSIX, 0x84);
    fake_pci_set16(net, 0x9a, 2);
    fake_pci_set32(net, 0x9c, 1);
    capability(0x84, 0x70, 5, 0, 0, 0); /* PCI configuration access: not used */
    capability(0x70, 0x60, 2, 4, NOTIFY, 0x1000);
    fake_pci_set32(net, 0x70 + 16, 4);
    capability(0x60, 0x50, 4, 4, CONFIG, 0x1000);
    capability(0x50, 0x40, 3, 4, ISR, 0x1000);
    capability(0x40, 0, 1, 4, COMMON, 0x1000);
    return 0;
}

/* pci_init() walks once; what it finds is a modern, a transitional and a block device. */
static int walk(void **state)
{
    net = fake_pci_add(0, 3, 0, 0x1af4, 0x1041);
    setup(state);
    pci_init();
    return 0;
}

static struct virtio_pci *probe(void)
{
    return virtio_pci_probe(VIRTIO_TYPE_NET);
}

/* ---- finding it ---- */

static void test_probe(void **state)
{
    struct virtio_pci *dev = probe();

    (void)state;
    assert_non_null(dev);
    assert_string_equal(virtio_pci_name(dev), "1af4:1041 at 00:03.0");
    assert_int_equal(virtio_pci_msix_entries(dev), 3);
    assert_true(net->config[PCI_COMMAND] & PCI_COMMAND_MEMORY);
    assert_false(net->config[PCI_COMMAND] & PCI_COMMAND_MASTER); /* not before the reset */
    assert_null(virtio_pci_probe(2));
}

static void test_legacy_only(void **state)
{
    struct pci_function *f = (struct pci_function *)pci_function(0);

    (void)state;
    f->device_id = 0x1000;
    f->subsystem_id = 1;
    assert_non_null(probe()); /* transitional, with the modern interface */
    assert_null(virtio_pci_probe(2));
    net->config[PCI_CAPABILITIES] = 0x98;
    net->config[0x99] = 0; /* MSI-X alone is left */
    assert_null(probe());
    assert_non_null(strstr(fake_printk_last, "only the legacy interface"));
    f->device_id = 0x1041;
    f->subsystem_id = 0;
}

static void test_missing_structures(void **state)
{
    static const struct {
        unsigned cap;
        const char *name;
    } required[] = { { 0x40, "common configuration" }, { 0x50, "ISR" }, { 0x70, "notification" } };

    for (unsigned i = 0; i < ARRAY_SIZE(required); i++) {
        setup(state);
        net->config[required[i].cap + 3] = 99; /* of a type that nobody knows */
        assert_null(probe());
        assert_non_null(strstr(fake_printk_last, required[i].name));
    }
    setup(state);
    net->config[0x60 + 3] = 99; /* the device may have no configuration */
    assert_non_null(probe());
}

/* Each field of a capability, beyond what can be. */
static void test_lying_capabilities(void **state)
{
    static const struct {
        unsigned at;
        uint32_t value;
    } lies[] = {
        { 0x40 + 8, 0x4000 },      /* behind the BAR's end */
        { 0x40 + 8, 0x3001 },      /* half behind it; also unaligned */
        { 0x40 + 8, 0xffffffff },  /* offset */
        { 0x40 + 12, 0x4001 },     /* longer than the BAR */
        { 0x40 + 12, 0xffffffff }, /* length */
        { 0x40 + 12, 0x37 },       /* shorter than the registers */
        { 0x40 + 8, 0x0002 },      /* unaligned */
        { 0x40 + 4, 6 },           /* reserved BAR */
        { 0x40 + 4, 255 },         /* reserved BAR */
        { 0x40 + 4, 0 },           /* a BAR that does not exist */
        { 0x70 + 12, 1 },          /* no room for a notification */
        { 0x70 + 12, 0 },          /* empty */
        { 0x50 + 12, 0 },          /* empty */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
        setup(state);
        fake_pci_set32(net, lies[i].at, lies[i].value);
        assert_null(probe());
    }
    setup(state);
    net->config[0x40 + 2] = 15; /* cap_len: no room for its own fields */
    assert_null(probe());
    setup(state);
    net->config[0x70 + 2] = 16; /* no room for the multiplier */
    assert_null(probe());
    setup(state);
    fake_pci_set32(net, PCI_BAR0 + 16, 4); /* the firmware gave it no address */
    fake_pci_set32(net, PCI_BAR0 + 20, 0);
    assert_null(probe());
}

/* A second structure of a type is the device's second choice. */
static void test_first_structure_wins(void **state)
{
    (void)state;
    capability(0xa8, 0x98, 1, 4, 0x37c8, 0x38);
    net->config[PCI_CAPABILITIES] = 0x98;
    net->config[0x41] = 0xa8;
    net->config[0xa9] = 0;
    assert_non_null(probe());
    assert_true(virtio_pci_reset(probe())); /* it is at 0, or the model fails */
}

/* ---- status, features ---- */

static void test_reset(void **state)
{
    struct virtio_pci *dev = probe();

    (void)state;
    d.status = 15;
    assert_true(virtio_pci_reset(dev));
    assert_int_equal(d.status, 0);
    assert_true(net->config[PCI_COMMAND] & PCI_COMMAND_MASTER);

    d.status = 15;
    d.hangs = true;
    assert_false(virtio_pci_reset(dev));
    assert_true(fake_time_ns >= NS_PER_SEC && fake_time_ns < 2 * NS_PER_SEC);
    virtio_pci_silence(dev); /* no reset: off the bus */
    assert_false(net->config[PCI_COMMAND] & PCI_COMMAND_MASTER);
    assert_true(net->config[PCI_COMMAND + 1] & PCI_COMMAND_INTX_DISABLE >> 8);

    d.hangs = false;
    virtio_pci_silence(dev);
    assert_int_equal(d.status, 0);
    assert_true(net->config[PCI_COMMAND] & PCI_COMMAND_MASTER);
}

static void test_features(void **state)
{
    struct virtio_pci *dev = probe();

    (void)state;
    d.offered = 0x123456789abcdef0;
    assert_true(virtio_pci_features(dev) == 0x123456789abcdef0);
    virtio_pci_reset(dev);
    virtio_pci_status_add(dev, VIRTIO_STATUS_ACKNOWLEDGE);
    virtio_pci_status_add(dev, VIRTIO_STATUS_DRIVER);
    assert_true(virtio_pci_accept(dev, 0x0000000912345678));
    assert_true(d.accepted == 0x0000000912345678);
    assert_int_equal(d.status, 1 | 2 | 8);

    d.status = 3;
    d.refuses = true;
    assert_false(virtio_pci_accept(dev, 1));
}

/* ---- queues ---- */

static void test_queues(void **state)
{
    const struct vq_config config = { .size = 128 };
    struct virtio_pci *dev = probe();
    struct virtqueue vq;
    void *memory = NULL;

    (void)state;
    assert_int_equal(posix_memalign(&memory, 4096, vq_bytes(&config)), 0);
    vq_init(&vq, &config, memory);
    assert_int_equal(virtio_pci_queue_size_max(dev, 1), 256);
    assert_int_equal(virtio_pci_queue_size_max(dev, 3), 0);
    assert_true(virtio_pci_queue_start(dev, 1, &vq));
    assert_int_equal(d.queue[1].size, 128);
    assert_true(d.queue[1].desc == dma_address(vq.desc));
    assert_true(d.queue[1].avail == dma_address(vq.avail));
    assert_true(d.queue[1].used == dma_address(vq.used));
    assert_true(d.queue[1].enable);
    assert_false(d.queue[0].enable);
    virtio_pci_notify(dev, 1);
    assert_int_equal(d.notified_at, 4); /* its offset times the multiplier */
    assert_int_equal(d.notified_queue, 1);

    /* the last place that is inside, and the first that is not */
    d.queue[0].notify_off = 0x3ff;
    assert_true(virtio_pci_queue_start(dev, 0, &vq));
    d.queue[0].enable = 0;
    d.queue[0].notify_off = 0x400;
    assert_false(virtio_pci_queue_start(dev, 0, &vq));
    assert_false(d.queue[0].enable);
    d.queue[0].notify_off = 0xffff;
    assert_false(virtio_pci_queue_start(dev, 0, &vq));
    free(memory);
}

static void test_notify_multiplier(void **state)
{
    const struct vq_config config = { .size = 4, .packed = true };
    struct virtio_pci *dev;
    struct virtqueue vq;
    void *memory = NULL;

    (void)state;
    assert_int_equal(posix_memalign(&memory, 4096, vq_bytes(&config)), 0);
    vq_init(&vq, &config, memory);
    fake_pci_set32(net, 0x70 + 16, 0x20000);
    dev = probe();
    d.queue[1].notify_off = 0x8000; /* the product is 2^32 */
    assert_false(virtio_pci_queue_start(dev, 1, &vq));
    d.queue[1].notify_off = 1;
    assert_false(virtio_pci_queue_start(dev, 1, &vq));
    fake_pci_set32(net, 0x70 + 16, 0); /* all share one address */
    dev = probe();
    assert_true(virtio_pci_queue_start(dev, 1, &vq));
    virtio_pci_notify(dev, 1);
    assert_int_equal(d.notified_at, 0);
    free(memory);
}

/* ---- configuration ---- */

static void test_config(void **state)
{
    struct virtio_pci *dev = probe();
    uint8_t mac[6];
    uint16_t value;

    (void)state;
    memcpy(d.config, "\x10\x10\x10\x10\x10\x10\x01\x80", 8);
    assert_true(virtio_pci_config_read16(dev, 6, &value));
    assert_int_equal(value, 0x8001);
    assert_false(virtio_pci_config_read16(dev, 0xfff, &value));
    assert_false(virtio_pci_config_read_bytes(dev, 0xffb, mac, 6));

    /* it changes while it is read: read again, until it is of one piece */
    d.generation_runs = 3;
    assert_true(virtio_pci_config_read_bytes(dev, 0, mac, 6));
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(mac[i], 0x13);
    d.generation_runs = 1000; /* and not for ever */
    assert_false(virtio_pci_config_read_bytes(dev, 0, mac, 6));
}

static void test_no_config(void **state)
{
    struct virtio_pci *dev;
    uint16_t value;

    (void)state;
    net->config[0x60 + 3] = 99;
    dev = probe();
    assert_false(virtio_pci_config_read16(dev, 0, &value));
}

/* ---- interrupts ---- */

static void test_vectors(void **state)
{
    struct virtio_pci *dev = probe();
    const int vectors[] = { 49, 50, 51 };

    (void)state;
    virtio_pci_msix(dev, vectors, 3);
    assert_int_equal(net->config[0x9b], 0x80);
    assert_true(virtio_pci_vector_config(dev, 0));
    assert_int_equal(d.config_vector, 0);
    assert_true(virtio_pci_vector_queue(dev, 1, 2));
    assert_int_equal(d.queue[1].vector, 2);
    assert_int_equal(d.queue[0].vector, 0xffff);

    d.vectors = 2; /* refused: the device answers NO_VECTOR */
    assert_false(virtio_pci_vector_queue(dev, 1, 2));
    d.vectors = 0;
    assert_false(virtio_pci_vector_config(dev, 0));
    assert_true(virtio_pci_vector_config(dev, VIRTIO_NO_VECTOR));
}

static void test_intx(void **state)
{
    struct virtio_pci *dev = probe();
    const int vectors[] = { 49, 50, 51 };

    (void)state;
    virtio_pci_msix(dev, vectors, 3);
    assert_false(virtio_pci_intx(dev, 60)); /* no line */
    net->config[PCI_INTERRUPT_PIN] = 1;
    net->config[PCI_INTERRUPT_LINE] = 10;
    assert_true(virtio_pci_intx(dev, 60));
    assert_int_equal(fake_route.vector, 60);
    assert_int_equal(net->config[0x9b], 0); /* MSI-X is off, the line is on */
    assert_false(net->config[PCI_COMMAND + 1] & PCI_COMMAND_INTX_DISABLE >> 8);
    d.status = 15;
    d.hangs = true;
    virtio_pci_silence(dev);
    assert_true(net->config[PCI_COMMAND + 1] & PCI_COMMAND_INTX_DISABLE >> 8);
    d.hangs = false;
    assert_true(virtio_pci_reset(dev)); /* it comes back, and so does its line */
    assert_false(net->config[PCI_COMMAND + 1] & PCI_COMMAND_INTX_DISABLE >> 8);
    d.isr = 3;
    assert_int_equal(virtio_pci_isr(dev), 3);
    assert_int_equal(virtio_pci_isr(dev), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_probe),
        TEST(test_legacy_only),
        TEST(test_missing_structures),
        TEST(test_lying_capabilities),
        TEST(test_first_structure_wins),
        TEST(test_reset),
        TEST(test_features),
        TEST(test_queues),
        TEST(test_notify_multiplier),
        TEST(test_config),
        TEST(test_no_config),
        TEST(test_vectors),
        TEST(test_intx),
    };

    return cmocka_run_group_tests_name("virtio_pci", tests, walk, NULL);
}
