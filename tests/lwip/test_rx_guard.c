/*
 * What lwIP would read beyond its end, or take for something else (net/rx_guard.c), how much ICMP
 * is sent (net/stack_icmp.c), ports (net/ports.c), and who waits for a neighbour's address.
 */
#include "../../net/stack_priv.h"
#include "stack_test.h"
#include <lwip/dhcp.h>
#include <lwip/ip4_frag.h>
#include <lwip/nd6.h>
#include <lwip/netif.h>
#include <lwip/priv/nd6_priv.h>
#include <lwip/prot/dhcp.h>
#include <lwip/udp.h>

/* ---------------------------------------------------------------- neighbour discovery */

enum { RA = 134, NS = 135, NA = 136, REDIRECT = 137 };

/* For our address, or of the peer's. */
static void send_nd(unsigned type, const char *options, size_t len)
{
    uint8_t message[1200] = { (uint8_t)type };
    size_t header = type == RA ? 16 : type == REDIRECT ? 40 : 24;
    struct packet k;

    if (type == RA)
        put16(message + 6, 1800); /* the router's lifetime */
    else
        memcpy(message + 8, type == NS ? our_ip6 : peer_ip6, 16);
    if (type == NA)
        message[4] = 0x60; /* solicited, override */
    memcpy(message + header, options, len);
    make_ip6(&k, our_ip6, 58, message, header + len);
    repair(&k);
    input(&k);
}

static const u8_t *lladdr_of_peer(void)
{
    for (unsigned i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++)
        if (memcmp(neighbor_cache[i].next_hop_address.addr, peer_ip6, 16) == 0)
            return neighbor_cache[i].lladdr;
    fail_msg("the peer is no neighbour");
    return NULL;
}

static void test_nd_options_beyond_the_end(void **state)
{
    static const struct {
        const char *options;
        size_t len;
    } broken[] = {
        { "\1\0\2\0\0\0\0\1", 8 }, /* of no length at all */
        { "\2\0\2\0\0\0\0\1", 8 },
        { "\1\0", 2 }, /* lwIP would copy what is behind */
        { "\2\0", 2 },
        { "\1\2\2\0\0\0\0\1", 8 }, /* longer than the message */
        { "\2\2\2\0\0\0\0\1", 8 },
        { "\1\1\2\0\0\0\0", 7 }, /* cut off */
        { "\2\1", 2 },
        { "\1", 1 },
        { "\1\1\2\0\0\0\0\1\5\1\0\0", 12 }, /* one that is right before */
        { "\2\1\2\0\0\0\0\1\x0e\377\0\0\0\0\0\0", 16 },
    };
    static const unsigned types[] = { NS, NA, RA };
    unsigned count = sizeof(broken) / sizeof(broken[0]);
    struct stack_stats before = glue();

    (void)state;
    for (unsigned t = 0; t < 3; t++)
        for (unsigned i = 0; i < count; i++)
            send_nd(types[t], broken[i].options, broken[i].len);
    assert_int_equal(glue().nd6_bad_options - before.nd6_bad_options, 3 * count);
    assert_int_equal(fake_nic.sent_count, 0);
    assert_memory_equal(lladdr_of_peer(), peer_mac, 6);
}

/* lwIP 2.2.1 takes the first option for the address, whatever it is (here: a nonce, RFC 3971). */
static void test_the_address_is_found(void **state)
{
    struct stack_stats before = glue();

    (void)state;
    send_nd(NA, "\x0e\1nonce!", 8); /* without an address: that is not changed */
    assert_memory_equal(lladdr_of_peer(), peer_mac, 6);
    send_nd(NS, "\x0e\1nonce!", 8); /* nobody to answer (RFC 4861 §4.3 has it for multicasts) */
    assert_int_equal(fake_nic.sent_count, 0);
    send_nd(NA, "\x0e\1nonce!\2\1\2\0\0\0\0\7\1\1\2\0\0\0\0\x8", 24);
    assert_memory_equal(lladdr_of_peer(), "\2\0\0\0\0\7", 6);
    send_nd(NS, "\x0e\1nonce!\1\1\2\0\0\0\0\1", 16);
    assert_int_equal(last_sent()->data[54], NA);
    send_nd(NA, "\2\1\2\0\0\0\0\1", 8);
    assert_memory_equal(lladdr_of_peer(), peer_mac, 6);
    assert_int_equal(glue().nd6_bad_options, before.nd6_bad_options);
}

