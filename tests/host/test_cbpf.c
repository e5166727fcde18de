/*
 * Classic BPF: what is refused, what programs compute, frames in pieces. libpcap is the oracle: it
 * compiles expressions, and its own interpreter runs them and random programs beside ours.
 */
#include <net/cbpf.h>
#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

_Static_assert(sizeof(struct cbpf_insn) == sizeof(struct bpf_insn), "the same layout");

static struct cbpf_insn program[CBPF_INSNS_MAX + 1];
static struct cbpf_error error;

/* ---------------------------------------------------------------- checking */

static size_t parse(const char *text)
{
    return cbpf_parse(text, strlen(text), program, CBPF_INSNS_MAX, &error);
}

static void refused(const char *text, unsigned at, const char *reason)
{
    assert_int_equal(parse(text), 0);
    assert_int_equal(error.at, at);
    assert_non_null(strstr(error.reason, reason));
}

static void test_text(void **state)
{
    (void)state;
    assert_int_equal(parse("1\n6 0 0 262144\n"), 1);
    assert_int_equal(program[0].code, 6);
    assert_int_equal(program[0].k, 262144);
    assert_int_equal(parse("2,0 0 0 7,22 0 0 0"), 2);
    assert_int_equal(parse("1 6 0 0 4294967295  \r\n"), 1);
    refused("", 0, "number of instructions");
    refused("x", 0, "number of instructions");
    refused("0", 1, "none");
    refused("4097", 1, "too many");
    refused("99999999999999999999", 0, "number");
    refused("1\n6 0 0", 4, "not a number");
    refused("1\n6 0 0 0x1", 4, "not a number");
    refused("1\n6 0 0 -1", 4, "not a number");
    refused("1\n6 256 0 0", 2, "not a number");
    refused("1\n65536 0 0 0", 1, "not a number");
    refused("1\n6 0 0 4294967296", 4, "not a number");
    refused("1\n6 0 0 0\n6 0 0 0", 5, "more than");
}

static void test_what_is_refused(void **state)
{
    (void)state;
    refused("1 0 0 0 0", 0, "no return");
    refused("2 21 1 0 0 6 0 0 0", 0, "beyond the end");
    refused("2 21 0 1 0 6 0 0 0", 0, "beyond the end");
    refused("2 5 0 0 1 6 0 0 0", 0, "beyond the end");
    refused("2 5 0 0 4294967295 6 0 0 0", 0, "beyond the end");
    refused("2 96 0 0 16 6 0 0 0", 0, "memory words");
    refused("2 97 0 0 16 6 0 0 0", 0, "memory words");
    refused("2 2 0 0 16 6 0 0 0", 0, "memory words");
    refused("2 3 0 0 4294967295 6 0 0 0", 0, "memory words");
    refused("2 52 0 0 0 6 0 0 0", 0, "divides by 0");
    refused("2 148 0 0 0 6 0 0 0", 0, "divides by 0");
    refused("2 100 0 0 32 6 0 0 0", 0, "shifts");
    refused("2 116 0 0 32 6 0 0 0", 0, "shifts");
    refused("2 40 0 0 4294963200 6 0 0 0", 0, "Linux");
    refused("2 177 0 0 4294963200 6 0 0 0", 0, "Linux");
    refused("2 14 0 0 0 6 0 0 0", 0, "no such");
    refused("2 8 0 0 0 6 0 0 0", 0, "no such");   /* a half of a constant */
    refused("2 140 0 0 0 6 0 0 0", 0, "no such"); /* neg x */
    refused("2 180 0 0 1 6 0 0 0", 0, "no such");
    refused("2 13 0 0 0 6 0 0 0", 0, "no such"); /* ja x */
    refused("2 85 0 0 0 6 0 0 0", 0, "no such");
    refused("2 10 0 0 0 6 0 0 0", 0, "no such"); /* st x? */
    refused("2 1030 0 0 0 6 0 0 0", 0, "no such");
    refused("1 14 0 0 0", 0, "no such");
    assert_false(cbpf_check(program, 0, &error));
    assert_false(cbpf_check(program, CBPF_INSNS_MAX + 1, &error));
}

/* ---------------------------------------------------------------- beside libpcap's */

static uint32_t run_in_pieces(const struct cbpf_insn *insns, const uint8_t *frame, uint32_t len,
                              uint32_t piece)
{
    struct nic_seg pieces[256];
    unsigned count = 0;

    for (uint32_t at = 0; at < len; at += piece, count++)
        pieces[count] =
            (struct nic_seg){ .data = frame + at, .len = len - at < piece ? len - at : piece };
    return cbpf_run(insns, pieces, count, len);
}

/* In memory that ends where the frame does, whole and cut in many ways. */
static void same(const struct cbpf_insn *insns, const uint8_t *bytes, uint32_t len)
{
    static const uint32_t cuts[] = { 1, 2, 3, 7, 14, 33, 2048 };
    uint8_t *frame = malloc(len > 0 ? len : 1);
    u_int theirs;

    assert_non_null(frame);
    memcpy(frame, bytes, len);
    theirs = bpf_filter((const struct bpf_insn *)(const void *)insns, frame, len, len);
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
        assert_int_equal(run_in_pieces(insns, frame, len, cuts[i]), theirs);
    free(frame);
}

