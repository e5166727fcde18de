/*
 * Objects as clang makes them of tests/bpf/objects: what is read from them, what is refused and in
 * which words; and objects that were damaged, of which nothing may be left. Verifier and compiler
 * are fakes here.
 */
#include "bpf_object_seam.h"
#include "fakes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static char text[4096];
static struct bpf_object object;

static struct bpf_log new_log(uint8_t level)
{
    text[0] = '\0';
    return (struct bpf_log){ .text = text, .size = sizeof(text), .level = level };
}

static uint8_t *read_file(const char *name, size_t *bytes)
{
    char path[256];
    uint8_t *data;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s.o", BPF_OBJECTS, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    data = malloc(*bytes);
    assert_int_equal(fread(data, 1, *bytes, f), *bytes);
    fclose(f);
    return data;
}

static bool load_bytes(const uint8_t *data, size_t bytes)
{
    struct bpf_log log = new_log(0);
    bool fine = bpf_object_load(&object, data, bytes, "test.o", &log);

    assert_int_equal(softirqs_disabled, 0);
    return fine;
}

static bool load(const char *name)
{
    size_t bytes;
    uint8_t *data = read_file(name, &bytes);
    bool fine = load_bytes(data, bytes);

    free(data); /* its bytes are not needed afterwards */
    return fine;
}

static void loads(const char *name)
{
    if (!load(name))
        fail_msg("%s: %s", name, text);
    assert_string_equal(text, "");
}

static void nothing_is_left(void)
{
    assert_null(bpf_map_at(0));
    assert_null(bpf_prog_at(0));
}

static void refused(const char *name, const char *why)
{
    if (load(name))
        fail_msg("%s was taken", name);
    if (strncmp(text, "test.o: ", 8) != 0 || strstr(text, why) == NULL)
        fail_msg("%s: it says '%s', not '%s'", name, text, why);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
    nothing_is_left();
}

static struct bpf_prog *prog_named(const char *name)
{
    for (unsigned i = 0; i < object.prog_count; i++)
        if (strcmp(object.progs[i]->name, name) == 0)
            return object.progs[i];
    fail_msg("there is no program %s", name);
    return NULL;
}

static struct bpf_map *map_named(const char *name)
{
    for (unsigned i = 0; i < object.map_count; i++)
        if (strcmp(object.maps[i]->name, name) == 0)
            return object.maps[i];
    fail_msg("there is no map %s", name);
    return NULL;
}

static const struct bpf_subprog *subprog_named(const struct bpf_prog *prog, const char *name)
{
    for (uint32_t i = 0; i < prog->subprog_count; i++)
        if (strcmp(prog->subprogs[i].name, name) == 0)
            return &prog->subprogs[i];
    return NULL;
}

static void put(void)
{
    bpf_object_put(&object);
    nothing_is_left();
}

/* Every reference is one that the program could have: what the verifier relies on. */
static void assert_references_sound(const struct bpf_prog *prog)
{
    for (uint32_t i = 0; i < prog->count; i++) {
        const struct bpf_insn *insn = &prog->insns[i];

        if (insn->code == BPF_LD_IMM64) {
            assert_true(i + 1 < prog->count);
            if (insn->src == BPF_PSEUDO_MAP_FD || insn->src == BPF_PSEUDO_MAP_VALUE)
                assert_in_range(insn->imm, 0, prog->map_count - 1);
            else
                assert_int_equal(insn->src, 0);
            i++;
        } else if (insn->code == (BPF_JMP | BPF_CALL) && insn->src == BPF_PSEUDO_CALL) {
            uint32_t target = i + 1 + (uint32_t)insn->imm, k = 0;

            while (k < prog->subprog_count && prog->subprogs[k].start != target)
                k++;
            assert_true(k < prog->subprog_count);
        }
    }
}

/* ---------------------------------------------------------------- what is read */

/* How often the program refers to this place of global data. */
static unsigned references(const struct bpf_prog *prog, const char *map, uint32_t offset)
{
    unsigned count = 0;

    for (uint32_t i = 0; i + 1 < prog->count; i++)
        if (prog->insns[i].code == BPF_LD_IMM64 && prog->insns[i].src == BPF_PSEUDO_MAP_VALUE &&
            strcmp(prog->maps[prog->insns[i].imm]->name, map) == 0 &&
            (uint32_t)prog->insns[i + 1].imm == offset)
            count++;
    return count;
}

