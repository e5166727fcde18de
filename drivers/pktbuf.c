/*
 * The pool of packet buffers. Its memory is 2 MiB pages: 1024 slots each, so that the TLB holds
 * the whole pool in a few entries and no slot crosses a page. Nothing is ever given back to the
 * page allocator.
 */
#include "pktbuf_pool.h"
#include <kernel/context.h>
#include <kernel/meminfo.h>
#include <kernel/page.h>
#include <kernel/printk.h>
#include <string.h>

_Static_assert(offsetof(struct pktbuf, priv) == 64, "the driver's fields are one cache line");
_Static_assert(sizeof(struct pktbuf) == 64 + PKTBUF_PRIV, "the headroom follows the owner's area");
_Static_assert(PKTBUF_FRAME_OFFSET == sizeof(struct pktbuf) + PKTBUF_HEADROOM, "the frame's place");
_Static_assert(PKTBUF_FRAME_OFFSET % 64 == 0, "frames begin on a cache line");
_Static_assert(PKTBUF_FRAME_OFFSET + PKTBUF_FRAME_MAX + PKTBUF_TAIL == PKTBUF_SIZE,
               "the slot is used up");
_Static_assert(PAGE_2M % PKTBUF_SIZE == 0, "no slot crosses a page");

#define PER_PAGE  ((unsigned)(PAGE_2M / PKTBUF_SIZE))
#define PAGES_MAX 64u

struct pktbuf_pool pktbuf_pool;

#ifdef TOPHALF_DEBUG
#define POISON 0x6b

void pktbuf_poison(struct pktbuf *buf)
{
    memset((uint8_t *)buf + sizeof(*buf), POISON, PKTBUF_SIZE - sizeof(*buf));
}

void pktbuf_check_poison(const struct pktbuf *buf)
{
    const uint8_t *bytes = (const uint8_t *)buf;

    for (unsigned i = sizeof(*buf); i < PKTBUF_SIZE; i++)
        if (bytes[i] != POISON)
            panic("pktbuf: %p was written at byte %u after it was freed", (const void *)buf, i);
}
#endif

static uintptr_t pages[PAGES_MAX];
static unsigned page_count;

/* Last slot first, so that the first one is the first to be handed out. */
static void add_page(uint8_t *page)
{
    for (unsigned i = PER_PAGE; i-- > 0;) {
        struct pktbuf *buf = (void *)(page + (size_t)i * PKTBUF_SIZE);

        *buf = (struct pktbuf){ .phys = dma_address(buf), .owner = PKTBUF_HELD };
        pktbuf_pool_put(buf);
    }
    pktbuf_pool.total += PER_PAGE;
    if (page_count == 0 || (uintptr_t)page < pktbuf_pool.low)
        pktbuf_pool.low = (uintptr_t)page;
    pktbuf_pool.high = MAX(pktbuf_pool.high, (uintptr_t)page + PAGE_2M);
    pages[page_count++] = (uintptr_t)page;
}

bool pktbuf_pool_init(unsigned count)
{
    ASSERT_CONTEXT(CONTEXT_MAIN);
    page_count = 0;
    while (pktbuf_pool.total < count && page_count < PAGES_MAX) {
        void *page = page_alloc(PAGE_ORDER_2M);

        if (page == NULL) {
            printk("pktbuf: memory is short: %u of %u buffers", pktbuf_pool.total, count);
            return false;
        }
        add_page(page);
    }
    printk("pktbuf: %u buffers of %u bytes in 2 MiB pages", pktbuf_pool.total, PKTBUF_SIZE);
    return true;
}

struct pktbuf *pktbuf_alloc(void)
{
    ASSERT_BOTTOM_HALF();
    return pktbuf_pool_get();
}

void pktbuf_free(struct pktbuf *buf)
{
    ASSERT_BOTTOM_HALF();
    pktbuf_pool_put(buf);
}

/* The buffer that this lies in, or NULL. Sent from it is what an app answers by reference: rare. */
static struct pktbuf *containing(const void *data)
{
    uintptr_t at = (uintptr_t)data;

    if (likely(at - pktbuf_pool.low >= pktbuf_pool.high - pktbuf_pool.low))
        return NULL;
    for (unsigned i = 0; i < page_count; i++)
        if (at - pages[i] < PAGE_2M)
            return (struct pktbuf *)(at & ~(uintptr_t)(PKTBUF_SIZE - 1));
    return NULL;
}

void pktbuf_tx_begin(const void *data)
{
    struct pktbuf *buf = containing(data);

    if (unlikely(buf != NULL)) {
        ASSERT(buf->owner == PKTBUF_HELD && buf->tx_refs < UINT16_MAX);
        buf->tx_refs++;
    }
}

void pktbuf_tx_end(const void *data)
{
    struct pktbuf *buf = containing(data);

    if (likely(buf == NULL))
        return;
    ASSERT(buf->tx_refs > 0);
    buf->tx_refs--;
    if (buf->tx_refs == 0 && buf->owner == PKTBUF_LINGERS) {
        buf->owner = PKTBUF_HELD;
        pktbuf_pool_put(buf);
    }
}

void pktbuf_stats(struct pktbuf_stats *out)
{
    *out = (struct pktbuf_stats){ .total = pktbuf_pool.total,
                                  .free = pktbuf_pool.free,
                                  .empty = pktbuf_pool.empty };
}

static void packets_meminfo(struct meminfo *out)
{
    out->total_bytes = (uint64_t)pktbuf_pool.total * PKTBUF_SIZE;
    out->free_bytes = (uint64_t)pktbuf_pool.free * PKTBUF_SIZE;
    out->used_bytes = out->total_bytes - out->free_bytes;
}
MEMINFO_ROW(packets, "Packets", packets_meminfo);
