/*
 * The buddy allocator's arithmetic: page numbers in, page numbers out, never a look at the pages
 * themselves. Pure code; page_alloc.c is its one user.
 */
#ifndef KERNEL_BUDDY_H
#define KERNEL_BUDDY_H

#include <boot/bootinfo.h>
#include <kernel/lib.h>
#include <kernel/page.h>

#define BUDDY_ZONES_MAX 16
#define BUDDY_NIL       ((1u << 29) - 1) /* no page: so at most 2 TiB of RAM are managed */

/* Zones are this far apart at least: over a smaller gap, metadata costs less than a zone. */
#define BUDDY_ZONE_GAP_BYTES (64ull << 20)

enum buddy_state {
    BUDDY_NONE, /* not the first page of a block, or not ours */
    BUDDY_FREE, /* first page of a free block: in the list of its order */
    BUDDY_USED, /* first page of a block that is handed out */
};

/* Metadata of one page; next and prev are indices too, since 64 bits is all that it may take. */
struct buddy_page {
    uint64_t next : 29;
    uint64_t prev : 29;
    uint64_t order : 4;
    uint64_t state : 2;
};

_Static_assert(sizeof(struct buddy_page) == 8, "8 bytes of metadata for each page of 4096");

/* A stretch of physical memory without a large hole. */
struct buddy_zone {
    uint64_t first_pfn, end_pfn; /* page frame number: physical address / 4096 */
    uint32_t first_index;        /* of first_pfn's metadata */
};

struct buddy {
    struct buddy_zone zones[BUDDY_ZONES_MAX];
    unsigned zone_count;
    uint32_t page_count; /* pages that have metadata */
    struct buddy_page *pages;
    uint32_t heads[PAGE_ORDER_MAX + 1]; /* free blocks by order: a page index, or BUDDY_NIL */
    uint64_t free_pages;
};

/*
 * Lay out zones over the free ranges (of either kind) of a sorted map. Returns the bytes of
 * metadata that buddy_start() will need. *left_out_pages: pages for which there was no zone left.
 */
uint64_t buddy_plan(struct buddy *buddy, const struct boot_mem_range *map, uint64_t count,
                    uint64_t *left_out_pages);

void buddy_start(struct buddy *buddy, struct buddy_page *metadata);

/* Pages that are free from the start. Those outside the zones, and page 0, are passed over. */
void buddy_add(struct buddy *buddy, uint64_t first_pfn, uint64_t end_pfn);

/* The first page of 2^order, aligned to their size; 0 when there are none. */
uint64_t buddy_alloc(struct buddy *buddy, unsigned order);

/* Panics unless it is a block that was handed out with that order and not yet freed. */
void buddy_free(struct buddy *buddy, uint64_t pfn, unsigned order);

/* The order that a block was handed out with; panics likewise. */
unsigned buddy_order(const struct buddy *buddy, uint64_t pfn);

#endif
