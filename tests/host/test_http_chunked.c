/* Chunked bodies, whole and cut in all places. */
#include <httpd/http_chunked.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define MORE 0
#define DONE 1

/* In pieces of `piece` bytes, each in memory of its own size. */
static int feed(const char *text, size_t len, size_t piece, size_t *used)
{
    struct http_chunked body;
    int r = MORE;

    *used = 0;
    http_chunked_begin(&body, 1000);
    while (*used < len && r == MORE) {
        size_t n = len - *used < piece ? len - *used : piece, taken;
        char *copy = test_malloc(n);

        memcpy(copy, text + *used, n);
        r = http_chunked_skip(&body, copy, n, &taken);
        test_free(copy);
        assert_true(taken <= n);
        assert_true(r != MORE || taken == n);
        *used += taken;
    }
    return r;
}

/* The result, and for a body that ends, that what follows it is left alone. */
static void expect(const char *text, size_t len, int result, size_t rest)
{
    for (size_t piece = 1; piece <= len + 1; piece++) {
        size_t used;
        int r = feed(text, len, piece, &used);

        if (r != result)
            fail_msg("\"%.40s\" by %zu: %d", text, piece, r);
        if (result == DONE)
            assert_int_equal(used, len - rest);
    }
}

#define EXPECT(text, result) expect(text, sizeof(text) - 1, result, 0)
#define GOOD(text)           EXPECT(text, DONE)
#define BAD(text)            EXPECT(text, -400)

static void test_good(void **state)
{
    (void)state;
    GOOD("0\r\n\r\n");
    GOOD("5\r\nhello\r\n0\r\n\r\n");
    GOOD("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n");
    GOOD("005\r\nhello\r\n000\r\n\r\n");
    GOOD("5;a=b;c\r\nhello\r\n0;x=\"y z\"\r\n\r\n");
    GOOD("5 ;a\r\nhello\r\n0 \t ; b = c\r\n\r\n"); /* BWS, RFC 9112 §7.1.1 */
    GOOD("0;a=\"\";b=\"\\\"\\\\\";c\t=\tc\t;d\r\n\r\n");
    GOOD("0;a=\"\x80;\t=\";\tb\r\n\r\n");
    GOOD("0\r\nX-Sum: 1\r\nY:\r\n\r\n");
    GOOD("2\r\n\r\n\r\n0\r\n\r\n"); /* data that looks like an end */
    expect("0\r\n\r\nGET / HTTP/1.1\r\n", 21, DONE, 16);
}

static void test_incomplete(void **state)
{
    static const char text[] = "5;e\r\nhello\r\n0\r\nX: y\r\n\r\n";

    (void)state;
    for (size_t len = 1; len < sizeof(text) - 1; len++)
        expect(text, len, MORE, 0);
}

static void test_bad(void **state)
{
    (void)state;
    BAD("\r\n");
    BAD(";\r\n");
    BAD("g\r\n");
    BAD("-1\r\n");
    BAD("+1\r\n");
    BAD("0x5\r\n");
    BAD(" 5\r\n");
    BAD("5 \r\n"); /* some readers take the blanks off, others do not */
    BAD("5 \t\r\n");
    BAD("5 5\r\n");
    BAD("5 \n");
    BAD("5\n");
    BAD("5\r\r\n");
    BAD("5\r\nhelloX\r\n");
    BAD("5\r\nhello\n");
    BAD("5\r\nhello\rX");
    BAD("00000000000000005\r\n"); /* more digits than any size has */
    BAD("5;a\x01\r\n");
    BAD("5;a\n");
    BAD("0\r\n: x\r\n");
    BAD("0\r\nX : y\r\n");
    BAD("0\r\n folded\r\n");
    BAD("0\r\nX\r\n");
    BAD("0\r\nX: \x7f\r\n");
    BAD("0\r\nX: y\n");
    BAD("0\r\n\n");
    BAD("0\r\n\rX");
}

static void test_bad_extensions(void **state) /* RFC 9112 §7.1.1, RFC 9110 §5.6.4 */
{
    (void)state;
    BAD("5;\r\n"); /* none behind the semicolon */
    BAD("5; \r\n");
    BAD("5;;a\r\n");
    BAD("5;a;\r\n");
    BAD("5;=a\r\n");
    BAD("5;a=\r\n");
    BAD("5;a= \r\n");
    BAD("5;a=;b\r\n");
    BAD("5;a==b\r\n");
    BAD("5;a=b=c\r\n");
    BAD("5;a \r\n"); /* as behind the size */
    BAD("5;a=b \r\n");
    BAD("5;a=\"b\" \r\n");
    BAD("5;a b\r\n");
    BAD("5;a=b c\r\n");
    BAD("5;a/b\r\n");
    BAD("5;\"a\"\r\n");
    BAD("5;a=b\"c\"\r\n");
    BAD("5;a=\"b\"c\r\n");
    BAD("5;a=\"b\r\n"); /* never closed */
    BAD("5;a=\"b\n");
    BAD("5;a=\"\x7f");
    BAD("5;a=\"\\\r\n\"\r\n");
    BAD("5;a=\"\\\x01");
    BAD("5;a\x80\r\n");
    BAD("5;a=\x80\r\n");
}

static void test_too_much(void **state)
{
    (void)state;
    EXPECT("3e9\r\n", -413); /* 1001 */
    EXPECT("ffffffffffffffff\r\n", -413);
    EXPECT("1f4\r\n", MORE);
}

static void test_sum_is_limited(void **state)
{
    char text[1200];
    int n = sprintf(text, "1f4\r\n%0500d\r\n1f4\r\n%0500d\r\n", 0, 0);

    (void)state;
    expect(text, (size_t)n, MORE, 0);
    n += sprintf(text + n, "1\r\n");
    expect(text, (size_t)n, -413, 0);
}

static void test_extras_are_limited(void **state)
{
    static char text[6000];
    size_t used;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "5;", 2);
    assert_int_equal(feed(text, sizeof(text), sizeof(text), &used), -400);
    memset(text, ' ', sizeof(text));
    text[0] = '5';
    assert_int_equal(feed(text, sizeof(text), sizeof(text), &used), -400);
    memset(text, 'a', sizeof(text));
    memcpy(text, "0\r\nX:", 5);
    assert_int_equal(feed(text, sizeof(text), sizeof(text), &used), -400);
    for (size_t i = 3; i + 4 <= sizeof(text); i += 4)
        memcpy(text + i, "X:\r\n", 4);
    assert_int_equal(feed(text, sizeof(text), sizeof(text), &used), -400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_bad_extensions),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_sum_is_limited),
        cmocka_unit_test(test_extras_are_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
