/* See fake_device.h. */
#include "fake_device.h"
#include <boot/bootinfo.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint64_t kernel_image_offset; /* of kernel/page.h; host addresses are never that high */

void (*fake_at_barrier)(void);

void barrier_hook(void);
void barrier_hook(void)
{
    void (*act)(void) = fake_at_barrier;

    fake_at_barrier = NULL;
    if (act != NULL)
        act();
}

/* dma_address() backwards, modulo 2^64 as it is there. */
void *fake_from_dma(uint64_t dma)
{
    return (void *)(dma + BOOT_PHYSMAP_BASE);
}

void fake_queue_open(struct fake_queue *q, struct fake_queue_kind kind, unsigned size,
                     uint64_t desc, uint64_t driver, uint64_t device)
{
    assert_int_equal(desc % 16, 0); /* §2.7, §2.8.10.1 */
    assert_int_equal(driver % (kind.packed ? 4 : 2), 0);
    assert_int_equal(device % 4, 0);
    *q = (struct fake_queue){ .kind = kind,
                              .desc = fake_from_dma(desc),
                              .avail = fake_from_dma(driver),
                              .used = fake_from_dma(device),
                              .size = size,
                              .owned = calloc(size, sizeof(bool)),
                              .span = calloc(size, sizeof(uint16_t)),
                              .avail_wrap = true,
                              .used_wrap = true };
}

void fake_queue_close(struct fake_queue *q)
{
    free(q->owned);
    free(q->span);
    *q = (struct fake_queue){ 0 };
}

/* ---- Taking what is available ---- */

/* One buffer of a chain; says whether the driver may have put it there. */
static void add_seg(struct fake_chain *chain, uint64_t addr, uint32_t len, uint16_t flags)
{
    bool write = flags & VQ_DESC_F_WRITE;

    assert_true(chain->count < FAKE_CHAIN_MAX);
    if (chain->count > 0) /* §2.7.4.2, §2.8.17 */
        assert_true(write || !chain->seg[chain->count - 1].write);
    chain->seg[chain->count].data = fake_from_dma(addr);
    chain->seg[chain->count].len = len;
    chain->seg[chain->count].write = write;
    chain->count++;
}

static const void *open_table(struct fake_queue *q, struct fake_chain *chain, uint64_t addr,
                              uint32_t len)
{
    assert_true(q->kind.indirect);
    assert_int_equal(addr % 16, 0);
    assert_int_equal(len % 16, 0);
    assert_in_range(len / 16, 1, q->size);
    assert_int_equal(chain->count, 0); /* the whole chain is in it */
    chain->indirect = true;
    return fake_from_dma(addr);
}

/* §2.7.5.3.2: a table of a split ring is chained by `next`, from its first entry on. */
static void take_split_table(struct fake_queue *q, struct fake_chain *chain,
                             const struct vq_desc *head)
{
    const struct vq_desc *table = open_table(q, chain, head->addr, head->len), *d = table;

    assert_int_equal(head->flags, VQ_DESC_F_INDIRECT);
    for (;; d = &table[d->next]) {
        assert_true(d < table + head->len / 16 && chain->count < head->len / 16);
        assert_int_equal(d->flags & ~(VQ_DESC_F_NEXT | VQ_DESC_F_WRITE), 0);
        add_seg(chain, d->addr, d->len, d->flags);
        if (!(d->flags & VQ_DESC_F_NEXT))
            break;
    }
    assert_int_equal(chain->count, head->len / 16);
}

static bool take_split(struct fake_queue *q, struct fake_chain *chain)
{
    uint16_t idx = READ_ONCE(q->avail->idx), id;
    const struct vq_desc *d;

    if (q->kind.event_idx)
        assert_int_equal(q->avail->flags, 0); /* §2.7.7.1 */
    if (idx == q->avail_seen)
        return false;
    assert_true((uint16_t)(idx - q->used_idx) <= q->size);
    id = q->avail->ring[q->avail_seen % q->size];
    assert_true(id < q->size);
    *chain = (struct fake_chain){ .head = id };
    d = &q->desc[id];
    if (d->flags & VQ_DESC_F_INDIRECT) {
        take_split_table(q, chain, d);
        return true;
    }
    for (;; d = &q->desc[d->next]) {
        assert_true(d < q->desc + q->size && chain->count < q->size);
        assert_int_equal(d->flags & ~(VQ_DESC_F_NEXT | VQ_DESC_F_WRITE), 0);
        add_seg(chain, d->addr, d->len, d->flags);
        if (!(d->flags & VQ_DESC_F_NEXT))
            return true;
    }
}

