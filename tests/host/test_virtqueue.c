/* The virtqueue, in each of its kinds, against an honest device, and against every lie that a
 * device can tell. */
#include "fake_device.h"
#include "fakes.h"
#include <kernel/page.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct pair {
    struct virtqueue vq;
    struct fake_queue dev;
    void *memory;
};

/* The kind that all tests are being run with. */
static struct fake_queue_kind kind;

#define TABLE_DESCS 5u

static struct vq_config config_for(unsigned size)
{
    return (struct vq_config){ .size = size,
                               .packed = kind.packed,
                               .event_idx = kind.event_idx,
                               .table_descs = kind.indirect ? MIN(size, TABLE_DESCS) : 0 };
}

/* What a chain takes of the ring. */
static unsigned span_of(unsigned count)
{
    return kind.indirect && count >= VQ_TABLE_FROM && count <= TABLE_DESCS ? 1 : count;
}

static void attach(struct pair *p)
{
    fake_queue_open(&p->dev, kind, p->vq.mask + 1u, dma_address(p->vq.desc),
                    dma_address(p->vq.avail), dma_address(p->vq.used));
}

static void pair_open(struct pair *p, unsigned size)
{
    struct vq_config config = config_for(size);
    size_t bytes = vq_bytes(&config);

    /* exactly as many as were asked for, so that ASan sees the end */
    assert_int_equal(posix_memalign(&p->memory, 64, bytes), 0);
    memset(p->memory, 0xa5, bytes);
    vq_init(&p->vq, &config, p->memory);
    assert_true(vq_is(&p->vq, &config));
    attach(p);
}

static void pair_close(struct pair *p)
{
    fake_queue_close(&p->dev);
    free(p->memory);
}

static uint8_t buffer[4096];

static void *token_of(uintptr_t n)
{
    return (void *)(n + 1);
}

static void add(struct pair *p, uintptr_t n, uint32_t bytes)
{
    vq_add_writable(&p->vq, dma_address(buffer), bytes, token_of(n));
}

/* ---- honest ---- */

static void test_layout(void **state)
{
    struct pair p;

    (void)state;
    for (unsigned size = 1; size <= VQ_SIZE_MAX; size *= 2) {
        struct vq_config config = config_for(size);
        const uint8_t *driver_end, *device_end;

        pair_open(&p, size);
        /* used_event and avail_event have their place, whether they are used or not */
        driver_end = (const uint8_t *)p.vq.avail + (kind.packed ? 4 : 6 + 2 * size);
        device_end = (const uint8_t *)p.vq.used + (kind.packed ? 4 : 6 + 8 * size);
        assert_true((const uint8_t *)p.vq.avail >= (const uint8_t *)(p.vq.desc + size));
        assert_true((const uint8_t *)p.vq.used >= driver_end);
        assert_true((const uint8_t *)p.vq.slots >= device_end);
        assert_true((const uint8_t *)p.vq.tables >= (const uint8_t *)(p.vq.slots + size));
        assert_true((const uint8_t *)p.vq.link >=
                    (const uint8_t *)(p.vq.tables + size * config.table_descs));
        assert_true((const uint8_t *)(p.vq.link + size) + 2 * config.table_descs ==
                    (uint8_t *)p.memory + vq_bytes(&config));
        assert_int_equal(vq_size(&p.vq), size);
        assert_int_equal(vq_free_slots(&p.vq), size);
        assert_int_equal(vq_outstanding(&p.vq), 0);
        assert_false(vq_irq_on(&p.vq));
        assert_false(fake_wants_interrupt(&p.dev));
        pair_close(&p);
    }
}

static void test_same_or_not(void **state)
{
    struct vq_config config = config_for(64), other;
    struct pair p;

    (void)state;
    pair_open(&p, 64);
    assert_true(vq_is(&p.vq, &config));
    for (unsigned i = 0; i < 4; i++) {
        other = config;
        other.size = i == 0 ? 32 : other.size;
        other.packed ^= i == 1;
        other.event_idx ^= i == 2;
        other.table_descs += i == 3;
        assert_false(vq_is(&p.vq, &other));
    }
    pair_close(&p);
}

