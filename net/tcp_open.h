/*
 * A SYN makes a connection: lwIP's tcp_input(), tcp_listen_input() and tcp_parseopt() at once, for
 * a SYN whose listener, place in the backlog and options have been looked at already
 * (net/tcp_backlog.c, net/tcp_banks.c). RFC 9293 §3.10.7.2.
 *
 * Bottom half.
 */
#ifndef NET_TCP_OPEN_H
#define NET_TCP_OPEN_H

#include <lwip/tcp.h>
#include <stdbool.h>

struct netif;
struct pbuf;

/* Whether the segment, a SYN for this listener, with whole options, is one for tcp_open(). */
bool tcp_open_may(struct pbuf *p, const struct netif *netif, const struct tcp_pcb_listen *listener);

/* Open the connection and send its SYN-ACK; p stays the caller's. NULL: there was no memory. */
struct tcp_pcb *tcp_open(const struct pbuf *p, struct tcp_pcb_listen *listener);

#endif
