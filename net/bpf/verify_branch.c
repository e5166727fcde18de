/*
 * Conditional jumps. Which way is decided where the ranges allow it (then only that way is gone);
 * else both are, each with what it says of the operands: ranges of scalars, NULL or not, how much
 * of the packet is there.
 */
#include "verify.h"

/* ---- Scalars ---- */

/* `a op b` as `b op' a` */
static unsigned swap_op(unsigned op)
{
    switch (op) {
    case BPF_JGT:
        return BPF_JLT;
    case BPF_JGE:
        return BPF_JLE;
    case BPF_JLT:
        return BPF_JGT;
    case BPF_JLE:
        return BPF_JGE;
    case BPF_JSGT:
        return BPF_JSLT;
    case BPF_JSGE:
        return BPF_JSLE;
    case BPF_JSLT:
        return BPF_JSGT;
    case BPF_JSLE:
        return BPF_JSGE;
    default:
        return op;
    }
}

unsigned verify_reverse_op(unsigned op)
{
    switch (op) {
    case BPF_JEQ:
        return BPF_JNE;
    case BPF_JNE:
        return BPF_JEQ;
    case BPF_JGT:
        return BPF_JLE;
    case BPF_JGE:
        return BPF_JLT;
    case BPF_JLT:
        return BPF_JGE;
    case BPF_JLE:
        return BPF_JGT;
    case BPF_JSGT:
        return BPF_JSLE;
    case BPF_JSGE:
        return BPF_JSLT;
    case BPF_JSLT:
        return BPF_JSGE;
    case BPF_JSLE:
        return BPF_JSGT;
    case BPF_JSET:
        return VERIFY_JNSET;
    default:
        return BPF_JSET;
    }
}

/* The operands' ranges in the width of the jump */
struct span {
    uint64_t umin, umax;
    int64_t smin, smax;
    struct tnum var;
};

static struct span span_of(const struct verify_reg *reg, bool is32)
{
    if (is32)
        return (struct span){ reg->u32_min, reg->u32_max, reg->s32_min, reg->s32_max,
                              tnum_cast(reg->var, 4) };
    return (struct span){ reg->umin, reg->umax, reg->smin, reg->smax, reg->var };
}

static int decide_equal(const struct span *a, const struct span *b)
{
    if (tnum_is_const(a->var) && tnum_is_const(b->var))
        return a->var.value == b->var.value;
    if (a->umin > b->umax || a->umax < b->umin || a->smin > b->smax || a->smax < b->smin)
        return 0;
    if (((a->var.value ^ b->var.value) & ~(a->var.mask | b->var.mask)) != 0)
        return 0; /* a bit that is known of both differs */
    return -1;
}

/* Unequal in the lower half: unequal */
static bool low_differs(const struct verify_reg *a, const struct verify_reg *b)
{
    return a->u32_min > b->u32_max || a->u32_max < b->u32_min || a->s32_min > b->s32_max ||
           a->s32_max < b->s32_min;
}

static int decide_set(const struct span *a, const struct span *b)
{
    if (!tnum_is_const(b->var))
        return -1;
    if ((a->var.value & b->var.value) != 0)
        return 1;
    return ((a->var.value | a->var.mask) & b->var.value) == 0 ? 0 : -1;
}

int verify_scalars_decide(const struct verify_reg *reg_a, const struct verify_reg *reg_b,
                          unsigned op, bool is32)
{
    struct span a = span_of(reg_a, is32), b = span_of(reg_b, is32);
    int equal;

    switch (op) {
    case BPF_JEQ:
    case BPF_JNE:
        equal = decide_equal(&a, &b);
        if (equal < 0 && !is32 && low_differs(reg_a, reg_b))
            equal = 0;
        if (op == BPF_JEQ)
            return equal;
        return equal < 0 ? -1 : !equal;
    case BPF_JSET:
        return tnum_is_const(a.var) && !tnum_is_const(b.var) ? decide_set(&b, &a)
                                                             : decide_set(&a, &b);
    case BPF_JGT:
        return a.umin > b.umax ? 1 : a.umax <= b.umin ? 0 : -1;
    case BPF_JGE:
        return a.umin >= b.umax ? 1 : a.umax < b.umin ? 0 : -1;
    case BPF_JLT:
        return a.umax < b.umin ? 1 : a.umin >= b.umax ? 0 : -1;
    case BPF_JLE:
        return a.umax <= b.umin ? 1 : a.umin > b.umax ? 0 : -1;
    case BPF_JSGT:
        return a.smin > b.smax ? 1 : a.smax <= b.smin ? 0 : -1;
    case BPF_JSGE:
        return a.smin >= b.smax ? 1 : a.smax < b.smin ? 0 : -1;
    case BPF_JSLT:
        return a.smax < b.smin ? 1 : a.smin >= b.smax ? 0 : -1;
    case BPF_JSLE:
        return a.smax <= b.smin ? 1 : a.smin > b.smax ? 0 : -1;
    default:
        return -1;
    }
}

