/*
 * The whole way on the host: a frame through stack_input(), lwIP and an app, to what the NIC is
 * told to send. lwIP and the glue are the real ones, built with our options; NIC, packet pool
 * and timers are fakes (fake_nic.h). After each test every buffer, PCB and segment must be back.
 */
#include "fake_nic.h"
#include "fakes.h"
#include "packets.h"
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/stats.h>
#include <lwip/tcp.h>
#include <lwip/udp.h>
#include <net/stack.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* ---------------------------------------------------------------- an app */

enum app_mode { APP_DISCARD, APP_ECHO, APP_REPLY_BY_REFERENCE, APP_CLOSE };

static struct {
    enum app_mode mode;
    unsigned accepted, errors;
    size_t received;
    const void *payload; /* where the last data lay */
    struct tcp_pcb *pcb;
} app;

static const char page[] = "a page that is sent from where it lies";

static err_t app_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg;
    (void)err;
    if (p == NULL) {
        app.pcb = NULL;
        tcp_close(pcb);
        return ERR_OK;
    }
    app.received += p->tot_len;
    app.payload = p->payload;
    tcp_recved(pcb, p->tot_len);
    if (app.mode == APP_ECHO)
        tcp_write(pcb, p->payload, p->len, TCP_WRITE_FLAG_COPY);
    else if (app.mode == APP_REPLY_BY_REFERENCE)
        tcp_write(pcb, page, sizeof(page) - 1, 0);
    pbuf_free(p);
    if (app.mode == APP_CLOSE) {
        app.pcb = NULL;
        tcp_close(pcb);
    }
    return ERR_OK;
}

static void app_err(void *arg, err_t err)
{
    (void)arg;
    (void)err;
    app.errors++;
    app.pcb = NULL;
}

static err_t app_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    (void)err;
    app.accepted++;
    app.pcb = pcb;
    tcp_recv(pcb, app_recv);
    tcp_err(pcb, app_err);
    return ERR_OK;
}

/* ---------------------------------------------------------------- helpers */

static void input(const struct packet *k)
{
    fake_nic_receive(k->data, k->len);
    stack_tx_complete();
    stack_round_end();
}

static const struct sent_frame *last_sent(void)
{
    assert_true(fake_nic.sent_count > 0);
    return &fake_nic.sent[(fake_nic.sent_count - 1) % SENT_MAX];
}

