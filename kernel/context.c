/* Which context this CPU is in: read from its own struct, which irq.c and softirq.c keep. */
#include <kernel/context.h>
#include <kernel/cpu.h>

static bool boot_done;

enum context context_current(void)
{
    const struct cpu *cpu = this_cpu();

    if (cpu->irq_depth > 0)
        return CONTEXT_IRQ;
    return cpu->in_softirq ? CONTEXT_SOFTIRQ : CONTEXT_MAIN;
}

bool context_boots_alone(void)
{
    return !boot_done && context_current() == CONTEXT_MAIN;
}

#if __STDC_HOSTED__ /* for tests: else inline */
bool context_is_bottom_half(void)
{
    const struct cpu *cpu = this_cpu();

    return cpu->irq_depth == 0 && (cpu->in_softirq || cpu->softirq_disabled > 0);
}

bool context_may_allocate(void)
{
    return context_is_bottom_half() || context_boots_alone();
}
#endif

void context_boot_done(void)
{
    boot_done = true;
}
