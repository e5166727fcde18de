/*
 * One eBPF program on its way from an object file to the receive path:
 *
 *   object.c   ELF, BTF, relocations        -> struct bpf_prog with maps by index, not yet trusted
 *   verifier   bpf_verify()                 -> proven safe; ctx loads and map references rewritten
 *   jit_x86.c  bpf_jit()                    -> machine code
 *   ../xdp.c   runs it on every received frame
 *
 * The instructions before verification are what the compiler made, with map references as indexes
 * of `maps`. Behind it (BPF_XLATED): loads from ctx are loads from struct xdp_buff (64 bits wide
 * for the pointers), and 64-bit immediates are the pointers themselves (their src still says of
 * what kind). So the interpreter and the JIT know nothing of maps and contexts.
 */
#ifndef NET_BPF_PROG_H
#define NET_BPF_PROG_H

#include "insn.h"
#include "map.h"
#include "xdp_buff.h"

#define BPF_PROG_NAME_MAX 64u
#define BPF_INSNS_MAX     16384u
#define BPF_SUBPROGS_MAX  256u
#define BPF_PROG_MAPS_MAX 64u

/* What a caller may pass to a global function, from its prototype in BTF. */
enum bpf_subprog_arg_kind {
    BPF_SUBPROG_OTHER, /* of a type that Linux has no rule for: such a function is refused */
    BPF_SUBPROG_SCALAR,
    BPF_SUBPROG_CTX,
    BPF_SUBPROG_MEM, /* `bytes` of memory, read and written */
    BPF_SUBPROG_MEM_OR_NULL,
};
struct bpf_subprog_arg {
    uint8_t kind;
    uint32_t bytes;
};

/* A function of the program: the first one (start 0) is the program itself. */
struct bpf_subprog {
    uint32_t start;       /* index of its first instruction */
    uint16_t stack_bytes; /* verified: what it uses below r10, rounded up to 8 */
    bool global;          /* from BTF: verified by itself, for any arguments */
    bool scalar_result;   /* from BTF: it returns a number */
    uint8_t arg_count;    /* from BTF: may be more than args has room for */
    struct bpf_subprog_arg args[5];
    bool tail_call; /* verified: it or what it calls may tail call */
    char name[BPF_PROG_NAME_MAX];
};

struct bpf_prog {
    char name[BPF_PROG_NAME_MAX];
    char section[BPF_PROG_NAME_MAX]; /* of its object: "xdp", "xdp/name"; "": of no object */
    uint32_t id;                     /* from 1, never used again; 0: not registered */
    unsigned refs;                   /* attached, in prog_arrays, ... */
    unsigned array_refs;             /* those of prog_arrays */
    bool marked;                     /* bpf_prog_array_collect()'s */
    bool gpl;                        /* its license is GPL-compatible */
    bool verified;

    struct bpf_insn *insns; /* from bpf_mem_alloc() */
    uint32_t count;
    struct bpf_subprog *subprogs; /* sorted by start. Before verification: what BTF names, may be
                                     few or none; behind it: all of them. From bpf_mem_alloc(); room
                                     for BPF_SUBPROGS_MAX */
    uint32_t subprog_count;
    struct bpf_map *maps[BPF_PROG_MAPS_MAX]; /* a reference of each is the program's */
    uint32_t map_count;

    /* Machine code; NULL where there is none */
    uint64_t (*entry)(void *ctx);
    void *image; /* from bpf_exec_alloc() */
    size_t image_bytes;
    uint32_t tail_entry; /* offset of where a tail call enters: behind the prologue's first part */
    uint32_t *jit_offsets; /* of each instruction in image, count + 1 of them, for `dump jited` */

    /* For `xdp show` */
    uint32_t verified_insns; /* that the verifier has gone through */
    uint64_t verify_ns;
    uint64_t loaded_ns;
    uint64_t actions[XDP_ACTIONS]; /* frames by verdict; a result beyond is XDP_ABORTED */
};

/* A message for who loads: text is cut where it does not fit. level 0: the reason only; 1: the way
 * to the rejected instruction with registers as Linux's log; 2: every instruction. */
struct bpf_log {
    char *text; /* always terminated; NULL: nobody reads */
    uint32_t size, used;
    uint8_t level;
    bool cut;
};
void bpf_log_printf(struct bpf_log *log, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Prove that the program may run, or say in the log why not. True: prog->verified, insns are
 * xlated. False: nothing of prog has changed. At most BPF_VERIFY_BUDGET instructions are gone
 * through (Linux: 1 M). Main context; may take milliseconds; interrupts and softirqs enabled.
 */
#ifndef BPF_VERIFY_BUDGET
#define BPF_VERIFY_BUDGET 1000000u
#endif
bool bpf_verify(struct bpf_prog *prog, struct bpf_log *log);

/* Run a verified program by interpretation. `ctx`: struct xdp_buff. Softirq context. */
uint64_t bpf_interpret(const struct bpf_prog *prog, void *ctx);

/* Compile a verified program: image, entry, tail_entry, jit_offsets. False: no memory (or too
 * large); the interpreter is left. Main context. */
bool bpf_jit(struct bpf_prog *prog);

/* The pure part: the code for `prog` as it would run at `address`, into out[room]. Returns its
 * bytes (more than room: nothing of use was written; call again with more), and fills offsets[count
 * + 1], which is also what it works with: where the code of each instruction begins, behind a
 * function's prologue; the last one is where it all ends. */
size_t bpf_jit_emit(const struct bpf_prog *prog, uint64_t address, uint8_t *out, size_t room,
                    uint32_t *offsets, uint32_t *tail_entry);

/* prog->insns[at] as bpftool prints it behind its "(71) ": "r0 = *(u8 *)(r1 +14)". Returns how many
 * struct bpf_insn it takes (1 or 2). Maps and functions are named as far as `prog` knows them. */
unsigned bpf_disasm(const struct bpf_prog *prog, uint32_t at, char *out, size_t room);

/* ---- Memory, a seam for the host: mem.c here, tests/host/fake_bpf_mem.c there ---- */

/* Zeroed, 16-byte aligned, at most BPF_MAP_BYTES_MAX; NULL: none. Main context, softirqs disabled
 * or not: it sees to that itself. */
void *bpf_mem_alloc(size_t bytes);
void bpf_mem_free(void *p); /* NULL is allowed */

/* Memory for code, writable until it is sealed and executable from then on, never both. */
void *bpf_exec_alloc(size_t bytes);
void bpf_exec_seal(void *p);
void bpf_exec_free(void *p);

/* ---- The set of loaded programs (registry.c) ---- */
struct bpf_prog *bpf_prog_new(const char *name); /* refs 1, no id yet; NULL: no memory */
bool bpf_prog_register(struct bpf_prog *prog);   /* gives the id; false: BPF_PROGS_MAX are there */
void bpf_prog_hold(struct bpf_prog *prog);
void bpf_prog_put(struct bpf_prog *prog); /* the last one frees it and puts its maps; softirqs
                                             disabled, so that no CPU can be in it */
#define BPF_PROGS_MAX 64u
struct bpf_prog *bpf_prog_at(unsigned i);
struct bpf_prog *bpf_prog_by_id(uint32_t id);
struct bpf_prog *bpf_prog_by_name(const char *name);

/* Off: programs are interpreted, from the next frame on. */
extern bool bpf_jit_enabled;

static inline uint64_t bpf_prog_run(const struct bpf_prog *prog, struct xdp_buff *xdp)
{
    return prog->entry != 0 && bpf_jit_enabled ? prog->entry(xdp) : bpf_interpret(prog, xdp);
}

#endif
