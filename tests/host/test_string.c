/*
 * kernel/libc/string.c against the host's own, at all small lengths and offsets, around the
 * length where REP MOVSQ begins, and with overlap. It is included under other names.
 */
#include "fakes.h"
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void *libc_memmove(void *d, const void *s, size_t n)
{
    return memmove(d, s, n);
}
static void *libc_memset(void *d, int c, size_t n)
{
    return memset(d, c, n);
}
static int libc_memcmp(const void *a, const void *b, size_t n)
{
    return memcmp(a, b, n);
}
static unsigned long libc_strtoul(const char *s, char **e, int b)
{
    return strtoul(s, e, b);
}

#define memcpy  our_memcpy
#define memmove our_memmove
#define memset  our_memset
#define memcmp  our_memcmp
#define memchr  our_memchr
#define strlen  our_strlen
#define strnlen our_strnlen
#define strcmp  our_strcmp
#define strncmp our_strncmp
#define strchr  our_strchr
#define strrchr our_strrchr
#define strstr  our_strstr
#define strtoul our_strtoul
#define atoi    our_atoi
#include "../../kernel/libc/string.c"

#define BYTES 4608

static uint8_t ours[BYTES], theirs[BYTES];

static void fill(void)
{
    for (unsigned i = 0; i < BYTES; i++)
        ours[i] = theirs[i] = (uint8_t)(rand() % 255 + 1);
}

static void assert_same(const char *what, size_t to, size_t from, size_t n)
{
    for (unsigned i = 0; i < BYTES; i++)
        if (ours[i] != theirs[i])
            fail_msg("%s to %zu from %zu, %zu bytes: wrong at %u", what, to, from, n, i);
}

static void try_move(size_t to, size_t from, size_t n)
{
    libc_memmove(theirs + to, theirs + from, n);
    assert_ptr_equal(our_memmove(ours + to, ours + from, n), ours + to);
    assert_same("memmove", to, from, n);
}

static void try_copy(size_t to, size_t from, size_t n)
{
    libc_memmove(theirs + to, theirs + from, n);
    assert_ptr_equal(our_memcpy(ours + to, ours + from, n), ours + to);
    assert_same("memcpy", to, from, n);
}

static void test_copy(void **state)
{
    (void)state;
    fill();
    for (size_t n = 0; n <= 140; n++)
        for (size_t to = 0; to < 9; to++)
            for (size_t from = 200; from < 209; from++)
                try_copy(to, from, n);
    fill();
    for (size_t n = REP_MIN - 20; n <= REP_MIN + 20; n++)
        for (size_t offset = 0; offset < 9; offset++)
            try_copy(offset, 2100 + offset / 2, n);
}

static void test_move_overlapping(void **state)
{
    (void)state;
    fill();
    for (size_t n = 0; n <= 100; n++)
        for (size_t to = 0; to <= 40; to++)
            try_move(to, 20, n);
    for (size_t n = REP_MIN - 5; n <= REP_MIN + 20; n++)
        for (size_t to = 0; to <= 60; to++)
            try_move(to, 30, n);
    for (unsigned i = 0; i < 3000; i++) {
        size_t n = (size_t)rand() % (BYTES / 2);

        if (i % 100 == 0)
            fill();
        try_move((size_t)rand() % (BYTES / 2), (size_t)rand() % (BYTES / 2), n);
    }
}

