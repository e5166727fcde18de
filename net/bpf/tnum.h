/*
 * Tristate numbers: 64 bits of which each is known to be 0, known to be 1 or unknown (Vishwanathan
 * et al., "Sound, Precise, and Fast Abstract Interpretation with Tristate Numbers", CGO 2022). What
 * the verifier knows of a register's bits. Each operation's result contains every result that the
 * operation has for members of its operands. Pure, any context.
 */
#ifndef NET_BPF_TNUM_H
#define NET_BPF_TNUM_H

#include <stdbool.h>
#include <stdint.h>

struct tnum {
    uint64_t value; /* the bits known to be 1 */
    uint64_t mask;  /* the unknown bits; disjoint from value */
};

static inline struct tnum tnum_const(uint64_t value)
{
    return (struct tnum){ value, 0 };
}

static inline struct tnum tnum_unknown(void)
{
    return (struct tnum){ 0, ~0ull };
}

static inline bool tnum_is_const(struct tnum a)
{
    return a.mask == 0;
}

static inline bool tnum_is_unknown(struct tnum a)
{
    return a.mask == ~0ull;
}

/* Is every member of `b` one of `a`? */
static inline bool tnum_contains(struct tnum a, struct tnum b)
{
    return (b.mask & ~a.mask) == 0 && (b.value & ~a.mask) == a.value;
}

/* All that share the bits which min and max (min <= max) have in common from the top. */
struct tnum tnum_range(uint64_t min, uint64_t max);

struct tnum tnum_add(struct tnum a, struct tnum b);
struct tnum tnum_sub(struct tnum a, struct tnum b);
struct tnum tnum_mul(struct tnum a, struct tnum b);
struct tnum tnum_and(struct tnum a, struct tnum b);
struct tnum tnum_or(struct tnum a, struct tnum b);
struct tnum tnum_xor(struct tnum a, struct tnum b);
/* By a known count below 64 */
struct tnum tnum_lshift(struct tnum a, unsigned count);
struct tnum tnum_rshift(struct tnum a, unsigned count);
/* bits: 32 or 64; count below it. The result of 32 has zeros above. */
struct tnum tnum_arshift(struct tnum a, unsigned count, unsigned bits);

/* The members of both, which must have one. */
struct tnum tnum_intersect(struct tnum a, struct tnum b);

/* The low `bytes` (1, 2, 4, 8), zeros above. */
struct tnum tnum_cast(struct tnum a, unsigned bytes);
/* Likewise, the sign above. */
struct tnum tnum_sign_extend(struct tnum a, unsigned bytes);
/* Likewise, in the opposite order (2, 4, 8). */
struct tnum tnum_swap(struct tnum a, unsigned bytes);
/* The upper half of `a` with the lower half of `low`. */
struct tnum tnum_with_low32(struct tnum a, struct tnum low);

#endif
