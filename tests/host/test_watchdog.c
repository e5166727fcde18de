/*
 * The stall watchdog: its decisions, from made-up sequences of looks; and all of it with the real
 * bottom half and the real driver, over a device that loses interrupts and kicks, stops, lies or
 * dies.
 */
#include "fake_virtio.h"
#include "fakes.h"
#include "pktbuf_pool.h"
#include "watchdog.h"
#include <kernel/config.h>
#include <kernel/page.h>
#include <kernel/printk.h>
#include <kernel/rand.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <kernel/timer.h>
#include <net/napi.h>
#include <net/stack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STALLED   WATCHDOG_STALLED
#define HELP      (WATCHDOG_KICK | WATCHDOG_RAISE)
#define RESET     WATCHDOG_RESET
#define RESUMED   WATCHDOG_RESUMED
#define IDLE_KICK WATCHDOG_IDLE_KICK

/* ---------------------------------------------------------------- receive, by itself */

static struct watchdog_queue q;

/* Frames on the ring: `used` by the device, `taken` by us; 256 buffers behind them. */
static unsigned rx(uint16_t used, uint16_t taken)
{
    struct nic_ring now = { .size = 256, .used = used, .taken = taken, .packets = taken };

    now.avail = now.published = (uint16_t)(taken + 256);
    return watchdog_rx_step(&q, &now);
}

static void test_rx_quiet(void **state)
{
    (void)state;
    watchdog_queue_init(&q, WATCHDOG_RX_RESET);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(rx(700, 700), 0);
}

/* There is always work, and always some of it is done. */
static void test_rx_busy(void **state)
{
    (void)state;
    watchdog_queue_init(&q, WATCHDOG_RX_RESET);
    for (unsigned i = 0; i < 200000; i++)
        assert_int_equal(rx((uint16_t)(i + 200), (uint16_t)i), 0);
}

/* A frame lies there at one look, another at the next: each came a moment before. */
static void test_rx_frame_just_before_each_look(void **state)
{
    (void)state;
    watchdog_queue_init(&q, WATCHDOG_RX_RESET);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(rx((uint16_t)(i + 1), (uint16_t)i), 0);
    assert_int_equal(rx(1000, 1000), 0);
    assert_int_equal(rx(1001, 1000), 0); /* nothing lay there at the last look */
    assert_int_equal(rx(1001, 1001), 0);
}

/* Frames are taken and all of them dropped: that is progress, too. */
static void test_rx_bad_frames_only(void **state)
{
    (void)state;
    watchdog_queue_init(&q, WATCHDOG_RX_RESET);
    for (unsigned i = 0; i < 1000; i++) {
        struct nic_ring now = { .size = 256, .used = (uint16_t)(i + 9), .taken = (uint16_t)i };

        assert_int_equal(watchdog_rx_step(&q, &now), 0);
    }
}

/* Exactly 65536 frames between two looks: the indices stand where they stood. */
static void test_rx_once_round(void **state)
{
    struct nic_ring now = { .size = 256, .used = 12, .taken = 5, .packets = 5 };

    (void)state;
    watchdog_queue_init(&q, WATCHDOG_RX_RESET);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(watchdog_rx_step(&q, &now), 0);
        now.packets += 65536;
    }
}

static void test_rx_steps(void **state)
{
    (void)state;
    watchdog_queue_init(&q, WATCHDOG_RX_RESET);
    for (unsigned round = 0; round < 3; round++) {
        uint16_t at = (uint16_t)(65530 + 10 * round); /* across the wrap */

        assert_int_equal(rx(at, at), 0);
        assert_int_equal(rx((uint16_t)(at + 3), at), 0);
        assert_int_equal(rx((uint16_t)(at + 3), at), STALLED | HELP);
        assert_int_equal(rx((uint16_t)(at + 9), at), HELP); /* more frames are no progress */
        assert_int_equal(rx((uint16_t)(at + 9), at), 0);
        assert_int_equal(rx((uint16_t)(at + 9), (uint16_t)(at + 1)), RESUMED);
        assert_int_equal(rx((uint16_t)(at + 9), (uint16_t)(at + 9)), 0);
    }
    assert_int_equal(rx(2000, 1999), 0);
    assert_int_equal(rx(2000, 1999), STALLED | HELP);
    assert_int_equal(rx(2000, 1999), HELP);
    assert_int_equal(rx(2000, 1999), 0);
    assert_int_equal(rx(2000, 1999), RESET);
    watchdog_queue_forget(&q);
    assert_int_equal(rx(1, 0), 0); /* starts from nothing ... */
    assert_int_equal(rx(1, 0), STALLED | HELP);
    for (unsigned i = 2; i < 2 * WATCHDOG_RX_RESET; i++)
        assert_int_equal(rx(1, 0), i == 2 ? HELP : 0);
    assert_int_equal(rx(1, 0), RESET); /* ... but the bound has doubled */
}

