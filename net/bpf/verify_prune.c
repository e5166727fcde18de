/*
 * Is one state contained in another? Then what was found safe from there on is safe from here on:
 * each value that is possible here was possible there, as far as it matters. Ids are names: they
 * may differ, but what was equal there must be equal here, so they are matched one to one.
 */
#include "verify.h"
#include <string.h>

#define IDS_MAX 96u

struct match {
    unsigned count;
    uint32_t fresh; /* a name for what has none */
    bool exact;
    struct {
        uint32_t old, now;
    } pair[IDS_MAX];
};

static bool match_ids(struct match *m, uint32_t old, uint32_t now)
{
    if ((old == 0) != (now == 0))
        return false;
    if (old == 0)
        return true;
    for (unsigned i = 0; i < m->count; i++)
        if (m->pair[i].old == old || m->pair[i].now == now)
            return m->pair[i].old == old && m->pair[i].now == now;
    if (m->count >= IDS_MAX)
        return false;
    m->pair[m->count].old = old;
    m->pair[m->count].now = now;
    m->count++;
    return true;
}

/* A scalar without an id is equal to none; being equal to something is no harm then. */
static bool match_scalar_ids(struct match *m, uint32_t old, uint32_t now)
{
    old &= ~VERIFY_ID_PLUS;
    now &= ~VERIFY_ID_PLUS;
    return old == 0 || match_ids(m, old, now != 0 ? now : --m->fresh);
}

static bool range_within(const struct verify_reg *old, const struct verify_reg *now)
{
    return old->umin <= now->umin && old->umax >= now->umax && old->smin <= now->smin &&
           old->smax >= now->smax && old->u32_min <= now->u32_min && old->u32_max >= now->u32_max &&
           old->s32_min <= now->s32_min && old->s32_max >= now->s32_max;
}

static bool same_value(const struct verify_reg *a, const struct verify_reg *b)
{
    return a->var.value == b->var.value && a->var.mask == b->var.mask &&
           memcmp(&a->smin, &b->smin, sizeof *a - offsetof(struct verify_reg, smin)) == 0;
}

static bool reg_covered(struct match *m, const struct verify_reg *old, const struct verify_reg *now)
{
    if (old->type == REG_NONE)
        return true;
    if (old->type != now->type)
        return false;
    if (old->type == REG_SCALAR) {
        if (m->exact)
            return same_value(old, now) && old->off == now->off &&
                   match_scalar_ids(m, old->id, now->id);
        if (!old->precise)
            return true;
        if (((old->id ^ now->id) & VERIFY_ID_PLUS) != 0 ||
            ((old->id & VERIFY_ID_PLUS) && old->off != now->off))
            return false;
        return range_within(old, now) && tnum_contains(old->var, now->var) &&
               match_scalar_ids(m, old->id, now->id);
    }
    if (old->off != now->off || old->map != now->map || old->frame != now->frame ||
        old->mem_bytes != now->mem_bytes)
        return false;
    if (!match_ids(m, old->id, now->id) || !match_ids(m, old->ref, now->ref))
        return false;
    if (m->exact)
        return old->range == now->range && same_value(old, now);
    return old->range <= now->range && range_within(old, now) && tnum_contains(old->var, now->var);
}

/* As a register: a slot of bytes that may be anything is a scalar that may be anything. */
static const struct verify_reg *slot_as_scalar(const uint8_t type[8],
                                               const struct verify_reg *spill,
                                               const struct verify_reg *anything)
{
    if (type[0] == SLOT_SPILL)
        return type[7] == SLOT_SPILL && spill->type == REG_SCALAR ? spill : NULL;
    for (unsigned i = 0; i < 8; i++)
        if (type[i] != SLOT_MISC)
            return NULL;
    return anything;
}

static bool is_zero_spill(const uint8_t type[8], unsigned byte, const struct verify_reg *spill)
{
    return type[byte] == SLOT_SPILL && spill->type == REG_SCALAR && tnum_is_const(spill->var) &&
           spill->var.value == 0;
}

static bool bytes_covered(const uint8_t old[8], const uint8_t now[8],
                          const struct verify_reg *now_spill)
{
    for (unsigned i = 0; i < 8; i++) {
        if (old[i] == SLOT_INVALID || old[i] == now[i])
            continue;
        if (old[i] == SLOT_MISC &&
            (now[i] == SLOT_ZERO || (now[i] == SLOT_SPILL && now_spill->type == REG_SCALAR)))
            continue;
        if (old[i] == SLOT_ZERO && is_zero_spill(now, i, now_spill))
            continue;
        return false;
    }
    return true;
}

static bool stack_covered(struct match *m, struct verify_kept_frame *old,
                          const struct verify_frame *now, const struct verify_reg *anything)
{
    static const uint8_t nothing[8];

    for (unsigned i = 0; i < old->slots; i++) {
        const uint8_t *type = old->type[i];
        const uint8_t *now_type = i < now->slots ? now->stack[i].type : nothing;
        const struct verify_reg *now_spill = &now->stack[i].reg;
        const struct verify_reg *spill, *a, *b;
        if (memcmp(type, nothing, 8) == 0)
            continue;
        spill = verify_kept_spill(old, i);
        a = slot_as_scalar(type, spill, anything);
        b = slot_as_scalar(now_type, now_spill, anything);
        if (a != NULL && b != NULL) {
            if (!reg_covered(m, a, b))
                return false;
            continue;
        }
        if (!bytes_covered(type, now_type, now_spill))
            return false;
        if (type[0] == SLOT_SPILL &&
            (now_type[0] != SLOT_SPILL || !reg_covered(m, spill, now_spill)))
            return false;
    }
    return true;
}

static bool frame_covered(struct match *m, struct verify_kept_frame *old,
                          const struct verify_frame *now, const struct verify_reg *anything)
{
    const struct verify_reg *reg = old->reg;

    if (old->subprog != now->subprog || old->callsite != now->callsite)
        return false;
    for (unsigned left = old->regs; left != 0; left &= left - 1)
        if (!reg_covered(m, reg++, &now->regs[__builtin_ctz(left)]))
            return false;
    return stack_covered(m, old, now, anything);
}

/* Exactly alike must be the other way round too: what is in use here was in use there. */
static bool stack_alike(const struct verify_kept_frame *old, const struct verify_frame *now)
{
    if (old->slots != now->slots || old->spilled != now->spilled)
        return false;
    for (unsigned i = 0; i < old->slots; i++)
        if (memcmp(old->type[i], now->stack[i].type, 8) != 0)
            return false;
    return true;
}

bool verify_covered(struct verify_env *env, struct verify_kept *old, bool exact)
{
    struct verify_now *now = &env->now;
    struct verify_reg anything;
    struct match m;

    if (old->frames != now->frames || old->refs != now->refs)
        return false;
    m.count = 0;
    m.fresh = UINT32_MAX;
    m.exact = exact;
    for (unsigned i = 0; i < old->refs; i++)
        if (!match_ids(&m, old->ref[i].id, now->ref[i].id))
            return false;
    verify_set_unknown(&anything);
    for (unsigned f = 0; f < old->frames; f++) {
        if (exact && !stack_alike(&old->frame[f], &now->frame[f]))
            return false;
        if (!frame_covered(&m, &old->frame[f], &now->frame[f], &anything))
            return false;
    }
    return true;
}
