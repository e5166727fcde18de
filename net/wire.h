/* Fields of received frames, which lie unaligned behind Ethernet's 14 bytes. */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <stdbool.h>
#include <stdint.h>

/* Where headers begin in a frame of IPv4 without options. */
#define WIRE_IP  14u
#define WIRE_TCP (WIRE_IP + 20u)

static inline uint16_t wire_get16(const uint8_t *at)
{
    uint16_t value;

    __builtin_memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint32_t wire_get32(const uint8_t *at)
{
    uint32_t value;

    __builtin_memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint64_t wire_sum32(const uint8_t *at, unsigned words)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < words; i++)
        sum += wire_get32(at + 4 * (uintptr_t)i);
    return sum;
}

static inline uint64_t wire_get64(const uint8_t *at)
{
    uint64_t value;

    __builtin_memcpy(&value, at, sizeof(value));
    return value;
}

/* Whether an IP header of 20 bytes adds up to all ones. In the largest words there are (RFC 1071
 * §2(C)): a carry out of one goes in at its other end. */
static inline bool wire_ip_adds_up(const uint8_t *at)
{
    uint64_t first = wire_get64(at), sum = first + wire_get64(at + 8);
    uint32_t low, high;

    sum += sum < first;
    low = (uint32_t)sum;
    high = (uint32_t)(sum >> 32) + wire_get32(at + 16);
    high += high < wire_get32(at + 16);
    low += high;
    low += low < high;
    low += low << 16 | low >> 16; /* the upper half is now the sum of both, carry included */
    return low >> 16 == 0xffff;
}

/* RFC 1071: right when all words, the checksum among them, add up to all ones. */
static inline bool wire_adds_up(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

#endif
