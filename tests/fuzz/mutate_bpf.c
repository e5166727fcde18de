/* Mutations of eBPF programs that keep them plausible: whole instructions, jumps that still go
 * where they went, and pieces that programs are made of. The input is struct bpf_insn, one after
 * the other, with maps by their number in tests/bpf/world.h. */
#include "fuzz.h"
#include "../bpf/case.h"
#include "../bpf/generate.h"
#include <kernel/lib.h>

#define INSNS_MAX 512u

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max_size, unsigned int seed);

struct piece {
    const struct bpf_insn *insns;
    uint32_t count;
};
#define PIECE(...)                                                                                 \
    {                                                                                              \
        (const struct bpf_insn[]){ __VA_ARGS__ },                                                  \
            BPF_ASM_COUNT(((const struct bpf_insn[]){ __VA_ARGS__ }))                              \
    }
#define OR_RETURN MOVI(R0, 2), EXIT()

/* r6 is ctx, r7 the packet or a value, r8 and r9 numbers */
static const struct piece pieces[] = {
    PIECE(MOV(R6, R1)),
    PIECE(LDX(W, R2, R6, XDP_MD_DATA), LDX(W, R3, R6, XDP_MD_DATA_END), MOV(R4, R2), ADDI(R4, 14),
          JLE(R4, R3, 2), OR_RETURN),
    PIECE(LDX(W, R7, R6, XDP_MD_DATA), LDX(W, R3, R6, XDP_MD_DATA_END), MOV(R4, R7), ADD(R4, R8),
          ADDI(R4, 4), JLE(R4, R3, 2), OR_RETURN),
    PIECE(LDX(W, R2, R6, XDP_MD_DATA_META), LDX(W, R3, R6, XDP_MD_DATA), MOV(R4, R2), ADDI(R4, 4),
          JLE(R4, R3, 2), OR_RETURN),
    PIECE(STI(W, R10, -4, 1), MOV(R2, R10), ADDI(R2, -4), MAP(R1, M_HASH), CALL(map_lookup_elem),
          JNEI(R0, 0, 2), OR_RETURN, MOV(R7, R0)),
    PIECE(STI(W, R10, -4, 1), MOV(R2, R10), ADDI(R2, -4), MAP(R1, M_ARRAY), CALL(map_lookup_elem),
          JEQI(R0, 0, 1), LDX(W, R8, R0, 0)),
    PIECE(STI(W, R10, -4, 0), MOV(R2, R10), ADDI(R2, -4), MAP(R1, M_PERCPU), CALL(map_lookup_elem),
          JEQI(R0, 0, 1), STX(DW, R0, 8, R8)),
    PIECE(STI(W, R10, -8, 16), STI(W, R10, -4, 0x010a), MOV(R2, R10), ADDI(R2, -8), MAP(R1, M_LPM),
          CALL(map_lookup_elem), JEQI(R0, 0, 1), LDX(DW, R8, R0, 0)),
    PIECE(STI(DW, R10, -16, 1), MOV(R2, R10), ADDI(R2, -16), MOV(R3, R10), ADDI(R3, -16),
          MOVI(R4, 0), MAP(R1, M_HASH8), CALL(map_update_elem)),
    PIECE(MAP(R1, M_RING), MOVI(R2, 16), MOVI(R3, 0), CALL(ringbuf_reserve), JEQI(R0, 0, 4),
          STI(DW, R0, 8, 1), MOV(R1, R0), MOVI(R2, 0), CALL(ringbuf_submit)),
    PIECE(MAP(R1, M_RING), MOVI(R2, 24), MOVI(R3, 0), CALL(ringbuf_reserve), MOV(R7, R0)),
    PIECE(MOV(R1, R7), MOVI(R2, 0), CALL(ringbuf_discard)),
    PIECE(MOV(R1, R6), MAP(R2, M_PROGS), MOVI(R3, 2), CALL(tail_call)),
    PIECE(MOV(R1, R6), MOVI(R2, 4), CALL(xdp_adjust_head)),
    PIECE(MOV(R1, R6), MOVI(R2, -4), CALL(xdp_adjust_meta)),
    PIECE(MOV(R1, R6), MOVI(R2, -8), CALL(xdp_adjust_tail)),
    PIECE(MOV(R1, R6), MOVI(R2, 0), MOV(R3, R10), ADDI(R3, -32), MOVI(R4, 16),
          CALL(xdp_load_bytes)),
    PIECE(MAPV(R7, M_RDONLY, 0), LDX(W, R8, R7, 0)),
    PIECE(MAPV(R7, M_OUT, 0), LDX(DW, R8, R7, 32)),
    PIECE(MAPV(R7, M_BIG, 0), ADD(R7, R8), LDX(DW, R9, R7, 0)),
    PIECE(UNKNOWN(R8)),
    PIECE(UNKNOWN_B(R9, 3)),
    PIECE(ANDI(R8, 31)),
    PIECE(JLEI(R8, 48, 2), OR_RETURN),
    PIECE(JSGTI(R8, -1, 2), OR_RETURN),
    PIECE(JLT32I(R8, 40, 2), OR_RETURN),
    PIECE(JEQ(R8, R9, 2), OR_RETURN),
    PIECE(JLT(R8, R9, 2), OR_RETURN),
    PIECE(JSLE32(R8, R9, 2), OR_RETURN),
    PIECE(MOV(R9, R8), ADDI(R9, 8)),
    PIECE(MOV32(R9, R8)),
    PIECE(MOVSX32(R9, R8)),
    PIECE(ADD(R7, R8), LDX(B, R0, R7, 0)),
    PIECE(MOV(R7, R10), ADD(R7, R8), STI(B, R7, -64, 7)),
    PIECE(STX(DW, R10, -24, R8)),
    PIECE(STX(DW, R10, -32, R7)),
    PIECE(STX(W, R10, -20, R8)),
    PIECE(LDX(DW, R7, R10, -32)),
    PIECE(LDX(DW, R9, R10, -24)),
    PIECE(LDX(W, R9, R10, -24)),
    PIECE(STI(DW, R10, -64, 0), STI(DW, R10, -56, 0), STI(DW, R10, -48, 0), STI(DW, R10, -40, 0)),
    PIECE(ATOMIC(DW, BPF_ADD | BPF_FETCH, R7, 0, R8)),
    PIECE(ATOMIC(DW, BPF_CMPXCHG, R10, -24, R9)),
    PIECE(MOVI(R8, 0), ADDI(R8, 1), JLTI(R8, 10, -2)),
    PIECE(ADDI(R8, 1), MOV(R0, R8), JNEI(R8, 16, -3)),
    PIECE(MOV(R1, R6), CALLF(1), JA(2), OR_RETURN),
    PIECE(MOV(R1, R8), CALLF(1), JA(3), MOV(R0, R1), ANDI(R0, 7), EXIT()),
    PIECE(MOV(R1, R10), ADDI(R1, -24), CALLF(1), JA(3), STI(DW, R1, 0, 3), OR_RETURN),
    PIECE(OR_RETURN),
    PIECE(MOV(R0, R8), EXIT()),
};

