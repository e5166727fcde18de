/*
 * Arithmetic: what is known of a result. Scalars by ranges and bits, each operation keeping what
 * Linux keeps (scalar32_min_max_*, scalar_min_max_*), never more; pointers plus and minus scalars.
 */
#include "verify.h"

static void add_signed64(struct verify_reg *a, int64_t min, int64_t max, bool sub)
{
    int64_t low, high;
    bool wraps = sub ? __builtin_sub_overflow(a->smin, max, &low)
                     : __builtin_add_overflow(a->smin, min, &low);

    wraps |= sub ? __builtin_sub_overflow(a->smax, min, &high)
                 : __builtin_add_overflow(a->smax, max, &high);
    a->smin = wraps ? INT64_MIN : low;
    a->smax = wraps ? INT64_MAX : high;
}

static void add_signed32(struct verify_reg *a, int32_t min, int32_t max, bool sub)
{
    int32_t low, high;
    bool wraps = sub ? __builtin_sub_overflow(a->s32_min, max, &low)
                     : __builtin_add_overflow(a->s32_min, min, &low);

    wraps |= sub ? __builtin_sub_overflow(a->s32_max, min, &high)
                 : __builtin_add_overflow(a->s32_max, max, &high);
    a->s32_min = wraps ? INT32_MIN : low;
    a->s32_max = wraps ? INT32_MAX : high;
}

/* Unsigned, a range is a range as long as both ends wrap or none. */
static void add_unsigned(struct verify_reg *a, const struct verify_reg *b, bool sub)
{
    uint64_t low, high;
    uint32_t low32, high32;
    bool w1, w2;

    w1 = sub ? __builtin_sub_overflow(a->umin, b->umax, &low)
             : __builtin_add_overflow(a->umin, b->umin, &low);
    w2 = sub ? __builtin_sub_overflow(a->umax, b->umin, &high)
             : __builtin_add_overflow(a->umax, b->umax, &high);
    a->umin = w1 == w2 ? low : 0;
    a->umax = w1 == w2 ? high : UINT64_MAX;
    w1 = sub ? __builtin_sub_overflow(a->u32_min, b->u32_max, &low32)
             : __builtin_add_overflow(a->u32_min, b->u32_min, &low32);
    w2 = sub ? __builtin_sub_overflow(a->u32_max, b->u32_min, &high32)
             : __builtin_add_overflow(a->u32_max, b->u32_max, &high32);
    a->u32_min = w1 == w2 ? low32 : 0;
    a->u32_max = w1 == w2 ? high32 : UINT32_MAX;
}

static void op_add_sub(struct verify_reg *a, const struct verify_reg *b, bool sub)
{
    add_signed32(a, b->s32_min, b->s32_max, sub);
    add_signed64(a, b->smin, b->smax, sub);
    add_unsigned(a, b, sub);
    a->var = sub ? tnum_sub(a->var, b->var) : tnum_add(a->var, b->var);
}

static void mul_signed64(struct verify_reg *a, const struct verify_reg *b)
{
    int64_t p[4];
    bool wraps = __builtin_mul_overflow(a->smin, b->smin, &p[0]);

    wraps |= __builtin_mul_overflow(a->smin, b->smax, &p[1]);
    wraps |= __builtin_mul_overflow(a->smax, b->smin, &p[2]);
    wraps |= __builtin_mul_overflow(a->smax, b->smax, &p[3]);
    a->smin = wraps ? INT64_MIN : MIN(MIN(p[0], p[1]), MIN(p[2], p[3]));
    a->smax = wraps ? INT64_MAX : MAX(MAX(p[0], p[1]), MAX(p[2], p[3]));
}

static void mul_signed32(struct verify_reg *a, const struct verify_reg *b)
{
    int32_t p[4];
    bool wraps = __builtin_mul_overflow(a->s32_min, b->s32_min, &p[0]);

    wraps |= __builtin_mul_overflow(a->s32_min, b->s32_max, &p[1]);
    wraps |= __builtin_mul_overflow(a->s32_max, b->s32_min, &p[2]);
    wraps |= __builtin_mul_overflow(a->s32_max, b->s32_max, &p[3]);
    a->s32_min = wraps ? INT32_MIN : MIN(MIN(p[0], p[1]), MIN(p[2], p[3]));
    a->s32_max = wraps ? INT32_MAX : MAX(MAX(p[0], p[1]), MAX(p[2], p[3]));
}

