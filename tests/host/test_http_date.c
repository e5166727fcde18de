/* Dates, against the C library's calendar. */
#include <httpd/http_date.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static void gives(uint64_t when, const char *text)
{
    char out[HTTP_DATE_BYTES];

    http_date(out, when);
    assert_string_equal(out, text);
}

static void test_known(void **state)
{
    (void)state;
    gives(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    gives(784111777, "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110's example */
    gives(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
    gives(4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"); /* 2100 is no leap year */
    gives(253402300799, "Fri, 31 Dec 9999 23:59:59 GMT");
    gives(253402300800, "Fri, 31 Dec 9999 23:59:59 GMT");
    gives(UINT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
}

/* One moment in every five days of a thousand years. */
static void test_as_strftime(void **state)
{
    (void)state;
    for (uint64_t when = 0; when < 1000ull * 365 * 86400; when += 5 * 86400 + 3671) {
        time_t t = (time_t)when;
        struct tm tm;
        char text[64];

        gmtime_r(&t, &tm);
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        gives(when, text);
    }
}

static bool parses(const char *text, uint64_t *when)
{
    size_t len = strlen(text);
    char *copy = test_malloc(len + 1); /* what is behind it must not be read */
    bool ok;

    memcpy(copy, text, len);
    ok = http_date_parse(copy, len, when);
    test_free(copy);
    return ok;
}

static void test_reading(void **state)
{
    static const char *const same[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994", "Mon, 06 Nov 1994 08:49:37 GMT", /* was no Monday: overlooked */
    };
    uint64_t when;

    (void)state;
    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
        assert_true(parses(same[i], &when));
        assert_int_equal(when, 784111777);
    }
    assert_true(parses("Tue Feb 29 00:00:00 2000", &when));
    assert_int_equal(when, 951782400);
    assert_true(parses("Saturday, 01-Jan-00 00:00:00 GMT", &when));
    assert_int_equal(when, 946684800);
}

static void test_no_dates(void **state)
{
    static const char *const bad[] = {
        "",
        "0",
        "Sun",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Wed, 31 Nov 1994 08:49:37 GMT",
        "Mon, 29 Feb 1999 08:49:37 GMT",
        "Mon, 29 Feb 2100 08:49:37 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Funday, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 06 08:49:37 94",
    };
    uint64_t when;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (parses(bad[i], &when))
            fail_msg("\"%s\" is taken for a date", bad[i]);
}

/* What is written is read again. */
static void test_round_trip(void **state)
{
    (void)state;
    for (uint64_t when = 0; when < 253402300800; when += 86400 * 13 + 4211) {
        char text[HTTP_DATE_BYTES];
        uint64_t back;

        http_date(text, when);
        assert_true(http_date_parse(text, HTTP_DATE_BYTES - 1, &back));
        assert_int_equal(back, when);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),      cmocka_unit_test(test_as_strftime),
        cmocka_unit_test(test_reading),    cmocka_unit_test(test_no_dates),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
