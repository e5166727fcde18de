/*
 * hash, percpu_hash and lru_hash: chains in a power of two of buckets, of elements that are all
 * allocated with the map.
 *
 * Packets choose the keys, so the hash function is drawn at random for each map: multilinear
 * hashing over 32-bit pieces, (c0 + c1 k1 + c2 k2 + ...) mod 2^64 with random 64-bit c, of which
 * the upper half counts. It is strongly universal (Lemire and Kaser: "Strongly universal string
 * hashing is fast", The Computer Journal 2014): any two keys share a bucket with probability
 * 1/buckets, whoever chose them, so that a chain walked has two elements on average. One
 * multiplication for four bytes of key.
 *
 * An entry that is updated moves to a fresh element, for which there is one more than max_entries:
 * a program that still holds a pointer to the old value sees the old value, as on Linux. Of a
 * percpu_hash the value is overwritten in place, as there.
 *
 * lru_hash: true LRU (Linux approximates it). Entries are in one list by last use; a lookup or an
 * update by a program moves an entry to its front, reads of the control side do not. A new entry in
 * a full map takes the place of the last one, at constant cost.
 */
#include "map_impl.h"
#include "prog.h"
#include <kernel/rand.h>
#include <string.h>

struct elem {
    struct elem *next; /* in its bucket, or in the list of free ones */
    uint32_t hash;
    uint8_t data[] __attribute__((aligned(8))); /* the key; the value, 8-byte aligned */
};

struct lru_link { /* stands before the elem of an lru_hash */
    struct lru_link *newer, *older;
};

struct table {
    struct elem **buckets;
    uint32_t mask;      /* buckets - 1 */
    uint32_t key_bytes; /* as in def */
    uint32_t value_at;  /* offset in elem.data */
    bool lru;
    struct elem *free;
    struct lru_link ends;   /* .older: the entry used last; .newer: the one to go next */
    uint64_t coefficient[]; /* random; one for each four bytes of key and c0 */
};

static inline struct lru_link *link_of(struct elem *e)
{
    return (struct lru_link *)e - 1;
}

static inline struct elem *elem_of(struct lru_link *l)
{
    return (struct elem *)(l + 1);
}

static void lru_remove(struct lru_link *l)
{
    l->newer->older = l->older;
    l->older->newer = l->newer;
}

static void lru_add(struct table *t, struct lru_link *l)
{
    l->newer = &t->ends;
    l->older = t->ends.older;
    l->older->newer = l;
    t->ends.older = l;
}

static inline uint32_t key_tail(const uint8_t *key, uint32_t bytes) /* 1 to 3 */
{
    uint32_t piece = key[0];

    if (bytes > 1)
        piece |= (uint32_t)key[1] << 8;
    if (bytes > 2)
        piece |= (uint32_t)key[2] << 16;
    return piece;
}

static inline __attribute__((always_inline)) uint32_t key_hash(const struct table *t,
                                                               const uint8_t *key, uint32_t bytes)
{
    const uint64_t *c = t->coefficient;
    uint64_t sum = *c++;

    for (; bytes >= 4; bytes -= 4, key += 4)
        sum += *c++ * bpf_load32(key);
    if (bytes > 0)
        sum += *c * key_tail(key, bytes);
    return (uint32_t)(sum >> 32);
}

static inline __attribute__((always_inline)) bool key_equal(const uint8_t *a, const uint8_t *b,
                                                            uint32_t bytes)
{
    for (; bytes >= 8; bytes -= 8, a += 8, b += 8)
        if (bpf_load64(a) != bpf_load64(b))
            return false;
    if (bytes >= 4) {
        if (bpf_load32(a) != bpf_load32(b))
            return false;
        bytes -= 4, a += 4, b += 4;
    }
    return bytes == 0 || key_tail(a, bytes) == key_tail(b, bytes);
}

/* `bytes` is key_bytes; where it is constant, the loops above are no loops. */
static inline __attribute__((always_inline)) struct elem *find_in(const struct table *t,
                                                                  const uint8_t *key,
                                                                  uint32_t bytes)
{
    uint32_t hash = key_hash(t, key, bytes);
    struct elem *e = t->buckets[hash & t->mask];

    while (e != NULL && !(e->hash == hash && key_equal(e->data, key, bytes)))
        e = e->next;
    return e;
}

