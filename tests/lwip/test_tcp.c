/*
 * TCP from frame to frame: no copy in either direction, who holds what while the device still
 * reads it, a full ring, too many of everything.
 */
#include "../../net/tcp_banks.h"
#include "../../net/tcp_timewait.h"
#include "stack_test.h"
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>

static void test_tcp_without_a_copy(void **state)
{
    struct client c;
    const struct sent_frame *f;

    (void)state;
    app.mode = APP_REPLY_BY_REFERENCE;
    client_connect(&c, 40001);
    assert_int_equal(app.accepted, 1);
    fake_nic_clear();
    client_send(&c, PSH | ACK, "GET", 3);
    assert_int_equal(app.received, 3);
    /* read where the NIC wrote it: frame offset 384, headers 14 + 20 + 20 */
    assert_int_equal((uintptr_t)app.payload % PKTBUF_SIZE, 384 + 54);
    assert_int_equal(app.tail, 0); /* nothing of an earlier frame behind it */
    f = last_sent();
    assert_int_equal(tcp_payload(f), app_page_len);
    assert_int_equal(f->segs, 2);
    assert_ptr_equal(f->seg_data[1], app_page); /* sent from where it lies */
    assert_memory_equal(f->data + 54, app_page, app_page_len);
    assert_int_equal(parse_tcp(f).ack, c.seq); /* the ACK rides on the answer */
    assert_int_equal(fake_nic.sent_count, 1);

    c.ack += app_page_len;
    client_send(&c, FIN | ACK, NULL, 0);
    assert_true(parse_tcp(last_sent()).flags & FIN);
    c.ack++;
    client_send(&c, ACK, NULL, 0);
    assert_int_equal(lwip_stats.memp[MEMP_TCP_PCB]->used, 0); /* they closed first: no TIME_WAIT */
}

static void test_syn_ack_offers_our_options(void **state)
{
    struct client c;
    const uint8_t *options;

    (void)state;
    client_connect(&c, 40002);
    options = fake_nic.sent[0].data + 54;
    assert_int_equal(options[0], 2); /* MSS */
    assert_int_equal(get16(options + 2), 1460);
    assert_memory_equal(options + 4, ((const uint8_t[]){ 1, 3, 3, TCP_RCV_SCALE }), 4);
    assert_memory_equal(options + 8, ((const uint8_t[]){ 1, 1, 4, 2 }), 4); /* SACK permitted */
}

/* RFC 6528 through lwIP's hook: another tuple, another sequence space; the same one, a clock. */
static void test_initial_sequence_numbers(void **state)
{
    struct client a, b, again;

    (void)state;
    client_connect(&a, 40010);
    client_connect(&b, 40011);
    assert_int_not_equal(a.ack, b.ack);
    client_send(&a, RST, NULL, 0);
    client_send(&b, RST, NULL, 0);
    fake_time_ns += 400000;
    client_connect(&again, 40010);
    assert_int_equal(again.ack - a.ack, 100);
}

static void test_closed_port_is_refused(void **state)
{
    struct tcp_fields syn = { .sport = 4000, .dport = 81, .flags = SYN, .window = 1000, .seq = 9 };
    struct packet k;

    (void)state;
    make_tcp(&k, &syn, NULL, 0);
    input(&k);
    assert_int_equal(parse_tcp(last_sent()).flags, RST | ACK);
    assert_int_equal(parse_tcp(last_sent()).ack, 10);
}

/* The ring is full: nothing is lost and nothing waits for a retransmission timer. */
static void test_full_ring_holds_segments_back(void **state)
{
    static char data[20 * 1460];
    struct stack_stats before = glue();
    struct client c;

    (void)state;
    client_connect(&c, 40003);
    app.pcb->cwnd = 100000;
    fake_nic_clear();
    fake_nic.ring_room = 3;
    fake_nic.hold = true;
    assert_int_equal(tcp_write(app.pcb, data, sizeof(data), 0), ERR_OK);
    tcp_output(app.pcb);
    stack_round_end();
    assert_int_equal(fake_nic.sent_count, 3);
    assert_int_equal(glue().tx_ring_full - before.tx_ring_full, 1);
    fake_nic.hold = false;
    for (unsigned sent = 3; sent < 20; sent += 3) {
        assert_int_equal(fake_nic.sent_count, sent);
        stack_tx_complete(); /* frees all, and sends as many again as fit */
        stack_round_end();
    }
    stack_tx_complete();
    assert_int_equal(fake_nic.sent_count, 20);
    assert_int_equal(app.pcb->nrtx, 0);
    c.ack += sizeof(data);
    client_send(&c, ACK, NULL, 0);
    assert_int_equal(app.pcb->snd_buf, TCP_SND_BUF);
}

