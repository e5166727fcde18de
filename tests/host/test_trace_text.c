/* What a frame's first bytes are called: each kind, cut at each length, and hostile bytes. */
#include "trace_text.h"
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ETH(hi, lo) 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, hi, lo
#define IP4(protocol, fragment)                                                                    \
    0x45, 0, 0, 40, 0, 0, (fragment) >> 8, (fragment)&0xff, 64, protocol, 0, 0, 10, 0, 2, 2, 10,   \
        0, 2, 15
#define LINK_LOCAL(last) 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last
#define IP6(next)        0x60, 0, 0, 0, 0, 20, next, 64, LINK_LOCAL(2), LINK_LOCAL(0xab)
#define TCP(flags)       0x9d, 0x80, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, flags, 1, 0, 0, 0, 0, 0

#define EXPECT(expected, ...)                                                                      \
    do {                                                                                           \
        static const uint8_t bytes_[] = { __VA_ARGS__ };                                           \
        char text_[TRACE_TEXT_MAX];                                                                \
        assert_string_equal(trace_packet_text(bytes_, sizeof(bytes_), text_), expected);           \
    } while (0)

static void test_tcp_and_udp(void **state)
{
    (void)state;
    EXPECT("TCP 10.0.2.2:40320 > 10.0.2.15:80 [S]", ETH(8, 0), IP4(6, 0), TCP(2));
    EXPECT("TCP 10.0.2.2:40320 > 10.0.2.15:80 [P.]", ETH(8, 0), IP4(6, 0x4000), TCP(0x18));
    EXPECT("TCP 10.0.2.2:40320 > 10.0.2.15:80 []", ETH(8, 0), IP4(6, 0), TCP(0));
    EXPECT("TCP 10.0.2.2:40320 > 10.0.2.15:80 [FSRP.UEW]", ETH(8, 0), IP4(6, 0), TCP(0xff));
    EXPECT("TCP [fe80::2]:40320 > [fe80::ab]:80 [S.]", ETH(0x86, 0xdd), IP6(6), TCP(0x12));
    EXPECT("UDP 10.0.2.2:67 > 10.0.2.15:68", ETH(8, 0), IP4(17, 0), 0, 67, 0, 68, 0, 8, 0, 0);
    EXPECT("UDP [fe80::2]:1 > [fe80::ab]:65535", ETH(0x86, 0xdd), IP6(17), 0, 1, 255, 255, 0, 8);
    /* a first fragment has the ports, the others have not */
    EXPECT("UDP 10.0.2.2:67 > 10.0.2.15:68", ETH(8, 0), IP4(17, 0x2000), 0, 67, 0, 68, 0, 8, 0, 0);
    EXPECT("IPv4 10.0.2.2 > 10.0.2.15 protocol 17, fragment at 1480", ETH(8, 0), IP4(17, 185), 0,
           67);
    EXPECT("IPv4 10.0.2.2 > 10.0.2.15 protocol 17, fragment at 65528", ETH(8, 0), IP4(17, 0x3fff));
}

static void test_icmp(void **state)
{
    (void)state;
    EXPECT("ICMP 10.0.2.2 > 10.0.2.15 echo request", ETH(8, 0), IP4(1, 0), 8, 0, 1, 2);
    EXPECT("ICMP 10.0.2.2 > 10.0.2.15 echo reply", ETH(8, 0), IP4(1, 0), 0);
    EXPECT("ICMP 10.0.2.2 > 10.0.2.15 unreachable", ETH(8, 0), IP4(1, 0), 3);
    EXPECT("ICMP 10.0.2.2 > 10.0.2.15 type 42", ETH(8, 0), IP4(1, 0), 42);
    EXPECT("ICMPv6 fe80::2 > fe80::ab echo request", ETH(0x86, 0xdd), IP6(58), 128);
    EXPECT("ICMPv6 fe80::2 > fe80::ab neighbour solicitation", ETH(0x86, 0xdd), IP6(58), 135, 0);
    EXPECT("ICMPv6 fe80::2 > fe80::ab type 200", ETH(0x86, 0xdd), IP6(58), 200, 0);
    /* each in the other IP's protocol number is neither */
    EXPECT("IPv6 fe80::2 > fe80::ab protocol 1", ETH(0x86, 0xdd), IP6(1), 8);
    EXPECT("IPv4 10.0.2.2 > 10.0.2.15 protocol 58", ETH(8, 0), IP4(58, 0), 128);
}

static void test_others(void **state)
{
    (void)state;
    EXPECT("ARP request 10.0.2.2 > 10.0.2.15", ETH(8, 6), 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2,
           10, 0, 2, 2, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15);
    EXPECT("ARP reply 10.0.2.2 > 10.0.2.15", ETH(8, 6), 0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 2,
           10, 0, 2, 2, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15);
    EXPECT("ARP operation 9 10.0.2.2 > 10.0.2.15", ETH(8, 6), 0, 1, 8, 0, 6, 4, 0, 9, 2, 0, 0, 0, 0,
           2, 10, 0, 2, 2, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15);
    EXPECT("ARP of another kind", ETH(8, 6), 0, 1, 8, 0, 6, 4, 0, 1, 2);
    EXPECT("ARP of another kind", ETH(8, 6), 0, 6, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 2, 2,
           0, 0, 0, 0, 0, 0, 10, 0, 2, 15);
    EXPECT("Ethernet type 0x88cc", ETH(0x88, 0xcc), 1, 2, 3);
    EXPECT("Ethernet type 0x0026", ETH(0, 38));
    EXPECT("IPv6 fe80::2 > fe80::ab protocol 0", ETH(0x86, 0xdd), IP6(0), 58, 0);
}