static void test_set(void **state)
{
    static const size_t lengths[] = { REP_MIN - 1, REP_MIN, REP_MIN + 1, REP_MIN + 7, 4096 };

    (void)state;
    fill();
    for (size_t i = 0; i < 80 + ARRAY_SIZE(lengths); i++) {
        size_t n = i < 80 ? i : lengths[i - 80];

        for (size_t offset = 0; offset < 9; offset++) {
            int c = rand() % 1000 - 500; /* only its low byte counts */

            libc_memset(theirs + offset, c, n);
            assert_ptr_equal(our_memset(ours + offset, c, n), ours + offset);
            assert_same("memset", offset, 0, n);
        }
    }
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void test_compare(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        size_t n = (size_t)rand() % 40, a = (size_t)rand() % 9, b = (size_t)rand() % 9;

        fill();
        libc_memmove(theirs + b, ours + a, n);
        if (n > 0 && i % 3 != 0)
            theirs[b + (size_t)rand() % n] = (uint8_t)rand();
        assert_int_equal(sign(our_memcmp(ours + a, theirs + b, n)),
                         sign(libc_memcmp(ours + a, theirs + b, n)));
    }
    assert_true(our_memcmp("\x80", "\x01", 1) > 0); /* as unsigned */
    assert_true(our_strcmp("\x80", "\x01") > 0);
    assert_int_equal(our_strcmp("", ""), 0);
    assert_true(our_strcmp("ab", "abc") < 0 && our_strcmp("abc", "ab") > 0);
    assert_int_equal(our_strncmp("abX", "abY", 2), 0);
    assert_true(our_strncmp("abX", "abY", 3) < 0);
    assert_int_equal(our_strncmp("ab\0X", "ab\0Y", 4), 0);
    assert_int_equal(our_strncmp("a", "b", 0), 0);
}

static void test_search(void **state)
{
    const char *text = "to be or not to be";

    (void)state;
    assert_ptr_equal(our_memchr(text, 'b', 3), NULL);
    assert_ptr_equal(our_memchr(text, 'b', 4), text + 3);
    assert_ptr_equal(our_memchr("\xff", 0xff - 256, 1) != NULL ? text : NULL, text);
    assert_int_equal(our_strlen(""), 0);
    assert_int_equal(our_strlen(text), 18);
    assert_int_equal(our_strnlen(text, 5), 5);
    assert_int_equal(our_strnlen(text, 50), 18);
    assert_int_equal(our_strnlen((const char[]){ 'x', 'y' }, 2), 2); /* no terminator to find */
    assert_ptr_equal(our_strchr(text, 'o'), text + 1);
    assert_ptr_equal(our_strchr(text, 'z'), NULL);
    assert_ptr_equal(our_strchr(text, '\0'), text + 18);
    assert_ptr_equal(our_strrchr(text, 'o'), text + 14);
    assert_ptr_equal(our_strrchr(text, 'z'), NULL);
    assert_ptr_equal(our_strrchr(text, '\0'), text + 18);
    assert_ptr_equal(our_strstr(text, "not"), text + 9);
    assert_ptr_equal(our_strstr(text, ""), text);
    assert_ptr_equal(our_strstr(text, "bee"), NULL);
    assert_ptr_equal(our_strstr("aaab", "aab") != NULL ? text : NULL, text);
    assert_ptr_equal(our_strstr("", "a"), NULL);
}

static void test_numbers(void **state)
{
    static const char *const texts[] = {
        "",
        "0",
        "7",
        "42x",
        "  13",
        "\t\n-5",
        "+9",
        "-",
        "0x",
        "0x1F",
        "0Xffg",
        "0x-1",
        "010",
        "089",
        "z",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
        "ffff",
        "-18446744073709551616",
    };
    static const int bases[] = { 0, 2, 8, 10, 16, 36 };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
        for (unsigned b = 0; b < ARRAY_SIZE(bases); b++) {
            char *end, *libc_end;
            unsigned long n = our_strtoul(texts[i], &end, bases[b]);

            if (n != libc_strtoul(texts[i], &libc_end, bases[b]) || end != libc_end)
                fail_msg("strtoul(\"%s\", %d) = %lu, %td taken", texts[i], bases[b], n,
                         end - texts[i]);
        }
    }
    assert_int_equal(our_strtoul("12", NULL, 10), 12);
    assert_int_equal(our_atoi("-17 apples"), -17);
    assert_int_equal(our_atoi("none"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),   cmocka_unit_test(test_move_overlapping),
        cmocka_unit_test(test_set),    cmocka_unit_test(test_compare),
        cmocka_unit_test(test_search), cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
