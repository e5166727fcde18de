/* kernel/fmt.c against libc's snprintf: a table of the corners, and every combination of flags,
 * width, precision, length and conversion with values at the edges. */
#include "fakes.h"
#include <kernel/fmt.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat-zero-length"

#define SAME(size, ...)                                                                            \
    do {                                                                                           \
        char ours[512], libc[512];                                                                 \
        memset(ours, 'Z', sizeof(ours));                                                           \
        memset(libc, 'Z', sizeof(libc));                                                           \
        int ours_len = fmt_snprintf(ours, size, __VA_ARGS__);                                      \
        int libc_len = snprintf(libc, size, __VA_ARGS__);                                          \
        if (ours_len != libc_len || memcmp(ours, libc, sizeof(ours)) != 0)                         \
            fail_msg("%s: \"%.100s\" (%d), libc \"%.100s\" (%d)", #__VA_ARGS__, ours, ours_len,    \
                     libc, libc_len);                                                              \
    } while (0)

static void test_table(void **state)
{
    (void)state;
    SAME(512, "plain");
    SAME(512, "");
    SAME(512, "100%%");
    SAME(512, "%d %i %u", -1, 42, UINT_MAX);
    SAME(512, "%d|%ld|%lld", INT_MIN, LONG_MIN, LLONG_MIN);
    SAME(512, "%hhd %hhu %hd %hu", 300, 300, 70000, 70000);
    SAME(512, "%zu %zd %td %jd %ju", (size_t)-1, (ssize_t)-1, (ptrdiff_t)-5, (intmax_t)-6,
         (uintmax_t)7);
    SAME(512, "%x %X %#x %#X %#x", 0xbeef, 0xbeef, 0xbeef, 0xbeef, 0);
    SAME(512, "%o %#o %#o %#.0o %#.3o %#.4o", 8, 8, 0, 0, 0755, 0755);
    SAME(512, "[%5d] [%-5d] [%05d] [%+d] [% d] [%+05d]", 42, 42, 42, 42, 42, 42);
    SAME(512, "[%.0d] [%.0x] [%.3d] [%8.3d] [%-8.3d] [%08.3d]", 0, 0, 7, 7, 7, 7);
    SAME(512, "[%s] [%10s] [%-10s] [%.2s] [%10.2s] [%.0s]", "abc", "abc", "abc", "abc", "abc",
         "abc");
    SAME(512, "[%c] [%5c] [%-5c]", 'x', 'x', 'x');
    SAME(512, "[%*d] [%-*d] [%*d] [%.*d] [%.*d]", 6, 1, 6, 1, -6, 1, 4, 1, -4, 1);
    SAME(512, "[%.*s]", 2, "abc");
    SAME(512, "[%p] [%20p] [%-20p]", (void *)0x1234, (void *)0xffffffff80000000ul, (void *)1);
    SAME(512, "[%#10x] [%#-10x] [%#010x]", 255, 255, 255);
    SAME(512, "%llu %llx", ULLONG_MAX, ULLONG_MAX);
    SAME(512, "[%300d]", 5);
    SAME(512, "[%.300d]", 5);
    SAME(512, "%c%c", 'a', 0); /* an embedded zero counts */
}

static void test_bounds(void **state)
{
    char buf[8];

    (void)state;
    for (size_t size = 0; size < 12; size++) {
        SAME(size, "hello %d", 12345);
        SAME(size, "%10s", "abc");
        SAME(size, "%-10d", 3);
    }
    assert_int_equal(fmt_snprintf(NULL, 0, "%s", "abc"), 3);
    /* nothing past the size is touched: the sanitizer watches this heap block */
    for (size_t size = 1; size < 8; size++) {
        char *tight = malloc(size);
        fmt_snprintf(tight, size, "%s-%d", "overlong", 77);
        assert_int_equal(strlen(tight), size - 1);
        free(tight);
    }
    /* a string with a precision need not be terminated */
    char *unterminated = malloc(3);
    memcpy(unterminated, "abc", 3);
    assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%.3s", unterminated), 3);
    assert_string_equal(buf, "abc");
    free(unterminated);
}