/* The last frame that is IPv4: timers send for IPv6 in between. */
static const struct sent_frame *last_sent_ip4(void)
{
    unsigned i = fake_nic.sent_count;

    assert_true(i <= SENT_MAX);
    while (i-- > 0)
        if (get16(fake_nic.sent[i].data + 12) == ETH_IP4)
            return &fake_nic.sent[i];
    fail_msg("nothing was sent over IPv4");
    return NULL;
}

/*
 * A window that closes at the worst moment: lwIP splits its segment, probes the closed window with
 * the last byte, and when that byte is acknowledged it has nothing left to send but goes on as if
 * it had, which lwIP itself asserts against. Eight packets of anybody's must not stop the machine.
 */
static void test_window_that_closes_on_the_last_byte(void **state)
{
    static const char data[129];
    struct client c;

    (void)state;
    client_connect(&c, 40010);
    client_send(&c, PSH | ACK, "x", 1);
    c.window = 1; /* 128 bytes: one less than is sent */
    client_send(&c, PSH | ACK, "y", 1);
    assert_int_equal(app.pcb->snd_wnd, 128);
    fake_nic_clear();
    assert_int_equal(tcp_write(app.pcb, data, sizeof(data), 0), ERR_OK);
    tcp_output(app.pcb);
    fake_time_advance(3000);
    assert_int_equal(tcp_payload(last_sent_ip4()), 128);
    c.ack += 128;
    c.window = 0;
    client_send(&c, ACK, NULL, 0);
    fake_time_advance(3000);
    assert_int_equal(tcp_payload(last_sent_ip4()), 1); /* the probe */
    c.ack += 1;
    client_send(&c, ACK, NULL, 0);
    assert_null(app.pcb->unsent);
    assert_null(app.pcb->unacked);
    fake_time_advance(10000);

    /* And the connection still works: */
    c.window = 65000;
    client_send(&c, ACK, NULL, 0);
    assert_int_equal(tcp_write(app.pcb, data, sizeof(data), 0), ERR_OK);
    tcp_output(app.pcb);
    assert_int_equal(tcp_payload(last_sent_ip4()), sizeof(data));
    c.ack += sizeof(data);
    client_send(&c, ACK, NULL, 0);
}

/* Buffers may come free in any round, not only in a poll. Were the receive ring empty by then, no
 * interrupt would ever start a poll that fills it again. */
static void test_every_round_refills_the_ring(void **state)
{
    (void)state;
    fake_nic.refills = 0;
    fake_time_advance(2000); /* lwIP's timers, and nothing else */
    assert_true(fake_nic.refills > 0);
    fake_nic.refills = 0;
    net_enter();
    assert_int_equal(fake_nic.refills, 0);
    net_leave();
    assert_int_equal(fake_nic.refills, 1);
}

/* An acknowledgement frees the segment for TCP, but not what the device still reads. */
static void test_acknowledged_but_still_in_the_ring(void **state)
{
    struct client c;
    const uint8_t *queued;

    (void)state;
    app.mode = APP_ECHO;
    client_connect(&c, 40004);
    fake_nic.hold = true;
    client_send(&c, PSH | ACK, "0123456789", 10);
    queued = last_sent()->seg_data[0];
    c.ack += 10;
    client_send(&c, ACK, NULL, 0);
    assert_null(app.pcb->unacked);
    assert_memory_equal(queued, last_sent()->data, 54); /* ASan would tell */
    fake_nic.hold = false;
}

/* What an app sends from a received buffer stays as it is until the device has read it: whether
 * the peer acknowledges it before that, or resets the connection. */
static void test_freed_but_still_in_the_ring(void **state)
{
    struct client c;

    (void)state;
    app.mode = APP_ECHO_BY_REFERENCE;
    for (unsigned reset = 0; reset < 2; reset++) {
        client_connect(&c, 40006 + reset);
        fake_nic.hold = true;
        client_send(&c, PSH | ACK, "0123456789", 10);
        assert_ptr_equal(last_sent()->seg_data[1], app.held->payload);
        c.ack += 10;
        client_send(&c, reset ? RST : ACK, NULL, 0);
        assert_null(app.held); /* for the app that is over */
        assert_int_equal(fake_nic.buffers_out, 1);
        assert_int_equal(glue().rx_held, 0);
        fake_nic.hold = false;
        stack_tx_complete(); /* the device compares */
        assert_int_equal(fake_nic.buffers_out, 0);
    }
    app.pcb = NULL;
}

