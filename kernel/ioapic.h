/*
 * The I/O APICs (Intel 82093AA datasheet; ACPI 6.4 §5.2.12.3 says where they are). Private to
 * kernel/. Boot and main context.
 */
#ifndef KERNEL_IOAPIC_H
#define KERNEL_IOAPIC_H

#include <kernel/acpi.h>

/* Map them all and mask all their lines. */
void ioapic_init(const struct acpi_info *acpi);

/*
 * Send a global system interrupt to one CPU and unmask it. Returns the number of the line on its
 * I/O APIC, or -1 where none has it.
 */
int ioapic_route(uint32_t gsi, unsigned vector, uint8_t apic_id, bool level_triggered,
                 bool active_low);

#endif
