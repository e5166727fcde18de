/*
 * The I/O APICs: the way of the legacy lines (the serial port) and of PCI's INTx.
 *
 * Registers are reached through a window: the index goes to IOREGSEL, the value through IOWIN
 * (82093AA datasheet §3.0). That is two accesses, and safe because only main context does it.
 */
#include "ioapic.h"
#include <kernel/io.h>
#include <kernel/page.h>
#include <kernel/printk.h>

#define IOREGSEL        0x00
#define IOWIN           0x10
#define REG_VERSION     0x01
#define REG_REDIRECT(n) (0x10 + 2 * (n)) /* low half; the high half follows */

#define REDIRECT_LOW    (1u << 13) /* active low */
#define REDIRECT_LEVEL  (1u << 15)
#define REDIRECT_MASKED (1u << 16)
#define REDIRECT_DEST   24 /* bit in the high half */

static struct ioapic {
    volatile uint8_t *regs;
    uint32_t gsi_base;
    unsigned lines;
} ioapics[ACPI_IOAPICS_MAX];
static unsigned ioapic_count;

static uint32_t reg_read(const struct ioapic *io, unsigned reg)
{
    mmio_write32(io->regs + IOREGSEL, reg);
    return mmio_read32(io->regs + IOWIN);
}

static void reg_write(const struct ioapic *io, unsigned reg, uint32_t value)
{
    mmio_write32(io->regs + IOREGSEL, reg);
    mmio_write32(io->regs + IOWIN, value);
}

void ioapic_init(const struct acpi_info *acpi)
{
    ioapic_count = 0;
    for (unsigned i = 0; i < acpi->ioapic_count; i++) {
        struct ioapic *io = &ioapics[ioapic_count];

        io->regs = paging_map_mmio(acpi->ioapic[i].phys, 0x20);
        io->gsi_base = acpi->ioapic[i].gsi_base;
        io->lines = ((reg_read(io, REG_VERSION) >> 16) & 0xff) + 1;
        if (io->lines > 240) { /* the most that the index can address: nobody is there */
            printk("ioapic: nothing answers at 0x%x", acpi->ioapic[i].phys);
            continue;
        }
        for (unsigned line = 0; line < io->lines; line++)
            reg_write(io, REG_REDIRECT(line), REDIRECT_MASKED);
        ioapic_count++;
        printk("ioapic: 0x%x, GSI %u-%u", acpi->ioapic[i].phys, io->gsi_base,
               io->gsi_base + io->lines - 1);
    }
}

int ioapic_route(uint32_t gsi, unsigned vector, uint8_t apic_id, bool level_triggered,
                 bool active_low)
{
    for (unsigned i = 0; i < ioapic_count; i++) {
        const struct ioapic *io = &ioapics[i];
        uint32_t line = gsi - io->gsi_base;

        if (gsi < io->gsi_base || line >= io->lines)
            continue;
        /* Masked while its two halves do not belong together. */
        reg_write(io, REG_REDIRECT(line), REDIRECT_MASKED);
        reg_write(io, REG_REDIRECT(line) + 1, (uint32_t)apic_id << REDIRECT_DEST);
        reg_write(io, REG_REDIRECT(line),
                  vector | (level_triggered ? REDIRECT_LEVEL : 0) |
                      (active_low ? REDIRECT_LOW : 0));
        return (int)line;
    }
    return -1;
}
