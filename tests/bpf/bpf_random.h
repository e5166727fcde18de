/*
 * Programs out of bytes, safe by the way they are made: included by a test that makes the bytes
 * from a seed, and by a fuzz target. What is generated: arithmetic of every kind, loads, stores and
 * atomics on the stack and on a buffer (ctx), jumps forward, loops that end, helpers, functions
 * that call each other. No pointer becomes a number that the program can show, and nothing is read
 * that was not written, so that every correct engine gives the same registers and memory.
 */
#ifndef TESTS_BPF_RANDOM_H
#define TESTS_BPF_RANDOM_H

#include "../../net/bpf/prog.h"
#include <stdlib.h>
#include <string.h>

#define RANDOM_INSNS_MAX  6000u
#define RANDOM_FUNCS_MAX  8u
#define RANDOM_FUNC_INSNS 600u /* about */
#define RANDOM_CALLS      2u   /* of functions, by each: their runs double with each level */
#define RANDOM_CTX_BYTES  512  /* the last 128 bytes: where the registers are put in the end */
#define RANDOM_CTX_DUMP   384
#define RANDOM_STACK_MAX  64
#define RANDOM_PENDING    16u

struct random_program {
    struct bpf_prog prog;
    struct bpf_subprog funcs[RANDOM_FUNCS_MAX];
    struct bpf_insn insns[RANDOM_INSNS_MAX];

    const uint8_t *bytes; /* what decides */
    size_t left;
    uint32_t helper; /* a helper of five numbers that may be called */

    /* The function at hand */
    unsigned func, funcs_wanted, calls;
    unsigned base;    /* the register that has ctx, kept from changes */
    unsigned counter; /* that of the loop around; 10: there is none */
    struct {
        uint32_t insn;  /* a jump whose target is to come */
        unsigned after; /* so many instructions more */
    } pending[RANDOM_PENDING];
    unsigned pending_count;
};

static inline unsigned random_byte(struct random_program *p)
{
    if (p->left == 0)
        return 0;
    p->left--;
    return *p->bytes++;
}

/* Edge values more often than others */
static inline uint64_t random_value(struct random_program *p)
{
    static const uint64_t edges[] = { 0,          1,          2,      UINT64_MAX,
                                      INT64_MAX,  1ull << 63, 0x7f,   0x80,
                                      INT32_MAX,  1ull << 31, 0x7fff, 0x8000,
                                      UINT32_MAX, 1ull << 32, 31,     64 };
    unsigned how = random_byte(p);
    uint64_t value = 0;

    if (how < 128)
        return edges[how % 16];
    for (unsigned i = 0; i < (how % 8) + 1; i++)
        value = value << 8 | random_byte(p);
    return value;
}

static inline void random_put(struct random_program *p, unsigned code, unsigned dst, unsigned src,
                              int off, int32_t imm)
{
    p->insns[p->prog.count++] = (struct bpf_insn){
        .code = (uint8_t)code, .dst = dst & 15, .src = src & 15, .off = (int16_t)off, .imm = imm
    };
}

static inline void random_load64(struct random_program *p, unsigned dst, uint64_t value)
{
    random_put(p, BPF_LD_IMM64, dst, 0, 0, (int32_t)value);
    random_put(p, 0, 0, 0, 0, (int32_t)(value >> 32));
}

/* Any number */
static inline unsigned random_src(struct random_program *p)
{
    unsigned reg = random_byte(p) % BPF_R10;

    while (reg == p->base)
        reg = (reg + 1) % BPF_R10;
    return reg;
}

/* Any number that may be changed */
static inline unsigned random_dst(struct random_program *p)
{
    unsigned reg = random_byte(p) % BPF_R10;

    while (reg == p->base || reg == p->counter)
        reg = (reg + 1) % BPF_R10;
    return reg;
}

