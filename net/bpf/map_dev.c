/*
 * devmap: interfaces to redirect to. A value is an ifindex, or struct bpf_devmap_val: the ifindex
 * and a program to run at the way out, of which there are none here.
 */
#include "helper.h"
#include "map_impl.h"
#include <string.h>

struct devmap_value { /* struct bpf_devmap_val of Linux's UAPI */
    uint32_t ifindex; /* 0: no entry */
    int32_t prog_fd;  /* to programs and readers: the program's id, 0: none */
};

static bool devmap_init(struct bpf_map *map, const char **why)
{
    const struct bpf_map_def *def = &map->def;

    if (def->key_size != 4 || (def->value_size != 4 && def->value_size != 8))
        return bpf_map_fail(why, "key_size of a devmap is 4, value_size 4 or 8");
    if (def->flags & ~(BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY))
        return bpf_map_fail(why, "map_flags that a devmap does not have");
    map->def.flags |= BPF_F_RDONLY_PROG; /* as Linux: what a lookup returns is the entry itself */
    return bpf_map_alloc_memory(map, def->max_entries * sizeof(struct devmap_value), why);
}

static struct devmap_value *entry_at(struct bpf_map *map, uint32_t index)
{
    return index < map->def.max_entries ? (struct devmap_value *)map->memory + index : NULL;
}

uint32_t bpf_devmap_get(struct bpf_map *map, uint32_t index)
{
    const struct devmap_value *entry = entry_at(map, index);

    return entry != NULL ? entry->ifindex : 0;
}

static void *devmap_lookup(struct bpf_map *map, const void *key)
{
    struct devmap_value *entry = entry_at(map, bpf_load32(key));

    return entry != NULL && entry->ifindex != 0 ? entry : NULL;
}

static void set(struct bpf_map *map, struct devmap_value *entry, uint32_t ifindex)
{
    map->entries -= entry->ifindex != 0;
    map->entries += ifindex != 0;
    entry->ifindex = ifindex;
}

static int devmap_write(struct bpf_map *map, const void *key, const void *value, uint64_t flags)
{
    struct devmap_value *entry = entry_at(map, bpf_load32(key));
    struct devmap_value new = { 0, 0 };

    if (bpf_map_flags_bad(flags))
        return -BPF_EINVAL;
    if (entry == NULL)
        return -BPF_E2BIG;
    if (flags == BPF_NOEXIST)
        return -BPF_EEXIST;
    memcpy(&new, value, map->def.value_size);
    if (new.prog_fd > 0 || (new.ifindex != 0 && !bpf_ifindex_known(new.ifindex)))
        return -BPF_EINVAL;
    set(map, entry, new.ifindex);
    return 0;
}

static int devmap_delete(struct bpf_map *map, const void *key)
{
    struct devmap_value *entry = entry_at(map, bpf_load32(key));

    if (entry == NULL)
        return -BPF_EINVAL;
    set(map, entry, 0);
    return 0;
}

const struct bpf_map_ops bpf_devmap_ops = {
    .type_name = "devmap",
    .program_lookup = true,
    .init = devmap_init,
    .lookup = devmap_lookup,
    .delete = devmap_delete,
    .next_key = bpf_map_next_index,
    .write = devmap_write,
};