static void op_mul(struct verify_reg *a, const struct verify_reg *b)
{
    uint64_t high;
    uint32_t high32;

    mul_signed64(a, b);
    mul_signed32(a, b);
    if (__builtin_mul_overflow(a->umax, b->umax, &high)) {
        a->umin = 0;
        a->umax = UINT64_MAX;
    } else {
        a->umin *= b->umin;
        a->umax = high;
    }
    if (__builtin_mul_overflow(a->u32_max, b->u32_max, &high32)) {
        a->u32_min = 0;
        a->u32_max = UINT32_MAX;
    } else {
        a->u32_min *= b->u32_min;
        a->u32_max = high32;
    }
    a->var = tnum_mul(a->var, b->var);
}

/* Signed ranges from unsigned ones, where these do not cross the sign */
static void signed_from_unsigned(struct verify_reg *a)
{
    bool ok = (int64_t)a->umin <= (int64_t)a->umax;
    bool ok32 = (int32_t)a->u32_min <= (int32_t)a->u32_max;

    a->smin = ok ? (int64_t)a->umin : INT64_MIN;
    a->smax = ok ? (int64_t)a->umax : INT64_MAX;
    a->s32_min = ok32 ? (int32_t)a->u32_min : INT32_MIN;
    a->s32_max = ok32 ? (int32_t)a->u32_max : INT32_MAX;
}

static void op_bitwise(struct verify_reg *a, const struct verify_reg *b, unsigned op)
{
    struct tnum t = op == BPF_AND  ? tnum_and(a->var, b->var)
                    : op == BPF_OR ? tnum_or(a->var, b->var)
                                   : tnum_xor(a->var, b->var);

    if (op == BPF_AND) {
        a->umin = t.value;
        a->umax = MIN(a->umax, b->umax);
        a->u32_min = (uint32_t)t.value;
        a->u32_max = MIN(a->u32_max, b->u32_max);
    } else {
        a->umin = op == BPF_OR ? MAX(a->umin, b->umin) : t.value;
        a->umax = t.value | t.mask;
        a->u32_min = op == BPF_OR ? MAX(a->u32_min, b->u32_min) : (uint32_t)t.value;
        a->u32_max = (uint32_t)(t.value | t.mask);
    }
    a->var = t;
    signed_from_unsigned(a);
}

/* Shifts are by a known count below the width. */
static void op_lsh(struct verify_reg *a, unsigned count)
{
    bool fits32 = count < 32 && a->u32_max <= 1ull << (31 - count);
    bool fits = a->umax <= 1ull << (63 - count);

    /* By 32, often followed by a shift back: the lower half moves up, with its sign */
    a->smin = count == 32 ? (int64_t)a->s32_min * (1ll << 32) : INT64_MIN;
    a->smax = count == 32 ? (int64_t)a->s32_max * (1ll << 32) : INT64_MAX;
    a->umin = fits ? a->umin << count : 0;
    a->umax = fits ? a->umax << count : UINT64_MAX;
    a->u32_min = fits32 ? a->u32_min << count : 0;
    a->u32_max = fits32 ? a->u32_max << count : UINT32_MAX;
    a->s32_min = INT32_MIN;
    a->s32_max = INT32_MAX;
    a->var = tnum_lshift(a->var, count);
}

static void op_rsh(struct verify_reg *a, unsigned count, bool is64)
{
    if (is64) {
        a->var = tnum_rshift(a->var, count);
        a->umin >>= count;
        a->umax >>= count;
        a->smin = INT64_MIN;
        a->smax = INT64_MAX;
        verify_forget_bounds32(a);
    } else {
        a->var = tnum_rshift(tnum_cast(a->var, 4), count);
        a->u32_min >>= count;
        a->u32_max >>= count;
        a->s32_min = INT32_MIN;
        a->s32_max = INT32_MAX;
        verify_forget_bounds64(a);
    }
}

static void op_arsh(struct verify_reg *a, unsigned count, bool is64)
{
    if (is64) {
        a->var = tnum_arshift(a->var, count, 64);
        a->smin >>= count;
        a->smax >>= count;
        a->umin = 0;
        a->umax = UINT64_MAX;
        verify_forget_bounds32(a);
    } else {
        a->var = tnum_arshift(tnum_cast(a->var, 4), count, 32);
        a->s32_min >>= count;
        a->s32_max >>= count;
        a->u32_min = 0;
        a->u32_max = UINT32_MAX;
        verify_forget_bounds64(a);
    }
}

