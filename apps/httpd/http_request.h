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

/* What a head may have at most. */
struct http_limits {
    size_t line_bytes; /* the request line, without CR LF; over it 414 */
    size_t head_bytes; /* up to and with the empty line; over it 431 */
    unsigned fields;   /* over it 431 */
};

enum http_method {
    HTTP_OTHER, /* a valid method that we do not know: 501 */
    HTTP_GET,
    HTTP_HEAD,
    HTTP_OPTIONS,
    HTTP_POST,
    HTTP_DELETE,
    HTTP_KNOWN, /* PUT, PATCH, TRACE, CONNECT: 405 wherever they are sent */
};

/* Fields that are noted where they stand, for whoever wants them. */
enum http_field {
    HTTP_FIELD_OTHER,
    HTTP_HOST,
    HTTP_RANGE,
    HTTP_IF_RANGE,
    HTTP_IF_MATCH,
    HTTP_IF_NONE_MATCH,
    HTTP_IF_MODIFIED_SINCE,
    HTTP_IF_UNMODIFIED_SINCE,
    HTTP_ACCEPT_ENCODING,
    HTTP_AUTHORIZATION,
    HTTP_ORIGIN,
    HTTP_SEC_FETCH_SITE,
    HTTP_USER_AGENT,
    HTTP_REFERER,
    HTTP_NOTED_FIELDS, /* the others are used up by the parser */
    HTTP_CONNECTION = HTTP_NOTED_FIELDS,
    HTTP_CONTENT_LENGTH,
    HTTP_TRANSFER_ENCODING,
    HTTP_EXPECT,
};
#define HTTP_NOTES_MAX                                                                             \
    24 /* more than there are: repeated ones count too, the rest is not noted                      \
        */

/* A part of the request, not terminated. */
struct http_text {
    const char *at; /* NULL: there is none */
    size_t len;
};

struct http_note {
    enum http_field field;
    struct http_text value; /* without the blanks around it */
};

struct http_request {
    enum http_method method;
    struct http_text line; /* the request line as it was sent; empty until it is complete */
    /* Path and query as sent, points into the buffer; starts with '/'. Of an absolute-form
     * target that is the part behind the authority. Empty for "*" and CONNECT's authority. */
    const char *target;
    size_t target_len;
    unsigned minor;          /* of HTTP/1.minor */
    bool keep_alive;         /* by version and Connection (RFC 9112 §9.3) */
    bool chunked;            /* Transfer-Encoding: chunked */
    bool expects_continue;   /* Expect: the body may never come (RFC 9110 §10.1.1) */
    bool conditional;        /* a field stands that may make it another answer than the usual */
    uint64_t content_length; /* bytes of body that follow the head; 0 also when there is none */
    unsigned noted;
    struct http_note notes[HTTP_NOTES_MAX]; /* the first `noted`; point into the buffer */
};

/*
 * Parse buf[0..len), which may end anywhere and may hold more than one request. Returns
 *   > 0  the head's length in bytes; *out is filled
 *   0    the head is not complete yet: call again with more
 *   < 0  minus the status to refuse it with: 400, 414, 417, 421, 431, 501, 505. out->method is what
 *        was recognised until then.
 * No byte at or behind buf + len is read.
 */
int http_request_parse(const char *buf, size_t len, const struct http_limits *limits,
                       struct http_request *out);

/* The nth value (from 0) of a field that is noted; at == NULL when it does not stand so often. */
struct http_text http_request_field(const struct http_request *request, enum http_field field,
                                    unsigned nth);

#endif
