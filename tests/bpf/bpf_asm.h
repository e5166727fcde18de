/*
 * Instructions for C tests, read as an assembler's: destination first. A name alone works on 64
 * bits with a register as the source, ..32 on 32 bits, ..I with an immediate:
 *
 *   ADD(R1, R2)   ADDI(R1, 5)   ADD32(R1, R2)   ADD32I(R1, 5)
 *   LDX(W, R0, R1, 4)     r0 = *(u32 *)(r1 + 4)
 *   STX(DW, R10, -8, R1)  *(u64 *)(r10 - 8) = r1
 *   STI(B, R10, -8, 1)    *(u8 *)(r10 - 8) = 1
 *   JEQI(R0, 0, 2)        if r0 == 0 skip two instructions
 *   CALL(map_lookup_elem) a helper by its name
 *
 * Every macro is an element of an array of struct bpf_insn, or two of them (LD64, MAP, MAPV, FUNC);
 * outside of an array: (struct bpf_insn)ADD(R1, R2).
 * Jumps and calls may go to labels, which bpf_asm_link() replaces: JEQI(R0, 0, TO(1)), ..., L(1).
 */
#ifndef TESTS_BPF_ASM_H
#define TESTS_BPF_ASM_H

#include "../../net/bpf/insn.h"
#include <stdbool.h>

enum { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 };

#define INSN(code_, dst_, src_, off_, imm_)                                                        \
    {                                                                                              \
        .code = (uint8_t)(code_), .dst = (dst_)&15, .src = (src_)&15, .off = (int16_t)(off_),      \
        .imm = (int32_t)(imm_)                                                                     \
    }

/* ---- Arithmetic ---- */
#define ALU_(class_, op, d, s, off)  INSN(BPF_##class_ | BPF_##op | BPF_X, d, s, off, 0)
#define ALUI_(class_, op, d, i, off) INSN(BPF_##class_ | BPF_##op | BPF_K, d, 0, off, i)

#define ADD(d, s)     ALU_(ALU64, ADD, d, s, 0)
#define SUB(d, s)     ALU_(ALU64, SUB, d, s, 0)
#define MUL(d, s)     ALU_(ALU64, MUL, d, s, 0)
#define DIV(d, s)     ALU_(ALU64, DIV, d, s, 0)
#define SDIV(d, s)    ALU_(ALU64, DIV, d, s, 1)
#define MOD(d, s)     ALU_(ALU64, MOD, d, s, 0)
#define SMOD(d, s)    ALU_(ALU64, MOD, d, s, 1)
#define OR(d, s)      ALU_(ALU64, OR, d, s, 0)
#define AND(d, s)     ALU_(ALU64, AND, d, s, 0)
#define XOR(d, s)     ALU_(ALU64, XOR, d, s, 0)
#define LSH(d, s)     ALU_(ALU64, LSH, d, s, 0)
#define RSH(d, s)     ALU_(ALU64, RSH, d, s, 0)
#define ARSH(d, s)    ALU_(ALU64, ARSH, d, s, 0)
#define MOV(d, s)     ALU_(ALU64, MOV, d, s, 0)
#define MOVSX8(d, s)  ALU_(ALU64, MOV, d, s, 8)
#define MOVSX16(d, s) ALU_(ALU64, MOV, d, s, 16)
#define MOVSX32(d, s) ALU_(ALU64, MOV, d, s, 32)
#define NEG(d)        ALUI_(ALU64, NEG, d, 0, 0)
#define ADDI(d, i)    ALUI_(ALU64, ADD, d, i, 0)
#define SUBI(d, i)    ALUI_(ALU64, SUB, d, i, 0)
#define MULI(d, i)    ALUI_(ALU64, MUL, d, i, 0)
#define DIVI(d, i)    ALUI_(ALU64, DIV, d, i, 0)
#define SDIVI(d, i)   ALUI_(ALU64, DIV, d, i, 1)
#define MODI(d, i)    ALUI_(ALU64, MOD, d, i, 0)
#define SMODI(d, i)   ALUI_(ALU64, MOD, d, i, 1)
#define ORI(d, i)     ALUI_(ALU64, OR, d, i, 0)
#define ANDI(d, i)    ALUI_(ALU64, AND, d, i, 0)
#define XORI(d, i)    ALUI_(ALU64, XOR, d, i, 0)
#define LSHI(d, i)    ALUI_(ALU64, LSH, d, i, 0)
#define RSHI(d, i)    ALUI_(ALU64, RSH, d, i, 0)
#define ARSHI(d, i)   ALUI_(ALU64, ARSH, d, i, 0)
#define MOVI(d, i)    ALUI_(ALU64, MOV, d, i, 0)

