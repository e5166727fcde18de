/*
 * Ephemeral ports, at random for each connection (RFC 6056 §3.3): who has seen one must not know
 * the next. lwIP draws a port when it starts and counts up from there. It draws in tcp_init() and
 * udp_init(), which do nothing else: so they are called again whenever lwIP is about to choose. The
 * linker leads these calls here (--wrap, see the Makefile). tcp_connect() chooses in
 * net/tcp_banks.c. Bottom half, or between net_enter() and net_leave().
 */
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>
#include <lwip/udp.h>

err_t __real_tcp_bind(struct tcp_pcb *pcb, const ip_addr_t *ip, u16_t port);
err_t __wrap_tcp_bind(struct tcp_pcb *pcb, const ip_addr_t *ip, u16_t port);

err_t __wrap_tcp_bind(struct tcp_pcb *pcb, const ip_addr_t *ip, u16_t port)
{
    if (port == 0)
        tcp_init();
    return __real_tcp_bind(pcb, ip, port);
}

static void draw_udp_port(const struct udp_pcb *pcb)
{
    if (pcb->local_port == 0)
        udp_init();
}

/* Each of these binds to a port when there is none yet. */
#define DRAW_FIRST(name, parameters, arguments)                                                    \
    err_t __real_##name parameters;                                                                \
    err_t __wrap_##name parameters;                                                                \
    err_t __wrap_##name parameters                                                                 \
    {                                                                                              \
        draw_udp_port(pcb);                                                                        \
        return __real_##name arguments;                                                            \
    }

DRAW_FIRST(udp_bind, (struct udp_pcb * pcb, const ip_addr_t *ip, u16_t port), (pcb, ip, port))
DRAW_FIRST(udp_connect, (struct udp_pcb * pcb, const ip_addr_t *ip, u16_t port), (pcb, ip, port))
DRAW_FIRST(udp_send, (struct udp_pcb * pcb, struct pbuf *p), (pcb, p))
DRAW_FIRST(udp_sendto, (struct udp_pcb * pcb, struct pbuf *p, const ip_addr_t *ip, u16_t port),
           (pcb, p, ip, port))
DRAW_FIRST(udp_sendto_if,
           (struct udp_pcb * pcb, struct pbuf *p, const ip_addr_t *ip, u16_t port,
            struct netif *netif),
           (pcb, p, ip, port, netif))
