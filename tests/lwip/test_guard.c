/* What peers may say and lwIP must not believe: see net/tcp_guard.h, and settle_persist_timers().
 */
#include "../../net/stack_priv.h"
#include "../../net/tcp_banks.h"
#include "../../net/tcp_gso.h"
#include "../../net/tcp_template.h"
#include "stack_test.h"
#include <lwip/priv/tcp_priv.h>

static uint8_t bytes[100000];
static struct client c;

static void offloads(unsigned can)
{
    fake_nic.can = can;
    tcp_gso_init((struct nic *)&fake_nic);
    tcp_template_init((struct nic *)&fake_nic);
    stack.checksum_flags = (can & NIC_TX_CSUM) ? NETIF_CHECKSUM_ENABLE_ALL & ~NETIF_CHECKSUM_GEN_TCP
                                               : NETIF_CHECKSUM_ENABLE_ALL;
    stack.netif.chksum_flags = stack.checksum_flags;
}

static int setup(void **state)
{
    static unsigned port = 46300;
    int failed = stack_test_setup(state);

    offloads(NIC_TX_CSUM | NIC_TX_TSO4);
    app.mode = APP_DISCARD;
    client_connect(&c, port++);
    fake_nic_clear();
    return failed;
}

static int teardown(void **state)
{
    int failed = stack_test_teardown(state);

    offloads(0);
    return failed;
}

static void acknowledge(uint32_t ack, const uint8_t *options, size_t len)
{
    struct tcp_fields t = { .sport = c.port,
                            .dport = 80,
                            .flags = ACK,
                            .window = c.window,
                            .seq = c.seq,
                            .ack = ack,
                            .options = options,
                            .options_len = len };
    struct packet k;

    make_tcp(&k, &t, NULL, 0);
    input(&k);
}

/* An MSS that is told in the middle of a connection changes nothing, wherever it stands. */
static void test_mss_outside_of_a_syn(void **state)
{
    static const uint8_t options[][8] = { { 2, 4, 0, 1 },
                                          { 1, 1, 2, 4, 0, 1, 0, 0 },
                                          { 2, 4, 0, 1, 2, 4, 0, 64 },
                                          { 8, 2, 2, 4, 2, 1, 1, 1 } };
    struct stack_stats before = glue();

    (void)state;
    app.pcb->cwnd = 4000;
    tcp_write(app.pcb, bytes, 60000, 0);
    tcp_output(app.pcb);
    for (unsigned i = 0; i < 4; i++) {
        acknowledge(c.ack, options[i], i == 0 ? 4 : 8);
        assert_int_equal(app.pcb->mss, 1460);
        tcp_write(app.pcb, bytes, 1000, 0);
    }
    assert_int_equal(glue().tcp_mss_ignored - before.tcp_mss_ignored, 5);
}

/* An option without a length, with one of 0 or 1, or beyond the header's end: nobody looks at the
 * segment. The last two are those that lwIP would read beyond it for. */
static const uint8_t broken[][8] = {
    { 5, 0, 2, 4 },
    { 5, 1, 2, 4 },
    { 5, 255, 2, 4 },
    { 2, 0, 0, 1 },
    { 1, 1, 1, 5, 1, 1, 1 },
    { 2, 4, 5, 180, 3, 3, 7, 4 },
    { 1, 1, 1, 1, 1, 1, 1, 2 },
};

static void test_broken_options(void **state)
{
    struct stack_stats before = glue();

    (void)state;
    for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        acknowledge(c.ack, broken[i], 8);
        assert_int_equal(app.pcb->mss, 1460);
        assert_int_equal(glue().tcp_bad_options - before.tcp_bad_options, i + 1);
    }
    assert_int_equal(fake_nic.sent_count, 0);
}

