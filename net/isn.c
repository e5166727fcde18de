/* Initial sequence numbers: see isn.h. */
#include "isn.h"
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <string.h>

#define ISN_CLOCK_NS 4000 /* RFC 6528 §3: "a clock that ticks every 4 microseconds" */

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline uint64_t load64(const uint8_t *p) /* little endian, as the hash defines it */
{
    uint64_t x;

    memcpy(&x, p, sizeof(x));
    return x;
}

struct sip {
    uint64_t a, b, c, d;
};

/* In registers: called for each new connection. */
static inline __attribute__((always_inline)) struct sip sip_rounds(struct sip v, unsigned rounds)
{
#pragma GCC unroll 2
    for (unsigned i = 0; i < rounds; i++) {
        v.a += v.b;
        v.c += v.d;
        v.b = rotate_left(v.b, 13) ^ v.a;
        v.d = rotate_left(v.d, 16) ^ v.c;
        v.a = rotate_left(v.a, 32);
        v.c += v.b;
        v.a += v.d;
        v.b = rotate_left(v.b, 17) ^ v.c;
        v.d = rotate_left(v.d, 21) ^ v.a;
        v.c = rotate_left(v.c, 32);
    }
    return v;
}

/* The bytes behind the last whole word, and the length of all. */
static uint64_t last_word(const uint8_t *p, size_t bytes)
{
    uint64_t last = (uint64_t)bytes << 56;
    uint32_t half;

    if (bytes % 8 == 4) {
        memcpy(&half, p, 4);
        return last | half;
    }
    for (size_t i = 0; i < bytes % 8; i++)
        last |= (uint64_t)p[i] << (8 * i);
    return last;
}

uint64_t siphash24(const uint8_t key[ISN_KEY_BYTES], const void *data, size_t bytes)
{
    const uint8_t *p = data, *end = p + bytes / 8 * 8;
    uint64_t k0 = load64(key), k1 = load64(key + 8), m;
    struct sip v = {
        k0 ^ 0x736f6d6570736575ull, /* "somepseudorandomlygeneratedbytes" */
        k1 ^ 0x646f72616e646f6dull,
        k0 ^ 0x6c7967656e657261ull,
        k1 ^ 0x7465646279746573ull,
    };

    for (;; p += 8) {
        m = p != end ? load64(p) : last_word(p, bytes);
        v.d ^= m;
        v = sip_rounds(v, 2);
        v.a ^= m;
        if (p == end)
            break;
    }
    v.c ^= 0xff;
    v = sip_rounds(v, 4);
    return v.a ^ v.b ^ v.c ^ v.d;
}

uint32_t isn_compute(const uint8_t key[ISN_KEY_BYTES], uint64_t now_ns, const void *local_addr,
                     uint16_t local_port, const void *remote_addr, uint16_t remote_port,
                     size_t addr_bytes)
{
    uint8_t tuple[2 * 16 + 4];
    size_t n = 0;

    ASSERT(addr_bytes <= 16);
    if (addr_bytes == 4) { /* moves, not calls */
        memcpy(tuple, local_addr, 4);
        memcpy(tuple + 4, remote_addr, 4);
    } else {
        memcpy(tuple, local_addr, addr_bytes);
        memcpy(tuple + addr_bytes, remote_addr, addr_bytes);
    }
    n = 2 * addr_bytes;
    memcpy(tuple + n, &local_port, 2);
    memcpy(tuple + n + 2, &remote_port, 2);
    n += 4;
    return (uint32_t)(now_ns / ISN_CLOCK_NS) + (uint32_t)siphash24(key, tuple, n);
}
