/*
 * The verifier's own parts, from the top:
 *
 *   verify.c           bpf_verify(): goes down every path, one instruction after the other
 *   verify_cfg.c       before: each instruction's form; functions, jumps, what is reachable
 *   verify_live.c      before: which registers are live where, where paths meet
 *   verify_alu.c       arithmetic on scalars and pointers
 *   verify_branch.c    conditional jumps: which way, and what is known behind them
 *   verify_mem.c       loads, stores, atomics: packet, map values, ctx, ringbuf records
 *   verify_stack.c     stack slots and what is spilled into them
 *   verify_call.c      calls of helpers and their arguments
 *   verify_func.c      calls of the program's own functions, exit
 *   verify_state.c     states as they are kept: branches to go, and points that paths may meet at
 *   verify_prune.c     is a state covered by one that has been gone through?
 *   verify_precise.c   which scalars' values matter: what pruning may ignore
 *   verify_bounds.c    ranges of a register, made consistent
 *   verify_log.c       what the loader is told
 *   verify_fixup.c     after: instructions rewritten for who runs them
 *
 * The rules are Linux's (6.18, for a privileged program without Spectre mitigation), as is the way:
 * abstract interpretation, path by path, pruned where a state is contained in an earlier one.
 */
#ifndef NET_BPF_VERIFY_H
#define NET_BPF_VERIFY_H

#include "helper.h"
#include "prog.h"
#include "tnum.h"
#include <kernel/lib.h>

#define VERIFY_SLOTS (BPF_STACK_BYTES / 8)
/* In a scalar's id: equal, but for `off` more; in 64 bits, or in 32 of both */
#define VERIFY_ID_PLUS64    (1u << 31)
#define VERIFY_ID_PLUS32    (1u << 30)
#define VERIFY_ID_PLUS      (VERIFY_ID_PLUS64 | VERIFY_ID_PLUS32)
#define VERIFY_LINKED_MAX   6u /* copies of a scalar that a jump narrows together */
#define VERIFY_REFS_MAX     8u
#define VERIFY_JUMPS_MAX    8192u       /* branches waiting, as in Linux */
#define VERIFY_BYTES_MAX    (24u << 20) /* of kept states */
#define VERIFY_OFF_MAX      (1 << 29)   /* of offsets into anything (BPF_MAX_VAR_OFF) */
#define VERIFY_PACKET_MAX   0xffff      /* of offsets into a packet (MAX_PACKET_OFF) */
#define VERIFY_REASON_SIZE  512u
#define VERIFY_TRAIL_PIECE  4096u
#define VERIFY_TRAIL_PIECES 512u /* pieces: the whole budget, and what was linked on the way */

enum verify_type {
    REG_NONE, /* not readable */
    REG_SCALAR,
    REG_CTX,
    REG_STACK,
    REG_PACKET,
    REG_META,
    REG_PACKET_END,
    REG_MAP,
    REG_VALUE,
    REG_VALUE_OR_NULL,
    REG_XSK,
    REG_XSK_OR_NULL,
    REG_MEM, /* a record from ringbuf_reserve() */
    REG_MEM_OR_NULL,
};

struct verify_reg {
    uint8_t type;  /* enum verify_type */
    bool precise;  /* scalar, in a kept state: its value mattered */
    uint8_t map;   /* MAP, VALUE: index in prog->maps */
    uint8_t frame; /* STACK: whose */
    int32_t off;   /* pointer: the fixed part of its offset; `var` and the ranges: the other one */
    int32_t range; /* packet: bytes from `data` (by id) that are known to be there */
    uint32_t id;   /* scalar: equal ones share it; OR_NULL, packet: likewise; 0: none */
    uint32_t ref;  /* MEM: the reference to give back */
    uint32_t mem_bytes; /* MEM */
    struct tnum var;
    int64_t smin, smax;
    uint64_t umin, umax;
    int32_t s32_min, s32_max;
    uint32_t u32_min, u32_max;
};

/* Of a stack byte */
enum verify_slot { SLOT_INVALID, SLOT_SPILL, SLOT_MISC, SLOT_ZERO };

