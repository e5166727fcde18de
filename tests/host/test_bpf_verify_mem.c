/* The verifier on memory: ctx, the packet's proven bounds, map values, the stack and what is
 * spilled there, atomics. */
#include "bpf_verify_rig.h"

static void test_ctx(void **state)
{
    (void)state;
    ACCEPT(LDX(W, R0, R1, XDP_MD_INGRESS_IFINDEX), EXIT());
    ACCEPT(LDX(W, R0, R1, XDP_MD_RX_QUEUE_INDEX), EXIT());
    REJECT("invalid bpf_context access off=20 size=4", LDX(W, R0, R1, XDP_MD_EGRESS_IFINDEX),
           EXIT());
    REJECT("invalid bpf_context access off=24 size=4", LDX(W, R0, R1, 24), EXIT());
    REJECT("invalid bpf_context access off=-4 size=4", LDX(W, R0, R1, -4), EXIT());
    REJECT("invalid bpf_context access off=0 size=8", LDX(DW, R0, R1, 0), EXIT());
    REJECT("invalid bpf_context access off=12 size=2", LDX(H, R0, R1, 12), EXIT());
    REJECT("invalid bpf_context access off=14 size=4", LDX(W, R0, R1, 14), EXIT());
    REJECT("invalid bpf_context access off=16 size=4", STI(W, R1, 16, 0), RETURN(0));
    REJECT("dereference of modified ctx ptr R1 off=4 disallowed", ADDI(R1, 4), LDX(W, R0, R1, 0),
           EXIT());
    REJECT("BPF_ATOMIC stores into R1 ctx is not allowed", MOVI(R0, 0),
           ATOMIC(W, BPF_ADD, R1, 12, R0), EXIT());
    /* the load is rewritten: it cannot be one of something else as well */
    REJECT("same insn cannot be used with different pointers", LDX(W, R2, R1, 12),
           JEQI(R2, 1, TO(1)), MAPV(R1, M_ARRAY, 0), L(1), LDX(W, R0, R1, 12), EXIT());
}

static void test_packet(void **state)
{
    (void)state;
    ACCEPT(FRAME(14), LDX(B, R0, R2, 13), LDX(H, R0, R2, 12), LDX(DW, R0, R2, 6), EXIT(), SHORT);
    REJECT("invalid access to packet, off=13 size=2, R2(id=0,off=13,r=14)", FRAME(14),
           LDX(H, R0, R2, 13), EXIT(), SHORT);
    REJECT("R2 offset is outside of the packet", LDX(W, R2, R1, 0), LDX(B, R0, R2, 0), EXIT());
    REJECT("R2 offset is outside of the packet", FRAME(14), LDX(B, R0, R2, -1), EXIT(), SHORT);
    REJECT("R2 offset is outside of the packet", FRAME(14), RETURN(0), L(99), LDX(B, R0, R2, 0),
           EXIT());
    REJECT("R3 invalid mem access 'pkt_end'", FRAME(14), LDX(B, R0, R3, 0), EXIT(), SHORT);
    ACCEPT(FRAME(14), STI(B, R2, 0, 1), MOVI(R5, 7), STX(DW, R2, 6, R5), RETURN(0), SHORT);
    REJECT("R1 leaks addr into packet", FRAME(14), STX(DW, R2, 0, R1), RETURN(0), SHORT);
}

static void test_packet_comparisons(void **state)
{
    (void)state;
#define ENDS    LDX(W, R2, R1, 0), LDX(W, R3, R1, 4), MOV(R4, R2), ADDI(R4, 8)
#define READ(n) LDX(B, R0, R2, n), EXIT()
    ACCEPT(ENDS, JGT(R4, R3, TO(99)), READ(7), SHORT);
    ACCEPT(ENDS, JLT(R3, R4, TO(99)), READ(7), SHORT);
    ACCEPT(ENDS, JLE(R4, R3, TO(1)), SHORT, L(1), READ(7));
    ACCEPT(ENDS, JGE(R3, R4, TO(1)), SHORT, L(1), READ(7));
    /* strictly before the end: one more */
    ACCEPT(ENDS, JGE(R4, R3, TO(99)), READ(8), SHORT);
    ACCEPT(ENDS, JLE(R3, R4, TO(99)), READ(8), SHORT);
    ACCEPT(ENDS, JLT(R4, R3, TO(1)), SHORT, L(1), READ(8));
    ACCEPT(ENDS, JGT(R3, R4, TO(1)), SHORT, L(1), READ(8));
    REJECT("off=8 size=1", ENDS, JGT(R4, R3, TO(99)), READ(8), SHORT);
    REJECT("off=9 size=1", ENDS, JGE(R4, R3, TO(99)), READ(9), SHORT);
    REJECT("off=0 size=1", ENDS, JLT(R4, R3, TO(99)), READ(0), SHORT);
    REJECT("off=0 size=1", ENDS, JEQ(R4, R3, TO(1)), SHORT, L(1), READ(0));
    REJECT("off=0 size=1", ENDS, JGT32(R4, R3, TO(99)), READ(0), SHORT);
}

