/*
 * Half-open connections: those whose client has not acknowledged our SYN-ACK yet. Whoever floods us
 * with SYNs makes nothing else, so there are at most as many as a listener's backlog says. lwIP
 * would drop whoever comes beyond. Here:
 *
 *   the oldest half-open connection makes room, if it has been waiting for PATIENCE, or if there
 *   are no SYN cookies (tcp_syncookies=off); without a reset: who sent that SYN may not exist
 *   otherwise the SYN is answered with a cookie (net/syncookie.h), by a frame to the station that
 *   it came from, without ARP: the address may be made up, and a flood of these would push the
 *   true ones out of lwIP's table
 *   an ACK with a right cookie makes the connection: lwIP is told the SYN again, with the cookie
 *   for its ISN and without sending its answer, and then gets the ACK as any other
 *
 * One place of the backlog is kept for these. Connections that are open are never ended, whatever
 * there is of half-open ones.
 *
 * Bottom half.
 */
#ifndef NET_TCP_BACKLOG_H
#define NET_TCP_BACKLOG_H

#include <lwip/tcp.h>
#include <stdbool.h>

struct netif;

void tcp_backlog_init(void); /* boot, after rand_init() and the configuration */

enum backlog_verdict {
    BACKLOG_PASSED, /* it is lwIP's */
    BACKLOG_TAKEN,  /* it has been seen to, and p is freed */
    BACKLOG_OPENED, /* its cookie was right: it is lwIP's, for the connection at the head of
                     * tcp_active_pcbs */
};

/* A segment for no connection, whose bank is selected (p->payload at TCP's header, whose options
 * are whole). */
enum backlog_verdict tcp_backlog_input(struct pbuf *p, struct netif *netif);

/* Give up the oldest half-open connection of all, or of one listener; false: there is none. */
bool tcp_backlog_evict(const struct tcp_pcb_listen *listener);

/* ---- Towards lwIP: net/syncookie_lwip.c ---- */

/* Answer the SYN p with this ISN. Does not free it. */
void syncookie_answer(struct pbuf *p, struct netif *netif, u32_t isn);

/* Make lwIP open the connection that this ACK ends the handshake of; NULL: it could not. */
struct tcp_pcb *syncookie_open(const struct pbuf *p, struct netif *netif, u16_t mss, u32_t isn);

/* It does so now: tcp_input_pcb is to be the connection that lwIP allocates, so that tcp_output()
 * sends nothing for it. */
extern bool syncookie_opening;

#endif