static void test_globals(void **state)
{
    static const uint32_t want[] = { 11, 22, 33, 44 };
    const char *names[] = { "globals-14", "globals-19", "globals-v4" };
    uint32_t word;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct bpf_map *rodata, *data, *bss;

        loads(names[i]);
        assert_true(prog_named("globals")->gpl);
        assert_references_sound(prog_named("globals"));
        rodata = map_named("test.rodata");
        data = map_named("test.data");
        bss = map_named("test.bss");
        assert_int_equal(rodata->def.type, BPF_MAP_TYPE_ARRAY);
        assert_int_equal(rodata->def.max_entries, 1);
        assert_int_equal(rodata->def.key_size, 4);
        assert_int_equal(rodata->def.flags, BPF_F_RDONLY_PROG | BPF_F_MMAPABLE);
        assert_true(rodata->frozen);
        assert_int_equal(data->def.flags, BPF_F_MMAPABLE);
        assert_false(data->frozen);
        assert_non_null(
            memmem(bpf_map_value_base(rodata), rodata->def.value_size, want, sizeof(want)));
        assert_non_null(
            memmem(bpf_map_value_base(rodata), rodata->def.value_size, "queue %d of %d", 15));
        assert_int_equal(bss->def.value_size, 72); /* counter, and eight counters */
        memcpy(&word, bpf_map_value_base(map_named(".data.config")), 4);
        assert_int_equal(word, 0x11223344);
        memcpy(&word, bpf_map_value_base(map_named(".rodata.fixed")), 4);
        assert_int_equal(word, 0x55667788);
        assert_true(map_named(".rodata.fixed")->frozen);
        assert_false(map_named(".data.config")->frozen);
        assert_true(references(prog_named("globals"), "test.bss", 0) > 0);
        assert_true(references(prog_named("globals"), ".data.config", 0) > 0);
        put();
    }
}

/* References add up what the symbol says and what the instruction does. */
static void test_addends(void **state)
{
    static const uint32_t want[] = { 1, 2, 3, 4 };
    const uint8_t *base, *at;
    struct bpf_map *data;

    (void)state;
    loads("globals-14");
    data = map_named("test.data");
    base = bpf_map_value_base(data);
    at = memmem(base, data->def.value_size, want, sizeof(want));
    assert_non_null(at);
    assert_int_not_equal(at - base, 0); /* or it would prove nothing */
    assert_true(references(prog_named("globals"), "test.data", (uint32_t)(at - base)) +
                    references(prog_named("globals"), "test.data", (uint32_t)(at - base) + 12) >
                0);
    put();
}

static void test_calls(void **state)
{
    const char *names[] = { "calls-14", "calls-19", "calls-v4" };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        const struct bpf_subprog *sub;
        struct bpf_prog *first, *second;

        loads(names[i]);
        assert_int_equal(object.prog_count, 2);
        first = object.progs[0];
        second = object.progs[1];
        assert_string_equal(first->name, "first");
        assert_string_equal(second->name, "second");
        assert_false(first->gpl);
        assert_references_sound(first);
        assert_references_sound(second);
        assert_int_equal(first->subprog_count, 5); /* itself, and each that it calls, once */
        assert_int_equal(second->subprog_count, 3);
        assert_string_equal(first->subprogs[0].name, "first");
        assert_int_equal(first->subprogs[0].start, 0);
        assert_false(first->subprogs[0].global);
        assert_null(subprog_named(first, "never_called_by_first"));
        assert_false(subprog_named(first, "leaf")->global);
        assert_false(subprog_named(first, "hidden")->global); /* to Linux it is as good as static */
        sub = subprog_named(first, "count");
        assert_true(sub->global && sub->scalar_result);
        assert_int_equal(sub->arg_count, 2);
        assert_int_equal(sub->args[0].kind, BPF_SUBPROG_CTX);
        assert_int_equal(sub->args[1].kind, BPF_SUBPROG_SCALAR);
        sub = subprog_named(first, "global_with_memory");
        assert_true(sub->global);
        assert_int_equal(sub->args[0].kind, BPF_SUBPROG_MEM_OR_NULL);
        assert_int_equal(sub->args[0].bytes, 8);
        /* Only those maps that a program uses are its own. */
        assert_int_equal(first->map_count, 2);
        assert_int_equal(second->map_count, 1);
        assert_string_equal(second->maps[0]->name, "test.bss");
        put();
    }
}

static void assert_map(const char *name, uint32_t type, uint32_t key, uint32_t value,
                       uint32_t entries, uint32_t flags)
{
    const struct bpf_map *map = map_named(name);

    assert_int_equal(map->def.type, type);
    assert_int_equal(map->def.key_size, key);
    assert_int_equal(map->def.value_size, value);
    assert_int_equal(map->def.max_entries, entries);
    assert_int_equal(map->def.flags, flags);
}

