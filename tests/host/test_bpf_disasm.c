/* Instructions as text: every line is what Linux's verifier log and bpftool print for it. */
#include "../bpf/bpf_asm.h"
#include "../../net/bpf/helper.h"
#include "../../net/bpf/prog.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static uint64_t values[8];

void *bpf_map_value_base(struct bpf_map *map)
{
    return map->def.type == BPF_MAP_TYPE_ARRAY ? values : NULL;
}

static const struct {
    struct bpf_insn insn;
    const char *text;
} cases[] = {
    { ADD(R1, R2), "r1 += r2" },
    { SUB(R1, R2), "r1 -= r2" },
    { MUL(R1, R2), "r1 *= r2" },
    { DIV(R1, R2), "r1 /= r2" },
    { SDIV(R1, R2), "r1 s/= r2" },
    { MOD(R1, R2), "r1 %= r2" },
    { SMOD(R1, R2), "r1 s%= r2" },
    { OR(R1, R2), "r1 |= r2" },
    { AND(R1, R2), "r1 &= r2" },
    { XOR(R1, R2), "r1 ^= r2" },
    { LSH(R1, R2), "r1 <<= r2" },
    { RSH(R1, R2), "r1 >>= r2" },
    { ARSH(R1, R2), "r1 s>>= r2" },
    { MOV(R1, R10), "r1 = r10" },
    { MOVSX8(R1, R2), "r1 = (s8)r2" },
    { MOVSX16(R1, R2), "r1 = (s16)r2" },
    { MOVSX32(R1, R2), "r1 = (s32)r2" },
    { MOV32SX8(R1, R2), "w1 = (s8)w2" },
    { MOV32SX16(R1, R2), "w1 = (s16)w2" },
    { NEG(R3), "r3 = -r3" },
    { NEG32(R3), "w3 = -w3" },
    { ADDI(R1, -1), "r1 += -1" },
    { ADD32I(R1, 7), "w1 += 7" },
    { SUB32(R1, R9), "w1 -= w9" },
    { MUL32I(R1, 3), "w1 *= 3" },
    { DIV32I(R1, 3), "w1 /= 3" },
    { SDIV32I(R1, -3), "w1 s/= -3" },
    { MOD32I(R1, 3), "w1 %= 3" },
    { SMODI(R1, 3), "r1 s%= 3" },
    { OR32I(R1, 255), "w1 |= 255" },
    { AND32I(R1, 255), "w1 &= 255" },
    { XOR32I(R1, 255), "w1 ^= 255" },
    { LSHI(R1, 32), "r1 <<= 32" },
    { RSH32I(R1, 3), "w1 >>= 3" },
    { ARSHI(R1, 32), "r1 s>>= 32" },
    { MOVI(R0, -2147483647 - 1), "r0 = -2147483648" },
    { MOV32I(R0, 2), "w0 = 2" },
    { MOV32(R0, R6), "w0 = w6" },
    { TO_LE(R1, 16), "r1 = le16 r1" },
    { TO_LE(R1, 64), "r1 = le64 r1" },
    { TO_BE(R1, 16), "r1 = be16 r1" },
    { TO_BE(R1, 32), "r1 = be32 r1" },
    { BSWAP(R1, 16), "r1 = bswap16 r1" },
    { BSWAP(R1, 64), "r1 = bswap64 r1" },
    { LDX(B, R0, R1, 14), "r0 = *(u8 *)(r1 +14)" },
    { LDX(H, R0, R1, -2), "r0 = *(u16 *)(r1 -2)" },
    { LDX(W, R0, R1, 0), "r0 = *(u32 *)(r1 +0)" },
    { LDX(DW, R0, R1, 8), "r0 = *(u64 *)(r1 +8)" },
    { LDSX(B, R0, R1, 1), "r0 = *(s8 *)(r1 +1)" },
    { LDSX(H, R0, R1, 1), "r0 = *(s16 *)(r1 +1)" },
    { LDSX(W, R0, R1, 1), "r0 = *(s32 *)(r1 +1)" },
    { STX(B, R10, -1, R2), "*(u8 *)(r10 -1) = r2" },
    { STX(H, R10, -2, R2), "*(u16 *)(r10 -2) = r2" },
    { STX(W, R10, -4, R2), "*(u32 *)(r10 -4) = r2" },
    { STX(DW, R10, -8, R2), "*(u64 *)(r10 -8) = r2" },
    { STI(B, R1, 0, 1), "*(u8 *)(r1 +0) = 1" },
    { STI(DW, R1, 0, -1), "*(u64 *)(r1 +0) = -1" },
    { ATOMIC(DW, BPF_ADD, R1, 8, R2), "lock *(u64 *)(r1 +8) += r2" },
    { ATOMIC(W, BPF_OR, R1, 8, R2), "lock *(u32 *)(r1 +8) |= r2" },
    { ATOMIC(W, BPF_AND, R1, 8, R2), "lock *(u32 *)(r1 +8) &= r2" },
    { ATOMIC(W, BPF_XOR, R1, 8, R2), "lock *(u32 *)(r1 +8) ^= r2" },
    { ATOMIC(DW, BPF_ADD | BPF_FETCH, R1, 8, R2), "r2 = atomic64_fetch_add((u64 *)(r1 +8), r2)" },
    { ATOMIC(W, BPF_OR | BPF_FETCH, R1, 8, R2), "r2 = atomic_fetch_or((u32 *)(r1 +8), r2)" },
    { ATOMIC(W, BPF_AND | BPF_FETCH, R1, 8, R2), "r2 = atomic_fetch_and((u32 *)(r1 +8), r2)" },
    { ATOMIC(DW, BPF_XOR | BPF_FETCH, R1, 8, R2), "r2 = atomic64_fetch_xor((u64 *)(r1 +8), r2)" },
    { ATOMIC(DW, BPF_XCHG, R1, 8, R2), "r2 = atomic64_xchg((u64 *)(r1 +8), r2)" },
    { ATOMIC(W, BPF_CMPXCHG, R1, 8, R2), "r0 = atomic_cmpxchg((u32 *)(r1 +8), r0, r2)" },
    { JA(5), "goto pc+5" },
    { JA32(-70000), "gotol pc-70000" },
    { JEQ(R1, R2, 3), "if r1 == r2 goto pc+3" },
    { JNE(R1, R2, 3), "if r1 != r2 goto pc+3" },
    { JGT(R1, R2, 3), "if r1 > r2 goto pc+3" },
    { JGE(R1, R2, 3), "if r1 >= r2 goto pc+3" },
    { JLT(R1, R2, 3), "if r1 < r2 goto pc+3" },
    { JLE(R1, R2, 3), "if r1 <= r2 goto pc+3" },
    { JSET(R1, R2, 3), "if r1 & r2 goto pc+3" },
    { JSGT(R1, R2, 3), "if r1 s> r2 goto pc+3" },
    { JSGE(R1, R2, 3), "if r1 s>= r2 goto pc+3" },
    { JSLT(R1, R2, 3), "if r1 s< r2 goto pc+3" },
    { JSLE(R1, R2, -3), "if r1 s<= r2 goto pc-3" },
    { JEQI(R1, 8, 3), "if r1 == 0x8 goto pc+3" },
    { JSGTI(R1, -1, 3), "if r1 s> 0xffffffff goto pc+3" },
    { JNE32I(R1, 8, 3), "if w1 != 0x8 goto pc+3" },
    { JEQ32(R1, R2, 3), "if w1 == w2 goto pc+3" },
    { CALL(map_lookup_elem), "call bpf_map_lookup_elem#1" },
    { CALL(ktime_get_boot_ns), "call bpf_ktime_get_boot_ns#125" },
    { CALL_NR(4711), "call unknown#4711" },
    { EXIT(), "exit" },
    /* What no valid program has */
    { INSN(BPF_LD | BPF_ABS | BPF_H, 0, 0, 0, 12), "r0 = *(u16 *)skb[12]" },
    { INSN(BPF_LD | BPF_IND | BPF_B, 0, 2, 0, 12), "r0 = *(u8 *)skb[r2 + 12]" },
    { INSN(BPF_LDX | BPF_ATOMIC, 0, 0, 0, 0), "BUG_c1" },
    { INSN(BPF_ST | BPF_ATOMIC, 0, 0, 0, 0), "BUG_c2" },
    { INSN(BPF_STX | BPF_ATOMIC, 0, 0, 0, 7), "BUG_c3" },
    { INSN(BPF_ALU64 | 0xe0, 0, 0, 0, 0), "BUG_e7" },
    { INSN(BPF_JMP | 0xe0, 0, 0, 0, 0), "BUG_e5" },
    { INSN(BPF_JMP32 | BPF_CALL, 0, 0, 0, 0), "BUG_86" },
    { INSN(BPF_JMP32 | BPF_EXIT, 0, 0, 0, 0), "BUG_96" },
    { INSN(BPF_LD_IMM64, 0, 0, 0, 0), "BUG_18" }, /* its second half is missing */
};

