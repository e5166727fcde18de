/* Functions of a program, helpers and other programs, called by the interpreter and by compiled
 * code. */
#include "../bpf/bpf_asm.h"
#include "../bpf/fake_helpers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FUNCS_MAX 8

struct program {
    struct bpf_prog prog;
    struct bpf_subprog funcs[FUNCS_MAX];
    struct bpf_insn insns[256];
};

/* The functions begin at the labels 100, 101, ... that the program itself need not have. */
static void assemble(struct program *p, const struct bpf_insn *insns, uint32_t count)
{
    uint32_t n = 0;

    memset(p, 0, sizeof(*p));
    p->prog.insns = p->insns;
    p->prog.subprogs = p->funcs;
    p->prog.subprog_count = 1;
    p->prog.verified = true;
    for (uint32_t i = 0; i < count; i++) {
        if (insns[i].code != 0xff)
            n++;
        else if (insns[i].imm >= 100)
            p->funcs[p->prog.subprog_count++].start = n;
    }
    p->prog.count = bpf_asm_link(insns, count, p->insns);
}
#define ASSEMBLE(p, insns) assemble(p, insns, BPF_ASM_COUNT(insns))

static void compile(struct program *p)
{
    assert_true(bpf_jit(&p->prog));
}

static void discard(struct program *p)
{
    bpf_exec_free(p->prog.image);
    bpf_mem_free(p->prog.jit_offsets);
    p->prog.entry = NULL;
}

/* entry(ctx), with values of their own in rbx and r12 to r15, which compiled code has to leave as
 * they are; what they are then goes to kept[5]. */
uint64_t call_keeping(uint64_t (*entry)(void *), void *ctx, uint64_t *kept);
__asm__("call_keeping:\n\t"
        "pushq %rbp; movq %rsp, %rbp\n\t"
        "pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n\t"
        "pushq %rdx\n\t"
        "movq %rdi, %rax\n\t"
        "movq %rsi, %rdi\n\t"
        "movq $0x1111, %rbx; movq $0x2222, %r12; movq $0x3333, %r13\n\t"
        "movq $0x4444, %r14; movq $0x5555, %r15\n\t"
        "call *%rax\n\t"
        "popq %rdx\n\t"
        "movq %rbx, (%rdx); movq %r12, 8(%rdx); movq %r13, 16(%rdx)\n\t"
        "movq %r14, 24(%rdx); movq %r15, 32(%rdx)\n\t"
        "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx\n\t"
        "popq %rbp\n\t"
        "ret");

static uint64_t run_compiled(const struct program *p, void *ctx)
{
    uint64_t kept[5], result = call_keeping(p->prog.entry, ctx, kept);

    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(kept[i], 0x1111 * (i + 1));
    return result;
}

static void both_give(struct program *p, void *ctx, uint64_t wanted)
{
    assert_int_equal(bpf_interpret(&p->prog, ctx), wanted);
    compile(p);
    assert_int_equal(run_compiled(p, ctx), wanted);
    discard(p);
}

static void test_arguments_and_result(void **state)
{
    const struct bpf_insn insns[] = {
        MOVI(R1, 1),    MOVI(R2, 20), MOVI(R3, 300), MOVI(R4, 4000), MOVI(R5, 50000),
        CALLF(TO(100)), ADDI(R0, 1),  EXIT(),        L(100),         MOV(R0, R1),
        ADD(R0, R2),    ADD(R0, R3),  ADD(R0, R4),   ADD(R0, R5),    EXIT(),
    };
    struct program p;

    (void)state;
    ASSEMBLE(&p, insns);
    both_give(&p, NULL, 54322);
}

static void test_registers_of_the_caller_are_kept(void **state)
{
    const struct bpf_insn insns[] = {
        MOVI(R6, 6),
        MOVI(R7, 7),
        MOVI(R8, 8),
        MOVI(R9, 9),
        CALLF(TO(100)),
        MOV(R0, R6),
        MULI(R0, 10),
        ADD(R0, R7),
        MULI(R0, 10),
        ADD(R0, R8),
        MULI(R0, 10),
        ADD(R0, R9),
        EXIT(),
        /* It changes them all, and what it calls one of them. */
        L(100),
        MOVI(R6, 60),
        MOVI(R7, 70),
        MOVI(R8, 80),
        MOVI(R9, 90),
        CALLF(TO(101)),
        EXIT(),
        L(101),
        MOVI(R7, 700),
        MOVI(R0, 0),
        EXIT(),
    };
    struct program p;

    (void)state;
    ASSEMBLE(&p, insns);
    both_give(&p, NULL, 6789);
}

