/* Random programs, mostly plausible ones: generate.c */
#ifndef TESTS_BPF_GENERATE_H
#define TESTS_BPF_GENERATE_H

#include <stdint.h>

struct generate_options {
    uint64_t seed;
    unsigned long count;   /* programs; 0: as many as fit into the time */
    unsigned long seconds; /* 0: no limit */
};
void generate_run(const struct generate_options *options);

#endif
