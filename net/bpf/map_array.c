/*
 * array and percpu_array: max_entries values that are always there, 8-byte aligned, zero at first.
 * With one CPU they differ in what the control side sees only.
 */
#include "map_impl.h"
#include <string.h>

static inline size_t stride(const struct bpf_map *map)
{
    return ALIGN_UP((size_t)map->def.value_size, 8);
}

static bool array_init(struct bpf_map *map, const char **why)
{
    uint32_t flags = BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;

    if (!map->ops->percpu)
        flags |= BPF_F_MMAPABLE | BPF_F_NUMA_NODE;
    if (map->def.key_size != 4)
        return bpf_map_fail(why, "key_size of an array is 4");
    if (map->def.value_size == 0)
        return bpf_map_fail(why, "value_size is 0");
    if (map->def.flags & ~flags)
        return bpf_map_fail(why, "map_flags that an array does not have");
    map->entries = map->def.max_entries;
    return bpf_map_alloc_memory(map, map->def.max_entries * stride(map), why);
}

static void *array_lookup(struct bpf_map *map, const void *key)
{
    uint32_t index = bpf_load32(key);

    if (unlikely(index >= map->def.max_entries))
        return NULL;
    return (uint8_t *)map->memory + index * stride(map);
}

static int array_update(struct bpf_map *map, const void *key, const void *value, uint64_t flags)
{
    void *old = array_lookup(map, key);

    if (unlikely(bpf_map_flags_bad(flags)))
        return -BPF_EINVAL;
    if (unlikely(old == NULL))
        return -BPF_E2BIG;
    if (unlikely(flags == BPF_NOEXIST))
        return -BPF_EEXIST;
    memmove(old, value, map->def.value_size); /* a program may give a value of this very map */
    return 0;
}

static int array_delete(struct bpf_map *map, const void *key)
{
    (void)map;
    (void)key;
    return -BPF_EINVAL;
}

void *bpf_map_value_base(struct bpf_map *map)
{
    return map->def.type == BPF_MAP_TYPE_ARRAY ? map->memory : NULL;
}

const struct bpf_map_ops bpf_array_ops = {
    .type_name = "array",
    .program_lookup = true,
    .program_update = true,
    .program_delete = true,
    .init = array_init,
    .lookup = array_lookup,
    .update = array_update,
    .delete = array_delete,
    .next_key = bpf_map_next_index,
};

const struct bpf_map_ops bpf_percpu_array_ops = {
    .type_name = "percpu_array",
    .percpu = true,
    .program_lookup = true,
    .program_update = true,
    .program_delete = true,
    .init = array_init,
    .lookup = array_lookup,
    .update = array_update,
    .delete = array_delete,
    .next_key = bpf_map_next_index,
};
