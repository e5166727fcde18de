/* The verifier on calls: helpers and their arguments, references, tail calls, the program's own
 * functions. */
#include "bpf_verify_rig.h"

static void test_which_helper(void **state)
{
    struct bpf_prog *prog;
    static const struct bpf_insn insns[] = { LDX(W, R0, R1, 12), CALL(fib_lookup), EXIT() };

    (void)state;
    REJECT("program of this type cannot use helper bpf_sk_lookup_tcp#84", CALL_NR(84), EXIT());
    REJECT("invalid func unknown#99999", CALL_NR(99999), EXIT());
    prog = rig_prog(insns, BPF_ASM_COUNT(insns));
    prog->gpl = false;
    assert_false(rig_verify(prog, 0));
    assert_non_null(strstr(rig_text, "cannot call GPL-restricted function"));
    rig_free(prog);
}

static void test_map_arguments(void **state)
{
    (void)state;
    ACCEPT(LOOKUP(M_HASH), RETURN(0));
    REJECT("R1 type=scalar expected=map_ptr", STI(DW, R10, -8, 1), MOV(R2, R10), ADDI(R2, -8),
           MOVI(R1, 5), CALL(map_lookup_elem), RETURN(0));
    REJECT("R2 type=scalar expected=fp", MOVI(R2, 0), MAP(R1, M_HASH), CALL(map_lookup_elem),
           RETURN(0));
    REJECT("R2 !read_ok", MAP(R1, M_HASH), CALL(map_lookup_elem), RETURN(0));
    REJECT("invalid read from stack R2 off -8+4 size 8", STI(W, R10, -8, 1), MOV(R2, R10),
           ADDI(R2, -8), MAP(R1, M_HASH), CALL(map_lookup_elem), RETURN(0));
    REJECT("invalid read from stack R2 off=-4 size=8", STI(DW, R10, -8, 1), MOV(R2, R10),
           ADDI(R2, -4), MAP(R1, M_HASH), CALL(map_lookup_elem), RETURN(0));
    ACCEPT(FRAME(14), ADDI(R2, 6), MAP(R1, M_HASH), CALL(map_lookup_elem), RETURN(0), SHORT);
    REJECT("R2 offset is outside of the packet", FRAME(14), ADDI(R2, 7), MAP(R1, M_HASH),
           CALL(map_lookup_elem), RETURN(0), SHORT);
    REJECT("cannot pass map_type 3 into func bpf_map_lookup_elem#1", STI(DW, R10, -8, 1),
           MOV(R2, R10), ADDI(R2, -8), MAP(R1, M_PROGS), CALL(map_lookup_elem), RETURN(0));
    REJECT("write into map forbidden", STI(DW, R10, -8, 1), MOV(R2, R10), ADDI(R2, -8),
           MAPV(R3, M_ARRAY, 0), MOVI(R4, 0), MAP(R1, M_RODATA), CALL(map_update_elem), RETURN(0));
    REJECT("invalid access to map value, value_size=64 off=56 size=16", STI(DW, R10, -8, 1),
           MOV(R2, R10), ADDI(R2, -8), MAPV(R3, M_ARRAY, 56), MOVI(R4, 0), MAP(R1, M_HASH),
           CALL(map_update_elem), RETURN(0));
    REJECT("R3 leaks addr into helper function", STI(DW, R10, -8, 1), STX(DW, R10, -16, R1),
           STI(DW, R10, -24, 1), MOV(R2, R10), ADDI(R2, -8), MOV(R3, R10), ADDI(R3, -24),
           MOVI(R4, 0), MAP(R1, M_HASH), CALL(map_update_elem), RETURN(0));
    REJECT("R2 leaks addr into helper function", MOV(R2, R10), CALL(xdp_adjust_head), RETURN(0));
    /* a socket: its queue may be read */
    ACCEPT(LOOKUP(M_XSK), JEQI(R0, 0, TO(99)), LDX(W, R0, R0, 0), EXIT(), SHORT);
    REJECT("R0 cannot write into xdp_sock", LOOKUP(M_XSK), JEQI(R0, 0, TO(99)), STI(W, R0, 0, 1),
           RETURN(0), SHORT);
    REJECT("write into map forbidden", LOOKUP(M_DEV), JEQI(R0, 0, TO(99)), STI(W, R0, 0, 1),
           RETURN(0), SHORT);
}

/* xdp_load_bytes(ctx, 0, r10 - 16, r4) */
#define LOAD_BYTES MOVI(R2, 0), MOV(R3, R10), ADDI(R3, -16), CALL(xdp_load_bytes)
/* r4 a number that nobody knows; r6 = ctx in r1 again */
#define SIZE MOV(R6, R1), UNKNOWN(R4), MOV(R1, R6)

