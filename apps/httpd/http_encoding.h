/* Which encoding of a file the client takes best (RFC 9110 §12.5.3). Pure, any context. */
#ifndef HTTPD_HTTP_ENCODING_H
#define HTTPD_HTTP_ENCODING_H

#include "http_request.h"

enum http_encoding { HTTP_IDENTITY, HTTP_GZIP, HTTP_BR, HTTP_ZSTD, HTTP_ENCODINGS };

/* One of those that there are (a bit each, 1u << encoding; HTTP_IDENTITY always is). Where the
 * client takes none of them it gets the file as it is, rather than a 406 (§12.5.3 allows it). */
enum http_encoding http_encoding_choose(const struct http_request *request, unsigned available);

#endif