static inline unsigned random_size(struct random_program *p, unsigned *bytes)
{
    static const uint8_t sizes[] = { BPF_B, BPF_H, BPF_W, BPF_DW };
    unsigned which = random_byte(p) % 4;

    *bytes = 1u << which;
    return sizes[which];
}

static inline void random_alu(struct random_program *p)
{
    static const uint8_t ops[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_OR,   BPF_AND,
                                   BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG, BPF_MOV, BPF_ARSH, BPF_END };
    static const uint8_t extend[] = { 0, 8, 16, 32 };
    unsigned choice = random_byte(p), op = ops[choice % sizeof(ops)], dst = random_dst(p);
    bool wide = (choice & 128) != 0, imm = (choice & 64) != 0;
    unsigned class = wide ? BPF_ALU64 : BPF_ALU, off = 0;
    uint64_t value;

    if (op == BPF_NEG) {
        random_put(p, class | op, dst, 0, 0, 0);
    } else if (op == BPF_END) {
        random_put(p, class | op | (imm && !wide ? BPF_X : BPF_K), dst, 0, 0,
                   16 << random_byte(p) % 3);
    } else if (!imm) {
        if (op == BPF_DIV || op == BPF_MOD)
            off = random_byte(p) & 1;
        else if (op == BPF_MOV)
            off = extend[random_byte(p) % (wide ? 4 : 3)];
        random_put(p, class | op | BPF_X, dst, random_src(p), (int)off, 0);
    } else {
        value = random_value(p);
        if (op == BPF_DIV || op == BPF_MOD) {
            off = random_byte(p) & 1;
            value = (uint32_t)value == 0 ? 3 : value;
        } else if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH) {
            value %= wide ? 64 : 32;
        }
        random_put(p, class | op | BPF_K, dst, 0, (int)off, (int32_t)value);
    }
}

/* Where a number of so many bytes lies: on the stack, or in ctx. */
static inline unsigned random_place(struct random_program *p, unsigned bytes, bool aligned,
                                    int *off)
{
    unsigned where = random_byte(p);
    unsigned room = (where & 1) != 0 ? p->funcs[p->func].stack_bytes : RANDOM_CTX_DUMP;
    unsigned at;

    if (room == 0) {
        where &= ~1u;
        room = RANDOM_CTX_DUMP;
    }
    at = (where << 8 | random_byte(p)) % (room - bytes + 1);
    /* The stack's accesses are aligned in verified programs, too. */
    if (aligned || (where & 1) != 0)
        at -= at % bytes;
    *off = (where & 1) != 0 ? (int)at - (int)room : (int)at;
    return (where & 1) != 0 ? BPF_R10 : p->base;
}

static inline void random_memory(struct random_program *p)
{
    static const int32_t ops[] = { BPF_ADD,
                                   BPF_OR,
                                   BPF_AND,
                                   BPF_XOR,
                                   BPF_ADD | BPF_FETCH,
                                   BPF_OR | BPF_FETCH,
                                   BPF_AND | BPF_FETCH,
                                   BPF_XOR | BPF_FETCH,
                                   BPF_XCHG,
                                   BPF_CMPXCHG };
    unsigned what = random_byte(p) % 5, bytes, size = random_size(p, &bytes), place;
    int32_t op;
    int off;

    if (what == 4) {
        size = bytes == 8 ? BPF_DW : BPF_W;
        bytes = size == BPF_DW ? 8 : 4;
    }
    place = random_place(p, bytes, what == 4, &off);
    if (what == 0) {
        random_put(p, BPF_LDX | BPF_MEM | size, random_dst(p), place, off, 0);
    } else if (what == 1) {
        random_put(p, BPF_LDX | (size == BPF_DW ? BPF_MEM : BPF_MEMSX) | size, random_dst(p), place,
                   off, 0);
    } else if (what == 2) {
        random_put(p, BPF_STX | BPF_MEM | size, place, random_src(p), off, 0);
    } else if (what == 3) {
        random_put(p, BPF_ST | BPF_MEM | size, place, 0, off, (int32_t)random_value(p));
    } else {
        op = ops[random_byte(p) % 10];
        if (op == BPF_CMPXCHG && (p->base == BPF_R0 || p->counter == BPF_R0))
            op = BPF_XCHG;
        random_put(p, BPF_STX | BPF_ATOMIC | size, place, random_dst(p), off, op);
    }
}

