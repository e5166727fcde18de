/* The idle loop: when it sleeps, and above all when it must not. */
#include "fake_hw.h"
#include "fakes.h"
#include <kernel/console.h>
#include <kernel/lib.h>
#include <kernel/loop.h>
#include <kernel/serial.h>
#include <kernel/softirq.h>
#include <kernel/timer.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static unsigned sleeps, wakes_set, polls, net_runs, interrupts_during_hlt;
static uint64_t wake_at_ns;
static bool input, wake_raises, net_again;
static jmp_buf out;

bool serial_input_pending(void)
{
    return input;
}

void timer_wake_at(uint64_t deadline_ns)
{
    assert_false(fake_irqs_on);
    wakes_set++;
    wake_at_ns = deadline_ns;
    if (wake_raises)
        softirq_raise(SOFTIRQ_TIMER);
}

static void interrupt_raising(enum softirq nr)
{
    fake_irqs_on = false;
    fake_cpu.irq_depth++;
    softirq_raise(nr);
    fake_cpu.irq_depth--;
    softirq_irq_exit();
    fake_irqs_on = true;
}

void fake_hlt(void)
{
    assert_false(fake_irqs_on); /* from the look on */
    assert_false(softirq_pending());
    sleeps++;
    if (interrupts_during_hlt > 0) {
        interrupts_during_hlt--;
        interrupt_raising(SOFTIRQ_NET);
    }
}

void console_poll(void)
{
    if (++polls == 5)
        longjmp(out, 1);
}

static void action_net(void)
{
    net_runs++;
    if (net_again)
        softirq_raise(SOFTIRQ_NET);
}

static void action_timer(void) {}

static int setup(void **state)
{
    (void)state;
    fake_cpu = (struct cpu){ 0 };
    fake_irqs_on = true;
    fake_time_ns = 1000;
    input = wake_raises = net_again = false;
    interrupts_during_hlt = 0;
    loop_wait(0); /* has now seen all rounds of the tests before */
    sleeps = wakes_set = polls = net_runs = 0;
    return 0;
}

static void it_sleeps_when_nothing_is_to_do(void **state)
{
    (void)state;
    loop_wait(UINT64_MAX);
    assert_int_equal(sleeps, 1);
    assert_int_equal(wakes_set, 0); /* tickless */
    assert_true(fake_irqs_on);
}

static void it_stays_awake_for_input(void **state)
{
    (void)state;
    input = true;
    loop_wait(UINT64_MAX);
    assert_int_equal(sleeps, 0);
    assert_true(fake_irqs_on);
}

static void it_sleeps_until_a_deadline_and_not_past_it(void **state)
{
    (void)state;
    loop_wait(1001);
    assert_int_equal(sleeps, 1);
    assert_int_equal(wake_at_ns, 1001);
    fake_time_ns = 1001;
    loop_wait(1001);
    loop_wait(0);
    assert_int_equal(sleeps, 1);
}

static void a_timer_found_due_while_programming_keeps_it_awake(void **state)
{
    (void)state;
    wake_raises = true;
    loop_wait(2000);
    assert_int_equal(sleeps, 0);
    assert_true(softirq_pending());
}

/* The caller looked, then an interrupt made its condition true, then it calls loop_wait(). */
static void a_round_between_the_callers_look_and_ours_is_not_slept_over(void **state)
{
    (void)state;
    interrupt_raising(SOFTIRQ_NET);
    assert_int_equal(net_runs, 1);
    loop_wait(UINT64_MAX);
    assert_int_equal(sleeps, 0);
    loop_wait(UINT64_MAX);
    assert_int_equal(sleeps, 1);
}

static void a_round_during_the_sleep_is_seen_by_the_caller_and_not_again(void **state)
{
    (void)state;
    interrupts_during_hlt = 1;
    loop_wait(UINT64_MAX);
    assert_int_equal(sleeps, 1);
    assert_int_equal(net_runs, 1);
    loop_wait(UINT64_MAX);
    assert_int_equal(sleeps, 2);
}

static void deferred_work_is_run_and_not_slept_over(void **state)
{
    (void)state;
    net_again = true;
    interrupt_raising(SOFTIRQ_NET);
    assert_int_equal(net_runs, SOFTIRQ_ROUND_RESTARTS);
    loop_wait(UINT64_MAX); /* one more bounded round, which is deferred again */
    assert_int_equal(net_runs, 2 * SOFTIRQ_ROUND_RESTARTS);
    assert_int_equal(sleeps, 0);
    net_again = false;
    loop_wait(UINT64_MAX);
    assert_int_equal(sleeps, 0); /* the round may have made the caller's condition true */
    loop_wait(UINT64_MAX);
    assert_int_equal(sleeps, 1);
}

static void a_flood_does_not_starve_the_console(void **state)
{
    (void)state;
    net_again = true;
    softirq_raise(SOFTIRQ_NET);
    if (setjmp(out) == 0)
        loop_run();
    assert_int_equal(polls, 5);
    assert_int_equal(net_runs, 4 * SOFTIRQ_ROUND_RESTARTS);
    assert_int_equal(sleeps, 0);
}

static void waiting_where_nothing_can_happen_panics(void **state)
{
    softirq_disable();
    EXPECT_PANIC(loop_wait(UINT64_MAX));
    setup(state);
    fake_irqs_on = false;
    EXPECT_PANIC(loop_wait(UINT64_MAX));
    setup(state);
    fake_cpu.in_softirq = true;
    EXPECT_PANIC(loop_wait(UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_sleeps_when_nothing_is_to_do, setup),
        cmocka_unit_test_setup(it_stays_awake_for_input, setup),
        cmocka_unit_test_setup(it_sleeps_until_a_deadline_and_not_past_it, setup),
        cmocka_unit_test_setup(a_timer_found_due_while_programming_keeps_it_awake, setup),
        cmocka_unit_test_setup(a_round_between_the_callers_look_and_ours_is_not_slept_over, setup),
        cmocka_unit_test_setup(a_round_during_the_sleep_is_seen_by_the_caller_and_not_again, setup),
        cmocka_unit_test_setup(deferred_work_is_run_and_not_slept_over, setup),
        cmocka_unit_test_setup(a_flood_does_not_starve_the_console, setup),
        cmocka_unit_test_setup(waiting_where_nothing_can_happen_panics, setup),
    };

    softirq_open(SOFTIRQ_TIMER, "TIMER", action_timer);
    softirq_open(SOFTIRQ_NET, "NET", action_net);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
