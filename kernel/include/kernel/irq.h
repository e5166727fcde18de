/*
 * Interrupt vectors and who gets them. A vector is requested once, then wired to a source: an
 * MSI-X entry (irq_msi_*) or a line of the I/O APIC (irq_route_gsi).
 */
#ifndef KERNEL_IRQ_H
#define KERNEL_IRQ_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A top half. Runs in interrupt context with interrupts off: it acknowledges and masks its
 * device, raises a softirq and returns; the end-of-interrupt is sent for it.
 */
typedef void irq_handler(void *arg);

/* Take over from the firmware: 8259s masked, local APIC on, IDT gates set. Boot, once. */
void irq_init(void);

/* A free vector with this handler, or -1 when all are taken. name must outlive it. Main context. */
int irq_request(const char *name, irq_handler *handler, void *arg);

/* What a device must write to raise the vector on the boot CPU (SDM vol 3 §11.11). */
uint64_t irq_msi_address(int vector);
uint32_t irq_msi_data(int vector);

/*
 * Route a global system interrupt of the I/O APIC to the vector and unmask it. ISA lines go
 * through irq_isa_gsi() first. Returns false where no I/O APIC has that line.
 */
bool irq_route_gsi(uint32_t gsi, int vector, bool level_triggered, bool active_low);

/* The GSI and mode of an ISA line, after the MADT's overrides (ACPI 6.4 §5.2.12.5). */
uint32_t irq_isa_gsi(uint8_t isa_irq, bool *level_triggered, bool *active_low);

/* For `interrupts`: the i-th vector in use; false past the end. Main context. */
struct irq_info {
    const char *name, *controller;
    int vector;
    uint64_t count;
    uint64_t ticks; /* TSC ticks that its top half took, end-of-interrupt included, all in all */
};
bool irq_info(unsigned i, struct irq_info *out);

#endif
