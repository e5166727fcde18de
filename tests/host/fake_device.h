/*
 * The device's side of a split virtqueue, played by the book (virtio 1.2 §2.7), and checking that
 * the driver does so too; and the means to break every rule. It finds the rings as a device does:
 * by their DMA addresses.
 */
#ifndef TESTS_FAKE_DEVICE_H
#define TESTS_FAKE_DEVICE_H

#include "virtqueue.h"

struct fake_queue {
    struct vq_desc *desc;
    struct vq_avail *avail;
    struct vq_used *used;
    unsigned size;
    uint16_t avail_seen; /* chains taken */
    uint16_t used_idx;   /* chains given back */
    bool *owned;         /* [size]: the device has the chain that begins there */
    unsigned interrupts; /* raised */
};

#define FAKE_CHAIN_MAX 64

struct fake_chain {
    uint16_t head;
    unsigned count;
    struct {
        uint8_t *data;
        uint32_t len;
        bool write;
    } seg[FAKE_CHAIN_MAX];
};

void *fake_from_dma(uint64_t dma);

void fake_queue_open(struct fake_queue *q, unsigned size, uint64_t desc, uint64_t avail,
                     uint64_t used);
void fake_queue_close(struct fake_queue *q);

/* The next chain that the driver made available; false when there is none. */
bool fake_take(struct fake_queue *q, struct fake_chain *chain);

/* Done with a chain: an entry, the index, and an interrupt if the driver wants one. */
void fake_use(struct fake_queue *q, uint16_t head, uint32_t len);

/* Take one, write these bytes over its segments, done. False when there is none. */
bool fake_deliver(struct fake_queue *q, const void *bytes, uint32_t len);

/* The same without any rule: whatever id and length. */
void fake_use_raw(struct fake_queue *q, uint32_t id, uint32_t len);

/* Called at every full barrier of the driver (barrier_hook.h), once each time it is set. */
extern void (*fake_at_barrier)(void);

#endif
