/*
 * Tail calls between programs, interpreted or compiled: one counter goes with a chain of them,
 * whichever function makes the next, so that it ends after BPF_TAIL_CALLS_MAX. In a function that
 * was called, a tail call replaces that function only: its caller gets the other program's result.
 */
#ifndef NET_BPF_TAIL_CALL_H
#define NET_BPF_TAIL_CALL_H

#include "prog.h"

/* Run the program from a tail call: `tails` is the chain's counter. Softirq context. */
uint64_t bpf_interpret_tail(const struct bpf_prog *prog, void *ctx, uint32_t *tails);

/* The program that the tail call goes to, which is counted then; NULL: to none, the caller goes on
 * behind the call. Softirq context. */
struct bpf_prog *bpf_tail_call_prog(struct bpf_map *map, uint32_t index, uint32_t *tails);

/* Where compiled code jumps for it: with its own frame taken down, rdi = ctx, rax = tails and
 * rdx = result. NULL: nowhere. */
struct bpf_tail_target {
    const void *code;
    uint64_t result; /* of a program that had to be interpreted: `code` then just returns it */
};
struct bpf_tail_target bpf_tail_call_target(void *ctx, struct bpf_map *map, uint32_t index,
                                            uint32_t *tails);

#endif