static bool packed_available(const struct fake_queue *q, uint16_t flags)
{
    return !!(flags & VQ_DESC_F_AVAIL) == q->avail_wrap &&
           !!(flags & VQ_DESC_F_USED) != q->avail_wrap;
}

static void step(const struct fake_queue *q, uint16_t *at, bool *wrap, unsigned by)
{
    *at += by;
    if (*at >= q->size) {
        *at -= q->size;
        *wrap = !*wrap;
    }
}

static void take_packed_table(struct fake_queue *q, struct fake_chain *chain,
                              const struct vq_packed_desc *head)
{
    const struct vq_packed_desc *table = open_table(q, chain, head->addr, head->len);

    assert_int_equal(head->flags & (VQ_DESC_F_NEXT | VQ_DESC_F_WRITE), 0);
    for (unsigned i = 0; i < head->len / 16; i++) {
        assert_int_equal(table[i].flags & ~VQ_DESC_F_WRITE, 0); /* §2.8.19 */
        add_seg(chain, table[i].addr, table[i].len, table[i].flags);
    }
}

static bool take_packed(struct fake_queue *q, struct fake_chain *chain)
{
    const uint16_t known =
        VQ_DESC_F_NEXT | VQ_DESC_F_WRITE | VQ_DESC_F_INDIRECT | VQ_DESC_F_AVAIL | VQ_DESC_F_USED;
    const struct vq_packed_desc *d = &q->ring[q->avail_at];
    unsigned span = 1;

    assert_int_equal(q->driver_event->flags & ~3, 0); /* §2.8.14 */
    assert_int_not_equal(q->driver_event->flags, 3);
    if (!q->kind.event_idx)
        assert_int_not_equal(q->driver_event->flags, VQ_EVENT_F_DESC);
    if (!packed_available(q, READ_ONCE(d->flags)))
        return false;
    *chain = (struct fake_chain){ 0 };
    for (;; d = &q->ring[q->avail_at], span++) {
        assert_true(span <= q->size);
        assert_true(packed_available(q, d->flags)); /* §2.8.17: all, once the first is */
        assert_int_equal(d->flags & ~known, 0);
        step(q, &q->avail_at, &q->avail_wrap, 1);
        if (d->flags & VQ_DESC_F_INDIRECT) {
            take_packed_table(q, chain, d);
            break;
        }
        add_seg(chain, d->addr, d->len, d->flags);
        if (!(d->flags & VQ_DESC_F_NEXT))
            break;
    }
    chain->head = d->id;
    assert_true(chain->head < q->size);
    q->span[chain->head] = (uint16_t)span;
    return true;
}

bool fake_take(struct fake_queue *q, struct fake_chain *chain)
{
    bool taken = q->kind.packed ? take_packed(q, chain) : take_split(q, chain);

    if (!taken) {
        if (q->kind.event_idx)
            fake_kicks(q, true);
        return false;
    }
    assert_false(q->owned[chain->head]);
    q->owned[chain->head] = true;
    q->avail_seen++;
    q->owned_count++;
    assert_true(q->owned_count <= q->size);
    return true;
}

void fake_kicks(struct fake_queue *q, bool wanted)
{
    uint16_t *avail_event = (uint16_t *)&q->used->ring[q->size];

    if (q->kind.packed) {
        q->device_event->off_wrap = q->avail_at | (q->avail_wrap ? VQ_EVENT_WRAP : 0);
        dma_wmb();
        q->device_event->flags = !wanted             ? VQ_EVENT_F_DISABLE
                                 : q->kind.event_idx ? VQ_EVENT_F_DESC
                                                     : VQ_EVENT_F_ENABLE;
    } else if (q->kind.event_idx) {
        *avail_event = wanted ? q->avail_seen : q->avail_seen + 0x8000u;
        q->used->flags = wanted ? VQ_USED_F_NO_NOTIFY : 0; /* the driver must ignore it (§2.7.10) */
    } else {
        q->used->flags = wanted ? 0 : VQ_USED_F_NO_NOTIFY;
    }
}

