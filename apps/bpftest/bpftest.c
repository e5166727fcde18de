/*
 * A test as an app (make APP=bpftest): the vectors of tests/bpf, which the host's tests run, by the
 * kernel's own interpreter and JIT, with code in memory that was made executable and helpers and
 * maps as they are here. It says how many passed, for tests/qemu/test_bpftest.py.
 */
#include "../../net/bpf/helper.h"
#include "../../tests/bpf/bpf_asm.h"
#include "../../tests/bpf/isa_run.h"
#include <apps/app.h>
#include <kernel/printk.h>

#define STRIDE   41 /* of pairs of registers: an emulator is slow */
#define SAID_MAX 20u

static struct isa_run run;
static unsigned said;

static void say(const char *what, unsigned row, const char *engine, uint64_t result)
{
    if (said++ < SAID_MAX)
        printk("bpftest: %s, vector %u: %s: 0x%llx", what, row, engine, (unsigned long long)result);
}

/* A program of our own instead of a vector's: `func` is where its function begins, 0: it has none.
 */
static struct bpf_prog *program(struct bpf_prog *prog, struct bpf_subprog *funcs,
                                struct bpf_insn *insns, uint32_t count, uint32_t func)
{
    memset(prog, 0, sizeof(*prog));
    memset(funcs, 0, 2 * sizeof(*funcs));
    prog->insns = insns;
    prog->count = count;
    prog->subprogs = funcs;
    prog->subprog_count = func != 0 ? 2 : 1;
    prog->verified = true;
    funcs[1].start = func;
    return prog;
}

static void both_give(struct bpf_prog *prog, const char *what, uint64_t wanted)
{
    uint64_t interpreted = bpf_interpret(prog, NULL), compiled = ~wanted;

    run.vectors++;
    if (bpf_jit(prog)) {
        compiled = prog->entry(NULL);
        bpf_exec_free(prog->image);
        bpf_mem_free(prog->jit_offsets);
        prog->entry = NULL;
    }
    if (interpreted != wanted)
        say(what, 0, "interpreter", interpreted);
    if (compiled != wanted)
        say(what, 0, "JIT", compiled);
    run.passed += interpreted == wanted && compiled == wanted;
}

static void test_functions(void)
{
    struct bpf_insn insns[] = {
        MOVI(R6, 6),
        MOVI(R9, 9),
        STI(DW, R10, -8, 50),
        MOV(R1, R10),
        CALLF(6),
        LDX(DW, R1, R10, -8),
        ADD(R0, R1),
        ADD(R0, R6),
        MUL(R0, R9),
        EXIT(),
        EXIT(),
        /* *(r1 - 8) += 1, and a stack of its own */
        MOVI(R6, 1),
        STI(DW, R10, -8, 7),
        ATOMIC(DW, BPF_ADD, R1, -8, R6),
        LDX(DW, R0, R10, -8),
        MOVI(R9, 0),
        EXIT(),
    };
    struct bpf_subprog funcs[2];
    struct bpf_prog prog;

    program(&prog, funcs, insns, ARRAY_SIZE(insns), 11);
    funcs[0].stack_bytes = funcs[1].stack_bytes = 8;
    both_give(&prog, "functions", (7 + 51 + 6) * 9);
}

static void test_helpers(void)
{
    struct bpf_insn insns[] = {
        CALL(ktime_get_ns), MOV(R6, R0),        CALL(get_smp_processor_id),
        MOV(R7, R0),        CALL(ktime_get_ns), JGE(R0, R6, 1),
        MOVI(R7, 1),        MOV(R0, R7),        EXIT(),
    };
    struct bpf_subprog funcs[2];
    struct bpf_prog prog;

    both_give(program(&prog, funcs, insns, ARRAY_SIZE(insns), 0), "helpers", 0);
}

/* A program that tail calls itself runs 34 times. */
static void test_tail_calls(void)
{
    const struct bpf_map_def def = { BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 2, 0 };
    const char *why = "";
    struct bpf_map *map = bpf_map_create(&def, "bpftest", &why);
    static uint64_t entered;
    struct bpf_insn insns[] = {
        LD64(R6, (uintptr_t)&entered),
        LDX(DW, R0, R6, 0),
        ADDI(R0, 1),
        STX(DW, R6, 0, R0),
        LD64(R2, (uintptr_t)map),
        MOVI(R3, 1),
        CALL(tail_call),
        LDX(DW, R0, R6, 0),
        STI(DW, R6, 0, 0),
        EXIT(),
    };
    struct bpf_subprog funcs[2];
    struct bpf_prog prog;

    if (map == NULL) {
        run.vectors++;
        printk("bpftest: no map: %s", why);
        return;
    }
    program(&prog, funcs, insns, ARRAY_SIZE(insns), 0);
    funcs[0].tail_call = true;
    prog.refs = 2; /* the map gives back one */
    if (bpf_prog_array_set(map, 1, &prog) == 0)
        both_give(&prog, "tail calls", BPF_TAIL_CALLS_MAX + 1);
    bpf_prog_array_set(map, 1, NULL);
    bpf_map_put(map);
}

static bool bpftest_start(void)
{
    run.stride = STRIDE;
    run.say = say;
    isa_run_all(&run);
    test_functions();
    test_helpers();
    test_tail_calls();
    printk("bpftest: %u vectors, %u passed", run.vectors, run.passed);
    return true;
}

const struct app app = {
    .name = "bpftest",
    .summary = "runs every eBPF instruction, interpreted and compiled",
    .start = bpftest_start,
};
