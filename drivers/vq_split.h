/*
 * The split virtqueue (virtio 1.2 §2.7): what differs from the packed one on a packet's way.
 * A part of virtqueue.h, which has the contracts; nobody else includes this.
 */
#ifndef DRIVERS_VQ_SPLIT_H
#define DRIVERS_VQ_SPLIT_H

#include "vq_ring.h"

/* ---- Adding ---- */

/* Put a chain that has been written into its slot, and its head into the available ring. */
static inline void vq_split_make_available(struct virtqueue *vq, uint16_t head, struct vq_slot slot)
{
    vq->slots[head] = slot;
    vq->free_head = vq->link[slot.last];
    vq->free_count -= slot.count;
    vq->avail->ring[vq->avail_idx++ & vq->mask] = head;
}

/* A chain of one; flags: VQ_DESC_F_WRITE or 0. */
static inline void vq_split_add(struct virtqueue *vq, uint64_t dma, uint32_t bytes, uint16_t flags,
                                void *token)
{
    uint16_t id = vq->free_head;

    vq->desc[id] = (struct vq_desc){ .addr = dma, .len = bytes, .flags = flags };
    vq_split_make_available(vq, id,
                            (struct vq_slot){ .token = token,
                                              .writable = flags & VQ_DESC_F_WRITE ? bytes : 0,
                                              .last = id,
                                              .count = 1 });
}

/* There is room. */
static inline void vq_split_begin(const struct virtqueue *vq, struct vq_chain *chain, bool table)
{
    chain->head = chain->next = vq->free_head;
    chain->desc = vq->desc;
    chain->link = vq->link;
    if (table) {
        chain->desc = vq_table(vq, chain->head);
        chain->link = vq->table_link;
        chain->next = 0;
    }
}

static inline void vq_split_put(struct vq_chain *chain, uint64_t dma, uint32_t bytes,
                                uint16_t flags)
{
    uint16_t id = chain->next;

    chain->last = id;
    chain->next = chain->link[id];
    chain->desc[id] = (struct vq_desc){ .addr = dma,
                                        .len = bytes,
                                        .flags = flags | (--chain->left ? VQ_DESC_F_NEXT : 0),
                                        .next = chain->next };
}

static inline void vq_split_end(struct virtqueue *vq, const struct vq_chain *chain, void *token)
{
    uint16_t last = chain->last;

    if (chain->table_count != 0) { /* §2.7.5.3.1: never together with NEXT */
        last = chain->head;
        vq->desc[last] = (struct vq_desc){ .addr = vq_table_dma(vq, last),
                                           .len = chain->table_count * sizeof(struct vq_desc),
                                           .flags = VQ_DESC_F_INDIRECT };
    }
    vq_split_make_available(
        vq, chain->head,
        (struct vq_slot){
            .token = token, .writable = chain->writable, .last = last, .count = chain->count });
}

/* ---- Telling the device ---- */

static inline void vq_split_publish(struct virtqueue *vq)
{
    /* §2.7.13.3.1: the descriptors and the ring must be in memory before the index that makes
     * the device read them. */
    dma_wmb();
    WRITE_ONCE(vq->avail->idx, vq->avail_idx);
}

static inline const uint16_t *vq_avail_event(const struct virtqueue *vq)
{
    return (const uint16_t *)&vq->used->ring[vq->mask + 1u];
}

static inline bool vq_split_kick_needed(struct virtqueue *vq)
{
    uint16_t old = vq->decided;

    if (!vq->event_idx)
        return !(READ_ONCE(vq->used->flags) & VQ_USED_F_NO_NOTIFY);
    vq->decided = vq->published;
    return vq_event_passed(READ_ONCE(*vq_avail_event(vq)), vq->published, old);
}

/* ---- Taking ---- */

static inline bool vq_split_look(struct virtqueue *vq)
{
    uint16_t idx = READ_ONCE(vq->used->idx);

    if (idx == vq->used_idx || unlikely(vq->broken))
        return false;
    if (unlikely((uint16_t)(idx - vq->used_idx) > (uint16_t)(vq->published - vq->used_idx))) {
        vq_break(vq, "used index beyond what was made available");
        return false;
    }
    dma_rmb(); /* the index before the entries that it covers */
    vq->used_seen = idx;
    return true;
}

static inline uint32_t vq_split_used(const struct virtqueue *vq, uint32_t *len)
{
    const struct vq_used_elem *elem = &vq->used->ring[vq->used_idx & vq->mask];

    *len = READ_ONCE(elem->len);
    return READ_ONCE(elem->id);
}

/* ---- Its interrupt ---- */

static inline uint16_t *vq_used_event(const struct virtqueue *vq)
{
    return &vq->avail->ring[vq->mask + 1u];
}

/*
 * With event indices nothing masks (the flag must be 0 then, §2.7.7.1); but an event half of all
 * numbers away is nowhere near what the device is about to use, nor what it has just used and is
 * about to tell. It comes near after 32768 more chains, unless it was set anew: one interrupt then
 * that nobody asked for.
 */
static inline void vq_split_irq_disable(struct virtqueue *vq)
{
    if (vq->event_idx)
        WRITE_ONCE(*vq_used_event(vq), (uint16_t)(READ_ONCE(vq->used_idx) + 0x8000u));
    else
        WRITE_ONCE(vq->avail->flags, VQ_AVAIL_F_NO_INTERRUPT);
}

/* The next chain that is used interrupts. */
static inline void vq_split_irq_enable(struct virtqueue *vq)
{
    if (vq->event_idx)
        WRITE_ONCE(*vq_used_event(vq), vq->used_idx);
    else
        WRITE_ONCE(vq->avail->flags, 0);
}

#endif
