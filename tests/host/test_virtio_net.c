/* The NIC driver over a fake transport, with each kind of ring: bring-up, both directions,
 * interrupts, misbehaviour. */
#include "fake_virtio.h"
#include "fakes.h"
#include "pktbuf_pool.h"
#include "virtio_net.h"
#include <kernel/page.h>
#include <kernel/printk.h>
#include <kernel/rand.h>
#include <kernel/softirq.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RING_FEATURES                                                                              \
    (1ull << VIRTIO_F_INDIRECT_DESC | 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_F_RING_PACKED)

static struct virtio_pci *const dev = &fake_dev;
static struct nic *nic;
static void *blocks[16];
static unsigned block_count;
static bool no_pages;

void *page_alloc(unsigned order)
{
    void *block = NULL;

    if (no_pages || block_count == ARRAY_SIZE(blocks))
        return NULL;
    assert_int_equal(posix_memalign(&block, PAGE_SIZE << order, PAGE_SIZE << order), 0);
    blocks[block_count++] = block;
    return block;
}

void rand_bytes(void *buf, size_t bytes)
{
    memset(buf, 0xff, bytes);
}

static int setup(void **state)
{
    (void)state;
    fake_virtio_reset();
    pktbuf_pool = (struct pktbuf_pool){ 0 };
    no_pages = false;
    fake_softirq_raised = 0;
    fake_context = CONTEXT_MAIN;
    assert_true(pktbuf_pool_init(1024));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_virtio_reset();
    while (block_count > 0)
        free(blocks[--block_count]);
    fake_context = CONTEXT_SOFTIRQ;
    return 0;
}

/* Probe, and the first poll's re-arming. */
static void start(void)
{
    nic = nic_probe();
    assert_non_null(nic);
    fake_context = CONTEXT_SOFTIRQ;
    assert_true(nic_rx_irq_enable(nic)); /* the first time in any case */
    nic_rx_irq_disable(nic);
}

static struct nic_stats stats(void)
{
    struct nic_stats s;

    nic_stats(nic, &s);
    return s;
}

/* As the device puts it on the wire to us: its header, then `len` bytes of `fill`. */
static bool receive(uint8_t fill, uint32_t len)
{
    uint8_t bytes[12 + PKTBUF_FRAME_MAX] = { 0 };

    memset(bytes + 12, fill, len);
    return fake_deliver(&dev->queue[0], bytes, 12 + len);
}

static bool has(unsigned bit)
{
    return fake_ring_features >> bit & 1;
}

static bool rx_interrupt_on(void)
{
    return fake_wants_interrupt(&dev->queue[0]);
}

static bool tx_interrupt_on(void)
{
    return fake_wants_interrupt(&dev->queue[1]);
}

static unsigned pool_free(void)
{
    struct pktbuf_stats s;

    pktbuf_stats(&s);
    return s.free;
}

/* ---- bring-up ---- */

static void test_probe(void **state)
{
    static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

    (void)state;
    start();
    assert_int_equal(dev->status, 1 | 2 | 4 | 8);
    assert_true(dev->accepted == (1ull << 32 | 1 << 16 | 1 << 5 | fake_ring_features));
    assert_memory_equal(nic_mac(nic), mac, 6);
    assert_int_equal(nic_mtu(nic), 1500);
    assert_string_equal(nic_description(nic), "virtio-net 1af4:1041 at 00:03.0, MSI-X");
    /* the ring is full of buffers, each one descriptor, the frame on a cache line */
    assert_int_equal(pool_free(), 1024 - 256);
    assert_int_equal(dev->kicks[0], 1);
    for (unsigned i = 0; i < 256; i++) {
        struct fake_chain chain;

        assert_true(fake_take(&dev->queue[0], &chain));
        assert_int_equal(chain.count, 1);
        assert_int_equal(chain.seg[0].len, 12 + PKTBUF_FRAME_MAX);
        assert_int_equal(((uintptr_t)chain.seg[0].data + 12) % 64, 0);
        assert_true(chain.seg[0].write);
    }
    /* and no interrupt may come yet */
    assert_false(rx_interrupt_on());
    assert_false(tx_interrupt_on());
}

/* Nothing but what the table names is accepted, whatever is offered. */
static void test_features(void **state)
{
    (void)state;
    dev->offered = ~0ull;
    dev->config[10] = 1400 & 0xff;
    dev->config[11] = 1400 >> 8;
    start();
    assert_true(dev->accepted == (1ull << 32 | 1 << 16 | 1 << 5 | 1 << 3 | /* not offloads */
                                  1 << 0 | 1 << 1 | 1 << 11 | 1 << 12 |    /* csum, tso */
                                  1 << 7 | 1 << 8 | 1 << 15 |              /* the same, received */
                                  1 << 17 | 1 << 18 | 1 << 2 | /* ctrl_vq, ctrl_rx, ctrl_guest */
                                  RING_FEATURES));
    assert_int_equal(nic_mtu(nic), 1400);
}

#define CTRL (1u << 17 | 1u << 18)

static void check_filter_commands(unsigned times)
{
    static const uint8_t allmulti_on[] = { 0, 1, 1 }, promisc_off[] = { 0, 0, 0 };

    assert_int_equal(dev->command_count, 2 * times);
    for (unsigned i = 0; i < times; i++) {
        assert_memory_equal(dev->commands[2 * i], allmulti_on, 3);
        assert_memory_equal(dev->commands[2 * i + 1], promisc_off, 3);
    }
}

/* The device is told to drop what is for others, and again after a reset. */
static void test_control(void **state)
{
    (void)state;
    dev->offered |= CTRL;
    start();
    assert_int_equal(dev->vector_queue[2], VIRTIO_NO_VECTOR);
    assert_false(fake_wants_interrupt(&dev->queue[2]));
    check_filter_commands(1);
    nic_reset(nic, "test");
    assert_true(nic_recover(nic));
    check_filter_commands(2);

    teardown(state);
    setup(state);
    dev->offered |= 1u << 17; /* commands, but none of these */
    start();
    check_filter_commands(0);
}

/* One that takes none, or never answers: the card works as without, and nothing waits for ever. */
static void test_control_refused(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t before = fake_time_ns;

        dev->offered |= CTRL;
        dev->ctrl = i == 0 ? CTRL_REFUSES : CTRL_SILENT;
        start();
        assert_true(receive(1, 60));
        assert_true(nic_rx_pending(nic));
        assert_true(fake_time_ns - before <= (i == 0 ? 0 : 200 * NS_PER_MS));
        nic_reset(nic, "test");
        assert_true(nic_recover(nic));
        teardown(state);
        setup(state);
    }
}

/* It offers a queue that it does not have. */
static void test_no_control_queue(void **state)
{
    (void)state;
    dev->offered |= CTRL;
    dev->queue_size_max[2] = 0;
    assert_null(nic_probe());
}

