/* What the map types share: see map.h for what a map is. */
#ifndef NET_BPF_MAP_IMPL_H
#define NET_BPF_MAP_IMPL_H

#include "map.h"
#include <kernel/lib.h>

extern const struct bpf_map_ops bpf_array_ops, bpf_percpu_array_ops, bpf_hash_ops,
    bpf_percpu_hash_ops, bpf_lru_hash_ops, bpf_lpm_trie_ops, bpf_prog_array_ops, bpf_devmap_ops,
    bpf_xskmap_ops, bpf_ringbuf_ops, bpf_perf_event_array_ops;

/* Zeroed memory of the map, counted in map->bytes. NULL: *why says that it is too much, or that
 * there is none. map.c frees map->memory and map->own; what else a type has, its destroy(). */
void *bpf_map_alloc(struct bpf_map *map, size_t bytes, const char **why);
bool bpf_map_alloc_memory(struct bpf_map *map, size_t bytes, const char **why); /* map->memory */

/* For types whose keys are the indexes of an array: Linux's order, every index there is. */
int bpf_map_next_index(struct bpf_map *map, const void *key, void *next);

static inline bool bpf_map_fail(const char **why, const char *reason)
{
    *why = reason;
    return false;
}

/* Keys and values of programs are aligned as they please: x86 does not mind, C has to be told. */
struct __attribute__((packed, may_alias)) bpf_word32 {
    uint32_t v;
};
struct __attribute__((packed, may_alias)) bpf_word64 {
    uint64_t v;
};

static inline uint32_t bpf_load32(const void *p)
{
    return ((const struct bpf_word32 *)p)->v;
}

static inline uint64_t bpf_load64(const void *p)
{
    return ((const struct bpf_word64 *)p)->v;
}

static inline void bpf_store32(void *p, uint32_t v)
{
    ((struct bpf_word32 *)p)->v = v;
}

/* Of an update: Linux's check before any other. No value here has a lock. */
static inline bool bpf_map_flags_bad(uint64_t flags)
{
    return flags > BPF_EXIST;
}

#endif
