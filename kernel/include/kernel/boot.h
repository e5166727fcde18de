/* What the loader handed over, checked. Valid for ever, read-only. Any context. */
#ifndef KERNEL_BOOT_H
#define KERNEL_BOOT_H

#include <boot/bootinfo.h>

const struct boot_info *boot_info(void);

/* Check magic, version and size, and keep the pointer; panics on a mismatch. First at boot. */
void boot_info_init(const struct boot_info *info);

#endif
