/*
 * The vectors of isa_vectors.h as programs, which the interpreter and the JIT's code both run:
 * included by the host's test and by apps/bpftest.
 *
 * A vector's program does its instruction with many pairs of registers, as the JIT has code of its
 * own for some of them, and compares the result itself; it looks at the other registers, too.
 * It returns 0, or a number that says where it found something else.
 */
#ifndef TESTS_BPF_ISA_RUN_H
#define TESTS_BPF_ISA_RUN_H

#include "../../net/bpf/prog.h"
#include "isa_vectors.h"
#include <kernel/lib.h>
#include <string.h>

#define ISA_INSNS_MAX    16384u
#define ISA_BUFFER_BYTES 4096
#define ISA_MARKER       0x1100

struct isa_run {
    unsigned stride; /* of all pairs of registers every so many, other ones in each vector */
    /* What runs the programs instead of our engines, without our memory: Linux. NULL: ours. */
    uint64_t (*other)(const struct bpf_insn *insns, uint32_t count);
    void (*say)(const char *what, unsigned row, const char *engine, uint64_t result);
    unsigned vectors, passed;

    struct bpf_prog prog;
    struct bpf_subprog subprog;
    struct bpf_insn insns[ISA_INSNS_MAX];
    uint8_t buffer[ISA_BUFFER_BYTES] __attribute__((aligned(16)));
};

static inline void isa_put(struct isa_run *run, unsigned code, unsigned dst, unsigned src, int off,
                           int64_t imm)
{
    run->insns[run->prog.count++] = (struct bpf_insn){ .code = (uint8_t)code,
                                                       .dst = dst & 15,
                                                       .src = src & 15,
                                                       .off = (int16_t)off,
                                                       .imm = (int32_t)imm };
}

static inline void isa_load64(struct isa_run *run, unsigned dst, uint64_t value)
{
    isa_put(run, BPF_LD_IMM64, dst, 0, 0, (int64_t)(uint32_t)value);
    isa_put(run, 0, 0, 0, 0, (int64_t)(value >> 32));
}

