/* Any bytes as site.tar: an index is made of what can be read, and all that it leads to lies within
 * the archive. */
#include "fuzz.h"
#include "fake_kmalloc.h"
#include <boot/ustar.h>
#include <httpd/site.h>

uint64_t time_unix(void)
{
    return 0;
}

static void check(const struct response *r, const uint8_t *data, size_t size)
{
    if (r == NULL || r->status != 200)
        return;
    MUST(r->body >= data && r->body + r->body_bytes <= data + size);
    MUST(r->head_len <= RESPONSE_HEAD_MAX - RESPONSE_ENDS_MAX);
    MUST(r->fields_at < r->shared_at && r->shared_at <= r->head_len);
    for (unsigned i = 0; r->variants != NULL && i < 4; i++)
        if (r->variants[i] != NULL && r->variants[i] != r)
            MUST(r->variants[i]->body >= data &&
                 r->variants[i]->body + r->variants[i]->body_bytes <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct site_options options = { .cache = "*.html=no-cache; *=max-age=1",
                                                 .security_fields = true };
    char *archive = exactly(data, size);
    struct ustar_reader reader;
    struct ustar_entry entry;
    struct site site;

    response_init();
    MUST(site_build(&site, archive, size, &options));
    ustar_open(&reader, archive, size);
    while (ustar_next(&reader, &entry) > 0) {
        const uint8_t *bytes = (const uint8_t *)archive;

        check(site_find(&site, entry.path, strlen(entry.path)), bytes, size);
        if (strncmp(entry.path, "_/", 2) == 0)
            check(site_find_admin(&site, entry.path + 2, strlen(entry.path) - 2), bytes, size);
        MUST(strncmp(entry.path, ".tophalf/", 9) != 0 ||
             site_find(&site, entry.path, strlen(entry.path)) == NULL);
    }
    site_free(&site);
    free(archive);
    MUST(fake_kmalloc_live == 0);
    return 0;
}
