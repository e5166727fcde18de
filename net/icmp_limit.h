/*
 * How many ICMP messages we send: a host that answers each packet to a closed port with an error
 * can be made to flood others, and itself (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f), and one that
 * answers each ping works for whoever pings. A token bucket. Pure code.
 */
#ifndef NET_ICMP_LIMIT_H
#define NET_ICMP_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct icmp_limit {
    uint32_t tokens, burst;
    uint64_t ns_per_token; /* 0: no limit */
    uint64_t filled_ns;    /* up to when the tokens were given */
};

/* So many a second (0: no limit), and `burst` at once. */
void icmp_limit_set(struct icmp_limit *limit, unsigned per_sec, unsigned burst);

/* May one be sent now? Takes a token if so. The clock is asked for only when none is left. */
bool icmp_limit_allow(struct icmp_limit *limit, uint64_t (*now_ns)(void));

#endif
