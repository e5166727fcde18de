/* The verifier on instructions by themselves, control flow, registers and arithmetic: what it
 * takes, and with what words it refuses the rest. */
#include "bpf_verify_rig.h"

static void test_form(void **state)
{
    (void)state;
    ACCEPT(RETURN(XDP_PASS));
    REJECT("unknown opcode 00", INSN(0, 0, 0, 0, 0), RETURN(0));
    REJECT("R11 is invalid", INSN(BPF_ALU64 | BPF_MOV | BPF_K, 11, 0, 0, 0), RETURN(0));
    REJECT("BPF_MOV uses reserved fields", INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 0, 7), EXIT());
    REJECT("BPF_ALU uses reserved fields", MOVI(R0, 1), INSN(BPF_ALU64 | BPF_ADD, 0, 0, 1, 1),
           EXIT());
    REJECT("BPF_EXIT uses reserved fields", MOVI(R0, 0), INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 1));
    REJECT("BPF_JMP/JMP32 uses reserved fields", MOVI(R0, 0), INSN(BPF_JMP | BPF_JEQ, 0, 3, 0, 1),
           EXIT());
    REJECT("div by zero", MOVI(R0, 1), DIVI(R0, 0), EXIT());
    REJECT("div by zero", MOVI(R0, 1), MOD32I(R0, 0), EXIT());
    ACCEPT(MOVI(R0, 1), MOVI(R1, 0), DIV(R0, R1), EXIT()); /* gives 0 */
    REJECT("invalid shift 64", MOVI(R0, 1), LSHI(R0, 64), EXIT());
    REJECT("invalid shift 32", MOVI(R0, 1), RSH32I(R0, 32), EXIT());
    REJECT("invalid shift -1", MOVI(R0, 1), ARSHI(R0, -1), EXIT());
    ACCEPT(MOVI(R0, 1), LSHI(R0, 63), RSH32I(R0, 31), EXIT());
    REJECT("BPF_END uses reserved fields", MOVI(R0, 1), TO_BE(R0, 8), EXIT());
    ACCEPT(MOVI(R0, 1), TO_BE(R0, 16), BSWAP(R0, 64), EXIT());
    REJECT("BPF_LD_[ABS|IND] instructions not allowed", MOV(R6, R1),
           INSN(BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, 0), EXIT());
    REJECT("BPF_ATOMIC uses invalid atomic opcode", STI(DW, R10, -8, 0), MOVI(R0, 0),
           ATOMIC(DW, 0x30, R10, -8, R0), EXIT());
    REJECT("invalid atomic operand size", STI(DW, R10, -8, 0), MOVI(R0, 0),
           ATOMIC(H, BPF_ADD, R10, -8, R0), EXIT());
    REJECT("kernel function calls are not supported: #5",
           INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, 5), EXIT());
    REJECT("a function's address is no argument", FUNC(R0, 0), RETURN(0));
}

static void test_64_bit_immediates(void **state)
{
    (void)state;
    ACCEPT(LD64(R0, 0x123456789abcdef), EXIT());
    REJECT("invalid bpf_ld_imm64 insn", INSN(BPF_LD_IMM64, 0, 0, 0, 0), RETURN(0));
    REJECT("jump into the middle of ldimm64 insn 1", JA(1), LD64(R0, 1), EXIT());
    REJECT("map 77 of the program is not there", MAP(R0, 77), RETURN(0));
    REJECT("value_size=64 off=64", MAPV(R0, M_ARRAY, 64), RETURN(0));
    ACCEPT(MAPV(R1, M_ARRAY, 63), LDX(B, R0, R1, 0), EXIT());
    REJECT("no direct value access support for this map type", MAPV(R0, M_HASH, 0), RETURN(0));
}

static void test_flow(void **state)
{
    (void)state;
    REJECT("jump out of range from insn 1 to 5", MOVI(R0, 0), JA(3), EXIT());
    REJECT("jump out of range from insn 1 to -1", MOVI(R0, 0), JA(-3), EXIT());
    REJECT("last insn is not an exit or jmp", MOVI(R0, 0));
    REJECT("unreachable insn 2", MOVI(R0, 0), EXIT(), MOVI(R0, 1), EXIT());
    REJECT("infinite loop detected", MOVI(R0, 0), JA(-1));
    REJECT("infinite loop detected", L(1), MOVI(R0, 0), JA32(TO(1)));
    ACCEPT(JA32(TO(1)), L(2), RETURN(1), L(1), JA(TO(2)));
    /* what no value leads to is not looked at */
    ACCEPT(MOVI(R0, 1), JEQI(R0, 1, 1), LDX(DW, R0, R5, 0), EXIT());
    ACCEPT(MOVI(R0, 1), JNEI(R0, 1, TO(1)), RETURN(1), L(1), CALL_NR(211), EXIT());
}

static void test_registers(void **state)
{
    (void)state;
    REJECT("R0 !read_ok", EXIT());
    REJECT("R5 !read_ok", MOV(R0, R5), EXIT());
    REJECT("R0 !read_ok", ADDI(R0, 1), EXIT());
    REJECT("R3 !read_ok", MOVI(R0, 0), JEQ(R0, R3, 0), EXIT());
    REJECT("frame pointer is read only", MOVI(R10, 0), RETURN(0));
    REJECT("frame pointer is read only", ADDI(R10, -8), RETURN(0));
    REJECT("R0 leaks addr as return value", MOV(R0, R10), EXIT());
    REJECT("R0 leaks addr as return value", MOV(R0, R1), EXIT());
    REJECT("R1 !read_ok", CALL(ktime_get_ns), MOV(R0, R1), EXIT());
    ACCEPT(MOV(R6, R1), CALL(ktime_get_ns), LDX(W, R0, R6, XDP_MD_RX_QUEUE_INDEX), EXIT());
    /* set on one way only */
    REJECT("R6 !read_ok", CALL(ktime_get_ns), JEQI(R0, 5, 1), MOVI(R6, 1), MOV(R0, R6), EXIT());
}

