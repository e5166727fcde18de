/* ChaCha20 against RFC 8439's vectors, and the generator on it. */
#include "fake_hw.h"
#include "fakes.h"
#include <kernel/boot.h>
#include <kernel/softirq.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "rand.c" /* for its state: the tests look at what is left in memory */

static struct boot_info boot;
static struct acpi_info acpi;
static uint64_t tsc;
static unsigned disabled;

const struct boot_info *boot_info(void)
{
    return &boot;
}
const struct acpi_info *acpi_info(void)
{
    return &acpi;
}
uint64_t fake_rdtsc(void)
{
    return tsc += 77;
}

uint32_t fake_in(uint16_t port, unsigned bytes)
{
    assert_int_equal(port, acpi.pm_timer_port != 0 ? acpi.pm_timer_port : 0x61);
    tsc += (uint64_t)rand() % 50;
    return bytes;
}

void softirq_disable(void)
{
    assert_int_equal(fake_context, CONTEXT_MAIN);
    disabled++;
}

void softirq_enable(void)
{
    disabled += 100;
}

static int setup(void **state)
{
    (void)state;
    cpu_features = (struct cpu_features){ 0 };
    acpi = (struct acpi_info){ 0 };
    memset(key, 0, sizeof(key));
    memset(pool, 0, sizeof(pool));
    pool_left = 0;
    source = SOURCE_JITTER;
    seeded = false;
    fake_context = CONTEXT_SOFTIRQ;
    tsc = 0;
    srand(1);
    disabled = 0;
    return 0;
}

/* RFC 8439 §2.3.2 */
static void chacha20_block_of_the_rfc(void **state)
{
    static const uint8_t nonce[12] = { 0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0 };
    static const uint8_t expected[64] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e
    };
    uint8_t k[32], out[64];

    (void)state;
    for (unsigned i = 0; i < 32; i++)
        k[i] = (uint8_t)i;
    chacha20_block(k, 1, nonce, out);
    assert_memory_equal(out, expected, 64);
}

/* RFC 8439 appendix A.1, vectors 1 and 2: key and nonce 0, counters 0 and 1 */
static void chacha20_keystream_of_the_rfc(void **state)
{
    static const uint8_t zero[32];
    static const uint8_t first[16] = { 0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90,
                                       0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28 };
    static const uint8_t second[16] = { 0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a,
                                        0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d };
    uint8_t out[64];

    (void)state;
    chacha20_block(zero, 0, zero, out);
    assert_memory_equal(out, first, 16);
    chacha20_block(zero, 1, zero, out);
    assert_memory_equal(out, second, 16);
}

static void jitter_is_said_plainly(void **state)
{
    (void)state;
    rand_init();
    assert_string_equal(rand_source(), "jitter");
    assert_non_null(strstr(fake_printk_last, "no RDSEED/RDRAND"));
    assert_non_null(strstr(fake_printk_last, "predictable"));
}

static void the_seed_depends_on_the_jitter_and_the_clock(void **state)
{
    uint8_t a[32], b[32], c[32];

    rand_init();
    memcpy(a, key, 32);
    setup(state);
    rand_init();
    memcpy(b, key, 32);
    assert_memory_equal(a, b, 32); /* the same machine twice: the test's premise */
    setup(state);
    srand(2);
    rand_init();
    memcpy(c, key, 32);
    assert_memory_not_equal(a, c, 32);
    setup(state);
    boot.unix_time = 1700000000;
    rand_init();
    assert_memory_not_equal(a, key, 32);
    boot.unix_time = 0;
}

static void what_is_given_is_wiped_and_the_key_moves_on(void **state)
{
    uint8_t out[POOL_BYTES * 3], before[32];

    (void)state;
    rand_init();
    memcpy(before, key, 32);
    rand_bytes(out, 100);
    assert_memory_not_equal(before, key, 32);
    for (unsigned i = 0; i < 32 + 100; i++) /* the key's copy, and what was given */
        assert_int_equal(pool[i], 0);
    assert_int_equal(pool_left, POOL_BYTES - 32 - 100);
    assert_memory_not_equal(out, out + 50, 50);
    memcpy(before, key, 32);
    rand_bytes(out, sizeof(out)); /* over several refills */
    assert_memory_not_equal(before, key, 32);
    assert_memory_not_equal(out, out + POOL_BYTES, POOL_BYTES);
    rand_bytes(out, 0);
}

static void bytes_are_spread_evenly(void **state)
{
    unsigned counts[256] = { 0 };

    (void)state;
    rand_init();
    for (unsigned i = 0; i < 256 * 1000 / 4; i++) {
        uint32_t v = rand_u32();

        for (unsigned j = 0; j < 4; j++)
            counts[(v >> (8 * j)) & 255]++;
    }
    for (unsigned i = 0; i < 256; i++)
        assert_in_range(counts[i], 840, 1160); /* five standard deviations */
}

static void main_context_holds_softirqs_off(void **state)
{
    (void)state;
    rand_init();
    (void)rand_u32();
    assert_int_equal(disabled, 0);
    fake_context = CONTEXT_MAIN;
    (void)rand_u32();
    assert_int_equal(disabled, 101);
    fake_context = CONTEXT_IRQ;
    EXPECT_PANIC((void)rand_u32());
}

static void unseeded_it_panics(void **state)
{
    (void)state;
    EXPECT_PANIC((void)rand_u32());
}

static bool stuck(uint64_t *out)
{
    *out = UINT64_MAX;
    return true;
}

static bool failing(uint64_t *out)
{
    *out = 0;
    return false;
}

static void a_broken_generator_is_not_believed(void **state)
{
    static const uint8_t zero[32];

    (void)state;
    assert_false(seed_from(stuck));
    assert_false(seed_from(failing));
    assert_memory_equal(key, zero, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(chacha20_block_of_the_rfc, setup),
        cmocka_unit_test_setup(chacha20_keystream_of_the_rfc, setup),
        cmocka_unit_test_setup(jitter_is_said_plainly, setup),
        cmocka_unit_test_setup(the_seed_depends_on_the_jitter_and_the_clock, setup),
        cmocka_unit_test_setup(what_is_given_is_wiped_and_the_key_moves_on, setup),
        cmocka_unit_test_setup(bytes_are_spread_evenly, setup),
        cmocka_unit_test_setup(main_context_holds_softirqs_off, setup),
        cmocka_unit_test_setup(unseeded_it_panics, setup),
        cmocka_unit_test_setup(a_broken_generator_is_not_believed, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
