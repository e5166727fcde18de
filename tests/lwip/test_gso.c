/*
 * Super-segments: a sender with segmentation offload against a receiver that loses frames, has
 * small windows, acknowledges in the middle of anything. The fake device cuts super-segments as a
 * real one does, so that what is looked at is what would be on the wire: every checksum is
 * checked, and every byte compared.
 */
#include "../../net/stack_priv.h"
#include "../../net/tcp_gso.h"
#include "../../net/tcp_template.h"
#include "stack_test.h"
#include <lwip/priv/tcp_priv.h>

#define BLOB_BYTES 1000000u

static uint8_t blob[BLOB_BYTES];
static uint32_t seed;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(seed >> 8) * below >> 24);
}

static void offloads(unsigned can)
{
    fake_nic.can = can;
    fake_nic.supers = 0;
    tcp_gso_init((struct nic *)&fake_nic);
    tcp_template_init((struct nic *)&fake_nic);
    stack.checksum_flags = (can & NIC_TX_CSUM) ? NETIF_CHECKSUM_ENABLE_ALL & ~NETIF_CHECKSUM_GEN_TCP
                                               : NETIF_CHECKSUM_ENABLE_ALL;
    stack.netif.chksum_flags = stack.checksum_flags;
}

static int setup(void **state)
{
    offloads(NIC_TX_CSUM | NIC_TX_TSO4 | NIC_TX_TSO6);
    for (unsigned i = 0; i < BLOB_BYTES; i++)
        blob[i] = (uint8_t)(i * 2654435761u >> 13);
    return stack_test_setup(state);
}

static int teardown(void **state)
{
    int failed = stack_test_teardown(state);

    offloads(0);
    return failed;
}

/* ---- The receiver ---- */

struct receiver {
    struct client c;
    uint32_t begin;  /* sequence number of the first byte */
    uint32_t next;   /* bytes received in order */
    uint32_t window; /* bytes, a multiple of 128 */
    uint32_t edge;   /* the farthest that it has let the sender go */
    unsigned loss;   /* frames in 1000 */
    unsigned seen;   /* frames looked at */
    unsigned mss;
    uint8_t have[BLOB_BYTES]; /* by byte */
};
static struct receiver r;

static void check_wire(const struct sent_frame *f)
{
    size_t payload = tcp_payload(f);
    uint32_t pseudo = 6 + (uint32_t)f->len - 34;

    assert_true(payload <= r.mss);
    assert_int_equal(checksum(f->data + 14, 20, 0), 0);
    for (unsigned i = 26; i < 34; i += 2)
        pseudo += get16(f->data + i);
    assert_int_equal(checksum(f->data + 34, f->len - 34, pseudo), 0);
}

static void take(const struct sent_frame *f)
{
    uint32_t at;
    size_t payload;

    if (get16(f->data + 12) != ETH_IP4)
        return; /* neighbour discovery has its timers, too */
    at = parse_tcp(f).seq - r.begin;
    payload = tcp_payload(f);
    check_wire(f);
    if (payload == 0 || rnd(1000) < r.loss)
        return;
    assert_true(at < BLOB_BYTES && at + payload <= BLOB_BYTES);
    assert_memory_equal(f->data + 54, blob + at, payload);
    assert_true(at + payload <= r.edge + 1); /* a window probe has one byte */
    memset(r.have + at, 1, payload);
    while (r.next < BLOB_BYTES && r.have[r.next])
        r.next++;
}

static void say(uint32_t upto, const char *data)
{
    r.c.ack = r.begin + upto;
    r.c.window = r.window >> 7;
    r.edge = LWIP_MAX(r.edge, upto + r.window);
    client_send(&r.c, ACK, data, data != NULL);
}

static void acknowledge(uint32_t upto)
{
    say(upto, NULL);
}

/* Take back what was offered: a sender believes that of newer data only (RFC 9293 §3.10.7.4). */
static void shrink_window(uint32_t window)
{
    r.window = window;
    say(r.next, "x");
    say(r.next, "y");
    r.edge = r.next + window;
}

/* Look at up to `most` frames; an acknowledgement for each that was out of order, and at the end.
 */
