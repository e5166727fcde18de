/* SYN cookies: what goes in comes out, for as long as it may, and nothing else does. */
#include "syncookie.h"
#include <kernel/lib.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const uint8_t key[ISN_KEY_BYTES] = "a key of 16 byte";
static uint8_t local[16] = { 10, 0, 0, 2 }, remote[16] = { 10, 0, 0, 1 };

static struct syncookie_ends ends(size_t addr_bytes)
{
    return (struct syncookie_ends){ local, remote, addr_bytes, 80, 40000, 0x12345678 };
}

static void test_mss(void **state)
{
    static const uint16_t mss[][2] = { { 0, 536 },     { 535, 536 },   { 536, 536 },
                                       { 1219, 536 },  { 1220, 1220 }, { 1439, 1220 },
                                       { 1440, 1440 }, { 1459, 1440 }, { 1460, 1460 },
                                       { 8960, 1460 }, { 65535, 1460 } };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(mss); i++) {
        for (size_t bytes = 4; bytes <= 16; bytes += 12) {
            struct syncookie_ends e = ends(bytes);
            uint32_t cookie = syncookie_make(key, &e, 77, mss[i][0]);

            assert_int_equal(syncookie_check(key, &e, 77, cookie), mss[i][1]);
        }
    }
}

/* The same until two slots are over, also where the slot's number wraps. */
static void test_age(void **state)
{
    static const uint32_t slots[] = { 0, 1, 255, 256, 0xfffffe, 0xffffff, 0xffffffff };
    struct syncookie_ends e = ends(4);

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
        uint32_t cookie = syncookie_make(key, &e, slots[i], 1460);

        assert_int_equal(syncookie_check(key, &e, slots[i], cookie), 1460);
        assert_int_equal(syncookie_check(key, &e, slots[i] + 1, cookie), 1460);
        for (uint32_t later = 2; later < 1000; later++)
            assert_int_equal(syncookie_check(key, &e, slots[i] + later, cookie), 0);
        assert_int_equal(syncookie_check(key, &e, slots[i] - 1, cookie), 0);
    }
}

static void test_every_part_counts(void **state)
{
    struct syncookie_ends e = ends(16), other;
    uint32_t cookie = syncookie_make(key, &e, 5, 1460);
    uint8_t other_key[ISN_KEY_BYTES];

    (void)state;
    for (unsigned bit = 0; bit < 128; bit++) {
        remote[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(syncookie_check(key, &e, 5, cookie), 0);
        remote[bit / 8] ^= (uint8_t)(1u << bit % 8);
        local[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(syncookie_check(key, &e, 5, cookie), 0);
        local[bit / 8] ^= (uint8_t)(1u << bit % 8);
        memcpy(other_key, key, sizeof(key));
        other_key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(syncookie_check(other_key, &e, 5, cookie), 0);
    }
    other = e;
    other.local_port++;
    assert_int_equal(syncookie_check(key, &other, 5, cookie), 0);
    other = e;
    other.remote_port++;
    assert_int_equal(syncookie_check(key, &other, 5, cookie), 0);
    for (unsigned bit = 0; bit < 32; bit++) {
        other = e;
        other.remote_isn ^= 1u << bit;
        assert_int_equal(syncookie_check(key, &other, 5, cookie), 0);
    }
    assert_int_equal(syncookie_check(key, &e, 5, cookie), 1460);
}

/* Both ends have said as much and ended: a peer in TIME-WAIT answers a forged SYN's SYN-ACK with
 * its last numbers. */
static void test_what_a_peer_repeats(void **state)
{
    struct syncookie_ends e = ends(4);
    uint32_t cookie = syncookie_make(key, &e, 5, 1460);

    (void)state;
    for (uint32_t said = 1; said < 100000; said++) {
        e.remote_isn++;
        assert_int_equal(syncookie_check(key, &e, 5, cookie + said), 0);
    }
}

/* One guess in 2^29 is right: of 2^24 hardly any. */
static void test_guesses(void **state)
{
    struct syncookie_ends e = ends(4);
    unsigned right = 0;

    (void)state;
    srand(4987);
    for (unsigned i = 0; i < 1u << 20; i++)
        right += syncookie_check(key, &e, 5, (uint32_t)rand() << 16 ^ (uint32_t)rand()) != 0;
    assert_in_range(right, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mss),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_every_part_counts),
        cmocka_unit_test(test_what_a_peer_repeats),
        cmocka_unit_test(test_guesses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