static void test_insane_mtu(void **state)
{
    static const uint16_t mtus[] = { 0, 67, 575, 1647, 9000, 65535 };

    for (unsigned i = 0; i < ARRAY_SIZE(mtus); i++) {
        dev->offered |= 1 << 3;
        memcpy(dev->config + 10, &mtus[i], 2);
        start();
        assert_false(dev->accepted & 1 << 3);
        assert_int_equal(nic_mtu(nic), 1500);
        teardown(state);
        setup(state);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    dev->absent = true;
    assert_null(nic_probe());

    fake_virtio_reset();
    dev->no_reset = true;
    assert_null(nic_probe());

    fake_virtio_reset();
    dev->offered = 1 << 5; /* no VERSION_1 */
    assert_null(nic_probe());
    assert_true(dev->status & VIRTIO_STATUS_FAILED);

    fake_virtio_reset();
    dev->refuses_features = true;
    assert_null(nic_probe());
    assert_true(dev->status & VIRTIO_STATUS_FAILED);

    fake_virtio_reset();
    dev->queue_size_max[1] = 16;
    assert_null(nic_probe());

    fake_virtio_reset();
    dev->queue_size_max[0] = 0;
    assert_null(nic_probe());

    fake_virtio_reset();
    no_pages = true;
    assert_null(nic_probe());

    fake_virtio_reset();
    dev->msix_entries = 0;
    dev->no_intx = true;
    assert_null(nic_probe());

    fake_virtio_reset();
    pktbuf_pool = (struct pktbuf_pool){ 0 };
    assert_null(nic_probe());
}

static void test_odd_ring_sizes(void **state)
{
    (void)state;
    dev->queue_size_max[0] = 1024;
    dev->queue_size_max[1] = 100; /* no power of two: 64 of them are used */
    start();
    assert_int_equal(dev->queue[0].size, 256);
    assert_int_equal(dev->queue[1].size, 64);
}

static void test_random_mac(void **state)
{
    static const uint8_t bad[3][6] = { { 0 }, { 0x01, 0, 0x5e, 1, 2, 3 }, { 0xff, 0xff } };

    for (unsigned i = 0; i < 4; i++) {
        if (i == 3)
            dev->offered &= ~(1ull << 5);
        else
            memcpy(dev->config, bad[i], 6);
        start();
        assert_int_equal(nic_mac(nic)[0], 0xfe); /* local, unicast */
        assert_int_equal(nic_mac(nic)[5], 0xff);
        teardown(state);
        setup(state);
    }
}

/* ---- receive ---- */

static void test_rx_burst(void **state)
{
    struct pktbuf *bufs[64];

    (void)state;
    start();
    assert_false(nic_rx_pending(nic));
    assert_int_equal(nic_rx_burst(nic, bufs, 64), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_true(receive((uint8_t)i, 60 + i));
    assert_true(nic_rx_pending(nic));
    assert_int_equal(nic_rx_burst(nic, bufs, 64), 64);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(bufs[i]->frame_len, 60 + i);
        assert_int_equal(bufs[i]->frame[0], i);
        assert_int_equal(bufs[i]->frame[59 + i], i);
        assert_int_equal(bufs[i]->owner, PKTBUF_HELD);
        pktbuf_free(bufs[i]);
    }
    assert_int_equal(nic_rx_burst(nic, bufs, 64), 36);
    for (unsigned i = 0; i < 36; i++) {
        assert_int_equal(bufs[i]->frame[0], 64 + i);
        pktbuf_free(bufs[i]);
    }
    assert_int_equal(stats().rx_packets, 100);
    assert_int_equal(stats().rx_bytes, 100 * 60 + 99 * 50);
    assert_int_equal(pool_free(), 1024 - 156);
    for (unsigned i = 0; i < 28; i++)
        assert_true(receive(0, 60));
    nic_rx_refill(nic); /* frames wait, and less than half a ring is missing: not yet */
    assert_int_equal(pool_free(), 1024 - 156);
    assert_int_equal(nic_rx_burst(nic, bufs, 27), 27);
    nic_rx_refill(nic);
    assert_int_equal(pool_free(), 1024 - 156);
    assert_int_equal(nic_rx_burst(nic, bufs + 27, 1), 1);
    nic_rx_refill(nic); /* the ring is empty */
    assert_int_equal(pool_free(), 1024 - 256 - 28);
    for (unsigned i = 0; i < 28; i++)
        pktbuf_free(bufs[i]);
    assert_int_equal(pool_free(), 1024 - 256);
}

/* Round and round, past the ring's end and the index's. */
static void test_rx_long(void **state)
{
    struct pktbuf *bufs[64];
    unsigned seen = 0;

    (void)state;
    start();
    for (unsigned sent = 0; seen < 70000;) {
        while (sent - seen < 50 && receive((uint8_t)sent, 60))
            sent++;
        for (unsigned i = 0, n = nic_rx_burst(nic, bufs, 33); i < n; i++) {
            assert_int_equal(bufs[i]->frame[0], (uint8_t)seen++);
            pktbuf_free(bufs[i]);
        }
        nic_rx_refill(nic);
    }
    assert_in_range(pool_free(), 1024 - 256, 1024 - 129);
    assert_int_equal(stats().rx_packets, seen);
}

/* The pool is empty: the ring runs dry, it is counted, and comes back with the buffers. */
static void test_rx_no_buffers(void **state)
{
    static struct pktbuf *held[1024];
    struct pktbuf *bufs[64];
    unsigned n = 0;

    (void)state;
    start();
    while ((held[n] = pktbuf_alloc()) != NULL)
        n++;
    assert_int_equal(n, 1024 - 256);
    while (receive(1, 60))
        ;
    for (unsigned got, kept = n; (got = nic_rx_burst(nic, bufs, 64)) > 0; kept += got) {
        memcpy(held + kept, bufs, got * sizeof(*bufs));
        n += got;
    }
    assert_int_equal(n, 1024);
    nic_rx_refill(nic);
    assert_int_equal(stats().rx_no_buffer, 1);
    assert_false(receive(1, 60));
    while (n > 0)
        pktbuf_free(held[--n]);
    nic_rx_refill(nic);
    assert_int_equal(stats().rx_no_buffer, 1);
    assert_true(receive(1, 60));
    assert_int_equal(nic_rx_burst(nic, bufs, 64), 1);
    pktbuf_free(bufs[0]);
}

/* Lengths at and beyond each limit; what is dropped goes back to the pool. */
static void test_rx_lengths(void **state)
{
    struct pktbuf *bufs[8];
    unsigned before;

    (void)state;
    start();
    before = pool_free();
    assert_true(receive(1, 14));
    assert_true(receive(2, 1518));
    assert_int_equal(nic_rx_burst(nic, bufs, 8), 2);
    assert_int_equal(bufs[0]->frame_len, 14);
    assert_int_equal(bufs[1]->frame_len, 1518);
    pktbuf_free(bufs[0]);
    pktbuf_free(bufs[1]);

    assert_true(receive(1, 13));
    assert_true(receive(1, 0));
    assert_true(receive(1, 1519));
    assert_true(receive(1, PKTBUF_FRAME_MAX));
    assert_true(fake_deliver(&dev->queue[0], "", 0));
    assert_true(fake_deliver(&dev->queue[0], "0123456789", 11));
    assert_true(receive(7, 100)); /* the good one among them is not lost */
    assert_int_equal(nic_rx_burst(nic, bufs, 8), 1);
    assert_int_equal(bufs[0]->frame[0], 7);
    pktbuf_free(bufs[0]);
    assert_int_equal(stats().rx_runt, 2);
    assert_int_equal(stats().rx_over_length, 2);
    assert_int_equal(stats().rx_bad_length, 2);

    for (unsigned i = 0; i < 4; i++) {
        static const uint32_t lies[] = { 13 + PKTBUF_FRAME_MAX, 65536, 0x80000000, 0xffffffff };
        struct fake_chain chain;

        assert_true(fake_take(&dev->queue[0], &chain));
        fake_use(&dev->queue[0], chain.head, lies[i]);
    }
    assert_int_equal(nic_rx_burst(nic, bufs, 8), 0);
    assert_int_equal(stats().rx_bad_length, 6);
    assert_int_equal(stats().rx_packets, 3);
    assert_false(nic_broken(nic));
    assert_int_equal(pool_free(), before + 13);
}

/* ---- frames as they were on the wire, for XDP programs ---- */

#define GUEST_OFFLOADS (1u << 1 | 1u << 7 | 1u << 8 | 1u << 15) /* and mrg_rxbuf */
#define CTRL_OFFLOADS  (1u << 17 | 1u << 2)

static bool is_suspended(const char *name)
{
    struct net_offload o;

    for (unsigned i = 0; net_offload(nic, i, &o); i++)
        if (strcmp(o.name, name) == 0)
            return o.suspended;
    fail();
    return false;
}

static void check_last_command(uint64_t offloads)
{
    const uint8_t *command = dev->commands[dev->command_count - 1];

    assert_true(command[0] == 5 && command[1] == 0);
    assert_memory_equal(command + 2, &offloads, sizeof(offloads));
}

static void test_rx_plain(void **state)
{
    const char *why = NULL;

    (void)state;
    dev->offered |= GUEST_OFFLOADS | CTRL_OFFLOADS;
    start();
    assert_int_equal(dev->command_count, 0); /* they are on by themselves */
    assert_false(is_suspended("guest_tso4"));
    assert_true(nic_rx_plain(nic, true, &why));
    assert_int_equal(dev->command_count, 1);
    check_last_command(0);
    assert_true(is_suspended("guest_tso4") && is_suspended("guest_tso6"));
    assert_true(is_suspended("guest_csum"));
    assert_false(is_suspended("mrg_rxbuf"));

    nic_reset(nic, "test");
    assert_true(nic_recover(nic)); /* the device has forgotten it */
    assert_int_equal(dev->command_count, 2);
    check_last_command(0);

    nic_reset(nic, "test");
    assert_true(nic_rx_plain(nic, false, &why)); /* no device to tell: the start will */
    assert_int_equal(dev->command_count, 2);
    assert_true(nic_recover(nic));
    assert_int_equal(dev->command_count, 2);

    assert_true(nic_rx_plain(nic, true, &why));
    assert_true(nic_rx_plain(nic, false, &why));
    check_last_command(1u << 1 | 1u << 7 | 1u << 8);
    assert_false(is_suspended("guest_csum"));
    assert_null(why);
}

/* A device that does not do as it is told: said, in bounded time, and nothing has changed. */
static void test_rx_plain_refused(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t before = fake_time_ns;
        const char *why = NULL;

        dev->offered |= GUEST_OFFLOADS | CTRL_OFFLOADS;
        dev->ctrl = i == 0 ? CTRL_REFUSES : CTRL_SILENT;
        start();
        assert_false(nic_rx_plain(nic, true, &why));
        assert_non_null(why);
        assert_false(is_suspended("guest_tso4"));
        assert_true(fake_time_ns - before <= 101 * NS_PER_MS);
        teardown(state);
        setup(state);
    }
}

