/* boot/cfg.c: every rule of tophalf.cfg's syntax, and text that breaks it. */
#include <boot/cfg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cfg_pair pairs[CFG_PAIRS_MAX];
static struct cfg_error error;

/* The text is parsed from memory of exactly its size, so that a read beyond it is caught. */
static int parse_bytes(const char *text, size_t len, size_t max)
{
    static char *copy;
    int n;

    free(copy); /* of the call before: pairs point into it */
    copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    n = cfg_parse(copy, len, pairs, max, &error);
    return n;
}

static int parse(const char *text)
{
    return parse_bytes(text, strlen(text), CFG_PAIRS_MAX);
}

static void assert_pair(int i, const char *key, const char *value)
{
    assert_int_equal(pairs[i].key_len, strlen(key));
    assert_memory_equal(pairs[i].key, key, strlen(key));
    assert_int_equal(pairs[i].value_len, strlen(value));
    assert_memory_equal(pairs[i].value, value, strlen(value));
}

static void assert_refused(const char *text, unsigned line, const char *part)
{
    assert_int_equal(parse(text), -1);
    assert_int_equal(error.line, line);
    assert_non_null(strstr(error.message, part));
}

static void test_pairs(void **state)
{
    (void)state;
    assert_int_equal(
        parse("ip=10.0.0.1/24\n  budget =\t64  \r\n\n# comment\n\t# another\na.b-c_1=x"), 3);
    assert_pair(0, "ip", "10.0.0.1/24");
    assert_pair(1, "budget", "64");
    assert_pair(2, "a.b-c_1", "x");
    assert_int_equal(parse(""), 0);
    assert_int_equal(parse("\n\n\r\n"), 0);
    assert_int_equal(parse("k=a = b # c"), 1);
    assert_pair(0, "k", "a = b # c");
    assert_int_equal(parse("k="), 1);
    assert_pair(0, "k", "");
    assert_int_equal(parse("k=a\tb"), 1);
}

static void test_refused(void **state)
{
    (void)state;
    assert_refused("a=1\nnonsense\n", 2, "key=value");
    assert_refused("=1", 1, "no key");
    assert_refused("Key=1", 1, "key=value");
    assert_refused("a b=1", 1, "key=value");
    assert_refused("a=1\n\nb=2\na=3\n", 4, "twice");
    assert_refused("a=\x01", 1, "printable");
    assert_refused("a=\xc3\xa4", 1, "printable");
    assert_refused("a=1\rb=2", 1, "printable");
    assert_int_equal(parse_bytes("a=1\0", 4, 4), -1);
}

static void test_limits(void **state)
{
    char text[CFG_KEY_MAX + CFG_VALUE_MAX + 8];

    (void)state;
    snprintf(text, sizeof(text), "%0*d=1", CFG_KEY_MAX, 0);
    assert_int_equal(parse(text), 1);
    snprintf(text, sizeof(text), "%0*d=1", CFG_KEY_MAX + 1, 0);
    assert_refused(text, 1, "31");
    snprintf(text, sizeof(text), "k=%0*d", CFG_VALUE_MAX, 0);
    assert_int_equal(parse(text), 1);
    snprintf(text, sizeof(text), "k=%0*d", CFG_VALUE_MAX + 1, 0);
    assert_refused(text, 1, "255");
    assert_int_equal(parse_bytes("a=1\nb=2", 7, 2), 2);
    assert_int_equal(parse_bytes("a=1\nb=2\nc=3", 11, 2), -1);
    assert_int_equal(error.line, 3);
}

static void test_any_bytes(void **state)
{
    uint32_t x = 1;
    char text[64];

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        size_t len = (x >> 8) % sizeof(text);

        for (size_t i = 0; i < len; i++) {
            x = x * 1664525 + 1013904223;
            text[i] = "ab= \t\r\n#=\x80\0."[(x >> 16) % 12];
        }
        x = x * 1664525 + 1013904223;
        int n = parse_bytes(text, len, 4);
        assert_in_range(n + 1, 0, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
