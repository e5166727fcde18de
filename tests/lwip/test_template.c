/* Headers from a template against lwIP's: twins of which one has none. */
#include "../../net/stack_priv.h"
#include "../../net/tcp_gso.h"
#include "../../net/tcp_template.h"
#include "twins.h"
#include <net/tcp_send.h>

static void offloads(unsigned can)
{
    fake_nic.can = can;
    tcp_gso_init((struct nic *)&fake_nic);
    tcp_template_init((struct nic *)&fake_nic);
    stack.checksum_flags = (can & NIC_TX_CSUM) ? NETIF_CHECKSUM_ENABLE_ALL & ~NETIF_CHECKSUM_GEN_TCP
                                               : NETIF_CHECKSUM_ENABLE_ALL;
    stack.netif.chksum_flags = stack.checksum_flags;
}

static int teardown(void **state)
{
    int failed = stack_test_teardown(state);

    offloads(0);
    return failed;
}

static void run(enum app_mode mode, unsigned strange, unsigned templated)
{
    struct stack_stats before = glue();
    struct twin a, b;

    app.mode = mode;
    twin_open(&a, 46100);
    twin_open(&b, 46101);
    b.untemplated = true;
    for (unsigned i = 0; i < 2000; i++) {
        struct twin_segment g = twin_next(&a, strange);

        twin_deliver(&a, &g);
        twin_deliver(&b, &g);
        twins_check(&a, &b);
        if (twin_rnd(20) == 0) {
            fake_time_advance(twin_rnd(400));
            twins_check(&a, &b);
        }
    }
    assert_true(glue().tx_templated - before.tx_templated >= templated);
    tcp_abort(a.pcb);
    tcp_abort(b.pcb);
    app.pcb = NULL;
    assert_int_equal(fake_nic.buffers_out, 0);
}

static void test_as_lwip(void **state)
{
    (void)state;
    offloads(NIC_TX_CSUM | NIC_TX_TSO4 | NIC_TX_TSO6);
    for (twin_seed = 1; twin_seed < 4; twin_seed++) {
        run(APP_ECHO, 1000000, 400);
        run(APP_REPLY_BY_REFERENCE, 1000000, 400);
    }
}

static void test_as_lwip_strange(void **state)
{
    (void)state;
    for (twin_seed = 100; twin_seed < 106; twin_seed++) {
        offloads(NIC_TX_CSUM | NIC_TX_TSO4);
        run(APP_ECHO, 10, 20);
        offloads(NIC_TX_CSUM);
        run(APP_REPLY_BY_REFERENCE, 30, 20);
    }
}

static void test_not_without_checksum_offload(void **state)
{
    struct stack_stats before = glue();

    (void)state;
    offloads(0);
    run(APP_ECHO, 1000000, 0);
    assert_int_equal(glue().tx_templated, before.tx_templated);
}

/* An app's answers, one by one: the first one of a tick goes through ARP, which is so kept alive.
 */
static void test_learns_once_a_tick(void **state)
{
    struct stack_stats before = glue();
    struct client c;

    (void)state;
    offloads(NIC_TX_CSUM);
    app.mode = APP_ECHO;
    client_connect(&c, 46110);
    tcp_nagle_disable(app.pcb);
    for (unsigned i = 0; i < 3; i++) {
        fake_time_advance(1000);
        client_send(&c, ACK, "one", 3);
        c.ack += 3;
        client_send(&c, ACK, "two", 3);
        c.ack += 3;
        client_send(&c, ACK, NULL, 0);
        assert_int_equal(glue().tx_templated, before.tx_templated + i + 1);
    }
}

