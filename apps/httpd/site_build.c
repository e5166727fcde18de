/*
 * The site's index, made at start: see site.h. First all names, then what is told of them, then the
 * heads, for a file's head depends on which others there are.
 */
#include "bytes.h"
#include "http_date.h"
#include "http_path.h"
#include "mime.h"
#include "site_cache.h"
#include "site_entry.h"
#include <boot/ustar.h>
#include <kernel/fmt.h>
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/time.h>
#include <string.h>

#define INDEX         "index.html"
#define PRIVATE       ".tophalf/"
#define PRIVATE_INDEX PRIVATE "index"
#define TYPE_MAX      128 /* bytes of a Content-Type */
#define ETAG_MAX      64

#define NOSNIFF "X-Content-Type-Options: nosniff\r\n"
/* The dashboard's files are ours: no script but their own, in nobody's frame. */
#define ADMIN_SECURITY                                                                             \
    NOSNIFF "Content-Security-Policy: default-src 'self'; frame-ancestors 'none'; "                \
            "base-uri 'none'; form-action 'none'\r\n"                                              \
            "Referrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\n"

struct builder {
    struct site *site;
    const struct site_options *options;
    struct http_text index; /* the archive's own; at == NULL: it has none */
};

/* ---------------------------------------------------------------- names */

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

/* Where the pointer to this path's entry stands, or would. */
static struct site_entry **find_slot(const struct site *site, const char *path, size_t len)
{
    uint32_t hash = hash_bytes(path, len);
    struct site_entry **slot = &site->buckets[hash & (site->bucket_count - 1)];

    while (*slot != NULL && ((*slot)->hash != hash || (*slot)->path_len != len ||
                             memcmp((*slot)->path, path, len) != 0))
        slot = &(*slot)->next;
    return slot;
}

static struct site_entry *find(const struct site *site, const char *path, size_t len)
{
    return *find_slot(site, path, len);
}

/* The entry of that name, a new one if there is none. NULL: no memory. */
static struct site_entry *enter(struct site *site, const char *path, size_t len)
{
    struct site_entry **slot = find_slot(site, path, len);
    struct site_entry *entry = *slot;
    char *text;

    if (entry != NULL)
        return entry;
    entry = kzalloc(sizeof(*entry) + len + 1);
    if (entry == NULL)
        return NULL;
    text = (char *)(entry + 1);
    memcpy(text, path, len);
    entry->hash = hash_bytes(path, len);
    entry->plain = is_plain(path, len);
    entry->path = text;
    entry->path_len = len;
    *slot = entry;
    return entry;
}

static bool begins_with(const char *path, const char *what)
{
    return strncmp(path, what, strlen(what)) == 0;
}

/* No Last-Modified is later than the answer's date (RFC 9110 §8.8.2.1): what claims to be was
 * modified when the system started. */
static uint64_t not_in_the_future(uint64_t mtime)
{
    uint64_t now = time_unix();

    return now != 0 ? MIN(mtime, now) : mtime;
}

/* One file of the archive. */
static bool add_file(struct builder *b, const struct ustar_entry *file)
{
    char hidden[sizeof(SITE_HIDDEN) + USTAR_PATH_MAX];
    const char *name = file->path;
    bool is_admin = begins_with(name, SITE_FOLDER);
    struct site_entry *entry;

    if (begins_with(name, PRIVATE)) {
        if (strcmp(name, PRIVATE_INDEX) == 0)
            b->index = (struct http_text){ .at = (const char *)file->data, .len = file->bytes };
        return true;
    }
    if (is_admin) {
        fmt_snprintf(hidden, sizeof(hidden), SITE_HIDDEN "%s", name);
        name = hidden;
    }
    entry = enter(b->site, name, strlen(name));
    if (entry == NULL)
        return false;
    if (!is_admin) {
        b->site->files += entry->response.status == 0;
        b->site->bytes += file->bytes - entry->response.body_bytes;
    }
    entry->response = (struct response){ .status = 200,
                                         .body = file->data,
                                         .body_bytes = file->bytes,
                                         .mtime = not_in_the_future(file->mtime) };
    return true;
}

