/*
 * Memory for code that is made while the system runs: the compiler of packet programs has it.
 * W^X holds here too: what is asked for is writable until it is sealed and executable from then on,
 * and its pages are out of the direct map all that time, so that there is no second, writable view
 * of them. The range is near enough to the kernel image for its code to be called with a 32-bit
 * displacement.
 *
 *   code = exec_alloc(bytes);    rw-
 *   ... write it ...
 *   exec_seal(code);             r-x
 *   ((fn)code)(...)
 *   exec_free(code);             not mapped; the pages are the page allocator's again
 *
 * Main context with softirqs disabled (the pages are the page allocator's).
 */
#ifndef KERNEL_EXEC_H
#define KERNEL_EXEC_H

#include <kernel/lib.h>

#define EXEC_BASE      0xffffffffc0000000ull /* the kernel image is in the GiB below */
#define EXEC_END       (EXEC_BASE + (256ull << 20))
#define EXEC_BYTES_MAX (PAGE_2M - PAGE_SIZE) /* of one piece */

/* Page-aligned, filled with INT3; NULL: no memory, no room in the range, or too much. */
void *exec_alloc(size_t bytes);

/* Once; what is not from exec_alloc(), or sealed already, panics. */
void exec_seal(void *code);

/* NULL is allowed. Nobody may be in it. */
void exec_free(void *code);

#endif