/* In two fragments (RFC 6980 §5), the cut in the middle of the option. */
static void test_nd_in_fragments(void **state)
{
    uint8_t na[40] = { NA, 0, 0, 0, 0x60 }, part[40] = { 58, 0, 0, 1, 0, 0, 0, 9 };
    struct stack_stats before = glue();
    struct packet whole, k;

    (void)state;
    memcpy(na + 8, peer_ip6, 16);
    memcpy(na + 24, "\2\2\2\0\0\0\0\7", 8);
    make_ip6(&whole, our_ip6, 58, na, sizeof(na));
    repair(&whole);
    memcpy(part + 8, whole.data + 54, 32);
    make_ip6(&k, our_ip6, 44, part, 40);
    input(&k);
    put16(part + 2, 32);
    memcpy(part + 8, whole.data + 86, 8);
    make_ip6(&k, our_ip6, 44, part, 16);
    input(&k);
    assert_int_equal(glue().nd6_bad_options - before.nd6_bad_options, 1);
    assert_memory_equal(lladdr_of_peer(), peer_mac, 6);
}

static void test_redirects(void **state)
{
    struct stack_stats before = glue();

    (void)state;
    send_nd(REDIRECT, "\2\1\2\0\0\0\0\7", 8);
    send_nd(REDIRECT, "\2\1", 2);
    assert_int_equal(glue().nd6_redirects - before.nd6_redirects, 2);
    assert_memory_equal(lladdr_of_peer(), peer_mac, 6);
}

/* ---------------------------------------------------------------- reassembly */

/* One fragment that lies in several buffers, of IPv4 and of IPv6: a device's doing. */
static void test_fragments_in_several_buffers(void **state)
{
    static uint8_t frame[14 + 65535];
    struct stack_stats before = glue();
    struct packet k;

    (void)state;
    make_ip(&k, 17, (const uint8_t *)"", 0, 5, 0x2000);
    memcpy(frame, k.data, k.len);
    put16(frame + 16, 6000);
    put16(frame + 24, 0);
    put16(frame + 24, checksum(frame + 14, 20, 0));
    fake_nic_receive_merged(frame, 14 + 6000);
    make_ip6(&k, our_ip6, 44, (const uint8_t *)"\x11\0\0\1\0\0\0\5", 8);
    memcpy(frame, k.data, k.len);
    put16(frame + 18, 6000);
    fake_nic_receive_merged(frame, 54 + 6000);
    assert_int_equal(glue().rx_split_fragments - before.rx_split_fragments, 2);
    assert_int_equal(fake_nic.buffers_out, 0);
    assert_int_equal(lwip_stats.memp[MEMP_IP6_REASSDATA]->used, 0);
}

/* As many fragments as there may be, of one datagram and of many, none of which gets complete:
 * whoever is thrown out, its timer finds nothing. */
static void test_reassembly_runs_out(void **state)
{
    uint8_t part[16] = { 17, 0 };
    struct packet k;

    (void)state;
    for (unsigned i = 0; i < 3 * IP_REASS_MAX_PBUFS; i++) {
        put16(part + 2, (16 * i + 8) | 1);
        put32(part + 4, 7);
        make_ip6(&k, our_ip6, 44, part, 16);
        input(&k);
        put16(part + 2, 9);
        put32(part + 4, 1000 + i);
        make_ip6(&k, our_ip6, 44, part, 16);
        input(&k);
        assert_true(fake_nic.buffers_out <= IP_REASS_MAX_PBUFS);
    }
    fake_time_advance(70000);
    assert_int_equal(fake_nic.buffers_out, 0);
    assert_int_equal(lwip_stats.memp[MEMP_IP6_REASSDATA]->used, 0);
}

/* ---------------------------------------------------------------- DHCP */

/* An IPv4 packet in fragments of these sizes, multiples of 8, and a last one with the rest. */
static void input_fragments(const struct packet *whole, const size_t *sizes, unsigned count)
{
    size_t at = 0, end = whole->len - 34;
    struct packet k;

    for (unsigned i = 0; i <= count; i++) {
        size_t len = i < count ? sizes[i] : end - at;

        make_ip(&k, whole->data[23], whole->data + 34 + at, len, 33,
                (unsigned)(at / 8) | (i < count ? 0x2000 : 0));
        input(&k);
        at += len;
    }
}

