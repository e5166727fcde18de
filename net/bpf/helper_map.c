/* Helpers for maps: to the operations of the map's type. */
#include "helper_impl.h"

BPF_HELPER(map_lookup_elem)
{
    struct bpf_map *map = bpf_ptr(r1);

    return (uintptr_t)map->ops->lookup(map, bpf_ptr(r2));
}

BPF_HELPER(map_update_elem)
{
    struct bpf_map *map = bpf_ptr(r1);

    return bpf_result(map->ops->update(map, bpf_ptr(r2), bpf_ptr(r3), r4));
}

BPF_HELPER(map_delete_elem)
{
    struct bpf_map *map = bpf_ptr(r1);

    return bpf_result(map->ops->delete (map, bpf_ptr(r2)));
}