static unsigned rx_kicked(uint16_t used, uint64_t kicks)
{
    struct nic_ring now = { .size = 256, .used = used, .taken = used, .packets = used };

    now.avail = now.published = (uint16_t)(used + 256);
    now.kicks = kicks;
    return watchdog_rx_step(&q, &now);
}

/* A kick is repeated once where nothing came after it, and never where something did. */
static void test_rx_kick_is_repeated(void **state)
{
    (void)state;
    watchdog_queue_init(&q, WATCHDOG_RX_RESET);
    assert_int_equal(rx_kicked(0, 1), 0);
    assert_int_equal(rx_kicked(0, 1), IDLE_KICK);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(rx_kicked(0, 1), 0);
    for (unsigned i = 0; i < 100; i++) /* a device that wants to be kicked all the time */
        assert_int_equal(rx_kicked((uint16_t)(i + 1), i + 2), 0);
    assert_int_equal(rx_kicked(100, 101), IDLE_KICK);
    assert_int_equal(rx_kicked(100, 101), 0);
    assert_int_equal(rx_kicked(100, 0), IDLE_KICK); /* the command `reset` zeroed the counter */
    assert_int_equal(rx_kicked(100, 0), 0);
}

/* ---------------------------------------------------------------- transmit, by itself */

static unsigned tx(uint16_t avail, uint16_t used, uint16_t taken)
{
    struct nic_ring now = { .size = 256, .avail = avail, .used = used, .taken = taken };

    now.published = avail;
    now.packets = taken;
    return watchdog_tx_step(&q, &now);
}

static void test_tx_idle_or_slow(void **state)
{
    (void)state;
    watchdog_queue_init(&q, WATCHDOG_TX_RESET);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(tx(9, 9, 9), 0);
    for (unsigned i = 0; i < 200000; i++) /* one frame a look */
        assert_int_equal(tx((uint16_t)(i + 100), (uint16_t)i, (uint16_t)i), 0);
}

/* The ring is never empty at a look, but the frame on it is always a new one. */
static void test_tx_frame_just_before_each_look(void **state)
{
    (void)state;
    watchdog_queue_init(&q, WATCHDOG_TX_RESET);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(tx((uint16_t)(i + 1), (uint16_t)i, (uint16_t)i), 0);
    assert_int_equal(tx(1000, 1000, 1000), 0);
    assert_int_equal(tx(1001, 1000, 1000), 0);
    assert_int_equal(tx(1001, 1001, 1001), 0);
}

static void test_tx_steps(void **state)
{
    (void)state;
    watchdog_queue_init(&q, WATCHDOG_TX_RESET);
    assert_int_equal(tx(0, 65535, 65535), 0);
    assert_int_equal(tx(0, 65535, 65535), STALLED | HELP);
    assert_int_equal(tx(5, 65535, 65535), HELP); /* more to send is no progress */
    for (unsigned i = 3; i < WATCHDOG_TX_RESET; i++)
        assert_int_equal(tx(99, 65535, 65535), 0);
    assert_int_equal(tx(99, 65535, 65535), RESET);

    watchdog_queue_init(&q, WATCHDOG_TX_RESET);
    tx(50, 0, 0);
    for (unsigned i = 1; i < WATCHDOG_TX_RESET; i++)
        assert_false(tx(50, 0, 0) & RESET);
    assert_int_equal(tx(50, 1, 1), RESUMED); /* at the last moment */
    assert_int_equal(tx(50, 1, 1), STALLED | HELP);
    for (unsigned i = 2; i < WATCHDOG_TX_RESET; i++)
        assert_false(tx(50, 1, 1) & RESET);
    assert_int_equal(tx(50, 1, 1), RESET);
}