static void test_malformed(void **state)
{
    (void)state;
    EXPECT("too short for Ethernet", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13);
    EXPECT("IPv4 without its header", ETH(8, 0));
    EXPECT("IPv4 without its header", ETH(8, 0), IP6(6)); /* version 6 */
    EXPECT("IPv6 without its header", ETH(0x86, 0xdd), IP4(6, 0), IP4(6, 0));
    EXPECT("IPv4 10.0.2.2 > 10.0.2.15 with a bad header", ETH(8, 0), 0x44, 0, 0, 40, 0, 0, 0, 0, 64,
           6, 0, 0, 10, 0, 2, 2, 10, 0, 2, 15);
    EXPECT("IPv4 10.0.2.2 > 10.0.2.15 with a bad header", ETH(8, 0), 0x4f, 0, 0, 40, 0, 0, 0, 0, 64,
           6, 0, 0, 10, 0, 2, 2, 10, 0, 2, 15, TCP(0));
    /* options, then TCP */
    EXPECT("TCP 10.0.2.2:40320 > 10.0.2.15:80 [R]", ETH(8, 0), 0x46, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0,
           0, 10, 0, 2, 2, 10, 0, 2, 15, 1, 1, 1, 0, TCP(4));
    EXPECT("TCP 10.0.2.2 > 10.0.2.15, cut short", ETH(8, 0), IP4(6, 0), 0, 80, 0);
    EXPECT("TCP 10.0.2.2:80 > 10.0.2.15:80", ETH(8, 0), IP4(6, 0), 0, 80, 0, 80, 1);
    EXPECT("ICMP 10.0.2.2 > 10.0.2.15, cut short", ETH(8, 0), IP4(1, 0));
}

/* The longest line fits: nothing is cut off before its end. */
static void test_longest(void **state)
{
    static const uint8_t most[] = {
        ETH(0x86, 0xdd),
        0x60,
        0,
        0,
        0,
        0,
        20,
        6,
        64,
        0x20,
        1,
        0xab,
        0xcd,
        0xab,
        0xcd,
        0xab,
        0xcd,
        0xab,
        0xcd,
        0xab,
        0xcd,
        0xab,
        0xcd,
        0xab,
        0xcd,
        0x20,
        1,
        0xab,
        0xcd,
        0xab,
        0xcd,
        0xab,
        0xcd,
        0xab,
        0xcd,
        0xab,
        0xcd,
        0xab,
        0xcd,
        0xab,
        0xce,
        255,
        255,
        255,
        255,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        0x50,
        0xff,
    };
    char text[TRACE_TEXT_MAX];

    (void)state;
    assert_string_equal(trace_packet_text(most, sizeof(most), text),
                        "TCP [2001:abcd:abcd:abcd:abcd:abcd:abcd:abcd]:65535 > "
                        "[2001:abcd:abcd:abcd:abcd:abcd:abcd:abce]:65535 [FSRP.UEW]");
}

/* Every length of every kind, under ASan: not one byte beyond is read. */
static void test_every_length(void **state)
{
    static const uint8_t kinds[][74] = {
        { ETH(8, 0), IP4(6, 0), TCP(0x18) },    { ETH(8, 0), 0x4f, 0, 0, 40, 0, 0, 0, 0, 64, 6 },
        { ETH(0x86, 0xdd), IP6(6), TCP(0x18) }, { ETH(0x86, 0xdd), IP6(58), 128 },
        { ETH(8, 6), 0, 1, 8, 0, 6, 4, 0, 1 },  { ETH(0x88, 0xcc) },
    };

    (void)state;
    for (unsigned kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
        for (size_t len = 0; len <= sizeof(kinds[0]); len++) {
            char text[TRACE_TEXT_MAX];
            uint8_t *copy = malloc(len + !len); /* ASan's redzone begins behind it */

            memcpy(copy, kinds[kind], len);
            memset(text, 'x', sizeof(text));
            trace_packet_text(copy, len, text);
            assert_true(memchr(text, '\0', sizeof(text)) != NULL);
            assert_true(strlen(text) > 5);
            free(copy);
        }
}

static void test_random_bytes(void **state)
{
    static const uint16_t types[] = { 0x0800, 0x86dd, 0x0806 };

    (void)state;
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        size_t len = 14 + (size_t)rand() % 83;
        uint8_t *bytes = malloc(len);
        char text[TRACE_TEXT_MAX];

        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)rand();
        bytes[12] = (uint8_t)(types[round % 3] >> 8);
        bytes[13] = (uint8_t)types[round % 3];
        if (len > 14 && round % 4)
            bytes[14] = (uint8_t)((round % 3 == 1 ? 0x60 : 0x40) | (bytes[14] & 15));
        trace_packet_text(bytes, len, text);
        for (const char *c = text; *c != '\0'; c++)
            assert_in_range(*c, ' ', '~'); /* no byte of the network's reaches the terminal */
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp_and_udp),  cmocka_unit_test(test_icmp),
        cmocka_unit_test(test_others),       cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_longest),      cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
