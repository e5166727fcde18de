/*
 * lwIP's raw TCP API as an app sees it, with the test as the network: what arrives, what is
 * acknowledged, when memory is short, how the connection ends. It keeps lwIP's rules (a refused
 * pbuf is offered again, a pcb is gone after err(), tcp_abort() or tcp_close()) and aborts the
 * program where the app breaks one. Every pbuf is its own heap block, so that the sanitizer sees
 * a buffer used after it was given back.
 */
#ifndef TESTS_FAKE_TCP_H
#define TESTS_FAKE_TCP_H

#include <lwip/tcp.h>
#include <stdbool.h>
#include <stddef.h>

struct peer; /* the other end of one connection */

extern unsigned fake_write_calls;   /* of tcp_write() */
extern unsigned fake_write_fail_at; /* the call with this number gets ERR_MEM; 0: none */
extern bool fake_write_fail_all;
extern unsigned fake_pbufs_live;
extern unsigned fake_pcbs_live;  /* connections; listeners are not counted */
extern unsigned fake_copied;     /* bytes that the app had copied */
extern unsigned fake_referenced; /* bytes that it gave by reference */
extern u16_t fake_listen_port;

/* The listener that the app made is gone after this. */
void fake_tcp_reset(void);

/* Connect, with this send buffer; NULL when the app refused. peer_free() is always due. */
struct peer *peer_connect(unsigned snd_buf);
void peer_free(struct peer *peer);

/* One segment, as a chain of `pbufs` pieces (0 counts as 1). */
void peer_send(struct peer *peer, const void *data, size_t len, unsigned pbufs);
void peer_send_text(struct peer *peer, const char *text);
void peer_fin(struct peer *peer);
void peer_reset(struct peer *peer);

/* Acknowledge up to n bytes; peer_ack_all() until nothing more comes. */
void peer_ack(struct peer *peer, size_t n);
void peer_ack_all(struct peer *peer);

void peer_poll(struct peer *peer); /* lwIP's slow timer */

/* What was acknowledged so far, terminated. */
const char *peer_received(const struct peer *peer, size_t *len);
size_t peer_in_flight(const struct peer *peer);

bool peer_got_fin(const struct peer *peer);            /* the app closed its side (or all) */
bool peer_got_reset(const struct peer *peer);          /* tcp_abort(), or accept refused */
bool peer_app_done(const struct peer *peer);           /* the app holds the pcb no more */
size_t peer_window_closed_by(const struct peer *peer); /* received, not yet tcp_recved() */

#endif
