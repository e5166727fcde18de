/*
 * The program's own functions. A static one is gone through at each call, in a frame of its own,
 * with what is known of its arguments. A global one is gone through once, for any arguments of its
 * prototype, and its callers know nothing of what it returns. And exit, from either.
 */
#include "verify.h"
#include <string.h>

void verify_set_frame_pointer(struct verify_frame *frame, unsigned index)
{
    struct verify_reg *fp = &frame->regs[BPF_R10];

    *fp = (struct verify_reg){ .type = REG_STACK, .frame = (uint8_t)index };
    verify_set_value(fp, 0);
}

bool verify_each_next(struct verify_now *now, struct verify_each *it)
{
    uint64_t left;

    if (it->reg == NULL) {
        *it = (struct verify_each){ .reg = &now->frame[0].regs[0] };
        return true;
    }
    for (;;) {
        struct verify_frame *frame = &now->frame[it->frame];
        if (!it->in_stack) {
            if (++it->index < BPF_R10) {
                it->reg = &frame->regs[it->index];
                return true;
            }
            it->in_stack = true;
            left = frame->spilled;
        } else {
            left = it->index >= 63 ? 0 : frame->spilled & ~0ull << (it->index + 1);
        }
        if (left != 0) {
            it->index = (unsigned)__builtin_ctzll(left);
            it->reg = &frame->stack[it->index].reg;
            return true;
        }
        if (++it->frame >= now->frames) {
            it->reg = NULL;
            return false;
        }
        it->in_stack = false;
        it->index = 0;
        it->reg = &now->frame[it->frame].regs[0];
        return true;
    }
}

/* ---- References ---- */

bool verify_ref_new(struct verify_env *env, uint32_t *id)
{
    struct verify_now *now = &env->now;

    if (now->refs >= VERIFY_REFS_MAX)
        return verify_fail(env, "more than %u references at a time\n", VERIFY_REFS_MAX);
    *id = ++env->next_id;
    now->ref[now->refs++] = (struct verify_ref){ *id, now->insn };
    return true;
}

void verify_ref_drop(struct verify_now *now, uint32_t id)
{
    for (unsigned i = 0; i < now->refs; i++)
        if (now->ref[i].id == id) {
            now->ref[i] = now->ref[--now->refs];
            return;
        }
}

bool verify_check_refs(struct verify_env *env, const char *reason)
{
    const struct verify_now *now = &env->now;

    if (now->refs == 0)
        return true;
    for (unsigned i = 0; i < now->refs; i++)
        verify_say(env, "Unreleased reference id=%u alloc_insn=%u\n", now->ref[i].id,
                   now->ref[i].insn);
    return verify_fail(env, "%s", reason);
}

/* ---- Calls ---- */

void verify_clear_caller_saved(struct verify_frame *frame)
{
    for (unsigned r = BPF_R0; r <= BPF_R5; r++)
        frame->regs[r].type = REG_NONE;
}

static void frame_init(struct verify_frame *frame, unsigned index, unsigned subprog)
{
    frame->subprog = (uint16_t)subprog;
    frame->slots = 0;
    frame->spilled = 0;
    frame->written = ~0ull; /* nothing of it is an earlier state's */
    for (unsigned r = 0; r < BPF_R10; r++)
        frame->regs[r].type = REG_NONE;
    verify_set_frame_pointer(frame, index);
}

static void set_ctx(struct verify_reg *reg)
{
    *reg = (struct verify_reg){ .type = REG_CTX };
    verify_set_value(reg, 0);
}

void verify_start_function(struct verify_env *env, unsigned subprog)
{
    struct verify_now *now = &env->now;
    const struct bpf_subprog *named = &env->named[subprog];

    now->insn = env->subprog[subprog].start;
    now->frames = 1;
    now->refs = 0;
    now->parent = NULL;
    frame_init(&now->frame[0], 0, subprog);
    now->frame[0].callsite = UINT32_MAX;
    if (subprog == 0) {
        set_ctx(&now->frame[0].regs[BPF_R1]);
        return;
    }
    for (unsigned i = 0; i < named->arg_count; i++) {
        struct verify_reg *reg = &now->frame[0].regs[BPF_R1 + i];
        unsigned kind = named->args[i].kind;
        if (kind == BPF_SUBPROG_CTX) {
            set_ctx(reg);
        } else if (kind == BPF_SUBPROG_MEM || kind == BPF_SUBPROG_MEM_OR_NULL) {
            *reg = (struct verify_reg){ .mem_bytes = named->args[i].bytes };
            verify_set_value(reg, 0);
            reg->type = kind == BPF_SUBPROG_MEM ? REG_MEM : REG_MEM_OR_NULL;
            reg->id = kind == BPF_SUBPROG_MEM ? 0 : ++env->next_id;
        } else {
            verify_set_unknown(reg);
        }
    }
}

