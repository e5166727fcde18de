/*
 * bpf_verify(): goes down every path of the program and of its global functions, instruction by
 * instruction, with what is known of each register and stack slot. verify.h lists the parts.
 */
#include "verify.h"
#include <kernel/time.h>
#include <string.h>

static bool load_imm64(struct verify_env *env, const struct bpf_insn *insn)
{
    struct verify_reg *dst = verify_reg_now(env, insn->dst);

    if (insn->dst == BPF_R10)
        return verify_fail(env, "frame pointer is read only\n");
    if (insn->src == 0) {
        verify_set_const(dst, (uint64_t)(uint32_t)insn[1].imm << 32 | (uint32_t)insn[0].imm);
        return true;
    }
    *dst = (struct verify_reg){ .map = (uint8_t)insn->imm };
    verify_set_value(dst, 0);
    dst->type = insn->src == BPF_PSEUDO_MAP_FD ? REG_MAP : REG_VALUE;
    dst->off = dst->type == REG_VALUE ? insn[1].imm : 0;
    return true;
}

static bool jump(struct verify_env *env, const struct bpf_insn *insn, uint32_t *next, bool *ended)
{
    env->jumps_passed++;
    switch (BPF_OP(insn->code)) {
    case BPF_JA:
        *next = (uint32_t)verify_jump_target(insn, env->now.insn);
        return true;
    case BPF_CALL:
        return insn->src == BPF_PSEUDO_CALL ? verify_call_function(env, insn, next)
                                            : verify_call_helper(env, insn);
    case BPF_EXIT:
        return verify_exit(env, next, ended);
    default:
        return verify_branch(env, insn, next);
    }
}

/* One instruction. *ended: the path is. */
static bool step(struct verify_env *env, bool *ended)
{
    const struct bpf_insn *insn = &env->insns[env->now.insn];
    uint32_t next = env->now.insn + 1;
    bool ok;

    switch (BPF_CLASS(insn->code)) {
    case BPF_ALU:
    case BPF_ALU64:
        ok = verify_alu(env, insn);
        break;
    case BPF_LDX:
        ok = verify_load(env, insn);
        break;
    case BPF_ST:
    case BPF_STX:
        ok = verify_store(env, insn);
        break;
    case BPF_LD:
        ok = load_imm64(env, insn);
        next++;
        break;
    default:
        ok = jump(env, insn, &next, ended);
        break;
    }
    if (env->printing)
        verify_log_result(env);
    env->now.insn = next;
    return ok;
}

static bool go_on_elsewhere(struct verify_env *env, bool *done)
{
    uint32_t from;

    verify_path_ended(env);
    *done = !verify_pop_branch(env);
    if (*done)
        return true;
    from = env->now.insn;
    verify_branch_jump(env);
    verify_log_jump(env, from);
    return true;
}

/* All paths from the start of a function; or, replaying, the one of the trail. */
static bool check_function(struct verify_env *env, unsigned subprog)
{
    bool done = false;

    verify_start_function(env, subprog);
    env->print_all = true;
    while (!done) {
        bool ended = false, covered = false;
        if (env->replaying && env->replay_at >= env->trail_count)
            return false;
        if (++env->processed > BPF_VERIFY_BUDGET)
            return verify_fail(env, "BPF program is too large. Processed %u insn\n",
                               env->processed);
        env->info[env->now.insn].seen = true;
        if (env->info[env->now.insn].meets && !verify_visit(env, &covered))
            return false;
        if (!covered) {
            if (env->printing)
                verify_log_insn(env);
            if (!verify_trail_insn(env) || !step(env, &ended))
                return false;
        }
        if ((covered || ended) && !go_on_elsewhere(env, &done))
            return false;
    }
    return true;
}

static void forget_kept(struct verify_env *env)
{
    memset(env->kept, 0, env->count * sizeof(struct verify_kept *));
    env->trail_count = 0;
    env->since_jumps = env->jumps_passed;
    env->since_insns = env->processed;
}

