/* The JIT's arithmetic: RFC 9669 §4.1 and §4.2 in x86-64's instructions. Pure code. */
#include "jit_x86.h"

static bool is_wide(const struct bpf_insn *insn)
{
    return BPF_CLASS(insn->code) == BPF_ALU64;
}

static bool by_register(const struct bpf_insn *insn)
{
    return BPF_SRC(insn->code) == BPF_X;
}

/* The shortest way to have a number in a register; changes the flags. */
void x86_move_imm(struct x86_jit *j, enum x86_reg dst, uint64_t value)
{
    if (value == 0) {
        emit_rr(j, false, 0x31, dst, dst);
    } else if (value <= UINT32_MAX) {
        emit_opcode(j, false, 0xb8u | (dst & 7), 0, dst, false);
        emit32(j, (uint32_t)value);
    } else if ((int64_t)value == (int32_t)value) {
        emit_rr(j, true, 0xc7, 0, dst);
        emit32(j, (uint32_t)value);
    } else {
        emit_opcode(j, true, 0xb8u | (dst & 7), 0, dst, false);
        emit64(j, value);
    }
}

static void move(struct x86_jit *j, const struct bpf_insn *insn, enum x86_reg dst, enum x86_reg src)
{
    bool wide = is_wide(insn);

    if (!by_register(insn))
        x86_move_imm(j, dst, wide ? (uint64_t)insn->imm : (uint32_t)insn->imm);
    else if (insn->off == 8)
        emit_opcode(j, wide, 0x0fbe, dst, src, true), emit8(j, 0xc0 | (dst & 7) << 3 | (src & 7));
    else if (insn->off == 16)
        emit_rr(j, wide, 0x0fbf, dst, src);
    else if (insn->off == 32)
        emit_rr(j, wide, 0x63, dst, src);
    else if (!wide || dst != src) /* of 32 bits: it clears the upper half */
        emit_move(j, wide, dst, src);
}

/* add, or, and, sub, xor */
static void simple(struct x86_jit *j, const struct bpf_insn *insn, unsigned digit, enum x86_reg dst,
                   enum x86_reg src)
{
    if (by_register(insn))
        emit_rr(j, is_wide(insn), digit << 3 | 1, src, dst);
    else
        emit_group1(j, is_wide(insn), digit, dst, insn->imm);
}

static void multiply(struct x86_jit *j, const struct bpf_insn *insn, enum x86_reg dst,
                     enum x86_reg src)
{
    bool wide = is_wide(insn);

    if (by_register(insn)) {
        emit_rr(j, wide, 0x0faf, dst, src);
    } else if (fits8(insn->imm)) {
        emit_rr(j, wide, 0x6b, dst, dst);
        emit8(j, (uint8_t)insn->imm);
    } else {
        emit_rr(j, wide, 0x69, dst, dst);
        emit32(j, (uint32_t)insn->imm);
    }
}

/* shl (/4), shr (/5), sar (/7): the count is in cl, which is part of eBPF's r4. */
static void shift(struct x86_jit *j, const struct bpf_insn *insn, unsigned digit, enum x86_reg dst,
                  enum x86_reg src)
{
    bool wide = is_wide(insn);

    if (!by_register(insn)) {
        unsigned count = (unsigned)insn->imm & (wide ? 63 : 31);

        emit_rr(j, wide, count == 1 ? 0xd1 : 0xc1, digit, dst);
        if (count != 1)
            emit8(j, count);
    } else if (dst == RCX) {
        emit_move(j, true, R11, RCX);
        if (src != RCX)
            emit_move(j, false, RCX, src);
        emit_rr(j, wide, 0xd3, digit, R11);
        emit_move(j, true, RCX, R11);
    } else if (src == RCX) {
        emit_rr(j, wide, 0xd3, digit, dst);
    } else {
        emit_move(j, true, R11, RCX);
        emit_move(j, false, RCX, src);
        emit_rr(j, wide, 0xd3, digit, dst);
        emit_move(j, true, RCX, R11);
    }
}

/*
 * div and idiv want the dividend in rdx:rax and leave quotient and remainder there. The dividend is
 * exchanged with rax, so that its register keeps rax meanwhile; r10 keeps what is in rdx then.
 */
static void divide_registers(struct x86_jit *j, bool wide, bool is_signed, bool mod,
                             enum x86_reg dst, enum x86_reg divisor)
{
    if (dst != RAX)
        emit_rr(j, true, 0x87, dst, RAX); /* xchg */
    emit_move(j, true, R10, RDX);
    /* Where the divisor is now, rdx being about to be lost */
    if (divisor == dst)
        divisor = RAX;
    else if (divisor == RAX)
        divisor = dst;
    if (divisor == RDX)
        divisor = R10;
    if (is_signed) {
        if (wide)
            emit8(j, 0x48);
        emit8(j, 0x99); /* cqo, cdq */
    } else {
        emit_rr(j, false, 0x31, RDX, RDX);
    }
    emit_rr(j, wide, 0xf7, is_signed ? 7 : 6, divisor);
    if (dst == RDX) {
        if (!mod)
            emit_move(j, true, RDX, RAX);
        emit_move(j, true, RAX, R10);
        return;
    }
    if (mod)
        emit_move(j, true, RAX, RDX);
    if (dst != RAX)
        emit_rr(j, true, 0x87, dst, RAX);
    emit_move(j, true, RDX, R10);
}