static void test_bad_size_panics(void **state)
{
    static uint8_t memory[65536] __attribute__((aligned(64)));
    static const unsigned sizes[] = { 48, 0, 2 * VQ_SIZE_MAX };
    struct vq_config config = { .size = 16, .packed = kind.packed };
    struct virtqueue vq;

    (void)state;
    EXPECT_PANIC(vq_init(&vq, &config, memory + 8));
    config.table_descs = 17; /* no chain may be longer than the ring */
    EXPECT_PANIC(vq_init(&vq, &config, memory));
    config.table_descs = 0;
    for (volatile unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        config.size = sizes[i];
        EXPECT_PANIC(vq_init(&vq, &config, memory));
    }
}

/* Fill the ring to the brim, have it emptied, many times around, past 65536. */
static void fill_and_drain(unsigned size, unsigned chains)
{
    struct fake_chain chain;
    unsigned added = 0, popped = 0;
    uint32_t bytes;
    struct pair p;

    pair_open(&p, size);
    while (popped < chains) {
        while (vq_free_slots(&p.vq) > 0)
            add(&p, added++, 100);
        assert_int_equal(vq_outstanding(&p.vq), size);
        assert_false(fake_take(&p.dev, &chain)); /* nothing is seen before it is published */
        assert_true(vq_publish(&p.vq));
        assert_false(vq_publish(&p.vq));
        assert_null(vq_pop(&p.vq, &bytes));
        for (unsigned i = 0; i < size; i++) {
            assert_true(fake_take(&p.dev, &chain));
            assert_int_equal(chain.count, 1);
            assert_true(chain.seg[0].write);
            assert_int_equal(chain.seg[0].len, 100);
            assert_ptr_equal(chain.seg[0].data, buffer);
            fake_use(&p.dev, chain.head, i % 101);
        }
        assert_false(fake_take(&p.dev, &chain));
        for (unsigned i = 0; i < size; i++) {
            assert_true(vq_pending(&p.vq));
            assert_ptr_equal(vq_pop(&p.vq, &bytes), token_of(popped++));
            assert_int_equal(bytes, i % 101);
        }
        assert_false(vq_pending(&p.vq));
        assert_null(vq_pop(&p.vq, &bytes));
        assert_int_equal(vq_free_slots(&p.vq), size);
    }
    assert_false(p.vq.broken);
    pair_close(&p);
}

static void test_every_size_wraps(void **state)
{
    (void)state;
    for (unsigned size = 1; size <= VQ_SIZE_MAX; size *= 2)
        fill_and_drain(size, size < 256 ? 70000 : 3 * 65536);
}

static void test_chain(void **state)
{
    static uint8_t out[2][16], in[2][32];
    struct fake_chain got;
    struct vq_chain chain;
    uint32_t bytes;
    struct pair p;

    (void)state;
    pair_open(&p, 8);
    assert_false(vq_chain_begin(&p.vq, &chain, 9));
    assert_true(vq_chain_begin(&p.vq, &chain, 4));
    vq_chain_put(&p.vq, &chain, dma_address(out[0]), 16, 0);
    vq_chain_put(&p.vq, &chain, dma_address(out[1]), 15, 0);
    vq_chain_put(&p.vq, &chain, dma_address(in[0]), 32, VQ_DESC_F_WRITE);
    vq_chain_put(&p.vq, &chain, dma_address(in[1]), 31, VQ_DESC_F_WRITE);
    vq_chain_end(&p.vq, &chain, out);
    assert_int_equal(vq_free_slots(&p.vq), kind.indirect ? 7 : 4);
    assert_int_equal(vq_outstanding(&p.vq), 1);
    assert_false(fake_take(&p.dev, &got));
    vq_publish(&p.vq);

    assert_true(fake_take(&p.dev, &got));
    assert_int_equal(got.indirect, kind.indirect);
    assert_int_equal(got.count, 4);
    assert_ptr_equal(got.seg[0].data, out[0]);
    assert_ptr_equal(got.seg[1].data, out[1]);
    assert_int_equal(got.seg[1].len, 15);
    assert_false(got.seg[1].write);
    assert_ptr_equal(got.seg[2].data, in[0]);
    assert_true(got.seg[2].write);
    assert_ptr_equal(got.seg[3].data, in[1]);
    fake_use(&p.dev, got.head, 63); /* all that is writable, and not a byte more */
    assert_ptr_equal(vq_pop(&p.vq, &bytes), out);
    assert_int_equal(bytes, 63);
    assert_int_equal(vq_free_slots(&p.vq), 8);
    pair_close(&p);
}