static void refine_equal(struct verify_reg *a, struct verify_reg *b, bool is32)
{
    struct tnum t;

    if (is32) {
        a->u32_min = b->u32_min = MAX(a->u32_min, b->u32_min);
        a->u32_max = b->u32_max = MIN(a->u32_max, b->u32_max);
        a->s32_min = b->s32_min = MAX(a->s32_min, b->s32_min);
        a->s32_max = b->s32_max = MIN(a->s32_max, b->s32_max);
        t = tnum_intersect(tnum_cast(a->var, 4), tnum_cast(b->var, 4));
        a->var = tnum_with_low32(a->var, t);
        b->var = tnum_with_low32(b->var, t);
        return;
    }
    a->umin = b->umin = MAX(a->umin, b->umin);
    a->umax = b->umax = MIN(a->umax, b->umax);
    a->smin = b->smin = MAX(a->smin, b->smin);
    a->smax = b->smax = MIN(a->smax, b->smax);
    a->var = b->var = tnum_intersect(a->var, b->var);
}

/* A known number is not it: the range shrinks where that is an end of it. */
static void refine_unequal(struct verify_reg *a, const struct verify_reg *b, bool is32)
{
    uint64_t value = b->var.value;

    if (is32) {
        uint32_t low = (uint32_t)value;
        if ((uint32_t)b->var.mask != 0)
            return;
        a->u32_min += a->u32_min == low;
        a->u32_max -= a->u32_max == low;
        if (a->s32_min == (int32_t)low)
            a->s32_min++;
        if (a->s32_max == (int32_t)low)
            a->s32_max--;
        return;
    }
    if (!tnum_is_const(b->var))
        return;
    a->umin += a->umin == value;
    a->umax -= a->umax == value;
    if (a->smin == (int64_t)value)
        a->smin++;
    if (a->smax == (int64_t)value)
        a->smax--;
}

static void refine_set(struct verify_reg *a, const struct verify_reg *b, bool is32, bool set)
{
    struct tnum bits = is32 ? tnum_cast(b->var, 4) : b->var;

    if (!tnum_is_const(bits) || (set && !IS_POWER_OF_TWO(bits.value)))
        return; /* one of several bits is set: which one? */
    if (!set)
        verify_forget_bounds(a); /* as Linux: here, bits that contradict ranges are no surprise */
    if (set)
        a->var = (struct tnum){ a->var.value | bits.value, a->var.mask & ~bits.value };
    else
        a->var = (struct tnum){ a->var.value & ~bits.value, a->var.mask & ~bits.value };
}

/* a < b, or a <= b. Where a range stops crossing 0, Linux forgets an end that it had by the other
 * sign: we would know better, but take nothing that it does not. */
static void refine_less(struct verify_reg *a, struct verify_reg *b, bool is32, bool sign,
                        bool or_equal)
{
    int less = or_equal ? 0 : 1;

    if (sign && is32) {
        a->s32_max = MIN(a->s32_max, b->s32_max - less);
        b->s32_min = MAX(b->s32_min, a->s32_min + less);
    } else if (sign) {
        bool crosses = b->smin < 0 && (int64_t)b->umax < 0;
        a->smax = MIN(a->smax, b->smax - less);
        b->smin = MAX(b->smin, a->smin + less);
        if (crosses && b->smin >= 0 && (uint64_t)b->smin < b->umin)
            b->umin = (uint64_t)b->smin;
    } else if (is32) {
        a->u32_max = MIN(a->u32_max, b->u32_max - (uint32_t)less);
        b->u32_min = MAX(b->u32_min, a->u32_min + (uint32_t)less);
    } else {
        a->umax = MIN(a->umax, b->umax - (uint64_t)less);
        if (a->smin < 0 && a->smax >= 0 && (uint64_t)a->smax < a->umax && (int64_t)a->umax >= 0)
            a->smax = (int64_t)a->umax;
        b->umin = MAX(b->umin, a->umin + (uint64_t)less);
    }
}

