/*
 * Random programs, mostly plausible ones. program_make() knows what its registers and stack slots
 * hold, so that Linux accepts most of what it makes; a part of it is spoilt afterwards, so that
 * Linux rejects a good part too. The same seed makes the same program.
 */
#ifndef TESTS_BPF_GENERATE_H
#define TESTS_BPF_GENERATE_H

#include "bpf_asm.h"

#define PROGRAM_MAX 2048u

struct program {
    struct bpf_insn insns[PROGRAM_MAX];
    uint32_t count;
    bool spoilt;
};
void program_make(uint64_t seed, struct program *program);

struct generate_options {
    uint64_t seed;
    unsigned long count;   /* programs; 0: as many as fit into the time */
    unsigned long seconds; /* 0: no limit; both 0: none at all */
};

/* Make them, run them through Linux (if it may be asked) and ours, and count in `oracle`. */
void generate_run(const struct generate_options *options);

#endif
