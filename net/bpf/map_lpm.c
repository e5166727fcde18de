/*
 * lpm_trie: the longest prefix that matches, in a path-compressed binary trie as Linux's: a node
 * for each prefix, and a node without a value where two prefixes part. All nodes are allocated with
 * the map. A key is struct { u32 prefix_bits; u8 data[]; }, the data in network order; bits behind
 * the prefix do not count, but are given back as they came.
 *
 * A lookup passes one node a level, so at most as many as the key has bits, and of n random
 * prefixes about log2 n. Keys of up to 16 bytes (IPv4, IPv6, and either with a port or a VLAN
 * before it) are compared as two words, longer ones by bytes.
 */
#include "map_impl.h"
#include "prog.h"
#include <string.h>

#define DATA_MAX   256u
#define WORD_BYTES 16u /* keys up to here are compared as words */

struct node {
    struct node *child[2]; /* by the first bit behind the prefix; child[0]: next in the free list */
    uint64_t bits[2];      /* the prefix as words, zeros behind it */
    uint64_t mask[2];
    uint32_t prefix_bits;
    bool inner;     /* no value: an inner node has two children, always */
    uint8_t data[]; /* the key's; the value, 8-byte aligned */
};

struct trie {
    struct node *root;
    struct node *free_entry, *free_inner;
    struct node *inner; /* the memory of the inner nodes */
    uint32_t data_bytes;
    uint32_t bits_max;
    uint32_t value_at; /* offset in struct node */
};

struct lpm_key {
    uint32_t prefix_bits;
    const uint8_t *data;
};

static struct lpm_key key_read(const void *key)
{
    return (struct lpm_key){ bpf_load32(key), (const uint8_t *)key + 4 };
}

static inline unsigned bit_at(const uint8_t *data, uint32_t bit)
{
    return (data[bit / 8] >> (7 - bit % 8)) & 1;
}

static uint64_t load_big(const uint8_t *data, uint32_t bytes)
{
    uint64_t word = 0;

    if (bytes >= 8)
        return __builtin_bswap64(bpf_load64(data));
    if (bytes == 4)
        return (uint64_t)__builtin_bswap32(bpf_load32(data)) << 32;
    for (uint32_t i = 0; i < bytes; i++)
        word |= (uint64_t)data[i] << (56 - 8 * i);
    return word;
}

/* How many leading bits `a` and `b` have in common, at most `limit`. */
static uint32_t common_bits(const uint8_t *a, const uint8_t *b, uint32_t limit)
{
    uint32_t bits = 0;

    while (bits + 8 <= limit && a[bits / 8] == b[bits / 8])
        bits += 8;
    while (bits < limit && bit_at(a, bits) == bit_at(b, bits))
        bits++;
    return bits;
}

/* ---- Lookup. `two`, a constant: the key has more than one word. ---- */

/* The bit behind the first `bits`. Where the words end there is none, and any will do: a node of
 * that length has no children. */
static inline unsigned bit_behind(uint64_t high, uint64_t low, uint32_t bits, bool two)
{
    uint64_t word = two && bits >= 64 ? low : high;

    return (unsigned)(word << (bits & 63) >> 63);
}

static inline const struct node *walk_words(const struct node *n, uint64_t high, uint64_t low,
                                            uint32_t prefix_bits, bool two)
{
    const struct node *best = NULL;

    while (n != NULL && n->prefix_bits <= prefix_bits) {
        uint64_t differ = (n->bits[0] ^ high) & n->mask[0];

        if (two)
            differ |= (n->bits[1] ^ low) & n->mask[1];
        if (differ != 0)
            break;
        if (!n->inner)
            best = n;
        n = n->child[bit_behind(high, low, n->prefix_bits, two)];
    }
    return best;
}

