/*
 * The verifier's way through a program: loops, what is pruned and what must not be, the budget, the
 * log; and what it leaves of a program: rewritten and able to run, or untouched.
 */
#include "bpf_verify_rig.h"
#include "../bpf/fake_helpers.h"

static uint32_t verified(const struct bpf_insn *insns, uint32_t count)
{
    struct bpf_prog *prog = rig_prog(insns, count);
    uint32_t n;

    if (!rig_verify(prog, 1))
        print_error("%s\n", rig_text);
    assert_true(prog->verified);
    n = prog->verified_insns;
    rig_free(prog);
    return n;
}
#define VERIFIED(...)                                                                              \
    verified((const struct bpf_insn[]){ __VA_ARGS__ },                                             \
             BPF_ASM_COUNT(((const struct bpf_insn[]){ __VA_ARGS__ })))

static void test_loops(void **state)
{
    (void)state;
    ACCEPT(MOVI(R0, 0), L(1), ADDI(R0, 1), JLTI(R0, 5000, TO(1)), EXIT());
    /* one that counts bytes of a value: the bound matters */
    ACCEPT(MOVI(R1, 0), MOVI(R0, 0), L(1), MAPV(R2, M_ARRAY, 0), ADD(R2, R1), LDX(B, R3, R2, 0),
           ADD(R0, R3), ADDI(R1, 1), JLTI(R1, 64, TO(1)), EXIT());
    REJECT("R2 max value is outside", UNKNOWN(R4), ANDI(R4, 127), MOVI(R1, 0), L(1),
           MAPV(R2, M_ARRAY, 0), ADD(R2, R4), LDX(B, R3, R2, 0), ADDI(R1, 1), JLTI(R1, 4, TO(1)),
           RETURN(0));
    REJECT("invalid access to map value, value_size=64 off=64 size=1", MOVI(R1, 0), MOVI(R0, 0),
           L(1), MAPV(R2, M_ARRAY, 0), ADD(R2, R1), LDX(B, R3, R2, 0), ADDI(R1, 1),
           JLTI(R1, 65, TO(1)), EXIT());
    REJECT("infinite loop detected", L(1), CALL(get_prandom_u32), JNEI(R0, 7, TO(1)), EXIT());
    REJECT("BPF program is too large. Processed 1000001 insn", MOVI(R0, 0), L(1), ADDI(R0, 1),
           JA(TO(1)));
}

/* Thirty bits of a number, each of which adds something that does not matter: 2^30 paths */
#define BIT_(n)   JSETI(R1, 1 << (n), 1), ADDI(R2, 1), ADDI(R3, 2)
#define BITS_5(n) BIT_(n), BIT_((n) + 1), BIT_((n) + 2), BIT_((n) + 3), BIT_((n) + 4)

static void test_paths_that_do_not_matter_are_pruned(void **state)
{
    uint32_t n;

    (void)state;
    n = VERIFIED(UNKNOWN(R1), MOVI(R2, 0), MOVI(R3, 0), BITS_5(0), BITS_5(5), BITS_5(10),
                 BITS_5(15), BITS_5(20), BITS_5(25), MOV(R0, R2), EXIT());
    assert_in_range(n, 90, 2000);
    /* the stack too: what is never read again */
    n = VERIFIED(UNKNOWN(R1), JSETI(R1, 1, 1), STI(DW, R10, -8, 1), JSETI(R1, 2, 1),
                 STI(DW, R10, -16, 1), JSETI(R1, 4, 1), STI(DW, R10, -24, 1), JSETI(R1, 8, 1),
                 STI(DW, R10, -32, 1), JSETI(R1, 16, 1), STI(DW, R10, -40, 1), JSETI(R1, 32, 1),
                 STI(DW, R10, -48, 1), JSETI(R1, 64, 1), STI(DW, R10, -56, 1), MOVI(R0, 0),
                 MOVI(R2, 0), MOVI(R3, 0), EXIT());
    assert_in_range(n, 19, 300);
}

