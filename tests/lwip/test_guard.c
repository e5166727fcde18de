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

/* A length of 0 or 1, or one beyond the end, ends the list. */
static void test_broken_options(void **state)
{
    static const uint8_t options[][4] = {
        { 5, 0, 2, 4 }, { 5, 1, 2, 4 }, { 5, 255, 2, 4 }, { 1, 1, 1, 2 }, { 2, 0, 0, 1 }
    };

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        acknowledge(c.ack, options[i], 4);
        assert_int_equal(app.pcb->mss, 1460);
    }
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

int run_guard_tests(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_mss_outside_of_a_syn),     TEST(test_broken_options),
        TEST(test_descending_segments),      TEST(test_beyond_a_small_window),
        TEST(test_part_and_a_closed_window), TEST(test_ticks_reach_all_banks),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
