/* Where a frame goes: kept in bpf_redirect until the program has returned XDP_REDIRECT. */
#include "helper_impl.h"
#include <kernel/lib.h>

struct bpf_redirect bpf_redirect;

BPF_HELPER(redirect)
{
    if (unlikely(r2 != 0))
        return XDP_ABORTED;
    bpf_redirect = (struct bpf_redirect){ .map = NULL, .index = (uint32_t)r1 };
    return XDP_REDIRECT;
}

static inline bool has_entry(struct bpf_map *map, uint32_t index)
{
    return map->def.type == BPF_MAP_TYPE_DEVMAP ? bpf_devmap_get(map, index) != 0
                                                : bpf_xskmap_get(map, index) != 0;
}

/* Linux: __bpf_xdp_redirect_map(). */
BPF_HELPER(redirect_map)
{
    struct bpf_map *map = bpf_ptr(r1);
    uint32_t index = (uint32_t)r2;
    uint64_t allowed = BPF_F_ACTION_MASK;

    if (map->def.type == BPF_MAP_TYPE_DEVMAP)
        allowed |= BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS;
    if (unlikely(r3 & ~allowed))
        return XDP_ABORTED;
    if (!has_entry(map, index) && (r3 & BPF_F_BROADCAST) == 0) {
        bpf_redirect = (struct bpf_redirect){ 0 }; /* an earlier call leads nowhere either */
        return r3 & BPF_F_ACTION_MASK;
    }
    bpf_redirect = (struct bpf_redirect){
        .map = map,
        .index = index,
        .flags = r3 & BPF_F_BROADCAST ? (uint32_t)(r3 & ~(uint64_t)BPF_F_ACTION_MASK) : 0,
    };
    return XDP_REDIRECT;
}