/* No retransmission of a segment that the device has not sent yet. */
static void test_no_retransmission_while_queued(void **state)
{
    struct client c;
    unsigned sent;

    (void)state;
    app.mode = APP_ECHO;
    client_connect(&c, 40005);
    fake_nic.hold = true;
    client_send(&c, PSH | ACK, "0123456789", 10);
    sent = fake_nic.sent_count;
    fake_time_advance(2500);
    assert_int_equal(fake_nic.sent_count, sent);
    fake_nic.hold = false;
    fake_time_advance(5000);
    assert_true(fake_nic.sent_count > sent);
    c.ack += 10;
    client_send(&c, ACK, NULL, 0);
}

/* A chain of more pieces than a descriptor chain takes is copied into one. */
static void test_long_chain_is_copied(void **state)
{
    struct stack_stats before = glue();
    struct pbuf *chain = pbuf_alloc(PBUF_RAW, 14, PBUF_RAM);
    uint8_t expect[14 + 30];

    (void)state;
    memset(chain->payload, 'h', 14);
    memset(expect, 'h', 14);
    for (unsigned i = 0; i < 30; i++) {
        struct pbuf *piece = pbuf_alloc(PBUF_RAW, 1, PBUF_RAM);

        *(uint8_t *)piece->payload = (uint8_t)i;
        expect[14 + i] = (uint8_t)i;
        pbuf_cat(chain, piece);
    }
    assert_int_equal(stack_netif()->linkoutput(stack_netif(), chain), ERR_OK);
    assert_int_equal(last_sent()->segs, 1);
    assert_int_equal(last_sent()->len, sizeof(expect));
    assert_memory_equal(last_sent()->data, expect, sizeof(expect));
    assert_int_equal(glue().tx_copied - before.tx_copied, 1);
    pbuf_free(chain);
}

/* A segment of `len` bytes that the device has put together; byte i of the connection is i * 7. */
static void send_merged(struct client *c, uint32_t first, size_t len)
{
    static uint8_t frame[65535];
    struct tcp_fields t = { .sport = c->port, .dport = 80, .flags = ACK, .window = 1000 };
    struct packet k;

    t.seq = c->seq;
    t.ack = c->ack;
    make_tcp(&k, &t, NULL, 0);
    memcpy(frame, k.data, 54);
    for (size_t i = 0; i < len; i++)
        frame[54 + i] = (uint8_t)((first + i) * 7);
    put16(frame + 16, (unsigned)(40 + len));
    put16(frame + 24, 0);
    put16(frame + 24, checksum(frame + 14, 20, 0));
    fake_nic_receive_merged(frame, 54 + len);
    stack_round_end();
}

/* What was put together reaches the app in the buffers that it came in, and is acknowledged at
 * once: the peer may be waiting for that. */
static void test_merged_segments(void **state)
{
    static const size_t lens[] = { 2920, 14600, 65535 - 54, 40000 };
    struct client c;
    uint32_t hash = 0, first = 0;

    (void)state;
    client_connect(&c, 45000);
    for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
        fake_nic_clear();
        send_merged(&c, first, lens[i]);
        for (size_t n = 0; n < lens[i]; n++, first++)
            hash = hash * 31 + (uint8_t)(first * 7);
        c.seq += lens[i];
        assert_int_equal(app.received, first);
        assert_int_equal(app.hash, hash);
        assert_int_equal(fake_nic.sent_count, 1);
        assert_int_equal(parse_tcp(last_sent()).ack, c.seq);
        assert_int_equal(fake_nic.buffers_out, 0);
    }
}

/* Peers that leave a gap and send on can not take all receive buffers. */
static void test_out_of_order_data_is_given_up(void **state)
{
    struct stack_stats before = glue();
    struct client c[8];

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        client_connect(&c[i], 41000 + i);
    for (unsigned n = 0; n < 60; n++) {
        for (unsigned i = 0; i < 8; i++) {
            struct client ahead = c[i];

            ahead.seq += 1 + n * 100;
            client_send(&ahead, ACK, "out of order", 12);
        }
        assert_true(fake_nic.buffers_out <= 257);
    }
    assert_true(glue().rx_reclaims > before.rx_reclaims);
    for (unsigned i = 0; i < 8; i++)
        client_send(&c[i], RST, NULL, 0);
    assert_int_equal(fake_nic.buffers_out, 0);
    app.pcb = NULL;
}

