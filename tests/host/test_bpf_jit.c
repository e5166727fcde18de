/* What of the JIT can not be seen in results: how long its code is, where it ends, and what it does
 * without memory. Memory for code is this test's own. */
#include "../bpf/bpf_asm.h"
#include "../bpf/fake_helpers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define CODE_BYTES (4u << 20)

static unsigned allocations_left = 1000, held;
static void *wanted_place; /* for code; NULL: anywhere */
static bool sealed;

void *bpf_mem_alloc(size_t bytes)
{
    if (allocations_left == 0)
        return NULL;
    allocations_left--;
    held++;
    return calloc(1, bytes);
}

void bpf_mem_free(void *p)
{
    held -= p != NULL;
    free(p);
}

void *bpf_exec_alloc(size_t bytes)
{
    void *p;

    assert_true(bytes > 0 && bytes <= CODE_BYTES);
    if (allocations_left == 0)
        return NULL;
    allocations_left--;
    p = mmap(wanted_place, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    held++;
    sealed = false;
    return p;
}

void bpf_exec_seal(void *p)
{
    assert_int_equal(mprotect(p, CODE_BYTES, PROT_READ | PROT_EXEC), 0);
    sealed = true;
}

void bpf_exec_free(void *p)
{
    if (p == NULL)
        return;
    munmap(p, CODE_BYTES);
    held--;
}

static struct bpf_insn insns[BPF_INSNS_MAX];
static struct bpf_subprog func;
static struct bpf_prog prog;
static uint32_t offsets[BPF_INSNS_MAX + 1];

static void program(const struct bpf_insn *in, uint32_t count)
{
    memset(&prog, 0, sizeof(prog));
    memset(&func, 0, sizeof(func));
    prog.count = bpf_asm_link(in, count, insns);
    prog.insns = insns;
    prog.subprogs = &func;
    prog.subprog_count = 1;
    prog.verified = true;
}
#define PROGRAM(...)                                                                               \
    do {                                                                                           \
        static const struct bpf_insn in_[] = { __VA_ARGS__ };                                      \
        program(in_, BPF_ASM_COUNT(in_));                                                          \
    } while (0)

static uint64_t run(void)
{
    uint64_t result;

    assert_true(bpf_jit(&prog));
    assert_true(sealed);
    result = prog.entry(NULL);
    bpf_exec_free(prog.image);
    bpf_mem_free(prog.jit_offsets);
    return result;
}

static size_t emit(uint8_t *out, size_t room, uint64_t address)
{
    uint32_t tail_entry;

    return bpf_jit_emit(&prog, address, out, room, offsets, &tail_entry);
}

/* Bytes of the code of instruction `i`, behind the prologue where it is the first one */
static uint32_t bytes_of(uint32_t i)
{
    emit(NULL, 0, 0);
    return offsets[i + 1] - offsets[i];
}

static void test_code_is_short(void **state)
{
    (void)state;
    PROGRAM(MOVI(R0, 0), EXIT());
    assert_int_equal(bytes_of(0), 2); /* xor eax, eax */
    PROGRAM(MOVI(R0, 1), EXIT());
    assert_int_equal(bytes_of(0), 5);
    PROGRAM(LD64(R0, 0x80000000), EXIT());
    assert_int_equal(bytes_of(0), 5);
    PROGRAM(LD64(R0, -1), EXIT());
    assert_int_equal(bytes_of(0), 7);
    PROGRAM(LD64(R0, 0x123456789), EXIT());
    assert_int_equal(bytes_of(0), 10);
    PROGRAM(ADDI(R0, 127), EXIT());
    assert_int_equal(bytes_of(0), 4);
    PROGRAM(ADDI(R0, 128), EXIT());
    assert_int_equal(bytes_of(0), 7);
    PROGRAM(MOV(R1, R1), EXIT());
    assert_int_equal(bytes_of(0), 0);
    PROGRAM(JA(0), EXIT());
    assert_int_equal(bytes_of(0), 0);
    PROGRAM(MODI(R0, 64), EXIT()); /* no division by a power of two */
    assert_int_equal(bytes_of(0), 3);
    PROGRAM(DIVI(R0, 64), EXIT());
    assert_int_equal(bytes_of(0), 4);
    PROGRAM(LDX(B, R0, R1, 0), EXIT());
    assert_int_equal(bytes_of(0), 3); /* movzx eax, byte [rdi] */
    PROGRAM(JEQI(R1, 0, 1), MOVI(R0, 1), EXIT());
    assert_int_equal(bytes_of(0), 5); /* test, je */
}

/* push rbp; mov rbp, rsp; ...; leave; ret, and nothing saved that is not used */
static void test_prologues_save_what_is_used(void **state)
{
    (void)state;
    PROGRAM(MOVI(R0, 0), EXIT());
    assert_int_equal(emit(NULL, 0, 0), 4 + 2 + 2);
    PROGRAM(MOVI(R6, 0), MOVI(R0, 0), EXIT());
    assert_int_equal(emit(NULL, 0, 0), 4 + 1 + 2 + 2 + 1 + 2);
    PROGRAM(MOVI(R0, 0), EXIT());
    func.stack_bytes = 8;
    assert_int_equal(emit(NULL, 0, 0), 4 + 4 + 2 + 2);
}

/* A jump over code of every length around the greatest that a short one has */
static void test_jumps_of_every_length(void **state)
{
    (void)state;
    for (unsigned over = 0; over < 60; over++) {
        for (unsigned odd = 0; odd < 4; odd++) {
            struct bpf_insn in[100];
            uint32_t n = 0, jump;

            in[n++] = (struct bpf_insn)MOVI(R0, 1);
            jump = n;
            in[n++] = (struct bpf_insn)JEQI(R0, 1, TO(1));
            for (unsigned i = 0; i < odd; i++)
                in[n++] = (struct bpf_insn)MOVI(R0, 0); /* 2 bytes */
            for (unsigned i = 0; i < over; i++)
                in[n++] = (struct bpf_insn)ADDI(R0, 7); /* 4 bytes */
            in[n++] = (struct bpf_insn)L(1);
            in[n++] = (struct bpf_insn)ADDI(R0, 1);
            in[n++] = (struct bpf_insn)JEQI(R0, 3, TO(2));
            in[n++] = (struct bpf_insn)JEQI(R0, 2, TO(1)); /* once more */
            in[n++] = (struct bpf_insn)L(2);
            in[n++] = (struct bpf_insn)EXIT();
            program(in, n);
            assert_int_equal(run(), 3);
            if (2 * odd + 4 * over > 0)
                assert_int_equal(bytes_of(jump), 4 + (2 * odd + 4 * over > 127 ? 6 : 2));
        }
    }
}

static void test_the_longest_program(void **state)
{
    static struct bpf_insn in[BPF_INSNS_MAX];
    uint32_t n = 0;

    (void)state;
    /* Every jump goes over all jumps behind it, to the end and back. */
    in[n++] = (struct bpf_insn)MOVI(R0, 0);
    in[n++] = (struct bpf_insn)MOVI(R1, -1);
    in[n++] = (struct bpf_insn)MOVI(R2, 0);
    in[n++] = (struct bpf_insn)MOVI(R3, 0);
    while (n < BPF_INSNS_MAX - 4) {
        in[n++] = (struct bpf_insn)ADDI(R0, 1);
        in[n] = (struct bpf_insn)JEQ(R0, R1, 0);
        in[n].off = (int16_t)(BPF_INSNS_MAX - 2 - n);
        n++;
    }
    in[n++] = (struct bpf_insn)ADDI(R2, 0);
    in[n++] = (struct bpf_insn)JA(0);
    in[n++] = (struct bpf_insn)ADDI(R0, 1000);
    in[n++] = (struct bpf_insn)EXIT();
    assert_int_equal(n, BPF_INSNS_MAX);
    program(in, n);
    assert_int_equal(run(), (BPF_INSNS_MAX - 8) / 2 + 1000);
}

/* Each jump is short enough only when the next one is, and passes go the other way: those that are
 * not waited for stay long, and right. */
static void test_jumps_that_depend_on_each_other(void **state)
{
    static struct bpf_insn in[2000];
    uint32_t n = 0, jumps = 0, is_long = 0;

    (void)state;
    in[n++] = (struct bpf_insn)MOVI(R0, 7);
    /* je is 2 or 6 bytes behind a test of 3: 13 of them and more reach over 125 to 129 bytes */
    for (; jumps < 300; jumps++) {
        in[n] = (struct bpf_insn)JEQI(R0, 0, 25);
        n++;
    }
    for (unsigned i = 0; i < 26; i++)
        in[n++] = (struct bpf_insn)MOV(R1, R2); /* 3 bytes */
    in[n++] = (struct bpf_insn)ADDI(R0, 1);
    in[n++] = (struct bpf_insn)EXIT();
    program(in, n);
    emit(NULL, 0, 0);
    for (uint32_t i = 1; i <= jumps; i++)
        is_long += offsets[i + 1] - offsets[i] == 9;
    assert_in_range(is_long, 1, jumps - 2);
    assert_int_equal(run(), 8);
    in[0].imm = 0; /* all are taken */
    in[n - 2] = (struct bpf_insn)ADDI(R0, 2);
    program(in, n);
    assert_int_equal(run(), 2);
}

static void test_nothing_is_written_behind_the_room(void **state)
{
    uint8_t whole[256], part[256];
    size_t bytes;

    (void)state;
    PROGRAM(MOVI(R6, 5), MOVI(R7, 3), SDIV(R6, R7), MOD32(R6, R7), LSH(R6, R7), CALL_NR(FAKE_MIX),
            ATOMIC(DW, BPF_XOR | BPF_FETCH, R10, -8, R6), JNEI(R0, 5, -4), EXIT());
    func.stack_bytes = 8;
    bytes = emit(whole, sizeof(whole), 0x10000);
    assert_true(bytes < sizeof(whole));
    for (size_t room = 0; room <= bytes; room++) {
        memset(part, 0xaa, sizeof(part));
        assert_int_equal(emit(part, room, 0x10000), bytes);
        assert_memory_equal(part, whole, room);
        for (size_t i = room; i < sizeof(part); i++)
            assert_int_equal(part[i], 0xaa);
    }
}

/* A helper within 2 GiB is called by its distance, any other by its address. */
static void test_helpers_near_and_far(void **state)
{
    uintptr_t helper = (uintptr_t)fake_mix;

    (void)state;
    PROGRAM(MOVI(R1, 1), MOVI(R2, 0), MOVI(R3, 0), MOVI(R4, 0), MOVI(R5, 2), CALL_NR(FAKE_MIX),
            EXIT());
    emit(NULL, 0, helper + 0x100000);
    assert_int_equal(offsets[6] - offsets[5], 5);
    emit(NULL, 0, helper + (4ull << 30));
    assert_int_equal(offsets[6] - offsets[5], 12);
    wanted_place = (void *)((helper & ~0xfffull) + (64u << 20));
    assert_int_equal(run(), 23);
    wanted_place = (void *)((helper & ~0xfffull) - (64u << 20));
    assert_int_equal(run(), 23);
    wanted_place = (void *)((helper & ~0xfffull) + (8ull << 30));
    assert_int_equal(run(), 23);
    wanted_place = NULL;
}

static void test_without_memory_the_program_stays_as_it_is(void **state)
{
    unsigned before = held;

    (void)state;
    PROGRAM(MOVI(R0, 5), EXIT());
    for (unsigned left = 0; left < 2; left++) {
        allocations_left = left;
        assert_false(bpf_jit(&prog));
        assert_null(prog.entry);
        assert_null(prog.image);
        assert_null(prog.jit_offsets);
        assert_int_equal(held, before);
    }
    allocations_left = 1000;
    assert_int_equal(run(), 5);
    assert_int_equal(held, before);
}

/* Where each instruction is, for who shows the code */
static void test_offsets(void **state)
{
    size_t bytes;

    (void)state;
    PROGRAM(MOVI(R0, 5), LD64(R1, 0x123456789), ADD(R0, R1), EXIT());
    bytes = emit(NULL, 0, 0);
    assert_int_equal(offsets[0], 4);
    assert_int_equal(offsets[1], 9);
    assert_int_equal(offsets[2], 19); /* a second half has no code */
    assert_int_equal(offsets[3], 19);
    assert_int_equal(offsets[4], 22);
    assert_int_equal(offsets[5], bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_is_short),
        cmocka_unit_test(test_prologues_save_what_is_used),
        cmocka_unit_test(test_jumps_of_every_length),
        cmocka_unit_test(test_the_longest_program),
        cmocka_unit_test(test_jumps_that_depend_on_each_other),
        cmocka_unit_test(test_nothing_is_written_behind_the_room),
        cmocka_unit_test(test_helpers_near_and_far),
        cmocka_unit_test(test_without_memory_the_program_stays_as_it_is),
        cmocka_unit_test(test_offsets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
