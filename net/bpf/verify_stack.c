/*
 * The stack: 64 slots of 8 bytes a frame. A register that is stored whole, at a slot's start, keeps
 * what is known of it (a spill) and gets it back when it is loaded; other bytes are just written
 * (MISC) or known to be zero, and must have been before they are read.
 */
#include "verify.h"
#include <string.h>

struct place {
    struct verify_frame *frame;
    unsigned index;    /* of the frame */
    int32_t low, high; /* offsets from r10 that the access may begin at */
};

static bool has_spill(const struct verify_frame *frame, unsigned slot)
{
    return frame->spilled >> slot & 1;
}

static bool is_scalar_spill(const struct verify_frame *frame, unsigned slot)
{
    return has_spill(frame, slot) && frame->stack[slot].reg.type == REG_SCALAR;
}

/* A spill is no longer whole: what is left of a number are bytes; what is left of a pointer is not
 * to be read, so that no part of an address gets out. */
void verify_slot_forget(struct verify_frame *frame, unsigned slot)
{
    uint8_t rest = frame->stack[slot].reg.type == REG_SCALAR ? SLOT_MISC : SLOT_INVALID;

    if (!has_spill(frame, slot))
        return;
    for (unsigned i = 0; i < 8; i++)
        if (frame->stack[slot].type[i] == SLOT_SPILL)
            frame->stack[slot].type[i] = rest;
    frame->spilled &= ~(1ull << slot);
}

static void use_slots(struct verify_frame *frame, unsigned slots)
{
    for (; frame->slots < slots; frame->slots++)
        memset(frame->stack[frame->slots].type, SLOT_INVALID, 8);
}

/* Byte `off` (from r10, negative): its slot, and its type there. */
static unsigned slot_of(int32_t off)
{
    return (unsigned)(-off - 1) / 8;
}

static uint8_t *type_of(struct verify_frame *frame, int32_t off)
{
    return &frame->stack[slot_of(off)].type[(unsigned)off & 7];
}

static uint64_t slots_mask(int32_t low, int32_t high) /* bytes [low, high) */
{
    uint64_t mask = 0;

    for (unsigned i = slot_of(high - 1); i <= slot_of(low); i++)
        mask |= 1ull << i;
    return mask;
}

static const char *access_text(enum verify_access access)
{
    return access == ACCESS_WRITE ? "write to" : "read from";
}

/* Within the frame, and noted as depth of its function */
static bool find_place(struct verify_env *env, unsigned base, int32_t off, uint32_t bytes,
                       enum verify_access access, struct place *place)
{
    const struct verify_reg *reg = verify_reg_now(env, base);
    bool fixed = tnum_is_const(reg->var);
    int64_t low, high;
    char text[48];

    if (!fixed && (reg->smax >= VERIFY_OFF_MAX || reg->smin <= -VERIFY_OFF_MAX))
        return verify_fail(env, "invalid unbounded variable-offset %s stack R%u\n",
                           access_text(access), base);
    low = (int64_t)reg->off + off + (fixed ? (int64_t)reg->var.value : reg->smin);
    high = (int64_t)reg->off + off + (fixed ? (int64_t)reg->var.value : reg->smax);
    if (low < -BPF_STACK_BYTES || high + bytes > 0 || (bytes == 0 && high >= 0)) {
        if (fixed)
            return verify_fail(env, "invalid %s stack R%u off=%lld size=%u\n", access_text(access),
                               base, (long long)low, bytes);
        return verify_fail(env, "invalid variable-offset %s stack R%u var_off=%s off=%d size=%u\n",
                           access_text(access), base, verify_tnum_text(reg->var, text), off, bytes);
    }
    place->index = reg->frame;
    place->frame = &env->now.frame[reg->frame];
    place->low = (int32_t)low;
    place->high = (int32_t)high;
    if (env->subprog[place->frame->subprog].depth < -low)
        env->subprog[place->frame->subprog].depth = (uint16_t)-low;
    use_slots(place->frame, slot_of((int32_t)low) + 1);
    return true;
}

/* The verifier follows slots, so that accesses keep to them. */
static bool aligned(struct verify_env *env, unsigned base, int32_t off, uint32_t bytes)
{
    const struct verify_reg *reg = verify_reg_now(env, base);
    struct tnum at = tnum_add(reg->var, tnum_const((uint64_t)((int64_t)reg->off + off)));
    char text[48];

    if (((at.value | at.mask) & (bytes - 1)) == 0)
        return true;
    return verify_fail(env, "misaligned stack access off %s+%d+%d size %u\n",
                       verify_tnum_text(reg->var, text), reg->off, off, bytes);
}

/* ---- Reading ---- */

static bool uninitialised(struct verify_env *env, const struct place *place, uint32_t bytes,
                          int32_t at, unsigned base, bool fixed)
{
    char text[48];

    if (fixed)
        return verify_fail(env, "invalid read from stack off %d+%d size %u\n", place->low,
                           at - place->low, bytes);
    return verify_fail(env, "invalid read from stack R%u var_off %s+%d size %u\n", base,
                       verify_tnum_text(verify_reg_now(env, base)->var, text), at - place->low,
                       bytes);
}

