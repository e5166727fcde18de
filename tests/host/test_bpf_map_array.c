/* Maps of any type: creation, the table of maps, who may write; array and percpu_array. */
#include "fake_bpf.h"
#include "fakes.h"
#include "bpf/map.h"
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const uint32_t zero;

static void test_refusals(void **state)
{
    (void)state;
    assert_string_equal(fake_bpf_map_refused(0, 4, 4, 1, 0), "there is no map of this type here");
    fake_bpf_map_refused(7, 4, 4, 1, 0);   /* stack_trace */
    fake_bpf_map_refused(100, 4, 4, 1, 0); /* beyond the table */
    assert_string_equal(fake_bpf_map_refused(BPF_MAP_TYPE_ARRAY, 4, 4, 0, 0), "max_entries is 0");
    fake_bpf_map_refused(BPF_MAP_TYPE_ARRAY, 8, 4, 1, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_ARRAY, 4, 0, 1, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_ARRAY, 4, 4, 1, BPF_F_NO_PREALLOC);
    fake_bpf_map_refused(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 4, 1, BPF_F_MMAPABLE);
    fake_bpf_map_refused(BPF_MAP_TYPE_ARRAY, 4, 4, 1, BPF_F_RDONLY | BPF_F_WRONLY);
    fake_bpf_map_refused(BPF_MAP_TYPE_ARRAY, 4, 4, 1, BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG);
    fake_bpf_map_refused(BPF_MAP_TYPE_HASH, 513, 4, 1, 0);
    /* Sizes whose product passes 2^64 must not look small */
    assert_string_equal(fake_bpf_map_refused(BPF_MAP_TYPE_ARRAY, 4, 4u << 20, UINT32_MAX, 0),
                        "the map is too large: its entries may take 4 MiB");
    fake_bpf_map_refused(BPF_MAP_TYPE_ARRAY, 4, UINT32_MAX, UINT32_MAX, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_HASH, 512, 4u << 20, UINT32_MAX, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_LPM_TRIE, 8, 4, UINT32_MAX, BPF_F_NO_PREALLOC);
    fake_bpf_map_refused(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, UINT32_MAX, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_DEVMAP, 4, 4, UINT32_MAX, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_XSKMAP, 4, 4, UINT32_MAX, 0);
    assert_null(bpf_map_at(0)); /* nothing is left of them */
}