static bool add_files(struct builder *b, const void *archive, size_t bytes)
{
    struct ustar_reader reader;
    struct ustar_entry entry;
    int more;

    ustar_open(&reader, archive, bytes);
    while ((more = ustar_next(&reader, &entry)) > 0)
        if (entry.type == '0' && !add_file(b, &entry))
            return false;
    if (more < 0)
        b->site->error = reader.error;
    return true;
}

/* ---------------------------------------------------------------- what the archive tells */

/* Up to the tab, or the end; *line moves behind it. */
static struct http_text next_column(struct http_text *line)
{
    const char *tab = memchr(line->at, '\t', line->len);
    struct http_text column = { line->at, tab != NULL ? (size_t)(tab - line->at) : line->len };
    size_t taken = MIN(column.len + 1, line->len);

    line->at += taken;
    line->len -= taken;
    return column;
}

static bool is_visible(struct http_text text, size_t max)
{
    if (text.len == 0 || text.len > max)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < ' ' || text.at[i] > '~' || text.at[i] == '"')
            return false;
    return true;
}

/* ETag, type ("-": not known), path. What is no such line, or of no file, is passed over. */
static void read_line(const struct builder *b, struct http_text line)
{
    struct http_text etag = next_column(&line), type = next_column(&line);
    char hidden[sizeof(SITE_HIDDEN) + USTAR_PATH_MAX];
    struct site_entry *entry = NULL;

    if (!is_visible(etag, ETAG_MAX - 3) || !is_visible(type, TYPE_MAX) || line.len > USTAR_PATH_MAX)
        return;
    if (line.len > 2 && memcmp(line.at, SITE_FOLDER, 2) == 0) {
        int n = fmt_snprintf(hidden, sizeof(hidden), SITE_HIDDEN "%.*s", (int)line.len, line.at);

        entry = find(b->site, hidden, (size_t)n);
    } else {
        entry = find(b->site, line.at, line.len);
    }
    if (entry != NULL) {
        entry->etag = etag;
        if (type.len > 1)
            entry->type = type;
    }
}

static void read_index(const struct builder *b)
{
    const char *at = b->index.at, *end;

    if (at == NULL)
        return;
    end = at + b->index.len;
    while (at < end) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        const char *stop = lf != NULL ? lf : end;

        read_line(b, (struct http_text){ .at = at, .len = (size_t)(stop - at) });
        at = lf != NULL ? lf + 1 : end;
    }
}

/* ---------------------------------------------------------------- heads */

static bool is_admin(const struct site_entry *entry)
{
    return begins_with(entry->path, SITE_ADMIN);
}

static struct http_text type_of(const struct site_entry *entry)
{
    char path[USTAR_PATH_MAX + 2];
    const char *type;

    if (entry->type.at != NULL)
        return entry->type;
    fmt_snprintf(path, sizeof(path), "%.*s", (int)entry->path_len, entry->path);
    type = mime_type(path);
    return (struct http_text){ .at = type, .len = strlen(type) };
}

/* With its quotes; without an index as nginx makes it. */
static struct http_text etag_of(const struct site_entry *entry, char out[ETAG_MAX])
{
    int n = entry->etag.at != NULL
                ? fmt_snprintf(out, ETAG_MAX, "\"%.*s\"", (int)entry->etag.len, entry->etag.at)
                : fmt_snprintf(out, ETAG_MAX, "\"%llx-%llx\"",
                               (unsigned long long)entry->response.mtime,
                               (unsigned long long)entry->response.body_bytes);

    return (struct http_text){ .at = out, .len = (size_t)n };
}

static struct response_file describe(const struct builder *b, const struct site_entry *entry,
                                     char etag[ETAG_MAX])
{
    static const char no_cache[] = "no-cache";
    struct response_file file = { .type = type_of(entry),
                                  .etag = etag_of(entry, etag),
                                  .mtime = entry->response.mtime,
                                  .varies = entry->response.variants != NULL,
                                  .body = entry->response.body,
                                  .body_bytes = entry->response.body_bytes };

    if (is_admin(entry)) {
        file.cache_control = (struct http_text){ no_cache, sizeof(no_cache) - 1 };
        file.security = ADMIN_SECURITY;
    } else {
        file.cache_control = site_cache_find(b->options->cache, entry->path, entry->path_len);
        file.security = b->options->security_fields ? NOSNIFF : NULL;
    }
    return file;
}

