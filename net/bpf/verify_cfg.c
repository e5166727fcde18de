/*
 * Before any path is gone: is each instruction one that exists, in its only form; which functions
 * are there; does each jump stay in its function, and is every instruction reachable?
 */
#include "verify.h"

static bool reserved(struct verify_env *env, const char *what)
{
    return verify_fail(env, "%s uses reserved fields\n", what);
}

static bool unknown_opcode(struct verify_env *env, const struct bpf_insn *insn)
{
    return verify_fail(env, "unknown opcode %02x\n", insn->code);
}

/* ---- Each instruction ---- */

static bool map_form(struct verify_env *env, const struct bpf_insn *insn)
{
    const struct bpf_prog *prog = env->prog;
    struct bpf_map *map;

    if (insn->imm < 0 || (uint32_t)insn->imm >= prog->map_count)
        return verify_fail(env, "map %d of the program is not there\n", insn->imm);
    map = prog->maps[insn->imm];
    if (insn->src == BPF_PSEUDO_MAP_FD)
        return insn[1].imm == 0 || verify_fail(env, "unrecognized bpf_ld_imm64 insn\n");
    if (bpf_map_value_base(map) == NULL)
        return verify_fail(env, "no direct value access support for this map type\n");
    if ((uint32_t)insn[1].imm >= VERIFY_OFF_MAX)
        return verify_fail(env, "direct value offset of %u is not allowed\n",
                           (uint32_t)insn[1].imm);
    if (map->def.max_entries != 1 || (uint32_t)insn[1].imm >= map->def.value_size)
        return verify_fail(env, "invalid access to map value pointer, value_size=%u off=%u\n",
                           map->def.value_size, (uint32_t)insn[1].imm);
    return true;
}

static bool imm64_form(struct verify_env *env, const struct bpf_insn *insn, uint32_t at)
{
    if (BPF_MODE(insn->code) == BPF_ABS || BPF_MODE(insn->code) == BPF_IND)
        return verify_fail(env,
                           "BPF_LD_[ABS|IND] instructions not allowed for this program type\n");
    if (insn->code != BPF_LD_IMM64)
        return unknown_opcode(env, insn);
    if (insn->off != 0)
        return reserved(env, "BPF_LD_IMM64");
    if (at + 1 >= env->count || insn[1].code != 0 || insn[1].dst != 0 || insn[1].src != 0 ||
        insn[1].off != 0)
        return verify_fail(env, "invalid bpf_ld_imm64 insn\n");
    env->info[at + 1].second = true;
    switch (insn->src) {
    case 0:
        return true;
    case BPF_PSEUDO_MAP_FD:
    case BPF_PSEUDO_MAP_VALUE:
        return map_form(env, insn);
    case BPF_PSEUDO_FUNC:
        return verify_fail(env, "a function's address is no argument of any helper here\n");
    default:
        return verify_fail(env, "unrecognized bpf_ld_imm64 insn\n");
    }
}

static bool alu_form(struct verify_env *env, const struct bpf_insn *insn)
{
    bool is64 = BPF_CLASS(insn->code) == BPF_ALU64, by_reg = BPF_SRC(insn->code) == BPF_X;
    unsigned op = BPF_OP(insn->code);

    if (by_reg && (op == BPF_NEG || (op == BPF_END && is64)))
        return unknown_opcode(env, insn);
    if (op == BPF_NEG)
        return (insn->src == 0 && insn->off == 0 && insn->imm == 0) || reserved(env, "BPF_NEG");
    if (op == BPF_END) {
        bool ok = insn->src == 0 && insn->off == 0 &&
                  (insn->imm == 16 || insn->imm == 32 || insn->imm == 64);
        return ok || reserved(env, "BPF_END");
    }
    if (op == BPF_MOV) {
        bool ok = by_reg ? insn->imm == 0 && (insn->off == 0 || insn->off == 8 || insn->off == 16 ||
                                              (is64 && insn->off == 32))
                         : insn->src == 0 && insn->off == 0;
        return ok || reserved(env, "BPF_MOV");
    }
    if (op > BPF_END)
        return unknown_opcode(env, insn);
    if ((by_reg ? insn->imm != 0 : insn->src != 0) || insn->off < 0 || insn->off > 1 ||
        (insn->off == 1 && op != BPF_DIV && op != BPF_MOD))
        return reserved(env, "BPF_ALU");
    if ((op == BPF_DIV || op == BPF_MOD) && !by_reg && insn->imm == 0)
        return verify_fail(env, "div by zero\n");
    if ((op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH) && !by_reg &&
        (insn->imm < 0 || insn->imm >= (is64 ? 64 : 32)))
        return verify_fail(env, "invalid shift %d\n", insn->imm);
    return true;
}

