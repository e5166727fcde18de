/*
 * Cache-Control by pattern: "*.html=no-cache; *.woff2=public, max-age=31536000". The first that
 * matches counts; '*' stands for any characters, slashes too, '?' for one. A pattern that begins
 * with a slash is matched with the whole path, another one with the end of it. Pure.
 */
#ifndef HTTPD_SITE_CACHE_H
#define HTTPD_SITE_CACHE_H

#include "http_request.h"

/* What is wrong with the rules, or NULL. */
const char *site_cache_check(const char *rules);

/* The value for a path (without a slash in front); at == NULL: none. rules may be NULL. */
struct http_text site_cache_find(const char *rules, const char *path, size_t len);

#endif
