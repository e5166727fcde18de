/* See fake_pci.h. */
#include "fake_pci.h"
#include <kernel/irq.h>
#include <kernel/page.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct fake_pci fake_pci[FAKE_PCI_MAX];
unsigned fake_pci_count;
struct fake_route fake_route;
uint32_t fake_gsi_max = 23;
unsigned fake_mapped;

struct fake_pci *fake_pci_add(unsigned bus, unsigned slot, unsigned fn, uint16_t vendor,
                              uint16_t device)
{
    struct fake_pci *f = &fake_pci[fake_pci_count++];

    *f = (struct fake_pci){ .bus = (uint8_t)bus, .slot = (uint8_t)slot, .fn = (uint8_t)fn };
    fake_pci_set16(f, PCI_VENDOR_ID, vendor);
    fake_pci_set16(f, PCI_DEVICE_ID, device);
    return f;
}

void fake_pci_set16(struct fake_pci *f, unsigned offset, uint16_t value)
{
    memcpy(f->config + offset, &value, 2);
}

void fake_pci_set32(struct fake_pci *f, unsigned offset, uint32_t value)
{
    memcpy(f->config + offset, &value, 4);
}

void fake_pci_bar(struct fake_pci *f, unsigned index, uint64_t base, uint64_t bytes, bool is_64)
{
    uint64_t mask = ~(bytes - 1) & ~0xfull;

    assert_true(base % bytes == 0);
    fake_pci_set32(f, PCI_BAR0 + 4 * index, (uint32_t)base | (is_64 ? 4 : 0));
    f->bar_mask[index] = (uint32_t)mask;
    if (is_64) {
        fake_pci_set32(f, PCI_BAR0 + 4 * index + 4, (uint32_t)(base >> 32));
        f->bar_mask[index + 1] = (uint32_t)(mask >> 32);
    }
}

unsigned fake_pci_capability(struct fake_pci *f, unsigned offset, uint8_t id, unsigned next)
{
    f->config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
    f->config[offset] = id;
    f->config[offset + 1] = (uint8_t)next;
    return offset;
}

/* ---- pci_config.c ---- */

void pci_config_init(void) {}

static struct fake_pci *find(const struct pci_function *at)
{
    for (struct fake_pci *f = fake_pci; f < fake_pci + fake_pci_count; f++) {
        if (f->bus == at->bus && f->slot == at->slot && f->fn == at->fn)
            return f;
    }
    return NULL;
}

static uint32_t config_read(const struct pci_function *at, unsigned offset, unsigned bytes)
{
    struct fake_pci *f = find(at);
    uint32_t value = 0;

    assert_true(offset % bytes == 0 && offset + bytes <= PCI_CONFIG_BYTES);
    if (f == NULL)
        return 0xffffffff;
    memcpy(&value, f->config + offset, bytes);
    return value;
}

uint8_t pci_read8(const struct pci_function *f, unsigned offset)
{
    return (uint8_t)config_read(f, offset, 1);
}

uint16_t pci_read16(const struct pci_function *f, unsigned offset)
{
    return (uint16_t)config_read(f, offset, 2);
}

uint32_t pci_read32(const struct pci_function *f, unsigned offset)
{
    return config_read(f, offset, 4);
}

void pci_write16(const struct pci_function *at, unsigned offset, uint16_t value)
{
    assert_true(offset % 2 == 0 && offset + 2 <= PCI_CONFIG_BYTES);
    fake_pci_set16(find(at), offset, value);
}

void pci_write32(const struct pci_function *at, unsigned offset, uint32_t value)
{
    struct fake_pci *f = find(at);
    unsigned bar = (offset - PCI_BAR0) / 4;
    uint32_t low;

    assert_true(offset % 4 == 0 && offset + 4 <= PCI_CONFIG_BYTES);
    if (offset < PCI_BAR0 || bar > 5) {
        fake_pci_set32(f, offset, value);
        return;
    }
    /* an address that is being probed must not be decoded */
    assert_false(f->config[PCI_COMMAND] & PCI_COMMAND_MEMORY);
    low = config_read(at, offset, 4) & ~f->bar_mask[bar];
    fake_pci_set32(f, offset, (value & f->bar_mask[bar]) | low);
}

/* ---- the kernel ---- */

volatile void *paging_map_mmio(uint64_t phys, uint64_t bytes)
{
    assert_true(phys % PAGE_SIZE == 0 && bytes % PAGE_SIZE == 0 && bytes > 0);
    fake_mapped++;
    return (void *)phys;
}

uint64_t irq_msi_address(int vector)
{
    (void)vector;
    return 0x1fee00000ull;
}

uint32_t irq_msi_data(int vector)
{
    return (uint32_t)vector;
}

/* As QEMU's MADT says. */
uint32_t irq_isa_gsi(uint8_t isa_irq, bool *level_triggered, bool *active_low)
{
    *level_triggered = isa_irq == 5 || (isa_irq >= 9 && isa_irq <= 11);
    *active_low = false;
    return isa_irq == 0 ? 2 : isa_irq;
}

bool irq_route_gsi(uint32_t gsi, int vector, bool level_triggered, bool active_low)
{
    fake_route = (struct fake_route){ gsi, vector, level_triggered, active_low };
    return gsi <= fake_gsi_max;
}
