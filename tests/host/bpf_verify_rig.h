/*
 * What the verifier's tests share: a few maps, and words for "accepts" and "refuses, saying". The
 * programs are written with tests/bpf/bpf_asm.h; most of the table of cases that Linux agrees with
 * is in tests/bpf.
 */
#ifndef TESTS_HOST_BPF_VERIFY_RIG_H
#define TESTS_HOST_BPF_VERIFY_RIG_H

#include "../bpf/bpf_asm.h"
#include "../../net/bpf/helper.h"
#include "../../net/bpf/prog.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { M_ARRAY, M_HASH, M_RODATA, M_WRONLY, M_PROGS, M_RING, M_XSK, M_DEV, M_PERF, RIG_MAPS };

static uint8_t rig_values[RIG_MAPS][64];
static struct bpf_map rig_maps[RIG_MAPS] = {
    [M_ARRAY] = { .def = { BPF_MAP_TYPE_ARRAY, 4, 64, 1, 0 }, .name = "array" },
    [M_HASH] = { .def = { BPF_MAP_TYPE_HASH, 8, 16, 8, 0 }, .name = "hash" },
    [M_RODATA] = { .def = { BPF_MAP_TYPE_ARRAY, 4, 64, 1, BPF_F_RDONLY_PROG },
                   .name = ".rodata",
                   .frozen = true },
    [M_WRONLY] = { .def = { BPF_MAP_TYPE_ARRAY, 4, 64, 1, BPF_F_WRONLY_PROG }, .name = "wronly" },
    [M_PROGS] = { .def = { BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0 }, .name = "progs" },
    [M_RING] = { .def = { BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0 }, .name = "ring" },
    [M_XSK] = { .def = { BPF_MAP_TYPE_XSKMAP, 4, 4, 4, 0 }, .name = "xsk" },
    [M_DEV] = { .def = { BPF_MAP_TYPE_DEVMAP, 4, 4, 4, 0 }, .name = "dev" },
    [M_PERF] = { .def = { BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 1, 0 }, .name = "perf" },
};

void *bpf_map_value_base(struct bpf_map *map)
{
    return map->def.type == BPF_MAP_TYPE_ARRAY ? rig_values[map - rig_maps] : NULL;
}

static char rig_text[65536];

/* A program of these instructions, with labels; rig_free() it. */
static struct bpf_prog *rig_prog(const struct bpf_insn *insns, uint32_t count)
{
    struct bpf_prog *prog = calloc(1, sizeof(*prog));

    prog->gpl = true;
    prog->insns = bpf_mem_alloc(count * sizeof(*insns));
    prog->count = bpf_asm_link(insns, count, prog->insns);
    prog->map_count = RIG_MAPS;
    for (unsigned i = 0; i < RIG_MAPS; i++)
        prog->maps[i] = &rig_maps[i];
    return prog;
}

static void rig_free(struct bpf_prog *prog)
{
    bpf_mem_free(prog->insns);
    bpf_mem_free(prog->subprogs);
    free(prog);
}

static bool rig_verify(struct bpf_prog *prog, unsigned level)
{
    struct bpf_log log = { .text = rig_text, .size = sizeof(rig_text), .level = (uint8_t)level };

    rig_text[0] = '\0';
    return bpf_verify(prog, &log);
}

static inline void rig_accept(const struct bpf_insn *insns, uint32_t count, const char *file,
                              int line)
{
    struct bpf_prog *prog = rig_prog(insns, count);
    bool ok = rig_verify(prog, 1);

    if (!ok)
        print_error("%s\n", rig_text);
    rig_free(prog);
    _assert_true(ok, "accepted", file, line);
}

static inline void rig_reject(const struct bpf_insn *insns, uint32_t count, const char *reason,
                              const char *file, int line)
{
    struct bpf_prog *prog = rig_prog(insns, count);
    bool ok = rig_verify(prog, 0), said = strstr(rig_text, reason) != NULL;

    if (!said)
        print_error("said \"%s\", not \"%s\"\n", rig_text, reason);
    assert_false(prog->verified);
    rig_free(prog);
    _assert_true(!ok, "rejected", file, line);
    _assert_true(said, reason, file, line);
}

#define ACCEPT(...)                                                                                \
    do {                                                                                           \
        static const struct bpf_insn insns_[] = { __VA_ARGS__ };                                   \
        rig_accept(insns_, BPF_ASM_COUNT(insns_), __FILE__, __LINE__);                             \
    } while (0)
#define REJECT(reason, ...)                                                                        \
    do {                                                                                           \
        static const struct bpf_insn insns_[] = { __VA_ARGS__ };                                   \
        rig_reject(insns_, BPF_ASM_COUNT(insns_), reason, __FILE__, __LINE__);                     \
    } while (0)

/* R2: data, R3: data_end; at least n bytes of frame, otherwise to label 99 */
#define FRAME(n)                                                                                   \
    LDX(W, R2, R1, XDP_MD_DATA), LDX(W, R3, R1, XDP_MD_DATA_END), MOV(R4, R2), ADDI(R4, n),        \
        JGT(R4, R3, TO(99))
#define RETURN(v) MOVI(R0, v), EXIT()
#define SHORT     L(99), RETURN(XDP_PASS)
/* A number that nobody knows, in d */
#define UNKNOWN(d) MAPV(d, M_ARRAY, 0), LDX(DW, d, d, 0)
/* R0: a value of the hash or NULL; r1 to r5 and 8 bytes of stack are gone */
#define LOOKUP(map)                                                                                \
    STI(DW, R10, -8, 1), MOV(R2, R10), ADDI(R2, -8), MAP(R1, map), CALL(map_lookup_elem)

#endif