static void test_pointers(void **state)
{
    (void)state;
    REJECT("R2 32-bit pointer arithmetic prohibited", MOV(R2, R10), ADD32I(R2, -8), RETURN(0));
    REJECT("R2 pointer arithmetic with *= operator prohibited", MOV(R2, R10), MULI(R2, 2),
           RETURN(0));
    REJECT("R2 bitwise operator &= on pointer prohibited", MOV(R2, R10), ANDI(R2, 7), RETURN(0));
    REJECT("R2 pointer += pointer prohibited", MOV(R2, R10), ADD(R2, R1), RETURN(0));
    REJECT("R2 subtraction from stack pointer prohibited", MOV(R2, R10), SUBI(R2, 8), RETURN(0));
    REJECT("R2 tried to subtract pointer from scalar", MOVI(R2, 8), SUB(R2, R1), RETURN(0));
    REJECT("R2 pointer arithmetic on map_ptr prohibited", MAP(R2, M_HASH), ADDI(R2, 8), RETURN(0));
    REJECT("R3 pointer arithmetic on pkt_end prohibited", LDX(W, R3, R1, XDP_MD_DATA_END),
           ADDI(R3, 1), RETURN(0));
    REJECT("R0 pointer arithmetic on map_value_or_null prohibited, null-check it first",
           LOOKUP(M_HASH), ADDI(R0, 1), RETURN(0));
    REJECT("math between map_value pointer and register with unbounded min value is not allowed",
           UNKNOWN(R2), MAPV(R3, M_ARRAY, 0), ADD(R3, R2), RETURN(0));
    REJECT("math between fp pointer and 1073741824 is not allowed", MOV(R2, R10), ADDI(R2, 1 << 30),
           RETURN(0));
    REJECT("R1 sign-extend part of pointer", MOVSX8(R2, R1), RETURN(0));
    REJECT("R1 pointer comparison prohibited", JGTI(R1, 7, 0), RETURN(0));
    ACCEPT(LDX(W, R2, R1, XDP_MD_DATA), LDX(W, R0, R1, XDP_MD_DATA_END), SUB(R0, R2), EXIT());
    ACCEPT(LDX(W, R2, R1, XDP_MD_DATA), JEQI(R2, 0, 0), RETURN(0));
}

#define USE(r) MAPV(R6, M_ARRAY, 0), ADD(R6, r), LDX(B, R0, R6, 0), EXIT()

static void test_ranges(void **state)
{
    (void)state;
    ACCEPT(UNKNOWN(R1), ANDI(R1, 63), USE(R1));
    REJECT("R6 max value is outside of the allowed memory range", UNKNOWN(R1), ANDI(R1, 64),
           USE(R1));
    ACCEPT(UNKNOWN(R1), JGTI(R1, 63, TO(99)), USE(R1), SHORT);
    REJECT("R6 max value is outside of the allowed memory range", UNKNOWN(R1), JGTI(R1, 64, TO(99)),
           USE(R1), SHORT);
    ACCEPT(UNKNOWN(R1), JSLTI(R1, 0, TO(99)), JSGTI(R1, 63, TO(99)), USE(R1), SHORT);
    REJECT("unbounded min value", UNKNOWN(R1), JSGTI(R1, 63, TO(99)), USE(R1), SHORT);
    ACCEPT(UNKNOWN(R1), MOV32(R1, R1), JGT32I(R1, 63, TO(99)), USE(R1), SHORT);
    ACCEPT(UNKNOWN(R1), RSHI(R1, 58), USE(R1));
    ACCEPT(UNKNOWN(R1), JSETI(R1, -64, TO(99)), USE(R1), SHORT);
    ACCEPT(UNKNOWN(R1), MOVI(R2, 64), JGE(R1, R2, TO(99)), USE(R1), SHORT);
    REJECT("R6 min value is negative", UNKNOWN(R1), ANDI(R1, 7), SUBI(R1, 3), USE(R1));
    REJECT("R6 unbounded memory access", UNKNOWN(R1), RSHI(R1, 1), USE(R1));
    /* a copy learns with its original; a changed one does not */
    ACCEPT(UNKNOWN(R1), MOV(R2, R1), JGTI(R2, 63, TO(99)), USE(R1), SHORT);
    ACCEPT(UNKNOWN(R1), ANDI(R1, 1023), MOV(R2, R1), ADDI(R2, 4), JGTI(R2, 63, TO(99)), USE(R1),
           SHORT);
    REJECT("R6 max value is outside", UNKNOWN(R1), ANDI(R1, 255), MOV(R2, R1), MULI(R2, 1),
           JGTI(R2, 63, TO(99)), USE(R1), SHORT);
    /* a byte order's bits are known */
    ACCEPT(UNKNOWN(R1), TO_BE(R1, 16), RSHI(R1, 10), USE(R1));
    /* a constant of the program's */
    ACCEPT(MAPV(R1, M_RODATA, 0), LDX(W, R1, R1, 4), JEQI(R1, 9, TO(1)), LDX(DW, R0, R9, 0), EXIT(),
           L(1), RETURN(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),     cmocka_unit_test(test_64_bit_immediates),
        cmocka_unit_test(test_flow),     cmocka_unit_test(test_registers),
        cmocka_unit_test(test_pointers), cmocka_unit_test(test_ranges),
    };
    rig_values[M_RODATA][4] = 9;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
