/*
 * One-shot timers: a list by deadline, and one hardware timer set to the first of them.
 *
 * Tickless: the hardware is set only for what is armed. It is set anew when the first deadline
 * comes nearer, and not when it goes away or farther: an interrupt that comes too early finds
 * nothing due and sets the hardware to what is next, which is cheaper than a write for each
 * timer that is moved (TCP moves its timers at every segment).
 */
#include "irq_local.h"
#include "lapic.h"
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <kernel/timer.h>

#define NEVER UINT64_MAX

static struct timer *armed;            /* by deadline; equal ones in the order of timer_set() */
static struct timer *expired;          /* taken off `armed`, fn not called yet */
static uint64_t wake_ns = NEVER;       /* timer_wake_at() */
static uint64_t programmed_ns = NEVER; /* when the hardware will fire; the top half resets it */

static void timer_top_half(void *arg)
{
    (void)arg;
    WRITE_ONCE(programmed_ns, NEVER);
    softirq_raise(SOFTIRQ_TIMER);
}

/* Set the hardware for what comes first, unless it fires no later anyway. */
static void program_hardware(uint64_t now_ns)
{
    uint64_t next_ns = MIN(armed != NULL ? armed->deadline_ns : NEVER, wake_ns);
    bool irqs;

    if (next_ns >= READ_ONCE(programmed_ns))
        return;
    if (armed != NULL && armed->deadline_ns <= now_ns) {
        softirq_raise(SOFTIRQ_TIMER);
        return;
    }
    /* The interrupt may come at once; programmed_ns must be set by then, to be reset by it. */
    irqs = irq_save();
    programmed_ns = next_ns;
    lapic_timer_set(next_ns > now_ns ? next_ns - now_ns : 0);
    irq_restore(irqs);
}

static void run_timers(void)
{
    uint64_t now_ns = time_ns();
    struct timer **end = &armed;

    /* Taken off first: one that arms itself again with a past deadline runs in the next round. */
    while (*end != NULL && (*end)->deadline_ns <= now_ns)
        end = &(*end)->next;
    if (end != &armed) {
        ASSERT(expired == NULL);
        expired = armed;
        armed = *end;
        *end = NULL;
    }
    while (expired != NULL) {
        struct timer *timer = expired;

        expired = timer->next;
        timer->next = NULL;
        timer->armed = false;
        timer->fn(timer->arg);
    }
    now_ns = time_ns();
    if (wake_ns <= now_ns)
        wake_ns = NEVER;
    program_hardware(now_ns);
}

void timer_init(void)
{
    irq_set_local(VECTOR_TIMER, "timer", timer_top_half);
    softirq_open(SOFTIRQ_TIMER, "timer", run_timers);
    lapic_timer_init(time_lapic_hz());
    printk("timer: local APIC, %s", lapic_timer_mode());
}

void timer_setup(struct timer *timer, void (*fn)(void *arg), void *arg)
{
    *timer = (struct timer){ .fn = fn, .arg = arg };
}

/* Boot sets timers in main context, with interrupts on already: hold the softirq off then. */
static bool lists_enter(void)
{
    ASSERT(context_current() != CONTEXT_IRQ);
    if (context_is_bottom_half())
        return false;
    softirq_disable();
    return true;
}

static void lists_leave(bool entered)
{
    if (entered)
        softirq_enable();
}

static bool remove_from(struct timer **list, struct timer *timer)
{
    for (; *list != NULL; list = &(*list)->next) {
        if (*list != timer)
            continue;
        *list = timer->next;
        timer->next = NULL;
        timer->armed = false;
        return true;
    }
    return false;
}

static void disarm(struct timer *timer)
{
    bool removed = !timer->armed || remove_from(&armed, timer) || remove_from(&expired, timer);

    ASSERT(removed);
}

void timer_cancel(struct timer *timer)
{
    bool entered = lists_enter();

    disarm(timer);
    /* With nothing armed no timer interrupt comes at all. */
    if (armed == NULL && wake_ns == NEVER && READ_ONCE(programmed_ns) != NEVER) {
        bool irqs = irq_save();

        lapic_timer_stop();
        programmed_ns = NEVER;
        irq_restore(irqs);
    }
    lists_leave(entered);
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
    struct timer **at = &armed;
    bool entered = lists_enter();

    ASSERT(timer->fn != NULL);
    disarm(timer);
    while (*at != NULL && (*at)->deadline_ns <= deadline_ns)
        at = &(*at)->next;
    timer->deadline_ns = deadline_ns;
    timer->next = *at;
    timer->armed = true;
    *at = timer;
    if (at == &armed)
        program_hardware(time_ns());
    lists_leave(entered);
}

/* Interrupts are off: this is the last thing before HLT. */
void timer_wake_at(uint64_t deadline_ns)
{
    ASSERT_CONTEXT(CONTEXT_MAIN);
    wake_ns = deadline_ns;
    program_hardware(time_ns());
}