/* ---- Giving back ---- */

/* §2.8.10: with DESC, if the event is among the descriptors that the used chain covers. */
static bool packed_interrupt(const struct fake_queue *q, unsigned span)
{
    uint16_t flags = q->driver_event->flags, off_wrap = q->driver_event->off_wrap;
    uint16_t at = q->used_at;
    bool wrap = q->used_wrap;

    if (flags != VQ_EVENT_F_DESC)
        return flags == VQ_EVENT_F_ENABLE;
    assert_true(q->kind.event_idx);
    assert_true((off_wrap & ~VQ_EVENT_WRAP) < q->size);
    for (; span > 0; span--, step(q, &at, &wrap, 1)) {
        if ((off_wrap & ~VQ_EVENT_WRAP) == at && !!(off_wrap & VQ_EVENT_WRAP) == wrap)
            return true;
    }
    return false;
}

/* §2.7.7.2: with an index, if it is that of the entry that is used next. */
static bool split_interrupt(const struct fake_queue *q)
{
    if (q->kind.event_idx)
        return READ_ONCE(q->avail->ring[q->size]) == q->used_idx;
    return !(READ_ONCE(q->avail->flags) & VQ_AVAIL_F_NO_INTERRUPT);
}

bool fake_wants_interrupt(const struct fake_queue *q)
{
    return q->kind.packed ? packed_interrupt(q, 1) : split_interrupt(q);
}

static void use_packed(struct fake_queue *q, uint32_t id, uint32_t len)
{
    unsigned span = id < q->size && q->span[id] != 0 ? q->span[id] : 1;
    struct vq_packed_desc *d = &q->ring[q->used_at];
    bool interrupt;

    d->addr = 0xdeadbeefdeadbeef; /* §2.8.4: unused */
    d->id = (uint16_t)id;
    d->len = len;
    dma_wmb();
    WRITE_ONCE(d->flags, (q->no_write_flag || len == 0 ? 0 : VQ_DESC_F_WRITE) | VQ_DESC_F_NEXT |
                             (q->used_wrap ? VQ_DESC_F_AVAIL | VQ_DESC_F_USED : 0));
    dma_wmb();
    interrupt = packed_interrupt(q, span);
    step(q, &q->used_at, &q->used_wrap, span);
    q->used_idx++;
    q->interrupts += interrupt;
}

static void use_split(struct fake_queue *q, uint32_t id, uint32_t len)
{
    bool interrupt;

    q->used->ring[q->used_idx % q->size] = (struct vq_used_elem){ .id = id, .len = len };
    dma_wmb();
    WRITE_ONCE(q->used->idx, q->used_idx + 1);
    interrupt = split_interrupt(q);
    q->used_idx++;
    q->interrupts += interrupt;
}

void fake_use_raw(struct fake_queue *q, uint32_t id, uint32_t len)
{
    if (q->kind.packed)
        use_packed(q, id, len);
    else
        use_split(q, id, len);
}

void fake_use(struct fake_queue *q, uint16_t head, uint32_t len)
{
    assert_true(q->owned[head]);
    q->owned[head] = false;
    q->owned_count--;
    fake_use_raw(q, head, len);
}

bool fake_deliver(struct fake_queue *q, const void *bytes, uint32_t len)
{
    const uint8_t *from = bytes;
    struct fake_chain chain;
    uint32_t left = len;

    if (!fake_take(q, &chain))
        return false;
    for (unsigned i = 0; i < chain.count && left > 0; i++) {
        uint32_t part = MIN(left, chain.seg[i].len);

        if (!chain.seg[i].write)
            continue;
        memcpy(chain.seg[i].data, from, part);
        from += part;
        left -= part;
    }
    assert_int_equal(left, 0);
    fake_use(q, chain.head, len);
    return true;
}
