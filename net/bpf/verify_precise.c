/*
 * Which scalars' values matter. Most do not: whatever a frame's checksum is, the checks come out
 * the same. A scalar matters where it becomes part of an offset, a size or a decided condition. At
 * such a place the way that led there (the trail) is walked backwards, from the value to what it
 * was made of, and in each kept state on the way the origin is marked precise. Only these are
 * compared by value when paths meet: which makes thousands of states equal that differ in nothing
 * that matters.
 *
 * The trail has an entry for each instruction of the path that is being gone; a branch that is
 * taken up later cuts it back to where it was left, so that it always is the one way to `now`.
 */
#include "verify.h"

static struct verify_trail *trail_new(struct verify_env *env)
{
    uint32_t piece = env->trail_count / VERIFY_TRAIL_PIECE;

    if (piece >= VERIFY_TRAIL_PIECES)
        return NULL;
    if (env->trail[piece] == NULL)
        env->trail[piece] = bpf_mem_alloc(VERIFY_TRAIL_PIECE * sizeof *env->trail[piece]);
    if (env->trail[piece] == NULL)
        return NULL;
    return verify_trail_at(env, env->trail_count++);
}

bool verify_trail_insn(struct verify_env *env)
{
    struct verify_trail *entry;

    if (env->replaying) {
        env->replay_at++;
        return true;
    }
    entry = trail_new(env);
    if (entry == NULL)
        return verify_fail(env, "no memory to remember the way\n");
    *entry = (struct verify_trail){ .insn = (uint16_t)env->now.insn, .kind = TRAIL_INSN };
    return true;
}

void verify_trail_stack(struct verify_env *env, unsigned frame, unsigned slot)
{
    struct verify_trail *last;

    if (env->replaying)
        return;
    last = verify_trail_at(env, env->trail_count - 1);
    last->kind = TRAIL_STACK;
    last->frame = frame & 7;
    last->index = slot & 63;
}

void verify_trail_called(struct verify_env *env)
{
    if (!env->replaying)
        verify_trail_at(env, env->trail_count - 1)->kind = TRAIL_CALLED;
}

bool verify_trail_linked(struct verify_env *env, const struct verify_each *it)
{
    struct verify_trail *entry;

    if (env->replaying)
        return true;
    entry = trail_new(env);
    if (entry == NULL)
        return verify_fail(env, "no memory to remember the way\n");
    *entry = (struct verify_trail){ .insn = (uint16_t)env->now.insn,
                                    .kind = TRAIL_LINKED,
                                    .frame = it->frame & 7,
                                    .in_stack = it->in_stack,
                                    .index = it->index & 63 };
    return true;
}

uint32_t verify_trail_next(struct verify_env *env)
{
    uint32_t at = env->replay_at;

    while (at < env->trail_count && verify_trail_at(env, at)->kind == TRAIL_LINKED)
        at++;
    return at < env->trail_count ? verify_trail_at(env, at)->insn : UINT32_MAX;
}

/* What is wanted at a point of the way back, by frame */
struct wanted {
    uint16_t regs[BPF_FRAMES_MAX];
    uint64_t slots[BPF_FRAMES_MAX];
    unsigned frame; /* that runs there */
    bool lost;      /* what it came from cannot be said */
    /* Seen on the way back, to be met with the jump before them */
    uint16_t linked_regs[BPF_FRAMES_MAX];
    uint64_t linked_slots[BPF_FRAMES_MAX];
    bool linked;
};

static bool wants_nothing(const struct wanted *w)
{
    uint64_t any = 0;

    for (unsigned i = 0; i <= w->frame; i++) /* those above are gone, or not yet there */
        any |= w->regs[i] | w->slots[i];
    return any == 0;
}

static bool take_bit(uint16_t *set, unsigned reg)
{
    bool was = *set >> reg & 1;

    *set &= (uint16_t) ~(1u << reg);
    return was;
}

static void back_alu(uint16_t *regs, const struct bpf_insn *insn)
{
    unsigned op = BPF_OP(insn->code);
    bool by_reg = BPF_SRC(insn->code) == BPF_X && op != BPF_END && op != BPF_NEG;

    if (!(*regs >> insn->dst & 1))
        return;
    if (op == BPF_MOV)
        take_bit(regs, insn->dst);
    if (by_reg)
        *regs |= (uint16_t)(1u << insn->src);
}