/* Both known: the result is too. Division is left unknown, as Linux leaves it. */
static bool op_consts(struct verify_reg *a, const struct verify_reg *b, unsigned op, bool is64)
{
    uint64_t x = a->var.value, y = b->var.value;

    if (!tnum_is_const(a->var) || !tnum_is_const(b->var))
        return false;
    switch (op) {
    case BPF_ADD:
        x += y;
        break;
    case BPF_SUB:
        x -= y;
        break;
    case BPF_MUL:
        x *= y;
        break;
    case BPF_AND:
        x &= y;
        break;
    case BPF_OR:
        x |= y;
        break;
    case BPF_XOR:
        x ^= y;
        break;
    default:
        return false;
    }
    verify_set_value(a, is64 ? x : (uint32_t)x);
    return true;
}

void verify_scalar_op(struct verify_reg *dst, const struct verify_reg *src, unsigned op, bool is64)
{
    unsigned width = is64 ? 64 : 32;
    bool shift = op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH;
    uint64_t count = src->umax; /* of 64 bits in either case, as Linux has it */
    bool known = is64 ? tnum_is_const(src->var) : (uint32_t)src->var.mask == 0;

    if (op_consts(dst, src, op, is64))
        return;
    if (op == BPF_DIV || op == BPF_MOD || (shift && (!known || count >= width))) {
        verify_set_unknown(dst); /* of 32 bits too, as Linux has it */
        return;
    }
    if (op == BPF_ADD || op == BPF_SUB)
        op_add_sub(dst, src, op == BPF_SUB);
    else if (op == BPF_MUL)
        op_mul(dst, src);
    else if (op == BPF_LSH)
        op_lsh(dst, (unsigned)count);
    else if (op == BPF_RSH)
        op_rsh(dst, (unsigned)count, is64);
    else if (op == BPF_ARSH)
        op_arsh(dst, (unsigned)count, is64);
    else
        op_bitwise(dst, src, op);
    if (is64)
        verify_sync_bounds(dst);
    else
        verify_take_low32(dst);
}

/* ---- Pointers ---- */

static const char *op_text(unsigned op)
{
    static const char *const text[16] = { "+=",  "-=",  "*=", "/=", "|=", "&=",   "<<=",
                                          ">>=", "neg", "%=", "^=", "=",  "s>>=", "swap" };
    return text[op >> 4] != NULL ? text[op >> 4] : "?";
}

static bool sane_offset(struct verify_env *env, const struct verify_reg *reg,
                        const struct verify_reg *type)
{
    const char *name = verify_type_text(type);
    int64_t value = (int64_t)reg->var.value;

    if (tnum_is_const(reg->var) && (value >= VERIFY_OFF_MAX || value <= -VERIFY_OFF_MAX))
        return verify_fail(env, "math between %s pointer and %lld is not allowed\n", name,
                           (long long)value);
    if (reg->off >= VERIFY_OFF_MAX || reg->off <= -VERIFY_OFF_MAX)
        return verify_fail(env, "%s pointer offset %d is not allowed\n", name, reg->off);
    if (reg->smin == INT64_MIN)
        return verify_fail(env,
                           "math between %s pointer and register with unbounded min value is not "
                           "allowed\n",
                           name);
    if (reg->smin >= VERIFY_OFF_MAX || reg->smin <= -VERIFY_OFF_MAX)
        return verify_fail(env, "value %lld makes %s pointer be out of bounds\n",
                           (long long)reg->smin, name);
    return true;
}

/* The variable part: ranges of the sum or difference; 32-bit ones are not kept for pointers. */
static void pointer_plus_unknown(struct verify_env *env, struct verify_reg *dst,
                                 const struct verify_reg *ptr, const struct verify_reg *off,
                                 bool sub)
{
    uint64_t low, high;
    bool wraps;

    dst->smin = ptr->smin;
    dst->smax = ptr->smax;
    add_signed64(dst, off->smin, off->smax, sub);
    if (sub) {
        wraps = ptr->umin < off->umax;
        low = ptr->umin - off->umax;
        high = ptr->umax - off->umin;
    } else {
        wraps = __builtin_add_overflow(ptr->umin, off->umin, &low);
        wraps |= __builtin_add_overflow(ptr->umax, off->umax, &high);
    }
    dst->umin = wraps ? 0 : low;
    dst->umax = wraps ? UINT64_MAX : high;
    dst->var = sub ? tnum_sub(ptr->var, off->var) : tnum_add(ptr->var, off->var);
    dst->off = ptr->off;
    dst->range = ptr->range;
    if (verify_is_packet(ptr->type)) {
        dst->id = ++env->next_id;
        if (!sub || off->smin < 0) /* what was proven is behind it now, or no one knows */
            dst->range = 0;
    }
}

