/* More SYNs than a listener's backlog: who is answered, and how; see net/tcp_backlog.h. */
#include "../../net/stack_priv.h"
#include "../../net/tcp_backlog.h"
#include "../../net/tcp_gso.h"
#include "../../net/tcp_template.h"
#include "stack_test.h"
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>

#define BACKLOG TCP_DEFAULT_LISTEN_BACKLOG

static const uint8_t syn_options[] = { 2, 4, 0x05, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2 };

/* One of the many: beyond our gateway, where no ARP is asked. */
#define STRANGER(n) (0x0a010000u + (n))

static void offloads(unsigned can)
{
    fake_nic.can = can;
    tcp_gso_init((struct nic *)&fake_nic);
    tcp_template_init((struct nic *)&fake_nic);
    stack.checksum_flags = (can & NIC_TX_CSUM) ? NETIF_CHECKSUM_ENABLE_ALL & ~NETIF_CHECKSUM_GEN_TCP
                                               : NETIF_CHECKSUM_ENABLE_ALL;
    stack.netif.chksum_flags = stack.checksum_flags;
}

static void cookies(bool on)
{
    fake_config_syncookies = on;
    tcp_backlog_init();
}

static int teardown(void **state)
{
    int failed = stack_test_teardown(state);

    cookies(true);
    offloads(0);
    return failed;
}

static void from(struct packet *k, uint32_t ip)
{
    put32(k->data + 26, ip);
    repair(k);
}

static void send_segment(uint32_t ip, const struct tcp_fields *t, const void *data, size_t len)
{
    struct packet k;

    make_tcp(&k, t, data, len);
    from(&k, ip);
    input(&k);
}

static void send_syn(uint32_t ip, unsigned port)
{
    struct tcp_fields t = { .sport = port,
                            .dport = 80,
                            .flags = SYN,
                            .window = 65000,
                            .seq = 1000,
                            .options = syn_options,
                            .options_len = sizeof(syn_options) };

    send_segment(ip, &t, NULL, 0);
}

static void send_ack(uint32_t ip, unsigned port, uint32_t ack, const void *data, size_t len)
{
    struct tcp_fields t = {
        .sport = port, .dport = 80, .flags = ACK, .window = 65000, .seq = 1001, .ack = ack
    };

    send_segment(ip, &t, data, len);
}

/* SYNs of so many strangers, from the n-th on. */
static void flood(unsigned n, unsigned count)
{
    for (; count > 0; n++, count--) {
        send_syn(STRANGER(n), 5000);
        fake_nic_clear();
    }
}

static unsigned half_open(void)
{
    return tcp_listen_pcbs.listen_pcbs->accepts_pending;
}

/* The SYN-ACK that was just sent, to this address. */
static struct tcp_fields syn_ack(uint32_t ip)
{
    const struct sent_frame *f = last_sent();
    struct tcp_fields got = parse_tcp(f);

    assert_int_equal(fake_nic.sent_count, 1);
    assert_int_equal(get32(f->data + 26), OUR_IP);
    assert_int_equal(get32(f->data + 30), ip);
    assert_memory_equal(f->data, peer_mac, 6);
    assert_memory_equal(f->data + 6, fake_nic_mac_address, 6);
    assert_int_equal(checksum(f->data + 14, 20, 0), 0);
    assert_int_equal(got.flags, SYN | ACK);
    assert_int_equal(got.ack, 1001);
    assert_int_equal(got.window, 65535);
    return got;
}

static void check_checksum(const struct sent_frame *f)
{
    struct packet k = { .len = f->len };

    memcpy(k.data, f->data, f->len);
    repair(&k);
    assert_memory_equal(k.data, f->data, f->len);
}

static struct tcp_fields cookie_for(uint32_t ip, unsigned port)
{
    uint64_t sent = glue().tcp_syncookies_sent;
    struct tcp_fields got;

    fake_nic_clear();
    send_syn(ip, port);
    got = syn_ack(ip);
    check_checksum(last_sent());
    assert_int_equal(glue().tcp_syncookies_sent, sent + 1);
    assert_int_equal(got.options_len, 4);
    assert_memory_equal(last_sent()->data + 54, "\x02\x04\x05\xb4", 4);
    fake_nic_clear();
    return got;
}

