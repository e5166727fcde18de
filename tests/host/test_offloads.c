/*
 * Every combination of offloads, 2^14: as the device offers them, and as offloads= allows them.
 * Each time what the standard lets be negotiated is (virtio 1.2 §5.1.3.1), and nothing else, and
 * frames go both ways by it. tests/qemu/test_offloads.py has pairs of them with QEMU's device.
 */
#include "fake_virtio.h"
#include "fakes.h"
#include "pktbuf_pool.h"
#include "virtio_net.h"
#include <kernel/page.h>
#include <kernel/rand.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BIT(n)       (1ull << (n))
#define COMBINATIONS (1u << ARRAY_SIZE(offloads))
#define LARGE        (2 * PKTBUF_FRAME_MAX)

static const struct offload {
    const char *name;
    unsigned bit;
    uint64_t needs;
} offloads[] = {
    { "csum", NET_F_CSUM, 0 },
    { "guest_csum", NET_F_GUEST_CSUM, 0 },
    { "mrg_rxbuf", NET_F_MRG_RXBUF, 0 },
    { "ctrl_vq", NET_F_CTRL_VQ, 0 },
    { "event_idx", VIRTIO_F_EVENT_IDX, 0 },
    { "indirect_desc", VIRTIO_F_INDIRECT_DESC, 0 },
    { "ring_packed", VIRTIO_F_RING_PACKED, 0 },
    { "ctrl_rx", NET_F_CTRL_RX, BIT(NET_F_CTRL_VQ) },
    { "ctrl_guest_offloads", NET_F_CTRL_GUEST_OFFLOADS, BIT(NET_F_CTRL_VQ) },
    { "tso4", NET_F_HOST_TSO4, BIT(NET_F_CSUM) },
    { "tso6", NET_F_HOST_TSO6, BIT(NET_F_CSUM) },
    { "guest_tso4", NET_F_GUEST_TSO4, BIT(NET_F_GUEST_CSUM) | BIT(NET_F_MRG_RXBUF) },
    { "guest_tso6", NET_F_GUEST_TSO6, BIT(NET_F_GUEST_CSUM) | BIT(NET_F_MRG_RXBUF) },
    { "(reserved)", 40, 0 }, /* offered by QEMU, never accepted */
};

static struct virtio_pci *const dev = &fake_dev;
static struct nic *nic;
static void *blocks[16];
static unsigned block_count;

void *page_alloc(unsigned order)
{
    static void *pool; /* the same each time: to get and give it 12,000 times takes half a minute */
    void *block = NULL;

    if (order == PAGE_ORDER_2M && pool != NULL)
        return pool;
    assert_true(block_count < ARRAY_SIZE(blocks));
    assert_int_equal(posix_memalign(&block, PAGE_SIZE << order, PAGE_SIZE << order), 0);
    if (order == PAGE_ORDER_2M)
        pool = block;
    else
        blocks[block_count++] = block;
    return block;
}

void rand_bytes(void *buf, size_t bytes)
{
    memset(buf, 0xff, bytes);
}

static uint64_t bits_of(unsigned combination)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(offloads); i++)
        if (combination & 1u << i)
            bits |= BIT(offloads[i].bit);
    return bits;
}

/* What is to be negotiated: without what needs something that is missing. */
static uint64_t agreed(unsigned combination)
{
    uint64_t has = bits_of(combination);

    for (unsigned i = 0; i < ARRAY_SIZE(offloads); i++)
        if ((has & offloads[i].needs) != offloads[i].needs)
            has &= ~BIT(offloads[i].bit);
    return has & ~BIT(40);
}

static void start(void)
{
    nic = nic_probe();
    assert_non_null(nic);
    fake_context = CONTEXT_SOFTIRQ;
    assert_true(nic_rx_irq_enable(nic));
    nic_rx_irq_disable(nic);
}

static unsigned pool_free(void)
{
    struct pktbuf_stats s;

    pktbuf_stats(&s);
    return s.free;
}

/* ---- Frames ---- */

