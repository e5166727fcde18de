/*
 * From a file to programs that can be attached: see object.h. First all is read and put together,
 * then maps come to be, then programs are verified, compiled, and, when nothing can go wrong any
 * more, registered.
 */
#include "object_parse.h"
#include <kernel/lib.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <string.h>

struct loading {
    struct object_reader reader;
    struct bpf_prog *progs[BPF_OBJECT_PROGS_MAX];
    uint8_t map_of[BPF_OBJECT_PROGS_MAX][BPF_PROG_MAPS_MAX];
    uint32_t map_counts[BPF_OBJECT_PROGS_MAX];
};

/* ---------------------------------------------------------------- reading: changes nothing */

static bool read_object(struct object_reader *r)
{
    return object_elf_open(r) && object_btf_open(r) && object_functions_find(r) &&
           object_core_check(r) && object_maps_find(r) && object_values_find(r);
}

static void set_section(struct bpf_prog *prog, const char *name)
{
    memcpy(prog->section, name, strnlen(name, sizeof(prog->section) - 1)); /* the rest is zero */
}

static bool assemble(struct loading *l)
{
    struct object_reader *r = &l->reader;

    for (uint32_t i = 0; i < r->program_count; i++) {
        l->progs[i] = bpf_prog_new(r->functions[r->programs[i]].name);
        if (l->progs[i] == NULL)
            return object_refuse(r, "there is no memory for its programs");
        set_section(l->progs[i], r->sections[r->functions[r->programs[i]].section].name);
        if (!object_assemble(r, i, l->progs[i], l->map_of[i], &l->map_counts[i]))
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- maps: packets go on meanwhile */

/* Of a devmap Linux sets a flag that nobody has asked for. */
static uint32_t asked_flags(const struct bpf_map_def *def)
{
    return def->type == BPF_MAP_TYPE_DEVMAP ? def->flags & ~BPF_F_RDONLY_PROG : def->flags;
}

static bool is_same(const struct bpf_map_def *a, const struct bpf_map_def *b)
{
    return a->type == b->type && a->key_size == b->key_size && a->value_size == b->value_size &&
           a->max_entries == b->max_entries && asked_flags(a) == asked_flags(b);
}

/* Who has made one that is to be found by its name: another object, or an app. With a reference. */
static struct bpf_map *take_pinned(const struct object_map *map)
{
    struct bpf_map *pinned;

    if (!map->by_name)
        return NULL;
    softirq_disable();
    pinned = bpf_map_by_name(map->name);
    if (pinned != NULL)
        bpf_map_hold(pinned);
    softirq_enable();
    return pinned;
}

static bool register_map(struct bpf_map *map, const char **why)
{
    bool fine;

    softirq_disable();
    fine = bpf_map_register(map, why);
    softirq_enable();
    return fine;
}

static bool create_map(struct object_reader *r, struct object_map *map)
{
    const char *why = "", *section = r->sections[map->section].name;

    map->map = take_pinned(map);
    if (map->map != NULL)
        return is_same(&map->map->def, &map->def) ||
               object_refuse(r,
                             "section %.64s: map '%s': there is one of that name already, and of "
                             "another type or size",
                             section, map->name);
    map->map = bpf_map_make(&map->def, map->name, &why);
    if (map->map != NULL) {
        if (map->data && map->content != NULL)
            memcpy(bpf_map_value_base(map->map), map->content, map->def.value_size);
        /* What a program takes for constant must stay what the verifier has seen. */
        map->map->frozen = map->data && (map->def.flags & BPF_F_RDONLY_PROG) != 0;
    }
    return (map->map != NULL && register_map(map->map, &why)) ||
           object_refuse(r, "section %.64s: map '%s': %s", section, map->name, why);
}

/* Softirqs disabled. */
static void hold_maps(struct loading *l)
{
    struct object_reader *r = &l->reader;

    for (uint32_t i = 0; i < r->program_count; i++) {
        struct bpf_prog *prog = l->progs[i];

        for (uint32_t k = 0; k < l->map_counts[i]; k++) {
            prog->maps[k] = r->maps[l->map_of[i][k]].map;
            bpf_map_hold(prog->maps[k]);
            prog->map_count = k + 1;
        }
    }
}

static bool create_maps(struct loading *l)
{
    struct object_reader *r = &l->reader;

    for (uint32_t i = 0; i < r->map_count; i++)
        if (!create_map(r, &r->maps[i]))
            return false;
    softirq_disable();
    hold_maps(l);
    softirq_enable();
    return true;
}

/* ---------------------------------------------------------------- programs */

/* The verifier's reason ends the line that begins here; what it says at higher levels follows. */
static bool verify(struct object_reader *r, struct bpf_prog *prog)
{
    struct bpf_log *log = r->log;
    struct bpf_log before = *log;
    uint64_t from_ns = time_ns();

    bpf_log_printf(log, "%.64s: program '%s'%s", r->name, prog->name,
                   log->level > 0 ? ":\n" : ": ");
    if (!bpf_verify(prog, log))
        return false;
    prog->verify_ns = time_ns() - from_ns;
    if (log->level == 0 && log->text != NULL && log->size > 0) { /* nothing to say of it */
        *log = before;
        log->text[MIN(log->used, log->size - 1)] = '\0';
    }
    return true;
}

static bool verify_all(struct loading *l)
{
    for (uint32_t i = 0; i < l->reader.program_count; i++) {
        if (!verify(&l->reader, l->progs[i]))
            return false;
        bpf_jit(l->progs[i]); /* without memory for code it is interpreted */
    }
    return true;
}

/* Softirqs disabled. */
static bool register_all(struct loading *l)
{
    struct object_reader *r = &l->reader;

    for (uint32_t i = 0; i < r->program_count; i++) {
        if (!bpf_prog_register(l->progs[i]))
            return object_refuse(r, "there are %u programs already; unload some", BPF_PROGS_MAX);
        l->progs[i]->loaded_ns = time_ns();
    }
    for (uint32_t i = 0; i < r->value_count; i++) {
        const struct object_value *value = &r->values[i];
        const struct object_map *map = &r->maps[value->map];

        if (bpf_prog_array_set(map->map, value->index, l->progs[value->program]) != 0)
            return object_refuse(r, "section .maps: map '%s': program '%s' cannot be its entry %u",
                                 map->name, l->progs[value->program]->name, value->index);
    }
    return true;
}

/* ---------------------------------------------------------------- all of it */

static bool load(struct loading *l)
{
    bool fine;

    if (!read_object(&l->reader) || !assemble(l) || !create_maps(l) || !verify_all(l))
        return false;
    softirq_disable();
    fine = register_all(l);
    softirq_enable();
    return fine;
}

static void hand_over(struct loading *l, struct bpf_object *object)
{
    struct object_reader *r = &l->reader;

    *object = (struct bpf_object){ .prog_count = r->program_count, .map_count = r->map_count };
    memcpy(object->name, r->name, strnlen(r->name, sizeof(object->name) - 1));
    for (uint32_t i = 0; i < r->program_count; i++)
        object->progs[i] = l->progs[i];
    for (uint32_t i = 0; i < r->map_count; i++)
        object->maps[i] = r->maps[i].map;
}

/* Softirqs disabled. */
static void undo(struct loading *l)
{
    struct object_reader *r = &l->reader;

    for (uint32_t i = 0; i < BPF_OBJECT_PROGS_MAX; i++)
        if (l->progs[i] != NULL)
            bpf_prog_put(l->progs[i]);
    for (uint32_t i = 0; i < r->map_count; i++)
        if (r->maps[i].map != NULL)
            bpf_map_put(r->maps[i].map);
}

bool bpf_object_load(struct bpf_object *object, const void *file, size_t bytes, const char *name,
                     struct bpf_log *log)
{
    struct loading *l = bpf_mem_alloc(sizeof(*l));
    struct object_reader *r;
    bool fine;

    if (l == NULL) {
        bpf_log_printf(log, "%.64s: there is no memory to read it\n", name);
        return false;
    }
    r = &l->reader;
    r->name = name;
    r->log = log;
    r->file = file;
    r->bytes = bytes;
    fine = load(l);
    if (fine) {
        hand_over(l, object);
    } else {
        softirq_disable();
        undo(l);
        softirq_enable();
    }
    bpf_mem_free(r->btf_offsets);
    for (uint32_t i = 0; i < r->section_count; i++)
        bpf_mem_free(r->sections[i].rel_of);
    bpf_mem_free(l);
    return fine;
}

void bpf_object_put(struct bpf_object *object)
{
    softirq_disable();
    for (unsigned i = 0; i < object->prog_count; i++)
        bpf_prog_put(object->progs[i]);
    for (unsigned i = 0; i < object->map_count; i++)
        bpf_map_put(object->maps[i]);
    object->prog_count = 0;
    object->map_count = 0;
    softirq_enable();
}