void verify_refine(struct verify_reg *a, struct verify_reg *b, unsigned op, bool is32)
{
    switch (op) {
    case BPF_JEQ:
        refine_equal(a, b, is32);
        break;
    case BPF_JNE:
        refine_unequal(a, b, is32);
        refine_unequal(b, a, is32);
        break;
    case BPF_JSET:
    case VERIFY_JNSET:
        if (tnum_is_const(is32 ? tnum_cast(b->var, 4) : b->var))
            refine_set(a, b, is32, op == BPF_JSET);
        else
            refine_set(b, a, is32, op == BPF_JSET);
        break;
    case BPF_JLT:
    case BPF_JLE:
    case BPF_JSLT:
    case BPF_JSLE:
        refine_less(a, b, is32, op == BPF_JSLT || op == BPF_JSLE, op == BPF_JLE || op == BPF_JSLE);
        break;
    default:
        verify_refine(b, a, swap_op(op), is32);
        return;
    }
    verify_sync_bounds(a);
    verify_sync_bounds(b);
}

static bool is_known_wrong(const struct verify_reg *reg)
{
    uint64_t value = reg->var.value;
    uint32_t low = (uint32_t)value;

    if (tnum_is_const(reg->var) && (reg->umin != value || reg->umax != value ||
                                    reg->smin != (int64_t)value || reg->smax != (int64_t)value))
        return true;
    return (uint32_t)reg->var.mask == 0 &&
           (reg->u32_min != low || reg->u32_max != low || reg->s32_min != (int32_t)low ||
            reg->s32_max != (int32_t)low);
}

void verify_settle(struct verify_reg *reg)
{
    if (reg->umin > reg->umax || reg->smin > reg->smax || reg->u32_min > reg->u32_max ||
        reg->s32_min > reg->s32_max || is_known_wrong(reg))
        verify_forget_bounds(reg);
}

/* ---- Copies of a scalar ---- */

/* Those that a jump says something of */
struct linked {
    unsigned count;
    struct verify_each each[VERIFY_LINKED_MAX];
};

static void link_one(struct linked *linked, uint32_t id, struct verify_each each)
{
    if (verify_base_id(each.reg) != id)
        return;
    if (linked->count < VERIFY_LINKED_MAX)
        linked->each[linked->count++] = each;
    else
        each.reg->id = 0; /* one too many: it goes its own way, as in Linux */
}

/* All that share the register's id, in Linux's order, since it is the last ones that lose it */
static void collect_linked(struct verify_env *env, struct linked *linked,
                           const struct verify_reg *reg)
{
    uint32_t id = verify_base_id(reg);

    for (unsigned f = env->now.frames; id != 0 && f-- > 0;) {
        struct verify_frame *frame = &env->now.frame[f];
        for (unsigned r = 0; r < BPF_R10; r++)
            link_one(linked, id, (struct verify_each){ f, r, false, &frame->regs[r] });
        for (uint64_t left = frame->spilled; left != 0; left &= left - 1) {
            unsigned slot = (unsigned)__builtin_ctzll(left);
            link_one(linked, id, (struct verify_each){ f, slot, true, &frame->stack[slot].reg });
        }
    }
}

/* What this jump says of its operands holds for their copies too, and whose precision matters is
 * theirs together. */
static bool note_linked(struct verify_env *env, const struct bpf_insn *insn)
{
    struct linked linked = { 0 };

    if (BPF_SRC(insn->code) == BPF_X)
        collect_linked(env, &linked, verify_reg_now(env, insn->src));
    collect_linked(env, &linked, verify_reg_now(env, insn->dst));
    for (unsigned i = 0; linked.count > 1 && i < linked.count; i++)
        if (!verify_trail_linked(env, &linked.each[i]))
            return false;
    return true;
}

