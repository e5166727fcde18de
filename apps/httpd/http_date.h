/* Dates as HTTP writes them. Pure, any context. */
#ifndef HTTPD_HTTP_DATE_H
#define HTTPD_HTTP_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_DATE_BYTES 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and the terminator */

/* IMF-fixdate (RFC 9110 §5.6.7) of seconds since 1970 UTC; years up to 9999, later ones are
 * written as the end of 9999. */
void http_date(char out[HTTP_DATE_BYTES], uint64_t unix_time);

/* The other way: text[0..len) in that format or one of the two old ones that are still to be
 * understood (RFC 9110 §5.6.7), seconds since 1970. A weekday that is not that day's is overlooked.
 * False: it is no date, or before 1970. */
bool http_date_parse(const char *text, size_t len, uint64_t *unix_time);

#endif
