/* lpm_trie: against a list of prefixes, in Linux's order, for every width of key. */
#include "fake_bpf.h"
#include "fakes.h"
#include "bpf/map.h"
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define DATA_MAX  256u
#define MODEL_MAX 200u

struct key {
    uint32_t bits;
    uint8_t data[DATA_MAX];
};

struct model {
    struct {
        struct key key;
        uint64_t value;
    } at[MODEL_MAX];
    unsigned count, max;
    uint32_t data_bytes;
};

static bool bit(const uint8_t *data, uint32_t i)
{
    return data[i / 8] >> (7 - i % 8) & 1;
}

static bool covers(const struct key *prefix, const struct key *key)
{
    if (prefix->bits > key->bits)
        return false;
    for (uint32_t i = 0; i < prefix->bits; i++)
        if (bit(prefix->data, i) != bit(key->data, i))
            return false;
    return true;
}

static int find_same(const struct model *m, const struct key *key)
{
    for (unsigned i = 0; i < m->count; i++)
        if (m->at[i].key.bits == key->bits && covers(&m->at[i].key, key))
            return (int)i;
    return -1;
}

static int find_longest(const struct model *m, const struct key *key)
{
    int best = -1;

    for (unsigned i = 0; i < m->count; i++)
        if (covers(&m->at[i].key, key) && (best < 0 || m->at[i].key.bits > m->at[best].key.bits))
            best = (int)i;
    return best;
}

/* Few bits are random, so that prefixes lie within one another. */
static struct key random_key(const struct model *m)
{
    uint64_t r = fake_bpf_random();
    struct key key = { .bits = (uint32_t)(r >> 32) % (m->data_bytes * 8 + 1) };

    for (uint32_t i = 0; i < m->data_bytes; i++)
        key.data[i] = fake_bpf_random() % 3 == 0 ? (uint8_t)(0x80 >> (fake_bpf_random() % 8)) : 0;
    if (r % 4 == 0)
        key.data[r / 4 % m->data_bytes] ^= (uint8_t)fake_bpf_random();
    if (r % 64 == 1)
        key.bits = m->data_bytes * 8 + 1 + (uint32_t)(r >> 40); /* no such length */
    if (m->count > 0 && r % 3 == 0) {                           /* near one that is there */
        key = m->at[r / 64 % m->count].key;
        key.data[m->data_bytes - 1] ^= (uint8_t)(fake_bpf_random() % 4);
        if (r % 2 == 0)
            key.bits = (uint32_t)fake_bpf_random() % (m->data_bytes * 8 + 1);
    }
    return key;
}

static void check_lookup(struct bpf_map *map, const struct model *m, const struct key *key)
{
    int best = key->bits > m->data_bytes * 8 ? -1 : find_longest(m, key);
    const uint64_t *found = map->ops->lookup(map, key);

    assert_int_equal(found != NULL, best >= 0);
    if (best >= 0)
        assert_int_equal(*found, m->at[best].value);
}

static void check_update(struct bpf_map *map, struct model *m, const struct key *key,
                         uint64_t flags)
{
    uint64_t value = fake_bpf_random();
    int i = find_same(m, key), expected = 0;

    if (flags > BPF_EXIST || key->bits > m->data_bytes * 8)
        expected = -BPF_EINVAL;
    else if (i >= 0 && flags == BPF_NOEXIST)
        expected = -BPF_EEXIST;
    else if (i < 0 && flags == BPF_EXIST)
        expected = -BPF_ENOENT;
    else if (i < 0 && m->count == m->max)
        expected = -BPF_ENOSPC;
    assert_int_equal(map->ops->update(map, key, &value, flags), expected);
    if (expected != 0)
        return;
    i = i < 0 ? (int)m->count++ : i;
    m->at[i].key = *key;
    m->at[i].value = value;
}

static void check_delete(struct bpf_map *map, struct model *m, const struct key *key)
{
    int i = find_same(m, key);

    if (key->bits > m->data_bytes * 8) {
        assert_int_equal(bpf_map_remove(map, key), -BPF_EINVAL);
        return;
    }
    assert_int_equal(bpf_map_remove(map, key), i < 0 ? -BPF_ENOENT : 0);
    if (i >= 0)
        m->at[i] = m->at[--m->count];
}

/* Postorder: a key comes behind all that it covers, and else by its bits. */
static bool comes_before(const struct key *a, const struct key *b)
{
    if (covers(a, b) || covers(b, a))
        return a->bits > b->bits;
    for (uint32_t i = 0;; i++)
        if (bit(a->data, i) != bit(b->data, i))
            return bit(b->data, i);
}

