/* Softirqs: who may run a round and when, its bounds, and that nothing starves. */
#include "fake_hw.h"
#include "fakes.h"
#include <kernel/lib.h>
#include <kernel/softirq.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static void (*hooks[SOFTIRQ_COUNT])(void);
static char order[64];
static unsigned order_len;
static unsigned runs[SOFTIRQ_COUNT];

static void run_hook(unsigned nr)
{
    assert_true(fake_irqs_on);
    assert_int_equal(context_current(), CONTEXT_SOFTIRQ);
    assert_true(context_is_bottom_half());
    runs[nr]++;
    if (order_len < sizeof(order))
        order[order_len++] = (char)('0' + nr);
    if (hooks[nr] != NULL)
        hooks[nr]();
}

static void action_timer(void)
{
    run_hook(SOFTIRQ_TIMER);
}
static void action_net(void)
{
    run_hook(SOFTIRQ_NET);
}
static void action_serial(void)
{
    run_hook(SOFTIRQ_SERIAL);
}

static int setup(void **state)
{
    (void)state;
    fake_cpu = (struct cpu){ 0 };
    fake_irqs_on = true;
    fake_time_ns = 0;
    order_len = 0;
    for (unsigned i = 0; i < SOFTIRQ_COUNT; i++) {
        hooks[i] = NULL;
        runs[i] = 0;
    }
    return 0;
}

/* What irq_dispatch() does around a top half that raises nr. */
static void interrupt_raising(enum softirq nr)
{
    bool were_on = fake_irqs_on;

    fake_irqs_on = false;
    fake_cpu.irq_depth++;
    softirq_raise(nr);
    fake_cpu.irq_depth--;
    softirq_irq_exit();
    assert_false(fake_irqs_on);
    fake_irqs_on = were_on;
}

static uint64_t deferred_rounds(void)
{
    struct softirq_totals totals;

    softirq_totals(&totals);
    return totals.deferred;
}

static void interrupt_exit_runs_what_was_raised(void **state)
{
    (void)state;
    interrupt_raising(SOFTIRQ_NET);
    assert_int_equal(runs[SOFTIRQ_NET], 1);
    assert_false(softirq_pending());
    assert_int_equal(context_current(), CONTEXT_MAIN);
}

static void one_pass_goes_in_the_order_of_the_enum(void **state)
{
    (void)state;
    softirq_raise(SOFTIRQ_SERIAL);
    softirq_raise(SOFTIRQ_NET);
    softirq_raise(SOFTIRQ_TIMER);
    assert_int_equal(order_len, 0); /* raising runs nothing */
    softirq_run();
    assert_int_equal(order_len, 3);
    assert_memory_equal(order, "012", 3);
    assert_true(fake_irqs_on);
}

static void a_nested_interrupt_exit_runs_nothing(void **state)
{
    (void)state;
    fake_irqs_on = false;
    fake_cpu.irq_depth = 1;
    softirq_raise(SOFTIRQ_NET);
    softirq_irq_exit();
    assert_int_equal(runs[SOFTIRQ_NET], 0);
    assert_true(softirq_pending());
}

static void disabling_holds_rounds_off_until_the_outermost_enable(void **state)
{
    (void)state;
    softirq_disable();
    softirq_disable();
    assert_true(context_is_bottom_half());
    interrupt_raising(SOFTIRQ_NET);
    assert_int_equal(runs[SOFTIRQ_NET], 0);
    softirq_enable();
    assert_int_equal(runs[SOFTIRQ_NET], 0);
    softirq_enable();
    assert_int_equal(runs[SOFTIRQ_NET], 1);
    assert_false(context_is_bottom_half());
}

static void before_interrupts_are_on_enable_leaves_it_pending(void **state)
{
    (void)state;
    fake_irqs_on = false;
    softirq_disable();
    softirq_raise(SOFTIRQ_TIMER);
    softirq_enable();
    assert_false(fake_irqs_on);
    assert_int_equal(runs[SOFTIRQ_TIMER], 0);
    assert_true(softirq_pending());
}

static void raise_net_again(void)
{
    softirq_raise(SOFTIRQ_NET);
}

static void a_round_is_bounded_in_passes_and_then_deferred(void **state)
{
    uint64_t deferred = deferred_rounds();

    (void)state;
    hooks[SOFTIRQ_NET] = raise_net_again;
    softirq_raise(SOFTIRQ_SERIAL);
    interrupt_raising(SOFTIRQ_NET);
    assert_int_equal(runs[SOFTIRQ_NET], SOFTIRQ_ROUND_RESTARTS);
    assert_int_equal(runs[SOFTIRQ_SERIAL], 1); /* the flood did not starve it */
    assert_int_equal(deferred_rounds(), deferred + 1);
    assert_true(softirq_pending());

    /* Interrupts go on, their exits do not run it: the main loop is owed its turn. */
    interrupt_raising(SOFTIRQ_SERIAL);
    assert_int_equal(runs[SOFTIRQ_NET], SOFTIRQ_ROUND_RESTARTS);
    assert_int_equal(runs[SOFTIRQ_SERIAL], 1);

    hooks[SOFTIRQ_NET] = NULL;
    softirq_run();
    assert_int_equal(runs[SOFTIRQ_NET], SOFTIRQ_ROUND_RESTARTS + 1);
    assert_int_equal(runs[SOFTIRQ_SERIAL], 2);
    interrupt_raising(SOFTIRQ_NET); /* and exits run rounds again */
    assert_int_equal(runs[SOFTIRQ_NET], SOFTIRQ_ROUND_RESTARTS + 2);
}