/* The response with a head of its own memory, which is the result; NULL: none. Where a head gets
 * too long it is Cache-Control that is. */
static char *make_response(struct response *out, struct response_file *file)
{
    const struct response *const *variants = out->variants;
    char head[RESPONSE_HEAD_MAX], *copy;
    size_t room = sizeof(head) - RESPONSE_ENDS_MAX;

    if (!response_make_file(out, head, room, file)) {
        file->cache_control.at = NULL;
        if (!response_make_file(out, head, room, file))
            return NULL;
    }
    copy = kmalloc(out->head_len);
    if (copy == NULL)
        return NULL;
    memcpy(copy, head, out->head_len);
    out->head = copy;
    out->etag.at = copy + (out->etag.at - head);
    out->variants = variants;
    return copy;
}

/* ---------------------------------------------------------------- variants */

static const struct {
    const char *suffix, *name;
} encodings[HTTP_ENCODINGS] = {
    [HTTP_GZIP] = { ".gz", "gzip" },
    [HTTP_BR] = { ".br", "br" },
    [HTTP_ZSTD] = { ".zst", "zstd" },
};

static struct site_entry *find_encoded(const struct site *site, const struct site_entry *entry,
                                       unsigned encoding)
{
    char path[USTAR_PATH_MAX + 8];
    int n = fmt_snprintf(path, sizeof(path), "%.*s%s", (int)entry->path_len, entry->path,
                         encodings[encoding].suffix);

    return n < (int)sizeof(path) ? find(site, path, (size_t)n) : NULL;
}

/* Which others are this file, encoded. */
static void link_variants(const struct builder *b, struct site_entry *entry)
{
    for (unsigned i = HTTP_IDENTITY + 1; i < HTTP_ENCODINGS; i++)
        if (find_encoded(b->site, entry, i) != NULL) {
            entry->variants[HTTP_IDENTITY] = &entry->response;
            entry->response.variants = entry->variants;
        }
}

/* `other` as a variant of this file: its body and ETag, this one's type and rules. */
static bool make_variant(const struct builder *b, struct site_entry *entry,
                         struct site_entry *other, unsigned encoding)
{
    char etag[ETAG_MAX];
    struct response_file file = describe(b, entry, etag);

    other->encoded = kzalloc(sizeof(*other->encoded));
    if (other->encoded == NULL)
        return false;
    file.encoding = encodings[encoding].name;
    file.etag = etag_of(other, etag);
    file.mtime = other->response.mtime;
    file.body = other->response.body;
    file.body_bytes = other->response.body_bytes;
    entry->variants[encoding] = other->encoded;
    return make_response(other->encoded, &file) != NULL;
}

static bool make_heads(const struct builder *b, struct site_entry *entry)
{
    char etag[ETAG_MAX];
    struct response_file file;

    link_variants(b, entry);
    for (unsigned i = HTTP_IDENTITY + 1; i < HTTP_ENCODINGS; i++) {
        struct site_entry *other = find_encoded(b->site, entry, i);

        if (other != NULL && !make_variant(b, entry, other, i))
            return false;
    }
    file = describe(b, entry, etag);
    entry->head_text = make_response(&entry->response, &file);
    return entry->head_text != NULL;
}

/* ---------------------------------------------------------------- other names */

/* The redirect from a directory's name without its slash. A name too long for it has none. */
static bool add_redirect(struct site *site, const char *path, size_t len)
{
    char escaped[3 * USTAR_PATH_MAX + 1], location[sizeof(escaped) + 16];
    char directory[USTAR_PATH_MAX + 1], head[RESPONSE_HEAD_MAX];
    struct response redirect = *response_for_status(301);
    struct site_entry *entry;
    int n;

    memcpy(directory, path, len);
    directory[len] = '\0';
    if (http_path_escape(directory, escaped, sizeof(escaped)) < 0)
        return true;
    fmt_snprintf(location, sizeof(location), "Location: /%s\r\n", escaped);
    n = response_format_head(head, sizeof(head) - RESPONSE_ENDS_MAX, 301,
                             "text/html; charset=utf-8", redirect.body_bytes, location);
    if (n < 0)
        return true;
    entry = enter(site, path, len - 1);
    if (entry == NULL || entry->response.status != 0)
        return entry != NULL; /* a file has that name */
    entry->head_text = kmalloc((size_t)n + 1);
    if (entry->head_text == NULL)
        return false;
    memcpy(entry->head_text, head, (size_t)n + 1);
    redirect.head = entry->head_text;
    redirect.head_len = (size_t)n;
    entry->response = redirect;
    return true;
}

