/*
 * The kernel's stacks: allocated in entry.S, each with an unmapped page below (paging.c), walked
 * by backtraces. Private to kernel/.
 */
#ifndef KERNEL_STACKS_H
#define KERNEL_STACKS_H

#include <kernel/lib.h>

struct stack_range {
    const char *name;
    uint64_t bottom, top; /* [bottom, top); the guard page is [bottom - PAGE_SIZE, bottom) */
};

enum stack {
    STACK_BOOT, /* boot and the main loop; softirqs and top halves run on it too */
    STACK_DOUBLE_FAULT,
    STACK_NMI,
    STACK_MACHINE_CHECK,
    STACK_COUNT,
};

extern const struct stack_range kernel_stacks[STACK_COUNT];

#endif