static uint64_t state;

static uint32_t below(uint32_t n)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((state >> 32) * n >> 32);
}

static bool is_jump(const struct bpf_insn *insn)
{
    bool jump = BPF_CLASS(insn->code) == BPF_JMP || BPF_CLASS(insn->code) == BPF_JMP32;

    return jump && BPF_OP(insn->code) != BPF_EXIT && BPF_OP(insn->code) != BPF_CALL;
}

static bool is_call(const struct bpf_insn *insn)
{
    return insn->code == (BPF_JMP | BPF_CALL) && insn->src == BPF_PSEUDO_CALL;
}

/* Jumps from before `at` to behind it get longer by `by`, and the other way round. */
static void move_jumps(struct bpf_insn *insns, uint32_t count, uint32_t at, int by)
{
    for (uint32_t i = 0; i < count; i++) {
        struct bpf_insn *insn = &insns[i];
        int64_t from = (int64_t)i + 1, to = from + (is_call(insn) ? insn->imm : insn->off);
        int more = from <= at && to > at ? by : from > at && to <= at ? -by : 0;

        if (is_call(insn))
            insn->imm = (int32_t)((uint32_t)insn->imm + (uint32_t)more);
        else if (is_jump(insn))
            insn->off = (int16_t)(insn->off + more);
    }
}

