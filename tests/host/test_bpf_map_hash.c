/* hash, percpu_hash and lru_hash: against a model, full, changed while iterated, LRU order. */
#include "fake_bpf.h"
#include "fakes.h"
#include "bpf/map_hash.c"
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define KEY_MAX   40u
#define MODEL_MAX 64u

struct model { /* newest use first */
    struct {
        uint8_t key[KEY_MAX];
        uint64_t value;
    } at[MODEL_MAX];
    unsigned count, max;
    uint32_t key_size;
    bool lru;
};

static int model_find(const struct model *m, const uint8_t *key)
{
    for (unsigned i = 0; i < m->count; i++)
        if (memcmp(m->at[i].key, key, m->key_size) == 0)
            return (int)i;
    return -1;
}

static void model_remove(struct model *m, int i)
{
    m->count--;
    memmove(&m->at[i], &m->at[i + 1], (m->count - (unsigned)i) * sizeof(m->at[0]));
}

static void model_front(struct model *m, const uint8_t *key, uint64_t value)
{
    memmove(&m->at[1], &m->at[0], m->count * sizeof(m->at[0]));
    memcpy(m->at[0].key, key, m->key_size);
    m->at[0].value = value;
    m->count++;
}

static int model_update(struct model *m, const uint8_t *key, uint64_t value, uint64_t flags)
{
    int i = model_find(m, key);

    if (flags > BPF_EXIST)
        return -BPF_EINVAL;
    if (i >= 0 && flags == BPF_NOEXIST)
        return -BPF_EEXIST;
    if (i < 0 && flags == BPF_EXIST)
        return -BPF_ENOENT;
    if (i < 0 && m->count == m->max && !m->lru)
        return -BPF_E2BIG;
    if (i >= 0)
        model_remove(m, i);
    else if (m->count == m->max)
        m->count--;
    model_front(m, key, value);
    return 0;
}

static void check_dump(struct bpf_map *map, const struct model *m)
{
    uint8_t key[KEY_MAX], next[KEY_MAX];
    unsigned seen = 0;
    uint64_t value;

    for (int r = bpf_map_next_key(map, NULL, next); r == 0; r = bpf_map_next_key(map, key, next)) {
        int i = model_find(m, next);

        assert_true(i >= 0);
        assert_int_equal(bpf_map_read(map, next, &value), 0);
        assert_int_equal(value, m->at[i].value);
        memcpy(key, next, m->key_size);
        assert_true(++seen <= m->count);
    }
    assert_int_equal(seen, m->count);
    assert_int_equal(map->entries, m->count);
}

static void step(struct bpf_map *map, struct model *m)
{
    uint64_t r = fake_bpf_random(), value = fake_bpf_random();
    uint8_t key[KEY_MAX] = { 0 };
    uint64_t *found;
    int i;

    /* keys that differ in their first, middle or last byte only */
    key[r % 3 == 0 ? 0 : r % 3 == 1 ? m->key_size / 2 : m->key_size - 1] = (uint8_t)(r >> 8) & 63;
    i = model_find(m, key);
    switch (r >> 32 & 7) {
    case 0:
    case 1:
    case 2:
        assert_int_equal(map->ops->update(map, key, &value, r >> 40 & 3),
                         model_update(m, key, value, r >> 40 & 3));
        break;
    case 3:
        assert_int_equal(bpf_map_remove(map, key), i < 0 ? -BPF_ENOENT : 0);
        if (i >= 0)
            model_remove(m, i);
        break;
    case 4: /* the control side looks: no use */
        assert_int_equal(bpf_map_read(map, key, &value), i < 0 ? -BPF_ENOENT : 0);
        if (i >= 0)
            assert_int_equal(value, m->at[i].value);
        break;
    default:
        found = map->ops->lookup(map, key);
        assert_int_equal(found != NULL, i >= 0);
        if (i < 0)
            break;
        assert_int_equal(*found, m->at[i].value);
        *found = value; /* programs write through the pointer */
        model_remove(m, i);
        model_front(m, key, value);
    }
}

