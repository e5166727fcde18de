/*
 * The site: an index, made once at start, of the archive that the loader left in memory. A
 * lookup is one hash and gives a ready response whose body *is* the archive's memory; nothing
 * is unpacked and nothing copied. Bottom half (or boot).
 */
#ifndef HTTPD_SITE_H
#define HTTPD_SITE_H

#include "response.h"
#include <stddef.h>
#include <stdint.h>

struct site_entry;

struct site {
    struct site_entry **buckets;
    size_t bucket_count; /* a power of two */
    unsigned files;
    uint64_t bytes;                   /* of their contents */
    const struct response *not_found; /* the site's own /404.html as a 404, or the plain one */
    const char *error;                /* what is wrong with the archive, or NULL */
};

/* What the files' heads say besides, by path. */
struct site_options {
    const char *cache;    /* http_cache: Cache-Control by pattern (site_cache.h); or NULL */
    bool security_fields; /* http_security_headers */
};

/*
 * Index a ustar archive, which must stay where it is for ever. A path that stands twice means
 * the last one, as for tar. Directories with an index.html get their two names: "docs/" is that
 * file, "docs" a redirect to it. Files beside another with .gz, .br or .zst behind its name are
 * its variants. What is below ".tophalf/" is not served: scripts/mksite.sh tells there each
 * file's type and ETag. Without it the type is mime_type()'s, and the ETag is made of time and
 * size, as nginx makes it.
 *
 * Returns false when memory is short. A damaged archive is served up to the damage, and
 * site->error says what it is. site_free() is for either case.
 */
bool site_build(struct site *site, const void *archive, size_t bytes,
                const struct site_options *options);
void site_free(struct site *site);

/* The same for the files below "_/", which are the admin area's: `path` is what stands behind that;
 * "" is its index.html. No other lookup finds them. */
const struct response *site_find_admin(const struct site *site, const char *path, size_t len);

/* The response for a path as http_path_resolve() gives it, or NULL. */
const struct response *site_find(const struct site *site, const char *path, size_t len);

/*
 * The response for a request's target. Nearly every target is the path itself behind a slash, or
 * that and a query, and found so; only what is not goes through http_path_resolve() first. NULL:
 * there is none, and *status is what to refuse it with, 400 or 404.
 */
const struct response *site_find_target(const struct site *site, const char *target, size_t len,
                                        int *status);

#endif