static uint64_t seed = 0x7069657365;

static uint32_t random32(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

/* Like what comes: some of its fields are right. */
static uint32_t random_frame(uint8_t frame[128])
{
    static const uint16_t types[] = { 0x0800, 0x86dd, 0x0806, 0x8100 };
    uint16_t type = types[random32() % 4];

    for (unsigned i = 0; i < 128; i++)
        frame[i] = (uint8_t)random32();
    frame[12] = (uint8_t)(type >> 8);
    frame[13] = (uint8_t)type;
    frame[14] = type == 0x0800 ? 0x45 : 0x60;
    frame[20] = random32() % 2 ? 6 : frame[20]; /* IPv6's next header, IPv4's fragment */
    frame[21] = random32() % 2 ? 0 : frame[21];
    frame[23] = random32() % 2 ? 6 : 17;
    frame[random32() % 2 ? 35 : 37] = 80;
    frame[random32() % 2 ? 34 : 36] = 0;
    return random32() % 129;
}

static void test_expressions(void **state)
{
    static const char *const expressions[] = {
        "",
        "arp",
        "ip",
        "ip6",
        "tcp",
        "udp port 53",
        "tcp port 80",
        "not port 22",
        "host 10.0.2.2",
        "net 10.0.0.0/8 and tcp",
        "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
        "ip[8] < 64",
        "ether host 52:54:00:12:34:56",
        "vlan and ip",
        "greater 100",
        "less 60",
        "len % 3 = 1",
        "icmp6",
        "ip6 host fe80::1",
        "port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
        "tcp[20:4] = 0x47455420",
        "ip proto 17 or ip proto 6",
        "ether multicast",
        "udp[4:2] >> 3 > 4",
        "tcp portrange 1-1023",
        "ip[6:2] & 0x1fff = 0 and ip[0] * 4 / 3 > 90",
    };
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
    uint8_t frame[128];

    (void)state;
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
        struct bpf_program compiled;
        const struct cbpf_insn *insns;

        assert_int_equal(pcap_compile(pcap, &compiled, expressions[i], 1, 0), 0);
        insns = (const void *)compiled.bf_insns;
        assert_true(cbpf_check(insns, compiled.bf_len, &error));
        for (unsigned n = 0; n < 400; n++)
            same(insns, frame, random_frame(frame));
        pcap_freecode(&compiled);
    }
    pcap_close(pcap);
}

static uint32_t random_constant(void)
{
    static const uint32_t edges[] = { 0,  1,   14,  15,  16,         31,
                                      32, 126, 127, 128, 0x7fffffff, 0xffffffff };

    return random32() % 2 ? edges[random32() % 12] : random32() % 130;
}

/* Theirs does not zero its memory words: store 0 in each first. */
static unsigned store_zeroes(void)
{
    for (uint32_t i = 0; i < CBPF_MEMWORDS; i++)
        program[i] = (struct cbpf_insn){ .code = 2, .k = i };
    return CBPF_MEMWORDS;
}

static void test_random_programs(void **state)
{
    uint8_t frame[128];
    unsigned accepted = 0;

    (void)state;
    for (unsigned n = 0; n < 200000; n++) {
        unsigned first = store_zeroes(), count = first + 2 + random32() % 10;

        for (unsigned i = first; i < count; i++)
            program[i] = (struct cbpf_insn){ .code = (uint16_t)(random32() & 0xff),
                                             .jt = (uint8_t)(random32() % 4),
                                             .jf = (uint8_t)(random32() % 4),
                                             .k = random_constant() };
        program[count - 1] = (struct cbpf_insn){ .code = random32() % 2 ? 0x06 : 0x16, .k = 5 };
        for (unsigned i = first; i + 1 < count; i++) /* most would be no instructions */
            while (!cbpf_check(&program[i], count - i, &error) && error.at == 0)
                program[i] = (struct cbpf_insn){ .code = (uint16_t)(random32() & 0xff),
                                                 .jt = (uint8_t)(random32() % 4),
                                                 .jf = (uint8_t)(random32() % 4),
                                                 .k = random_constant() };
        if (!cbpf_check(program, count, &error))
            continue;
        accepted++;
        assert_true(bpf_validate((const struct bpf_insn *)(const void *)program, (int)count));
        same(program, frame, random_frame(frame));
    }
    assert_true(accepted > 100000);
}

static void test_longer_than_its_pieces(void **state)
{
    const struct nic_seg piece = { .data = "ab", .len = 2 };

    (void)state;
    assert_int_equal(parse("2\n48 0 0 2\n22 0 0 0"), 2);
    assert_int_equal(cbpf_run(program, &piece, 1, 3), 0); /* nothing is read that is not there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_random_programs),
        cmocka_unit_test(test_longer_than_its_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
