/*
 * What arithmetic and comparisons mean (RFC 9669 §4), on values alone. All of it is defined: shift
 * counts are taken modulo the width, a division by zero gives zero, a remainder of it the dividend,
 * the smallest number divided by -1 itself. Pure code, any context.
 */
#ifndef NET_BPF_ALU_H
#define NET_BPF_ALU_H

#include "insn.h"
#include <stdbool.h>

static inline uint64_t bpf_div64(uint64_t a, uint64_t b, bool is_signed)
{
    if (b == 0)
        return 0;
    if (!is_signed)
        return a / b;
    return b == UINT64_MAX ? 0 - a : (uint64_t)((int64_t)a / (int64_t)b);
}

static inline uint64_t bpf_mod64(uint64_t a, uint64_t b, bool is_signed)
{
    if (b == 0)
        return a;
    if (!is_signed)
        return a % b;
    return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static inline uint32_t bpf_div32(uint32_t a, uint32_t b, bool is_signed)
{
    if (b == 0)
        return 0;
    if (!is_signed)
        return a / b;
    return b == UINT32_MAX ? 0 - a : (uint32_t)((int32_t)a / (int32_t)b);
}

static inline uint32_t bpf_mod32(uint32_t a, uint32_t b, bool is_signed)
{
    if (b == 0)
        return a;
    if (!is_signed)
        return a % b;
    return b == UINT32_MAX ? 0 : (uint32_t)((int32_t)a % (int32_t)b);
}

/* BPF_MOV with its off: 0, or the bits that are extended. */
static inline uint64_t bpf_move(uint64_t value, int off)
{
    switch (off) {
    case 8:
        return (uint64_t)(int8_t)value;
    case 16:
        return (uint64_t)(int16_t)value;
    case 32:
        return (uint64_t)(int32_t)value;
    default:
        return value;
    }
}

/* Every operation of class ALU64 but BPF_END: `a` is dst's value, `b` src's or the immediate. */
static inline uint64_t bpf_alu64(unsigned op, int off, uint64_t a, uint64_t b)
{
    switch (op) {
    case BPF_ADD:
        return a + b;
    case BPF_SUB:
        return a - b;
    case BPF_MUL:
        return a * b;
    case BPF_DIV:
        return bpf_div64(a, b, off != 0);
    case BPF_OR:
        return a | b;
    case BPF_AND:
        return a & b;
    case BPF_LSH:
        return a << (b & 63);
    case BPF_RSH:
        return a >> (b & 63);
    case BPF_NEG:
        return 0 - a;
    case BPF_MOD:
        return bpf_mod64(a, b, off != 0);
    case BPF_XOR:
        return a ^ b;
    case BPF_ARSH:
        return (uint64_t)((int64_t)a >> (b & 63));
    default: /* BPF_MOV */
        return bpf_move(b, off);
    }
}

/* Likewise of class ALU; the result's upper half is zero. */
static inline uint64_t bpf_alu32(unsigned op, int off, uint32_t a, uint32_t b)
{
    switch (op) {
    case BPF_DIV:
        return bpf_div32(a, b, off != 0);
    case BPF_MOD:
        return bpf_mod32(a, b, off != 0);
    case BPF_LSH:
        return a << (b & 31);
    case BPF_RSH:
        return a >> (b & 31);
    case BPF_ARSH:
        return (uint32_t)((int32_t)a >> (b & 31));
    default:
        return (uint32_t)bpf_alu64(op, off, a, b);
    }
}

/* BPF_END: the low `bits`, swapped where the instruction says so (this machine is little-endian),
 * and nothing above them. */
static inline uint64_t bpf_end(uint8_t code, int bits, uint64_t value)
{
    bool swap = BPF_CLASS(code) == BPF_ALU64 || BPF_SRC(code) == BPF_X;

    switch (bits) {
    case 16:
        return swap ? __builtin_bswap16((uint16_t)value) : (uint16_t)value;
    case 32:
        return swap ? __builtin_bswap32((uint32_t)value) : (uint32_t)value;
    default:
        return swap ? __builtin_bswap64(value) : value;
    }
}

/* Whether a conditional jump is taken. Operands of JMP32 are to be sign-extended from 32 bits,
 * which keeps their order, signed and unsigned, and which bits meet. */
static inline bool bpf_jump_taken(unsigned op, uint64_t a, uint64_t b)
{
    switch (op) {
    case BPF_JEQ:
        return a == b;
    case BPF_JGT:
        return a > b;
    case BPF_JGE:
        return a >= b;
    case BPF_JSET:
        return (a & b) != 0;
    case BPF_JNE:
        return a != b;
    case BPF_JSGT:
        return (int64_t)a > (int64_t)b;
    case BPF_JSGE:
        return (int64_t)a >= (int64_t)b;
    case BPF_JLT:
        return a < b;
    case BPF_JLE:
        return a <= b;
    case BPF_JSLT:
        return (int64_t)a < (int64_t)b;
    default: /* BPF_JSLE */
        return (int64_t)a <= (int64_t)b;
    }
}

#endif
