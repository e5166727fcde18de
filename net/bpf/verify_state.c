/*
 * States that are kept: at jumps whose other way is still to be gone, and at points where paths
 * meet, to see whether a later path brings anything new. A kept state has only what is live,
 * packed: the live registers, the stack down to the deepest slot in use, and of the slots'
 * registers those that are spilled there; typically half a kilobyte. Memory comes in pieces and is
 * reused by size, so that nothing is allocated on the way.
 */
#include "verify.h"
#include <string.h>

#define UNIT        64u
#define PIECE_BYTES (256u << 10)

struct verify_piece {
    struct verify_piece *next;
    uint64_t pad;
    uint8_t bytes[];
};

/* ---- Memory ---- */

/* The free lists are by powers of two and halfway between: at most a third is wasted. */
static unsigned size_class(size_t *bytes)
{
    size_t size = UNIT;
    unsigned class = 0;

    while (size < *bytes) {
        class ++;
        size =
            class % 2 == 1 ? (size_t)(UNIT + UNIT / 2) << (class / 2) : (size_t)UNIT << (class / 2);
    }
    *bytes = ALIGN_UP(size, 16);
    return class;
}

static struct verify_kept *kept_alloc(struct verify_env *env, size_t bytes)
{
    unsigned class = size_class(&bytes);
    struct verify_kept *kept = env->free_lists[class];

    if (kept != NULL) {
        env->free_lists[class] = kept->next;
    } else {
        if (env->pieces == NULL || env->piece_used + bytes > PIECE_BYTES) {
            struct verify_piece *piece;
            if (env->bytes + PIECE_BYTES > VERIFY_BYTES_MAX)
                return NULL;
            piece = bpf_mem_alloc(sizeof *piece + PIECE_BYTES);
            if (piece == NULL)
                return NULL;
            piece->next = env->pieces;
            env->pieces = piece;
            env->piece_used = 0;
            env->bytes += PIECE_BYTES;
        }
        kept = (struct verify_kept *)(env->pieces->bytes + env->piece_used);
        env->piece_used += (uint32_t)bytes;
    }
    memset(kept, 0, sizeof *kept);
    kept->size_class = (uint8_t) class;
    if (++env->kept_count > env->kept_peak)
        env->kept_peak = env->kept_count;
    return kept;
}

static void kept_free(struct verify_env *env, struct verify_kept *kept)
{
    kept->next = env->free_lists[kept->size_class];
    env->free_lists[kept->size_class] = kept;
    env->kept_count--;
}

void verify_free_states(struct verify_env *env)
{
    while (env->pieces != NULL) {
        struct verify_piece *next = env->pieces->next;
        bpf_mem_free(env->pieces);
        env->pieces = next;
    }
    for (unsigned i = 0; i < VERIFY_TRAIL_PIECES; i++)
        bpf_mem_free(env->trail[i]);
}

/* ---- Packing ---- */

/* Registers of a frame that may still be read; r10 is what it always is. Of a branch also copies
 * that nobody reads: they count among those that a jump narrows together. */
static uint16_t live_regs(const struct verify_env *env, unsigned f, bool branch)
{
    const struct verify_now *now = &env->now;
    const struct verify_frame *frame = &now->frame[f];
    uint16_t live = f + 1 == now->frames ? env->info[now->insn].live
                                         : env->info[now->frame[f + 1].callsite + 1].live & 0x3c0;
    uint16_t regs = 0;

    for (unsigned r = 0; r < BPF_R10; r++)
        if (frame->regs[r].type != REG_NONE &&
            (live >> r & 1 || (branch && verify_base_id(&frame->regs[r]) != 0)))
            regs |= (uint16_t)(1u << r);
    return regs;
}

static struct verify_kept *kept_new(struct verify_env *env, bool branch)
{
    const struct verify_now *now = &env->now;
    size_t bytes = sizeof(struct verify_kept) + now->frames * sizeof(struct verify_kept_frame);
    uint16_t live[BPF_FRAMES_MAX] = { 0 };
    struct verify_kept *kept;
    uint8_t *at;

