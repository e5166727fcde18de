/*
 * A chunked request body (RFC 9112 §7.1), to be read past: sizes, data, trailers, in pieces as they
 * come. Strict: what one reader could take for an end and another not is refused. Pure, any
 * context.
 */
#ifndef HTTPD_HTTP_CHUNKED_H
#define HTTPD_HTTP_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

struct http_chunked {
    uint64_t left;   /* bytes of this chunk's data that are still to come */
    uint64_t room;   /* bytes that chunks may still announce */
    uint32_t extras; /* bytes of extensions and trailers so far */
    uint8_t state;
    uint8_t digits; /* of this chunk's size so far */
};

/* The body begins; it may have at most max_bytes of data. */
void http_chunked_begin(struct http_chunked *body, uint64_t max_bytes);

/*
 * Go on with buf[0..len). *used is how much of it is the body's. Returns
 *   1   the body ends there: what follows is the next request
 *   0   all was used, more is to come
 *   < 0 minus the status to refuse the request with: 400, or 413 for too much data
 */
int http_chunked_skip(struct http_chunked *body, const void *buf, size_t len, size_t *used);

#endif
