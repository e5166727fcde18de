/*
 * A split virtqueue (virtio 1.2 §2.7): the driver's half of a ring shared with a device. Pure
 * memory and arithmetic: it knows neither PCI nor packets, and is tested on the host.
 *
 * What runs for every packet stands here, inline; setting up and starting over in virtqueue.c.
 * A typical call sequence:
 *
 *   vq_init(vq, size, memory);               the transport tells the device where it is
 *
 *   if (!vq_chain_begin(vq, &chain, n))      n descriptors, or the ring is full
 *       ...
 *   vq_chain_put(vq, &chain, dma, bytes, 0); n times
 *   vq_chain_end(vq, &chain, token);         (one buffer to be written: vq_add_writable())
 *   if (vq_publish(vq) && vq_kick_needed(vq))
 *       ... notify the device, through the transport ...
 *
 *   while ((token = vq_pop(vq, &bytes)))     what the device is done with
 *       ...
 *   if (vq_irq_enable(vq))                   true: more came in between, no interrupt will tell
 *       ... vq_irq_disable(vq), and go on popping ...
 *
 * The device is not trusted: each field that it writes is read once into a local and checked
 * before use. What can not be believed breaks the queue (vq->broken): it then gives nothing more
 * until the device has been reset and vq_reset() called. No allocation, lock or division.
 *
 * One owner: the bottom half. Only vq_irq_disable() may also be called by a top half.
 */
#ifndef DRIVERS_VIRTQUEUE_H
#define DRIVERS_VIRTQUEUE_H

#include <kernel/barrier.h>
#include <kernel/lib.h>
#include <kernel/panic.h>

#define VQ_SIZE_MAX 32768u /* §2.7; a power of two */

/* ---- Shared with the device: little-endian, as this CPU is. ---- */

/* §2.7.5. Written by the driver, read by the device. */
struct vq_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};
#define VQ_DESC_F_NEXT  1u
#define VQ_DESC_F_WRITE 2u /* the device writes this one; without it, it reads */

/* §2.7.6. Written by the driver, read by the device. */
struct vq_avail {
    uint16_t flags;
    uint16_t idx;    /* entries ever made available, modulo 65536 */
    uint16_t ring[]; /* [size], then used_event for VIRTIO_F_EVENT_IDX (not negotiated) */
};
#define VQ_AVAIL_F_NO_INTERRUPT 1u

struct vq_used_elem {
    uint32_t id;  /* the chain's first descriptor */
    uint32_t len; /* bytes that the device wrote */
};

/* §2.7.8. Written by the device, read by the driver. */
struct vq_used {
    uint16_t flags;
    uint16_t idx;               /* entries ever used, modulo 65536 */
    struct vq_used_elem ring[]; /* [size], then avail_event for VIRTIO_F_EVENT_IDX */
};
#define VQ_USED_F_NO_NOTIFY 1u

_Static_assert(sizeof(struct vq_desc) == 16, "virtio 1.2 §2.7.5");
_Static_assert(offsetof(struct vq_desc, len) == 8 && offsetof(struct vq_desc, flags) == 12 &&
                   offsetof(struct vq_desc, next) == 14,
               "virtio 1.2 §2.7.5");
_Static_assert(offsetof(struct vq_avail, idx) == 2 && offsetof(struct vq_avail, ring) == 4,
               "virtio 1.2 §2.7.6");
_Static_assert(sizeof(struct vq_used_elem) == 8 && offsetof(struct vq_used_elem, len) == 4,
               "virtio 1.2 §2.7.8");
_Static_assert(offsetof(struct vq_used, idx) == 2 && offsetof(struct vq_used, ring) == 4,
               "virtio 1.2 §2.7.8");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "no conversions are done");

/* ---- The driver's own: nothing here is ever read from shared memory. ---- */

/* What is known about the chain that begins at a descriptor. */
struct vq_slot {
    void *token;       /* what vq_pop() gives back; NULL: no chain is outstanding here */
    uint32_t writable; /* bytes that the device may have written */
    uint16_t last;     /* the chain's last descriptor */
    uint16_t count;    /* its descriptors */
};
_Static_assert(sizeof(struct vq_slot) == 16, "indexed by a shift");

