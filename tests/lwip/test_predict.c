/*
 * Header prediction against lwIP: two connections get the same segments, at random, but one of them
 * with an option that says nothing (four NOPs), which is not predicted. After each segment both
 * connections are in the same state, and have been told and have sent the same.
 */
#include "stack_test.h"
#include <lwip/priv/tcp_priv.h>

static uint32_t seed;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(seed >> 8) * below >> 24);
}

/* One of the two. */
struct side {
    struct client c;
    struct tcp_pcb *pcb;
    uint32_t first_seq, first_ack; /* both sides' numbers begin elsewhere */
    bool nops;
    size_t told; /* bytes that the app has had */
    uint32_t hash;
    unsigned frames; /* sent, for the last segment */
    size_t payload;
};

static void open_side(struct side *s, unsigned port, bool nops)
{
    *s = (struct side){ .nops = nops };
    client_connect(&s->c, port);
    s->pcb = app.pcb;
    s->first_seq = s->c.seq;
    s->first_ack = s->c.ack;
    tcp_nagle_disable(s->pcb);
}

struct segment {
    uint32_t seq, ack; /* from the connection's beginning */
    unsigned flags, window;
    size_t len;
};

static void deliver(struct side *s, const struct segment *g)
{
    static const uint8_t nops[4] = { 1, 1, 1, 1 };
    struct tcp_fields t = { .sport = s->c.port,
                            .dport = 80,
                            .flags = g->flags,
                            .window = g->window,
                            .seq = s->first_seq + g->seq,
                            .ack = s->first_ack + g->ack,
                            .options = nops,
                            .options_len = s->nops ? 4 : 0 };
    uint8_t data[1460];
    struct packet k;

    for (size_t i = 0; i < g->len; i++)
        data[i] = (uint8_t)((g->seq + i) * 7);
    make_tcp(&k, &t, data, g->len);
    app.received = 0;
    app.hash = s->hash;
    fake_nic_clear();
    input(&k);
    s->told += app.received;
    s->hash = app.hash;
    s->frames = fake_nic.sent_count;
    s->payload = 0;
    for (unsigned i = 0; i < fake_nic.sent_count; i++)
        s->payload += tcp_payload(&fake_nic.sent[i]);
}

static void check_queue(const struct side *a, const struct tcp_seg *x, const struct side *b,
                        const struct tcp_seg *y)
{
    for (; x != NULL && y != NULL; x = x->next, y = y->next) {
        assert_int_equal(lwip_ntohl(x->tcphdr->seqno) - a->first_ack,
                         lwip_ntohl(y->tcphdr->seqno) - b->first_ack);
        assert_int_equal(x->len, y->len);
    }
    assert_true(x == NULL && y == NULL);
}

/* lwIP keeps these in host byte order. */
static void check_ooseq(const struct side *a, const struct tcp_seg *x, const struct side *b,
                        const struct tcp_seg *y)
{
    for (; x != NULL && y != NULL; x = x->next, y = y->next) {
        assert_int_equal(x->tcphdr->seqno - a->first_seq, y->tcphdr->seqno - b->first_seq);
        assert_int_equal(x->len, y->len);
    }
    assert_true(x == NULL && y == NULL);
}

#define SAME(member)        assert_int_equal(a->pcb->member, b->pcb->member)
#define SAME_FROM(m, first) assert_int_equal(a->pcb->m - a->first, b->pcb->m - b->first)