/* Nor can peers whose data the app refuses: lwIP keeps it, in the same buffers. */
static void test_refused_data_is_given_up(void **state)
{
    struct stack_stats before = glue();
    struct client c[16];

    (void)state;
    app.mode = APP_REFUSE;
    for (unsigned i = 0; i < 16; i++) {
        client_connect(&c[i], 42000 + i);
        for (unsigned n = 50; n > 0; n--) { /* a gap, which one byte then fills */
            struct client ahead = c[i];

            ahead.seq += n;
            client_send(&ahead, ACK, "x", 1);
        }
        client_send(&c[i], ACK, "x", 1);
        assert_true(fake_nic.buffers_out <= 257);
    }
    assert_true(glue().rx_aborts > before.rx_aborts);
    abort_all();
    assert_int_equal(fake_nic.buffers_out, 0);
    app.pcb = NULL;
}

/* Open a connection that our side closes first, to its end. */
static void wait_out(struct client *c, unsigned port)
{
    app.mode = APP_CLOSE;
    client_connect(c, port);
    client_send(c, PSH | ACK, "x", 1);
    assert_true(parse_tcp(last_sent()).flags & FIN);
    c->ack++;
    client_send(c, FIN | ACK, NULL, 0);
    assert_int_equal(parse_tcp(last_sent()).flags, ACK);
    fake_nic_clear();
}

/* More connections than PCBs and records: the oldest record makes room, no PCB is held. */
static void test_time_wait_takes_no_connection(void **state)
{
    struct client c;
    uint64_t evicted = tcp_timewait_stats.evicted;

    (void)state;
    fake_time_advance(70000);
    for (unsigned i = 0; i < TIMEWAIT_MAX + 200; i++)
        wait_out(&c, 10000 + i);
    assert_int_equal(app.accepted, TIMEWAIT_MAX + 200);
    assert_int_equal(lwip_stats.memp[MEMP_TCP_PCB]->used, 0);
    assert_int_equal(tcp_timewait_count(), TIMEWAIT_MAX);
    assert_in_range(tcp_timewait_stats.evicted - evicted, 200, 400);
}

static void test_time_wait_answers(void **state)
{
    struct client c;

    (void)state;
    wait_out(&c, 9000);
    c.seq--; /* the FIN once more: its acknowledgement was lost */
    client_send(&c, FIN | ACK, NULL, 0);
    assert_int_equal(fake_nic.sent_count, 1);
    assert_int_equal(parse_tcp(last_sent()).flags, ACK);
    assert_int_equal(parse_tcp(last_sent()).ack, c.seq);
    assert_int_equal(parse_tcp(last_sent()).seq, c.ack);
    client_send(&c, ACK, NULL, 0); /* nothing to say to that */
    client_send(&c, RST, NULL, 0); /* RFC 1337 */
    assert_int_equal(fake_nic.sent_count, 1);
    client_send(&c, ACK, "late", 4);
    assert_int_equal(fake_nic.sent_count, 2);
    assert_int_equal(parse_tcp(last_sent()).flags, ACK);
}

/* A new connection with the old ends, as it should be: the sequence number goes on. */
static void test_time_wait_is_opened_again(void **state)
{
    struct tcp_fields syn = { .sport = 9001, .dport = 80, .flags = SYN, .window = 1000 };
    uint64_t reused = tcp_timewait_stats.reused;
    struct packet k;
    struct client c;

    (void)state;
    wait_out(&c, 9001);
    syn.seq = c.seq - 100;
    make_tcp(&k, &syn, NULL, 0);
    input(&k);
    assert_int_equal(parse_tcp(last_sent()).flags, ACK); /* too old */
    assert_int_equal(parse_tcp(last_sent()).ack, c.seq);
    syn.seq = c.seq + 1;
    make_tcp(&k, &syn, NULL, 0);
    input(&k);
    assert_int_equal(parse_tcp(last_sent()).flags, SYN | ACK);
    assert_int_equal(parse_tcp(last_sent()).ack, c.seq + 2);
    assert_int_equal(tcp_timewait_stats.reused, reused + 1);
}

