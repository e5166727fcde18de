/* lwIP's hooks (LWIP_HOOK_FILENAME): what we need otherwise than lwIP does it, without editing it.
 */
#ifndef NET_PORT_LWIP_HOOKS_H
#define NET_PORT_LWIP_HOOKS_H

#include <lwip/ip_addr.h>
#if !__STDC_HOSTED__ /* lwIP's own unit tests are not traced */
#include <drivers/trace.h>
#endif

/* Initial sequence numbers by RFC 6528: net/isn.c. */
u32_t isn_hook(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
               u16_t remote_port);
#define LWIP_HOOK_TCP_ISN isn_hook

/* Segments of connections, before they are handled: net/tcp_guard.c. */
#include <lwip/err.h>
struct tcp_pcb;
struct tcp_hdr;
struct pbuf;
err_t tcp_guard(struct tcp_pcb *pcb, struct tcp_hdr *tcp, u16_t opt_len, u16_t opt1_len, u8_t *opt2,
                struct pbuf *p);
#define LWIP_HOOK_TCP_INPACKET_PCB tcp_guard

/* Where ip4_input() and ip6_input() begin; 0: lwIP goes on. */
#if !__STDC_HOSTED__
#define LWIP_HOOK_IP4_INPUT(p, netif)                                                              \
    ({                                                                                             \
        trace_point(TRACE_IP);                                                                     \
        0;                                                                                         \
    })
#define LWIP_HOOK_IP6_INPUT(p, netif) LWIP_HOOK_IP4_INPUT(p, netif)
#endif

#endif
