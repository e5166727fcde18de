/*
 * From a request's target to the name of a file: percent-decoding, dot segments, repeated
 * slashes. Pure, any context.
 */
#ifndef HTTPD_HTTP_PATH_H
#define HTTPD_HTTP_PATH_H

#include <stddef.h>

#define HTTP_PATH_MAX 255 /* bytes; as long as a name in the archive can be */

/*
 * Resolve target[0..len), which starts with '/', without its query, into out[0..size): the path
 * below the root, without the slash in front ("" is the root itself). A slash at its end stays:
 * "docs/" is a directory, "docs" is not. Terminated. Returns its length, or minus the status:
 * 400 for a bad escape, a NUL, or a way out of the root; 404 for what fits no file's name.
 */
int http_path_resolve(const char *target, size_t len, char *out, size_t size);

/* Write path for a header or a link, with what RFC 3986 does not allow there escaped.
 * Terminated; returns the length, or -1 when it does not fit. */
int http_path_escape(const char *path, char *out, size_t size);

#endif
