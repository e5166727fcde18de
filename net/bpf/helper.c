/* The functions of the helpers by number: see helper.h. */
#include "helper_impl.h"
#include <kernel/lib.h>

uint64_t (*bpf_helper_function(uint32_t id))(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4,
                                             uint64_t r5)
{
    static uint64_t (*const functions[])(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) = {
#define FUNCTION(name) [BPF_FUNC_##name] = bpf_helper_##name
        FUNCTION(map_lookup_elem),      FUNCTION(map_update_elem),
        FUNCTION(map_delete_elem),      FUNCTION(ktime_get_ns),
        FUNCTION(trace_printk),         FUNCTION(get_prandom_u32),
        FUNCTION(get_smp_processor_id), FUNCTION(redirect),
        FUNCTION(perf_event_output),    FUNCTION(csum_diff),
        FUNCTION(xdp_adjust_head),      FUNCTION(redirect_map),
        FUNCTION(xdp_adjust_meta),      FUNCTION(xdp_adjust_tail),
        FUNCTION(fib_lookup),           FUNCTION(ktime_get_boot_ns),
        FUNCTION(ringbuf_output),       FUNCTION(ringbuf_reserve),
        FUNCTION(ringbuf_submit),       FUNCTION(ringbuf_discard),
        FUNCTION(ringbuf_query),        FUNCTION(trace_vprintk),
        FUNCTION(xdp_get_buff_len),     FUNCTION(xdp_load_bytes),
        FUNCTION(xdp_store_bytes),
#undef FUNCTION
    };

    return id < ARRAY_SIZE(functions) ? functions[id] : NULL;
}
