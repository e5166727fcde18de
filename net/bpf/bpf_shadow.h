/*
 * A check of every access of an interpreted program, for tests on the host (-DBPF_SHADOW): a
 * program that the verifier has let pass must not touch anything but its stack, its ctx, the frame
 * and the maps. What the stack is, the interpreter knows; the test names the rest.
 */
#ifndef NET_BPF_SHADOW_H
#define NET_BPF_SHADOW_H

#include "xdp_buff.h"
#include <stdbool.h>
#include <stddef.h>

#define BPF_SHADOW_REGIONS 256u

#ifdef BPF_SHADOW
/* Forget all regions. */
void bpf_shadow_reset(void);
/* The program may read these bytes and, if `writable`, write them. */
void bpf_shadow_add(const void *start, size_t bytes, bool writable);
/* It runs on this frame: it may read *xdp, and read and write from data_meta to data_end, wherever
 * they are at the time of the access. */
void bpf_shadow_xdp(const struct xdp_buff *xdp);
/* Says what was wrong and aborts, unless the access lies in the stack from `low` up to `high` or in
 * a region. */
void bpf_shadow_check(const void *p, size_t bytes, bool write, const void *low, const void *high);
#else
static inline void bpf_shadow_check(const void *p, size_t bytes, bool write, const void *low,
                                    const void *high)
{
    (void)p;
    (void)bytes;
    (void)write;
    (void)low;
    (void)high;
}
#endif

#endif