/* Without the command: what puts segments together stands in the way, checksums do not. */
static void test_rx_plain_without_command(void **state)
{
    const char *why = NULL;

    dev->offered |= GUEST_OFFLOADS | 1u << 17;
    start();
    assert_false(nic_rx_plain(nic, true, &why));
    assert_non_null(strstr(why, "offloads=-guest_tso4"));
    assert_int_equal(dev->command_count, 0);

    teardown(state);
    setup(state);
    dev->offered |= 1u << 1;
    start();
    assert_true(nic_rx_plain(nic, true, &why));
    assert_false(is_suspended("guest_csum")); /* it is not: frames may come with no checksum */

    teardown(state);
    setup(state);
    start(); /* nothing to switch off */
    assert_true(nic_rx_plain(nic, true, &why));
    assert_true(nic_rx_plain(nic, false, &why));
    assert_int_equal(dev->command_count, 0);
}

/* §5.1.6.4.2: a frame of this host, whose checksum nobody has made. */
static void test_rx_partial(void **state)
{
    struct virtio_net_hdr hdr = { .csum_start = 34, .csum_offset = 16, .num_buffers = 1 };
    uint8_t bytes[12 + 60] = { 0 };
    struct nic_rx_partial partial;
    struct pktbuf *bufs[4];

    for (unsigned guest_csum = 0; guest_csum < 2; guest_csum++) {
        dev->offered |= guest_csum << 1;
        start();
        for (uint8_t flags = 0; flags < 4; flags++) {
            hdr.flags = flags;
            memcpy(bytes, &hdr, sizeof(hdr));
            assert_true(fake_deliver(&dev->queue[0], bytes, sizeof(bytes)));
        }
        assert_int_equal(nic_rx_burst(nic, bufs, 4), 4);
        for (unsigned i = 0; i < 4; i++) {
            partial = (struct nic_rx_partial){ 0 };
            assert_int_equal(nic_rx_partial(nic, bufs[i], &partial), guest_csum && (i & 1));
            assert_int_equal(partial.start, guest_csum && (i & 1) ? 34 : 0);
            assert_int_equal(partial.offset, guest_csum && (i & 1) ? 16 : 0);
            assert_true(!guest_csum || bufs[i]->checked == (i != 0));
            pktbuf_free(bufs[i]);
        }
        teardown(state);
        setup(state);
    }
}

/* ---- frames in several buffers ---- */

#define MERGE (1u << 0 | 1u << 1 | 1u << 7 | 1u << 8 | 1u << 15)

/* The device's header and a frame of `len` bytes, spread over as many buffers as it takes, of which
 * the header claims `claimed` (0: the truth). Byte i of the frame is i * 7. */
static unsigned receive_merged(uint8_t gso_type, uint32_t len, unsigned claimed)
{
    static uint8_t bytes[12 + 80000];
    struct virtio_net_hdr hdr = { .gso_type = gso_type, .flags = gso_type != 0 };
    const uint32_t room = 12 + PKTBUF_FRAME_MAX;
    unsigned pieces = (12 + len + room - 1) / room;

    hdr.num_buffers = (uint16_t)(claimed != 0 ? claimed : pieces);
    memcpy(bytes, &hdr, 12);
    for (uint32_t i = 0; i < len; i++)
        bytes[12 + i] = (uint8_t)(i * 7);
    for (uint32_t at = 0; at < 12 + len; at += room)
        assert_true(fake_deliver(&dev->queue[0], bytes + at, MIN(room, 12 + len - at)));
    return pieces;
}

static void check_merged(struct pktbuf *buf, uint32_t len, unsigned pieces)
{
    uint32_t at = 0;

    for (; buf != NULL; pieces--) {
        struct pktbuf *next = buf->next;

        for (uint32_t i = 0; i < buf->frame_len; i++, at++)
            assert_int_equal(buf->frame[i], (uint8_t)(at * 7));
        pktbuf_free(buf);
        buf = next;
    }
    assert_int_equal(at, len);
    assert_int_equal(pieces, 0);
}

static void test_rx_merged(void **state)
{
    static const uint32_t lens[] = {
        1519, 1647, 1648, 1649, 1648 + 1660, 1648 + 1661, 40000, 65535
    };
    struct pktbuf *bufs[4];
    unsigned before;

    (void)state;
    dev->offered |= MERGE;
    start();
    before = pool_free();
    for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
        unsigned pieces;

        assert_true(receive(1, 60));
        pieces = receive_merged(i & 1 ? 1 : 4 | 0x80, lens[i], 0);
        assert_int_equal(nic_rx_burst(nic, bufs, 4), 2);
        check_merged(bufs[1], lens[i], pieces);
        assert_null(bufs[0]->next);
        assert_int_equal(bufs[0]->frame[0], 1);
        assert_true(bufs[1]->checked && !bufs[0]->checked);
        pktbuf_free(bufs[0]);
        nic_rx_refill(nic);
    }
    assert_int_equal(stats().rx_gso, ARRAY_SIZE(lens));
    assert_int_equal(stats().rx_merged, ARRAY_SIZE(lens) - 3);
    assert_int_equal(stats().rx_packets, 2 * ARRAY_SIZE(lens));
    assert_int_equal(stats().rx_bytes, 60 * 8 + 1519 + 1647 + 1648 + 1649 + 1648 + 1660 + 1648 +
                                           1661 + 40000 + 65535);
    assert_int_equal(pool_free(), before);
}

/* What is wrong with them is counted, and the frames behind them are whole. */
static void test_rx_merged_wrong(void **state)
{
    struct pktbuf *bufs[8];
    struct fake_chain chain;
    unsigned before;

    (void)state;
    dev->offered |= MERGE;
    start();
    before = pool_free();
    receive_merged(0, 1519, 0);  /* longer than the MTU, and not put together */
    receive_merged(3, 5000, 0);  /* UDP: never agreed on */
    receive_merged(1, 65536, 0); /* too long */
    receive_merged(1, 80000, 0); /* far too long */
    assert_true(receive(5, 60));
    assert_int_equal(nic_rx_burst(nic, bufs, 8), 1);
    assert_int_equal(bufs[0]->frame[0], 5);
    pktbuf_free(bufs[0]);
    assert_int_equal(stats().rx_over_length, 4);
    nic_rx_refill(nic);

    receive_merged(1, 4000, 20); /* the device shows three of twenty */
    assert_int_equal(nic_rx_burst(nic, bufs, 8), 0);
    assert_int_equal(stats().rx_bad_length, 1);

    receive_merged(1, 1000, 3); /* an empty one, and one that says more than it has room for */
    assert_true(fake_take(&dev->queue[0], &chain));
    fake_use(&dev->queue[0], chain.head, 0);
    assert_true(fake_take(&dev->queue[0], &chain));
    fake_use(&dev->queue[0], chain.head, 0xfffffff0);
    assert_true(receive(6, 60));
    assert_int_equal(nic_rx_burst(nic, bufs, 8), 1);
    assert_int_equal(bufs[0]->frame[0], 6);
    pktbuf_free(bufs[0]);
    assert_int_equal(stats().rx_bad_length, 2);

    receive_merged(1, 1000, 65535); /* can not be: it is taken as alone */
    assert_int_equal(nic_rx_burst(nic, bufs, 8), 1);
    check_merged(bufs[0], 1000, 1);
    nic_rx_refill(nic);
    assert_int_equal(pool_free(), before);
}

