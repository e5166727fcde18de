/*
 * Physical pages and the address space.
 *
 * All RAM is seen at BOOT_PHYSMAP_BASE + physical in 2 MiB (or 1 GiB) pages, read/write and
 * never executable. Not mapped there: page 0, the kernel image (it has its own mapping, W^X),
 * what the firmware reserved. Read-only there: what the loader left (boot info, config,
 * site.tar), ACPI tables.
 */
#ifndef KERNEL_PAGE_H
#define KERNEL_PAGE_H

#include <boot/bootinfo.h>
#include <kernel/lib.h>

#define PAGE_ORDER_2M  9  /* the order of a 2 MiB block */
#define PAGE_ORDER_MAX 10 /* the largest block: 4 MiB */

static inline void *phys_to_virt(uint64_t phys)
{
    return (void *)(phys + BOOT_PHYSMAP_BASE);
}

/*
 * For large tables that nobody needs before paging_init(): they are no part of the image, for which
 * the loader must find room in one piece while the firmware still has most of a small memory;
 * zeroed pages come from the page allocator. Not for what a device reads or writes. (The section's
 * name is one of those that the compiler takes for .bss.)
 */
#define LATE_BSS __attribute__((section(".sbss.late")))

/* For addresses in the direct map only (all that page_alloc and kmalloc return). */
static inline uint64_t virt_to_phys(const void *virt)
{
    return (uint64_t)virt - BOOT_PHYSMAP_BASE;
}

/* physical = virtual - this, for addresses inside the kernel image. Set by page_init(). */
extern uint64_t kernel_image_offset;

/* What a device must be told for memory of the direct map or of the kernel image (constants in
 * .rodata may be sent by reference too). Contiguous within one object of either. */
static inline uint64_t dma_address(const void *virt)
{
    uint64_t v = (uint64_t)virt;

    return v >= BOOT_KERNEL_BASE ? v - kernel_image_offset : v - BOOT_PHYSMAP_BASE;
}

/* Take the firmware's memory map over: buddy allocator. Boot. */
void page_init(const struct boot_info *info);

/* Own page tables as described above, and the guard pages below the stacks. Boot. */
void paging_init(const struct boot_info *info);

/*
 * 2^order contiguous pages, aligned to their size; NULL when there are none. Not zeroed.
 * page_free() takes the order that the block was allocated with; what is not a block in use, or
 * has another order, panics. Softirq context, main with softirqs disabled, or boot (asserted).
 */
void *page_alloc(unsigned order);
void page_free(void *block, unsigned order);
unsigned page_order(const void *block); /* of a block in use; panics likewise. Any context. */

/* Where device registers are mapped. */
#define PAGING_MMIO_BASE 0xffffa00000000000ull
#define PAGING_MMIO_END  0xffffa08000000000ull

/* Map device memory uncached, for ever. Returns its address; panics when out of memory. Boot. */
volatile void *paging_map_mmio(uint64_t phys, uint64_t bytes);

struct page_stats {
    uint64_t total_bytes; /* RAM that the kernel was given: free at boot + its own image */
    uint64_t free_bytes;  /* in the buddy allocator */
};
void page_stats(struct page_stats *out);

#endif
