/*
 * ICMP that we send. lwIP sends an error for each packet that deserves one, and answers each echo
 * request: the linker leads its calls here (--wrap, see the Makefile), so that both are limited
 * before anything is built or allocated. Each has a bucket of its own: whoever pings must not hide
 * that a port is closed. And ICMP's stage of the packet trace, where lwIP has no PERF_START
 * (net/port/arch/perf.h). Bottom half.
 */
#include "icmp_limit.h"
#include "stack_priv.h"
#include <drivers/trace.h>
#include <kernel/config.h>
#include <kernel/lib.h>
#include <kernel/time.h>
#include <lwip/icmp.h>
#include <lwip/icmp6.h>
#include <lwip/prot/icmp.h>
#include <lwip/prot/icmp6.h>

#define ICMP_RATE_DEFAULT 1000u
#define ICMP_ERROR_BURST  50u /* as Linux's icmp_msgs_burst */

static struct icmp_limit errors, echoes;

void stack_icmp_init(void)
{
    unsigned rate = (unsigned)config_u64("icmp_rate", ICMP_RATE_DEFAULT, 0, 1000000);

    icmp_limit_set(&errors, rate, MIN(rate, ICMP_ERROR_BURST));
    icmp_limit_set(&echoes, rate, rate); /* ping -f, for a second */
}

/* ---- Errors ---- */

static bool allow_error(void)
{
    if (icmp_limit_allow(&errors, time_ns))
        return true;
    stack.stats.icmp_limited++;
    return false;
}

#define LIMIT_ICMP_ERROR(name, type)                                                               \
    void __real_##name(struct pbuf *p, enum type t);                                               \
    void __wrap_##name(struct pbuf *p, enum type t);                                               \
    void __wrap_##name(struct pbuf *p, enum type t)                                                \
    {                                                                                              \
        if (allow_error())                                                                         \
            __real_##name(p, t);                                                                   \
    }

LIMIT_ICMP_ERROR(icmp_dest_unreach, icmp_dur_type)
LIMIT_ICMP_ERROR(icmp_time_exceeded, icmp_te_type)
LIMIT_ICMP_ERROR(icmp6_dest_unreach, icmp6_dur_code)

void __real_icmp6_param_problem(struct pbuf *p, enum icmp6_pp_code c, const void *pointer);
void __wrap_icmp6_param_problem(struct pbuf *p, enum icmp6_pp_code c, const void *pointer);
void __wrap_icmp6_param_problem(struct pbuf *p, enum icmp6_pp_code c, const void *pointer)
{
    if (allow_error())
        __real_icmp6_param_problem(p, c, pointer);
}

void __real_icmp6_time_exceeded_with_addrs(struct pbuf *p, enum icmp6_te_code c,
                                           const ip6_addr_t *src, const ip6_addr_t *dest);
void __wrap_icmp6_time_exceeded_with_addrs(struct pbuf *p, enum icmp6_te_code c,
                                           const ip6_addr_t *src, const ip6_addr_t *dest);
void __wrap_icmp6_time_exceeded_with_addrs(struct pbuf *p, enum icmp6_te_code c,
                                           const ip6_addr_t *src, const ip6_addr_t *dest)
{
    if (allow_error())
        __real_icmp6_time_exceeded_with_addrs(p, c, src, dest);
}

/* ---- Echo requests ---- */

static bool allow(const struct pbuf *p, u8_t request)
{
    if (p->len == 0 || *(const u8_t *)p->payload != request || icmp_limit_allow(&echoes, time_ns))
        return true;
    stack.stats.icmp_echo_limited++;
    return false;
}

#define ICMP_INPUT(name, file_, request, stats)                                                    \
    void __real_##name(struct pbuf *p, struct netif *netif);                                       \
    void __wrap_##name(struct pbuf *p, struct netif *netif);                                       \
    void __wrap_##name(struct pbuf *p, struct netif *netif)                                        \
    {                                                                                              \
        static const struct trace_site site = { #name, file_ };                                    \
                                                                                                   \
        TRACE_IF_ARMED(trace_hit(TRACE_TRANSPORT, &site));                                         \
        if (likely(allow(p, request))) {                                                           \
            __real_##name(p, netif);                                                               \
            return;                                                                                \
        }                                                                                          \
        lwip_stats.stats.recv++;                                                                   \
        lwip_stats.stats.drop++;                                                                   \
        pbuf_free(p);                                                                              \
    }

ICMP_INPUT(icmp_input, "lwip/src/core/ipv4/icmp.c", ICMP_ECHO, icmp)
ICMP_INPUT(icmp6_input, "lwip/src/core/ipv6/icmp6.c", ICMP6_TYPE_EREQ, icmp6)
