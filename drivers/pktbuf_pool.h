/* The pool behind drivers/pktbuf.h, for the driver's refill loop: no call for each buffer. The
 * caller has asserted that it is a bottom half. */
#ifndef DRIVERS_PKTBUF_POOL_H
#define DRIVERS_PKTBUF_POOL_H

#include <drivers/pktbuf.h>
#include <kernel/panic.h>

struct pktbuf_pool {
    struct pktbuf *head; /* LIFO: what was freed last is still in the cache */
    unsigned free, total;
    uint64_t empty;
};
extern struct pktbuf_pool pktbuf_pool;

static inline struct pktbuf *pktbuf_pool_get(void)
{
    struct pktbuf *buf = pktbuf_pool.head;

    if (unlikely(buf == NULL)) {
        pktbuf_pool.empty++;
        return NULL;
    }
    ASSERT(buf->owner == PKTBUF_POOL);
    buf->owner = PKTBUF_HELD;
    buf->frame = (uint8_t *)buf + PKTBUF_FRAME_OFFSET;
    pktbuf_pool.head = buf->next;
    pktbuf_pool.free--;
    return buf;
}

static inline void pktbuf_pool_put(struct pktbuf *buf)
{
    ASSERT(buf->owner == PKTBUF_HELD);
    buf->owner = PKTBUF_POOL;
    buf->next = pktbuf_pool.head;
    pktbuf_pool.head = buf;
    pktbuf_pool.free++;
}

/* The buffer goes to the device, or comes back from it. */
static inline void pktbuf_to_device(struct pktbuf *buf)
{
    ASSERT(buf->owner == PKTBUF_HELD);
    buf->owner = PKTBUF_DEVICE;
}

static inline void pktbuf_from_device(struct pktbuf *buf)
{
    ASSERT(buf->owner == PKTBUF_DEVICE);
    buf->owner = PKTBUF_HELD;
}

#endif