static bool pointer_op_allowed(struct verify_env *env, unsigned regno, const struct verify_reg *ptr,
                               const struct verify_reg *off, unsigned op, bool is64)
{
    if (!is64)
        return verify_fail(env, "R%u 32-bit pointer arithmetic prohibited\n", regno);
    if (verify_may_be_null(ptr->type))
        return verify_fail(env, "R%u pointer arithmetic on %s prohibited, null-check it first\n",
                           regno, verify_type_text(ptr));
    if (ptr->type == REG_MAP && tnum_is_const(off->var) && off->smin == 0 && op == BPF_ADD)
        return true;
    if (ptr->type == REG_MAP || ptr->type == REG_PACKET_END || ptr->type == REG_XSK)
        return verify_fail(env, "R%u pointer arithmetic on %s prohibited\n", regno,
                           verify_type_text(ptr));
    return true;
}

/* regs[regno] = ptr op off. One of them is regs[regno]; `ptr_is_dst`: which. */
static bool pointer_op(struct verify_env *env, unsigned regno, struct verify_reg ptr,
                       struct verify_reg off, unsigned op, bool is64, bool ptr_is_dst)
{
    struct verify_reg *dst = verify_reg_now(env, regno);
    bool known = tnum_is_const(off.var);
    bool sub = op == BPF_SUB;

    if (off.smin > off.smax || off.umin > off.umax ||
        (known && (off.smin != off.smax || off.umin != off.umax))) {
        verify_set_unknown(dst); /* a path that cannot be */
        return true;
    }
    if (!pointer_op_allowed(env, regno, &ptr, &off, op, is64) || !sane_offset(env, &off, &ptr) ||
        !sane_offset(env, &ptr, &ptr))
        return false;
    if (op == BPF_AND || op == BPF_OR || op == BPF_XOR)
        return verify_fail(env, "R%u bitwise operator %s on pointer prohibited\n", regno,
                           op_text(op));
    if (op != BPF_ADD && op != BPF_SUB)
        return verify_fail(env, "R%u pointer arithmetic with %s operator prohibited\n", regno,
                           op_text(op));
    if (sub && !ptr_is_dst)
        return verify_fail(env, "R%u tried to subtract pointer from scalar\n", regno);
    if (sub && ptr.type == REG_STACK)
        return verify_fail(env, "R%u subtraction from stack pointer prohibited\n", regno);

    *dst = ptr;
    if (known) {
        dst->off = (int32_t)(ptr.off + (sub ? -off.smin : off.smin));
        return sane_offset(env, dst, &ptr);
    }
    pointer_plus_unknown(env, dst, &ptr, &off, sub);
    verify_forget_bounds32(dst);
    if (!sane_offset(env, dst, &ptr))
        return false;
    verify_sync_bounds(dst);
    return true;
}

/* Compilers check r1 and use r1 + 1: the sum remembers what it is a sum of. */
static void add_constant(struct verify_reg *dst, const struct verify_reg *src, unsigned op,
                         bool is64)
{
    bool known = is64 ? tnum_is_const(src->var) : (uint32_t)src->var.mask == 0;
    int64_t value = is64 ? (int64_t)src->var.value : (int32_t)src->var.value;
    bool fits = is64 ? value == (int32_t)value : dst->umax <= UINT32_MAX;
    bool keeps = (op == BPF_ADD || (op == BPF_SUB && value != INT32_MIN)) && known && fits &&
                 dst->id != 0 && !(dst->id & VERIFY_ID_PLUS);

    dst->id = keeps ? dst->id | (is64 ? VERIFY_ID_PLUS64 : VERIFY_ID_PLUS32) : 0;
    dst->off = !keeps ? 0 : (int32_t)(op == BPF_ADD ? value : -value);
}

static bool alu_binary(struct verify_env *env, const struct bpf_insn *insn, unsigned op, bool is64)
{
    struct verify_reg *dst = verify_reg_now(env, insn->dst);
    struct verify_reg *src, imm;

    if (BPF_SRC(insn->code) == BPF_X) {
        src = verify_reg_now(env, insn->src);
    } else {
        verify_set_const(&imm, (uint64_t)(int64_t)insn->imm);
        src = &imm;
    }
    if (dst->type == REG_SCALAR && src->type == REG_SCALAR) {
        struct verify_reg copy = *src; /* r1 += r1 */
        dst->precise = false;
        add_constant(dst, &copy, op, is64);
        verify_scalar_op(dst, &copy, op, is64);
        return true;
    }
    if (dst->type != REG_SCALAR && src->type != REG_SCALAR) {
        if (op != BPF_SUB)
            return verify_fail(env, "R%u pointer %s pointer prohibited\n", insn->dst, op_text(op));
        verify_set_unknown(dst); /* how far apart: what lengths are made of */
        if (!is64)
            verify_take_low32(dst);
        return true;
    }
    if (dst->type != REG_SCALAR) {
        if (src != &imm)
            verify_mark_precise(env, insn->src);
        return pointer_op(env, insn->dst, *dst, *src, op, is64, true);
    }
    verify_mark_precise(env, insn->dst);
    return pointer_op(env, insn->dst, *src, *dst, op, is64, false);
}