/* Every frame has its own part of the stack, which the frames below do not touch; a pointer into
 * it works for them all the same. */
static void test_frames_share_the_stack(void **state)
{
    const struct bpf_insn insns[] = {
        STI(DW, R10, -8, 1),
        STI(DW, R10, -16, 2),
        MOV(R1, R10),
        ADDI(R1, -16),
        CALLF(TO(100)),
        LDX(DW, R6, R10, -8),
        LDX(DW, R7, R10, -16),
        MULI(R0, 100),
        MULI(R6, 10),
        ADD(R0, R6),
        ADD(R0, R7),
        EXIT(),
        /* *r1 = 5, through a pointer; returns 3 */
        L(100),
        STI(DW, R10, -8, 30),
        STI(DW, R10, -24, 40),
        MOV(R6, R1),
        MOV(R1, R10),
        CALLF(TO(101)),
        STI(DW, R6, 0, 5),
        LDX(DW, R0, R10, -8),
        LDX(DW, R1, R10, -24),
        SUBI(R1, 13),
        SUB(R0, R1),
        EXIT(),
        L(101),
        STI(DW, R10, -8, 99),
        STI(DW, R1, -24, 40),
        MOVI(R0, 0),
        EXIT(),
    };
    struct program p;

    (void)state;
    ASSEMBLE(&p, insns);
    p.funcs[0].stack_bytes = 16;
    p.funcs[1].stack_bytes = 24;
    p.funcs[2].stack_bytes = 8;
    both_give(&p, NULL, 315);
}

static void test_eight_frames(void **state)
{
    struct bpf_insn insns[64];
    struct program p;
    uint32_t n = 0;

    (void)state;
    /* Each puts its number on its stack, calls the next one, and adds the number to its result. */
    for (int i = 0; i < 8; i++) {
        if (i > 0)
            insns[n++] = (struct bpf_insn)L(100 + i);
        insns[n++] = (struct bpf_insn)STI(DW, R10, -64, 1 << i);
        insns[n++] = (struct bpf_insn)MOVI(R0, 0);
        if (i < 7)
            insns[n++] = (struct bpf_insn)CALLF(TO(101 + i));
        insns[n++] = (struct bpf_insn)LDX(DW, R1, R10, -64);
        insns[n++] = (struct bpf_insn)ADD(R0, R1);
        insns[n++] = (struct bpf_insn)EXIT();
    }
    assemble(&p, insns, n);
    for (int i = 0; i < 8; i++)
        p.funcs[i].stack_bytes = 64;
    both_give(&p, NULL, 255);
}

/* A function may be called from several places, and before it, and may loop to its first
 * instruction, which is behind its prologue. */
static void test_a_jump_to_a_functions_beginning(void **state)
{
    const struct bpf_insn insns[] = {
        MOVI(R2, 0),    MOVI(R1, 5),        CALLF(TO(100)), MOV(R6, R0), MOVI(R2, 0), MOVI(R1, 7),
        CALLF(TO(100)), ADD(R0, R6),        EXIT(),         L(100),      L(1),        ADD(R2, R1),
        SUBI(R1, 1),    JNEI(R1, 0, TO(1)), MOV(R0, R2),    MOVI(R9, 9), EXIT(),
    };
    struct program p;

    (void)state;
    ASSEMBLE(&p, insns);
    both_give(&p, NULL, 15 + 28);
}

static void test_helpers(void **state)
{
    const struct bpf_insn insns[] = {
        MOVI(R6, 1000), MOVI(R1, 1),       MOVI(R2, 2), MOVI(R3, 3), MOVI(R4, 4),
        MOVI(R5, 5),    CALL_NR(FAKE_MIX), ADD(R0, R6), EXIT(),
    };
    struct program p;

    (void)state;
    ASSEMBLE(&p, insns);
    both_give(&p, NULL, 1000 + 1 + 6 + 15 + 28 + 55);
}

