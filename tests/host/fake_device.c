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

void fake_queue_open(struct fake_queue *q, unsigned size, uint64_t desc, uint64_t avail,
                     uint64_t used)
{
    assert_int_equal(desc % 16, 0); /* §2.7 */
    assert_int_equal(avail % 2, 0);
    assert_int_equal(used % 4, 0);
    *q = (struct fake_queue){ .desc = fake_from_dma(desc),
                              .avail = fake_from_dma(avail),
                              .used = fake_from_dma(used),
                              .size = size,
                              .owned = calloc(size, sizeof(bool)) };
}

void fake_queue_close(struct fake_queue *q)
{
    free(q->owned);
    *q = (struct fake_queue){ 0 };
}

bool fake_take(struct fake_queue *q, struct fake_chain *chain)
{
    uint16_t idx = READ_ONCE(q->avail->idx), id;
    bool more, write = false;

    if (idx == q->avail_seen)
        return false;
    assert_true((uint16_t)(idx - q->used_idx) <= q->size);
    id = q->avail->ring[q->avail_seen % q->size];
    *chain = (struct fake_chain){ .head = id };
    assert_true(id < q->size);
    assert_false(q->owned[id]);
    do {
        const struct vq_desc *d = &q->desc[id];

        assert_true(id < q->size);
        assert_true(chain->count < FAKE_CHAIN_MAX && chain->count < q->size);
        assert_true((d->flags & ~(VQ_DESC_F_NEXT | VQ_DESC_F_WRITE)) == 0);
        assert_true((d->flags & VQ_DESC_F_WRITE) || !write); /* §2.7.4.2 */
        write = d->flags & VQ_DESC_F_WRITE;
        chain->seg[chain->count].data = fake_from_dma(d->addr);
        chain->seg[chain->count].len = d->len;
        chain->seg[chain->count].write = write;
        chain->count++;
        more = d->flags & VQ_DESC_F_NEXT;
        id = d->next;
    } while (more);
    q->owned[chain->head] = true;
    q->avail_seen++;
    return true;
}

void fake_use_raw(struct fake_queue *q, uint32_t id, uint32_t len)
{
    q->used->ring[q->used_idx % q->size] = (struct vq_used_elem){ .id = id, .len = len };
    dma_wmb();
    WRITE_ONCE(q->used->idx, ++q->used_idx);
    if (!(READ_ONCE(q->avail->flags) & VQ_AVAIL_F_NO_INTERRUPT))
        q->interrupts++;
}

void fake_use(struct fake_queue *q, uint16_t head, uint32_t len)
{
    assert_true(q->owned[head]);
    q->owned[head] = false;
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
