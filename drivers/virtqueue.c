/* Virtqueues: setting up, breaking, starting over, and what is rarely asked. See virtqueue.h. */
#include "virtqueue.h"
#include <kernel/page.h>
#include <string.h>

#define RING_ALIGN 64u /* §2.7 wants 16, 2 and 4; a cache line keeps the sides' writes apart */

/* Offsets into a queue's memory. */
struct layout {
    size_t driver, device, slots, tables, link, table_link, end;
};

static struct layout layout_of(const struct vq_config *config)
{
    size_t size = config->size, driver = sizeof(struct vq_event), device = sizeof(struct vq_event);
    struct layout at;

    if (!config->packed) {
        driver = sizeof(struct vq_avail) + size * sizeof(uint16_t) + sizeof(uint16_t);
        device = sizeof(struct vq_used) + size * sizeof(struct vq_used_elem) + sizeof(uint16_t);
    }
    at.driver = ALIGN_UP(size * sizeof(struct vq_desc), (size_t)RING_ALIGN);
    at.device = ALIGN_UP(at.driver + driver, (size_t)RING_ALIGN);
    at.slots = ALIGN_UP(at.device + device, (size_t)RING_ALIGN);
    at.tables = ALIGN_UP(at.slots + size * sizeof(struct vq_slot), (size_t)RING_ALIGN);
    at.link = at.tables + size * config->table_descs * sizeof(struct vq_desc);
    at.table_link = at.link + size * sizeof(uint16_t);
    at.end = at.table_link + config->table_descs * sizeof(uint16_t);
    return at;
}

static struct vq_config config_of(const struct virtqueue *vq)
{
    return (struct vq_config){ .size = vq->mask + 1u,
                               .packed = vq->packed,
                               .event_idx = vq->event_idx,
                               .table_descs = vq->table_descs };
}

size_t vq_bytes(const struct vq_config *config)
{
    return layout_of(config).end;
}

/* Everything is free, the first one first. */
static void free_all(struct virtqueue *vq)
{
    unsigned size = vq->mask + 1u;

    for (unsigned i = 0; i < size; i++)
        vq->link[i] = (uint16_t)((i + 1) & vq->mask);
    vq->free_head = 0;
    vq->free_count = (uint16_t)size;
}

void vq_init(struct virtqueue *vq, const struct vq_config *config, void *memory)
{
    struct layout at = layout_of(config);
    uint8_t *base = memory;

    ASSERT(IS_POWER_OF_TWO(config->size) && config->size <= VQ_SIZE_MAX);
    ASSERT(config->table_descs <= config->size); /* §2.7.5.3.1, §2.8.17 */
    ASSERT((uintptr_t)memory % RING_ALIGN == 0);
    memset(memory, 0, at.end);
    *vq = (struct virtqueue){ .desc = memory,
                              .avail = (void *)(base + at.driver),
                              .used = (void *)(base + at.device),
                              .slots = (void *)(base + at.slots),
                              .link = (void *)(base + at.link),
                              .mask = (uint16_t)(config->size - 1),
                              .packed = config->packed,
                              .event_idx = config->event_idx,
                              .table_descs = (uint16_t)config->table_descs,
                              .table_link = (void *)(base + at.table_link),
                              .tables = (void *)(base + at.tables),
                              .tables_dma = dma_address(base + at.tables) };
    if (vq->table_descs >= VQ_TABLE_FROM)
        vq->table_span = (uint16_t)(vq->table_descs - VQ_TABLE_FROM + 1);
    for (unsigned i = 0; i < vq->table_descs; i++)
        vq->table_link[i] = (uint16_t)(i + 1);
    free_all(vq);
    vq_irq_disable(vq);
}

bool vq_is(const struct virtqueue *vq, const struct vq_config *config)
{
    struct vq_config is = config_of(vq);

    return is.size == config->size && is.packed == config->packed &&
           is.event_idx == config->event_idx && is.table_descs == config->table_descs;
}

void vq_reset(struct virtqueue *vq)
{
    struct vq_config config = config_of(vq);

    vq->detached = (uint16_t)vq_outstanding(vq);
    vq->detach_next = 0;
    memset(vq->desc, 0, layout_of(&config).slots); /* all that is shared, but the tables */
    vq->avail_idx = vq->published = vq->used_idx = vq->used_seen = vq->decided = 0;
    vq->avail_pos = vq->published_pos = vq->used_pos = vq->seen_pos = 0;
    vq->broken = false;
    vq->broken_why = NULL;
    if (vq->detached == 0)
        free_all(vq);
    else
        vq->free_count = 0;
    vq_irq_disable(vq);
}

void *vq_detach(struct virtqueue *vq)
{
    if (vq->detached == 0)
        return NULL;
    while (vq->detach_next <= vq->mask) {
        struct vq_slot *slot = &vq->slots[vq->detach_next++];
        void *token = slot->token;

        if (token == NULL)
            continue;
        slot->token = NULL;
        if (--vq->detached == 0)
            free_all(vq);
        return token;
    }
    panic("virtqueue: %u tokens were lost", vq->detached);
}

void vq_break(struct virtqueue *vq, const char *why)
{
    vq->broken = true;
    vq->broken_why = why;
    vq->used_seen = vq->used_idx;
}

/* ---- Looking ---- */

/* How many descriptors the chain has that was used at that position. What the device says of an id
 * leads nowhere but to one of our slots: whoever takes the chain checks it. */
static uint16_t packed_count(const struct virtqueue *vq, uint16_t pos)
{
    return vq->slots[READ_ONCE(vq->ring[pos & vq->mask].id) & vq->mask].count;
}

void vq_packed_walk(struct virtqueue *vq)
{
    do {
        dma_rmb(); /* the flags before what they cover */
        vq->seen_pos += packed_count(vq, vq->seen_pos);
        vq->used_seen++;
    } while (vq->used_seen != vq->published && vq_packed_is_used(vq, vq->seen_pos));
}

uint16_t vq_used(const struct virtqueue *vq)
{
    uint16_t used = vq->used_idx, pos = vq->used_pos;

    if (!vq->packed)
        return READ_ONCE(vq->used->idx);
    for (; used != vq->published && vq_packed_is_used(vq, pos); used++) {
        dma_rmb();
        pos += packed_count(vq, pos);
    }
    return used;
}

bool vq_irq_on(const struct virtqueue *vq)
{
    if (vq->packed)
        return READ_ONCE(vq->driver_event->flags) != VQ_EVENT_F_DISABLE;
    if (vq->event_idx)
        return (uint16_t)(READ_ONCE(*vq_used_event(vq)) - vq->used_idx) <= vq->mask;
    return !(READ_ONCE(vq->avail->flags) & VQ_AVAIL_F_NO_INTERRUPT);
}
