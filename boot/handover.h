/* The page tables that boot/bootinfo.h promises the kernel. Pure code. */
#ifndef BOOT_HANDOVER_H
#define BOOT_HANDOVER_H

#include <boot/bootinfo.h>

#define HANDOVER_TOP_MAX (64ull << 40) /* bytes of physical address space */

/* Bytes that the tables take. top is the end of the highest RAM range, at most
 * HANDOVER_TOP_MAX; info tells where the kernel is. */
uint64_t handover_bytes(const struct boot_info *info, uint64_t top);

/* Build them in a zeroed, page-aligned block of that size whose address is its physical one.
 * Returns CR3's value. */
uint64_t handover_build(const struct boot_info *info, uint64_t top, void *block);

#endif