/* r1 = a header's length from the packet, at most 60 */
#define HEADER LDX(B, R0, R2, 0), ANDI(R0, 15), LSHI(R0, 2)

static void test_packet_variable(void **state)
{
    (void)state;
    ACCEPT(FRAME(20), HEADER, ADD(R2, R0), MOV(R4, R2), ADDI(R4, 8), JGT(R4, R3, TO(99)),
           LDX(H, R0, R2, 6), EXIT(), SHORT);
    REJECT("off=8 size=1", FRAME(20), HEADER, ADD(R2, R0), MOV(R4, R2), ADDI(R4, 8),
           JGT(R4, R3, TO(99)), LDX(B, R0, R2, 8), EXIT(), SHORT);
    REJECT("R2 offset is outside of the packet", FRAME(20), HEADER, ADD(R2, R0), LDX(B, R0, R2, 0),
           EXIT(), SHORT);
    REJECT("math between pkt pointer and register with unbounded min value", FRAME(20),
           LDX(DW, R0, R2, 0), ADD(R2, R0), RETURN(0), SHORT);
    /* more than 64 KiB cannot be proven */
    REJECT("R2 offset is outside of the packet", FRAME(20), LDX(W, R0, R2, 0), ANDI(R0, 0x1ffff),
           ADD(R2, R0), MOV(R4, R2), ADDI(R4, 8), JGT(R4, R3, TO(99)), LDX(B, R0, R2, 0), EXIT(),
           SHORT);
    /* what was proven of one is not proven of the other */
    REJECT("R2 offset is outside of the packet", FRAME(20), HEADER, MOV(R5, R2), ADD(R5, R0),
           ADD(R2, R0), MOV(R4, R5), ADDI(R4, 8), JGT(R4, R3, TO(99)), LDX(B, R0, R2, 0), EXIT(),
           SHORT);
}

static void test_metadata(void **state)
{
    (void)state;
#define META LDX(W, R2, R1, XDP_MD_DATA_META), LDX(W, R3, R1, XDP_MD_DATA), MOV(R4, R2), ADDI(R4, 4)
    ACCEPT(META, JGT(R4, R3, TO(99)), LDX(W, R0, R2, 0), EXIT(), SHORT);
    REJECT("off=1 size=4", META, JGT(R4, R3, TO(99)), LDX(W, R0, R2, 1), EXIT(), SHORT);
    REJECT("R3 offset is outside of the packet", META, JGT(R4, R3, TO(99)), LDX(W, R0, R3, 0),
           EXIT(), SHORT);
    REJECT("off=0 size=4", META, ADDI(R3, 1), JGT(R4, R3, TO(99)), LDX(W, R0, R2, 0), EXIT(),
           SHORT); /* not data any more */
}

static void test_packet_moves(void **state)
{
    (void)state;
    REJECT("R7 invalid mem access 'scalar'", MOV(R6, R1), FRAME(14), MOV(R7, R2), MOV(R1, R6),
           MOVI(R2, 4), CALL(xdp_adjust_head), LDX(B, R0, R7, 0), EXIT(), SHORT);
    REJECT("R7 invalid mem access 'scalar'", MOV(R6, R1), FRAME(14), STX(DW, R10, -8, R2),
           MOV(R1, R6), MOVI(R2, 4), CALL(xdp_adjust_tail), LDX(DW, R7, R10, -8), LDX(B, R0, R7, 0),
           EXIT(), SHORT);
    ACCEPT(MOV(R6, R1), FRAME(14), MOV(R7, R2), CALL(ktime_get_ns), LDX(B, R0, R7, 0), EXIT(),
           SHORT);
}

