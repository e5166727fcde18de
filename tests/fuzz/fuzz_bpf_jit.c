/* The JIT beside the interpreter: the bytes decide on a program that is safe by the way it is made
 * (tests/bpf/bpf_random.h); both must end with the same registers and memory, and the interpreter
 * must touch nothing else. */
#include "fuzz.h"
#include "../../net/bpf/bpf_shadow.h"
#include "../bpf/bpf_random.h"
#include "../bpf/fake_helpers.h"

static uint8_t ctx[RANDOM_CTX_BYTES] __attribute__((aligned(16)));

static void prepare(void)
{
    for (unsigned i = 0; i < sizeof(ctx); i++)
        ctx[i] = (uint8_t)(i * 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct random_program program;
    static uint8_t interpreted[RANDOM_CTX_BYTES];
    uint64_t result;

    random_make(&program, data, size, FAKE_MIX);
    MUST(program.prog.count <= RANDOM_INSNS_MAX);
    prepare();
    bpf_shadow_reset();
    bpf_shadow_add(ctx, sizeof(ctx), true);
    result = bpf_interpret(&program.prog, ctx);
    memcpy(interpreted, ctx, sizeof(ctx));

    MUST(bpf_jit(&program.prog));
    prepare();
    MUST(program.prog.entry(ctx) == result);
    MUST(memcmp(interpreted, ctx, sizeof(ctx)) == 0);
    bpf_exec_free(program.prog.image);
    bpf_mem_free(program.prog.jit_offsets);
    return 0;
}
