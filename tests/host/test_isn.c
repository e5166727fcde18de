/* RFC 6528 sequence numbers: SipHash-2-4 against its authors' vectors, and the number's parts. */
#include "fakes.h"
#include "isn.h"
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Key 00..0f, input 00, 01, ... of length 0..; from the paper's appendix and the reference
 * implementation's vectors_sip64 (bytes as printed there are little endian). */
static const uint64_t vectors[] = {
    0x726fdb47dd0e0e31ull, 0x74f839c593dc67fdull, 0x0d6c8009d9a94f5aull, 0x85676696d7fb7e2dull,
    0xcf2794e0277187b7ull, 0x18765564cd99a68dull, 0xcbc9466e58fee3ceull, 0xab0200f58b01d137ull,
    0x93f5f5799a932462ull, 0x9e0082df0ba9e4b0ull, 0x7a5dbbc594ddb9f3ull, 0xf4b32f46226bada7ull,
    0x751e8fbc860ee5fbull, 0x14ea5627c0843d90ull, 0xf723ca908e7af2eeull, 0xa129ca6149be45e5ull,
};

static void make_key(uint8_t key[ISN_KEY_BYTES])
{
    for (unsigned i = 0; i < ISN_KEY_BYTES; i++)
        key[i] = (uint8_t)i;
}

static void test_vectors(void **state)
{
    uint8_t key[ISN_KEY_BYTES], input[16];

    (void)state;
    make_key(key);
    for (unsigned i = 0; i < sizeof(input); i++)
        input[i] = (uint8_t)i;
    for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        assert_int_equal(siphash24(key, input, i), vectors[i]);
}

static void test_clock(void **state)
{
    uint8_t key[ISN_KEY_BYTES];
    const uint8_t a[4] = { 10, 0, 2, 15 }, b[4] = { 10, 0, 2, 2 };
    uint32_t start;

    (void)state;
    make_key(key);
    start = isn_compute(key, 0, a, 80, b, 40000, 4);
    assert_int_equal(isn_compute(key, 3999, a, 80, b, 40000, 4), start);
    assert_int_equal(isn_compute(key, 4000, a, 80, b, 40000, 4), start + 1);
    /* 250,000 ticks a second, and the sum wraps */
    assert_int_equal(isn_compute(key, 1000000000ull, a, 80, b, 40000, 4), start + 250000u);
    assert_int_equal(isn_compute(key, 4000ull << 32, a, 80, b, 40000, 4), start);
}

static void test_every_part_counts(void **state)
{
    uint8_t key[ISN_KEY_BYTES], other_key[ISN_KEY_BYTES];
    uint8_t a[16] = { 0xfe, 0x80 }, b[16] = { 0x20, 0x01 }, c[16] = { 0x20, 0x02 };
    uint32_t base;

    (void)state;
    make_key(key);
    memcpy(other_key, key, sizeof(key));
    other_key[15] ^= 1;
    base = isn_compute(key, 0, a, 80, b, 40000, 16);
    assert_int_not_equal(isn_compute(other_key, 0, a, 80, b, 40000, 16), base);
    assert_int_not_equal(isn_compute(key, 0, c, 80, b, 40000, 16), base);
    assert_int_not_equal(isn_compute(key, 0, a, 81, b, 40000, 16), base);
    assert_int_not_equal(isn_compute(key, 0, a, 80, c, 40000, 16), base);
    assert_int_not_equal(isn_compute(key, 0, a, 80, b, 40001, 16), base);
    assert_int_not_equal(isn_compute(key, 0, b, 40000, a, 80, 16), base);
    assert_int_not_equal(isn_compute(key, 0, a, 80, b, 40000, 4), base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_every_part_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
