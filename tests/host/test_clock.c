/* boot/clock.c: the firmware's date against the C library's calendar. */
#define _DEFAULT_SOURCE
#include "loader.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

static EFI_TIME moment(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute,
                       unsigned second)
{
    return (EFI_TIME){ .Year = (UINT16)year,
                       .Month = (UINT8)month,
                       .Day = (UINT8)day,
                       .Hour = (UINT8)hour,
                       .Minute = (UINT8)minute,
                       .Second = (UINT8)second,
                       .TimeZone = EFI_UNSPECIFIED_TIMEZONE };
}

static void test_every_day(void **state)
{
    (void)state;
    /* up to 2242: across 2000 (a leap year) and 2100 and 2200 (none) */
    for (int64_t day = 0; day < 100000; day++) {
        time_t want = (time_t)day * 86400 + day % 86400;
        struct tm tm;
        EFI_TIME t;

        gmtime_r(&want, &tm);
        t = moment((unsigned)tm.tm_year + 1900, (unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday,
                   (unsigned)tm.tm_hour, (unsigned)tm.tm_min, (unsigned)tm.tm_sec);
        assert_int_equal(clock_unix(&t), want);
    }
}

static void test_time_zone(void **state)
{
    EFI_TIME t = moment(2024, 3, 1, 0, 30, 0); /* 1709253000 as UTC */

    (void)state;
    t.TimeZone = 0;
    assert_int_equal(clock_unix(&t), 1709253000);
    t.TimeZone = -60; /* local time is UTC + 1 h: it is February there */
    assert_int_equal(clock_unix(&t), 1709253000 - 3600);
    t.TimeZone = 480;
    assert_int_equal(clock_unix(&t), 1709253000 + 8 * 3600);
    t.TimeZone = 1441; /* no zone: as if it were UTC */
    assert_int_equal(clock_unix(&t), 1709253000);
    t = moment(1970, 1, 1, 0, 0, 0);
    t.TimeZone = -60;
    assert_int_equal(clock_unix(&t), 0);
}

static void test_no_date(void **state)
{
    static const unsigned bad[][6] = {
        { 0, 0, 0, 0, 0, 0 },     { 1969, 12, 31, 23, 59, 59 }, { 65535, 1, 1, 0, 0, 0 },
        { 2024, 0, 1, 0, 0, 0 },  { 2024, 13, 1, 0, 0, 0 },     { 2024, 1, 0, 0, 0, 0 },
        { 2024, 1, 32, 0, 0, 0 }, { 2024, 1, 1, 24, 0, 0 },     { 2024, 1, 1, 0, 60, 0 },
        { 2024, 1, 1, 0, 0, 60 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EFI_TIME t = moment(bad[i][0], bad[i][1], bad[i][2], bad[i][3], bad[i][4], bad[i][5]);

        assert_int_equal(clock_unix(&t), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_time_zone),
        cmocka_unit_test(test_no_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
