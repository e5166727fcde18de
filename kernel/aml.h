/* The one thing that is wanted from ACPI's machine language. Pure code. Private to kernel/. */
#ifndef KERNEL_AML_H
#define KERNEL_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Find \_S5 in a DSDT's AML: its SLP_TYP values (0-7) for PM1a and PM1b (ACPI 6.4 §7.4.2). */
bool aml_find_s5(const uint8_t *aml, size_t len, uint8_t *type_a, uint8_t *type_b);

#endif
