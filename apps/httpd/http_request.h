/*
 * The head of an HTTP/1.x request (RFC 9112 §2-§3, §5): request line and fields up to the empty
 * line. One pure function without state: no allocation, no copy, any context. Nothing else in
 * the system parses HTTP.
 *
 * It is strict where leniency has made trouble: a bare LF, a folded line, blanks before the
 * colon, a second Host, two lengths, a length besides a transfer coding are all refused.
 */
#ifndef HTTPD_HTTP_REQUEST_H
#define HTTPD_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_REQUEST_LINE_MAX 4096 /* bytes without CR LF; over it 414 */
#define HTTP_HEAD_MAX         8192 /* bytes up to and with the empty line; over it 431 */
#define HTTP_FIELDS_MAX       64   /* over it 431 */

enum http_method {
    HTTP_OTHER, /* a valid method that we do not know */
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
};

struct http_request {
    enum http_method method;
    /* Path and query as sent, points into the buffer; starts with '/'. Of an absolute-form
     * target that is the part behind the authority. Empty for "*" and CONNECT's authority. */
    const char *target;
    size_t target_len;
    unsigned minor;          /* of HTTP/1.minor */
    bool keep_alive;         /* by version and Connection (RFC 9112 §9.3) */
    bool chunked;            /* a Transfer-Encoding stands: the body's end is not known here */
    bool expects_continue;   /* Expect: the body may never come (RFC 9110 §10.1.1) */
    uint64_t content_length; /* bytes of body that follow the head; 0 also when there is none */
};

/*
 * Parse buf[0..len), which may end anywhere and may hold more than one request. Returns
 *   > 0  the head's length in bytes; *out is filled
 *   0    the head is not complete yet: call again with more
 *   < 0  minus the status to refuse it with: 400, 414, 431 or 505. out->method is what was
 *        recognised until then.
 * No byte at or behind buf + len is read.
 */
int http_request_parse(const char *buf, size_t len, struct http_request *out);

#endif