/* Can Linux's rules for global functions say what this one takes and gives? */
static bool global_ok(struct verify_env *env, const struct bpf_subprog *named)
{
    if (named->arg_count > 5)
        return verify_fail(env, "Global function %s() with %u > 5 args. Buggy compiler.\n",
                           named->name, named->arg_count);
    if (!named->scalar_result)
        return verify_fail(env,
                           "Global function %s() doesn't return scalar. Only those are "
                           "supported.\n",
                           named->name);
    for (unsigned i = 0; i < named->arg_count; i++)
        if (named->args[i].kind == BPF_SUBPROG_OTHER)
            return verify_fail(env, "Arg#%u type in %s() is not supported yet.\n", i, named->name);
    return true;
}

static bool global_arg(struct verify_env *env, unsigned i, const struct bpf_subprog_arg *arg)
{
    unsigned regno = BPF_R1 + i;
    const struct verify_reg *reg = verify_reg_now(env, regno);

    if (reg->type == REG_NONE)
        return verify_fail(env, "R%u !read_ok\n", regno);
    switch (arg->kind) {
    case BPF_SUBPROG_CTX:
        if (reg->type != REG_CTX)
            return verify_fail(env, "arg#%u expected pointer to ctx, but got %s\n", i,
                               verify_type_text(reg));
        return verify_plain_pointer(env, regno, false);
    case BPF_SUBPROG_SCALAR:
        return reg->type == REG_SCALAR || verify_fail(env, "R%u is not a scalar\n", regno);
    default:
        if (arg->kind == BPF_SUBPROG_MEM_OR_NULL && verify_is_const(reg) && reg->var.value == 0) {
            verify_mark_precise(env, regno);
            return true;
        }
        return verify_helper_memory(env, regno, arg->bytes, false, ACCESS_WRITE, false);
    }
}

static bool call_global(struct verify_env *env, unsigned subprog)
{
    struct bpf_subprog *named = &env->named[subprog];

    if (!global_ok(env, named))
        return false;
    for (unsigned i = 0; i < named->arg_count; i++)
        if (!global_arg(env, i, &named->args[i]))
            return verify_fail(env, "Caller passes invalid args into func#%u ('%s')\n", subprog,
                               named->name);
    if (!verify_check_refs(env, "a global function may not be called with a reference held\n"))
        return false;
    env->subprog[subprog].called = true;
    verify_clear_caller_saved(verify_frame_now(env));
    verify_set_unknown(verify_reg_now(env, BPF_R0));
    if (env->subprog[subprog].moves_packet)
        verify_packet_moved(env);
    return true;
}

bool verify_call_function(struct verify_env *env, const struct bpf_insn *insn, uint32_t *next)
{
    uint32_t at = env->now.insn;
    int subprog = verify_subprog_at(env, (uint32_t)((int64_t)at + insn->imm + 1));
    struct verify_frame *caller = verify_frame_now(env), *callee;

    if (subprog < 0)
        return verify_fail(env, "verifier bug. No program starts at insn %u\n", at);
    *next = at + 1;
    if (env->named[subprog].global)
        return call_global(env, (unsigned)subprog);
    if (env->now.frames >= BPF_FRAMES_MAX)
        return verify_fail(env, "the call stack of %u frames is too deep\n", env->now.frames + 1);
    callee = &env->now.frame[env->now.frames];
    frame_init(callee, env->now.frames, (unsigned)subprog);
    callee->callsite = at;
    memcpy(&callee->regs[BPF_R1], &caller->regs[BPF_R1], 5 * sizeof caller->regs[0]);
    verify_clear_caller_saved(caller);
    env->now.frames++;
    verify_trail_called(env);
    *next = env->subprog[subprog].start;
    return true;
}

static bool exit_program(struct verify_env *env)
{
    const struct verify_reg *r0 = verify_reg_now(env, BPF_R0);

    if (!verify_check_refs(env, "BPF_EXIT instruction in main prog would lead to reference leak\n"))
        return false;
    if (r0->type == REG_NONE)
        return verify_fail(env, "R0 !read_ok\n");
    if (r0->type != REG_SCALAR && verify_frame_now(env)->subprog != 0)
        return verify_fail(env, "At subprogram exit the register R0 is not a scalar value (%s)\n",
                           verify_type_text(r0));
    if (r0->type != REG_SCALAR)
        return verify_fail(env, "R0 leaks addr as return value\n");
    return true;
}

bool verify_exit(struct verify_env *env, uint32_t *next, bool *ended)
{
    struct verify_frame *callee = verify_frame_now(env), *caller;

    *ended = env->now.frames == 1;
    if (*ended)
        return exit_program(env);
    if (callee->regs[BPF_R0].type == REG_STACK)
        return verify_fail(env, "cannot return stack pointer to the caller\n");
    *next = callee->callsite + 1;
    env->now.frames--;
    caller = verify_frame_now(env);
    caller->regs[BPF_R0] = callee->regs[BPF_R0];
    /* If it tail called, another program returns here: with anything, and the packet moved. */
    if (env->subprog[callee->subprog].replaced) {
        verify_set_unknown(&caller->regs[BPF_R0]);
        verify_packet_moved(env);
    }
    return true;
}