    for (unsigned f = 0; f < now->frames; f++) {
        const struct verify_frame *frame = &now->frame[f];
        live[f] = live_regs(env, f, branch);
        bytes += (unsigned)(__builtin_popcount(live[f]) + __builtin_popcountll(frame->spilled)) *
                     sizeof(struct verify_reg) +
                 frame->slots * 8u;
    }
    kept = kept_alloc(env, bytes);
    if (kept == NULL)
        return NULL;
    kept->insn = now->insn;
    kept->trail = env->trail_count;
    kept->parent = now->parent;
    kept->frames = (uint8_t)now->frames;
    kept->refs = (uint8_t)now->refs;
    memcpy(kept->ref, now->ref, sizeof kept->ref);
    at = (uint8_t *)&kept->frame[now->frames];
    for (unsigned f = 0; f < now->frames; f++) {
        const struct verify_frame *frame = &now->frame[f];
        struct verify_kept_frame *to = &kept->frame[f];
        struct verify_reg *reg = (struct verify_reg *)at;
        to->callsite = frame->callsite;
        to->subprog = frame->subprog;
        to->slots = frame->slots;
        to->regs = live[f];
        to->spilled = frame->spilled;
        to->written = frame->written;
        to->read = 0;
        to->reg = reg;
        for (unsigned left = live[f]; left != 0; left &= left - 1)
            *reg++ = frame->regs[__builtin_ctz(left)];
        to->spill = reg;
        for (uint64_t left = frame->spilled; left != 0; left &= left - 1)
            *reg++ = frame->stack[__builtin_ctzll(left)].reg;
        to->type = (uint8_t(*)[8])reg;
        for (unsigned i = 0; i < frame->slots; i++)
            memcpy(to->type[i], frame->stack[i].type, 8);
        at = (uint8_t *)reg + frame->slots * 8u;
    }
    return kept;
}

/* The state back in `now` */
static void unpack(struct verify_env *env, const struct verify_kept *kept)
{
    struct verify_now *now = &env->now;

    now->insn = kept->insn;
    now->frames = kept->frames;
    now->refs = kept->refs;
    now->parent = kept->parent;
    memcpy(now->ref, kept->ref, sizeof now->ref);
    for (unsigned f = 0; f < kept->frames; f++) {
        struct verify_frame *to = &now->frame[f];
        const struct verify_kept_frame *frame = &kept->frame[f];
        const struct verify_reg *reg = frame->reg;
        to->callsite = frame->callsite;
        to->subprog = frame->subprog;
        to->slots = frame->slots;
        to->spilled = frame->spilled;
        to->written = frame->written;
        for (unsigned r = 0; r < BPF_R10; r++)
            to->regs[r].type = REG_NONE;
        for (unsigned left = frame->regs; left != 0; left &= left - 1)
            to->regs[__builtin_ctz(left)] = *reg++;
        verify_set_frame_pointer(to, f);
        for (uint64_t left = frame->spilled; left != 0; left &= left - 1)
            to->stack[__builtin_ctzll(left)].reg = *reg++;
        for (unsigned i = 0; i < frame->slots; i++)
            memcpy(to->stack[i].type, frame->type[i], 8);
    }
}

/* ---- Branches to go ---- */

bool verify_push_branch(struct verify_env *env)
{
    struct verify_kept *kept;

    if (env->replaying)
        return true;
    if (env->jump_count >= VERIFY_JUMPS_MAX)
        return verify_fail(env, "The sequence of %u jumps is too complex.\n", env->jump_count + 1);
    kept = kept_new(env, true);
    if (kept == NULL)
        return verify_fail(env, "no memory for more states\n");
    kept->last_jumps = env->since_jumps;
    kept->last_insns = env->since_insns;
    kept->next = env->jumps;
    env->jumps = kept;
    env->jump_count++;
    if (kept->parent != NULL)
        kept->parent->branches++;
    return true;
}

bool verify_pop_branch(struct verify_env *env)
{
    struct verify_kept *kept = env->jumps;

    if (kept == NULL)
        return false;
    env->jumps = kept->next;
    env->jump_count--;
    env->trail_count = kept->trail;
    env->since_jumps = kept->last_jumps;
    env->since_insns = kept->last_insns;
    unpack(env, kept);
    kept_free(env, kept);
    return true;
}

