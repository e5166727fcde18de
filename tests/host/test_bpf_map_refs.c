/* Maps whose entries are programs, interfaces and sockets. */
#include "fake_bpf.h"
#include "fakes.h"
#include "bpf/map.h"
#include "bpf/prog.h"
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct bpf_prog *program(const char *name)
{
    struct bpf_prog *prog = bpf_prog_new(name);

    assert_true(prog != NULL && bpf_prog_register(prog));
    return prog;
}

static void use(struct bpf_prog *prog, struct bpf_map *map)
{
    bpf_map_hold(map);
    prog->maps[prog->map_count++] = map;
}

static void test_refusals(void **state)
{
    (void)state;
    fake_bpf_map_refused(BPF_MAP_TYPE_PROG_ARRAY, 4, 8, 1, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_PROG_ARRAY, 8, 4, 1, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 1, BPF_F_RDONLY_PROG);
    fake_bpf_map_refused(BPF_MAP_TYPE_DEVMAP, 4, 12, 1, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_DEVMAP, 8, 4, 1, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_DEVMAP, 4, 4, 1, BPF_F_RDONLY_PROG);
    fake_bpf_map_refused(BPF_MAP_TYPE_XSKMAP, 4, 8, 1, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_XSKMAP, 4, 4, 1, BPF_F_WRONLY_PROG);
    assert_null(bpf_map_at(0));
}

static void test_prog_array(void **state)
{
    struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 2, 0);
    struct bpf_prog *a = program("a"), *b = program("b");
    uint32_t key = 0, value = a->id, none = 12345;

    (void)state;
    assert_null(map->ops->lookup);
    assert_int_equal(bpf_map_read(map, &key, &value), -BPF_ENOENT);
    assert_int_equal(bpf_map_remove(map, &key), -BPF_ENOENT);
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_NOEXIST), -BPF_EINVAL);
    assert_int_equal(bpf_map_write(map, &key, &none, BPF_ANY), -BPF_EBADF);
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_ANY), 0);
    assert_int_equal(a->refs, 2);
    assert_int_equal(map->entries, 1);
    assert_ptr_equal(bpf_prog_array_get(map, 0), a);
    assert_ptr_equal(bpf_prog_array_slots(map)[0], a);
    assert_null(bpf_prog_array_get(map, 1));
    assert_null(bpf_prog_array_get(map, 2));
    assert_int_equal(bpf_map_read(map, &key, &value), 0);
    assert_int_equal(value, a->id);

    value = b->id;
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_ANY), 0);
    assert_true(a->refs == 1 && b->refs == 2);
    assert_int_equal(bpf_prog_array_set(map, 0, b), 0); /* by itself */
    assert_int_equal(b->refs, 2);
    key = 2;
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_ANY), -BPF_E2BIG);
    assert_int_equal(bpf_map_remove(map, &key), -BPF_E2BIG);
    assert_int_equal(bpf_prog_array_set(map, 2, b), -BPF_E2BIG);
    key = 0;
    assert_int_equal(bpf_map_remove(map, &key), 0);
    assert_int_equal(b->refs, 1);
    assert_int_equal(map->entries, 0);

    value = b->id;
    bpf_prog_put(a);
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_ANY), 0);
    bpf_prog_put(b); /* the map has it still */
    assert_ptr_equal(bpf_prog_by_id(value), b);
    bpf_map_put(map);
    assert_null(bpf_prog_by_id(value));
    assert_null(bpf_map_at(0));
}

/* A program that tail calls itself and another one: the maps and the programs hold one another. */
static void test_circle(void **state)
{
    struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0);
    struct bpf_map *second = fake_bpf_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0);
    struct bpf_map *counts = fake_bpf_map(BPF_MAP_TYPE_ARRAY, 4, 4, 1, 0);
    struct bpf_prog *a = program("a"), *b = program("b");

    (void)state;
    use(a, map);
    use(b, map);
    use(b, second);
    use(b, counts);
    assert_int_equal(bpf_prog_array_set(map, 0, a), 0);
    assert_int_equal(bpf_prog_array_set(map, 1, b), 0);
    assert_int_equal(bpf_prog_array_set(second, 3, a), 0);

    bpf_prog_hold(a); /* attached */
    bpf_prog_put(b);  /* the object goes */
    bpf_prog_put(a);
    bpf_map_put(counts);
    bpf_map_put(second);
    bpf_map_put(map);
    assert_ptr_equal(bpf_prog_array_get(map, 1), b);    /* a is attached, and reaches all of it */
    assert_ptr_equal(bpf_prog_array_get(second, 3), a); /* by way of b */
    assert_ptr_equal(bpf_map_at(2), counts);

    bpf_prog_put(a); /* detached */
    bpf_prog_array_collect();
    assert_null(bpf_prog_at(0));
    assert_null(bpf_map_at(0));
}

