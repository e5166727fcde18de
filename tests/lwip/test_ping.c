/* Our own ping (net/ping.c): whose replies it counts, and what it calculates. */
#include "stack_test.h"
#include "ping.h"
#include <kernel/lib.h>

static struct ping ping;

/* An echo reply from the peer to the request that was sent last, its first bytes as given. */
static void answer_ping(struct packet *k, size_t payload, uint16_t id, uint16_t seq)
{
    uint8_t icmp[1500] = { 0 };

    put16(icmp + 4, id);
    put16(icmp + 6, seq);
    put16(icmp + 2, checksum(icmp, 8 + payload, 0));
    make_ip(k, 1, icmp, 8 + payload, 1, 0);
    input(k);
}

static void test_ping_counts_only_its_replies(void **state)
{
    ip_addr_t to = IPADDR4_INIT(PP_HTONL(PEER_IP));
    uint8_t icmp_bad[8] = { 0, 0, 0x12, 0x34, 0, 0, 0, 1 };
    struct stats_ before = lwip_stats;
    struct ping_reply reply;
    struct packet k;

    (void)state;
    assert_true(ping_open(&ping, &to, 56));
    answer_ping(&k, 56, ping.id, 1); /* before any request */
    assert_int_equal(ping_send(&ping), ERR_OK);
    assert_int_equal(last_sent()->len, 14 + 20 + 8 + 56);
    assert_int_equal(last_sent()->data[34], 8);
    assert_int_equal(checksum(last_sent()->data + 34, 64, 0), 0);
    fake_time_ns += 1234567;
    answer_ping(&k, 56, (uint16_t)(ping.id + 1), 1); /* another's */
    answer_ping(&k, 56, ping.id, 2);                 /* not asked yet */
    answer_ping(&k, 56, ping.id, 0);
    put16(icmp_bad + 4, ping.id);
    make_ip(&k, 1, icmp_bad, sizeof(icmp_bad), 1, 0); /* a wrong checksum */
    input(&k);
    assert_int_equal(lwip_stats.icmp.chkerr - before.icmp.chkerr, 1);
    assert_int_equal(ping.received, 0);
    assert_false(ping_take_reply(&ping, &reply));

    answer_ping(&k, 56, ping.id, 1);
    assert_true(ping_take_reply(&ping, &reply));
    assert_int_equal(reply.seq, 1);
    assert_int_equal(reply.bytes, 64);
    assert_int_equal(reply.ttl, 64);
    assert_int_equal(reply.rtt_us, 1234);
    assert_false(reply.duplicate);
    input(&k);
    assert_true(ping_take_reply(&ping, &reply));
    assert_true(reply.duplicate);
    assert_int_equal(ping.received, 1);
    assert_int_equal(ping.duplicates, 1);

    for (k.len = 34; k.len < 42; k.len++) { /* cut, and saying so */
        put16(k.data + 16, (unsigned)k.len - 14);
        put16(k.data + 24, 0);
        put16(k.data + 24, checksum(k.data + 14, 20, 0));
        input(&k);
    }
    assert_int_equal(ping.duplicates, 1);
    ping_close(&ping);
    answer_ping(&k, 56, ping.id, 1); /* nobody listens any more */
    assert_int_equal(ping.duplicates, 1);
}

static void test_ping_many(void **state)
{
    ip_addr_t to = IPADDR4_INIT(PP_HTONL(PEER_IP));
    struct packet k;

    (void)state;
    assert_true(ping_open(&ping, &to, 0));
    for (unsigned i = 1; i <= 70000; i++) { /* sequence numbers wrap, leaving 0 out */
        assert_int_equal(ping_send(&ping), ERR_OK);
        stack_tx_complete();
        fake_nic_clear();
        fake_time_ns += (i % 2 ? 1000 : 3000) * NS_PER_US;
        answer_ping(&k, 0, ping.id, ping.seq);
    }
    assert_int_equal(ping.received, 70000);
    assert_int_equal(ping.duplicates, 0);
    assert_int_equal(ping.rtt_min_us, 1000);
    assert_int_equal(ping.rtt_max_us, 3000);
    assert_int_equal(ping.rtt_sum_us / ping.received, 2000);
    assert_int_equal(ping_mdev_us(&ping), 1000);

    /* 64 requests are told apart; a reply to an older one is not counted */
    for (unsigned i = 0; i < PING_WINDOW; i++)
        ping_send(&ping);
    answer_ping(&k, 0, ping.id, (uint16_t)(ping.seq - PING_WINDOW));
    assert_int_equal(ping.received, 70000);
    answer_ping(&k, 0, ping.id, (uint16_t)(ping.seq - PING_WINDOW + 1));
    assert_int_equal(ping.received, 70001);
    ping_close(&ping);
}

static void test_ping6(void **state)
{
    ip_addr_t to;
    struct packet k;

    (void)state;
    ip_addr_copy_from_ip6(to, *(const ip6_addr_t *)(const void *)peer_ip6);
    assert_true(ping_open(&ping, &to, 8));
    assert_int_equal(ping_send(&ping), ERR_OK);
    assert_int_equal(get16(last_sent()->data + 12), ETH_IP6);
    assert_int_equal(last_sent()->data[54], 128);
    make_echo6(&k, 1, 8);
    k.data[54] = 129; /* the peer's reply, its checksum still that of a request */
    put16(k.data + 58, ping.id);
    input(&k);
    assert_int_equal(ping.received, 0);
    repair(&k);
    input(&k);
    assert_int_equal(ping.received, 1);
    ping_close(&ping);
}

int run_ping_tests(void)
{
    const struct CMUnitTest tests[] = {
        STACK_TEST(test_ping_counts_only_its_replies),
        STACK_TEST(test_ping_many),
        STACK_TEST(test_ping6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