static void check_model(uint32_t type, uint32_t key_size, uint32_t max, uint32_t flags)
{
    struct bpf_map *map = fake_bpf_map(type, key_size, 8, max, flags);
    struct model m = { .max = max, .key_size = key_size, .lru = type == BPF_MAP_TYPE_LRU_HASH };

    for (unsigned i = 0; i < 20000; i++) {
        step(map, &m);
        if (i % 64 == 0)
            check_dump(map, &m);
    }
    bpf_map_put(map);
}

static void test_model(void **state)
{
    static const uint32_t sizes[] = { 1, 2, 3, 4, 5, 7, 8, 12, 13, 16, 18, 40 };

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_model(BPF_MAP_TYPE_HASH, sizes[i], 20, i % 2 ? BPF_F_NO_PREALLOC : 0);
        check_model(BPF_MAP_TYPE_PERCPU_HASH, sizes[i], 33, 0);
        check_model(BPF_MAP_TYPE_LRU_HASH, sizes[i], 24, 0);
    }
    check_model(BPF_MAP_TYPE_HASH, 4, 1, 0);
    check_model(BPF_MAP_TYPE_LRU_HASH, 4, 1, BPF_F_NO_COMMON_LRU);
}

static void test_refusals(void **state)
{
    (void)state;
    fake_bpf_map_refused(BPF_MAP_TYPE_HASH, 0, 4, 1, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_HASH, 4, 0, 1, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_HASH, 4, 4, 1, BPF_F_MMAPABLE);
    fake_bpf_map_refused(BPF_MAP_TYPE_HASH, 4, 4, 1, BPF_F_NO_COMMON_LRU);
    fake_bpf_map_refused(BPF_MAP_TYPE_LRU_HASH, 4, 4, 1, BPF_F_NO_PREALLOC);
    fake_bpf_map_refused(BPF_MAP_TYPE_HASH, 4, 4, 1u << 31, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_HASH, 4, 4, UINT32_MAX, 0);
    assert_null(bpf_map_at(0));
}

static struct bpf_map *numbers(uint32_t type, uint32_t count, uint32_t max)
{
    struct bpf_map *map = fake_bpf_map(type, 4, 4, max, 0);

    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(map->ops->update(map, &i, &i, BPF_NOEXIST), 0);
    return map;
}

static bool has(struct bpf_map *map, uint32_t key)
{
    uint32_t value;

    return bpf_map_read(map, &key, &value) == 0;
}

static void test_lru_order(void **state)
{
    struct bpf_map *map = numbers(BPF_MAP_TYPE_LRU_HASH, 4, 4);
    uint32_t key = 0, value = 9;

    (void)state;
    assert_non_null(map->ops->lookup(map, &key)); /* order of use, oldest first: 1 2 3 0 */
    key = 2;
    assert_int_equal(map->ops->update(map, &key, &value, BPF_EXIST), 0); /* 1 3 0 2 */
    assert_true(has(map, 1));                                            /* reading is no use */
    for (key = 10; key < 12; key++)
        assert_int_equal(map->ops->update(map, &key, &value, BPF_ANY), 0); /* 0 2 10 11 */
    assert_true(!has(map, 1) && !has(map, 3) && has(map, 0) && has(map, 2));
    /* An update that fails throws out nobody */
    key = 12;
    assert_int_equal(map->ops->update(map, &key, &value, BPF_EXIST), -BPF_ENOENT);
    assert_true(has(map, 0));
    key = 10;
    assert_int_equal(bpf_map_remove(map, &key), 0); /* 0 2 11 */
    key = 13;
    assert_int_equal(map->ops->update(map, &key, &value, BPF_ANY), 0); /* 0 2 11 13 */
    assert_true(has(map, 0));
    key = 14;
    assert_int_equal(map->ops->update(map, &key, &value, BPF_ANY), 0);
    assert_true(!has(map, 0) && has(map, 2) && has(map, 11) && has(map, 13) && has(map, 14));
    assert_int_equal(map->entries, 4);
    bpf_map_put(map);
}

