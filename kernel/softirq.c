/*
 * Softirqs: what a top half has put off, run with interrupts on, one at a time, bounded.
 *
 * A round begins at an interrupt's exit or in the main loop and ends when nothing is pending or
 * a bound is hit. Interrupts that come in during a round only add to the pending set: the round
 * that is under way takes it up, so the stack never holds more than two interrupt frames.
 *
 * (The lecture: "Top half interrupt handler" and "Bottom half interrupt handler".)
 */
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/cputime.h>
#include <kernel/panic.h>
#include <kernel/softirq.h>
#include <kernel/time.h>

struct softirq_slot {
    const char *name;
    void (*action)(void);
    uint64_t raised;
    uint64_t runs;
};

static struct softirq_slot slots[SOFTIRQ_COUNT];
static struct softirq_totals totals;
static uint64_t round_ns = SOFTIRQ_ROUND_NS;

void softirq_set_round_ns(uint64_t ns)
{
    ASSERT(ns > 0);
    round_ns = ns;
}

uint64_t softirq_round_ns(void)
{
    return round_ns;
}

void softirq_open(enum softirq nr, const char *name, void (*action)(void))
{
    ASSERT_CONTEXT(CONTEXT_MAIN);
    ASSERT(nr < SOFTIRQ_COUNT && slots[nr].action == NULL);
    slots[nr].name = name;
    slots[nr].action = action;
}

void softirq_raise(enum softirq nr)
{
    struct cpu *cpu = this_cpu();
    uint32_t bit = 1u << nr;
    bool irqs;

    ASSERT(nr < SOFTIRQ_COUNT);
    /* Still pending: whoever takes it runs after this call, and sees what the caller wrote. */
    if (READ_ONCE(cpu->softirq_pending) & bit)
        return;
    /* A top half may raise between this function's load and its store. */
    irqs = irq_save();
    if (!(cpu->softirq_pending & bit)) {
        cpu->softirq_pending |= bit;
        slots[nr].raised++;
    }
    irq_restore(irqs);
}

bool softirq_pending(void)
{
    return READ_ONCE(this_cpu()->softirq_pending) != 0;
}

/* Each pending softirq once, in the order of the enum. Interrupts are on meanwhile. */
static void run_actions(uint32_t pending)
{
    irq_enable();
    for (unsigned nr = 0; nr < SOFTIRQ_COUNT; nr++) {
        if (!(pending & (1u << nr)))
            continue;
        ASSERT(slots[nr].action != NULL);
        slots[nr].runs++;
        slots[nr].action();
        ASSERT_CONTEXT(CONTEXT_SOFTIRQ);
        ASSERT(irq_enabled());
    }
    irq_disable();
}

/* One round. Interrupts are off at the call and at the return. */
static void run_round(struct cpu *cpu)
{
    enum cputime before = cputime_switch(cpu, CPUTIME_SOFTIRQ);
    uint64_t end_ns = time_ns() + round_ns;
    unsigned passes = 0;

    cpu->in_softirq = true;
    cpu->softirq_deferred = false;
    while (READ_ONCE(cpu->softirq_pending) != 0) {
        uint32_t pending = cpu->softirq_pending;

        if (passes >= SOFTIRQ_ROUND_RESTARTS || (passes > 0 && time_ns() >= end_ns)) {
            cpu->softirq_deferred = true;
            totals.deferred++;
            break;
        }
        /* Cleared before the actions run: what is raised during one makes it run again. */
        cpu->softirq_pending = 0;
        run_actions(pending);
        passes++;
    }
    cpu->in_softirq = false;
    cputime_switch(cpu, before);
}

void softirq_run(void)
{
    struct cpu *cpu = this_cpu();

    ASSERT_CONTEXT(CONTEXT_MAIN);
    ASSERT(cpu->softirq_disabled == 0);
    irq_disable();
    if (cpu->softirq_pending != 0) {
        totals.rounds_main++;
        run_round(cpu);
    }
    irq_enable();
}

/* Interrupts are off; the interrupt has been acknowledged and is no longer counted as running. */
void softirq_irq_exit(void)
{
    struct cpu *cpu = this_cpu();

    if (cpu->softirq_pending == 0 || cpu->irq_depth > 0 || cpu->in_softirq ||
        cpu->softirq_disabled > 0 || cpu->softirq_deferred)
        return;
    totals.rounds_irq_exit++;
    run_round(cpu);
}

void softirq_disable(void)
{
    struct cpu *cpu = this_cpu();

    ASSERT_CONTEXT(CONTEXT_MAIN);
    WRITE_ONCE(cpu->softirq_disabled, cpu->softirq_disabled + 1);
    /* The work that is to be protected must not be moved above the line. */
    __asm__ volatile("" ::: "memory");
}

void softirq_enable(void)
{
    struct cpu *cpu = this_cpu();

    ASSERT_CONTEXT(CONTEXT_MAIN);
    ASSERT(cpu->softirq_disabled > 0);
    __asm__ volatile("" ::: "memory");
    WRITE_ONCE(cpu->softirq_disabled, cpu->softirq_disabled - 1);
    /* While booting, interrupts are still off: what is pending waits until they are on. */
    if (cpu->softirq_disabled == 0 && softirq_pending() && irq_enabled())
        softirq_run();
}

bool softirq_stats(unsigned nr, struct softirq_stats *out)
{
    if (nr >= SOFTIRQ_COUNT)
        return false;
    out->name = slots[nr].name != NULL ? slots[nr].name : "(none)";
    out->raised = slots[nr].raised;
    out->runs = slots[nr].runs;
    return true;
}

void softirq_totals(struct softirq_totals *out)
{
    *out = totals;
}