static void test_misuse_panics(void **state)
{
    struct vq_chain chain;
    struct pair p;

    (void)state;
    pair_open(&p, 2);
    assert_true(vq_chain_begin(&p.vq, &chain, 2));
    vq_chain_put(&p.vq, &chain, dma_address(buffer), 1, 0);
    EXPECT_PANIC(vq_chain_end(&p.vq, &chain, buffer)); /* one is missing */
    vq_chain_put(&p.vq, &chain, dma_address(buffer), 1, 0);
    EXPECT_PANIC(vq_chain_end(&p.vq, &chain, NULL));
    add(&p, 0, 1);
    add(&p, 1, 1);
    EXPECT_PANIC(add(&p, 2, 1)); /* full */
    pair_close(&p);
}

/* Random lengths of chains, finished in random order, against a model of who owns what. */
static void test_out_of_order(void **state)
{
    static struct {
        uintptr_t n;
        uint16_t head;
        uint32_t len;
    } held[64], used[64];
    unsigned held_count = 0, used_first = 0, used_count = 0, outstanding = 0, used_descs = 0;
    unsigned count_of[4096], starts[4096]; /* by chain number modulo 4096 */
    uintptr_t n = 0;
    uint32_t bytes;
    struct pair p;

    (void)state;
    srand(2);
    pair_open(&p, 64);
    for (unsigned step = 0; step < 400000; step++) {
        unsigned count = 1 + (unsigned)rand() % (TABLE_DESCS + 1);
        struct fake_chain got;
        struct vq_chain chain;

        switch (rand() % 4) {
        case 0: /* the driver adds */
            if (!vq_chain_begin(&p.vq, &chain, count)) {
                assert_true(used_descs + span_of(count) > 64);
                break;
            }
            assert_true(used_descs + span_of(count) <= 64);
            for (unsigned i = 0; i < count; i++)
                vq_chain_put(&p.vq, &chain, dma_address(buffer + (n % 4000 + i) % 4000), 10,
                             VQ_DESC_F_WRITE);
            vq_chain_end(&p.vq, &chain, token_of(n));
            starts[n % 4096] = (unsigned)(n % 4000);
            count_of[n++ % 4096] = count;
            used_descs += span_of(count);
            outstanding++;
            if (rand() % 2)
                vq_publish(&p.vq);
            break;
        case 1: /* the device takes */
            if (fake_take(&p.dev, &got)) {
                /* they come in the order in which they were added */
                held[held_count].head = got.head;
                held[held_count].n = (uint16_t)(p.dev.avail_seen - 1);
                assert_int_equal(got.count, count_of[held[held_count].n % 4096]);
                assert_int_equal(got.indirect, kind.indirect && span_of(got.count) != got.count);
                for (unsigned i = 0; i < got.count; i++) {
                    assert_ptr_equal(got.seg[i].data,
                                     buffer + (starts[held[held_count].n % 4096] + i) % 4000);
                    assert_int_equal(got.seg[i].len, 10);
                }
                held[held_count++].len = got.count * 10;
            }
            break;
        case 2: /* the device finishes any one */
            if (held_count > 0) {
                unsigned i = (unsigned)rand() % held_count;

                used[(used_first + used_count++) % 64] = held[i];
                fake_use(&p.dev, held[i].head, held[i].len);
                held[i] = held[--held_count];
            }
            break;
        default: { /* the driver pops */
            void *token = vq_pop(&p.vq, &bytes);

            if (used_count == 0) {
                assert_null(token);
                break;
            }
            assert_non_null(token);
            assert_int_equal((uint16_t)((uintptr_t)token - 1), used[used_first].n);
            assert_int_equal(bytes, used[used_first].len);
            used_descs -= span_of(count_of[used[used_first].n % 4096]);
            used_first = (used_first + 1) % 64;
            used_count--;
            outstanding--;
        }
        }
        assert_int_equal(vq_outstanding(&p.vq), outstanding);
        assert_int_equal(vq_free_slots(&p.vq), 64 - used_descs);
        assert_int_equal(vq_added(&p.vq), (uint16_t)n);
        assert_int_equal((uint16_t)(vq_used(&p.vq) - vq_taken(&p.vq)), used_count);
        assert_int_equal(vq_used(&p.vq), p.dev.used_idx);
    }
    assert_true(n > 65536);
    assert_false(p.vq.broken);
    pair_close(&p);
}

