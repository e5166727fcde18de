/* Which frames are of a capture's own connection. */
#include "capture_match.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct capture_connection v4 = { .address = { 10, 0, 2, 2 },
                                              .port = 0x1234,
                                              .local_port = 80 };
static const struct capture_connection v6 = {
    .address = { 0xfe, 0x80, [15] = 2 }, .ipv6 = true, .port = 0x1234, .local_port = 80
};

struct frame {
    uint8_t at[CAPTURE_MATCH_BYTES];
    size_t len;
};

static void ports(uint8_t *at, uint16_t from, uint16_t to)
{
    at[0] = (uint8_t)(from >> 8);
    at[1] = (uint8_t)from;
    at[2] = (uint8_t)(to >> 8);
    at[3] = (uint8_t)to;
}

/* From the peer, or to it. */
static struct frame ip4(bool from_peer, unsigned header)
{
    struct frame f = { .at = { [12] = 8, [14] = (uint8_t)(0x40 | header / 4), [23] = 6 },
                       .len = 14 + header + 4 };

    memcpy(f.at + (from_peer ? 26 : 30), v4.address, 4);
    ports(f.at + 14 + header, from_peer ? v4.port : 80, from_peer ? 80 : v4.port);
    return f;
}

static struct frame ip6(bool from_peer)
{
    struct frame f = { .at = { [12] = 0x86, 0xdd, 0x60, [20] = 6 }, .len = 58 };

    memcpy(f.at + (from_peer ? 22 : 38), v6.address, 16);
    ports(f.at + 54, from_peer ? v6.port : 80, from_peer ? 80 : v6.port);
    return f;
}

/* From memory that ends where the frame does. */
static bool is_of(const struct capture_connection *connection, const struct frame *frame)
{
    uint8_t *copy = malloc(frame->len > 0 ? frame->len : 1);
    bool found;

    assert_non_null(copy);
    memcpy(copy, frame->at, frame->len);
    found = capture_is_of(connection, copy, frame->len);
    free(copy);
    return found;
}

/* Changing any one byte that matters makes it another's. */
static void assert_exactly(const struct capture_connection *connection, struct frame frame,
                           const uint8_t *matters, size_t count)
{
    assert_true(is_of(connection, &frame));
    for (size_t i = 0; i < count; i++) {
        frame.at[matters[i]] ^= 1;
        assert_false(is_of(connection, &frame));
        frame.at[matters[i]] ^= 1;
    }
    for (size_t len = 0; len < frame.len; len++) {
        struct frame cut = frame;

        cut.len = len;
        assert_false(is_of(connection, &cut));
    }
}

static void test_ipv4(void **state)
{
    static const uint8_t in[] = { 12, 13, 21, 23, 26, 27, 28, 29, 34, 35, 36, 37 };
    static const uint8_t out[] = { 12, 13, 21, 23, 30, 31, 32, 33, 34, 35, 36, 37 };

    (void)state;
    assert_exactly(&v4, ip4(true, 20), in, sizeof(in));
    assert_exactly(&v4, ip4(false, 20), out, sizeof(out));
    assert_exactly(&v4, ip4(true, 60), NULL, 0); /* options */
}

static void test_ipv4_header_too_short(void **state)
{
    struct frame f = ip4(true, 20);

    (void)state;
    f.at[14] = 0x44;
    assert_false(is_of(&v4, &f));
}

static void test_ipv6(void **state)
{
    static const uint8_t in[] = { 12, 13, 20, 22, 37, 54, 55, 56, 57 };
    static const uint8_t out[] = { 12, 13, 20, 38, 53, 54, 55, 56, 57 };

    (void)state;
    assert_exactly(&v6, ip6(true), in, sizeof(in));
    assert_exactly(&v6, ip6(false), out, sizeof(out));
}

static void test_the_other_protocol(void **state)
{
    struct frame four = ip4(true, 20), six = ip6(true);

    (void)state;
    assert_false(is_of(&v6, &four));
    assert_false(is_of(&v4, &six));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv4_header_too_short),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_the_other_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
