/* Raw rings: every frame is somewhere, whatever the card and the app do. */
#include "fake_kmalloc.h"
#include "fakes.h"
#include "stack_priv.h"
#include "tx_token.h"
#include <kernel/page.h>
#include <net/xsk.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAMES 64u

struct stack stack;
uint64_t kernel_image_offset;

/* ---- A card with a transmit ring of `card.room` places ---- */

static struct {
    unsigned room, sent;
    void *tokens[256];
    struct nic_tx_offload offloads[256];
} card;

bool nic_tx(struct nic *nic, const struct nic_seg *segs, unsigned count,
            const struct nic_tx_offload *offload, void *token)
{
    struct pktbuf *buf = tx_token_pktbuf(token);

    assert_ptr_equal(nic, stack.nic);
    assert_int_equal(count, 1);
    assert_int_equal(tx_token_kind(token), TX_XSK);
    assert_ptr_equal(segs[0].data, buf->frame);
    assert_int_equal(segs[0].len, buf->frame_len);
    if (card.room == 0)
        return false;
    card.room--;
    card.offloads[card.sent] = *offload;
    card.tokens[card.sent++] = token;
    return true;
}

unsigned nic_tx_can(const struct nic *nic)
{
    (void)nic;
    return NIC_TX_CSUM;
}

static void card_completes(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        xsk_tx_done(tx_token_pktbuf(card.tokens[i]));
    memmove(card.tokens, card.tokens + count, sizeof(void *) * (card.sent - count));
    card.sent -= count;
}

/* ---- Memory ---- */

static void *pool_page;

void *page_alloc(unsigned order)
{
    void *page = NULL;

    assert_int_equal(order, PAGE_ORDER_2M);
    assert_int_equal(posix_memalign(&page, PAGE_2M, PAGE_2M), 0);
    pool_page = page;
    return page;
}

/* ---- The app ---- */

static struct xsk *ready_xsk;
static unsigned ready_calls;

static void ready(struct xsk *xsk)
{
    ready_xsk = xsk;
    ready_calls++;
}

static void open_socket(struct xsk *xsk, uint32_t frames)
{
    const char *why;

    assert_true(xsk_open(xsk, frames, ready, &why));
}

static unsigned pool_free(void)
{
    struct pktbuf_stats stats;

    pktbuf_stats(&stats);
    return stats.free;
}

/* A frame of `len` bytes as from the card, all of them `byte`. */
static struct pktbuf *frame(uint8_t byte, uint32_t len)
{
    struct pktbuf *buf = pktbuf_alloc();

    assert_non_null(buf);
    buf->next = NULL;
    buf->frame_len = len;
    memset(buf->frame, byte, len);
    return buf;
}

static int setup(void **state)
{
    (void)state;
    if (pool_page == NULL) {
        fake_context = CONTEXT_MAIN;
        pktbuf_pool_init(1024);
        fake_context = CONTEXT_SOFTIRQ;
    }
    stack.nic = (struct nic *)&card;
    card.room = 256;
    card.sent = 0;
    ready_calls = 0;
    return 0;
}

/* Sockets stay open for ever, so each test has its own. */
static struct xsk a, b, c, d, e, f, g;

static void test_frames_come_out_of_the_pool(void **state)
{
    unsigned before = pool_free();

    (void)state;
    open_socket(&a, FRAMES);
    assert_true(xsk_is_open(a.id) && !xsk_is_open(0) && !xsk_is_open(a.id + 1));
    assert_int_equal(pool_free(), before - FRAMES);
    assert_true(xsk_accounted(&a, 0));
}