/* Filler, so that a state is kept where the ways meet */
#define FILL                                                                                       \
    MOVI(R5, 0), MOVI(R5, 0), MOVI(R5, 0), MOVI(R5, 0), MOVI(R5, 0), MOVI(R5, 0), MOVI(R5, 0),     \
        JA(0), JA(0), JA(0)

static void test_second_way_is_looked_at(void **state)
{
    (void)state;
    REJECT("invalid access to map value, value_size=64 off=64 size=1", UNKNOWN(R1), MOVI(R4, 1),
           FILL, JSETI(R1, 1, TO(1)), JA(TO(2)), L(1), MOVI(R4, 64), L(2), FILL,
           MAPV(R2, M_ARRAY, 0), ADD(R2, R4), LDX(B, R0, R2, 0), EXIT());
    /* through the stack */
    REJECT("invalid access to map value, value_size=64 off=64 size=1", UNKNOWN(R1),
           STI(DW, R10, -8, 1), FILL, JSETI(R1, 1, TO(1)), JA(TO(2)), L(1), STI(DW, R10, -8, 64),
           L(2), FILL, LDX(DW, R4, R10, -8), MAPV(R2, M_ARRAY, 0), ADD(R2, R4), LDX(B, R0, R2, 0),
           EXIT());
    /* through arithmetic, a function and a copy */
    REJECT("invalid access to map value, value_size=64 off=64 size=1", UNKNOWN(R1), MOVI(R6, 0),
           FILL, JSETI(R1, 1, TO(1)), JA(TO(2)), L(1), MOVI(R6, 32), L(2), FILL, MOV(R1, R6),
           CALLF(TO(3)), MAPV(R2, M_ARRAY, 0), ADD(R2, R0), LDX(B, R0, R2, 0), EXIT(), L(3), FILL,
           MOV(R0, R1), LSHI(R0, 1), EXIT());
    /* a pointer here, a number there */
    REJECT("R4 invalid mem access 'scalar'", UNKNOWN(R1), MAPV(R4, M_ARRAY, 0), FILL,
           JSETI(R1, 1, TO(1)), JA(TO(2)), L(1), MOVI(R4, 64), L(2), FILL, LDX(B, R0, R4, 0),
           EXIT());
    /* checked here, not there */
    REJECT("R0 invalid mem access 'map_value_or_null'", LOOKUP(M_HASH), MOV(R6, R0), UNKNOWN(R1),
           MOV(R0, R6), FILL, JSETI(R1, 1, TO(2)), JEQI(R0, 0, TO(99)), L(2), FILL,
           LDX(B, R0, R0, 0), EXIT(), SHORT);
    /* written here, not there */
    REJECT("invalid read from stack off -8+0", UNKNOWN(R1), FILL, JSETI(R1, 1, TO(2)),
           STI(DW, R10, -8, 1), L(2), FILL, LDX(DW, R0, R10, -8), EXIT());
    /* proven here, less there */
    REJECT("off=13 size=1", MOV(R6, R1), UNKNOWN(R5), MOV(R1, R6), LDX(W, R2, R1, 0),
           LDX(W, R3, R1, 4), MOV(R4, R2), ADDI(R4, 14), JSETI(R5, 1, 1), JA(1), SUBI(R4, 1),
           JGT(R4, R3, TO(99)), FILL, LDX(B, R0, R2, 13), EXIT(), SHORT);
    /* equal here, not there: what is checked of one holds for the other only here */
    REJECT("R2 unbounded memory access", UNKNOWN(R1), UNKNOWN(R6), MOV(R7, R6), FILL,
           JSETI(R1, 1, TO(2)), UNKNOWN(R7), RSHI(R7, 1), RSHI(R6, 1), JA(0), L(2), RSHI(R7, 1),
           FILL, JGTI(R6, 63, TO(99)), MAPV(R2, M_ARRAY, 0), ADD(R2, R7), LDX(B, R0, R2, 0), EXIT(),
           SHORT);
}