struct virtqueue {
    struct vq_desc *desc;
    struct vq_avail *avail;
    const struct vq_used *used;
    struct vq_slot *slots;
    uint16_t *link; /* the successor of each descriptor, in its chain or on the free list */

    uint16_t mask;       /* size - 1 */
    uint16_t free_head;  /* the free list is LIFO: descriptors that are still in the cache */
    uint16_t free_count; /* descriptors on it */
    uint16_t avail_idx;  /* chains ever added */
    uint16_t published;  /* of these, what the device has been shown */
    uint16_t used_idx;   /* chains ever taken back */
    uint16_t used_seen;  /* the device's index when it was last read: no more reads until then */

    bool broken;          /* the device broke the rules; see broken_why */
    uint16_t detached;    /* tokens that vq_detach() has not given back yet */
    uint16_t detach_next; /* where it goes on looking */
    const char *broken_why;
};

/* Bytes of memory for a queue of that size: what is shared first, then the driver's own. */
size_t vq_bytes(unsigned size);

/*
 * Make an empty queue, interrupts masked, in `memory`: vq_bytes(size) bytes, physically
 * contiguous, aligned to 64 bytes. size is a power of two, 1 to VQ_SIZE_MAX. Boot.
 */
void vq_init(struct virtqueue *vq, unsigned size, void *memory);

/*
 * Start over after the device has been reset (it touches nothing any more): the ring is empty,
 * interrupts masked. Chains that were outstanding are detached: the queue takes no new ones until
 * vq_detach() has given every token back.
 */
void vq_reset(struct virtqueue *vq);

/* The token of a detached chain, or NULL when there are no more. */
void *vq_detach(struct virtqueue *vq);

/* Declare the queue broken. */
void vq_break(struct virtqueue *vq, const char *why);

/* Descriptors that can be used now. */
static inline unsigned vq_free_slots(const struct virtqueue *vq)
{
    return vq->free_count;
}

/* Chains that were added and whose token has not come back. */
static inline unsigned vq_outstanding(const struct virtqueue *vq)
{
    return (uint16_t)(vq->avail_idx - vq->used_idx) + vq->detached;
}

/* Put a chain that has been written into its slot, and its head into the available ring. */
static inline void vq_make_available(struct virtqueue *vq, uint16_t head, struct vq_slot slot)
{
    vq->slots[head] = slot;
    vq->free_head = vq->link[slot.last];
    vq->free_count -= slot.count;
    vq->avail->ring[vq->avail_idx++ & vq->mask] = head;
}

/* One buffer of one descriptor that the device is to write: what a receive ring is filled with.
 * There must be a free slot. */
static inline void vq_add_writable(struct virtqueue *vq, uint64_t dma, uint32_t bytes, void *token)
{
    uint16_t id = vq->free_head;

    ASSERT(vq->free_count != 0 && token != NULL);
    vq->desc[id] = (struct vq_desc){ .addr = dma, .len = bytes, .flags = VQ_DESC_F_WRITE };
    vq_make_available(
        vq, id, (struct vq_slot){ .token = token, .writable = bytes, .last = id, .count = 1 });
}

/* A chain that is being written. */
struct vq_chain {
    uint16_t head, last, next;
    uint16_t count, left; /* descriptors: in all, and still to be put */
    uint32_t writable;
};

/* Begin a chain of `count` (at least 1) descriptors. Returns false, and has done nothing, when
 * that many are not free. */
static inline bool vq_chain_begin(const struct virtqueue *vq, struct vq_chain *chain,
                                  unsigned count)
{
    if (unlikely(count > vq->free_count))
        return false;
    chain->head = chain->next = vq->free_head;
    chain->count = chain->left = (uint16_t)count;
    chain->writable = 0;
    return true;
}

/* The next buffer; what the device writes (VQ_DESC_F_WRITE in flags) comes after all that it
 * reads (§2.7.4.2). */