static void test_memory_arguments(void **state)
{
    (void)state;
    ACCEPT(MOVI(R4, 16), LOAD_BYTES, LDX(DW, R0, R10, -16), EXIT());
    REJECT("invalid read from stack off -8+0", MOVI(R4, 8), LOAD_BYTES, LDX(DW, R0, R10, -8),
           EXIT());
    REJECT("invalid write to stack R3 off=-16 size=17", MOVI(R4, 17), LOAD_BYTES, EXIT());
    REJECT("R4 invalid zero-sized read", MOVI(R4, 0), LOAD_BYTES, EXIT());
    REJECT("R4 min value is negative", SIZE, LOAD_BYTES, EXIT());
    REJECT("R4 unbounded memory access", SIZE, RSHI(R4, 2), ADDI(R4, 1), LOAD_BYTES, EXIT());
    /* of unknown size: what may be left as it was has to be something */
    REJECT("invalid read from stack R3", SIZE, ANDI(R4, 15), ADDI(R4, 1), LOAD_BYTES, EXIT());
    ACCEPT(STI(DW, R10, -8, 0), STI(DW, R10, -16, 0), SIZE, ANDI(R4, 15), ADDI(R4, 1), LOAD_BYTES,
           EXIT());
    REJECT("write into map forbidden", MOVI(R2, 0), MAPV(R3, M_RODATA, 0), MOVI(R4, 16),
           CALL(xdp_load_bytes), EXIT());
    /* NULL with no size */
    ACCEPT(MOVI(R1, 0), MOVI(R2, 0), MOVI(R3, 0), MOVI(R4, 0), MOVI(R5, 0), CALL(csum_diff),
           EXIT());
    REJECT("R1 type=scalar expected=fp", MOVI(R1, 0), MOVI(R2, 4), MOVI(R3, 0), MOVI(R4, 0),
           MOVI(R5, 0), CALL(csum_diff), EXIT());
    REJECT("helper access to the packet is not allowed", FRAME(14), MOV(R3, R2), MOVI(R2, 0),
           MOVI(R4, 14), CALL(xdp_store_bytes), EXIT(), SHORT);
    REJECT("dereference of modified ctx ptr R1 off=4 disallowed", ADDI(R1, 4), MOVI(R2, 0),
           CALL(xdp_adjust_tail), EXIT());
}

#define RESERVE(n) MAP(R1, M_RING), MOVI(R2, n), MOVI(R3, 0), CALL(ringbuf_reserve)
#define SUBMIT     MOVI(R2, 0), CALL(ringbuf_submit)

static void test_references(void **state)
{
    (void)state;
    ACCEPT(RESERVE(16), JEQI(R0, 0, TO(99)), STI(DW, R0, 8, 1), MOV(R1, R0), SUBMIT, RETURN(0),
           SHORT);
    ACCEPT(RESERVE(16), JEQI(R0, 0, TO(99)), MOV(R1, R0), MOVI(R2, 0), CALL(ringbuf_discard),
           RETURN(0), SHORT);
    REJECT("Unreleased reference id=1 alloc_insn=4", RESERVE(16), RETURN(0));
    REJECT("BPF_EXIT instruction in main prog would lead to reference leak", RESERVE(16),
           JEQI(R0, 0, TO(99)), RETURN(0), SHORT);
    REJECT("R6 invalid mem access 'scalar'", RESERVE(16), JEQI(R0, 0, TO(99)), MOV(R6, R0),
           MOV(R1, R0), SUBMIT, STI(DW, R6, 0, 1), RETURN(0), SHORT);
    REJECT("R1 type=scalar expected=ringbuf_mem", RESERVE(16), JEQI(R0, 0, TO(99)), MOV(R6, R0),
           MOV(R1, R6), SUBMIT, MOV(R1, R6), SUBMIT, RETURN(0), SHORT);
    REJECT("invalid access to memory, mem_size=16 off=12 size=8", RESERVE(16), JEQI(R0, 0, TO(99)),
           STI(DW, R0, 12, 1), RETURN(0), SHORT);
    REJECT("R1 type=ringbuf_mem_or_null expected=ringbuf_mem", RESERVE(16), MOV(R1, R0), SUBMIT,
           RETURN(0));
    REJECT("R1 must have zero offset when passed to release func", RESERVE(16), JEQI(R0, 0, TO(99)),
           MOV(R1, R0), ADDI(R1, 8), SUBMIT, RETURN(0), SHORT);
    REJECT("R2 is not a known constant", MOV(R6, R1), UNKNOWN(R2), ANDI(R2, 15), MAP(R1, M_RING),
           MOVI(R3, 0), CALL(ringbuf_reserve), RETURN(0));
    REJECT("tail_call would lead to reference leak", MOV(R6, R1), RESERVE(16), MOV(R1, R6),
           MAP(R2, M_PROGS), MOVI(R3, 0), CALL(tail_call), RETURN(0));
}

