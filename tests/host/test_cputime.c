/* CPU time: whatever happens in between, the parts sum to what the TSC went. */
#include "fakes.h"
#include <kernel/cputime.h>
#include <kernel/reset.h>
#include <kernel/time.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uint64_t tsc;

uint64_t fake_rdtsc(void)
{
    return tsc;
}

uint64_t time_tsc_to_ns(uint64_t ticks)
{
    return ticks * 2;
}

static int setup(void **state)
{
    (void)state;
    memset(&fake_cpu, 0, sizeof(fake_cpu));
    tsc = 1000;
    cputime_start(&fake_cpu);
    return 0;
}

static void test_boot_is_main(void **state)
{
    struct cputime_split s;

    (void)state;
    tsc += 50;
    cputime_read(&s);
    assert_int_equal(s.ns[CPUTIME_MAIN], 100);
    assert_int_equal(s.total_ns, 100);
}

/* An interrupt gives the time back to what it interrupted. */
static void test_nesting(void **state)
{
    struct cputime_split s;
    enum cputime softirq_before, app_before, irq_before;

    (void)state;
    tsc += 10;
    softirq_before = cputime_switch(&fake_cpu, CPUTIME_SOFTIRQ);
    tsc += 20;
    app_before = cputime_switch(&fake_cpu, CPUTIME_APP);
    tsc += 30;
    irq_before = cputime_switch(&fake_cpu, CPUTIME_IRQ);
    tsc += 7;
    assert_int_equal(cputime_switch(&fake_cpu, irq_before), CPUTIME_IRQ);
    tsc += 30;
    cputime_switch(&fake_cpu, app_before);
    tsc += 20;
    cputime_switch(&fake_cpu, softirq_before);
    tsc += 10;
    cputime_read(&s);
    assert_int_equal(s.ns[CPUTIME_MAIN], 40);
    assert_int_equal(s.ns[CPUTIME_SOFTIRQ], 80);
    assert_int_equal(s.ns[CPUTIME_APP], 120);
    assert_int_equal(s.ns[CPUTIME_IRQ], 14);
    assert_int_equal(s.ns[CPUTIME_IDLE], 0);
    assert_int_equal(s.total_ns, 254);
}

static void test_any_sequence_sums_to_all_the_time(void **state)
{
    struct cputime_split s;
    unsigned share[CPUTIME_COUNT], sum;

    (void)state;
    srand(1);
    for (unsigned i = 0; i < 10000; i++) {
        tsc += (uint64_t)rand() % 100000;
        cputime_switch(&fake_cpu, (enum cputime)(rand() % CPUTIME_COUNT));
        cputime_read(&s);
        assert_int_equal(s.total_ns, (tsc - 1000) * 2);
        cputime_shares(&s, share);
        sum = 0;
        for (unsigned k = 0; k < CPUTIME_COUNT; k++)
            sum += share[k];
        assert_int_equal(sum, s.total_ns == 0 ? 0 : 10000);
    }
}

static void test_shares(void **state)
{
    struct cputime_split s = { .ns = { [CPUTIME_IRQ] = 1, [CPUTIME_IDLE] = 2 }, .total_ns = 3 };
    unsigned share[CPUTIME_COUNT];

    (void)state;
    cputime_shares(&s, share);
    assert_int_equal(share[CPUTIME_IRQ], 3333);
    assert_int_equal(share[CPUTIME_IDLE], 6667);
    assert_int_equal(share[CPUTIME_SOFTIRQ], 0);
    s = (struct cputime_split){ .total_ns = 0 };
    cputime_shares(&s, share);
    for (unsigned k = 0; k < CPUTIME_COUNT; k++)
        assert_int_equal(share[k], 0);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned k = 0; k < CPUTIME_COUNT; k++)
        assert_non_null(cputime_name((enum cputime)k));
    assert_string_equal(cputime_name(CPUTIME_SOFTIRQ), "softirq");
}

static void test_interrupts_come_back_on(void **state)
{
    struct cputime_split s;

    (void)state;
    fake_irqs_on = true;
    cputime_read(&s);
    assert_true(fake_irqs_on);
    fake_irqs_on = false;
    cputime_read(&s);
    assert_false(fake_irqs_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_boot_is_main, setup),
        cmocka_unit_test_setup(test_nesting, setup),
        cmocka_unit_test_setup(test_any_sequence_sums_to_all_the_time, setup),
        cmocka_unit_test_setup(test_shares, setup),
        cmocka_unit_test_setup(test_names, setup),
        cmocka_unit_test_setup(test_interrupts_come_back_on, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
