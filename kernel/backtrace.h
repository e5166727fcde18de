/*
 * Who called whom, by frame pointers, and the names of the functions. Pure code, any context:
 * it reads nothing but the table and the stacks that it is given.
 */
#ifndef KERNEL_BACKTRACE_H
#define KERNEL_BACKTRACE_H

#include "stacks.h"

/* Function names: what scripts/mkksyms.sh makes (and describes), sorted by address. */
struct ksyms {
    const uint8_t *table;
    uint32_t count;
    uint32_t end; /* offset of the end of .text from the image's start */
};

struct ksym {
    char name[64];
    uint64_t within, bytes; /* how far in, how long it is */
};

/* The function that holds the code at this offset. False: there is none. Whoever panics has the
 * time to read the table from its beginning. */
bool ksyms_find(const struct ksyms *syms, uint64_t offset, struct ksym *out);

struct backtrace {
    const struct stack_range *stacks;
    unsigned stack_count; /* at most 32 */
    uint64_t fp;          /* the next frame to look at */
    unsigned stack;       /* of the frame before; stack_count: none yet */
    uint64_t floor;       /* in that stack only frames above this are left */
    uint32_t left;        /* a bit for each stack that the chain has left */
};

/*
 * One step up: sets *pc to the return address of the frame at fp, and goes on to its caller's.
 * Returns false at the end, or when fp can not be a frame: it must lie in one of the stacks,
 * aligned, above the frame before it if that is in the same stack, and in no stack that the
 * chain has left before. So a walk ends, whatever the memory holds.
 */
void backtrace_begin(struct backtrace *bt, const struct stack_range *stacks, unsigned count,
                     uint64_t fp);
bool backtrace_next(struct backtrace *bt, uint64_t *pc);

/*
 * A function that has made no frame of its own yet, or never will (the compiler spares leaf
 * functions theirs), is missing from the chain: its caller's address is then on top of the stack.
 * Returns it when what is at sp looks like one: it lies in text, right behind a call; else 0.
 */
uint64_t backtrace_frameless(const struct stack_range *stacks, unsigned count, uint64_t sp,
                             uint64_t text, uint64_t text_end);

#endif