/* C wants its stack aligned to 16 bytes, whatever the frames of the program are. */
static void test_helpers_find_an_aligned_stack(void **state)
{
    for (unsigned stack = 0; stack <= 32; stack += 8) {
        for (unsigned saved = 0; saved <= 4; saved++) {
            struct bpf_insn insns[16];
            struct program p;
            uint32_t n = 0;

            (void)state;
            for (unsigned i = 0; i < saved; i++)
                insns[n++] = (struct bpf_insn)MOVI(R6 + i, 1);
            insns[n++] = (struct bpf_insn)CALLF(TO(100));
            insns[n++] = (struct bpf_insn)EXIT();
            insns[n++] = (struct bpf_insn)L(100);
            for (unsigned i = 0; i < saved; i++)
                insns[n++] = (struct bpf_insn)MOVI(R6 + i, 2);
            insns[n++] = (struct bpf_insn)CALL_NR(FAKE_ALIGNED);
            insns[n++] = (struct bpf_insn)EXIT();
            assemble(&p, insns, n);
            p.funcs[0].stack_bytes = (uint16_t)stack;
            p.funcs[1].stack_bytes = (uint16_t)(stack + 8);
            both_give(&p, NULL, 1);
        }
    }
}

/* ---- Tail calls ---- */

static struct fake_prog_array array;
static uint64_t counter;

/* counter += add; tail_call(ctx, array, index); return otherwise */
static void tail_caller(struct program *p, int add, int index, int otherwise)
{
    const struct bpf_insn insns[] = {
        MOV(R6, R1),
        LD64(R7, (uintptr_t)&counter),
        LDX(DW, R0, R7, 0),
        ADDI(R0, add),
        STX(DW, R7, 0, R0),
        MOV(R1, R6),
        LD64(R2, (uintptr_t)&array.map),
        MOVI(R3, index),
        CALL(tail_call),
        MOVI(R0, otherwise),
        EXIT(),
    };

    ASSEMBLE(p, insns);
    p->funcs[0].tail_call = true;
}

/* return *(u64 *)ctx + add */
static void ctx_reader(struct program *p, int add)
{
    const struct bpf_insn insns[] = {
        LDX(DW, R0, R1, 0), ADDI(R0, add), MOVI(R6, 1), MOVI(R9, 1), STI(DW, R10, -512, 1), EXIT(),
    };

    ASSEMBLE(p, insns);
    p->funcs[0].stack_bytes = 512;
}

static void test_a_tail_call_goes_to_the_program(void **state)
{
    struct program first, second, third;
    uint64_t ctx = 70;

    (void)state;
    memset(&array, 0, sizeof(array));
    tail_caller(&first, 1, 1, 99);
    tail_caller(&second, 10, 2, 98);
    ctx_reader(&third, 7);
    array.progs[1] = &second.prog;
    array.progs[2] = &third.prog;
    for (int compiled = 0; compiled < 8; compiled++) { /* any mixture */
        if ((compiled & 1) != 0)
            compile(&first);
        if ((compiled & 2) != 0)
            compile(&second);
        if ((compiled & 4) != 0)
            compile(&third);
        counter = 0;
        assert_int_equal((compiled & 1) != 0 ? run_compiled(&first, &ctx)
                                             : bpf_interpret(&first.prog, &ctx),
                         77);
        assert_int_equal(counter, 11);
        if ((compiled & 1) != 0)
            discard(&first);
        if ((compiled & 2) != 0)
            discard(&second);
        if ((compiled & 4) != 0)
            discard(&third);
    }
}

static void test_a_tail_call_to_nothing_goes_on(void **state)
{
    static const int nothing[] = { 0, 4, -1 };
    struct program first;

    (void)state;
    memset(&array, 0, sizeof(array));
    for (unsigned i = 0; i < 3; i++) {
        tail_caller(&first, 1, nothing[i], 99);
        both_give(&first, NULL, 99);
    }
}

/* The index is 32 bits wide. */
static void test_the_upper_half_of_the_index_is_ignored(void **state)
{
    const struct bpf_insn insns[] = {
        LD64(R2, (uintptr_t)&array.map),
        LD64(R3, 0x300000001),
        CALL(tail_call),
        MOVI(R0, 99),
        EXIT(),
    };
    struct program first, second;
    uint64_t ctx = 5;

    (void)state;
    memset(&array, 0, sizeof(array));
    ASSEMBLE(&first, insns);
    first.funcs[0].tail_call = true;
    ctx_reader(&second, 1);
    array.progs[1] = &second.prog;
    both_give(&first, &ctx, 6);
}