static void test_time_wait_ends(void **state)
{
    struct client c;

    (void)state;
    wait_out(&c, 9002);
    fake_time_advance(58000);
    c.seq--;
    client_send(&c, FIN | ACK, NULL, 0);
    assert_int_equal(parse_tcp(last_sent()).flags, ACK);
    fake_time_advance(58000); /* that FIN began the wait anew */
    client_send(&c, ACK, "x", 1);
    assert_int_equal(parse_tcp(last_sent()).flags, ACK);
    fake_time_advance(62000);
    client_send(&c, ACK, "x", 1);
    assert_true(parse_tcp(last_sent()).flags & RST); /* nobody knows it any more */
}

/* A damaged segment is nobody's: no answer. */
static void test_time_wait_checks_sums(void **state)
{
    struct tcp_fields t = { .sport = 9003, .dport = 80, .flags = FIN | ACK, .window = 1000 };
    struct packet k;
    struct client c;

    (void)state;
    wait_out(&c, 9003);
    t.seq = c.seq - 1;
    t.ack = c.ack;
    make_tcp(&k, &t, NULL, 0);
    k.data[34 + 16] ^= 1;
    input(&k);
    assert_int_equal(fake_nic.sent_count, 0);
}

/* Many connections: each is found, whatever its bank; and a pool that is used up refuses. */
static void test_more_connections_than_there_are(void **state)
{
    uint32_t failed = lwip_stats.memp[MEMP_TCP_PCB]->err;
    struct tcp_fields syn = { .sport = 9999, .dport = 80, .flags = SYN, .window = 1000, .seq = 1 };
    static struct client all[MEMP_NUM_TCP_PCB];
    struct packet k;

    (void)state;
    app.mode = APP_ECHO;
    for (unsigned i = 0; i < MEMP_NUM_TCP_PCB; i++)
        client_connect(&all[i], 10000 + i);
    assert_int_equal(lwip_stats.memp[MEMP_TCP_PCB]->used, MEMP_NUM_TCP_PCB);
    assert_true(tcp_banks_longest() < 10 * MEMP_NUM_TCP_PCB / TCP_BANKS);
    fake_nic_clear();
    make_tcp(&k, &syn, NULL, 0);
    input(&k);
    assert_int_equal(fake_nic.sent_count, 0); /* nobody was ended for it */
    assert_int_equal(lwip_stats.memp[MEMP_TCP_PCB]->err, failed + 1);
    assert_int_equal(app.errors, 0);
    for (unsigned i = 0; i < MEMP_NUM_TCP_PCB; i += 7) {
        client_send(&all[i], PSH | ACK, "ping", 4);
        assert_int_equal(tcp_payload(last_sent()), 4);
        assert_int_equal(parse_tcp(last_sent()).dport, 10000 + i);
    }
}

/* Peers that let us close and never acknowledge it: theirs are the places for newcomers. */
static void test_released_connections_make_room(void **state)
{
    uint64_t evicted = glue().tcp_evicted;
    struct client idle, c;

    (void)state;
    app.mode = APP_CLOSE;
    for (unsigned i = 1; i < MEMP_NUM_TCP_PCB; i++) {
        client_connect(&c, 10000 + i);
        client_send(&c, PSH | ACK, "x", 1); /* answered by a FIN */
        fake_nic_clear();
    }
    app.mode = APP_ECHO;
    client_connect(&idle, 9000);
    assert_int_equal(lwip_stats.memp[MEMP_TCP_PCB]->used, MEMP_NUM_TCP_PCB);
    for (unsigned i = 0; i < 100; i++) {
        client_connect(&c, 9001 + i); /* fails when there is no SYN-ACK */
        client_send(&c, PSH | ACK, "ping", 4);
        assert_int_equal(tcp_payload(last_sent()), 4);
        fake_nic_clear();
    }
    assert_int_equal(glue().tcp_evicted, evicted + 100);
    client_send(&idle, PSH | ACK, "ping", 4); /* nobody else was ended */
    assert_int_equal(tcp_payload(last_sent()), 4);
    assert_int_equal(app.errors, 100); /* this app did not take its callbacks off */
}

/* RFC 6928: ten segments, or what the peer's MSS makes of it; three or one when a SYN-ACK was lost.
 */
