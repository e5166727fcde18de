/*
 * A PCI function's interrupts: MSI-X (PCI Local Bus Specification 3.0 §6.8.2), or its INTx line.
 *
 * Which I/O APIC input an INTx line is wired to only ACPI's _PRT tells in general, and that is
 * AML. We take the firmware's answer in the interrupt-line register instead: the ISA IRQ that the
 * chipset's PIRQ router raises, which is GSI of the same number unless the MADT says otherwise.
 * On QEMU's pc the MADT declares these (5, 9, 10, 11) level-triggered, active high. On q35 the
 * ICH9 raises them as well as the GSI (16..23) that _PRT would name, so that one way serves both.
 */
#include "pci.h"
#include <kernel/io.h>
#include <kernel/irq.h>
#include <kernel/printk.h>

/* ---- MSI-X ---- */

#define MSIX_CONTROL        2 /* offsets in the capability */
#define MSIX_TABLE          4
#define MSIX_CONTROL_ENABLE 0x8000u
#define MSIX_CONTROL_MASK   0x4000u /* all entries */
#define MSIX_CONTROL_SIZE   0x07ffu /* entries - 1 */

enum msix_word { MSIX_ADDRESS, MSIX_ADDRESS_HIGH, MSIX_DATA, MSIX_VECTOR_CONTROL, MSIX_WORDS };

#define MSIX_VECTOR_MASKED 1u

bool pci_msix_open(const struct pci_function *f, struct pci_msix *msix)
{
    unsigned cap = 0, steps = 0, entries;
    struct pci_bar bar;
    uint32_t table;

    *msix = (struct pci_msix){ .f = f };
    if (!pci_capability_next(f, PCI_CAP_MSIX, &cap, &steps) || cap + 12 > PCI_CONFIG_BYTES)
        return false;
    msix->capability = cap;
    entries = (pci_read16(f, cap + MSIX_CONTROL) & MSIX_CONTROL_SIZE) + 1u;
    table = pci_read32(f, cap + MSIX_TABLE); /* the BAR's index in its low three bits */
    if ((table & 7) > 5 || !pci_bar(f, table & 7, &bar))
        return false;
    msix->table = pci_map(f, &bar, table & ~7u, entries * MSIX_WORDS * sizeof(uint32_t));
    if (msix->table == NULL)
        return false;
    msix->entries = entries;
    for (unsigned i = 0; i < entries; i++)
        mmio_write32(&msix->table[i * MSIX_WORDS + MSIX_VECTOR_CONTROL], MSIX_VECTOR_MASKED);
    return true;
}

void pci_msix_route(struct pci_msix *msix, unsigned entry, int vector)
{
    volatile uint32_t *words = msix->table + (size_t)entry * MSIX_WORDS;
    uint64_t address = irq_msi_address(vector);

    /* §6.8.2.9: an entry is changed while it is masked */
    mmio_write32(&words[MSIX_VECTOR_CONTROL], MSIX_VECTOR_MASKED);
    mmio_write32(&words[MSIX_ADDRESS], (uint32_t)address);
    mmio_write32(&words[MSIX_ADDRESS_HIGH], (uint32_t)(address >> 32));
    mmio_write32(&words[MSIX_DATA], irq_msi_data(vector));
    mmio_write32(&words[MSIX_VECTOR_CONTROL], 0);
}

void pci_msix_enable(struct pci_msix *msix, bool on)
{
    uint16_t control;

    if (msix->capability != 0) {
        control = pci_read16(msix->f, msix->capability + MSIX_CONTROL);
        control &= (uint16_t) ~(MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK);
        pci_write16(msix->f, msix->capability + MSIX_CONTROL,
                    control | (on ? MSIX_CONTROL_ENABLE : 0));
    }
    pci_command(msix->f, on ? PCI_COMMAND_INTX_DISABLE : 0, on ? 0 : PCI_COMMAND_INTX_DISABLE);
}

/* ---- INTx ---- */

/* The line may be shared, and what nobody here drives nobody would silence: those stay off it. */
static void silence_others(const struct pci_function *f)
{
    const struct pci_function *other;

    for (unsigned i = 0; (other = pci_function(i)) != NULL; i++) {
        if (other != f)
            pci_command(other, PCI_COMMAND_INTX_DISABLE, 0);
    }
}

bool pci_intx_route(const struct pci_function *f, int vector)
{
    uint8_t pin = pci_read8(f, PCI_INTERRUPT_PIN); /* 1 to 4: INTA to INTD */
    uint8_t line = pci_read8(f, PCI_INTERRUPT_LINE);
    bool level, low;
    uint32_t gsi;

    if (pin < 1 || pin > 4 || line == 0 || line > 15) {
        printk("pci: %02x:%02x.%x: no interrupt line (pin %u, line %u)", f->bus, f->slot, f->fn,
               pin, line);
        return false;
    }
    silence_others(f);
    gsi = irq_isa_gsi(line, &level, &low);
    /* Without an override an ISA line is edge, high; a PCI line that is wired there is level, and
     * the router makes it high. */
    if (!irq_route_gsi(gsi, vector, true, level && low)) {
        printk("pci: %02x:%02x.%x: no I/O APIC has GSI %u", f->bus, f->slot, f->fn, gsi);
        return false;
    }
    printk("pci: %02x:%02x.%x: INT%c is GSI %u", f->bus, f->slot, f->fn, 'A' + pin - 1, gsi);
    return true;
}