/* ---- notifications ---- */

static void test_kick(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, 4);
    add(&p, 0, 1);
    vq_publish(&p.vq);
    assert_true(vq_kick_needed(&p.vq));
    fake_kicks(&p.dev, false);
    add(&p, 1, 1);
    vq_publish(&p.vq);
    assert_false(vq_kick_needed(&p.vq));
    pair_close(&p);
}

static struct pair *hooked;

static void device_wants_kicks(void)
{
    fake_kicks(&hooked->dev, true);
}

/* The device goes to sleep while we publish: its wish must be read after the barrier. */
static void test_kick_race(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, 4);
    fake_kicks(&p.dev, false);
    hooked = &p;
    fake_at_barrier = device_wants_kicks;
    add(&p, 0, 1);
    vq_publish(&p.vq);
    assert_true(vq_kick_needed(&p.vq));
    pair_close(&p);
}

/* The device that sleeps is woken once, by whatever covers the chain that it waits for. All around
 * the ring, and past 65536. */
static void test_one_kick_for_a_sleeping_device(void **state)
{
    struct fake_chain got;
    uint32_t bytes;
    struct pair p;

    (void)state;
    pair_open(&p, 16);
    srand(4);
    for (unsigned added = 0; added < 200000;) {
        unsigned kicks = 0, before = added;

        assert_false(fake_take(&p.dev, &got)); /* it looks, and sleeps */
        for (unsigned step = 1 + (unsigned)rand() % 4; step > 0; step--) {
            for (unsigned i = (unsigned)rand() % 4; i > 0; i--)
                add(&p, added++, 1);
            if (vq_publish(&p.vq))
                kicks += vq_kick_needed(&p.vq);
        }
        if (kind.event_idx)
            assert_int_equal(kicks, added != before);
        while (fake_take(&p.dev, &got))
            fake_use(&p.dev, got.head, 1);
        while (vq_pop(&p.vq, &bytes) != NULL)
            before++;
        assert_int_equal(before, added);
    }
    pair_close(&p);
}

/* Published, and not asked whether to kick: the next question covers that, too. */
static void test_kick_covers_what_was_not_asked_for(void **state)
{
    struct fake_chain got;
    struct pair p;

    (void)state;
    pair_open(&p, 8);
    assert_false(fake_take(&p.dev, &got));
    add(&p, 0, 1);
    vq_publish(&p.vq);
    add(&p, 1, 1);
    vq_publish(&p.vq);
    assert_true(vq_kick_needed(&p.vq));
    pair_close(&p);
}

static void device_uses_one(void)
{
    assert_true(fake_deliver(&hooked->dev, "x", 1));
}

/* The race that re-arming has to win: a packet after the last poll, before the device can see
 * that interrupts are on. */
static void test_rearm_race(void **state)
{
    uint32_t bytes;
    struct pair p;

    (void)state;
    pair_open(&p, 4);
    add(&p, 0, 16);
    add(&p, 1, 16);
    vq_publish(&p.vq);

    /* before the flag is written: no interrupt is raised, so the look must find it */
    assert_null(vq_pop(&p.vq, &bytes));
    hooked = &p;
    device_uses_one();
    assert_int_equal(p.dev.interrupts, 0);
    assert_true(vq_irq_enable(&p.vq));
    vq_irq_disable(&p.vq);
    assert_ptr_equal(vq_pop(&p.vq, &bytes), token_of(0));

    /* at the barrier, between flag and look: found, whatever the device thought of the flag */
    assert_null(vq_pop(&p.vq, &bytes));
    fake_at_barrier = device_uses_one;
    assert_true(vq_irq_enable(&p.vq));
    vq_irq_disable(&p.vq);
    assert_ptr_equal(vq_pop(&p.vq, &bytes), token_of(1));

    /* nothing came: interrupts are on, and the next one interrupts */
    add(&p, 2, 16);
    vq_publish(&p.vq);
    p.dev.interrupts = 0;
    assert_false(vq_irq_enable(&p.vq));
    device_uses_one();
    assert_int_equal(p.dev.interrupts, 1);
    pair_close(&p);
}