/* Bytes [low, high) as a number: are all of them written, and all of them zero? */
static bool read_bytes(struct verify_env *env, const struct place *place, uint32_t bytes,
                       unsigned base, bool fixed, bool *zero)
{
    struct verify_frame *frame = place->frame;

    *zero = true;
    for (int32_t at = place->low; at < place->high + (int32_t)bytes; at++) {
        uint8_t type = *type_of(frame, at);
        const struct verify_reg *reg = &frame->stack[slot_of(at)].reg;
        if (type == SLOT_INVALID)
            return uninitialised(env, place, bytes, at, base, fixed);
        if (type == SLOT_SPILL && reg->type != REG_SCALAR) {
            if (fixed)
                return verify_fail(env, "invalid size of register fill\n");
            return verify_fail(env, "leaking pointer from stack off %d\n", at);
        } else if (type == SLOT_SPILL) {
            *zero &= tnum_is_const(reg->var) && reg->var.value == 0;
        } else {
            *zero &= type == SLOT_ZERO;
        }
    }
    return true;
}

static unsigned spill_bytes(const struct verify_stack_slot *slot)
{
    unsigned bytes = 0;

    while (bytes < 8 && slot->type[bytes] == SLOT_SPILL)
        bytes++;
    return bytes;
}

/* A spilled register comes back: all of it, or its low bytes. */
static void fill(struct verify_env *env, struct verify_reg *spill, unsigned spilled_bytes,
                 uint32_t bytes, struct verify_reg *dst)
{
    bool whole =
        bytes == spilled_bytes && (bytes == 8 || (bytes == 4 && spill->umax <= UINT32_MAX));

    if (whole)
        verify_share_id(env, spill);
    *dst = *spill;
    dst->precise = false;
    if (!whole && dst->type == REG_SCALAR && dst->umax >> (8 * MIN(bytes, 7u)) != 0)
        dst->id = 0;
    if (dst->type == REG_SCALAR)
        verify_truncate(dst, bytes);
}

bool verify_stack_read(struct verify_env *env, unsigned base, int32_t off, uint32_t bytes, int dst)
{
    bool fixed = tnum_is_const(verify_reg_now(env, base)->var);
    struct verify_stack_slot *slot;
    struct verify_reg result;
    struct place place = { 0 };
    unsigned at;
    bool zero;

    if (!aligned(env, base, off, bytes) || !find_place(env, base, off, bytes, ACCESS_READ, &place))
        return false;
    verify_mark_read(env, place.index, slots_mask(place.low, place.high + (int32_t)bytes));
    at = slot_of(place.low);
    slot = &place.frame->stack[at];
    if (fixed && has_spill(place.frame, at) && (place.low & 7) == 0 && bytes <= spill_bytes(slot) &&
        (slot->reg.type == REG_SCALAR || bytes == 8)) {
        if (dst < 0 && slot->reg.type != REG_SCALAR)
            return verify_fail(env, "leaking pointer from stack off %d\n", place.low);
        verify_trail_stack(env, place.index, at);
        fill(env, &slot->reg, spill_bytes(slot), bytes, &result);
    } else {
        if (!read_bytes(env, &place, bytes, base, fixed, &zero))
            return false;
        if (zero && fixed) {
            if (has_spill(place.frame, at))
                verify_trail_stack(env, place.index, at);
            verify_set_const(&result, 0);
        } else {
            verify_set_unknown(&result);
        }
    }
    if (dst >= 0)
        *verify_reg_now(env, (unsigned)dst) = result;
    return true;
}

/* ---- Writing ---- */

static void write_spill(struct verify_frame *frame, unsigned slot, uint32_t bytes,
                        const struct verify_reg *reg)
{
    struct verify_stack_slot *to = &frame->stack[slot];

    verify_slot_forget(frame, slot);
    to->reg = *reg;
    to->reg.precise = false;
    memset(to->type, SLOT_SPILL, bytes);
    /* What is above stays: written or not, zero or not. */
    frame->spilled |= 1ull << slot;
    if (bytes < 8 && reg->umax >> (8 * bytes) != 0)
        to->reg.id = 0;
    if (reg->type == REG_SCALAR && bytes < 8)
        verify_truncate(&to->reg, bytes);
}

static bool write_fixed(struct verify_env *env, const struct place *place, uint32_t bytes, int src,
                        const int32_t *imm)
{
    struct verify_reg *reg = src >= 0 ? verify_reg_now(env, (unsigned)src) : NULL;
    struct verify_frame *frame = place->frame;
    unsigned slot = slot_of(place->low);
    bool start = (place->low & 7) == 0;
    bool zero =
        (imm != NULL && *imm == 0) || (reg != NULL && verify_is_const(reg) && reg->var.value == 0);
    struct verify_reg value;

    if (reg != NULL && reg->type != REG_SCALAR) {
        if (bytes != 8)
            return verify_fail(env, "invalid size of register spill\n");
        if (reg->type == REG_STACK && place->index != env->now.frames - 1)
            return verify_fail(env,
                               "cannot spill pointers to stack into stack frame of the caller\n");
    }
    if (start && (reg != NULL || imm != NULL)) {
        if (reg != NULL) {
            if (bytes == 8 || reg->umax >> (8 * bytes) == 0)
                verify_share_id(env, reg);
            value = *reg;
        } else {
            verify_set_const(&value, (uint64_t)(int64_t)*imm);
        }
        write_spill(frame, slot, bytes, &value);
        verify_trail_stack(env, place->index, slot);
    } else {
        verify_slot_forget(frame, slot);
        if (zero && src >= 0)
            verify_mark_precise(env, (unsigned)src);
        memset(&frame->stack[slot].type[place->low & 7], zero ? SLOT_ZERO : SLOT_MISC, bytes);
    }
    if (bytes == 8)
        frame->written |= 1ull << slot;
    return true;
}

