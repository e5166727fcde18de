/*
 * TIME-WAIT (RFC 9293 §3.6.1) without a connection: once both sides have closed and the app is
 * done, what has to be remembered is one record of 60 bytes, in a ring of fixed size with a hash
 * over it. So no number of closed connections keeps a new one from being opened. When the ring is
 * full the oldest record makes place, as Linux does beyond tcp_max_tw_buckets.
 *
 * What comes for such a connection (the rules in order):
 *   RST        is ignored: it could end the wait early, and old segments would find a new
 *              connection (RFC 1337, "TIME-WAIT assassination")
 *   SYN        whose sequence number lies behind all that the old connection received opens a new
 *              one (RFC 9293 §3.10.7.4; RFC 6191 without timestamps); another one gets an ACK
 *   anything   that takes sequence space (data, a repeated FIN) gets an ACK, and a FIN begins the
 * wait anew; a pure ACK is ignored
 *
 * The table and the decision are pure code (tested on the host). Bottom half.
 */
#ifndef NET_TCP_TIMEWAIT_H
#define NET_TCP_TIMEWAIT_H

#include <kernel/lib.h>
#include <lwip/err.h>
#include <lwip/ip_addr.h>

struct pbuf;
struct netif;

#define TIMEWAIT_MAX 8192u /* records; a power of two */

/* Time here runs in units of 2^29 ns, about half a second, modulo 2^32. */
#define TIMEWAIT_SHIFT 29u
#define TIMEWAIT_UNITS (60000000000ull >> TIMEWAIT_SHIFT) /* 2 MSL, as Linux: 60 s */

struct timewait {
    ip_addr_t local, remote;
    u16_t local_port, remote_port;
    u32_t snd_nxt, rcv_nxt;
    u32_t until;   /* when it is over */
    uint16_t next; /* with the same hash: index + 1; 0: none */
    bool used;
};

enum timewait_verdict {
    TIMEWAIT_IGNORE,
    TIMEWAIT_ACK,
    TIMEWAIT_ACK_AND_WAIT, /* and begin the wait anew */
    TIMEWAIT_OPEN,         /* forget the record: a new connection */
};

/* Pure. flags: of the TCP header; bytes: of sequence space that the segment takes. */
enum timewait_verdict timewait_judge(const struct timewait *tw, u8_t flags, u32_t seqno,
                                     u32_t bytes);

/* Add, replacing what has the same ends; find (NULL: none); remove; forget what is over; all of
 * them, one after the other (NULL gives the first, and ends it). */
struct timewait *timewait_add(const struct timewait *tw);
const struct timewait *timewait_next(const struct timewait *tw);
struct timewait *timewait_find(const ip_addr_t *remote, u16_t remote_port, const ip_addr_t *local,
                               u16_t local_port);
void timewait_remove(struct timewait *tw);
void timewait_expire(u32_t now);
unsigned tcp_timewait_count(void);

/* ---- With lwIP: net/tcp_timewait_lwip.c ---- */

/* A received segment, payload at TCP's header, of which TCP_HLEN bytes are there. True: it was for
 * a record, and has been seen to (and p freed). */
bool tcp_timewait_input(struct pbuf *p, struct netif *netif);

/* Turn the connections on tcp_tw_pcbs that no app holds any more into records. */
void tcp_timewait_compress(void);

struct tcp_timewait_stats {
    uint64_t entered, reused, evicted, acks;
};
extern struct tcp_timewait_stats tcp_timewait_stats;

#endif
