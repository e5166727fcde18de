/*
 * Timers against a model: a fake one-shot hardware timer, fake time, and thousands of random
 * settings, movings and cancellings, of which each must fire once, in order, on time.
 */
#include "fake_hw.h"
#include "fakes.h"
#include "irq_local.h"
#include "lapic.h"
#include <kernel/softirq.h>
#include <kernel/timer.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---------------------------------------------------------------- the hardware */

static uint64_t hw_ns = UINT64_MAX; /* when it fires; UINT64_MAX: stopped */
static uint64_t hw_limit_ns;        /* how far it counts, as a 32-bit counter does */
static unsigned hw_writes;
static irq_handler *top_half;
static void (*bottom_half)(void);

void lapic_timer_init(uint64_t ticks_hz)
{
    assert_int_equal(ticks_hz, 1000000000);
}
const char *lapic_timer_mode(void)
{
    return "fake";
}
uint64_t time_lapic_hz(void)
{
    return 1000000000;
}

void lapic_timer_set(uint64_t delta_ns)
{
    assert_false(fake_irqs_on); /* the interrupt may come at once */
    hw_writes++;
    hw_ns = fake_time_ns + MIN(delta_ns, hw_limit_ns) + 1;
}

void lapic_timer_stop(void)
{
    hw_ns = UINT64_MAX;
}

void irq_set_local(unsigned vector, const char *name, irq_handler *handler)
{
    assert_int_equal(vector, VECTOR_TIMER);
    assert_string_equal(name, "timer");
    top_half = handler;
}

void softirq_open(enum softirq nr, const char *name, void (*action)(void))
{
    assert_int_equal(nr, SOFTIRQ_TIMER);
    assert_string_equal(name, "timer");
    bottom_half = action;
}

void softirq_disable(void)
{
    assert_int_equal(fake_context, CONTEXT_MAIN);
    fake_cpu.softirq_disabled++;
}

void softirq_enable(void)
{
    assert_true(fake_cpu.softirq_disabled > 0);
    fake_cpu.softirq_disabled--;
}

static void run_softirqs(void)
{
    while (fake_softirq_raised != 0) {
        enum context was = fake_context;

        fake_softirq_raised = 0;
        fake_context = CONTEXT_SOFTIRQ;
        bottom_half();
        fake_context = was;
    }
}

/* Let time pass up to an instant, taking the interrupts that come on the way. */
static void advance_to(uint64_t ns)
{
    run_softirqs();
    while (hw_ns <= ns) {
        fake_time_ns = MAX(fake_time_ns, hw_ns);
        hw_ns = UINT64_MAX; /* one-shot */
        top_half(NULL);
        run_softirqs();
    }
    fake_time_ns = ns;
}

static int setup(void **state)
{
    (void)state;
    fake_context = CONTEXT_SOFTIRQ;
    fake_irqs_on = true;
    hw_limit_ns = 4294967295;
    advance_to(fake_time_ns + 1000000000000); /* nothing of the test before is left */
    assert_int_equal(hw_ns, UINT64_MAX);
    hw_writes = 0;
    return 0;
}

/* ---------------------------------------------------------------- single cases */

static unsigned fired[8], fired_count;
static uint64_t fired_ns;

static void note_fired(void *arg)
{
    fired[fired_count++ % ARRAY_SIZE(fired)] = (unsigned)(uintptr_t)arg;
    fired_ns = fake_time_ns;
}

static void it_fires_once_at_its_deadline(void **state)
{
    uint64_t start = fake_time_ns;
    struct timer timer;

    (void)state;
    fired_count = 0;
    timer_setup(&timer, note_fired, (void *)7);
    timer_set(&timer, start + 1000);
    assert_true(timer.armed);
    advance_to(start + 999);
    assert_int_equal(fired_count, 0);
    advance_to(start + 5000);
    assert_int_equal(fired_count, 1);
    assert_int_equal(fired[0], 7);
    assert_in_range(fired_ns, start + 1000, start + 1001);
    assert_false(timer.armed);
    assert_int_equal(hw_ns, UINT64_MAX); /* tickless: nothing armed, nothing set */
}

static void a_past_deadline_needs_no_hardware(void **state)
{
    struct timer timer;

    (void)state;
    fired_count = 0;
    timer_setup(&timer, note_fired, NULL);
    timer_set(&timer, 0);
    assert_int_equal(fired_count, 0); /* not from within timer_set() */
    assert_int_equal(fake_softirq_raised, 1u << SOFTIRQ_TIMER);
    run_softirqs();
    assert_int_equal(fired_count, 1);
    assert_int_equal(hw_writes, 0);
}

static void equal_deadlines_fire_in_the_order_of_setting(void **state)
{
    uint64_t at = fake_time_ns + 100;
    struct timer timers[3];

    (void)state;
    fired_count = 0;
    for (unsigned i = 0; i < 3; i++) {
        timer_setup(&timers[i], note_fired, (void *)(uintptr_t)i);
        timer_set(&timers[i], at);
    }
    timer_set(&timers[0], at); /* set again: now the last */
    advance_to(at + 10);
    assert_int_equal(fired_count, 3);
    assert_int_equal(fired[0], 1);
    assert_int_equal(fired[1], 2);
    assert_int_equal(fired[2], 0);
}