struct verify_stack_slot {
    uint8_t type[8];       /* by address, lowest first; a spill fills from the lowest one on */
    struct verify_reg reg; /* where type[0] is SLOT_SPILL */
};

struct verify_frame {
    uint32_t callsite; /* the call instruction */
    uint16_t subprog;
    uint16_t slots;   /* deepest slot in use + 1; slot 0 is r10-8 */
    uint64_t spilled; /* a bit a slot */
    uint64_t written; /* wholly, since the last kept state */
    struct verify_reg regs[BPF_REGS];
    struct verify_stack_slot stack[VERIFY_SLOTS];
};

struct verify_ref {
    uint32_t id, insn;
};

/* The state at the instruction that is being looked at. */
struct verify_now {
    uint32_t insn;
    unsigned frames; /* the last one runs */
    unsigned refs;
    struct verify_ref ref[VERIFY_REFS_MAX];
    struct verify_kept *parent;
    struct verify_frame frame[BPF_FRAMES_MAX];
};

/* What is known of an instruction of the program. */
struct verify_insn_info {
    uint16_t live;    /* registers that may be read before they are written, from here on */
    bool meets : 1;   /* paths may meet here */
    bool start : 1;   /* a function's first */
    bool seen : 1;    /* some path has come here */
    bool second : 1;  /* the other half of a 64-bit immediate */
    bool special : 1; /* loads from ctx, or the like: of `pointer` only */
    bool fell : 1, jumped : 1; /* a conditional jump has been passed this way */
    uint8_t pointer;           /* enum verify_type that memory was reached by */
    uint8_t subprog;
};

struct verify_subprog {
    uint32_t start, end;
    uint16_t depth;    /* deepest byte below r10 */
    bool tail_call;    /* itself */
    bool checked;      /* gone through by itself */
    bool moves_packet; /* it, or what it calls */
    bool replaced;     /* likewise: it may tail call, and what returns then is another program */
    bool called;       /* global: by what was gone through */
};

/* A trail entry: what happened, in order; see verify_precise.c. */
struct verify_trail {
    uint32_t insn : 16;
    uint32_t kind : 2; /* enum verify_trail_kind */
    uint32_t frame : 3;
    uint32_t in_stack : 1; /* LINKED: index is a slot, not a register */
    uint32_t index : 6;
};
_Static_assert(sizeof(struct verify_trail) == 4, "there may be a million of them");

struct verify_env {
    struct bpf_prog *prog;
    const struct bpf_insn *insns;
    uint32_t count;
    struct bpf_log *log;
    bool printing; /* instructions, as they are gone through */

    struct verify_insn_info *info; /* count of them */
    struct verify_kept **kept;     /* by instruction */
    unsigned subprogs;
    struct verify_subprog subprog[BPF_SUBPROGS_MAX];
    struct bpf_subprog *named; /* sorted as above: the result */

    bool prints_pointers; /* this helper's memory may have some: trace_vprintk has %p and %s */

    struct verify_now now;
    struct verify_kept *jumps; /* branches to go, the last one first */
    unsigned jump_count;
    uint32_t next_id;
    uint32_t processed;
    uint32_t since_jumps, since_insns; /* the last kept state */
    uint32_t jumps_passed;
    uint32_t kept_count, kept_peak, kept_total;

    /* The way to here */
    struct verify_trail *trail[VERIFY_TRAIL_PIECES];
    uint32_t trail_count;

    /* Kept states' memory */
    struct verify_piece *pieces;
    uint32_t piece_used;
    uint32_t bytes;
    struct verify_kept *free_lists[64];

    /* Replaying the failing way for the log */
    bool replaying;
    uint32_t replay_at; /* the next entry */
    uint32_t replay_bytes, replay_skip;

    struct verify_reg printed[BPF_REGS]; /* as the log last had them */
    unsigned printed_frame;
    uint64_t touched; /* slots written by this instruction */
    struct verify_frame *touched_frame;
    uint32_t line_used;
    bool print_all;
    char reason[VERIFY_REASON_SIZE];
    struct bpf_log reason_log;
};

