/*
 * The JIT: eBPF to x86-64, one instruction after the other. Jumps are short where they can be,
 * which depends on how long everything between is: passes are repeated until nothing moves. From
 * lengths that are too great at first everything only becomes shorter, so that this ends; a
 * program may be made so that it takes a pass for each of its jumps, which is not waited for.
 *
 *   jit_x86.c       passes, jumps, bpf_jit()
 *   jit_x86_alu.c   arithmetic
 *   jit_x86_mem.c   loads, stores, atomics
 *   jit_x86_call.c  frames, calls, tail calls
 */
#include "jit_x86.h"
#include <kernel/lib.h>

/* More than the code of any instruction, with a prologue before it: the first pass's distances */
#define INSN_BYTES_MAX 128u

#define PASSES_MAX 24u /* compiled programs need 3 to 6 */

const uint8_t x86_of_bpf[BPF_REGS] = { RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15, RBP };

/* From instruction `at`; cc < 0: always. A jump forward goes over what was between in the pass
 * before: from its own length, which may still change, nothing follows. */
static void jump(struct x86_jit *j, int cc, uint32_t at, uint32_t to)
{
    uint32_t from = to > at ? j->offsets[at + 1] : (uint32_t)j->at + 2;
    bool is_short = fits8((int64_t)j->offsets[to] - (int64_t)from);

    if (j->frozen)
        is_short = j->at + 2 == j->jump_end;
    if (is_short) {
        emit8(j, cc < 0 ? 0xebu : 0x70u | (unsigned)cc);
        emit8(j, (uint8_t)(j->offsets[to] - (uint32_t)(j->at + 1)));
        return;
    }
    if (cc < 0)
        emit8(j, 0xe9);
    else
        emit16(j, 0x800fu | (unsigned)cc << 8);
    emit32(j, j->offsets[to] - (uint32_t)(j->at + 4));
}

static enum x86_cc condition(unsigned op)
{
    switch (op) {
    case BPF_JEQ:
        return CC_E;
    case BPF_JGT:
        return CC_A;
    case BPF_JGE:
        return CC_AE;
    case BPF_JSGT:
        return CC_G;
    case BPF_JSGE:
        return CC_GE;
    case BPF_JLT:
        return CC_B;
    case BPF_JLE:
        return CC_BE;
    case BPF_JSLT:
        return CC_L;
    case BPF_JSLE:
        return CC_LE;
    default: /* BPF_JNE, BPF_JSET */
        return CC_NE;
    }
}

static void jump_if(struct x86_jit *j, uint32_t at, const struct bpf_insn *insn)
{
    enum x86_reg dst = x86_of_bpf[insn->dst], src = x86_of_bpf[insn->src];
    bool wide = BPF_CLASS(insn->code) == BPF_JMP, set = BPF_OP(insn->code) == BPF_JSET;

    if (insn->off == 0)
        return;
    if (BPF_SRC(insn->code) == BPF_X) {
        emit_rr(j, wide, set ? 0x85 : 0x39, src, dst);
    } else if (set) {
        emit_rr(j, wide && insn->imm < 0, 0xf7, 0, dst); /* a positive one has no upper half */
        emit32(j, (uint32_t)insn->imm);
    } else if (insn->imm == 0) {
        emit_rr(j, wide, 0x85, dst, dst); /* sets the flags that cmp with 0 would */
    } else {
        emit_group1(j, wide, 7, dst, insn->imm);
    }
    jump(j, (int)condition(BPF_OP(insn->code)), at, at + 1 + (uint32_t)insn->off);
}

static void translate_jump(struct x86_jit *j, uint32_t at, const struct bpf_insn *insn)
{
    int32_t off = BPF_CLASS(insn->code) == BPF_JMP32 ? insn->imm : insn->off;

    switch (BPF_OP(insn->code)) {
    case BPF_JA:
        if (off != 0)
            jump(j, -1, at, at + 1 + (uint32_t)off);
        break;
    case BPF_CALL:
        x86_call(j, at, insn);
        break;
    case BPF_EXIT:
        x86_exit(j);
        break;
    default:
        jump_if(j, at, insn);
        break;
    }
}

