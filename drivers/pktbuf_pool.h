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
    uintptr_t low, high; /* all pages of the pool lie between, and perhaps others */
};
extern struct pktbuf_pool pktbuf_pool;

/* In debug builds (DEBUG=1) a free buffer is filled with this, and looked at when it is taken: the
 * device or anybody else wrote into what was not theirs. */
#ifdef TOPHALF_DEBUG
void pktbuf_poison(struct pktbuf *buf);
void pktbuf_check_poison(const struct pktbuf *buf);
#else
static inline void pktbuf_poison(struct pktbuf *buf)
{
    (void)buf;
}

static inline void pktbuf_check_poison(const struct pktbuf *buf)
{
    (void)buf;
}
#endif

static inline struct pktbuf *pktbuf_pool_get(void)
{
    struct pktbuf *buf = pktbuf_pool.head;

    if (unlikely(buf == NULL)) {
        pktbuf_pool.empty++;
        return NULL;
    }
    ASSERT(buf->owner == PKTBUF_POOL);
    pktbuf_check_poison(buf);
    buf->owner = PKTBUF_HELD;
    buf->frame = (uint8_t *)buf + PKTBUF_FRAME_OFFSET;
    pktbuf_pool.head = buf->next;
    pktbuf_pool.free--;
    return buf;
}

static inline void pktbuf_pool_put(struct pktbuf *buf)
{
    ASSERT(buf->owner == PKTBUF_HELD);
    if (unlikely(buf->tx_refs != 0)) {
        buf->owner = PKTBUF_LINGERS;
        return;
    }
    buf->owner = PKTBUF_POOL;
    pktbuf_poison(buf);
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
