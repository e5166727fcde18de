/*
 * Linux as the oracle of our eBPF (docs/bpf-oracle.md): hand-made cases, then random programs.
 *
 *   bpf_oracle [--seed N] [--from N] [--count N] [--seconds N] [--case TEXT] [--verbose]
 *
 * The last line is "N passed, N failed".
 */
#include "case.h"
#include "generate.h"
#include "linux_bpf.h"
#include "oracle.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whose verdicts and words the tables have. Others know fewer instructions, or more helpers. */
#define TABLE_RELEASE "6.18."
#define RANDOM_SEEDS  300u /* programs */

struct oracle_state oracle;

static const struct oracle_table *const tables[] = {
    &table_alu,  &table_jmp,   &table_stack,   &table_ctx,   &table_packet,  &table_range,
    &table_maps, &table_calls, &table_helpers, &table_loops, &table_invalid,
};

static bool patch(uint8_t *memory, size_t bytes, const struct oracle_write *write)
{
    if (write->off + write->size > bytes)
        return false;
    memcpy(memory + write->off, &write->value, write->size);
    return true;
}

static bool contents_patch(struct world_contents *contents, const struct oracle_write *write)
{
    static const uint8_t zeros[WORLD_VALUE_MAX];
    unsigned i = 0;

    while (i < contents->count && memcmp(contents->entries[i].key, &write->key, 8) != 0)
        i++;
    if (write->gone && i < contents->count) {
        contents->count--;
        memmove(&contents->entries[i], &contents->entries[i + 1],
                (contents->count - i) * sizeof(contents->entries[0]));
        return true;
    }
    if (i < contents->count)
        return patch(contents->entries[i].value, WORLD_VALUE_MAX, write);
    world_contents_add(contents, &write->key, 8, zeros, WORLD_VALUE_MAX);
    for (i = 0; i < contents->count; i++) {
        if (memcmp(contents->entries[i].key, &write->key, 8) == 0)
            return patch(contents->entries[i].value, WORLD_VALUE_MAX, write);
    }
    return false;
}

/* What the row says comes out of a run. */
static bool expected_outcome(const struct oracle_case *test, uint32_t used,
                             const struct world_input *input, struct world_outcome *outcome)
{
    uint32_t meta = test->meta_changed ? test->meta_after : input->meta_bytes;
    uint32_t frame = input->bytes - input->meta_bytes;
    uint8_t *out = outcome->packet + meta;
    bool good = true;

    memset(outcome, 0, sizeof(*outcome));
    outcome->accepted = outcome->ran = true;
    outcome->retval = test->ret;
    if (!test->meta_changed)
        memcpy(outcome->packet, input->packet, meta);
    for (uint32_t i = 0; i < frame; i++) {
        int to = (int)i - test->head;

        if (to >= 0)
            out[to] = input->packet[input->meta_bytes + i];
    }
    outcome->bytes = (uint32_t)((int)(frame + meta) - test->head + test->tail);
    outcome->meta_bytes = meta;
    if (test->tail < 0)
        memset(outcome->packet + outcome->bytes, 0, (size_t)-test->tail);
    for (unsigned i = 0; i < WORLD_MAPS; i++) {
        if ((used >> i & 1) != 0 && world_maps[i].compared)
            world_contents_first(i, &outcome->maps[i]);
    }
    for (const struct oracle_write *write = test->writes;
         write < test->writes + BPF_ASM_COUNT(test->writes) && (write->size > 0 || write->gone);
         write++) {
        if (write->where == WRITE_PACKET)
            good &= patch(outcome->packet, WORLD_PACKET, write);
        else
            good &= (used >> write->where & 1) != 0 &&
                    contents_patch(&outcome->maps[write->where], write);
    }
    return good;
}

static void complain(const char *name, const char *fmt, ...)
{
    va_list args;

    printf("FAILED: %s: ", name);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
}

