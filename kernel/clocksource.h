/*
 * The clocks of known rate that the TSC is calibrated against: HPET, ACPI PM timer, PIT. Private
 * to kernel/. Boot.
 */
#ifndef KERNEL_CLOCKSOURCE_H
#define KERNEL_CLOCKSOURCE_H

#include <kernel/acpi.h>

struct clocksource {
    const char *name;
    uint64_t (*read)(void); /* counts up, modulo mask + 1 */
    uint64_t mask;
    /* One tick is tick_fs femtoseconds: exact for the HPET, good to 10^-9 for the others. */
    uint64_t tick_fs;
};

enum clocksource_kind { CLOCKSOURCE_HPET, CLOCKSOURCE_PM, CLOCKSOURCE_PIT, CLOCKSOURCE_COUNT };

/* Start this clock. Returns false where the machine has none, or it makes no sense. */
bool clocksource_open(enum clocksource_kind kind, const struct acpi_info *acpi,
                      struct clocksource *out);

#endif