/* Without the feature the number of buffers means nothing. */
static void test_rx_not_merged(void **state)
{
    struct pktbuf *bufs[2];

    (void)state;
    start();
    receive_merged(1, 1000, 2);
    receive_merged(0, 1000, 0);
    assert_int_equal(nic_rx_burst(nic, bufs, 2), 2);
    check_merged(bufs[0], 1000, 1);
    check_merged(bufs[1], 1000, 1);
    assert_int_equal(stats().rx_merged, 0);
}

/* The naive design takes frames whole, or drops them whole. */
static void test_rx_merged_naive(void **state)
{
    struct pktbuf *bufs[64];
    unsigned before, frames = 0, n;

    (void)state;
    dev->offered |= MERGE;
    start();
    before = pool_free();
    nic_rx_naive(nic, true);
    nic_rx_irq_enable(nic);
    for (unsigned i = 0; i < 12; i++) { /* 41 buffers each: the backlog has room for six */
        receive_merged(1, 65535, 0);
        fake_vector_raise(dev->msix[1]);
        assert_true(receive(2, 60));
        fake_vector_raise(dev->msix[1]);
    }
    while ((n = nic_rx_burst(nic, bufs, 64)) > 0)
        for (unsigned i = 0; i < n; i++, frames++) {
            bool large = bufs[i]->next != NULL;

            assert_true(large || bufs[i]->frame[0] == 2);
            check_merged(large ? bufs[i] : NULL, large ? 65535 : 0, large ? 40 : 0);
            if (!large)
                pktbuf_free(bufs[i]);
        }
    assert_true(frames > 12 && frames < 24);
    assert_int_equal(stats().rx_backlog_drop, 24 - frames);
    assert_int_equal(stats().rx_bad_length + stats().rx_over_length, 0);
    nic_rx_naive(nic, false);
    assert_int_equal(nic_rx_burst(nic, bufs, 64), 0);
    nic_rx_refill(nic);
    assert_int_equal(pool_free(), before);
}

/* Bad frames count against the budget: a flood of them is bounded, too. */
static void test_rx_budget_counts_drops(void **state)
{
    struct pktbuf *bufs[64];

    (void)state;
    start();
    for (unsigned i = 0; i < 10; i++)
        assert_true(receive(1, i < 8 ? 3 : 60));
    assert_int_equal(nic_rx_burst(nic, bufs, 8), 0);
    assert_true(nic_rx_pending(nic));
    assert_int_equal(nic_rx_burst(nic, bufs, 8), 2);
    pktbuf_free(bufs[0]);
    pktbuf_free(bufs[1]);
}

static void frame_comes_in(void)
{
    assert_true(receive(9, 60));
}

static void test_rx_rearm_race(void **state)
{
    struct pktbuf *buf;

    (void)state;
    start();
    fake_at_barrier = frame_comes_in;
    assert_true(nic_rx_irq_enable(nic));
    nic_rx_irq_disable(nic);
    assert_int_equal(nic_rx_burst(nic, &buf, 1), 1);
    pktbuf_free(buf);
    assert_false(nic_rx_irq_enable(nic));
    dev->queue[0].interrupts = 0;
    frame_comes_in();
    assert_int_equal(dev->queue[0].interrupts, 1);
    nic_rx_irq_disable(nic);
    frame_comes_in();
    assert_int_equal(dev->queue[0].interrupts, 1);
}

/* ---- transmit ---- */

static uint8_t data[4][64];
static const struct nic_seg segs[4] = {
    { data[0] + NIC_TX_HEADROOM, 50 }, { data[1], 63 }, { data[2], 1 }, { data[3], 14 }
};

/* A frame for which the device has nothing to do but to send it. */
static bool send_plain(struct nic *to, const struct nic_seg *seg, unsigned count, void *token)
{
    static const struct nic_tx_offload none;

    return nic_tx(to, seg, count, &none, token);
}

static void test_tx(void **state)
{
    struct fake_chain chain;

    (void)state;
    start();
    assert_true(send_plain(nic, segs, 4, &data[0]));
    assert_true(send_plain(nic, segs, 1, &data[1]));
    assert_int_equal(nic_tx_outstanding(nic), 2);
    assert_int_equal(dev->kicks[1], 0);
    assert_false(fake_take(&dev->queue[1], &chain));
    nic_flush(nic);
    nic_flush(nic);
    assert_int_equal(dev->kicks[1], 1); /* one for both, none for nothing */

    assert_true(fake_take(&dev->queue[1], &chain));
    assert_int_equal(chain.count, 4);
    assert_ptr_equal(chain.seg[0].data, data[0]); /* by reference, the header before it */
    assert_int_equal(chain.seg[0].len, 12 + 50);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(chain.seg[0].data[i], 0);
    for (unsigned i = 1; i < 4; i++) {
        assert_ptr_equal(chain.seg[i].data, segs[i].data);
        assert_int_equal(chain.seg[i].len, segs[i].len);
        assert_false(chain.seg[i].write);
    }
    assert_null(nic_tx_reap(nic));
    fake_use(&dev->queue[1], chain.head, 0);
    assert_ptr_equal(nic_tx_reap(nic), &data[0]);
    assert_null(nic_tx_reap(nic));
    assert_true(fake_deliver(&dev->queue[1], "", 0));
    assert_ptr_equal(nic_tx_reap(nic), &data[1]);
    assert_int_equal(nic_tx_outstanding(nic), 0);
    assert_int_equal(dev->queue[1].interrupts, 0); /* off unless the ring was full */
    assert_int_equal(stats().tx_packets, 2);
    assert_int_equal(stats().tx_bytes, 128 + 50);
    assert_int_equal(stats().tx_kicks, 1);
}

static void test_tx_no_kick_wanted(void **state)
{
    (void)state;
    start();
    fake_kicks(&dev->queue[1], false);
    assert_true(send_plain(nic, segs, 1, &data[0]));
    nic_flush(nic);
    assert_int_equal(dev->kicks[1], 0);
    assert_true(fake_deliver(&dev->queue[1], "", 0)); /* it sees the frame all the same */
}

static unsigned fill_tx(void)
{
    unsigned n = 0;

    while (send_plain(nic, segs, 4, (void *)(uintptr_t)(n + 1)))
        n++;
    return n;
}

static void test_tx_full(void **state)
{
    (void)state;
    if (has(VIRTIO_F_INDIRECT_DESC))
        return; /* below */
    start();
    fake_softirq_raised = 0;
    assert_int_equal(fill_tx(), 64); /* 256 descriptors, 4 a frame */
    assert_int_equal(nic_tx_outstanding(nic), 64);
    assert_int_equal(stats().tx_ring_full, 1);
    assert_int_equal(fake_softirq_raised, 0);
    assert_int_equal(dev->kicks[1], 1); /* the device must see them, to make room */

    /* it interrupts once; the top half masks and raises, and nothing else */
    assert_true(fake_deliver(&dev->queue[1], "", 0));
    assert_int_equal(dev->queue[1].interrupts, 1);
    fake_vector_raise(dev->msix[2]);
    assert_int_equal(fake_softirq_raised, 1 << SOFTIRQ_NET);
    assert_int_equal(stats().tx_interrupts, 1);
    assert_true(fake_deliver(&dev->queue[1], "", 0));
    assert_int_equal(dev->queue[1].interrupts, 1);

    /* room for a frame, but not for the longest one: the interrupt goes on again */
    assert_ptr_equal(nic_tx_reap(nic), (void *)1);
    assert_ptr_equal(nic_tx_reap(nic), (void *)2);
    assert_null(nic_tx_reap(nic));
    assert_true(tx_interrupt_on());

    /* room enough: off */
    for (unsigned i = 0; i < 3; i++)
        assert_true(fake_deliver(&dev->queue[1], "", 0));
    for (unsigned i = 3; i <= 5; i++)
        assert_ptr_equal(nic_tx_reap(nic), (void *)(uintptr_t)i);
    assert_null(nic_tx_reap(nic));
    assert_false(tx_interrupt_on());
    /* and it stays off, even if the ring is nearly full, until a sender finds no room */
    for (unsigned i = 0; i < 4; i++)
        assert_true(send_plain(nic, segs, 4, data));
    assert_null(nic_tx_reap(nic));
    assert_false(tx_interrupt_on());
    assert_int_equal(fill_tx(), 1);
}