static void test_one_instruction(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bpf_insn insn = cases[i].insn;
        const struct bpf_prog prog = { .insns = &insn, .count = 1 };
        char text[64];

        assert_int_equal(bpf_disasm(&prog, 0, text, sizeof(text)), 1);
        assert_string_equal(text, cases[i].text);
    }
}

static const char *pair(struct bpf_prog *prog, struct bpf_insn *insns)
{
    static char text[64];

    prog->insns = insns;
    prog->count = 2;
    assert_int_equal(bpf_disasm(prog, 0, text, sizeof(text)), 2);
    return text;
}

static void test_immediates_of_64_bits(void **state)
{
    struct bpf_map hash = { .id = 7 }, array = { .id = 9 };
    struct bpf_prog prog = { .maps = { &hash, &array }, .map_count = 2 };

    (void)state;
    hash.def = (struct bpf_map_def){ BPF_MAP_TYPE_HASH, 4, 8, 16, 0 };
    array.def = (struct bpf_map_def){ BPF_MAP_TYPE_ARRAY, 4, 64, 1, 0 };
#define PAIR(...) pair(&prog, (struct bpf_insn[]){ __VA_ARGS__ })
    assert_string_equal(PAIR(LD64(R3, 0x123456789abcdef0)), "r3 = 0x123456789abcdef0");
    assert_string_equal(PAIR(LD64(R3, 5)), "r3 = 0x5");
    assert_string_equal(PAIR(FUNC(R2, 6)), "r2 = subprog[+6]");
    /* Before verification: by index */
    assert_string_equal(PAIR(MAP(R1, 0)), "r1 = map[id:7]");
    assert_string_equal(PAIR(MAPV(R1, 1, 24)), "r1 = map[id:9][0]+24");
    assert_string_equal(PAIR(MAP(R1, 2)), "r1 = 0x2"); /* there is none */
    /* Behind it: by pointer */
    prog.verified = true;
#define POINTER(kind, p) LD64_(R1, kind, (uintptr_t)(p)&0xffffffffu, (uintptr_t)(p) >> 32)
    assert_string_equal(PAIR(POINTER(BPF_PSEUDO_MAP_FD, &array)), "r1 = map[id:9]");
    assert_string_equal(PAIR(POINTER(BPF_PSEUDO_MAP_VALUE, &values[2])), "r1 = map[id:9][0]+16");
}

static void test_functions_have_names(void **state)
{
    struct bpf_insn insns[] = { CALLF(1), EXIT(), EXIT() };
    struct bpf_subprog funcs[2] = { { .start = 0 }, { .start = 2, .name = "count_frame" } };
    struct bpf_prog prog = { .insns = insns, .count = 3, .subprogs = funcs, .subprog_count = 2 };
    char text[64];

    (void)state;
    bpf_disasm(&prog, 0, text, sizeof(text));
    assert_string_equal(text, "call pc+1#count_frame");
    prog.subprog_count = 0;
    bpf_disasm(&prog, 0, text, sizeof(text));
    assert_string_equal(text, "call pc+1");
}

static void test_a_line_is_cut(void **state)
{
    struct bpf_insn insn = ADD(R1, R2);
    const struct bpf_prog prog = { .insns = &insn, .count = 1 };
    char text[5] = "xxxx";

    (void)state;
    assert_int_equal(bpf_disasm(&prog, 0, text, sizeof(text)), 1);
    assert_string_equal(text, "r1 +");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_instruction),
        cmocka_unit_test(test_immediates_of_64_bits),
        cmocka_unit_test(test_functions_have_names),
        cmocka_unit_test(test_a_line_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