static void check_same(const struct side *a, const struct side *b)
{
    SAME(state);
    SAME(flags);
    SAME_FROM(rcv_nxt, first_seq);
    SAME(rcv_wnd);
    SAME(rcv_ann_wnd);
    SAME_FROM(rcv_ann_right_edge, first_seq);
    SAME_FROM(lastack, first_ack);
    SAME_FROM(snd_nxt, first_ack);
    SAME_FROM(snd_lbb, first_ack);
    SAME_FROM(snd_wl1, first_seq);
    SAME_FROM(snd_wl2, first_ack);
    SAME(snd_wnd);
    SAME(snd_wnd_max);
    SAME(snd_buf);
    SAME(snd_queuelen);
    SAME(cwnd);
    SAME(ssthresh);
    SAME(bytes_acked);
    SAME(dupacks);
    SAME(nrtx);
    SAME(rtime);
    SAME(rto);
    SAME(sa);
    SAME(sv);
    SAME(rttest);
    SAME(tmr);
    SAME(polltmr);
    SAME(keep_cnt_sent);
    SAME(persist_backoff);
    SAME(persist_probe);
    SAME(unsent_oversize);
    check_queue(a, a->pcb->unacked, b, b->pcb->unacked);
    check_queue(a, a->pcb->unsent, b, b->pcb->unsent);
    check_ooseq(a, a->pcb->ooseq, b, b->pcb->ooseq);
    assert_int_equal(a->pcb->refused_data != NULL, b->pcb->refused_data != NULL);
    assert_int_equal(a->told, b->told);
    assert_int_equal(a->hash, b->hash);
    assert_int_equal(a->frames, b->frames);
    assert_int_equal(a->payload, b->payload);
}

/* What a peer could send next: mostly what is expected, now and then anything. */
static struct segment next_segment(const struct side *s, unsigned strange)
{
    uint32_t flying = s->pcb->snd_nxt - s->pcb->lastack;
    struct segment g = { .seq = s->pcb->rcv_nxt - s->first_seq,
                         .ack = s->pcb->lastack - s->first_ack,
                         .flags = rnd(2) ? ACK : PSH | ACK,
                         .window = 500,
                         .len = rnd(3) == 0 ? 0 : 1 + rnd(1460) };

    if (rnd(2))
        g.ack += flying;
    else if (flying > 0)
        g.ack += rnd(flying + 1);
    if (rnd(strange) == 0)
        g.window = rnd(600);
    if (rnd(strange) == 0)
        g.seq += rnd(2000); /* a gap */
    if (rnd(strange) == 0)
        g.seq -= rnd(g.seq < 2000 ? g.seq + 1 : 2000); /* again, or in part */
    if (rnd(strange) == 0)
        g.ack += rnd(3) - 1;
    return g;
}

static void run(enum app_mode mode, unsigned strange)
{
    struct stack_stats before = glue();
    struct side a, b;
    unsigned segments = 3000;

    app.mode = mode;
    open_side(&a, 46000, false);
    open_side(&b, 46001, true);
    for (unsigned i = 0; i < segments; i++) {
        struct segment g = next_segment(&a, strange);

        deliver(&a, &g);
        deliver(&b, &g);
        check_same(&a, &b);
        if (rnd(20) == 0) {
            fake_time_advance(rnd(400));
            check_same(&a, &b);
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
    for (seed = 1; seed < 4; seed++) {
        run(APP_DISCARD, 1000000);
        run(APP_ECHO, 1000000);
        run(APP_REPLY_BY_REFERENCE, 1000000);
    }
}

static void test_as_lwip_strange(void **state)
{
    (void)state;
    for (seed = 100; seed < 110; seed++) {
        run(APP_DISCARD, 10);
        run(APP_ECHO, 10);
        run(APP_REPLY_BY_REFERENCE, 30);
    }
}

/* A checksum that the device has not checked, and that is wrong: counted by lwIP, as any. */
static void test_wrong_checksums(void **state)
{
    struct stack_stats before = glue();
    struct tcp_fields t = { .sport = 46002, .dport = 80, .flags = ACK, .window = 500 };
    struct client c;
    struct packet k;
    unsigned ip = lwip_stats.ip.chkerr, tcp = lwip_stats.tcp.chkerr;

    (void)state;
    client_connect(&c, 46002);
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
    struct stack_stats before = glue();
    struct client c;

    (void)state;
    app.mode = APP_CLOSE;
    client_connect(&c, 46003);
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
    assert_int_equal(glue().rx_predicted, before.rx_predicted + 3);
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
