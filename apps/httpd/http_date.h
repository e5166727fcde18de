/* Dates as HTTP writes them. Pure, any context. */
#ifndef HTTPD_HTTP_DATE_H
#define HTTPD_HTTP_DATE_H

#include <stdint.h>

#define HTTP_DATE_BYTES 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and the terminator */

/* IMF-fixdate (RFC 9110 §5.6.7) of seconds since 1970 UTC; years up to 9999, later ones are
 * written as the end of 9999. */
void http_date(char out[HTTP_DATE_BYTES], uint64_t unix_time);

#endif
