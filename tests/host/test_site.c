/* The site's index: which path gives which response, and that all memory comes back. */
#define _GNU_SOURCE /* memmem */
#include <httpd/http_path.h>
#include <httpd/site.h>
#include <kernel/lib.h>
#include <kernel/time.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include "fake_kmalloc.h"
#include "guard.h"
#include "tar.h"
#include <cmocka.h>

static uint64_t fake_unix;

uint64_t time_unix(void)
{
    return fake_unix;
}

static struct tar tar;
static struct site site;

static struct site_options options;

static void build(void)
{
    tar_end(&tar);
    assert_true(site_build(&site, tar.data, tar.bytes, &options));
    assert_null(site.error);
}

static const struct response *find(const char *path)
{
    return site_find(&site, path, strlen(path));
}

static void assert_serves(const char *path, const char *body)
{
    const struct response *r = find(path);

    if (r == NULL)
        fail_msg("no %s", path);
    assert_int_equal(r->status, 200);
    assert_int_equal(r->body_bytes, strlen(body));
    assert_memory_equal(r->body, body, strlen(body));
    /* by reference: the body is the archive's own memory */
    assert_true(r->body >= tar.data && r->body + r->body_bytes <= tar.data + tar.bytes);
}

static bool contains(const char *text, size_t len, const char *part)
{
    return memmem(text, len, part, strlen(part)) != NULL;
}

static bool head_has(const struct response *r, const char *line)
{
    return contains(r->head, r->head_len, line);
}

static int setup(void **state)
{
    (void)state;
    response_init();
    fake_unix = 0;
    options = (struct site_options){ .security_fields = true };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    site_free(&site);
    tar_free(&tar);
    assert_int_equal(fake_kmalloc_live, 0);
    return 0;
}

static void test_files(void **state)
{
    (void)state;
    tar_add(&tar, '5', "./", NULL, 0, 1);
    tar_file(&tar, "./index.html", "home");
    tar_file(&tar, "style.css", "css");
    tar_file(&tar, "/img/a.svg", "<svg/>");
    tar_file(&tar, "empty", "");
    build();
    assert_serves("index.html", "home");
    assert_serves("", "home");
    assert_serves("style.css", "css");
    assert_serves("img/a.svg", "<svg/>");
    assert_serves("empty", "");
    assert_null(find("img"));
    assert_null(find("img/"));
    assert_null(find("index.htm"));
    assert_null(find("index.html/"));
    assert_null(find("/index.html"));
    assert_int_equal(site.files, 4);
    assert_int_equal(site.bytes, 13);
}

