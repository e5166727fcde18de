/*
 * TCP connections in banks. lwIP keeps its connections on two linked lists, active and TIME-WAIT,
 * and walks them for each segment and each tick: with a thousand connections that is most of its
 * work. The lists' heads are public variables, so there are BANKS pairs of them here, and a
 * connection's bank is a keyed hash of its remote address and both ports. Before lwIP is called for
 * a connection its bank's heads stand in lwIP's variables; the linker leads these calls here (ld's
 * --wrap):
 *
 *   tcp_input()
 *       the segment's bank; a connection that it opens is then in it, too
 *   tcp_close(), tcp_shutdown(), tcp_abort(), tcp_connect()
 *       the connection's
 *   tcp_tmr(), tcp_txnow(), pbuf_free_ooseq(), tcp_netif_ip_addr_changed()
 *       all banks, one after the other
 *   tcp_alloc(), tcp_new(), tcp_new_ip_type()
 *       for a newcomer nobody is ended but whom its app has left, and half-open connections
 *
 * lwIP's files stay as they are. Whoever else walks all connections uses tcp_banks_next().
 *
 * Bottom half, or between net_enter() and net_leave().
 */
#ifndef NET_TCP_BANKS_H
#define NET_TCP_BANKS_H

#include <kernel/lib.h>
#include <lwip/tcp.h>

#define TCP_BANKS 2048u /* 10,000 connections: five each */

void tcp_banks_init(void);

/*
 * All active connections and those in TIME-WAIT, bank by bank: NULL gives the first one, then each
 * the next; NULL again at the end. No connection may come or go between two calls.
 */
struct tcp_pcb *tcp_banks_next(struct tcp_pcb *pcb);

/* Select the bank of these ends (IPv4; the address in network byte order), as a segment does that
 * comes in; returns the active connection between them, or NULL. */
struct tcp_pcb *tcp_banks_find_ip4(uint32_t remote, uint16_t remote_port, uint16_t local_port);

/* End a connection without a word to its peer. */
void tcp_banks_abandon(struct tcp_pcb *pcb);

/* RFC 6928 §2: what a new connection may send at first, ten segments where lwIP begins with three;
 * not if the handshake lost something. */
tcpwnd_size_t tcp_initial_window(const struct tcp_pcb *pcb);

/* A hash of these ends, keyed anew at each boot. */
uint32_t tcp_banks_hash(const ip_addr_t *remote, uint16_t remote_port, uint16_t local_port);

/* The length of the longest bank now. */
unsigned tcp_banks_longest(void);

#endif
