/*
 * Which registers are live: may be read from here on before they are written. The others are not
 * kept, and not compared where paths meet. One pass backwards after the other, until nothing
 * changes; loops make it two or three.
 */
#include "verify.h"

#define BIT(r)       ((uint16_t)(1u << (r)))
#define CALLER_SAVED 0x3f

static void call_uses(const struct bpf_insn *insn, uint16_t *uses, uint16_t *defines)
{
    const struct bpf_helper *helper =
        insn->src == BPF_PSEUDO_CALL ? NULL : bpf_helper_find((uint32_t)insn->imm);

    *defines = CALLER_SAVED;
    *uses = 0x3e;
    if (helper == NULL)
        return;
    *uses = 0;
    for (unsigned i = 0; i < 5 && helper->args[i] != BPF_ARG_NONE; i++)
        *uses |= BIT(i + 1);
}

static void alu_uses(const struct bpf_insn *insn, uint16_t *uses, uint16_t *defines)
{
    unsigned op = BPF_OP(insn->code);

    *defines = BIT(insn->dst);
    if (op != BPF_MOV)
        *uses |= BIT(insn->dst);
    if (BPF_SRC(insn->code) == BPF_X && op != BPF_END)
        *uses |= BIT(insn->src);
}

static void insn_uses(const struct bpf_insn *insn, uint16_t *uses, uint16_t *defines)
{
    unsigned op = BPF_OP(insn->code);

    *uses = 0;
    *defines = 0;
    switch (BPF_CLASS(insn->code)) {
    case BPF_LD:
        *defines = BIT(insn->dst);
        return;
    case BPF_LDX:
        *defines = BIT(insn->dst);
        *uses = BIT(insn->src);
        return;
    case BPF_ST:
        *uses = BIT(insn->dst);
        return;
    case BPF_STX: /* an atomic's fetch is no reason to take its target as overwritten */
        *uses = BIT(insn->dst) | BIT(insn->src);
        if (BPF_MODE(insn->code) == BPF_ATOMIC && insn->imm == BPF_CMPXCHG)
            *uses |= BIT(BPF_R0);
        return;
    case BPF_ALU:
    case BPF_ALU64:
        alu_uses(insn, uses, defines);
        return;
    default:
        if (op == BPF_CALL) {
            call_uses(insn, uses, defines);
        } else if (op == BPF_EXIT) {
            *uses = BIT(BPF_R0);
        } else if (op != BPF_JA) {
            *uses = BIT(insn->dst);
            if (BPF_SRC(insn->code) == BPF_X)
                *uses |= BIT(insn->src);
        }
    }
}

/* Live behind the instruction at `at` */
static uint16_t live_behind(const struct verify_env *env, uint32_t at)
{
    const struct bpf_insn *insn = &env->insns[at];
    unsigned class = BPF_CLASS(insn->code), op = BPF_OP(insn->code);
    uint16_t live = 0;

    if (class == BPF_JMP || class == BPF_JMP32) {
        if (op == BPF_EXIT)
            return 0;
        if (op != BPF_CALL)
            live = env->info[verify_jump_target(insn, at)].live;
        if (op == BPF_JA)
            return live;
    }
    at += insn->code == BPF_LD_IMM64 ? 2 : 1;
    return at < env->count ? live | env->info[at].live : live;
}

bool verify_find_live(struct verify_env *env)
{
    for (bool again = true; again;) {
        again = false;
        for (uint32_t at = env->count; at-- > 0;) {
            uint16_t uses, defines, live;
            if (env->info[at].second)
                continue;
            insn_uses(&env->insns[at], &uses, &defines);
            live = (uint16_t)(uses | (live_behind(env, at) & ~defines));
            again |= live != env->info[at].live;
            env->info[at].live = live;
        }
    }
    return true;
}
