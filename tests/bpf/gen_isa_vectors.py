#!/usr/bin/python3
"""The table of tests/bpf/isa_vectors.h: tests/bpf/gen_isa_vectors.py > tests/bpf/isa_vectors.h

What each instruction must give for which operands, computed from the words of RFC 9669 with
Python's unbounded integers: an implementation of its own, which shares nothing with ours.
"""

M64, M32 = (1 << 64) - 1, (1 << 32) - 1
MIN64, MIN32, MAX64, MAX32 = 1 << 63, 1 << 31, (1 << 63) - 1, (1 << 31) - 1
A, B = 0x123456789ABCDEF0, 0xFEDCBA9876543210


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def truncated(a, b):
    """Quotient towards zero, and the remainder that belongs to it."""
    quotient = abs(a) // abs(b)
    if (a < 0) != (b < 0):
        quotient = -quotient
    return quotient, a - quotient * b


def divide(a, b, bits):
    return a // b if b else 0


def modulo(a, b, bits):
    return a % b if b else a


def sdivide(a, b, bits):
    return truncated(signed(a, bits), signed(b, bits))[0] if b else 0


def smodulo(a, b, bits):
    return truncated(signed(a, bits), signed(b, bits))[1] if b else a


BINARY = {
    ("ADD", 0): lambda a, b, bits: a + b,
    ("SUB", 0): lambda a, b, bits: a - b,
    ("MUL", 0): lambda a, b, bits: a * b,
    ("DIV", 0): divide,
    ("DIV", 1): sdivide,
    ("MOD", 0): modulo,
    ("MOD", 1): smodulo,
    ("OR", 0): lambda a, b, bits: a | b,
    ("AND", 0): lambda a, b, bits: a & b,
    ("XOR", 0): lambda a, b, bits: a ^ b,
    ("LSH", 0): lambda a, b, bits: a << (b % bits),
    ("RSH", 0): lambda a, b, bits: a >> (b % bits),
    ("ARSH", 0): lambda a, b, bits: signed(a, bits) >> (b % bits),
}

PAIRS = [
    (0, 0), (0, 1), (1, 0), (1, 1), (M64, 1), (1, M64), (M64, M64), (A, B), (B, A), (A, A),
    (A, 0), (B, 7), (B, M64 - 6), (A, 128), (MIN64, M64), (MIN64, 1), (MIN64, MIN64), (MAX64, 1),
    (MIN32, M32), (MIN32, M64), (0xFFFFFFFF80000000, M64), (MIN32, 1), (MAX32, 2), (M32, 1),
    (M32, M32), (A, MIN32), (B, 0xFFFFFFFF80000000), (A, MAX32), (100, 7), (M64 - 99, 7),
    (100, M64 - 6), (M64 - 99, M64 - 6), (A << 32 & M64, 1 << 32), (7, 1 << 32),
]
COUNTS = [0, 1, 7, 8, 31, 32, 33, 63, 64, 65, M64, 1 << 32, 0x100000001]
SHIFTED = [1, M64, A, B, MIN64, MIN32]

JUMPS = {
    "JEQ": lambda a, b, bits: a == b,
    "JNE": lambda a, b, bits: a != b,
    "JGT": lambda a, b, bits: a > b,
    "JGE": lambda a, b, bits: a >= b,
    "JLT": lambda a, b, bits: a < b,
    "JLE": lambda a, b, bits: a <= b,
    "JSET": lambda a, b, bits: a & b != 0,
    "JSGT": lambda a, b, bits: signed(a, bits) > signed(b, bits),
    "JSGE": lambda a, b, bits: signed(a, bits) >= signed(b, bits),
    "JSLT": lambda a, b, bits: signed(a, bits) < signed(b, bits),
    "JSLE": lambda a, b, bits: signed(a, bits) <= signed(b, bits),
}
COMPARED = [
    (0, 0), (0, 1), (1, 0), (1, 1), (M64, 0), (0, M64), (M64, M64), (M64, 1), (1, M64), (A, B),
    (B, A), (A, A), (MIN64, MAX64), (MAX64, MIN64), (MIN64, 0), (MIN32, MAX32), (MAX32, MIN32),
    (M32, M64), (1 << 32, 0), (0, 1 << 32), (MIN32, 0xFFFFFFFF80000000), (5, 0x100000005),
    (128, 127), (127, 128), (M64 - 127, M64 - 128), (0x55, 0xAA), (0x80, 0xFF),
    (MIN64, 0xFFFFFFFF80000000), (0x7F00000000, M64 - 255),
]

WIDTHS = {"ALU64": 64, "ALU": 32}
MEM = 0x8182838485868788
ATOMIC = {
    "ADD": lambda m, s: m + s,
    "OR": lambda m, s: m | s,
    "AND": lambda m, s: m & s,
    "XOR": lambda m, s: m ^ s,
}


def number(value):
    value &= M64
    return f"{value:#x}" if value > 9 else str(value)


def alu(name, op, off, a, b, result):
    print(f"    {{ BPF_{name} | BPF_{op}, {off}, {number(a)}, {number(b)}, {number(result)} }},")


