/*
 * What is known of a scalar's value (or of a pointer's variable offset) is known five times over:
 * which bits (`var`), and its range as a signed and an unsigned number of 64 and of 32 bits. Each
 * holds by itself; here each learns from the others. Pure.
 */
#include "verify.h"

#define LOW32 0xffffffffull

void verify_forget_bounds64(struct verify_reg *reg)
{
    reg->smin = INT64_MIN;
    reg->smax = INT64_MAX;
    reg->umin = 0;
    reg->umax = UINT64_MAX;
}

void verify_forget_bounds32(struct verify_reg *reg)
{
    reg->s32_min = INT32_MIN;
    reg->s32_max = INT32_MAX;
    reg->u32_min = 0;
    reg->u32_max = UINT32_MAX;
}

void verify_forget_bounds(struct verify_reg *reg)
{
    verify_forget_bounds64(reg);
    verify_forget_bounds32(reg);
}

void verify_set_unknown(struct verify_reg *reg)
{
    *reg = (struct verify_reg){ .type = REG_SCALAR, .var = { 0, ~0ull } };
    verify_forget_bounds(reg);
}

void verify_set_value(struct verify_reg *reg, uint64_t value)
{
    reg->var = tnum_const(value);
    reg->smin = reg->smax = (int64_t)value;
    reg->umin = reg->umax = value;
    reg->s32_min = reg->s32_max = (int32_t)value;
    reg->u32_min = reg->u32_max = (uint32_t)value;
}

void verify_set_const(struct verify_reg *reg, uint64_t value)
{
    *reg = (struct verify_reg){ .type = REG_SCALAR };
    verify_set_value(reg, value);
}

static void narrow_u64(struct verify_reg *reg, uint64_t min, uint64_t max)
{
    reg->umin = MAX(reg->umin, min);
    reg->umax = MIN(reg->umax, max);
}

static void narrow_s64(struct verify_reg *reg, int64_t min, int64_t max)
{
    reg->smin = MAX(reg->smin, min);
    reg->smax = MIN(reg->smax, max);
}

static void narrow_u32(struct verify_reg *reg, uint32_t min, uint32_t max)
{
    reg->u32_min = MAX(reg->u32_min, min);
    reg->u32_max = MIN(reg->u32_max, max);
}

static void narrow_s32(struct verify_reg *reg, int32_t min, int32_t max)
{
    reg->s32_min = MAX(reg->s32_min, min);
    reg->s32_max = MIN(reg->s32_max, max);
}

/* The smallest member has the unknown bits 0, the largest has them 1; as a signed number, it is the
 * other way round for the top bit. */
static void learn_from_bits(struct verify_reg *reg)
{
    struct tnum t = reg->var;
    uint32_t value = (uint32_t)t.value, mask = (uint32_t)t.mask;
    uint64_t sign = t.mask & 1ull << 63;
    uint32_t sign32 = mask & 1u << 31;

    narrow_s32(reg, (int32_t)(value | sign32), (int32_t)(value | (mask & ~sign32)));
    narrow_u32(reg, value, value | mask);
    narrow_s64(reg, (int64_t)(t.value | sign), (int64_t)(t.value | (t.mask & ~sign)));
    narrow_u64(reg, t.value, t.value | t.mask);
}

/* A 64-bit range, of whose ends the lower halves are `min` and `max`, `turns` times 2^32 apart */
static void learn_low(struct verify_reg *reg, uint32_t min, uint32_t max, uint32_t turns)
{
    if (turns == 0) {
        if (min <= max)
            narrow_u32(reg, min, max);
        if ((int32_t)min <= (int32_t)max)
            narrow_s32(reg, (int32_t)min, (int32_t)max);
    } else if (turns == 1 && (int32_t)min < 0 && (int32_t)max >= 0) {
        /* from ...ff.. across 0: as a signed number it does not wrap */
        narrow_s32(reg, (int32_t)min, (int32_t)max);
    }
}

static void learn_32(struct verify_reg *reg)
{
    learn_low(reg, (uint32_t)reg->umin, (uint32_t)reg->umax,
              (uint32_t)(reg->umax >> 32) - (uint32_t)(reg->umin >> 32));
    learn_low(reg, (uint32_t)reg->smin, (uint32_t)reg->smax,
              (uint32_t)((uint64_t)reg->smax >> 32) - (uint32_t)((uint64_t)reg->smin >> 32));
    if ((int32_t)reg->u32_min <= (int32_t)reg->u32_max)
        narrow_s32(reg, (int32_t)reg->u32_min, (int32_t)reg->u32_max);
    if ((uint32_t)reg->s32_min <= (uint32_t)reg->s32_max)
        narrow_u32(reg, (uint32_t)reg->s32_min, (uint32_t)reg->s32_max);
}

