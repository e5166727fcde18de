/* The pool of packet buffers: layout, order, owners, and too little memory. */
#include "fakes.h"
#include "pktbuf_pool.h"
#include <kernel/meminfo.h>
#include <kernel/page.h>
#include <kernel/printk.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint64_t kernel_image_offset;

static unsigned pages_left;
static void *pages[8];
static unsigned page_count;

void *page_alloc(unsigned order)
{
    void *page = NULL;

    assert_int_equal(order, PAGE_ORDER_2M);
    if (pages_left == 0 || page_count == ARRAY_SIZE(pages))
        return NULL;
    pages_left--;
    assert_int_equal(posix_memalign(&page, PAGE_2M, PAGE_2M), 0);
    memset(page, 0x5a, PAGE_2M); /* not zeroed */
    pages[page_count++] = page;
    return page;
}

static int setup(void **state)
{
    (void)state;
    pktbuf_pool = (struct pktbuf_pool){ 0 };
    fake_printk_lines = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (page_count > 0)
        free(pages[--page_count]);
    fake_context = CONTEXT_SOFTIRQ;
    return 0;
}

static bool init(unsigned count, unsigned available)
{
    bool all;

    pages_left = available;
    fake_context = CONTEXT_MAIN;
    all = pktbuf_pool_init(count);
    fake_context = CONTEXT_SOFTIRQ;
    return all;
}

static void test_rounds_up_to_pages(void **state)
{
    struct pktbuf_stats stats;

    (void)state;
    assert_true(init(1025, 8));
    pktbuf_stats(&stats);
    assert_int_equal(stats.total, 2048);
    assert_int_equal(stats.free, 2048);
    assert_int_equal(page_count, 2);
}

static void test_short_memory(void **state)
{
    struct pktbuf_stats stats;

    (void)state;
    assert_false(init(4096, 1));
    pktbuf_stats(&stats);
    assert_int_equal(stats.total, 1024);
    assert_non_null(strstr(fake_printk_last, "1024 of 4096"));
}

static void test_no_memory(void **state)
{
    struct pktbuf_stats stats;

    (void)state;
    assert_false(init(512, 0));
    assert_null(pktbuf_alloc());
    pktbuf_stats(&stats);
    assert_int_equal(stats.total, 0);
    assert_int_equal(stats.empty, 1);
}

/* Every slot once, aligned, inside its page, with the right addresses, and not overlapping. */
static void test_all_slots(void **state)
{
    static struct pktbuf *all[1024];
    struct pktbuf_stats stats;

    (void)state;
    assert_true(init(1024, 1));
    for (unsigned i = 0; i < 1024; i++) {
        struct pktbuf *buf = all[i] = pktbuf_alloc();

        assert_non_null(buf);
        assert_int_equal((uintptr_t)buf % PKTBUF_SIZE, 0);
        assert_ptr_equal(ALIGN_DOWN((uintptr_t)buf, PAGE_2M), pages[0]);
        assert_true(buf->phys == dma_address(buf));
        assert_ptr_equal(buf->frame, (uint8_t *)buf + 64 + PKTBUF_PRIV + PKTBUF_HEADROOM);
        assert_int_equal(buf->owner, PKTBUF_HELD);
        memset(buf->frame, (int)i, PKTBUF_FRAME_MAX);
        memset(buf->priv, (int)i, PKTBUF_PRIV);
    }
    assert_null(pktbuf_alloc());
    for (unsigned i = 0; i < 1024; i++) {
        assert_int_equal(all[i]->frame[0], i & 0xff);
        assert_int_equal(all[i]->frame[PKTBUF_FRAME_MAX - 1], i & 0xff);
        assert_int_equal(all[i]->priv[0], i & 0xff);
        pktbuf_free(all[i]);
    }
    pktbuf_stats(&stats);
    assert_int_equal(stats.free, 1024);
    assert_int_equal(stats.empty, 1);
}

