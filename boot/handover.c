/*
 * The page tables that the kernel starts on: all of RAM twice, where it is and in the direct map,
 * and the kernel at its own address. They live until the kernel has made its own, so rights are
 * not their business (Intel SDM vol 3 §4.5).
 */
#include "loader.h"

#define PTE_P  (1ull << 0)
#define PTE_W  (1ull << 1)
#define PTE_PS (1ull << 7)

#define PAGE    4096ull
#define SIZE_2M (2ull << 20)
#define SIZE_1G (1ull << 30)
#define ENTRIES 512u

static uint64_t index_at(uint64_t virt, unsigned level)
{
    return virt >> (12 + 9 * level) & (ENTRIES - 1);
}

/* Physical memory is identity-mapped by the firmware: a table's address is its pointer. */
static uint64_t *table(uint64_t entry)
{
    return (uint64_t *)(entry & ~(PAGE - 1));
}

static uint64_t *next_table(uint64_t *entry)
{
    if (!(*entry & PTE_P)) {
        uint64_t page = alloc_pages(PAGE);

        if (page == 0)
            return NULL;
        *entry = page | PTE_P | PTE_W;
    }
    return table(*entry);
}

/* One table of 512 GiB, in 2 MiB pages, that stands in the root twice. */
static BOOLEAN map_ram(uint64_t *root, uint64_t top)
{
    uint64_t *pdpt = next_table(&root[index_at(BOOT_PHYSMAP_BASE, 3)]);

    if (pdpt == NULL || top > ENTRIES * SIZE_1G)
        return FALSE;
    root[0] = root[index_at(BOOT_PHYSMAP_BASE, 3)];
    for (uint64_t phys = 0; phys < top; phys += SIZE_2M) {
        uint64_t *pd = next_table(&pdpt[index_at(phys, 2)]);

        if (pd == NULL)
            return FALSE;
        pd[index_at(phys, 1)] = phys | PTE_P | PTE_W | PTE_PS;
    }
    return TRUE;
}

static BOOLEAN map_kernel(uint64_t *root, const struct boot_info *info)
{
    for (uint64_t at = 0; at < info->kernel_bytes; at += PAGE) {
        uint64_t virt = info->kernel_virt + at;
        uint64_t *t = root;

        for (unsigned level = 3; level > 0; level--) {
            t = next_table(&t[index_at(virt, level)]);
            if (t == NULL)
                return FALSE;
        }
        t[index_at(virt, 0)] = (info->kernel_phys + at) | PTE_P | PTE_W;
    }
    return TRUE;
}

uint64_t handover_page_tables(const struct boot_info *info, uint64_t top)
{
    uint64_t root = alloc_pages(PAGE);

    if (top < 4 * SIZE_1G)
        top = 4 * SIZE_1G;
    if (root == 0 || !map_ram((uint64_t *)root, top) || !map_kernel((uint64_t *)root, info))
        return 0;
    return root;
}
