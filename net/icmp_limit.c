/* The rate of ICMP messages: icmp_limit.h. */
#include "icmp_limit.h"
#include <kernel/lib.h>

void icmp_limit_set(struct icmp_limit *limit, unsigned per_sec, unsigned burst)
{
    *limit = (struct icmp_limit){ .burst = burst,
                                  .ns_per_token = per_sec > 0 ? NS_PER_SEC / per_sec : 0 };
}

bool icmp_limit_allow(struct icmp_limit *limit, uint64_t (*now_ns)(void))
{
    if (limit->ns_per_token == 0)
        return true;
    if (limit->tokens == 0) {
        uint64_t now = now_ns();
        uint64_t earned = (now - limit->filled_ns) / limit->ns_per_token;

        if (earned == 0)
            return false;
        limit->tokens = (uint32_t)MIN(earned, (uint64_t)limit->burst);
        limit->filled_ns = now;
    }
    limit->tokens--;
    return true;
}