static void test_heads(void **state)
{
    const struct response *r;

    (void)state;
    tar_file(&tar, "a.html", "12345");
    tar_add(&tar, '0', "old.bin", "x", 1, 0);
    build();
    r = find("a.html");
    assert_memory_equal(r->head, "HTTP/1.1 200 OK\r\n", 17);
    assert_true(head_has(r, "\r\nServer: Tophalf\r\n"));
    assert_true(head_has(r, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
    assert_true(head_has(r, "\r\nContent-Length: 5\r\n"));
    assert_true(head_has(r, "\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    assert_false(head_has(r, "\r\n\r\n")); /* the end is response_head()'s */
    assert_memory_equal(r->head + r->head_len - 2, "\r\n", 2);
    assert_false(head_has(find("old.bin"), "Last-Modified")); /* no date known */
}

static void test_directories(void **state)
{
    const struct response *r;

    (void)state;
    tar_file(&tar, "docs/index.html", "docs");
    tar_file(&tar, "docs/a b\r\n/index.html", "odd");
    build();
    assert_serves("docs/", "docs");
    r = find("docs");
    assert_int_equal(r->status, 301);
    assert_true(head_has(r, "HTTP/1.1 301 Moved Permanently\r\n"));
    assert_true(head_has(r, "\r\nLocation: /docs/\r\n"));
    assert_null(find(""));
    r = find("docs/a b\r\n"); /* a name can not add lines to the head */
    assert_true(head_has(r, "\r\nLocation: /docs/a%20b%0D%0A/\r\n"));
}

static void test_last_one_wins(void **state)
{
    (void)state;
    tar_file(&tar, "a", "old");
    tar_file(&tar, "index.html", "old home");
    tar_file(&tar, "a", "newer");
    tar_file(&tar, "./index.html", "new home");
    build();
    assert_serves("a", "newer");
    assert_serves("", "new home");
    assert_int_equal(site.files, 2);
    assert_int_equal(site.bytes, 13);
}

static void test_not_found_page(void **state)
{
    (void)state;
    tar_file(&tar, "404.html", "gone fishing");
    build();
    assert_int_equal(site.not_found->status, 404);
    assert_memory_equal(site.not_found->body, "gone fishing", 12);
    assert_true(head_has(site.not_found, "HTTP/1.1 404 Not Found\r\n"));
    assert_true(head_has(site.not_found, "Content-Length: 12\r\n"));
    assert_serves("404.html", "gone fishing");
}

static void test_no_site(void **state)
{
    (void)state;
    assert_true(site_build(&site, "", 0, &options));
    assert_null(find(""));
    assert_ptr_equal(site.not_found, response_for_status(404));
}

static void test_damaged(void **state)
{
    (void)state;
    tar_file(&tar, "a", "good");
    tar_file(&tar, "b", "bad");
    tar_end(&tar);
    tar.data[1024] ^= 1; /* in the second header */
    assert_true(site_build(&site, tar.data, tar.bytes, &options));
    assert_non_null(site.error);
    assert_serves("a", "good");
    assert_null(find("b"));
    assert_non_null(site.not_found);
}

static void test_many_and_replaced(void **state)
{
    char name[32], text[32];

    (void)state;
    for (unsigned i = 0; i < 6000; i++) { /* each twice: entries are replaced amid their bucket */
        snprintf(name, sizeof(name), "d%u/f%u.txt", i % 3000 % 7, i % 3000);
        snprintf(text, sizeof(text), "file %u", i >= 3000 ? i - 3000 : i + 1);
        tar_file(&tar, name, text);
    }
    build();
    assert_int_equal(site.files, 3000);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "d%u/f%u.txt", i % 7, i);
        snprintf(text, sizeof(text), "file %u", i);
        assert_serves(name, text);
    }
    assert_null(find("d0/f1.txt"));
}

/* Each allocation fails in turn: false, and nothing is left behind. */
static void test_out_of_memory(void **state)
{
    unsigned failures = 0;

    (void)state;
    tar_file(&tar, "index.html", "home");
    tar_file(&tar, "docs/index.html", "docs");
    tar_file(&tar, "404.html", "none");
    tar_end(&tar);
    for (;;) {
        fake_kmalloc_fail_in = failures + 1;
        if (site_build(&site, tar.data, tar.bytes, &options))
            break;
        site_free(&site);
        assert_int_equal(fake_kmalloc_live, 0);
        failures++;
    }
    assert_int_equal(failures, 13); /* buckets; 3 files, 2 folders and 2 more names; 6 heads */
    fake_kmalloc_fail_in = 0;
}

static size_t whole_head(char *out, const struct response *r, enum response_persistence p)
{
    size_t len = response_head_bytes(r, p);

    memset(out, 0, RESPONSE_HEAD_MAX);
    response_head(out, r, p);
    assert_int_equal(strnlen(out, RESPONSE_HEAD_MAX), len);
    return len;
}

static void test_whole_head(void **state)
{
    const struct response *r = response_for_status(405);
    char head[RESPONSE_HEAD_MAX];
    size_t len = whole_head(head, r, RESPONSE_KEEP);

    (void)state;
    assert_int_equal(len, r->head_len + 2); /* no clock, no Date */
    assert_memory_equal(head + len - 4, "\r\n\r\n", 4);
    assert_true(head_has(r, "\r\nAllow: GET, HEAD, OPTIONS\r\n"));
    fake_unix = 784111777;
    len = whole_head(head, r, RESPONSE_CLOSE);
    assert_true(contains(head, len, "\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    assert_true(contains(head, len, "\r\nConnection: close\r\n\r\n"));
    assert_memory_equal(head + len - 4, "\r\n\r\n", 4);
    fake_unix++;
    len = whole_head(head, r, RESPONSE_KEEP_HTTP10);
    assert_true(contains(head, len, ":38 GMT\r\nConnection: keep-alive\r\n\r\n"));
}

/* What the short way gives is what the long one gives. */
static void check_target(const char *target, size_t len)
{
    char path[HTTP_PATH_MAX + 1];
    int n = http_path_resolve(target, len, path, sizeof(path)), status = 0;
    const struct response *expected = n >= 0 ? site_find(&site, path, (size_t)n) : NULL;
    const struct response *found = site_find_target(&site, guarded(target, len), len, &status);

    if (found != expected)
        fail_msg("%.*s: another response", (int)len, target);
    if (found == NULL && status != (n < 0 ? -n : 404))
        fail_msg("%.*s: status %d, not %d", (int)len, target, status, n);
}

static void test_targets(void **state)
{
    static const char *const names[] = { "index.html",
                                         "a%20b",
                                         "a b",
                                         "what?ever",
                                         "docs/index.html",
                                         "x",
                                         "deep/er/and/deeper/still.txt",
                                         "..data",
                                         "404.html" };
    static const char *const parts[] = { "/",       "index.html", "a%20b", "a b",
                                         "%61",     "what",       "?",     "ever",
                                         "docs",    "x",          "deep",  "er",
                                         "and",     "..",         ".",     "%2e",
                                         "%2f",     "%",          "404",   "deeper/still.txt",
                                         "..data",  "a",          "b",     "%00",
                                         "404.html" };
    unsigned seed = 1;
    char target[400];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        tar_file(&tar, names[i], names[i]);
    build();
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        size_t len = (size_t)snprintf(target, sizeof(target), "/%s", names[i]);

        for (size_t n = 0; n <= len; n++) /* cut at each byte, too */
            check_target(target, n);
    }
    for (unsigned i = 0; i < 200000; i++) {
        size_t len = (size_t)snprintf(target, sizeof(target), "/");

        for (unsigned k = (seed = seed * 1664525u + 1013904223u) >> 29; k > 0; k--) {
            seed = seed * 1664525u + 1013904223u;
            len += (size_t)snprintf(target + len, sizeof(target) - len, "%s",
                                    parts[(seed >> 16) % ARRAY_SIZE(parts)]);
        }
        check_target(target, len);
    }
}

/* A name that its path does not resolve to is reached by the target that does, and no other. */
static void test_names_that_need_escapes(void **state)
{
    int status;

    (void)state;
    tar_file(&tar, "a%20b", "percent");
    tar_file(&tar, "a b", "blank");
    build();
    assert_ptr_equal(site_find_target(&site, "/a%20b", 6, &status), find("a b"));
    assert_ptr_equal(site_find_target(&site, "/a%2520b", 8, &status), find("a%20b"));
    assert_null(site_find_target(&site, "//404", 5, &status));
    assert_int_equal(status, 404);
}

/* ---------------------------------------------------------------- what mksite.sh packs */

static void assert_etag(const struct response *r, const char *etag)
{
    assert_int_equal(r->etag.len, strlen(etag));
    assert_memory_equal(r->etag.at, etag, strlen(etag));
    assert_true(r->etag.at > r->head && r->etag.at < r->head + r->head_len);
}

static void test_index_of_the_archive(void **state)
{
    (void)state;
    tar_file(&tar, ".tophalf/index",
             "abc\ttext/x-odd; charset=utf-8\tdata.odd\nno tabs\n\t\t\n\"\tt\tplain\n"
             "e2\ta/b\t_/app.js\nxx\tt\tmissing\nlast\tt/t\tend");
    tar_file(&tar, ".tophalf/secret", "s");
    tar_file(&tar, "data.odd", "x");
    tar_file(&tar, "plain", "xy");
    tar_file(&tar, "end", "");
    tar_file(&tar, "_/app.js", "js");
    tar_file(&tar, "_/index.html", "dash");
    build();
    assert_etag(find("data.odd"), "\"abc\"");
    assert_true(head_has(find("data.odd"), "\r\nETag: \"abc\"\r\n"));
    assert_true(head_has(find("data.odd"), "\r\nContent-Type: text/x-odd; charset=utf-8\r\n"));
    assert_etag(find("plain"), "\"2ebc98a1-2\""); /* time and size, as nginx */
    assert_etag(find("end"), "\"last\"");
    assert_null(find(".tophalf/index"));
    assert_null(find(".tophalf/secret"));
    assert_int_equal(site.files, 3);
    /* The admin area's are found by its own lookup alone. */
    assert_null(find("_/app.js"));
    assert_etag(site_find_admin(&site, "app.js", 6), "\"e2\"");
    assert_memory_equal(site_find_admin(&site, "", 0)->body, "dash", 4);
    assert_true(head_has(site_find_admin(&site, "app.js", 6), "\r\nContent-Security-Policy: "));
    assert_false(head_has(find("plain"), "Content-Security-Policy"));
    assert_null(site_find_admin(&site, "nosuch", 6));
    assert_null(site_find_admin(&site, "../plain", 8));
}

static void test_variants(void **state)
{
    const struct response *r, *gz, *br;

    (void)state;
    tar_file(&tar, "a.js.gz", "GZ");
    tar_file(&tar, "a.js", "plain");
    tar_file(&tar, "a.js.br", "B");
    tar_file(&tar, "b.js", "alone");
    tar_file(&tar, "docs/index.html", "docs");
    tar_file(&tar, "docs/index.html.zst", "Z");
    build();
    r = find("a.js");
    assert_ptr_equal(r->variants[0], r);
    gz = r->variants[1];
    br = r->variants[2];
    assert_null(r->variants[3]);
    assert_true(head_has(gz, "\r\nContent-Length: 2\r\n"));
    assert_true(head_has(gz, "\r\nContent-Type: text/javascript; charset=utf-8\r\n"));
    assert_true(head_has(gz, "\r\nContent-Encoding: gzip\r\n"));
    assert_true(head_has(gz, "\r\nVary: Accept-Encoding\r\n"));
    assert_true(head_has(br, "\r\nContent-Encoding: br\r\n"));
    assert_memory_equal(gz->body, "GZ", 2);
    assert_etag(gz, "\"2ebc98a1-2\"");
    assert_true(head_has(r, "\r\nVary: Accept-Encoding\r\n"));
    assert_false(head_has(r, "Content-Encoding"));
    /* Under its own name it is what it is. */
    assert_true(head_has(find("a.js.gz"), "\r\nContent-Type: application/gzip\r\n"));
    assert_false(head_has(find("a.js.gz"), "Content-Encoding"));
    assert_null(find("b.js")->variants);
    assert_false(head_has(find("b.js"), "Vary"));
    assert_memory_equal(find("docs/")->variants[3]->body, "Z", 1);
}

/* Where a 206 and a 304 take their fields from. */
static void test_slices(void **state)
{
    const struct response *r;

    (void)state;
    tar_file(&tar, "a.html", "12345");
    build();
    r = find("a.html");
    assert_memory_equal(r->head + r->fields_at - 3, "5\r\nContent-Type: ", 17);
    assert_memory_equal(r->head + r->shared_at - 2, "\r\nServer: ", 10);
    assert_true(contains(r->head + r->shared_at, r->head_len - r->shared_at, "\r\nETag: "));
    assert_int_equal(r->mtime, 784111777);
}

/* RFC 9110 §8.8.2.1; without a clock what the archive says is all there is. */
static void test_modified_in_the_future(void **state)
{
    (void)state;
    tar_file(&tar, "a.html", "12345");
    fake_unix = 784111777 - 1;
    build();
    assert_int_equal(find("a.html")->mtime, 784111776);
    assert_true(head_has(find("a.html"), "\r\nLast-Modified: Sun, 06 Nov 1994 08:49:36 GMT\r\n"));
    site_free(&site);
    fake_unix = 0;
    build();
    assert_int_equal(find("a.html")->mtime, 784111777);
}

static void test_cache_and_security(void **state)
{
    char longest[1200];

    (void)state;
    tar_file(&tar, "a.html", "1");
    tar_file(&tar, "css/a.css", "2");
    options.cache = "*.html=no-cache; /css/*=public, max-age=60";
    options.security_fields = false;
    build();
    assert_true(head_has(find("a.html"), "\r\nCache-Control: no-cache\r\n"));
    assert_true(head_has(find("css/a.css"), "\r\nCache-Control: public, max-age=60\r\n"));
    assert_false(head_has(find("a.html"), "nosniff"));
    site_free(&site);
    memset(longest, 'x', sizeof(longest) - 1); /* no head has room for that: it is left out */
    memcpy(longest, "*=", 2);
    longest[sizeof(longest) - 1] = '\0';
    options = (struct site_options){ .cache = longest, .security_fields = true };
    build();
    assert_false(head_has(find("a.html"), "Cache-Control"));
    assert_true(head_has(find("a.html"), "nosniff"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_files),
        TEST(test_heads),
        TEST(test_directories),
        TEST(test_last_one_wins),
        TEST(test_not_found_page),
        TEST(test_no_site),
        TEST(test_damaged),
        TEST(test_many_and_replaced),
        TEST(test_out_of_memory),
        TEST(test_whole_head),
        TEST(test_targets),
        TEST(test_names_that_need_escapes),
        TEST(test_slices),
        TEST(test_index_of_the_archive),
        TEST(test_modified_in_the_future),
        TEST(test_variants),
        TEST(test_cache_and_security),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