/* What lwIP allocates and must give back. */
static unsigned in_use(void)
{
    static const memp_t pools[] = { MEMP_TCP_PCB,   MEMP_TCP_SEG,   MEMP_PBUF,   MEMP_REASSDATA,
                                    MEMP_FRAG_PBUF, MEMP_ARP_QUEUE, MEMP_RAW_PCB };
    unsigned sum = 0;

    for (unsigned i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
        sum += (unsigned)lwip_stats.memp[pools[i]]->used;
    return sum;
}

/* The peer asks for our address, so that lwIP knows the peer's. */
static void introduce_peer(void)
{
    struct packet k;

    make_arp_request(&k, OUR_IP);
    input(&k);
    make_solicitation(&k);
    input(&k);
}

static int setup(void **state)
{
    (void)state;
    memset(&app, 0, sizeof(app));
    fake_nic.ring_room = 256;
    fake_nic.hold = false;
    introduce_peer();
    fake_nic_clear();
    return 0;
}

static int teardown(void **state)
{
    struct stack_stats stats;

    (void)state;
    fake_nic.hold = false;
    fake_nic.ring_room = 256;
    while (tcp_active_pcbs != NULL)
        tcp_abort(tcp_active_pcbs);
    stack_tx_complete();
    fake_time_advance(200000); /* TIME_WAIT, SYN_RCVD, reassembly, queues: all time out */
    fake_time_advance(200000);
    stack_stats(&stats);
    assert_int_equal(stats.rx_held, 0);
    assert_int_equal(fake_nic.buffers_out, 0);
    assert_int_equal(in_use(), 0);
    assert_int_equal(fake_nic.outstanding, 0);
    return 0;
}

static int setup_group(void **state)
{
    ip4_addr_t ip = { PP_HTONL(OUR_IP) }, mask = { PP_HTONL(0xffffff00) },
               gateway = { PP_HTONL(PEER_IP) };
    struct tcp_pcb *listener;

    (void)state;
    fake_time_ns = 1000000000ull;
    fake_nic_init();
    stack_init((struct nic *)&fake_nic);
    netif_set_addr(stack_netif(), &ip, &mask, &gateway);
    netif_create_ip6_linklocal_address(stack_netif(), 1);
    netif_ip6_addr_set_state(stack_netif(), 0, IP6_ADDR_PREFERRED);
    listener = tcp_new_ip_type(IPADDR_TYPE_ANY);
    assert_int_equal(tcp_bind(listener, IP_ANY_TYPE, 80), ERR_OK);
    tcp_accept(tcp_listen(listener), app_accept);
    fake_time_advance(20000); /* multicast reports and the like */
    return 0;
}

/* ---------------------------------------------------------------- a TCP client */

struct client {
    unsigned port;
    uint32_t seq, ack;
};

static void client_send(struct client *c, unsigned flags, const void *data, size_t len)
{
    struct tcp_fields t = {
        .sport = c->port, .dport = 80, .flags = flags, .window = 65000, .seq = c->seq, .ack = c->ack
    };
    struct packet k;

    make_tcp(&k, &t, data, len);
    c->seq += (uint32_t)len + (flags & FIN ? 1 : 0);
    input(&k);
}

/* The fields of a TCP segment that was sent to us. */
static struct tcp_fields parse_tcp(const struct sent_frame *f)
{
    const uint8_t *tcp = f->data + 34;

    assert_int_equal(get16(f->data + 12), ETH_IP4);
    assert_int_equal(f->data[23], 6);
    return (struct tcp_fields){ .sport = get16(tcp),
                                .dport = get16(tcp + 2),
                                .seq = get32(tcp + 4),
                                .ack = get32(tcp + 8),
                                .flags = tcp[13],
                                .window = get16(tcp + 14),
                                .options_len = (size_t)(tcp[12] >> 4) * 4 - 20 };
}

static size_t tcp_payload(const struct sent_frame *f)
{
    return get16(f->data + 16) - 20 - 20 - parse_tcp(f).options_len;
}

static void client_connect(struct client *c, unsigned port)
{
    static const uint8_t options[] = { 2, 4, 0x05, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2 };
    struct tcp_fields syn = { .sport = port,
                              .dport = 80,
                              .flags = SYN,
                              .window = 65000,
                              .seq = 1000,
                              .options = options,
                              .options_len = sizeof(options) };
    struct packet k;
    struct tcp_fields got;

    make_tcp(&k, &syn, NULL, 0);
    input(&k);
    got = parse_tcp(last_sent());
    assert_int_equal(got.flags, SYN | ACK);
    assert_int_equal(got.ack, 1001);
    *c = (struct client){ .port = port, .seq = 1001, .ack = got.seq + 1 };
    client_send(c, ACK, NULL, 0);
}

/* ---------------------------------------------------------------- ARP, ICMP */

static void test_arp_is_answered(void **state)
{
    struct packet k;
    const struct sent_frame *f;

    (void)state;
    make_arp_request(&k, OUR_IP);
    input(&k);
    assert_int_equal(fake_nic.sent_count, 1);
    f = last_sent();
    assert_memory_equal(f->data, peer_mac, 6);
    assert_memory_equal(f->data + 6, fake_nic_mac_address, 6);
    assert_int_equal(get16(f->data + 12), ETH_ARP);
    assert_int_equal(get16(f->data + 20), 2);
    assert_memory_equal(f->data + 22, fake_nic_mac_address, 6);
    assert_int_equal(get32(f->data + 28), OUR_IP);

    fake_nic_clear();
    make_arp_request(&k, OUR_IP + 5); /* somebody else's */
    input(&k);
    assert_int_equal(fake_nic.sent_count, 0);
}

static void test_ping_is_answered(void **state)
{
    static const size_t sizes[] = { 0, 1, 2, 7, 56, 63, 64, 65, 1000, 1471, 1472 };
    struct packet k;

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const struct sent_frame *f;

        fake_nic_clear();
        make_echo(&k, i, sizes[i]);
        input(&k);
        assert_int_equal(fake_nic.sent_count, 1);
        f = last_sent();
        assert_int_equal(f->len, k.len);
        assert_memory_equal(f->data, peer_mac, 6);
        assert_int_equal(checksum(f->data + 14, 20, 0), 0);
        assert_int_equal(f->data[34], 0); /* echo reply */
        assert_int_equal(checksum(f->data + 34, f->len - 34, 0), 0);
        assert_memory_equal(f->data + 38, k.data + 38, k.len - 38); /* id, seq, payload */
    }
}

