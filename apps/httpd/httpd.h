/* What httpd's files share: the site, the settings, the counters. Bottom half. */
#ifndef HTTPD_HTTPD_H
#define HTTPD_HTTPD_H

#include "http_request.h"
#include "site.h"
#include <lwip/tcp.h>
#include <stdint.h>

/* What few requests need stays out of the way of the others. */
#define RARE __attribute__((noinline, cold))

struct http_settings {
    struct http_limits limits;  /* http_max_line, http_max_header, http_max_fields */
    uint64_t max_body;          /* http_max_body: bytes, over it 413 */
    uint64_t header_timeout_ns; /* http_header_timeout_s: from a request's first byte to its last */
    uint64_t idle_timeout_ns;   /* http_idle_timeout_s: without a request, or without progress */
    uint64_t min_rate;          /* http_min_rate: bytes a second, of a body either way */
    unsigned max_connections;   /* http_max_connections */
    unsigned max_per_address;   /* http_max_per_address: of these, from one client; 0: all */
    unsigned max_requests;      /* http_max_requests: on one connection; 0: any number */
    const char *discard;        /* http_discard: where bodies may be posted, for nothing; or NULL */
};

struct http_stats {
    uint64_t accepted, refused; /* connections; refused: too many, or no memory */
    unsigned active;
    unsigned held_pbufs; /* received, waiting for a send buffer */
    uint64_t requests;
    uint64_t responses[6]; /* by class of status: [2] are the 2xx... */
    uint64_t bytes;        /* given to TCP: heads and bodies */
    uint64_t idle_closed;  /* keep-alive connections that said nothing for too long */
    uint64_t stalled; /* aborted: the peer took nothing for too long, or sent too much meanwhile */
    uint64_t reset;   /* by the peer, or given up by TCP */
};

struct httpd {
    struct site site;
    struct http_settings settings;
    struct http_stats stats;
};
extern struct httpd httpd;

/* httpd.c: read the settings, index the site, listen. */
bool httpd_start(void);

/* conn.c: lwIP's accept callback. */
err_t conn_accept(void *arg, struct tcp_pcb *pcb, err_t err);

#endif
