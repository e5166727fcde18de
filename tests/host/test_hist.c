/* Histograms, against a sorted list of the same values. */
#include "fakes.h"
#include <kernel/hist.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct hist h;
static uint64_t seed;

static uint64_t next_random(void) /* xorshift64* (Vigna) */
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1dull;
}

/* Of any size: as many small ones as large ones. */
static uint64_t random_of_bits(unsigned bits)
{
    return next_random() >> (64 - 1 - next_random() % bits);
}

static int setup(void **state)
{
    (void)state;
    hist_reset(&h);
    seed = 88172645463325252ull;
    return 0;
}

/* Each bucket begins where the one before ends, and holds its own first and last value. */
static void buckets_are_contiguous(void **state)
{
    (void)state;
    assert_int_equal(hist_bucket_low(0), 0);
    for (unsigned b = 0; b < HIST_BUCKETS; b++) {
        uint64_t low = hist_bucket_low(b);

        assert_int_equal(hist_bucket(low), b);
        if (b == 0)
            continue;
        assert_true(low > hist_bucket_low(b - 1));
        assert_int_equal(hist_bucket(low - 1), b - 1);
        if (b >= HIST_SUB) /* no wider than an eighth of its values */
            assert_true(low - hist_bucket_low(b - 1) <= MAX(low / HIST_SUB, (uint64_t)1));
    }
    EXPECT_PANIC(hist_bucket_low(HIST_BUCKETS));
}

static void every_small_value(void **state)
{
    (void)state;
    for (uint64_t v = 0; v < 1u << 20; v++) {
        unsigned b = hist_bucket(v);

        assert_true(b == 0 || b >= hist_bucket(v - 1));
        assert_true(hist_bucket_low(b) <= v && v < hist_bucket_low(b + 1));
    }
}

static void large_values_share_the_last_bucket(void **state)
{
    static const uint64_t large[] = { (1ull << 40) - 1, 1ull << 40, (1ull << 40) + 1, 1ull << 41,
                                      (1ull << 63) - 1, 1ull << 63, UINT64_MAX };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(large); i++)
        assert_int_equal(hist_bucket(large[i]), HIST_BUCKETS - 1);
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t v = next_random();

        assert_true(hist_bucket(v) < HIST_BUCKETS);
        assert_true(hist_bucket_low(hist_bucket(v)) <= v);
        assert_true(hist_bucket(v) <= hist_bucket(v | 1ull << 63));
    }
    hist_add(&h, UINT64_MAX);
    assert_int_equal(h.max, UINT64_MAX);
    assert_int_equal(hist_percentile(&h, 500), UINT64_MAX);
}

static void empty(void **state)
{
    (void)state;
    for (unsigned p = 0; p <= 1000; p++)
        assert_int_equal(hist_percentile(&h, p), 0);
    EXPECT_PANIC(hist_percentile(&h, 1001));
}

static void one_value_is_all_percentiles(void **state)
{
    static const uint64_t values[] = { 0, 1, 7, 8, 9, 1000, 123456789, 1ull << 40, 1ull << 50 };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        hist_reset(&h);
        hist_add(&h, values[i]); /* its bucket reaches further: max clamps */
        for (unsigned p = 0; p <= 1000; p += 50)
            assert_int_equal(hist_percentile(&h, p), values[i]);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* What hist_percentile() promises, of the n values that h has got. */
static void check_percentiles(uint64_t *values, size_t n)
{
    uint64_t before = 0;

    qsort(values, n, sizeof(values[0]), compare);
    assert_int_equal(h.count, n);
    assert_int_equal(h.max, values[n - 1]);
    for (unsigned p = 0; p <= 1000; p++) {
        size_t rank = MAX((n * p + 999) / 1000, (size_t)1);
        uint64_t exact = values[rank - 1], told = hist_percentile(&h, p);

        assert_true(told >= exact && told <= h.max);
        assert_true(told - exact <= exact / HIST_SUB);
        assert_true(told >= before);
        before = told;
    }
    assert_int_equal(hist_percentile(&h, 1000), values[n - 1]);
}

static void percentiles(void **state)
{
    static uint64_t values[5000];
    static const size_t sizes[] = { 1, 2, 3, 7, 10, 99, 100, 101, 999, 1000, 1001, 5000 };

    (void)state;
    for (unsigned bits = 1; bits <= 40; bits += 3) {
        for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
            uint64_t sum = 0;

            hist_reset(&h);
            for (size_t i = 0; i < sizes[s]; i++) {
                values[i] = random_of_bits(bits);
                sum += values[i];
                hist_add(&h, values[i]);
            }
            assert_int_equal(h.sum, sum);
            check_percentiles(values, sizes[s]);
        }
    }
}