static void test_received_is_swapped(void **state)
{
    struct pktbuf *bufs[FRAMES + 1], *buf;
    struct xsk_stats all;
    unsigned before;

    (void)state;
    open_socket(&b, FRAMES);
    before = pool_free();
    for (unsigned i = 0; i < FRAMES; i++) {
        buf = frame((uint8_t)i, 60 + i);
        assert_true(xsk_receive(b.id, buf));
        assert_int_equal(pool_free(), before); /* one came, one went */
    }
    assert_false(xsk_receive(b.id, frame(0, 60)));
    assert_int_equal(b.stats.rx_fill_ring_empty_descs, 1);
    assert_int_equal(pool_free(), before);
    assert_int_equal(b.stats.rx_packets, FRAMES);
    assert_int_equal(b.stats.rx_bytes, FRAMES * 60 + FRAMES * (FRAMES - 1) / 2);
    xsk_stats(&all);
    assert_memory_equal(&all, &b.stats, sizeof(all)); /* the other one has had none */

    xsk_round_end();
    assert_int_equal(ready_calls, 1);
    assert_ptr_equal(ready_xsk, &b);
    assert_int_equal(xsk_rx_burst(&b, bufs, 10), 10);
    assert_int_equal(xsk_rx_burst(&b, bufs + 10, FRAMES), FRAMES - 10);
    for (unsigned i = 0; i < FRAMES; i++) {
        assert_int_equal(bufs[i]->frame_len, 60 + i);
        assert_int_equal(bufs[i]->frame[0], i);
    }
    assert_true(xsk_accounted(&b, FRAMES));
    assert_false(xsk_accounted(&b, FRAMES - 1));
    xsk_fill(&b, bufs, FRAMES);
    assert_true(xsk_accounted(&b, 0));
    xsk_round_end();
    assert_int_equal(ready_calls, 1); /* nothing to be had */
}

static void test_sent_in_order_when_there_is_room(void **state)
{
    struct pktbuf *bufs[8], *done[8];

    (void)state;
    open_socket(&c, FRAMES);
    for (uint8_t i = 0; i < 8; i++)
        assert_true(xsk_receive(c.id, frame(i, 60)));
    assert_int_equal(xsk_rx_burst(&c, bufs, 8), 8);
    xsk_tx_checksum(bufs[2], 34, 6);
    xsk_tx_burst(&c, bufs, 8);
    assert_int_equal(card.sent, 0); /* when the round ends */
    card.room = 5;
    xsk_round_end();
    assert_int_equal(card.sent, 5);
    assert_int_equal(c.stats.tx_stalls, 1);
    assert_int_equal(card.offloads[2].csum_start, 34);
    assert_int_equal(card.offloads[2].csum_offset, 6);
    assert_int_equal(card.offloads[1].csum_start, 0);
    card.room = 100;
    xsk_round_end();
    assert_int_equal(card.sent, 8);
    for (unsigned i = 0; i < 8; i++)
        assert_ptr_equal(tx_token_pktbuf(card.tokens[i]), bufs[i]);
    assert_true(xsk_accounted(&c, 0));
    assert_int_equal(xsk_completed(&c, done, 8), 0);
    card_completes(3);
    assert_int_equal(xsk_completed(&c, done, 8), 3);
    assert_ptr_equal(done[0], bufs[0]);
    assert_true(xsk_accounted(&c, 3));
    card_completes(5);
    assert_int_equal(xsk_completed(&c, done + 3, 5), 5);
    xsk_fill(&c, done, 8);
    assert_true(xsk_accounted(&c, 0));
    assert_int_equal(c.stats.tx_packets, 8);
    assert_int_equal(c.stats.tx_bytes, 8 * 60);
}

/* All frames are sent and none can be received: the app is called to give them back. */
static void test_sent_frames_alone_call_the_app(void **state)
{
    struct pktbuf *buf;

    (void)state;
    open_socket(&f, 1);
    buf = xsk_frame_take(&f);
    buf->frame_len = 60;
    xsk_tx_burst(&f, &buf, 1);
    xsk_round_end();
    assert_int_equal(ready_calls, 0);
    card_completes(1);
    xsk_round_end();
    assert_int_equal(ready_calls, 1);
    assert_ptr_equal(ready_xsk, &f);
    assert_int_equal(xsk_completed(&f, &buf, 1), 1);
    xsk_round_end();
    assert_int_equal(ready_calls, 1);
    xsk_fill(&f, &buf, 1);
}