static void test_initial_window(void **state)
{
    static const uint8_t small[] = { 2, 4, 2, 24 };
    struct tcp_fields t = { .sport = 46030, .dport = 80, .flags = SYN, .window = 500, .seq = 9 };
    struct client c;
    struct packet k;

    (void)state;
    client_connect(&c, 46031);
    assert_int_equal(app.pcb->cwnd, 10 * app.pcb->mss);

    t.options = small;
    t.options_len = sizeof(small);
    make_tcp(&k, &t, NULL, 0);
    input(&k);
    fake_time_advance(4000);
    t.flags = ACK;
    t.seq = 10;
    t.ack = parse_tcp(last_sent()).seq + 1;
    t.options_len = 0;
    make_tcp(&k, &t, NULL, 0);
    input(&k);
    assert_int_equal(app.pcb->mss, 536);
    assert_true(app.pcb->cwnd <= 4 * 536);
}

/* An app that gives nothing back gets copies in the end, and the ring keeps its buffers. */
static void test_an_app_that_holds_everything(void **state)
{
    struct stack_stats before = glue();
    struct pktbuf_stats pool;
    struct client c;
    uint32_t hash = 0;

    (void)state;
    app.mode = APP_HOLD;
    client_connect(&c, 46020);
    app.hash = 0;
    pktbuf_stats(&pool);
    for (unsigned i = 0; i < 2 * pool.total; i++) {
        uint8_t data[3] = { (uint8_t)i, (uint8_t)(i >> 8), 7 };

        for (unsigned j = 0; j < 3; j++)
            hash = hash * 31 + data[j];
        client_send(&c, ACK, data, 3);
        fake_nic_clear();
        assert_true(fake_nic.buffers_out <= pool.total / 2 + 1);
    }
    assert_int_equal(app.hash, hash);
    assert_true(glue().rx_copied - before.rx_copied >= pool.total);
    assert_int_equal(glue().rx_no_memory, before.rx_no_memory);
    assert_int_equal(glue().rx_aborts, before.rx_aborts);
    pbuf_free(app.held);
    app.held = NULL;
    assert_int_equal(fake_nic.buffers_out, 0);

    app.mode = APP_DISCARD; /* and no copies any more */
    before = glue();
    client_send(&c, ACK, "end", 3);
    assert_int_equal(glue().rx_copied, before.rx_copied);
}

/* RFC 1122 §3.2.1.3: nobody may send from these. */
static void test_sources_that_are_no_host(void **state)
{
    static const uint32_t sources[] = { 0xffffffff, 0xe0000001, 0, 0x0a0000ff };
    struct tcp_fields syn = { .sport = 999, .dport = 80, .flags = SYN, .window = 65000, .seq = 5 };
    unsigned accepted = app.accepted;
    struct packet k;

    (void)state;
    for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        make_tcp(&k, &syn, NULL, 0);
        put32(k.data + 26, sources[i]);
        repair(&k);
        fake_nic_clear();
        input(&k);
        assert_int_equal(fake_nic.sent_count, 0);
    }
    make_tcp(&k, &syn, NULL, 0);
    input(&k);
    assert_int_equal(fake_nic.sent_count, 1);
    assert_int_equal(app.accepted, accepted);
}

int run_tcp_tests(void)
{
    const struct CMUnitTest tests[] = {
        STACK_TEST(test_tcp_without_a_copy),
        STACK_TEST(test_syn_ack_offers_our_options),
        STACK_TEST(test_initial_sequence_numbers),
        STACK_TEST(test_closed_port_is_refused),
        STACK_TEST(test_full_ring_holds_segments_back),
        STACK_TEST(test_every_round_refills_the_ring),
        STACK_TEST(test_window_that_closes_on_the_last_byte),
        STACK_TEST(test_acknowledged_but_still_in_the_ring),
        STACK_TEST(test_freed_but_still_in_the_ring),
        STACK_TEST(test_no_retransmission_while_queued),
        STACK_TEST(test_long_chain_is_copied),
        STACK_TEST(test_merged_segments),
        STACK_TEST(test_out_of_order_data_is_given_up),
        STACK_TEST(test_refused_data_is_given_up),
        STACK_TEST(test_time_wait_takes_no_connection),
        STACK_TEST(test_time_wait_answers),
        STACK_TEST(test_time_wait_is_opened_again),
        STACK_TEST(test_time_wait_ends),
        STACK_TEST(test_time_wait_checks_sums),
        STACK_TEST(test_more_connections_than_there_are),
        STACK_TEST(test_released_connections_make_room),
        STACK_TEST(test_sources_that_are_no_host),
        STACK_TEST(test_an_app_that_holds_everything),
        STACK_TEST(test_initial_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