/* The device is done with frames, and nobody takes them back. */
static void test_tx_not_reaped(void **state)
{
    (void)state;
    watchdog_queue_init(&q, WATCHDOG_TX_RESET);
    assert_int_equal(tx(9, 4, 3), 0);
    assert_int_equal(tx(9, 5, 3), STALLED | HELP); /* though the device goes on */
    assert_int_equal(tx(9, 9, 3), HELP);
    assert_int_equal(tx(9, 9, 4), RESUMED);

    watchdog_queue_init(&q, WATCHDOG_TX_RESET);
    assert_int_equal(tx(9, 3, 3), 0);
    assert_int_equal(tx(9, 4, 3), 0); /* done, and to be taken back yet */
    assert_int_equal(tx(9, 4, 4), 0);
}

/* Looks until it wants a reset, the device standing still. */
static unsigned looks_to_reset(void)
{
    unsigned looks = 0;

    assert_int_equal(tx(50, 0, 0), 0);
    do {
        looks++;
    } while (!(tx(50, 0, 0) & RESET));
    watchdog_queue_forget(&q);
    return looks;
}

static void test_tx_resets_become_rare(void **state)
{
    unsigned expected = WATCHDOG_TX_RESET;

    (void)state;
    watchdog_queue_init(&q, WATCHDOG_TX_RESET);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(looks_to_reset(), expected);
        expected = MIN(2 * expected, WATCHDOG_RESET_MAX);
    }
    /* less than a minute without a stall does not take that back, however often */
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < WATCHDOG_CALM; i++) /* the first only begins */
            tx(0, 0, 0);
        watchdog_queue_forget(&q);
        assert_int_equal(looks_to_reset(), WATCHDOG_RESET_MAX);
    }
    /* a minute does */
    for (unsigned i = 0; i < WATCHDOG_CALM + 1; i++)
        tx(0, 0, 0);
    watchdog_queue_forget(&q);
    assert_int_equal(looks_to_reset(), WATCHDOG_TX_RESET);
}

/* Whatever the device writes for an index: steps only ever come in their order. */
static void test_any_indices(void **state)
{
    unsigned seed = 4711;

    (void)state;
    for (unsigned rx_too = 0; rx_too < 2; rx_too++) {
        unsigned quiet = 0; /* looks since the last progress */

        watchdog_queue_init(&q, WATCHDOG_RX_RESET);
        for (unsigned i = 0; i < 200000; i++) {
            struct nic_ring now = { 0 };
            unsigned what;

            seed = seed * 1103515245 + 12345;
            now.avail = (seed >> 16) % 4 != 0;
            now.used = (seed >> 18) % 8 != 0 ? 0 : (uint16_t)(seed >> 8);
            now.taken = (seed >> 22) % 32 == 0;
            what = rx_too ? watchdog_rx_step(&q, &now) : watchdog_tx_step(&q, &now);
            if (what & RESUMED)
                quiet = 0;
            if (what & STALLED)
                assert_int_equal(quiet, 0);
            if (q.stalled > 0)
                quiet++;
            assert_int_equal(quiet, q.stalled);
            assert_int_equal(!!(what & WATCHDOG_KICK), !!(what & WATCHDOG_RAISE));
            assert_int_equal(!!(what & HELP), q.stalled == 1 || q.stalled == 2);
            if (what & RESET) {
                assert_true(quiet >= WATCHDOG_RX_RESET);
                watchdog_queue_forget(&q);
                quiet = 0;
            }
        }
    }
}

/* ---------------------------------------------------------------- recovery, by itself */

/* A device that breaks whenever it works: each reset waits twice as long, up to the limit. */
static void test_recovery_backs_off(void **state)
{
    struct recovery r = { 0 };
    uint64_t now = 5, wait = RECOVERY_WAIT_NS;

    (void)state;
    assert_true(recovery_due(&r, 0));
    assert_true(recovery_due(&r, now)); /* the first time at once */
    recovery_tried(&r, now);
    for (unsigned i = 0; i < 20; i++) {
        assert_false(recovery_due(&r, now));
        assert_false(recovery_due(&r, now + wait - 1));
        now += wait;
        assert_true(recovery_due(&r, now));
        recovery_tried(&r, now);
        wait = MIN(2 * wait, RECOVERY_WAIT_MAX_NS);
    }
    assert_true(wait == RECOVERY_WAIT_MAX_NS);
}