static void back_memory(struct wanted *w, uint16_t *regs, const struct bpf_insn *insn,
                        const struct verify_trail *entry)
{
    unsigned class = BPF_CLASS(insn->code);

    if (class == BPF_LD || class == BPF_LDX) {
        if (take_bit(regs, insn->dst) && entry->kind == TRAIL_STACK)
            w->slots[entry->frame] |= 1ull << entry->index;
        return;
    }
    if (class == BPF_STX && BPF_MODE(insn->code) == BPF_ATOMIC) {
        if (insn->imm == BPF_CMPXCHG)
            take_bit(regs, BPF_R0);
        else if (insn->imm & BPF_FETCH)
            take_bit(regs, insn->src);
        return;
    }
    if (entry->kind == TRAIL_STACK && w->slots[entry->frame] >> entry->index & 1) {
        w->slots[entry->frame] &= ~(1ull << entry->index);
        if (class == BPF_STX)
            *regs |= (uint16_t)(1u << insn->src);
    }
}

/* A call: the arguments are the caller's. Into a frame that ran: from its exit. */
static void back_call(const struct verify_env *env, struct wanted *w, const struct bpf_insn *insn,
                      const struct verify_trail *entry)
{
    uint16_t *regs = &w->regs[w->frame];

    if (insn->src == BPF_PSEUDO_CALL && entry->kind == TRAIL_CALLED) {
        uint16_t args = *regs & 0x3e;
        if (w->frame == 0) {
            w->lost = true;
            return;
        }
        *regs = 0;
        w->slots[w->frame] = 0;
        w->frame--;
        w->regs[w->frame] |= args;
        return;
    }
    (void)env;
    *regs &= (uint16_t)~0x3f; /* r0 is the helper's; r1 to r5 were gone behind it */
}

static void back_exit(struct wanted *w)
{
    if (w->frame + 1 >= BPF_FRAMES_MAX) {
        w->lost = true;
        return;
    }
    w->frame++;
    w->regs[w->frame] = take_bit(&w->regs[w->frame - 1], BPF_R0) ? 1 : 0;
    w->slots[w->frame] = 0;
}

/* What a jump said of one it said of the others that share the id. */
static void back_linked(struct wanted *w)
{
    bool met = false;

    if (!w->linked)
        return;
    for (unsigned i = 0; i < BPF_FRAMES_MAX; i++)
        met |= (w->regs[i] & w->linked_regs[i]) != 0 || (w->slots[i] & w->linked_slots[i]) != 0;
    for (unsigned i = 0; i < BPF_FRAMES_MAX; i++) {
        w->regs[i] |= met ? w->linked_regs[i] : 0;
        w->slots[i] |= met ? w->linked_slots[i] : 0;
        w->linked_regs[i] = 0;
        w->linked_slots[i] = 0;
    }
    w->linked = false;
}

static void back_jump(const struct verify_env *env, struct wanted *w, const struct bpf_insn *insn,
                      const struct verify_trail *entry)
{
    uint16_t *regs = &w->regs[w->frame];
    unsigned op = BPF_OP(insn->code);

    if (op == BPF_CALL) {
        back_call(env, w, insn, entry);
    } else if (op == BPF_EXIT) {
        back_exit(w);
    } else if (op != BPF_JA) {
        back_linked(w);
        if (BPF_SRC(insn->code) == BPF_X && (*regs & (1u << insn->dst | 1u << insn->src)) != 0)
            *regs |= (uint16_t)(1u << insn->dst | 1u << insn->src);
    }
}

