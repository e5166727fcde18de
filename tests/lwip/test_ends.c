/*
 * Where connections begin and end, against lwIP: twins of which one goes the short ways
 * (net/tcp_open.h, net/tcp_predict_ends.c, the templates) and the other one lwIP's. What a peer
 * does is random: its SYN's options, who closes first, what comes twice or not at all.
 */
#include "../../net/isn.h"
#include "../../net/stack_priv.h"
#include "../../net/tcp_banks.h"
#include "../../net/tcp_gso.h"
#include "../../net/tcp_template.h"
#include "../../net/tcp_timewait.h"
#include "twins.h"
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>

#define CLIENT_ISN 5000u

static uint32_t our_isn = 0xfffff000; /* of the next connection; wraps around soon */

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
    int failed = stack_test_setup(state);

    offloads(NIC_TX_CSUM | NIC_TX_TSO4);
    isn_force(&our_isn);
    return failed;
}

static int teardown(void **state)
{
    int failed;

    isn_force(NULL);
    offloads(0);
    failed = stack_test_teardown(state);
    return failed;
}

/* ---- Twins ---- */

static struct tcp_pcb *pcb_of(const struct twin *s)
{
    return tcp_banks_find_ip4(PP_HTONL(PEER_IP), (uint16_t)s->c.port, 80);
}

static const struct timewait *record_of(const struct twin *s)
{
    ip_addr_t local = IPADDR4_INIT(PP_HTONL(OUR_IP)), remote = IPADDR4_INIT(PP_HTONL(PEER_IP));

    return timewait_find(&remote, (u16_t)s->c.port, &local, 80);
}

/* Alive, waiting, or gone: both alike. False: not alive any more. */
static bool check_both(struct twin *a, struct twin *b)
{
    const struct timewait *x = record_of(a), *y = record_of(b);

    a->pcb = pcb_of(a);
    b->pcb = pcb_of(b);
    assert_int_equal(a->pcb != NULL, b->pcb != NULL);
    assert_int_equal(x != NULL, y != NULL);
    assert_int_equal(a->frames, b->frames);
    assert_int_equal(a->wire, b->wire);
    if (x != NULL) {
        assert_int_equal(x->snd_nxt - a->first_ack, y->snd_nxt - b->first_ack);
        assert_int_equal(x->rcv_nxt, y->rcv_nxt);
        assert_int_equal(x->until, y->until);
    }
    if (a->pcb != NULL)
        twins_check(a, b);
    return a->pcb != NULL;
}

/* A listener that is bound to an interface is lwIP's own affair. */
static void deliver_to_lwip(struct twin *s, const struct twin_segment *g)
{
    struct tcp_pcb_listen *listener = tcp_listen_pcbs.listen_pcbs;
    struct tcp_pcb *pcb;

    listener->netif_idx = netif_get_index(&stack.netif);
    twin_deliver(s, g);
    listener->netif_idx = NETIF_NO_INDEX;
    pcb = pcb_of(s);
    if (pcb != NULL)
        pcb->netif_idx = NETIF_NO_INDEX; /* inherited */
}

static void open_both(struct twin *a, struct twin *b, unsigned port, const struct twin_segment *syn)
{
    introduce_peer(); /* time goes by: not that ARP has to ask in the middle of it */
    *a = (struct twin){ .c = { .port = port }, .first_seq = CLIENT_ISN, .first_ack = ++our_isn };
    twin_deliver(a, syn);
    *b = (struct twin){ .c = { .port = port + 1 },
                        .first_seq = CLIENT_ISN,
                        .first_ack = ++our_isn,
                        .untemplated = true };
    deliver_to_lwip(b, syn);
    b->nops = true; /* from here on: not predicted */
}

/* ---- Beginnings ---- */

