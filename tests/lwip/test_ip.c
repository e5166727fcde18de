/*
 * ARP, ICMP, UDP, fragments: what is answered (in place, without a copy), what is dropped and
 * where it is counted.
 */
#include "stack_test.h"
#include "tx_token.h"
#include <lwip/netif.h>
#include <lwip/udp.h>

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

/* A frame that an XDP program sends back is no pbuf: its buffer is the device's likewise, between
 * frames of the stack's. */
static void test_xdp_tx_is_completed(void **state)
{
    static const struct nic_tx_offload none;
    struct pktbuf *buf = pktbuf_alloc();
    struct nic_seg seg = { .data = buf->frame, .len = 60 };
    struct packet k;

    (void)state;
    memset(buf->frame, 0x5a, 60);
    fake_nic.hold = true;
    make_echo(&k, 1, 100);
    input(&k);
    assert_true(nic_tx(NULL, &seg, 1, &none, tx_token(buf, TX_XDP)));
    make_echo(&k, 2, 100);
    input(&k);
    assert_int_equal(fake_nic.sent_count, 3);
    stack_tx_complete();
    assert_int_equal(fake_nic.buffers_out, 3);
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
    after = glue();
    assert_int_equal(after.rx_other_host - before.rx_other_host, 1);
    assert_int_equal(after.rx_vlan - before.rx_vlan, 2);
    assert_int_equal(after.rx_ethertype - before.rx_ethertype, 2);
    assert_int_equal(after.rx_truncated - before.rx_truncated, 14 + 28 + 20 + 40);
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

/* ---------------------------------------------------------------- the link */

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

int run_ip_tests(void)
{
    const struct CMUnitTest tests[] = {
        STACK_TEST(test_arp_is_answered),
        STACK_TEST(test_ping_is_answered),
        STACK_TEST(test_ping_is_answered_in_place),
        STACK_TEST(test_xdp_tx_is_completed),
        STACK_TEST(test_completions_are_reaped_lazily),
        STACK_TEST(test_ipv6),
        STACK_TEST(test_classification),
        STACK_TEST(test_bad_checksums),
        STACK_TEST(test_udp),
        STACK_TEST(test_fragments),
        STACK_TEST(test_lost_fragment_times_out),
        STACK_TEST(test_fragment_flood_is_bounded),
        STACK_TEST(test_link_and_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
