/*
 * ICMP's stage of the packet trace. lwIP has PERF_START in TCP and UDP (arch/perf.h) and nothing
 * in ICMP: the linker leads its calls here (--wrap, see the Makefile). Bottom half.
 */
#include <drivers/trace.h>
#include <lwip/icmp.h>
#include <lwip/icmp6.h>

#define TRACE_INPUT(name, file_)                                                                   \
    void __real_##name(struct pbuf *p, struct netif *netif);                                       \
    void __wrap_##name(struct pbuf *p, struct netif *netif);                                       \
    void __wrap_##name(struct pbuf *p, struct netif *netif)                                        \
    {                                                                                              \
        static const struct trace_site site = { #name, file_ };                                    \
                                                                                                   \
        TRACE_IF_ARMED(trace_hit(TRACE_TRANSPORT, &site));                                         \
        __real_##name(p, netif);                                                                   \
    }

TRACE_INPUT(icmp_input, "lwip/src/core/ipv4/icmp.c")
TRACE_INPUT(icmp6_input, "lwip/src/core/ipv6/icmp6.c")