/* Say why not, in Linux's words where it has them, with a newline; `return verify_fail(...)` does
 * so and is false. */
void verify_say(struct verify_env *env, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define verify_fail(...) (verify_say(__VA_ARGS__), false)

static inline struct verify_frame *verify_frame_now(struct verify_env *env)
{
    return &env->now.frame[env->now.frames - 1];
}

static inline struct verify_reg *verify_reg_now(struct verify_env *env, unsigned reg)
{
    return &verify_frame_now(env)->regs[reg];
}

/* What shares a scalar's name, or has it plus a constant */
static inline uint32_t verify_base_id(const struct verify_reg *reg)
{
    return reg->type == REG_SCALAR ? reg->id & ~VERIFY_ID_PLUS : 0;
}

/* A copy shares what is learnt of the original later. */
static inline void verify_share_id(struct verify_env *env, struct verify_reg *reg)
{
    if (reg->type != REG_SCALAR)
        return;
    if (reg->id & VERIFY_ID_PLUS) { /* one constant is all that is kept */
        reg->id = 0;
        reg->off = 0;
    }
    if (reg->id == 0 && !tnum_is_const(reg->var))
        reg->id = ++env->next_id;
}

static inline bool verify_may_be_null(unsigned type)
{
    return type == REG_VALUE_OR_NULL || type == REG_XSK_OR_NULL || type == REG_MEM_OR_NULL;
}

static inline bool verify_is_packet(unsigned type)
{
    return type == REG_PACKET || type == REG_META;
}

/* ---- verify_cfg.c, verify_live.c ---- */
bool verify_check_form(struct verify_env *env);     /* every instruction */
bool verify_find_functions(struct verify_env *env); /* fills subprog[] */
bool verify_check_flow(struct verify_env *env);     /* jumps, reachability */
/* Afterwards: of each chain of calls; whether it may tail call. */
bool verify_check_depth(struct verify_env *env);
bool verify_find_live(struct verify_env *env);
/* The function that starts at `insn`; -1: none does. */
int verify_subprog_at(const struct verify_env *env, uint32_t insn);
/* Where a jump (not a call) goes to if it is taken. */
int64_t verify_jump_target(const struct bpf_insn *insn, uint32_t at);

/* ---- verify_bounds.c ---- */
void verify_set_unknown(struct verify_reg *reg); /* any scalar */
void verify_set_const(struct verify_reg *reg, uint64_t value);
void verify_set_value(struct verify_reg *reg, uint64_t value); /* likewise, but type, id stay */
void verify_forget_bounds(struct verify_reg *reg);             /* ranges; not var */
void verify_forget_bounds32(struct verify_reg *reg);
void verify_forget_bounds64(struct verify_reg *reg);
void verify_sync_bounds(struct verify_reg *reg); /* each learns from the others */
void verify_take_low32(struct verify_reg *reg);  /* the upper half becomes 0 */
void verify_truncate(struct verify_reg *reg, unsigned bytes);
void verify_sign_extend(struct verify_reg *reg, unsigned bytes, bool to32);
static inline bool verify_is_const(const struct verify_reg *reg)
{
    return reg->type == REG_SCALAR && tnum_is_const(reg->var);
}

/* ---- verify_alu.c ---- */
bool verify_alu(struct verify_env *env, const struct bpf_insn *insn);
/* The ranges of `dst op src`, both scalars. Pure. */
void verify_scalar_op(struct verify_reg *dst, const struct verify_reg *src, unsigned op, bool is64);

/* ---- verify_branch.c ---- */
/* *next: where to go on. What must be gone through later is remembered. */
bool verify_branch(struct verify_env *env, const struct bpf_insn *insn, uint32_t *next);
void verify_branch_jump(struct verify_env *env); /* the way that was left for later */
/* Narrow two scalars by what `a op b` says. Pure. */
void verify_refine(struct verify_reg *a, struct verify_reg *b, unsigned op, bool is32);
/* 1: `a op b` always; 0: never; -1: who knows. Pure. */
int verify_scalars_decide(const struct verify_reg *a, const struct verify_reg *b, unsigned op,
                          bool is32);
/* On a way that cannot be gone, what is known of a scalar may contradict itself. It is gone like
 * any other, with the ranges forgotten. */
void verify_settle(struct verify_reg *reg);
unsigned verify_reverse_op(unsigned op); /* the opposite condition; BPF_JSET's is 0x48 */
#define VERIFY_JNSET 0x48

/* ---- verify_mem.c ---- */
enum verify_access { ACCESS_READ, ACCESS_WRITE };
bool verify_load(struct verify_env *env, const struct bpf_insn *insn);
bool verify_store(struct verify_env *env, const struct bpf_insn *insn); /* ST, STX, atomics */
/* Memory at a pointer, `bytes` (may be 0) of it, for a helper. `raw`: it need not be initialised
 * and is written. */
bool verify_helper_memory(struct verify_env *env, unsigned reg, uint32_t bytes, bool zero_ok,
                          enum verify_access access, bool raw);
/* The part for regions of a known size: what a pointer with its variable offset may reach. */
bool verify_region(struct verify_env *env, unsigned reg, int32_t off, uint32_t bytes, uint32_t size,
                   bool zero_ok);
bool verify_packet_region(struct verify_env *env, unsigned reg, int32_t off, uint32_t bytes,
                          bool zero_ok);
bool verify_map_access(struct verify_env *env, unsigned reg, int32_t off, uint32_t bytes,
                       bool zero_ok, enum verify_access access);
bool verify_plain_pointer(struct verify_env *env, unsigned reg, bool off_ok);

/* ---- verify_stack.c ---- */
/* dst, src: registers; -1: none (the bytes may be anything). imm_zero etc.: of an ST. */
bool verify_stack_read(struct verify_env *env, unsigned base, int32_t off, uint32_t bytes, int dst);
bool verify_stack_write(struct verify_env *env, unsigned base, int32_t off, uint32_t bytes, int src,
                        const int32_t *imm);
bool verify_stack_helper(struct verify_env *env, unsigned base, uint32_t bytes, bool zero_ok,
                         enum verify_access access, bool raw);
void verify_slot_forget(struct verify_frame *frame, unsigned slot); /* a spill becomes MISC */

/* ---- verify_call.c, verify_func.c ---- */
bool verify_call_helper(struct verify_env *env, const struct bpf_insn *insn);
bool verify_call_function(struct verify_env *env, const struct bpf_insn *insn, uint32_t *next);
/* *ended: the path is. */
bool verify_exit(struct verify_env *env, uint32_t *next, bool *ended);
bool verify_check_refs(struct verify_env *env, const char *reason);
void verify_clear_caller_saved(struct verify_frame *frame);
void verify_packet_moved(struct verify_env *env);
/* The state that a function starts in. */
void verify_start_function(struct verify_env *env, unsigned subprog);
void verify_set_frame_pointer(struct verify_frame *frame, unsigned index);
bool verify_ref_new(struct verify_env *env, uint32_t *id);
void verify_ref_drop(struct verify_now *now, uint32_t id);

/* Each register of all frames, and what is spilled: for (VERIFY_EACH_REG(&env->now, it)) */
struct verify_each {
    unsigned frame, index;
    bool in_stack;
    struct verify_reg *reg;
};
bool verify_each_next(struct verify_now *now, struct verify_each *it);
#define VERIFY_EACH_REG(now, it)                                                                   \
    struct verify_each it = { 0 };                                                                 \
    verify_each_next(now, &it);

/* ---- verify_state.c ---- */
struct verify_kept;
/* Remember that the jump at which `now` is is also to be taken. */
bool verify_push_branch(struct verify_env *env);
bool verify_pop_branch(struct verify_env *env); /* false: none is left */
void verify_path_ended(struct verify_env *env);
/* At a point where paths meet. *covered: an earlier state contains this one. False: an error. */
bool verify_visit(struct verify_env *env, bool *covered);
void verify_free_states(struct verify_env *env);

/* A frame as it is kept: only what is live. */
struct verify_kept_frame {
    uint32_t callsite;
    uint16_t subprog, slots;
    uint16_t regs; /* which registers: a bit each */
    uint64_t spilled;
    uint64_t written;         /* slots, between the parent and here */
    uint64_t read;            /* slots, from here on, before they were written */
    struct verify_reg *reg;   /* of each bit in regs */
    struct verify_reg *spill; /* of each bit in spilled */
    uint8_t (*type)[8];       /* of each slot */
};

struct verify_kept {
    struct verify_kept *next;   /* of those at the same instruction; of the branches to go */
    struct verify_kept *parent; /* the kept state before it on its path */
    uint32_t insn;
    uint32_t branches;  /* ways from here that are not yet finished */
    uint32_t trail;     /* its length here */
    uint8_t size_class; /* of memory */
    bool dropped;       /* from its list; freed with its last branch */
    uint16_t hits, misses;
    uint8_t frames, refs;
    uint32_t last_jumps, last_insns; /* a branch: as they were */
    struct verify_ref ref[VERIFY_REFS_MAX];
    struct verify_kept_frame frame[];
};

/* Register r of a kept frame; NULL: not kept (dead, or not readable). */
static inline struct verify_reg *verify_kept_reg(struct verify_kept_frame *frame, unsigned r)
{
    if (!(frame->regs & 1u << r))
        return NULL;
    return &frame->reg[__builtin_popcount(frame->regs & ((1u << r) - 1))];
}

static inline struct verify_reg *verify_kept_spill(struct verify_kept_frame *frame, unsigned slot)
{
    if (!(frame->spilled >> slot & 1))
        return NULL;
    return &frame->spill[__builtin_popcountll(frame->spilled & ((1ull << slot) - 1))];
}

/* Slots of a frame are read: so far as they were not written since, by earlier states' contents. */
void verify_mark_read(struct verify_env *env, unsigned frame, uint64_t slots);

/* ---- verify_prune.c ---- */
/* exact: for loops that do not get on; else: is `now` contained in `old`? */
bool verify_covered(struct verify_env *env, struct verify_kept *old, bool exact);

/* ---- verify_precise.c ---- */
enum verify_trail_kind {
    TRAIL_INSN,   /* an instruction */
    TRAIL_STACK,  /* one that spilled a register to, or filled one from, slot `index` of `frame` */
    TRAIL_CALLED, /* a call that was followed into the function */
    TRAIL_LINKED, /* of the jump before it: narrowed this register (or slot) too */
};
bool verify_trail_insn(struct verify_env *env);
void verify_trail_called(struct verify_env *env);
void verify_trail_stack(struct verify_env *env, unsigned frame, unsigned slot);
bool verify_trail_linked(struct verify_env *env, const struct verify_each *it);
static inline struct verify_trail *verify_trail_at(struct verify_env *env, uint32_t at)
{
    return &env->trail[at / VERIFY_TRAIL_PIECE][at % VERIFY_TRAIL_PIECE];
}
/* Replaying: which instruction comes next on the failing path. */
uint32_t verify_trail_next(struct verify_env *env);
/* The value of a register of the running frame decides: from now on, it must be compared. */
void verify_mark_precise(struct verify_env *env, unsigned reg);
/* `old` covers now: what was precise there is precise here. */
void verify_inherit_precise(struct verify_env *env, struct verify_kept *old);

/* ---- verify_log.c ---- */
const char *verify_type_text(const struct verify_reg *reg);
/* Before an instruction and behind it, if env->printing; where a path goes on elsewhere. */
void verify_log_insn(struct verify_env *env);
void verify_log_result(struct verify_env *env);
void verify_log_jump(struct verify_env *env, uint32_t from);
const char *verify_tnum_text(struct tnum t, char *out); /* out[48] */

/* ---- verify_fixup.c ---- */
/* The rewritten program; NULL: no memory. */
struct bpf_insn *verify_rewrite(struct verify_env *env);

#endif
