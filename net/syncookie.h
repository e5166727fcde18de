/*
 * SYN cookies (D. J. Bernstein, 1996; RFC 4987 §3.6): what a server has to remember of a SYN is in
 * the sequence number of its answer, and comes back with the client's acknowledgement. Linux's
 * layout, but for the second "client's ISN":
 *
 *   cookie = H(ends) + client's ISN + slot * 2^24 + (H(ends, client's ISN, slot) + index) mod 2^24
 *
 * Without that, both numbers further on by the same amount are as good: those of a connection where
 * nothing was said, repeated by a peer in TIME-WAIT when somebody forges its SYN, would make a
 * connection that only our end knows. H is SipHash-2-4 with a key of this boot; slot counts units
 * of time, and two of them are accepted; index names one of four maximum segment sizes. No other
 * option of the SYN survives. Who guesses is right once in 2^29. Pure code.
 */
#ifndef NET_SYNCOOKIE_H
#define NET_SYNCOOKIE_H

#include "isn.h"

#define SYNCOOKIE_SHIFT 36u /* a slot is 2^36 ns, 69 s */

struct syncookie_ends {
    const void *local, *remote; /* addresses, of so many bytes: 4 or 16 */
    size_t addr_bytes;
    uint16_t local_port, remote_port;
    uint32_t remote_isn;
};

/* The ISN to answer with; mss: what the client's SYN said. */
uint32_t syncookie_make(const uint8_t key[ISN_KEY_BYTES], const struct syncookie_ends *ends,
                        uint32_t slot, uint16_t mss);

/* The MSS that the cookie stands for: never more than the client's, unless that is less than 536.
 * 0: it is none of ours, or too old. */
uint16_t syncookie_check(const uint8_t key[ISN_KEY_BYTES], const struct syncookie_ends *ends,
                         uint32_t slot, uint32_t cookie);

#endif
