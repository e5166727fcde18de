/* PCI configuration space by memory and by ports: the right address, the right width. */
#include "fake_hw.h"
#include "fakes.h"
#include "pci.h"
#include <kernel/acpi.h>
#include <kernel/page.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct acpi_info acpi;

const struct acpi_info *acpi_info(void)
{
    return &acpi;
}

/* ---- ports: 0xcf8 selects, 0xcfc to 0xcff are the four bytes ---- */

static uint32_t selected;
static uint8_t config[256]; /* of 03:1f.7 */

void fake_out(uint16_t port, uint32_t value, unsigned bytes)
{
    assert_false(fake_irqs_on); /* nothing may come between the two */
    if (port == 0xcf8) {
        assert_int_equal(bytes, 4);
        assert_int_equal(value & 3, 0);
        selected = value;
        return;
    }
    assert_true(port >= 0xcfc && port + bytes <= 0xd00);
    assert_int_equal(selected & 0xffffff00, 0x8003ff00);
    memcpy(config + (selected & 0xff) + (port - 0xcfc), &value, bytes);
}

uint32_t fake_in(uint16_t port, unsigned bytes)
{
    uint32_t value = 0xffffffff;

    assert_false(fake_irqs_on);
    assert_true(port >= 0xcfc && port + bytes <= 0xd00);
    if ((selected & 0xffffff00) == 0x8003ff00) {
        value = 0;
        memcpy(&value, config + (selected & 0xff) + (port - 0xcfc), bytes);
    }
    return value;
}

/* ---- memory: one bus ---- */

static uint8_t *ecam;
static uint64_t mapped;

volatile void *paging_map_mmio(uint64_t phys, uint64_t bytes)
{
    assert_int_equal(bytes, 1 << 20);
    mapped = phys;
    ecam = calloc(1, bytes);
    return ecam;
}

uint32_t fake_mmio_read(const volatile void *at, unsigned bytes)
{
    assert_int_equal(bytes, 4);
    return *(const volatile uint32_t *)at;
}

void fake_mmio_write(volatile void *at, uint32_t value, unsigned bytes)
{
    assert_int_equal(bytes, 4);
    *(volatile uint32_t *)at = value;
}

static const struct pci_function f = { .bus = 3, .slot = 31, .fn = 7 };
static const struct pci_function absent = { .bus = 3, .slot = 31, .fn = 6 };

static void by_ports(void)
{
    fake_irqs_on = true;
    memset(config, 0, sizeof(config));
    pci_config_init();
    pci_write32(&f, 0xfc, 0x12345678);
    assert_int_equal(pci_read32(&f, 0xfc), 0x12345678);
    assert_int_equal(pci_read16(&f, 0xfe), 0x1234);
    assert_int_equal(pci_read8(&f, 0xfd), 0x56);
    pci_write16(&f, 0xfe, 0xabcd);
    assert_int_equal(pci_read32(&f, 0xfc), 0xabcd5678);
    assert_int_equal(config[0xfc], 0x78);
    assert_int_equal(pci_read32(&absent, 0), 0xffffffff);
    assert_int_equal(pci_read16(&absent, 0), 0xffff);
    assert_true(fake_irqs_on);
    assert_null(ecam);
}

static void test_ports(void **state)
{
    (void)state;
    acpi.mcfg_count = 0;
    by_ports();
}

/* An MCFG that does not describe segment 0 from bus 0 on is of no use. */
static void test_foreign_mcfg(void **state)
{
    (void)state;
    acpi.mcfg_count = 2;
    acpi.mcfg[0] = (struct acpi_mcfg){ .phys = 0xb0000000, .segment = 1, .bus_last = 255 };
    acpi.mcfg[1] = (struct acpi_mcfg){ .phys = 0xc0000000, .bus_first = 64, .bus_last = 255 };
    by_ports();
}

static void test_ecam(void **state)
{
    uint32_t value;

    (void)state;
    acpi.mcfg_count = 3;
    acpi.mcfg[2] = (struct acpi_mcfg){ .phys = 0xe0000000, .bus_last = 3 };
    pci_config_init();
    pci_write32(&f, 0xfc, 0x12345678);
    assert_int_equal(mapped, 0xe0300000);
    memcpy(&value, ecam + (31 << 15) + (7 << 12) + 0xfc, 4);
    assert_int_equal(value, 0x12345678);
    assert_int_equal(pci_read16(&f, 0xfe), 0x1234);
    assert_int_equal(pci_read8(&f, 0xfd), 0x56);
    pci_write16(&f, 0xfc, 1);
    assert_int_equal(pci_read32(&f, 0xfc), 0x12340001);
    /* a bus beyond those described has the ports */
    selected = 0;
    assert_int_equal(pci_read32(&(struct pci_function){ .bus = 4 }, 0), 0xffffffff);
    assert_int_equal(selected, 0x80040000);
    free(ecam);
}

static void test_misuse_panics(void **state)
{
    (void)state;
    EXPECT_PANIC(pci_read16(&f, 1));
    EXPECT_PANIC(pci_read32(&f, 2));
    EXPECT_PANIC(pci_read8(&f, 256));
    EXPECT_PANIC(pci_write32(&f, 0x102, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_foreign_mcfg),
        cmocka_unit_test(test_ecam),
        cmocka_unit_test(test_misuse_panics),
    };

    return cmocka_run_group_tests_name("pci_config", tests, NULL, NULL);
}