#define ADD32(d, s)     ALU_(ALU, ADD, d, s, 0)
#define SUB32(d, s)     ALU_(ALU, SUB, d, s, 0)
#define MUL32(d, s)     ALU_(ALU, MUL, d, s, 0)
#define DIV32(d, s)     ALU_(ALU, DIV, d, s, 0)
#define SDIV32(d, s)    ALU_(ALU, DIV, d, s, 1)
#define MOD32(d, s)     ALU_(ALU, MOD, d, s, 0)
#define SMOD32(d, s)    ALU_(ALU, MOD, d, s, 1)
#define OR32(d, s)      ALU_(ALU, OR, d, s, 0)
#define AND32(d, s)     ALU_(ALU, AND, d, s, 0)
#define XOR32(d, s)     ALU_(ALU, XOR, d, s, 0)
#define LSH32(d, s)     ALU_(ALU, LSH, d, s, 0)
#define RSH32(d, s)     ALU_(ALU, RSH, d, s, 0)
#define ARSH32(d, s)    ALU_(ALU, ARSH, d, s, 0)
#define MOV32(d, s)     ALU_(ALU, MOV, d, s, 0)
#define MOV32SX8(d, s)  ALU_(ALU, MOV, d, s, 8)
#define MOV32SX16(d, s) ALU_(ALU, MOV, d, s, 16)
#define NEG32(d)        ALUI_(ALU, NEG, d, 0, 0)
#define ADD32I(d, i)    ALUI_(ALU, ADD, d, i, 0)
#define SUB32I(d, i)    ALUI_(ALU, SUB, d, i, 0)
#define MUL32I(d, i)    ALUI_(ALU, MUL, d, i, 0)
#define DIV32I(d, i)    ALUI_(ALU, DIV, d, i, 0)
#define SDIV32I(d, i)   ALUI_(ALU, DIV, d, i, 1)
#define MOD32I(d, i)    ALUI_(ALU, MOD, d, i, 0)
#define SMOD32I(d, i)   ALUI_(ALU, MOD, d, i, 1)
#define OR32I(d, i)     ALUI_(ALU, OR, d, i, 0)
#define AND32I(d, i)    ALUI_(ALU, AND, d, i, 0)
#define XOR32I(d, i)    ALUI_(ALU, XOR, d, i, 0)
#define LSH32I(d, i)    ALUI_(ALU, LSH, d, i, 0)
#define RSH32I(d, i)    ALUI_(ALU, RSH, d, i, 0)
#define ARSH32I(d, i)   ALUI_(ALU, ARSH, d, i, 0)
#define MOV32I(d, i)    ALUI_(ALU, MOV, d, i, 0)

/* bits: 16, 32, 64 */
#define TO_LE(d, bits) INSN(BPF_ALU | BPF_END | BPF_K, d, 0, 0, bits)
#define TO_BE(d, bits) INSN(BPF_ALU | BPF_END | BPF_X, d, 0, 0, bits)
#define BSWAP(d, bits) INSN(BPF_ALU64 | BPF_END | BPF_K, d, 0, 0, bits)

/* ---- Memory; size: B, H, W, DW ---- */
#define LDX(size, d, s, off)        INSN(BPF_LDX | BPF_MEM | BPF_##size, d, s, off, 0)
#define LDSX(size, d, s, off)       INSN(BPF_LDX | BPF_MEMSX | BPF_##size, d, s, off, 0)
#define STX(size, d, off, s)        INSN(BPF_STX | BPF_MEM | BPF_##size, d, s, off, 0)
#define STI(size, d, off, i)        INSN(BPF_ST | BPF_MEM | BPF_##size, d, 0, off, i)
#define ATOMIC(size, op, d, off, s) INSN(BPF_STX | BPF_ATOMIC | BPF_##size, d, s, off, op)

/* ---- 64-bit immediates ---- */
#define LD64_(d, s, low, high) INSN(BPF_LD_IMM64, d, s, 0, low), INSN(0, 0, 0, 0, high)
#define LD64(d, v)             LD64_(d, 0, (uint64_t)(v)&0xffffffffu, (uint64_t)(v) >> 32)
#define MAP(d, index)          LD64_(d, BPF_PSEUDO_MAP_FD, index, 0)
#define MAPV(d, index, off)    LD64_(d, BPF_PSEUDO_MAP_VALUE, index, off)
#define FUNC(d, delta)         LD64_(d, BPF_PSEUDO_FUNC, delta, 0)

/* ---- Jumps and calls ---- */
#define J_(class_, op, d, s, to)  INSN(BPF_##class_ | BPF_##op | BPF_X, d, s, to, 0)
#define JI_(class_, op, d, i, to) INSN(BPF_##class_ | BPF_##op | BPF_K, d, 0, to, i)

#define JA(to)   INSN(BPF_JMP | BPF_JA, 0, 0, to, 0)
#define JA32(to) INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, to)
#define EXIT()   INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

#define JEQ(d, s, to)  J_(JMP, JEQ, d, s, to)
#define JNE(d, s, to)  J_(JMP, JNE, d, s, to)
#define JGT(d, s, to)  J_(JMP, JGT, d, s, to)
#define JGE(d, s, to)  J_(JMP, JGE, d, s, to)
#define JLT(d, s, to)  J_(JMP, JLT, d, s, to)
#define JLE(d, s, to)  J_(JMP, JLE, d, s, to)
#define JSGT(d, s, to) J_(JMP, JSGT, d, s, to)
#define JSGE(d, s, to) J_(JMP, JSGE, d, s, to)
#define JSLT(d, s, to) J_(JMP, JSLT, d, s, to)
#define JSLE(d, s, to) J_(JMP, JSLE, d, s, to)
#define JSET(d, s, to) J_(JMP, JSET, d, s, to)