/* The reply leaves from the buffer that the request came in, and that buffer is the device's
 * until the device has finished. */
static void test_ping_is_answered_in_place(void **state)
{
    struct packet k;

    (void)state;
    fake_nic.hold = true;
    make_echo(&k, 1, 100);
    input(&k);
    assert_int_equal(last_sent()->segs, 1);
    assert_int_equal(fake_nic.buffers_out, 1);
    assert_int_equal((uintptr_t)last_sent()->seg_data[0] % PKTBUF_SIZE, 384);
    stack_tx_complete();
    assert_int_equal(fake_nic.buffers_out, 1);
    fake_nic.hold = false;
    stack_tx_complete();
    assert_int_equal(fake_nic.buffers_out, 0);
}

/* With nothing else going on, the lazy timer gives the buffer back. */
static void test_completions_are_reaped_lazily(void **state)
{
    struct packet k;

    (void)state;
    fake_nic.hold = true;
    make_echo(&k, 1, 100);
    input(&k);
    fake_nic.hold = false;
    fake_time_advance(9);
    assert_int_equal(fake_nic.outstanding, 1);
    fake_time_advance(2);
    assert_int_equal(fake_nic.outstanding, 0);
    assert_int_equal(fake_nic.buffers_out, 0);
}

static void test_ipv6(void **state)
{
    struct packet k;
    const struct sent_frame *f;

    (void)state;
    make_solicitation(&k);
    input(&k);
    f = last_sent();
    assert_int_equal(get16(f->data + 12), ETH_IP6);
    assert_int_equal(f->data[54], 136); /* neighbour advertisement */
    assert_memory_equal(f->data + 62, our_ip6, 16);

    fake_nic_clear();
    make_echo6(&k, 3, 200);
    input(&k);
    f = last_sent();
    assert_int_equal(f->data[54], 129);
    assert_int_equal(f->len, k.len);
    assert_memory_equal(f->data + 38, peer_ip6, 16);
}

/* ---------------------------------------------------------------- what is dropped, and counted */

static struct stack_stats glue(void)
{
    struct stack_stats s;

    stack_stats(&s);
    return s;
}

static void test_classification(void **state)
{
    static const uint8_t other[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x57 };
    struct stack_stats before = glue(), after;
    struct packet k;

    (void)state;
    make_echo(&k, 1, 20);
    memcpy(k.data, other, 6);
    input(&k);
    make_echo(&k, 1, 20);
    put16(k.data + 12, 0x8100);
    input(&k);
    put16(k.data + 12, 0x88a8);
    input(&k);
    put16(k.data + 12, 0x1234);
    input(&k);
    put16(k.data + 12, 46); /* an 802.3 length */
    input(&k);
    for (k.len = 0; k.len < 14; k.len++)
        input(&k);
    make_arp_request(&k, OUR_IP);
    for (k.len = 14; k.len < 42; k.len++)
        input(&k); /* lwIP would not notice */
    make_echo(&k, 1, 0);
    for (k.len = 14; k.len < 34; k.len++)
        input(&k);
    make_echo6(&k, 1, 0);
    for (k.len = 14; k.len < 54; k.len++)
        input(&k);
    make_echo(&k, 1, 0);
    k.len = PKTBUF_FRAME_MAX; /* no NIC of ours lets it through */
    input(&k);
    after = glue();
    assert_int_equal(after.rx_other_host - before.rx_other_host, 1);
    assert_int_equal(after.rx_vlan - before.rx_vlan, 2);
    assert_int_equal(after.rx_ethertype - before.rx_ethertype, 2);
    assert_int_equal(after.rx_truncated - before.rx_truncated, 14 + 28 + 20 + 40 + 1);
    assert_int_equal(after.rx_frames, before.rx_frames);
    assert_int_equal(fake_nic.sent_count, 0);
}

