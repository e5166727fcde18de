/* The firmware's memory map, turned into what boot/bootinfo.h promises. Pure code. */
#ifndef BOOT_MEMMAP_H
#define BOOT_MEMMAP_H

#include <boot/bootinfo.h>
#include <stddef.h>
#include <stdint.h>

struct memmap_block {
    uint64_t base, bytes; /* page aligned */
};

/*
 * Convert an EFI memory map (UEFI 2.10 §7.2.3; descriptors of descriptor_bytes each) into at most
 * max ranges: sorted, without overlaps, neighbours of one type merged. The kernel's block is cut
 * out of what the firmware says of it. Returns the number of ranges, or 0 when they do not fit.
 */
size_t memmap_convert(const void *efi_map, size_t bytes, size_t descriptor_bytes,
                      struct memmap_block kernel, struct boot_mem_range *ranges, size_t max);

/* The end of the highest range that is RAM to the kernel (not the firmware's); 0: none. */
uint64_t memmap_ram_top(const struct boot_mem_range *ranges, size_t count);

#endif
