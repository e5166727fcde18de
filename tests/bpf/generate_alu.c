/* Arithmetic of random programs, and the programs that are about nothing else. */
#include "generate_impl.h"

static const uint8_t operations[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR,  BPF_AND,
                                      BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH };

static void binary(struct generator *g, unsigned dst, int src)
{
    uint8_t class = generate_one_in(g, 3) ? BPF_ALU : BPF_ALU64;
    uint8_t op = operations[generate_below(g, BPF_ASM_COUNT(operations))];
    bool divides = op == BPF_DIV || op == BPF_MOD;
    bool shifts = op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH;
    int16_t off = divides && generate_one_in(g, 2) ? 1 : 0;
    int32_t imm = generate_imm(g);

    if (src >= 0) {
        EMIT(g, INSN(class | op | BPF_X, dst, src, off, 0));
        return;
    }
    if (divides && imm == 0)
        imm = 3;
    if (shifts)
        imm = (int32_t)generate_below(g, class == BPF_ALU ? 32 : 64);
    EMIT(g, INSN(class | op | BPF_K, dst, 0, off, imm));
}

static void unary(struct generator *g, unsigned dst, unsigned src)
{
    static const uint8_t bits[] = { 16, 32, 64 };
    int32_t width = bits[generate_below(g, 3)];

    switch (generate_below(g, 9)) {
    case 0:
        EMIT(g, NEG(dst));
        break;
    case 1:
        EMIT(g, NEG32(dst));
        break;
    case 2:
        EMIT(g, TO_BE(dst, width));
        break;
    case 3:
        EMIT(g, TO_LE(dst, width));
        break;
    case 4:
        EMIT(g, BSWAP(dst, width));
        break;
    case 5:
        EMIT(g, MOVSX8(dst, src));
        break;
    case 6:
        EMIT(g, MOVSX16(dst, src));
        break;
    case 7:
        EMIT(g, MOVSX32(dst, src));
        break;
    default:
        EMIT(g, MOV32SX8(dst, src));
        break;
    }
}

/* An upper bound, in one of the ways that compilers have. */
static void bound(struct generator *g, unsigned reg)
{
    uint32_t max = (1u << generate_below(g, 7)) - 1 + generate_below(g, 3);

    switch (generate_below(g, 6)) {
    case 0:
    case 1:
        max = (1u << generate_below(g, 16)) - 1;
        EMIT(g, ANDI(reg, max));
        break;
    case 2:
        generate_exit_by(g, (struct bpf_insn)JGTI(reg, max, 0));
        break;
    case 3:
        EMIT(g, MOV32(reg, reg));
        generate_exit_by(g, (struct bpf_insn)JGT32I(reg, max, 0));
        break;
    case 4:
        generate_exit_by(g, (struct bpf_insn)JSLTI(reg, 0, 0));
        generate_exit_by(g, (struct bpf_insn)JSGTI(reg, max, 0));
        break;
    default:
        EMIT(g, RSHI(reg, 59));
        max = 31;
        break;
    }
    generate_set_bounded(g, reg, max);
}

void generate_arithmetic(struct generator *g)
{
    unsigned dst = generate_scalar(g), reg = generate_any(g);

    switch (generate_below(g, 8)) {
    case 0:
        EMIT(g, MOVI(reg, generate_imm(g)));
        generate_set(g, reg, SCALAR);
        break;
    case 1:
        EMIT(g, LD64(reg, generate_imm64(g)));
        generate_set(g, reg, SCALAR);
        break;
    case 2:
        unary(g, dst, generate_scalar(g));
        generate_set(g, dst, SCALAR);
        break;
    case 3:
    case 4:
        bound(g, dst);
        break;
    case 5:
        EMIT(g, MOV(reg, dst));
        g->now.regs[reg] = g->now.regs[dst];
        break;
    default:
        binary(g, dst, generate_one_in(g, 2) ? generate_find(g, SCALAR) : -1);
        generate_set(g, dst, SCALAR);
        break;
    }
}

/*
 * Numbers that nobody knows, arithmetic and conditions on them, and an access that is right only if
 * a verifier has followed all of it: where Linux has not, we must not believe it either.
 */
void generate_ranges(struct generator *g)
{
    unsigned steps = 2 + generate_below(g, 12), index;

    for (unsigned reg = R1; reg <= R4; reg++) {
        if (generate_one_in(g, 3))
            EMIT(g, UNKNOWN(reg));
        else if (generate_one_in(g, 2))
            EMIT(g, UNKNOWN_B(reg, generate_below(g, 32)));
        else if (generate_one_in(g, 2))
            EMIT(g, MAPV(reg, M_OUT, 0), LDX(W, reg, reg, 32));
        else
            EMIT(g, LD64(reg, generate_imm64(g)));
        generate_set(g, reg, SCALAR);
    }
    while (steps-- > 0) {
        unsigned dst = R1 + generate_below(g, 4), src = R1 + generate_below(g, 4);

        switch (generate_below(g, 8)) {
        case 0:
            unary(g, dst, src);
            break;
        case 1:
        case 2:
            generate_exit_by(g, generate_condition(g, dst));
            break;
        case 3:
            bound(g, dst);
            break;
        case 4:
            EMIT(g, STX(DW, R10, -8, dst), LDX(DW, src, R10, -8));
            break;
        default:
            binary(g, dst, generate_one_in(g, 2) ? (int)src : -1);
            break;
        }
    }
    index = R1 + generate_below(g, 4);
    if (generate_one_in(g, 2))
        bound(g, index);
    EMIT(g, MAPV(R7, M_OUT, 0), ADD(R7, index), LDX(B, R0, R7, 0), MAPV(R7, M_OUT, 0),
         STX(DW, R7, 0, R1), STX(DW, R7, 8, R2), STX(DW, R7, 16, R3), STX(DW, R7, 24, R4), EXIT());
    if (g->exit_count == 0)
        return;
    for (unsigned i = 0; i < g->exit_count; i++)
        generate_land(g, g->exits[i]);
    EMIT(g, MOVI(R0, XDP_DROP), EXIT());
}
