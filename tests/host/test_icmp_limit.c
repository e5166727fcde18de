/* The rate of ICMP messages: a burst, then no more than so many a second. */
#include "icmp_limit.h"
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define PER_SEC 1000u
#define BURST   50u

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
    struct icmp_limit l;

    (void)state;
    icmp_limit_set(&l, PER_SEC, BURST);
    now = 10 * NS_PER_SEC;
    assert_int_equal(take(&l, 1000), BURST);
    now += NS_PER_SEC / PER_SEC - 1;
    assert_int_equal(take(&l, 10), 0);
    now += 1;
    assert_int_equal(take(&l, 10), 1);
}

static void test_rate_over_seconds(void **state)
{
    struct icmp_limit l;
    unsigned allowed = 0;

    (void)state;
    icmp_limit_set(&l, PER_SEC, BURST);
    now = NS_PER_SEC;
    take(&l, 1000);
    for (unsigned us = 0; us < 2000000; us += 10) {
        now += 10000;
        allowed += take(&l, 1);
    }
    assert_in_range(allowed, 2 * PER_SEC - BURST, 2 * PER_SEC + BURST);
}

static void test_silence_earns_a_burst_only(void **state)
{
    struct icmp_limit l;

    (void)state;
    icmp_limit_set(&l, PER_SEC, BURST);
    now = NS_PER_SEC;
    take(&l, 1000);
    now += 3600 * NS_PER_SEC;
    assert_int_equal(take(&l, 1000), BURST);
}

static void test_clock_is_left_alone_while_there_are_tokens(void **state)
{
    struct icmp_limit l;

    (void)state;
    icmp_limit_set(&l, PER_SEC, BURST);
    now = NS_PER_SEC;
    asked = 0;
    take(&l, BURST);
    assert_int_equal(asked, 1);
}

static void test_no_limit(void **state)
{
    struct icmp_limit l;

    (void)state;
    icmp_limit_set(&l, 0, 0);
    asked = 0;
    assert_int_equal(take(&l, 100000), 100000);
    assert_int_equal(asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_nothing),
        cmocka_unit_test(test_rate_over_seconds),
        cmocka_unit_test(test_silence_earns_a_burst_only),
        cmocka_unit_test(test_clock_is_left_alone_while_there_are_tokens),
        cmocka_unit_test(test_no_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
