/*
 * PCI functions, capabilities and base addresses (PCI Local Bus Specification 3.0 §6). What a
 * device says of itself is checked: lists may run in circles, BARs may have no address.
 */
#include "pci.h"
#include <kernel/page.h>
#include <kernel/panic.h>
#include <kernel/printk.h>

#define HEADER_MULTI_FUNCTION 0x80u
#define HEADER_BRIDGE         1u

#define BAR_IO           1u
#define BAR_TYPE_MASK    6u
#define BAR_TYPE_64      4u
#define BAR_ADDRESS_MASK (~(uint64_t)0xf)

#define BUSES 256u

static struct pci_function functions[PCI_FUNCTIONS_MAX];
static unsigned function_count;

/* ---- The walk ---- */

static void read_function(struct pci_function *f)
{
    uint32_t id = pci_read32(f, PCI_VENDOR_ID);
    uint32_t class = pci_read32(f, PCI_REVISION);

    f->vendor_id = (uint16_t)id;
    f->device_id = (uint16_t)(id >> 16);
    f->class_code = class >> 8;
    f->revision = (uint8_t) class;
    f->header_type = pci_read8(f, PCI_HEADER_TYPE) & ~HEADER_MULTI_FUNCTION;
    if (f->header_type == 0) {
        uint32_t subsystem = pci_read32(f, PCI_SUBSYSTEM);

        f->subsystem_vendor_id = (uint16_t)subsystem;
        f->subsystem_id = (uint16_t)(subsystem >> 16);
    }
}

/* Take a function into the table if it exists. Returns the bus behind it (a bridge's secondary
 * bus), or 0. */
static unsigned visit(struct pci_function at)
{
    if (pci_read16(&at, PCI_VENDOR_ID) == 0xffff)
        return 0;
    read_function(&at);
    if (function_count == PCI_FUNCTIONS_MAX) {
        printk("pci: more than %u functions: %02x:%02x.%x left out", PCI_FUNCTIONS_MAX, at.bus,
               at.slot, at.fn);
    } else {
        functions[function_count++] = at;
    }
    return at.header_type == HEADER_BRIDGE ? pci_read8(&at, PCI_SECONDARY_BUS) : 0;
}

static unsigned functions_in_slot(unsigned bus, unsigned slot)
{
    struct pci_function at = { .bus = (uint8_t)bus, .slot = (uint8_t)slot };

    if (pci_read16(&at, PCI_VENDOR_ID) == 0xffff)
        return 0; /* a device has a function 0 */
    return pci_read8(&at, PCI_HEADER_TYPE) & HEADER_MULTI_FUNCTION ? 8 : 1;
}

/* A bridge's secondary bus has a higher number than the bus that it is on, so that one pass in
 * order sees every bus, and a bridge that says otherwise can not send us in circles. */
void pci_init(void)
{
    bool reachable[BUSES] = { [0] = true };
    static bool done;

    if (done)
        return;
    done = true;
    pci_config_init();
    for (unsigned bus = 0; bus < BUSES; bus++) {
        if (!reachable[bus])
            continue;
        for (unsigned slot = 0; slot < 32; slot++) {
            unsigned count = functions_in_slot(bus, slot);

            for (unsigned fn = 0; fn < count; fn++) {
                unsigned behind = visit((struct pci_function){
                    .bus = (uint8_t)bus, .slot = (uint8_t)slot, .fn = (uint8_t)fn });

                if (behind > bus)
                    reachable[behind] = true;
            }
        }
    }
    printk("pci: %u functions", function_count);
}

const struct pci_function *pci_function(unsigned i)
{
    return i < function_count ? &functions[i] : NULL;
}

/* ---- Capabilities (§6.7) ---- */

/* The list lies behind the header, and no capability is smaller than 4 bytes. */
#define CAPABILITY_FIRST 0x40u
#define CAPABILITIES_MAX ((PCI_CONFIG_BYTES - CAPABILITY_FIRST) / 4)