static void test_not_as_libc(void **state)
{
    char buf[64];

    (void)state;
    fmt_snprintf(buf, sizeof(buf), "%p", NULL);
    assert_string_equal(buf, "0x0");
    fmt_snprintf(buf, sizeof(buf), "%s", (char *)NULL);
    assert_string_equal(buf, "(null)");
    /* what is not supported is shown, and takes no argument */
    fmt_snprintf(buf, sizeof(buf), "a %5.1f b %d", 7);
    assert_string_equal(buf, "a %5.1f b 7");
    fmt_snprintf(buf, sizeof(buf), "a %n b");
    assert_string_equal(buf, "a %n b");
    fmt_snprintf(buf, sizeof(buf), "end %");
    assert_string_equal(buf, "end %");
    fmt_snprintf(buf, sizeof(buf), "end %-08l");
    assert_string_equal(buf, "end %-08l");
    /* widths that no one means are bounded, not overflowed */
    assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%99999999999999999999d", 1), 65535);
    assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%*d", INT_MIN, 1), 65535);
    assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%.*d", INT_MAX, 1), 65535);
}

static const int64_t values[] = { 0,         1,         -1,       7,       8,        9,
                                  10,        127,       128,      255,     256,      -128,
                                  -129,      32767,     32768,    65535,   INT_MAX,  INT_MIN,
                                  UINT_MAX,  LONG_MAX,  LONG_MIN, 0x12345, -0x12345, 99999999,
                                  -99999999, 1000000007 };

static uint32_t rng = 12345;
static uint32_t next_random(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 17;
    rng ^= rng << 5;
    return rng;
}

/* '#' with d, i and u, and a sign flag with unsigned ones, is undefined: not compared. */
static void random_spec(char *spec, size_t size, char *conversion)
{
    static const char *const lengths[] = { "hh", "h", "", "l", "ll", "z", "t", "j" };
    char flags[6] = "", width[8] = "", precision[8] = "";
    size_t n = 0;

    *conversion = "diuxXo"[next_random() % 6];
    for (unsigned i = 0; i < 5; i++)
        if (next_random() % 3 == 0)
            flags[n++] = "-0+ #"[i];
    if (*conversion == 'd' || *conversion == 'i' || *conversion == 'u')
        for (char *p = flags; *p != '\0'; p++)
            if (*p == '#')
                *p = '-';
    if (*conversion != 'd' && *conversion != 'i')
        for (char *p = flags; *p != '\0'; p++)
            if (*p == '+' || *p == ' ')
                *p = '0';
    if (next_random() % 2)
        snprintf(width, sizeof(width), "%u", next_random() % 30 + 1);
    if (next_random() % 3 == 0)
        snprintf(precision, sizeof(precision), ".%u", next_random() % 30);
    snprintf(spec, size, "<%%%s%s%s%s%c>", flags, width, precision, lengths[next_random() % 8],
             *conversion);
}

static void test_random_integers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        char spec[64], ours[256], libc[256], conversion;
        int64_t v = values[next_random() % (sizeof(values) / sizeof(values[0]))];
        size_t size = next_random() % 4 ? sizeof(ours) : next_random() % 40;
        int a, b;

        random_spec(spec, sizeof(spec), &conversion);
        memset(ours, 0, sizeof(ours));
        memset(libc, 0, sizeof(libc));
        a = fmt_snprintf(ours, size, spec, v);
        b = snprintf(libc, size, spec, v);
        if (a != b || strcmp(ours, libc) != 0)
            fail_msg("%s of %lld: \"%s\" (%d), libc \"%s\" (%d)", spec, (long long)v, ours, a, libc,
                     b);
    }
}

static void test_random_strings(void **state)
{
    static const char *const texts[] = { "", "a", "hello", "a longer one with blanks" };

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        char spec[64], ours[256], libc[256];
        const char *text = texts[next_random() % 4];
        int width = (int)(next_random() % 60) - 30, precision = (int)(next_random() % 30) - 5;
        int a, b;

        snprintf(spec, sizeof(spec), "%%d|%%%s*.*s|%%c", next_random() % 2 ? "-" : "");
        a = fmt_snprintf(ours, sizeof(ours), spec, width, width, precision, text, 'q');
        b = snprintf(libc, sizeof(libc), spec, width, width, precision, text, 'q');
        assert_int_equal(a, b);
        assert_string_equal(ours, libc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),          cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_not_as_libc),    cmocka_unit_test(test_random_integers),
        cmocka_unit_test(test_random_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
