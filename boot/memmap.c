/* The firmware's memory map: see memmap.h. */
#include "memmap.h"

#include <string.h>

#define PAGE 4096ull

/* EFI_MEMORY_TYPE, UEFI 2.10 §7.2.1 */
enum {
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BOOT_SERVICES_CODE = 3,
    EFI_BOOT_SERVICES_DATA = 4,
    EFI_CONVENTIONAL = 7,
    EFI_ACPI_RECLAIM = 9,
    EFI_ACPI_NVS = 10,
    EFI_RUNTIME_CODE = 5,
    EFI_RUNTIME_DATA = 6,
    EFI_RESERVED = 0,
};

/* EFI_MEMORY_DESCRIPTOR; the firmware's may be longer */
struct descriptor {
    uint32_t type;
    uint32_t pad;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t pages;
    uint64_t attribute;
};

/* 0: not RAM that anybody may touch (memory-mapped I/O, unusable, unknown). */
static uint32_t boot_type(uint32_t efi_type)
{
    switch (efi_type) {
    case EFI_BOOT_SERVICES_CODE:
        return BOOT_MEM_FREE_CODE;
    case EFI_BOOT_SERVICES_DATA:
    case EFI_CONVENTIONAL:
        return BOOT_MEM_FREE;
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
        return BOOT_MEM_LOADER;
    case EFI_ACPI_RECLAIM:
    case EFI_ACPI_NVS:
        return BOOT_MEM_ACPI;
    case EFI_RUNTIME_CODE:
    case EFI_RUNTIME_DATA:
    case EFI_RESERVED:
        return BOOT_MEM_FIRMWARE;
    default:
        return 0;
    }
}

struct sink {
    struct boot_mem_range *ranges;
    size_t count, max;
};

/* Insert in order of address; the map has some hundred entries at most. */
static int add_range(struct sink *sink, uint64_t base, uint64_t bytes, uint32_t type)
{
    size_t i = sink->count;

    if (bytes == 0)
        return 1;
    if (sink->count == sink->max)
        return 0;
    while (i > 0 && sink->ranges[i - 1].base > base) {
        sink->ranges[i] = sink->ranges[i - 1];
        i--;
    }
    sink->ranges[i] = (struct boot_mem_range){ .base = base, .bytes = bytes, .type = type };
    sink->count++;
    return 1;
}

/* A descriptor without the part that the kernel's block covers. */
static int add_around(struct sink *sink, uint64_t base, uint64_t end, uint32_t type,
                      struct memmap_block kernel)
{
    uint64_t kernel_end = kernel.base + kernel.bytes;

    if (kernel.bytes == 0 || end <= kernel.base || base >= kernel_end)
        return add_range(sink, base, end - base, type);
    return (base >= kernel.base || add_range(sink, base, kernel.base - base, type)) &&
           (end <= kernel_end || add_range(sink, kernel_end, end - kernel_end, type));
}

/* Firmware is not always right: where two ranges overlap, the less free one wins, which has the
 * higher type. Then neighbours of one type become one. */
static size_t settle(struct boot_mem_range *r, size_t count)
{
    size_t out = 0;

    for (size_t i = 0; i < count; i++) {
        struct boot_mem_range *last = out > 0 ? &r[out - 1] : NULL;
        uint64_t last_end = last != NULL ? last->base + last->bytes : 0;

        if (last != NULL && r[i].base < last_end) {
            uint64_t end = r[i].base + r[i].bytes;
            uint64_t top = end > last_end ? end : last_end;

            /* keep it simple and safe: the whole union takes the less free type */
            last->type = r[i].type > last->type ? r[i].type : last->type;
            last->bytes = top - last->base;
        } else if (last != NULL && r[i].base == last_end && r[i].type == last->type) {
            last->bytes += r[i].bytes;
        } else {
            r[out++] = r[i];
        }
    }
    return out;
}

size_t memmap_convert(const void *efi_map, size_t bytes, size_t descriptor_bytes,
                      struct memmap_block kernel, struct boot_mem_range *ranges, size_t max)
{
    struct sink sink = { ranges, 0, max };

    if (descriptor_bytes < sizeof(struct descriptor))
        return 0;
    for (size_t at = 0; bytes - at >= descriptor_bytes; at += descriptor_bytes) {
        struct descriptor d;
        uint32_t type;

        memcpy(&d, (const uint8_t *)efi_map + at, sizeof(d));
        type = boot_type(d.type);
        if (type == 0 || d.pages == 0 || d.physical_start % PAGE != 0 ||
            d.pages > (UINT64_MAX - d.physical_start) / PAGE)
            continue;
        if (!add_around(&sink, d.physical_start, d.physical_start + d.pages * PAGE, type, kernel))
            return 0;
    }
    if (kernel.bytes != 0 && !add_range(&sink, kernel.base, kernel.bytes, BOOT_MEM_KERNEL))
        return 0;
    return settle(sink.ranges, sink.count);
}

uint64_t memmap_ram_top(const struct boot_mem_range *ranges, size_t count)
{
    while (count > 0 && ranges[count - 1].type == BOOT_MEM_FIRMWARE)
        count--;
    return count > 0 ? ranges[count - 1].base + ranges[count - 1].bytes : 0;
}