static bool look(unsigned most)
{
    unsigned begun = r.seen;

    assert_true(fake_nic.sent_count - r.seen < SENT_MAX);
    while (r.seen < fake_nic.sent_count && r.seen - begun < most) {
        uint32_t before = r.next;
        struct sent_frame f = fake_nic.sent[r.seen++ % SENT_MAX];

        take(&f);
        if (r.next == before && get16(f.data + 12) == ETH_IP4 && tcp_payload(&f) > 0)
            acknowledge(r.next); /* a duplicate */
    }
    acknowledge(r.next);
    return r.seen != begun;
}

static void write_more(uint32_t *written, uint32_t total)
{
    while (app.pcb != NULL && *written < total && tcp_sndbuf(app.pcb) > 0) {
        uint32_t n = LWIP_MIN(total - *written, tcp_sndbuf(app.pcb)), some = 1 + rnd(65535);

        n = LWIP_MIN(n, some);
        if (tcp_write(app.pcb, blob + *written, (u16_t)n, rnd(4) ? 0 : TCP_WRITE_FLAG_MORE) !=
            ERR_OK)
            break;
        *written += n;
    }
    if (app.pcb != NULL) {
        tcp_output(app.pcb);
        stack_round_end();
    }
}

static void begin(unsigned port, unsigned loss, uint32_t window)
{
    memset(&r, 0, sizeof(r));
    app.mode = APP_DISCARD;
    client_connect(&r.c, port);
    r.begin = r.c.ack;
    r.loss = loss;
    r.mss = 1460;
    shrink_window(window & ~127u);
    app.pcb->snd_wnd_max = app.pcb->snd_wnd; /* as if it had never been larger */
    r.seen = fake_nic.sent_count;
    assert_non_null(app.pcb);
    tcp_nagle_disable(app.pcb);
}

static void transfer(uint32_t total, unsigned frames_a_look)
{
    uint32_t written = 0;
    unsigned quiet = 0;

    while (r.next < total) {
        write_more(&written, total);
        fake_nic.hold = rnd(4) == 0; /* the device takes its time now and then */
        if (look(1 + rnd(frames_a_look))) {
            quiet = 0;
        } else {
            fake_nic.hold = false;
            stack_tx_complete();
            fake_time_advance(250);
            assert_true(quiet++ < 2000);
        }
        assert_non_null(app.pcb);
    }
    fake_nic.hold = false;
    stack_tx_complete();
    acknowledge(r.next);
    assert_int_equal(app.pcb->snd_queuelen, 0);
    assert_null(app.pcb->unacked);
    assert_int_equal(app.pcb->snd_buf, TCP_SND_BUF);
}

/* ---- Tests ---- */

static void test_super_segments(void **state)
{
    (void)state;
    seed = 1;
    begin(41001, 0, 1 << 20);
    transfer(BLOB_BYTES, 64);
    assert_true(fake_nic.supers > 10);
    assert_true(fake_nic.supers < BLOB_BYTES / 1460 / 3); /* large ones */
}

static void test_loss(void **state)
{
    (void)state;
    for (unsigned loss = 5; loss <= 100; loss *= 2) {
        seed = loss;
        begin(41100 + loss, loss, 1 << 18);
        transfer(300000, 40);
        tcp_abort(app.pcb);
    }
}

static void test_small_windows(void **state)
{
    (void)state;
    for (uint32_t window = 256; window <= 16384; window = window * 3 / 2 & ~127u) {
        seed = window;
        begin(42000 + (window >> 7), 10, window);
        transfer(window * 20 < BLOB_BYTES ? window * 20 : BLOB_BYTES, 10);
        tcp_abort(app.pcb);
    }
}

/* The window closes in the middle of a super-segment, and opens by less than one MSS at a time. */
static void test_window_that_closes(void **state)
{
    uint32_t written = 0;

    (void)state;
    seed = 3;
    begin(43001, 0, 100 << 10);
    write_more(&written, 300000);
    while (look(100))
        ;
    shrink_window(0);
    write_more(&written, 300000);
    for (unsigned i = 0; i < 40; i++) { /* probes: one byte at a time may come */
        fake_time_advance(1000);
        look(100);
    }
    assert_true(app.pcb != NULL);
    for (unsigned i = 0; i < 30; i++) {
        r.window = 128 * (1 + rnd(20));
        acknowledge(r.next);
        fake_time_advance(500);
        look(100);
    }
    r.window = 1 << 20;
    acknowledge(r.next);
    while (r.next < 300000) {
        write_more(&written, 300000);
        if (!look(100))
            fake_time_advance(250);
    }
}