#define JEQI(d, i, to)  JI_(JMP, JEQ, d, i, to)
#define JNEI(d, i, to)  JI_(JMP, JNE, d, i, to)
#define JGTI(d, i, to)  JI_(JMP, JGT, d, i, to)
#define JGEI(d, i, to)  JI_(JMP, JGE, d, i, to)
#define JLTI(d, i, to)  JI_(JMP, JLT, d, i, to)
#define JLEI(d, i, to)  JI_(JMP, JLE, d, i, to)
#define JSGTI(d, i, to) JI_(JMP, JSGT, d, i, to)
#define JSGEI(d, i, to) JI_(JMP, JSGE, d, i, to)
#define JSLTI(d, i, to) JI_(JMP, JSLT, d, i, to)
#define JSLEI(d, i, to) JI_(JMP, JSLE, d, i, to)
#define JSETI(d, i, to) JI_(JMP, JSET, d, i, to)

#define JEQ32(d, s, to)  J_(JMP32, JEQ, d, s, to)
#define JNE32(d, s, to)  J_(JMP32, JNE, d, s, to)
#define JGT32(d, s, to)  J_(JMP32, JGT, d, s, to)
#define JGE32(d, s, to)  J_(JMP32, JGE, d, s, to)
#define JLT32(d, s, to)  J_(JMP32, JLT, d, s, to)
#define JLE32(d, s, to)  J_(JMP32, JLE, d, s, to)
#define JSGT32(d, s, to) J_(JMP32, JSGT, d, s, to)
#define JSGE32(d, s, to) J_(JMP32, JSGE, d, s, to)
#define JSLT32(d, s, to) J_(JMP32, JSLT, d, s, to)
#define JSLE32(d, s, to) J_(JMP32, JSLE, d, s, to)
#define JSET32(d, s, to) J_(JMP32, JSET, d, s, to)

#define JEQ32I(d, i, to)  JI_(JMP32, JEQ, d, i, to)
#define JNE32I(d, i, to)  JI_(JMP32, JNE, d, i, to)
#define JGT32I(d, i, to)  JI_(JMP32, JGT, d, i, to)
#define JGE32I(d, i, to)  JI_(JMP32, JGE, d, i, to)
#define JLT32I(d, i, to)  JI_(JMP32, JLT, d, i, to)
#define JLE32I(d, i, to)  JI_(JMP32, JLE, d, i, to)
#define JSGT32I(d, i, to) JI_(JMP32, JSGT, d, i, to)
#define JSGE32I(d, i, to) JI_(JMP32, JSGE, d, i, to)
#define JSLT32I(d, i, to) JI_(JMP32, JSLT, d, i, to)
#define JSLE32I(d, i, to) JI_(JMP32, JSLE, d, i, to)
#define JSET32I(d, i, to) JI_(JMP32, JSET, d, i, to)

#define CALL(name)  INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##name)
#define CALL_NR(nr) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, nr)
#define CALLF(to)   INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, to)

/* ---- Labels, 0 to 127. L(n) stands for no instruction: it names the next one. ---- */
#define BPF_ASM_LABELS 128
#define BPF_ASM_TO     0x7f00
#define TO(n)          (BPF_ASM_TO + (n))
#define L(n)           INSN(0xff, 0, 0, 0, n)

/* Copy in[count] to out without its labels, which may be `in` itself; returns how many are left. A
 * jump to a label that is not there goes to the first instruction. */
static inline uint32_t bpf_asm_link(const struct bpf_insn *in, uint32_t count, struct bpf_insn *out)
{
    int32_t labels[BPF_ASM_LABELS] = { 0 };
    uint32_t n = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (in[i].code == 0xff)
            labels[in[i].imm & (BPF_ASM_LABELS - 1)] = (int32_t)n;
        else
            n++;
    }
    n = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct bpf_insn insn = in[i];
        uint8_t class = BPF_CLASS(insn.code);

        if (insn.code == 0xff)
            continue;
        if (class == BPF_JMP || class == BPF_JMP32) {
            bool by_imm = insn.code == (BPF_JMP32 | BPF_JA) ||
                          (insn.code == (BPF_JMP | BPF_CALL) && insn.src == BPF_PSEUDO_CALL);
            int32_t to = by_imm ? insn.imm : insn.off;

            if (to >= BPF_ASM_TO && to < BPF_ASM_TO + BPF_ASM_LABELS) {
                to = labels[to - BPF_ASM_TO] - (int32_t)n - 1;
                if (by_imm)
                    insn.imm = to;
                else
                    insn.off = (int16_t)to;
            }
        }
        out[n++] = insn;
    }
    return n;
}

#define BPF_ASM_COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

#endif
