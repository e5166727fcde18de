/* The site's lookup: see site.h. site_build.c makes what is found here. */
#include "site_entry.h"
#include "bytes.h"
#include "http_path.h"
#include <kernel/lib.h>
#include <string.h>

static inline __attribute__((always_inline)) bool is_entry(const struct site_entry *entry,
                                                           uint32_t hash, const char *path,
                                                           size_t len)
{
    return entry->hash == hash && entry->path_len == len && same_bytes(entry->path, path, len);
}

static inline __attribute__((always_inline)) const struct site_entry *lookup(
    const struct site *site, const char *path, size_t len)
{
    uint32_t hash = hash_bytes(path, len);
    const struct site_entry *entry = site->buckets[hash & (site->bucket_count - 1)];

    while (entry != NULL && !is_entry(entry, hash, path, len))
        entry = entry->next;
    return entry;
}

const struct response *site_find(const struct site *site, const char *path, size_t len)
{
    const struct site_entry *entry = lookup(site, path, len);

    return entry != NULL ? &entry->response : NULL;
}

const struct response *site_find_admin(const struct site *site, const char *path, size_t len)
{
    char name[sizeof(SITE_ADMIN) + HTTP_PATH_MAX];
    size_t prefix = sizeof(SITE_ADMIN) - 1;

    if (len == 0) {
        path = "index.html";
        len = strlen(path);
    }
    if (len > HTTP_PATH_MAX)
        return NULL;
    memcpy(name, SITE_ADMIN, prefix);
    memcpy(name + prefix, path, len);
    return site_find(site, name, prefix + len);
}

/* The entry whose path is the target as it stands. */
static inline __attribute__((always_inline)) const struct site_entry *lookup_target(
    const struct site *site, const char *target, size_t len)
{
    const struct site_entry *entry = NULL;

    if (len > 0 && target[0] == '/')
        entry = lookup(site, target + 1, len - 1);
    return entry != NULL && entry->plain ? entry : NULL;
}

/* site_find_target() for what has a query, or escapes and dots, or is no file's. */
static __attribute__((noinline)) const struct response *find_resolved(const struct site *site,
                                                                      const char *target,
                                                                      size_t len, int *status)
{
    const char *query = memchr(target, '?', len);
    const struct site_entry *entry = NULL;
    char path[HTTP_PATH_MAX + 1];
    int path_len;

    if (query != NULL)
        entry = lookup_target(site, target, (size_t)(query - target));
    if (entry != NULL)
        return &entry->response;
    path_len = http_path_resolve(target, len, path, sizeof(path));
    *status = path_len < 0 ? -path_len : 404;
    return path_len < 0 ? NULL : site_find(site, path, (size_t)path_len);
}

const struct response *site_find_target(const struct site *site, const char *target, size_t len,
                                        int *status)
{
    const struct site_entry *entry = lookup_target(site, target, len);

    return likely(entry != NULL) ? &entry->response : find_resolved(site, target, len, status);
}
