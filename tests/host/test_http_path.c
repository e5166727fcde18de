/* Targets to file names: escapes, dot segments, and no way out. */
#include <httpd/http_path.h>
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include "guard.h"
#include <cmocka.h>

static int resolve(const char *target, size_t len, char out[HTTP_PATH_MAX + 1])
{
    return http_path_resolve(guarded(target, len), len, out, HTTP_PATH_MAX + 1);
}

static void gives(const char *target, const char *path)
{
    char out[HTTP_PATH_MAX + 1];
    int r = resolve(target, strlen(target), out);

    if (r != (int)strlen(path) || strcmp(out, path) != 0)
        fail_msg("%s gave %d \"%s\", not \"%s\"", target, r, r >= 0 ? out : "", path);
}

static void fails(int status, const char *target)
{
    char out[HTTP_PATH_MAX + 1];
    int r = resolve(target, strlen(target), out);

    if (r != -status)
        fail_msg("%s gave %d, not -%d", target, r, status);
}

static void test_plain(void **state)
{
    char out[HTTP_PATH_MAX + 1];

    (void)state;
    assert_int_equal(resolve("/a\0b", 4, out), -400);
    gives("/", "");
    gives("/a", "a");
    gives("/a/b.html", "a/b.html");
    gives("/a/", "a/");
    gives("/?x", "");
    gives("/a?b/../c?d", "a");
    gives("/a/?", "a/");
    fails(400, "");
    fails(400, "a");
    fails(400, "*");
}

static void test_escapes(void **state)
{
    (void)state;
    gives("/%61%2Fb", "a/b");
    gives("/a%20b", "a b");
    gives("/%C3%a4", "\xc3\xa4");
    gives("/%3Fa%23", "?a#");
    gives("/%25%32%35", "%25"); /* decoded once, not twice */
    gives("/a%01", "a\x01");
    gives("/a?%zz", "a"); /* the query is not ours to judge */
    fails(400, "/%");
    fails(400, "/%4");
    fails(400, "/%4g");
    fails(400, "/%g4");
    fails(400, "/% 4");
    fails(400, "/a%00");
    fails(400, "/%00");
    fails(400, "/a%0?1");
}

static void test_dot_segments(void **state)
{
    (void)state;
    gives("/.", "");
    gives("/./", "");
    gives("/./a", "a");
    gives("/a/.", "a/");
    gives("/a/./b", "a/b");
    gives("/a/..", "");
    gives("/a/../", "");
    gives("/a/../b", "b");
    gives("/a/b/..", "a/");
    gives("/a/b/../", "a/");
    gives("/a/b/../../c", "c");
    gives("/a/b/c/../../d/./e", "a/d/e");
    gives("/...", "...");
    gives("/..a/b..", "..a/b..");
    gives("/.a", ".a");
    gives("/a/%2e/b", "a/b");
    gives("/a/%2E%2e/b", "b");
    gives("/a/.%2e%2fb", "b");
}

static void test_slashes(void **state)
{
    (void)state;
    gives("//", "");
    gives("//a//b///c//", "a/b/c/");
    gives("/a//../b", "b"); /* a run of slashes is one */
    gives("//a/..//b", "b");
}

static void test_no_way_out(void **state)
{
    (void)state;
    fails(400, "/..");
    fails(400, "/../");
    fails(400, "/../a");
    fails(400, "/a/../..");
    fails(400, "/a/../../b");
    fails(400, "/./..");
    fails(400, "//..");
    fails(400, "/%2e%2e/etc/passwd");
    fails(400, "/%2e%2e%2fetc");
    fails(400, "/..%2f..%2f");
    fails(400, "/a/..%2f..");
}

static void test_lengths(void **state)
{
    char target[4 * HTTP_PATH_MAX], out[HTTP_PATH_MAX + 1];

    (void)state;
    memset(target, 'x', sizeof(target));
    target[0] = '/';
    assert_int_equal(resolve(target, HTTP_PATH_MAX + 1, out), HTTP_PATH_MAX);
    assert_int_equal(strlen(out), HTTP_PATH_MAX);
    assert_int_equal(resolve(target, HTTP_PATH_MAX + 2, out), -404);
    assert_int_equal(resolve(target, sizeof(target), out), -404);
    target[sizeof(target) - 1] = '%'; /* a bad escape is one, however far on */
    assert_int_equal(resolve(target, sizeof(target), out), -400);
    /* a full buffer and the slash that a directory gets */
    target[HTTP_PATH_MAX + 1] = '/';
    assert_int_equal(resolve(target, HTTP_PATH_MAX + 2, out), HTTP_PATH_MAX);
    memset(target, '/', sizeof(target));
    assert_int_equal(resolve(target, sizeof(target), out), 0);
}

/* All strings of up to six of these characters: what comes out is normal, and inside. */
static void test_every_short_target(void **state)
{
    static const char alphabet[] = "/.a%2";
    char target[8] = "/", out[HTTP_PATH_MAX + 1];

    (void)state;
    for (unsigned n = 0; n < 15625; n++) {
        unsigned rest = n;

        for (unsigned i = 0; i < 6; i++, rest /= 5)
            target[1 + i] = alphabet[rest % 5];
        if (resolve(target, 7, out) < 0)
            continue;
        if (out[0] == '/' || strstr(out, "//") != NULL || strcmp(out, "..") == 0 ||
            strncmp(out, "../", 3) == 0 || strncmp(out, "./", 2) == 0 ||
            strstr(out, "/./") != NULL || strstr(out, "/../") != NULL)
            fail_msg("%s gave %s", target, out);
    }
}

static void test_escape(void **state)
{
    char out[16];

    (void)state;
    assert_int_equal(http_path_escape("a/b-._~9", out, sizeof(out)), 8);
    assert_string_equal(out, "a/b-._~9");
    assert_int_equal(http_path_escape("a b\r\n", out, sizeof(out)), 11);
    assert_string_equal(out, "a%20b%0D%0A");
    assert_int_equal(http_path_escape("\xff%", out, sizeof(out)), 6);
    assert_string_equal(out, "%FF%25");
    assert_int_equal(http_path_escape("", out, sizeof(out)), 0);
    assert_int_equal(http_path_escape("\x01\x01\x01\x01\x01\x01", out, sizeof(out)), -1);
    assert_int_equal(http_path_escape("x", out, 1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_dot_segments), cmocka_unit_test(test_slashes),
        cmocka_unit_test(test_no_way_out),   cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_escape),       cmocka_unit_test(test_every_short_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