static const struct node *walk_bytes(const struct node *n, const struct lpm_key *key,
                                     uint32_t bits_max)
{
    const struct node *best = NULL;

    while (n != NULL && n->prefix_bits <= key->prefix_bits &&
           common_bits(n->data, key->data, n->prefix_bits) == n->prefix_bits) {
        if (!n->inner)
            best = n;
        if (n->prefix_bits == bits_max)
            break;
        n = n->child[bit_at(key->data, n->prefix_bits)];
    }
    return best;
}

static __attribute__((noinline)) const struct node *find_wide(const struct trie *t,
                                                              const struct lpm_key *key)
{
    uint64_t high;

    if (t->data_bytes > WORD_BYTES)
        return walk_bytes(t->root, key, t->bits_max);
    high = load_big(key->data, MIN(t->data_bytes, 8u));
    if (t->data_bytes <= 8)
        return walk_words(t->root, high, 0, key->prefix_bits, false);
    return walk_words(t->root, high, load_big(key->data + 8, t->data_bytes - 8), key->prefix_bits,
                      true);
}

/* IPv4 first: what most tries are made for needs no stack frame then. */
static void *lpm_lookup(struct bpf_map *map, const void *raw)
{
    const struct trie *t = map->own;
    const struct node *found;

    if (bpf_load32(raw) > t->bits_max)
        return NULL;
    if (likely(t->data_bytes == 4)) {
        found =
            walk_words(t->root, load_big((const uint8_t *)raw + 4, 4), 0, bpf_load32(raw), false);
    } else {
        struct lpm_key key = key_read(raw);

        found = find_wide(t, &key);
    }
    return found != NULL ? (uint8_t *)found + t->value_at : NULL;
}

/* ---- Update ---- */

static uint64_t mask_of(uint32_t prefix_bits)
{
    return prefix_bits == 0 ? 0 : ~(UINT64_MAX >> 1 >> (MIN(prefix_bits, 64u) - 1));
}

static void set_prefix(const struct trie *t, struct node *n, const uint8_t *data,
                       uint32_t prefix_bits)
{
    n->prefix_bits = prefix_bits;
    memcpy(n->data, data, t->data_bytes);
    if (t->data_bytes > WORD_BYTES)
        return;
    n->mask[0] = mask_of(prefix_bits);
    n->mask[1] = prefix_bits > 64 ? mask_of(prefix_bits - 64) : 0;
    n->bits[0] = load_big(data, MIN(t->data_bytes, 8u)) & n->mask[0];
    n->bits[1] = t->data_bytes > 8 ? load_big(data + 8, t->data_bytes - 8) & n->mask[1] : 0;
}

static struct node *take(struct node **list)
{
    struct node *n = *list;

    *list = n->child[0];
    n->child[0] = n->child[1] = NULL;
    return n;
}

static void release(struct trie *t, struct node *n)
{
    struct node **list = n->inner ? &t->free_inner : &t->free_entry;

    n->child[0] = *list;
    *list = n;
}

static struct node *make_entry(struct bpf_map *map, const struct lpm_key *key, const void *value)
{
    struct trie *t = map->own;
    struct node *n = take(&t->free_entry);

    /* In this order: a program may give a key that lies in a value which it deleted, in `n`. */
    set_prefix(t, n, key->data, key->prefix_bits);
    memmove((uint8_t *)n + t->value_at, value, map->def.value_size);
    return n;
}

/* Where the key belongs: *slot is the first node on the way down that is not a shorter prefix of
 * it, or NULL; *common: how much of the key that one has. */
static struct node **find_slot(struct trie *t, const struct lpm_key *key, uint32_t *common)
{
    struct node **slot = &t->root;

    for (*common = 0; *slot != NULL; slot = &(*slot)->child[bit_at(key->data, *common)]) {
        uint32_t limit = MIN((*slot)->prefix_bits, key->prefix_bits);

        *common = common_bits((*slot)->data, key->data, limit);
        if (*common != (*slot)->prefix_bits || *common == key->prefix_bits)
            break;
    }
    return slot;
}