static void test_bad_checksums(void **state)
{
    struct tcp_fields syn = { .sport = 4000, .dport = 80, .flags = SYN, .window = 1000, .seq = 1 };
    struct stats_ before = lwip_stats;
    struct packet k;

    (void)state;
    make_echo(&k, 1, 20);
    k.data[24] ^= 1;
    input(&k);
    assert_int_equal(lwip_stats.ip.chkerr - before.ip.chkerr, 1);
    make_echo(&k, 1, 20);
    k.data[50] ^= 1;
    input(&k);
    assert_int_equal(lwip_stats.icmp.chkerr - before.icmp.chkerr, 1);
    make_tcp(&k, &syn, NULL, 0);
    k.data[50] ^= 1;
    input(&k);
    assert_int_equal(lwip_stats.tcp.chkerr - before.tcp.chkerr, 1);
    make_udp(&k, 68, 67, "x");
    k.data[42] ^= 1;
    input(&k);
    assert_int_equal(lwip_stats.udp.chkerr - before.udp.chkerr, 1); /* also without a PCB */
    make_echo6(&k, 1, 20);
    k.data[70] ^= 1;
    input(&k);
    assert_int_equal(lwip_stats.icmp6.chkerr - before.icmp6.chkerr, 1);
    assert_int_equal(app.accepted, 0);
}

static void udp_discard(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
                        u16_t port)
{
    (void)arg;
    (void)pcb;
    (void)from;
    (void)port;
    app.received += p->tot_len;
    pbuf_free(p);
}

static void test_udp(void **state)
{
    struct udp_pcb *pcb = udp_new();
    struct stats_ before = lwip_stats;
    struct packet k;

    (void)state;
    assert_int_equal(udp_bind(pcb, IP_ADDR_ANY, 7000), ERR_OK);
    udp_recv(pcb, udp_discard, NULL);
    make_udp(&k, 7001, 7000, "hello");
    input(&k);
    assert_int_equal(app.received, 5);
    k.data[45] ^= 1;
    input(&k);
    assert_int_equal(app.received, 5);
    assert_int_equal(lwip_stats.udp.chkerr - before.udp.chkerr, 1);
    udp_remove(pcb);

    fake_nic_clear();
    make_udp(&k, 7001, 7002, "nobody");
    input(&k);
    assert_int_equal(last_sent()->data[34], 3); /* destination unreachable: port */
    assert_int_equal(last_sent()->data[35], 3);
}

/* ---------------------------------------------------------------- fragments */

/* An echo of 3000 bytes in three fragments, in the given order. */
static void send_fragments(const unsigned order[3], unsigned count)
{
    static uint8_t icmp[3008];
    struct packet k;

    memset(icmp, 'x', sizeof(icmp));
    memcpy(icmp, (const uint8_t[]){ 8, 0, 0, 0, 0x12, 0x34, 0, 1 }, 8);
    put16(icmp + 2, checksum(icmp, sizeof(icmp), 0));
    for (unsigned i = 0; i < count; i++) {
        unsigned offset = order[i] * 1480;
        size_t len = order[i] == 2 ? sizeof(icmp) - 2960 : 1480;

        make_ip(&k, 1, icmp + offset, len, 77, offset / 8 | (order[i] == 2 ? 0 : 0x2000));
        input(&k);
    }
}

static void test_fragments(void **state)
{
    static const unsigned orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 0, 2 }, { 2, 0, 1 } };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        size_t total = 0;

        fake_nic_clear();
        send_fragments(orders[i], 3);
        assert_int_equal(fake_nic.sent_count, 3); /* and the reply is fragmented as well */
        for (unsigned j = 0; j < 3; j++)
            total += fake_nic.sent[j].len - 34;
        assert_int_equal(total, 3008);
        assert_int_equal(fake_nic.sent[0].data[34], 0);
        assert_int_equal(fake_nic.buffers_out, 0);
    }
}

static void test_lost_fragment_times_out(void **state)
{
    static const unsigned order[3] = { 0, 1 };

    (void)state;
    send_fragments(order, 2);
    assert_int_equal(fake_nic.sent_count, 0);
    assert_int_equal(fake_nic.buffers_out, 2);
    fake_time_advance(20000);
    assert_int_equal(fake_nic.buffers_out, 0);
}