static bool jump_form(struct verify_env *env, const struct bpf_insn *insn)
{
    bool is32 = BPF_CLASS(insn->code) == BPF_JMP32, by_reg = BPF_SRC(insn->code) == BPF_X;

    switch (BPF_OP(insn->code)) {
    case BPF_JA:
        if (by_reg)
            return unknown_opcode(env, insn);
        return (insn->src == 0 && insn->dst == 0 && (is32 ? insn->off == 0 : insn->imm == 0)) ||
               reserved(env, "BPF_JA");
    case BPF_CALL:
        if (is32 || by_reg)
            return unknown_opcode(env, insn);
        if (insn->src == BPF_PSEUDO_KFUNC_CALL)
            return verify_fail(env, "kernel function calls are not supported: #%d\n", insn->imm);
        return (insn->off == 0 && insn->dst == 0 &&
                (insn->src == 0 || insn->src == BPF_PSEUDO_CALL)) ||
               reserved(env, "BPF_CALL");
    case BPF_EXIT:
        if (is32)
            return unknown_opcode(env, insn);
        return (!by_reg && insn->src == 0 && insn->dst == 0 && insn->imm == 0 && insn->off == 0) ||
               reserved(env, "BPF_EXIT");
    case 0xe0:
    case 0xf0:
        return unknown_opcode(env, insn);
    default:
        return (by_reg ? insn->imm == 0 : insn->src == 0) || reserved(env, "BPF_JMP/JMP32");
    }
}

static bool atomic_form(struct verify_env *env, const struct bpf_insn *insn)
{
    if (BPF_SIZE(insn->code) != BPF_W && BPF_SIZE(insn->code) != BPF_DW)
        return verify_fail(env, "invalid atomic operand size\n");
    switch (insn->imm) {
    case BPF_ADD:
    case BPF_ADD | BPF_FETCH:
    case BPF_AND:
    case BPF_AND | BPF_FETCH:
    case BPF_OR:
    case BPF_OR | BPF_FETCH:
    case BPF_XOR:
    case BPF_XOR | BPF_FETCH:
    case BPF_XCHG:
    case BPF_CMPXCHG:
        return true;
    default:
        return verify_fail(env, "BPF_ATOMIC uses invalid atomic opcode %02x\n",
                           (unsigned)insn->imm);
    }
}

static bool memory_form(struct verify_env *env, const struct bpf_insn *insn)
{
    unsigned class = BPF_CLASS(insn->code), mode = BPF_MODE(insn->code);

    if (class == BPF_STX && mode == BPF_ATOMIC)
        return atomic_form(env, insn);
    if (class == BPF_LDX && mode == BPF_MEMSX && BPF_SIZE(insn->code) == BPF_DW)
        return unknown_opcode(env, insn);
    if (class == BPF_LDX && mode == BPF_MEMSX)
        return insn->imm == 0 || reserved(env, "BPF_LDX");
    if (mode != BPF_MEM && class == BPF_LDX)
        return reserved(env, "BPF_LDX");
    if (mode != BPF_MEM)
        return unknown_opcode(env, insn);
    if (class == BPF_ST)
        return insn->src == 0 || reserved(env, "BPF_ST");
    return insn->imm == 0 || reserved(env, class == BPF_LDX ? "BPF_LDX" : "BPF_STX");
}

static bool insn_form(struct verify_env *env, uint32_t at)
{
    const struct bpf_insn *insn = &env->insns[at];

    if (insn->dst > BPF_R10)
        return verify_fail(env, "R%u is invalid\n", insn->dst);
    if (insn->src > BPF_R10)
        return verify_fail(env, "R%u is invalid\n", insn->src);
    switch (BPF_CLASS(insn->code)) {
    case BPF_LD:
        return imm64_form(env, insn, at);
    case BPF_LDX:
    case BPF_ST:
    case BPF_STX:
        return memory_form(env, insn);
    case BPF_ALU:
    case BPF_ALU64:
        return alu_form(env, insn);
    default:
        return jump_form(env, insn);
    }
}

bool verify_check_form(struct verify_env *env)
{
    for (uint32_t at = 0; at < env->count; at++) {
        if (env->info[at].second)
            continue;
        env->now.insn = at;
        if (!insn_form(env, at))
            return false;
    }
    return true;
}

/* ---- Functions ---- */

static bool is_call_of_ours(const struct bpf_insn *insn)
{
    return insn->code == (BPF_JMP | BPF_CALL) && insn->src == BPF_PSEUDO_CALL;
}

