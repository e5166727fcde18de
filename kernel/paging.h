/* The live page tables, for those who look at them. Private to kernel/; see also page.h. */
#ifndef KERNEL_PAGING_H
#define KERNEL_PAGING_H

#include "pagetable.h"

/* As pagetable_next(), of the tables that the CPU is using at this moment. */
bool paging_next(uint64_t *cursor, struct pagetable_range *out);

/* How many 4 KiB pages of them are executable and can be written, there or through the direct map:
 * none, ever. */
uint64_t paging_check_wx(void);

/* pagetable.h's, of the kernel's tables, with what the TLB needs. Main context. */
bool paging_split(uint64_t virt, uint64_t bytes);
void paging_map(uint64_t virt, uint64_t phys, uint64_t bytes, unsigned rights);
void paging_protect(uint64_t virt, uint64_t bytes, unsigned rights);

/* Where a mapped page lies. */
uint64_t paging_phys(uint64_t virt);

/* What lies at a mapped address: "kernel text", "direct map"... */
const char *paging_name(uint64_t virt);

#endif