/* Any options, mostly right, in any order; returns their bytes. */
static size_t make_options(uint8_t options[40])
{
    static const uint8_t kinds[][12] = {
        { 2, 4, 0x05, 0xb4 },
        { 2, 4, 0, 0 },
        { 2, 4, 0x23, 0x28 },
        { 2, 4, 2, 0 },
        { 4, 2 },
        { 3, 3, 7 },
        { 3, 3, 200 },
        { 1 },
        { 1 },
        { 30, 4, 9, 9 },
        { 8, 10, 1, 2, 3, 4 },
        { 3, 4, 7, 7 },
        { 4, 3, 1 },
        { 2, 3, 5 },
    };
    size_t n = 0, room = 4 * twin_rnd(11);

    memset(options, 0, 40);
    while (n < room) {
        const uint8_t *kind = kinds[twin_rnd(twin_rnd(10) == 0 ? 14 : 11)];
        size_t bytes = kind[0] == 1 ? 1 : kind[1];

        if (n + bytes > room)
            break;
        memcpy(options + n, kind, bytes);
        n += bytes;
    }
    return room;
}

static void test_opens_as_lwip(void **state)
{
    struct stack_stats before = glue();
    uint8_t options[40];
    struct twin a, b;

    (void)state;
    twin_seed = 1;
    for (unsigned i = 0; i < 2000; i++) {
        struct twin_segment syn = { .flags = SYN, .window = twin_rnd(65536), .options = options };

        syn.options_len = make_options(options);
        syn.len = twin_rnd(10) == 0 ? twin_rnd(100) : 0; /* lwIP takes no data with a SYN */
        open_both(&a, &b, 20000 + 2 * i, &syn);
        assert_int_equal(a.frames, 1);
        assert_true(check_both(&a, &b));
        assert_int_equal(a.pcb->so_options, b.pcb->so_options);
        assert_int_equal(a.pcb->mss, b.pcb->mss);
        assert_int_equal(a.pcb->snd_scale, b.pcb->snd_scale);
        assert_int_equal(a.pcb->rcv_scale, b.pcb->rcv_scale);
        assert_int_equal(a.pcb->prio, b.pcb->prio);
        assert_ptr_equal(a.pcb->listener, b.pcb->listener);
        assert_ptr_equal(a.pcb->callback_arg, b.pcb->callback_arg);
        if (twin_rnd(10) == 0) { /* the SYN-ACK again, by lwIP's timer */
            fake_time_advance(2000);
            assert_true(check_both(&a, &b));
            assert_int_equal(a.pcb->nrtx, 1);
        }
        tcp_abort(a.pcb);
        tcp_abort(b.pcb);
    }
    assert_true(glue().tx_templated - before.tx_templated > 1000);
}

/* No place for its SYN-ACK: the connection waits for the timer, as any that lost it. */
static void test_opens_without_memory(void **state)
{
    struct twin_segment syn = { .flags = SYN, .window = 500 };
    struct tcp_pcb_listen *listener = tcp_listen_pcbs.listen_pcbs;
    struct twin a = { .c = { .port = 30000 }, .first_seq = CLIENT_ISN, .first_ack = ++our_isn };
    unsigned errors = lwip_stats.tcp.memerr, pending = listener->accepts_pending;
    struct tcp_seg *all[MEMP_NUM_TCP_SEG + 1];
    size_t n = 0;

    (void)state;
    while ((all[n] = memp_malloc(MEMP_TCP_SEG)) != NULL)
        n++;
    twin_deliver(&a, &syn);
    assert_int_equal(a.frames, 0);
    assert_null(pcb_of(&a));
    assert_int_equal(lwip_stats.tcp.memerr, errors + 1);
    assert_int_equal(listener->accepts_pending, pending);
    while (n > 0)
        memp_free(MEMP_TCP_SEG, all[--n]);
    lwip_stats.memp[MEMP_TCP_SEG]->err = 0; /* others look that it never ran out */
    twin_deliver(&a, &syn);
    assert_int_equal(a.frames, 1);
    assert_int_equal(listener->accepts_pending, pending + 1);
}

/* ---- Lives ---- */

/* What the peer says next. */
static struct twin_segment next_of(const struct twin *s, unsigned strange)
{
    struct twin_segment g = twin_next(s, strange);

    if (twin_rnd(3) != 0)
        g.len = 0;
    g.flags &= ~(unsigned)PSH;
    if (twin_rnd(4) == 0)
        g.flags |= FIN;
    if (twin_rnd(4 * strange) == 0)
        g.flags = twin_rnd(2) ? RST : SYN;
    return g;
}

