/*
 * Rows of `free`, collected through a linker section like the console's commands, so that pools
 * of the layers above show up without the kernel knowing them:
 *
 *   static void packets_meminfo(struct meminfo *out) { ... }
 *   MEMINFO_ROW(packets, "Packets", packets_meminfo);
 */
#ifndef KERNEL_MEMINFO_H
#define KERNEL_MEMINFO_H

#include <stdint.h>

struct meminfo {
    uint64_t total_bytes, used_bytes, free_bytes;
};

struct meminfo_row {
    const char *name;
    void (*fill)(struct meminfo *out); /* main context, softirqs disabled; *out is zeroed */
};

/* Rows are shown in the order of their ident. */
#define MEMINFO_ROW(ident, name_, fn)                                                              \
    static const struct meminfo_row meminfo_row_##ident                                            \
        __attribute__((used, section(".meminfo." #ident), aligned(8))) = { .name = name_,          \
                                                                           .fill = fn }

#endif
