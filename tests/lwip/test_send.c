/* tcp_send(): a head and a body as one segment, or not at all. */
#include "../../net/stack_priv.h"
#include "../../net/tcp_gso.h"
#include "../../net/tcp_template.h"
#include "stack_test.h"
#include <lwip/priv/tcp_priv.h>
#include <net/tcp_send.h>

static uint8_t body[200000];
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
    static unsigned port = 46200;
    int failed = stack_test_setup(state);

    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 2654435761u >> 13);
    offloads(NIC_TX_CSUM | NIC_TX_TSO4);
    app.mode = APP_DISCARD;
    client_connect(&c, port++);
    tcp_nagle_disable(app.pcb);
    fake_nic_clear();
    return failed;
}

static int teardown(void **state)
{
    int failed = stack_test_teardown(state);

    offloads(0);
    return failed;
}

static struct pbuf *head_of(unsigned bytes)
{
    struct pbuf *head = tcp_send_head((uint16_t)bytes);

    assert_non_null(head);
    memset(head->payload, 'h', bytes);
    return head;
}

/* Everything that was sent is the head and then the body's first bytes. */
static void check_sent(unsigned head, size_t taken)
{
    size_t at = 0;

    for (unsigned i = 0; i < fake_nic.sent_count; i++) {
        const uint8_t *payload = fake_nic.sent[i].data + 54;
        size_t bytes = tcp_payload(&fake_nic.sent[i]);

        assert_int_equal(parse_tcp(&fake_nic.sent[i]).seq, c.ack + at);
        for (size_t j = 0; j < bytes; j++, at++)
            assert_int_equal(payload[j], at < head ? 'h' : body[at - head]);
    }
    assert_int_equal(at, head + taken);
}

static void test_one_segment_by_reference(void **state)
{
    (void)state;
    assert_int_equal(tcp_send(app.pcb, head_of(200), body, 612), 612);
    assert_null(app.pcb->unsent->next);
    assert_int_equal(app.pcb->snd_queuelen, 2);
    assert_ptr_equal(app.pcb->unsent->p->next->payload, body);
    tcp_output(app.pcb);
    assert_int_equal(fake_nic.sent_count, 1);
    assert_int_equal(fake_nic.sent[0].segs, 2);
    assert_ptr_equal(fake_nic.sent[0].seg_data[1], body);
    assert_true(parse_tcp(last_sent()).flags & PSH);
    check_sent(200, 612);
}

static void test_no_body(void **state)
{
    (void)state;
    assert_int_equal(tcp_send(app.pcb, head_of(100), NULL, 0), 0);
    assert_int_equal(app.pcb->snd_queuelen, 1);
    tcp_output(app.pcb);
    check_sent(100, 0);
}

/* What does not fit is left for tcp_write(), which appends it. */
static void test_large_body_is_taken_in_part(void **state)
{
    int32_t taken;

    (void)state;
    app.pcb->cwnd = 1 << 20;
    taken = tcp_send(app.pcb, head_of(200), body, sizeof(body));
    assert_true(taken > 1460 && taken < 65536);
    assert_int_equal((200 + taken) % app.pcb->mss, 0);
    assert_int_equal(tcp_write(app.pcb, body + taken, 1000, 0), ERR_OK);
    tcp_output(app.pcb);
    check_sent(200, (size_t)taken + 1000);
    assert_true(fake_nic.supers > 0);
}

/* Without segmentation offload: one MSS. */
static void test_a_segment_is_an_mss(void **state)
{
    (void)state;
    offloads(NIC_TX_CSUM);
    assert_int_equal(tcp_send(app.pcb, head_of(200), body, sizeof(body)), app.pcb->mss - 200);
}

/* A head of more than the peer takes at once goes as several segments. */
static void test_tiny_mss(void **state)
{
    (void)state;
    app.pcb->mss = 64;
    assert_int_equal(tcp_send(app.pcb, head_of(200), body, 100), 0);
    assert_non_null(app.pcb->unsent->next);
    app.pcb->cwnd = 1 << 20;
    tcp_output(app.pcb);
    check_sent(200, 0);
}

/* Never more in a segment than half the window (lwIP's rule, which tcp_write() asserts). */
static void test_small_window(void **state)
{
    (void)state;
    app.pcb->snd_wnd_max = 700;
    assert_int_equal(tcp_send(app.pcb, head_of(200), body, 3000), 150);
    assert_int_equal(tcp_write(app.pcb, body + 150, 2850, 0), ERR_OK);
    app.pcb->cwnd = 1 << 20;
    tcp_output(app.pcb);
    check_sent(200, 3000);
}

/* Refused whole: nothing is queued, and the head is freed (the tear-down looks for it). */
static void test_refused(void **state)
{
    tcpwnd_size_t room = app.pcb->snd_buf;

    (void)state;
    app.pcb->snd_buf = 199;
    assert_int_equal(tcp_send(app.pcb, head_of(200), body, 612), ERR_MEM);
    app.pcb->snd_buf = room;
    app.pcb->snd_queuelen = TCP_SND_QUEUELEN - 1;
    assert_int_equal(tcp_send(app.pcb, head_of(200), body, 612), ERR_MEM);
    app.pcb->snd_queuelen = 0;
    assert_null(app.pcb->unsent);
    app.pcb->state = FIN_WAIT_1;
    assert_int_equal(tcp_send(app.pcb, head_of(200), body, 612), ERR_CONN);
    app.pcb->state = ESTABLISHED;
    app.pcb->snd_buf = 300; /* less than the answer */
    assert_int_equal(tcp_send(app.pcb, head_of(200), body, 612), 100);
    assert_int_equal(app.pcb->snd_buf, 0);
    tcp_output(app.pcb);
    check_sent(200, 100);
}

/* Clients that open a window of 128 bytes and take nothing, each given all that TCP takes: who
 * comes then is answered as if they were not there, and none of the pools ever ran out. */
static void test_greedy_connections_leave_room(void **state)
{
    struct client hog = { .window = 1 }, guest = { .window = 500 };

    (void)state;
    for (unsigned port = 50000; port < 52000; port++) {
        client_connect(&hog, port);
        app.pcb->snd_wnd = app.pcb->snd_wnd_max = 128;
        while (tcp_send_room(app.pcb) > 0) {
            size_t bytes = MIN(tcp_send_room(app.pcb), 60000u);

            if (tcp_write(app.pcb, body, (u16_t)bytes, 0) != ERR_OK)
                break;
        }
        assert_true(app.pcb->snd_queuelen > 0); /* none of them is left without an answer */
        tcp_output(app.pcb);
    }
    fake_nic_clear();
    client_connect(&guest, 60000);
    assert_int_equal(tcp_send(app.pcb, head_of(200), body, 612), 612);
    assert_int_equal(lwip_stats.memp[MEMP_TCP_SEG]->err, 0);
    assert_int_equal(lwip_stats.memp[MEMP_PBUF]->err, 0);
    abort_all();
}

int run_send_tests(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_one_segment_by_reference),
        TEST(test_no_body),
        TEST(test_large_body_is_taken_in_part),
        TEST(test_a_segment_is_an_mss),
        TEST(test_tiny_mss),
        TEST(test_small_window),
        TEST(test_refused),
        TEST(test_greedy_connections_leave_room),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
