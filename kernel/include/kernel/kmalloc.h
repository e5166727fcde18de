/*
 * Small memory: size classes of 16, 32, 64 ... 2048 bytes over pages, LIFO free lists, O(1).
 * More than 2048 bytes go to the page allocator. 16-byte aligned. Main or softirq context; main
 * context must have softirqs disabled (asserted), except during boot.
 */
#ifndef KERNEL_KMALLOC_H
#define KERNEL_KMALLOC_H

#include <stddef.h>
#include <stdint.h>

void kmalloc_init(void); /* boot, after page_init() */

void *kmalloc(size_t bytes); /* NULL when out of memory; not zeroed */
void *kzalloc(size_t bytes);
/* NULL is allowed; a pointer that is not ours, or freed twice, panics. A page-aligned one is taken
 * for a large block, as which any block in use of the page allocator passes. */
void kfree(void *p);

struct kmalloc_stats {
    uint64_t used_bytes;   /* in objects handed out, by the size of their class */
    uint64_t cached_bytes; /* the rest of the pages that the classes hold: used + cached is all
                              that kmalloc has from the page allocator */
    uint64_t allocs, frees, failures;
};
void kmalloc_stats(struct kmalloc_stats *out);

#endif
