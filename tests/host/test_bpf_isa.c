/* Every eBPF instruction with edge operands, by the interpreter and by compiled code. */
#include "../bpf/fake_helpers.h"
#include "../bpf/isa_run.h"
#include "bpf_linux.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static struct isa_run run;

static void say(const char *what, unsigned row, const char *engine, uint64_t result)
{
    print_message("%s, vector %u: %s: %#llx\n", what, row, engine, (unsigned long long)result);
}

static void test_vectors(void **state)
{
    (void)state;
    run.stride = 5;
    run.say = say;
    isa_run_all(&run);
    assert_true(run.vectors > 2000);
    assert_int_equal(run.passed, run.vectors);
}

/* Linux's kernel agrees with every one of them, where root may ask it. */
static uint64_t run_by_linux(const struct bpf_insn *insns, uint32_t count)
{
    uint8_t frame[64] = { 0 };
    size_t bytes = sizeof(frame);
    int fd = linux_prog_load(insns, count), error = 0;
    uint32_t result;

    if (fd < 0)
        return (uint64_t)fd;
    result = linux_prog_run(fd, frame, &bytes, sizeof(frame), &error);
    linux_close(fd);
    return error != 0 ? (uint64_t)error : result;
}

static void test_vectors_on_linux(void **state)
{
    (void)state;
    if (!linux_bpf_permitted()) {
        print_message("bpf(2) is not permitted here: Linux 6.18 agreed when it was\n");
        return;
    }
    run.vectors = run.passed = 0;
    run.stride = 41;
    run.say = say;
    run.other = run_by_linux;
    isa_run_all(&run);
    run.other = NULL;
    assert_true(run.vectors > 2000);
    assert_int_equal(run.passed, run.vectors);
}

/* A wrong expectation is seen: the programs do compare. */
static unsigned said;
static void count(const char *what, unsigned row, const char *engine, uint64_t result)
{
    (void)what;
    (void)row;
    (void)engine;
    said += result != 0;
}

static void test_vectors_can_fail(void **state)
{
    static const struct isa_alu wrong = { BPF_ALU64 | BPF_ADD, 0, 1, 1, 3 };
    static const struct isa_jump not_taken = { BPF_JMP | BPF_JEQ, 1, 1, false };
    static const struct isa_memory store = { BPF_STX | BPF_MEM | BPF_B, 1, 0, 2, 1 };
    static const struct isa_atomic fetched = { BPF_DW, BPF_ADD | BPF_FETCH, 1, 2, 3, 1, 0, 0 };

    (void)state;
    run.say = count;
    for (unsigned i = 0; i < 4; i++) {
        said = 0;
        isa_begin(&run);
        if (i == 0)
            isa_alu_pair(&run, &wrong, BPF_R2, BPF_R3, false);
        else if (i == 1)
            isa_jump_pair(&run, &not_taken, BPF_R2, BPF_R3, false);
        else if (i == 2)
            isa_memory_pair(&run, &store, BPF_R2, BPF_R3, 8);
        else
            isa_atomic_pair(&run, &fetched, BPF_R2, BPF_R3, 8);
        isa_end_vector(&run, "wrong", i);
        assert_int_equal(said, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_vectors_on_linux),
        cmocka_unit_test(test_vectors_can_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
