/*
 * The Internet checksum (RFC 1071), 64 bits at a time with the carry going round: one's
 * complement addition does not care in which width it is done (RFC 1071 §2(C)) nor, up to a swap
 * at the end, in which byte order (§2(B)). General registers only, as all kernel code. Any
 * context.
 */
#include "chksum.h"
#include <stddef.h>
#include <string.h>

/* Add blocks of 64 bytes. LEA and DEC leave the carry flag alone, so that it lives on from one
 * block to the next. */
static uint64_t sum_blocks(const uint8_t **data, size_t blocks, uint64_t sum)
{
    const uint8_t *p = *data;

    __asm__("clc\n"
            "1:\n\t"
            "adcq 0(%[p]), %[sum]\n\t"
            "adcq 8(%[p]), %[sum]\n\t"
            "adcq 16(%[p]), %[sum]\n\t"
            "adcq 24(%[p]), %[sum]\n\t"
            "adcq 32(%[p]), %[sum]\n\t"
            "adcq 40(%[p]), %[sum]\n\t"
            "adcq 48(%[p]), %[sum]\n\t"
            "adcq 56(%[p]), %[sum]\n\t"
            "leaq 64(%[p]), %[p]\n\t"
            "decq %[n]\n\t"
            "jnz 1b\n\t"
            "adcq $0, %[sum]"
            : [p] "+r"(p), [n] "+r"(blocks), [sum] "+r"(sum)
            :
            : "cc", "memory");
    *data = p;
    return sum;
}

static inline uint64_t add_carry(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

uint16_t lwip_port_chksum(const void *data, int len)
{
    const uint8_t *p = data;
    size_t left = len > 0 ? (size_t)len : 0;
    uint64_t sum = 0, word;

    if (left >= 64) {
        sum = sum_blocks(&p, left / 64, sum);
        left %= 64;
    }
    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        sum = add_carry(sum, word);
    }
    if (left > 0) {
        word = 0;
        for (size_t i = 0; i < left; i++)
            word |= (uint64_t)p[i] << (8 * i);
        sum = add_carry(sum, word);
    }

    sum = (sum >> 32) + (uint32_t)sum;
    sum = (sum >> 32) + (uint32_t)sum;
    sum = (sum >> 16) + (uint16_t)sum;
    sum = (sum >> 16) + (uint16_t)sum;
    return (uint16_t)((sum >> 16) + (uint16_t)sum);
}
