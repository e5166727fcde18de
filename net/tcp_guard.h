/*
 * What lwIP 2.2.1 believes of a segment for a connection, and must not (LWIP_HOOK_TCP_INPACKET_PCB,
 * net/port/lwip_hooks.h): it comes to an assertion, or worse, where a peer likes.
 *
 *   A maximum segment size counts in a SYN only (RFC 9293 §3.2). lwIP takes it from any segment,
 * and with it what is queued already would be cut to pieces of a byte. Data ends within the window
 * (RFC 9293 §3.10.7.4). lwIP trims what comes in order and what comes behind other out-of-order
 * data, but not the first of these.
 *
 * Bottom half.
 */
#ifndef NET_TCP_GUARD_H
#define NET_TCP_GUARD_H

#include <lwip/err.h>
#include <lwip/tcp.h>

struct tcp_hdr;

/* lwIP's: TCP's header in host byte order; options in two parts where two buffers have them. */
err_t tcp_guard(struct tcp_pcb *pcb, struct tcp_hdr *tcp, u16_t opt_len, u16_t opt1_len, u8_t *opt2,
                struct pbuf *p);

#endif