/* Slots that no path from there on has read make no difference, and registers in them neither. */
static void forget_unread(struct verify_kept *kept)
{
    for (unsigned f = 0; f < kept->frames; f++) {
        struct verify_kept_frame *frame = &kept->frame[f];
        for (unsigned i = 0; i < frame->slots; i++)
            if (!(frame->read >> i & 1))
                memset(frame->type[i], SLOT_INVALID, 8);
    }
}

void verify_path_ended(struct verify_env *env)
{
    struct verify_kept *kept = env->now.parent;

    while (kept != NULL && --kept->branches == 0) {
        struct verify_kept *parent = kept->parent;
        if (kept->dropped)
            kept_free(env, kept);
        else
            forget_unread(kept);
        kept = parent;
    }
}

void verify_mark_read(struct verify_env *env, unsigned f, uint64_t slots)
{
    struct verify_kept *kept = env->now.parent;

    slots &= ~env->now.frame[f].written;
    for (; kept != NULL && f < kept->frames; kept = kept->parent) {
        struct verify_kept_frame *frame = &kept->frame[f];
        slots &= ~frame->read; /* known there, and thus further up */
        if (slots == 0)
            return;
        frame->read |= slots;
        slots &= ~frame->written;
    }
}

/* ---- Where paths meet ---- */

static void inherit_reads(struct verify_env *env, struct verify_kept *old)
{
    for (unsigned f = 0; f < old->frames; f++)
        if (old->frame[f].read != 0)
            verify_mark_read(env, f, old->frame[f].read);
}

static bool keep_now(struct verify_env *env)
{
    struct verify_now *now = &env->now;
    struct verify_kept *kept = kept_new(env, false);

    if (kept == NULL)
        return verify_fail(env, "no memory for more states\n");
    /* What matters is what matters from here on. */
    for (unsigned f = 0; f < kept->frames; f++) {
        struct verify_kept_frame *frame = &kept->frame[f];
        for (int i = 0; i < __builtin_popcount(frame->regs); i++)
            frame->reg[i].precise = false;
        for (int i = 0; i < __builtin_popcountll(frame->spilled); i++)
            frame->spill[i].precise = false;
        now->frame[f].written = 0;
    }
    kept->branches = 1; /* the path that goes on */
    kept->next = env->kept[now->insn];
    env->kept[now->insn] = kept;
    now->parent = kept;
    env->since_jumps = env->jumps_passed;
    env->since_insns = env->processed;
    env->kept_total++;
    return true;
}

/* A state that was compared in vain much more often than not is in the way. */
static bool useless(const struct verify_kept *kept)
{
    return kept->misses > kept->hits * 3u + 3u;
}

/*
 * Against the states that were kept here: one that is finished (no way from it is left to go) and
 * covers `now` ends the path. One that is not finished is on this very path: a loop; if nothing has
 * changed since, it never ends.
 */
bool verify_visit(struct verify_env *env, bool *covered)
{
    struct verify_kept **link = &env->kept[env->now.insn];
    uint32_t jumps = env->jumps_passed - env->since_jumps;
    uint32_t insns = env->processed - env->since_insns;
    bool keep = jumps >= 2 && insns >= 8;

    *covered = false;
    if (env->replaying)
        return true;
    while (*link != NULL) {
        struct verify_kept *old = *link;
        if (old->branches > 0) {
            if (old->frames == env->now.frames && verify_covered(env, old, true))
                return verify_fail(env, "infinite loop detected at insn %u\n", env->now.insn);
            /* Turns of a loop differ: more than a few states of it are of little use. */
            if (jumps < 20 && insns < 100)
                keep = false;
        } else if (verify_covered(env, old, false)) {
            old->hits++;
            inherit_reads(env, old);
            verify_inherit_precise(env, old);
            *covered = true;
            return true;
        }
        if (keep)
            old->misses++;
        if (useless(old)) {
            *link = old->next;
            old->dropped = true;
            if (old->branches == 0)
                kept_free(env, old);
            continue;
        }
        link = &old->next;
    }
    return !keep || keep_now(env);
}
