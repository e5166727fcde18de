/* The query of a target: name=value pairs between &, escaped (WHATWG URL §5). Pure code. */
#ifndef HTTPD_HTTP_QUERY_H
#define HTTPD_HTTP_QUERY_H

#include <stddef.h>

/* One pair, still escaped; the texts are not terminated. */
struct http_pair {
    const char *name, *value; /* value: "" where there is no '=' */
    size_t name_len, value_len;
};

/* The next pair of [*at, end), empty ones skipped. Returns 0 when there is none, else 1. */
int http_query_next(const char **at, const char *end, struct http_pair *pair);

/* Decode a value: %41 is 'A', '+' a space. Returns its length, or -1 where an escape is none or it
 * does not fit `size` bytes with a terminating NUL. An escaped NUL is none. */
int http_query_decode(const char *value, size_t len, char *out, size_t size);

#endif
