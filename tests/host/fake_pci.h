/*
 * PCI configuration space in place of drivers/pci_config.c: functions with 256 bytes each, BARs
 * that keep only their address bits. Device memory is mapped at its physical address; accesses to
 * it come to the test (mmio_hook.h). Interrupt routing is written down.
 */
#ifndef TESTS_FAKE_PCI_H
#define TESTS_FAKE_PCI_H

#include "pci.h"

struct fake_pci {
    uint8_t bus, slot, fn;
    uint8_t config[PCI_CONFIG_BYTES];
    uint32_t bar_mask[6]; /* bits of each BAR that can be written */
};

#define FAKE_PCI_MAX 100
extern struct fake_pci fake_pci[FAKE_PCI_MAX];
extern unsigned fake_pci_count;

struct fake_pci *fake_pci_add(unsigned bus, unsigned slot, unsigned fn, uint16_t vendor,
                              uint16_t device);
void fake_pci_set16(struct fake_pci *f, unsigned offset, uint16_t value);
void fake_pci_set32(struct fake_pci *f, unsigned offset, uint32_t value);

/* A memory BAR; 64 bits wide when is_64. */
void fake_pci_bar(struct fake_pci *f, unsigned index, uint64_t base, uint64_t bytes, bool is_64);

/* Put a capability of `bytes` bytes at `offset` into the list. Returns offset. */
unsigned fake_pci_capability(struct fake_pci *f, unsigned offset, uint8_t id, unsigned next);

/* The last irq_route_gsi() */
extern struct fake_route {
    uint32_t gsi;
    int vector;
    bool level, low;
} fake_route;
extern uint32_t fake_gsi_max; /* irq_route_gsi() refuses more */

extern unsigned fake_mapped; /* calls of paging_map_mmio() */

#endif
