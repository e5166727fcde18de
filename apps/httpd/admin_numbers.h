/* All that the admin area's pages count, at one moment. */
#ifndef HTTPD_ADMIN_NUMBERS_H
#define HTTPD_ADMIN_NUMBERS_H

#include "httpd.h"
#include <drivers/nic.h>
#include <kernel/cputime.h>
#include <net/napi.h>
#include <net/stack.h>

struct admin_numbers {
    uint64_t uptime_ns;
    uint64_t interrupts; /* the NIC's */
    uint64_t rx_drops;   /* frames that came and went no further, whatever the reason */
    struct nic_stats nic;
    struct napi_stats napi;
    struct stack_stats stack;
    struct pktbuf_stats pool;
    struct http_stats http;
    struct cputime_split cpu;
};

/* Main context. */
void admin_numbers_read(struct admin_numbers *out);

#endif