static void learn_64(struct verify_reg *reg)
{
    if ((int64_t)reg->umin <= (int64_t)reg->umax)
        narrow_s64(reg, (int64_t)reg->umin, (int64_t)reg->umax);
    if ((uint64_t)reg->smin <= (uint64_t)reg->smax) {
        narrow_u64(reg, (uint64_t)reg->smin, (uint64_t)reg->smax);
    } else if (reg->umax < (uint64_t)reg->smin) {
        /* The signed range is two unsigned ones, [0, smax] and [smin, 2^64): only the first one
         * has members in common with [umin, umax] */
        reg->smin = (int64_t)reg->umin;
        reg->umax = MIN(reg->umax, (uint64_t)reg->smax);
    } else if ((uint64_t)reg->smax < reg->umin) { /* only the second one */
        reg->smax = (int64_t)reg->umax;
        reg->umin = MAX(reg->umin, (uint64_t)reg->smin);
    }
}

/* The ends' upper halves with the lower half's range */
static void learn_mixed(struct verify_reg *reg)
{
    uint32_t min = reg->u32_min, max = reg->u32_max;

    narrow_u64(reg, (reg->umin & ~LOW32) | min, (reg->umax & ~LOW32) | max);
    narrow_s64(reg, (int64_t)(((uint64_t)reg->smin & ~LOW32) | min),
               (int64_t)(((uint64_t)reg->smax & ~LOW32) | max));
    /* A sign-extended 32-bit number */
    if (reg->s32_min >= 0 && reg->smin >= INT32_MIN && reg->smax <= INT32_MAX)
        narrow_s64(reg, reg->s32_min, reg->s32_max);
}

static void learn_bits(struct verify_reg *reg)
{
    struct tnum t = tnum_intersect(reg->var, tnum_range(reg->umin, reg->umax));
    struct tnum low = tnum_intersect(tnum_cast(t, 4), tnum_range(reg->u32_min, reg->u32_max));

    reg->var = tnum_with_low32(t, low);
}

static bool same_ranges(const struct verify_reg *a, const struct verify_reg *b)
{
    return a->umin == b->umin && a->umax == b->umax && a->smin == b->smin && a->smax == b->smax &&
           a->u32_min == b->u32_min && a->u32_max == b->u32_max && a->s32_min == b->s32_min &&
           a->s32_max == b->s32_max;
}

void verify_sync_bounds(struct verify_reg *reg)
{
    struct verify_reg before = { 0 };

    learn_from_bits(reg);
    for (unsigned i = 0; i < 3 && (i == 0 || !same_ranges(reg, &before)); i++) {
        before = *reg;
        learn_32(reg);
        learn_64(reg);
        learn_mixed(reg);
    }
    learn_bits(reg);
    learn_from_bits(reg); /* intersected, the bits may know better */
}

void verify_take_low32(struct verify_reg *reg)
{
    reg->var = tnum_cast(reg->var, 4);
    reg->umin = reg->u32_min;
    reg->umax = reg->u32_max;
    reg->smin = reg->s32_min >= 0 ? reg->s32_min : 0;
    reg->smax = reg->s32_min >= 0 ? reg->s32_max : (int64_t)UINT32_MAX;
    verify_sync_bounds(reg);
}

/* What a load of `bytes`, or a 32-bit move, leaves of a scalar. */
void verify_truncate(struct verify_reg *reg, unsigned bytes)
{
    uint64_t mask = bytes >= 8 ? ~0ull : (1ull << (8 * bytes)) - 1;

    if (bytes >= 8)
        return;
    reg->var = tnum_cast(reg->var, bytes);
    if (bytes == 4) {
        verify_forget_bounds64(reg);
        reg->umin = reg->u32_min;
        reg->umax = reg->u32_max;
        reg->smin = (int64_t)reg->umin;
        reg->smax = (int64_t)reg->umax;
    } else {
        /* the ends stay if they are equal above */
        if ((reg->umin & ~mask) == (reg->umax & ~mask)) {
            reg->umin &= mask;
            reg->umax &= mask;
        } else {
            reg->umin = 0;
            reg->umax = mask;
        }
        reg->smin = (int64_t)reg->umin;
        reg->smax = (int64_t)reg->umax;
        verify_forget_bounds32(reg);
    }
    verify_sync_bounds(reg);
}

void verify_sign_extend(struct verify_reg *reg, unsigned bytes, bool to32)
{
    unsigned sign = 8 * bytes - 1, up = 64 - 8 * bytes;
    int64_t smin = to32 ? reg->s32_min : reg->smin;
    int64_t smax = to32 ? reg->s32_max : reg->smax;
    int64_t limit;
    bool same;

    if (bytes >= 8)
        return;
    limit = (int64_t)(1ull << sign);
    /* Equal from the part's sign bit up: the ends keep their order */
    same = smin >> sign == smax >> sign;
    if (tnum_is_const(reg->var)) {
        verify_set_value(reg, tnum_sign_extend(reg->var, bytes).value);
    } else {
        verify_forget_bounds(reg);
        reg->smin = same ? (int64_t)((uint64_t)smin << up) >> up : -limit;
        reg->smax = same ? (int64_t)((uint64_t)smax << up) >> up : limit - 1;
        reg->var = same ? tnum_range((uint64_t)reg->smin, (uint64_t)reg->smax) : tnum_unknown();
        verify_sync_bounds(reg);
    }
    if (to32)
        verify_take_low32(reg);
}
