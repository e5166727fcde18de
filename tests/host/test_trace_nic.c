/* The packet trace's points in the network card's driver, with the real recorder behind them: the
 * top half, both rings, the kick, completions, and a reset in between. */
#include "fake_virtio.h"
#include "fakes.h"
#include "pktbuf_pool.h"
#include "virtio_net.h"
#include <drivers/trace.h>
#include <kernel/page.h>
#include <kernel/rand.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct virtio_pci *const dev = &fake_dev;
static struct nic *nic;
static void *blocks[16];
static unsigned block_count;

void *page_alloc(unsigned order)
{
    void *block = NULL;

    assert_true(block_count < ARRAY_SIZE(blocks));
    assert_int_equal(posix_memalign(&block, PAGE_SIZE << order, PAGE_SIZE << order), 0);
    blocks[block_count++] = block;
    return block;
}

void rand_bytes(void *buf, size_t bytes)
{
    memset(buf, 0xff, bytes);
}

uint64_t time_tsc_to_ns(uint64_t ticks)
{
    return ticks;
}

static int setup(void **state)
{
    (void)state;
    fake_virtio_reset();
    pktbuf_pool = (struct pktbuf_pool){ 0 };
    fake_context = CONTEXT_MAIN;
    assert_true(pktbuf_pool_init(1024));
    nic = nic_probe();
    assert_non_null(nic);
    fake_context = CONTEXT_SOFTIRQ;
    nic_rx_irq_enable(nic);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trace_end();
    fake_virtio_reset();
    while (block_count > 0)
        free(blocks[--block_count]);
    return 0;
}

/* ---------------------------------------------------------------- a poll, played */

static uint8_t answer[NIC_TX_HEADROOM + 64];
static const struct nic_seg seg = { answer + NIC_TX_HEADROOM, 64 };
static int tokens[4];

static void deliver(uint32_t frame_bytes)
{
    uint8_t bytes[12 + PKTBUF_FRAME_MAX] = { 0 };

    memset(bytes + 12, (int)frame_bytes, frame_bytes);
    assert_true(fake_deliver(&dev->queue[0], bytes, 12 + frame_bytes));
}

/* As napi_poll(): take all there is; answer the packets that have a token. */
static void poll(const void *const *answers, unsigned count)
{
    struct pktbuf *bufs[4];

    trace_point(TRACE_SOFTIRQ);
    assert_int_equal(nic_rx_burst(nic, bufs, ARRAY_SIZE(bufs)), count);
    for (unsigned i = 0; i < count; i++) {
        trace_enter(bufs[i]);
        if (answers[i] != NULL)
            assert_true(nic_tx(nic, &seg, 1, &(const struct nic_tx_offload){ 0 },
                               (void *)(uintptr_t)answers[i]));
        pktbuf_free(bufs[i]);
        trace_leave();
    }
    nic_flush(nic);
}

static const char *function(unsigned i, enum trace_stage stage)
{
    const struct trace_site *site = trace_record(i)->mark[stage].site;

    return site != NULL ? site->function : "";
}

/* ---------------------------------------------------------------- tests */

static void test_there_and_back(void **state)
{
    const void *answers[] = { &tokens[0], NULL };

    (void)state;
    trace_begin(2);
    fake_vector_raise(dev->msix[1]);
    deliver(60);
    deliver(1000);
    poll(answers, 2);
    assert_true(trace_record(1)->complete);
    assert_null(nic_tx_reap(nic)); /* the device is not done: nothing is */
    assert_false(trace_record(0)->complete);
    assert_true(fake_deliver(&dev->queue[1], "", 0));
    assert_ptr_equal(nic_tx_reap(nic), &tokens[0]);
    assert_false(trace_armed);

    assert_string_equal(function(0, TRACE_INTERRUPT), "irq_rx");
    assert_string_equal(function(0, TRACE_SOFTIRQ), "poll");
    assert_string_equal(function(0, TRACE_RING), "nic_rx_burst");
    assert_string_equal(function(0, TRACE_TX_RING), "nic_tx");
    assert_string_equal(function(0, TRACE_KICK), "nic_flush");
    assert_string_equal(function(0, TRACE_DONE), "nic_tx_reap");
    assert_true(trace_record(0)->kick_needed);
    assert_int_equal(trace_record(0)->frame_bytes, 60);
    assert_int_equal(trace_record(0)->head[0], 60);
    assert_string_equal(function(1, TRACE_INTERRUPT), "irq_rx");
    assert_string_equal(function(1, TRACE_TX_RING), "");
    assert_int_equal(trace_record(1)->frame_bytes, 1000);
    assert_int_equal(trace_record(1)->head_bytes, TRACE_HEAD_MAX);
}

