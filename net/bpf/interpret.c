/*
 * The interpreter: what the JIT is compared with, and what runs with `xdp jit off`. It is written
 * to be read beside RFC 9669. Programs are verified, so that nothing is checked here again.
 */
#include "alu.h"
#include "bpf_shadow.h"
#include "helper.h"
#include "tail_call.h"
#include <kernel/panic.h>
#include <string.h>

/* The caller of a function of the program, while that runs. */
struct frame {
    const struct bpf_insn *back;    /* the call */
    const struct bpf_subprog *func; /* the caller */
    uint64_t saved[5];              /* r6 to r10 */
};

struct machine {
    const struct bpf_prog *prog;
    const struct bpf_subprog *func; /* the running one */
    uint64_t r[BPF_REGS];
    unsigned depth; /* frames below the running one */
    struct frame frames[BPF_FRAMES_MAX - 1];
    uint8_t stack[BPF_STACK_BYTES] __attribute__((aligned(16)));
};

static void check(const struct machine *m, uint64_t address, unsigned bytes, bool write)
{
    const uint8_t *top = (const uint8_t *)(uintptr_t)m->r[BPF_R10];

    bpf_shadow_check((const void *)(uintptr_t)address, bytes, write, top - m->func->stack_bytes,
                     m->stack + BPF_STACK_BYTES);
}

static unsigned size_bytes(uint8_t code)
{
    switch (BPF_SIZE(code)) {
    case BPF_B:
        return 1;
    case BPF_H:
        return 2;
    case BPF_W:
        return 4;
    default:
        return 8;
    }
}

/* Packets are not aligned: bytes are copied. */
static uint64_t load(const struct machine *m, const struct bpf_insn *insn)
{
    uint64_t address = m->r[insn->src] + (uint64_t)insn->off, value = 0;
    unsigned bytes = size_bytes(insn->code);
    const void *p = (const void *)(uintptr_t)address;

    check(m, address, bytes, false);
    switch (bytes) {
    case 1:
        memcpy(&value, p, 1);
        break;
    case 2:
        memcpy(&value, p, 2);
        break;
    case 4:
        memcpy(&value, p, 4);
        break;
    default:
        memcpy(&value, p, 8);
        break;
    }
    return BPF_MODE(insn->code) == BPF_MEMSX ? bpf_move(value, 8 * (int)bytes) : value;
}

static void store(const struct machine *m, const struct bpf_insn *insn, uint64_t value)
{
    uint64_t address = m->r[insn->dst] + (uint64_t)insn->off;
    unsigned bytes = size_bytes(insn->code);
    void *p = (void *)(uintptr_t)address;

    check(m, address, bytes, true);
    switch (bytes) {
    case 1:
        memcpy(p, &value, 1);
        break;
    case 2:
        memcpy(p, &value, 2);
        break;
    case 4:
        memcpy(p, &value, 4);
        break;
    default:
        memcpy(p, &value, 8);
        break;
    }
}