int verify_subprog_at(const struct verify_env *env, uint32_t insn)
{
    int low = 0, high = (int)env->subprogs - 1;

    while (low <= high) {
        int middle = (low + high) / 2;
        if (env->subprog[middle].start == insn)
            return middle;
        if (env->subprog[middle].start < insn)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return -1;
}

static bool add_function(struct verify_env *env, int64_t start)
{
    unsigned i = env->subprogs;

    if (start < 0 || start >= env->count || env->info[start].second)
        return verify_fail(env, "call to invalid destination\n");
    if (verify_subprog_at(env, (uint32_t)start) >= 0)
        return true;
    if (env->subprogs >= BPF_SUBPROGS_MAX)
        return verify_fail(env, "too many subprograms\n");
    for (; i > 0 && env->subprog[i - 1].start > start; i--)
        env->subprog[i] = env->subprog[i - 1];
    env->subprog[i] = (struct verify_subprog){ .start = (uint32_t)start };
    env->subprogs++;
    return true;
}

/* Their names, from BTF, where there is one. */
static void take_names(struct verify_env *env)
{
    const struct bpf_prog *prog = env->prog;

    for (unsigned i = 0; i < env->subprogs; i++) {
        env->named[i] = (struct bpf_subprog){ .start = env->subprog[i].start };
        for (uint32_t j = 0; j < prog->subprog_count; j++)
            if (prog->subprogs[j].start == env->subprog[i].start)
                env->named[i] = prog->subprogs[j];
    }
    env->named[0].global = false; /* who calls the program calls it with ctx */
}

/* Whether a call of it leaves packet pointers invalid: if it, or what it calls, moves the packet.
 */
static void find_movers(struct verify_env *env)
{
    for (bool again = true; again;) {
        again = false;
        for (unsigned i = 0; i < env->subprogs; i++) {
            struct verify_subprog *subprog = &env->subprog[i];
            for (uint32_t at = subprog->start; at < subprog->end; at++) {
                const struct bpf_insn *insn = &env->insns[at];
                const struct bpf_helper *helper;
                int callee;
                if (insn->code != (BPF_JMP | BPF_CALL) || env->info[at].second)
                    continue;
                callee = insn->src == BPF_PSEUDO_CALL
                             ? verify_subprog_at(env, (uint32_t)((int64_t)at + insn->imm + 1))
                             : -1;
                helper = insn->src == 0 ? bpf_helper_find((uint32_t)insn->imm) : NULL;
                if (!subprog->replaced &&
                    (callee >= 0 ? env->subprog[callee].replaced
                                 : helper != NULL && helper->id == BPF_FUNC_tail_call))
                    subprog->replaced = again = true;
                if (subprog->moves_packet)
                    continue;
                if (callee >= 0 ? env->subprog[callee].moves_packet
                                : helper != NULL && helper->moves_packet)
                    subprog->moves_packet = again = true;
            }
        }
    }
}

bool verify_find_functions(struct verify_env *env)
{
    if (!add_function(env, 0))
        return false;
    for (uint32_t at = 0; at < env->count; at++) {
        const struct bpf_insn *insn = &env->insns[at];
        env->now.insn = at;
        if (is_call_of_ours(insn) && !env->info[at].second &&
            !add_function(env, (int64_t)at + insn->imm + 1))
            return false;
    }
    for (unsigned i = 0; i < env->subprogs; i++) {
        struct verify_subprog *subprog = &env->subprog[i];
        subprog->end = i + 1 < env->subprogs ? env->subprog[i + 1].start : env->count;
        env->info[subprog->start].start = true;
        for (uint32_t at = subprog->start; at < subprog->end; at++)
            env->info[at].subprog = (uint8_t)i;
    }
    take_names(env);
    find_movers(env);
    return true;
}

/* ---- Flow ---- */

int64_t verify_jump_target(const struct bpf_insn *insn, uint32_t at)
{
    bool by_imm = insn->code == (BPF_JMP32 | BPF_JA);

    return (int64_t)at + 1 + (by_imm ? insn->imm : insn->off);
}

static bool is_jump(const struct bpf_insn *insn)
{
    unsigned class = BPF_CLASS(insn->code), op = BPF_OP(insn->code);

    return (class == BPF_JMP || class == BPF_JMP32) && op != BPF_CALL && op != BPF_EXIT;
}

static bool check_jumps(struct verify_env *env)
{
    for (unsigned i = 0; i < env->subprogs; i++) {
        const struct verify_subprog *subprog = &env->subprog[i];
        const struct bpf_insn *last = &env->insns[subprog->end - 1];
        for (uint32_t at = subprog->start; at < subprog->end; at++) {
            int64_t target;
            if (env->info[at].second || !is_jump(&env->insns[at]))
                continue;
            env->now.insn = at;
            target = verify_jump_target(&env->insns[at], at);
            if (target < subprog->start || target >= subprog->end)
                return verify_fail(env, "jump out of range from insn %u to %d\n", at, (int)target);
            if (env->info[target].second)
                return verify_fail(env, "jump into the middle of ldimm64 insn %lld\n",
                                   (long long)target - 1);
        }
        env->now.insn = subprog->end - 1;
        if (env->info[subprog->end - 1].second ||
            (last->code != (BPF_JMP | BPF_EXIT) && last->code != (BPF_JMP | BPF_JA) &&
             last->code != (BPF_JMP32 | BPF_JA)))
            return verify_fail(env, "last insn is not an exit or jmp\n");
    }
    return true;
}

/* Mark what is reachable, and count ways into each instruction: two or more meet. */
static void follow(struct verify_env *env, uint32_t *stack, uint8_t *ways)
{
    unsigned depth = 0;

    stack[depth++] = 0;
    ways[0] = 1;
    while (depth > 0) {
        uint32_t at = stack[--depth];
        const struct bpf_insn *insn = &env->insns[at];
        uint32_t next[2];
        unsigned count = 0;
        if (insn->code == (BPF_JMP | BPF_EXIT))
            continue;
        if (is_jump(insn)) {
            next[count++] = (uint32_t)verify_jump_target(insn, at);
            /* Where ways part is a good place too: what decides has just been computed */
            env->info[at].meets |= BPF_OP(insn->code) != BPF_JA;
        }
        if (insn->code != (BPF_JMP | BPF_JA) && insn->code != (BPF_JMP32 | BPF_JA))
            next[count++] = at + (env->info[at].second ? 1 : insn->code == BPF_LD_IMM64 ? 2 : 1);
        if (is_call_of_ours(insn)) {
            /* What comes back is met as well: a function's start, and behind the call */
            next[count++] = (uint32_t)((int64_t)at + insn->imm + 1);
            env->info[at + 1].meets = true;
        }
        for (unsigned i = 0; i < count; i++) {
            if (ways[next[i]] < 2)
                ways[next[i]]++;
            if (ways[next[i]] == 1)
                stack[depth++] = next[i];
        }
    }
}

bool verify_check_flow(struct verify_env *env)
{
    uint32_t *stack;
    uint8_t *ways;

    if (!check_jumps(env))
        return false;
    stack = bpf_mem_alloc(env->count * (sizeof *stack + sizeof *ways));
    if (stack == NULL)
        return verify_fail(env, "no memory\n");
    ways = (uint8_t *)(stack + env->count);
    follow(env, stack, ways);
    for (uint32_t at = 0; at < env->count; at++) {
        if (ways[at] == 0 && !env->info[at].second) {
            bpf_mem_free(stack);
            env->now.insn = at;
            return verify_fail(env, "unreachable insn %u\n", at);
        }
        env->info[at].meets |= ways[at] > 1;
    }
    bpf_mem_free(stack);
    return true;
}

/* ---- Afterwards ---- */

/* As Linux's JIT counts: each frame is a multiple of 16. */
static bool depth_from(struct verify_env *env, unsigned i, unsigned frames, unsigned above,
                       bool *tail_call)
{
    const struct verify_subprog *subprog = &env->subprog[i];
    unsigned depth = above + ALIGN_UP(subprog->depth, 16u);

    if (frames > BPF_FRAMES_MAX)
        return verify_fail(env, "the call stack of %u frames is too deep !\n", frames - 1);
    if (depth > BPF_STACK_BYTES)
        return verify_fail(env, "combined stack size of %u calls is %u. Too large\n", frames,
                           depth);
    *tail_call |= subprog->tail_call;
    if (frames > 1 && subprog->tail_call && above >= 256)
        return verify_fail(env,
                           "tail_calls are not allowed when call stack of previous frames is %u "
                           "bytes. Too large\n",
                           above);
    for (uint32_t at = subprog->start; at < subprog->end; at++) {
        const struct bpf_insn *insn = &env->insns[at];
        int callee;
        if (env->info[at].second || !env->info[at].seen || !is_call_of_ours(insn))
            continue;
        callee = verify_subprog_at(env, (uint32_t)((int64_t)at + insn->imm + 1));
        if (callee >= 0 && !depth_from(env, (unsigned)callee, frames + 1, depth, tail_call))
            return false;
    }
    return true;
}

bool verify_check_depth(struct verify_env *env)
{
    bool tail_call;

    for (unsigned i = 0; i < env->subprogs; i++) {
        tail_call = false;
        if (!depth_from(env, i, 1, 0, &tail_call))
            return false;
        env->named[i].tail_call = tail_call;
        env->named[i].stack_bytes = (uint16_t)ALIGN_UP(env->subprog[i].depth, 8u);
    }
    return true;
}
