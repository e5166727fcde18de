/* The functions behind the table in helper.c: arguments as registers, proven by the verifier. */
#ifndef NET_BPF_HELPER_IMPL_H
#define NET_BPF_HELPER_IMPL_H

#include "helper.h"
#include "map.h"
#include "xdp_buff.h"

/* Each takes five registers, whether it looks at them or not. */
#define BPF_UNUSED __attribute__((unused))
#define BPF_HELPER(name)                                                                           \
    uint64_t bpf_helper_##name(BPF_UNUSED uint64_t r1, BPF_UNUSED uint64_t r2,                     \
                               BPF_UNUSED uint64_t r3, BPF_UNUSED uint64_t r4,                     \
                               BPF_UNUSED uint64_t r5)

static inline void *bpf_ptr(uint64_t reg)
{
    return (void *)(uintptr_t)reg;
}

/* A negative errno in r0 is 64 bits wide. */
static inline uint64_t bpf_result(int64_t result)
{
    return (uint64_t)result;
}

BPF_HELPER(map_lookup_elem);
BPF_HELPER(map_update_elem);
BPF_HELPER(map_delete_elem);
BPF_HELPER(ktime_get_ns);
BPF_HELPER(ktime_get_boot_ns);
BPF_HELPER(get_prandom_u32);
BPF_HELPER(get_smp_processor_id);
BPF_HELPER(trace_printk);
BPF_HELPER(trace_vprintk);
BPF_HELPER(redirect);
BPF_HELPER(redirect_map);
BPF_HELPER(perf_event_output);
BPF_HELPER(ringbuf_output);
BPF_HELPER(ringbuf_reserve);
BPF_HELPER(ringbuf_submit);
BPF_HELPER(ringbuf_discard);
BPF_HELPER(ringbuf_query);
BPF_HELPER(csum_diff);
BPF_HELPER(xdp_adjust_head);
BPF_HELPER(xdp_adjust_meta);
BPF_HELPER(xdp_adjust_tail);
BPF_HELPER(xdp_get_buff_len);
BPF_HELPER(xdp_load_bytes);
BPF_HELPER(xdp_store_bytes);
BPF_HELPER(fib_lookup);

/*
 * A message as Linux's bpf_trace_printk() makes it (bpf_bprintf_prepare()): %d %i %u %x %X with l
 * or ll, %c %s %p and its kinds, %pI4 %pi4 %pI6 %pi6, %%, with flags "0+- " and a width. Into
 * out[size], terminated; `bytes` of format, which may end before with a zero. Returns the length
 * that the whole has, or -BPF_EINVAL: not such a format, or more conversions than arguments.
 */
int64_t bpf_format(char *out, size_t size, const char *format, size_t bytes, const uint64_t *args,
                   unsigned arg_count);

/* How many bytes from this address on may be read: it is in the program's stack or a map's values.
 * 0: none; it is a number that the program made up. */
size_t bpf_readable(uint64_t address);

#endif