/* Somewhere in a range: nothing is known there any more; but what was not written is not for sure
 * now, and what holds a pointer must not be half of one. */
static bool write_variable(struct verify_env *env, const struct place *place, uint32_t bytes,
                           int src, const int32_t *imm)
{
    struct verify_reg *reg = src >= 0 ? verify_reg_now(env, (unsigned)src) : NULL;
    struct verify_frame *frame = place->frame;
    bool zero =
        (imm != NULL && *imm == 0) || (reg != NULL && verify_is_const(reg) && reg->var.value == 0);

    /* Slots that keep some of their bytes are as if they were read. */
    verify_mark_read(env, place->index, slots_mask(place->low, place->high + (int32_t)bytes));
    if (zero && src >= 0)
        verify_mark_precise(env, (unsigned)src);
    for (int32_t at = place->low; at < place->high + (int32_t)bytes; at++) {
        uint8_t *type = type_of(frame, at);
        if (*type == SLOT_SPILL && zero && is_scalar_spill(frame, slot_of(at)) &&
            verify_is_const(&frame->stack[slot_of(at)].reg) &&
            frame->stack[slot_of(at)].reg.var.value == 0)
            continue;
        if (*type == SLOT_SPILL)
            verify_slot_forget(frame, slot_of(at));
        if (*type != SLOT_INVALID && !(zero && *type == SLOT_ZERO))
            *type = SLOT_MISC;
    }
    return true;
}

bool verify_stack_write(struct verify_env *env, unsigned base, int32_t off, uint32_t bytes, int src,
                        const int32_t *imm)
{
    bool fixed = tnum_is_const(verify_reg_now(env, base)->var);
    struct place place = { 0 };

    if (!aligned(env, base, off, bytes) || !find_place(env, base, off, bytes, ACCESS_WRITE, &place))
        return false;
    return fixed ? write_fixed(env, &place, bytes, src, imm)
                 : write_variable(env, &place, bytes, src, imm);
}

/* ---- Helpers ---- */

static bool helper_byte(struct verify_env *env, const struct place *place, int32_t at,
                        enum verify_access access, uint32_t bytes, unsigned base, bool fixed)
{
    uint8_t *type = type_of(place->frame, at);
    char text[48];

    if (*type == SLOT_INVALID) {
        if (fixed)
            return verify_fail(env, "invalid read from stack R%u off %d+%d size %u\n", base,
                               place->low, at - place->low, bytes);
        return verify_fail(env, "invalid read from stack R%u var_off %s+%d size %u\n", base,
                           verify_tnum_text(verify_reg_now(env, base)->var, text), at - place->low,
                           bytes);
    }
    if (*type == SLOT_SPILL && !is_scalar_spill(place->frame, slot_of(at)) &&
        !(env->prints_pointers && access == ACCESS_READ))
        return verify_fail(env, "R%u leaks addr into helper function: the stack at off %d\n", base,
                           at);
    if (access == ACCESS_WRITE) {
        verify_slot_forget(place->frame, slot_of(at));
        *type = SLOT_MISC;
    }
    return true;
}

bool verify_stack_helper(struct verify_env *env, unsigned base, uint32_t bytes, bool zero_ok,
                         enum verify_access access, bool raw)
{
    bool fixed = tnum_is_const(verify_reg_now(env, base)->var);
    struct place place = { 0 };

    if (bytes == 0 && !zero_ok)
        return verify_fail(env, "invalid zero-sized read\n");
    if (!find_place(env, base, 0, bytes, access, &place))
        return false;
    if (bytes == 0)
        return true;
    if (raw && fixed) {
        for (int32_t at = place.low; at < place.low + (int32_t)bytes; at++) {
            verify_slot_forget(place.frame, slot_of(at));
            *type_of(place.frame, at) = SLOT_MISC;
        }
        for (int32_t at = ALIGN_UP(place.low, 8); at + 8 <= place.low + (int32_t)bytes; at += 8)
            place.frame->written |= 1ull << slot_of(at);
        return true;
    }
    verify_mark_read(env, place.index, slots_mask(place.low, place.high + (int32_t)bytes));
    for (int32_t at = place.low; at < place.high + (int32_t)bytes; at++)
        if (!helper_byte(env, &place, at, access, bytes, base, fixed))
            return false;
    return true;
}
