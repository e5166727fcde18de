/*
 * The page tables that the kernel starts on: all of RAM twice, where it is and in the direct map,
 * and the kernel at its own address. They live until the kernel has made its own, so rights are
 * not their business (Intel SDM vol 3 §4.5).
 */
#include "handover.h"

#include <stddef.h>

#define PTE_P  (1ull << 0)
#define PTE_W  (1ull << 1)
#define PTE_PS (1ull << 7)

#define PAGE      4096ull
#define SIZE_2M   (2ull << 20)
#define SIZE_1G   (1ull << 30)
#define SIZE_512G (512ull << 30)
#define ENTRIES   512u

/* Both begin in the middle of the root, or below: each half has entries of its own. */
_Static_assert(HANDOVER_TOP_MAX / SIZE_512G < ENTRIES / 2, "the direct map meets the kernel");

static uint64_t index_at(uint64_t virt, unsigned level)
{
    return virt >> (12 + 9 * level) & (ENTRIES - 1);
}

static uint64_t mapped_top(uint64_t top)
{
    return top < 4 * SIZE_1G ? 4 * SIZE_1G : top;
}

/* How many pieces of this size [from, to) touches. */
static uint64_t pieces(uint64_t from, uint64_t to, uint64_t size)
{
    return (to - 1) / size - from / size + 1;
}

uint64_t handover_bytes(const struct boot_info *info, uint64_t top)
{
    uint64_t kernel = info->kernel_virt, kernel_end = kernel + info->kernel_bytes;

    top = mapped_top(top);
    return PAGE * (1 + pieces(0, top, SIZE_512G) + pieces(0, top, SIZE_1G) +
                   pieces(kernel, kernel_end, SIZE_512G) + pieces(kernel, kernel_end, SIZE_1G) +
                   pieces(kernel, kernel_end, SIZE_2M));
}

/* The table that an entry leads to; a new one, the next page of the block, where there is none. */
static uint64_t *next_table(uint64_t *entry, uint64_t **unused)
{
    if (!(*entry & PTE_P)) {
        *entry = (uint64_t)*unused | PTE_P | PTE_W;
        *unused += ENTRIES;
    }
    return (uint64_t *)(*entry & ~(PAGE - 1));
}

/* The entry of the given level (0: a 4 KiB page, 1: a 2 MiB page) for an address. */
static uint64_t *entry_of(uint64_t *root, uint64_t virt, unsigned level, uint64_t **unused)
{
    uint64_t *table = root;

    for (unsigned l = 3; l > level; l--)
        table = next_table(&table[index_at(virt, l)], unused);
    return &table[index_at(virt, level)];
}

uint64_t handover_build(const struct boot_info *info, uint64_t top, void *block)
{
    uint64_t *root = block, *unused = root + ENTRIES;

    top = mapped_top(top);
    for (uint64_t phys = 0; phys < top; phys += SIZE_2M)
        *entry_of(root, BOOT_PHYSMAP_BASE + phys, 1, &unused) = phys | PTE_P | PTE_W | PTE_PS;
    /* The identity map is the direct map's tables, seen a second time. */
    for (uint64_t phys = 0; phys < top; phys += SIZE_512G)
        root[index_at(phys, 3)] = root[index_at(BOOT_PHYSMAP_BASE + phys, 3)];
    for (uint64_t at = 0; at < info->kernel_bytes; at += PAGE)
        *entry_of(root, info->kernel_virt + at, 0, &unused) =
            (info->kernel_phys + at) | PTE_P | PTE_W;
    return (uint64_t)root;
}
