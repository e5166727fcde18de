/* What the two halves of lpm_trie share: map_lpm.c looks up and makes tries, map_lpm_edit.c changes
 * and iterates them. */
#ifndef NET_BPF_MAP_LPM_H
#define NET_BPF_MAP_LPM_H

#include "map_impl.h"

#define LPM_DATA_MAX   256u
#define LPM_WORD_BYTES 16u /* keys up to here are compared as words */

struct lpm_node {
    /* By the first bit behind the prefix. Of a free one, child[0]: the next free one */
    struct lpm_node *child[2];
    uint64_t bits[2]; /* the prefix as words, zeros behind it */
    uint64_t mask[2];
    uint32_t prefix_bits;
    bool inner;     /* no value: an inner node has two children, always */
    uint8_t data[]; /* the key's; the value, 8-byte aligned */
};

struct lpm_trie {
    struct lpm_node *root;
    struct lpm_node *free_entry, *free_inner;
    struct lpm_node *inner; /* the memory of the inner nodes */
    uint32_t data_bytes;
    uint32_t bits_max;
    uint32_t value_at; /* offset in struct lpm_node */
};

struct lpm_key {
    uint32_t prefix_bits;
    const uint8_t *data;
};

static inline struct lpm_key lpm_key_read(const void *key)
{
    return (struct lpm_key){ bpf_load32(key), (const uint8_t *)key + 4 };
}

static inline unsigned lpm_bit_at(const uint8_t *data, uint32_t bit)
{
    return (data[bit / 8] >> (7 - bit % 8)) & 1;
}

/* The first `bytes`, at most 8, as the upper bits of a word. */
static inline uint64_t lpm_load_big(const uint8_t *data, uint32_t bytes)
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
uint32_t lpm_common_bits(const uint8_t *a, const uint8_t *b, uint32_t limit);

int bpf_lpm_update(struct bpf_map *map, const void *raw, const void *value, uint64_t flags);
int bpf_lpm_delete(struct bpf_map *map, const void *raw);
int bpf_lpm_next_key(struct bpf_map *map, const void *raw, void *next);

#endif