/* An acknowledgement in the middle of a super-segment, then silence: the retransmission begins
 * where the acknowledgement ended, with one MSS. */
static void test_partial_acknowledgement(void **state)
{
    struct tcp_fields again;
    uint32_t written = 0;

    (void)state;
    seed = 4;
    begin(44001, 0, 1 << 20);
    transfer(200000, 64); /* the congestion window is open */
    written = 200000;
    tcp_write(app.pcb, blob + written, 60000, 0);
    tcp_output(app.pcb);
    stack_round_end();
    assert_true(app.pcb->unacked->len > 10 * 1460);
    stack_tx_complete();
    acknowledge(written + 5000);
    fake_nic_clear();
    fake_time_advance(5000);
    assert_true(fake_nic.sent_count > 0);
    again = parse_tcp(&fake_nic.sent[0]);
    assert_int_equal(again.seq, r.begin + written + 5000);
    assert_int_equal(tcp_payload(&fake_nic.sent[0]), 1460);
    r.seen = 0;
    r.next = written + 5000;
    memset(r.have, 1, r.next);
    while (r.next < written + 60000) {
        if (!look(100))
            fake_time_advance(250);
    }
}

/* Three duplicates: what is missing is sent again, one MSS of it and not all 60,000 bytes. */
static void test_fast_retransmit(void **state)
{
    (void)state;
    seed = 5;
    begin(45001, 0, 1 << 20);
    transfer(200000, 64);
    tcp_write(app.pcb, blob + 200000, 60000, 0);
    tcp_output(app.pcb);
    stack_round_end();
    stack_tx_complete();
    fake_nic_clear();
    for (unsigned i = 0; i < 4; i++)
        acknowledge(200000);
    assert_int_equal(fake_nic.sent_count, 1);
    assert_int_equal(parse_tcp(&fake_nic.sent[0]).seq, r.begin + 200000);
    assert_int_equal(tcp_payload(&fake_nic.sent[0]), 1460);
    r.seen = fake_nic.sent_count; /* all of it has come, with that one */
    r.next = app.pcb->snd_nxt - r.begin;
    memset(r.have, 1, r.next);
    acknowledge(r.next);
    while (r.next < 260000)
        look(100);
    acknowledge(260000);
    assert_null(app.pcb->unacked);
}

/* Writes of many pieces: more than a descriptor chain takes. */
static void test_many_pieces(void **state)
{
    struct stack_stats before = glue();

    (void)state;
    seed = 6;
    begin(46001, 0, 1 << 20);
    transfer(200000, 64);
    for (unsigned i = 0; i < 60; i++) /* apart in memory, so that no two are one piece */
        assert_int_equal(
            tcp_write(app.pcb, blob + 200000 + 500 * i, 500, i % 3 ? 0 : TCP_WRITE_FLAG_COPY),
            ERR_OK);
    tcp_output(app.pcb);
    stack_round_end();
    while (r.next < 230000)
        if (!look(100))
            fake_time_advance(250);
    assert_int_equal(glue().tx_copied, before.tx_copied);
}

/* A device without offloads gets none. */
static void test_without(void **state)
{
    (void)state;
    offloads(0);
    seed = 7;
    begin(47001, 10, 1 << 18);
    transfer(200000, 40);
    assert_int_equal(fake_nic.supers, 0);
}

static void test_checksum_only(void **state)
{
    (void)state;
    offloads(NIC_TX_CSUM);
    seed = 8;
    begin(48001, 10, 1 << 18);
    transfer(200000, 40);
    assert_int_equal(fake_nic.supers, 0);
}

#define GSO_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int run_gso_tests(void)
{
    const struct CMUnitTest tests[] = {
        GSO_TEST(test_super_segments),
        GSO_TEST(test_loss),
        GSO_TEST(test_small_windows),
        GSO_TEST(test_window_that_closes),
        GSO_TEST(test_partial_acknowledgement),
        GSO_TEST(test_fast_retransmit),
        GSO_TEST(test_many_pieces),
        GSO_TEST(test_without),
        GSO_TEST(test_checksum_only),
    };

    return cmocka_run_group_tests_name("gso", tests, NULL, NULL);
}
