/* Range fields: what is asked for, clipped, refused and ignored. */
#include "request.h"
#include <httpd/http_range.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct http_range got[HTTP_RANGES_MAX];

static int ranges(const char *field, uint64_t size)
{
    return http_ranges_parse(text_of(field), size, got);
}

#define ASSERT_RANGE(i, first_, bytes_)                                                            \
    do {                                                                                           \
        assert_int_equal(got[i].first, first_);                                                    \
        assert_int_equal(got[i].bytes, bytes_);                                                    \
    } while (0)

static void test_one(void **state)
{
    (void)state;
    assert_int_equal(ranges("bytes=0-0", 100), 1);
    ASSERT_RANGE(0, 0, 1);
    assert_int_equal(ranges("BYTES=10-19", 100), 1);
    ASSERT_RANGE(0, 10, 10);
    assert_int_equal(ranges("bytes=90-", 100), 1);
    ASSERT_RANGE(0, 90, 10);
    assert_int_equal(ranges("bytes=-5", 100), 1);
    ASSERT_RANGE(0, 95, 5);
    assert_int_equal(ranges("bytes=-500", 100), 1);
    ASSERT_RANGE(0, 0, 100);
    assert_int_equal(ranges("bytes=50-1000", 100), 1);
    ASSERT_RANGE(0, 50, 50);
    assert_int_equal(ranges("bytes=0-99999999999999999999999999", 100), 1);
    ASSERT_RANGE(0, 0, 100);
    assert_int_equal(ranges("bytes=-99999999999999999999999999", 100), 1);
    ASSERT_RANGE(0, 0, 100);
}

static void test_several(void **state)
{
    (void)state;
    assert_int_equal(ranges("bytes=0-1,4-5", 100), 2);
    ASSERT_RANGE(0, 0, 2);
    ASSERT_RANGE(1, 4, 2);
    assert_int_equal(ranges("bytes= 50-59 ,\t0-9, -1 ", 100), 3); /* in the order asked for */
    ASSERT_RANGE(0, 50, 10);
    ASSERT_RANGE(1, 0, 10);
    ASSERT_RANGE(2, 99, 1);
    assert_int_equal(ranges("bytes=,,0-1,,", 100), 1);
    assert_int_equal(ranges("bytes=0-1,200-300", 100), 1); /* what can be had of it */
    ASSERT_RANGE(0, 0, 2);
}

static void test_unsatisfiable(void **state)
{
    (void)state;
    assert_int_equal(ranges("bytes=100-", 100), -416);
    assert_int_equal(ranges("bytes=100-200,300-", 100), -416);
    assert_int_equal(ranges("bytes=-0", 100), -416);
    assert_int_equal(ranges("bytes=0-", 0), -416);
    assert_int_equal(ranges("bytes=-0", 0), -416);
    assert_int_equal(ranges("bytes=0-,-0", 0), -416);
    assert_int_equal(ranges("bytes=-5", 0), 0); /* RFC 9110 §14.1.2: it can be had */
    assert_int_equal(ranges("bytes=0-,-5", 0), 0);
    assert_int_equal(ranges("bytes=99999999999999999999-", 100), -416);
}

static void test_ignored(void **state)
{
    static const char *const bad[] = {
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=5",
        "bytes=5-4",
        "bytes=0-1;",
        "bytes=0 -1",
        "bytes=0- 1",
        "lines=0-1",
        "bytes:0-1",
        "bytes=--1",
        "bytes=0-1-2",
        "bytes=0x1-2",
        "bytes=+1-2",
        "bytes =0-1",
        "bytes=0-1,x",
        "bytes=0-10,5-6",
        "bytes=0-,0-",
        "bytes=0-1,1-2",
        "bytes=-5,90-",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (ranges(bad[i], 100) != 0)
            fail_msg("\"%s\" is not ignored", bad[i]);
}

static void test_as_many_as_fit(void **state)
{
    char field[256] = "bytes=";

    (void)state;
    for (unsigned i = 0; i < HTTP_RANGES_MAX; i++)
        sprintf(field + strlen(field), "%s%u-%u", i > 0 ? "," : "", 2 * i, 2 * i);
    assert_int_equal(ranges(field, 100), HTTP_RANGES_MAX);
    strcat(field, ",90-");
    assert_int_equal(ranges(field, 100), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_unsatisfiable),
        cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_as_many_as_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