static void n_at_once_are_n_one_by_one(void **state)
{
    struct hist one_by_one = { 0 };

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        uint64_t v = random_of_bits(40);
        unsigned n = 1 + (unsigned)(next_random() % 20);

        hist_add_n(&h, v, n);
        while (n-- > 0)
            hist_add(&one_by_one, v);
    }
    assert_memory_equal(&h, &one_by_one, sizeof(h));
}

/* More values than can be multiplied by 1000. */
static void counts_near_the_end(void **state)
{
    (void)state;
    hist_add_n(&h, 5, 1ull << 62);
    hist_add_n(&h, 100, 1ull << 62);
    assert_int_equal(hist_percentile(&h, 1), 5);
    assert_int_equal(hist_percentile(&h, 500), 5);
    assert_int_equal(hist_percentile(&h, 501), 100);
    assert_int_equal(hist_percentile(&h, 1000), 100);
}

static void rows(void **state)
{
    uint64_t total = 0;

    (void)state;
    assert_int_equal(hist_row_low(0), 0);
    assert_int_equal(hist_row_high(&h, 0), 0);
    assert_int_equal(hist_row_low(1), 1);
    assert_int_equal(hist_row_high(&h, 1), 1);
    assert_int_equal(hist_row_low(3), 4);
    assert_int_equal(hist_row_high(&h, 3), 7);
    for (unsigned r = 1; r < HIST_ROWS; r++)
        assert_int_equal(hist_row_low(r), hist_row_high(&h, r - 1) + 1);
    for (unsigned r = 0; r < HIST_ROWS; r++) { /* r + 1 of them, at both ends and in the middle */
        uint64_t low = hist_row_low(r), high = hist_row_high(&h, r);

        hist_add(&h, low);
        hist_add_n(&h, low + (high - low) / 2, r);
        if (r % 2 == 1)
            hist_add(&h, high);
    }
    for (unsigned r = 0; r < HIST_ROWS; r++) {
        assert_int_equal(hist_row_count(&h, r), 1 + r + r % 2);
        total += hist_row_count(&h, r);
    }
    assert_int_equal(total, h.count);
    EXPECT_PANIC(hist_row_low(HIST_ROWS));
    EXPECT_PANIC(hist_row_high(&h, HIST_ROWS));
    EXPECT_PANIC(hist_row_count(&h, HIST_ROWS));
}

static void the_last_row_is_open(void **state)
{
    (void)state;
    assert_int_equal(hist_row_high(&h, HIST_ROWS - 1), (1ull << 40) - 1);
    hist_add(&h, 1ull << 50);
    assert_int_equal(hist_row_high(&h, HIST_ROWS - 1), 1ull << 50);
    assert_int_equal(hist_row_high(&h, HIST_ROWS - 2), (1ull << 39) - 1);
    assert_int_equal(hist_row_count(&h, HIST_ROWS - 1), 1);
}

static void reset(void **state)
{
    static const struct hist zero;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        hist_add(&h, next_random());
    hist_reset(&h);
    assert_memory_equal(&h, &zero, sizeof(h));
}

static void test_since(void **state)
{
    static struct hist now, before, recent;

    (void)state;
    hist_reset(&now);
    hist_reset(&before);
    hist_add(&now, 5);
    hist_since(&now, &before, &recent);
    assert_int_equal(recent.count, 1);
    assert_int_equal(hist_percentile(&recent, 500), 5);
    hist_add_n(&now, 100, 3);
    hist_since(&now, &before, &recent);
    assert_int_equal(recent.count, 3);
    assert_int_equal(recent.sum, 300);
    assert_int_equal(hist_percentile(&recent, 10), 100);
    hist_since(&now, &before, &recent);
    assert_int_equal(recent.count, 0);
    hist_reset(&now);
    hist_add(&now, 7);
    hist_since(&now, &before, &recent); /* zeroed in between */
    assert_int_equal(recent.count, 1);
    assert_int_equal(recent.sum, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(buckets_are_contiguous, setup),
        cmocka_unit_test_setup(every_small_value, setup),
        cmocka_unit_test_setup(large_values_share_the_last_bucket, setup),
        cmocka_unit_test_setup(empty, setup),
        cmocka_unit_test_setup(one_value_is_all_percentiles, setup),
        cmocka_unit_test_setup(percentiles, setup),
        cmocka_unit_test_setup(n_at_once_are_n_one_by_one, setup),
        cmocka_unit_test_setup(counts_near_the_end, setup),
        cmocka_unit_test_setup(rows, setup),
        cmocka_unit_test_setup(the_last_row_is_open, setup),
        cmocka_unit_test_setup(reset, setup),
        cmocka_unit_test(test_since),
    };

    return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