static void test_map_values(void **state)
{
    (void)state;
    ACCEPT(LOOKUP(M_HASH), JEQI(R0, 0, TO(99)), LDX(DW, R0, R0, 8), EXIT(), SHORT);
    REJECT("R0 invalid mem access 'map_value_or_null'", LOOKUP(M_HASH), LDX(DW, R0, R0, 8), EXIT());
    REJECT("R0 invalid mem access 'map_value_or_null'", LOOKUP(M_HASH), STI(B, R0, 0, 1),
           RETURN(0));
    REJECT("R7 invalid mem access 'scalar'", LOOKUP(M_HASH), MOV(R7, R0), JNEI(R0, 0, TO(99)),
           LDX(DW, R0, R7, 0), EXIT(), SHORT);
    /* a copy is checked along, also on the stack */
    ACCEPT(LOOKUP(M_HASH), MOV(R7, R0), STX(DW, R10, -16, R0), JEQI(R0, 0, TO(99)),
           LDX(DW, R0, R7, 8), LDX(DW, R1, R10, -16), LDX(DW, R0, R1, 8), EXIT(), SHORT);
    /* of another lookup it says nothing */
    REJECT("R7 invalid mem access 'map_value_or_null'", LOOKUP(M_HASH), MOV(R7, R0), LOOKUP(M_HASH),
           JEQI(R0, 0, TO(99)), LDX(DW, R0, R7, 8), EXIT(), SHORT);
    REJECT("invalid access to map value, value_size=16 off=9 size=8", LOOKUP(M_HASH),
           JEQI(R0, 0, TO(99)), LDX(DW, R0, R0, 9), EXIT(), SHORT);
    ACCEPT(LOOKUP(M_HASH), JEQI(R0, 0, TO(99)), LDX(DW, R0, R0, 7), EXIT(), SHORT); /* unaligned */
    REJECT("write into map forbidden, value_size=64 off=0 size=1", MAPV(R1, M_RODATA, 0),
           STI(B, R1, 0, 0), RETURN(0));
    REJECT("read from map forbidden, value_size=64 off=0 size=1", MAPV(R1, M_WRONLY, 0),
           LDX(B, R0, R1, 0), EXIT());
    REJECT("R1 leaks addr into map", MAPV(R2, M_ARRAY, 0), STX(DW, R2, 0, R1), RETURN(0));
    REJECT("R6 invalid mem access 'map_ptr'", MAP(R6, M_HASH), LDX(W, R0, R6, 0), EXIT());
}

static void test_stack(void **state)
{
    (void)state;
    REJECT("invalid read from stack off -8+0 size 8", LDX(DW, R0, R10, -8), EXIT());
    REJECT("invalid read from stack off -8+4 size 8", STI(W, R10, -8, 1), LDX(DW, R0, R10, -8),
           EXIT());
    ACCEPT(STI(W, R10, -8, 1), STI(W, R10, -4, 1), LDX(DW, R0, R10, -8), EXIT());
    REJECT("invalid write to stack R10 off=-520 size=8", STI(DW, R10, -520, 1), RETURN(0));
    REJECT("invalid write to stack R10 off=0 size=8", STI(DW, R10, 0, 1), RETURN(0));
    REJECT("misaligned stack access off 0+0+-12 size 8", STI(DW, R10, -12, 1), RETURN(0));
    ACCEPT(STI(DW, R10, -512, 1), LDX(DW, R0, R10, -512), EXIT());
    /* a register comes back as what it was */
    ACCEPT(STX(DW, R10, -8, R1), LDX(DW, R2, R10, -8), LDX(W, R0, R2, 12), EXIT());
    ACCEPT(UNKNOWN(R1), ANDI(R1, 63), STX(W, R10, -8, R1), MAPV(R2, M_ARRAY, 0),
           LDX(W, R1, R10, -8), ADD(R2, R1), LDX(B, R0, R2, 0), EXIT());
    REJECT("invalid size of register spill", STX(W, R10, -8, R1), RETURN(0));
    REJECT("invalid size of register fill", STX(DW, R10, -8, R1), LDX(W, R0, R10, -8), EXIT());
    REJECT("R2 invalid mem access 'scalar'", STX(DW, R10, -8, R1), STI(DW, R10, -8, 7),
           LDX(DW, R2, R10, -8), LDX(W, R0, R2, 12), EXIT());
    /* a part of an address is not to be read */
    REJECT("invalid read from stack off -8+1", STX(DW, R10, -8, R1), STI(B, R10, -8, 7),
           LDX(DW, R0, R10, -8), EXIT());
}

