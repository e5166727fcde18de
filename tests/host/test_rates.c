/* Rates: from round to round, by order. */
#include "fakes.h"
#include "rates.h"
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct rates r;

static int setup(void **state)
{
    (void)state;
    memset(&r, 0, sizeof(r));
    return 0;
}

/* -1: no rate */
static int64_t next(uint64_t value)
{
    uint64_t milli = 12345;

    if (!rates_next(&r, value, &milli))
        return -1;
    assert_true((int64_t)milli >= 0);
    return (int64_t)milli;
}

static void the_first_round_has_none(void **state)
{
    (void)state;
    rates_begin(&r, 0);
    assert_int_equal(next(5), -1);
    assert_int_equal(next(0), -1);
    setup(NULL);
    rates_begin(&r, 7 * NS_PER_SEC); /* it does not begin at the time 0 either */
    assert_int_equal(next(5), -1);
}

static void by_order(void **state)
{
    (void)state;
    rates_begin(&r, 10 * NS_PER_SEC);
    next(100);
    next(7);
    rates_begin(&r, 12 * NS_PER_SEC);
    assert_int_equal(next(103), 1500);
    assert_int_equal(next(7), 0);
    rates_begin(&r, 12 * NS_PER_SEC + 100 * NS_PER_MS);
    assert_int_equal(next(104), 10000);
    assert_int_equal(next(1000007), 10000000000);
}

static void a_counter_that_was_zeroed_has_none(void **state)
{
    (void)state;
    rates_begin(&r, 0);
    next(100);
    rates_begin(&r, NS_PER_SEC);
    assert_int_equal(next(99), -1);
    rates_begin(&r, 2 * NS_PER_SEC); /* and from there on one again */
    assert_int_equal(next(100), 1000);
}

static void rounds_of_different_lengths(void **state)
{
    (void)state;
    rates_begin(&r, 0);
    next(1);
    next(2);
    rates_begin(&r, NS_PER_SEC);
    assert_int_equal(next(2), 1000);
    rates_begin(&r, 2 * NS_PER_SEC);
    assert_int_equal(next(2), 0);
    assert_int_equal(next(50), -1); /* not against the one of two rounds ago */
    assert_int_equal(next(50), -1);
    rates_begin(&r, 3 * NS_PER_SEC);
    assert_int_equal(next(2), 0);
    assert_int_equal(next(51), 1000);
    assert_int_equal(next(52), 2000);
    rates_begin(&r, 4 * NS_PER_SEC); /* a round without any */
    rates_begin(&r, 5 * NS_PER_SEC);
    assert_int_equal(next(3), -1);
}

static void more_than_there_is_room_for(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 3; round++) {
        rates_begin(&r, round * NS_PER_SEC);
        for (unsigned i = 0; i < RATES_MAX + 10; i++)
            assert_int_equal(next(round), round == 0 || i >= RATES_MAX ? -1 : 1000);
    }
}

static void no_time_in_between(void **state)
{
    (void)state;
    rates_begin(&r, 5);
    next(1);
    rates_begin(&r, 5);
    assert_int_equal(next(2), -1);
}

static void milli(void **state)
{
    (void)state;
    assert_int_equal(rate_milli(1, NS_PER_SEC), 1000);
    assert_int_equal(rate_milli(1, 3 * NS_PER_SEC), 333);
    assert_int_equal(rate_milli(0, 1), 0);
    assert_int_equal(rate_milli(5, 0), 0);
    assert_int_equal(rate_milli(1, 1), 1000000000000);
    assert_int_equal(rate_milli(UINT64_MAX, NS_PER_SEC) == UINT64_MAX, 1);
    assert_int_equal(rate_milli(UINT64_MAX, 1) == UINT64_MAX, 1);
    assert_int_equal(rate_milli(UINT64_MAX, UINT64_MAX), 1000000000000);
    for (uint64_t ns = 1; ns < 100; ns++) /* the last that fit, the first that do not */
        for (uint64_t count = 18446744 * ns - 2; count < 18446744 * ns + 2; count++)
            assert_true(rate_milli(count, ns) >= 18446742000000000000ull);
}

static void text(void **state)
{
    static const struct {
        uint64_t milli;
        const char *text;
    } cases[] = {
        { 0, "0" },          { 1, "0.0" },
        { 99, "0.0" },       { 100, "0.1" },
        { 1000, "1.0" },     { 99999, "99.9" },
        { 100000, "100" },   { 100999, "100" },
        { 1234567, "1234" }, { UINT64_MAX, "18446744073709551" },
    };
    char out[RATE_TEXT_MAX];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(rate_text(out, cases[i].milli), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_round_has_none, setup),
        cmocka_unit_test_setup(by_order, setup),
        cmocka_unit_test_setup(a_counter_that_was_zeroed_has_none, setup),
        cmocka_unit_test_setup(rounds_of_different_lengths, setup),
        cmocka_unit_test_setup(more_than_there_is_room_for, setup),
        cmocka_unit_test_setup(no_time_in_between, setup),
        cmocka_unit_test(milli),
        cmocka_unit_test(text),
    };

    return cmocka_run_group_tests_name("rates", tests, NULL, NULL);
}
