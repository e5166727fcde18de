/*
 * The JIT's functions: their frames, calls to other ones, to helpers and to other programs. Pure
 * code, but for what compiled code calls.
 *
 * A function's frame, downwards:
 *
 *   return address | rbp <- rbp | eBPF's stack | where the counter of tail calls is, if it may make
 *   one | filler | saved registers <- rsp
 *
 * Nothing is kept below rsp: interrupts arrive on this stack. At a call rsp is a multiple of 16, as
 * C has it.
 */
#include "helper.h"
#include "jit_x86.h"
#include "tail_call.h"
#include <kernel/panic.h>

/* What a call reaches by 32 bits wherever in the image it stands */
#define NEAR_BYTES ((int64_t)(2ull << 30) - (4 << 20))

static int32_t counter_at(const struct x86_jit *j)
{
    return -(int32_t)j->func->stack_bytes - 8;
}

static void find_saved(struct x86_jit *j, uint32_t first, uint32_t end, bool *calls)
{
    unsigned used = 0;

    *calls = false;
    for (uint32_t i = first; i < end; i++) {
        const struct bpf_insn *insn = &j->prog->insns[i];

        used |= 1u << insn->dst | 1u << insn->src;
        *calls |= insn->code == (BPF_JMP | BPF_CALL);
    }
    j->saved_count = 0;
    for (unsigned r = BPF_R6; r <= BPF_R9; r++) {
        if ((used & 1u << r) != 0)
            j->saved[j->saved_count++] = x86_of_bpf[r];
    }
}

/* Of the function whose instructions are first to end - 1 */
void x86_prologue(struct x86_jit *j, uint32_t first, uint32_t end)
{
    bool calls;

    find_saved(j, first, end, &calls);
    j->frame_bytes = j->func->stack_bytes + (j->func->tail_call ? 8u : 0u);
    if (calls && (j->frame_bytes + 8 * j->saved_count) % 16 != 0)
        j->frame_bytes += 8;
    emit_push(j, RBP);
    emit_move(j, true, RBP, RSP);
    if (j->frame_bytes != 0)
        emit_group1(j, true, 5, RSP, (int32_t)j->frame_bytes);
    for (unsigned i = 0; i < j->saved_count; i++)
        emit_push(j, j->saved[i]);
    if (j->func->tail_call)
        emit_rm(j, true, 0x89, RAX, RBP, counter_at(j), false);
}

static void take_down_frame(struct x86_jit *j)
{
    for (unsigned i = j->saved_count; i > 0; i--)
        emit_pop(j, j->saved[i - 1]);
    emit8(j, 0xc9); /* leave */
}

void x86_exit(struct x86_jit *j)
{
    take_down_frame(j);
    emit8(j, 0xc3); /* ret */
}

/* The counter of tail calls outlives the programs that count with it: it is below the frame of
 * whatever called the first one. Programs take its address in rax. */
void x86_counter_frame(struct x86_jit *j)
{
    emit_push(j, RBP);
    emit_move(j, true, RBP, RSP);
    emit16(j, 0x006a); /* push 0 */
    emit16(j, 0x006a);
    emit_move(j, true, RAX, RSP);
    emit8(j, 0xe8); /* call what comes behind this */
    emit32(j, 2);
    emit8(j, 0xc9);
    emit8(j, 0xc3);
}

static void call_function(struct x86_jit *j, uintptr_t function)
{
    int64_t distance = (int64_t)(function - j->address);

    if (distance > -NEAR_BYTES && distance < NEAR_BYTES) {
        emit8(j, 0xe8);
        emit32(j, (uint32_t)((uint64_t)distance - (j->at + 4)));
    } else {
        x86_move_imm(j, RAX, function);
        emit_rr(j, false, 0xff, 2, RAX);
    }
}

/* A program that had to be interpreted has run: returns its result to who waits for it. */
static __attribute__((naked)) void return_result(void)
{
    __asm__("movq %rdx, %rax\n\tret");
}

struct bpf_tail_target bpf_tail_call_target(void *ctx, struct bpf_map *map, uint32_t index,
                                            uint32_t *tails)
{
    struct bpf_tail_target target = { NULL, 0 };
    const struct bpf_prog *prog = bpf_tail_call_prog(map, index, tails);

    if (prog == NULL)
        return target;
    if (prog->entry != NULL) {
        target.code = (const uint8_t *)prog->image + prog->tail_entry;
    } else {
        target.code = (const void *)(uintptr_t)return_result;
        target.result = bpf_interpret_tail(prog, ctx, tails);
    }
    return target;
}

/* ctx, map and index are where bpf_tail_call_target() takes them. Behind it only ctx is needed. */
static void tail_call(struct x86_jit *j)
{
    size_t nowhere;

    emit_rm(j, true, 0x8b, RCX, RBP, counter_at(j), false);
    emit_push(j, RDI);
    emit_push(j, RDI); /* a multiple of 16 */
    call_function(j, (uintptr_t)bpf_tail_call_target);
    emit_pop(j, RDI);
    emit_pop(j, RDI);
    emit_rr(j, true, 0x85, RAX, RAX);
    nowhere = emit_short_jcc(j, CC_E);
    emit_move(j, true, R11, RAX);
    emit_rm(j, true, 0x8b, RAX, RBP, counter_at(j), false);
    take_down_frame(j);
    emit_rr(j, false, 0xff, 4, R11); /* jmp */
    emit_here(j, nowhere);
}

static uint32_t entry_of(const struct x86_jit *j, uint32_t start)
{
    uint32_t i = 0;

    while (i < j->prog->subprog_count && j->prog->subprogs[i].start != start)
        i++;
    ASSERT(i < j->prog->subprog_count);
    return i;
}

void x86_call(struct x86_jit *j, uint32_t at, const struct bpf_insn *insn)
{
    if (insn->src == BPF_PSEUDO_CALL) {
        uint32_t to = entry_of(j, at + 1 + (uint32_t)insn->imm);

        if (j->prog->subprogs[to].tail_call)
            emit_rm(j, true, 0x8b, RAX, RBP, counter_at(j), false);
        emit8(j, 0xe8);
        emit32(j, j->entries[to] - (uint32_t)(j->at + 4));
    } else if (insn->imm == BPF_FUNC_tail_call) {
        tail_call(j);
    } else {
        uintptr_t helper = (uintptr_t)bpf_helper_function((uint32_t)insn->imm);

        ASSERT(helper != 0);
        call_function(j, helper);
    }
}
