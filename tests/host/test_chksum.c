/*
 * The checksum against RFC 1071's definition, at every alignment and length, with no byte read
 * beyond the data (assembly is invisible to ASan: a page that faults stands behind it).
 */
#include "fakes.h"
#include "port/chksum.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uint16_t reference(const uint8_t *p, size_t len)
{
    uint64_t sum = 0;

    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint64_t)p[i] | (uint64_t)p[i + 1] << 8;
    if (len & 1)
        sum += p[len - 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* `pages` readable pages before one that is not. Returns the first byte of the latter. */
static uint8_t *guarded(size_t pages)
{
    uint8_t *p =
        mmap(NULL, (pages + 1) * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p + pages * 4096, 4096, PROT_NONE), 0);
    return p + pages * 4096;
}

static void test_lengths_and_alignments(void **state)
{
    uint8_t *end = guarded(1);

    (void)state;
    srand(1);
    for (int i = 1; i <= 4096; i++)
        end[-i] = (uint8_t)rand();
    /* data that ends at the guard page, so every start alignment comes with the lengths */
    for (int len = 0; len <= 2048; len++)
        assert_int_equal(lwip_port_chksum(end - len, len), reference(end - len, (size_t)len));
    /* and every alignment with lengths around the block sizes */
    for (int align = 0; align < 64; align++)
        for (int len = 0; len <= 200; len++)
            assert_int_equal(lwip_port_chksum(end - 4096 + align, len),
                             reference(end - 4096 + align, (size_t)len));
}

static void test_carries(void **state)
{
    uint8_t *end = guarded(17);

    (void)state;
    memset(end - 65536, 0xff, 65536); /* every addition carries */
    for (int len = 0; len <= 1500; len++)
        assert_int_equal(lwip_port_chksum(end - len, len), reference(end - len, (size_t)len));
    assert_int_equal(lwip_port_chksum(end - 65535, 65535), reference(end - 65535, 65535));
    assert_int_equal(lwip_port_chksum(end - 65536, 65536), 0xffff);

    memset(end - 65536, 0, 65536); /* zero stays zero, not 0xffff */
    assert_int_equal(lwip_port_chksum(end - 1500, 1500), 0);
    end[-1500] = 0xff; /* one carry that has to go all the way round */
    memset(end - 1499, 0xff, 1499);
    assert_int_equal(lwip_port_chksum(end - 1500, 1500), 0xffff);
}

/* The example of RFC 1071 §3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2 (network order). */
static void test_rfc1071_example(void **state)
{
    const uint8_t data[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

    (void)state;
    assert_int_equal(lwip_port_chksum(data, sizeof(data)), 0xf2dd);
}

/* A header with its checksum in place sums to all ones: what receivers test. */
static void test_verify(void **state)
{
    uint8_t header[20] = { 0x45, 0, 0,  60, 0x1c, 0x46, 0x40, 0, 64, 6,
                           0,    0, 10, 0,  2,    15,   10,   0, 2,  2 };
    uint16_t sum = (uint16_t)~lwip_port_chksum(header, sizeof(header));

    (void)state;
    memcpy(header + 10, &sum, 2);
    assert_int_equal(lwip_port_chksum(header, sizeof(header)), 0xffff);
    header[3] ^= 1;
    assert_int_not_equal(lwip_port_chksum(header, sizeof(header)), 0xffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths_and_alignments),
        cmocka_unit_test(test_carries),
        cmocka_unit_test(test_rfc1071_example),
        cmocka_unit_test(test_verify),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
