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
#if !__STDC_HOSTED__
#include <kernel/cpu.h>
#endif

enum context {
    CONTEXT_MAIN,
    CONTEXT_SOFTIRQ,
    CONTEXT_IRQ,
};

enum context context_current(void);

/*
 * context_is_bottom_half(): true in softirq context, and in main context while softirqs are
 * disabled.
 *
 * context_may_allocate(): who may use what bottom halves share (kmalloc): a bottom half; and main
 * context while it boots alone. kmain calls context_boot_done() before the first bottom half that
 * allocates (lwIP's timers) can run; from there on main context must disable softirqs first.
 */
bool context_boots_alone(void);
#if __STDC_HOSTED__
bool context_is_bottom_half(void);
bool context_may_allocate(void);
#else
static inline bool context_is_bottom_half(void) /* asserted several times for each packet */
{
    const struct cpu *cpu = this_cpu();

    return cpu->irq_depth == 0 && (cpu->in_softirq || cpu->softirq_disabled > 0);
}

static inline bool context_may_allocate(void)
{
    return context_is_bottom_half() || context_boots_alone();
}
#endif
void context_boot_done(void);

/* Panic, naming the function, when called in another context. */
#define ASSERT_BOTTOM_HALF() ASSERT(context_is_bottom_half())
#define ASSERT_CONTEXT(c)    ASSERT(context_current() == (c))

#endif
