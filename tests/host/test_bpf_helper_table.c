/* The table of helpers: each prototype has its function, names are Linux's; maps, time, random
 * numbers, and where redirects lead. */
#include "fake_bpf.h"
#include "fakes.h"
#include "bpf/helper.h"
#include "bpf/prog.h"
#include "bpf/xdp_buff.h"
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uint64_t call(enum bpf_func_id id, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4)
{
    return bpf_helper_function(id)(r1, r2, r3, r4, 0);
}

static uint64_t reg(const void *p)
{
    return (uintptr_t)p;
}

/* Where a helper takes memory, the next argument says how much; maps come with their types. */
static void check_prototype(const struct bpf_helper *helper)
{
    bool takes_map = false;

    for (unsigned i = 0; i < 5; i++) {
        switch (helper->args[i]) {
        case BPF_ARG_MEM:
        case BPF_ARG_MEM_OR_NULL:
        case BPF_ARG_UNINIT_MEM:
        case BPF_ARG_MEM_RDWR_FIXED:
        case BPF_ARG_CONST_STR_MEM:
            assert_true(i < 4);
            assert_true(helper->args[i + 1] == BPF_ARG_SIZE ||
                        helper->args[i + 1] == BPF_ARG_SIZE_OR_ZERO);
            break;
        case BPF_ARG_MAP:
            takes_map = true;
            break;
        case BPF_ARG_NONE:
            assert_true(i == 4 || helper->args[i + 1] == BPF_ARG_NONE);
            break;
        default:
            break;
        }
    }
    assert_int_equal(helper->maps != 0, takes_map);
    for (uint32_t type = 0; type < 32; type++) {
        const struct bpf_map_ops *ops = bpf_map_type_ops(type);

        if (!(helper->maps >> type & 1))
            continue;
        assert_non_null(ops); /* and what it calls is there */
        if (helper->id == BPF_FUNC_map_lookup_elem)
            assert_true(ops->program_lookup && ops->lookup != NULL);
        if (helper->id == BPF_FUNC_map_update_elem)
            assert_true(ops->program_update && ops->update != NULL);
        if (helper->id == BPF_FUNC_map_delete_elem)
            assert_true(ops->program_delete && ops->delete != NULL);
    }
}

static void test_prototypes(void **state)
{
    unsigned count = 0;

    (void)state;
    for (uint32_t id = 0; id < 300; id++) {
        const struct bpf_helper *helper = bpf_helper_find(id);

        if (helper == NULL) {
            assert_null(bpf_helper_function(id));
            continue;
        }
        count++;
        assert_int_equal(helper->id, id);
        assert_string_equal(helper->name, bpf_helper_name(id));
        assert_int_equal(bpf_helper_function(id) == NULL, id == BPF_FUNC_tail_call);
        check_prototype(helper);
    }
    assert_int_equal(count, 26);
    assert_null(bpf_helper_find(UINT32_MAX));
    assert_null(bpf_helper_function(UINT32_MAX));
}

/* Every name where Linux's header has it: "FN(map_lookup_elem)" in its order. */
static void test_names(void **state)
{
    FILE *f = fopen("/usr/include/linux/bpf.h", "r");
    char line[512], name[128], *at;
    uint32_t id = 0;

    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        at = strstr(line, "FN(");
        if (at == NULL || strchr(line, '#') != NULL || sscanf(at, "FN(%127[a-z0-9_]", name) != 1)
            continue;
        assert_non_null(bpf_helper_name(id));
        assert_string_equal(bpf_helper_name(id++), name);
        if (strcmp(name, "user_ringbuf_drain") == 0)
            break;
    }
    fclose(f);
    assert_int_equal(id, 210);
    assert_string_equal(bpf_helper_name(211), "cgrp_storage_delete");
    assert_null(bpf_helper_name(212));
    assert_null(bpf_helper_name(UINT32_MAX));
}