static uint64_t atomic64(uint64_t *p, int op, uint64_t src, uint64_t *r0)
{
    switch (op & ~BPF_FETCH) {
    case BPF_ADD:
        return __atomic_fetch_add(p, src, __ATOMIC_SEQ_CST);
    case BPF_OR:
        return __atomic_fetch_or(p, src, __ATOMIC_SEQ_CST);
    case BPF_AND:
        return __atomic_fetch_and(p, src, __ATOMIC_SEQ_CST);
    case BPF_XOR:
        return __atomic_fetch_xor(p, src, __ATOMIC_SEQ_CST);
    case BPF_XCHG & ~BPF_FETCH:
        return __atomic_exchange_n(p, src, __ATOMIC_SEQ_CST);
    default: /* BPF_CMPXCHG */
        __atomic_compare_exchange_n(p, r0, src, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return *r0;
    }
}

static uint32_t atomic32(uint32_t *p, int op, uint32_t src, uint64_t *r0)
{
    uint32_t expected = (uint32_t)*r0;

    switch (op & ~BPF_FETCH) {
    case BPF_ADD:
        return __atomic_fetch_add(p, src, __ATOMIC_SEQ_CST);
    case BPF_OR:
        return __atomic_fetch_or(p, src, __ATOMIC_SEQ_CST);
    case BPF_AND:
        return __atomic_fetch_and(p, src, __ATOMIC_SEQ_CST);
    case BPF_XOR:
        return __atomic_fetch_xor(p, src, __ATOMIC_SEQ_CST);
    case BPF_XCHG & ~BPF_FETCH:
        return __atomic_exchange_n(p, src, __ATOMIC_SEQ_CST);
    default: /* BPF_CMPXCHG */
        __atomic_compare_exchange_n(p, &expected, src, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        *r0 = expected;
        return expected;
    }
}

/* §5.3. With BPF_FETCH, src (r0 for BPF_CMPXCHG) gets what was there. */
static void atomic(struct machine *m, const struct bpf_insn *insn)
{
    uint64_t address = m->r[insn->dst] + (uint64_t)insn->off, old;
    void *p = (void *)(uintptr_t)address;

    check(m, address, size_bytes(insn->code), true);
    if (BPF_SIZE(insn->code) == BPF_DW)
        old = atomic64(p, insn->imm, m->r[insn->src], &m->r[BPF_R0]);
    else
        old = atomic32(p, insn->imm, (uint32_t)m->r[insn->src], &m->r[BPF_R0]);
    if ((insn->imm & BPF_FETCH) != 0 && insn->imm != BPF_CMPXCHG)
        m->r[insn->src] = old;
}

static void alu(struct machine *m, const struct bpf_insn *insn)
{
    uint64_t *dst = &m->r[insn->dst];
    uint64_t b = BPF_SRC(insn->code) == BPF_X ? m->r[insn->src] : (uint64_t)insn->imm;

    if (BPF_OP(insn->code) == BPF_END)
        *dst = bpf_end(insn->code, insn->imm, *dst);
    else if (BPF_CLASS(insn->code) == BPF_ALU64)
        *dst = bpf_alu64(BPF_OP(insn->code), insn->off, *dst, b);
    else
        *dst = bpf_alu32(BPF_OP(insn->code), insn->off, (uint32_t)*dst, (uint32_t)b);
}

static bool jumps(const struct machine *m, const struct bpf_insn *insn)
{
    uint64_t a = m->r[insn->dst];
    uint64_t b = BPF_SRC(insn->code) == BPF_X ? m->r[insn->src] : (uint64_t)insn->imm;

    if (BPF_CLASS(insn->code) == BPF_JMP32) {
        a = (uint64_t)(int32_t)a;
        b = (uint64_t)(int32_t)b;
    }
    return bpf_jump_taken(BPF_OP(insn->code), a, b);
}

static const struct bpf_subprog *subprog_at(const struct bpf_prog *prog, uint32_t start)
{
    uint32_t low = 0, high = prog->subprog_count;

    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;

        if (prog->subprogs[middle].start <= start)
            low = middle;
        else
            high = middle;
    }
    return &prog->subprogs[low];
}

/* A function of the program is called: its stack is below its caller's. Returns its first
 * instruction. */
static const struct bpf_insn *enter(struct machine *m, const struct bpf_insn *call)
{
    uint32_t start = (uint32_t)(call - m->prog->insns + 1 + call->imm);
    struct frame *frame = &m->frames[m->depth];

    ASSERT(m->depth < BPF_FRAMES_MAX - 1);
    frame->back = call;
    frame->func = m->func;
    memcpy(frame->saved, &m->r[BPF_R6], sizeof(frame->saved));
    m->depth++;
    m->r[BPF_R10] -= m->func->stack_bytes;
    m->func = subprog_at(m->prog, start);
    return m->prog->insns + start;
}

/* It is at its end. Returns the call, behind which its caller goes on. */
static const struct bpf_insn *leave(struct machine *m)
{
    struct frame *frame = &m->frames[--m->depth];

    m->func = frame->func;
    memcpy(&m->r[BPF_R6], frame->saved, sizeof(frame->saved));
    return frame->back;
}

static void call_helper(struct machine *m, int32_t id)
{
    const uint8_t *top = (const uint8_t *)(uintptr_t)m->r[BPF_R10];
    uint64_t (*helper)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) =
        bpf_helper_function((uint32_t)id);

    ASSERT(helper != NULL);
    bpf_shadow_called((uint32_t)id, &m->r[BPF_R1], top - m->func->stack_bytes,
                      m->stack + BPF_STACK_BYTES);
    m->r[BPF_R0] = helper(m->r[BPF_R1], m->r[BPF_R2], m->r[BPF_R3], m->r[BPF_R4], m->r[BPF_R5]);
    bpf_shadow_returned((uint32_t)id, &m->r[BPF_R1], m->r[BPF_R0]);
}