bool pci_capability_next(const struct pci_function *f, uint8_t id, unsigned *offset,
                         unsigned *steps)
{
    unsigned at = *offset;

    if (at == 0 && !(pci_read16(f, PCI_STATUS) & PCI_STATUS_CAPABILITIES))
        return false;
    while ((*steps)++ < CAPABILITIES_MAX) {
        /* the two low bits are reserved */
        at = pci_read8(f, at == 0 ? PCI_CAPABILITIES : at + 1) & ~3u;
        if (at < CAPABILITY_FIRST)
            return false;
        if (pci_read8(f, at) == id) {
            *offset = at;
            return true;
        }
    }
    return false;
}

/* ---- Base addresses (§6.2.5.1) ---- */

/* Write ones, read which of them stuck, put the address back. */
static uint32_t bar_mask(const struct pci_function *f, unsigned offset)
{
    uint32_t before = pci_read32(f, offset), mask;

    pci_write32(f, offset, 0xffffffff);
    mask = pci_read32(f, offset);
    pci_write32(f, offset, before);
    return mask;
}

/* Sizes a memory BAR; bytes is 0 where there is none. */
static void bar_probe(const struct pci_function *f, unsigned offset, bool is_64,
                      struct pci_bar *out)
{
    uint16_t command = pci_read16(f, PCI_COMMAND);
    uint64_t mask, base = pci_read32(f, offset);

    /* nothing must be decoded at the address that sizing leaves in the BAR for a moment */
    pci_write16(f, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
    mask = bar_mask(f, offset);
    if (is_64) {
        base |= (uint64_t)pci_read32(f, offset + 4) << 32;
        mask |= (uint64_t)bar_mask(f, offset + 4) << 32;
    } else if (mask != 0) {
        mask |= 0xffffffff00000000ull;
    }
    pci_write16(f, PCI_COMMAND, command);

    mask &= BAR_ADDRESS_MASK;
    out->base = base & BAR_ADDRESS_MASK;
    out->bytes = mask & -mask; /* the lowest address bit that can be set */
}

#define PHYS_END (1ull << 52) /* what a page table entry can hold (SDM vol 3 §4.4) */

/* What is wrong with where it lies, or NULL. */
static const char *bar_fault(const struct pci_bar *bar)
{
    if (bar->bytes == 0)
        return "does not exist";
    if (bar->base == 0)
        return "was given no address by the firmware";
    if (bar->base >= PHYS_END || bar->bytes > PHYS_END - bar->base || bar->base % bar->bytes != 0)
        return "has an impossible address";
    return NULL;
}

bool pci_bar(const struct pci_function *f, unsigned index, struct pci_bar *out)
{
    unsigned offset = PCI_BAR0 + 4 * index;
    uint32_t low;
    bool is_64;
    const char *wrong;

    ASSERT(index < 6);
    low = pci_read32(f, offset);
    is_64 = (low & BAR_TYPE_MASK) == BAR_TYPE_64;
    if (low & BAR_IO) {
        wrong = "is an I/O BAR";
    } else if (is_64 && index == 5) {
        wrong = "has no upper half";
    } else {
        bar_probe(f, offset, is_64, out);
        wrong = bar_fault(out);
    }
    if (wrong == NULL)
        return true;
    out->bytes = 0;
    printk("pci: %02x:%02x.%x: BAR %u %s", f->bus, f->slot, f->fn, index, wrong);
    return false;
}

volatile void *pci_map(const struct pci_function *f, const struct pci_bar *bar, uint64_t offset,
                       uint64_t bytes)
{
    uint64_t first, end;

    if (bytes == 0 || offset > bar->bytes || bytes > bar->bytes - offset) {
        printk("pci: %02x:%02x.%x: a structure of %llu bytes at %llu is outside its BAR of %llu",
               f->bus, f->slot, f->fn, (unsigned long long)bytes, (unsigned long long)offset,
               (unsigned long long)bar->bytes);
        return NULL;
    }
    first = ALIGN_DOWN(bar->base + offset, PAGE_SIZE);
    end = ALIGN_UP(bar->base + offset + bytes, PAGE_SIZE);
    return (volatile uint8_t *)paging_map_mmio(first, end - first) + (bar->base + offset - first);
}

void pci_command(const struct pci_function *f, uint16_t set, uint16_t clear)
{
    pci_write16(f, PCI_COMMAND, (uint16_t)((pci_read16(f, PCI_COMMAND) | set) & ~clear));
}