/* A server's offer, as an answer to what was asked last; options follow the message type. */
static void make_offer(struct packet *k, const uint8_t *options, size_t len)
{
    uint8_t udp[900] = { 0, 67, 0, 68 };
    uint8_t *dhcp = udp + 8;
    size_t bytes = 8 + 240 + 3 + len;

    put16(udp + 4, (unsigned)bytes);
    dhcp[0] = 2;
    dhcp[1] = 1;
    dhcp[2] = 6;
    memcpy(dhcp + 4, last_sent()->data + 42 + 4, 4);
    put32(dhcp + 16, OUR_IP + 5);
    memcpy(dhcp + 28, fake_nic_mac_address, 6);
    memcpy(dhcp + 236, "\x63\x82\x53\x63\x35\1\2", 7);
    memcpy(dhcp + 243, options, len);
    make_ip(k, 17, udp, bytes, 1, 0);
    repair(k);
}

static bool asked_for_it(void)
{
    const struct sent_frame *f = last_sent();

    return f->len > 42 + 242 && get16(f->data + 36) == 67 && f->data[42 + 242] == 3;
}

static void stop_dhcp(void)
{
    ip4_addr_t ip = { PP_HTONL(OUR_IP) }, mask = { PP_HTONL(0xffffff00) },
               gateway = { PP_HTONL(PEER_IP) };

    dhcp_release_and_stop(stack_netif());
    dhcp_cleanup(stack_netif());
    netif_set_addr(stack_netif(), &ip, &mask, &gateway);
}

/* An option that is longer than the next fragment: lwIP would go on in that one, beyond its end. */
static void test_dhcp_in_fragments(void **state)
{
    static const size_t sizes[] = { 8 + 248, 8 };
    uint8_t options[400] = { 99, 200 };
    struct stack_stats before = glue();
    struct packet offer;

    (void)state;
    assert_int_equal(dhcp_start(stack_netif()), ERR_OK);
    memcpy(options + 202, "\x36\4\x0a\0\0\1\xff", 7);
    make_offer(&offer, options, 300);
    fake_nic_clear();
    input_fragments(&offer, sizes, 2);
    assert_int_equal(glue().rx_split_dhcp - before.rx_split_dhcp, 1);
    assert_int_equal(fake_nic.sent_count, 0);
    input(&offer); /* and in one piece it is taken */
    assert_int_equal(glue().rx_split_dhcp - before.rx_split_dhcp, 1);
    assert_true(asked_for_it());
    stop_dhcp();
}

/* The client's state is all zero when it starts, whatever its memory held before: here malloc()
 * fills it with 0xbe. (A later lwIP takes its flags over from there.) */
static void test_dhcp_starts_clean(void **state)
{
    uint8_t server[7] = { 54, 4, 10, 0, 0, 1, 255 };
    struct packet offer;
    struct dhcp *dhcp;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(dhcp_start(stack_netif()), ERR_OK);
        dhcp = netif_dhcp_data(stack_netif());
        assert_int_equal(dhcp->flags, 0);
        assert_int_equal(dhcp->pcb_allocated, 1);
        assert_int_equal(dhcp->state, DHCP_STATE_SELECTING);
        assert_int_equal(dhcp->tries, 1);
        assert_int_equal(dhcp->lease_used, 0);
        make_offer(&offer, server, sizeof(server));
        input(&offer);
        assert_true(asked_for_it());
        assert_int_equal(dhcp->flags, 0);
        if (i == 1) /* started again while it runs */
            continue;
        stop_dhcp();
    }
}

/* ---------------------------------------------------------------- how much ICMP */

static unsigned answered_of(unsigned echoes)
{
    unsigned before = fake_nic.sent_count;
    struct packet k;

    for (unsigned i = 0; i < echoes; i++) {
        if (i % 2 == 0)
            make_echo(&k, i, 10);
        else
            make_echo6(&k, i, 10);
        input(&k);
    }
    return fake_nic.sent_count - before;
}

static void test_echoes_are_limited(void **state)
{
    struct stack_stats before;
    struct packet k;

    (void)state;
    while (answered_of(1) > 0)
        ;
    fake_time_advance(1000);
    before = glue();
    assert_int_equal(answered_of(1500), 1000);
    assert_int_equal(glue().icmp_echo_limited - before.icmp_echo_limited, 500);
    make_udp(&k, 7001, 7002, "nobody"); /* errors have a bucket of their own */
    input(&k);
    assert_int_equal(last_sent()->data[34], 3);
    fake_time_advance(100);
    assert_int_equal(answered_of(200), 100);
    make_echo(&k, 1, 10);
    k.data[34] = 0; /* what answers our own pings is not limited */
    repair(&k);
    input(&k);
    assert_int_equal(glue().icmp_echo_limited - before.icmp_echo_limited, 600);
    fake_time_advance(2000);
}