static void a_far_deadline_is_reached_over_the_hardwares_limit(void **state)
{
    uint64_t start = fake_time_ns;
    struct timer timer;

    (void)state;
    fired_count = 0;
    timer_setup(&timer, note_fired, NULL);
    timer_set(&timer, start + 20000000000);
    advance_to(start + 19999999999);
    assert_int_equal(fired_count, 0);
    advance_to(start + 20000000100);
    assert_int_equal(fired_count, 1);
    assert_in_range(hw_writes, 5, 6); /* every 4.3 s */
}

static void moving_later_writes_no_hardware_and_cancelling_the_last_stops_it(void **state)
{
    uint64_t start = fake_time_ns;
    struct timer timer;

    (void)state;
    fired_count = 0;
    timer_setup(&timer, note_fired, NULL);
    for (unsigned i = 1; i <= 100; i++)
        timer_set(&timer, start + i * 1000);
    assert_int_equal(hw_writes, 1);
    timer_cancel(&timer);
    timer_cancel(&timer); /* harmless */
    assert_int_equal(hw_ns, UINT64_MAX);
    advance_to(start + 1000000);
    assert_int_equal(fired_count, 0);
}

static void a_spurious_interrupt_is_harmless(void **state)
{
    uint64_t start = fake_time_ns;
    struct timer timer;

    (void)state;
    fired_count = 0;
    top_half(NULL);
    run_softirqs();
    timer_setup(&timer, note_fired, NULL);
    timer_set(&timer, start + 500);
    hw_ns = UINT64_MAX; /* the hardware fired early */
    top_half(NULL);
    run_softirqs();
    assert_int_equal(fired_count, 0);
    advance_to(start + 600);
    assert_int_equal(fired_count, 1);
}

static struct timer chain[2];

static void set_itself_again_in_the_past(void *arg)
{
    note_fired(arg);
    if (fired_count < 5)
        timer_set(&chain[0], 0);
}

static void one_that_sets_itself_to_the_past_leaves_the_softirq_in_between(void **state)
{
    (void)state;
    fired_count = 0;
    timer_setup(&chain[0], set_itself_again_in_the_past, NULL);
    timer_set(&chain[0], 0);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(fake_softirq_raised, 1u << SOFTIRQ_TIMER);
        fake_softirq_raised = 0;
        bottom_half();
        assert_int_equal(fired_count, i); /* once each: other softirqs get their turn */
    }
    assert_int_equal(fake_softirq_raised, 0);
}

static void cancel_the_other(void *arg)
{
    note_fired(arg);
    timer_cancel(&chain[1]);
}

static void one_that_cancels_another_expired_one_is_obeyed(void **state)
{
    uint64_t at = fake_time_ns + 10;

    (void)state;
    fired_count = 0;
    timer_setup(&chain[0], cancel_the_other, (void *)1);
    timer_setup(&chain[1], note_fired, (void *)2);
    timer_set(&chain[0], at);
    timer_set(&chain[1], at);
    advance_to(at + 100);
    assert_int_equal(fired_count, 1);
    assert_int_equal(fired[0], 1);
    assert_false(chain[1].armed);
}

static void move_the_other(void *arg)
{
    note_fired(arg);
    timer_set(&chain[1], fake_time_ns + 1000);
}

static void one_that_moves_another_expired_one_is_obeyed(void **state)
{
    uint64_t at = fake_time_ns + 10;

    (void)state;
    fired_count = 0;
    timer_setup(&chain[0], move_the_other, (void *)1);
    timer_setup(&chain[1], note_fired, (void *)2);
    timer_set(&chain[0], at);
    timer_set(&chain[1], at);
    advance_to(at + 100);
    assert_int_equal(fired_count, 1);
    advance_to(at + 2000);
    assert_int_equal(fired_count, 2);
}

static void wake_at_sets_the_hardware_without_a_timer(void **state)
{
    uint64_t start = fake_time_ns;
    struct timer timer;

    (void)state;
    fired_count = 0;
    fake_context = CONTEXT_MAIN;
    fake_irqs_on = false;
    timer_wake_at(start + 300);
    assert_in_range(hw_ns, start + 300, start + 301);
    timer_wake_at(start + 100); /* nearer */
    assert_in_range(hw_ns, start + 100, start + 101);
    timer_wake_at(0); /* past: at once, not never */
    assert_in_range(hw_ns, start, start + 1);
    fake_context = CONTEXT_SOFTIRQ;
    timer_setup(&timer, note_fired, NULL);
    timer_set(&timer, start + 200);
    advance_to(start + 250);
    assert_int_equal(fired_count, 1);
    advance_to(start + 1000);
    assert_int_equal(hw_ns, UINT64_MAX);
}