/* A folder's index answers for the folder. */
static bool add_directory(struct site *site, const struct site_entry *index)
{
    size_t len = index->path_len - strlen(INDEX);
    struct site_entry *entry = enter(site, index->path, len);

    if (entry == NULL)
        return false;
    entry->response = index->response;
    return len == 0 || add_redirect(site, index->path, len); /* the root has no other name */
}

static bool is_index(const struct site_entry *entry)
{
    size_t len = strlen(INDEX);

    return !is_admin(entry) && entry->path_len >= len &&
           memcmp(entry->path + entry->path_len - len, INDEX, len) == 0 &&
           (entry->path_len == len || entry->path[entry->path_len - len - 1] == '/');
}

/* /404.html, where the site has one, is what a 404 shows. */
static bool add_not_found(struct site *site)
{
    static const char name[] = SITE_HIDDEN "404";
    const struct response *page = site_find(site, "404.html", 8);
    char head[RESPONSE_HEAD_MAX];
    struct site_entry *entry;
    int n;

    site->not_found = response_for_status(404);
    if (page == NULL)
        return true;
    n = response_format_head(head, sizeof(head), 404, "text/html; charset=utf-8", page->body_bytes,
                             "");
    entry = enter(site, name, sizeof(name) - 1);
    if (entry == NULL)
        return false;
    entry->head_text = kmalloc((size_t)n);
    if (entry->head_text == NULL)
        return false;
    memcpy(entry->head_text, head, (size_t)n);
    entry->response = (struct response){ .status = 404,
                                         .head = entry->head_text,
                                         .head_len = (size_t)n,
                                         .body = page->body,
                                         .body_bytes = page->body_bytes };
    site->not_found = &entry->response;
    return true;
}

/* ---------------------------------------------------------------- the whole */

/* Do it for each entry; those that are added meanwhile may be among them. */
static bool for_each(struct builder *b, bool (*fn)(struct builder *b, struct site_entry *entry))
{
    for (size_t i = 0; i < b->site->bucket_count; i++)
        for (struct site_entry *e = b->site->buckets[i]; e != NULL; e = e->next)
            if (!fn(b, e))
                return false;
    return true;
}

static bool make_entry(struct builder *b, struct site_entry *entry)
{
    return make_heads(b, entry);
}

static bool name_entry(struct builder *b, struct site_entry *entry)
{
    return !is_index(entry) || add_directory(b->site, entry);
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

bool site_build(struct site *site, const void *archive, size_t bytes,
                const struct site_options *options)
{
    struct builder b = { .site = site, .options = options };

    memset(site, 0, sizeof(*site));
    site->bucket_count = count_buckets(archive, bytes);
    site->buckets = kzalloc(site->bucket_count * sizeof(struct site_entry *));
    if (site->buckets == NULL) {
        site->bucket_count = 0;
        return false;
    }
    if (!add_files(&b, archive, bytes))
        return false;
    read_index(&b);
    return for_each(&b, make_entry) && for_each(&b, name_entry) && add_not_found(site);
}

static void free_entry(struct site_entry *entry)
{
    if (entry->encoded != NULL)
        kfree((void *)(uintptr_t)entry->encoded->head);
    kfree(entry->encoded);
    kfree(entry->head_text);
    kfree(entry);
}

void site_free(struct site *site)
{
    for (size_t i = 0; i < site->bucket_count; i++) {
        while (site->buckets[i] != NULL) {
            struct site_entry *entry = site->buckets[i];

            site->buckets[i] = entry->next;
            free_entry(entry);
        }
    }
    kfree(site->buckets);
    memset(site, 0, sizeof(*site));
}
