/* The live page tables, for those who look at them. Private to kernel/; see also page.h. */
#ifndef KERNEL_PAGING_H
#define KERNEL_PAGING_H

#include "pagetable.h"

/* As pagetable_next(), of the tables that the CPU is using at this moment. */
bool paging_next(uint64_t *cursor, struct pagetable_range *out);

/* How many 4 KiB pages of them are both writable and executable: none, ever. */
uint64_t paging_check_wx(void);

/* What lies at a mapped address: "kernel text", "direct map"... */
const char *paging_name(uint64_t virt);

#endif