static void test_broken_options_in_a_syn(void **state)
{
    struct stack_stats before = glue();
    struct tcp_fields syn = {
        .sport = 3000, .dport = 80, .flags = SYN, .window = 1000, .seq = 1, .options_len = 8
    };
    struct packet k;

    (void)state;
    for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        syn.options = broken[i];
        make_tcp(&k, &syn, NULL, 0);
        input(&k);
    }
    assert_int_equal(glue().tcp_bad_options - before.tcp_bad_options,
                     sizeof(broken) / sizeof(broken[0]));
    assert_int_equal(fake_nic.sent_count, 0);
    syn.options = (const uint8_t[]){ 2, 4, 5, 180, 0, 2, 77, 0 }; /* behind an end is no option */
    make_tcp(&k, &syn, NULL, 0);
    input(&k);
    assert_int_equal(parse_tcp(last_sent()).flags, SYN | ACK);
}

/* The header lies in two buffers: with fragments a peer may do that as it likes (RFC 1858). */
static void test_header_in_two_fragments(void **state)
{
    static const uint8_t options[] = { 1, 1, 1, 1, 2, 4, 2, 24 };
    struct stack_stats before = glue();
    struct tcp_fields syn = { .sport = 3001,
                              .dport = 80,
                              .flags = SYN,
                              .window = 1000,
                              .seq = 1,
                              .options = options,
                              .options_len = sizeof(options) };
    struct packet whole, k;

    (void)state;
    make_tcp(&whole, &syn, NULL, 0);
    make_ip(&k, 6, whole.data + 34, 24, 9, 0x2000);
    input(&k);
    make_ip(&k, 6, whole.data + 58, 4, 9, 3);
    input(&k);
    assert_int_equal(fake_nic.sent_count, 0);
    assert_int_equal(glue().tcp_bad_options - before.tcp_bad_options, 1);
    assert_int_equal(fake_nic.buffers_out, 0);
}

/* A window's worth of segments from its end to its beginning, the last one straddling the end. */
static void test_descending_segments(void **state)
{
    struct stack_stats before = glue();
    uint32_t first = c.seq, wnd = app.pcb->rcv_wnd;
    unsigned last = wnd / 1460;

    (void)state;
    for (unsigned i = last; i > 0; i--) {
        c.seq = first + 1460 * i;
        client_send(&c, ACK, bytes, 1460);
        fake_nic_clear();
    }
    assert_int_equal(glue().tcp_beyond_window - before.tcp_beyond_window, 1);
    c.seq = first;
    client_send(&c, ACK, bytes, 1460);
    assert_int_equal(parse_tcp(last_sent()).flags & ACK, ACK);
    assert_non_null(app.pcb);
}

/* One byte beyond a window that is nearly closed, and then what fills it. */
static void test_beyond_a_small_window(void **state)
{
    uint32_t first = c.seq;

    (void)state;
    app.pcb->rcv_wnd = app.pcb->rcv_ann_wnd = 1000;
    c.seq = first + 1;
    client_send(&c, ACK, bytes, 1000);
    assert_null(app.pcb->ooseq);
    c.seq = first + 1;
    client_send(&c, ACK | FIN, bytes, 999); /* a FIN counts */
    assert_null(app.pcb->ooseq);
    c.seq = first;
    client_send(&c, ACK, bytes, 1);
    assert_int_equal(app.received, 1);
}

/* A part of a super-segment is acknowledged, with a window of 0, and then nothing is heard for
 * long: the app is told of the part, and the window is probed. */
