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
#include "map_lpm.h"
#include "prog.h"
#include <string.h>

/* ---- Lookup. `two`, a constant: the key has more than one word. ---- */

/* The bit behind the first `bits`. Where the words end there is none, and any will do: a node of
 * that length has no children. */
static inline unsigned bit_behind(uint64_t high, uint64_t low, uint32_t bits, bool two)
{
    uint64_t word = two && bits >= 64 ? low : high;

    return (unsigned)(word << (bits & 63) >> 63);
}

static inline const struct lpm_node *walk_words(const struct lpm_node *n, uint64_t high,
                                                uint64_t low, uint32_t prefix_bits, bool two)
{
    const struct lpm_node *best = NULL;

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

static const struct lpm_node *walk_bytes(const struct lpm_node *n, const struct lpm_key *key,
                                         uint32_t bits_max)
{
    const struct lpm_node *best = NULL;

    while (n != NULL && n->prefix_bits <= key->prefix_bits &&
           lpm_common_bits(n->data, key->data, n->prefix_bits) == n->prefix_bits) {
        if (!n->inner)
            best = n;
        if (n->prefix_bits == bits_max)
            break;
        n = n->child[lpm_bit_at(key->data, n->prefix_bits)];
    }
    return best;
}

static __attribute__((noinline)) const struct lpm_node *find_wide(const struct lpm_trie *t,
                                                                  const struct lpm_key *key)
{
    uint64_t high;

    if (t->data_bytes > LPM_WORD_BYTES)
        return walk_bytes(t->root, key, t->bits_max);
    high = lpm_load_big(key->data, MIN(t->data_bytes, 8u));
    if (t->data_bytes <= 8)
        return walk_words(t->root, high, 0, key->prefix_bits, false);
    return walk_words(t->root, high, lpm_load_big(key->data + 8, t->data_bytes - 8),
                      key->prefix_bits, true);
}

/* IPv4 first: what most tries are made for needs no stack frame then. */
static void *lpm_lookup(struct bpf_map *map, const void *raw)
{
    const struct lpm_trie *t = map->own;
    const struct lpm_node *found;

    if (bpf_load32(raw) > t->bits_max)
        return NULL;
    if (likely(t->data_bytes == 4)) {
        found = walk_words(t->root, lpm_load_big((const uint8_t *)raw + 4, 4), 0, bpf_load32(raw),
                           false);
    } else {
        struct lpm_key key = lpm_key_read(raw);

        found = find_wide(t, &key);
    }
    return found != NULL ? (uint8_t *)found + t->value_at : NULL;
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
    if (def->key_size < 4 + 1 || def->key_size > 4 + LPM_DATA_MAX)
        return "the key of an lpm_trie is 4 bytes of length and 1 to 256 bytes";
    if (def->value_size == 0)
        return "value_size is 0";
    return NULL;
}

static void fill(struct lpm_node **list, void *memory, size_t count, size_t bytes, bool inner)
{
    for (size_t i = count; i > 0; i--) {
        struct lpm_node *n = (struct lpm_node *)((uint8_t *)memory + (i - 1) * bytes);

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
    struct lpm_trie *t;

    *why = check(def);
    if (*why != NULL)
        return false;
    t = bpf_map_alloc(map, sizeof(*t), why);
    map->own = t;
    if (t == NULL)
        return false;
    t->data_bytes = def->key_size - 4;
    t->bits_max = t->data_bytes * 8;
    inner_bytes = ALIGN_UP(offsetof(struct lpm_node, data) + t->data_bytes, 8);
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
    const struct lpm_trie *t = map->own;

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
    .update = bpf_lpm_update,
    .delete = bpf_lpm_delete,
    .next_key = bpf_lpm_next_key,
};
