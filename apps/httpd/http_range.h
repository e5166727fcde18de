/* The Range field of a request (RFC 9110 §14). Pure, any context. */
#ifndef HTTPD_HTTP_RANGE_H
#define HTTPD_HTTP_RANGE_H

#include "http_request.h"
#include <stdint.h>

#define HTTP_RANGES_MAX 16

struct http_range {
    uint64_t first, bytes; /* bytes: at least 1 */
};

/*
 * The ranges of a representation of `size` bytes that a field asks for, in its order. Returns how
 * many there are; 0: the field is to be ignored, for it is malformed, in another unit, asks for
 * more than HTTP_RANGES_MAX, or for bytes twice (nobody needs that, and it makes of little
 * much: §17.15), or for the end of nothing; -416: none of them can be had.
 */
int http_ranges_parse(struct http_text field, uint64_t size,
                      struct http_range out[HTTP_RANGES_MAX]);

#endif
