/*
 * The device's side of a virtqueue, split or packed, played by the book (virtio 1.2 §2.7, §2.8),
 * and checking that the driver does so too; and the means to break every rule. It finds the rings
 * as a device does: by their DMA addresses.
 */
#ifndef TESTS_FAKE_DEVICE_H
#define TESTS_FAKE_DEVICE_H

#include "virtqueue.h"

/* What was negotiated. */
struct fake_queue_kind {
    bool packed, event_idx, indirect;
};

struct fake_queue {
    struct fake_queue_kind kind;
    union {
        struct vq_desc *desc;
        struct vq_packed_desc *ring;
    };
    union {
        struct vq_avail *avail;
        const struct vq_event *driver_event;
    };
    union {
        struct vq_used *used;
        struct vq_event *device_event;
    };
    unsigned size;
    uint16_t avail_seen; /* chains taken */
    uint16_t used_idx;   /* chains given back */
    bool *owned;         /* [size]: the device has the chain of that id */
    unsigned owned_count;
    unsigned interrupts; /* raised */

    /* packed */
    uint16_t avail_at, used_at; /* indices */
    bool avail_wrap, used_wrap;
    uint16_t *span;     /* [size]: how many descriptors the chain of that id takes in the ring */
    bool no_write_flag; /* used descriptors lack WRITE, as QEMU's do */
};

#define FAKE_CHAIN_MAX 64

struct fake_chain {
    uint16_t head; /* its id */
    unsigned count;
    bool indirect;
    struct {
        uint8_t *data;
        uint32_t len;
        bool write;
    } seg[FAKE_CHAIN_MAX];
};

void *fake_from_dma(uint64_t dma);

void fake_queue_open(struct fake_queue *q, struct fake_queue_kind kind, unsigned size,
                     uint64_t desc, uint64_t driver, uint64_t device);
void fake_queue_close(struct fake_queue *q);

/* The next chain that the driver made available; false when there is none: then
 * a device with event indices wants to be notified of the next one. */
bool fake_take(struct fake_queue *q, struct fake_chain *chain);

/* Whether the driver wants an interrupt for the next chain that is used. */
bool fake_wants_interrupt(const struct fake_queue *q);

/* The device wants to be notified of the next chain, or not. */
void fake_kicks(struct fake_queue *q, bool wanted);

/* Done with a chain: an entry, the index, and an interrupt if the driver wants one. */
void fake_use(struct fake_queue *q, uint16_t head, uint32_t len);

/* Take one, write these bytes over its segments, done. False when there is none. */
bool fake_deliver(struct fake_queue *q, const void *bytes, uint32_t len);

/* fake_use() without any rule: whatever id and length. */
void fake_use_raw(struct fake_queue *q, uint32_t id, uint32_t len);

/* Called at every full barrier of the driver (barrier_hook.h), once each time it is set. */
extern void (*fake_at_barrier)(void);

#endif
