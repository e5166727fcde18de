/*
 * A virtqueue, split (virtio 1.2 §2.7) or packed (§2.8): the driver's half of a ring shared with a
 * device. Pure memory and arithmetic: it knows neither PCI nor packets, and is tested on the host.
 *
 * What runs for every packet is inline: here where it is the same for both, in vq_split.h and
 * vq_packed.h where it is not. The layouts are in vq_ring.h; setting up and starting over in
 * virtqueue.c. A typical call sequence:
 *
 *   vq_init(vq, &config, memory);            the transport tells the device where it is
 *
 *   if (!vq_chain_begin(vq, &chain, n))      n descriptors, or the ring is full
 *       ...
 *   vq_chain_put(vq, &chain, dma, bytes, 0); n times
 *   vq_chain_end(vq, &chain, token);         (one buffer: vq_add_writable(), vq_add_readable())
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

#include "vq_packed.h"
#include "vq_split.h"

/* What was negotiated, and what the caller wants. */
struct vq_config {
    unsigned size;        /* descriptors: a power of two, 1 to VQ_SIZE_MAX */
    bool packed;          /* VIRTIO_F_RING_PACKED */
    bool event_idx;       /* VIRTIO_F_EVENT_IDX */
    unsigned table_descs; /* VIRTIO_F_INDIRECT_DESC: chains of up to so many descriptors (at most
                             `size`) get a table, and take one descriptor of the ring; else 0 */
};

/* Bytes of memory for such a queue: what is shared first, then the driver's own. */
size_t vq_bytes(const struct vq_config *config);

/*
 * Make an empty queue, interrupts masked, in `memory`: vq_bytes(config) bytes, physically
 * contiguous, aligned to 64 bytes, in the direct map. Boot.
 */
void vq_init(struct virtqueue *vq, const struct vq_config *config, void *memory);

/* Whether it was made so: a device that was reset must be told of the same again. */
bool vq_is(const struct virtqueue *vq, const struct vq_config *config);

/*
 * Start over after the device has been reset (it touches nothing any more): the ring is empty,
 * interrupts masked. Chains that were outstanding are detached: the queue takes no new ones until
 * vq_detach() has given every token back.
 */
void vq_reset(struct virtqueue *vq);

/* The token of a detached chain, or NULL when there are no more. */
void *vq_detach(struct virtqueue *vq);

static inline unsigned vq_size(const struct virtqueue *vq)
{
    return vq->mask + 1u;
}

/* Descriptors of the ring that can be used now. */
static inline unsigned vq_free_slots(const struct virtqueue *vq)
{
    return vq->free_count;
}

/* Chains that were added and whose token has not come back. */
static inline unsigned vq_outstanding(const struct virtqueue *vq)
{
    return (uint16_t)(vq->avail_idx - vq->used_idx) + vq->detached;
}

/* ---- Adding ---- */

/* One buffer of one descriptor that the device is to write: what a receive ring is filled with.
 * There must be a free slot. */
static inline void vq_add_writable(struct virtqueue *vq, uint64_t dma, uint32_t bytes, void *token)
{
    ASSERT(vq->free_count != 0 && token != NULL);
    if (vq->packed)
        vq_packed_add(vq, dma, bytes, VQ_DESC_F_WRITE, token);
    else
        vq_split_add(vq, dma, bytes, VQ_DESC_F_WRITE, token);
}

/* The same for one that it is to read: a chain of one, in fewer steps. False: the ring is full. */
static inline bool vq_add_readable(struct virtqueue *vq, uint64_t dma, uint32_t bytes, void *token)
{
    if (unlikely(vq->free_count == 0))
        return false;
    ASSERT(token != NULL);
    if (vq->packed)
        vq_packed_add(vq, dma, bytes, 0, token);
    else
        vq_split_add(vq, dma, bytes, 0, token);
    return true;
}

/* Begin a chain of `count` (at least 1) descriptors. Returns false, and has done nothing, when
 * there is no room for it. */
static inline bool vq_chain_begin(const struct virtqueue *vq, struct vq_chain *chain,
                                  unsigned count)
{
    bool table = vq_takes_table(vq, count) && vq->free_count != 0;

    if (unlikely(!table && count > vq->free_count))
        return false;
    chain->left = (uint16_t)count;
    chain->count = table ? 1 : (uint16_t)count;
    chain->table_count = table ? (uint16_t)count : 0;
    chain->writable = 0;
    chain->last = 0;
    chain->packed = vq->packed;
    if (chain->packed)
        vq_packed_begin(vq, chain, table);
    else
        vq_split_begin(vq, chain, table);
    return true;
}

