/* PCI: the walk, capability lists, BARs, MSI-X and INTx, as honest and as odd as they come. */
#include "fake_pci.h"
#include "fakes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- device memory: one MSI-X table ---- */

#define TABLE 0xfe003000ull

static uint32_t table[2048 * 4];

uint32_t fake_mmio_read(uint64_t at, unsigned bytes)
{
    (void)at;
    (void)bytes;
    fail_msg("nothing is read");
    return 0;
}

void fake_mmio_write(uint64_t at, uint32_t value, unsigned bytes)
{
    assert_int_equal(bytes, 4);
    assert_true(at >= TABLE && at < TABLE + sizeof(table) && at % 4 == 0);
    table[(at - TABLE) / 4] = value;
}

/* pci_init() walks once in the life of the program: this is the machine that it finds. */
static int walk(void **state)
{
    (void)state;
    fake_pci_add(0, 0, 0, 0x8086, 0x29c0);
    fake_pci_add(0, 1, 0, 0x1af4, 0x1000);
    fake_pci_set32(&fake_pci[1], PCI_SUBSYSTEM, 0x00011af4);
    fake_pci_set32(&fake_pci[1], PCI_REVISION, 0x02000001);
    fake_pci_add(0, 1, 1, 0xdead, 0); /* function 0 says that it is the only one */
    fake_pci_add(0, 2, 1, 0xdead, 1); /* no function 0: not there */
    fake_pci_add(0, 3, 0, 0x1b36, 0x000c)->config[PCI_HEADER_TYPE] = 0x81;
    fake_pci[4].config[PCI_SECONDARY_BUS] = 5;
    fake_pci_add(0, 3, 7, 0x1b36, 0x000d);
    fake_pci_add(0, 31, 0, 0x8086, 0x2918);
    fake_pci_add(5, 0, 0, 0x1b36, 0x000e)->config[PCI_HEADER_TYPE] = 1;
    fake_pci[7].config[PCI_SECONDARY_BUS] = 255;
    fake_pci_add(5, 1, 0, 0x1b36, 0x000f)->config[PCI_HEADER_TYPE] = 1;
    fake_pci[8].config[PCI_SECONDARY_BUS] = 5; /* itself */
    fake_pci_add(5, 2, 0, 0x1b36, 0x0010)->config[PCI_HEADER_TYPE] = 1;
    fake_pci[9].config[PCI_SECONDARY_BUS] = 0; /* back to the root */
    fake_pci_add(255, 31, 0, 0x1af4, 0x1041);
    fake_pci_add(77, 0, 0, 0xdead, 2);           /* on a bus that no bridge leads to */
    for (unsigned slot = 0; slot < 32; slot++) { /* more than the table holds */
        if (slot != 31)
            fake_pci_add(255, slot, 0, 0x1111, (uint16_t)slot)->config[PCI_HEADER_TYPE] = 0x80;
        fake_pci_add(255, slot, 5, 0x1111, (uint16_t)(100 + slot));
    }
    pci_init();
    return 0;
}

static struct pci_function at(unsigned i)
{
    return (struct pci_function){ .bus = fake_pci[i].bus,
                                  .slot = fake_pci[i].slot,
                                  .fn = fake_pci[i].fn };
}

static void test_walk(void **state)
{
    static const uint16_t expected[] = { 0x29c0, 0x1000, 0x000c, 0x000d, 0x2918,
                                         0x000e, 0x000f, 0x0010, 0 /* 255:00.0 */ };
    unsigned count = 0, nic = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(expected); i++)
        assert_int_equal(pci_function(i)->device_id, expected[i]);
    while (pci_function(count) != NULL) {
        assert_int_not_equal(pci_function(count)->vendor_id, 0xdead);
        nic += pci_function(count)->device_id == 0x1000;
        count++;
    }
    assert_int_equal(count, PCI_FUNCTIONS_MAX);
    assert_int_equal(nic, 1); /* nothing twice */
    assert_int_equal(pci_function(1)->subsystem_id, 1);
    assert_int_equal(pci_function(1)->subsystem_vendor_id, 0x1af4);
    assert_int_equal(pci_function(1)->class_code, 0x020000);
    assert_int_equal(pci_function(1)->revision, 1);
    assert_int_equal(pci_function(2)->header_type, 1);
    assert_int_equal(pci_function(8)->bus, 255);
}

/* ---- one function, anew for each test ---- */

static struct fake_pci *dev;
static struct pci_function f;

static int setup(void **state)
{
    (void)state;
    if (fake_pci_count == FAKE_PCI_MAX)
        fake_pci_count--;
    dev = fake_pci_add(200, 0, 0, 0x1af4, 0x1041);
    f = at(fake_pci_count - 1);
    memset(table, 0xee, sizeof(table));
    fake_printk_last[0] = '\0';
    fake_gsi_max = 23;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_pci_count--;
    return 0;
}

