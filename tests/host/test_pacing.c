/* The arithmetic of the benchmark's packet generator. */
#include "../../bench/pacing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_due(void **state)
{
    (void)state;
    assert_int_equal(pacing_due(1000, 0), 0);
    assert_int_equal(pacing_due(1000, 999999), 0);
    assert_int_equal(pacing_due(1000, 1000000), 1);
    assert_int_equal(pacing_due(1000, NS_PER_SEC), 1000);
    assert_int_equal(pacing_due(3, NS_PER_SEC / 2), 1);
    assert_int_equal(pacing_due(10000000, 3600 * NS_PER_SEC), 36000000000ull); /* no overflow */
}

/* A packet is due when its time has come, and not a nanosecond before. */
static void test_time_is_when_it_becomes_due(void **state)
{
    static const uint64_t rates[] = { 1, 3, 7, 1000, 12345, 300000, 999983, 10000000 };

    (void)state;
    for (unsigned r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
        for (uint64_t n = 0; n < 5000; n += 1 + n / 7) {
            uint64_t at = pacing_time(rates[r], n);

            assert_true(pacing_due(rates[r], at) > n);
            assert_true(pacing_due(rates[r], at - 1) <= n);
        }
    }
}

static void test_percentile(void **state)
{
    uint64_t v[100];

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        v[i] = i + 1;
    assert_int_equal(percentile(v, 100, 500), 50);
    assert_int_equal(percentile(v, 100, 990), 99);
    assert_int_equal(percentile(v, 100, 1000), 100);
    assert_int_equal(percentile(v, 100, 0), 1);
    assert_int_equal(percentile(v, 1, 500), 1);
    assert_int_equal(percentile(v, 3, 500), 2);
    assert_int_equal(percentile(v, 0, 500), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_time_is_when_it_becomes_due),
        cmocka_unit_test(test_percentile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
