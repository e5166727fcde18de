/* Tristate numbers; see tnum.h. */
#include "tnum.h"

struct tnum tnum_range(uint64_t min, uint64_t max)
{
    uint64_t differ = min ^ max;
    if (differ == 0)
        return tnum_const(min);
    unsigned bits = 64u - (unsigned)__builtin_clzll(differ);
    uint64_t mask = bits == 64 ? ~0ull : (1ull << bits) - 1;
    return (struct tnum){ min & ~mask, mask };
}

/*
 * The sum of the smallest members and that of the largest differ wherever a carry may or may not
 * come in; with the operands' own unknown bits that is all there is (§3 of the paper).
 */
struct tnum tnum_add(struct tnum a, struct tnum b)
{
    uint64_t smallest = a.value + b.value;
    uint64_t largest = smallest + a.mask + b.mask;
    uint64_t mask = (smallest ^ largest) | a.mask | b.mask;
    return (struct tnum){ smallest & ~mask, mask };
}

struct tnum tnum_sub(struct tnum a, struct tnum b)
{
    uint64_t middle = a.value - b.value;
    uint64_t mask = ((middle + a.mask) ^ (middle - b.mask)) | a.mask | b.mask;
    return (struct tnum){ middle & ~mask, mask };
}

struct tnum tnum_and(struct tnum a, struct tnum b)
{
    uint64_t may = (a.value | a.mask) & (b.value | b.mask);
    uint64_t must = a.value & b.value;
    return (struct tnum){ must, may & ~must };
}

struct tnum tnum_or(struct tnum a, struct tnum b)
{
    uint64_t must = a.value | b.value;
    return (struct tnum){ must, (a.mask | b.mask) & ~must };
}

struct tnum tnum_xor(struct tnum a, struct tnum b)
{
    uint64_t mask = a.mask | b.mask;
    return (struct tnum){ (a.value ^ b.value) & ~mask, mask };
}

/* Long multiplication: the known part is a product of constants; every bit of `a` that may be set
 * adds unknown bits where `b` has any, and a known one adds what is unknown in `b` (§4). */
struct tnum tnum_mul(struct tnum a, struct tnum b)
{
    uint64_t product = a.value * b.value;
    struct tnum unsure = tnum_const(0);
    for (; (a.value | a.mask) != 0; a = tnum_rshift(a, 1), b = tnum_lshift(b, 1)) {
        if (a.value & 1)
            unsure = tnum_add(unsure, (struct tnum){ 0, b.mask });
        else if (a.mask & 1)
            unsure = tnum_add(unsure, (struct tnum){ 0, b.value | b.mask });
    }
    return tnum_add(tnum_const(product), unsure);
}

struct tnum tnum_lshift(struct tnum a, unsigned count)
{
    return (struct tnum){ a.value << count, a.mask << count };
}

struct tnum tnum_rshift(struct tnum a, unsigned count)
{
    return (struct tnum){ a.value >> count, a.mask >> count };
}

/* An unknown sign comes in as unknown bits: both halves shift as signed numbers. */
struct tnum tnum_arshift(struct tnum a, unsigned count, unsigned bits)
{
    if (bits == 32)
        return (struct tnum){ (uint32_t)((int32_t)a.value >> count),
                              (uint32_t)((int32_t)a.mask >> count) };
    return (struct tnum){ (uint64_t)((int64_t)a.value >> count),
                          (uint64_t)((int64_t)a.mask >> count) };
}

struct tnum tnum_intersect(struct tnum a, struct tnum b)
{
    uint64_t mask = a.mask & b.mask;
    return (struct tnum){ (a.value | b.value) & ~mask, mask };
}

struct tnum tnum_cast(struct tnum a, unsigned bytes)
{
    uint64_t keep = bytes >= 8 ? ~0ull : (1ull << (8 * bytes)) - 1;
    return (struct tnum){ a.value & keep, a.mask & keep };
}

struct tnum tnum_sign_extend(struct tnum a, unsigned bytes)
{
    unsigned up = 64 - 8 * bytes;
    return tnum_arshift(tnum_lshift(a, up), up, 64);
}

static uint64_t swap(uint64_t v, unsigned bytes)
{
    return __builtin_bswap64(v) >> (64 - 8 * bytes);
}

struct tnum tnum_swap(struct tnum a, unsigned bytes)
{
    return (struct tnum){ swap(a.value, bytes), swap(a.mask, bytes) };
}

struct tnum tnum_with_low32(struct tnum a, struct tnum low)
{
    return (struct tnum){ (a.value & ~0xffffffffull) | (uint32_t)low.value,
                          (a.mask & ~0xffffffffull) | (uint32_t)low.mask };
}
