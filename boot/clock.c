/* The firmware's time as the kernel counts it: UEFI 2.10 §8.3. Pure. */
#include "loader.h"

/* Days since 1970-01-01 in the proleptic Gregorian calendar, by years that begin in March. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    month += month <= 2 ? 9 : -3; /* March is 0, so that the leap day comes last */
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 -
           719468;
}

uint64_t clock_unix(const EFI_TIME *time)
{
    int64_t seconds;

    if (time->Year < 1970 || time->Year > 9999 || time->Month < 1 || time->Month > 12 ||
        time->Day < 1 || time->Day > 31 || time->Hour > 23 || time->Minute > 59 ||
        time->Second > 59)
        return 0;
    seconds = days_from_civil(time->Year, time->Month, time->Day) * 86400 + time->Hour * 3600 +
              time->Minute * 60 + time->Second;
    if (time->TimeZone >= -1440 && time->TimeZone <= 1440) /* or it is not specified */
        seconds += time->TimeZone * 60; /* minutes: local time = UTC - TimeZone */
    return seconds > 0 ? (uint64_t)seconds : 0;
}