static void copy_to_linked(struct verify_env *env, const struct verify_reg *reg)
{
    uint32_t id = verify_base_id(reg);

    if (id == 0)
        return;
    VERIFY_EACH_REG(&env->now, it)
    for (; it.reg != NULL; verify_each_next(&env->now, &it)) {
        struct verify_reg old = *it.reg, delta;
        uint32_t plus = (old.id | reg->id) & VERIFY_ID_PLUS;
        if (it.reg == reg || verify_base_id(it.reg) != id || plus == VERIFY_ID_PLUS)
            continue; /* of a sum in 32 and one in 64 bits, neither says anything of the other */
        *it.reg = *reg;
        it.reg->precise = old.precise;
        it.reg->id = old.id;
        it.reg->off = old.off;
        if (plus == 0 || old.off == reg->off)
            continue;
        verify_set_const(&delta, (uint64_t)((int64_t)old.off - reg->off));
        verify_scalar_op(it.reg, &delta, BPF_ADD, plus == VERIFY_ID_PLUS64);
    }
}

/* ---- Pointers ---- */

static void set_null(struct verify_env *env, uint32_t id, bool null)
{
    VERIFY_EACH_REG(&env->now, it)
    for (; it.reg != NULL; verify_each_next(&env->now, &it)) {
        struct verify_reg *reg = it.reg;
        if (!verify_may_be_null(reg->type) || reg->id != id)
            continue;
        if (null) {
            verify_set_const(reg, 0);
        } else {
            reg->type--; /* each OR_NULL type is behind the one without */
            if (reg->ref == 0)
                reg->id = 0;
        }
    }
    if (null)
        verify_ref_drop(&env->now, id);
}

/* The packet is at least that long: for all that have the same variable part */
static void prove_packet(struct verify_env *env, const struct verify_reg *ptr, bool strictly_before)
{
    uint32_t id = ptr->id;
    unsigned type = ptr->type;
    int32_t range = ptr->off + strictly_before;

    if (ptr->off < 0 || (ptr->off == 0 && strictly_before))
        return;
    if (ptr->umax > VERIFY_PACKET_MAX || ptr->umax + (uint64_t)ptr->off > VERIFY_PACKET_MAX)
        return;
    VERIFY_EACH_REG(&env->now, it)
    for (; it.reg != NULL; verify_each_next(&env->now, &it))
        if (it.reg->type == type && it.reg->id == id)
            it.reg->range = MAX(it.reg->range, range);
}

/* Does the packet pointer in `a` meet an end in `b`: data_end, or for data_meta the untouched data?
 */
static bool packet_and_end(const struct verify_reg *a, const struct verify_reg *b)
{
    if (a->type == REG_PACKET)
        return b->type == REG_PACKET_END;
    return a->type == REG_META && b->type == REG_PACKET && b->id == 0 && b->off == 0;
}

/* What `op` being true says of a packet pointer against its end */
static void refine_packet(struct verify_env *env, const struct bpf_insn *insn, unsigned op)
{
    const struct verify_reg *a = verify_reg_now(env, insn->dst);
    const struct verify_reg *b = verify_reg_now(env, insn->src);

    if (packet_and_end(b, a)) {
        a = b;
        op = swap_op(op);
    } else if (!packet_and_end(a, b)) {
        return;
    }
    if (op == BPF_JLT || op == BPF_JLE)
        prove_packet(env, a, op == BPF_JLT);
}

/* ---- */

/* 1, 0: only one way; -1: both */
static int decide(struct verify_env *env, const struct bpf_insn *insn, const struct verify_reg *imm,
                  unsigned op, bool is32)
{
    struct verify_reg *a = verify_reg_now(env, insn->dst);
    bool by_reg = BPF_SRC(insn->code) == BPF_X;
    const struct verify_reg *b = by_reg ? verify_reg_now(env, insn->src) : imm;
    int way;

    if (a->type == REG_SCALAR && b->type == REG_SCALAR) {
        way = verify_scalars_decide(a, b, op, is32);
        if (way >= 0) {
            verify_mark_precise(env, insn->dst);
            if (by_reg)
                verify_mark_precise(env, insn->src);
        }
        return way;
    }
    /* What was checked is not NULL. */
    if (!is32 && b->type == REG_SCALAR && tnum_is_const(b->var) && b->var.value == 0 &&
        (a->type == REG_VALUE || a->type == REG_MEM || a->type == REG_XSK)) {
        if (by_reg)
            verify_mark_precise(env, insn->src);
        return op == BPF_JEQ ? 0 : op == BPF_JNE ? 1 : -1;
    }
    return -1;
}

