/* pcapng as we write it, read by libpcap; what libpcap skips (the totals) block by block. */
#include "pcapng.h"
#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
static const uint8_t bytes[] = "a frame of some length";

static uint8_t file[4096];
static size_t len;

static void put_begin(const char *name, const char *description)
{
    const struct pcapng_interface interface = {
        .name = name, .description = description, .mac = mac, .snaplen = 96
    };

    len = pcapng_begin(file, &interface);
    assert_true(len <= PCAPNG_BEGIN_MAX);
}

static void put_packet(uint64_t ns, uint32_t kept, uint32_t of)
{
    size_t before = len;

    len += pcapng_packet_head(file + len, ns, kept, of);
    assert_int_equal(len, before + PCAPNG_HEAD_BYTES);
    memcpy(file + len, bytes, kept);
    len += kept;
    before = len;
    len += pcapng_packet_tail(file + len, kept, kept % 2 ? PCAPNG_IN : PCAPNG_OUT);
    assert_true(len - before <= PCAPNG_TAIL_MAX);
}

static void put_end(void)
{
    static const struct pcapng_totals totals = {
        .begun_ns = 1, .ended_ns = 0x123456789abcdef0, .seen = 10, .matched = 7, .dropped = 2
    };
    size_t n = pcapng_end(file + len, &totals);

    assert_true(n <= PCAPNG_END_MAX);
    len += n;
}

static pcap_t *open_file(void)
{
    char error[PCAP_ERRBUF_SIZE];
    FILE *stream = fmemopen(file, len, "rb");
    pcap_t *pcap;

    assert_non_null(stream);
    pcap = pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, error);
    if (pcap == NULL)
        fail_msg("%s", error);
    return pcap;
}

static void test_read_by_libpcap(void **state)
{
    static const uint64_t at = 1700000000123456789;
    struct pcap_pkthdr *head;
    const u_char *data;
    pcap_t *pcap;

    (void)state;
    put_begin("eth0", "Tophalf");
    for (uint32_t kept = 0; kept <= sizeof(bytes); kept++)
        put_packet(at + kept, kept, 1500);
    put_end();
    pcap = open_file();
    assert_int_equal(pcap_datalink(pcap), DLT_EN10MB);
    assert_int_equal(pcap_snapshot(pcap), 96);
    for (uint32_t kept = 0; kept <= sizeof(bytes); kept++) {
        assert_int_equal(pcap_next_ex(pcap, &head, &data), 1);
        assert_int_equal(head->caplen, kept);
        assert_int_equal(head->len, 1500);
        assert_int_equal((uint64_t)head->ts.tv_sec * 1000000000 + (uint64_t)head->ts.tv_usec,
                         at + kept);
        assert_memory_equal(data, bytes, kept);
    }
    assert_int_equal(pcap_next_ex(pcap, &head, &data), PCAP_ERROR_BREAK);
    pcap_close(pcap);
}

static uint32_t word(size_t at)
{
    uint32_t value;

    memcpy(&value, file + at, sizeof(value));
    return value;
}

/* Every block says its length at both ends, a multiple of four. */
static void test_blocks(void **state)
{
    static const uint32_t types[] = { 0x0a0d0d0a, 1, 6, 6, 5 };
    size_t at = 0;

    (void)state;
    put_begin("eth0", "Tophalf");
    put_packet(1, 5, 5);
    put_packet(2, 8, 8);
    put_end();
    for (unsigned i = 0; i < 5; i++) {
        uint32_t block = word(at + 4);

        assert_int_equal(word(at), types[i]);
        assert_true(block >= 12 && block % 4 == 0 && block <= len - at);
        assert_int_equal(word(at + block - 4), block);
        at += block;
    }
    assert_int_equal(at, len);
}

/* The 64-bit value of an option of the last block. */
static uint64_t total(size_t block, uint16_t code)
{
    for (size_t at = block + 20;;) {
        uint32_t option = word(at);

        assert_int_not_equal(option, 0);
        assert_int_equal(option >> 16, 8);
        if ((option & 0xffff) == code)
            return word(at + 4) | (uint64_t)word(at + 8) << 32;
        at += 12;
    }
}

static void test_totals(void **state)
{
    size_t block;

    (void)state;
    put_begin("eth0", "Tophalf");
    block = len;
    put_end();
    assert_int_equal(word(block + 12), 0x12345678); /* the time: its upper half first */
    assert_int_equal(word(block + 16), 0x9abcdef0);
    assert_int_equal(total(block, 2), 1ull << 32); /* likewise */
    assert_int_equal(total(block, 4), 10);
    assert_int_equal(total(block, 6), 7);
    assert_int_equal(total(block, 7), 2);
}

static void test_long_names_are_cut(void **state)
{
    char name[300];
    pcap_t *pcap;

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    put_begin(name, name);
    pcap = open_file();
    pcap_close(pcap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_by_libpcap),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_long_names_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
