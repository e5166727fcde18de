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
#include <stdint.h>

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
/* Not any more: the region that starts there. */
void bpf_shadow_remove(const void *start);
/* An instruction is run. Says so and aborts where that is one more than bpf_shadow_limit() let. */
void bpf_shadow_step(void);
void bpf_shadow_limit(uint64_t steps); /* from now on; before the first call: no limit */
/* A helper is called, and returns: what it may touch, and lets the program touch, the test knows.
 * NULL: nobody looks. args: r1 to r5; the stack as above. */
struct bpf_shadow_watch {
    void (*called)(uint32_t id, const uint64_t *args, const void *low, const void *high);
    void (*returned)(uint32_t id, const uint64_t *args, uint64_t result);
};
extern struct bpf_shadow_watch bpf_shadow_watch;
static inline void bpf_shadow_called(uint32_t id, const uint64_t *args, const void *low,
                                     const void *high)
{
    if (bpf_shadow_watch.called != NULL)
        bpf_shadow_watch.called(id, args, low, high);
}
static inline void bpf_shadow_returned(uint32_t id, const uint64_t *args, uint64_t result)
{
    if (bpf_shadow_watch.returned != NULL)
        bpf_shadow_watch.returned(id, args, result);
}
#else
static inline void bpf_shadow_step(void) {}
static inline void bpf_shadow_called(uint32_t id, const uint64_t *args, const void *low,
                                     const void *high)
{
    (void)id;
    (void)args;
    (void)low;
    (void)high;
}
static inline void bpf_shadow_returned(uint32_t id, const uint64_t *args, uint64_t result)
{
    (void)id;
    (void)args;
    (void)result;
}
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