static void boot_code_in_main_context_is_protected_from_the_softirq(void **state)
{
    struct timer timer;

    (void)state;
    fake_context = CONTEXT_MAIN;
    timer_setup(&timer, note_fired, NULL);
    timer_set(&timer, fake_time_ns + 1000);
    assert_int_equal(fake_cpu.softirq_disabled, 0);
    timer_cancel(&timer);
    assert_int_equal(fake_cpu.softirq_disabled, 0);
    fake_context = CONTEXT_IRQ;
    EXPECT_PANIC(timer_set(&timer, 0));
    EXPECT_PANIC(timer_cancel(&timer));
    fake_context = CONTEXT_SOFTIRQ;
    timer.fn = NULL;
    EXPECT_PANIC(timer_set(&timer, 0));
}

/* ---------------------------------------------------------------- the model */

#define MODEL_TIMERS 40

static struct model {
    struct timer timer;
    bool armed;
    uint64_t deadline_ns;
} model[MODEL_TIMERS];
static uint64_t last_deadline_ns;
static unsigned model_fired;

static void model_set(struct model *m)
{
    unsigned kind = (unsigned)rand() % 8;
    uint64_t deadline = kind == 0   ? (uint64_t)rand() % 1000 /* long past */
                        : kind == 1 ? fake_time_ns
                                    : fake_time_ns + (uint64_t)rand() % 20000;

    m->armed = true;
    m->deadline_ns = deadline;
    timer_set(&m->timer, deadline);
}

static void model_fn(void *arg)
{
    struct model *m = arg;

    assert_true(m->armed);
    assert_false(m->timer.armed);
    assert_true(fake_time_ns >= m->deadline_ns);
    assert_true(fake_time_ns <= MAX(m->deadline_ns, last_deadline_ns) + 2);
    m->armed = false;
    model_fired++;
    if (rand() % 4 == 0) /* callbacks set and cancel as well */
        model_set(&model[rand() % MODEL_TIMERS]);
    if (rand() % 4 == 0) {
        struct model *other = &model[rand() % MODEL_TIMERS];

        timer_cancel(&other->timer);
        other->armed = false;
    }
}

static void random_use_agrees_with_a_model(void **state)
{
    (void)state;
    srand(20240607);
    hw_limit_ns = 3000; /* so that limits are met all the time */
    for (unsigned i = 0; i < MODEL_TIMERS; i++)
        timer_setup(&model[i].timer, model_fn, &model[i]);
    for (unsigned step = 0; step < 200000; step++) {
        struct model *m = &model[rand() % MODEL_TIMERS];
        unsigned what = (unsigned)rand() % 10;

        last_deadline_ns = fake_time_ns; /* past ones are due now */
        if (what < 5) {
            model_set(m);
        } else if (what < 7) {
            timer_cancel(&m->timer);
            m->armed = false;
        } else {
            uint64_t to = fake_time_ns + (uint64_t)rand() % 5000;

            run_softirqs();
            while (hw_ns <= to) {
                last_deadline_ns = hw_ns;
                advance_to(hw_ns);
            }
            advance_to(to);
            for (unsigned i = 0; i < MODEL_TIMERS; i++)
                assert_true(!model[i].armed || model[i].deadline_ns + 2 >= to);
        }
        assert_int_equal(m->timer.armed, m->armed);
    }
    assert_true(model_fired > 10000);
    advance_to(fake_time_ns + 100000);
    for (unsigned i = 0; i < MODEL_TIMERS; i++)
        assert_false(model[i].armed && model[i].deadline_ns < fake_time_ns - 1000);
    for (unsigned i = 0; i < MODEL_TIMERS; i++)
        timer_cancel(&model[i].timer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_fires_once_at_its_deadline, setup),
        cmocka_unit_test_setup(a_past_deadline_needs_no_hardware, setup),
        cmocka_unit_test_setup(equal_deadlines_fire_in_the_order_of_setting, setup),
        cmocka_unit_test_setup(a_far_deadline_is_reached_over_the_hardwares_limit, setup),
        cmocka_unit_test_setup(moving_later_writes_no_hardware_and_cancelling_the_last_stops_it,
                               setup),
        cmocka_unit_test_setup(a_spurious_interrupt_is_harmless, setup),
        cmocka_unit_test_setup(one_that_sets_itself_to_the_past_leaves_the_softirq_in_between,
                               setup),
        cmocka_unit_test_setup(one_that_cancels_another_expired_one_is_obeyed, setup),
        cmocka_unit_test_setup(one_that_moves_another_expired_one_is_obeyed, setup),
        cmocka_unit_test_setup(wake_at_sets_the_hardware_without_a_timer, setup),
        cmocka_unit_test_setup(boot_code_in_main_context_is_protected_from_the_softirq, setup),
        cmocka_unit_test_setup(random_use_agrees_with_a_model, setup),
    };

    timer_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
