/*
 * Maps: what programs remember, and share with the outside. All memory is allocated when the map is
 * created, and bounded. Programs call lookup/update/delete in softirq context; the control side
 * (console, HTTP) is in main context with softirqs disabled (net_enter()), so that it never meets a
 * program in the middle, and everything it changes holds for the next packet.
 */
#ifndef NET_BPF_MAP_H
#define NET_BPF_MAP_H

#include "insn.h"
#include <stdbool.h>
#include <stddef.h>

#define BPF_CPUS         1u /* values of a per-CPU map */
#define BPF_MAP_NAME_MAX 64u
#define BPF_MAPS_MAX     64u /* that exist at a time */
#define BPF_KEY_MAX      512u
#define BPF_MAP_BYTES_MAX                                                                          \
    (4u << 20) /* of one allocation: what the page allocator has in one piece */

struct bpf_prog;
struct bpf_map;

struct bpf_map_def {
    uint32_t type; /* enum bpf_map_type */
    uint32_t key_size, value_size;
    uint32_t max_entries;
    uint32_t flags;
};

struct bpf_map_ops {
    const char *type_name; /* as bpftool says: "lru_hash" */
    bool percpu;
    bool program_lookup; /* bpf_map_lookup_elem() may be called by programs, and so on */
    bool program_update, program_delete;
    /* Fill in the type's own part; false: *why. map->def has been checked for what all types have
     * in common. */
    bool (*init)(struct bpf_map *map, const char **why);
    void (*destroy)(struct bpf_map *map);
    /* NULL: no such entry. A per-CPU map: this CPU's value. The value stays the map's. */
    void *(*lookup)(struct bpf_map *map, const void *key);
    /* 0 or a negative errno. `value`: def.value_size bytes; of a per-CPU map: this CPU's. */
    int (*update)(struct bpf_map *map, const void *key, const void *value, uint64_t flags);
    int (*delete)(struct bpf_map *map, const void *key);
    /* The key behind `key` (NULL or one that is not there: the first one); -BPF_ENOENT: no more.
     * Control side. */
    int (*next_key)(struct bpf_map *map, const void *key, void *next);
    /* The control side's lookup and update, where they differ: `values` has bpf_map_user_bytes().
     * NULL: made of lookup and update. */
    int (*read)(struct bpf_map *map, const void *key, void *values);
    int (*write)(struct bpf_map *map, const void *key, const void *values, uint64_t flags);
};

struct bpf_map {
    const struct bpf_map_ops *ops;
    struct bpf_map_def def;
    char name[BPF_MAP_NAME_MAX];
    uint32_t id;      /* from 1, never used again */
    unsigned refs;    /* programs that use it, and who else holds it */
    bool frozen;      /* .rodata: the control side may not write any more */
    uint64_t bytes;   /* of memory, all in all */
    uint32_t entries; /* now; of types whose entries come and go */
    void *memory;     /* entries with their values; the rest is the type's own */
    size_t memory_bytes;
    void *own; /* likewise */
};

/* A new map with one reference, registered under its name and a new id. NULL: *why is a constant
 * sentence. Main context, softirqs disabled. */
struct bpf_map *bpf_map_create(const struct bpf_map_def *def, const char *name, const char **why);

/* The same in two steps, for who has time: the first one clears up to 4 MiB and more, and may do so
 * with softirqs enabled; the second gives the id, by which, and by its name, it is found then. */
struct bpf_map *bpf_map_make(const struct bpf_map_def *def, const char *name, const char **why);
bool bpf_map_register(struct bpf_map *map, const char **why);

void bpf_map_hold(struct bpf_map *map);
void bpf_map_put(struct bpf_map *map); /* the last one destroys it */

/* Those that exist. `i` counts from 0; NULL past the end. Same context. */
struct bpf_map *bpf_map_at(unsigned i);
struct bpf_map *bpf_map_by_name(const char *name); /* the newest of that name */
struct bpf_map *bpf_map_by_id(uint32_t id);

/* Bytes of what the control side reads and writes as a value: of a per-CPU map one of
 * 8-byte-aligned value_size for each CPU, as bpf(2) has it. */
size_t bpf_map_user_bytes(const struct bpf_map *map);
int bpf_map_read(struct bpf_map *map, const void *key, void *values);
int bpf_map_write(struct bpf_map *map, const void *key, const void *values, uint64_t flags);
int bpf_map_remove(struct bpf_map *map, const void *key);
int bpf_map_next_key(struct bpf_map *map, const void *key, void *next);

/* An array's (or .data's) first value, for BPF_PSEUDO_MAP_VALUE: NULL where the type has none. */
void *bpf_map_value_base(struct bpf_map *map);

/* The ops of a type; NULL: there is none here. */
const struct bpf_map_ops *bpf_map_type_ops(uint32_t type);

/* ---- prog_array: entries are programs, not bytes. The map holds a reference of each. ---- */
struct bpf_prog *bpf_prog_array_get(struct bpf_map *map,
                                    uint32_t index); /* NULL: none. Any context */
int bpf_prog_array_set(struct bpf_map *map, uint32_t index,
                       struct bpf_prog *prog); /* NULL: clear */
/* Where it keeps them, for the JIT: struct bpf_prog *[max_entries]. */
struct bpf_prog **bpf_prog_array_slots(struct bpf_map *map);
/* Programs that tail call each other hold one another through the array that they use. Empties the
 * arrays that nobody else can reach any more: no program that is held otherwise uses them, and no
 * object. bpf_map_put() does it; bpf_prog_put() has to, too. Main context, softirqs disabled. */
void bpf_prog_array_collect(void);

/* ---- xskmap: entries are raw sockets (net/xsk.h), by their ids ---- */
uint32_t bpf_xskmap_get(struct bpf_map *map, uint32_t index); /* 0: none. Any context */

/* ---- devmap: entries are interfaces ---- */
uint32_t bpf_devmap_get(struct bpf_map *map, uint32_t index); /* ifindex; 0: none. Any context */

#endif