/* The program, then the global functions that it calls, and so on. */
static bool check_functions(struct verify_env *env, unsigned *failed)
{
    env->subprog[0].called = true;
    for (bool again = true; again;) {
        again = false;
        for (unsigned i = 0; i < env->subprogs; i++) {
            if (!env->subprog[i].called || env->subprog[i].checked)
                continue;
            env->subprog[i].checked = true;
            forget_kept(env);
            *failed = i;
            if (!check_function(env, i))
                return false;
            again = true;
        }
    }
    return true;
}

/* ---- The failing path, once more, for the log ---- */

static void replay(struct verify_env *env, unsigned subprog)
{
    uint32_t room = env->log->size - env->log->used, size;

    env->replaying = true;
    env->printing = true;
    /* Once to see how long it gets, then the end of it that fits */
    env->replay_skip = UINT32_MAX;
    for (unsigned i = 0; i < 2; i++) {
        env->next_id = 0;
        env->replay_at = 0;
        env->replay_bytes = 0;
        env->processed = 0;
        (void)check_function(env, subprog);
        size = VERIFY_REASON_SIZE + 512;
        env->replay_skip = env->replay_bytes + size > room ? env->replay_bytes + size - room : 0;
    }
    env->replaying = false;
}

static void report(struct verify_env *env, bool ok, bool walked, unsigned subprog)
{
    uint32_t processed = env->processed;

    if (env->log == NULL || env->log->text == NULL)
        return;
    if (!ok && walked && env->log->level == 1)
        replay(env, subprog);
    if (!ok)
        bpf_log_printf(env->log, "%s", env->reason);
    if (env->log->level >= 1)
        bpf_log_printf(env->log, "processed %u insns (limit %u) total_states %u peak_states %u\n",
                       processed, BPF_VERIFY_BUDGET, env->kept_total, env->kept_peak);
}

/* ---- */

static bool run(struct verify_env *env, bool *walked, unsigned *failed)
{
    if (env->count == 0 || env->count > BPF_INSNS_MAX)
        return verify_fail(env, "a program has 1 to %u instructions, this one %u\n", BPF_INSNS_MAX,
                           env->count);
    if (!verify_check_form(env) || !verify_find_functions(env) || !verify_check_flow(env) ||
        !verify_find_live(env))
        return false;
    *walked = true;
    env->printing = env->log != NULL && env->log->text != NULL && env->log->level >= 2;
    if (!check_functions(env, failed))
        return false;
    *walked = false;
    return verify_check_depth(env);
}

static bool finish(struct verify_env *env)
{
    struct bpf_prog *prog = env->prog;
    struct bpf_insn *insns = verify_rewrite(env);

    if (insns == NULL)
        return verify_fail(env, "no memory\n");
    bpf_mem_free(prog->insns);
    bpf_mem_free(prog->subprogs);
    prog->insns = insns;
    prog->subprogs = env->named;
    prog->subprog_count = env->subprogs;
    env->named = NULL;
    prog->verified_insns = env->processed;
    prog->verified = true;
    return true;
}

bool bpf_verify(struct bpf_prog *prog, struct bpf_log *log)
{
    uint64_t began_ns = time_ns();
    struct verify_env *env = bpf_mem_alloc(sizeof *env);
    bool ok = false, walked = false;
    unsigned failed = 0;

    if (env == NULL) {
        bpf_log_printf(log, "no memory to verify the program\n");
        return false;
    }
    env->prog = prog;
    env->insns = prog->insns;
    env->count = prog->count;
    env->log = log;
    env->reason_log = (struct bpf_log){ .text = env->reason, .size = sizeof env->reason };
    env->info = bpf_mem_alloc((prog->count + 1) * sizeof *env->info);
    env->kept = bpf_mem_alloc((prog->count + 1) * sizeof(struct verify_kept *));
    env->named = bpf_mem_alloc(BPF_SUBPROGS_MAX * sizeof *env->named);
    if (env->info == NULL || env->kept == NULL || env->named == NULL)
        verify_say(env, "no memory to verify the program\n");
    else
        ok = run(env, &walked, &failed) && finish(env);
    report(env, ok, walked, failed);
    if (ok)
        prog->verify_ns = time_ns() - began_ns;
    verify_free_states(env);
    bpf_mem_free(env->info);
    bpf_mem_free(env->kept);
    bpf_mem_free(env->named);
    bpf_mem_free(env);
    return ok;
}
