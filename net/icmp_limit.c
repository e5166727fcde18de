/* The rate of ICMP errors: icmp_limit.h. */
#include "icmp_limit.h"
#include <kernel/lib.h>

#define NS_PER_TOKEN (NS_PER_SEC / ICMP_LIMIT_PER_SEC)

bool icmp_limit_allow(struct icmp_limit *limit, uint64_t (*now_ns)(void))
{
    if (limit->tokens == 0) {
        uint64_t now = now_ns();
        uint64_t earned = (now - limit->filled_ns) / NS_PER_TOKEN;

        if (earned == 0)
            return false;
        limit->tokens = (uint32_t)MIN(earned, (uint64_t)ICMP_LIMIT_BURST);
        limit->filled_ns = now;
    }
    limit->tokens--;
    return true;
}