/* Narrow `now` by `op` being true. */
static void take(struct verify_env *env, const struct bpf_insn *insn, struct verify_reg imm,
                 unsigned op, bool is32)
{
    struct verify_reg *a = verify_reg_now(env, insn->dst);
    bool by_reg = BPF_SRC(insn->code) == BPF_X;
    struct verify_reg *b = by_reg ? verify_reg_now(env, insn->src) : &imm;

    if (a->type == REG_SCALAR && b->type == REG_SCALAR) {
        if (a != b) {
            verify_refine(a, b, op, is32);
            verify_settle(a);
            verify_settle(b);
        }
        copy_to_linked(env, a);
        copy_to_linked(env, b);
    } else if (!is32 && verify_may_be_null(a->type) && !by_reg && insn->imm == 0 &&
               (op == BPF_JEQ || op == BPF_JNE)) {
        set_null(env, a->id, op == BPF_JEQ);
    } else if (!is32 && by_reg) {
        refine_packet(env, insn, op);
    }
}

/* An address tells something by being compared: only with its like, and with NULL. */
static bool comparable(const struct verify_reg *a, const struct verify_reg *b, unsigned op)
{
    bool packets = (verify_is_packet(a->type) || a->type == REG_PACKET_END) &&
                   (verify_is_packet(b->type) || b->type == REG_PACKET_END);

    if (a->type == b->type || packets)
        return true;
    if (op != BPF_JEQ && op != BPF_JNE)
        return false;
    return (verify_is_const(a) && a->var.value == 0) || (verify_is_const(b) && b->var.value == 0);
}

static bool operands_ok(struct verify_env *env, const struct bpf_insn *insn,
                        const struct verify_reg *imm)
{
    const struct verify_reg *a = verify_reg_now(env, insn->dst);
    const struct verify_reg *b =
        BPF_SRC(insn->code) == BPF_X ? verify_reg_now(env, insn->src) : imm;

    if (BPF_SRC(insn->code) == BPF_X && b->type == REG_NONE)
        return verify_fail(env, "R%u !read_ok\n", insn->src);
    if (a->type == REG_NONE)
        return verify_fail(env, "R%u !read_ok\n", insn->dst);
    if (!comparable(a, b, BPF_OP(insn->code)))
        return verify_fail(env, "R%u pointer comparison prohibited\n", insn->dst);
    return true;
}

/* The way that was left for later: `now` is at the jump again. */
void verify_branch_jump(struct verify_env *env)
{
    const struct bpf_insn *insn = &env->insns[env->now.insn];
    struct verify_reg imm;

    verify_set_const(&imm, (uint64_t)(int64_t)insn->imm);
    take(env, insn, imm, BPF_OP(insn->code), BPF_CLASS(insn->code) == BPF_JMP32);
    env->now.insn = (uint32_t)verify_jump_target(insn, env->now.insn);
}

bool verify_branch(struct verify_env *env, const struct bpf_insn *insn, uint32_t *next)
{
    uint32_t at = env->now.insn;
    uint32_t target = (uint32_t)verify_jump_target(insn, at);
    bool is32 = BPF_CLASS(insn->code) == BPF_JMP32;
    unsigned op = BPF_OP(insn->code);
    struct verify_reg imm;
    int way;

    verify_set_const(&imm, (uint64_t)(int64_t)insn->imm);
    if (!operands_ok(env, insn, &imm))
        return false;
    way = decide(env, insn, &imm, op, is32);
    *next = way == 1 ? target : at + 1;
    env->info[at].fell |= way != 1;
    env->info[at].jumped |= way != 0;
    if (way >= 0)
        return true;
    if (!note_linked(env, insn))
        return false;
    if (target == at + 1)
        return true;
    if (env->replaying && verify_trail_next(env) == target) {
        verify_branch_jump(env);
        *next = target;
        return true;
    }
    if (!verify_push_branch(env))
        return false;
    take(env, insn, imm, verify_reverse_op(op), is32);
    return true;
}