/* What somebody holds from outside stays, with all that it leads to. */
static void test_circle_held(void **state)
{
    struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0);
    struct bpf_prog *a = program("a");

    (void)state;
    use(a, map);
    assert_int_equal(bpf_prog_array_set(map, 0, a), 0);
    bpf_prog_put(a);
    bpf_prog_array_collect();
    assert_ptr_equal(bpf_prog_array_get(map, 0), a); /* the map is ours */
    bpf_map_hold(map);
    bpf_map_put(map);
    assert_ptr_equal(bpf_prog_array_get(map, 0), a);
    bpf_map_put(map);
    assert_null(bpf_map_at(0));
    assert_null(bpf_prog_at(0));
}

static void test_devmap(void **state)
{
    struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_DEVMAP, 4, 8, 2, 0);
    uint32_t key = 0, value[2] = { 1, 0 };

    (void)state;
    assert_true(map->def.flags & BPF_F_RDONLY_PROG);
    assert_null(map->ops->update); /* programs may not */
    assert_null(map->ops->lookup(map, &key));
    assert_int_equal(bpf_map_write(map, &key, value, BPF_NOEXIST), -BPF_EEXIST);
    assert_int_equal(bpf_map_write(map, &key, value, 3), -BPF_EINVAL);
    assert_int_equal(bpf_map_write(map, &key, value, BPF_EXIST), 0);
    assert_int_equal(*(uint32_t *)map->ops->lookup(map, &key), 1);
    assert_int_equal(bpf_devmap_get(map, 0), 1);
    assert_int_equal(map->entries, 1);
    value[0] = 7; /* no such interface */
    assert_int_equal(bpf_map_write(map, &key, value, BPF_ANY), -BPF_EINVAL);
    value[0] = 1;
    value[1] = 3; /* a program at the way out */
    assert_int_equal(bpf_map_write(map, &key, value, BPF_ANY), -BPF_EINVAL);
    value[1] = UINT32_MAX; /* -1: libbpf's "none" */
    assert_int_equal(bpf_map_write(map, &key, value, BPF_ANY), 0);
    assert_int_equal(bpf_map_read(map, &key, value), 0);
    assert_true(value[0] == 1 && value[1] == 0);
    value[0] = 0; /* as deleting it */
    assert_int_equal(bpf_map_write(map, &key, value, BPF_ANY), 0);
    assert_int_equal(bpf_map_read(map, &key, value), -BPF_ENOENT);
    assert_int_equal(map->entries, 0);
    assert_int_equal(bpf_map_remove(map, &key), 0);
    key = 2;
    value[0] = 1;
    assert_int_equal(bpf_map_write(map, &key, value, BPF_ANY), -BPF_E2BIG);
    assert_int_equal(bpf_map_remove(map, &key), -BPF_EINVAL);
    assert_int_equal(bpf_devmap_get(map, 2), 0);
    bpf_map_put(map);

    map = fake_bpf_map(BPF_MAP_TYPE_DEVMAP, 4, 4, 2, 0);
    key = 1;
    assert_int_equal(bpf_map_write(map, &key, value, BPF_ANY), 0);
    assert_int_equal(bpf_devmap_get(map, 1), 1);
    assert_int_equal(bpf_devmap_get(map, 0), 0);
    bpf_map_put(map);
}

static void test_xskmap(void **state)
{
    struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_XSKMAP, 4, 4, 2, 0);
    uint32_t key = 1, value = 1;

    (void)state;
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_ANY), -BPF_EBADF);
    fake_bpf_xsks_open = 2;
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_EXIST), -BPF_ENOENT);
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_NOEXIST), 0);
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_NOEXIST), 0); /* the same: Linux's 0 */
    value = 2;
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_NOEXIST), -BPF_EEXIST);
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_ANY), 0);
    assert_int_equal(bpf_xskmap_get(map, 1), 2);
    assert_int_equal(bpf_xskmap_get(map, 0), 0);
    assert_int_equal(bpf_xskmap_get(map, 2), 0);
    assert_int_equal(bpf_map_read(map, &key, &value), 0);
    assert_int_equal(value, 2);
    assert_int_equal(*(uint32_t *)map->ops->lookup(map, &key), 0); /* its queue */
    assert_int_equal(map->entries, 1);
    assert_int_equal(bpf_map_remove(map, &key), 0);
    assert_int_equal(bpf_map_remove(map, &key), 0);
    assert_null(map->ops->lookup(map, &key));
    assert_int_equal(bpf_map_read(map, &key, &value), -BPF_ENOENT);
    key = 2;
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_ANY), -BPF_E2BIG);
    assert_int_equal(bpf_map_remove(map, &key), -BPF_EINVAL);
    bpf_map_put(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_prog_array),
        cmocka_unit_test(test_circle),   cmocka_unit_test(test_circle_held),
        cmocka_unit_test(test_devmap),   cmocka_unit_test(test_xskmap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