def alu_rows():
    for name, bits in WIDTHS.items():
        mask = (1 << bits) - 1
        for (op, off), result in BINARY.items():
            shift = op in ("LSH", "RSH", "ARSH")
            for a, b in [(a, b) for a in SHIFTED for b in COUNTS] if shift else PAIRS:
                alu(name, op, off, a, b, result(a & mask, b & mask, bits) & mask)
        for a in (0, 1, M64, MIN64, MIN32, M32, A, B):
            alu(name, "NEG", 0, a, 0, -(a & mask) & mask)
        for b in (0, 1, M64, MAX32, MIN32, 0xFFFFFFFF80000000, A, B, 0x7F, 0x80, 0x7FFF, 0x8000):
            alu(name, "MOV", 0, A, b, b & mask)
            for off in (8, 16, 32)[:3 if bits == 64 else 2]:
                alu(name, "MOV", off, A, b, signed(b, off) & mask)


def end_rows():
    for form in ("ALU | BPF_END | BPF_K", "ALU | BPF_END | BPF_X", "ALU64 | BPF_END | BPF_K"):
        for bits in (16, 32, 64):
            for a in (0, 1, A, B, M64, 0x80, 0xFF00):
                data = (a & ((1 << bits) - 1)).to_bytes(bits // 8, "little")
                value = int.from_bytes(data, "little" if form == "ALU | BPF_END | BPF_K" else "big")
                print(f"    {{ BPF_{form}, {bits}, {number(a)}, {number(value)} }},")


def jump_rows():
    for name, bits in (("JMP", 64), ("JMP32", 32)):
        mask = (1 << bits) - 1
        for op, taken in JUMPS.items():
            for a, b in COMPARED:
                way = "true" if taken(a & mask, b & mask, bits) else "false"
                print(f"    {{ BPF_{name} | BPF_{op}, {number(a)}, {number(b)}, {way} }},")


def memory_rows():
    sizes = (("B", 8), ("H", 16), ("W", 32), ("DW", 64))
    for mem in (MEM, 0, M64, 0x7172737475767778):
        for size, bits in sizes:
            low = mem & ((1 << bits) - 1)
            print(f"    {{ BPF_LDX | BPF_MEM | BPF_{size}, 0, {number(mem)}, {number(mem)}, "
                  f"{number(low)} }},")
            if bits < 64:
                print(f"    {{ BPF_LDX | BPF_MEMSX | BPF_{size}, 0, {number(mem)}, "
                      f"{number(mem)}, {number(signed(low, bits))} }},")
    for value in (0, 1, M64, 0x12345678, 0xFFFFFFFF87654321, A):
        for size, bits in sizes:
            mask = (1 << bits) - 1
            after = MEM & ~mask | value & mask
            print(f"    {{ BPF_STX | BPF_MEM | BPF_{size}, {number(value)}, {number(MEM)}, "
                  f"{number(after)}, {number(value)} }},")
            if value != A:
                print(f"    {{ BPF_ST | BPF_MEM | BPF_{size}, {number(value)}, {number(MEM)}, "
                      f"{number(after)}, 0 }},")


def atomic(size, op, src, mem, after, src_after, r0, r0_after):
    print(f"    {{ BPF_{size}, {op}, {number(src)}, {number(mem)}, {number(after)}, "
          f"{number(src_after)}, {number(r0)}, {number(r0_after)} }},")


def atomic_rows():
    for size, bits in (("W", 32), ("DW", 64)):
        mask = (1 << bits) - 1
        high = MEM & ~mask & M64
        for mem, src in ((0, 0), (0, 1), (M64, 1), (A, B), (B, M64), (MIN64, MIN64), (M32, 1)):
            mem = high | mem & mask
            for op, result in ATOMIC.items():
                after = high | result(mem, src) & mask
                atomic(size, f"BPF_{op}", src, mem, after, src, 0, 0)
                atomic(size, f"BPF_{op} | BPF_FETCH", src, mem, after, mem & mask, 0, 0)
            atomic(size, "BPF_XCHG", src, mem, high | src & mask, mem & mask, 0, 0)
            for r0 in (mem & mask, mem & mask | A & ~mask & M64, mem ^ 1, 0):
                equal = r0 & mask == mem & mask
                after = high | src & mask if equal else mem
                atomic(size, "BPF_CMPXCHG", src, mem, after, src, r0, mem & mask)


def main():
    print("""/*
 * Made by gen_isa_vectors.py: what instructions give for which operands.
 */
#ifndef TESTS_BPF_ISA_VECTORS_H
#define TESTS_BPF_ISA_VECTORS_H

#include "../../net/bpf/insn.h"
#include <stdbool.h>

/* clang-format off */

/* dst = dst op src, also with an immediate where it is one */
static const struct isa_alu {
    uint8_t code; /* without BPF_X */
    uint8_t off;
    uint64_t dst, src, result;
} isa_alus[] = {""")
    alu_rows()
    print("""};

static const struct isa_end {
    uint8_t code;
    uint8_t bits;
    uint64_t dst, result;
} isa_ends[] = {""")
    end_rows()
    print("""};

/* Likewise with an immediate */
static const struct isa_jump {
    uint8_t code;
    uint64_t dst, src;
    bool taken;
} isa_jumps[] = {""")
    jump_rows()
    print("""};

/* Loads: reg_after is the register loaded; stores: reg is the register, or the immediate, stored */
static const struct isa_memory {
    uint8_t code;
    uint64_t reg, memory, memory_after, reg_after;
} isa_memories[] = {""")
    memory_rows()
    print("""};

static const struct isa_atomic {
    uint8_t size;
    int32_t op;
    uint64_t src, memory, memory_after, src_after, r0, r0_after;
} isa_atomics[] = {""")
    atomic_rows()
    print("""};

#endif""")


if __name__ == "__main__":
    main()
