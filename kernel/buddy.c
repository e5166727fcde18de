/*
 * A binary buddy allocator (Knuth, The Art of Computer Programming vol 1 §2.5): blocks of 2^order
 * pages, aligned to their size; a freed block is merged with its buddy, the other half of the
 * next larger block, while that one is free too.
 *
 * All of its state is in the metadata, and every block that a caller names is checked there.
 */
#include "buddy.h"
#include <kernel/panic.h>
#include <string.h>

static const struct buddy_zone *zone_of(const struct buddy *buddy, uint64_t pfn)
{
    for (unsigned i = 0; i < buddy->zone_count; i++) {
        const struct buddy_zone *zone = &buddy->zones[i];

        if (pfn >= zone->first_pfn && pfn < zone->end_pfn)
            return zone;
    }
    return NULL;
}

static uint32_t index_of(const struct buddy_zone *zone, uint64_t pfn)
{
    return zone->first_index + (uint32_t)(pfn - zone->first_pfn);
}

static uint64_t pfn_of(const struct buddy *buddy, uint32_t index)
{
    unsigned i = buddy->zone_count - 1;

    while (index < buddy->zones[i].first_index)
        i--;
    return buddy->zones[i].first_pfn + (index - buddy->zones[i].first_index);
}

static void list_push(struct buddy *buddy, uint32_t index, unsigned order)
{
    uint32_t next = buddy->heads[order];

    buddy->pages[index] =
        (struct buddy_page){ .next = next, .prev = BUDDY_NIL, .order = order, .state = BUDDY_FREE };
    if (next != BUDDY_NIL)
        buddy->pages[next].prev = index;
    buddy->heads[order] = index;
}

static void list_remove(struct buddy *buddy, uint32_t index)
{
    struct buddy_page *page = &buddy->pages[index];

    if (page->prev != BUDDY_NIL)
        buddy->pages[page->prev].next = page->next;
    else
        buddy->heads[page->order] = page->next;
    if (page->next != BUDDY_NIL)
        buddy->pages[page->next].prev = page->prev;
    page->state = BUDDY_NONE;
}

/* Extend the last zone over a range, or begin one. False: no zone is left, or no index. */
static bool plan_range(struct buddy *buddy, uint64_t first_pfn, uint64_t end_pfn)
{
    struct buddy_zone *last = buddy->zone_count > 0 ? &buddy->zones[buddy->zone_count - 1] : NULL;
    bool extend = last != NULL && first_pfn >= last->end_pfn &&
                  (first_pfn - last->end_pfn) * PAGE_SIZE < BUDDY_ZONE_GAP_BYTES;
    uint64_t added = end_pfn - (extend ? last->end_pfn : first_pfn);

    if (added >= BUDDY_NIL - buddy->page_count)
        return false;
    if (extend) {
        last->end_pfn = end_pfn;
    } else {
        if (buddy->zone_count == BUDDY_ZONES_MAX)
            return false;
        buddy->zones[buddy->zone_count++] =
            (struct buddy_zone){ first_pfn, end_pfn, buddy->page_count };
    }
    buddy->page_count += (uint32_t)added;
    return true;
}

uint64_t buddy_plan(struct buddy *buddy, const struct boot_mem_range *map, uint64_t count,
                    uint64_t *left_out_pages)
{
    memset(buddy, 0, sizeof(*buddy));
    *left_out_pages = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t pages = map[i].bytes / PAGE_SIZE;

        if ((map[i].type != BOOT_MEM_FREE && map[i].type != BOOT_MEM_FREE_CODE) || pages == 0)
            continue;
        if (!plan_range(buddy, map[i].base / PAGE_SIZE, map[i].base / PAGE_SIZE + pages))
            *left_out_pages += pages;
    }
    return (uint64_t)buddy->page_count * sizeof(struct buddy_page);
}

void buddy_start(struct buddy *buddy, struct buddy_page *metadata)
{
    buddy->pages = metadata;
    memset(metadata, 0, (size_t)buddy->page_count * sizeof(*metadata)); /* all BUDDY_NONE */
    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++)
        buddy->heads[order] = BUDDY_NIL;
}

/* A block that is nobody's to the lists, merged as far as it goes. */
static void release(struct buddy *buddy, const struct buddy_zone *zone, uint64_t pfn,
                    unsigned order)
{
    buddy->free_pages += 1ull << order;
    for (; order < PAGE_ORDER_MAX; order++) {
        uint64_t other = pfn ^ (1ull << order);
        const struct buddy_page *page;

        if (other < zone->first_pfn || other >= zone->end_pfn)
            break;
        page = &buddy->pages[index_of(zone, other)];
        if (page->state != BUDDY_FREE || page->order != order)
            break;
        list_remove(buddy, index_of(zone, other));
        pfn &= ~(1ull << order);
    }
    list_push(buddy, index_of(zone, pfn), order);
}

void buddy_add(struct buddy *buddy, uint64_t first_pfn, uint64_t end_pfn)
{
    uint64_t pfn = MAX(first_pfn, 1ull); /* page 0 is nobody's: its address would be NULL */

    while (pfn < end_pfn) {
        const struct buddy_zone *zone = zone_of(buddy, pfn);
        unsigned order = 0;

        if (zone == NULL)
            return; /* a range has one zone or none */
        while (order < PAGE_ORDER_MAX && pfn % (2ull << order) == 0 &&
               end_pfn - pfn >= 2ull << order)
            order++;
        release(buddy, zone, pfn, order);
        pfn += 1ull << order;
    }
}

uint64_t buddy_alloc(struct buddy *buddy, unsigned order)
{
    unsigned from = order;
    uint32_t index;

    ASSERT(order <= PAGE_ORDER_MAX);
    while (from <= PAGE_ORDER_MAX && buddy->heads[from] == BUDDY_NIL)
        from++;
    if (from > PAGE_ORDER_MAX)
        return 0;
    index = buddy->heads[from];
    list_remove(buddy, index);
    while (from > order) { /* the upper halves stay free */
        from--;
        list_push(buddy, index + (1u << from), from);
    }
    buddy->pages[index].order = order & 15;
    buddy->pages[index].state = BUDDY_USED;
    buddy->free_pages -= 1ull << order;
    return pfn_of(buddy, index);
}

static uint32_t used_block(const struct buddy *buddy, uint64_t pfn)
{
    const struct buddy_zone *zone = zone_of(buddy, pfn);
    uint32_t index;

    if (zone == NULL)
        panic("page_free: 0x%llx is no RAM of ours", (unsigned long long)(pfn * PAGE_SIZE));
    index = index_of(zone, pfn);
    if (buddy->pages[index].state != BUDDY_USED)
        panic("page_free: 0x%llx is not the start of a block in use (freed twice?)",
              (unsigned long long)(pfn * PAGE_SIZE));
    return index;
}

unsigned buddy_order(const struct buddy *buddy, uint64_t pfn)
{
    return (unsigned)buddy->pages[used_block(buddy, pfn)].order;
}

void buddy_free(struct buddy *buddy, uint64_t pfn, unsigned order)
{
    uint32_t index = used_block(buddy, pfn);

    if (buddy->pages[index].order != order)
        panic("page_free: 0x%llx was allocated with order %u and freed with %u",
              (unsigned long long)(pfn * PAGE_SIZE), (unsigned)buddy->pages[index].order, order);
    buddy->pages[index].state = BUDDY_NONE;
    release(buddy, zone_of(buddy, pfn), pfn, order);
}