/* Division by a constant: what it is decides now. */
static void divide_imm(struct x86_jit *j, const struct bpf_insn *insn, bool mod, enum x86_reg dst)
{
    bool wide = is_wide(insn), is_signed = insn->off != 0;
    int32_t imm = insn->imm;

    if (imm == 0 || (is_signed && imm == -1)) { /* the first one is refused by the verifier */
        if (imm != 0 && !mod)
            emit_rr(j, wide, 0xf7, 3, dst); /* neg */
        else if (imm != 0 || !mod)
            emit_rr(j, false, 0x31, dst, dst);
        else if (!wide)
            emit_move(j, false, dst, dst);
    } else if (!is_signed && imm > 0 && (imm & (imm - 1)) == 0 && mod) {
        emit_group1(j, false, 4, dst, imm - 1); /* and; of 32 bits: the rest becomes 0 */
    } else if (!is_signed && imm > 0 && (imm & (imm - 1)) == 0) {
        emit_rr(j, wide, 0xc1, 5, dst);
        emit8(j, (unsigned)__builtin_ctz((unsigned)imm));
    } else {
        x86_move_imm(j, R11, wide ? (uint64_t)imm : (uint32_t)imm);
        divide_registers(j, wide, is_signed, mod, dst, R11);
    }
}

/* Zero and, where it is signed, -1 have results of their own; the processor would fault. */
static void divide(struct x86_jit *j, const struct bpf_insn *insn, bool mod, enum x86_reg dst,
                   enum x86_reg src)
{
    bool wide = is_wide(insn), is_signed = insn->off != 0;
    size_t to_end[2] = { 0, 0 }, next;

    if (!by_register(insn)) {
        divide_imm(j, insn, mod, dst);
        return;
    }
    if (mod && !wide)
        emit_move(j, false, dst, dst); /* the result of mod 0, and no harm otherwise */
    emit_rr(j, wide, 0x85, src, src);
    if (mod) {
        to_end[0] = emit_short_jcc(j, CC_E);
    } else {
        next = emit_short_jcc(j, CC_NE);
        emit_rr(j, false, 0x31, dst, dst);
        to_end[0] = emit_short_jmp(j);
        emit_here(j, next);
    }
    if (is_signed) {
        emit_group1(j, wide, 7, src, -1);
        next = emit_short_jcc(j, CC_NE);
        if (mod)
            emit_rr(j, false, 0x31, dst, dst);
        else
            emit_rr(j, wide, 0xf7, 3, dst);
        to_end[1] = emit_short_jmp(j);
        emit_here(j, next);
    }
    divide_registers(j, wide, is_signed, mod, dst, src);
    emit_here(j, to_end[0]);
    if (is_signed)
        emit_here(j, to_end[1]);
}

static void byte_order(struct x86_jit *j, const struct bpf_insn *insn, enum x86_reg dst)
{
    bool swap = is_wide(insn) || by_register(insn);

    if (insn->imm == 16) {
        if (swap) {
            emit8(j, 0x66);
            emit_rr(j, false, 0xc1, 0, dst); /* rol by 8 */
            emit8(j, 8);
        }
        emit_rr(j, false, 0x0fb7, dst, dst);
    } else if (swap) {
        emit_opcode(j, insn->imm == 64, 0x0fc8u | (dst & 7), 0, dst, false); /* bswap */
    } else if (insn->imm == 32) {
        emit_move(j, false, dst, dst);
    }
}

void x86_alu(struct x86_jit *j, const struct bpf_insn *insn)
{
    enum x86_reg dst = x86_of_bpf[insn->dst], src = x86_of_bpf[insn->src];

    switch (BPF_OP(insn->code)) {
    case BPF_ADD:
        simple(j, insn, 0, dst, src);
        break;
    case BPF_OR:
        simple(j, insn, 1, dst, src);
        break;
    case BPF_AND:
        simple(j, insn, 4, dst, src);
        break;
    case BPF_SUB:
        simple(j, insn, 5, dst, src);
        break;
    case BPF_XOR:
        simple(j, insn, 6, dst, src);
        break;
    case BPF_MUL:
        multiply(j, insn, dst, src);
        break;
    case BPF_DIV:
    case BPF_MOD:
        divide(j, insn, BPF_OP(insn->code) == BPF_MOD, dst, src);
        break;
    case BPF_LSH:
        shift(j, insn, 4, dst, src);
        break;
    case BPF_RSH:
        shift(j, insn, 5, dst, src);
        break;
    case BPF_ARSH:
        shift(j, insn, 7, dst, src);
        break;
    case BPF_NEG:
        emit_rr(j, is_wide(insn), 0xf7, 3, dst);
        break;
    case BPF_END:
        byte_order(j, insn, dst);
        break;
    default: /* BPF_MOV */
        move(j, insn, dst, src);
        break;
    }
}