static struct elem *find(const struct table *t, const void *key)
{
    switch (t->key_bytes) {
    case 4:
        return find_in(t, key, 4);
    case 8:
        return find_in(t, key, 8);
    default:
        return find_in(t, key, t->key_bytes);
    }
}

/* What points to this element in its bucket. */
static struct elem **find_slot(const struct table *t, const struct elem *e)
{
    struct elem **slot = &t->buckets[e->hash & t->mask];

    while (*slot != e)
        slot = &(*slot)->next;
    return slot;
}

static void *hash_lookup(struct bpf_map *map, const void *key)
{
    const struct table *t = map->own;
    struct elem *e = find(t, key);

    return e != NULL ? e->data + t->value_at : NULL;
}

static void *lru_lookup(struct bpf_map *map, const void *key)
{
    struct table *t = map->own;
    struct elem *e = find(t, key);

    if (e == NULL)
        return NULL;
    if (t->ends.older != link_of(e)) {
        lru_remove(link_of(e));
        lru_add(t, link_of(e));
    }
    return e->data + t->value_at;
}

static int lru_read(struct bpf_map *map, const void *key, void *value)
{
    const void *found = hash_lookup(map, key);

    if (found == NULL)
        return -BPF_ENOENT;
    memcpy(value, found, map->def.value_size);
    return 0;
}

/* Out of its bucket and of the LRU list, to the free ones: used again first, as Linux does. */
static void release(struct table *t, struct elem **slot)
{
    struct elem *e = *slot;

    *slot = e->next;
    if (t->lru)
        lru_remove(link_of(e));
    e->next = t->free;
    t->free = e;
}

static struct elem *take(struct bpf_map *map, const void *key, uint32_t hash, const void *value)
{
    struct table *t = map->own;
    struct elem *e = t->free;

    t->free = e->next;
    e->hash = hash;
    memcpy(e->data, key, t->key_bytes);
    memmove(e->data + t->value_at, value, map->def.value_size); /* may be an old one of its own */
    if (t->lru)
        lru_add(t, link_of(e));
    return e;
}

static int insert(struct bpf_map *map, const void *key, const void *value)
{
    struct table *t = map->own;
    uint32_t hash = key_hash(t, key, t->key_bytes);
    struct elem **bucket = &t->buckets[hash & t->mask];
    struct elem *e;

    if (map->entries == map->def.max_entries) {
        if (!t->lru)
            return -BPF_E2BIG;
        release(t, find_slot(t, elem_of(t->ends.newer)));
        map->entries--;
    }
    e = take(map, key, hash, value);
    e->next = *bucket;
    *bucket = e;
    map->entries++;
    return 0;
}

static int hash_update(struct bpf_map *map, const void *key, const void *value, uint64_t flags)
{
    struct table *t = map->own;
    struct elem *old, *e, **slot;

    if (unlikely(bpf_map_flags_bad(flags)))
        return -BPF_EINVAL;
    old = find(t, key);
    if (old == NULL)
        return flags == BPF_EXIST ? -BPF_ENOENT : insert(map, key, value);
    if (flags == BPF_NOEXIST)
        return -BPF_EEXIST;
    if (map->ops->percpu) {
        memmove(old->data + t->value_at, value, map->def.value_size);
        return 0;
    }
    e = take(map, key, old->hash, value);
    slot = find_slot(t, old);
    e->next = old->next;
    release(t, slot);
    *slot = e;
    return 0;
}

static int hash_delete(struct bpf_map *map, const void *key)
{
    struct table *t = map->own;
    struct elem *e = find(t, key);

    if (e == NULL)
        return -BPF_ENOENT;
    release(t, find_slot(t, e));
    map->entries--;
    return 0;
}

static int hash_next_key(struct bpf_map *map, const void *key, void *next)
{
    const struct table *t = map->own;
    const struct elem *e = key != NULL ? find(t, key) : NULL;
    uint64_t bucket = 0;

    if (e != NULL) {
        bucket = (uint64_t)(e->hash & t->mask) + 1;
        e = e->next;
    }
    for (; e == NULL && bucket <= t->mask; bucket++)
        e = t->buckets[bucket];
    if (e == NULL)
        return -BPF_ENOENT;
    memcpy(next, e->data, t->key_bytes);
    return 0;
}

