/* 4-level paging: Intel SDM vol 3 §4.5, table 4-14 on; rights of a whole walk: §4.6. */
#include "pagetable.h"
#include <kernel/panic.h>

#define PTE_PRESENT (1ull << 0)
#define PTE_WRITE   (1ull << 1)
#define PTE_PWT     (1ull << 3)
#define PTE_PCD     (1ull << 4)
#define PTE_LARGE   (1ull << 7) /* in a PDPT or a PD: this is the page itself */
#define PTE_GLOBAL  (1ull << 8)
#define PTE_NX      (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull

#define LEVELS       4
#define VIRTUAL_BITS 48

static uint64_t level_bytes(unsigned level) /* what one entry covers; level 0: 4 KiB */
{
    return 1ull << (12 + 9 * level);
}

static uint64_t *entry_in(const struct pagetable *pt, uint64_t table, uint64_t virt, unsigned level)
{
    return &pt->table(table)[virt >> (12 + 9 * level) & 511];
}

static uint64_t leaf_bits(unsigned rights, unsigned level)
{
    uint64_t bits = PTE_PRESENT | PTE_GLOBAL;

    bits |= level > 0 ? PTE_LARGE : 0;
    bits |= rights & MAP_WRITE ? PTE_WRITE : 0;
    bits |= rights & MAP_EXECUTE ? 0 : PTE_NX;
    bits |= rights & MAP_UNCACHED ? PTE_PCD | PTE_PWT : 0; /* PAT entry 3: UC (cpu.c) */
    return bits;
}

/* The largest page that can be put here. */
static unsigned leaf_level(const struct pagetable *pt, uint64_t virt, uint64_t phys, uint64_t bytes)
{
    unsigned level = pt->page_1g ? 2 : 1;

    while (level > 0 &&
           (((virt | phys) & (level_bytes(level) - 1)) != 0 || bytes < level_bytes(level)))
        level--;
    return level;
}

static void map_leaf(struct pagetable *pt, uint64_t virt, uint64_t phys, unsigned leaf,
                     unsigned rights)
{
    uint64_t table = pt->root;
    uint64_t *entry;

    for (unsigned level = LEVELS - 1;; level--) {
        entry = entry_in(pt, table, virt, level);
        if (level == leaf)
            break;
        if (!(*entry & PTE_PRESENT)) /* the leaf alone decides the rights */
            *entry = pt->new_table() | PTE_PRESENT | PTE_WRITE;
        ASSERT(level == LEVELS - 1 || !(*entry & PTE_LARGE));
        table = *entry & PTE_ADDRESS;
    }
    ASSERT(!(*entry & PTE_PRESENT));
    *entry = phys | leaf_bits(rights, leaf);
}

void pagetable_map(struct pagetable *pt, uint64_t virt, uint64_t phys, uint64_t bytes,
                   unsigned rights)
{
    ASSERT((virt | phys | bytes) % PAGE_SIZE == 0);
    ASSERT((phys & ~PTE_ADDRESS) == 0 && bytes <= PTE_ADDRESS - phys);
    ASSERT((rights & (MAP_WRITE | MAP_EXECUTE)) != (MAP_WRITE | MAP_EXECUTE));
    while (bytes > 0) {
        unsigned level = leaf_level(pt, virt, phys, bytes);

        map_leaf(pt, virt, phys, level, rights);
        virt += level_bytes(level);
        phys += level_bytes(level);
        bytes -= level_bytes(level);
    }
}

/* The entry that decides about virt: false if nothing is mapped. *span: how much it covers. */
static bool look_up(const struct pagetable *pt, uint64_t virt, uint64_t *span, unsigned *rights)
{
    uint64_t table = pt->root, all = PTE_WRITE, any = 0;

    for (unsigned level = LEVELS - 1;; level--) {
        uint64_t entry = *entry_in(pt, table, virt, level);

        *span = level_bytes(level);
        if (!(entry & PTE_PRESENT))
            return false;
        all &= entry;
        any |= entry & PTE_NX;
        if (level > 0 && (level == LEVELS - 1 || !(entry & PTE_LARGE))) {
            table = entry & PTE_ADDRESS;
            continue;
        }
        *rights = (all & PTE_WRITE ? MAP_WRITE : 0) | (any & PTE_NX ? 0 : MAP_EXECUTE) |
                  (entry & PTE_PCD ? MAP_UNCACHED : 0);
        return true;
    }
}

static uint64_t canonical(uint64_t virt)
{
    return (uint64_t)((int64_t)(virt << (64 - VIRTUAL_BITS)) >> (64 - VIRTUAL_BITS));
}

bool pagetable_next(const struct pagetable *pt, uint64_t *cursor, struct pagetable_range *out)
{
    const uint64_t end = 1ull << VIRTUAL_BITS;
    uint64_t at = *cursor, span;
    unsigned rights;

    out->bytes = 0;
    for (; at < end; at += span) {
        bool mapped = look_up(pt, at, &span, &rights);

        if (out->bytes > 0) {
            if (!mapped || span != out->page_bytes || rights != out->rights)
                break;
        } else if (mapped) {
            *out = (struct pagetable_range){ canonical(at), 0, span, rights };
        } else {
            continue;
        }
        if (at == end / 2 && out->bytes > 0) /* the two halves are not neighbours */
            break;
        out->bytes += span;
    }
    *cursor = at;
    return out->bytes > 0;
}