static void test_maps(void **state)
{
    struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_HASH, 4, 4, 1, 0);
    uint32_t key = 3, value = 4;

    (void)state;
    assert_int_equal(call(BPF_FUNC_map_lookup_elem, reg(map), reg(&key), 0, 0), 0);
    assert_int_equal(call(BPF_FUNC_map_update_elem, reg(map), reg(&key), reg(&value), BPF_EXIST),
                     (uint64_t)-BPF_ENOENT);
    assert_int_equal(call(BPF_FUNC_map_update_elem, reg(map), reg(&key), reg(&value), BPF_ANY), 0);
    assert_int_equal(*(uint32_t *)call(BPF_FUNC_map_lookup_elem, reg(map), reg(&key), 0, 0), 4);
    /* all 64 bits of the flags count */
    assert_int_equal(call(BPF_FUNC_map_update_elem, reg(map), reg(&key), reg(&value), 1ull << 32),
                     (uint64_t)-BPF_EINVAL);
    assert_int_equal(call(BPF_FUNC_map_delete_elem, reg(map), reg(&key), 0, 0), 0);
    assert_int_equal(call(BPF_FUNC_map_delete_elem, reg(map), reg(&key), 0, 0),
                     (uint64_t)-BPF_ENOENT);
    bpf_map_put(map);
}

static void test_redirect(void **state)
{
    (void)state;
    assert_int_equal(call(BPF_FUNC_redirect, 7, 0, 0, 0), XDP_REDIRECT);
    assert_true(bpf_redirect.map == NULL && bpf_redirect.index == 7);
    assert_int_equal(call(BPF_FUNC_redirect, 8, 1, 0, 0), XDP_ABORTED);
    assert_int_equal(bpf_redirect.index, 7);
}

static void test_redirect_map(void **state)
{
    struct bpf_map *dev = fake_bpf_map(BPF_MAP_TYPE_DEVMAP, 4, 4, 4, 0);
    struct bpf_map *xsk = fake_bpf_map(BPF_MAP_TYPE_XSKMAP, 4, 4, 4, 0);
    const enum bpf_func_id id = BPF_FUNC_redirect_map;
    uint32_t key = 2, value = 1;

    (void)state;
    fake_bpf_xsks_open = 1;
    assert_int_equal(bpf_map_write(dev, &key, &value, BPF_ANY), 0);
    assert_int_equal(bpf_map_write(xsk, &key, &value, BPF_ANY), 0);
    assert_int_equal(call(id, reg(dev), 2, XDP_PASS, 0), XDP_REDIRECT);
    assert_true(bpf_redirect.map == dev && bpf_redirect.index == 2 && bpf_redirect.flags == 0);
    for (uint64_t action = XDP_ABORTED; action <= XDP_TX; action++) {
        assert_int_equal(call(id, reg(dev), 1, action, 0), action);
        assert_null(bpf_redirect.map);
        assert_int_equal(call(id, reg(xsk), 4, action, 0), action);
    }
    assert_int_equal(call(id, reg(xsk), 2, XDP_DROP, 0), XDP_REDIRECT);
    assert_true(bpf_redirect.map == xsk && bpf_redirect.index == 2);
    assert_int_equal(call(id, reg(xsk), 1ull << 32 | 2, XDP_DROP, 0), XDP_REDIRECT); /* u32 keys */
    assert_int_equal(call(id, reg(xsk), 2, BPF_F_BROADCAST, 0), XDP_ABORTED);
    assert_int_equal(call(id, reg(dev), 2, 4, 0), XDP_ABORTED);
    assert_int_equal(call(id, reg(dev), 2, 1ull << 40, 0), XDP_ABORTED);
    assert_int_equal(call(id, reg(dev), 1, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS, 0),
                     XDP_REDIRECT);
    assert_true(bpf_redirect.map == dev &&
                bpf_redirect.flags == (BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS));
    bpf_map_put(dev);
    bpf_map_put(xsk);
}

static void test_system(void **state)
{
    uint32_t ones = 0, zeros = 0;

    (void)state;
    fake_time_ns = 123456789012345ull;
    assert_int_equal(call(BPF_FUNC_ktime_get_ns, 0, 0, 0, 0), fake_time_ns);
    assert_int_equal(call(BPF_FUNC_ktime_get_boot_ns, 0, 0, 0, 0), fake_time_ns);
    assert_int_equal(call(BPF_FUNC_get_smp_processor_id, 0, 0, 0, 0), 0);
    for (unsigned i = 0; i < 64; i++) { /* 32 bits, and each of them comes as both */
        uint64_t r = call(BPF_FUNC_get_prandom_u32, 0, 0, 0, 0);

        assert_true(r <= UINT32_MAX);
        ones |= (uint32_t)r;
        zeros |= ~(uint32_t)r;
    }
    assert_true(ones == UINT32_MAX && zeros == UINT32_MAX);
}

/* ---- The log ---- */

static uint64_t trace(const char *format, uint64_t r3, uint64_t r4)
{
    return call(BPF_FUNC_trace_printk, reg(format), strlen(format) + 1, r3, r4);
}