/* The new node takes the place of `old`, which is a longer prefix, or goes beside it. */
static void put_above(struct trie *t, struct node **slot, struct node *n, uint32_t common)
{
    struct node *old = *slot;
    struct node *inner;

    if (common == n->prefix_bits) {
        n->child[bit_at(old->data, common)] = old;
        *slot = n;
        return;
    }
    inner = take(&t->free_inner);
    set_prefix(t, inner, old->data, common);
    inner->child[bit_at(n->data, common)] = n;
    inner->child[bit_at(old->data, common)] = old;
    *slot = inner;
}

static int lpm_update(struct bpf_map *map, const void *raw, const void *value, uint64_t flags)
{
    struct trie *t = map->own;
    struct lpm_key key = key_read(raw);
    struct node *old, *n, **slot;
    uint32_t common;
    bool same, replace;

    if (bpf_map_flags_bad(flags) || key.prefix_bits > t->bits_max)
        return -BPF_EINVAL;
    slot = find_slot(t, &key, &common);
    old = *slot;
    same = old != NULL && common == old->prefix_bits; /* then it is the key's length, too */
    replace = same && !old->inner;
    if (replace && flags == BPF_NOEXIST)
        return -BPF_EEXIST;
    if (!replace && flags == BPF_EXIST)
        return -BPF_ENOENT;
    if (!replace && map->entries == map->def.max_entries)
        return -BPF_ENOSPC;

    n = make_entry(map, &key, value);
    if (same) {
        n->child[0] = old->child[0];
        n->child[1] = old->child[1];
        *slot = n;
        release(t, old);
    } else if (old == NULL) {
        *slot = n;
    } else {
        put_above(t, slot, n, common);
    }
    map->entries += !replace;
    return 0;
}

static int lpm_delete(struct bpf_map *map, const void *raw)
{
    struct trie *t = map->own;
    struct lpm_key key = key_read(raw);
    struct node **slot = &t->root, **above = NULL; /* above: what points to the parent */
    struct node *n, *parent, *child;

    if (key.prefix_bits > t->bits_max)
        return -BPF_EINVAL;
    while (*slot != NULL && (*slot)->prefix_bits < key.prefix_bits &&
           common_bits((*slot)->data, key.data, (*slot)->prefix_bits) == (*slot)->prefix_bits) {
        above = slot;
        slot = &(*slot)->child[bit_at(key.data, (*slot)->prefix_bits)];
    }
    n = *slot;
    if (n == NULL || n->inner || n->prefix_bits != key.prefix_bits ||
        common_bits(n->data, key.data, n->prefix_bits) != n->prefix_bits)
        return -BPF_ENOENT;

    map->entries--;
    if (n->child[0] != NULL && n->child[1] != NULL) { /* needed as an inner node now */
        child = take(&t->free_inner);
        set_prefix(t, child, n->data, n->prefix_bits);
        child->child[0] = n->child[0];
        child->child[1] = n->child[1];
    } else {
        child = n->child[0] != NULL ? n->child[0] : n->child[1];
    }
    *slot = child;
    parent = above != NULL ? *above : NULL;
    if (child == NULL && parent != NULL && parent->inner) { /* its other child is left alone */
        *above = parent->child[0] != NULL ? parent->child[0] : parent->child[1];
        release(t, parent);
    }
    release(t, n);
    return 0;
}

/* ---- Iteration, in Linux's order: children before their parent. ---- */

static const struct node *first_below(const struct node *n)
{
    const struct node *first = NULL;

    while (n != NULL) {
        if (!n->inner)
            first = n;
        n = n->inner || n->child[0] != NULL ? n->child[0] : n->child[1];
    }
    return first;
}

/* The node behind the key's own; false: there is none of that key. On the way down, the last node
 * that comes behind what is below it, or has something that does, is the one to go on with. */