static void test_maps(void **state)
{
    (void)state;
    loads("maps-14");
    assert_int_equal(object.map_count, 10);
    assert_map("by_size", BPF_MAP_TYPE_HASH, 4, 20, 100, BPF_F_NO_PREALLOC);
    assert_map("by_type", BPF_MAP_TYPE_LPM_TRIE, 8, 24, 50, BPF_F_NO_PREALLOC);
    assert_map("shared", BPF_MAP_TYPE_ARRAY, 4, 10, 3, 0);
    assert_map("percpu", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 1, 0);
    assert_map("percpu_hash", BPF_MAP_TYPE_PERCPU_HASH, 8, 8, 8, 0);
    assert_map("lru", BPF_MAP_TYPE_LRU_HASH, 8, 8, 8, 0);
    assert_map("ring", BPF_MAP_TYPE_RINGBUF, 0, 0, 8192, 0);
    assert_map("events", BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, BPF_CPUS, 0);
    assert_map("devices", BPF_MAP_TYPE_DEVMAP, 4, 4, 4, BPF_F_RDONLY_PROG); /* as Linux sets it */
    assert_map("sockets", BPF_MAP_TYPE_XSKMAP, 4, 4, 4, 0);
    assert_int_equal(prog_named("maps")->map_count, 6);
    assert_references_sound(prog_named("maps"));
    put();
}

static unsigned asked_with_softirqs_disabled;

static void asked(size_t bytes)
{
    asked_with_softirqs_disabled += bytes > 0 && softirqs_disabled > 0;
}

/* Memory is cleared, and that of maps may be 4 MiB each: not while packets wait. */
static void test_packets_go_on_meanwhile(void **state)
{
    (void)state;
    fake_bpf_mem_asked = asked;
    loads("maps-14");
    fake_bpf_mem_asked = NULL;
    assert_int_equal(asked_with_softirqs_disabled, 0);
    put();
}

static void test_legacy_maps(void **state)
{
    const char *names[] = { "legacy-14", "legacy-19", "legacy-nodebug" };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        loads(names[i]);
        assert_map("first", BPF_MAP_TYPE_ARRAY, 4, 8, 256, 0);
        assert_map("second", BPF_MAP_TYPE_HASH, 6, 12, 10, BPF_F_NO_PREALLOC);
        assert_int_equal(object.progs[0]->map_count, 2);
        assert_true(object.progs[0]->gpl);
        put();
    }
}

static void test_pinned_maps_are_shared(void **state)
{
    struct bpf_object old;
    struct bpf_map *map;

    (void)state;
    loads("maps-14");
    map = map_named("shared");
    old = object;
    loads("maps-14"); /* the new version, while the old one still runs */
    assert_ptr_equal(map_named("shared"), map);
    assert_ptr_not_equal(map_named("by_size"), old.maps[0]);
    bpf_object_put(&old);
    assert_ptr_equal(map_named("shared"), map);
    map->def.max_entries = 4;
    old = object;
    assert_false(load("maps-14"));
    assert_non_null(strstr(text, "map 'shared': there is one of that name already"));
    object = old;
    put();
}

static void test_tail_calls(void **state)
{
    const char *names[] = { "tails-14", "tails-19" };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct bpf_prog **slots, *third;

        loads(names[i]);
        assert_int_equal(object.prog_count, 3); /* the one in "?xdp" is not */
        slots = bpf_prog_array_slots(map_named("jumps"));
        assert_ptr_equal(slots[0], prog_named("entry"));
        assert_null(slots[1]);
        assert_ptr_equal(slots[3], prog_named("third"));
        assert_ptr_equal(slots[7], prog_named("fourth"));
        assert_int_equal(map_named("jumps")->def.value_size, 4);
        assert_int_equal(map_named("other")->def.value_size, 4);
        slots = bpf_prog_array_slots(map_named("other"));
        assert_ptr_equal(slots[1], prog_named("fourth"));

        /* Attached somewhere, a program keeps what it may jump to, and no more than that. */
        third = prog_named("third");
        bpf_prog_hold(third);
        bpf_object_put(&object);
        assert_non_null(bpf_prog_by_name("fourth"));
        assert_ptr_equal(bpf_prog_by_name("third"), third);
        assert_null(bpf_prog_by_name("entry"));
        bpf_prog_put(third);
        nothing_is_left();
    }
}