/* With tables each frame takes one descriptor of the ring. */
static void test_tx_full_of_tables(void **state)
{
    struct fake_chain chain;

    (void)state;
    if (!has(VIRTIO_F_INDIRECT_DESC))
        return;
    start();
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(fill_tx(), 256);
        assert_true(tx_interrupt_on());
        for (unsigned i = 0; i < 256; i++) {
            assert_true(fake_take(&dev->queue[1], &chain));
            assert_true(chain.indirect);
            assert_ptr_equal(chain.seg[chain.count - 1].data, segs[3].data);
            fake_use(&dev->queue[1], chain.head, 0);
            assert_ptr_equal(nic_tx_reap(nic), (void *)(uintptr_t)(i + 1));
        }
        assert_null(nic_tx_reap(nic));
        assert_false(tx_interrupt_on());
    }
}

static void device_sends_one(void)
{
    assert_true(fake_deliver(&dev->queue[1], "", 0));
}

/* The device finishes a frame while we unmask: no interrupt tells, so the softirq is raised. */
static void test_tx_full_race(void **state)
{
    (void)state;
    start();
    while (nic_tx_outstanding(nic) < (has(VIRTIO_F_INDIRECT_DESC) ? 256 : 64))
        assert_true(send_plain(nic, segs, 4, &data[0]));
    nic_flush(nic);
    fake_softirq_raised = 0;
    fake_at_barrier = device_sends_one;
    assert_false(send_plain(nic, segs, 4, &data[0]));
    assert_int_equal(fake_softirq_raised, 1 << SOFTIRQ_NET);
    assert_non_null(nic_tx_reap(nic));

    /* and while reaping unmasks it again: it is reaped at once */
    fake_at_barrier = device_sends_one;
    assert_non_null(nic_tx_reap(nic));
    assert_null(nic_tx_reap(nic));
}

static void test_tx_misuse_panics(void **state)
{
    static struct nic_seg many[NIC_TX_SEGS_MAX + 1];

    (void)state;
    start();
    for (unsigned i = 0; i <= NIC_TX_SEGS_MAX; i++)
        many[i] = segs[0];
    EXPECT_PANIC(send_plain(nic, many, 0, data));
    EXPECT_PANIC(send_plain(nic, many, NIC_TX_SEGS_MAX + 1, data));
    EXPECT_PANIC(send_plain(nic, many, 1, NULL));
    assert_true(send_plain(nic, many, NIC_TX_SEGS_MAX, data));
}

/* ---- offloads ---- */

#define OFFLOADS (1 << NET_F_CSUM | 1 << NET_F_HOST_TSO4 | 1 << NET_F_HOST_TSO6)

static uint64_t negotiated(const char *offloads, uint64_t offered)
{
    dev->offered = 1ull << 32 | offered;
    fake_offloads = offloads;
    start();
    fake_offloads = "all";
    return dev->accepted & ~(1ull << 32);
}

static void test_offloads_need_one_another(void **state)
{
    (void)state;
    assert_int_equal(negotiated("all", OFFLOADS & ~(1 << NET_F_CSUM)), 0); /* §5.1.3.1 */
    assert_int_equal(nic_tx_can(nic), 0);
}

static void test_offloads_all(void **state)
{
    (void)state;
    assert_int_equal(negotiated("all", OFFLOADS), OFFLOADS);
    assert_int_equal(nic_tx_can(nic), NIC_TX_CSUM | NIC_TX_TSO4 | NIC_TX_TSO6);
}

static void test_offloads_without_csum(void **state)
{
    (void)state;
    assert_int_equal(negotiated("-csum", OFFLOADS), 0); /* nor what needs it */
}

static void test_offloads_words(void **state)
{
    const uint64_t all = net_offloads_parse("all"), tso4 = 1 << NET_F_HOST_TSO4;

    (void)state;
    assert_true(all & tso4);
    assert_int_equal(net_offloads_parse("none"), 0);
    assert_int_equal(net_offloads_parse(""), 0);
    assert_int_equal(net_offloads_parse("tso4"), tso4);
    assert_int_equal(net_offloads_parse("csum, tso4"), tso4 | 1 << NET_F_CSUM);
    assert_true(net_offloads_parse("-tso4") == (all & ~tso4));
    assert_true(net_offloads_parse("all -tso4,-csum") == (all & ~(tso4 | 1 << NET_F_CSUM)));
    assert_true(net_offloads_parse("tso5") == all); /* logged */
    assert_true(net_offloads_parse("- tso4") == all);
    assert_true(net_offloads_parse("mac") == all);
}

static void test_offload_rows(void **state)
{
    struct net_offload o;
    unsigned n = 0;

    (void)state;
    negotiated("-tso6", OFFLOADS);
    while (net_offload(nic, n, &o)) {
        bool tso6 = strcmp(o.name, "tso6") == 0;

        assert_non_null(o.meaning);
        assert_int_equal(o.allowed, !tso6);
        assert_true(!o.negotiated || (o.offered && o.allowed));
        if (tso6 || strcmp(o.name, "tso4") == 0)
            assert_int_equal(o.negotiated, !tso6);
        n++;
    }
    assert_true(n >= 7);
}

static void test_tx_offload_header(void **state)
{
    const struct nic_tx_offload csum = { .csum_start = 34, .csum_offset = 16 }, gso = {
        .csum_start = 54, .csum_offset = 16, .gso_size = 1440, .hdr_len = 74, .ipv6 = true
    };
    struct virtio_net_hdr hdr;
    struct fake_chain chain;

    (void)state;
    negotiated("all", OFFLOADS);
    assert_true(nic_tx(nic, segs, 4, &csum, data));
    nic_flush(nic);
    assert_true(fake_take(&dev->queue[1], &chain));
    memcpy(&hdr, chain.seg[0].data, sizeof(hdr));
    assert_int_equal(hdr.flags, 1);
    assert_int_equal(hdr.gso_type, 0);
    assert_int_equal(hdr.csum_start, 34);
    assert_int_equal(hdr.csum_offset, 16);
    assert_true(nic_tx(nic, segs, 4, &gso, data));
    nic_flush(nic);
    assert_true(fake_take(&dev->queue[1], &chain));
    memcpy(&hdr, chain.seg[0].data, sizeof(hdr));
    assert_int_equal(hdr.flags, 1);
    assert_int_equal(hdr.gso_type, 4);
    assert_int_equal(hdr.gso_size, 1440);
    assert_int_equal(hdr.hdr_len, 74);
    assert_int_equal(hdr.csum_start, 54);
    assert_int_equal(stats().tx_csum, 2);
    assert_int_equal(stats().tx_gso, 1);
}

static void test_tx_offload_not_negotiated_panics(void **state)
{
    const struct nic_tx_offload csum = { .csum_start = 34, .csum_offset = 16 };

    (void)state;
    negotiated("none", OFFLOADS);
    EXPECT_PANIC(nic_tx(nic, segs, 4, &csum, data));
}

/* ---- interrupts ---- */

static void test_msix(void **state)
{
    (void)state;
    start();
    assert_int_equal(dev->vector_config, 0);
    assert_int_equal(dev->vector_queue[0], 1);
    assert_int_equal(dev->vector_queue[1], 2);
    assert_string_equal(fake_vector_name[dev->msix[0]], "virtio0-config");
    assert_string_equal(fake_vector_name[dev->msix[1]], "virtio0-input.0");
    assert_string_equal(fake_vector_name[dev->msix[2]], "virtio0-output.0");

    nic_rx_irq_enable(nic);
    fake_softirq_raised = 0;
    fake_vector_raise(dev->msix[1]);
    assert_int_equal(fake_softirq_raised, 1 << SOFTIRQ_NET);
    assert_false(rx_interrupt_on());
    assert_int_equal(stats().rx_interrupts, 1);

    fake_softirq_raised = 0;
    assert_false(nic_take_config_change(nic));
    fake_vector_raise(dev->msix[0]);
    assert_int_equal(fake_softirq_raised, 1 << SOFTIRQ_NET);
    assert_true(nic_take_config_change(nic));
    assert_false(nic_take_config_change(nic));
    assert_int_equal(stats().config_interrupts, 1);
}

/* Before the first poll nobody has opened the softirq: it must not be raised. */
static void test_early_interrupts(void **state)
{
    (void)state;
    nic = nic_probe();
    fake_softirq_raised = 0;
    for (unsigned i = 0; i < 3; i++)
        fake_vector_raise(dev->msix[i]);
    assert_int_equal(fake_softirq_raised, 0);
    fake_context = CONTEXT_SOFTIRQ;
    assert_true(nic_rx_irq_enable(nic)); /* what it missed, it looks for now */
    assert_true(nic_take_config_change(nic));
    assert_false(nic_rx_irq_enable(nic));
}