/* One chain through the ring; how many interrupts the device raised. */
static unsigned one_more(struct pair *p, uintptr_t n)
{
    unsigned before = p->dev.interrupts;
    uint32_t bytes;

    add(p, n, 16);
    vq_publish(&p->vq);
    assert_true(fake_deliver(&p->dev, "x", 1));
    assert_ptr_equal(vq_pop(&p->vq, &bytes), token_of(n));
    return p->dev.interrupts - before;
}

/* Masked for long: none comes, or with event indices one in 32768 chains. Masking again, as each
 * poll does, none at all. */
static void test_masked_for_long(void **state)
{
    unsigned spurious = 0;
    struct pair p;

    (void)state;
    for (unsigned again = 0; again < 2; again++) {
        pair_open(&p, 8);
        for (unsigned n = 0; n < 3 * 65536; n++) {
            if (again && n % 64 == 0)
                vq_irq_disable(&p.vq);
            spurious += one_more(&p, n);
        }
        pair_close(&p);
        assert_int_equal(spurious, kind.event_idx && !kind.packed && !again ? 3 : 0);
        spurious = 0;
    }
}

/* Unmasked, the next chain interrupts, wherever the ring is; with event indices only that one, and
 * asking again gets one again. */
static void test_each_interrupt_is_asked_for(void **state)
{
    uint32_t bytes;
    struct pair p;

    (void)state;
    pair_open(&p, 4);
    for (unsigned n = 0; n < 70000; n += 3) {
        assert_false(vq_irq_enable(&p.vq));
        assert_true(vq_irq_on(&p.vq));
        assert_true(fake_wants_interrupt(&p.dev));
        assert_int_equal(one_more(&p, n), 1);
        assert_int_equal(one_more(&p, n + 1), !kind.event_idx);
        assert_false(vq_irq_rearm(&p.vq));
        assert_int_equal(one_more(&p, n + 2), 1);
        vq_irq_disable(&p.vq);
        assert_false(vq_irq_on(&p.vq));
        assert_false(fake_wants_interrupt(&p.dev));
    }

    /* asked for while there is more: no interrupt comes for that, so it has to be said */
    assert_false(vq_irq_enable(&p.vq));
    for (unsigned i = 0; i < 2; i++)
        add(&p, i, 16);
    vq_publish(&p.vq);
    hooked = &p;
    device_uses_one();
    assert_ptr_equal(vq_pop(&p.vq, &bytes), token_of(0));
    fake_at_barrier = device_uses_one;
    assert_int_equal(vq_irq_rearm(&p.vq), kind.event_idx);
    fake_at_barrier = NULL;
    pair_close(&p);
}

/* ---- hostile ---- */

static void two_outstanding(struct pair *p)
{
    pair_open(p, 8);
    add(p, 0, 50);
    add(p, 1, 50);
    vq_publish(&p->vq);
}

static void expect_broken(struct pair *p, const char *why)
{
    uint32_t bytes;

    assert_null(vq_pop(&p->vq, &bytes));
    assert_true(p->vq.broken);
    assert_string_equal(p->vq.broken_why, why);
    /* and it stays so, whatever else the device says */
    fake_use_raw(&p->dev, 1, 1);
    assert_null(vq_pop(&p->vq, &bytes));
    assert_false(vq_pending(&p->vq));
    assert_false(vq_irq_enable(&p->vq));
    pair_close(p);
}

static void test_id_out_of_range(void **state)
{
    static const uint32_t ids[] = {
        8, 9, 0x8000, 0xffff, 0x10000, 0x10001, 0x80000000, 0xffffffff
    };
    struct pair p;

    (void)state;
    for (unsigned i = 0; i < (kind.packed ? 4 : ARRAY_SIZE(ids)); i++) {
        two_outstanding(&p);
        fake_use_raw(&p.dev, ids[i], 1);
        expect_broken(&p, "used id out of range");
    }
}

