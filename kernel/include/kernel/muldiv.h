/* a * b / c with a 128-bit product, for computing conversion factors at boot. Any context. */
#ifndef KERNEL_MULDIV_H
#define KERNEL_MULDIV_H

#include <stdint.h>

/*
 * The quotient must fit 64 bits: DIV faults where it does not, as it does for c = 0 (SDM vol 2A,
 * DIV). C's own 128-bit division would call libgcc, which is built with a red zone.
 */
static inline uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t high, quotient;

    __asm__("mulq %3" : "=a"(quotient), "=d"(high) : "a"(a), "r"(b) : "cc");
    __asm__("divq %2" : "+a"(quotient), "+d"(high) : "r"(c) : "cc");
    return quotient;
}

#endif
