/* The frame of a random program: registers, branches, loops, functions. See generate.h. */
#include "generate_impl.h"
#include <string.h>

uint64_t generate_random(struct generator *g)
{
    uint64_t z = g->random += 0x9e3779b97f4a7c15; /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint32_t generate_below(struct generator *g, uint32_t n)
{
    return (uint32_t)((generate_random(g) >> 32) * n >> 32);
}

bool generate_one_in(struct generator *g, uint32_t n)
{
    return generate_below(g, n) == 0;
}

int32_t generate_imm(struct generator *g)
{
    static const int32_t edges[] = {
        0,  1,   2,   3,   4,   7,      8,       15, 16, 31, 32,        33,        62,           63,
        64, 127, 128, 255, 256, 0xffff, 0x10000, -1, -2, -8, INT32_MAX, INT32_MIN, INT32_MIN + 1
    };

    if (generate_one_in(g, 3))
        return (int32_t)generate_random(g);
    return edges[generate_below(g, BPF_ASM_COUNT(edges))];
}

uint64_t generate_imm64(struct generator *g)
{
    static const uint64_t edges[] = { 0x7fffffffffffffff, 0x8000000000000000, 0xffffffff,
                                      0x100000000,        0xffffffff00000000, 0x80000000,
                                      0xffffffffffffff80, 0x7fffffff };

    if (generate_one_in(g, 3))
        return generate_random(g);
    return edges[generate_below(g, BPF_ASM_COUNT(edges))];
}

void generate_emit(struct generator *g, struct bpf_insn insn)
{
    if (g->program->count < PROGRAM_MAX)
        g->program->insns[g->program->count++] = insn;
}

uint32_t generate_jump(struct generator *g, struct bpf_insn insn)
{
    generate_emit(g, insn);
    return g->program->count - 1;
}

void generate_land(struct generator *g, uint32_t at)
{
    g->program->insns[at].off = (int16_t)(g->program->count - at - 1);
}

void generate_exit_by(struct generator *g, struct bpf_insn insn)
{
    uint32_t at = generate_jump(g, insn);

    if (g->exit_count < EXITS_MAX)
        g->exits[g->exit_count++] = at;
}

/* Not those that hold what all depends on. */
static bool is_general(unsigned reg)
{
    return reg <= R8 && reg != REG_CTX;
}

unsigned generate_any(struct generator *g)
{
    unsigned reg;

    do
        reg = generate_below(g, R8 + 1);
    while (!is_general(reg));
    return reg;
}

int generate_find(struct generator *g, enum kind kind)
{
    unsigned from = generate_below(g, 11);

    for (unsigned i = 0; i < 11; i++) {
        unsigned reg = (from + i) % 11;

        if (is_general(reg) && g->now.regs[reg].kind == kind)
            return (int)reg;
    }
    return -1;
}

int generate_find_bounded(struct generator *g, uint32_t max)
{
    unsigned from = generate_below(g, 11);

    for (unsigned i = 0; i < 11; i++) {
        unsigned reg = (from + i) % 11;
        const struct place *place = &g->now.regs[reg];

        if (is_general(reg) && place->kind == SCALAR && place->bounded && place->max <= max)
            return (int)reg;
    }
    return -1;
}

void generate_set(struct generator *g, unsigned reg, enum kind kind)
{
    g->now.regs[reg] = (struct place){ .kind = (uint8_t)kind };
}

void generate_set_bounded(struct generator *g, unsigned reg, uint32_t max)
{
    g->now.regs[reg] = (struct place){ .kind = SCALAR, .bounded = true, .max = max };
}

void generate_after_call(struct generator *g)
{
    for (unsigned reg = R1; reg <= R5; reg++)
        generate_set(g, reg, UNSET);
    generate_set(g, R0, SCALAR);
}

unsigned generate_scalar(struct generator *g)
{
    int reg = generate_find(g, SCALAR);

    if (reg < 0) {
        reg = (int)generate_any(g);
        EMIT(g, UNKNOWN(reg));
        generate_set(g, (unsigned)reg, SCALAR);
    }
    return (unsigned)reg;
}

struct bpf_insn generate_condition(struct generator *g, unsigned reg)
{
    static const uint8_t ops[] = { BPF_JEQ,  BPF_JNE,  BPF_JGT,  BPF_JGE,  BPF_JLT, BPF_JLE,
                                   BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE, BPF_JSET };
    uint8_t class = generate_one_in(g, 3) ? BPF_JMP32 : BPF_JMP;
    uint8_t op = ops[generate_below(g, BPF_ASM_COUNT(ops))];
    int other = generate_one_in(g, 3) ? generate_find(g, SCALAR) : -1;

    if (other >= 0)
        return (struct bpf_insn)INSN(class | op | BPF_X, reg, other, 0, 0);
    return (struct bpf_insn)INSN(class | op | BPF_K, reg, 0, 0, generate_imm(g));
}

static struct place merged(struct place a, struct place b)
{
    if (a.kind != b.kind)
        return (struct place){ .kind = UNSET };
    a.bounded = a.bounded && b.bounded;
    a.max = a.max > b.max ? a.max : b.max;
    a.bytes = a.bytes < b.bytes ? a.bytes : b.bytes;
    a.read_only = a.read_only || b.read_only;
    return a;
}

static void merge(struct state *into, const struct state *other)
{
    for (unsigned i = 0; i < 11; i++)
        into->regs[i] = merged(into->regs[i], other->regs[i]);
    for (unsigned i = 0; i < SLOTS; i++)
        into->slots[i] = merged(into->slots[i], other->slots[i]);
}

static void statements(struct generator *g, unsigned count);

static void branch(struct generator *g)
{
    struct state before;
    uint32_t around = generate_jump(g, generate_condition(g, generate_scalar(g)));

    before = g->now;
    statements(g, 1 + generate_below(g, 4));
    if (generate_one_in(g, 2)) {
        struct state then = g->now;
        uint32_t end = generate_jump(g, (struct bpf_insn)JA(0));

        generate_land(g, around);
        g->now = before;
        statements(g, 1 + generate_below(g, 4));
        generate_land(g, end);
        merge(&g->now, &then);
    } else {
        generate_land(g, around);
        merge(&g->now, &before);
    }
}

/* What the body finds in the first round it has to find in all of them: it starts with numbers
 * only in what it may change, by knowing nothing but those. */
static void loop(struct generator *g)
{
    uint32_t rounds = 1 + generate_below(g, 6), top;
    struct state before = g->now;

    EMIT(g, MOVI(REG_COUNT, 0));
    top = g->program->count;
    for (unsigned i = 0; i <= R8; i++) {
        if (g->now.regs[i].kind == SCALAR)
            g->now.regs[i].bounded = false;
    }
    g->in_loop = true;
    statements(g, 1 + generate_below(g, 3));
    g->in_loop = false;
    for (unsigned i = 0; i <= R8; i++) {
        if (before.regs[i].kind == SCALAR && g->now.regs[i].kind != SCALAR) {
            EMIT(g, MOVI(i, generate_imm(g)));
            generate_set(g, i, SCALAR);
        }
    }
    EMIT(g, ADDI(REG_COUNT, 1));
    EMIT(g, JLTI(REG_COUNT, rounds, (int)top - (int)g->program->count - 1));
    for (unsigned i = 0; i <= R8; i++)
        g->now.regs[i].bounded = false;
    merge(&g->now, &before);
}

static void call_function(struct generator *g)
{
    unsigned argument = generate_scalar(g);

    if (g->in_function || g->call_count == BPF_ASM_COUNT(g->calls))
        return;
    if (argument == R1)
        EMIT(g, MOV(R2, R1));
    else
        EMIT(g, MOV(R2, argument));
    EMIT(g, MOV(R1, REG_CTX));
    g->callees[g->call_count] = (uint8_t)generate_below(g, FUNCS_MAX);
    g->calls[g->call_count++] = g->program->count;
    EMIT(g, CALLF(0));
    generate_after_call(g);
}

static void statements(struct generator *g, unsigned count)
{
    g->depth++;
    while (count-- > 0 && g->program->count < PROGRAM_MAX / 2) {
        uint32_t what = generate_below(g, 20);

        if (what < 8)
            generate_arithmetic(g);
        else if (what < 15)
            generate_access(g);
        else if (what < 17)
            generate_helper(g);
        else if (what < 18 && g->depth < 4)
            branch(g);
        else if (what < 19 && !g->in_loop && g->depth < 3)
            loop(g);
        else
            call_function(g);
    }
    g->depth--;
}

/* The end: all numbers into the result map, so that every difference shows. */
static void finish(struct generator *g)
{
    unsigned at = 0;

    EMIT(g, MAPV(R9, M_OUT, 0));
    for (unsigned reg = 0; reg <= R8; reg++) {
        if (g->now.regs[reg].kind == SCALAR && at < 64) {
            EMIT(g, STX(DW, R9, at, reg));
            at += 8;
        }
    }
    if (g->now.regs[R0].kind != SCALAR)
        EMIT(g, MOVI(R0, XDP_PASS));
    EMIT(g, EXIT());
    if (g->exit_count == 0)
        return;
    for (unsigned i = 0; i < g->exit_count; i++)
        generate_land(g, g->exits[i]);
    g->exit_count = 0;
    EMIT(g, MOVI(R0, XDP_DROP), EXIT());
}

static void function(struct generator *g, unsigned length)
{
    memset(&g->now, 0, sizeof(g->now));
    generate_set(g, R2, g->in_function ? SCALAR : UNSET);
    EMIT(g, MOV(REG_CTX, R1));
    statements(g, length);
    finish(g);
}

static void functions(struct generator *g)
{
    uint32_t starts[FUNCS_MAX] = { 0 };

    g->in_function = true;
    for (unsigned i = 0; i < FUNCS_MAX; i++) {
        for (unsigned j = 0; j < g->call_count; j++) {
            if (g->callees[j] == i && starts[i] == 0) {
                starts[i] = g->program->count;
                function(g, 1 + generate_below(g, 6));
            }
        }
    }
    for (unsigned j = 0; j < g->call_count; j++)
        g->program->insns[g->calls[j]].imm = (int32_t)(starts[g->callees[j]] - g->calls[j] - 1);
}

/* One or two small changes, of the kind that mistakes are made of. */
static void spoil(struct generator *g)
{
    static const int8_t steps[] = { -8, -4, -1, 1, 2, 4, 8, 64 };
    struct program *program = g->program;

    program->spoilt = true;
    for (unsigned i = 1 + generate_below(g, 2); i > 0; i--) {
        struct bpf_insn *insn = &program->insns[generate_below(g, program->count)];
        int step = steps[generate_below(g, BPF_ASM_COUNT(steps))];

        switch (generate_below(g, 7)) {
        case 0:
            insn->imm = (int32_t)((uint32_t)insn->imm + (uint32_t)step);
            break;
        case 1:
            insn->off = (int16_t)(insn->off + step);
            break;
        case 2:
            insn->dst = generate_below(g, 11) & 15;
            break;
        case 3:
            insn->src = generate_below(g, 11) & 15;
            break;
        case 4:
            insn->code ^= (uint8_t)(1u << generate_below(g, 8));
            break;
        case 5:
            *insn = program->insns[generate_below(g, program->count)];
            break;
        default:
            insn->code = (uint8_t)((insn->code & 0x0f) | (generate_below(g, 16) << 4));
            break;
        }
    }
}

void program_make(uint64_t seed, struct program *program)
{
    struct generator g = { .random = seed, .program = program };

    program->count = 0;
    program->spoilt = false;
    if (generate_one_in(&g, 3)) {
        generate_ranges(&g);
        if (generate_one_in(&g, 8))
            spoil(&g);
        return;
    }
    function(&g, 3 + generate_below(&g, 25));
    functions(&g);
    if (generate_one_in(&g, 4))
        spoil(&g);
}