static void test_id_not_outstanding(void **state)
{
    struct vq_chain chain;
    uint32_t bytes;
    struct pair p;

    (void)state;
    two_outstanding(&p); /* descriptors 0 and 1 */
    fake_use_raw(&p.dev, 2, 1);
    expect_broken(&p, "used id not outstanding");

    two_outstanding(&p); /* the same one twice */
    fake_use_raw(&p.dev, 0, 1);
    fake_use_raw(&p.dev, 0, 1);
    assert_ptr_equal(vq_pop(&p.vq, &bytes), token_of(0));
    expect_broken(&p, "used id not outstanding");

    pair_open(&p, 8); /* the inside of a chain */
    assert_true(vq_chain_begin(&p.vq, &chain, 2));
    vq_chain_put(&p.vq, &chain, dma_address(buffer), 1, 0);
    vq_chain_put(&p.vq, &chain, dma_address(buffer), 1, 0);
    vq_chain_end(&p.vq, &chain, buffer);
    vq_publish(&p.vq);
    fake_use_raw(&p.dev, 1, 0);
    expect_broken(&p, "used id not outstanding");
}

static void test_index_jumps(void **state)
{
    static const uint16_t jumps[] = { 3, 8, 9, 1000, 0x8000, 0xffff };
    struct pair p;

    (void)state;
    if (kind.packed)
        return; /* it has no index */
    for (unsigned i = 0; i < ARRAY_SIZE(jumps); i++) {
        two_outstanding(&p);
        p.dev.used->idx = jumps[i];
        expect_broken(&p, "used index beyond what was made available");
    }

    pair_open(&p, 8); /* chains that were added, but not shown yet, do not count */
    add(&p, 0, 50);
    fake_use_raw(&p.dev, 0, 1);
    expect_broken(&p, "used index beyond what was made available");

    two_outstanding(&p); /* found by the look after unmasking, too */
    p.dev.used->idx = 77;
    assert_false(vq_irq_enable(&p.vq));
    assert_true(p.vq.broken);
    pair_close(&p);
}

/* The packed ring's way to claim too much: used descriptors that were never made available, or were
 * not shown yet. They are not even looked at. */
static void test_used_before_published(void **state)
{
    struct pair p;
    uint32_t bytes;

    (void)state;
    if (!kind.packed)
        return;
    pair_open(&p, 8);
    for (unsigned i = 0; i < 3; i++)
        fake_use_raw(&p.dev, i, 1);
    assert_false(vq_pending(&p.vq));
    assert_int_equal(vq_used(&p.vq), 0);
    add(&p, 0, 50);
    assert_false(vq_irq_enable(&p.vq));
    assert_null(vq_pop(&p.vq, &bytes));
    assert_false(p.vq.broken);
    pair_close(&p);
}

/* A chain's id changes between our looks at it: where the next one is expected may be wrong then,
 * but nothing else. */
static void test_packed_id_changes(void **state)
{
    struct vq_chain chain;
    uint32_t bytes;
    struct pair p;

    (void)state;
    if (!kind.packed || kind.indirect)
        return;
    pair_open(&p, 8);
    assert_true(vq_chain_begin(&p.vq, &chain, 3));
    for (unsigned i = 0; i < 3; i++)
        vq_chain_put(&p.vq, &chain, dma_address(buffer), 1, 0);
    vq_chain_end(&p.vq, &chain, token_of(0));
    add(&p, 1, 50);
    add(&p, 2, 50);
    vq_publish(&p.vq);
    fake_use_raw(&p.dev, 0, 0);
    fake_use_raw(&p.dev, 1, 1);
    assert_true(vq_pending(&p.vq));
    p.dev.ring[0].id = 1;
    assert_ptr_equal(vq_pop(&p.vq, &bytes), token_of(1));
    p.dev.ring[1].id = 7; /* where it is thought to be now */
    assert_null(vq_pop(&p.vq, &bytes));
    expect_broken(&p, "used id not outstanding");
}

static void test_length_too_large(void **state)
{
    static const uint32_t lengths[] = { 51, 52, 0x10000, 0x80000000, 0xffffffff };
    uint32_t bytes;
    struct pair p;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        two_outstanding(&p);
        fake_use_raw(&p.dev, 1, lengths[i]);
        fake_use_raw(&p.dev, 0, 50);
        assert_ptr_equal(vq_pop(&p.vq, &bytes), token_of(1)); /* the buffer is not lost */
        assert_int_equal(bytes, VQ_LEN_INVALID);
        assert_false(p.vq.broken); /* nor is the ring */
        assert_ptr_equal(vq_pop(&p.vq, &bytes), token_of(0));
        assert_int_equal(bytes, 50);
        pair_close(&p);
    }
}

