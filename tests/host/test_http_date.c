/* IMF-fixdate, against the C library's calendar. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_as_strftime),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