static void test_tail_call(void **state)
{
    (void)state;
    ACCEPT(MAP(R2, M_PROGS), MOVI(R3, 1), CALL(tail_call), RETURN(0));
    REJECT("R0 !read_ok", MAP(R2, M_PROGS), MOVI(R3, 1), CALL(tail_call), EXIT());
    REJECT("expected prog array map for tail call", MAP(R2, M_HASH), MOVI(R3, 1), CALL(tail_call),
           RETURN(0));
    REJECT("R1 type=scalar expected=ctx", MOVI(R1, 0), MAP(R2, M_PROGS), MOVI(R3, 1),
           CALL(tail_call), RETURN(0));
    /* from a function: another program returns to the caller, with anything */
#define FUNCTION L(1), MAP(R2, M_PROGS), MOVI(R3, 1), CALL(tail_call), RETURN(2)
    REJECT("R5 !read_ok", CALLF(TO(1)), JEQI(R0, 2, TO(2)), MOV(R0, R5), L(2), EXIT(), FUNCTION);
    REJECT("R5 !read_ok", CALLF(TO(3)), JEQI(R0, 2, TO(2)), MOV(R0, R5), L(2), EXIT(), FUNCTION,
           L(3), CALLF(TO(1)), RETURN(2));
    REJECT("R6 invalid mem access 'scalar'", FRAME(14), MOV(R6, R2), CALLF(TO(1)),
           LDX(B, R0, R6, 0), EXIT(), SHORT, FUNCTION);
    /* from deep in the stack */
    REJECT("tail_calls are not allowed when call stack of previous frames is 256 bytes",
           STI(DW, R10, -256, 0), CALLF(TO(1)), RETURN(0), L(1), MAP(R2, M_PROGS), MOVI(R3, 1),
           CALL(tail_call), RETURN(0));
}

static void test_functions(void **state)
{
    (void)state;
    ACCEPT(MOVI(R1, 5), CALLF(TO(1)), EXIT(), L(1), MOV(R0, R1), ADDI(R0, 1), EXIT());
    /* what is known of the arguments and the result goes along */
    ACCEPT(MAPV(R1, M_ARRAY, 0), MOVI(R2, 63), CALLF(TO(1)), LDX(B, R0, R0, 0), EXIT(), L(1),
           MOV(R0, R1), ADD(R0, R2), EXIT());
    REJECT("R1 !read_ok", MOVI(R1, 5), CALLF(TO(1)), MOV(R0, R1), EXIT(), L(1), RETURN(0));
    REJECT("R6 !read_ok", MOVI(R6, 5), CALLF(TO(1)), EXIT(), L(1), MOV(R0, R6), EXIT());
    ACCEPT(MOVI(R6, 5), CALLF(TO(1)), MOV(R0, R6), EXIT(), L(1), MOVI(R6, 9), RETURN(0));
    /* the caller's stack by pointer */
    ACCEPT(MOV(R1, R10), ADDI(R1, -8), CALLF(TO(1)), LDX(DW, R0, R10, -8), EXIT(), L(1),
           STI(DW, R1, 0, 1), RETURN(0));
    REJECT("cannot return stack pointer to the caller", CALLF(TO(1)), RETURN(0), L(1), MOV(R0, R10),
           EXIT());
    REJECT("cannot spill pointers to stack into stack frame of the caller", MOV(R1, R10),
           ADDI(R1, -8), CALLF(TO(1)), RETURN(0), L(1), STX(DW, R1, 0, R10), RETURN(0));
    REJECT("the call stack of 9 frames is too deep", CALLF(TO(1)), EXIT(), L(1), CALLF(TO(1)),
           EXIT());
    REJECT("combined stack size of 2 calls is 528. Too large", STI(DW, R10, -264, 0), CALLF(TO(1)),
           RETURN(0), L(1), STI(DW, R10, -256, 0), RETURN(0));
    REJECT("jump out of range", CALLF(TO(1)), JA(TO(2)), L(1), MOVI(R0, 0), L(2), EXIT());
    REJECT("last insn is not an exit or jmp", CALLF(TO(1)), MOVI(R0, 0), L(1), RETURN(0));
    /* the packet moves there as well */
    REJECT("R6 invalid mem access 'scalar'", MOV(R5, R1), FRAME(14), MOV(R6, R2), MOV(R1, R5),
           CALLF(TO(1)), LDX(B, R0, R6, 0), EXIT(), SHORT, L(1), MOVI(R2, 4), CALL(xdp_adjust_head),
           RETURN(0));
}

