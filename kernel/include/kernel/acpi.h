/*
 * What the kernel needs from ACPI: MADT (interrupt controllers), FADT (PM timer, reset, power
 * off), HPET, MCFG (PCI configuration space), and \_S5 out of the DSDT. The parser is pure and
 * believes no length or checksum; it is tested on the host.
 */
#ifndef KERNEL_ACPI_H
#define KERNEL_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACPI_CPUS_MAX      64
#define ACPI_IOAPICS_MAX   8
#define ACPI_OVERRIDES_MAX 16
#define ACPI_MCFG_MAX      4

struct acpi_info {
    uint64_t lapic_phys;
    unsigned cpu_count;
    uint32_t cpu_apic_id[ACPI_CPUS_MAX]; /* enabled ones only */

    unsigned ioapic_count;
    struct acpi_ioapic {
        uint32_t phys;
        uint32_t gsi_base;
    } ioapic[ACPI_IOAPICS_MAX];

    unsigned override_count;
    struct acpi_override {
        uint8_t isa_irq;
        uint32_t gsi;
        bool level_triggered;
        bool active_low;
    } override[ACPI_OVERRIDES_MAX];

    uint16_t pm_timer_port; /* 0: none */
    bool pm_timer_32bit;
    uint64_t hpet_phys; /* 0: none */

    uint16_t pm1a_control_port, pm1b_control_port; /* 0: none */
    uint16_t smi_port; /* writing acpi_enable to it takes the machine from legacy to ACPI mode */
    uint8_t acpi_enable;
    bool has_s5;
    uint8_t s5_type_a, s5_type_b;
    bool has_reset;
    uint8_t reset_space; /* 0 memory, 1 I/O port, 2 PCI configuration (ACPI 6.4 §5.2.3.2) */
    uint64_t reset_address;
    uint8_t reset_value;

    unsigned mcfg_count;
    struct acpi_mcfg {
        uint64_t phys;
        uint16_t segment;
        uint8_t bus_first, bus_last;
    } mcfg[ACPI_MCFG_MAX];
};

/*
 * Read the tables from the RSDP on. map(phys, bytes) makes that memory readable and returns its
 * address, or NULL. Returns NULL, or a constant sentence that says what is wrong; what could be
 * read is in *out either way.
 */
const char *acpi_parse(uint64_t rsdp_phys, const void *(*map)(uint64_t phys, size_t bytes),
                       struct acpi_info *out);

void acpi_init(void); /* boot: parse the machine's own; logs what is missing */
const struct acpi_info *acpi_info(void);

/* The reset register where it is in memory, mapped at boot; NULL otherwise. Any context. */
volatile void *acpi_reset_mmio(void);

#endif
