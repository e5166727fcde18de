/* The log's ring (kernel/logring.c), as printk and dmesg use it. */
#include "fakes.h"
#include <kernel/logring.h>
#include <kernel/lib.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct logring ring;
static char text[LOGRING_TEXT_MAX + 1];
static uint64_t stamp;

static int setup(void **state)
{
    (void)state;
    memset(&ring, 0, sizeof(ring));
    return 0;
}

static void append(uint64_t ns, const char *line)
{
    logring_append(&ring, ns, line, strlen(line));
}

static void test_in_order(void **state)
{
    uint64_t cursor = 0;

    (void)state;
    assert_false(logring_read(&ring, &cursor, &stamp, text, sizeof(text)));
    append(1, "one");
    append(2, "");
    append(3, "three");
    assert_true(logring_read(&ring, &cursor, &stamp, text, sizeof(text)));
    assert_string_equal(text, "one");
    assert_int_equal(stamp, 1);
    assert_true(logring_read(&ring, &cursor, &stamp, text, sizeof(text)));
    assert_string_equal(text, "");
    assert_int_equal(stamp, 2);
    assert_true(logring_read(&ring, &cursor, &stamp, text, sizeof(text)));
    assert_string_equal(text, "three");
    assert_false(logring_read(&ring, &cursor, &stamp, text, sizeof(text)));
    append(4, "four"); /* a cursor at the end goes on with what comes later */
    assert_true(logring_read(&ring, &cursor, &stamp, text, sizeof(text)));
    assert_string_equal(text, "four");
}

static void test_small_buffer_and_long_line(void **state)
{
    char line[2 * LOGRING_TEXT_MAX], *small = malloc(4);
    uint64_t cursor = 0;

    (void)state;
    memset(line, 'x', sizeof(line));
    logring_append(&ring, 1, line, sizeof(line));
    append(2, "next");
    assert_true(logring_read(&ring, &cursor, &stamp, text, sizeof(text)));
    assert_int_equal(strlen(text), LOGRING_TEXT_MAX);
    cursor = 0;
    assert_true(logring_read(&ring, &cursor, &stamp, small, 4));
    assert_string_equal(small, "xxx");
    assert_true(logring_read(&ring, &cursor, &stamp, small, 4)); /* the cut one is passed whole */
    assert_string_equal(small, "nex");
    free(small);
}

/* Go around the ring many times with lines of all lengths; what is there must be a gapless tail. */
static void test_wraps(void **state)
{
    char line[LOGRING_TEXT_MAX + 1];
    uint64_t cursor = 0, lagging = 0, expected = 0;
    unsigned read = 0;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned len = i * 37 % (LOGRING_TEXT_MAX + 1);

        memset(line, 'a' + i % 26, len);
        line[len] = '\0';
        append(i, line);
        assert_true(ring.head - ring.tail <= LOGRING_BYTES);
    }
    for (; logring_read(&ring, &cursor, &stamp, text, sizeof(text)); read++) {
        if (read > 0)
            assert_int_equal(stamp, expected);
        assert_int_equal(strlen(text), stamp * 37 % (LOGRING_TEXT_MAX + 1));
        if (text[0] != '\0')
            assert_int_equal(text[strlen(text) - 1], 'a' + stamp % 26);
        expected = stamp + 1;
    }
    assert_int_equal(expected, 20000);
    assert_true(read > 210); /* 64 KiB of 255 + 16 bytes on average: 241 */

    /* a reader that is overtaken goes on with the oldest that is left */
    assert_true(logring_read(&ring, &lagging, &stamp, text, sizeof(text)));
    assert_int_equal(stamp, 20000 - read);
    /* a cursor from nowhere ends, and does no harm */
    cursor = UINT64_MAX - 5;
    assert_false(logring_read(&ring, &cursor, &stamp, text, sizeof(text)));
}

static void test_stamp(void **state)
{
    char buf[40];

    (void)state;
    assert_int_equal(logring_stamp(buf, sizeof(buf), 0), 15);
    assert_string_equal(buf, "[    0.000000] ");
    logring_stamp(buf, sizeof(buf), 123456789);
    assert_string_equal(buf, "[    0.123456] ");
    logring_stamp(buf, sizeof(buf), 12345 * NS_PER_SEC + 999999999);
    assert_string_equal(buf, "[12345.999999] ");
    logring_stamp(buf, sizeof(buf), UINT64_MAX);
    assert_string_equal(buf, "[18446744073.709551] ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_in_order, setup),
        cmocka_unit_test_setup(test_small_buffer_and_long_line, setup),
        cmocka_unit_test_setup(test_wraps, setup),
        cmocka_unit_test(test_stamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