static void test_recovery_begins_anew(void **state)
{
    struct recovery r = { 0 };
    uint64_t now = 0;

    (void)state;
    for (unsigned i = 0; i < 5; i++, now += r.wait_ns)
        recovery_tried(&r, now);
    assert_true(r.wait_ns == 16 * RECOVERY_WAIT_NS);
    now = r.tried_ns + RECOVERY_CALM_NS - 1;
    assert_true(recovery_due(&r, now));
    recovery_tried(&r, now);
    assert_true(r.wait_ns == 32 * RECOVERY_WAIT_NS);
    now += RECOVERY_CALM_NS;
    recovery_tried(&r, now);
    assert_true(r.wait_ns == RECOVERY_WAIT_NS);
}

/* ---------------------------------------------------------------- a machine around it */

static struct virtio_pci *const dev = &fake_dev;
static struct nic *nic;
static void *blocks[16];
static unsigned block_count;

static struct {
    uint64_t now_ns;
    struct timer *timers[8];
    void (*poll)(void);
    unsigned polls, inputs, reaped, link_updates;
    enum rx_mode mode;
    bool link_up;
    bool loses_interrupts; /* on their way */
    bool loses_kicks;      /* the device does not hear them */
    unsigned tx_rate;      /* frames that it sends in a millisecond */
    unsigned kicks_heard;
    bool tx_active; /* it has been kicked, and works */
    uint16_t tx_sent;
} m;

static char log_text[32768];

void printk(const char *fmt, ...)
{
    size_t len = strlen(log_text);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(log_text + len, sizeof(log_text) - len, fmt, ap);
    va_end(ap);
    len = strlen(log_text);
    assert_true(len + 2 < sizeof(log_text));
    memcpy(log_text + len, "\n", 2);
}

bool printk_limit_pass(struct printk_limit *limit)
{
    if (m.now_ns < limit->next_ns)
        return false;
    limit->next_ns = m.now_ns + NS_PER_SEC;
    return true;
}