/* ---------------------------------------------------------------- ports */

static unsigned in_order(const u16_t *port, unsigned count)
{
    unsigned n = 0;

    for (unsigned i = 1; i < count; i++)
        n += (u16_t)(port[i] - port[i - 1]) == 1;
    return n;
}

static void test_ports_are_random(void **state)
{
    u16_t tcp[100], udp[3][100];
    ip_addr_t peer = IPADDR4_INIT(PP_HTONL(PEER_IP));

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        struct tcp_pcb *t = tcp_new();
        struct udp_pcb *u = udp_new();
        struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, 1, PBUF_RAM);

        assert_int_equal(tcp_bind(t, IP_ADDR_ANY, 0), ERR_OK);
        tcp[i] = t->local_port;
        tcp_abort(t);
        udp_bind(u, IP_ADDR_ANY, 0);
        udp[0][i] = u->local_port;
        udp_remove(u);
        u = udp_new();
        udp_connect(u, &peer, 7);
        udp[1][i] = u->local_port;
        udp_remove(u);
        u = udp_new();
        udp_sendto(u, p, &peer, 7);
        udp[2][i] = u->local_port;
        udp_remove(u);
        pbuf_free(p);
        assert_true(tcp[i] >= 0xc000 && udp[0][i] >= 0xc000 && udp[2][i] >= 0xc000);
    }
    assert_true(in_order(tcp, 100) < 5);
    for (unsigned i = 0; i < 3; i++)
        assert_true(in_order(udp[i], 100) < 5);
}

/* ---------------------------------------------------------------- unknown neighbours */

#define AT_ONCE 100u

/* All who come at once wait for the answer to one ARP request, and none for a timer. */
static void test_many_wait_for_a_neighbour(void **state)
{
    struct tcp_fields syn = { .dport = 80, .flags = SYN, .window = 1000, .seq = 1 };
    struct packet k;

    (void)state;
    for (unsigned i = 0; i < AT_ONCE; i++) {
        syn.sport = 20000 + i;
        make_tcp(&k, &syn, NULL, 0);
        put32(k.data + 26, OUR_IP + 9);
        repair(&k);
        input(&k);
    }
    assert_int_equal(fake_nic.sent_count, 1);
    fake_nic_clear();
    make_arp_request(&k, OUR_IP); /* it asks for us, and tells itself by that */
    put32(k.data + 28, OUR_IP + 9);
    input(&k);
    assert_int_equal(fake_nic.sent_count, AT_ONCE + 1);
}

static void test_many_wait_for_an_ipv6_neighbour(void **state)
{
    uint8_t tcp[20] = { 0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, SYN, 4, 0 };
    struct packet k;

    (void)state;
    for (unsigned i = 0; i < AT_ONCE; i++) {
        put16(tcp, 20000 + i);
        make_ip6(&k, our_ip6, 6, tcp, sizeof(tcp));
        k.data[14 + 23] = 0x42;
        repair(&k);
        input(&k);
    }
    assert_int_equal(fake_nic.sent_count, 1);
    fake_nic_clear();
    make_ip6(&k, our_ip6, 58,
             (const uint8_t *)"\x88\0\0\0\x60\0\0\0\xfe\x80\0\0\0\0\0\0\0\0\0\xff\xfe\0\0\x42"
                              "\2\1\2\0\0\0\0\x42",
             32);
    k.data[14 + 23] = 0x42;
    repair(&k);
    input(&k);
    assert_int_equal(fake_nic.sent_count, AT_ONCE);
}

int run_rx_guard_tests(void)
{
    const struct CMUnitTest tests[] = {
        STACK_TEST(test_nd_options_beyond_the_end),
        STACK_TEST(test_the_address_is_found),
        STACK_TEST(test_nd_in_fragments),
        STACK_TEST(test_redirects),
        STACK_TEST(test_fragments_in_several_buffers),
        STACK_TEST(test_reassembly_runs_out),
        STACK_TEST(test_dhcp_in_fragments),
        STACK_TEST(test_dhcp_starts_clean),
        STACK_TEST(test_echoes_are_limited),
        STACK_TEST(test_ports_are_random),
        STACK_TEST(test_many_wait_for_a_neighbour),
        STACK_TEST(test_many_wait_for_an_ipv6_neighbour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
