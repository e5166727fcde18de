/* Maps: creation, the table of those that exist, and the control side: see map.h. */
#include "map_impl.h"
#include "prog.h"
#include <string.h>

static struct bpf_map *maps[BPF_MAPS_MAX]; /* in the order of their ids */
static unsigned map_count;
static uint32_t last_id;

const struct bpf_map_ops *bpf_map_type_ops(uint32_t type)
{
    static const struct bpf_map_ops *const types[] = {
        [BPF_MAP_TYPE_HASH] = &bpf_hash_ops,
        [BPF_MAP_TYPE_ARRAY] = &bpf_array_ops,
        [BPF_MAP_TYPE_PROG_ARRAY] = &bpf_prog_array_ops,
        [BPF_MAP_TYPE_PERF_EVENT_ARRAY] = &bpf_perf_event_array_ops,
        [BPF_MAP_TYPE_PERCPU_HASH] = &bpf_percpu_hash_ops,
        [BPF_MAP_TYPE_PERCPU_ARRAY] = &bpf_percpu_array_ops,
        [BPF_MAP_TYPE_LRU_HASH] = &bpf_lru_hash_ops,
        [BPF_MAP_TYPE_LPM_TRIE] = &bpf_lpm_trie_ops,
        [BPF_MAP_TYPE_DEVMAP] = &bpf_devmap_ops,
        [BPF_MAP_TYPE_XSKMAP] = &bpf_xskmap_ops,
        [BPF_MAP_TYPE_RINGBUF] = &bpf_ringbuf_ops,
    };

    return type < ARRAY_SIZE(types) ? types[type] : NULL;
}

void *bpf_map_alloc(struct bpf_map *map, size_t bytes, const char **why)
{
    void *p = NULL;

    if (bytes > BPF_MAP_BYTES_MAX) {
        *why = "the map is too large: its entries may take 4 MiB";
        return NULL;
    }
    p = bpf_mem_alloc(bytes);
    if (p == NULL)
        *why = "there is no memory for the map";
    else
        map->bytes += bytes;
    return p;
}

bool bpf_map_alloc_memory(struct bpf_map *map, size_t bytes, const char **why)
{
    map->memory = bpf_map_alloc(map, bytes, why);
    map->memory_bytes = map->memory != NULL ? bytes : 0;
    return map->memory != NULL;
}

/* Linux: bpf_map_flags_access_ok(), bpf_get_file_flag(), and bounds of our own. */
static const char *check_common(const struct bpf_map_def *def)
{
    const uint32_t control = BPF_F_RDONLY | BPF_F_WRONLY;
    const uint32_t program = BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;

    if (bpf_map_type_ops(def->type) == NULL)
        return "there is no map of this type here";
    if (def->max_entries == 0)
        return "max_entries is 0";
    if ((def->flags & control) == control || (def->flags & program) == program)
        return "map_flags say both read only and write only";
    if (def->key_size > BPF_KEY_MAX)
        return "the key is larger than 512 bytes";
    if (def->value_size > BPF_MAP_BYTES_MAX)
        return "the value is larger than 4 MiB";
    return NULL;
}

static void map_free(struct bpf_map *map)
{
    if (map->ops->destroy != NULL)
        map->ops->destroy(map);
    bpf_mem_free(map->memory);
    bpf_mem_free(map->own);
    bpf_mem_free(map);
}

struct bpf_map *bpf_map_make(const struct bpf_map_def *def, const char *name, const char **why)
{
    struct bpf_map *map;

    *why = check_common(def);
    if (*why != NULL)
        return NULL;
    map = bpf_mem_alloc(sizeof(*map));
    if (map == NULL) {
        *why = "there is no memory for the map";
        return NULL;
    }
    map->ops = bpf_map_type_ops(def->type);
    map->def = *def;
    map->bytes = sizeof(*map);
    map->refs = 1;
    memcpy(map->name, name, strnlen(name, sizeof(map->name) - 1));
    if (!map->ops->init(map, why)) {
        map_free(map);
        return NULL;
    }
    return map;
}