/* Who updates with a value of the map, or with one that was just thrown out, gets what it gave. */
static void test_own_values(void **state)
{
    static const uint32_t types[] = { BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_PERCPU_HASH,
                                      BPF_MAP_TYPE_LRU_HASH };

    (void)state;
    for (unsigned t = 0; t < 3; t++) {
        struct bpf_map *map = numbers(types[t], 3, 3);
        uint32_t key = 0, other = 1, *value = map->ops->lookup(map, &key);

        assert_int_equal(map->ops->update(map, &key, value, BPF_EXIST), 0);
        assert_int_equal(map->ops->update(map, &other, map->ops->lookup(map, &key), BPF_ANY), 0);
        assert_int_equal(*(uint32_t *)map->ops->lookup(map, &other), 0);
        value = map->ops->lookup(map, &key);
        *value = 77;
        assert_int_equal(map->ops->delete (map, &key), 0);
        assert_int_equal(map->ops->update(map, value, value, BPF_ANY), 0); /* key and value */
        key = 77;
        assert_int_equal(*(uint32_t *)map->ops->lookup(map, &key), 77);
        bpf_map_put(map);
    }
}

/* As on Linux: a pointer that a program has still shows the old value behind an update, but of a
 * percpu_hash, where there is one value to write into. */
static void test_pointers(void **state)
{
    uint32_t key = 1, value = 50;
    struct bpf_map *map = numbers(BPF_MAP_TYPE_HASH, 3, 3);
    uint32_t *old = map->ops->lookup(map, &key);

    (void)state;
    assert_int_equal(map->ops->update(map, &key, &value, BPF_ANY), 0);
    assert_int_equal(*old, 1);
    assert_int_equal(*(uint32_t *)map->ops->lookup(map, &key), 50);
    bpf_map_put(map);

    map = numbers(BPF_MAP_TYPE_PERCPU_HASH, 3, 3);
    old = map->ops->lookup(map, &key);
    assert_int_equal(map->ops->update(map, &key, &value, BPF_ANY), 0);
    assert_int_equal(*old, 50);
    bpf_map_put(map);
}

/* Every key that stays is seen, whatever happens to others meanwhile; deleting the current one
 * starts anew, as on Linux. */
static void test_iterate_and_change(void **state)
{
    struct bpf_map *map = numbers(BPF_MAP_TYPE_HASH, 100, 200);
    uint32_t key = 0, next, value = 0;
    bool seen[100] = { false };

    (void)state;
    assert_int_equal(bpf_map_next_key(map, NULL, &next), 0);
    do {
        key = next;
        assert_true(key < 100 || key >= 1000);
        if (key < 100)
            seen[key] = true;
        value = key + 1000;
        if (key < 50)
            assert_int_equal(bpf_map_write(map, &value, &value, BPF_ANY), 0);
        value = 99 - key; /* ahead or behind */
        if (key < 10)
            (void)bpf_map_remove(map, &value);
    } while (bpf_map_next_key(map, &key, &next) == 0);
    for (unsigned i = 0; i < 90; i++)
        assert_true(seen[i]);

    for (unsigned left = map->entries; bpf_map_next_key(map, NULL, &next) == 0; left--) {
        assert_true(left > 0);
        assert_int_equal(bpf_map_remove(map, &next), 0);
    }
    assert_int_equal(map->entries, 0);
    assert_int_equal(bpf_map_next_key(map, &next, &next), -BPF_ENOENT);
    bpf_map_put(map);
}

/* Keys in a row, and keys that differ in high bits only, spread as random ones do. */
static void test_spread(void **state)
{
    static const uint64_t steps[] = { 1, 256, 65536, 1ull << 32, 0x0001000000000001ull };
    enum { N = 4096 };

    (void)state;
    for (unsigned s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
        struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_HASH, 8, 4, N, 0);
        const struct table *t = map->own;
        unsigned longest = 0;

        for (uint32_t i = 0; i < N; i++) {
            uint64_t key = i * steps[s];

            assert_int_equal(map->ops->update(map, &key, &i, BPF_NOEXIST), 0);
        }
        for (unsigned b = 0; b < N; b++) {
            unsigned chain = 0;

            for (const struct elem *e = t->buckets[b]; e != NULL; e = e->next)
                chain++;
            longest = chain > longest ? chain : longest;
        }
        assert_true(longest <= 12); /* of random keys about 7 */
        bpf_map_put(map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_model),
        cmocka_unit_test(test_lru_order), cmocka_unit_test(test_own_values),
        cmocka_unit_test(test_pointers),  cmocka_unit_test(test_iterate_and_change),
        cmocka_unit_test(test_spread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