static void test_core(void **state)
{
    (void)state;
    loads("core-14"); /* of these types there is one layout only */
    assert_false(object.progs[0]->gpl);
    put();
    loads("core-19");
    put();
}

static void test_names_and_ids(void **state)
{
    uint32_t id;

    (void)state;
    loads("calls-14");
    id = object.progs[1]->id;
    assert_int_equal(id, object.progs[0]->id + 1);
    assert_string_equal(object.name, "test.o");
    assert_ptr_equal(bpf_prog_by_id(id), object.progs[1]);
    assert_ptr_equal(bpf_prog_by_name("second"), object.progs[1]);
    put();
    loads("calls-14");
    assert_int_equal(object.progs[0]->id, id + 1); /* never used again */
    assert_null(bpf_prog_by_id(id));
    put();
}

/* ---------------------------------------------------------------- what is refused */

static void test_refusals(void **state)
{
    static const struct {
        const char *name, *why;
    } cases[] = {
        { "frags", "section xdp.frags: program 'program': frames are never in fragments" },
        { "devmap", "section xdp/devmap: program 'program': entries of a devmap" },
        { "cpumap", "section xdp/cpumap: program 'program': there is no cpumap" },
        { "tc", "section tc: program 'program': only xdp programs run here" },
        { "static", "section xdp: program 'program' is static" },
        { "text", "there is no program in it" },
        { "extern", "refers to the extern 'setting'" },
        { "kfunc", "calls a function that is not in the object: 'kernel_function'" },
        { "callback", "takes the address of a function" },
        { "core", "the kernel's type 'task_struct' (CO-RE)" },
        { "core_part", "the kernel's type 'iphdr' (CO-RE)" },
        { "map_type", "section .maps: map 'map': type 7 (stack_trace) is not supported here" },
        { "map_number", "section .maps: map 'map': type 99 (unknown) is not supported here" },
        { "map_member", "map 'map': 'colour' is not known here" },
        { "map_sizes", "map 'map': its 'key_size' makes no sense here" },
        { "map_static", "map 'map': it is static or extern" },
        { "values", "map 'map': it has a first entry outside its entries" },
        { "values_function", "map 'map': 'function' is no program of the object" },
    };
    char name[64];

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(name, sizeof(name), "refused-%s", cases[i].name);
        refused(name, cases[i].why);
    }
}

static void test_not_an_object(void **state)
{
    uint8_t junk[64] = "GIF89a";

    (void)state;
    assert_false(load_bytes(junk, sizeof(junk)));
    assert_string_equal(text, "test.o: it is not an ELF file\n");
    assert_false(load_bytes(junk, 0));
    memcpy(junk, "\177ELF\2\2\1", 7); /* big-endian */
    assert_false(load_bytes(junk, sizeof(junk)));
    assert_non_null(strstr(text, "it is not a little-endian ELF64 file"));
    nothing_is_left();
}

static void test_verifier_refuses(void **state)
{
    size_t bytes;
    uint8_t *data = read_file("calls-14", &bytes);
    struct bpf_log log = new_log(0);

    (void)state;
    verifier_refuses = "second";
    assert_false(bpf_object_load(&object, data, bytes, "test.o", &log));
    assert_string_equal(text, "test.o: program 'second': R0 !read_ok\n");
    nothing_is_left();
    log = new_log(1);
    assert_false(bpf_object_load(&object, data, bytes, "test.o", &log));
    assert_non_null(strstr(text, "test.o: program 'second':\nR0 !read_ok\n"));
    log = (struct bpf_log){ .text = NULL }; /* nobody reads */
    assert_false(bpf_object_load(&object, data, bytes, "test.o", &log));
    nothing_is_left();
    verifier_refuses = NULL;
    free(data);
}

static void test_map_cannot_be_created(void **state)
{
    const struct bpf_map_def def = { BPF_MAP_TYPE_ARRAY, 4, 4, 1, 0 };
    struct bpf_map *others[BPF_MAPS_MAX - 3];
    const char *why;

    (void)state;
    refused("refused-map_value", "section .maps: map 'map': ");
    for (unsigned i = 0; i < BPF_MAPS_MAX - 3; i++)
        others[i] = bpf_map_create(&def, "other", &why);
    assert_false(load("maps-14"));
    assert_non_null(strstr(text, "': there are 64 maps already\n"));
    assert_ptr_equal(bpf_map_at(BPF_MAPS_MAX - 4), others[BPF_MAPS_MAX - 4]);
    assert_null(bpf_map_at(BPF_MAPS_MAX - 3)); /* those that were made are gone */
    for (unsigned i = 0; i < BPF_MAPS_MAX - 3; i++)
        bpf_map_put(others[i]);
    nothing_is_left();
}

