/* Random programs: the interpreter, whose every access is checked, and compiled code end with the
 * same registers and memory. SEED=n in the environment: other programs. */
#include "../../net/bpf/bpf_shadow.h"
#include "../bpf/bpf_random.h"
#include "../bpf/fake_helpers.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define PROGRAMS  4000u
#define BYTES_MAX 1024u

static uint64_t state64;

static uint64_t next_random(void) /* xorshift64 */
{
    state64 ^= state64 << 13;
    state64 ^= state64 >> 7;
    state64 ^= state64 << 17;
    return state64;
}

struct image {
    uint64_t result;
    uint8_t ctx[RANDOM_CTX_BYTES];
};

static void run(struct random_program *p, bool compiled, struct image *image)
{
    /* At the same place for both: addresses may not matter, but would explain nothing either. */
    static uint8_t ctx[RANDOM_CTX_BYTES] __attribute__((aligned(16)));

    for (unsigned i = 0; i < sizeof(ctx); i++)
        ctx[i] = (uint8_t)(i * 7);
    bpf_shadow_reset();
    bpf_shadow_add(ctx, sizeof(ctx), true);
    image->result = compiled ? p->prog.entry(ctx) : bpf_interpret(&p->prog, ctx);
    memcpy(image->ctx, ctx, sizeof(ctx));
}

static void test_both_engines_agree(void **state)
{
    static struct random_program program;
    const char *seed = getenv("SEED");
    uint64_t insns = 0;

    (void)state;
    state64 = 0x9e3779b97f4a7c15 + (seed != NULL ? strtoull(seed, NULL, 0) : 0);
    for (unsigned n = 0; n < PROGRAMS; n++) {
        uint8_t bytes[BYTES_MAX];
        size_t size = next_random() % BYTES_MAX;
        struct image interpreted, compiled;

        for (unsigned i = 0; i < size; i++)
            bytes[i] = (uint8_t)(next_random() >> 32);
        random_make(&program, bytes, size, FAKE_MIX);
        insns += program.prog.count;
        run(&program, false, &interpreted);
        assert_true(bpf_jit(&program.prog));
        run(&program, true, &compiled);
        if (memcmp(&interpreted, &compiled, sizeof(compiled)) != 0)
            fail_msg("program %u of seed %s differs", n, seed != NULL ? seed : "0");
        bpf_exec_free(program.prog.image);
        bpf_mem_free(program.prog.jit_offsets);
    }
    assert_true(insns > 100ull * PROGRAMS);
}

/* ---- The check of accesses itself ---- */

static bool is_caught(const struct bpf_insn *insns, uint32_t count, uint16_t stack_bytes)
{
    struct bpf_subprog func = { .stack_bytes = stack_bytes };
    struct bpf_prog prog = { .insns = (struct bpf_insn *)(uintptr_t)insns,
                             .count = count,
                             .subprogs = &func,
                             .subprog_count = 1,
                             .verified = true };
    static uint8_t ctx[64], read_only[16];
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        signal(SIGABRT, SIG_DFL);
        bpf_shadow_reset();
        bpf_shadow_add(ctx, 32, true);
        bpf_shadow_add(read_only, sizeof(read_only), false);
        bpf_interpret(&prog, (uintptr_t)insns[0].imm == 1 ? read_only : ctx);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_accesses_are_checked(void **state)
{
#define ACCESS(code_, base, src_, off_, which)                                                     \
    {                                                                                              \
        { BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, which }, { code_, (base), (src_), (off_), 0 },     \
            { BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },                                                    \
    }
    static const struct {
        struct bpf_insn insns[3];
        bool caught;
    } cases[] = {
        { ACCESS(BPF_STX | BPF_MEM | BPF_DW, 1, 0, 24, 0), false },
        { ACCESS(BPF_STX | BPF_MEM | BPF_DW, 1, 0, 25, 0), true },
        { ACCESS(BPF_STX | BPF_MEM | BPF_B, 1, 0, -1, 0), true },
        { ACCESS(BPF_STX | BPF_MEM | BPF_DW, 10, 0, -16, 0), false },
        { ACCESS(BPF_STX | BPF_MEM | BPF_DW, 10, 0, -17, 0), true },
        { ACCESS(BPF_STX | BPF_MEM | BPF_DW, 10, 0, 0, 0), true },
        { ACCESS(BPF_LDX | BPF_MEM | BPF_W, 0, 10, -16, 0), false },
        { ACCESS(BPF_LDX | BPF_MEM | BPF_W, 0, 10, -20, 0), true },
        { ACCESS(BPF_LDX | BPF_MEM | BPF_W, 0, 1, 0, 1), false },
        { ACCESS(BPF_STX | BPF_MEM | BPF_W, 1, 0, 0, 1), true },
        { ACCESS(BPF_STX | BPF_ATOMIC | BPF_W, 1, 0, 4, 0), false },
        { ACCESS(BPF_STX | BPF_ATOMIC | BPF_W, 1, 0, 4, 1), true },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (is_caught(cases[i].insns, 3, 16) != cases[i].caught)
            fail_msg("case %u", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_engines_agree),
        cmocka_unit_test(test_accesses_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