static inline void vq_chain_put(struct virtqueue *vq, struct vq_chain *chain, uint64_t dma,
                                uint32_t bytes, uint16_t flags)
{
    uint16_t id = chain->next;

    chain->last = id;
    chain->next = vq->link[id];
    vq->desc[id] = (struct vq_desc){ .addr = dma,
                                     .len = bytes,
                                     .flags = flags | (--chain->left ? VQ_DESC_F_NEXT : 0),
                                     .next = chain->next };
    if (flags & VQ_DESC_F_WRITE)
        chain->writable += bytes;
}

/* All `count` buffers have been put; token (not NULL) comes back from vq_pop(). */
static inline void vq_chain_end(struct virtqueue *vq, const struct vq_chain *chain, void *token)
{
    ASSERT(chain->left == 0 && token != NULL);
    vq_make_available(vq, chain->head,
                      (struct vq_slot){ .token = token,
                                        .writable = chain->writable,
                                        .last = chain->last,
                                        .count = chain->count });
}

/* Show the device what was added. Returns false when that is nothing. */
static inline bool vq_publish(struct virtqueue *vq)
{
    if (vq->published == vq->avail_idx)
        return false;
    /* §2.7.13.3.1: the descriptors and the ring must be in memory before the index that makes
     * the device read them. */
    dma_wmb();
    WRITE_ONCE(vq->avail->idx, vq->avail_idx);
    vq->published = vq->avail_idx;
    return true;
}

/* After vq_publish(): whether the device wants to be notified. */
static inline bool vq_kick_needed(const struct virtqueue *vq)
{
    /* §2.7.13.4.1: the index before the flag. The device clears the flag and looks at the index
     * again; were our load to pass our store, both sides could miss the other's. */
    dma_mb();
    return !(READ_ONCE(vq->used->flags) & VQ_USED_F_NO_NOTIFY);
}

/* Read the device's index anew: are there used chains that vq_pop() has not returned? */
static inline bool vq_look(struct virtqueue *vq)
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

/* Are there used chains to pop? */
static inline bool vq_pending(struct virtqueue *vq)
{
    return vq->used_idx != vq->used_seen || vq_look(vq);
}

#define VQ_LEN_INVALID UINT32_MAX

/*
 * Take the next chain that the device is done with: its token, and in *bytes how much the device
 * wrote, or VQ_LEN_INVALID where it claims more than there was room for. NULL when there is none,
 * or when the queue is (or has just been found) broken.
 */
static inline void *vq_pop(struct virtqueue *vq, uint32_t *bytes)
{
    const struct vq_used_elem *elem = &vq->used->ring[vq->used_idx & vq->mask];
    struct vq_slot *slot;
    uint32_t id, len;
    void *token;

    if (!vq_pending(vq))
        return NULL;
    id = READ_ONCE(elem->id);
    len = READ_ONCE(elem->len);
    slot = &vq->slots[id & vq->mask];
    token = slot->token;
    if (unlikely(id > vq->mask || token == NULL)) {
        vq_break(vq, id > vq->mask ? "used id out of range" : "used id not outstanding");
        return NULL;
    }
    *bytes = likely(len <= slot->writable) ? len : VQ_LEN_INVALID;
    slot->token = NULL;
    vq->link[slot->last] = vq->free_head;
    vq->free_head = (uint16_t)id;
    vq->free_count += slot->count;
    vq->used_idx++;
    return token;
}

/* Mask the queue's interrupt. Only a hint to the device (§2.7.7): one more may still come. Any
 * context: it is one store. */
static inline void vq_irq_disable(struct virtqueue *vq)
{
    WRITE_ONCE(vq->avail->flags, VQ_AVAIL_F_NO_INTERRUPT);
}

/*
 * Unmask it, and look again: true when chains were used before the device could see the flag, so
 * that no interrupt will come for them. (The lecture's "NAPI polling": "polling stops and
 * interrupts are enabled again"; this is the moment between the two.)
 */
static inline bool vq_irq_enable(struct virtqueue *vq)
{
    WRITE_ONCE(vq->avail->flags, 0);
    /* §2.7.14: the flag is in memory before the index is read. Either the device saw the flag,
     * and interrupts, or we see its index. */
    dma_mb();
    return vq_pending(vq);
}

#endif