/* A program that calls a global function, which stands behind it, with the given prototype */
static bool verify_global(const struct bpf_insn *insns, uint32_t count, uint32_t start,
                          unsigned args, unsigned kind)
{
    struct bpf_prog *prog = rig_prog(insns, count);
    bool ok;

    prog->subprogs = bpf_mem_alloc(BPF_SUBPROGS_MAX * sizeof(*prog->subprogs));
    prog->subprog_count = 1;
    prog->subprogs[0] =
        (struct bpf_subprog){ .start = start, .global = true, .scalar_result = true, .name = "f" };
    prog->subprogs[0].arg_count = (uint8_t)args;
    prog->subprogs[0].args[0] = (struct bpf_subprog_arg){ .kind = (uint8_t)kind, .bytes = 8 };
    ok = rig_verify(prog, 0);
    if (ok)
        assert_true(prog->subprog_count == 2 && prog->subprogs[1].start == start &&
                    strcmp(prog->subprogs[1].name, "f") == 0);
    rig_free(prog);
    return ok;
}
#define GLOBAL(start, args, kind, ...)                                                             \
    verify_global((const struct bpf_insn[]){ __VA_ARGS__ },                                        \
                  BPF_ASM_COUNT(((const struct bpf_insn[]){ __VA_ARGS__ })), start, args, kind)

static void test_global_functions(void **state)
{
    (void)state;
    assert_true(
        GLOBAL(3, 1, BPF_SUBPROG_SCALAR, MOVI(R1, 5), CALLF(1), EXIT(), MOV(R0, R1), EXIT()));
    /* it is gone through for any number */
    assert_false(GLOBAL(3, 1, BPF_SUBPROG_SCALAR, MOVI(R1, 5), CALLF(1), EXIT(),
                        MAPV(R2, M_ARRAY, 0), ADD(R2, R1), LDX(B, R0, R2, 0), EXIT()));
    assert_non_null(strstr(rig_text, "unbounded min value"));
    /* and of its result nothing is known */
    assert_false(GLOBAL(6, 1, BPF_SUBPROG_SCALAR, MOVI(R1, 5), CALLF(4), MAPV(R2, M_ARRAY, 0),
                        ADD(R2, R0), EXIT(), RETURN(0)));
    assert_false(GLOBAL(2, 1, BPF_SUBPROG_SCALAR, CALLF(1), EXIT(), MOV(R0, R1), EXIT()));
    assert_non_null(strstr(rig_text, "Caller passes invalid args into func#1 ('f')"));
    assert_true(GLOBAL(2, 1, BPF_SUBPROG_CTX, CALLF(1), EXIT(), LDX(W, R0, R1, 12), EXIT()));
    assert_false(
        GLOBAL(3, 1, BPF_SUBPROG_CTX, MOVI(R1, 1), CALLF(1), EXIT(), LDX(W, R0, R1, 12), EXIT()));
    assert_non_null(strstr(rig_text, "expected pointer to ctx, but got scalar"));
    assert_true(GLOBAL(5, 1, BPF_SUBPROG_MEM, STI(DW, R10, -8, 1), MOV(R1, R10), ADDI(R1, -8),
                       CALLF(1), EXIT(), LDX(DW, R0, R1, 0), EXIT()));
    assert_false(GLOBAL(5, 1, BPF_SUBPROG_MEM_OR_NULL, STI(DW, R10, -8, 1), MOV(R1, R10),
                        ADDI(R1, -8), CALLF(1), EXIT(), LDX(DW, R0, R1, 0), EXIT()));
    assert_non_null(strstr(rig_text, "R1 invalid mem access 'mem_or_null'"));
    assert_false(GLOBAL(3, 1, BPF_SUBPROG_OTHER, MOVI(R1, 5), CALLF(1), EXIT(), RETURN(0)));
    assert_non_null(strstr(rig_text, "Arg#0 type in f() is not supported yet"));
    assert_false(
        GLOBAL(3, 1, BPF_SUBPROG_SCALAR, MOVI(R1, 5), CALLF(1), EXIT(), MOV(R0, R10), EXIT()));
    assert_non_null(strstr(rig_text, "At subprogram exit the register R0 is not a scalar value"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_helper),     cmocka_unit_test(test_map_arguments),
        cmocka_unit_test(test_memory_arguments), cmocka_unit_test(test_references),
        cmocka_unit_test(test_tail_call),        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_global_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