static void receive_one(uint64_t has)
{
    static uint8_t bytes[12 + 60];
    struct virtio_net_hdr hdr = { .flags = 2, .num_buffers = 1 }; /* DATA_VALID */
    struct pktbuf *buf;

    memcpy(bytes, &hdr, sizeof(hdr));
    assert_true(fake_deliver(&dev->queue[0], bytes, sizeof(bytes)));
    assert_int_equal(nic_rx_burst(nic, &buf, 1), 1);
    assert_int_equal(buf->frame_len, 60);
    assert_int_equal(buf->checked, (has & BIT(NET_F_GUEST_CSUM)) != 0);
    pktbuf_free(buf);
}

/* Put together by the device, in two buffers. */
static void receive_merged(uint64_t has, uint8_t gso_type)
{
    static uint8_t bytes[12 + LARGE];
    struct virtio_net_hdr hdr = { .flags = 1, .gso_type = gso_type, .num_buffers = 2 };
    bool may = has & (gso_type == 1 ? BIT(NET_F_GUEST_TSO4) : BIT(NET_F_GUEST_TSO6));
    const uint32_t room = 12 + PKTBUF_FRAME_MAX;
    unsigned before = pool_free(), n;
    struct pktbuf *bufs[2];

    if (!(has & BIT(NET_F_MRG_RXBUF)))
        return; /* two frames then, of which the second makes no sense */
    memcpy(bytes, &hdr, sizeof(hdr));
    assert_true(fake_deliver(&dev->queue[0], bytes, room));
    assert_true(fake_deliver(&dev->queue[0], bytes + room, sizeof(bytes) - room));
    n = nic_rx_burst(nic, bufs, 2);
    assert_int_equal(n, may ? 1 : 0); /* what was not agreed on is dropped, whole */
    if (n == 1) {
        assert_int_equal(bufs[0]->frame_len + bufs[0]->next->frame_len, LARGE);
        pktbuf_free(bufs[0]->next);
        pktbuf_free(bufs[0]);
    }
    nic_rx_refill(nic);
    assert_true(pool_free() <= before + 2);
}

static void send(const struct nic_tx_offload *offload)
{
    static uint8_t room[NIC_TX_HEADROOM + 64];
    const struct nic_seg segs[2] = { { room + NIC_TX_HEADROOM, 64 }, { room, 32 } };
    struct virtio_net_hdr hdr;
    struct fake_chain chain;
    uint32_t bytes = 0;

    assert_true(nic_tx(nic, segs, 2, offload, room));
    nic_flush(nic);
    assert_true(fake_take(&dev->queue[1], &chain));
    memcpy(&hdr, chain.seg[0].data, sizeof(hdr));
    assert_int_equal(hdr.flags, offload->csum_start != 0);
    assert_int_equal(hdr.gso_size, offload->gso_size);
    for (unsigned i = 0; i < chain.count; i++)
        bytes += chain.seg[i].len;
    assert_int_equal(bytes, 12 + 64 + 32);
    fake_use(&dev->queue[1], chain.head, 0);
    assert_ptr_equal(nic_tx_reap(nic), room);
    assert_null(nic_tx_reap(nic));
}

static void check_sending(uint64_t has)
{
    static const struct nic_tx_offload none, csum = { .csum_start = 34, .csum_offset = 16 },
                                             tso4 = { 34, 16, 1460, 54, false },
                                             tso6 = { 54, 16, 1440, 74, true };
    unsigned can = nic_tx_can(nic);

    assert_int_equal(can, ((has & BIT(NET_F_CSUM)) ? NIC_TX_CSUM : 0) |
                              ((has & BIT(NET_F_HOST_TSO4)) ? NIC_TX_TSO4 : 0) |
                              ((has & BIT(NET_F_HOST_TSO6)) ? NIC_TX_TSO6 : 0));
    send(&none);
    if (can & NIC_TX_CSUM)
        send(&csum);
    if (can & NIC_TX_TSO4)
        send(&tso4);
    if (can & NIC_TX_TSO6)
        send(&tso6);
}

