/*
 * prog_array: programs to tail call. The map holds a reference of each, and a program one of the
 * maps that it uses: a circle, which bpf_prog_array_collect() cuts.
 */
#include "map_impl.h"
#include "prog.h"

static bool prog_array_init(struct bpf_map *map, const char **why)
{
    const struct bpf_map_def *def = &map->def;

    if (def->key_size != 4 || def->value_size != 4)
        return bpf_map_fail(why, "key_size and value_size of a prog_array are 4");
    if (def->flags & ~(BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY))
        return bpf_map_fail(why, "map_flags that a prog_array does not have");
    return bpf_map_alloc_memory(map, def->max_entries * sizeof(struct bpf_prog *), why);
}

struct bpf_prog **bpf_prog_array_slots(struct bpf_map *map)
{
    return map->memory;
}

struct bpf_prog *bpf_prog_array_get(struct bpf_map *map, uint32_t index)
{
    return index < map->def.max_entries ? bpf_prog_array_slots(map)[index] : NULL;
}

int bpf_prog_array_set(struct bpf_map *map, uint32_t index, struct bpf_prog *prog)
{
    struct bpf_prog *old = bpf_prog_array_get(map, index);

    if (index >= map->def.max_entries)
        return -BPF_E2BIG;
    if (prog != NULL) {
        bpf_prog_hold(prog);
        prog->array_refs++;
        map->entries++;
    }
    bpf_prog_array_slots(map)[index] = prog;
    if (old != NULL) {
        map->entries--;
        old->array_refs--;
        bpf_prog_put(old);
    }
    return 0;
}

static int prog_array_read(struct bpf_map *map, const void *key, void *value)
{
    const struct bpf_prog *prog = bpf_prog_array_get(map, bpf_load32(key));

    if (prog == NULL)
        return -BPF_ENOENT;
    bpf_store32(value, prog->id);
    return 0;
}

/* The value: a program's id, where bpf(2) has a file descriptor. */
static int prog_array_write(struct bpf_map *map, const void *key, const void *value, uint64_t flags)
{
    struct bpf_prog *prog;

    if (flags != BPF_ANY)
        return -BPF_EINVAL;
    if (bpf_load32(key) >= map->def.max_entries)
        return -BPF_E2BIG;
    prog = bpf_prog_by_id(bpf_load32(value));
    if (prog == NULL)
        return -BPF_EBADF;
    return bpf_prog_array_set(map, bpf_load32(key), prog);
}

static int prog_array_delete(struct bpf_map *map, const void *key)
{
    if (bpf_load32(key) < map->def.max_entries && bpf_prog_array_get(map, bpf_load32(key)) == NULL)
        return -BPF_ENOENT;
    return bpf_prog_array_set(map, bpf_load32(key), NULL);
}

static void clear(struct bpf_map *map)
{
    for (uint32_t i = 0; map->entries > 0 && i < map->def.max_entries; i++)
        (void)bpf_prog_array_set(map, i, NULL);
}

/* ---- Circles: mark what can be reached from outside, clear the arrays that are left. At most 64
 * maps and 64 programs, and only when something was let go of. ---- */

static bool is_prog_array(const struct bpf_map *map)
{
    return map->def.type == BPF_MAP_TYPE_PROG_ARRAY;
}

static unsigned uses(const struct bpf_prog *prog, const struct bpf_map *map)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < prog->map_count; i++)
        count += prog->maps[i] == map;
    return count;
}

/* Bits by place in the tables of maps and of programs. */
struct reach {
    uint64_t maps, progs;
};
_Static_assert(BPF_MAPS_MAX <= 64 && BPF_PROGS_MAX <= 64, "bits of a word");

/* Held by who is neither a program nor an array: an object, the receive path, a command. */
static struct reach find_held(void)
{
    struct reach held = { 0, 0 };
    struct bpf_prog *prog;
    struct bpf_map *map;

    for (unsigned m = 0; (map = bpf_map_at(m)) != NULL; m++) {
        unsigned inside = 0;

        for (unsigned p = 0; (prog = bpf_prog_at(p)) != NULL; p++)
            inside += uses(prog, map);
        if (map->refs > inside)
            held.maps |= 1ull << m;
    }
    for (unsigned p = 0; (prog = bpf_prog_at(p)) != NULL; p++)
        if (prog->refs > prog->array_refs)
            held.progs |= 1ull << p;
    return held;
}

/* The programs in it. An array may have half a million places: each is looked at once. */
static void mark_programs(struct bpf_map *map)
{
    for (uint32_t i = 0, seen = 0; seen < map->entries; i++) {
        struct bpf_prog *prog = bpf_prog_array_slots(map)[i];

        if (prog != NULL) {
            prog->marked = true;
            seen++;
        }
    }
}

/* One step outwards: what leads from `from`, which is not in `before`. */
static struct reach spread(struct reach from, struct reach before)
{
    struct reach to = from;
    struct bpf_prog *prog;
    struct bpf_map *map;

    for (unsigned m = 0; (map = bpf_map_at(m)) != NULL; m++)
        if (((from.maps & ~before.maps) >> m & 1) && is_prog_array(map))
            mark_programs(map);
    for (unsigned p = 0; (prog = bpf_prog_at(p)) != NULL; p++) {
        for (unsigned m = 0; (from.progs >> p & 1) && (map = bpf_map_at(m)) != NULL; m++)
            if (uses(prog, map) > 0)
                to.maps |= 1ull << m;
        if (prog->marked)
            to.progs |= 1ull << p;
        prog->marked = false;
    }
    return to;
}

static bool any_filled(void)
{
    struct bpf_map *map;

    for (unsigned m = 0; (map = bpf_map_at(m)) != NULL; m++)
        if (is_prog_array(map) && map->entries > 0)
            return true;
    return false;
}

static struct bpf_map *find_unreached(void)
{
    struct reach now = find_held(), before = { 0, 0 }, next;
    struct bpf_map *map;

    while (now.maps != before.maps || now.progs != before.progs) {
        next = spread(now, before);
        before = now;
        now = next;
    }
    for (unsigned m = 0; (map = bpf_map_at(m)) != NULL; m++)
        if (is_prog_array(map) && map->entries > 0 && (now.maps >> m & 1) == 0)
            return map;
    return NULL;
}

void bpf_prog_array_collect(void)
{
    static bool running; /* what is cleared lets go of programs, which let go of maps */
    struct bpf_map *map;

    if (running || !any_filled())
        return;
    running = true;
    while ((map = find_unreached()) != NULL) {
        map->refs++; /* its programs may be its last users */
        clear(map);
        bpf_map_put(map);
    }
    running = false;
}

const struct bpf_map_ops bpf_prog_array_ops = {
    .type_name = "prog_array",
    .init = prog_array_init,
    .destroy = clear,
    .delete = prog_array_delete,
    .next_key = bpf_map_next_index,
    .read = prog_array_read,
    .write = prog_array_write,
};