bool bpf_map_register(struct bpf_map *map, const char **why)
{
    if (map_count == BPF_MAPS_MAX)
        return bpf_map_fail(why, "there are 64 maps already");
    map->id = ++last_id;
    maps[map_count++] = map;
    return true;
}

struct bpf_map *bpf_map_create(const struct bpf_map_def *def, const char *name, const char **why)
{
    struct bpf_map *map = bpf_map_make(def, name, why);

    if (map == NULL || bpf_map_register(map, why))
        return map;
    map_free(map);
    return NULL;
}

void bpf_map_hold(struct bpf_map *map)
{
    map->refs++;
}

void bpf_map_put(struct bpf_map *map)
{
    unsigned at = 0;

    if (--map->refs > 0) {
        if (map->def.type == BPF_MAP_TYPE_PROG_ARRAY)
            bpf_prog_array_collect(); /* of the others none is in a circle */
        return;
    }
    if (map->id != 0) {
        while (maps[at] != map)
            at++;
        map_count--;
        memmove(&maps[at], &maps[at + 1], (map_count - at) * sizeof(struct bpf_map *));
    }
    map_free(map);
}

struct bpf_map *bpf_map_at(unsigned i)
{
    return i < map_count ? maps[i] : NULL;
}

struct bpf_map *bpf_map_by_name(const char *name)
{
    for (unsigned i = map_count; i > 0; i--)
        if (strcmp(maps[i - 1]->name, name) == 0)
            return maps[i - 1];
    return NULL;
}

struct bpf_map *bpf_map_by_id(uint32_t id)
{
    for (unsigned i = 0; i < map_count; i++)
        if (maps[i]->id == id)
            return maps[i];
    return NULL;
}

size_t bpf_map_user_bytes(const struct bpf_map *map)
{
    return map->ops->percpu ? BPF_CPUS * ALIGN_UP((size_t)map->def.value_size, 8)
                            : map->def.value_size;
}

int bpf_map_read(struct bpf_map *map, const void *key, void *values)
{
    const void *value;

    _Static_assert(BPF_CPUS == 1, "the values of other CPUs would have to be read too");
    if (map->def.flags & BPF_F_WRONLY)
        return -BPF_EPERM;
    if (map->ops->read != NULL)
        return map->ops->read(map, key, values);
    if (map->ops->lookup == NULL)
        return -BPF_ENOTSUPP;
    value = map->ops->lookup(map, key);
    if (value == NULL)
        return -BPF_ENOENT;
    memset(values, 0, bpf_map_user_bytes(map));
    memcpy(values, value, map->def.value_size);
    return 0;
}

static bool write_allowed(const struct bpf_map *map)
{
    return !map->frozen && (map->def.flags & BPF_F_RDONLY) == 0;
}

int bpf_map_write(struct bpf_map *map, const void *key, const void *values, uint64_t flags)
{
    if (!write_allowed(map))
        return -BPF_EPERM;
    if (map->ops->write != NULL)
        return map->ops->write(map, key, values, flags);
    if (map->ops->update == NULL)
        return -BPF_ENOTSUPP;
    return map->ops->update(map, key, values, flags);
}

int bpf_map_remove(struct bpf_map *map, const void *key)
{
    if (!write_allowed(map))
        return -BPF_EPERM;
    if (map->ops->delete == NULL)
        return -BPF_ENOTSUPP;
    return map->ops->delete (map, key);
}

int bpf_map_next_key(struct bpf_map *map, const void *key, void *next)
{
    if (map->def.flags & BPF_F_WRONLY)
        return -BPF_EPERM;
    if (map->ops->next_key == NULL)
        return -BPF_ENOTSUPP;
    return map->ops->next_key(map, key, next);
}

int bpf_map_next_index(struct bpf_map *map, const void *key, void *next)
{
    uint32_t index = key == NULL ? UINT32_MAX : bpf_load32(key);

    if (index == map->def.max_entries - 1)
        return -BPF_ENOENT;
    bpf_store32(next, index >= map->def.max_entries ? 0 : index + 1);
    return 0;
}
