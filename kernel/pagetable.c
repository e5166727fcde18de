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

#define ASSERT_RIGHTS(rights)                                                                      \
    ASSERT(((rights) & (MAP_WRITE | MAP_EXECUTE)) != (MAP_WRITE | MAP_EXECUTE))

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

/* The table that an entry leads to, made where there is none. 0: no memory. */
static uint64_t next_table(struct pagetable *pt, uint64_t *entry)
{
    if (!(*entry & PTE_PRESENT)) {
        uint64_t table = pt->new_table();

        if (table == 0)
            return 0;
        *entry = table | PTE_PRESENT | PTE_WRITE; /* the leaf alone decides the rights */
    }
    return *entry & PTE_ADDRESS;
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
        ASSERT(level == LEVELS - 1 || !(*entry & PTE_LARGE));
        table = next_table(pt, entry);
        if (table == 0)
            panic("paging: no memory for page tables");
    }
    ASSERT(!(*entry & PTE_PRESENT));
    *entry = phys | leaf_bits(rights, leaf);
}

void pagetable_map(struct pagetable *pt, uint64_t virt, uint64_t phys, uint64_t bytes,
                   unsigned rights)
{
    ASSERT((virt | phys | bytes) % PAGE_SIZE == 0);
    ASSERT((phys & ~PTE_ADDRESS) == 0 && bytes <= PTE_ADDRESS - phys);
    ASSERT_RIGHTS(rights);
    ASSERT(!(rights & MAP_ABSENT));
    while (bytes > 0) {
        unsigned level = leaf_level(pt, virt, phys, bytes);

        map_leaf(pt, virt, phys, level, rights);
        virt += level_bytes(level);
        phys += level_bytes(level);
        bytes -= level_bytes(level);
    }
}

/* Cut a large page into 512 of the next size. The new table is complete before it is seen. */
static bool split_leaf(struct pagetable *pt, uint64_t *entry, unsigned level)
{
    uint64_t fresh = pt->new_table(), bits = *entry & ~PTE_ADDRESS, phys = *entry & PTE_ADDRESS;
    uint64_t *table;

    if (fresh == 0)
        return false;
    table = pt->table(fresh);
    if (level == 1)
        bits &= ~PTE_LARGE; /* it is PAT in an entry of the last level */
    for (unsigned i = 0; i < 512; i++)
        table[i] = (phys + i * level_bytes(level - 1)) | bits;
    *(volatile uint64_t *)entry = fresh | PTE_PRESENT | PTE_WRITE;
    return true;
}

/* Tables down to the last level for one address. */
static bool split_at(struct pagetable *pt, uint64_t virt)
{
    uint64_t table = pt->root;

    for (unsigned level = LEVELS - 1; level > 0; level--) {
        uint64_t *entry = entry_in(pt, table, virt, level);

        if (level < LEVELS - 1 && (*entry & PTE_LARGE) && !split_leaf(pt, entry, level))
            return false;
        table = next_table(pt, entry);
        if (table == 0)
            return false;
    }
    return true;
}

bool pagetable_split(struct pagetable *pt, uint64_t virt, uint64_t bytes)
{
    uint64_t last = virt + bytes - 1;

    ASSERT((virt | bytes) % PAGE_SIZE == 0 && bytes > 0);
    for (uint64_t at = ALIGN_DOWN(virt, level_bytes(1));; at += level_bytes(1)) {
        if (!split_at(pt, at))
            return false;
        if (last - at < level_bytes(1))
            return true;
    }
}

/* An address's entry in the last level; asserts that there is one. */
static uint64_t *small_entry(struct pagetable *pt, uint64_t virt)
{
    uint64_t table = pt->root;

    for (unsigned level = LEVELS - 1; level > 0; level--) {
        uint64_t entry = *entry_in(pt, table, virt, level);

        ASSERT((entry & PTE_PRESENT) && (level == LEVELS - 1 || !(entry & PTE_LARGE)));
        table = entry & PTE_ADDRESS;
    }
    return entry_in(pt, table, virt, 0);
}

void pagetable_protect(struct pagetable *pt, uint64_t virt, uint64_t bytes, unsigned rights)
{
    ASSERT((virt | bytes) % PAGE_SIZE == 0);
    ASSERT_RIGHTS(rights);
    for (; bytes > 0; bytes -= PAGE_SIZE, virt += PAGE_SIZE) {
        uint64_t *entry = small_entry(pt, virt);
        uint64_t bits = leaf_bits(rights, 0);

        ASSERT(*entry != 0);
        if (rights & MAP_ABSENT)
            bits &= ~PTE_PRESENT;
        *(volatile uint64_t *)entry = (*entry & PTE_ADDRESS) | bits;
    }
}

/* The entry that decides about virt: false if nothing is mapped. *span: how much it covers. */
static bool look_up(const struct pagetable *pt, uint64_t virt, uint64_t *phys, uint64_t *span,
                    unsigned *rights)
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
        *phys = (entry & PTE_ADDRESS) + (virt & (*span - 1));
        *rights = (all & PTE_WRITE ? MAP_WRITE : 0) | (any & PTE_NX ? 0 : MAP_EXECUTE) |
                  (entry & PTE_PCD ? MAP_UNCACHED : 0);
        return true;
    }
}

bool pagetable_lookup(const struct pagetable *pt, uint64_t virt, uint64_t *phys, unsigned *rights)
{
    uint64_t span;

    return look_up(pt, virt, phys, &span, rights);
}

static uint64_t canonical(uint64_t virt)
{
    return (uint64_t)((int64_t)(virt << (64 - VIRTUAL_BITS)) >> (64 - VIRTUAL_BITS));
}

bool pagetable_next(const struct pagetable *pt, uint64_t *cursor, struct pagetable_range *out)
{
    const uint64_t end = 1ull << VIRTUAL_BITS;
    uint64_t at = *cursor, phys, span;
    unsigned rights;

    out->bytes = 0;
    for (; at < end; at += span) {
        bool mapped = look_up(pt, at, &phys, &span, &rights);

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