/* Twenty thousand strangers, and two that mean it: one was there before, one comes meanwhile. */
static void cookies_under_a_flood(unsigned can)
{
    struct stack_stats before;
    struct tcp_pcb *old;
    struct tcp_fields got;
    struct client c;

    offloads(can);
    introduce_peer();
    app.mode = APP_ECHO;
    client_connect(&c, 46000);
    old = app.pcb;
    before = glue();
    flood(0, 20000);
    assert_int_equal(half_open(), BACKLOG - 1);
    assert_int_equal(glue().tcp_listen_overflows - before.tcp_listen_overflows,
                     20000 - (BACKLOG - 1));
    assert_int_equal(glue().tcp_syncookies_sent - before.tcp_syncookies_sent,
                     20000 - (BACKLOG - 1));
    assert_int_equal(glue().tcp_half_open_evicted, before.tcp_half_open_evicted);

    got = cookie_for(STRANGER(30000), 5001);
    send_ack(STRANGER(30000), 5001, got.seq + 1, NULL, 0);
    assert_int_equal(fake_nic.sent_count, 0);
    assert_int_equal(app.accepted, 2);
    assert_int_equal(app.pcb->mss, 1460);
    assert_int_equal(app.pcb->cwnd, 14600);
    assert_int_equal(app.pcb->snd_wnd, 65000); /* not scaled */
    assert_int_equal(glue().tcp_syncookies_recv - before.tcp_syncookies_recv, 1);
    send_ack(STRANGER(30000), 5001, got.seq + 1, "hello", 5);
    assert_memory_equal(last_sent()->data + 54, "hello", 5);
    check_checksum(last_sent());
    assert_int_equal(half_open(), BACKLOG - 1); /* it has taken nobody's place */
    tcp_abort(app.pcb);

    app.pcb = old;
    fake_nic_clear();
    client_send(&c, ACK | PSH, "still here", 10);
    assert_memory_equal(last_sent()->data + 54, "still here", 10);
    assert_int_equal(app.errors, 1); /* the one that was aborted */
    assert_int_equal(glue().tcp_syncookies_failed, before.tcp_syncookies_failed);
}

static void test_cookies_under_a_flood(void **state)
{
    (void)state;
    cookies_under_a_flood(0);
}

static void test_cookies_with_checksum_offload(void **state)
{
    (void)state;
    cookies_under_a_flood(NIC_TX_CSUM | NIC_TX_TSO4);
}

/* The frame goes where the SYN's came from: nobody is asked where the address is. */
static void test_cookie_for_an_unknown_neighbour(void **state)
{
    struct tcp_fields got;

    (void)state;
    flood(0, BACKLOG);
    got = cookie_for(OUR_IP + 77, 5002); /* one frame, and that is no ARP request */
    send_ack(OUR_IP + 77, 5002, got.seq + 1, NULL, 0);
    assert_int_equal(app.accepted, 1);
}

static void test_cookie_over_ipv6(void **state)
{
    uint8_t tcp[24] = { 0x13, 0x88, 0, 80, 0, 0, 3, 0xe8, 0, 0, 0, 0, 0x60, SYN, 0xff, 0 };
    uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };
    const struct sent_frame *f;
    struct packet k;

    (void)state;
    flood(0, BACKLOG);
    memcpy(tcp + 20, "\x02\x04\x05\xa0", 4);
    make_ip6(&k, our_ip6, 6, tcp, sizeof(tcp));
    memcpy(k.data + 6, mac, 6);
    k.data[14 + 23] = 0x99; /* fe80::...99: never heard of */
    repair(&k);
    input(&k);
    assert_int_equal(fake_nic.sent_count, 1);
    f = last_sent();
    check_checksum(f);
    assert_memory_equal(f->data, mac, 6);
    assert_memory_equal(f->data + 38, k.data + 22, 16);
    assert_int_equal(f->data[54 + 13], SYN | ACK);
    assert_memory_equal(f->data + 74, "\x02\x04\x04\xc4", 4); /* what any path takes */

    put32(k.data + 54 + 4, 1001);
    put32(k.data + 54 + 8, get32(f->data + 54 + 4) + 1);
    k.data[54 + 12] = 0x50;
    k.data[54 + 13] = ACK;
    k.len -= 4;
    put16(k.data + 18, 20);
    repair(&k);
    input(&k);
    assert_int_equal(app.accepted, 1);
    assert_int_equal(app.pcb->mss, 1220);
}

