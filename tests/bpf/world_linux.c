/* Linux as an engine: the maps are made once and filled anew for each program. */
#define _GNU_SOURCE
#include "world.h"
#include "linux_bpf.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CPUS_MAX 1024u

static int maps[WORLD_MAPS];
static int tails[WORLD_ENTRIES] = { -1, -1, -1, -1 };

static void must(int result, const char *what, unsigned map)
{
    if (result >= 0)
        return;
    fprintf(stderr, "Linux: %s of map %s: %s\n", what, world_maps[map].name, strerror(-result));
    exit(2);
}

static bool is_percpu(unsigned map)
{
    return world_maps[map].type == BPF_MAP_TYPE_PERCPU_ARRAY ||
           world_maps[map].type == BPF_MAP_TYPE_PERCPU_HASH;
}

static void map_make(unsigned map)
{
    const struct world_map *def = &world_maps[map];

    maps[map] =
        linux_map_create(def->type, def->key_size, def->value_size, def->max_entries, def->flags);
    must(maps[map], "making", map);
}

static bool in_place(unsigned map)
{
    return world_maps[map].type == BPF_MAP_TYPE_ARRAY ||
           world_maps[map].type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static void map_fill(unsigned map)
{
    static uint8_t copies[CPUS_MAX * WORLD_VALUE_MAX];
    uint8_t key[WORLD_KEY_MAX], value[WORLD_VALUE_MAX];

    while (!in_place(map) && linux_map_next_key(maps[map], NULL, key) == 0)
        must(linux_map_delete(maps[map], key), "emptying", map);
    for (unsigned i = 0; world_entry(map, i, key, value); i++) {
        size_t size = (world_maps[map].value_size + 7u) & ~7u;

        if (!is_percpu(map)) {
            must(linux_map_update(maps[map], key, value), "filling", map);
            continue;
        }
        for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
            memcpy(copies + cpu * size, value, size);
        must(linux_map_update(maps[map], key, copies), "filling", map);
    }
}

static void map_read(unsigned map, struct world_contents *contents)
{
    static uint8_t values[CPUS_MAX * WORLD_VALUE_MAX]; /* CPU 0's comes first */
    const struct world_map *def = &world_maps[map];
    uint8_t key[WORLD_KEY_MAX], next[WORLD_KEY_MAX];

    memset(contents, 0, sizeof(*contents));
    for (int more = linux_map_next_key(maps[map], NULL, key); more == 0;) {
        must(linux_map_lookup(maps[map], key, values), "reading", map);
        world_contents_add(contents, key, def->key_size, values, def->value_size);
        more = linux_map_next_key(maps[map], key, next);
        memcpy(key, next, sizeof(key));
    }
}

/* Descriptors for the numbers of our list. */
static struct bpf_insn *insns_for_linux(const struct bpf_insn *insns, uint32_t count)
{
    struct bpf_insn *copy = malloc((count + 1) * sizeof(*copy));

    if (copy == NULL)
        abort();
    memcpy(copy, insns, count * sizeof(*copy));
    for (uint32_t i = 0; i < count; i++) {
        if (copy[i].code != BPF_LD_IMM64)
            continue;
        if ((copy[i].src == BPF_PSEUDO_MAP_FD || copy[i].src == BPF_PSEUDO_MAP_VALUE) &&
            (uint32_t)copy[i].imm < WORLD_MAPS)
            copy[i].imm = maps[copy[i].imm];
        i++;
    }
    return copy;
}

static int load(const struct bpf_insn *insns, uint32_t count, char *log, bool every_step)
{
    struct bpf_insn *copy = insns_for_linux(insns, count);
    int prog = linux_prog_load(copy, count, log, log != NULL ? WORLD_LOG : 0, every_step);

    free(copy);
    return prog;
}

bool world_linux_open(const char **why)
{
    cpu_set_t first;
    uint32_t key = 0, lo = 1;

    if (!linux_bpf_usable(why))
        return false;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    if (sched_setaffinity(0, sizeof(first), &first) != 0) {
        *why = "CPU 0 is not ours to run on";
        return false;
    }
    for (unsigned i = 0; i < WORLD_MAPS; i++)
        map_make(i);
    map_fill(M_RDONLY);
    must(linux_map_freeze(maps[M_RDONLY]), "freezing", M_RDONLY);
    must(linux_map_update(maps[M_DEV], &key, &lo), "filling", M_DEV);
    for (unsigned i = 0; i < WORLD_ENTRIES; i++) {
        uint32_t count;
        const struct bpf_insn *insns = world_tail(i, &count);

        if (insns != NULL)
            tails[i] = load(insns, count, NULL, false);
    }
    return true;
}

static void tails_fill(int self)
{
    for (uint32_t i = 0; i < WORLD_ENTRIES; i++) {
        int prog = i == 3 ? self : tails[i];

        if (prog >= 0)
            must(linux_map_update(maps[M_PROGS], &i, &prog), "filling", M_PROGS);
        else
            linux_map_delete(maps[M_PROGS], &i);
    }
}

static void prepare(uint32_t used)
{
    for (unsigned i = 0; i < WORLD_MAPS; i++) {
        if ((used >> i & 1) == 0)
            continue;
        if (world_maps[i].compared && !world_maps[i].frozen)
            map_fill(i);
        if (i == M_RING) { /* its records stay until somebody reads them */
            close(maps[i]);
            map_make(i);
        }
    }
}

void world_linux_run(const struct bpf_insn *insns, uint32_t count, const struct world_input *input,
                     struct world_outcome *outcome, char *log)
{
    uint32_t used = world_maps_used(insns, count);
    struct linux_run run = { .in = input->packet,
                             .in_bytes = input->bytes,
                             .in_meta_bytes = input->meta_bytes,
                             .out = outcome->packet,
                             .out_bytes = WORLD_PACKET };
    int prog;

    memset(outcome, 0, sizeof(*outcome));
    prepare(used);
    prog = load(insns, count, log, false);
    if (prog < 0) {
        outcome->error = prog;
        if (log != NULL)
            world_reason(log, outcome->reason, sizeof(outcome->reason));
        return;
    }
    outcome->accepted = true;
    if ((used >> M_PROGS & 1) != 0)
        tails_fill(prog);
    outcome->error = linux_prog_run(prog, &run);
    outcome->ran = outcome->error == 0;
    outcome->retval = run.retval;
    outcome->bytes = run.out_bytes;
    outcome->meta_bytes = run.out_meta_bytes;
    if ((used >> M_PROGS & 1) != 0)
        tails_fill(-1);
    close(prog);
    for (unsigned i = 0; i < WORLD_MAPS; i++) {
        if ((used >> i & 1) != 0 && world_maps[i].compared)
            map_read(i, &outcome->maps[i]);
    }
}

void world_linux_explain(const struct bpf_insn *insns, uint32_t count, char *log)
{
    int prog = load(insns, count, log, true);

    if (prog >= 0)
        close(prog);
}

bool world_linux_rejects_restricted(const struct bpf_insn *insns, uint32_t count)
{
    struct bpf_insn *copy = insns_for_linux(insns, count);
    int result = linux_prog_try_restricted(copy, count);

    free(copy);
    return result < 0;
}