static unsigned logged(const char *what)
{
    unsigned n = 0;

    for (const char *at = log_text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

void *page_alloc(unsigned order)
{
    void *block = NULL;

    if (block_count == ARRAY_SIZE(blocks))
        return NULL;
    assert_int_equal(posix_memalign(&block, PAGE_SIZE << order, PAGE_SIZE << order), 0);
    blocks[block_count++] = block;
    return block;
}

void rand_bytes(void *buf, size_t bytes)
{
    memset(buf, 0xff, bytes);
}

uint64_t time_ns(void)
{
    return m.now_ns;
}

uint64_t fake_rdtsc(void)
{
    return m.now_ns;
}

uint64_t time_tsc_to_ns(uint64_t ticks)
{
    return ticks;
}

uint64_t time_ns_to_tsc(uint64_t ns)
{
    return ns;
}

void timer_setup(struct timer *timer, void (*fn)(void *arg), void *arg)
{
    *timer = (struct timer){ .fn = fn, .arg = arg };
    for (unsigned i = 0; i < ARRAY_SIZE(m.timers); i++) {
        if (m.timers[i] == NULL || m.timers[i] == timer) {
            m.timers[i] = timer;
            return;
        }
    }
    fail();
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns;
    timer->armed = true;
}

uint64_t config_u64(const char *key, uint64_t fallback, uint64_t min, uint64_t max)
{
    (void)key;
    (void)min;
    (void)max;
    return fallback;
}

unsigned config_choice(const char *key, const char *const *names, unsigned fallback)
{
    (void)key;
    (void)names;
    (void)fallback;
    return m.mode;
}

void softirq_open(enum softirq nr, const char *name, void (*action)(void))
{
    (void)name;
    assert_int_equal(nr, SOFTIRQ_NET);
    m.poll = action;
}

void softirq_set_round_ns(uint64_t ns)
{
    (void)ns;
}

void softirq_totals(struct softirq_totals *out)
{
    *out = (struct softirq_totals){ 0 };
}

static enum context context_outside;

void softirq_disable(void)
{
    context_outside = fake_context;
    fake_context = CONTEXT_SOFTIRQ;
}

void softirq_enable(void)
{
    fake_context = context_outside;
}

/* ---- The stack's part of a round (net/stack.c) */

void stack_input(struct pktbuf *buf)
{
    m.inputs++;
    pktbuf_free(buf);
}

void stack_tx_complete(void)
{
    while (nic_tx_reap(nic) != NULL)
        m.reaped++;
}

void stack_round_end(void)
{
    nic_rx_refill(nic);
    nic_flush(nic);
}

void stack_link_update(void)
{
    m.link_updates++;
    m.link_up = nic_link_up(nic);
}

/* ---- Time, and the device's doing in it */

static void run_softirqs(void)
{
    /* In poll mode there is no end to it: a few rounds a millisecond will do. */
    for (unsigned i = 0; i < 8 && (fake_softirq_raised & 1u << SOFTIRQ_NET); i++) {
        fake_softirq_raised &= ~(1u << SOFTIRQ_NET);
        m.polls++;
        m.poll();
    }
}

static void device_transmits(void)
{
    struct fake_queue *vq = &dev->queue[1];
    struct fake_chain chain;

    if (dev->kicks[1] != m.kicks_heard && !m.loses_kicks)
        m.tx_active = true;
    m.kicks_heard = dev->kicks[1];
    for (unsigned i = 0; m.tx_active && i < m.tx_rate; i++) {
        if (!fake_take(vq, &chain)) {
            m.tx_active = false; /* until the next kick */
            break;
        }
        fake_use(vq, chain.head, 0);
        m.tx_sent++;
    }
}

static void run_for(uint64_t ms)
{
    while (ms-- > 0) {
        m.now_ns += NS_PER_MS;
        if (dev->enabled[1])
            device_transmits();
        for (unsigned i = 0; i < ARRAY_SIZE(m.timers) && m.timers[i] != NULL; i++) {
            struct timer *t = m.timers[i];

            if (!t->armed || t->deadline_ns > m.now_ns)
                continue;
            t->armed = false;
            t->fn(t->arg);
        }
        run_softirqs();
    }
}

static void receive(unsigned frames)
{
    uint8_t bytes[12 + 60] = { 0 };

    while (frames-- > 0) {
        unsigned before = dev->queue[0].interrupts;

        assert_true(fake_deliver(&dev->queue[0], bytes, sizeof(bytes)));
        if (dev->queue[0].interrupts != before && !m.loses_interrupts)
            fake_vector_raise(dev->msix[1]);
    }
    run_softirqs();
}

static void transmit(unsigned frames)
{
    static uint8_t frame[NIC_TX_HEADROOM + 60];
    const struct nic_seg seg = { frame + NIC_TX_HEADROOM, 60 };

    while (frames-- > 0)
        assert_true(nic_tx(nic, &seg, 1, &(const struct nic_tx_offload){ 0 }, &m));
    nic_flush(nic);
}

static int setup_mode(enum rx_mode mode)
{
    uint64_t later_ns = m.now_ns + 100 * NS_PER_SEC; /* the log's limits live on */

    memset(&m, 0, sizeof(m));
    m.now_ns = later_ns;
    m.mode = mode;
    m.tx_rate = 1000;
    m.link_up = true;
    log_text[0] = '\0';
    fake_virtio_reset();
    pktbuf_pool = (struct pktbuf_pool){ 0 };
    fake_softirq_raised = 0;
    fake_context = CONTEXT_MAIN;
    assert_true(pktbuf_pool_init(1024));
    nic = nic_probe();
    assert_non_null(nic);
    napi_init(nic);
    fake_context = CONTEXT_SOFTIRQ;
    run_softirqs();
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_mode(RX_MODE_NAPI);
}

static int teardown(void **state)
{
    struct pktbuf_stats pool;
    struct nic_rings r;

    (void)state;
    pktbuf_stats(&pool);
    if (nic_rings(nic, &r)) /* nothing leaks, whatever happened */
        assert_int_equal(pool.free + (uint16_t)(r.rx.avail - r.rx.taken), 1024);
    else
        assert_int_equal(pool.free, 1024);
    fake_virtio_reset();
    while (block_count > 0)
        free(blocks[--block_count]);
    fake_context = CONTEXT_SOFTIRQ;
    return 0;
}

static struct watchdog_stats stats(void)
{
    struct watchdog_stats s;

    watchdog_stats(&s);
    return s;
}

static uint64_t device_resets(void)
{
    struct nic_stats s;

    nic_stats(nic, &s);
    return s.device_resets;
}

static void expect_untouched(void)
{
    struct watchdog_stats s = stats();

    assert_int_equal(s.rx_stalls + s.tx_stalls, 0);
    assert_int_equal(s.kicks + s.rearms + s.resets, 0);
    assert_int_equal(device_resets(), 0);
    assert_int_equal(logged("stall"), 0);
}

static void expect_working(void)
{
    unsigned inputs, reaped;

    m.loses_interrupts = m.loses_kicks = false;
    m.tx_rate = 1000;
    run_for(1001);
    stack_tx_complete(); /* what was left over */
    inputs = m.inputs;
    reaped = m.reaped;
    receive(5);
    assert_int_equal(m.inputs, inputs + 5);
    transmit(5);
    run_for(5);
    stack_tx_complete();
    assert_int_equal(m.reaped, reaped + 5);
}

/* ---- Nothing to do */

static void test_an_idle_system_sleeps(void **state)
{
    unsigned polls, kicks = dev->kicks[0];

    (void)state;
    run_for(1500);
    assert_int_equal(dev->kicks[0], kicks + 1); /* the ring's first kick, once more */
    polls = m.polls;
    run_for(600000);
    assert_int_equal(m.polls, polls);
    assert_int_equal(dev->kicks[0], kicks + 1);
    assert_int_equal(dev->kicks[1], 0);
    assert_int_equal(stats().idle_kicks, 1);
    expect_untouched();
}

static void test_traffic_is_left_alone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        receive(i % 50);
        transmit(i % 7);
        run_for(i % 20);
        stack_tx_complete();
    }
    expect_untouched();
    expect_working();
}

