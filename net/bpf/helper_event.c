/* Helpers that send events: see events.h. */
#include "events.h"
#include "helper_impl.h"
#include <kernel/lib.h>
#include <string.h>

/* Linux: bpf_xdp_event_output(), with every CPU's event opened, of which there is one. */
BPF_HELPER(perf_event_output)
{
    const struct xdp_buff *xdp = bpf_ptr(r1);
    struct bpf_map *map = bpf_ptr(r2);
    uint64_t index = r3 & BPF_F_INDEX_MASK;
    uint64_t ctx_bytes = (r3 & BPF_F_CTXLEN_MASK) >> 32;
    uint8_t *event;

    _Static_assert(BPF_CPUS == 1, "an event of another CPU would be EOPNOTSUPP");
    if (r3 & ~(BPF_F_INDEX_MASK | BPF_F_CTXLEN_MASK))
        return bpf_result(-BPF_EINVAL);
    if (ctx_bytes > (uint64_t)(xdp->data_end - xdp->data))
        return bpf_result(-BPF_EFAULT);
    if (index == BPF_F_CURRENT_CPU)
        index = 0;
    if (index >= map->def.max_entries)
        return bpf_result(-BPF_E2BIG);
    if (index >= BPF_CPUS)
        return bpf_result(-BPF_ENOENT);
    event = bpf_ring_reserve(map, r5 + ctx_bytes);
    if (event == NULL)
        return bpf_result(-BPF_ENOSPC);
    memcpy(event, bpf_ptr(r4), r5);
    memcpy(event + r5, xdp->data, ctx_bytes);
    bpf_ring_submit(event);
    return 0;
}

BPF_HELPER(ringbuf_output)
{
    struct bpf_map *map = bpf_ptr(r1);
    void *event;

    if (r4 & ~(uint64_t)(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP))
        return bpf_result(-BPF_EINVAL);
    event = bpf_ring_reserve(map, r3);
    if (event == NULL)
        return bpf_result(-BPF_EAGAIN);
    memcpy(event, bpf_ptr(r2), r3);
    bpf_ring_submit(event);
    return 0;
}

BPF_HELPER(ringbuf_reserve)
{
    return r3 != 0 ? 0 : (uintptr_t)bpf_ring_reserve(bpf_ptr(r1), r2);
}

BPF_HELPER(ringbuf_submit)
{
    bpf_ring_submit(bpf_ptr(r1));
    return 0;
}

BPF_HELPER(ringbuf_discard)
{
    bpf_ring_discard(bpf_ptr(r1));
    return 0;
}

BPF_HELPER(ringbuf_query)
{
    struct bpf_ring_state state = bpf_ring_state(bpf_ptr(r1));

    switch (r2) {
    case BPF_RB_AVAIL_DATA:
        return state.producer - state.consumer;
    case BPF_RB_RING_SIZE:
        return state.size;
    case BPF_RB_CONS_POS:
        return state.consumer;
    case BPF_RB_PROD_POS:
        return state.producer;
    default:
        return 0;
    }
}
