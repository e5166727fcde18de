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

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

static void sip_block(uint64_t v[4], uint64_t m)
{
    v[3] ^= m;
    sip_round(v);
    sip_round(v);
    v[0] ^= m;
}

uint64_t siphash24(const uint8_t key[ISN_KEY_BYTES], const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint64_t k0 = load64(key), k1 = load64(key + 8);
    uint64_t v[4] = {
        k0 ^ 0x736f6d6570736575ull, /* "somepseudorandomlygeneratedbytes" */
        k1 ^ 0x646f72616e646f6dull,
        k0 ^ 0x6c7967656e657261ull,
        k1 ^ 0x7465646279746573ull,
    };
    uint64_t last = (uint64_t)bytes << 56;
    size_t left = bytes;

    for (; left >= 8; left -= 8, p += 8)
        sip_block(v, load64(p));
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)p[i] << (8 * i);
    sip_block(v, last);

    v[2] ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint32_t isn_compute(const uint8_t key[ISN_KEY_BYTES], uint64_t now_ns, const void *local_addr,
                     uint16_t local_port, const void *remote_addr, uint16_t remote_port,
                     size_t addr_bytes)
{
    uint8_t tuple[2 * 16 + 4];
    size_t n = 0;

    ASSERT(addr_bytes <= 16);
    memcpy(tuple, local_addr, addr_bytes);
    n += addr_bytes;
    memcpy(tuple + n, remote_addr, addr_bytes);
    n += addr_bytes;
    memcpy(tuple + n, &local_port, 2);
    memcpy(tuple + n + 2, &remote_port, 2);
    n += 4;
    return (uint32_t)(now_ns / ISN_CLOCK_NS) + (uint32_t)siphash24(key, tuple, n);
}
