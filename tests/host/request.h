/* Requests for tests of what is made of their fields. */
#ifndef TESTS_HOST_REQUEST_H
#define TESTS_HOST_REQUEST_H

#include <assert.h>
#include <httpd/http_request.h>
#include <stdio.h>
#include <string.h>

static const struct http_limits test_limits = { .line_bytes = 4096,
                                                .head_bytes = 8192,
                                                .fields = 64 };

/* GET / with these fields ("Name: value\r\n..."). */
static inline struct http_request request_with(const char *fields)
{
    static char text[8192];
    struct http_request request;
    int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    int r = http_request_parse(text, (size_t)n, &test_limits, &request);

    assert(r == n);
    return request;
}

static inline struct http_text text_of(const char *s)
{
    return (struct http_text){ .at = s, .len = strlen(s) };
}

#endif