static void test_capabilities(void **state)
{
    unsigned cap = 0, steps = 0;

    (void)state;
    assert_false(pci_capability_next(&f, PCI_CAP_VENDOR, &cap, &steps)); /* no list at all */
    dev->config[PCI_CAPABILITIES] = 0x43; /* the low bits are to be ignored */
    fake_pci_capability(dev, 0x40, PCI_CAP_VENDOR, 0x50);
    fake_pci_capability(dev, 0x50, PCI_CAP_MSIX, 0xfc);
    fake_pci_capability(dev, 0xfc, PCI_CAP_VENDOR, 0);
    assert_true(pci_capability_next(&f, PCI_CAP_VENDOR, &cap, &steps));
    assert_int_equal(cap, 0x40);
    assert_true(pci_capability_next(&f, PCI_CAP_VENDOR, &cap, &steps));
    assert_int_equal(cap, 0xfc);
    assert_false(pci_capability_next(&f, PCI_CAP_VENDOR, &cap, &steps));
    cap = steps = 0;
    assert_true(pci_capability_next(&f, PCI_CAP_MSIX, &cap, &steps));
    assert_int_equal(cap, 0x50);
}

/* A list that runs in circles ends, whether it contains what is looked for or not. */
static void test_capability_loops(void **state)
{
    unsigned cap = 0, steps = 0, found = 0;

    (void)state;
    dev->config[PCI_CAPABILITIES] = 0x40;
    fake_pci_capability(dev, 0x40, PCI_CAP_VENDOR, 0x50);
    fake_pci_capability(dev, 0x50, PCI_CAP_VENDOR, 0x40);
    while (pci_capability_next(&f, PCI_CAP_VENDOR, &cap, &steps))
        found++;
    assert_true(found <= 48);
    cap = steps = 0;
    assert_false(pci_capability_next(&f, PCI_CAP_MSIX, &cap, &steps));

    dev->config[PCI_CAPABILITIES] = 0x10; /* into the header */
    fake_pci_capability(dev, 0x10, PCI_CAP_VENDOR, 0);
    cap = steps = 0;
    assert_false(pci_capability_next(&f, PCI_CAP_VENDOR, &cap, &steps));
}

static void test_bar(void **state)
{
    struct pci_bar bar;

    (void)state;
    fake_pci_set16(dev, PCI_COMMAND, 0x103 | PCI_COMMAND_MEMORY);
    fake_pci_bar(dev, 1, 0xfebd1000, 4096, false);
    fake_pci_bar(dev, 2, 0x8000004000, 16384, true);
    assert_true(pci_bar(&f, 1, &bar));
    assert_true(bar.base == 0xfebd1000 && bar.bytes == 4096);
    assert_true(pci_bar(&f, 2, &bar));
    assert_true(bar.base == 0x8000004000 && bar.bytes == 16384);
    fake_pci_bar(dev, 4, 0x1000000000, 1ull << 34, true);
    assert_true(pci_bar(&f, 4, &bar));
    assert_true(bar.base == 0x1000000000 && bar.bytes == 1ull << 34);
    /* all is as it was */
    assert_int_equal(pci_read16(&f, PCI_COMMAND), 0x103 | PCI_COMMAND_MEMORY);
    assert_int_equal(pci_read32(&f, PCI_BAR0 + 8), 0x4004);
    assert_int_equal(pci_read32(&f, PCI_BAR0 + 12), 0x80);
}

static void test_bad_bars(void **state)
{
    struct pci_bar bar;

    (void)state;
    fake_pci_set32(dev, PCI_BAR0, 0xc001);
    dev->bar_mask[0] = 0xffffffe0;
    assert_false(pci_bar(&f, 0, &bar));
    assert_non_null(strstr(fake_printk_last, "I/O"));
    assert_false(pci_bar(&f, 1, &bar));
    assert_non_null(strstr(fake_printk_last, "does not exist"));
    fake_pci_bar(dev, 2, 0, 4096, true);
    assert_false(pci_bar(&f, 2, &bar));
    assert_non_null(strstr(fake_printk_last, "no address"));
    assert_true(bar.bytes == 0);
    fake_pci_set32(dev, PCI_BAR0 + 20, 0xfe000004);
    assert_false(pci_bar(&f, 5, &bar));
    assert_non_null(strstr(fake_printk_last, "upper half"));
    fake_pci_bar(dev, 2, 0xfffffffffffff000, 4096, true);
    assert_false(pci_bar(&f, 2, &bar)); /* its end is 2^64 */
    fake_pci_bar(dev, 2, 1ull << 52, 4096, true);
    assert_false(pci_bar(&f, 2, &bar)); /* no page table reaches it */
}

static void test_map(void **state)
{
    const struct pci_bar bar = { .base = 0xfe000800, .bytes = 2048 };

    (void)state;
    assert_ptr_equal(pci_map(&f, &bar, 0, 2048), (void *)0xfe000800);
    assert_ptr_equal(pci_map(&f, &bar, 2047, 1), (void *)0xfe000fff);
    assert_null(pci_map(&f, &bar, 0, 2049));
    assert_null(pci_map(&f, &bar, 2048, 1));
    assert_null(pci_map(&f, &bar, 1, 2048));
    assert_null(pci_map(&f, &bar, 0, 0));
    assert_null(pci_map(&f, &bar, 0xffffffff, 0xffffffff));
    assert_null(pci_map(&f, &bar, UINT64_MAX, 2));
    assert_null(pci_map(&f, &bar, 1, UINT64_MAX));
}