static void test_part_and_a_closed_window(void **state)
{
    uint32_t begin = c.ack;
    unsigned probes = 0;

    (void)state;
    app.pcb->cwnd = 1 << 20;
    tcp_write(app.pcb, bytes, 60000, 0);
    tcp_output(app.pcb);
    stack_round_end();
    stack_tx_complete();
    c.window = 0;
    acknowledge(begin + 5000, NULL, 0);
    for (unsigned i = 0; i < 40; i++) {
        fake_nic_clear();
        fake_time_advance(500);
        for (unsigned n = 0; n < fake_nic.sent_count; n++)
            probes += get16(fake_nic.sent[n].data + 12) == ETH_IP4 &&
                      tcp_payload(&fake_nic.sent[n]) == 1 &&
                      parse_tcp(&fake_nic.sent[n]).seq - begin >= 5000;
    }
    assert_non_null(app.pcb);
    assert_true(probes >= 3);
    assert_int_equal(app.sent, 5000);
    fake_nic_clear();
    c.window = 2000;
    acknowledge(begin + 5000, NULL, 0);
    assert_true(fake_nic.sent_count > 0); /* it goes on */
}

/* Delayed acknowledgements leave at the next tick, whatever bank was last looked at. */
static void test_ticks_reach_all_banks(void **state)
{
    unsigned missed = 0;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        client_send(&c, ACK, "x", 1);
        tcp_banks_find_ip4(0x0100000a, (uint16_t)(i * 7919), 80);
        fake_time_advance(250);
        missed += (app.pcb->flags & TF_ACK_DELAY) != 0;
        fake_nic_clear();
    }
    assert_int_equal(missed, 0);
}

/* ---- What may be forged, and what is unacceptable ---- */

static void send_flags(unsigned flags, uint32_t seq, uint32_t ack, size_t len)
{
    struct tcp_fields t = {
        .sport = c.port, .dport = 80, .flags = flags, .window = c.window, .seq = seq, .ack = ack
    };
    struct packet k;

    make_tcp(&k, &t, bytes, len);
    input(&k);
}

static void assert_sent_acks(unsigned count)
{
    assert_int_equal(fake_nic.sent_count, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(parse_tcp(&fake_nic.sent[i]).flags, ACK);
        assert_int_equal(parse_tcp(&fake_nic.sent[i]).ack, c.seq);
    }
    fake_nic_clear();
}

/* RFC 5961 §3, §4: a thousand resets and SYNs in the window draw one challenge in half a second. */
static void test_challenges_are_few(void **state)
{
    static const unsigned flags[] = { RST, SYN, RST | ACK, SYN | ACK };
    struct stack_stats before = glue();

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        fake_time_advance(600);
        fake_nic_clear();
        for (unsigned n = 1; n <= 1000; n++)
            send_flags(flags[i], c.seq + n, c.ack, 0);
        assert_sent_acks(1);
    }
    assert_int_equal(glue().tcp_challenge_acks - before.tcp_challenge_acks, 4);
    assert_int_equal(glue().tcp_acks_skipped - before.tcp_acks_skipped, 4 * 999);
    send_flags(RST, c.seq - 1, 0, 0); /* outside: nothing at all */
    send_flags(RST, c.seq + app.pcb->rcv_wnd + 1, 0, 0);
    assert_sent_acks(0);
    client_send(&c, ACK, "x", 1); /* it lives, */
    assert_int_equal(app.received, 1);
    send_flags(RST, c.seq, 0, 0); /* until it is really reset */
    assert_null(app.pcb);
}

/* One connection's limit is not another's. */
static void test_each_has_its_own_limit(void **state)
{
    struct client first = c, second;

    (void)state;
    send_flags(SYN, c.seq, c.ack, 0);
    assert_sent_acks(1);
    client_connect(&second, 46900);
    fake_nic_clear();
    c = second;
    send_flags(SYN, c.seq, c.ack, 0);
    assert_sent_acks(1);
    c = first;
}

