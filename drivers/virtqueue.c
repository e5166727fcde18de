/* Split virtqueues: setting up, breaking, and starting over. See virtqueue.h. */
#include "virtqueue.h"
#include <string.h>

#define RING_ALIGN 64u /* §2.7 wants 16, 2 and 4; a cache line keeps the sides' writes apart */

/* Offsets into a queue's memory. */
struct layout {
    size_t avail, used, slots, link, end;
};

static struct layout layout_of(size_t size)
{
    struct layout at;

    at.avail = ALIGN_UP(size * sizeof(struct vq_desc), (size_t)RING_ALIGN);
    at.used = ALIGN_UP(at.avail + sizeof(struct vq_avail) + 2 * size + 2, (size_t)RING_ALIGN);
    at.slots = ALIGN_UP(at.used + sizeof(struct vq_used) + size * sizeof(struct vq_used_elem) + 2,
                        (size_t)RING_ALIGN);
    at.link = at.slots + size * sizeof(struct vq_slot);
    at.end = at.link + size * sizeof(uint16_t);
    return at;
}

size_t vq_bytes(unsigned size)
{
    return layout_of(size).end;
}

/* Every descriptor is free, the first one first. */
static void free_all(struct virtqueue *vq)
{
    unsigned size = vq->mask + 1u;

    for (unsigned i = 0; i < size; i++)
        vq->link[i] = (uint16_t)((i + 1) & vq->mask);
    vq->free_head = 0;
    vq->free_count = (uint16_t)size;
}

void vq_init(struct virtqueue *vq, unsigned size, void *memory)
{
    struct layout at = layout_of(size);
    uint8_t *base = memory;

    ASSERT(IS_POWER_OF_TWO(size) && size <= VQ_SIZE_MAX);
    ASSERT((uintptr_t)memory % RING_ALIGN == 0);
    memset(memory, 0, at.end);
    *vq = (struct virtqueue){ .desc = memory,
                              .avail = (void *)(base + at.avail),
                              .used = (void *)(base + at.used),
                              .slots = (void *)(base + at.slots),
                              .link = (void *)(base + at.link),
                              .mask = (uint16_t)(size - 1) };
    free_all(vq);
    vq_irq_disable(vq);
}

void vq_reset(struct virtqueue *vq)
{
    size_t size = vq->mask + 1u;

    vq->detached = (uint16_t)vq_outstanding(vq);
    vq->detach_next = 0;
    memset(vq->desc, 0, layout_of(size).slots); /* all that is shared */
    vq->avail_idx = vq->published = vq->used_idx = vq->used_seen = 0;
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