static uint32_t insert(struct bpf_insn *insns, uint32_t count, uint32_t max,
                       const struct bpf_insn *more, uint32_t more_count)
{
    uint32_t at = below(count + 1);

    if (more_count > max - count)
        return count;
    move_jumps(insns, count, at, (int)more_count);
    memmove(insns + at + more_count, insns + at, (count - at) * sizeof(*insns));
    memcpy(insns + at, more, more_count * sizeof(*insns));
    return count + more_count;
}

static uint32_t cut(struct bpf_insn *insns, uint32_t count)
{
    uint32_t at, many = below(4) == 0 ? 1 + below(8) : 1;

    if (count <= many)
        return count;
    at = below(count - many);
    memmove(insns + at, insns + at + many, (count - at - many) * sizeof(*insns));
    count -= many;
    move_jumps(insns, count, at, -(int)many);
    return count;
}

static int32_t number(void)
{
    static const int32_t edges[] = { 0,  1,  2,   3,   4,    7,      8,         14,
                                     16, 31, 32,  33,  48,   63,     64,        65,
                                     -1, -8, 127, 255, 4095, 0xffff, INT32_MAX, INT32_MIN };

    return below(4) == 0 ? (int32_t)(below(UINT32_MAX) >> below(32))
                         : edges[below(BPF_ASM_COUNT(edges))];
}

static void tweak(struct bpf_insn *insn)
{
    static const int8_t steps[] = { -8, -4, -2, -1, 1, 2, 4, 8 };
    int step = steps[below(BPF_ASM_COUNT(steps))];

    switch (below(9)) {
    case 0:
        insn->dst = below(11) & 15;
        break;
    case 1:
        insn->src = below(11) & 15;
        break;
    case 2:
        insn->off = (int16_t)(insn->off + step);
        break;
    case 3:
        insn->imm = (int32_t)((uint32_t)insn->imm + (uint32_t)step);
        break;
    case 4:
        insn->imm = number();
        break;
    case 5: /* another operation, or another size of access */
        if (BPF_CLASS(insn->code) <= BPF_STX)
            insn->code = (uint8_t)((insn->code & ~0x18) | below(4) << 3);
        else
            insn->code = (uint8_t)((insn->code & 0x0f) | below(15) << 4);
        break;
    case 6: /* 32 bits, or 64 */
        if (BPF_CLASS(insn->code) >= BPF_ALU)
            insn->code ^= 3;
        break;
    case 7: /* by a register, or by a number */
        if (BPF_CLASS(insn->code) >= BPF_ALU) {
            insn->code ^= BPF_X;
            insn->src = insn->code & BPF_X ? 6 + below(4) : 0;
            insn->imm = insn->code & BPF_X ? 0 : number();
        }
        break;
    default:
        insn->code ^= (uint8_t)(1u << below(8));
        break;
    }
}

/* One register for another, in a stretch */
static void rename_register(struct bpf_insn *insns, uint32_t count)
{
    unsigned from = below(11), to = below(10);
    uint32_t at = below(count), end = at + 1 + below(count - at);

    for (; at < end; at++) {
        if (insns[at].dst == from)
            insns[at].dst = to & 15;
        if (insns[at].src == from && insns[at].code != BPF_LD_IMM64 && !is_call(&insns[at]))
            insns[at].src = to & 15;
    }
}