static void test_table(void **state)
{
    const struct bpf_map_def def = { BPF_MAP_TYPE_ARRAY, 4, 4, 1, 0 };
    struct bpf_map *maps[BPF_MAPS_MAX];
    char long_name[200];
    const char *why;
    uint32_t last;

    (void)state;
    memset(long_name, 'n', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    for (unsigned i = 0; i < BPF_MAPS_MAX; i++) {
        maps[i] = bpf_map_create(&def, i < 2 ? "twice" : long_name, &why);
        assert_non_null(maps[i]);
        assert_true(i == 0 || maps[i]->id == maps[i - 1]->id + 1);
    }
    assert_null(bpf_map_create(&def, "one more", &why));
    assert_string_equal(why, "there are 64 maps already");
    assert_int_equal(strlen(maps[5]->name), BPF_MAP_NAME_MAX - 1);
    assert_ptr_equal(bpf_map_by_name("twice"), maps[1]);
    assert_null(bpf_map_by_name("nobody"));
    assert_ptr_equal(bpf_map_by_id(maps[7]->id), maps[7]);

    bpf_map_hold(maps[1]);
    bpf_map_put(maps[1]);
    assert_ptr_equal(bpf_map_by_name("twice"), maps[1]);
    bpf_map_put(maps[1]);
    assert_ptr_equal(bpf_map_by_name("twice"), maps[0]);
    assert_ptr_equal(bpf_map_at(1), maps[2]);
    assert_null(bpf_map_at(BPF_MAPS_MAX - 1));

    last = maps[BPF_MAPS_MAX - 1]->id;
    maps[1] = bpf_map_create(&def, "new", &why);
    assert_int_equal(maps[1]->id, last + 1); /* ids are not used again */
    for (unsigned i = 0; i < BPF_MAPS_MAX; i++)
        bpf_map_put(maps[i]);
    assert_null(bpf_map_at(0));
}

static void test_access(void **state)
{
    struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_ARRAY, 4, 4, 1, BPF_F_RDONLY);
    uint32_t value = 5, key = 0;

    (void)state;
    assert_int_equal(bpf_map_write(map, &zero, &value, BPF_ANY), -BPF_EPERM);
    assert_int_equal(bpf_map_remove(map, &zero), -BPF_EPERM);
    assert_int_equal(bpf_map_read(map, &zero, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(bpf_map_next_key(map, NULL, &key), 0);
    bpf_map_put(map);

    map = fake_bpf_map(BPF_MAP_TYPE_ARRAY, 4, 4, 1, BPF_F_WRONLY);
    assert_int_equal(bpf_map_write(map, &zero, &value, BPF_ANY), 0);
    assert_int_equal(bpf_map_read(map, &zero, &value), -BPF_EPERM);
    assert_int_equal(bpf_map_next_key(map, NULL, &key), -BPF_EPERM);
    bpf_map_put(map);

    map = fake_bpf_map(BPF_MAP_TYPE_ARRAY, 4, 4, 1, BPF_F_RDONLY_PROG);
    value = 7;
    assert_int_equal(bpf_map_write(map, &zero, &value, BPF_ANY), 0); /* .rodata, being filled */
    map->frozen = true;
    value = 8;
    assert_int_equal(bpf_map_write(map, &zero, &value, BPF_ANY), -BPF_EPERM);
    assert_int_equal(bpf_map_read(map, &zero, &value), 0);
    assert_int_equal(value, 7);
    bpf_map_put(map);
}

static void check_array(uint32_t type)
{
    struct bpf_map *map = fake_bpf_map(type, 4, 13, 5, 0);
    uint8_t value[16], got[16];
    uint32_t key, next;

    assert_ptr_equal(bpf_map_value_base(map), type == BPF_MAP_TYPE_ARRAY ? map->memory : NULL);
    assert_int_equal(bpf_map_user_bytes(map), type == BPF_MAP_TYPE_ARRAY ? 13 : 16);
    for (key = 0; key < 5; key++) {
        memset(value, (int)(key + 1), sizeof(value));
        assert_int_equal(bpf_map_write(map, &key, value, key % 2 ? BPF_ANY : BPF_EXIST), 0);
    }
    for (key = 0; key < 5; key++) { /* values do not run into one another, and are aligned */
        memset(value, (int)(key + 1), sizeof(value));
        memset(got, 0, sizeof(got));
        assert_int_equal(bpf_map_read(map, &key, got), 0);
        assert_memory_equal(got, value, 13);
        assert_int_equal((uintptr_t)map->ops->lookup(map, &key) % 8, 0);
        assert_memory_equal(map->ops->lookup(map, &key), value, 13);
    }
    assert_null(map->ops->lookup(map, &key));
    assert_int_equal(bpf_map_read(map, &key, got), -BPF_ENOENT);
    assert_int_equal(bpf_map_write(map, &key, value, BPF_ANY), -BPF_E2BIG);
    assert_int_equal(bpf_map_write(map, &key, value, 3), -BPF_EINVAL);
    assert_int_equal(bpf_map_write(map, &zero, value, BPF_NOEXIST), -BPF_EEXIST);
    assert_int_equal(bpf_map_write(map, &zero, value, BPF_F_LOCK), -BPF_EINVAL);
    assert_int_equal(bpf_map_remove(map, &zero), -BPF_EINVAL);

    assert_int_equal(bpf_map_next_key(map, NULL, &next), 0);
    assert_int_equal(next, 0);
    for (key = 0; key < 4; key++) {
        assert_int_equal(bpf_map_next_key(map, &key, &next), 0);
        assert_int_equal(next, key + 1);
    }
    assert_int_equal(bpf_map_next_key(map, &key, &next), -BPF_ENOENT);
    key = 77;
    assert_int_equal(bpf_map_next_key(map, &key, &next), 0);
    assert_int_equal(next, 0);
    bpf_map_put(map);
}

static void test_array(void **state)
{
    (void)state;
    check_array(BPF_MAP_TYPE_ARRAY);
    check_array(BPF_MAP_TYPE_PERCPU_ARRAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_access),
        cmocka_unit_test(test_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