static void test_too_many_programs(void **state)
{
    struct bpf_object loaded[BPF_PROGS_MAX];
    unsigned count = 0;

    (void)state;
    for (; load("legacy-14"); count++)
        loaded[count] = object;
    assert_in_range(count, 1, BPF_PROGS_MAX - 1);
    assert_int_equal(count, BPF_MAPS_MAX / loaded[0].map_count); /* too many maps come first */
    for (unsigned i = 0; i < count; i++)
        bpf_object_put(&loaded[i]);
    for (count = 0; load("core-14"); count++)
        loaded[count] = object;
    assert_int_equal(count, BPF_PROGS_MAX);
    assert_string_equal(text, "test.o: there are 64 programs already; unload some\n");
    for (unsigned i = 0; i < count; i++)
        bpf_object_put(&loaded[i]);
    nothing_is_left();
}

static void test_log_is_cut(void **state)
{
    char small[10] = "untouched";
    struct bpf_log log = { .text = small, .size = sizeof(small) };

    (void)state;
    bpf_log_printf(&log, "%s", "12345");
    assert_false(log.cut);
    bpf_log_printf(&log, "%s", "67890");
    assert_true(log.cut);
    assert_string_equal(small, "123456789");
    bpf_log_printf(&log, "more");
    assert_string_equal(small, "123456789");
    assert_int_equal(log.used, 9);
}

/* ---------------------------------------------------------------- damage */

static void try_damaged(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1); /* a byte behind it is seen to be read */

    memcpy(copy, data, bytes);
    if (load_bytes(copy, bytes)) {
        for (unsigned i = 0; i < object.prog_count; i++)
            assert_references_sound(object.progs[i]);
        bpf_object_put(&object);
    } else {
        assert_memory_equal(text, "test.o: ", 8);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        for (const char *p = text; *p != '\n'; p++)
            assert_in_range(*p, ' ', '~');
    }
    nothing_is_left();
    free(copy);
}

static const char *const whole[] = { "calls-14", "globals-14", "tails-19",
                                     "maps-14",  "legacy-14",  "core-14" };

/* A file cut anywhere lacks its section headers, which stand last: it is never taken. */
static void test_truncated(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        size_t bytes;
        uint8_t *data = read_file(whole[i], &bytes);

        for (size_t cut = 0; cut < bytes; cut++) {
            uint8_t *copy = malloc(cut > 0 ? cut : 1);

            memcpy(copy, data, cut);
            if (load_bytes(copy, cut))
                bpf_object_put(&object); /* only padding at the end was lost */
            nothing_is_left();
            free(copy);
        }
        free(data);
    }
}

/* Each byte of what is read, in turn, with some of its bits turned. */
static void test_damaged_bytes(void **state)
{
    static const uint8_t flips[] = { 0x01, 0x80, 0xff };

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        size_t bytes;
        uint8_t *data = read_file(whole[i], &bytes);

        for (size_t at = 0; at < bytes; at++) {
            data[at] ^= flips[at % 3];
            try_damaged(data, bytes);
            data[at] ^= flips[at % 3];
        }
        free(data);
    }
}

/* Whole fields of 32 bits, with the values that break sums. */
static void test_damaged_words(void **state)
{
    static const uint32_t values[] = { 0, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8 };

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        size_t bytes;
        uint8_t *data = read_file(whole[i], &bytes);

        for (size_t at = 0; at + 4 <= bytes; at += 4) {
            uint32_t old;

            memcpy(&old, data + at, 4);
            memcpy(data + at, &values[at / 4 % 5], 4);
            try_damaged(data, bytes);
            memcpy(data + at, &old, 4);
        }
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_globals),
        cmocka_unit_test(test_addends),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_packets_go_on_meanwhile),
        cmocka_unit_test(test_legacy_maps),
        cmocka_unit_test(test_pinned_maps_are_shared),
        cmocka_unit_test(test_tail_calls),
        cmocka_unit_test(test_core),
        cmocka_unit_test(test_names_and_ids),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_not_an_object),
        cmocka_unit_test(test_verifier_refuses),
        cmocka_unit_test(test_map_cannot_be_created),
        cmocka_unit_test(test_too_many_programs),
        cmocka_unit_test(test_log_is_cut),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_damaged_bytes),
        cmocka_unit_test(test_damaged_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
