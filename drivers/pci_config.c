/*
 * PCI configuration space, by ECAM (PCI Express Base Specification 5.0 §7.2.2: memory, one page
 * a function, described by ACPI's MCFG) or by ports 0xcf8/0xcfc (PCI Local Bus Specification 3.0
 * §3.2.2.3.2). Machines without MCFG (QEMU's pc) have the ports only. Boot and bottom half: the
 * port way is two accesses that nothing may come between.
 */
#include "pci.h"
#include <kernel/acpi.h>
#include <kernel/cpu.h>
#include <kernel/io.h>
#include <kernel/page.h>
#include <kernel/panic.h>
#include <kernel/printk.h>

#define PORT_ADDRESS 0xcf8
#define PORT_DATA    0xcfc
#define PORT_ENABLE  0x80000000u

#define ECAM_BUS_BYTES (1ull << 20)

static const struct acpi_mcfg *ecam; /* NULL: ports */
static volatile uint8_t *ecam_bus[256];

void pci_config_init(void)
{
    const struct acpi_info *acpi = acpi_info();

    for (unsigned i = 0; i < acpi->mcfg_count; i++) {
        /* segment 0, with the bus that the walk begins at */
        if (acpi->mcfg[i].segment == 0 && acpi->mcfg[i].bus_first == 0)
            ecam = &acpi->mcfg[i];
    }
    if (ecam != NULL)
        printk("pci: configuration by ECAM at 0x%llx", (unsigned long long)ecam->phys);
    else
        printk("pci: configuration by ports");
}

/* A bus is mapped when it is first looked at: most of the 256 do not exist. */
static volatile uint8_t *ecam_address(const struct pci_function *f, unsigned offset)
{
    if (ecam == NULL || f->bus > ecam->bus_last)
        return NULL;
    if (ecam_bus[f->bus] == NULL)
        ecam_bus[f->bus] = paging_map_mmio(ecam->phys + f->bus * ECAM_BUS_BYTES, ECAM_BUS_BYTES);
    return ecam_bus[f->bus] + ((unsigned)f->slot << 15 | (unsigned)f->fn << 12 | offset);
}

/* Select the register; the data port's four bytes are the register's. */
static uint16_t port_select(const struct pci_function *f, unsigned offset)
{
    out32(PORT_ADDRESS, PORT_ENABLE | (uint32_t)f->bus << 16 | (uint32_t)f->slot << 11 |
                            (uint32_t)f->fn << 8 | (offset & ~3u));
    return (uint16_t)(PORT_DATA + (offset & 3));
}

#define CHECK(offset, width) ASSERT((offset) < PCI_CONFIG_BYTES && (offset) % (width) == 0)

uint8_t pci_read8(const struct pci_function *f, unsigned offset)
{
    volatile uint8_t *at = ecam_address(f, offset);
    bool irqs;
    uint8_t v;

    CHECK(offset, 1);
    if (at != NULL)
        return mmio_read8(at);
    irqs = irq_save();
    v = in8(port_select(f, offset));
    irq_restore(irqs);
    return v;
}

uint16_t pci_read16(const struct pci_function *f, unsigned offset)
{
    volatile uint8_t *at = ecam_address(f, offset);
    bool irqs;
    uint16_t v;

    CHECK(offset, 2);
    if (at != NULL)
        return mmio_read16(at);
    irqs = irq_save();
    v = in16(port_select(f, offset));
    irq_restore(irqs);
    return v;
}

uint32_t pci_read32(const struct pci_function *f, unsigned offset)
{
    volatile uint8_t *at = ecam_address(f, offset);
    bool irqs;
    uint32_t v;

    CHECK(offset, 4);
    if (at != NULL)
        return mmio_read32(at);
    irqs = irq_save();
    v = in32(port_select(f, offset));
    irq_restore(irqs);
    return v;
}

void pci_write16(const struct pci_function *f, unsigned offset, uint16_t value)
{
    volatile uint8_t *at = ecam_address(f, offset);
    bool irqs;

    CHECK(offset, 2);
    if (at != NULL) {
        mmio_write16(at, value);
        return;
    }
    irqs = irq_save();
    out16(port_select(f, offset), value);
    irq_restore(irqs);
}

void pci_write32(const struct pci_function *f, unsigned offset, uint32_t value)
{
    volatile uint8_t *at = ecam_address(f, offset);
    bool irqs;

    CHECK(offset, 4);
    if (at != NULL) {
        mmio_write32(at, value);
        return;
    }
    irqs = irq_save();
    out32(port_select(f, offset), value);
    irq_restore(irqs);
}
