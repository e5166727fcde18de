/*
 * The kernel's address space, as page.h describes it: built once from the linker's symbols and
 * the boot map, and then changed for device registers, and for memory that programs are compiled
 * into (exec.c).
 *
 * Sources: Intel SDM vol 3 §4.5 (tables), §4.10.4 (what flushes the TLB).
 */
#include "image.h"
#include "paging.h"
#include "stacks.h"
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/exec.h>
#include <kernel/page.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <string.h>

#define CR3_ADDRESS 0x000ffffffffff000ull
#define CR4_PGE     (1ul << 7)

static struct pagetable tables;
static uint64_t mmio_next = PAGING_MMIO_BASE;
static unsigned table_count;

static uint64_t new_table(void)
{
    void *page = page_alloc(0);

    if (page == NULL)
        return 0;
    memset(page, 0, PAGE_SIZE);
    table_count++;
    return virt_to_phys(page);
}

static uint64_t *table_at(uint64_t phys)
{
    return phys_to_virt(phys);
}

static void map_image(uint64_t start, uint64_t end, unsigned rights)
{
    pagetable_map(&tables, start, start - kernel_image_offset, end - start, rights);
}

/* The data segment, less the page below each stack (in entry.S's order, at its end). */
static void map_data(void)
{
    uint64_t start = (uint64_t)data_start;

    for (unsigned i = 0; i < STACK_COUNT; i++) {
        uint64_t guard = kernel_stacks[i].bottom - PAGE_SIZE;

        ASSERT(guard >= start && kernel_stacks[i].top <= (uint64_t)data_end);
        map_image(start, guard, MAP_WRITE);
        start = kernel_stacks[i].bottom;
    }
    map_image(start, (uint64_t)data_end, MAP_WRITE);
}

/* LATE_BSS, in blocks as large as there are and as fit. */
static void map_late(void)
{
    uint64_t virt = (uint64_t)late_start, end = (uint64_t)late_end;
    unsigned order = PAGE_ORDER_2M;

    while (virt < end) {
        uint64_t bytes = (uint64_t)PAGE_SIZE << order;
        void *block = NULL;

        if (virt % bytes == 0 && end - virt >= bytes)
            block = page_alloc(order);
        if (block == NULL) {
            if (order == 0)
                panic("paging: no memory for %llu KiB of tables; give the machine more",
                      (unsigned long long)((end - virt) >> 10));
            order--;
            continue;
        }
        memset(block, 0, bytes);
        pagetable_map(&tables, virt, virt_to_phys(block), bytes, MAP_WRITE);
        virt += bytes;
        order = MIN(order + 1, (unsigned)PAGE_ORDER_2M); /* the next one may be better aligned */
    }
}

/*
 * Not the kernel: that would be a second, writable view of it. Not what the firmware reserved:
 * it has no business with us, and some of it is no RAM but device registers (q35's ECAM).
 */
static bool is_in_direct_map(uint32_t type)
{
    return type == BOOT_MEM_FREE || type == BOOT_MEM_FREE_CODE || type == BOOT_MEM_LOADER ||
           type == BOOT_MEM_ACPI;
}

static unsigned direct_map_rights(uint32_t type)
{
    return type == BOOT_MEM_FREE || type == BOOT_MEM_FREE_CODE ? MAP_WRITE : 0;
}

static void map_direct(const struct boot_mem_range *map, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t base = MAX(map[i].base, (uint64_t)PAGE_SIZE); /* never page 0 */
        uint64_t end = map[i].base + map[i].bytes;
        unsigned rights = direct_map_rights(map[i].type);

        if (!is_in_direct_map(map[i].type))
            continue;
        /* Neighbours with the same rights as one, so that large pages may span them. */
        while (i + 1 < count && map[i + 1].base == end && is_in_direct_map(map[i + 1].type) &&
               direct_map_rights(map[i + 1].type) == rights) {
            i++;
            end += map[i].bytes;
        }
        if (end > base)
            pagetable_map(&tables, BOOT_PHYSMAP_BASE + base, base, end - base, rights);
    }
}

static void load_tables(void)
{
    unsigned long cr4;

    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("movq %0, %%cr3" : : "r"(tables.root) : "memory");
    /* Global entries outlive that, so should the loader have made any, this drops them. */
    __asm__ volatile("movq %0, %%cr4" : : "r"(cr4 & ~CR4_PGE) : "memory");
    __asm__ volatile("movq %0, %%cr4" : : "r"(cr4 | CR4_PGE) : "memory");
}