static void test_log(void **state)
{
    static const struct bpf_insn insns[] = { MOVI(R2, 7),        JEQI(R2, 7, 1),    MOVI(R0, 9),
                                             STI(W, R10, -8, 5), LDX(W, R0, R2, 0), EXIT() };
    static const char *const lines[] = { "0: R1=ctx() R10=fp0\n",
                                         "0: (b7) r2 = 7",
                                         "; R2=7\n",
                                         "1: (15) if r2 == 0x7 goto pc+1\n",
                                         "3: (62) *(u32 *)(r10 -8) = 5",
                                         "4: (61) r0 = *(u32 *)(r2 +0)",
                                         "R2 invalid mem access 'scalar'\n",
                                         "processed 4 insns (limit 1000000)" };
    struct bpf_prog *prog = rig_prog(insns, BPF_ASM_COUNT(insns));
    const char *at = rig_text;

    (void)state;
    assert_false(rig_verify(prog, 1));
    for (unsigned i = 0; i < BPF_ASM_COUNT(lines); i++) {
        at = strstr(at, lines[i]);
        if (at == NULL)
            fail_msg("no \"%s\" in \"%s\"", lines[i], rig_text);
    }
    assert_null(strstr(rig_text, "r0 = 9")); /* not on this path */
    assert_false(rig_verify(prog, 0));
    assert_string_equal(rig_text, "R2 invalid mem access 'scalar'\n");
    rig_free(prog);
}

/* A path that is longer than the text has room: its end is there, and the reason. */
static void test_log_that_is_too_small(void **state)
{
    static const struct bpf_insn insns[] = { MOVI(R0, 0),       L(1),
                                             ADDI(R0, 1),       JLTI(R0, 1000, TO(1)),
                                             LDX(W, R0, R0, 0), EXIT() };
    struct bpf_prog *prog = rig_prog(insns, BPF_ASM_COUNT(insns));
    static char text[4096];

    (void)state;
    for (unsigned level = 1; level <= 2; level++) {
        struct bpf_log log = { .text = text, .size = sizeof(text), .level = (uint8_t)level };
        assert_false(bpf_verify(prog, &log));
        assert_non_null(strstr(text, "R0 invalid mem access 'scalar'\n"));
        assert_non_null(strstr(text, "processed 2002 insns"));
        assert_non_null(strstr(text, level == 1 ? "; R0=1000\n" : "; R0=2\n"));
    }
    assert_false(bpf_verify(prog, NULL));
    rig_free(prog);
}

static void test_refused_program_is_untouched(void **state)
{
    static const struct bpf_insn insns[] = { LDX(W, R6, R1, 0), MAP(R1, M_HASH), MOVI(R0, 0),
                                             CALLF(TO(1)),      EXIT(),          L(1),
                                             LDX(B, R0, R6, 0), EXIT() };
    struct bpf_prog *prog = rig_prog(insns, BPF_ASM_COUNT(insns)), before = *prog;
    struct bpf_insn copy[16];

    (void)state;
    memcpy(copy, prog->insns, prog->count * sizeof(copy[0]));
    assert_false(rig_verify(prog, 0));
    assert_memory_equal(prog, &before, sizeof(before));
    assert_memory_equal(prog->insns, copy, prog->count * sizeof(copy[0]));
    rig_free(prog);
}

