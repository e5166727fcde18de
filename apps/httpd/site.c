/* The site's index: see site.h. */
#include "site.h"
#include "bytes.h"
#include "http_date.h"
#include "http_path.h"
#include "mime.h"
#include <boot/ustar.h>
#include <kernel/fmt.h>
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <string.h>

#define INDEX "index.html"

/* One name of one file; the path and the head's text stand behind the struct. */
struct site_entry {
    struct site_entry *next; /* in its bucket */
    uint32_t hash;
    bool plain; /* what http_path_resolve() makes of the path is the path */
    size_t path_len;
    const char *path;
    struct response response;
};

static bool is_plain(const char *path, size_t len)
{
    char target[HTTP_PATH_MAX + 2], resolved[HTTP_PATH_MAX + 1];

    if (len > HTTP_PATH_MAX)
        return false;
    target[0] = '/';
    memcpy(target + 1, path, len);
    return http_path_resolve(target, len + 1, resolved, sizeof(resolved)) == (int)len &&
           memcmp(resolved, path, len) == 0;
}

static uint32_t hash_of(const char *path, size_t len)
{
    return hash_bytes(path, len); /* the names are ours: nobody makes its chains long */
}

static bool is_entry(const struct site_entry *entry, uint32_t hash, const char *path, size_t len)
{
    return entry->hash == hash && entry->path_len == len && same_bytes(entry->path, path, len);
}

static inline __attribute__((always_inline)) const struct site_entry *lookup(
    const struct site *site, const char *path, size_t len)
{
    uint32_t hash = hash_of(path, len);
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

/* Where the pointer to this path's entry stands, or would. */
static struct site_entry **find_slot(const struct site *site, const char *path, size_t len)
{
    uint32_t hash = hash_of(path, len);
    struct site_entry **slot = &site->buckets[hash & (site->bucket_count - 1)];

    while (*slot != NULL && !is_entry(*slot, hash, path, len))
        slot = &(*slot)->next;
    return slot;
}

/* Enter a response under a path, instead of what stood there. Copies path and head. */
static const struct response *add(struct site *site, const char *path, size_t path_len,
                                  const struct response *response)
{
    struct site_entry **slot = find_slot(site, path, path_len);
    struct site_entry *old = *slot;
    struct site_entry *entry = kmalloc(sizeof(*entry) + response->head_len + path_len);
    char *text;

    if (entry == NULL)
        return NULL;
    text = (char *)(entry + 1);
    memcpy(text, response->head, response->head_len);
    memcpy(text + response->head_len, path, path_len);
    *entry = (struct site_entry){ .next = old != NULL ? old->next : NULL,
                                  .hash = hash_bytes(path, path_len),
                                  .plain = is_plain(path, path_len),
                                  .path_len = path_len,
                                  .path = text + response->head_len,
                                  .response = *response };
    entry->response.head = text;
    *slot = entry;
    kfree(old);
    return &entry->response;
}

/* The directory `path` (with its slash) is the response; without the slash, a redirect to it. */
static bool add_directory(struct site *site, const char *path, size_t len,
                          const struct response *response)
{
    struct response redirect = *response_for_status(301);
    char escaped[3 * USTAR_PATH_MAX + 1], location[sizeof(escaped) + 16];
    char directory[USTAR_PATH_MAX + 1], head[RESPONSE_HEAD_MAX];
    int n;

    if (add(site, path, len, response) == NULL)
        return false;
    if (len == 0)
        return true; /* the root has no other name */
    memcpy(directory, path, len);
    directory[len] = '\0';
    if (http_path_escape(directory, escaped, sizeof(escaped)) < 0)
        return true;
    fmt_snprintf(location, sizeof(location), "Location: /%s\r\n", escaped);
    n = response_format_head(head, sizeof(head) - 128, 301, "text/html; charset=utf-8",
                             redirect.body_bytes, location);
    if (n < 0)
        return true; /* so long a name is served under its full form only */
    redirect.head = head;
    redirect.head_len = (size_t)n;
    return add(site, path, len - 1, &redirect) != NULL;
}

static bool add_file(struct site *site, const struct ustar_entry *file)
{
    char head[RESPONSE_HEAD_MAX], modified[64] = "", date[HTTP_DATE_BYTES];
    const char *slash = strrchr(file->path, '/');
    const char *name = slash != NULL ? slash + 1 : file->path;
    const struct response *old = site_find(site, file->path, strlen(file->path));
    struct response response = {
        .status = 200, .head = head, .body = file->data, .body_bytes = file->bytes
    };

    if (file->mtime != 0) {
        http_date(date, file->mtime);
        fmt_snprintf(modified, sizeof(modified), "Last-Modified: %s\r\n", date);
    }
    response.head_len = (size_t)response_format_head(head, sizeof(head), 200, mime_type(file->path),
                                                     file->bytes, modified);
    site->files += old == NULL;
    site->bytes += file->bytes - (old != NULL ? old->body_bytes : 0);
    if (add(site, file->path, strlen(file->path), &response) == NULL)
        return false;
    return strcmp(name, INDEX) != 0 ||
           add_directory(site, file->path, (size_t)(name - file->path), &response);
}

/* /404.html, where the site has one, is what a 404 shows. */
static bool add_not_found(struct site *site)
{
    const struct response *page = site_find(site, "404.html", 8);
    struct response response;
    char head[RESPONSE_HEAD_MAX];

    site->not_found = response_for_status(404);
    if (page == NULL)
        return true;
    response = *page;
    response.status = 404;
    response.head = head;
    response.head_len = (size_t)response_format_head(
        head, sizeof(head), 404, "text/html; charset=utf-8", page->body_bytes, "");
    /* Under a name that no request's path can have. */
    site->not_found = add(site, "/404", 4, &response);
    return site->not_found != NULL;
}

static bool add_all(struct site *site, const void *archive, size_t bytes)
{
    struct ustar_reader reader;
    struct ustar_entry entry;
    int more;

    ustar_open(&reader, archive, bytes);
    while ((more = ustar_next(&reader, &entry)) > 0)
        if (entry.type == '0' && !add_file(site, &entry))
            return false;
    if (more < 0)
        site->error = reader.error;
    return add_not_found(site);
}

/* Three names a file at most: about one entry a bucket. */
static size_t count_buckets(const void *archive, size_t bytes)
{
    struct ustar_reader reader;
    struct ustar_entry entry;
    size_t files = 0, buckets = 16;

    ustar_open(&reader, archive, bytes);
    while (ustar_next(&reader, &entry) > 0)
        files++;
    while (buckets < 2 * files && buckets < (1u << 18))
        buckets *= 2;
    return buckets;
}

bool site_build(struct site *site, const void *archive, size_t bytes)
{
    memset(site, 0, sizeof(*site));
    site->bucket_count = count_buckets(archive, bytes);
    site->buckets = kzalloc(site->bucket_count * sizeof(struct site_entry *));
    if (site->buckets == NULL) {
        site->bucket_count = 0;
        return false;
    }
    return add_all(site, archive, bytes);
}

void site_free(struct site *site)
{
    for (size_t i = 0; i < site->bucket_count; i++) {
        while (site->buckets[i] != NULL) {
            struct site_entry *entry = site->buckets[i];

            site->buckets[i] = entry->next;
            kfree(entry);
        }
    }
    kfree(site->buckets);
    memset(site, 0, sizeof(*site));
}