/* The next buffer; what the device writes (VQ_DESC_F_WRITE in flags) comes after all that it
 * reads (§2.7.4.2, §2.8.17). */
static inline void vq_chain_put(struct virtqueue *vq, struct vq_chain *chain, uint64_t dma,
                                uint32_t bytes, uint16_t flags)
{
    if (chain->packed)
        vq_packed_put(vq, chain, dma, bytes, flags);
    else
        vq_split_put(chain, dma, bytes, flags);
    if (flags & VQ_DESC_F_WRITE)
        chain->writable += bytes;
}

/* All `count` buffers have been put; token (not NULL) comes back from vq_pop(). */
static inline void vq_chain_end(struct virtqueue *vq, struct vq_chain *chain, void *token)
{
    ASSERT(chain->left == 0 && token != NULL);
    if (chain->packed)
        vq_packed_end(vq, chain, token);
    else
        vq_split_end(vq, chain, token);
}

/* ---- Telling the device ---- */

/* Show the device what was added. Returns false when that is nothing. */
static inline bool vq_publish(struct virtqueue *vq)
{
    if (vq->published == vq->avail_idx)
        return false;
    if (vq->packed)
        vq_packed_publish(vq);
    else
        vq_split_publish(vq);
    vq->published = vq->avail_idx;
    return true;
}

/* After vq_publish(): whether the device wants to be notified of what was published since the last
 * time that this was asked. */
static inline bool vq_kick_needed(struct virtqueue *vq)
{
    /* §2.7.13.4.1, §2.8.21.2: what was published before what the device wants. It asks to be told,
     * and looks again; were our load to pass our store, both sides could miss the other's. */
    dma_mb();
    return vq->packed ? vq_packed_kick_needed(vq) : vq_split_kick_needed(vq);
}

/* ---- Taking ---- */

/* Look anew how far the device has come: are there used chains that vq_pop() has not returned? */
static inline bool vq_look(struct virtqueue *vq)
{
    return vq->packed ? vq_packed_look(vq) : vq_split_look(vq);
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
static inline __attribute__((always_inline)) void *vq_pop(struct virtqueue *vq, uint32_t *bytes)
{
    struct vq_slot *slot;
    uint32_t id, len;
    void *token;

    if (!vq_pending(vq))
        return NULL;
    id = vq->packed ? vq_packed_used(vq, &len) : vq_split_used(vq, &len);
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
    vq->used_pos += slot->count;
    vq->used_idx++;
    return token;
}

/* ---- Its interrupt ---- */

/* Mask the queue's interrupt. Only a hint to the device (§2.7.7): one more may still come, now and
 * then with event indices. Any context: it is one store. */
static inline void vq_irq_disable(struct virtqueue *vq)
{
    if (vq->packed)
        vq_packed_irq_disable(vq);
    else
        vq_split_irq_disable(vq);
}

/*
 * Unmask it, and look again: true when chains were used before the device could see that, so
 * that no interrupt will come for them. (The lecture's "NAPI polling": "polling stops and
 * interrupts are enabled again"; this is the moment between the two.)
 */
static inline bool vq_irq_enable(struct virtqueue *vq)
{
    if (vq->packed)
        vq_packed_irq_enable(vq);
    else
        vq_split_irq_enable(vq);
    /* §2.7.14, §2.8.22: our wish is in memory before the ring is read. Either the device saw it,
     * and interrupts, or we see what it used. */
    dma_mb();
    return vq_pending(vq);
}

/*
 * For who never masks it: to be called when all used chains have been popped, for the next one to
 * interrupt, too. With event indices each interrupt has to be asked for; else there is nothing to
 * do. True as vq_irq_enable().
 */
static inline bool vq_irq_rearm(struct virtqueue *vq)
{
    return vq->event_idx && vq_irq_enable(vq);
}

/* ---- For who watches it. All count chains modulo 65536, in this order. ---- */

static inline uint16_t vq_added(const struct virtqueue *vq)
{
    return vq->avail_idx;
}

static inline uint16_t vq_published(const struct virtqueue *vq)
{
    return vq->published;
}

/* What the device is done with, by its own word: not checked. */
uint16_t vq_used(const struct virtqueue *vq);

/* The same, as far as it was checked by vq_look(), vq_pending() or vq_pop(). */
static inline uint16_t vq_seen(const struct virtqueue *vq)
{
    return vq->used_seen;
}

static inline uint16_t vq_taken(const struct virtqueue *vq)
{
    return vq->used_idx;
}

/* Whether the interrupt is not masked, or with event indices: whether one will come for one of the
 * chains that are next. */
bool vq_irq_on(const struct virtqueue *vq);

#endif