/* A host that moves to another card is followed at the next tick. */
static void test_follows_arp(void **state)
{
    static const uint8_t elsewhere[6] = { 2, 9, 9, 9, 9, 9 };
    struct client c;
    struct packet k;

    (void)state;
    offloads(NIC_TX_CSUM);
    app.mode = APP_ECHO;
    client_connect(&c, 46111);
    client_send(&c, ACK, "one", 3);
    c.ack += 3;
    make_arp_request(&k, OUR_IP);
    memcpy(k.data + 6, elsewhere, 6);
    memcpy(k.data + 22, elsewhere, 6);
    input(&k);
    fake_time_advance(1000);
    fake_nic_clear();
    client_send(&c, ACK, "two", 3);
    c.ack += 3;
    client_send(&c, ACK, "three", 5);
    assert_memory_equal(fake_nic.sent[0].data, elsewhere, 6);
    assert_memory_equal(last_sent()->data, elsewhere, 6);
    introduce_peer();
}

/* A route is forgotten though no connection has lwIP's timer run. */
static void test_forgets_without_connections(void **state)
{
    static const uint8_t elsewhere[6] = { 2, 9, 9, 9, 9, 8 };
    struct tcp_fields syn = { .sport = 5, .dport = 81, .flags = SYN, .window = 1000, .seq = 5 };
    struct packet k, closed;

    (void)state;
    offloads(NIC_TX_CSUM);
    make_tcp(&closed, &syn, NULL, 0);
    input(&closed);
    assert_true(parse_tcp(last_sent()).flags & RST);
    fake_time_advance(600000);
    make_arp_request(&k, OUR_IP);
    memcpy(k.data + 6, elsewhere, 6);
    memcpy(k.data + 22, elsewhere, 6);
    input(&k);
    fake_nic_clear();
    input(&closed);
    assert_memory_equal(last_sent()->data, elsewhere, 6);
    introduce_peer();
}

/* Nagle's algorithm is lwIP's: of three small segments one goes, until that is acknowledged. */
static void test_leaves_nagle_to_lwip(void **state)
{
    struct client c;

    (void)state;
    offloads(NIC_TX_CSUM);
    app.mode = APP_DISCARD;
    client_connect(&c, 46113);
    fake_nic_clear();
    for (unsigned i = 0; i < 3; i++) {
        struct pbuf *head = tcp_send_head(40);

        memset(head->payload, 'n', 40);
        assert_int_equal(tcp_send(app.pcb, head, NULL, 0), 0);
    }
    tcp_output(app.pcb);
    assert_true(fake_nic.sent_count < 3);
    c.ack += 40 * fake_nic.sent_count;
    client_send(&c, ACK, NULL, 0);
    assert_int_equal(fake_nic.sent_count, 3);
}

/* What does not get into the ring goes when there is room, once. */
static void test_ring_full(void **state)
{
    struct stack_stats before = glue();
    struct client c;

    (void)state;
    offloads(NIC_TX_CSUM);
    app.mode = APP_ECHO;
    client_connect(&c, 46112);
    tcp_nagle_disable(app.pcb);
    client_send(&c, ACK, "one", 3);
    c.ack += 3;
    fake_nic_clear();
    fake_nic.hold = true;
    fake_nic.ring_room = 1;
    client_send(&c, ACK, "two", 3);
    client_send(&c, ACK, "three", 5);
    assert_int_equal(fake_nic.sent_count, 1);
    assert_int_equal(glue().tx_ring_full, before.tx_ring_full + 1);
    fake_nic.hold = false;
    fake_nic.ring_room = SENT_MAX;
    net_enter();
    net_leave();
    assert_int_equal(fake_nic.sent_count, 2);
    assert_memory_equal(fake_nic.sent[0].data + 54, "two", 3);
    assert_memory_equal(last_sent()->data + 54, "three", 5);
    assert_int_equal(parse_tcp(last_sent()).seq, c.ack + 3);
}

int run_template_tests(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stack_test_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_as_lwip),
        TEST(test_as_lwip_strange),
        TEST(test_not_without_checksum_offload),
        TEST(test_learns_once_a_tick),
        TEST(test_follows_arp),
        TEST(test_forgets_without_connections),
        TEST(test_leaves_nagle_to_lwip),
        TEST(test_ring_full),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