/* What a checksum was once asked for is not asked for the next frame in the same buffer. */
static void test_a_frame_begins_without_offloads(void **state)
{
    struct pktbuf *buf;

    (void)state;
    open_socket(&d, 1);
    buf = xsk_frame_take(&d);
    assert_non_null(buf);
    assert_null(xsk_frame_take(&d));
    buf->frame_len = 60;
    xsk_tx_checksum(buf, 34, 6);
    xsk_tx_burst(&d, &buf, 1);
    xsk_round_end();
    card_completes(1);
    assert_int_equal(xsk_completed(&d, &buf, 1), 1);
    xsk_fill(&d, &buf, 1);
    buf = xsk_frame_take(&d);
    buf->frame_len = 60;
    xsk_tx_burst(&d, &buf, 1);
    xsk_round_end();
    assert_int_equal(card.offloads[0].csum_start, 0);
    card_completes(1);
    assert_int_equal(xsk_completed(&d, &buf, 1), 1);
    xsk_fill(&d, &buf, 1);
}

/* No card, or one that takes nothing: what is to be sent waits. */
static void test_without_a_card(void **state)
{
    struct pktbuf *buf;

    (void)state;
    open_socket(&e, 2);
    buf = xsk_frame_take(&e);
    buf->frame_len = 60;
    xsk_tx_burst(&e, &buf, 1);
    stack.nic = NULL;
    assert_false(xsk_can_checksum());
    xsk_round_end();
    assert_int_equal(e.stats.tx_packets, 0);
    assert_true(xsk_accounted(&e, 0));
    stack.nic = (struct nic *)&card;
    assert_true(xsk_can_checksum());
    xsk_round_end();
    assert_int_equal(e.stats.tx_packets, 1);
}

/* All frames were on the card when more came, and were dropped. Now they are back, and the app has
 * to hear of it: nothing can be received before it has given some to the fill ring. */
static void test_all_frames_on_the_card(void **state)
{
    struct pktbuf *bufs[4];

    (void)state;
    open_socket(&g, 4);
    for (uint8_t i = 0; i < 4; i++)
        assert_true(xsk_receive(g.id, frame(i, 60)));
    assert_int_equal(xsk_rx_burst(&g, bufs, 4), 4);
    xsk_tx_burst(&g, bufs, 4);
    xsk_round_end();
    assert_int_equal(card.sent, 4);
    assert_false(xsk_receive(g.id, frame(0, 60)));
    xsk_round_end();
    assert_int_equal(ready_calls, 0); /* they are still there */
    card_completes(4);
    xsk_round_end();
    assert_int_equal(ready_calls, 1);
    assert_ptr_equal(ready_xsk, &g);
    assert_int_equal(xsk_completed(&g, bufs, 4), 4);
    xsk_fill(&g, bufs, 4);
    assert_true(xsk_receive(g.id, frame(0, 60)));
    assert_int_equal(xsk_rx_burst(&g, bufs, 4), 1);
    xsk_fill(&g, bufs, 1);
}

/* Whatever is short, nothing is kept. */
static void test_open_fails_whole(void **state)
{
    unsigned before = pool_free(), live = fake_kmalloc_live;
    static struct xsk more[XSK_SOCKETS_MAX];
    struct xsk last;
    const char *why;

    (void)state;
    fake_kmalloc_fail_in = 1;
    assert_false(xsk_open(&last, 16, ready, &why));
    assert_non_null(strstr(why, "memory"));
    assert_false(xsk_open(&last, 1024, ready, &why)); /* more than the pool has */
    assert_non_null(strstr(why, "pktbufs="));
    assert_int_equal(pool_free(), before);
    assert_int_equal(fake_kmalloc_live, live);
    for (unsigned i = 0; i < XSK_SOCKETS_MAX - 7; i++) /* seven are open */
        open_socket(&more[i], 1);
    assert_false(xsk_open(&last, 1, ready, &why));
    assert_non_null(strstr(why, "too many"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_frames_come_out_of_the_pool, setup),
        cmocka_unit_test_setup(test_received_is_swapped, setup),
        cmocka_unit_test_setup(test_sent_in_order_when_there_is_room, setup),
        cmocka_unit_test_setup(test_sent_frames_alone_call_the_app, setup),
        cmocka_unit_test_setup(test_a_frame_begins_without_offloads, setup),
        cmocka_unit_test_setup(test_without_a_card, setup),
        cmocka_unit_test_setup(test_all_frames_on_the_card, setup),
        cmocka_unit_test_setup(test_open_fails_whole, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
