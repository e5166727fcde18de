/* Content types by file name extension. Pure, any context. */
#ifndef HTTPD_MIME_H
#define HTTPD_MIME_H

/* The Content-Type of a path, by the extension of its last segment (case-insensitive); text has
 * a charset. "application/octet-stream" for what is not known. A constant string. */
const char *mime_type(const char *path);

#endif