static void check_dump(struct bpf_map *map, const struct model *m)
{
    struct key key, next = { 0 };
    unsigned seen = 0;

    for (int r = bpf_map_next_key(map, NULL, &next); r == 0;
         r = bpf_map_next_key(map, &key, &next)) {
        int i = find_same(m, &next);

        assert_true(i >= 0);
        assert_memory_equal(next.data, m->at[i].key.data, m->data_bytes); /* as it was given */
        if (seen > 0)
            assert_true(comes_before(&key, &next));
        key = next;
        seen++;
    }
    assert_int_equal(seen, m->count);
    assert_int_equal(map->entries, m->count);
}

static void check_model(uint32_t data_bytes, unsigned max)
{
    static struct model m;
    struct bpf_map *map =
        fake_bpf_map(BPF_MAP_TYPE_LPM_TRIE, 4 + data_bytes, 8, max, BPF_F_NO_PREALLOC);

    m.count = 0;
    m.max = max;
    m.data_bytes = data_bytes;
    for (unsigned i = 0; i < 6000; i++) {
        struct key key = random_key(&m);
        uint64_t r = fake_bpf_random();

        /* more is added than taken at first, then the other way round */
        if (r % 8 < (i / 2000 % 2 ? 1 : 3))
            check_update(map, &m, &key, r >> 8 & 3);
        else if (r % 8 < 4)
            check_delete(map, &m, &key);
        else
            check_lookup(map, &m, &key);
        if (i % 128 == 0)
            check_dump(map, &m);
    }
    check_dump(map, &m);
    while (m.count > 0)
        check_delete(map, &m, &m.at[fake_bpf_random() % m.count].key);
    check_dump(map, &m);
    bpf_map_put(map);
}

static void test_model(void **state)
{
    static const uint32_t widths[] = { 1, 3, 4, 6, 8, 9, 12, 16, 17, 40, 256 };

    (void)state;
    for (unsigned i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        check_model(widths[i], 20);
        check_model(widths[i], MODEL_MAX);
    }
    check_model(4, 1);
}

static void test_refusals(void **state)
{
    (void)state;
    fake_bpf_map_refused(BPF_MAP_TYPE_LPM_TRIE, 8, 4, 1, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_LPM_TRIE, 4, 4, 1, BPF_F_NO_PREALLOC);
    fake_bpf_map_refused(BPF_MAP_TYPE_LPM_TRIE, 261, 4, 1, BPF_F_NO_PREALLOC);
    fake_bpf_map_refused(BPF_MAP_TYPE_LPM_TRIE, 8, 0, 1, BPF_F_NO_PREALLOC);
    fake_bpf_map_refused(BPF_MAP_TYPE_LPM_TRIE, 8, 4, 1, BPF_F_NO_PREALLOC | BPF_F_MMAPABLE);
    assert_null(bpf_map_at(0));
}

/* A firewall's list: 0.0.0.0/0, 10.0.0.0/8, 10.1.0.0/16, 10.1.2.3/32. */
static void test_ipv4(void **state)
{
    static const struct {
        uint32_t bits;
        uint8_t addr[4];
        uint32_t value;
    } prefixes[] = { { 8, { 10, 0, 0, 0 }, 8 },
                     { 32, { 10, 1, 2, 3 }, 32 },
                     { 0, { 0, 0, 0, 0 }, 100 },
                     { 16, { 10, 1, 0, 0 }, 16 } },
      looked_up[] = { { 32, { 10, 1, 2, 3 }, 32 }, { 32, { 10, 1, 2, 4 }, 16 },
                      { 32, { 10, 2, 0, 1 }, 8 },  { 32, { 11, 0, 0, 1 }, 100 },
                      { 24, { 10, 1, 2, 3 }, 16 }, { 7, { 10, 1, 2, 3 }, 100 } };
    struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_LPM_TRIE, 8, 4, 4, BPF_F_NO_PREALLOC);

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(bpf_map_write(map, &prefixes[i], &prefixes[i].value, BPF_ANY), 0);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(*(uint32_t *)map->ops->lookup(map, &looked_up[i]), looked_up[i].value);
    bpf_map_put(map);
}

/* A program may give a key that lies in a value it has deleted. */
static void test_own_values(void **state)
{
    struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_LPM_TRIE, 8, 8, 4, BPF_F_NO_PREALLOC);
    struct key a = { 32, { 1, 2, 3, 4 } }, b = { 16, { 9, 9 } };
    uint64_t value = 16 | 0x0909ull << 32, *old;

    (void)state;
    assert_int_equal(map->ops->update(map, &a, &value, BPF_ANY), 0);
    old = map->ops->lookup(map, &a);
    assert_int_equal(map->ops->delete (map, &a), 0);
    assert_int_equal(map->ops->update(map, old, &value, BPF_ANY), 0);
    assert_non_null(map->ops->lookup(map, &b));
    assert_null(map->ops->lookup(map, &a));
    bpf_map_put(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_own_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