static bool check_linux(const struct oracle_case *test, const struct bpf_insn *insns,
                        uint32_t count, const struct world_input *input,
                        const struct world_outcome *expected)
{
    static struct world_outcome outcome;
    char text[256];

    world_linux_run(insns, count, input, &outcome, oracle.linux_log);
    oracle.asked++;
    if (oracle.verbose)
        printf("  %s: %s%s\n", test->name, outcome.accepted ? "accepted" : "", outcome.reason);
    if (oracle.other_release &&
        (outcome.accepted != (test->rejected == NULL) ||
         (test->rejected != NULL && strstr(outcome.reason, test->rejected) == NULL))) {
        oracle.differs++;
        return true;
    }
    if (outcome.accepted != (test->rejected == NULL)) {
        world_linux_explain(insns, count, oracle.linux_log);
        complain(test->name, "Linux %s it: %s", outcome.accepted ? "accepts" : "rejects",
                 oracle.linux_log);
        return false;
    }
    if (!outcome.accepted) {
        if (strstr(outcome.reason, test->rejected) != NULL)
            return true;
        complain(test->name, "Linux says \"%s\", not \"%s\"", outcome.reason, test->rejected);
        return false;
    }
    oracle.stricter += test->stricter != NULL;
    if (test->stricter != NULL)
        oracle.restricted += world_linux_rejects_restricted(insns, count);
    if (world_outcome_equal(&outcome, expected, world_maps_used(insns, count), text, sizeof(text)))
        return true;
    complain(test->name, "Linux: %s", text);
    return false;
}

static bool check_ours(const struct oracle_case *test, const struct bpf_insn *insns, uint32_t count,
                       const struct world_input *input, const struct world_outcome *expected)
{
    static const char *const names[] = { "interpreter", "JIT" };
    static struct world_outcome outcome;
    bool expect_accept = test->rejected == NULL && test->stricter == NULL;
    char text[256];

    for (enum world_mode mode = WORLD_INTERPRET; mode <= WORLD_JIT; mode++) {
        world_ours_run(insns, count, input, mode, &outcome, oracle.our_log);
        if (outcome.accepted != expect_accept) {
            complain(test->name, "we %s it%s: %s", outcome.accepted ? "accept" : "reject",
                     test->stricter != NULL ? ", against the row's `stricter`" : "",
                     oracle.our_log);
            return false;
        }
        if (!outcome.accepted) {
            if (test->rejected != NULL) {
                oracle.rejections++;
                oracle.same_reason += strstr(oracle.our_log, test->rejected) != NULL;
                if (oracle.verbose && strstr(oracle.our_log, test->rejected) == NULL)
                    printf("  %s: we say \"%s\"\n", test->name, outcome.reason);
            }
            return true;
        }
        if (!world_outcome_equal(&outcome, expected, world_maps_used(insns, count), text,
                                 sizeof(text))) {
            complain(test->name, "our %s: %s", names[mode], text);
            return false;
        }
        if (oracle.with_linux)
            oracle.compared++;
    }
    return true;
}

static bool check_case(const struct oracle_case *test)
{
    static struct bpf_insn insns[CASE_INSNS_MAX];
    static struct world_input input;
    static struct world_outcome expected;
    uint32_t count = bpf_asm_link(test->insns, test->count, insns);

    oracle_enter(test->name);
    world_input_make(&input, test->bytes > 0 ? test->bytes : 64, test->meta_bytes);
    if (test->compiled && (test->stricter != NULL || test->rejected != NULL)) {
        complain(test->name, "a compiled program has to be accepted");
        return false;
    }
    if (!expected_outcome(test, world_maps_used(insns, count), &input, &expected)) {
        complain(test->name, "the row's writes are out of bounds");
        return false;
    }
    if (oracle.with_linux && !check_linux(test, insns, count, &input, &expected))
        return false;
    return oracle.linux_only || check_ours(test, insns, count, &input, &expected);
}

static void check_tables(const char *filter)
{
    for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        unsigned before = oracle.failed, run = 0;

        for (unsigned j = 0; j < tables[i]->count; j++) {
            if (filter != NULL && strstr(tables[i]->cases[j].name, filter) == NULL)
                continue;
            run++;
            if (check_case(&tables[i]->cases[j]))
                oracle.passed++;
            else
                oracle.failed++;
        }
        printf("%-8s %3u cases, %u failed\n", tables[i]->name, run, oracle.failed - before);
    }
}

static void write_seed(const char *folder, unsigned nr, const struct bpf_insn *insns,
                       uint32_t count)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%04u", folder, nr);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(insns, sizeof(*insns), count, file) != count || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

