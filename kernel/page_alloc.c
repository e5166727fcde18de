/*
 * Pages: the buddy allocator over this machine's RAM.
 *
 * Its metadata is the first thing that is taken from the free memory, before there is an
 * allocator to take it from. The loader's page tables are still live then; they are not in free
 * memory (boot/bootinfo.h).
 *
 * Where the firmware has run code comes last, when nothing else is free: an emulator keeps what it
 * has made of that code, and looks for it at each write there, which takes a millisecond for a
 * page (QEMU's TCG; it was 130 ms of the boot).
 */
#include "buddy.h"
#include "image.h"
#include <kernel/context.h>
#include <kernel/page.h>
#include <kernel/panic.h>
#include <kernel/printk.h>

#define LOW_MEMORY_END 0x100000ull /* left to the small: a start-up page of other CPUs, say */

uint64_t kernel_image_offset;

static struct buddy buddy;
static uint64_t total_bytes;

/* The loader's map, for what is still to be added of it. */
static struct {
    const struct boot_mem_range *map;
    uint64_t count, bytes; /* bytes: 0 when it is in use */
} last_resort;

static uint64_t image_bytes(void)
{
    return (uint64_t)(kernel_end - kernel_start);
}

/* The first free range with room, so that the large ones behind it stay whole. */
static uint64_t place_metadata(const struct boot_mem_range *map, uint64_t count, uint64_t bytes)
{
    for (uint64_t i = 0; i < count; i++)
        if (map[i].type == BOOT_MEM_FREE && map[i].base >= LOW_MEMORY_END && map[i].bytes >= bytes)
            return map[i].base;
    panic("page: no room for %llu KiB of page metadata", (unsigned long long)bytes / 1024);
}

static uint64_t add_free(const struct boot_mem_range *map, uint64_t count, enum boot_mem_type type,
                         uint64_t taken, uint64_t taken_bytes)
{
    uint64_t bytes = 0;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t base = map[i].base;

        if (map[i].type != type)
            continue;
        bytes += map[i].bytes;
        if (base == taken)
            base += taken_bytes;
        buddy_add(&buddy, base / PAGE_SIZE, (map[i].base + map[i].bytes) / PAGE_SIZE);
    }
    return bytes;
}

static uint64_t code_bytes(const struct boot_mem_range *map, uint64_t count)
{
    uint64_t bytes = 0;

    for (uint64_t i = 0; i < count; i++)
        if (map[i].type == BOOT_MEM_FREE_CODE)
            bytes += map[i].bytes;
    return bytes;
}

/* True when there is more now than there was. */
static bool add_last_resort(void)
{
    if (last_resort.bytes == 0)
        return false;
    last_resort.bytes = 0;
    add_free(last_resort.map, last_resort.count, BOOT_MEM_FREE_CODE, 0, 0);
    return true;
}

void page_init(const struct boot_info *info)
{
    const struct boot_mem_range *map = phys_to_virt(info->mem_map);
    uint64_t metadata, metadata_bytes, left_out, free_bytes;

    kernel_image_offset = info->kernel_virt - info->kernel_phys;
    metadata_bytes = buddy_plan(&buddy, map, info->mem_map_count, &left_out);
    metadata_bytes = ALIGN_UP(metadata_bytes, (uint64_t)PAGE_SIZE);
    metadata = place_metadata(map, info->mem_map_count, metadata_bytes);
    buddy_start(&buddy, phys_to_virt(metadata));
    free_bytes = add_free(map, info->mem_map_count, BOOT_MEM_FREE, metadata, metadata_bytes);
    last_resort.map = map;
    last_resort.count = info->mem_map_count;
    last_resort.bytes = code_bytes(map, info->mem_map_count);
    free_bytes += last_resort.bytes;

    total_bytes = free_bytes - left_out * PAGE_SIZE + image_bytes();
    printk("page: %llu MiB of RAM, %llu MiB free, %llu KiB for page metadata",
           (unsigned long long)total_bytes >> 20,
           (unsigned long long)(buddy.free_pages * PAGE_SIZE + last_resort.bytes) >> 20,
           (unsigned long long)metadata_bytes / 1024);
    if (left_out > 0)
        printk("page: %llu MiB of scattered RAM are left out",
               (unsigned long long)(left_out * PAGE_SIZE) >> 20);
}

void *page_alloc(unsigned order)
{
    uint64_t pfn;

    ASSERT(context_may_allocate());
    pfn = buddy_alloc(&buddy, order);
    if (unlikely(pfn == 0) && add_last_resort())
        pfn = buddy_alloc(&buddy, order);
    return pfn != 0 ? phys_to_virt(pfn * PAGE_SIZE) : NULL;
}

void page_free(void *block, unsigned order)
{
    uint64_t phys = virt_to_phys(block);

    ASSERT(context_may_allocate());
    ASSERT(phys % PAGE_SIZE == 0);
    buddy_free(&buddy, phys / PAGE_SIZE, order);
}

unsigned page_order(const void *block)
{
    uint64_t phys = virt_to_phys(block);

    ASSERT(phys % PAGE_SIZE == 0);
    return buddy_order(&buddy, phys / PAGE_SIZE);
}

void page_stats(struct page_stats *out)
{
    out->total_bytes = total_bytes;
    out->free_bytes = buddy.free_pages * PAGE_SIZE + last_resort.bytes;
}