static void test_a_slow_device_is_left_alone(void **state)
{
    (void)state;
    m.tx_rate = 0;
    transmit(100);
    for (unsigned i = 0; i < 99; i++) { /* a frame each 499 ms: 49 s for all */
        run_for(498);
        m.tx_rate = 1;
        run_for(1);
        m.tx_rate = 0;
        stack_tx_complete();
    }
    assert_int_equal(m.reaped, 99);
    expect_untouched();
}

static void test_poll_mode(void **state)
{
    (void)state;
    teardown(state);
    setup_mode(RX_MODE_POLL);
    for (unsigned i = 0; i < 1000; i++) {
        receive(1);
        run_for(3);
    }
    assert_int_equal(m.inputs, 1000);
    expect_untouched();
}

/* ---- Lost events */

static void test_lost_rx_interrupt(void **state)
{
    (void)state;
    run_for(2000);
    m.loses_interrupts = true;
    receive(3);
    assert_int_equal(m.inputs, 0);
    assert_int_equal(dev->queue[0].interrupts, 3); /* one a frame; nobody came to mask it */
    run_for(1001);
    assert_int_equal(m.inputs, 3);
    assert_int_equal(stats().rx_stalls, 1);
    assert_int_equal(stats().rearms, 1);
    assert_int_equal(stats().kicks, 1);
    assert_int_equal(logged("watchdog: rx stall: no progress in 500 ms and 0 polls"), 1);
    assert_int_equal(logged("rx ring of 256: avail 256, published 256, used 3, taken 0, "
                            "outstanding 256, free 0, interrupt on"),
                     1);
    assert_int_equal(logged("tx ring of 256: avail 0, published 0, used 0, taken 0, "
                            "outstanding 0, free 256, interrupt masked"),
                     1);
    run_for(10000);
    assert_int_equal(logged("rx goes on after 1000 ms"), 1);
    assert_int_equal(stats().rx_stalls, 1);
    assert_int_equal(stats().resets, 0);
    assert_int_equal(device_resets(), 0);
    expect_working(); /* armed again */
}

/* Masked and forgotten, as a bug of ours would leave it: no interrupt is even sent. */
static void test_rx_interrupt_left_masked(void **state)
{
    (void)state;
    nic_rx_irq_disable(nic);
    receive(200);
    assert_int_equal(dev->queue[0].interrupts, 0);
    run_for(1001);
    assert_int_equal(m.inputs, 200);
    assert_int_equal(stats().rx_stalls, 1);
    assert_int_equal(logged("interrupt masked"), 2);
    expect_working();
}

/* The bottom half does not run, however often it is raised. */
static void test_rx_that_nothing_helps(void **state)
{
    void (*poll)(void) = m.poll;

    (void)state;
    m.poll = stack_tx_complete; /* not the one that receives */
    receive(10);
    run_for(1999);
    assert_int_equal(stats().rearms, 2);
    assert_int_equal(stats().resets, 0);
    run_for(501);
    assert_int_equal(stats().resets, 1);
    assert_int_equal(stats().rx_stalls, 1);
    assert_true(nic_broken(nic));
    m.poll = poll;
    run_for(501);
    assert_false(nic_broken(nic));
    expect_working();
}