/* RFC 5961 §5: data with a number that nobody can mean, or with none, is none of the peer's. */
static void test_blind_data(void **state)
{
    struct stack_stats before = glue();
    uint32_t max = app.pcb->snd_wnd_max;

    (void)state;
    send_flags(ACK, c.seq, c.ack + 1, 10);
    assert_sent_acks(1);
    send_flags(ACK, c.seq, c.ack + 0x40000000, 10);
    send_flags(ACK, c.seq, c.ack - max - 1, 10);
    send_flags(PSH, c.seq, c.ack, 10);
    send_flags(FIN, c.seq, c.ack, 0);
    assert_sent_acks(0);
    assert_int_equal(app.received, 0);
    assert_int_equal(glue().tcp_bad_acks - before.tcp_bad_acks, 5);
    assert_int_equal(glue().tcp_challenge_acks - before.tcp_challenge_acks, 1);
    send_flags(ACK, c.seq, c.ack - max, 10); /* old, but possible */
    assert_int_equal(app.received, 10);
    c.seq += 10;
}

/* Two ends whose ACKs are unacceptable to each other, as QEMU's user network and lwIP may be after
 * both windows were closed: neither would ever end it. */
static void test_no_war_of_acks(void **state)
{
    struct stack_stats before = glue();

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        send_flags(ACK, c.seq + 300000, c.ack, 0); /* beyond the window */
    assert_sent_acks(1);
    fake_time_advance(600);
    fake_nic_clear();
    for (unsigned i = 0; i < 1000; i++)
        send_flags(ACK, c.seq - 1, c.ack, 0); /* a keep-alive probe */
    assert_sent_acks(1);
    fake_time_advance(600);
    fake_nic_clear();
    app.pcb->rcv_wnd = app.pcb->rcv_ann_wnd = 0;
    for (unsigned i = 0; i < 1000; i++)
        send_flags(ACK, c.seq, c.ack, 0); /* all that there can be; lwIP answers it */
    assert_sent_acks(1);
    assert_int_equal(glue().tcp_acks_skipped - before.tcp_acks_skipped, 3 * 999);
}

/* What they say of our data counts, whatever the number is. */
static void test_news_come_through(void **state)
{
    (void)state;
    tcp_write(app.pcb, bytes, 5000, 0);
    tcp_output(app.pcb);
    app.pcb->rcv_wnd = app.pcb->rcv_ann_wnd = 0;
    for (unsigned i = 1; i <= 5; i++)
        send_flags(ACK, c.seq + 1, c.ack + 1000 * i, 0);
    assert_int_equal(app.sent, 5000);
    for (unsigned i = 1; i <= 5; i++) {
        app.pcb->snd_wnd = 1000;
        send_flags(ACK, c.seq, c.ack + 5000, 0); /* a wider window */
        assert_int_equal(app.pcb->snd_wnd, c.window * 128);
    }
}

/* Old data may mean that our ACKs are lost: ten in half a second. */
static void test_old_data_is_answered(void **state)
{
    (void)state;
    client_send(&c, ACK, bytes, 700);
    client_send(&c, ACK, bytes, 700);
    fake_time_advance(600);
    fake_nic_clear();
    for (unsigned i = 0; i < 100; i++)
        send_flags(ACK, c.seq - 1400, c.ack, 700);
    assert_sent_acks(10);
    assert_int_equal(app.received, 1400);
    send_flags(ACK, c.seq - 700, c.ack, 1400); /* half of it is new */
    assert_int_equal(app.received, 2100);
    c.seq += 700;
    fake_time_advance(600);
    fake_nic_clear();
    for (unsigned i = 0; i < 100; i++)
        send_flags(ACK, c.seq + 300000, c.ack, 1000); /* beyond the window */
    assert_sent_acks(10);
}

int run_guard_tests(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_mss_outside_of_a_syn),
        TEST(test_broken_options),
        TEST(test_broken_options_in_a_syn),
        TEST(test_header_in_two_fragments),
        TEST(test_descending_segments),
        TEST(test_beyond_a_small_window),
        TEST(test_part_and_a_closed_window),
        TEST(test_ticks_reach_all_banks),
        TEST(test_challenges_are_few),
        TEST(test_each_has_its_own_limit),
        TEST(test_blind_data),
        TEST(test_no_war_of_acks),
        TEST(test_news_come_through),
        TEST(test_old_data_is_answered),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