static void test_two_vectors(void **state)
{
    (void)state;
    dev->msix_entries = dev->msix_usable = 2;
    start();
    assert_int_equal(dev->vector_config, 0);
    assert_int_equal(dev->vector_queue[0], 1);
    assert_int_equal(dev->vector_queue[1], 1);
    fill_tx();
    nic_rx_irq_enable(nic);
    fake_softirq_raised = 0;
    fake_vector_raise(dev->msix[1]);
    assert_int_equal(fake_softirq_raised, 1 << SOFTIRQ_NET);
    assert_false(rx_interrupt_on());
    assert_false(tx_interrupt_on());
}

/* The table has the entries, the device not the resources (§4.1.5.1.2). */
static void test_vectors_refused(void **state)
{
    (void)state;
    dev->msix_usable = 2;
    start();
    assert_int_equal(dev->vector_queue[1], 1);
    assert_non_null(strstr(nic_description(nic), "share"));

    teardown(state);
    setup(state);
    dev->msix_usable = 0;
    start();
    assert_true(dev->intx >= 0);
    assert_int_equal(dev->vector_config, VIRTIO_NO_VECTOR);
    assert_non_null(strstr(nic_description(nic), "INTx"));
}

static void test_intx(void **state)
{
    (void)state;
    dev->msix_entries = 0;
    start();
    assert_int_equal(dev->vector_queue[0], VIRTIO_NO_VECTOR);
    nic_rx_irq_enable(nic);
    fake_softirq_raised = 0;

    dev->isr = 0; /* another device on the line */
    fake_vector_raise(dev->intx);
    assert_int_equal(fake_softirq_raised, 0);
    assert_int_equal(stats().rx_interrupts, 0);
    assert_true(rx_interrupt_on());

    dev->isr = VIRTIO_ISR_QUEUE;
    fake_vector_raise(dev->intx);
    assert_int_equal(dev->isr, 0);
    assert_int_equal(fake_softirq_raised, 1 << SOFTIRQ_NET);
    assert_int_equal(stats().rx_interrupts, 1);
    assert_false(rx_interrupt_on());
    assert_false(nic_take_config_change(nic));

    dev->isr = VIRTIO_ISR_CONFIG;
    fake_vector_raise(dev->intx);
    assert_true(nic_take_config_change(nic));
    assert_int_equal(stats().rx_interrupts, 1);
}

static void test_top_half_context(void **state)
{
    (void)state;
    start();
    EXPECT_PANIC(nic_rx_burst((fake_context = CONTEXT_IRQ, nic), NULL, 1));
    EXPECT_PANIC(nic_rx_refill(nic));
    EXPECT_PANIC(nic_rx_irq_enable(nic));
}

static void test_link(void **state)
{
    (void)state;
    start();
    assert_true(nic_link_up(nic));
    dev->config[6] = 0;
    assert_false(nic_link_up(nic));
    dev->config[6] = 2; /* "announce", not "up" */
    assert_false(nic_link_up(nic));

    teardown(state);
    setup(state);
    dev->offered &= ~(1ull << 16);
    dev->config[6] = 0;
    start();
    assert_true(nic_link_up(nic)); /* a device without STATUS is always up */
}

/* ---- the naive design ---- */

/* Frames come one by one, each with its interrupt if the driver wants one. */
static unsigned receive_each(unsigned first, unsigned count)
{
    unsigned delivered = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned before = dev->queue[0].interrupts;

        delivered += receive((uint8_t)(first + i), 60);
        if (dev->queue[0].interrupts != before)
            fake_vector_raise(dev->msix[dev->vector_queue[0]]);
    }
    return delivered;
}

/* All that a bottom half would take, in the order in which it was sent. */
static unsigned take_all(unsigned first)
{
    struct pktbuf *bufs[64];
    unsigned n, seen = 0;

    while ((n = nic_rx_burst(nic, bufs, 64)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(bufs[i]->frame[0], (uint8_t)(first + seen++));
            assert_int_equal(bufs[i]->frame_len, 60);
            assert_int_equal(bufs[i]->owner, PKTBUF_HELD);
            pktbuf_free(bufs[i]);
        }
        nic_rx_refill(nic);
    }
    return seen;
}

static void start_naive(void)
{
    start();
    nic_rx_naive(nic, true);
    assert_false(nic_rx_irq_enable(nic));
}

static unsigned posted(void)
{
    return (uint16_t)(vq_published(&nic->rx) - dev->queue[0].avail_seen);
}

static void test_naive_top_half_takes_the_frames(void **state)
{
    (void)state;
    start_naive();
    assert_int_equal(receive_each(0, 100), 100);
    assert_int_equal(stats().rx_interrupts, 100); /* nobody masks */
    assert_true(rx_interrupt_on());
    assert_int_equal(posted(), 256);
    assert_int_equal(stats().rx_packets, 0); /* the bottom half has not run */
    assert_int_equal(take_all(0), 100);
    assert_int_equal(stats().rx_packets, 100);
    assert_int_equal(stats().rx_backlog_drop, 0);
    assert_int_equal(fake_softirq_raised, 1 << SOFTIRQ_NET);
}

/* Livelock's beginning: the ring never runs dry, and what comes is dropped behind it. */
static void test_naive_backlog_overflows(void **state)
{
    (void)state;
    start_naive();
    assert_int_equal(receive_each(0, 1000), 1000);
    assert_int_equal(stats().rx_backlog_drop, 1000 - 256);
    assert_int_equal(posted(), 256);
    assert_int_equal(take_all(0), 256);
    assert_int_equal(receive_each(7, 10), 10);
    assert_int_equal(take_all(7), 10);
    assert_int_equal(stats().rx_backlog_drop, 1000 - 256);
}

/* On and off while frames come: none is lost, all keep their order, every buffer comes back. */
static void test_naive_switched_under_load(void **state)
{
    unsigned sent = 0, seen = 0;

    (void)state;
    start();
    nic_rx_irq_enable(nic);
    for (unsigned i = 0; i < 500; i++) {
        sent += receive_each(sent, 37);
        nic_rx_naive(nic, i % 2 == 0);
        sent += receive_each(sent, 50);
        nic_rx_irq_enable(nic);
        sent += receive_each(sent, 11);
        if (i % 3 == 0) /* switched back before its frames were taken */
            nic_rx_naive(nic, i % 2 != 0);
        seen += take_all(seen);
    }
    nic_rx_naive(nic, false);
    seen += take_all(seen);
    assert_int_equal(seen, sent);
    assert_int_equal(sent, 500 * 98);
    assert_int_equal(stats().rx_backlog_drop, 0);
    assert_int_equal(pool_free(), 1024 - 256);
    assert_false(nic->naive.active);
}

static unsigned late_frames;

static void frame_while_asking(void)
{
    fake_at_barrier = frame_while_asking;
    late_frames += receive((uint8_t)(1 + late_frames), 60);
}

/* The top half asks for the next interrupt, and each time one more has come by then: it takes them
 * at once, as far as the device has buffers, but does not stay for ever. */
static void test_naive_rearming_is_bounded(void **state)
{
    unsigned seen;

    (void)state;
    start_naive();
    assert_true(receive(0, 60));
    late_frames = 0;
    fake_at_barrier = frame_while_asking;
    fake_vector_raise(dev->msix[dev->vector_queue[0]]);
    fake_at_barrier = NULL;
    if (has(VIRTIO_F_EVENT_IDX))
        assert_in_range(late_frames, 255, 256);
    else
        assert_in_range(late_frames, 0, 1); /* at the kick's barrier, if there is one */
    seen = take_all(0);
    for (unsigned i = 0; nic_rx_irq_enable(nic); i++) { /* what was left */
        assert_true(i < 3);
        seen += take_all(seen);
    }
    assert_int_equal(seen + stats().rx_backlog_drop, 1 + late_frames);
    assert_int_equal(receive_each(0, 10), 10);
    assert_int_equal(take_all(0), 10);
}

/* A frame that came while the interrupt was off: the look behind the unmasking takes it. */
static void test_naive_unmasking_looks_again(void **state)
{
    (void)state;
    start_naive();
    nic_rx_irq_disable(nic);
    assert_int_equal(receive_each(0, 3), 3);
    assert_int_equal(stats().rx_interrupts, 0);
    assert_true(nic_rx_irq_enable(nic));
    assert_int_equal(take_all(0), 3);
    assert_false(nic_rx_irq_enable(nic));
}