static inline void random_jump(struct random_program *p)
{
    static const uint8_t ops[] = { BPF_JEQ,  BPF_JGT, BPF_JGE, BPF_JSET, BPF_JNE,  BPF_JSGT,
                                   BPF_JSGE, BPF_JLT, BPF_JLE, BPF_JSLT, BPF_JSLE, BPF_JA };
    unsigned choice = random_byte(p), op = ops[choice % sizeof(ops)];
    unsigned class = (choice & 128) != 0 ? BPF_JMP : BPF_JMP32;
    bool imm = (choice & 64) != 0 || op == BPF_JA;

    if (p->pending_count == RANDOM_PENDING)
        return;
    p->pending[p->pending_count].insn = p->prog.count;
    p->pending[p->pending_count++].after = 1 + random_byte(p) % 40;
    random_put(p, class | op | (imm ? BPF_K : BPF_X), op == BPF_JA ? 0 : random_src(p),
               imm ? 0 : random_src(p), 0, imm && op != BPF_JA ? (int32_t)random_value(p) : 0);
}

/* The jumps whose time has come (all of them: `all`) go to the next instruction. */
static inline void random_land(struct random_program *p, bool all)
{
    for (unsigned i = 0; i < p->pending_count;) {
        struct bpf_insn *insn = &p->insns[p->pending[i].insn];
        int32_t distance = (int32_t)(p->prog.count - p->pending[i].insn - 1);

        if (!all && --p->pending[i].after > 0) {
            i++;
            continue;
        }
        if (insn->code == (BPF_JMP32 | BPF_JA))
            insn->imm = distance;
        else
            insn->off = (int16_t)distance;
        p->pending[i] = p->pending[--p->pending_count];
    }
}

/* r0 is a result then; r1 to r5 are numbers again, and ctx is where it was: it is in r6 to r9. */
static inline void random_after_call(struct random_program *p)
{
    for (unsigned reg = BPF_R1; reg <= BPF_R5; reg++)
        random_put(p, BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, (int32_t)random_byte(p));
}

static inline bool random_may_call(const struct random_program *p)
{
    return p->base >= BPF_R6 && p->counter >= BPF_R6;
}

static inline void random_call(struct random_program *p)
{
    if (!random_may_call(p))
        return;
    if (p->func + 1 < p->funcs_wanted && p->calls < RANDOM_CALLS && p->counter == BPF_R10) {
        /* Which function, by its number: where it is will be known when it is made. */
        unsigned to = p->func + 1 + random_byte(p) % (p->funcs_wanted - p->func - 1);

        p->calls++;
        random_put(p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_R1, p->base, 0, 0);
        random_put(p, BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, (int32_t)to);
    } else {
        random_put(p, BPF_JMP | BPF_CALL, 0, 0, 0, (int32_t)p->helper);
    }
    random_after_call(p);
}

static inline void random_body(struct random_program *p, unsigned length, bool outer);

/* counter = n; do { body } while (--counter != 0). No jump from before goes into it, as the counter
 * could be anything then. */
static inline void random_loop(struct random_program *p)
{
    uint32_t begin;

    random_land(p, true);
    p->counter = random_dst(p);
    random_put(p, BPF_ALU64 | BPF_MOV | BPF_K, p->counter, 0, 0, 1 + (int32_t)random_byte(p) % 4);
    begin = p->prog.count;
    random_body(p, 1 + random_byte(p) % 20, false);
    random_land(p, true);
    random_put(p, BPF_ALU64 | BPF_SUB | BPF_K, p->counter, 0, 0, 1);
    random_put(p, BPF_JMP | BPF_JNE | BPF_K, p->counter, 0, (int)begin - (int)(p->prog.count + 1),
               0);
    p->counter = BPF_R10;
}