/* Frames that the driver drops itself are not packets yet; they leave no record behind. */
static void test_bad_frames_have_no_record(void **state)
{
    const void *answers[] = { NULL };

    (void)state;
    trace_begin(1);
    fake_deliver(&dev->queue[0], answer, 12 + 13); /* a runt */
    deliver(70);
    poll(answers, 1);
    assert_false(trace_armed);
    assert_int_equal(trace_record(0)->frame_bytes, 70);
}

static void test_kick_not_needed(void **state)
{
    const void *answers[] = { &tokens[0] };

    (void)state;
    trace_begin(1);
    dev->queue[1].used->flags = VQ_USED_F_NO_NOTIFY;
    deliver(60);
    poll(answers, 1);
    assert_string_equal(function(0, TRACE_KICK), "nic_flush");
    assert_false(trace_record(0)->kick_needed);
    assert_int_equal(dev->kicks[1], 0);
}

/* A round that queues nothing kicks for nobody: the mark waits for the one that does. */
static void test_flush_of_nothing(void **state)
{
    struct pktbuf *buf;

    (void)state;
    trace_begin(1);
    deliver(60);
    assert_int_equal(nic_rx_burst(nic, &buf, 1), 1);
    trace_enter(buf);
    nic_flush(nic);
    assert_true(nic_tx(nic, &seg, 1, &(const struct nic_tx_offload){ 0 }, &tokens[0]));
    trace_leave();
    assert_string_equal(function(0, TRACE_KICK), "");
    nic_flush(nic);
    assert_string_equal(function(0, TRACE_KICK), "nic_flush");
    pktbuf_free(buf);
}

/* The device is reset with answers on its ring: they come back, but were not sent. */
static void test_device_reset(void **state)
{
    const void *answers[] = { &tokens[0], &tokens[1] };
    struct pktbuf *buf;

    (void)state;
    trace_begin(4);
    deliver(60);
    deliver(61);
    poll(answers, 2);
    assert_true(fake_deliver(&dev->queue[1], "", 0));
    assert_ptr_equal(nic_tx_reap(nic), &tokens[0]);
    fake_use_raw(&dev->queue[0], 300, 60);
    assert_int_equal(nic_rx_burst(nic, &buf, 1), 0);
    assert_true(nic_recover(nic));
    assert_ptr_equal(nic_tx_reap(nic), &tokens[1]);

    assert_string_equal(function(0, TRACE_DONE), "nic_tx_reap");
    assert_false(trace_record(0)->lost);
    assert_string_equal(function(1, TRACE_DONE), "");
    assert_true(trace_record(1)->lost && trace_record(1)->complete);

    /* afterwards tracing goes on, with the token that was lost */
    assert_true(trace_armed);
    deliver(62);
    answers[0] = &tokens[1];
    poll(answers, 1);
    assert_true(fake_deliver(&dev->queue[1], "", 0));
    assert_ptr_equal(nic_tx_reap(nic), &tokens[1]);
    assert_string_equal(function(2, TRACE_DONE), "nic_tx_reap");
    assert_false(trace_record(2)->lost);
}

/* Cancelled with an answer on the ring: its late completion is nobody's. */
static void test_late_completion(void **state)
{
    const void *answers[] = { &tokens[0] };

    (void)state;
    trace_begin(1);
    deliver(60);
    poll(answers, 1);
    trace_end();
    trace_begin(1);
    deliver(61);
    answers[0] = &tokens[1];
    poll(answers, 1);
    assert_true(fake_deliver(&dev->queue[1], "", 0));
    assert_ptr_equal(nic_tx_reap(nic), &tokens[0]);
    assert_true(trace_armed);
    assert_true(fake_deliver(&dev->queue[1], "", 0));
    assert_ptr_equal(nic_tx_reap(nic), &tokens[1]);
    assert_false(trace_armed);
    assert_int_equal(trace_record(0)->frame_bytes, 61);
    assert_string_equal(function(0, TRACE_DONE), "nic_tx_reap");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_there_and_back),  TEST(test_bad_frames_have_no_record),
        TEST(test_kick_not_needed), TEST(test_flush_of_nothing),
        TEST(test_device_reset),    TEST(test_late_completion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
