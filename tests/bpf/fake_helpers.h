/* Helpers and prog_arrays for tests that need no real ones: included by the test. */
#ifndef TESTS_BPF_FAKE_HELPERS_H
#define TESTS_BPF_FAKE_HELPERS_H

#include "../../net/bpf/helper.h"
#include "../../net/bpf/prog.h"

/* All five arguments are in the result, each in its own way; r1 to r5 are not what they were. */
static uint64_t fake_mix(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5)
{
    return r1 + 3 * r2 + 5 * r3 + 7 * r4 + 11 * r5;
}

static uint64_t fake_aligned(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5)
{
    (void)r1;
    (void)r2;
    (void)r3;
    (void)r4;
    (void)r5;
    return ((uintptr_t)__builtin_frame_address(0) & 15) == 0;
}

#define FAKE_MIX     1000 /* numbers that Linux has none of */
#define FAKE_ALIGNED 1001

uint64_t (*bpf_helper_function(uint32_t id))(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)
{
    return id == FAKE_MIX ? fake_mix : id == FAKE_ALIGNED ? fake_aligned : NULL;
}

/* The map of a tail call is one of these. */
struct fake_prog_array {
    struct bpf_map map;
    struct bpf_prog *progs[4];
};

struct bpf_prog *bpf_prog_array_get(struct bpf_map *map, uint32_t index)
{
    return index < 4 ? ((struct fake_prog_array *)map)->progs[index] : NULL;
}

#endif