static void test_rewriting(void **state)
{
    static const struct bpf_insn insns[] = { LDX(W, R2, R1, XDP_MD_DATA),
                                             LDX(W, R3, R1, XDP_MD_DATA_END),
                                             LDX(W, R4, R1, XDP_MD_DATA_META),
                                             LDX(W, R5, R1, XDP_MD_RX_QUEUE_INDEX),
                                             MAP(R6, M_HASH),
                                             MAPV(R7, M_ARRAY, 12),
                                             JEQI(R10, 0, 0),
                                             MOVI(R0, 1),
                                             JEQI(R0, 1, 1),
                                             CALL_NR(84),
                                             STI(DW, R10, -20 + 4, 1),
                                             CALLF(TO(1)),
                                             EXIT(),
                                             L(1),
                                             MAP(R2, M_PROGS),
                                             MOVI(R3, 0),
                                             LDX(W, R0, R1, XDP_MD_INGRESS_IFINDEX),
                                             CALL(tail_call),
                                             RETURN(0) };
    struct bpf_prog *prog = rig_prog(insns, BPF_ASM_COUNT(insns));
    const struct bpf_insn *out;
    uint64_t pointer;

    (void)state;
    if (!rig_verify(prog, 1))
        fail_msg("%s", rig_text);
    out = prog->insns;
    assert_int_equal(out[0].code, BPF_LDX | BPF_MEM | BPF_DW);
    assert_int_equal(out[0].off, offsetof(struct xdp_buff, data));
    assert_int_equal(out[1].off, offsetof(struct xdp_buff, data_end));
    assert_int_equal(out[2].off, offsetof(struct xdp_buff, data_meta));
    assert_int_equal(out[3].code, BPF_LDX | BPF_MEM | BPF_W);
    assert_int_equal(out[3].off, offsetof(struct xdp_buff, rx_queue_index));
    pointer = (uint32_t)out[4].imm | (uint64_t)(uint32_t)out[5].imm << 32;
    assert_ptr_equal((void *)(uintptr_t)pointer, &rig_maps[M_HASH]);
    assert_int_equal(out[4].src, BPF_PSEUDO_MAP_FD);
    pointer = (uint32_t)out[6].imm | (uint64_t)(uint32_t)out[7].imm << 32;
    assert_ptr_equal((void *)(uintptr_t)pointer, rig_values[M_ARRAY] + 12);
    /* nothing leads there: it would not do anything */
    assert_true(out[11].code == (BPF_JMP | BPF_JA) && out[11].off == -1);
    assert_int_equal(prog->subprog_count, 2);
    assert_int_equal(prog->subprogs[1].start, 15);
    assert_int_equal(prog->subprogs[0].stack_bytes, 16);
    assert_int_equal(prog->subprogs[1].stack_bytes, 0);
    assert_true(prog->subprogs[0].tail_call && prog->subprogs[1].tail_call);
    rig_free(prog);
}

static void test_it_runs(void **state)
{
    /* the sum of a frame's first bytes, as many as its first one says, in a function */
    static const struct bpf_insn insns[] = { FRAME(1),
                                             LDX(B, R5, R2, 0),
                                             JGTI(R5, 32, TO(99)),
                                             MOV(R1, R2),
                                             MOV(R2, R3),
                                             MOV(R3, R5),
                                             CALLF(TO(1)),
                                             EXIT(),
                                             SHORT,
                                             L(1),
                                             MOVI(R0, 0),
                                             MOVI(R4, 0),
                                             L(2),
                                             JGE(R4, R3, TO(3)),
                                             MOV(R5, R1),
                                             ADDI(R5, 1),
                                             JGT(R5, R2, TO(3)),
                                             LDX(B, R5, R1, 0),
                                             ADD(R0, R5),
                                             ADDI(R1, 1),
                                             ADDI(R4, 1),
                                             JLTI(R4, 32, TO(2)),
                                             L(3),
                                             EXIT() };
    struct bpf_prog *prog = rig_prog(insns, BPF_ASM_COUNT(insns));
    uint8_t frame[] = { 5, 1, 2, 3, 4, 100, 100 };
    struct xdp_buff xdp = { .data = frame, .data_meta = frame, .data_end = frame + sizeof(frame) };

    (void)state;
    if (!rig_verify(prog, 1))
        fail_msg("%s", rig_text);
    assert_int_equal(bpf_interpret(prog, &xdp), 5 + 1 + 2 + 3 + 4);
    xdp.data_end = frame + 3; /* a frame that ends before */
    assert_int_equal(bpf_interpret(prog, &xdp), 5 + 1 + 2);
    xdp.data_end = frame;
    assert_int_equal(bpf_interpret(prog, &xdp), XDP_PASS);
    rig_free(prog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_paths_that_do_not_matter_are_pruned),
        cmocka_unit_test(test_second_way_is_looked_at),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_log_that_is_too_small),
        cmocka_unit_test(test_refused_program_is_untouched),
        cmocka_unit_test(test_rewriting),
        cmocka_unit_test(test_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
