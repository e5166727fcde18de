/*
 * What split and packed virtqueues share: the layouts in memory that the device sees too, and the
 * driver's own account of a queue. The parts of virtqueue.h; nobody else includes this.
 */
#ifndef DRIVERS_VQ_RING_H
#define DRIVERS_VQ_RING_H

#include <kernel/barrier.h>
#include <kernel/lib.h>
#include <kernel/panic.h>

#define VQ_SIZE_MAX 32768u /* §2.7, §2.8.10.1; a power of two here in both */

/* ---- Shared with the device: little-endian, as this CPU is. ---- */

/* §2.7.5. Written by the driver, read by the device. */
struct vq_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};
#define VQ_DESC_F_NEXT     1u
#define VQ_DESC_F_WRITE    2u /* the device writes this one; without it, it reads */
#define VQ_DESC_F_INDIRECT 4u /* it holds a table of descriptors (§2.7.5.3, §2.8.7) */

/* §2.7.6. Written by the driver, read by the device. */
struct vq_avail {
    uint16_t flags;  /* 0 with VIRTIO_F_EVENT_IDX */
    uint16_t idx;    /* entries ever made available, modulo 65536 */
    uint16_t ring[]; /* [size], then used_event: interrupt for the entry of that number (§2.7.7) */
};
#define VQ_AVAIL_F_NO_INTERRUPT 1u

struct vq_used_elem {
    uint32_t id;  /* the chain's first descriptor */
    uint32_t len; /* bytes that the device wrote */
};

/* §2.7.8. Written by the device, read by the driver. */
struct vq_used {
    uint16_t flags;             /* means nothing with VIRTIO_F_EVENT_IDX */
    uint16_t idx;               /* entries ever used, modulo 65536 */
    struct vq_used_elem ring[]; /* [size], then avail_event: notify for that entry (§2.7.10) */
};
#define VQ_USED_F_NO_NOTIFY 1u

/* §2.8.13. Written by the driver, and over it by the device. */
struct vq_packed_desc {
    uint64_t addr;
    uint32_t len; /* of a used one: bytes that the device wrote */
    uint16_t id;
    uint16_t flags;
};
/* §2.8.1: available where AVAIL is, and USED is not, the wrap counter of whoever looks; used where
 * both are. Both counters begin as 1. */
#define VQ_DESC_F_AVAIL (1u << 7)
#define VQ_DESC_F_USED  (1u << 15)

/* §2.8.14: event suppression, one written by each side. */
struct vq_event {
    uint16_t off_wrap; /* an index into the ring, and in the top bit the wrap counter with it */
    uint16_t flags;
};
#define VQ_EVENT_WRAP      (1u << 15)
#define VQ_EVENT_F_ENABLE  0u
#define VQ_EVENT_F_DISABLE 1u
#define VQ_EVENT_F_DESC    2u /* for that descriptor; only with VIRTIO_F_EVENT_IDX */

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
_Static_assert(sizeof(struct vq_packed_desc) == 16, "virtio 1.2 §2.8.13");
_Static_assert(offsetof(struct vq_packed_desc, len) == 8 &&
                   offsetof(struct vq_packed_desc, id) == 12 &&
                   offsetof(struct vq_packed_desc, flags) == 14,
               "virtio 1.2 §2.8.13");
_Static_assert(sizeof(struct vq_event) == 4 && offsetof(struct vq_event, flags) == 2,
               "virtio 1.2 §2.8.14");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "no conversions are done");

/* ---- The driver's own: nothing here is ever read from shared memory. ---- */

/* What is known about the chain of an id. (In the split ring a chain's id is its first descriptor,
 * in the packed ring whatever we give it; tables belong to ids in both.) */
struct vq_slot {
    void *token;       /* what vq_pop() gives back; NULL: no chain is outstanding here */
    uint32_t writable; /* bytes that the device may have written */
    uint16_t last;     /* the last of the links that go back to the free list */
    uint16_t count;    /* descriptors that it takes in the ring */
};
_Static_assert(sizeof(struct vq_slot) == 16, "indexed by a shift");

struct virtqueue {
    union { /* the descriptor area (§2.7, §2.8) */
        struct vq_desc *desc;
        struct vq_packed_desc *ring;
    };
    union { /* the driver area */
        struct vq_avail *avail;
        struct vq_event *driver_event;
    };
    union { /* the device area */
        const struct vq_used *used;
        const struct vq_event *device_event;
    };
    struct vq_slot *slots;
    uint16_t *link; /* the successor of each descriptor, in its chain or on the free list; packed:
                       of each id, on the free list */

    uint16_t mask;       /* size - 1 */
    uint16_t free_head;  /* the free list is LIFO: what is still in the cache */
    uint16_t free_count; /* descriptors that are free */
    uint16_t avail_idx;  /* chains ever added */
    uint16_t published;  /* of these, what the device has been shown */
    uint16_t used_idx;   /* chains ever taken back */
    uint16_t
        used_seen;    /* the device's count when it was last looked at: no more looks until then */
    uint16_t decided; /* what had been shown when vq_kick_needed() last decided */

    bool packed, event_idx; /* as negotiated */
    bool broken;            /* the device broke the rules; see broken_why */

    /* Packed only: how many descriptors were ever added, shown, taken back, seen to be used. The
     * size is a power of two: the low bits are the index, the bit above them is the wrap counter's
     * opposite. */
    uint16_t avail_pos, published_pos, used_pos, seen_pos;
    uint16_t held_flags; /* of the first descriptor that is not shown yet */

    uint16_t detached;    /* tokens that vq_detach() has not given back yet */
    uint16_t detach_next; /* where it goes on looking */

    uint16_t table_descs;   /* the length of each indirect table; 0: there are none */
    uint16_t table_span;    /* chains of VQ_TABLE_FROM descriptors, and fewer than that many more */
    uint16_t *table_link;   /* the successor of each descriptor in a table */
    struct vq_desc *tables; /* one for each id */
    uint64_t tables_dma;
    const char *broken_why;
};

/* A chain that is being written. */
struct vq_chain {
    union {
        struct vq_desc *desc; /* what it is written to: the ring, or its table */
        struct vq_packed_desc *ring;
    };
    const uint16_t *link; /* split: the successor of each descriptor there */
    uint16_t next;        /* where the next one goes, there */
    uint16_t head, last;  /* split: its first and last descriptor. Packed: its id; unused */
    uint16_t head_flags;  /* packed: of its first descriptor, to be written last */
    uint16_t count, left; /* descriptors: in the ring, and still to be put */
    uint16_t table_count; /* descriptors in its table; 0: it has none */
    uint32_t writable;
    bool packed;
};

/* The device's table costs it a look-up more: chains this short go into the ring as they are. */
#define VQ_TABLE_FROM 3u

static inline bool vq_takes_table(const struct virtqueue *vq, unsigned count)
{
    return count - VQ_TABLE_FROM < vq->table_span; /* what is shorter wraps around */
}

/* A chain's indirect table. */
static inline void *vq_table(const struct virtqueue *vq, uint16_t id)
{
    return vq->tables + (size_t)id * vq->table_descs;
}

static inline uint64_t vq_table_dma(const struct virtqueue *vq, uint16_t id)
{
    return vq->tables_dma + (uint64_t)id * vq->table_descs * sizeof(struct vq_desc);
}

/* §2.7.10.1 (vring_need_event): was the other side's event among the entries from `old` to before
 * `now`? */
static inline bool vq_event_passed(uint16_t event, uint16_t now, uint16_t old)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

/* Declare the queue broken. */
void vq_break(struct virtqueue *vq, const char *why);

#endif