static void test_naive_without_buffers(void **state)
{
    static struct pktbuf *held[1024];
    unsigned n = 0;

    (void)state;
    start();
    while ((held[n] = pktbuf_alloc()) != NULL)
        n++;
    nic_rx_naive(nic, true);
    nic_rx_irq_enable(nic);
    assert_int_equal(receive_each(0, 300), 300); /* nothing to give in exchange */
    assert_int_equal(stats().rx_backlog_drop, 300);
    assert_int_equal(take_all(0), 0);
    while (n > 0)
        pktbuf_free(held[--n]);
    nic_rx_refill(nic);
    assert_int_equal(receive_each(0, 10), 10);
    assert_int_equal(take_all(0), 10);
}

/* Broken while the top half is at it: it may not even log; the bottom half finds it and recovers.
 */
static void test_naive_device_breaks(void **state)
{
    (void)state;
    start_naive();
    assert_int_equal(receive_each(0, 5), 5);
    fake_use_raw(&dev->queue[0], 300, 60);
    fake_vector_raise(dev->msix[dev->vector_queue[0]]);
    assert_false(nic_broken(nic));
    assert_int_equal(take_all(0), 5);
    assert_true(nic_broken(nic));
    assert_true(nic_recover(nic));
    nic_rx_irq_enable(nic);
    assert_int_equal(receive_each(9, 20), 20);
    assert_int_equal(take_all(9), 20);
    nic_rx_naive(nic, false);
    assert_int_equal(take_all(0), 0);
    assert_int_equal(pool_free(), 1024 - 256);
}

/* ---- misbehaviour and recovery ---- */

static void expect_silenced(void)
{
    assert_true(nic_broken(nic));
    assert_int_equal(dev->silenced, 1);
    assert_int_equal(fake_softirq_raised, 1 << SOFTIRQ_NET);
    assert_int_equal(pool_free(), 1024); /* all receive buffers are back */
    assert_false(nic_link_up(nic));
    /* and nothing more is done with the device */
    nic_rx_refill(nic);
    assert_int_equal(pool_free(), 1024);
    assert_false(send_plain(nic, segs, 1, data));
    nic_flush(nic);
    assert_false(nic_rx_irq_enable(nic));
    assert_int_equal(dev->status, 0);
}

static void test_recovery(void **state)
{
    struct pktbuf *buf;
    bool back[2] = { false };
    unsigned kicks;

    (void)state;
    start();
    assert_true(send_plain(nic, segs, 4, &data[0]));
    assert_true(send_plain(nic, segs, 1, &data[1]));
    fake_softirq_raised = 0;
    fake_use_raw(&dev->queue[0], 300, 60);
    assert_int_equal(nic_rx_burst(nic, &buf, 1), 0);
    assert_int_equal(stats().rx_bad_id, 1);
    expect_silenced();

    kicks = dev->kicks[1];
    assert_true(nic_recover(nic));
    assert_false(nic_broken(nic));
    assert_int_equal(stats().device_resets, 1);
    assert_int_equal(dev->status, 1 | 2 | 4 | 8);
    assert_int_equal(dev->vector_queue[0], 1);
    assert_int_equal(pool_free(), 1024 - 256);

    /* the frames in flight come back, each once, before the ring takes new ones */
    assert_int_equal(nic_tx_outstanding(nic), 2);
    fake_softirq_raised = 0;
    assert_false(send_plain(nic, segs, 1, data));
    assert_int_equal(fake_softirq_raised, 1 << SOFTIRQ_NET);
    for (unsigned i = 0; i < 2; i++) {
        void *token = nic_tx_reap(nic);

        assert_true(token == &data[0] || token == &data[1]);
        assert_false(back[token == &data[1]]);
        back[token == &data[1]] = true;
    }
    assert_null(nic_tx_reap(nic));
    assert_int_equal(nic_tx_outstanding(nic), 0);
    assert_int_equal(dev->kicks[1], kicks);

    /* both ways work */
    assert_true(receive(5, 60));
    assert_int_equal(nic_rx_burst(nic, &buf, 1), 1);
    assert_int_equal(buf->frame[0], 5);
    pktbuf_free(buf);
    assert_true(send_plain(nic, segs, 4, &data[2]));
    nic_flush(nic);
    assert_true(fake_deliver(&dev->queue[1], "", 0));
    assert_ptr_equal(nic_tx_reap(nic), &data[2]);
}

/* Reaped before recovering: just as well. */
static void test_recovery_after_reaping(void **state)
{
    (void)state;
    start();
    assert_true(send_plain(nic, segs, 1, &data[1]));
    nic_flush(nic);
    fake_softirq_raised = 0;
    fake_use_raw(&dev->queue[1], 5, 0); /* not outstanding */
    assert_ptr_equal(nic_tx_reap(nic), &data[1]);
    assert_null(nic_tx_reap(nic));
    assert_int_equal(stats().tx_bad_id, 1);
    expect_silenced();
    assert_true(nic_recover(nic));
    assert_true(send_plain(nic, segs, 1, &data[1]));
}

/* Every place that looks at the ring finds a jumping index. */
static void test_index_jump_found_everywhere(void **state)
{
    struct pktbuf *buf;

    if (has(VIRTIO_F_RING_PACKED))
        return; /* it has none */
    for (unsigned i = 0; i < 4; i++) {
        start();
        fake_softirq_raised = 0;
        dev->queue[i == 3].used->idx = 5000;
        switch (i) {
        case 0:
            assert_int_equal(nic_rx_burst(nic, &buf, 1), 0);
            break;
        case 1:
            assert_false(nic_rx_pending(nic));
            break;
        case 2:
            assert_false(nic_rx_irq_enable(nic));
            break;
        default:
            assert_null(nic_tx_reap(nic));
        }
        expect_silenced();
        assert_true(nic_recover(nic));
        teardown(state);
        setup(state);
    }
}

/* Part of a burst is good: those frames are the caller's, and the buffers are counted right. */
static void test_break_in_the_middle_of_a_burst(void **state)
{
    struct pktbuf *bufs[8];

    (void)state;
    start();
    assert_true(receive(1, 60));
    assert_true(receive(2, 60));
    fake_use_raw(&dev->queue[0], 0, 60); /* a second time */
    assert_int_equal(nic_rx_burst(nic, bufs, 8), 2);
    assert_true(nic_broken(nic));
    assert_int_equal(bufs[1]->frame[0], 2);
    pktbuf_free(bufs[0]);
    pktbuf_free(bufs[1]);
    assert_int_equal(pool_free(), 1024);
}

static void test_device_asks_for_reset(void **state)
{
    (void)state;
    start();
    dev->status |= VIRTIO_STATUS_NEEDS_RESET;
    fake_vector_raise(dev->msix[0]);
    assert_false(nic_broken(nic));
    fake_softirq_raised = 0;
    assert_true(nic_take_config_change(nic));
    expect_silenced();
    assert_true(nic_recover(nic));
}

static void test_no_recovery(void **state)
{
    struct pktbuf *buf;

    (void)state;
    start();
    fake_use_raw(&dev->queue[0], 300, 60);
    nic_rx_burst(nic, &buf, 1);
    dev->queue_size_max[0] = 128; /* not the device that it was */
    assert_false(nic_recover(nic));
    assert_true(nic_broken(nic));
    assert_int_equal(dev->silenced, 2);
    dev->queue_size_max[0] = 256;
    for (unsigned bit = 28; bit <= 34; bit++) {
        if (!(RING_FEATURES >> bit & 1))
            continue;
        dev->offered ^= 1ull << bit;
        for (unsigned twice = 0; twice < 2; twice++) {
            assert_false(nic_recover(nic));
            assert_non_null(strstr(fake_printk_last, "another kind"));
        }
        dev->offered ^= 1ull << bit;
    }
    dev->offered |= 1 << 3; /* a feature that is not the rings' */
    dev->config[10] = 1400 & 0xff;
    dev->config[11] = 1400 >> 8;
    for (unsigned twice = 0; twice < 2; twice++)
        assert_false(nic_recover(nic));
    dev->offered &= ~(1ull << 3);
    assert_true(nic_recover(nic));
    EXPECT_PANIC((start(), nic_recover(nic))); /* nothing to recover from */
}

