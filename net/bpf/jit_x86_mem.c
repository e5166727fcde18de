/* The JIT's loads, stores and atomics: RFC 9669 §5 in x86-64's instructions. Pure code. */
#include "jit_x86.h"

#define LOCK 0xf0

void x86_load(struct x86_jit *j, const struct bpf_insn *insn)
{
    enum x86_reg dst = x86_of_bpf[insn->dst], src = x86_of_bpf[insn->src];
    bool sign = BPF_MODE(insn->code) == BPF_MEMSX;

    switch (BPF_SIZE(insn->code)) {
    case BPF_B:
        emit_rm(j, sign, sign ? 0x0fbe : 0x0fb6, dst, src, insn->off, false);
        break;
    case BPF_H:
        emit_rm(j, sign, sign ? 0x0fbf : 0x0fb7, dst, src, insn->off, false);
        break;
    case BPF_W:
        emit_rm(j, sign, sign ? 0x63 : 0x8b, dst, src, insn->off, false);
        break;
    default:
        emit_rm(j, true, 0x8b, dst, src, insn->off, false);
        break;
    }
}

void x86_store(struct x86_jit *j, const struct bpf_insn *insn)
{
    enum x86_reg dst = x86_of_bpf[insn->dst], src = x86_of_bpf[insn->src];

    switch (BPF_SIZE(insn->code)) {
    case BPF_B:
        emit_rm(j, false, 0x88, src, dst, insn->off, src >= RSP && src <= RDI);
        break;
    case BPF_H:
        emit8(j, 0x66);
        emit_rm(j, false, 0x89, src, dst, insn->off, false);
        break;
    case BPF_W:
        emit_rm(j, false, 0x89, src, dst, insn->off, false);
        break;
    default:
        emit_rm(j, true, 0x89, src, dst, insn->off, false);
        break;
    }
}

void x86_store_imm(struct x86_jit *j, const struct bpf_insn *insn)
{
    enum x86_reg dst = x86_of_bpf[insn->dst];

    switch (BPF_SIZE(insn->code)) {
    case BPF_B:
        emit_rm(j, false, 0xc6, 0, dst, insn->off, false);
        emit8(j, (uint8_t)insn->imm);
        break;
    case BPF_H:
        emit8(j, 0x66);
        emit_rm(j, false, 0xc7, 0, dst, insn->off, false);
        emit16(j, (uint32_t)insn->imm);
        break;
    default: /* BPF_W, BPF_DW: the immediate is sign-extended */
        emit_rm(j, BPF_SIZE(insn->code) == BPF_DW, 0xc7, 0, dst, insn->off, false);
        emit32(j, (uint32_t)insn->imm);
        break;
    }
}

/* The opcode of "op reg, rm" for an atomic that is arithmetic */
static unsigned op_of_atomic(int32_t imm)
{
    switch (imm & ~BPF_FETCH) {
    case BPF_ADD:
        return 0x01;
    case BPF_OR:
        return 0x09;
    case BPF_AND:
        return 0x21;
    default: /* BPF_XOR */
        return 0x31;
    }
}

/* or, and, xor that want what was there before: no single instruction gives it, so that it is
 * computed and put there if nobody was faster. rax (r0) is what cmpxchg compares with. */
static void fetch_loop(struct x86_jit *j, const struct bpf_insn *insn, bool wide, enum x86_reg base,
                       enum x86_reg src)
{
    enum x86_reg operand = src == RAX ? R10 : src;
    size_t again;

    emit_move(j, true, R10, RAX);
    if (base == RAX)
        base = R10;
    emit_rm(j, wide, 0x8b, RAX, base, insn->off, false);
    again = j->at;
    emit_move(j, wide, R11, RAX);
    emit_rr(j, wide, op_of_atomic(insn->imm), operand, R11);
    emit8(j, LOCK);
    emit_rm(j, wide, 0x0fb1, R11, base, insn->off, false);
    emit8(j, 0x75); /* jne: rax has what is there now */
    emit8(j, (uint8_t)(again - (j->at + 1)));
    if (src != RAX) {
        emit_move(j, true, src, RAX);
        emit_move(j, true, RAX, R10);
    }
}

void x86_atomic(struct x86_jit *j, const struct bpf_insn *insn)
{
    enum x86_reg base = x86_of_bpf[insn->dst], src = x86_of_bpf[insn->src];
    bool wide = BPF_SIZE(insn->code) == BPF_DW;

    switch (insn->imm) {
    case BPF_XCHG: /* locks by itself */
        emit_rm(j, wide, 0x87, src, base, insn->off, false);
        break;
    case BPF_CMPXCHG:
        emit8(j, LOCK);
        emit_rm(j, wide, 0x0fb1, src, base, insn->off, false);
        if (!wide) /* eax is not written where it was equal */
            emit_move(j, false, RAX, RAX);
        break;
    case BPF_ADD | BPF_FETCH:
        emit8(j, LOCK);
        emit_rm(j, wide, 0x0fc1, src, base, insn->off, false); /* xadd */
        break;
    case BPF_OR | BPF_FETCH:
    case BPF_AND | BPF_FETCH:
    case BPF_XOR | BPF_FETCH:
        fetch_loop(j, insn, wide, base, src);
        break;
    default:
        emit8(j, LOCK);
        emit_rm(j, wide, op_of_atomic(insn->imm), src, base, insn->off, false);
        break;
    }
}
