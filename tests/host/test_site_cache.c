/* Cache-Control by pattern: what matches, and which rules are none. */
#include <httpd/site_cache.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static bool finds(const char *rules, const char *path, const char *value)
{
    struct http_text found = site_cache_find(rules, path, strlen(path));

    if (value == NULL || found.at == NULL)
        return value == NULL && found.at == NULL;
    return found.len == strlen(value) && memcmp(found.at, value, found.len) == 0;
}

static void test_matches(void **state)
{
    static const char rules[] = " *.html = no-cache ;/img/*=a=b, c; fonts/?.w*=f;*=rest;";

    (void)state;
    assert_true(finds(rules, "index.html", "no-cache"));
    assert_true(finds(rules, "deep/er/x.html", "no-cache"));
    assert_true(finds(rules, "img/x/y.png", "a=b, c"));
    assert_true(finds(rules, "other/img/x", "rest")); /* the slash means: from the root */
    assert_true(finds(rules, "fonts/a.woff", "f"));
    assert_true(finds(rules, "x/fonts/a.w", "f"));
    assert_true(finds(rules, "fonts/ab.woff", "rest"));
    assert_true(finds(rules, "html", "rest"));
    assert_true(finds(rules, "", "rest"));
    assert_true(finds(NULL, "a", NULL));
    assert_true(finds("", "a", NULL));
    assert_true(finds("b=c", "a", NULL));
    assert_true(finds("b=c", "ab", NULL));
    assert_true(finds("a*b*c=1", "axxbyyc", "1"));
    assert_true(finds("a*b*c=1", "axxbyycd", NULL));
    assert_true(finds("**=1", "x", "1"));
    assert_true(finds("/=1", "", "1"));
    assert_true(
        finds("a*a*a*a*a*a*b=1", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL));
}

static void test_check(void **state)
{
    (void)state;
    assert_null(site_cache_check(""));
    assert_null(site_cache_check("*=x"));
    assert_null(site_cache_check("a=b;;c=d; "));
    assert_non_null(site_cache_check("no-cache"));
    assert_non_null(site_cache_check("=x"));
    assert_non_null(site_cache_check("a=b; c"));
    assert_non_null(site_cache_check("a="));
    assert_non_null(site_cache_check("a=b\x01"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
