/*
 * What the command `reset` zeroes: statistics register a function through a linker section, like
 * the console's commands.
 *
 *   static void nic_reset_stats(void) { ... }
 *   RESETTABLE(nic, nic_reset_stats);
 *
 * Only what counts is zeroed: nothing that the system works by, no gauge (a thing that is so now).
 */
#ifndef KERNEL_RESET_H
#define KERNEL_RESET_H

struct resettable {
    const char *name;
    void (*reset)(void); /* main context, softirqs disabled, interrupts on */
};

#define RESETTABLE(ident, fn)                                                                      \
    static const struct resettable resettable_##ident                                              \
        __attribute__((used, section(".reset." #ident), aligned(8))) = { .name = #ident,           \
                                                                         .reset = fn }

extern const struct resettable resettables_start[], resettables_end[]; /* linker.ld */

#endif
