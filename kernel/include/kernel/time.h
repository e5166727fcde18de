/*
 * Time, from the TSC as calibrated at boot against the HPET, the ACPI PM timer or the PIT, in
 * that order. Any context.
 */
#ifndef KERNEL_TIME_H
#define KERNEL_TIME_H

#include <stdint.h>

/* Boot, after acpi_init(). Switches the local APIC on: its timer is measured along. */
void time_init(void);

uint64_t time_ns(void);   /* nanoseconds since time_init(); never goes back */
uint64_t time_unix(void); /* seconds since 1970 UTC; 0: the firmware had no clock */
uint64_t time_tsc_hz(void);
uint64_t time_tsc_to_ns(uint64_t ticks);
uint64_t time_ns_to_tsc(uint64_t ns); /* rounded up */
uint64_t time_lapic_hz(void);   /* the local APIC's timer, measured in the TSC's own windows */
const char *time_source(void);  /* what the TSC was calibrated against: "hpet", "acpi_pm", "pit" */
void time_spin_ns(uint64_t ns); /* busy wait */

/* Nanoseconds since the firmware started our loader (boot_info.tsc_entry). */
uint64_t time_since_loader_ns(void);

#endif
