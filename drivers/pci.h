/*
 * PCI functions: finding them, their capabilities, base addresses and interrupts. (PCI Local Bus
 * Specification 3.0; PCI Express Base Specification 5.0 §7.) Boot only, but for pci_function().
 */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include <kernel/lib.h>

struct pci_function {
    uint8_t bus, slot, fn;
    uint8_t header_type; /* without the multi-function bit */
    uint16_t vendor_id, device_id;
    uint16_t subsystem_vendor_id, subsystem_id; /* 0 for bridges */
    uint32_t class_code;                        /* class << 16 | subclass << 8 | interface */
    uint8_t revision;
};

/* ---- Configuration space (pci_config.c): `offset` is a multiple of the access's width. ---- */

#define PCI_CONFIG_BYTES 256u /* what both ways of access reach */

#define PCI_VENDOR_ID      0x00
#define PCI_DEVICE_ID      0x02
#define PCI_COMMAND        0x04
#define PCI_STATUS         0x06
#define PCI_REVISION       0x08 /* and the class code above it */
#define PCI_HEADER_TYPE    0x0e
#define PCI_BAR0           0x10
#define PCI_SECONDARY_BUS  0x19 /* bridges */
#define PCI_SUBSYSTEM      0x2c
#define PCI_CAPABILITIES   0x34
#define PCI_INTERRUPT_LINE 0x3c
#define PCI_INTERRUPT_PIN  0x3d

#define PCI_COMMAND_MEMORY       (1u << 1)
#define PCI_COMMAND_MASTER       (1u << 2)
#define PCI_COMMAND_INTX_DISABLE (1u << 10)
#define PCI_STATUS_CAPABILITIES  (1u << 4)

/* Choose the way of access: ECAM where ACPI's MCFG describes it, else ports. */
void pci_config_init(void);

uint8_t pci_read8(const struct pci_function *f, unsigned offset);
uint16_t pci_read16(const struct pci_function *f, unsigned offset);
uint32_t pci_read32(const struct pci_function *f, unsigned offset);
void pci_write16(const struct pci_function *f, unsigned offset, uint16_t value);
void pci_write32(const struct pci_function *f, unsigned offset, uint32_t value);

/* ---- Functions (pci.c) ---- */

#define PCI_FUNCTIONS_MAX 64

/* Walk the buses, from 0 through every bridge. Once; later calls do nothing. */
void pci_init(void);

/* The i-th function, in the order of bus:slot.fn; NULL past the end. Any context. */
const struct pci_function *pci_function(unsigned i);

#define PCI_CAP_MSIX   0x11
#define PCI_CAP_VENDOR 0x09

/*
 * The next capability of that id: call with *offset = 0 first, then with what it left there.
 * False at the end. Every call counts against *steps (start it at 0), which bounds a list that
 * runs in circles.
 */
bool pci_capability_next(const struct pci_function *f, uint8_t id, unsigned *offset,
                         unsigned *steps);

struct pci_bar {
    uint64_t base, bytes;
};

/* Where a memory BAR lies and how large it is. Returns false, and the log says why, for one that
 * is not there, is an I/O BAR, or was given no address by the firmware. */
bool pci_bar(const struct pci_function *f, unsigned index, struct pci_bar *out);

/* Map part of a BAR uncached; NULL (logged) when the part is not inside the BAR. */
volatile void *pci_map(const struct pci_function *f, const struct pci_bar *bar, uint64_t offset,
                       uint64_t bytes);

/* Set and clear bits of the command register. */
void pci_command(const struct pci_function *f, uint16_t set, uint16_t clear);

/* ---- Interrupts (pci_irq.c) ---- */

struct pci_msix {
    const struct pci_function *f;
    volatile uint32_t *table; /* 4 words an entry; NULL: there is none */
    unsigned capability;
    unsigned entries;
};

/* Find and map the MSI-X table; all entries masked, MSI-X off. False: the function has none that
 * can be used. */
bool pci_msix_open(const struct pci_function *f, struct pci_msix *msix);

/* Wire an entry to a vector of irq_request() and unmask it. */
void pci_msix_route(struct pci_msix *msix, unsigned entry, int vector);

/* Switch MSI-X on (INTx off) or off. */
void pci_msix_enable(struct pci_msix *msix, bool on);

/* Route the function's INTx line to a vector. False (logged) when no line is known. */
bool pci_intx_route(const struct pci_function *f, int vector);

#endif
