/* The rate of ICMP errors: a burst, then no more than so many a second. */
#include "icmp_limit.h"
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uint64_t now;
static unsigned asked;

static uint64_t clock_ns(void)
{
    asked++;
    return now;
}

static unsigned take(struct icmp_limit *l, unsigned tries)
{
    unsigned allowed = 0;

    while (tries-- > 0)
        allowed += icmp_limit_allow(l, clock_ns);
    return allowed;
}

static void test_burst_then_nothing(void **state)
{
    struct icmp_limit l = { 0 };

    (void)state;
    now = 10 * NS_PER_SEC;
    assert_int_equal(take(&l, 1000), ICMP_LIMIT_BURST);
    now += NS_PER_SEC / ICMP_LIMIT_PER_SEC - 1;
    assert_int_equal(take(&l, 10), 0);
    now += 1;
    assert_int_equal(take(&l, 10), 1);
}

static void test_rate_over_seconds(void **state)
{
    struct icmp_limit l = { 0 };
    unsigned allowed = 0;

    (void)state;
    now = NS_PER_SEC;
    take(&l, 1000);
    for (unsigned us = 0; us < 2000000; us += 10) {
        now += 10000;
        allowed += take(&l, 1);
    }
    assert_in_range(allowed, 2 * ICMP_LIMIT_PER_SEC - ICMP_LIMIT_BURST,
                    2 * ICMP_LIMIT_PER_SEC + ICMP_LIMIT_BURST);
}

static void test_silence_earns_a_burst_only(void **state)
{
    struct icmp_limit l = { 0 };

    (void)state;
    now = NS_PER_SEC;
    take(&l, 1000);
    now += 3600 * NS_PER_SEC;
    assert_int_equal(take(&l, 1000), ICMP_LIMIT_BURST);
}

static void test_clock_is_left_alone_while_there_are_tokens(void **state)
{
    struct icmp_limit l = { 0 };

    (void)state;
    now = NS_PER_SEC;
    asked = 0;
    take(&l, ICMP_LIMIT_BURST);
    assert_int_equal(asked, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_nothing),
        cmocka_unit_test(test_rate_over_seconds),
        cmocka_unit_test(test_silence_earns_a_burst_only),
        cmocka_unit_test(test_clock_is_left_alone_while_there_are_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
