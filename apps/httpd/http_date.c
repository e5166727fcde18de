/* Dates: see http_date.h. */
#include "http_date.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <string.h>

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

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void http_date(char out[HTTP_DATE_BYTES], uint64_t unix_time)
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
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

/* ---- reading */

struct date {
    unsigned year, month, day, hour, minute, second; /* month from 0, day from 1 */
};

static bool match_month(const char *s, unsigned *month)
{
    for (*month = 0; *month < 12; (*month)++)
        if (memcmp(s, &months[*month * 3], 3) == 0)
            return true;
    return false;
}

/* Where strftime's letters put their numbers: d e (with a blank in front) H M S Y y. */
static unsigned *number_of(struct date *d, char letter)
{
    switch (letter) {
    case 'd':
    case 'e':
        return &d->day;
    case 'H':
        return &d->hour;
    case 'M':
        return &d->minute;
    case 'S':
        return &d->second;
    default:
        return &d->year;
    }
}

/* Digits, two or (Y) four, where they must stand. Returns what is behind them, or NULL. */
static const char *match_number(const char *s, const char *end, char letter, struct date *d)
{
    unsigned digits = letter == 'Y' ? 4 : 2, value = 0, i = 0;

    if (end - s < (int)digits)
        return NULL;
    if (letter == 'e' && *s == ' ')
        i = 1;
    for (; i < digits; i++) {
        if (s[i] < '0' || s[i] > '9')
            return NULL;
        value = value * 10 + (unsigned)(s[i] - '0');
    }
    if (letter == 'y') /* of the years that were when dates were written so */
        value += value < 70 ? 2000 : 1900;
    *number_of(d, letter) = value;
    return s + digits;
}

/* Against a pattern as strftime's, with %a for any three letters: days of the week say nothing
 * new. */
static bool match(const char *s, const char *end, const char *pattern, struct date *d)
{
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '%') {
            if (s == end || *s++ != *pattern)
                return false;
        } else if (*++pattern == 'a' || *pattern == 'b') {
            if (end - s < 3 || (*pattern == 'b' && !match_month(s, &d->month)))
                return false;
            s += 3;
        } else {
            s = match_number(s, end, *pattern, d);
            if (s == NULL)
                return false;
        }
    }
    return s == end;
}

static bool is_valid(const struct date *d)
{
    return d->year >= 1970 && d->day >= 1 && d->day <= month_days(d->month, d->year) &&
           d->hour < 24 && d->minute < 60 && d->second <= 60;
}

static uint64_t to_unix(const struct date *d)
{
    unsigned before = d->year - 1; /* years whose leap days have been */
    uint64_t days = (d->year - 1970) * 365ull + before / 4 - before / 100 + before / 400 - 477;

    for (unsigned month = 0; month < d->month; month++)
        days += month_days(month, d->year);
    days += d->day - 1;
    return days * DAY_SECONDS + d->hour * 3600u + d->minute * 60u + d->second;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool match_rfc850(const char *text, const char *end, struct date *d)
{
    static const char *const weekdays[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                            "Friday", "Saturday", "Sunday" };

    for (size_t i = 0; i < ARRAY_SIZE(weekdays); i++) {
        size_t len = strlen(weekdays[i]);

        if ((size_t)(end - text) > len && memcmp(text, weekdays[i], len) == 0)
            return match(text + len, end, ", %d-%b-%y %H:%M:%S GMT", d);
    }
    return false;
}

bool http_date_parse(const char *text, size_t len, uint64_t *unix_time)
{
    const char *end = text + len;
    struct date d = { 0 };

    if (!match(text, end, "%a, %d %b %Y %H:%M:%S GMT", &d) &&
        !match(text, end, "%a %b %e %H:%M:%S %Y", &d) && !match_rfc850(text, end, &d))
        return false;
    if (!is_valid(&d))
        return false;
    *unix_time = to_unix(&d);
    return true;
}
