/*
 * The characters of a request's head, by class, and runs of them. What a class holds, character
 * by character: tests/host/test_http_chars.c. Pure, any context; no byte at or behind `end` is
 * read.
 */
#ifndef HTTPD_HTTP_CHARS_H
#define HTTPD_HTTP_CHARS_H

#include "bytes.h"
#include <stdbool.h>
#include <stdint.h>

enum http_chars {
    HTTP_TOKEN = 1, /* RFC 9110 §5.6.2 */
    HTTP_VALUE = 2, /* field-vchar, SP, HTAB (RFC 9110 §5.5): no other control characters */
    /* What a target may hold: all that is visible, but for '#' and characters that no user agent
     * sends raw. Some that RFC 3986 wants encoded ({ } | ^ `) do come from browsers, and stay. */
    HTTP_TARGET = 4,
    HTTP_REG_NAME = 8, /* a host's name, but for escapes (RFC 3986 §3.2.2); a part of VALUE */
};

/* clang-format off */
static const uint8_t http_class[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 15, 2, 3, 15, 7, 15, 15, 14, 14, 15, 15, 14, 15, 15, 6,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6, 14, 2, 14, 2, 6,
    6, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6, 2, 6, 7, 15,
    7, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6, 7, 6, 15, 0,
    [128 ... 255] = HTTP_VALUE,
};
/* clang-format on */

static inline bool http_is(char c, enum http_chars of)
{
    return (http_class[(unsigned char)c] & of) != 0;
}

/* The first character from `s` on that is not of the class, or end. Four to a check of the end:
 * names, hosts and paths are too short for words to pay. */
static inline const char *http_skip(const char *s, const char *end, enum http_chars of)
{
    if (end - s >= 4) {
        const char *last = end - 4;

        do {
            if (!http_is(s[0], of))
                return s;
            if (!http_is(s[1], of))
                return s + 1;
            if (!http_is(s[2], of))
                return s + 2;
            if (!http_is(s[3], of))
                return s + 3;
            s += 4;
        } while (s <= last);
    }
    while (s < end && http_is(*s, of))
        s++;
    return s;
}

/* Of eight bytes, as bits in their places: those below 0x20 and 0x7f for certain. Behind one of
 * them or 0xff another may seem to be, for sums carry. */
static inline uint64_t http_controls(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101;

    return ((bytes - ones * 0x20) | (bytes + ones)) & ~bytes & ones * 0x80;
}

/* http_skip(s, end, HTTP_VALUE), for what may be long. */
static inline const char *http_skip_value(const char *s, const char *end)
{
    const char *last;

    if (end - s < 8)
        return http_skip(s, end, HTTP_VALUE);
    last = end - 8;
    do {
        uint64_t controls = http_controls(load64(s));

        if (controls == 0) {
            s += 8;
            continue;
        }
        s += __builtin_ctzll(controls) / 8;
        if (!http_is(*s, HTTP_VALUE))
            return s;
        s++;
    } while (s <= last);
    return http_skip(s, end, HTTP_VALUE);
}

#endif