/* ---- interrupts ---- */

static void add_msix(unsigned entries, uint32_t table_offset, uint64_t bar_bytes)
{
    dev->config[PCI_CAPABILITIES] = 0x98;
    fake_pci_capability(dev, 0x98, PCI_CAP_MSIX, 0);
    fake_pci_set16(dev, 0x9a, (uint16_t)(0x4000 | (entries - 1)));
    fake_pci_set32(dev, 0x9c, table_offset);
    fake_pci_bar(dev, 1, TABLE & ~(bar_bytes - 1), bar_bytes, false);
}

static void test_msix(void **state)
{
    struct pci_msix msix;

    (void)state;
    add_msix(3, 1, 4096); /* BAR 1, offset 0 */
    assert_true(pci_msix_open(&f, &msix));
    assert_int_equal(msix.entries, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(table[4 * i + 3], 1); /* masked */
    assert_int_equal(table[4 * 3 + 3], 0xeeeeeeee);
    pci_msix_enable(&msix, true);
    assert_int_equal(pci_read16(&f, 0x9a), 0x8002); /* enabled, function mask off */
    assert_int_equal(pci_read16(&f, PCI_COMMAND), PCI_COMMAND_INTX_DISABLE);
    pci_msix_route(&msix, 1, 77);
    assert_int_equal(table[4], 0xfee00000);
    assert_int_equal(table[5], 1);
    assert_int_equal(table[6], 77);
    assert_int_equal(table[7], 0);
    assert_int_equal(table[3], 1); /* the neighbours stay masked */
    assert_int_equal(table[11], 1);
    pci_msix_enable(&msix, false);
    assert_int_equal(pci_read16(&f, 0x9a), 0x0002);
    assert_int_equal(pci_read16(&f, PCI_COMMAND), 0);
}

static void test_bad_msix(void **state)
{
    struct pci_msix msix;

    (void)state;
    assert_false(pci_msix_open(&f, &msix)); /* none */
    assert_int_equal(msix.entries, 0);
    pci_msix_enable(&msix, false); /* harmless */

    add_msix(257, 1, 4096); /* 256 entries fit */
    assert_false(pci_msix_open(&f, &msix));
    assert_int_equal(msix.entries, 0);
    add_msix(256, 1, 4096);
    assert_true(pci_msix_open(&f, &msix));
    add_msix(3, 0xfffffff9, 4096);
    assert_false(pci_msix_open(&f, &msix));
    add_msix(3, 6, 4096); /* there is no BAR 6 */
    assert_false(pci_msix_open(&f, &msix));
    add_msix(3, 2, 4096); /* BAR 2 is none */
    assert_false(pci_msix_open(&f, &msix));

    for (unsigned cap = 0xf8; cap <= 0xfc; cap += 4) { /* the capability hangs over the end */
        dev->config[PCI_CAPABILITIES] = (uint8_t)cap;
        fake_pci_capability(dev, cap, PCI_CAP_MSIX, 0);
        assert_false(pci_msix_open(&f, &msix));
    }
}

static void test_intx(void **state)
{
    (void)state;
    dev->config[PCI_INTERRUPT_PIN] = 2;
    dev->config[PCI_INTERRUPT_LINE] = 11;
    assert_true(pci_intx_route(&f, 49));
    assert_int_equal(fake_route.gsi, 11);
    assert_int_equal(fake_route.vector, 49);
    assert_true(fake_route.level);
    assert_false(fake_route.low);
    /* all that the walk found, and that is not driven, is off the line */
    assert_true(fake_pci[1].config[PCI_COMMAND + 1] & PCI_COMMAND_INTX_DISABLE >> 8);
    assert_false(dev->config[PCI_COMMAND + 1] & PCI_COMMAND_INTX_DISABLE >> 8);

    dev->config[PCI_INTERRUPT_LINE] = 7; /* an ISA line without override is level all the same */
    assert_true(pci_intx_route(&f, 49));
    assert_true(fake_route.level);
    fake_gsi_max = 3;
    assert_false(pci_intx_route(&f, 49));
}

static void test_no_intx(void **state)
{
    static const struct {
        uint8_t pin, line;
    } bad[] = { { 0, 11 }, { 5, 11 }, { 1, 0 }, { 1, 16 }, { 1, 255 } };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        dev->config[PCI_INTERRUPT_PIN] = bad[i].pin;
        dev->config[PCI_INTERRUPT_LINE] = bad[i].line;
        assert_false(pci_intx_route(&f, 49));
        assert_non_null(strstr(fake_printk_last, "no interrupt line"));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        TEST(test_capabilities),
        TEST(test_capability_loops),
        TEST(test_bar),
        TEST(test_bad_bars),
        TEST(test_map),
        TEST(test_msix),
        TEST(test_bad_msix),
        TEST(test_intx),
        TEST(test_no_intx),
    };

    return cmocka_run_group_tests_name("pci", tests, walk, NULL);
}
