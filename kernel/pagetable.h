/*
 * Page tables as data: building them from ranges, and reading them back as ranges. Pure code; the
 * memory that they are in comes from the caller. paging.c has the kernel's own.
 */
#ifndef KERNEL_PAGETABLE_H
#define KERNEL_PAGETABLE_H

#include <kernel/lib.h>

/* What may be done with a mapping, beyond reading it. Writing and executing exclude each other. */
#define MAP_WRITE    1u
#define MAP_EXECUTE  2u
#define MAP_UNCACHED 4u
#define MAP_ABSENT   8u /* pagetable_protect() only: not even read */

struct pagetable {
    uint64_t root;                     /* physical address of the PML4 */
    bool page_1g;                      /* the CPU has pages of 1 GiB */
    uint64_t (*new_table)(void);       /* physical address of a zeroed page; 0: no memory */
    uint64_t *(*table)(uint64_t phys); /* where such a page can be written */
};

/*
 * Map [virt, virt + bytes) to [phys, ...), all multiples of 4096, in the largest pages that fit.
 * Panics when part of it is mapped already, when rights would be both W and X, or when there is no
 * memory for a table that is missing.
 */
void pagetable_map(struct pagetable *pt, uint64_t virt, uint64_t phys, uint64_t bytes,
                   unsigned rights);

/*
 * Give [virt, virt + bytes) tables down to 4 KiB pages: those that are missing are made, large
 * pages are split. What is mapped stays mapped, to the same and with the same rights. False: no
 * memory for a table; what was done by then does no harm.
 */
bool pagetable_split(struct pagetable *pt, uint64_t virt, uint64_t bytes);

/*
 * Change the rights of a range that was split and is mapped: MAP_ABSENT takes it out of the address
 * space, but for its place, which another call gives rights again, or pagetable_map() takes.
 * Panics like pagetable_map(). The caller flushes the TLB.
 */
void pagetable_protect(struct pagetable *pt, uint64_t virt, uint64_t bytes, unsigned rights);

/* What is mapped at an address, and with which rights. False: nothing is. */
bool pagetable_lookup(const struct pagetable *pt, uint64_t virt, uint64_t *phys, unsigned *rights);

struct pagetable_range {
    uint64_t start, bytes;
    uint64_t page_bytes; /* 4096, 2 MiB or 1 GiB */
    unsigned rights;
};

/*
 * The next range of pages of one size with the same rights; *cursor starts at 0 and is opaque.
 * Rights are what the CPU makes of all levels together. Returns false past the end.
 */
bool pagetable_next(const struct pagetable *pt, uint64_t *cursor, struct pagetable_range *out);

#endif