/* Fragments of datagrams that never get complete can take only so much. */
static void test_fragment_flood_is_bounded(void **state)
{
    uint8_t data[64] = { 0 };
    struct packet k;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        make_ip(&k, 17, data, sizeof(data), i, (i % 7) * 8 | 0x2000);
        input(&k);
        assert_true(fake_nic.buffers_out <= IP_REASS_MAX_PBUFS + 1);
    }
}

/* ---------------------------------------------------------------- TCP */

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
    f = last_sent();
    assert_int_equal(tcp_payload(f), sizeof(page) - 1);
    assert_int_equal(f->segs, 2);
    assert_ptr_equal(f->seg_data[1], page); /* sent from where it lies */
    assert_memory_equal(f->data + 54, page, sizeof(page) - 1);
    assert_int_equal(parse_tcp(f).ack, c.seq); /* the ACK rides on the answer */
    assert_int_equal(fake_nic.sent_count, 1);

    c.ack += sizeof(page) - 1;
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
    assert_int_equal(glue().tx_too_many_segments - before.tx_too_many_segments, 1);
    pbuf_free(chain);
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

/* More connections than PCBs: the oldest TIME_WAIT makes room. */
static void test_time_wait_is_recycled(void **state)
{
    struct client c;

    (void)state;
    app.mode = APP_CLOSE;
    for (unsigned i = 0; i < MEMP_NUM_TCP_PCB + 200; i++) {
        client_connect(&c, 10000 + i);
        client_send(&c, PSH | ACK, "x", 1);
        assert_true(parse_tcp(last_sent()).flags & FIN);
        c.ack++;
        client_send(&c, FIN | ACK, NULL, 0);
        fake_nic_clear();
    }
    assert_int_equal(app.accepted, MEMP_NUM_TCP_PCB + 200);
    assert_int_equal(lwip_stats.memp[MEMP_TCP_PCB]->used, MEMP_NUM_TCP_PCB);
    fake_time_advance(59000);
    assert_int_equal(lwip_stats.memp[MEMP_TCP_PCB]->used, MEMP_NUM_TCP_PCB);
    fake_time_advance(2500); /* TIME_WAIT lasts 60 s, as on Linux */
    assert_int_equal(lwip_stats.memp[MEMP_TCP_PCB]->used, 0);
}

/* ---------------------------------------------------------------- hostile frames */

static struct packet hostile[32];
static unsigned hostile_count;

static struct packet *add_hostile(void)
{
    return &hostile[hostile_count++];
}

static void add_ip6(const uint8_t dst[16], unsigned next, const char *bytes, size_t len)
{
    make_ip6(add_hostile(), dst, next, (const uint8_t *)bytes, len);
}

