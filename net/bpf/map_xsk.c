/*
 * xskmap: raw sockets to redirect to (net/xsk.h). A value is a socket's id, where bpf(2) has a file
 * descriptor and no lookup. To programs an entry is Linux's struct bpf_xdp_sock: its queue.
 */
#include "map_impl.h"
#include <net/xsk.h>

struct entry {
    uint32_t queue_id; /* first: what a lookup returns points here. The card has one queue, 0 */
    uint32_t socket;   /* id; 0: no entry */
};

static bool xskmap_init(struct bpf_map *map, const char **why)
{
    const struct bpf_map_def *def = &map->def;

    if (def->key_size != 4 || def->value_size != 4)
        return bpf_map_fail(why, "key_size and value_size of an xskmap are 4");
    if (def->flags & ~(BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY))
        return bpf_map_fail(why, "map_flags that an xskmap does not have");
    return bpf_map_alloc_memory(map, def->max_entries * sizeof(struct entry), why);
}

static struct entry *entry_at(struct bpf_map *map, uint32_t index)
{
    return index < map->def.max_entries ? (struct entry *)map->memory + index : NULL;
}

uint32_t bpf_xskmap_get(struct bpf_map *map, uint32_t index)
{
    const struct entry *entry = entry_at(map, index);

    return entry != NULL ? entry->socket : 0;
}

static void *xskmap_lookup(struct bpf_map *map, const void *key)
{
    struct entry *entry = entry_at(map, bpf_load32(key));

    return entry != NULL && entry->socket != 0 ? entry : NULL;
}

static int xskmap_read(struct bpf_map *map, const void *key, void *value)
{
    uint32_t socket = bpf_xskmap_get(map, bpf_load32(key));

    if (socket == 0)
        return -BPF_ENOENT;
    bpf_store32(value, socket);
    return 0;
}

static void set(struct bpf_map *map, struct entry *entry, uint32_t socket)
{
    map->entries -= entry->socket != 0;
    map->entries += socket != 0;
    entry->socket = socket;
}

static int xskmap_write(struct bpf_map *map, const void *key, const void *value, uint64_t flags)
{
    struct entry *entry = entry_at(map, bpf_load32(key));
    uint32_t socket = bpf_load32(value);

    if (bpf_map_flags_bad(flags))
        return -BPF_EINVAL;
    if (entry == NULL)
        return -BPF_E2BIG;
    if (!xsk_is_open(socket))
        return -BPF_EBADF;
    if (entry->socket == socket) /* Linux looks at this before the flags */
        return 0;
    if (entry->socket != 0 && flags == BPF_NOEXIST)
        return -BPF_EEXIST;
    if (entry->socket == 0 && flags == BPF_EXIST)
        return -BPF_ENOENT;
    set(map, entry, socket);
    return 0;
}

static int xskmap_delete(struct bpf_map *map, const void *key)
{
    struct entry *entry = entry_at(map, bpf_load32(key));

    if (entry == NULL)
        return -BPF_EINVAL;
    set(map, entry, 0);
    return 0;
}

const struct bpf_map_ops bpf_xskmap_ops = {
    .type_name = "xskmap",
    .program_lookup = true,
    .init = xskmap_init,
    .lookup = xskmap_lookup,
    .delete = xskmap_delete,
    .next_key = bpf_map_next_index,
    .read = xskmap_read,
    .write = xskmap_write,
};
