/*
 * The packed virtqueue (virtio 1.2 §2.8): what differs from the split one on a packet's way. One
 * ring of descriptors, which the driver makes available in its order, and over which the device
 * writes the used ones in its own. A part of virtqueue.h, which has the contracts; nobody else
 * includes this.
 */
#ifndef DRIVERS_VQ_PACKED_H
#define DRIVERS_VQ_PACKED_H

#include "vq_ring.h"

/* What makes the descriptor at that position available: the wrap counter is 1 in the first lap, and
 * in every second one. */
static inline uint16_t vq_packed_avail(const struct virtqueue *vq, uint16_t pos)
{
    return pos & (vq->mask + 1u) ? VQ_DESC_F_USED : VQ_DESC_F_AVAIL;
}

/* ---- Adding ---- */

/* Put a chain that has been written, but for the flags of its first descriptor, into its slot. The
 * device takes them in the ring's order: holding back the first one of all that are not published
 * yet holds them all back. */
static inline void vq_packed_make_available(struct virtqueue *vq, uint16_t id, uint16_t head_flags,
                                            struct vq_slot slot)
{
    uint16_t head = vq->avail_pos;

    vq->slots[id] = slot;
    vq->free_head = vq->link[id];
    vq->free_count -= slot.count;
    vq->avail_pos += slot.count;
    vq->avail_idx++;
    if (head == vq->published_pos) {
        vq->held_flags = head_flags;
    } else {
        dma_wmb(); /* §2.8.21.1.1: all of the chain before its first flags */
        WRITE_ONCE(vq->ring[head & vq->mask].flags, head_flags);
    }
}

/* A chain of one; flags: VQ_DESC_F_WRITE or 0. */
static inline void vq_packed_add(struct virtqueue *vq, uint64_t dma, uint32_t bytes, uint16_t flags,
                                 void *token)
{
    struct vq_packed_desc *desc = &vq->ring[vq->avail_pos & vq->mask];
    uint16_t id = vq->free_head;

    desc->addr = dma;
    desc->len = bytes;
    desc->id = id;
    vq_packed_make_available(vq, id, flags | vq_packed_avail(vq, vq->avail_pos),
                             (struct vq_slot){ .token = token,
                                               .writable = flags & VQ_DESC_F_WRITE ? bytes : 0,
                                               .last = id,
                                               .count = 1 });
}

/* There is room. */
static inline void vq_packed_begin(const struct virtqueue *vq, struct vq_chain *chain, bool table)
{
    chain->head = vq->free_head;
    chain->ring = vq->ring;
    chain->next = vq->avail_pos;
    chain->head_flags = 0;
    if (table) {
        chain->ring = vq_table(vq, chain->head);
        chain->next = 0;
    }
}

static inline void vq_packed_put(const struct virtqueue *vq, struct vq_chain *chain, uint64_t dma,
                                 uint32_t bytes, uint16_t flags)
{
    uint16_t pos = chain->next++;
    struct vq_packed_desc *desc = &chain->ring[pos & vq->mask];

    chain->left--;
    desc->addr = dma;
    desc->len = bytes;
    if (chain->table_count != 0) { /* §2.8.7: no other flag, no id */
        desc->id = 0;
        desc->flags = flags;
        return;
    }
    desc->id = chain->head; /* only the last one's counts */
    flags |= (chain->left ? VQ_DESC_F_NEXT : 0) | vq_packed_avail(vq, pos);
    if (pos == vq->avail_pos)
        chain->head_flags = flags;
    else
        desc->flags = flags;
}

static inline void vq_packed_end(struct virtqueue *vq, struct vq_chain *chain, void *token)
{
    if (chain->table_count != 0) {
        struct vq_packed_desc *desc = &vq->ring[vq->avail_pos & vq->mask];

        desc->addr = vq_table_dma(vq, chain->head);
        desc->len = chain->table_count * sizeof(*desc);
        desc->id = chain->head;
        chain->head_flags = VQ_DESC_F_INDIRECT | vq_packed_avail(vq, vq->avail_pos);
    }
    vq_packed_make_available(vq, chain->head, chain->head_flags,
                             (struct vq_slot){ .token = token,
                                               .writable = chain->writable,
                                               .last = chain->head,
                                               .count = chain->count });
}

/* ---- Telling the device ---- */

static inline void vq_packed_publish(struct virtqueue *vq)
{
    dma_wmb(); /* §2.8.21.1.1: as above, for all chains since the last time */
    WRITE_ONCE(vq->ring[vq->published_pos & vq->mask].flags, vq->held_flags);
    vq->published_pos = vq->avail_pos;
}

static inline bool vq_packed_kick_needed(struct virtqueue *vq)
{
    uint16_t flags = READ_ONCE(vq->device_event->flags) & 3u;
    uint16_t now = vq->published_pos, old = vq->decided, event, off_wrap;

    vq->decided = now;
    if (flags != VQ_EVENT_F_DESC || !vq->event_idx)
        return flags != VQ_EVENT_F_DISABLE;
    dma_rmb(); /* the device writes the flags last */
    off_wrap = READ_ONCE(vq->device_event->off_wrap);
    event = (off_wrap & vq->mask) | (off_wrap & VQ_EVENT_WRAP ? 0 : vq->mask + 1u);
    /* As vq_event_passed(), but the event is a number modulo twice the size. */
    return ((now - event - 1u) & (2u * vq->mask + 1u)) < (uint16_t)(now - old);
}

/* ---- Taking ---- */

static inline bool vq_packed_is_used(const struct virtqueue *vq, uint16_t pos)
{
    uint16_t flags = READ_ONCE(vq->ring[pos & vq->mask].flags) & (VQ_DESC_F_AVAIL | VQ_DESC_F_USED);

    return flags == (pos & (vq->mask + 1u) ? 0 : VQ_DESC_F_AVAIL | VQ_DESC_F_USED);
}

/* See how many chains are used, from the first one that was not seen yet. */
void vq_packed_walk(struct virtqueue *vq);

static inline bool vq_packed_look(struct virtqueue *vq)
{
    if (vq->used_seen == vq->used_idx)
        vq->seen_pos = vq->used_pos;
    /* Of what the device has not been shown, nothing is believed. */
    if (vq->used_seen != vq->published && vq_packed_is_used(vq, vq->seen_pos) &&
        likely(!vq->broken))
        vq_packed_walk(vq);
    return vq->used_seen != vq->used_idx;
}

static inline uint32_t vq_packed_used(const struct virtqueue *vq, uint32_t *len)
{
    const struct vq_packed_desc *desc = &vq->ring[vq->used_pos & vq->mask];

    *len = READ_ONCE(desc->len);
    return READ_ONCE(desc->id);
}

/* ---- Its interrupt ---- */

static inline void vq_packed_irq_disable(struct virtqueue *vq)
{
    WRITE_ONCE(vq->driver_event->flags, VQ_EVENT_F_DISABLE);
}

/* The next chain that is used interrupts (with event indices only that one). */
static inline void vq_packed_irq_enable(struct virtqueue *vq)
{
    uint16_t lap = vq->used_pos & (vq->mask + 1u) ? 0 : VQ_EVENT_WRAP;

    if (!vq->event_idx) {
        WRITE_ONCE(vq->driver_event->flags, VQ_EVENT_F_ENABLE);
        return;
    }
    WRITE_ONCE(vq->driver_event->off_wrap, (vq->used_pos & vq->mask) | lap);
    dma_wmb(); /* where, before that it counts */
    WRITE_ONCE(vq->driver_event->flags, VQ_EVENT_F_DESC);
}

#endif
