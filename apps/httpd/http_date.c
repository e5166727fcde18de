/* IMF-fixdate: see http_date.h. */
#include "http_date.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <stdbool.h>

#define DAY_SECONDS 86400u
#define TIME_MAX    253402300799ull /* 9999-12-31 23:59:59 */

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(unsigned month, unsigned year)
{
    static const unsigned char days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[month] + (month == 1 && is_leap(year));
}

void http_date(char out[HTTP_DATE_BYTES], uint64_t unix_time)
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t time = MIN(unix_time, TIME_MAX);
    unsigned day = (unsigned)(time / DAY_SECONDS), second = (unsigned)(time % DAY_SECONDS);
    unsigned weekday = day % 7, year = 1970, month = 0;

    /* 400 years have the same number of days always; the rest is few enough to count. */
    year += day / 146097 * 400;
    day %= 146097;
    for (; day >= 365u + is_leap(year); year++)
        day -= 365u + is_leap(year);
    for (; day >= month_days(month, year); month++)
        day -= month_days(month, year);
    fmt_snprintf(out, HTTP_DATE_BYTES, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
                 &weekdays[weekday * 3], day + 1, &months[month * 3], year, second / 3600,
                 second / 60 % 60, second % 60);
}
