/* Ways to end. Any context; they do not return. */
#ifndef KERNEL_POWER_H
#define KERNEL_POWER_H

_Noreturn void power_reboot(void); /* ACPI reset register, keyboard controller, triple fault */
_Noreturn void power_off(void);    /* ACPI S5; where that does not work, halt and say so */
_Noreturn void power_halt(void);

#endif