static bool alu_mov(struct verify_env *env, const struct bpf_insn *insn, bool is64)
{
    struct verify_reg *dst = verify_reg_now(env, insn->dst), *src;

    if (BPF_SRC(insn->code) == BPF_K) {
        verify_set_const(dst, is64 ? (uint64_t)(int64_t)insn->imm : (uint32_t)insn->imm);
        return true;
    }
    src = verify_reg_now(env, insn->src);
    if (src->type != REG_SCALAR) {
        if (is64 && insn->off == 0) {
            *dst = *src;
        } else if (is64) {
            return verify_fail(env, "R%u sign-extend part of pointer\n", insn->src);
        } else { /* a part of an address is a number */
            verify_set_unknown(dst);
            verify_take_low32(dst);
        }
        return true;
    }
    if (insn->off == 0) {
        bool whole = is64 || src->umax <= UINT32_MAX;
        if (whole)
            verify_share_id(env, src);
        *dst = *src;
        dst->precise = false;
        if (!whole)
            dst->id = 0;
        if (!is64)
            verify_truncate(dst, 4);
    } else {
        unsigned bytes = (unsigned)insn->off / 8;
        int64_t limit = (int64_t)(1ull << (8 * bytes - 1));
        bool whole = src->umax < (uint64_t)limit; /* nothing to extend */
        if (whole)
            verify_share_id(env, src);
        *dst = *src;
        dst->precise = false;
        if (!whole)
            dst->id = 0;
        verify_sign_extend(dst, bytes, !is64);
    }
    return true;
}

/* Into the order of the other end, or (already in it) cut to the size. Ranges do not survive a
 * swap, bits do. */
static void swap_bytes(struct verify_reg *reg, unsigned bytes, bool swap)
{
    if (!swap) {
        verify_truncate(reg, bytes);
        return;
    }
    reg->var = tnum_swap(reg->var, bytes);
    verify_forget_bounds(reg);
    verify_sync_bounds(reg);
}

static bool readable(struct verify_env *env, unsigned reg)
{
    if (verify_reg_now(env, reg)->type == REG_NONE)
        return verify_fail(env, "R%u !read_ok\n", reg);
    return true;
}

static bool alu(struct verify_env *env, const struct bpf_insn *insn)
{
    bool is64 = BPF_CLASS(insn->code) == BPF_ALU64;
    unsigned op = BPF_OP(insn->code);
    struct verify_reg *dst = verify_reg_now(env, insn->dst);

    if (op != BPF_END && op != BPF_NEG && BPF_SRC(insn->code) == BPF_X && !readable(env, insn->src))
        return false;
    if (op != BPF_MOV && !readable(env, insn->dst))
        return false;
    if (insn->dst == BPF_R10)
        return verify_fail(env, "frame pointer is read only\n");
    if (op == BPF_MOV)
        return alu_mov(env, insn, is64);
    if (op == BPF_NEG && dst->type == REG_SCALAR) {
        struct verify_reg value = *dst;
        verify_set_const(dst, 0);
        verify_scalar_op(dst, &value, BPF_SUB, is64);
        return true;
    }
    if (op == BPF_END || op == BPF_NEG) {
        if (dst->type != REG_SCALAR)
            return verify_fail(env, "R%u pointer arithmetic with %s operator prohibited\n",
                               insn->dst, op_text(op));
        dst->id = 0;
        dst->precise = false;
        swap_bytes(dst, (unsigned)insn->imm / 8, is64 || BPF_SRC(insn->code) == BPF_X);
        return true;
    }
    return alu_binary(env, insn, op, is64);
}

bool verify_alu(struct verify_env *env, const struct bpf_insn *insn)
{
    struct verify_reg *dst = verify_reg_now(env, insn->dst);

    if (!alu(env, insn))
        return false;
    if (dst->type == REG_SCALAR)
        verify_settle(dst);
    return true;
}