/* The programs as files, for the fuzzer of the verifier: the hand-made ones and some random ones */
static void write_seeds(const char *folder)
{
    static struct bpf_insn insns[CASE_INSNS_MAX];
    static struct program program;
    unsigned nr = 0;

    for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (unsigned j = 0; j < tables[i]->count; j++) {
            const struct oracle_case *test = &tables[i]->cases[j];

            write_seed(folder, nr++, insns, bpf_asm_link(test->insns, test->count, insns));
        }
    }
    for (unsigned i = 0; i < RANDOM_SEEDS; i++) {
        program_make(i, &program);
        write_seed(folder, nr++, program.insns, program.count);
    }
}

static void report(void)
{
    if (oracle.with_linux)
        printf("%u programs put to Linux %s, %u runs of ours compared with it; %u rows stricter "
               "than Linux is for root, of which Linux without CAP_PERFMON rejects %u too\n",
               oracle.asked, linux_release(), oracle.compared, oracle.stricter, oracle.restricted);
    if (oracle.with_linux && oracle.other_release)
        printf("this is not Linux " TABLE_RELEASE "x: %u rows have another verdict or reason here, "
               "which is no failure\n",
               oracle.differs);
    if (oracle.rejections > 0)
        printf("our reason has Linux's words in %u of %u rejections\n", oracle.same_reason,
               oracle.rejections);
}

static unsigned long number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text != NULL ? text : "", &end, 0);

    if (text == NULL || *text == 0 || *end != 0) {
        fprintf(stderr, "bpf_oracle: %s is no number\n", text != NULL ? text : "nothing");
        exit(2);
    }
    return n;
}

struct arguments {
    struct generate_options generate;
    const char *filter; /* hand-made cases of that name */
    const char *seeds;  /* the folder for them; nothing else is done */
    bool seeded;        /* only the generator */
    char *const *objects;
    int object_count;
};

static bool arguments_read(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        const char *value = argv[i + 1]; /* NULL behind the last one */

        if (strcmp(argv[i], "--verbose") == 0) {
            oracle.verbose = true;
        } else if (strcmp(argv[i], "--linux-only") == 0) {
            oracle.linux_only = true;
        } else if (strcmp(argv[i], "--objects") == 0) {
            a->objects = argv + i + 1;
            a->object_count = argc - i - 1;
            return true;
        } else {
            if (strcmp(argv[i], "--seed") == 0) {
                a->generate.seed = number(value);
                a->seeded = true;
            } else if (strcmp(argv[i], "--from") == 0) {
                a->generate.seed = number(value);
            } else if (strcmp(argv[i], "--count") == 0) {
                a->generate.count = number(value);
            } else if (strcmp(argv[i], "--seconds") == 0) {
                a->generate.seconds = number(value);
            } else if (strcmp(argv[i], "--seeds") == 0 && value != NULL) {
                a->seeds = value;
            } else if (strcmp(argv[i], "--case") == 0 && value != NULL) {
                a->filter = value;
            } else {
                fprintf(stderr, "bpf_oracle: what is %s?\n", argv[i]);
                return false;
            }
            i++;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct arguments arguments = { .generate = { .seed = 1, .seconds = 20 } };
    const char *why = NULL;

    if (!arguments_read(argc, argv, &arguments))
        return 2;
    if (arguments.seeds != NULL) {
        write_seeds(arguments.seeds);
        return 0;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    oracle_watch();
    oracle.with_linux = world_linux_open(&why);
    oracle.other_release = strncmp(linux_release(), TABLE_RELEASE, strlen(TABLE_RELEASE)) != 0;
    if (!oracle.with_linux)
        printf("LINUX WAS NOT ASKED (bpf(2): %s): its answers are those that the table records\n",
               why);
    if (!arguments.seeded)
        check_tables(arguments.filter);
    if (arguments.object_count > 0)
        oracle_check_objects(arguments.objects, arguments.object_count);
    if (arguments.filter == NULL)
        generate_run(&arguments.generate);
    report();
    printf("%u passed, %u failed\n", oracle.passed, oracle.failed);
    return oracle.failed != 0;
}
