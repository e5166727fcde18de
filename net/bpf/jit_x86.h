/*
 * What the files of the JIT share: the state of one pass over a program, and the bytes of x86-64
 * instructions (Intel SDM vol 2 §2.1, §2.2). Everything is emitted into a buffer that may be too
 * small, or none: positions are counted all the same.
 */
#ifndef NET_BPF_JIT_X86_H
#define NET_BPF_JIT_X86_H

#include "prog.h"

enum x86_reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* eBPF's registers: arguments and results are where C has them, r6 to r9 are preserved by calls as
 * C's are, and r10 is the frame pointer, so that a backtrace finds its way through. r10 and r11
 * are for the JIT itself; r12 is not used. */
extern const uint8_t x86_of_bpf[BPF_REGS];

struct x86_jit {
    const struct bpf_prog *prog;
    uint64_t address; /* where the code will be */
    uint8_t *out;
    size_t room, at;
    uint32_t *offsets; /* where the code of each instruction is, as far as is known */
    uint32_t *entries; /* where that of each function begins */
    bool moved;        /* something is elsewhere than the pass before had it */
    bool frozen;       /* jumps are to be as long as in the pass before */
    size_t jump_end;   /* of the instruction at hand, if it becomes so */

    /* The function at hand */
    const struct bpf_subprog *func;
    uint32_t frame_bytes; /* below rbp, without the saved registers */
    uint8_t saved[4];     /* what it uses of rbx, r13, r14, r15 */
    unsigned saved_count;
};

/* jit_x86_alu.c */
void x86_alu(struct x86_jit *j, const struct bpf_insn *insn);
void x86_move_imm(struct x86_jit *j, enum x86_reg dst, uint64_t value);
/* jit_x86_mem.c */
void x86_load(struct x86_jit *j, const struct bpf_insn *insn);
void x86_store(struct x86_jit *j, const struct bpf_insn *insn);
void x86_store_imm(struct x86_jit *j, const struct bpf_insn *insn);
void x86_atomic(struct x86_jit *j, const struct bpf_insn *insn);
/* jit_x86_call.c */
void x86_prologue(struct x86_jit *j, uint32_t first, uint32_t end);
void x86_counter_frame(struct x86_jit *j);
void x86_exit(struct x86_jit *j);
void x86_call(struct x86_jit *j, uint32_t at, const struct bpf_insn *insn);

static inline void emit8(struct x86_jit *j, unsigned byte)
{
    if (j->at < j->room)
        j->out[j->at] = (uint8_t)byte;
    j->at++;
}

static inline void emit16(struct x86_jit *j, uint32_t value)
{
    emit8(j, value);
    emit8(j, value >> 8);
}

static inline void emit32(struct x86_jit *j, uint32_t value)
{
    emit16(j, value);
    emit16(j, value >> 16);
}

static inline void emit64(struct x86_jit *j, uint64_t value)
{
    emit32(j, (uint32_t)value);
    emit32(j, (uint32_t)(value >> 32));
}

static inline bool fits8(int64_t value)
{
    return value == (int8_t)value;
}

/* An opcode of one byte, or of two as 0x0fXX, with its REX prefix before it where it needs one.
 * `low`: a register's lowest byte is meant, which spl to dil need REX for. */
static inline void emit_opcode(struct x86_jit *j, bool wide, unsigned opcode, unsigned reg,
                               unsigned rm, bool low)
{
    unsigned rex = 0x40u | (unsigned)wide << 3 | reg >> 3 << 2 | rm >> 3;

    if (rex != 0x40 || low)
        emit8(j, rex);
    if (opcode > 0xff)
        emit8(j, opcode >> 8);
    emit8(j, opcode);
}

/* opcode reg, rm: two registers; `reg` may be the opcode's extension (/digit). */
static inline void emit_rr(struct x86_jit *j, bool wide, unsigned opcode, unsigned reg, unsigned rm)
{
    emit_opcode(j, wide, opcode, reg, rm, false);
    emit8(j, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* opcode reg, [base + off]; base is neither rsp nor r12, which would need a SIB byte. */
static inline void emit_rm(struct x86_jit *j, bool wide, unsigned opcode, unsigned reg,
                           unsigned base, int32_t off, bool low)
{
    unsigned modrm = (reg & 7) << 3 | (base & 7);

    emit_opcode(j, wide, opcode, reg, base, low);
    if (off == 0 && (base & 7) != RBP) {
        emit8(j, modrm);
    } else if (fits8(off)) {
        emit8(j, 0x40 | modrm);
        emit8(j, (uint8_t)off);
    } else {
        emit8(j, 0x80 | modrm);
        emit32(j, (uint32_t)off);
    }
}

/* add (/0), or (/1), and (/4), sub (/5), xor (/6), cmp (/7) with an immediate */
static inline void emit_group1(struct x86_jit *j, bool wide, unsigned digit, unsigned reg,
                               int32_t imm)
{
    if (fits8(imm)) {
        emit_rr(j, wide, 0x83, digit, reg);
        emit8(j, (uint8_t)imm);
    } else {
        emit_rr(j, wide, 0x81, digit, reg);
        emit32(j, (uint32_t)imm);
    }
}

static inline void emit_move(struct x86_jit *j, bool wide, enum x86_reg dst, enum x86_reg src)
{
    emit_rr(j, wide, 0x89, src, dst);
}

static inline void emit_push(struct x86_jit *j, enum x86_reg reg)
{
    emit_opcode(j, false, 0x50u | (reg & 7), 0, reg, false);
}

static inline void emit_pop(struct x86_jit *j, enum x86_reg reg)
{
    emit_opcode(j, false, 0x58u | (reg & 7), 0, reg, false);
}

/* Conditions of jcc */
enum x86_cc { CC_B = 2, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_L = 12, CC_GE, CC_LE, CC_G };

/* A short jump forward within one instruction's code: where it begins, for emit_here(). */
static inline size_t emit_short_jcc(struct x86_jit *j, enum x86_cc cc)
{
    emit8(j, 0x70 | cc);
    emit8(j, 0);
    return j->at;
}

static inline size_t emit_short_jmp(struct x86_jit *j)
{
    emit8(j, 0xeb);
    emit8(j, 0);
    return j->at;
}

static inline void emit_here(struct x86_jit *j, size_t jump)
{
    if (jump <= j->room)
        j->out[jump - 1] = (uint8_t)(j->at - jump);
}

#endif