static void check_line(const char *line, uint64_t result)
{
    assert_int_equal(result, strlen(line));
    assert_int_equal(strncmp(fake_printk_last, "bpf: ", 5), 0);
    assert_string_equal(fake_printk_last + 5, line);
}

static void test_trace_printk(void **state)
{
    struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_ARRAY, 4, 24, 1, 0);
    char *value = bpf_map_value_base(map);
    char on_stack[8] = "stack";

    (void)state;
    check_line("-7 ff", trace("%d %x", 0xdeadbeef00000000ull | (uint32_t)-7, 255));
    check_line("-7 18446744073709551609", trace("%ld %lu", (uint64_t)-7, (uint64_t)-7));
    check_line("|   65|65   |", trace("|%5u|%-5u|", 65, 65));
    check_line("0000000000abcdef", trace("%px", 0xabcdef, 0));
    check_line("0xabcdef", trace("%pS", 0xabcdef, 0));
    check_line("A%B", trace("%c%%%c", 'A', 'B'));

    memcpy(value, "10.1.2.3", 9);
    memcpy(value + 16, "\x0a\x01\x02\x03", 4);
    check_line("<10.1.2.3> <  stack>", trace("<%s> <%7s>", reg(value), reg(on_stack)));
    check_line("10.1.2.3 010.001.002.003", trace("%pI4 %pi4", reg(value + 16), reg(value + 16)));
    memset(value, 0, 24);
    memcpy(value, "\xfe\x80\x00\x00\x00\x00\x00\x00\x12\x34", 10);
    check_line("fe80:0000:0000:0000:1234:0000:0000:0000", trace("%pI6", reg(value), 0));
    check_line("fe800000000000001234000000000000", trace("%pi6c", reg(value), 0));

    /* What is not a program's memory is not read: nothing is mapped there, or somebody's */
    check_line("<>", trace("<%s>", 8, 0));
    check_line("<>", trace("<%s>", reg("a constant of the test's"), 0));
    check_line("0.0.0.0", trace("%pI4", reg(value + 24), 0)); /* behind the map's end */
    memset(value, 'x', 24); /* not terminated: to the end of the memory */
    check_line("xxxxxxxx", trace("%s", reg(value + 16), 0));
    bpf_map_put(map);
}

static void test_lines(void **state)
{
    (void)state;
    fake_time_ns += 2000000000ull;
    assert_int_equal(trace("two\nlines\n", 0, 0), 10);
    assert_string_equal(fake_printk_last, "bpf: two lines");
    assert_int_equal(trace("%1000d", 1, 0), 1000); /* cut */
    assert_true(strlen(fake_printk_last) < 512);

    fake_time_ns += 2000000000ull;
    fake_printk_lines = 0;
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(trace("flood", 0, 0), 5);
    assert_int_equal(fake_printk_lines, 100);
    fake_time_ns += 1000000000ull;
    trace("later", 0, 0);
    assert_int_equal(fake_printk_lines, 102); /* with "bpf: 4900 lines left out" */
    assert_string_equal(fake_printk_last, "bpf: later");
}

static void test_trace_vprintk(void **state)
{
    const uint64_t args[13] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 };
    const enum bpf_func_id id = BPF_FUNC_trace_vprintk;
    const char format[] = "%u %u %u %u %u %u %u %u %u %u %u %u";

    (void)state;
    fake_time_ns += 2000000000ull;
    check_line("1 2 3 4 5 6 7 8 9 10 11 12",
               call(id, reg(format), sizeof(format), reg(args), 12 * 8));
    assert_int_equal(call(id, reg(format), sizeof(format), reg(args), 13 * 8),
                     (uint64_t)-BPF_EINVAL);
    assert_int_equal(call(id, reg(format), sizeof(format), reg(args), 11 * 8),
                     (uint64_t)-BPF_EINVAL);
    assert_int_equal(call(id, reg("%u"), 3, reg(args), 4), (uint64_t)-BPF_EINVAL);
    assert_int_equal(call(id, reg("%u"), 3, 0, 8), (uint64_t)-BPF_EINVAL);
    check_line("none", call(id, reg("none"), 5, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prototypes),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_maps),          cmocka_unit_test(test_redirect),
        cmocka_unit_test(test_redirect_map),  cmocka_unit_test(test_system),
        cmocka_unit_test(test_trace_printk),  cmocka_unit_test(test_lines),
        cmocka_unit_test(test_trace_vprintk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