static void slow_and_again(void)
{
    fake_time_ns += SOFTIRQ_ROUND_NS;
    softirq_raise(SOFTIRQ_NET);
}

static void a_round_is_bounded_in_time(void **state)
{
    uint64_t deferred = deferred_rounds();

    (void)state;
    hooks[SOFTIRQ_NET] = slow_and_again;
    interrupt_raising(SOFTIRQ_NET);
    assert_int_equal(runs[SOFTIRQ_NET], 1);
    assert_int_equal(deferred_rounds(), deferred + 1);
}

static void slow_once(void)
{
    fake_time_ns += 10 * SOFTIRQ_ROUND_NS;
}

static void a_slow_round_with_nothing_left_is_not_deferred(void **state)
{
    uint64_t deferred = deferred_rounds();

    (void)state;
    hooks[SOFTIRQ_NET] = slow_once;
    interrupt_raising(SOFTIRQ_NET);
    assert_int_equal(deferred_rounds(), deferred);
    interrupt_raising(SOFTIRQ_NET);
    assert_int_equal(runs[SOFTIRQ_NET], 2);
}

static unsigned inside;
static void interrupted_action(void)
{
    assert_int_equal(inside, 0); /* one at a time */
    inside++;
    if (runs[SOFTIRQ_NET] == 1) {
        interrupt_raising(SOFTIRQ_NET);
        interrupt_raising(SOFTIRQ_TIMER);
    }
    inside--;
}

static void an_interrupt_during_a_round_adds_to_it_and_does_not_nest(void **state)
{
    (void)state;
    hooks[SOFTIRQ_NET] = interrupted_action;
    interrupt_raising(SOFTIRQ_NET);
    assert_int_equal(order_len, 3);
    assert_memory_equal(order, "101", 3);
}

static void raising_counts_once_until_it_runs(void **state)
{
    struct softirq_stats before, after;

    (void)state;
    assert_true(softirq_stats(SOFTIRQ_SERIAL, &before));
    softirq_raise(SOFTIRQ_SERIAL);
    softirq_raise(SOFTIRQ_SERIAL);
    softirq_run();
    softirq_raise(SOFTIRQ_SERIAL);
    softirq_run();
    assert_true(softirq_stats(SOFTIRQ_SERIAL, &after));
    assert_string_equal(after.name, "SERIAL");
    assert_int_equal(after.raised - before.raised, 2);
    assert_int_equal(after.runs - before.runs, 2);
    assert_false(softirq_stats(SOFTIRQ_COUNT, &after));
}

static void close_interrupts(void)
{
    fake_irqs_on = false;
}

static void misuse_panics(void **state)
{
    EXPECT_PANIC(softirq_open(SOFTIRQ_NET, "again", action_net));
    EXPECT_PANIC(softirq_enable());
    EXPECT_PANIC(softirq_raise(SOFTIRQ_COUNT));
    fake_cpu.irq_depth = 1;
    EXPECT_PANIC(softirq_disable());
    EXPECT_PANIC(softirq_run());
    setup(state);
    fake_cpu.in_softirq = true;
    EXPECT_PANIC(softirq_disable());
    EXPECT_PANIC(softirq_run());
    setup(state);
    softirq_disable();
    EXPECT_PANIC(softirq_run());
    setup(state);
    hooks[SOFTIRQ_NET] = close_interrupts;
    softirq_raise(SOFTIRQ_NET);
    EXPECT_PANIC(softirq_run());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(interrupt_exit_runs_what_was_raised, setup),
        cmocka_unit_test_setup(one_pass_goes_in_the_order_of_the_enum, setup),
        cmocka_unit_test_setup(a_nested_interrupt_exit_runs_nothing, setup),
        cmocka_unit_test_setup(disabling_holds_rounds_off_until_the_outermost_enable, setup),
        cmocka_unit_test_setup(before_interrupts_are_on_enable_leaves_it_pending, setup),
        cmocka_unit_test_setup(a_round_is_bounded_in_passes_and_then_deferred, setup),
        cmocka_unit_test_setup(a_round_is_bounded_in_time, setup),
        cmocka_unit_test_setup(a_slow_round_with_nothing_left_is_not_deferred, setup),
        cmocka_unit_test_setup(an_interrupt_during_a_round_adds_to_it_and_does_not_nest, setup),
        cmocka_unit_test_setup(raising_counts_once_until_it_runs, setup),
        cmocka_unit_test_setup(misuse_panics, setup),
    };

    softirq_open(SOFTIRQ_TIMER, "TIMER", action_timer);
    softirq_open(SOFTIRQ_NET, "NET", action_net);
    softirq_open(SOFTIRQ_SERIAL, "SERIAL", action_serial);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
