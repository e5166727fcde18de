/*
 * The contexts that code runs in, and their assertions.
 *
 *   interrupt  a top half: interrupts off, acknowledge + mask + raise a softirq, nothing else
 *   softirq    a bottom half: interrupts on, never re-entered, bounded; the network stack and
 *              the app live here
 *   main       boot and then the main loop: the console's commands; may wait. Between
 *              softirq_disable() and softirq_enable() main context may touch the stack too.
 *
 * (The lecture's "Interrupt handling" and "Top half / Bottom half" slides.)
 */
#ifndef KERNEL_CONTEXT_H
#define KERNEL_CONTEXT_H

#include <stdbool.h>

enum context {
    CONTEXT_MAIN,
    CONTEXT_SOFTIRQ,
    CONTEXT_IRQ,
};

enum context context_current(void);

/* True in softirq context, and in main context while softirqs are disabled. */
bool context_is_bottom_half(void);

/*
 * Who may use what bottom halves share (kmalloc): a bottom half; and main context while it boots
 * alone. kmain calls context_boot_done() before the first bottom half that allocates (lwIP's
 * timers) can run; from there on main context must disable softirqs first.
 */
bool context_may_allocate(void);
void context_boot_done(void);

/* Panic, naming the function, when called in another context. */
#define ASSERT_BOTTOM_HALF() ASSERT(context_is_bottom_half())
#define ASSERT_CONTEXT(c)    ASSERT(context_current() == (c))

#endif
