/*
 * Header prediction against lwIP: two connections get the same segments, at random, but one of them
 * with an option that says nothing (four NOPs), which is not predicted. After each segment both
 * connections are in the same state, and have been told and have sent the same.
 */
#include "twins.h"

static void run(enum app_mode mode, unsigned strange)
{
    struct stack_stats before = glue();
    struct twin a, b;
    unsigned segments = 3000;

    app.mode = mode;
    twin_open(&a, 46000);
    twin_open(&b, 46001);
    b.nops = true;
    for (unsigned i = 0; i < segments; i++) {
        struct twin_segment g = twin_next(&a, strange);

        twin_deliver(&a, &g);
        twin_deliver(&b, &g);
        twins_check(&a, &b);
        if (twin_rnd(20) == 0) {
            fake_time_advance(twin_rnd(400));
            twins_check(&a, &b);
        }
    }
    assert_true(glue().rx_predicted - before.rx_predicted > (strange > 100 ? 1000 : 50));
    tcp_abort(a.pcb);
    tcp_abort(b.pcb);
    app.pcb = NULL;
    assert_int_equal(fake_nic.buffers_out, 0);
}

static void test_as_lwip_expected(void **state)
{
    (void)state;
    for (twin_seed = 1; twin_seed < 4; twin_seed++) {
        run(APP_DISCARD, 1000000);
        run(APP_ECHO, 1000000);
        run(APP_REPLY_BY_REFERENCE, 1000000);
    }
}

static void test_as_lwip_strange(void **state)
{
    (void)state;
    for (twin_seed = 100; twin_seed < 110; twin_seed++) {
        run(APP_DISCARD, 10);
        run(APP_ECHO, 10);
        run(APP_REPLY_BY_REFERENCE, 30);
    }
}

/* A checksum that the device has not checked, and that is wrong: counted by lwIP, as any. */
static void test_wrong_checksums(void **state)
{
    struct stack_stats before;
    struct tcp_fields t = { .sport = 46002, .dport = 80, .flags = ACK, .window = 500 };
    struct client c;
    struct packet k;
    unsigned ip = lwip_stats.ip.chkerr, tcp = lwip_stats.tcp.chkerr;

    (void)state;
    client_connect(&c, 46002);
    before = glue();
    t.seq = c.seq;
    t.ack = c.ack;
    for (unsigned at = 14; at < 34 + 20 + 3; at++) {
        make_tcp(&k, &t, "abc", 3);
        if (at == 14 + 9)
            continue; /* another protocol's */
        k.data[at] ^= 0x10;
        input(&k);
    }
    assert_int_equal(glue().rx_predicted, before.rx_predicted);
    assert_int_equal(app.received, 0);
    assert_true(lwip_stats.ip.chkerr > ip && lwip_stats.tcp.chkerr >= tcp + 20);
    client_send(&c, ACK, "abc", 3);
    assert_int_equal(app.received, 3);
    assert_int_equal(glue().rx_predicted, before.rx_predicted + 1);
}

/* The app closes, or aborts, in its callback: the connection is gone when that returns. */
static void test_closed_in_the_callback(void **state)
{
    struct stack_stats before;
    struct client c;

    (void)state;
    app.mode = APP_CLOSE;
    client_connect(&c, 46003);
    before = glue();
    client_send(&c, ACK, "bye", 3);
    assert_int_equal(glue().rx_predicted, before.rx_predicted + 1);
    assert_true(parse_tcp(last_sent()).flags & FIN);
    assert_null(app.pcb);

    app.mode = APP_CLOSE_UNREAD; /* there is data that it does not take: a reset */
    client_connect(&c, 46004);
    fake_nic_clear();
    client_send(&c, ACK, "bye", 3);
    assert_true(parse_tcp(&fake_nic.sent[0]).flags & RST);

    app.mode = APP_ABORT;
    client_connect(&c, 46005);
    client_send(&c, ACK, "bye", 3);
    assert_true(parse_tcp(last_sent()).flags & RST);
    assert_int_equal(glue().rx_predicted, before.rx_predicted + 5); /* two handshakes */
    assert_int_equal(fake_nic.buffers_out, 0);
    app.pcb = NULL;
}

int run_predict_tests(void)
{
    const struct CMUnitTest tests[] = {
        STACK_TEST(test_as_lwip_expected),
        STACK_TEST(test_as_lwip_strange),
        STACK_TEST(test_wrong_checksums),
        STACK_TEST(test_closed_in_the_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