/* Ends the program with `where` unless a jump has gone over this. */
#define ISA_FAIL_INSNS 2
static inline void isa_fail(struct isa_run *run, unsigned where)
{
    isa_put(run, BPF_ALU64 | BPF_MOV | BPF_K, BPF_R0, 0, 0, where);
    isa_put(run, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static inline void isa_expect(struct isa_run *run, unsigned reg, unsigned free, uint64_t value,
                              unsigned where)
{
    isa_load64(run, free, value);
    isa_put(run, BPF_JMP | BPF_JEQ | BPF_X, reg, free, ISA_FAIL_INSNS, 0);
    isa_fail(run, where);
}

/* A register that is none of these */
static inline unsigned isa_other(unsigned a, unsigned b, unsigned c)
{
    unsigned reg = 0;

    while (reg == a || reg == b || reg == c)
        reg++;
    return reg;
}

/* rax, rdx and rcx, of which division and shifts are particular, are always among them. */
static inline bool isa_wants_pair(const struct isa_run *run, unsigned row, unsigned a, unsigned b)
{
    bool particular =
        (a == BPF_R0 || a == BPF_R3 || a == BPF_R4) && (b == BPF_R0 || b == BPF_R3 || b == BPF_R4);

    return particular || (a * 10 + b + row) % run->stride == 0;
}

static inline void isa_begin(struct isa_run *run)
{
    run->prog.count = 0;
    memset(run->buffer, 0xee, sizeof(run->buffer));
}

static inline void isa_end_vector(struct isa_run *run, const char *what, unsigned row)
{
    struct bpf_prog *prog = &run->prog;
    uint64_t result[2] = { 1, 1 };

    run->vectors++;
    isa_put(run, BPF_ALU64 | BPF_MOV | BPF_K, BPF_R0, 0, 0, 0);
    isa_put(run, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    prog->insns = run->insns;
    prog->subprogs = &run->subprog;
    prog->subprog_count = 1;
    prog->verified = true;
    if (run->other != NULL) {
        result[0] = run->other(run->insns, prog->count);
        if (result[0] != 0)
            run->say(what, row, "another engine", result[0]);
        run->passed += result[0] == 0;
        return;
    }
    result[0] = bpf_interpret(prog, run->buffer);
    if (result[0] != 0)
        run->say(what, row, "interpreter", result[0]);
    if (!bpf_jit(prog)) {
        run->say(what, row, "no memory for the JIT", 0);
        return;
    }
    result[1] = prog->entry(run->buffer);
    if (result[1] != 0)
        run->say(what, row, "JIT", result[1]);
    bpf_exec_free(prog->image);
    bpf_mem_free(prog->jit_offsets);
    run->passed += result[0] == 0 && result[1] == 0;
}

/* ---- Arithmetic ---- */

/* `imm`: src is not a register. */
static inline void isa_alu_pair(struct isa_run *run, const struct isa_alu *v, unsigned dst,
                                unsigned src, bool imm)
{
    unsigned where = 0x10000 | imm << 12 | dst << 8 | src << 4;
    unsigned free = isa_other(dst, src, dst);

    for (unsigned reg = 0; reg < BPF_R10; reg++)
        isa_put(run, BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, ISA_MARKER + reg);
    isa_load64(run, dst, v->dst);
    if (!imm)
        isa_load64(run, src, v->src);
    isa_put(run, v->code | (imm ? BPF_K : BPF_X), dst, imm ? 0 : src, v->off,
            imm ? (int64_t)v->src : 0);
    for (unsigned reg = 0; reg < BPF_R10; reg++) {
        if (reg == dst || (!imm && reg == src))
            continue;
        isa_put(run, BPF_JMP | BPF_JEQ | BPF_K, reg, 0, ISA_FAIL_INSNS, ISA_MARKER + reg);
        isa_fail(run, where | reg);
    }
    if (!imm && src != dst)
        isa_expect(run, src, free, v->src, where | 0xe);
    isa_expect(run, dst, free, v->result, where | 0xf);
}

/* What the verifier lets pass with an immediate */
static inline bool isa_alu_takes_imm(const struct isa_alu *v)
{
    unsigned op = BPF_OP(v->code), bits = BPF_CLASS(v->code) == BPF_ALU64 ? 64 : 32;

    if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH)
        return v->src < bits;
    if ((op == BPF_DIV || op == BPF_MOD) && (uint32_t)v->src == 0)
        return false;
    if (op == BPF_MOV && v->off != 0)
        return false;
    return bits == 32 || v->src == (uint64_t)(int32_t)v->src;
}

static inline void isa_run_alu(struct isa_run *run, unsigned row)
{
    const struct isa_alu *v = &isa_alus[row];
    bool neg = BPF_OP(v->code) == BPF_NEG;

    isa_begin(run);
    for (unsigned dst = 0; dst < BPF_R10; dst++) {
        for (unsigned src = 0; src < BPF_R10; src++) {
            if (!neg && (dst != src || v->dst == v->src) && isa_wants_pair(run, row, dst, src))
                isa_alu_pair(run, v, dst, src, false);
        }
        if (isa_alu_takes_imm(v))
            isa_alu_pair(run, v, dst, 0, true);
    }
    isa_end_vector(run, "arithmetic", row);
}

static inline void isa_run_end(struct isa_run *run, unsigned row)
{
    const struct isa_end *v = &isa_ends[row];

    isa_begin(run);
    for (unsigned dst = 0; dst < BPF_R10; dst++) {
        isa_load64(run, dst, v->dst);
        isa_put(run, v->code, dst, 0, 0, v->bits);
        isa_expect(run, dst, isa_other(dst, dst, dst), v->result, 0x20000 | dst);
    }
    isa_end_vector(run, "byte order", row);
}

/* ---- Jumps ---- */

static inline void isa_jump_pair(struct isa_run *run, const struct isa_jump *v, unsigned dst,
                                 unsigned src, bool imm)
{
    unsigned where = 0x30000 | imm << 12 | dst << 8 | src << 4;
    unsigned way = isa_other(dst, src, dst);

    isa_load64(run, dst, v->dst);
    if (!imm)
        isa_load64(run, src, v->src);
    isa_put(run, BPF_ALU64 | BPF_MOV | BPF_K, way, 0, 0, 1);
    isa_put(run, v->code | (imm ? BPF_K : BPF_X), dst, imm ? 0 : src, 1, imm ? (int64_t)v->src : 0);
    isa_put(run, BPF_ALU64 | BPF_MOV | BPF_K, way, 0, 0, 2);
    isa_expect(run, way, isa_other(dst, src, way), v->taken ? 1 : 2, where | 1);
    isa_expect(run, dst, way, v->dst, where | 2);
}

static inline void isa_run_jump(struct isa_run *run, unsigned row)
{
    const struct isa_jump *v = &isa_jumps[row];
    bool imm = BPF_CLASS(v->code) == BPF_JMP32 || v->src == (uint64_t)(int32_t)v->src;

    isa_begin(run);
    for (unsigned dst = 0; dst < BPF_R10; dst++) {
        for (unsigned src = 0; src < BPF_R10; src++) {
            if ((dst != src || v->dst == v->src) && isa_wants_pair(run, row, dst, src))
                isa_jump_pair(run, v, dst, src, false);
        }
        if (imm)
            isa_jump_pair(run, v, dst, 0, true);
    }
    isa_end_vector(run, "jump", row);
}

/* ---- Memory ---- */

static inline uint64_t isa_middle(const struct isa_run *run)
{
    return (uintptr_t)run->buffer + ISA_BUFFER_BYTES / 2;
}

/* The middle of the memory: our buffer, or any other engine's stack. */
static inline void isa_load_middle(struct isa_run *run, unsigned base)
{
    if (run->other == NULL) {
        isa_load64(run, base, isa_middle(run));
    } else {
        isa_put(run, BPF_ALU64 | BPF_MOV | BPF_X, base, BPF_R10, 0, 0);
        isa_put(run, BPF_ALU64 | BPF_ADD | BPF_K, base, 0, 0, -256);
    }
}

/* Puts the vector's value into memory and the address into `base`. */
static inline void isa_set_memory(struct isa_run *run, unsigned base, unsigned free, int off,
                                  uint64_t value)
{
    isa_load_middle(run, base);
    isa_load64(run, free, value);
    isa_put(run, BPF_STX | BPF_MEM | BPF_DW, base, free, off, 0);
}

/* Compares it, and has the memory as it was before. */
static inline void isa_expect_memory(struct isa_run *run, int off, uint64_t value, unsigned where)
{
    isa_load_middle(run, BPF_R5);
    isa_put(run, BPF_LDX | BPF_MEM | BPF_DW, BPF_R6, BPF_R5, off, 0);
    isa_expect(run, BPF_R6, BPF_R7, value, where);
    isa_load64(run, BPF_R6, 0xeeeeeeeeeeeeeeee);
    isa_put(run, BPF_STX | BPF_MEM | BPF_DW, BPF_R5, BPF_R6, off, 0);
}

/* Nothing but what the program has put back may have been touched. */
static inline void isa_check_buffer(struct isa_run *run, const char *what, unsigned row)
{
    for (unsigned i = 0; i < ISA_BUFFER_BYTES; i++) {
        if (run->buffer[i] != 0xee) {
            run->say(what, row, "a store beside its place", i);
            run->passed--;
            return;
        }
    }
}

static inline void isa_memory_pair(struct isa_run *run, const struct isa_memory *v, unsigned reg,
                                   unsigned base, int off)
{
    unsigned class = BPF_CLASS(v->code), free = isa_other(reg, base, reg);
    unsigned where = 0x40000 | reg << 8 | base << 4;

    isa_set_memory(run, base, free, off, v->memory);
    if (class == BPF_LDX) {
        isa_put(run, v->code, reg, base, off, 0);
    } else if (class == BPF_STX) {
        isa_load64(run, reg, v->reg);
        isa_put(run, v->code, base, reg, off, 0);
    } else {
        isa_put(run, v->code, base, 0, off, (int64_t)v->reg);
    }
    if (class != BPF_ST)
        isa_expect(run, reg, free, v->reg_after, where | 1);
    isa_expect_memory(run, off, v->memory_after, where | 2);
}

static inline void isa_run_memory(struct isa_run *run, unsigned row)
{
    static const int16_t offs[] = { 0, 128, -8, -128, 120, 1, 127, -129, 1000, -1999 };
    const struct isa_memory *v = &isa_memories[row];
    unsigned n = row, places = run->other == NULL ? ARRAY_SIZE(offs) : 5; /* aligned, in 512 */

    isa_begin(run);
    for (unsigned reg = 0; reg < BPF_R10; reg++) {
        for (unsigned base = 0; base < BPF_R10; base++) {
            if ((reg != base || BPF_CLASS(v->code) == BPF_LDX) &&
                isa_wants_pair(run, row, reg, base))
                isa_memory_pair(run, v, reg, base, offs[n++ % places]);
        }
    }
    isa_end_vector(run, "memory", row);
    isa_check_buffer(run, "memory", row);
}

static inline void isa_atomic_pair(struct isa_run *run, const struct isa_atomic *v, unsigned src,
                                   unsigned base, int off)
{
    unsigned free = isa_other(src, base, BPF_R0);
    unsigned where = 0x50000 | src << 8 | base << 4;
    bool compares = v->op == BPF_CMPXCHG;

    isa_put(run, BPF_ALU64 | BPF_MOV | BPF_K, BPF_R0, 0, 0, ISA_MARKER);
    isa_set_memory(run, base, free, off, v->memory);
    isa_load64(run, src, v->src);
    if (compares)
        isa_load64(run, BPF_R0, v->r0);
    isa_put(run, BPF_STX | BPF_ATOMIC | v->size, base, src, off, v->op);
    isa_expect(run, src, free, v->src_after, where | 1);
    if (src != BPF_R0 && base != BPF_R0)
        isa_expect(run, BPF_R0, free, compares ? v->r0_after : ISA_MARKER, where | 2);
    if (run->other == NULL)
        isa_expect(run, base, free, isa_middle(run), where | 3);
    isa_expect_memory(run, off, v->memory_after, where | 4);
}

static inline void isa_run_atomic(struct isa_run *run, unsigned row)
{
    static const int16_t offs[] = { 0, 128, -8, -128, 120, 8, -136, 1000, -2000 };
    const struct isa_atomic *v = &isa_atomics[row];
    bool compares = v->op == BPF_CMPXCHG;
    unsigned n = row, places = run->other == NULL ? ARRAY_SIZE(offs) : 5; /* aligned, in 512 */

    isa_begin(run);
    for (unsigned src = 0; src < BPF_R10; src++) {
        for (unsigned base = 0; base < BPF_R10; base++) {
            if (src != base && !(compares && (src == BPF_R0 || base == BPF_R0)) &&
                isa_wants_pair(run, row, src, base))
                isa_atomic_pair(run, v, src, base, offs[n++ % places]);
        }
    }
    isa_end_vector(run, "atomic", row);
    isa_check_buffer(run, "atomic", row);
}

static inline void isa_run_all(struct isa_run *run)
{
    for (unsigned i = 0; i < ARRAY_SIZE(isa_alus); i++)
        isa_run_alu(run, i);
    for (unsigned i = 0; i < ARRAY_SIZE(isa_ends); i++)
        isa_run_end(run, i);
    for (unsigned i = 0; i < ARRAY_SIZE(isa_jumps); i++)
        isa_run_jump(run, i);
    for (unsigned i = 0; i < ARRAY_SIZE(isa_memories); i++)
        isa_run_memory(run, i);
    for (unsigned i = 0; i < ARRAY_SIZE(isa_atomics); i++)
        isa_run_atomic(run, i);
}

#endif
