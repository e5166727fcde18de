/* Rates of counters from one look to the next: for `watch`, and for `interrupts`. */
#include "rates.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/muldiv.h>

#define MILLI 1000u

void rates_begin(struct rates *r, uint64_t now_ns)
{
    r->known = MIN(r->next, RATES_MAX);
    r->next = 0;
    r->last_begun_ns = r->begun_ns;
    r->begun_ns = now_ns;
}

bool rates_next(struct rates *r, uint64_t value, uint64_t *per_second_milli)
{
    unsigned i = r->next++;
    uint64_t last;

    if (i >= RATES_MAX)
        return false;
    last = r->value[i];
    r->value[i] = value;
    if (i >= r->known || value < last || r->begun_ns <= r->last_begun_ns)
        return false;
    *per_second_milli = rate_milli(value - last, r->begun_ns - r->last_begun_ns);
    return true;
}

uint64_t rate_milli(uint64_t count, uint64_t ns)
{
    if (ns == 0)
        return 0;
    if (count / ns >= UINT64_MAX / (MILLI * NS_PER_SEC)) /* or the division would fault */
        return UINT64_MAX;
    return muldiv64(count, MILLI * NS_PER_SEC, ns);
}

const char *rate_text(char text[RATE_TEXT_MAX], uint64_t per_second_milli)
{
    uint64_t whole = per_second_milli / MILLI;
    unsigned tenths = (unsigned)(per_second_milli % MILLI / (MILLI / 10));

    if (whole >= 100 || per_second_milli == 0)
        fmt_snprintf(text, RATE_TEXT_MAX, "%llu", (unsigned long long)whole);
    else
        fmt_snprintf(text, RATE_TEXT_MAX, "%llu.%u", (unsigned long long)whole, tenths);
    return text;
}
