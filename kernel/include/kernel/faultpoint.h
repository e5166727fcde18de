/*
 * Faults that the layers above offer to the command `fault`, collected through a linker section
 * like the console's commands. The kernel's own end the system; these return, and the system must
 * get over them:
 *
 *   static void fault_lost_irq(void) { ... }
 *   FAULT_POINT(lost_irq, "lost-irq", fault_lost_irq);
 */
#ifndef KERNEL_FAULTPOINT_H
#define KERNEL_FAULTPOINT_H

struct fault_point {
    const char *name;
    void (*run)(void); /* main context, softirqs disabled */
};

#define FAULT_POINT(ident, name_, fn)                                                              \
    static const struct fault_point fault_point_##ident                                            \
        __attribute__((used, section(".faultpoint." #ident), aligned(8))) = { .name = name_,       \
                                                                              .run = fn }

extern const struct fault_point fault_points_start[], fault_points_end[]; /* linker.ld */

#endif