static inline void random_body(struct random_program *p, unsigned length, bool outer)
{
    for (unsigned i = 0; i < length && p->left > 0; i++) {
        unsigned what = random_byte(p) % 32;

        if (p->prog.count - p->funcs[p->func].start > RANDOM_FUNC_INSNS)
            return;
        random_land(p, false);
        if (what < 16)
            random_alu(p);
        else if (what < 24)
            random_memory(p);
        else if (what < 28)
            random_jump(p);
        else if (what < 30)
            random_call(p);
        else if (what == 30)
            random_load64(p, random_dst(p), random_value(p));
        else if (outer)
            random_loop(p);
    }
}

static inline void random_function(struct random_program *p, unsigned length)
{
    struct bpf_subprog *func = &p->funcs[p->func];

    func->start = p->prog.count;
    func->stack_bytes = (uint16_t)(random_byte(p) % (RANDOM_STACK_MAX / 8 + 1) * 8);
    p->base = random_byte(p) % 4 == 0 ? random_byte(p) % BPF_R10 : BPF_R6 + random_byte(p) % 4;
    p->counter = BPF_R10;
    p->pending_count = 0;
    p->calls = 0;
    if (p->base != BPF_R1)
        random_put(p, BPF_ALU64 | BPF_MOV | BPF_X, p->base, BPF_R1, 0, 0);
    for (unsigned reg = 0; reg < BPF_R10; reg++) {
        if (reg != p->base)
            random_load64(p, reg, random_value(p));
    }
    for (int off = -(int)func->stack_bytes; off < 0; off += 8)
        random_put(p, BPF_ST | BPF_MEM | BPF_DW, BPF_R10, 0, off, off * 0x01010101);
    random_body(p, length, true);
    random_land(p, true);
    /* Everything that it has is shown: its registers, its stack. */
    for (unsigned reg = 0; reg < BPF_R10; reg++) {
        if (reg != p->base)
            random_put(p, BPF_STX | BPF_ATOMIC | BPF_DW, p->base, reg,
                       RANDOM_CTX_DUMP + (int)(8 * reg), BPF_ADD);
    }
    for (int off = -(int)func->stack_bytes; off < 0; off += 8) {
        unsigned reg = p->base == BPF_R0 ? BPF_R1 : BPF_R0;

        random_put(p, BPF_LDX | BPF_MEM | BPF_DW, reg, BPF_R10, off, 0);
        random_put(p, BPF_STX | BPF_ATOMIC | BPF_DW, p->base, reg, RANDOM_CTX_DUMP + 80, BPF_XOR);
    }
    random_put(p, BPF_LDX | BPF_MEM | BPF_DW, BPF_R0, p->base, RANDOM_CTX_DUMP, 0);
    random_put(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* The bytes' program. */
static inline void random_make(struct random_program *p, const uint8_t *bytes, size_t size,
                               uint32_t helper)
{
    memset(p, 0, sizeof(*p));
    p->bytes = bytes;
    p->left = size;
    p->helper = helper;
    p->prog.insns = p->insns;
    p->prog.subprogs = p->funcs;
    p->prog.verified = true;
    p->funcs_wanted = 1 + random_byte(p) % RANDOM_FUNCS_MAX;
    for (p->func = 0; p->func < p->funcs_wanted; p->func++)
        random_function(p, 1 + random_byte(p) % 64);
    p->prog.subprog_count = p->funcs_wanted;
    for (uint32_t i = 0; i < p->prog.count; i++) {
        struct bpf_insn *insn = &p->insns[i];

        if (insn->code == (BPF_JMP | BPF_CALL) && insn->src == BPF_PSEUDO_CALL)
            insn->imm = (int32_t)p->funcs[insn->imm].start - (int32_t)i - 1;
    }
}

#endif