static void test_lost_tx_kick(void **state)
{
    (void)state;
    m.loses_kicks = true;
    transmit(3);
    run_for(400);
    assert_int_equal(m.tx_sent, 0);
    m.loses_kicks = false;
    run_for(602); /* the look, and the device's turn after it */
    assert_int_equal(m.tx_sent, 3);
    stack_tx_complete();
    assert_int_equal(m.reaped, 3);
    assert_int_equal(stats().tx_stalls, 1);
    assert_int_equal(stats().kicks, 1);
    assert_int_equal(stats().resets, 0);
    assert_int_equal(logged("tx ring of 256: avail 3, published 3, used 0, taken 0"), 1);
    run_for(5000);
    assert_int_equal(stats().tx_stalls, 1);
    expect_working();
}

/* The device said that it wants no kick, and then waits for one. */
static void test_tx_kick_that_was_not_wanted(void **state)
{
    (void)state;
    dev->queue[1].used->flags = VQ_USED_F_NO_NOTIFY;
    transmit(1);
    assert_int_equal(dev->kicks[1], 0);
    run_for(1002);
    assert_int_equal(dev->kicks[1], 1);
    assert_int_equal(m.tx_sent, 1);
    stack_tx_complete();
}

/* Queued, and the flush forgotten: the kick shows them to the device, too. */
static void test_tx_never_published(void **state)
{
    static uint8_t frame[NIC_TX_HEADROOM + 60];
    const struct nic_seg seg = { frame + NIC_TX_HEADROOM, 60 };

    (void)state;
    assert_true(nic_tx(nic, &seg, 1, &(const struct nic_tx_offload){ 0 }, &m));
    run_for(1002);
    assert_int_equal(m.tx_sent, 1);
    assert_int_equal(stats().tx_stalls, 1);
    stack_tx_complete();
}

static void test_lost_rx_kick(void **state)
{
    unsigned kicks;

    (void)state;
    run_for(1001);
    assert_int_equal(stats().idle_kicks, 1); /* that of the start */
    receive(256);
    run_for(10);
    kicks = dev->kicks[0];
    run_for(1001);
    assert_int_equal(dev->kicks[0], kicks + 1);
    assert_int_equal(stats().idle_kicks, 2);
    expect_untouched();
}

/* ---- Devices that stop */

static void test_backpressure(void **state)
{
    (void)state;
    m.tx_rate = 0;
    transmit(100);
    run_for(4900);
    assert_int_equal(stats().tx_stalls, 1);
    assert_int_equal(stats().kicks, 2);
    m.tx_rate = 1000;
    run_for(1000);
    stack_tx_complete();
    assert_int_equal(m.tx_sent, 100);
    assert_int_equal(m.reaped, 100);
    assert_int_equal(stats().resets, 0);
    assert_int_equal(device_resets(), 0);
    assert_int_equal(logged("tx goes on"), 1);
    expect_working();
}

/* A peer that reads nothing for an hour: the resets become rare. */
static void test_backpressure_without_end(void **state)
{
    (void)state;
    m.tx_rate = 0;
    for (unsigned s = 0; s < 3600; s++) {
        if (nic_tx_outstanding(nic) < 10)
            transmit(1);
        run_for(1000);
    }
    assert_in_range(stats().resets, 5, 20);
    assert_int_equal(device_resets(), stats().resets);
    expect_working();
}

static void test_dead_transmit_ring(void **state)
{
    (void)state;
    m.tx_rate = 0;
    transmit(100);
    run_for(5499); /* 5 s without progress, and up to a period until that is seen */
    if (stats().resets == 0)
        run_for(501);
    assert_int_equal(stats().resets, 1);
    assert_int_equal(device_resets(), 1);
    assert_int_equal(stats().recoveries, 1);
    assert_int_equal(stats().tx_stalls, 1);
    assert_int_equal(m.reaped, 100); /* frames in flight come back */
    assert_false(nic_broken(nic));
    assert_true(m.link_up);
    assert_int_equal(logged("its transmit ring stands still"), 1);
    assert_int_equal(logged("the network card was reset"), 1);
    expect_working();
    run_for(60000);
    assert_int_equal(stats().resets, 1);
}

/* ---- Devices that break, again and again */

static void break_rules(void)
{
    unsigned before = dev->queue[0].interrupts;

    fake_use_raw(&dev->queue[0], 300, 60);
    if (dev->queue[0].interrupts != before)
        fake_vector_raise(dev->msix[1]);
    run_softirqs();
}