/* A program of pieces, which find the registers that they want */
static uint32_t compose(struct bpf_insn *insns, uint32_t max)
{
    static const struct bpf_insn first[] = { MOV(R6, R1), UNKNOWN_B(R8, 2), MOVI(R9, 5),
                                             MAPV(R7, M_OUT, 0), STI(DW, R10, -24, 3) };
    static const struct bpf_insn last[] = { MOVI(R0, 2), EXIT() };
    uint32_t count = BPF_ASM_COUNT(first);

    if (max < 128)
        return 0;
    memcpy(insns, first, sizeof(first));
    for (uint32_t i = 1 + below(6); i > 0; i--) {
        const struct piece *piece = &pieces[below(BPF_ASM_COUNT(pieces))];

        memcpy(insns + count, piece->insns, piece->count * sizeof(*insns));
        count += piece->count;
    }
    memcpy(insns + count, last, sizeof(last));
    return count + BPF_ASM_COUNT(last);
}

static uint32_t mutate(struct bpf_insn *insns, uint32_t count, uint32_t max)
{
    static struct program program;
    const struct piece *piece;
    uint32_t at;

    switch (below(16)) {
    default:
        at = compose(program.insns, max);
        if (at == 0)
            return count;
        memcpy(insns, program.insns, at * sizeof(*insns));
        return at;
    case 9:
    case 10:
        piece = &pieces[below(BPF_ASM_COUNT(pieces))];
        return insert(insns, count, max, piece->insns, piece->count);
    case 0:
    case 1:
    case 2:
    case 3:
        tweak(&insns[below(count)]);
        return count;
    case 4:
    case 5:
        return cut(insns, count);
    case 6: /* again, elsewhere */
        at = below(count);
        return insert(insns, count, max,
                      memcpy(program.insns, insns + at, (count - at) * sizeof(*insns)),
                      1 + below(MIN(count - at, 8u)));
    case 7:
        rename_register(insns, count);
        return count;
    case 8: /* anew, or a stretch of a new one */
        program_make(state, &program);
        at = below(program.count);
        if (below(4) == 0)
            return insert(insns, count, max, program.insns + at,
                          1 + below(MIN(program.count - at, 16u)));
        if (program.count > max)
            return count;
        memcpy(insns, program.insns, program.count * sizeof(*insns));
        return program.count;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    static struct bpf_insn insns[INSNS_MAX];
    uint32_t max = (uint32_t)MIN(max_size / sizeof(*insns), INSNS_MAX);
    uint32_t count = (uint32_t)MIN(size / sizeof(*insns), max);

    state = seed;
    below(1);
    if (below(16) == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    memcpy(insns, data, count * sizeof(*insns));
    if (count == 0 && max > 1) {
        insns[0] = (struct bpf_insn)MOVI(R0, 2);
        insns[1] = (struct bpf_insn)EXIT();
        count = 2;
    }
    count = mutate(insns, count, max);
    memcpy(data, insns, count * sizeof(*insns));
    return count * sizeof(*insns);
}

/* The first part of one, and the last part of the other */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max_size, unsigned int seed)
{
    size_t insn = sizeof(struct bpf_insn);
    uint32_t first, last;

    state = seed;
    below(1);
    first = below((uint32_t)(MIN(a_size, max_size) / insn) + 1);
    last = below(8) == 0 ? below((uint32_t)(b_size / insn) + 1) : 0; /* often, nothing is left */
    if (last == 0)
        first = (uint32_t)(MIN(a_size, max_size) / insn);
    last = MIN(last, (uint32_t)(max_size / insn) - first);
    memcpy(out, a, first * insn);
    memcpy(out + first * insn, b + (b_size / insn - last) * insn, last * insn);
    return (first + last) * insn;
}