static bool node_after(const struct trie *t, const struct lpm_key *key, const struct node **after)
{
    const struct node *n = t->root;

    *after = NULL;
    while (n != NULL && n->prefix_bits < key->prefix_bits &&
           common_bits(n->data, key->data, n->prefix_bits) == n->prefix_bits) {
        unsigned bit = bit_at(key->data, n->prefix_bits);

        if (bit == 0 && n->child[1] != NULL)
            *after = first_below(n->child[1]);
        else if (!n->inner)
            *after = n;
        n = n->child[bit];
    }
    return n != NULL && !n->inner && n->prefix_bits == key->prefix_bits &&
           common_bits(n->data, key->data, n->prefix_bits) == n->prefix_bits;
}

static int lpm_next_key(struct bpf_map *map, const void *raw, void *next)
{
    const struct trie *t = map->own;
    const struct node *n = NULL;
    bool known = false;

    if (raw != NULL) {
        struct lpm_key key = key_read(raw);

        known = key.prefix_bits <= t->bits_max && node_after(t, &key, &n);
    }
    if (!known)
        n = first_below(t->root);
    if (n == NULL)
        return -BPF_ENOENT;
    bpf_store32(next, n->prefix_bits);
    memcpy((uint8_t *)next + 4, n->data, t->data_bytes);
    return 0;
}

/* ---- Creation ---- */

static const char *check(const struct bpf_map_def *def)
{
    const uint32_t flags = BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY |
                           BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;

    if ((def->flags & BPF_F_NO_PREALLOC) == 0)
        return "an lpm_trie needs BPF_F_NO_PREALLOC in map_flags";
    if (def->flags & ~flags)
        return "map_flags that an lpm_trie does not have";
    if (def->key_size < 4 + 1 || def->key_size > 4 + DATA_MAX)
        return "the key of an lpm_trie is 4 bytes of length and 1 to 256 bytes";
    if (def->value_size == 0)
        return "value_size is 0";
    return NULL;
}

static void fill(struct node **list, void *memory, size_t count, size_t bytes, bool inner)
{
    for (size_t i = count; i > 0; i--) {
        struct node *n = (struct node *)((uint8_t *)memory + (i - 1) * bytes);

        n->inner = inner;
        n->child[0] = *list;
        *list = n;
    }
}

static bool lpm_init(struct bpf_map *map, const char **why)
{
    const struct bpf_map_def *def = &map->def;
    size_t entries = (size_t)def->max_entries + 1; /* an update takes one before it frees one */
    size_t node_bytes, inner_bytes;
    struct trie *t;

    *why = check(def);
    if (*why != NULL)
        return false;
    t = bpf_map_alloc(map, sizeof(*t), why);
    map->own = t;
    if (t == NULL)
        return false;
    t->data_bytes = def->key_size - 4;
    t->bits_max = t->data_bytes * 8;
    inner_bytes = ALIGN_UP(offsetof(struct node, data) + t->data_bytes, 8);
    node_bytes = inner_bytes + ALIGN_UP((size_t)def->value_size, 8);
    t->value_at = (uint32_t)inner_bytes;

    if (!bpf_map_alloc_memory(map, entries * node_bytes, why))
        return false;
    t->inner = bpf_map_alloc(map, entries * inner_bytes, why);
    if (t->inner == NULL)
        return false;
    fill(&t->free_entry, map->memory, entries, node_bytes, false);
    fill(&t->free_inner, t->inner, entries, inner_bytes, true);
    return true;
}

static void lpm_destroy(struct bpf_map *map)
{
    const struct trie *t = map->own;

    if (t != NULL)
        bpf_mem_free(t->inner);
}

const struct bpf_map_ops bpf_lpm_trie_ops = {
    .type_name = "lpm_trie",
    .program_lookup = true,
    .program_update = true,
    .program_delete = true,
    .init = lpm_init,
    .destroy = lpm_destroy,
    .lookup = lpm_lookup,
    .update = lpm_update,
    .delete = lpm_delete,
    .next_key = lpm_next_key,
};