/* One right frame of each kind that lwIP parses. */
static void make_hostile(const struct client *c)
{
    static const uint8_t all_nodes[16] = { 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
    static const uint8_t options[] = { 2, 4,  5, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2, 1, 1,
                                       8, 10, 0, 0,    0, 1, 0, 0, 0, 0, 0, 0, 0, 0 };
    struct tcp_fields syn = { .sport = 999,
                              .dport = 80,
                              .flags = SYN,
                              .window = 65000,
                              .seq = 5,
                              .options = options,
                              .options_len = sizeof(options) };
    struct tcp_fields data = { .sport = c->port,
                               .dport = 80,
                               .flags = PSH | ACK,
                               .window = 65000,
                               .seq = c->seq,
                               .ack = c->ack };
    uint8_t body[600] = { 0 };
    static char ra[16 + 32 + 8 + 8] = { (char)134, 0, 0, 0, 64, 0, 7, 8 };

    hostile_count = 0;
    make_arp_request(add_hostile(), OUR_IP);
    make_echo(add_hostile(), 1, 56);
    make_udp(add_hostile(), 67, 68, "a reply to a question that was never asked");
    make_udp(add_hostile(), 53, 4444, "nobody");
    make_tcp(add_hostile(), &syn, NULL, 0);
    make_tcp(add_hostile(), &data, "GET / HTTP/1.1\r\n\r\n", 18);
    data.flags = FIN | ACK;
    make_tcp(add_hostile(), &data, NULL, 0);
    data.flags = RST;
    make_tcp(add_hostile(), &data, NULL, 0);
    make_ip(add_hostile(), 1, body, 600, 5, 0x2000);
    make_ip(add_hostile(), 1, body, 600, 5, 0x2000 | 30);
    make_ip(add_hostile(), 1, body, 600, 5, 75);
    body[0] = 3; /* destination unreachable, with a header inside */
    memcpy(body + 8, hostile[4].data + 14, 60);
    make_ip(add_hostile(), 1, body, 68, 6, 0);
    make_ip(add_hostile(), 2, body, 8, 6, 0);  /* IGMP */
    make_ip(add_hostile(), 99, body, 8, 6, 0); /* unknown */
    make_echo6(add_hostile(), 1, 56);
    make_solicitation(add_hostile());
    memcpy(ra + 16, "\x03\x04\x40\xc0\0\1\0\0\0\1\0\0\0\0\0\0\x20\x01\x0d\xb8", 20); /* prefix */
    memcpy(ra + 48, "\x05\x01\0\0\0\0\5\0", 8);                                      /* MTU */
    memcpy(ra + 56, "\x01\x01\x02\0\0\0\0\1", 8);
    add_ip6(all_nodes, 58, ra, sizeof(ra));
    add_ip6(our_ip6, 58,
            "\x88\0\0\0\x60\0\0\0\xfe\x80\0\0\0\0\0\0\0\0\0\xff\xfe\0\0\1\2\1\2\0\0\0\0\1",
            32);                                                          /* advertisement */
    add_ip6(our_ip6, 58, "\x02\0\0\0\0\0\5\0\x60\0\0\0\0\0\x3a\xff", 16); /* packet too big */
    add_ip6(all_nodes, 0, "\x3a\0\5\2\0\0\1\0\x82\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            32);                                                      /* hop-by-hop, MLD query */
    add_ip6(our_ip6, 44, "\x3a\0\0\1\0\0\0\7\x80\0\0\0\0\0\0\0", 16); /* first fragment */
    add_ip6(our_ip6, 44, "\x3a\0\0\x08\0\0\0\7\x80\0\0\0\0\0\0\0", 16);
    add_ip6(our_ip6, 43, "\x3a\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0", 16); /* routing */
    add_ip6(our_ip6, 60, "\x3a\0\1\4\0\0\0\0\x80\0\0\0\0\0\0\0", 16); /* destination options */
    add_ip6(our_ip6, 6, "\x03\xe7\0\x50\0\0\0\5\0\0\0\0\x50\2\xff\xff\0\0\0\0", 20);
    add_ip6(our_ip6, 17, "\0\x35\x11\x5c\0\x0c\0\0abcd", 12);
    for (unsigned i = 0; i < hostile_count; i++)
        assert_true(hostile[i].len > 14);
}

/* Put right checksums into a damaged frame, so that the damage gets past them. */
static void repair(struct packet *k)
{
    uint8_t *ip = k->data + 14;
    size_t header, left;
    unsigned proto, at;
    uint32_t sum = 0;

    if (k->len < 14 + 40)
        return;
    left = k->len - 14;
    if (get16(k->data + 12) == ETH_IP4) {
        header = (size_t)(ip[0] & 15) * 4;
        if (header < 20 || header > left)
            return;
        put16(ip + 10, 0);
        put16(ip + 10, checksum(ip, header, 0));
        if (get16(ip + 2) >= header && get16(ip + 2) <= left)
            left = get16(ip + 2);
        proto = ip[9];
        for (unsigned i = 12; i < 20; i += 2)
            sum += get16(ip + i);
    } else if (get16(k->data + 12) == ETH_IP6) {
        header = 40;
        if (get16(ip + 4) <= left - 40)
            left = 40 + get16(ip + 4);
        proto = ip[6];
        for (unsigned i = 8; i < 40; i += 2)
            sum += get16(ip + i);
    } else {
        return;
    }
    left -= header;
    at = proto == 6 ? 16 : proto == 17 ? 6 : 2;
    if ((proto != 1 && proto != 6 && proto != 17 && proto != 58) || left < at + 2)
        return;
    sum = proto == 1 ? 0 : sum + proto + (uint32_t)left;
    put16(ip + header + at, 0);
    put16(ip + header + at, checksum(ip + header, left, sum));
}

static void test_frames_of_every_length(void **state)
{
    struct client c;
    struct packet k;

    (void)state;
    client_connect(&c, 40100);
    make_hostile(&c);
    for (unsigned i = 0; i < hostile_count; i++) {
        for (size_t len = 0; len <= hostile[i].len; len++) {
            k = hostile[i];
            k.len = len;
            input(&k); /* cut, but saying that it is whole */
            if (len > 18 && get16(k.data + 12) == ETH_IP4)
                put16(k.data + 16, (unsigned)(len - 14)); /* saying that it is short */
            if (len > 54 && get16(k.data + 12) == ETH_IP6)
                put16(k.data + 18, (unsigned)(len - 54));
            repair(&k);
            input(&k);
            fake_nic_clear();
        }
    }
}

/* Frames with a few bytes changed at random, half of them with right checksums again. */
static void test_damaged_frames(void **state)
{
    const char *rounds_text = getenv("STACK_FUZZ_ROUNDS");
    unsigned rounds = rounds_text != NULL && *rounds_text ? (unsigned)atoi(rounds_text) : 60000;
    struct client c;
    struct packet k;

    (void)state;
    srand(rounds_text != NULL ? (unsigned)rounds : 7);
    client_connect(&c, 40200);
    make_hostile(&c);
    for (unsigned i = 0; i < rounds; i++) {
        k = hostile[(unsigned)rand() % hostile_count];
        for (int n = 1 + rand() % 4; n > 0; n--)
            k.data[12 + (unsigned)rand() % (k.len - 12)] ^= (uint8_t)(1 << rand() % 8);
        if (rand() % 8 == 0)
            k.data[12 + (unsigned)rand() % (k.len - 12)] = (uint8_t)rand();
        if (rand() % 16 == 0)
            k.len -= (unsigned)rand() % k.len;
        if (rand() % 2 == 0)
            repair(&k);
        input(&k);
        fake_nic_clear();
        if (i % 64 == 0)
            fake_time_advance(100);
        if (app.pcb == NULL && i % 512 == 0) { /* a damaged RST or FIN got it */
            introduce_peer();
            fake_nic_clear();
            client_connect(&c, 42000 + (i / 512) % 20000);
            make_hostile(&c);
        }
    }
    fake_time_advance(2000);
    introduce_peer(); /* and it still works */
    fake_nic_clear();
    make_echo(&k, 9, 100);
    input(&k);
    assert_int_equal(last_sent()->data[34], 0);
}

static void test_link_and_device(void **state)
{
    struct stack_stats before = glue();
    struct packet k;

    (void)state;
    fake_nic.link_up = false;
    stack_link_update();
    assert_false(netif_is_link_up(stack_netif()));
    assert_string_equal(fake_printk_last, "net: link down");
    fake_nic.link_up = true;
    stack_link_update();
    assert_true(netif_is_link_up(stack_netif()));
    fake_nic.broken = true;
    introduce_peer();
    make_echo(&k, 1, 1);
    input(&k);
    assert_true(glue().tx_no_device > before.tx_no_device);
    fake_nic.broken = false;
    introduce_peer();
}

#define STACK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STACK_TEST(test_arp_is_answered),
        STACK_TEST(test_ping_is_answered),
        STACK_TEST(test_ping_is_answered_in_place),
        STACK_TEST(test_completions_are_reaped_lazily),
        STACK_TEST(test_ipv6),
        STACK_TEST(test_classification),
        STACK_TEST(test_bad_checksums),
        STACK_TEST(test_udp),
        STACK_TEST(test_fragments),
        STACK_TEST(test_lost_fragment_times_out),
        STACK_TEST(test_fragment_flood_is_bounded),
        STACK_TEST(test_tcp_without_a_copy),
        STACK_TEST(test_syn_ack_offers_our_options),
        STACK_TEST(test_closed_port_is_refused),
        STACK_TEST(test_full_ring_holds_segments_back),
        STACK_TEST(test_acknowledged_but_still_in_the_ring),
        STACK_TEST(test_no_retransmission_while_queued),
        STACK_TEST(test_long_chain_is_copied),
        STACK_TEST(test_out_of_order_data_is_given_up),
        STACK_TEST(test_time_wait_is_recycled),
        STACK_TEST(test_frames_of_every_length),
        STACK_TEST(test_damaged_frames),
        STACK_TEST(test_link_and_device),
    };

    return cmocka_run_group_tests(tests, setup_group, NULL);
}