static void live(unsigned port, enum app_mode mode, unsigned strange)
{
    static const uint8_t options[] = { 2, 4, 0x05, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2 };
    struct twin_segment g = {
        .flags = SYN, .window = 65000, .options = options, .options_len = sizeof(options)
    };
    struct twin a, b;

    app.mode = mode;
    open_both(&a, &b, port, &g);
    for (unsigned i = 0; i < 30 && check_both(&a, &b); i++) {
        unsigned accepted = app.accepted, errors = app.errors, more, gone;

        g = next_of(&a, strange);
        twin_deliver(&a, &g);
        more = app.accepted - accepted;
        gone = app.errors - errors;
        twin_deliver(&b, &g);
        assert_int_equal(app.accepted, accepted + 2 * more);
        assert_int_equal(app.errors, errors + 2 * gone);
        if (twin_rnd(30) == 0 && check_both(&a, &b))
            fake_time_advance(twin_rnd(3000));
    }
    check_both(&a, &b);
    if (pcb_of(&a) != NULL)
        tcp_abort(pcb_of(&a));
    if (pcb_of(&b) != NULL)
        tcp_abort(pcb_of(&b));
    app.pcb = NULL;
}

static void run(unsigned strange)
{
    static const enum app_mode modes[] = { APP_DISCARD, APP_ECHO,         APP_REPLY_BY_REFERENCE,
                                           APP_CLOSE,   APP_CLOSE_UNREAD, APP_ABORT };
    struct stack_stats before = glue();
    unsigned port = 40000;

    for (unsigned i = 0; i < 3000; i++, port += 2)
        live(port, modes[i % 6], strange);
    assert_true(glue().rx_predicted - before.rx_predicted > 3000);
}

static void test_lives_as_lwip(void **state)
{
    (void)state;
    twin_seed = 7;
    run(1000000);
}

static void test_lives_as_lwip_strange(void **state)
{
    (void)state;
    twin_seed = 8;
    run(8);
}

/* The whole of a connection as a web server's client has it: no segment of it is lwIP's. */
static void test_all_is_predicted(void **state)
{
    uint64_t entered = tcp_timewait_stats.entered;
    struct stack_stats before;
    struct client c;

    (void)state;
    isn_force(NULL);
    app.mode = APP_CLOSE;
    client_connect(&c, 46200);
    fake_nic_clear();
    before = glue();
    client_send(&c, ACK | PSH, "bye", 3);
    assert_int_equal(parse_tcp(last_sent()).flags, FIN | ACK);
    c.ack++;
    client_send(&c, ACK, NULL, 0);
    client_send(&c, ACK | FIN, NULL, 0);
    assert_int_equal(fake_nic.sent_count, 2);
    assert_int_equal(parse_tcp(last_sent()).flags, ACK);
    assert_int_equal(parse_tcp(last_sent()).ack, c.seq);
    assert_int_equal(tcp_timewait_stats.entered, entered + 1);
    assert_int_equal(glue().rx_predicted - before.rx_predicted, 3);
    assert_int_equal(fake_nic.buffers_out, 0);
    client_send(&c, ACK | FIN, NULL, 0); /* again: the record answers */
    assert_int_equal(parse_tcp(last_sent()).flags, ACK);
}

/* The ACK of a FIN finds no room in the ring: the buffer that it lies in goes back, and the peer's
 * next FIN is answered. */
static void test_fin_with_a_full_ring(void **state)
{
    struct client c;

    (void)state;
    isn_force(NULL);
    app.mode = APP_CLOSE;
    client_connect(&c, 46202);
    client_send(&c, ACK | PSH, "bye", 3);
    c.ack++;
    client_send(&c, ACK, NULL, 0);
    fake_nic_clear();
    fake_nic.ring_room = 0;
    client_send(&c, ACK | FIN, NULL, 0);
    assert_int_equal(fake_nic.sent_count, 0);
    assert_int_equal(fake_nic.buffers_out, 0);
    fake_nic.ring_room = SENT_MAX;
    c.seq--;
    client_send(&c, ACK | FIN, NULL, 0);
    assert_int_equal(fake_nic.sent_count, 1);
    assert_int_equal(parse_tcp(last_sent()).ack, c.seq);
}

int run_ends_tests(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_opens_as_lwip),    TEST(test_opens_without_memory),
        TEST(test_lives_as_lwip),    TEST(test_lives_as_lwip_strange),
        TEST(test_all_is_predicted), TEST(test_fin_with_a_full_ring),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
