/*
 * The main loop, and the one place where the CPU sleeps.
 *
 * No wake-up is lost: with interrupts off we look for work, and STI; HLT lets an interrupt in
 * only once the CPU is halting (Intel SDM vol 2B, STI), so one that came after the look ends
 * the HLT at once. What a caller of loop_wait() waits for is usually done by a softirq at an
 * interrupt's exit, which may be between the caller's look and ours: therefore loop_wait()
 * also returns without sleeping when a softirq round has run since it last returned.
 */
#include <kernel/barrier.h>
#include <kernel/console.h>
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/cputime.h>
#include <kernel/loop.h>
#include <kernel/panic.h>
#include <kernel/serial.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <kernel/timer.h>
#include <kernel/work.h>

static uint64_t rounds_seen; /* when loop_wait() last returned */

static uint64_t rounds_now(void)
{
    struct softirq_totals totals;

    softirq_totals(&totals);
    return totals.rounds_irq_exit + totals.rounds_main;
}

/* Interrupts are off. */
static bool must_stay_awake(uint64_t deadline_ns)
{
    return softirq_pending() || serial_input_pending() || work_pending() ||
           rounds_now() != rounds_seen || (deadline_ns != UINT64_MAX && time_ns() >= deadline_ns);
}

static void sleep_until_interrupt(uint64_t deadline_ns)
{
    irq_disable();
    /* Before the look: a deadline that has just passed may raise the timer's softirq. */
    if (deadline_ns != UINT64_MAX)
        timer_wake_at(deadline_ns);
    if (!must_stay_awake(deadline_ns)) {
        cputime_switch(this_cpu(), CPUTIME_IDLE);
        cpu_sti_hlt();
        irq_disable();
        cputime_switch(this_cpu(), CPUTIME_MAIN);
    }
    irq_enable();
}

void loop_wait(uint64_t deadline_ns)
{
    ASSERT_CONTEXT(CONTEXT_MAIN);
    ASSERT(!context_is_bottom_half()); /* softirqs disabled would never let anything happen */
    ASSERT(irq_enabled());

    if (softirq_pending())
        softirq_run();
    work_run();
    sleep_until_interrupt(deadline_ns);
    /* A round that runs after this line is seen by the next call; one before it, by the caller. */
    rounds_seen = rounds_now();
    barrier();
}

_Noreturn void loop_run(void)
{
    for (;;) {
        console_poll();
        loop_wait(UINT64_MAX);
    }
}