static void start(struct machine *m, const struct bpf_prog *prog, void *ctx)
{
    m->prog = prog;
    m->func = &prog->subprogs[0];
    m->depth = 0;
    memset(m->r, 0, sizeof(m->r));
    m->r[BPF_R1] = (uintptr_t)ctx;
    m->r[BPF_R10] = (uintptr_t)(m->stack + BPF_STACK_BYTES);
}

struct bpf_prog *bpf_tail_call_prog(struct bpf_map *map, uint32_t index, uint32_t *tails)
{
    struct bpf_prog *prog = bpf_prog_array_get(map, index);

    if (prog == NULL || *tails >= BPF_TAIL_CALLS_MAX)
        return NULL;
    ++*tails;
    return prog;
}

/* What a call is to: a function of the program, a helper, or another program. Returns the
 * instruction before the one to go on with; NULL: the running function ends with r0. */
static const struct bpf_insn *call(struct machine *m, const struct bpf_insn *insn, uint32_t *tails)
{
    struct bpf_prog *prog;
    void *ctx = (void *)(uintptr_t)m->r[BPF_R1];

    if (insn->src == BPF_PSEUDO_CALL)
        return enter(m, insn) - 1;
    if (insn->imm != BPF_FUNC_tail_call) {
        call_helper(m, insn->imm);
        return insn;
    }
    prog = bpf_tail_call_prog((struct bpf_map *)(uintptr_t)m->r[BPF_R2], (uint32_t)m->r[BPF_R3],
                              tails);
    if (prog == NULL)
        return insn;
    if (m->depth == 0) {
        start(m, prog, ctx);
        return prog->insns - 1;
    }
    /* The functions that wait here still need this stack. */
    m->r[BPF_R0] = bpf_interpret_tail(prog, ctx, tails);
    return NULL;
}

uint64_t bpf_interpret_tail(const struct bpf_prog *prog, void *ctx, uint32_t *tails)
{
    struct machine m;

    start(&m, prog, ctx);
    for (const struct bpf_insn *insn = prog->insns;; insn++) {
        bpf_shadow_step();
        switch (BPF_CLASS(insn->code)) {
        case BPF_ALU:
        case BPF_ALU64:
            alu(&m, insn);
            continue;
        case BPF_LD: /* BPF_LD_IMM64 */
            m.r[insn->dst] = (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32;
            insn++;
            continue;
        case BPF_LDX:
            m.r[insn->dst] = load(&m, insn);
            continue;
        case BPF_ST:
            store(&m, insn, (uint64_t)insn->imm);
            continue;
        case BPF_STX:
            if (BPF_MODE(insn->code) == BPF_ATOMIC)
                atomic(&m, insn);
            else
                store(&m, insn, m.r[insn->src]);
            continue;
        default: /* BPF_JMP, BPF_JMP32 */
            break;
        }
        if (BPF_OP(insn->code) == BPF_JA) {
            insn += BPF_CLASS(insn->code) == BPF_JMP ? insn->off : insn->imm;
        } else if (BPF_OP(insn->code) == BPF_CALL || BPF_OP(insn->code) == BPF_EXIT) {
            const struct bpf_insn *last =
                BPF_OP(insn->code) == BPF_CALL ? call(&m, insn, tails) : NULL;

            if (last == NULL && m.depth == 0)
                return m.r[BPF_R0];
            insn = last != NULL ? last : leave(&m);
        } else if (jumps(&m, insn)) {
            insn += insn->off;
        }
    }
}

uint64_t bpf_interpret(const struct bpf_prog *prog, void *ctx)
{
    uint32_t tails = 0;

    return bpf_interpret_tail(prog, ctx, &tails);
}
