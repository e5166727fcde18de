/* Random programs through Linux and through ours. */
#include "oracle.h"
#include "generate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHOWN_MAX   8u  /* failures */
#define REASONS_MAX 64u /* of ours, where Linux accepts */

static struct {
    unsigned long programs, linux_accepts, we_accept, needless, compared;
    unsigned long linux_accepts_whole, needless_whole; /* of those that were not spoilt */
    struct {
        char text[96];
        unsigned count, whole;
        uint64_t seed;
    } reasons[REASONS_MAX];
} sum;

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(uint64_t seed, const struct program *program, const char *what, const char *more)
{
    if (++oracle.failed > SHOWN_MAX && !oracle.verbose)
        return;
    printf("FAILED: --seed %llu --count 1: %s%s\n", (unsigned long long)seed, what, more);
    world_disasm(program->insns, program->count);
}

/* Reasons that differ in numbers only are one. */
static void count_needless(const char *reason, uint64_t seed, bool spoilt)
{
    char text[sizeof(sum.reasons[0].text)];
    unsigned length = 0;

    for (; *reason != 0 && length + 1 < sizeof(text); reason++) {
        bool digit = *reason >= '0' && *reason <= '9';

        if (!digit || length == 0 || text[length - 1] != '#')
            text[length++] = digit ? '#' : *reason;
    }
    text[length] = 0;
    sum.needless++;
    sum.needless_whole += !spoilt;
    for (unsigned i = 0; i < REASONS_MAX; i++) {
        if (sum.reasons[i].count > 0 && strcmp(sum.reasons[i].text, text) != 0)
            continue;
        if (sum.reasons[i].count++ == 0)
            memcpy(sum.reasons[i].text, text, length + 1);
        sum.reasons[i].whole += !spoilt;
        if (sum.reasons[i].count == 1 || (!spoilt && sum.reasons[i].whole == 1))
            sum.reasons[i].seed = seed;
        return;
    }
}

static bool equal(const struct world_outcome *a, const struct world_outcome *b, uint64_t seed,
                  const struct program *program, const char *who)
{
    char text[256];

    if (world_outcome_equal(a, b, world_maps_used(program->insns, program->count), text,
                            sizeof(text)))
        return true;
    fail(seed, program, who, text);
    return false;
}

/* Does it call what answers the same every time? Spoilt ones may ask for the time. */
static bool is_repeatable(const struct program *program)
{
    static const int32_t helpers[] = {
        BPF_FUNC_map_lookup_elem,      BPF_FUNC_map_update_elem, BPF_FUNC_map_delete_elem,
        BPF_FUNC_get_smp_processor_id, BPF_FUNC_tail_call,       BPF_FUNC_csum_diff,
        BPF_FUNC_xdp_adjust_head,      BPF_FUNC_xdp_adjust_meta, BPF_FUNC_xdp_adjust_tail,
        BPF_FUNC_xdp_load_bytes,       BPF_FUNC_xdp_store_bytes, BPF_FUNC_xdp_get_buff_len,
    };

    for (uint32_t i = 0; i < program->count; i++) {
        const struct bpf_insn *insn = &program->insns[i];
        bool known = false;

        if (insn->code != (BPF_JMP | BPF_CALL) || insn->src != 0)
            continue;
        for (unsigned j = 0; j < BPF_ASM_COUNT(helpers); j++)
            known |= insn->imm == helpers[j];
        if (!known)
            return false;
    }
    return true;
}

static void check_program(uint64_t seed, const struct program *program,
                          const struct world_input *input)
{
    static struct world_outcome theirs, interpreted, compiled;

    if (oracle.with_linux) {
        world_linux_run(program->insns, program->count, input, &theirs, NULL);
        sum.linux_accepts += theirs.accepted;
        sum.linux_accepts_whole += theirs.accepted && !program->spoilt;
        oracle.asked++;
    }
    if (oracle.linux_only)
        return;
    world_ours_run(program->insns, program->count, input, WORLD_INTERPRET, &interpreted,
                   oracle.our_log);
    sum.we_accept += interpreted.accepted;
    if (oracle.with_linux && !theirs.accepted && interpreted.accepted) {
        world_linux_explain(program->insns, program->count, oracle.linux_log);
        fail(seed, program, "we accept what Linux rejects: ", oracle.linux_log);
        return;
    }
    if (!interpreted.accepted) {
        if (oracle.with_linux && theirs.accepted)
            count_needless(interpreted.reason, seed, program->spoilt);
        return;
    }
    if (!is_repeatable(program))
        return;
    world_ours_run(program->insns, program->count, input, WORLD_JIT, &compiled, oracle.our_log);
    if (!equal(&compiled, &interpreted, seed, program, "JIT and interpreter: ") ||
        !oracle.with_linux)
        return;
    sum.compared++;
    oracle.compared += 2;
    equal(&interpreted, &theirs, seed, program, "we and Linux: ");
}

static int by_count(const void *a, const void *b)
{
    const unsigned *x = (const void *)((const char *)a + sizeof(sum.reasons[0].text));
    const unsigned *y = (const void *)((const char *)b + sizeof(sum.reasons[0].text));

    return *x < *y ? 1 : *x > *y ? -1 : 0;
}

static double percent(unsigned long part, unsigned long whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

static void report(uint64_t seed)
{
    printf("generator: seed %llu: %lu programs, we accept %lu", (unsigned long long)seed,
           sum.programs, sum.we_accept);
    if (oracle.with_linux)
        printf(", Linux %lu; compared %lu; Linux accepts and we reject %lu (%.2f %%), of those "
               "that were not spoilt %lu of %lu (%.2f %%)",
               sum.linux_accepts, sum.compared, sum.needless,
               percent(sum.needless, sum.linux_accepts), sum.needless_whole,
               sum.linux_accepts_whole, percent(sum.needless_whole, sum.linux_accepts_whole));
    printf("\n");
    qsort(sum.reasons, REASONS_MAX, sizeof(sum.reasons[0]), by_count);
    for (unsigned i = 0; i < REASONS_MAX && sum.reasons[i].count > 0 && (i < 6 || oracle.verbose);
         i++)
        printf("  %5u x (%u not spoilt) we reject: %s (--seed %llu)\n", sum.reasons[i].count,
               sum.reasons[i].whole, sum.reasons[i].text, (unsigned long long)sum.reasons[i].seed);
}

void generate_run(const struct generate_options *options)
{
    static struct program program;
    static struct world_input input;
    static char name[64];
    double end = seconds_now() + (double)options->seconds;
    unsigned failed = oracle.failed;

    if (options->count == 0 && options->seconds == 0)
        return;
    world_input_make(&input, 64, 0);
    for (uint64_t seed = options->seed;; seed++) {
        if ((options->count > 0 && sum.programs == options->count) ||
            (options->seconds > 0 && seconds_now() > end))
            break;
        snprintf(name, sizeof(name), "--seed %llu --count 1", (unsigned long long)seed);
        oracle_enter(name);
        program_make(seed, &program);
        if (options->count == 1)
            world_disasm(program.insns, program.count);
        check_program(seed, &program, &input);
        sum.programs++;
    }
    report(options->seed);
    if (oracle.failed == failed)
        oracle.passed++;
}
