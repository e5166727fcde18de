/* Queries: pairs, and their escapes. */
#include <httpd/http_query.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* The pairs of a query as "name|value;name|value;". */
static const char *pairs(const char *query)
{
    static char out[256];
    const char *at = query, *end = query + strlen(query);
    struct http_pair pair;
    size_t n = 0;

    out[0] = '\0';
    while (http_query_next(&at, end, &pair))
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s|%.*s;", (int)pair.name_len, pair.name,
                              (int)pair.value_len, pair.value);
    return out;
}

static void test_pairs(void **state)
{
    (void)state;
    assert_string_equal(pairs(""), "");
    assert_string_equal(pairs("a=1"), "a|1;");
    assert_string_equal(pairs("a=1&b=2"), "a|1;b|2;");
    assert_string_equal(pairs("&&a=1&"), "a|1;");
    assert_string_equal(pairs("a&b="), "a|;b|;");
    assert_string_equal(pairs("a=b=c"), "a|b=c;");
    assert_string_equal(pairs("=x"), "|x;");
}

static const char *decoded(const char *value)
{
    static char out[8];
    int len = http_query_decode(value, strlen(value), out, sizeof(out));

    if (len < 0)
        return NULL;
    assert_int_equal(len, strlen(out));
    return out;
}

static void test_escapes(void **state)
{
    (void)state;
    assert_string_equal(decoded(""), "");
    assert_string_equal(decoded("a+b%20%2b"), "a b +");
    assert_string_equal(decoded("%0A%0a%ff"), "\n\n\xff");
    assert_string_equal(decoded("1234567"), "1234567");
    assert_null(decoded("12345678"));
    assert_null(decoded("%"));
    assert_null(decoded("%4"));
    assert_null(decoded("%4g"));
    assert_null(decoded("%00"));
    assert_int_equal(http_query_decode("", 0, NULL, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