/* What was freed last comes first; the frame's place is set anew; the owner's area is kept. */
static void test_lifo(void **state)
{
    struct pktbuf *a, *b;

    (void)state;
    assert_true(init(1024, 1));
    a = pktbuf_alloc();
    b = pktbuf_alloc();
    assert_true(a < b); /* and at first in the order of addresses */
    a->frame += 20;
    a->priv[3] = 42;
    pktbuf_free(b);
    pktbuf_free(a);
    assert_ptr_equal(pktbuf_alloc(), a);
    assert_ptr_equal(a->frame, (uint8_t *)a + PKTBUF_FRAME_OFFSET);
    assert_int_equal(a->priv[3], 42);
    assert_ptr_equal(pktbuf_alloc(), b);
}

static void test_owners_are_asserted(void **state)
{
    struct pktbuf *buf;

    (void)state;
    assert_true(init(1024, 1));
    buf = pktbuf_alloc();
    EXPECT_PANIC(pktbuf_from_device(buf));
    pktbuf_to_device(buf);
    EXPECT_PANIC(pktbuf_free(buf)); /* the device still writes to it */
    EXPECT_PANIC(pktbuf_to_device(buf));
    pktbuf_from_device(buf);
    pktbuf_free(buf);
    EXPECT_PANIC(pktbuf_free(buf)); /* twice */
    EXPECT_PANIC(pktbuf_to_device(buf));
}

/* A buffer that frames in the transmit ring refer to is used again when the last of them is done:
 * freed meanwhile or not. Other memory is nobody's business here. */
static void test_sent_by_reference(void **state)
{
    static const char elsewhere[64];
    struct pktbuf_stats stats;
    struct pktbuf *buf;

    (void)state;
    assert_true(init(2048, 8));
    pktbuf_tx_begin(elsewhere);
    pktbuf_tx_end(elsewhere);
    for (unsigned i = 0; i < 2000; i++) /* one of each page */
        assert_non_null(pktbuf_alloc());
    buf = pktbuf_alloc();
    pktbuf_tx_begin(buf->frame);
    pktbuf_tx_begin(buf->frame + PKTBUF_FRAME_MAX - 1);
    pktbuf_free(buf);
    pktbuf_tx_end(buf->frame);
    pktbuf_stats(&stats);
    assert_int_equal(stats.free, 47);
    assert_ptr_not_equal(pktbuf_alloc(), buf);
    EXPECT_PANIC(pktbuf_free(buf));
    pktbuf_tx_end(buf->frame + 100);
    assert_ptr_equal(pktbuf_alloc(), buf);

    pktbuf_tx_begin(buf->frame);
    pktbuf_tx_end(buf->frame);
    assert_int_equal(buf->owner, PKTBUF_HELD);
    EXPECT_PANIC(pktbuf_tx_end(buf->frame));
    pktbuf_free(buf);
    EXPECT_PANIC(pktbuf_tx_begin(buf->frame));
}

#ifdef TOPHALF_DEBUG
static void test_write_after_free(void **state)
{
    struct pktbuf *buf;

    (void)state;
    assert_true(init(1024, 1));
    buf = pktbuf_alloc();
    pktbuf_free(buf);
    buf->frame[PKTBUF_FRAME_MAX - 1] = 1;
    EXPECT_PANIC(pktbuf_alloc());
}
#endif

static void test_context_is_asserted(void **state)
{
    struct pktbuf *buf;

    (void)state;
    assert_true(init(1024, 1));
    buf = pktbuf_alloc();
    fake_context = CONTEXT_IRQ;
    EXPECT_PANIC(pktbuf_alloc());
    EXPECT_PANIC(pktbuf_free(buf));
    EXPECT_PANIC(pktbuf_pool_init(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rounds_up_to_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_slots, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lifo, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owners_are_asserted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sent_by_reference, setup, teardown),
#ifdef TOPHALF_DEBUG
        cmocka_unit_test_setup_teardown(test_write_after_free, setup, teardown),
#endif
        cmocka_unit_test_setup_teardown(test_context_is_asserted, setup, teardown),
    };

    return cmocka_run_group_tests_name("pktbuf", tests, NULL, NULL);
}