/* The driver never reads back what it wrote: a device that scribbles over the descriptors and the
 * available ring confuses itself only. */
static void test_device_scribbles(void **state)
{
    uint32_t bytes;
    struct pair p;

    (void)state;
    two_outstanding(&p);
    memset(p.vq.desc, 0x55, 8 * sizeof(struct vq_desc)); /* packed: not used */
    memset(p.vq.avail, 0xff, kind.packed ? 4 : 4 + 2 * 8);
    memset(p.vq.tables, 0xff, 8 * p.vq.table_descs * sizeof(struct vq_desc));
    fake_use_raw(&p.dev, 1, 7);
    fake_use_raw(&p.dev, 0, 8);
    assert_ptr_equal(vq_pop(&p.vq, &bytes), token_of(1));
    assert_ptr_equal(vq_pop(&p.vq, &bytes), token_of(0));
    assert_int_equal(vq_free_slots(&p.vq), 8);
    pair_close(&p);
}

static void scribble(struct pair *p)
{
    struct vq_packed_desc *d = &p->dev.ring[(unsigned)rand() % p->dev.size];

    if (!kind.packed) {
        p->dev.used->idx = p->dev.used_idx = (uint16_t)rand();
        return;
    }
    d->id = (uint16_t)(rand() % 20);
    d->len = (uint32_t)rand();
    d->flags = (uint16_t)rand();
    p->dev.used_at = (uint16_t)((unsigned)rand() % p->dev.size);
    p->dev.device_event->off_wrap = (uint16_t)rand();
    p->dev.device_event->flags = (uint16_t)rand();
}

/* Chains of random lengths, as far as there is room. */
static bool add_some(struct pair *p, uintptr_t n)
{
    unsigned count = 1 + (unsigned)rand() % 4;
    struct vq_chain chain;

    if (!vq_chain_begin(&p->vq, &chain, count))
        return false;
    for (unsigned i = 0; i < count; i++)
        vq_chain_put(&p->vq, &chain, dma_address(buffer), 50, VQ_DESC_F_WRITE);
    vq_chain_end(&p->vq, &chain, token_of(n));
    return true;
}

/* A device that writes at random whatever it can: no crash, and every token comes back exactly
 * once, from the ring or by detaching. */
static void test_random_garbage(void **state)
{
    (void)state;
    srand(3);
    for (unsigned round = 0; round < 2000; round++) {
        bool back[64] = { false };
        uintptr_t n = 0;
        struct pair p;
        void *token;
        uint32_t bytes;

        pair_open(&p, 16);
        for (unsigned step = 0; step < 100 && n < 64 && !p.vq.broken; step++) {
            n += add_some(&p, n);
            if (vq_publish(&p.vq))
                (void)vq_kick_needed(&p.vq);
            if (rand() % 2)
                fake_use_raw(&p.dev, (uint32_t)rand() % (rand() % 8 ? 16 : 20), (uint32_t)rand());
            if (rand() % 50 == 0)
                scribble(&p);
            while ((token = vq_pop(&p.vq, &bytes)) != NULL) {
                assert_true((uintptr_t)token - 1 < n);
                assert_false(back[(uintptr_t)token - 1]);
                back[(uintptr_t)token - 1] = true;
            }
        }
        vq_reset(&p.vq);
        while ((token = vq_detach(&p.vq)) != NULL) {
            assert_false(back[(uintptr_t)token - 1]);
            back[(uintptr_t)token - 1] = true;
        }
        for (unsigned i = 0; i < n; i++)
            assert_true(back[i]);
        pair_close(&p);
    }
}

/* ---- starting over ---- */