/* Receive offloads off and on again, where that can be had; no frame in several buffers else. */
static void check_plain(uint64_t has)
{
    const uint64_t tso = BIT(NET_F_GUEST_TSO4) | BIT(NET_F_GUEST_TSO6);
    const uint64_t received = has & (tso | BIT(NET_F_GUEST_CSUM));
    bool can_tell = has & BIT(NET_F_CTRL_GUEST_OFFLOADS), tells = can_tell && received != 0;
    unsigned before = dev->command_count;
    const char *why = NULL;
    uint64_t sent;

    assert_int_equal(nic_rx_plain(nic, true, &why), can_tell || !(has & tso));
    assert_int_equal(why != NULL, !can_tell && (has & tso));
    assert_true(nic_rx_plain(nic, false, &why));
    assert_int_equal(dev->command_count, before + (tells ? 2 : 0));
    for (unsigned i = 0; tells && i < 2; i++) {
        assert_int_equal(dev->commands[before + i][0], 5);
        memcpy(&sent, &dev->commands[before + i][2], sizeof(sent));
        assert_int_equal(sent, i == 0 ? 0 : received);
    }
}

static void check_rows(uint64_t has, uint64_t offered, uint64_t allowed)
{
    struct net_offload o;

    for (unsigned n = 0; net_offload(nic, n, &o); n++) {
        unsigned i = 0;

        while (strcmp(offloads[i].name, o.name) != 0)
            assert_true(++i < ARRAY_SIZE(offloads));
        assert_int_equal(o.offered, offered >> offloads[i].bit & 1);
        assert_int_equal(o.allowed, allowed >> offloads[i].bit & 1);
        assert_int_equal(o.negotiated, has >> offloads[i].bit & 1);
        assert_false(o.suspended);
    }
}

/* ---- The combinations ---- */

static void begin(void)
{
    fake_virtio_reset();
    pktbuf_pool = (struct pktbuf_pool){ 0 };
    fake_context = CONTEXT_MAIN;
    assert_true(pktbuf_pool_init(512));
}

static void end(void)
{
    fake_virtio_reset();
    while (block_count > 0)
        free(blocks[--block_count]);
}

static void check(unsigned combination, uint64_t offered, uint64_t allowed)
{
    uint64_t has = agreed(combination);
    unsigned commands = (has & BIT(NET_F_CTRL_RX)) ? 2 : 0;

    dev->offered |= offered;
    start();
    assert_int_equal(
        dev->accepted & ~(BIT(VIRTIO_F_VERSION_1) | BIT(NET_F_MAC) | BIT(NET_F_STATUS)), has);
    assert_int_equal(dev->command_count, commands);
    check_rows(has, offered, allowed);
    receive_one(has);
    receive_merged(has, 1);
    receive_merged(has, 4);
    check_sending(has);
    check_plain(has);
    nic_rx_refill(nic);
    assert_false(nic_broken(nic));
}

static void test_offered(void **state)
{
    (void)state;
    for (unsigned c = 0; c < COMBINATIONS; c++) {
        begin();
        check(c, bits_of(c), ~0ull);
        end();
    }
}

/* Of a device that offers all. */
static void test_allowed(void **state)
{
    static char text[256];

    (void)state;
    for (unsigned c = 0; c < COMBINATIONS / 2; c++) { /* the last one has no name */
        size_t len = 0;

        text[0] = '\0';
        for (unsigned i = 0; i + 1 < ARRAY_SIZE(offloads); i++)
            if (c & 1u << i)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s,", offloads[i].name);
        begin();
        fake_offloads = text;
        check(c, bits_of(COMBINATIONS - 1), bits_of(c));
        fake_offloads = "all";
        end();
    }
}

/* "-name" for all that is not in it says the same. */
static void test_left_out(void **state)
{
    static char text[256];

    (void)state;
    for (unsigned c = 0; c + 1 < COMBINATIONS / 2; c++) {
        size_t len = 0;

        for (unsigned i = 0; i + 1 < ARRAY_SIZE(offloads); i++)
            if (!(c & 1u << i))
                len += (size_t)snprintf(text + len, sizeof(text) - len, "-%s ", offloads[i].name);
        assert_int_equal(net_offloads_parse(text), bits_of(c));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offered),
        cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