/* Again and again, with frames in flight every time: nothing leaks. */
static void test_recovery_many_times(void **state)
{
    struct pktbuf *buf;

    (void)state;
    start();
    for (unsigned round = 0; round < 1000; round++) {
        unsigned n = 0;

        while (send_plain(nic, segs, 1 + round % 4, data))
            n++;
        assert_true(n > 0);
        fake_use_raw(&dev->queue[round % 2], 0xdead, 0);
        if (round % 2 == 0)
            assert_int_equal(nic_rx_burst(nic, &buf, 1), 0);
        for (; n > 0 && round % 2; n--)
            assert_ptr_equal(nic_tx_reap(nic), data);
        assert_true(nic_broken(nic));
        assert_true(nic_recover(nic));
        for (; n > 0; n--)
            assert_ptr_equal(nic_tx_reap(nic), data);
        assert_null(nic_tx_reap(nic));
        assert_int_equal(nic_tx_outstanding(nic), 0);
        assert_int_equal(pool_free(), 1024 - 256);
    }
    assert_int_equal(stats().device_resets, 1000);
}

/* ---- what the watchdog sees and does ---- */

static struct nic_rings rings(void)
{
    struct nic_rings r;

    assert_true(nic_rings(nic, &r));
    return r;
}

static void test_rings(void **state)
{
    struct pktbuf *bufs[4];
    struct nic_rings r;

    (void)state;
    start();
    r = rings();
    assert_int_equal(r.rx.size, 256);
    assert_int_equal(r.rx.free, 0);
    assert_int_equal(r.rx.avail, 256);
    assert_int_equal(r.rx.published, 256);
    assert_int_equal(r.rx.used, 0);
    assert_false(r.rx.irq_on);
    assert_int_equal(r.rx.kicks, 1);
    assert_int_equal(r.tx.free, 256);
    assert_int_equal(r.tx.avail + r.tx.published + r.tx.used + r.tx.taken, 0);

    nic_rx_irq_enable(nic);
    for (unsigned i = 0; i < 3; i++)
        assert_true(receive(1, 60));
    r = rings();
    assert_true(r.rx.irq_on);
    assert_int_equal(r.rx.used, 3);
    assert_int_equal(r.rx.taken, 0);
    assert_int_equal(nic_rx_burst(nic, bufs, 2), 2);
    pktbuf_free(bufs[0]);
    pktbuf_free(bufs[1]);
    r = rings();
    assert_int_equal(r.rx.taken, 2);
    assert_int_equal(r.rx.packets, 2);
    assert_int_equal(r.rx.free, 2);

    assert_true(send_plain(nic, segs, 4, data));
    assert_true(send_plain(nic, segs, 4, data));
    r = rings();
    assert_int_equal(r.tx.avail, 2);
    assert_int_equal(r.tx.published, 0);
    assert_int_equal(r.tx.free, has(VIRTIO_F_INDIRECT_DESC) ? 256 - 2 : 256 - 8);
    assert_int_equal(r.tx.packets, 0);
    nic_flush(nic);
    assert_true(fake_deliver(&dev->queue[1], "", 0));
    r = rings();
    assert_int_equal(r.tx.published, 2);
    assert_int_equal(r.tx.used, 1);
    assert_int_equal(r.tx.taken, 0);
    assert_int_equal(r.tx.packets, 0);
    assert_int_equal(r.tx.kicks, 1);
    assert_non_null(nic_tx_reap(nic));
    r = rings();
    assert_int_equal(r.tx.taken, 1);
    assert_int_equal(r.tx.packets, 1);

    if (has(VIRTIO_F_RING_PACKED))
        return;
    /* what the device says, believable or not: looking changes nothing */
    dev->queue[0].used->idx = 40000;
    assert_int_equal(rings().rx.used, 40000);
    assert_false(nic_broken(nic));
}

/* Whether the device wants to be told or not, and what was queued is shown to it. */
static void test_forced_kicks(void **state)
{
    struct fake_chain chain;

    (void)state;
    start();
    fake_kicks(&dev->queue[0], false);
    fake_kicks(&dev->queue[1], false);
    assert_true(send_plain(nic, segs, 4, data));
    nic_tx_kick(nic);
    assert_int_equal(dev->kicks[1], 1);
    assert_int_equal(dev->kicks[0], 1); /* the first filling's */
    assert_true(fake_take(&dev->queue[1], &chain));
    nic_rx_kick(nic);
    assert_int_equal(dev->kicks[0], 2);
    assert_int_equal(stats().rx_kicks, 1); /* only those of a packet's way */
    assert_int_equal(stats().tx_kicks, 0);
}

static void test_reset_on_demand(void **state)
{
    struct nic_rings r;
    unsigned kicks;

    (void)state;
    start();
    assert_true(send_plain(nic, segs, 1, data));
    nic_flush(nic);
    fake_softirq_raised = 0;
    nic_reset(nic, "no progress");
    assert_non_null(strstr(fake_printk_last, "no progress"));
    expect_silenced();
    assert_false(nic_rings(nic, &r));
    kicks = dev->kicks[0] + dev->kicks[1];
    nic_rx_kick(nic); /* the fake device minds being kicked while it is not running */
    nic_tx_kick(nic);
    nic_reset(nic, "once more");
    assert_int_equal(dev->kicks[0] + dev->kicks[1], kicks);
    assert_int_equal(dev->silenced, 1);
    assert_true(nic_recover(nic));
    assert_ptr_equal(nic_tx_reap(nic), data);
    assert_null(nic_tx_reap(nic));
    assert_int_equal(rings().rx.published, 256);
    assert_int_equal(rings().tx.free, 256);
    EXPECT_PANIC(nic_reset((fake_context = CONTEXT_IRQ, nic), "from a top half"));
    EXPECT_PANIC(nic_rings(nic, &r));
    EXPECT_PANIC(nic_tx_kick(nic));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_probe),
        TEST(test_features),
        TEST(test_control),
        TEST(test_control_refused),
        TEST(test_no_control_queue),
        TEST(test_insane_mtu),
        TEST(test_refusals),
        TEST(test_odd_ring_sizes),
        TEST(test_random_mac),
        TEST(test_rx_burst),
        TEST(test_rx_long),
        TEST(test_naive_top_half_takes_the_frames),
        TEST(test_naive_backlog_overflows),
        TEST(test_naive_switched_under_load),
        TEST(test_naive_unmasking_looks_again),
        TEST(test_naive_rearming_is_bounded),
        TEST(test_naive_without_buffers),
        TEST(test_naive_device_breaks),
        TEST(test_rx_no_buffers),
        TEST(test_rx_lengths),
        TEST(test_rx_plain),
        TEST(test_rx_plain_refused),
        TEST(test_rx_plain_without_command),
        TEST(test_rx_partial),
        TEST(test_rx_merged),
        TEST(test_rx_merged_wrong),
        TEST(test_rx_not_merged),
        TEST(test_rx_merged_naive),
        TEST(test_rx_budget_counts_drops),
        TEST(test_rx_rearm_race),
        TEST(test_tx),
        TEST(test_tx_no_kick_wanted),
        TEST(test_tx_full),
        TEST(test_tx_full_of_tables),
        TEST(test_tx_full_race),
        TEST(test_tx_misuse_panics),
        TEST(test_offloads_need_one_another),
        TEST(test_offloads_all),
        TEST(test_offloads_without_csum),
        TEST(test_offloads_words),
        TEST(test_offload_rows),
        TEST(test_tx_offload_header),
        TEST(test_tx_offload_not_negotiated_panics),
        TEST(test_msix),
        TEST(test_early_interrupts),
        TEST(test_two_vectors),
        TEST(test_vectors_refused),
        TEST(test_intx),
        TEST(test_top_half_context),
        TEST(test_link),
        TEST(test_recovery),
        TEST(test_recovery_after_reaping),
        TEST(test_index_jump_found_everywhere),
        TEST(test_break_in_the_middle_of_a_burst),
        TEST(test_device_asks_for_reset),
        TEST(test_no_recovery),
        TEST(test_recovery_many_times),
        TEST(test_rings),
        TEST(test_forced_kicks),
        TEST(test_reset_on_demand),
    };

    static const struct {
        const char *name;
        uint64_t features;
    } kinds[] = {
        { "virtio_net, split rings", 0 },
        { "virtio_net, split rings, event_idx", 1ull << VIRTIO_F_EVENT_IDX },
        { "virtio_net, split rings, indirect_desc", 1ull << VIRTIO_F_INDIRECT_DESC },
        { "virtio_net, packed rings", 1ull << VIRTIO_F_RING_PACKED },
        { "virtio_net, packed rings, event_idx, indirect_desc", RING_FEATURES },
    };
    int failed = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        fake_ring_features = kinds[i].features;
        failed += cmocka_run_group_tests_name(kinds[i].name, tests, NULL, NULL);
    }
    return failed;
}
