/* Content types. */
#include <httpd/mime.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define UNKNOWN "application/octet-stream"

static void test_types(void **state)
{
    (void)state;
    assert_string_equal(mime_type("index.html"), "text/html; charset=utf-8");
    assert_string_equal(mime_type("a/b/style.css"), "text/css; charset=utf-8");
    assert_string_equal(mime_type("a.js"), "text/javascript; charset=utf-8");
    assert_string_equal(mime_type("a.svg"), "image/svg+xml");
    assert_string_equal(mime_type("a.JPG"), "image/jpeg");
    assert_string_equal(mime_type("a.tar.gz"), "application/gzip");
    assert_string_equal(mime_type("a.wasm"), "application/wasm");
    assert_string_equal(mime_type("a.webmanifest"), "application/manifest+json");
}

static void test_unknown(void **state)
{
    (void)state;
    assert_string_equal(mime_type(""), UNKNOWN);
    assert_string_equal(mime_type("html"), UNKNOWN);
    assert_string_equal(mime_type("a."), UNKNOWN);
    assert_string_equal(mime_type("a.htmlx"), UNKNOWN);
    assert_string_equal(mime_type("a.ht"), UNKNOWN);
    assert_string_equal(mime_type("dir.html/file"),
                        UNKNOWN);                      /* the directory's name is no matter */
    assert_string_equal(mime_type("a.[TML"), UNKNOWN); /* '[' | 0x20 is '{' */
    assert_string_equal(mime_type(".html"), "text/html; charset=utf-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