/* One step back over `entry` */
static void step_back(const struct verify_env *env, struct wanted *w,
                      const struct verify_trail *entry)
{
    const struct bpf_insn *insn = &env->insns[entry->insn];
    uint16_t *regs = &w->regs[w->frame];

    if (entry->kind == TRAIL_LINKED) {
        if (entry->in_stack)
            w->linked_slots[entry->frame] |= 1ull << entry->index;
        else
            w->linked_regs[entry->frame] |= (uint16_t)(1u << entry->index);
        w->linked = true;
        return;
    }
    switch (BPF_CLASS(insn->code)) {
    case BPF_ALU:
    case BPF_ALU64:
        back_alu(regs, insn);
        break;
    case BPF_JMP:
    case BPF_JMP32:
        back_jump(env, w, insn, entry);
        break;
    default:
        back_memory(w, regs, insn, entry);
    }
}

/* Mark what is wanted in a kept state; what is there already has its origins marked too. */
static void mark_kept(struct verify_kept *kept, struct wanted *w)
{
    for (unsigned f = 0; f < BPF_FRAMES_MAX; f++) {
        struct verify_kept_frame *frame = &kept->frame[f];
        if (f >= kept->frames) {
            w->regs[f] = 0;
            w->slots[f] = 0;
            continue;
        }
        for (unsigned left = w->regs[f]; left != 0; left &= left - 1) {
            unsigned r = (unsigned)__builtin_ctz(left);
            struct verify_reg *reg = verify_kept_reg(frame, r);
            if (reg == NULL || reg->type != REG_SCALAR || reg->precise)
                take_bit(&w->regs[f], r);
            else
                reg->precise = true;
        }
        for (uint64_t left = w->slots[f]; left != 0; left &= left - 1) {
            unsigned slot = (unsigned)__builtin_ctzll(left);
            struct verify_reg *reg = verify_kept_spill(frame, slot);
            if (reg == NULL || reg->type != REG_SCALAR || reg->precise)
                w->slots[f] &= ~(1ull << slot);
            else
                reg->precise = true;
        }
    }
}

/* The way back could not be followed: all scalars matter. */
static void mark_all(struct verify_kept *kept)
{
    for (; kept != NULL; kept = kept->parent)
        for (unsigned f = 0; f < kept->frames; f++) {
            struct verify_kept_frame *frame = &kept->frame[f];
            for (int i = 0; i < __builtin_popcount(frame->regs); i++)
                frame->reg[i].precise = true;
            for (int i = 0; i < __builtin_popcountll(frame->spilled); i++)
                frame->spill[i].precise = true;
        }
}

static void walk_back(struct verify_env *env, struct wanted *w, uint32_t at)
{
    struct verify_kept *kept = env->now.parent;

    while (kept != NULL && !wants_nothing(w)) {
        while (at > kept->trail && !w->lost && !wants_nothing(w))
            step_back(env, w, verify_trail_at(env, --at));
        if (w->lost) {
            mark_all(kept);
            return;
        }
        if (wants_nothing(w))
            return;
        mark_kept(kept, w);
        kept = kept->parent;
    }
}

void verify_mark_precise(struct verify_env *env, unsigned reg)
{
    struct wanted w = { 0 };

    if (env->replaying || verify_reg_now(env, reg)->type != REG_SCALAR)
        return;
    w.frame = env->now.frames - 1;
    w.regs[w.frame] = (uint16_t)(1u << reg);
    walk_back(env, &w, env->trail_count - 1); /* not over the instruction that asks */
}

void verify_inherit_precise(struct verify_env *env, struct verify_kept *old)
{
    struct wanted w = { 0 };

    w.frame = env->now.frames - 1;
    for (unsigned f = 0; f < old->frames; f++) {
        struct verify_kept_frame *frame = &old->frame[f];
        for (unsigned left = frame->regs; left != 0; left &= left - 1) {
            unsigned r = (unsigned)__builtin_ctz(left);
            const struct verify_reg *reg = verify_kept_reg(frame, r);
            if (reg->type == REG_SCALAR && reg->precise)
                w.regs[f] |= (uint16_t)(1u << r);
        }
        for (uint64_t left = frame->spilled; left != 0; left &= left - 1) {
            unsigned slot = (unsigned)__builtin_ctzll(left);
            const struct verify_reg *reg = verify_kept_spill(frame, slot);
            if (reg->type == REG_SCALAR && reg->precise)
                w.slots[f] |= 1ull << slot;
        }
    }
    walk_back(env, &w, env->trail_count);
}