static void translate(struct x86_jit *j, uint32_t at)
{
    const struct bpf_insn *insn = &j->prog->insns[at];

    switch (BPF_CLASS(insn->code)) {
    case BPF_LD: /* BPF_LD_IMM64 */
        x86_move_imm(j, x86_of_bpf[insn->dst],
                     (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32);
        break;
    case BPF_LDX:
        x86_load(j, insn);
        break;
    case BPF_ST:
        x86_store_imm(j, insn);
        break;
    case BPF_STX:
        if (BPF_MODE(insn->code) == BPF_ATOMIC)
            x86_atomic(j, insn);
        else
            x86_store(j, insn);
        break;
    case BPF_ALU:
    case BPF_ALU64:
        x86_alu(j, insn);
        break;
    default: /* BPF_JMP, BPF_JMP32 */
        translate_jump(j, at, insn);
        break;
    }
}

static void place(struct x86_jit *j, uint32_t *where)
{
    if (*where != j->at) {
        *where = (uint32_t)j->at;
        j->moved = true;
    }
}

static void pass(struct x86_jit *j)
{
    const struct bpf_prog *prog = j->prog;

    j->at = 0;
    j->moved = false;
    if (prog->subprogs[0].tail_call)
        x86_counter_frame(j);
    for (uint32_t f = 0; f < prog->subprog_count; f++) {
        uint32_t first = prog->subprogs[f].start;
        uint32_t end = f + 1 < prog->subprog_count ? prog->subprogs[f + 1].start : prog->count;

        j->func = &prog->subprogs[f];
        place(j, &j->entries[f]);
        x86_prologue(j, first, end);
        for (uint32_t i = first; i < end; i++) {
            j->jump_end = j->at + (j->offsets[i + 1] - j->offsets[i]);
            place(j, &j->offsets[i]);
            translate(j, i);
            if (prog->insns[i].code == BPF_LD_IMM64)
                place(j, &j->offsets[++i]);
        }
    }
    place(j, &j->offsets[prog->count]);
}

size_t bpf_jit_emit(const struct bpf_prog *prog, uint64_t address, uint8_t *out, size_t room,
                    uint32_t *offsets, uint32_t *tail_entry)
{
    uint32_t entries[BPF_SUBPROGS_MAX] = { 0 };
    struct x86_jit j = {
        .prog = prog,
        .address = address,
        .out = out,
        .room = room,
        .offsets = offsets,
        .entries = entries,
    };

    for (uint32_t i = 0; i <= prog->count; i++)
        offsets[i] = (i + 1) * INSN_BYTES_MAX;
    for (uint32_t f = 0; f < prog->subprog_count; f++)
        entries[f] = prog->subprogs[f].start * INSN_BYTES_MAX;
    for (unsigned passes = 1; passes == 1 || j.moved; passes++) {
        j.frozen = passes > PASSES_MAX;
        pass(&j);
    }
    *tail_entry = entries[0];
    return j.at;
}

bool bpf_jit(struct bpf_prog *prog)
{
    uint32_t *offsets = bpf_mem_alloc((prog->count + 1) * sizeof(*offsets));
    uint32_t tail_entry;
    size_t room, bytes;
    void *image;

    if (offsets == NULL)
        return false;
    /* How long it is depends a little on where it stands. */
    bytes = bpf_jit_emit(prog, 0, NULL, 0, offsets, &tail_entry);
    do {
        room = bytes;
        image = bpf_exec_alloc(room);
        if (image == NULL) {
            bpf_mem_free(offsets);
            return false;
        }
        bytes = bpf_jit_emit(prog, (uintptr_t)image, image, room, offsets, &tail_entry);
        if (bytes > room)
            bpf_exec_free(image);
    } while (bytes > room);
    bpf_exec_seal(image);
    prog->image = image;
    prog->image_bytes = bytes;
    prog->tail_entry = tail_entry;
    prog->jit_offsets = offsets;
    prog->entry = (uint64_t(*)(void *))(uintptr_t)image;
    return true;
}