static void test_reset_detaches(void **state)
{
    bool seen[3] = { false };
    struct vq_chain chain;
    uint32_t bytes;
    struct pair p;
    void *token;

    (void)state;
    pair_open(&p, 8);
    for (unsigned i = 0; i < 3; i++)
        add(&p, i, 50);
    vq_publish(&p.vq);
    assert_false(vq_irq_enable(&p.vq));
    fake_use_raw(&p.dev, 99, 1);
    assert_null(vq_pop(&p.vq, &bytes));
    assert_true(p.vq.broken);

    vq_reset(&p.vq);
    vq_reset(&p.vq); /* twice does no harm */
    assert_false(p.vq.broken);
    assert_int_equal(vq_outstanding(&p.vq), 3);
    assert_int_equal(vq_free_slots(&p.vq), 0);
    assert_false(vq_chain_begin(&p.vq, &chain, 1));
    assert_false(vq_irq_on(&p.vq));
    assert_int_equal(vq_added(&p.vq) | vq_published(&p.vq) | vq_used(&p.vq) | vq_taken(&p.vq), 0);
    assert_null(vq_pop(&p.vq, &bytes));
    while ((token = vq_detach(&p.vq)) != NULL) {
        assert_false(seen[(uintptr_t)token - 1]);
        seen[(uintptr_t)token - 1] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    assert_int_equal(vq_outstanding(&p.vq), 0);
    assert_int_equal(vq_free_slots(&p.vq), 8);

    fake_queue_close(&p.dev);
    attach(&p); /* and all works as on the first day */
    add(&p, 5, 50);
    vq_publish(&p.vq);
    assert_true(fake_deliver(&p.dev, "hello", 5));
    assert_ptr_equal(vq_pop(&p.vq, &bytes), token_of(5));
    assert_int_equal(bytes, 5);
    pair_close(&p);
}

static void test_reset_of_a_full_ring(void **state)
{
    unsigned back = 0;
    struct pair p;

    (void)state;
    pair_open(&p, VQ_SIZE_MAX);
    for (unsigned i = 0; i < VQ_SIZE_MAX; i++)
        add(&p, i, 1);
    vq_publish(&p.vq);
    vq_reset(&p.vq);
    while (vq_detach(&p.vq) != NULL)
        back++;
    assert_int_equal(back, VQ_SIZE_MAX);
    assert_int_equal(vq_free_slots(&p.vq), VQ_SIZE_MAX);
    pair_close(&p);
}

/* Every token is counted: one that has gone is not looked for for ever. */
static void test_lost_token_panics(void **state)
{
    struct pair p;

    (void)state;
    two_outstanding(&p);
    p.vq.slots[1].token = NULL;
    vq_reset(&p.vq);
    assert_ptr_equal(vq_detach(&p.vq), token_of(0));
    EXPECT_PANIC(vq_detach(&p.vq));
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_same_or_not),
        cmocka_unit_test(test_bad_size_panics),
        cmocka_unit_test(test_every_size_wraps),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_misuse_panics),
        cmocka_unit_test(test_out_of_order),
        cmocka_unit_test(test_kick),
        cmocka_unit_test(test_kick_race),
        cmocka_unit_test(test_one_kick_for_a_sleeping_device),
        cmocka_unit_test(test_kick_covers_what_was_not_asked_for),
        cmocka_unit_test(test_rearm_race),
        cmocka_unit_test(test_masked_for_long),
        cmocka_unit_test(test_each_interrupt_is_asked_for),
        cmocka_unit_test(test_id_out_of_range),
        cmocka_unit_test(test_id_not_outstanding),
        cmocka_unit_test(test_index_jumps),
        cmocka_unit_test(test_used_before_published),
        cmocka_unit_test(test_packed_id_changes),
        cmocka_unit_test(test_length_too_large),
        cmocka_unit_test(test_device_scribbles),
        cmocka_unit_test(test_random_garbage),
        cmocka_unit_test(test_reset_detaches),
        cmocka_unit_test(test_reset_of_a_full_ring),
        cmocka_unit_test(test_lost_token_panics),
    };

    static const char *const names[] = {
        "split",  "split, event_idx",  "split, indirect",  "split, event_idx, indirect",
        "packed", "packed, event_idx", "packed, indirect", "packed, event_idx, indirect"
    };
    int failed = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        kind = (struct fake_queue_kind){ .event_idx = i & 1, .indirect = i & 2, .packed = i & 4 };
        failed += cmocka_run_group_tests_name(names[i], tests, NULL, NULL);
    }
    return failed;
}