static const char *check(const struct bpf_map_def *def)
{
    uint32_t flags =
        BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG | BPF_F_ZERO_SEED;

    flags |= def->type == BPF_MAP_TYPE_LRU_HASH ? BPF_F_NO_COMMON_LRU : BPF_F_NO_PREALLOC;
    if (def->type != BPF_MAP_TYPE_PERCPU_HASH)
        flags |= BPF_F_NUMA_NODE;
    if (def->key_size == 0 || def->value_size == 0)
        return "key_size or value_size is 0";
    if (def->flags & ~flags)
        return "map_flags that such a hash does not have";
    return NULL;
}

static uint64_t bucket_count(uint32_t entries)
{
    uint64_t buckets = 1;

    while (buckets < entries)
        buckets *= 2;
    return buckets;
}

/* All elements to the list of free ones, the first one on top. */
static void fill_free_list(struct bpf_map *map, struct table *t, size_t elem_bytes)
{
    size_t before = t->lru ? sizeof(struct lru_link) : 0;

    for (size_t i = (size_t)map->def.max_entries + 1; i > 0; i--) {
        struct elem *e = (struct elem *)((uint8_t *)map->memory + (i - 1) * elem_bytes + before);

        e->next = t->free;
        t->free = e;
    }
}

static bool hash_init(struct bpf_map *map, const char **why)
{
    const struct bpf_map_def *def = &map->def;
    size_t coefficients = 1 + (def->key_size + 3) / 4;
    uint64_t buckets = bucket_count(def->max_entries);
    struct table *t;
    size_t elem_bytes;

    *why = check(def);
    if (*why != NULL)
        return false;
    t = bpf_map_alloc(map, sizeof(*t) + coefficients * sizeof(t->coefficient[0]), why);
    map->own = t;
    if (t == NULL)
        return false;
    t->lru = def->type == BPF_MAP_TYPE_LRU_HASH;
    t->key_bytes = def->key_size;
    t->value_at = ALIGN_UP(def->key_size, 8);
    t->mask = (uint32_t)(buckets - 1);
    t->ends.newer = t->ends.older = &t->ends;
    rand_bytes(t->coefficient, coefficients * sizeof(t->coefficient[0]));

    elem_bytes = sizeof(struct elem) + t->value_at + ALIGN_UP((size_t)def->value_size, 8);
    if (t->lru)
        elem_bytes += sizeof(struct lru_link);
    if (!bpf_map_alloc_memory(map, ((size_t)def->max_entries + 1) * elem_bytes, why))
        return false;
    t->buckets = bpf_map_alloc(map, buckets * sizeof(struct elem *), why);
    if (t->buckets == NULL)
        return false;
    fill_free_list(map, t, elem_bytes);
    return true;
}

static void hash_destroy(struct bpf_map *map)
{
    const struct table *t = map->own;

    if (t != NULL)
        bpf_mem_free(t->buckets);
}

const struct bpf_map_ops bpf_hash_ops = {
    .type_name = "hash",
    .program_lookup = true,
    .program_update = true,
    .program_delete = true,
    .init = hash_init,
    .destroy = hash_destroy,
    .lookup = hash_lookup,
    .update = hash_update,
    .delete = hash_delete,
    .next_key = hash_next_key,
};

const struct bpf_map_ops bpf_percpu_hash_ops = {
    .type_name = "percpu_hash",
    .percpu = true,
    .program_lookup = true,
    .program_update = true,
    .program_delete = true,
    .init = hash_init,
    .destroy = hash_destroy,
    .lookup = hash_lookup,
    .update = hash_update,
    .delete = hash_delete,
    .next_key = hash_next_key,
};

const struct bpf_map_ops bpf_lru_hash_ops = {
    .type_name = "lru_hash",
    .program_lookup = true,
    .program_update = true,
    .program_delete = true,
    .init = hash_init,
    .destroy = hash_destroy,
    .lookup = lru_lookup,
    .update = hash_update,
    .delete = hash_delete,
    .next_key = hash_next_key,
    .read = lru_read,
};
