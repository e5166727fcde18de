/*
 * Whose resource is meant, as Host and some targets say it: uri-host [ ":" port ] (RFC 9110 §7.2,
 * RFC 3986 §3.2.2, §3.2.3), or nothing. What is none is refused (RFC 9112 §3.2): a reader that
 * makes something of it may be led to another place than the one that looked at it first. No
 * userinfo (RFC 9110 §4.2.4), and no port without a host (§4.2.1). Pure, any context.
 */
#ifndef HTTPD_HTTP_AUTHORITY_H
#define HTTPD_HTTP_AUTHORITY_H

#include "http_chars.h"
#include "http_escape.h"
#include <stdbool.h>
#include <stddef.h>

static inline const char *http_skip_port(const char *s, const char *end)
{
    if (s < end && *s == ':')
        for (s++; s < end && *s >= '0' && *s <= '9'; s++)
            ;
    return s;
}

/* Behind the longest that begins at `s`, of those without escapes and brackets: nearly all. */
static inline const char *http_skip_authority(const char *s, const char *end)
{
    const char *port = http_skip(s, end, HTTP_REG_NAME);

    return port > s ? http_skip_port(port, end) : s;
}

/* Behind "[" address "]", or s: it is none. Which addresses there are is not looked at. */
static inline const char *http_skip_literal(const char *s, const char *end)
{
    const char *at = s + 1;

    while (at < end && (http_is(*at, HTTP_REG_NAME) || *at == ':'))
        at++;
    return at < end && *at == ']' && at - s > 2 ? at + 1 : s;
}

/* Whether s[0..len) is one. */
static inline bool http_is_authority(const char *s, size_t len)
{
    const char *end = s + len, *at = s;

    if (len > 0 && *s == '[') {
        at = http_skip_literal(s, end);
    } else {
        while ((at = http_skip(at, end, HTTP_REG_NAME)) < end && *at == '%' &&
               http_escape(at, (size_t)(end - at)) >= 0)
            at += 3;
    }
    return at > s ? http_skip_port(at, end) == end : len == 0;
}

#endif
