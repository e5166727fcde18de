/*
 * lwIP sends an ICMP error for each packet that deserves one. The linker leads its calls here
 * (--wrap, see the Makefile), so that they are limited before anything is built or allocated.
 * Bottom half.
 */
#include "icmp_limit.h"
#include "stack_priv.h"
#include <kernel/time.h>
#include <lwip/icmp.h>
#include <lwip/icmp6.h>

static struct icmp_limit limit;

static bool allow(void)
{
    if (icmp_limit_allow(&limit, time_ns))
        return true;
    stack.stats.icmp_limited++;
    return false;
}

#define LIMIT_ICMP_ERROR(name, type)                                                               \
    void __real_##name(struct pbuf *p, enum type t);                                               \
    void __wrap_##name(struct pbuf *p, enum type t);                                               \
    void __wrap_##name(struct pbuf *p, enum type t)                                                \
    {                                                                                              \
        if (allow())                                                                               \
            __real_##name(p, t);                                                                   \
    }

LIMIT_ICMP_ERROR(icmp_dest_unreach, icmp_dur_type)
LIMIT_ICMP_ERROR(icmp_time_exceeded, icmp_te_type)
LIMIT_ICMP_ERROR(icmp6_dest_unreach, icmp6_dur_code)

void __real_icmp6_param_problem(struct pbuf *p, enum icmp6_pp_code c, const void *pointer);
void __wrap_icmp6_param_problem(struct pbuf *p, enum icmp6_pp_code c, const void *pointer);
void __wrap_icmp6_param_problem(struct pbuf *p, enum icmp6_pp_code c, const void *pointer)
{
    if (allow())
        __real_icmp6_param_problem(p, c, pointer);
}
