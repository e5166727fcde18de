/* Our verifier, interpreter and JIT as engines. Everything is made anew for each run. */
#include "world.h"
#include "../host/fakes.h"
#include "../../net/bpf/helper.h"
#include "../../net/bpf/prog.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As Linux's test runs have it: a page, less what Linux keeps at both ends of it. */
#define HEADROOM    256u
#define FRAME_BYTES 4096u
#define KEPT_FIRST  40u  /* struct xdp_frame */
#define KEPT_LAST   320u /* struct skb_shared_info */

struct world_watch world_watch;

struct setting {
    struct bpf_map *maps[WORLD_MAPS]; /* of those in use */
    uint32_t used;
};

static void must(bool good, const char *what, const char *why)
{
    if (good)
        return;
    fprintf(stderr, "ours: %s: %s\n", what, why != NULL ? why : "failed");
    abort();
}

static struct bpf_prog *prog_make(struct setting *setting, const struct bpf_insn *insns,
                                  uint32_t count)
{
    struct bpf_prog *prog = bpf_prog_new("case");
    uint8_t places[WORLD_MAPS];

    must(prog != NULL, "a program", NULL);
    prog->gpl = true;
    prog->insns = bpf_mem_alloc(count * sizeof(*insns));
    prog->subprogs = bpf_mem_alloc(BPF_SUBPROGS_MAX * sizeof(*prog->subprogs));
    must(prog->insns != NULL && prog->subprogs != NULL, "its memory", NULL);
    memcpy(prog->insns, insns, count * sizeof(*insns));
    prog->count = count;
    for (unsigned i = 0; i < WORLD_MAPS; i++) {
        if ((world_maps_used(insns, count) >> i & 1) == 0 || setting->maps[i] == NULL)
            continue;
        places[i] = (uint8_t)prog->map_count;
        prog->maps[prog->map_count++] = setting->maps[i];
        bpf_map_hold(setting->maps[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct bpf_insn *insn = &prog->insns[i];

        if (insn->code != BPF_LD_IMM64)
            continue;
        if ((insn->src == BPF_PSEUDO_MAP_FD || insn->src == BPF_PSEUDO_MAP_VALUE) &&
            (uint32_t)insn->imm < WORLD_MAPS)
            insn->imm = places[insn->imm];
        i++;
    }
    return prog;
}

static struct bpf_map *map_make(unsigned i)
{
    const struct world_map *map = &world_maps[i];
    const struct bpf_map_def def = { map->type, map->key_size, map->value_size, map->max_entries,
                                     map->flags };
    uint8_t key[WORLD_KEY_MAX], value[WORLD_VALUE_MAX];
    const char *why = NULL;
    struct bpf_map *made = bpf_map_create(&def, map->name, &why);

    must(made != NULL, map->name, why);
    for (unsigned at = 0; world_entry(i, at, key, value); at++)
        must(bpf_map_write(made, key, value, BPF_ANY) == 0, map->name, "filling it");
    if (i == M_DEV) {
        static const uint32_t zero, lo = 1;

        must(bpf_map_write(made, &zero, &lo, BPF_ANY) == 0, map->name, "filling it");
    }
    made->frozen = map->frozen;
    return made;
}

static bool compile(struct bpf_prog *prog, enum world_mode mode)
{
    return mode == WORLD_INTERPRET || bpf_jit(prog);
}

static void tails_fill(struct setting *setting, struct bpf_prog *self, enum world_mode mode)
{
    for (uint32_t i = 0; i < WORLD_ENTRIES; i++) {
        uint32_t count;
        const struct bpf_insn *insns = world_tail(i, &count);
        struct bpf_prog *prog = self;

        if (i != 3) {
            if (insns == NULL)
                continue;
            prog = prog_make(setting, insns, count);
            must(bpf_verify(prog, NULL) && compile(prog, mode), "a tail", NULL);
        }
        must(bpf_prog_array_set(setting->maps[M_PROGS], i, prog) == 0, "filling progs", NULL);
        if (i != 3)
            bpf_prog_put(prog);
    }
}

static void run(const struct bpf_prog *prog, const struct setting *setting,
                const struct world_input *input, enum world_mode mode,
                struct world_outcome *outcome)
{
    static uint8_t memory[FRAME_BYTES] __attribute__((aligned(64)));
    struct xdp_buff xdp = { .data_meta = memory + HEADROOM,
                            .data = memory + HEADROOM + input->meta_bytes,
                            .data_end = memory + HEADROOM + input->bytes,
                            .hard_start = memory + KEPT_FIRST,
                            .hard_end = memory + FRAME_BYTES - KEPT_LAST,
                            .ingress_ifindex = 1 };

    memset(memory, 0, sizeof(memory));
    memcpy(xdp.data_meta, input->packet, input->bytes);
    if (world_watch.before != NULL)
        world_watch.before(setting->maps, &xdp);
    outcome->retval = (uint32_t)(mode == WORLD_JIT ? prog->entry(&xdp) : bpf_interpret(prog, &xdp));
    outcome->ran = true;
    outcome->bytes = (uint32_t)(xdp.data_end - xdp.data_meta);
    outcome->meta_bytes = (uint32_t)(xdp.data - xdp.data_meta);
    must(outcome->bytes <= WORLD_PACKET, "the frame afterwards", "too long");
    memcpy(outcome->packet, xdp.data_meta, outcome->bytes);
}

static void map_read(struct bpf_map *map, struct world_contents *contents)
{
    uint8_t key[WORLD_KEY_MAX], next[WORLD_KEY_MAX], value[WORLD_VALUE_MAX];

    memset(contents, 0, sizeof(*contents));
    for (int more = bpf_map_next_key(map, NULL, key); more == 0;) {
        must(bpf_map_read(map, key, value) == 0, map->name, "reading it");
        world_contents_add(contents, key, map->def.key_size, value, map->def.value_size);
        more = bpf_map_next_key(map, key, next);
        memcpy(key, next, sizeof(key));
    }
}

void world_ours_run(const struct bpf_insn *insns, uint32_t count, const struct world_input *input,
                    enum world_mode mode, struct world_outcome *outcome, char *log)
{
    struct bpf_log words = { .text = log, .size = WORLD_LOG, .level = world_watch.log_level };
    struct setting setting = { .used = world_maps_used(insns, count) };
    struct bpf_prog *prog;

    memset(outcome, 0, sizeof(*outcome));
    log[0] = 0;
    fake_time_ns += 1000; /* time goes on */
    for (unsigned i = 0; i < WORLD_MAPS; i++) {
        if ((setting.used >> i & 1) != 0)
            setting.maps[i] = map_make(i);
    }
    prog = prog_make(&setting, insns, count);
    outcome->accepted = bpf_verify(prog, &words);
    if (outcome->accepted) {
        must(compile(prog, mode), "compiling", NULL);
        if (setting.maps[M_PROGS] != NULL)
            tails_fill(&setting, prog, mode);
        run(prog, &setting, input, mode, outcome);
        for (unsigned i = 0; i < WORLD_MAPS; i++) {
            if (setting.maps[i] != NULL && world_maps[i].compared)
                map_read(setting.maps[i], &outcome->maps[i]);
        }
        if (setting.maps[M_PROGS] != NULL)
            bpf_prog_array_set(setting.maps[M_PROGS], 3, NULL);
    } else {
        world_reason(log, outcome->reason, sizeof(outcome->reason));
    }
    bpf_prog_put(prog);
    for (unsigned i = 0; i < WORLD_MAPS; i++) {
        if (setting.maps[i] != NULL)
            bpf_map_put(setting.maps[i]);
    }
}

void world_disasm(const struct bpf_insn *insns, uint32_t count)
{
    struct bpf_prog *prog = bpf_prog_new("case");
    char text[256];

    must(prog != NULL, "a program", NULL);
    prog->insns = bpf_mem_alloc((count + 1) * sizeof(*insns));
    must(prog->insns != NULL, "its memory", NULL);
    memcpy(prog->insns, insns, count * sizeof(*insns));
    prog->count = count;
    for (uint32_t i = 0; i < count;) {
        const struct bpf_insn *insn = &insns[i];
        unsigned taken = bpf_disasm(prog, i, text, sizeof(text));

        printf("  %4u: (%02x) %-48s", i, insn->code, text);
        if (insn->code == BPF_LD_IMM64 && insn->src != 0 && (uint32_t)insn->imm < WORLD_MAPS)
            printf(" ; %s", world_maps[insn->imm].name);
        printf("\n");
        i += taken;
    }
    bpf_prog_put(prog);
}