/* The client's ACK is lost, and its data comes first. */
static void test_data_brings_the_cookie(void **state)
{
    struct tcp_fields got;

    (void)state;
    app.mode = APP_ECHO;
    flood(0, BACKLOG);
    got = cookie_for(STRANGER(500), 5003);
    send_ack(STRANGER(500), 5003, got.seq + 1, "first", 5);
    assert_int_equal(app.received, 5);
    assert_memory_equal(last_sent()->data + 54, "first", 5);
}

/* A cookie is the client's own, and good for two slots at most. */
static void test_wrong_cookies(void **state)
{
    struct stack_stats before = glue();
    struct tcp_fields got;

    (void)state;
    flood(0, BACKLOG);
    got = cookie_for(STRANGER(500), 5003);
    send_ack(STRANGER(500), 5003, got.seq + 2, NULL, 0);
    assert_true(parse_tcp(last_sent()).flags & RST);
    send_ack(STRANGER(500), 5004, got.seq + 1, NULL, 0);
    send_ack(STRANGER(501), 5003, got.seq + 1, NULL, 0);
    assert_int_equal(glue().tcp_syncookies_failed - before.tcp_syncookies_failed, 3);
    fake_time_advance(138000);
    send_ack(STRANGER(500), 5003, got.seq + 1, NULL, 0); /* none are out: not even looked at */
    assert_int_equal(glue().tcp_syncookies_failed - before.tcp_syncookies_failed, 3);
    flood(1000, BACKLOG);
    cookie_for(STRANGER(502), 5003);
    send_ack(STRANGER(500), 5003, got.seq + 1, NULL, 0);
    assert_int_equal(glue().tcp_syncookies_failed - before.tcp_syncookies_failed, 4);
    assert_int_equal(glue().tcp_syncookies_recv, before.tcp_syncookies_recv);
    assert_int_equal(app.accepted, 0);
}

/* Broken ones are lwIP's to count, and make nothing. */
static void test_checksums_come_first(void **state)
{
    struct stack_stats before;
    struct tcp_fields got;
    struct packet k;
    struct tcp_fields t = { .sport = 6000, .dport = 80, .flags = SYN, .window = 1, .seq = 1000 };

    (void)state;
    flood(0, BACKLOG);
    got = cookie_for(STRANGER(500), 5003);
    before = glue();
    make_tcp(&k, &t, NULL, 0);
    k.data[38] ^= 1;
    input(&k);
    t.sport = 5003;
    t.flags = ACK;
    t.seq = 1001;
    t.ack = got.seq + 1;
    make_tcp(&k, &t, NULL, 0);
    from(&k, STRANGER(500));
    k.data[49] ^= 1; /* of the window */
    input(&k);
    assert_int_equal(fake_nic.sent_count, 0);
    assert_int_equal(glue().tcp_syncookies_sent, before.tcp_syncookies_sent);
    assert_int_equal(glue().tcp_syncookies_recv, before.tcp_syncookies_recv);
    assert_int_equal(app.accepted, 0);
}

/* After three seconds without an ACK the oldest makes room, and who comes has all options. */
static void test_patience_ends(void **state)
{
    struct stack_stats before = glue();

    (void)state;
    flood(0, BACKLOG + 5);
    assert_int_equal(half_open(), BACKLOG - 1);
    fake_time_advance(3600);
    fake_nic_clear();
    send_syn(STRANGER(1000), 5005);
    assert_true(syn_ack(STRANGER(1000)).options_len > 4);
    assert_int_equal(glue().tcp_half_open_evicted - before.tcp_half_open_evicted, 1);
    assert_int_equal(half_open(), BACKLOG - 1);
    fake_nic_clear();
    send_syn(STRANGER(0), 5000); /* it was this one: it is new */
    assert_true(syn_ack(STRANGER(0)).options_len > 4);
    assert_int_equal(glue().tcp_half_open_evicted - before.tcp_half_open_evicted, 2);
}