/* What was before a reset does not count after it. */
static void test_breaks_while_it_stalls(void **state)
{
    (void)state;
    m.tx_rate = 0;
    transmit(10);
    run_for(4500);
    assert_int_equal(stats().tx_stalls, 1);
    break_rules();
    assert_int_equal(device_resets(), 1);
    run_for(1001);
    assert_int_equal(logged("tx goes on"), 0); /* it did not */
    transmit(10);
    run_for(4500);
    assert_int_equal(stats().tx_stalls, 2);
    assert_int_equal(stats().resets, 0);
    run_for(1501);
    assert_int_equal(stats().resets, 1);
    expect_working();
}

/* The first frames after a start are lost from sight, and the device is reset: its ring begins
 * where it stood. */
static void test_reset_with_frames_on_the_ring(void **state)
{
    m.loses_interrupts = true;
    (void)state;
    receive(3);
    run_for(501); /* a look that sees them */
    nic_reset(nic, "for the test");
    run_softirqs();
    assert_int_equal(device_resets(), 1);
    run_for(5000);
    assert_int_equal(stats().rx_stalls, 0);
    expect_working();
}

static void test_broken_at_every_poll(void **state)
{
    (void)state;
    break_rules();
    assert_int_equal(device_resets(), 1); /* the first time at once */
    assert_false(nic_broken(nic));
    for (unsigned ms = 0; ms < 600000; ms++) {
        if (!nic_broken(nic))
            break_rules();
        run_for(1);
    }
    /* 0.5, 1, 2, ... 32 s: ten minutes of that are 7 + 16 */
    assert_in_range(device_resets(), 20, 27);
    assert_true(m.polls < 20000);

    run_for(33000); /* the device has come to its senses */
    assert_false(nic_broken(nic));
    assert_true(m.link_up);
    expect_working();

    run_for(RECOVERY_CALM_NS / NS_PER_MS); /* and is trusted again */
    break_rules();
    assert_false(nic_broken(nic));
    assert_int_equal(stats().resets, 0); /* none of this was a stall */
    expect_working();
}

static void test_does_not_come_back_for_long(void **state)
{
    unsigned resets;

    (void)state;
    dev->no_reset = true;
    break_rules();
    assert_true(nic_broken(nic));
    assert_false(m.link_up);
    run_for(600000);
    assert_in_range(stats().recovery_fails, 20, 27);
    assert_int_equal(stats().recoveries, 0);
    assert_int_equal(logged("does not come back"), 1); /* said once */
    resets = dev->resets;
    dev->no_reset = false;
    run_for(33000);
    assert_int_equal(dev->resets, resets + 1);
    assert_false(nic_broken(nic));
    assert_true(m.link_up);
    assert_int_equal(logged("the network card is back"), 1);
    expect_working();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rx_quiet),
        cmocka_unit_test(test_rx_busy),
        cmocka_unit_test(test_rx_frame_just_before_each_look),
        cmocka_unit_test(test_rx_bad_frames_only),
        cmocka_unit_test(test_rx_once_round),
        cmocka_unit_test(test_rx_steps),
        cmocka_unit_test(test_rx_kick_is_repeated),
        cmocka_unit_test(test_tx_idle_or_slow),
        cmocka_unit_test(test_tx_frame_just_before_each_look),
        cmocka_unit_test(test_tx_steps),
        cmocka_unit_test(test_tx_not_reaped),
        cmocka_unit_test(test_tx_resets_become_rare),
        cmocka_unit_test(test_any_indices),
        cmocka_unit_test(test_recovery_backs_off),
        cmocka_unit_test(test_recovery_begins_anew),
        TEST(test_an_idle_system_sleeps),
        TEST(test_traffic_is_left_alone),
        TEST(test_a_slow_device_is_left_alone),
        TEST(test_poll_mode),
        TEST(test_lost_rx_interrupt),
        TEST(test_rx_interrupt_left_masked),
        TEST(test_rx_that_nothing_helps),
        TEST(test_lost_tx_kick),
        TEST(test_tx_kick_that_was_not_wanted),
        TEST(test_tx_never_published),
        TEST(test_lost_rx_kick),
        TEST(test_backpressure),
        TEST(test_backpressure_without_end),
        TEST(test_dead_transmit_ring),
        TEST(test_breaks_while_it_stalls),
        TEST(test_reset_with_frames_on_the_ring),
        TEST(test_broken_at_every_poll),
        TEST(test_does_not_come_back_for_long),
    };

    return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
