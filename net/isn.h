/*
 * TCP's initial sequence numbers by RFC 6528: ISN = M + F(local address and port, remote address
 * and port, secret key), M a clock of 4 µs. A peer that sees its own connection's numbers can
 * not tell another's, yet those of one address pair rise, so that an old segment is known as old.
 * F is SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"), a keyed hash made
 * for short input. Pure code, any context.
 */
#ifndef NET_ISN_H
#define NET_ISN_H

#include <stddef.h>
#include <stdint.h>

#define ISN_KEY_BYTES 16

uint64_t siphash24(const uint8_t key[ISN_KEY_BYTES], const void *data, size_t bytes);

/* Addresses are 4 or 16 bytes, ports in host byte order. */
uint32_t isn_compute(const uint8_t key[ISN_KEY_BYTES], uint64_t now_ns, const void *local_addr,
                     uint16_t local_port, const void *remote_addr, uint16_t remote_port,
                     size_t addr_bytes);

void isn_init(void); /* a fresh key. Boot, after rand_init() */

/* The number for lwIP's next connection, in the place of a computed one; NULL: no longer. It is
 * read when lwIP asks. Bottom half. */
void isn_force(const uint32_t *isn);

#endif
