/* What the parts of the generator share. */
#ifndef TESTS_BPF_GENERATE_IMPL_H
#define TESTS_BPF_GENERATE_IMPL_H

#include "case.h"
#include "generate.h"

enum kind { UNSET, SCALAR, CTX, PKT, PKT_END, VALUE };

struct place {      /* a register or a stack slot */
    uint8_t kind;   /* enum kind */
    bool read_only; /* VALUE */
    bool bounded;   /* SCALAR: at most `max`, unsigned */
    uint32_t max;   /* SCALAR */
    uint32_t bytes; /* PKT, VALUE: that may be accessed */
};

#define SLOTS     8u  /* at r10 - 8, - 16, ... */
#define SCRATCH   -96 /* below them: keys, values, buffers for helpers; up to 32 bytes */
#define REG_CTX   R6
#define REG_COUNT R9 /* of loops */

struct state {
    struct place regs[11];
    struct place slots[SLOTS];
};

#define EXITS_MAX 128u
#define FUNCS_MAX 3u

struct generator {
    uint64_t random;
    struct program *program;
    struct state now;
    uint32_t exits[EXITS_MAX]; /* jumps to where the function ends early */
    uint32_t exit_count;
    unsigned depth; /* of branches and loops */
    bool in_function, in_loop, has_ctx;
    uint32_t calls[32]; /* calls of functions, to be filled in: at, which */
    uint8_t callees[32];
    uint32_t call_count;
};

uint64_t generate_random(struct generator *g);
uint32_t generate_below(struct generator *g, uint32_t n); /* 0 to n - 1 */
bool generate_one_in(struct generator *g, uint32_t n);
int32_t generate_imm(struct generator *g);
uint64_t generate_imm64(struct generator *g);

void generate_emit(struct generator *g, struct bpf_insn insn);
#define EMIT(g, ...)                                                                               \
    do {                                                                                           \
        const struct bpf_insn emitted_[] = { __VA_ARGS__ };                                        \
        for (unsigned i_ = 0; i_ < BPF_ASM_COUNT(emitted_); i_++)                                  \
            generate_emit(g, emitted_[i_]);                                                        \
    } while (0)
/* A jump, its offset to be filled in by generate_land(). Returns where it is. */
uint32_t generate_jump(struct generator *g, struct bpf_insn insn);
void generate_land(struct generator *g, uint32_t at);
void generate_exit_by(struct generator *g, struct bpf_insn insn); /* a jump to the early end */

/* A register to overwrite; one that holds a kind, or -1. */
unsigned generate_any(struct generator *g);
int generate_find(struct generator *g, enum kind kind);
int generate_find_bounded(struct generator *g, uint32_t max);
void generate_set(struct generator *g, unsigned reg, enum kind kind);
void generate_set_bounded(struct generator *g, unsigned reg, uint32_t max);
void generate_after_call(struct generator *g);
unsigned generate_scalar(struct generator *g); /* makes one when there is none */
struct bpf_insn generate_condition(struct generator *g, unsigned reg);

void generate_arithmetic(struct generator *g); /* generate_alu.c */
void generate_ranges(struct generator *g);     /* generate_alu.c: a whole program */
void generate_access(struct generator *g);     /* generate_memory.c */
void generate_helper(struct generator *g);     /* generate_memory.c */

#endif