static void test_stack_variable(void **state)
{
    (void)state;
    /* r2 = r10 - 16 + 0..15 */
#define AT UNKNOWN(R1), ANDI(R1, 15), MOV(R2, R10), ADDI(R2, -16), ADD(R2, R1)
    ACCEPT(STI(DW, R10, -8, 1), STI(DW, R10, -16, 1), AT, LDX(B, R0, R2, 0), EXIT());
    REJECT("invalid read from stack R2 var_off", STI(DW, R10, -8, 1), AT, LDX(B, R0, R2, 0),
           EXIT());
    ACCEPT(STI(DW, R10, -8, 1), STI(DW, R10, -16, 1), AT, STI(B, R2, 0, 9), LDX(B, R0, R10, -3),
           EXIT());
    /* what was a pointer there is none any more */
    REJECT("invalid read from stack off -8+0 size 8", MOV(R6, R1), STX(DW, R10, -8, R6),
           STI(DW, R10, -16, 1), AT, STI(B, R2, 0, 9), LDX(DW, R3, R10, -8), RETURN(0));
    REJECT("invalid variable-offset write to stack", AT, STI(B, R2, 1, 9), RETURN(0));
    REJECT("invalid unbounded variable-offset write to stack", UNKNOWN(R1), RSHI(R1, 32),
           MOV(R2, R10), ADD(R2, R1), STI(B, R2, 0, 9), RETURN(0));
}

static void test_atomics(void **state)
{
    (void)state;
    ACCEPT(MAPV(R2, M_ARRAY, 0), MOVI(R0, 1), ATOMIC(DW, BPF_ADD | BPF_FETCH, R2, 8, R0), EXIT());
    ACCEPT(MAPV(R2, M_ARRAY, 0), MOVI(R0, 1), MOVI(R1, 2), ATOMIC(W, BPF_CMPXCHG, R2, 8, R1),
           EXIT());
    REJECT("R0 !read_ok", MAPV(R2, M_ARRAY, 0), MOVI(R1, 2), ATOMIC(W, BPF_CMPXCHG, R2, 8, R1),
           RETURN(0));
    REJECT("misaligned value access", MAPV(R2, M_ARRAY, 0), MOVI(R0, 1),
           ATOMIC(DW, BPF_ADD, R2, 4, R0), EXIT());
    REJECT("BPF_ATOMIC stores into R2 pkt is not allowed", FRAME(14), MOVI(R0, 1),
           ATOMIC(W, BPF_ADD, R2, 0, R0), EXIT(), SHORT);
    REJECT("invalid read from stack off -8+0", MOVI(R0, 1), ATOMIC(DW, BPF_ADD, R10, -8, R0),
           EXIT());
    REJECT("leaking pointer from stack off -8", STX(DW, R10, -8, R1), MOVI(R0, 1),
           ATOMIC(DW, BPF_ADD, R10, -8, R0), EXIT());
    REJECT("R1 leaks addr into mem", MAPV(R2, M_ARRAY, 0), ATOMIC(DW, BPF_XCHG, R2, 0, R1),
           RETURN(0));
    REJECT("write into map forbidden", MAPV(R2, M_RODATA, 0), MOVI(R0, 1),
           ATOMIC(DW, BPF_ADD, R2, 0, R0), EXIT());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ctx),
        cmocka_unit_test(test_packet),
        cmocka_unit_test(test_packet_comparisons),
        cmocka_unit_test(test_packet_variable),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_packet_moves),
        cmocka_unit_test(test_map_values),
        cmocka_unit_test(test_stack),
        cmocka_unit_test(test_stack_variable),
        cmocka_unit_test(test_atomics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
