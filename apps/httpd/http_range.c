/* Byte ranges: see http_range.h. Source: RFC 9110 §14.1.2, §14.2. */
#include "http_range.h"
#include "bytes.h"
#include <kernel/lib.h>

/* The last byte of a range without one: as much as there is. */
#define NO_POSITION UINT64_MAX

static const char *skip_blanks(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    return s;
}

/* *DIGIT: what is too large for any file counts as the largest. NO_POSITION where none stands. */
static const char *parse_position(const char *s, const char *end, uint64_t *out)
{
    uint64_t value = 0;
    const char *start = s;

    for (; s < end && *s >= '0' && *s <= '9'; s++)
        value =
            value > (NO_POSITION - 10) / 10 ? NO_POSITION - 1 : value * 10 + (uint64_t)(*s - '0');
    *out = s > start ? MIN(value, NO_POSITION - 1) : NO_POSITION;
    return s;
}

/* first "-" [last], or "-" suffix-length. NULL: malformed. */
static const char *parse_spec(const char *s, const char *end, uint64_t *first, uint64_t *last)
{
    s = parse_position(s, end, first);
    if (s == end || *s != '-')
        return NULL;
    s = parse_position(s + 1, end, last);
    if (*first == NO_POSITION ? *last == NO_POSITION : *last < *first)
        return NULL;
    return s;
}

/* What there is of it. False: nothing. */
static bool clip(uint64_t first, uint64_t last, uint64_t size, struct http_range *out)
{
    if (first == NO_POSITION) { /* the last so many */
        out->bytes = MIN(last, size);
        out->first = size - out->bytes;
        return out->bytes > 0;
    }
    if (first >= size)
        return false;
    out->first = first;
    out->bytes = MIN(last, size - 1) - first + 1;
    return true;
}

static bool overlaps_any(const struct http_range *range, const struct http_range *others,
                         unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (range->first < others[i].first + others[i].bytes &&
            others[i].first < range->first + range->bytes)
            return true;
    return false;
}

/* None of the ranges has a byte: what to do. Of an empty file a suffix can be had (§14.1.2), but no
 * Content-Range can say so: all of it is as good (§14.2). */
static int nothing_of(uint64_t size, bool suffix)
{
    return size == 0 && suffix ? 0 : -416;
}

int http_ranges_parse(struct http_text field, uint64_t size, struct http_range out[HTTP_RANGES_MAX])
{
    const char *s = field.at + 6, *end = field.at + field.len;
    unsigned specs = 0, count = 0;
    bool suffix = false; /* of more than nothing */

    if (field.len < 6 || !same_name(field.at, "bytes=", 6))
        return 0;
    for (;;) {
        struct http_range range;
        uint64_t first, last;

        s = skip_blanks(s, end);
        if (s < end && *s == ',') { /* an empty element of the list (§5.6.1) */
            s++;
            continue;
        }
        if (s == end)
            break;
        s = parse_spec(s, end, &first, &last);
        if (s == NULL || ++specs > HTTP_RANGES_MAX)
            return 0;
        s = skip_blanks(s, end);
        if (s < end && *s != ',')
            return 0;
        suffix |= first == NO_POSITION && last > 0;
        if (!clip(first, last, size, &range))
            continue;
        if (overlaps_any(&range, out, count))
            return 0;
        out[count++] = range;
    }
    if (count > 0)
        return (int)count;
    return specs > 0 ? nothing_of(size, suffix) : 0;
}