/* A chain of 33 tail calls and no more: the program runs 34 times. */
static void test_a_chain_ends(void **state)
{
    struct program p;

    (void)state;
    memset(&array, 0, sizeof(array));
    tail_caller(&p, 1, 0, 99);
    array.progs[0] = &p.prog;
    counter = 0;
    assert_int_equal(bpf_interpret(&p.prog, NULL), 99);
    assert_int_equal(counter, BPF_TAIL_CALLS_MAX + 1);
    compile(&p);
    for (int i = 0; i < 2; i++) { /* each run counts anew */
        counter = 0;
        assert_int_equal(run_compiled(&p, NULL), 99);
        assert_int_equal(counter, BPF_TAIL_CALLS_MAX + 1);
    }
    discard(&p);
}

/* The chain counts what functions do: each call of the function makes tail calls until the count
 * is used up, and the second call of it makes none. The function's caller gets the result. */
static void functions_that_tail_call(struct program *p, int index)
{
    const struct bpf_insn insns[] = {
        MOV(R6, R1),
        STI(DW, R10, -8, 4000),
        CALLF(TO(100)),
        MOV(R7, R0),
        MOV(R1, R6),
        CALLF(TO(100)),
        ADD(R0, R7),
        LDX(DW, R1, R10, -8),
        ADD(R0, R1),
        EXIT(),
        L(100),
        LD64(R7, (uintptr_t)&counter),
        LDX(DW, R0, R7, 0),
        ADDI(R0, 1),
        STX(DW, R7, 0, R0),
        LD64(R2, (uintptr_t)&array.map),
        MOVI(R3, index),
        STI(DW, R10, -16, 1),
        CALL(tail_call),
        MOVI(R0, 50),
        EXIT(),
    };

    ASSEMBLE(p, insns);
    p->funcs[0].stack_bytes = 8;
    p->funcs[1].stack_bytes = 16;
    p->funcs[0].tail_call = p->funcs[1].tail_call = true;
}

static void test_functions_tail_call(void **state)
{
    struct program p, reader;
    uint64_t ctx = 100;

    (void)state;
    memset(&array, 0, sizeof(array));
    functions_that_tail_call(&p, 1);
    ctx_reader(&reader, 1);
    array.progs[1] = &reader.prog;
    both_give(&p, &ctx, 4000 + 2 * 101);
    compile(&reader);
    both_give(&p, &ctx, 4000 + 2 * 101);
    discard(&reader);
    array.progs[1] = NULL;
    both_give(&p, &ctx, 4000 + 2 * 50);
}

static void test_functions_share_the_count(void **state)
{
    struct program p, other;

    (void)state;
    memset(&array, 0, sizeof(array));
    /* p calls its function, which calls the other program, until the count is used up: then the
     * other's function returns 99, and each caller adds its own. */
    functions_that_tail_call(&p, 1);
    tail_caller(&other, 1000, 0, 99);
    array.progs[0] = &p.prog;
    array.progs[1] = &other.prog;
    counter = 0;
    bpf_interpret(&p.prog, NULL);
    uint64_t interpreted = counter;
    assert_true(interpreted % 1000 > 0);
    /* 33 tail calls in all, whoever made them: the other program is entered 17 times. */
    assert_int_equal(interpreted / 1000, (BPF_TAIL_CALLS_MAX + 1) / 2);
    uint64_t result = bpf_interpret(&p.prog, NULL);
    compile(&p);
    compile(&other);
    counter = 0;
    assert_int_equal(run_compiled(&p, NULL), result);
    assert_int_equal(counter, interpreted);
    discard(&other); /* interpreted, from compiled code on */
    counter = 0;
    assert_int_equal(run_compiled(&p, NULL), result);
    assert_int_equal(counter, interpreted);
    discard(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments_and_result),
        cmocka_unit_test(test_registers_of_the_caller_are_kept),
        cmocka_unit_test(test_frames_share_the_stack),
        cmocka_unit_test(test_eight_frames),
        cmocka_unit_test(test_a_jump_to_a_functions_beginning),
        cmocka_unit_test(test_helpers),
        cmocka_unit_test(test_helpers_find_an_aligned_stack),
        cmocka_unit_test(test_a_tail_call_goes_to_the_program),
        cmocka_unit_test(test_a_tail_call_to_nothing_goes_on),
        cmocka_unit_test(test_the_upper_half_of_the_index_is_ignored),
        cmocka_unit_test(test_a_chain_ends),
        cmocka_unit_test(test_functions_tail_call),
        cmocka_unit_test(test_functions_share_the_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
