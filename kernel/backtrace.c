/*
 * Backtraces by frame pointers: RBP points to the caller's RBP, with the return address above it
 * (System V ABI for x86-64 §3.2.2). The chain may be damaged, since it is read after something
 * has gone wrong; so each link is checked before it is followed.
 */
#include "backtrace.h"

/* ---- Names ---- */

static uint64_t read_number(const uint8_t **at)
{
    uint64_t n = 0;
    unsigned shift = 0;

    do
        n |= (uint64_t)(**at & 0x7f) << shift;
    while (shift += 7, *(*at)++ & 0x80);
    return n;
}

/* Onto the name before, of which it keeps the beginning. */
static void read_name(const uint8_t **at, char name[static sizeof(((struct ksym *)0)->name)])
{
    unsigned n = *(*at)++;

    do
        name[n++] = (char)(**at & 0x7f);
    while (!(*(*at)++ & 0x80));
    name[n] = '\0';
}

bool ksyms_find(const struct ksyms *syms, uint64_t offset, struct ksym *out)
{
    const uint8_t *at = syms->table;
    uint64_t start = 0, next;

    if (offset >= syms->end)
        return false;
    for (uint32_t i = 0; i < syms->count; i++, start = next) {
        next = start + read_number(&at);
        if (next > offset) {
            out->within = offset - start;
            out->bytes = next - start;
            return i > 0;
        }
        read_name(&at, out->name);
    }
    out->within = offset - start;
    out->bytes = syms->end - start;
    return syms->count > 0;
}

/* ---- Frames ---- */

/* The stack that holds all of these bytes, or count. */
static unsigned stack_of(const struct stack_range *stacks, unsigned count, uint64_t at,
                         uint64_t bytes)
{
    unsigned i;

    for (i = 0; i < count; i++)
        if (at >= stacks[i].bottom && at < stacks[i].top && stacks[i].top - at >= bytes)
            break;
    return i;
}

void backtrace_begin(struct backtrace *bt, const struct stack_range *stacks, unsigned count,
                     uint64_t fp)
{
    *bt = (struct backtrace){ .stacks = stacks, .stack_count = count, .fp = fp, .stack = count };
}

bool backtrace_next(struct backtrace *bt, uint64_t *pc)
{
    unsigned stack = stack_of(bt->stacks, bt->stack_count, bt->fp, 2 * sizeof(uint64_t));
    const uint64_t *frame = (const uint64_t *)bt->fp;

    if (stack == bt->stack_count || bt->fp % sizeof(uint64_t) != 0)
        return false;
    if (stack != bt->stack) { /* from an exception's stack to the interrupted one */
        if (bt->left & (1u << stack))
            return false;
        if (bt->stack < bt->stack_count)
            bt->left |= 1u << bt->stack;
    } else if (bt->fp <= bt->floor) {
        return false;
    }
    bt->stack = stack;
    bt->floor = bt->fp;
    *pc = frame[1];
    bt->fp = frame[0];
    return *pc != 0;
}

/* CALL rel32, or CALL r/m64 with any of its operand's lengths (SDM vol 2A, CALL). */
static bool follows_call(const uint8_t *pc)
{
    static const uint8_t lengths[] = { 2, 3, 4, 6, 7 };

    if (pc[-5] == 0xe8)
        return true;
    for (unsigned i = 0; i < sizeof(lengths); i++)
        if (pc[-lengths[i]] == 0xff && (pc[1 - lengths[i]] & 0x38) == 0x10)
            return true;
    return false;
}

uint64_t backtrace_frameless(const struct stack_range *stacks, unsigned count, uint64_t sp,
                             uint64_t text, uint64_t text_end)
{
    uint64_t pc;

    if (sp % sizeof(pc) != 0 || stack_of(stacks, count, sp, sizeof(pc)) == count)
        return 0;
    pc = *(const uint64_t *)sp;
    if (pc < text + 7 || pc >= text_end || !follows_call((const uint8_t *)pc))
        return 0;
    return pc;
}