void paging_init(const struct boot_info *info)
{
    const struct boot_mem_range *map = phys_to_virt(info->mem_map);

    ASSERT((uint64_t)(kernel_end - kernel_start) <= info->kernel_bytes);
    tables = (struct pagetable){ .page_1g = cpu_features.page_1g,
                                 .new_table = new_table,
                                 .table = table_at };
    tables.root = new_table();
    map_image((uint64_t)text_start, (uint64_t)text_end, MAP_EXECUTE);
    map_image((uint64_t)rodata_start, (uint64_t)rodata_end, 0);
    map_data();
    map_late();
    map_direct(map, info->mem_map_count);
    load_tables();
    ASSERT(paging_check_wx() == 0);
    printk("paging: W^X, %u page tables, direct map in pages of up to %s", table_count,
           cpu_features.page_1g ? "1 GiB" : "2 MiB");
}

volatile void *paging_map_mmio(uint64_t phys, uint64_t bytes)
{
    uint64_t offset = phys % PAGE_SIZE, size = ALIGN_UP(offset + bytes, (uint64_t)PAGE_SIZE);
    uint64_t virt = mmio_next;

    ASSERT_CONTEXT(CONTEXT_MAIN);
    if (size >= PAGE_2M) /* as far off a 2 MiB boundary as phys is: large pages fit */
        virt = ALIGN_UP(virt, (uint64_t)PAGE_2M) + (phys - offset) % PAGE_2M;
    if (bytes == 0 || bytes > PAGING_MMIO_END - PAGING_MMIO_BASE || phys >= 1ull << 52 ||
        virt + size >= PAGING_MMIO_END)
        panic("paging: can not map %llu bytes of device memory at 0x%llx",
              (unsigned long long)bytes, (unsigned long long)phys);
    pagetable_map(&tables, virt, phys - offset, size, MAP_WRITE | MAP_UNCACHED);
    mmio_next = virt + size + PAGE_SIZE; /* an overrun hits a hole, not another device */
    return (volatile void *)(virt + offset);
}

bool paging_split(uint64_t virt, uint64_t bytes)
{
    return pagetable_split(&tables, virt, bytes);
}

void paging_map(uint64_t virt, uint64_t phys, uint64_t bytes, unsigned rights)
{
    pagetable_map(&tables, virt, phys, bytes, rights);
}

/* One CPU: nobody else has an old translation. INVLPG drops that of the whole large page, where it
 * is from before a split, and serializes: what was written to the pages is what is executed. */
void paging_protect(uint64_t virt, uint64_t bytes, unsigned rights)
{
    pagetable_protect(&tables, virt, bytes, rights);
    for (uint64_t at = virt; at < virt + bytes; at += PAGE_SIZE)
        __asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
}

uint64_t paging_phys(uint64_t virt)
{
    uint64_t phys;
    unsigned rights;

    if (!pagetable_lookup(&tables, virt, &phys, &rights))
        panic("paging: nothing is mapped at 0x%llx", (unsigned long long)virt);
    return phys;
}

bool paging_next(uint64_t *cursor, struct pagetable_range *out)
{
    struct pagetable live = { .table = table_at };

    __asm__ volatile("movq %%cr3, %0" : "=r"(live.root));
    live.root &= CR3_ADDRESS;
    return pagetable_next(&live, cursor, out);
}

/* How many pages of an executable range can be written through the direct map. */
static uint64_t count_writable_views(const struct pagetable_range *range)
{
    uint64_t phys, pages = 0;
    unsigned rights;

    for (uint64_t at = 0; at < range->bytes; at += PAGE_SIZE) {
        phys = paging_phys(range->start + at);
        if (pagetable_lookup(&tables, BOOT_PHYSMAP_BASE + phys, &phys, &rights))
            pages += (rights & MAP_WRITE) != 0;
    }
    return pages;
}

uint64_t paging_check_wx(void)
{
    struct pagetable_range range;
    uint64_t cursor = 0, pages = 0;

    while (paging_next(&cursor, &range)) {
        if (!(range.rights & MAP_EXECUTE))
            continue;
        pages += range.rights & MAP_WRITE ? range.bytes / PAGE_SIZE : count_writable_views(&range);
    }
    return pages;
}

static bool is_between(uint64_t virt, const char *start, const char *end)
{
    return virt >= (uint64_t)start && virt < (uint64_t)end;
}

const char *paging_name(uint64_t virt)
{
    for (unsigned i = 0; i < STACK_COUNT; i++)
        if (virt >= kernel_stacks[i].bottom && virt < kernel_stacks[i].top)
            return kernel_stacks[i].name;
    if (is_between(virt, text_start, text_end))
        return "kernel text";
    if (is_between(virt, rodata_start, rodata_end))
        return "kernel read-only data";
    if (is_between(virt, data_start, data_end) || is_between(virt, late_start, late_end))
        return "kernel data";
    if (virt >= EXEC_BASE && virt < EXEC_END)
        return "compiled programs";
    if (virt >= PAGING_MMIO_BASE && virt < PAGING_MMIO_END)
        return "device registers";
    if (virt >= BOOT_PHYSMAP_BASE && virt < PAGING_MMIO_BASE)
        return "direct map";
    return "unknown";
}
