/* Escaped bytes of a URI: %41 is 'A' (RFC 3986 §2.1). Pure, any context. */
#ifndef HTTPD_HTTP_ESCAPE_H
#define HTTPD_HTTP_ESCAPE_H

#include <stddef.h>

static inline int http_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the three characters at `s`, of `len` that there are, stand for; -1: for none. NUL
 * is none: nothing here has a use for it but to deceive. */
static inline int http_escape(const char *s, size_t len)
{
    int hi, lo;

    if (len < 3)
        return -1;
    hi = http_hex_digit(s[1]);
    lo = http_hex_digit(s[2]);
    return hi < 0 || lo < 0 || (hi == 0 && lo == 0) ? -1 : hi << 4 | lo;
}

#endif
