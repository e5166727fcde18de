/* Conditional requests (RFC 9110 §13). Pure, any context. */
#ifndef HTTPD_HTTP_CONDITIONAL_H
#define HTTPD_HTTP_CONDITIONAL_H

#include "http_request.h"

enum http_condition { HTTP_GO_ON, HTTP_NOT_MODIFIED, HTTP_PRECONDITION_FAILED };

/* What the conditions of a GET or HEAD say of a representation with this strong ETag (with its
 * quotes) and this time of change (seconds since 1970; 0: not known, so nothing depends on it). */
enum http_condition http_conditional(const struct http_request *request, struct http_text etag,
                                     uint64_t mtime);

/* Whether the request's Range is to be looked at: there is no If-Range, or it holds. */
bool http_if_range_holds(const struct http_request *request, struct http_text etag, uint64_t mtime);

#endif
