/*
 * xskmap: raw sockets to redirect to. To programs an entry is the socket (Linux: struct
 * bpf_xdp_sock), to the control side the socket's id, where bpf(2) has a file descriptor and no
 * lookup.
 */
#include "map_impl.h"
#include "prog.h"

static struct bpf_xsk *sockets[BPF_XSKS_MAX];
static uint32_t last_id;

static bool xskmap_init(struct bpf_map *map, const char **why)
{
    const struct bpf_map_def *def = &map->def;

    if (def->key_size != 4 || def->value_size != 4)
        return bpf_map_fail(why, "key_size and value_size of an xskmap are 4");
    if (def->flags & ~(BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY))
        return bpf_map_fail(why, "map_flags that an xskmap does not have");
    map->memory = bpf_map_alloc(map, def->max_entries * sizeof(struct bpf_xsk *), why);
    return map->memory != NULL;
}

struct bpf_xsk *bpf_xskmap_get(struct bpf_map *map, uint32_t index)
{
    return index < map->def.max_entries ? ((struct bpf_xsk **)map->memory)[index] : NULL;
}

static void set(struct bpf_map *map, uint32_t index, struct bpf_xsk *xsk)
{
    struct bpf_xsk **slot = (struct bpf_xsk **)map->memory + index;

    map->entries -= *slot != NULL;
    map->entries += xsk != NULL;
    *slot = xsk;
}

int bpf_xskmap_set(struct bpf_map *map, uint32_t index, struct bpf_xsk *xsk)
{
    if (index >= map->def.max_entries)
        return -BPF_E2BIG;
    set(map, index, xsk);
    return 0;
}

static void *xskmap_lookup(struct bpf_map *map, const void *key)
{
    return bpf_xskmap_get(map, bpf_load32(key));
}

static int xskmap_read(struct bpf_map *map, const void *key, void *value)
{
    const struct bpf_xsk *xsk = bpf_xskmap_get(map, bpf_load32(key));

    if (xsk == NULL)
        return -BPF_ENOENT;
    bpf_store32(value, xsk->id);
    return 0;
}

static struct bpf_xsk *socket_by_id(uint32_t id)
{
    for (unsigned i = 0; i < BPF_XSKS_MAX; i++)
        if (sockets[i] != NULL && sockets[i]->id == id)
            return sockets[i];
    return NULL;
}

static int xskmap_write(struct bpf_map *map, const void *key, const void *value, uint64_t flags)
{
    struct bpf_xsk *old = bpf_xskmap_get(map, bpf_load32(key));
    struct bpf_xsk *xsk = socket_by_id(bpf_load32(value));

    if (bpf_map_flags_bad(flags))
        return -BPF_EINVAL;
    if (bpf_load32(key) >= map->def.max_entries)
        return -BPF_E2BIG;
    if (xsk == NULL)
        return -BPF_EBADF;
    if (old == xsk) /* Linux looks at this first */
        return 0;
    if (old != NULL && flags == BPF_NOEXIST)
        return -BPF_EEXIST;
    if (old == NULL && flags == BPF_EXIST)
        return -BPF_ENOENT;
    return bpf_xskmap_set(map, bpf_load32(key), xsk);
}

static int xskmap_delete(struct bpf_map *map, const void *key)
{
    if (bpf_load32(key) >= map->def.max_entries)
        return -BPF_EINVAL;
    set(map, bpf_load32(key), NULL);
    return 0;
}

bool bpf_xsk_register(struct bpf_xsk *xsk)
{
    for (unsigned i = 0; i < BPF_XSKS_MAX; i++) {
        if (sockets[i] == NULL) {
            sockets[i] = xsk;
            xsk->id = ++last_id;
            return true;
        }
    }
    return false;
}

void bpf_xsk_unregister(struct bpf_xsk *xsk)
{
    struct bpf_map *map;

    for (unsigned m = 0; (map = bpf_map_at(m)) != NULL; m++) {
        if (map->def.type != BPF_MAP_TYPE_XSKMAP)
            continue;
        for (uint32_t i = 0; map->entries > 0 && i < map->def.max_entries; i++)
            if (bpf_xskmap_get(map, i) == xsk)
                set(map, i, NULL);
    }
    for (unsigned i = 0; i < BPF_XSKS_MAX; i++)
        if (sockets[i] == xsk)
            sockets[i] = NULL;
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
