/* The kernel image's own addresses, from linker.ld. Private to kernel/. */
#ifndef KERNEL_IMAGE_H
#define KERNEL_IMAGE_H

extern const char kernel_start[], kernel_end[];
extern const char text_start[], text_end[];
extern const char rodata_start[], rodata_end[];
extern const char data_start[], data_end[]; /* with .bss and the stacks */
extern char late_start[], late_end[]; /* LATE_BSS: behind the image, mapped by paging_init() */

#endif
