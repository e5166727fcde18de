/* lpm_trie: updates, deletions and iteration: see map_lpm.c. */
#include "map_lpm.h"
#include <string.h>

uint32_t lpm_common_bits(const uint8_t *a, const uint8_t *b, uint32_t limit)
{
    uint32_t bits = 0;

    while (bits + 8 <= limit && a[bits / 8] == b[bits / 8])
        bits += 8;
    while (bits < limit && lpm_bit_at(a, bits) == lpm_bit_at(b, bits))
        bits++;
    return bits;
}

/* ---- Update ---- */

static uint64_t mask_of(uint32_t prefix_bits)
{
    return prefix_bits == 0 ? 0 : ~(UINT64_MAX >> 1 >> (MIN(prefix_bits, 64u) - 1));
}

static void set_prefix(const struct lpm_trie *t, struct lpm_node *n, const uint8_t *data,
                       uint32_t prefix_bits)
{
    n->prefix_bits = prefix_bits;
    memcpy(n->data, data, t->data_bytes);
    if (t->data_bytes > LPM_WORD_BYTES)
        return;
    n->mask[0] = mask_of(prefix_bits);
    n->mask[1] = prefix_bits > 64 ? mask_of(prefix_bits - 64) : 0;
    n->bits[0] = lpm_load_big(data, MIN(t->data_bytes, 8u)) & n->mask[0];
    n->bits[1] = t->data_bytes > 8 ? lpm_load_big(data + 8, t->data_bytes - 8) & n->mask[1] : 0;
}

static struct lpm_node *take(struct lpm_node **list)
{
    struct lpm_node *n = *list;

    *list = n->child[0];
    n->child[0] = n->child[1] = NULL;
    return n;
}

static void release(struct lpm_trie *t, struct lpm_node *n)
{
    struct lpm_node **list = n->inner ? &t->free_inner : &t->free_entry;

    n->child[0] = *list;
    *list = n;
}

static struct lpm_node *make_entry(struct bpf_map *map, const struct lpm_key *key,
                                   const void *value)
{
    struct lpm_trie *t = map->own;
    struct lpm_node *n = take(&t->free_entry);

    /* In this order: a program may give a key that lies in a value which it deleted, in `n`. */
    set_prefix(t, n, key->data, key->prefix_bits);
    memmove((uint8_t *)n + t->value_at, value, map->def.value_size);
    return n;
}

/* Where the key belongs: *slot is the first node on the way down that is not a shorter prefix of
 * it, or NULL; *common: how much of the key that one has. */
static struct lpm_node **find_slot(struct lpm_trie *t, const struct lpm_key *key, uint32_t *common)
{
    struct lpm_node **slot = &t->root;

    for (*common = 0; *slot != NULL; slot = &(*slot)->child[lpm_bit_at(key->data, *common)]) {
        uint32_t limit = MIN((*slot)->prefix_bits, key->prefix_bits);

        *common = lpm_common_bits((*slot)->data, key->data, limit);
        if (*common != (*slot)->prefix_bits || *common == key->prefix_bits)
            break;
    }
    return slot;
}

/* The new node takes the place of `old`, which is a longer prefix, or goes beside it. */
static void put_above(struct lpm_trie *t, struct lpm_node **slot, struct lpm_node *n,
                      uint32_t common)
{
    struct lpm_node *old = *slot;
    struct lpm_node *inner;

    if (common == n->prefix_bits) {
        n->child[lpm_bit_at(old->data, common)] = old;
        *slot = n;
        return;
    }
    inner = take(&t->free_inner);
    set_prefix(t, inner, old->data, common);
    inner->child[lpm_bit_at(n->data, common)] = n;
    inner->child[lpm_bit_at(old->data, common)] = old;
    *slot = inner;
}

int bpf_lpm_update(struct bpf_map *map, const void *raw, const void *value, uint64_t flags)
{
    struct lpm_trie *t = map->own;
    struct lpm_key key = lpm_key_read(raw);
    struct lpm_node *old, *n, **slot;
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

int bpf_lpm_delete(struct bpf_map *map, const void *raw)
{
    struct lpm_trie *t = map->own;
    struct lpm_key key = lpm_key_read(raw);
    struct lpm_node **slot = &t->root, **above = NULL; /* above: what points to the parent */
    struct lpm_node *n, *parent, *child;

    if (key.prefix_bits > t->bits_max)
        return -BPF_EINVAL;
    while (*slot != NULL && (*slot)->prefix_bits < key.prefix_bits &&
           lpm_common_bits((*slot)->data, key.data, (*slot)->prefix_bits) == (*slot)->prefix_bits) {
        above = slot;
        slot = &(*slot)->child[lpm_bit_at(key.data, (*slot)->prefix_bits)];
    }
    n = *slot;
    if (n == NULL || n->inner || n->prefix_bits != key.prefix_bits ||
        lpm_common_bits(n->data, key.data, n->prefix_bits) != n->prefix_bits)
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

static const struct lpm_node *first_below(const struct lpm_node *n)
{
    const struct lpm_node *first = NULL;

    while (n != NULL) {
        if (!n->inner)
            first = n;
        n = n->inner || n->child[0] != NULL ? n->child[0] : n->child[1];
    }
    return first;
}

/* The node behind the key's own; false: there is none of that key. On the way down, the last node
 * that comes behind what is below it, or has something that does, is the one to go on with. */
static bool node_after(const struct lpm_trie *t, const struct lpm_key *key,
                       const struct lpm_node **after)
{
    const struct lpm_node *n = t->root;

    *after = NULL;
    while (n != NULL && n->prefix_bits < key->prefix_bits &&
           lpm_common_bits(n->data, key->data, n->prefix_bits) == n->prefix_bits) {
        unsigned bit = lpm_bit_at(key->data, n->prefix_bits);

        if (bit == 0 && n->child[1] != NULL)
            *after = first_below(n->child[1]);
        else if (!n->inner)
            *after = n;
        n = n->child[bit];
    }
    return n != NULL && !n->inner && n->prefix_bits == key->prefix_bits &&
           lpm_common_bits(n->data, key->data, n->prefix_bits) == n->prefix_bits;
}

int bpf_lpm_next_key(struct bpf_map *map, const void *raw, void *next)
{
    const struct lpm_trie *t = map->own;
    const struct lpm_node *n = NULL;
    bool known = false;

    if (raw != NULL) {
        struct lpm_key key = lpm_key_read(raw);

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