/* Without cookies the oldest goes at once; connections never do. */
static void test_without_cookies(void **state)
{
    struct stack_stats before = glue();
    struct tcp_fields got;
    struct client c;

    (void)state;
    cookies(false);
    app.mode = APP_ECHO;
    client_connect(&c, 46000);
    flood(0, 3000);
    assert_int_equal(half_open(), BACKLOG);
    assert_int_equal(glue().tcp_half_open_evicted - before.tcp_half_open_evicted, 3000 - BACKLOG);
    assert_int_equal(glue().tcp_syncookies_sent, before.tcp_syncookies_sent);
    fake_nic_clear();
    send_syn(STRANGER(5000), 5006);
    got = syn_ack(STRANGER(5000));
    flood(3000, BACKLOG - 1); /* it is the oldest now */
    send_ack(STRANGER(5000), 5006, got.seq + 1, NULL, 0);
    assert_int_equal(app.accepted, 2);
    fake_nic_clear();
    send_syn(STRANGER(5001), 5006);
    got = syn_ack(STRANGER(5001));
    flood(4000, BACKLOG); /* one more, and it has been forgotten */
    send_ack(STRANGER(5001), 5006, got.seq + 1, NULL, 0);
    assert_int_equal(app.accepted, 2);
    assert_true(parse_tcp(last_sent()).flags & RST);
    fake_nic_clear();
    client_send(&c, ACK | PSH, "alive", 5);
    assert_memory_equal(last_sent()->data + 54, "alive", 5);
}

/* One waits while thousands come and go: the ring of entries runs round, and it is still known. */
static void test_one_waits_while_many_pass(void **state)
{
    struct stack_stats before = glue();
    struct client c;

    (void)state;
    send_syn(STRANGER(1), 5007);
    for (unsigned i = 0; i < 3000; i++) {
        client_connect(&c, 10000 + i);
        tcp_abort(app.pcb);
        fake_nic_clear();
    }
    assert_int_equal(half_open(), 1);
    assert_true(tcp_backlog_evict(NULL));
    assert_false(tcp_backlog_evict(NULL));
    assert_int_equal(half_open(), 0);
    assert_int_equal(glue().tcp_half_open_evicted - before.tcp_half_open_evicted, 1);
}

/* lwIP would end one of lower priority, or the oldest that closes. */
static void test_no_place_for_a_newcomer(void **state)
{
    const struct stats_mem *pool = lwip_stats.memp[MEMP_TCP_PCB];
    mem_size_t failed = pool->err;
    static struct tcp_pcb *all[MEMP_NUM_TCP_PCB + 1];
    unsigned count = 0;

    (void)state;
    while ((all[count] = tcp_new()) != NULL)
        count++;
    assert_int_equal(count, MEMP_NUM_TCP_PCB);
    assert_null(tcp_new_ip_type(IPADDR_TYPE_ANY));
    assert_int_equal(pool->err - failed, 2);
    send_syn(STRANGER(1), 5008);
    assert_int_equal(fake_nic.sent_count, 0);
    tcp_abort(all[--count]);
    send_syn(STRANGER(2), 5008);
    assert_int_equal(fake_nic.sent_count, 1);
    all[count] = tcp_new(); /* for which the half-open one makes room */
    assert_non_null(all[count]);
    for (unsigned i = 0; i <= count; i++)
        tcp_abort(all[i]);
}

int run_backlog_tests(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stack_test_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_cookies_under_a_flood),
        TEST(test_cookies_with_checksum_offload),
        TEST(test_cookie_for_an_unknown_neighbour),
        TEST(test_cookie_over_ipv6),
        TEST(test_data_brings_the_cookie),
        TEST(test_wrong_cookies),
        TEST(test_checksums_come_first),
        TEST(test_patience_ends),
        TEST(test_without_cookies),
        TEST(test_one_waits_while_many_pass),
        TEST(test_no_place_for_a_newcomer),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
