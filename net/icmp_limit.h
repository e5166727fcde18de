/*
 * How many ICMP errors we send: a host that answers each packet to a closed port with one can be
 * made to flood others, and itself (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f). A token bucket, with the
 * figures of Linux (icmp_msgs_per_sec, icmp_msgs_burst). Pure code. Echo replies are no errors.
 */
#ifndef NET_ICMP_LIMIT_H
#define NET_ICMP_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define ICMP_LIMIT_PER_SEC 1000u
#define ICMP_LIMIT_BURST   50u

struct icmp_limit {
    uint32_t tokens;
    uint64_t filled_ns; /* up to when the tokens were given */
};

/* May an error be sent now? Takes a token if so. The clock is asked for only when none is left. */
bool icmp_limit_allow(struct icmp_limit *limit, uint64_t (*now_ns)(void));

#endif
