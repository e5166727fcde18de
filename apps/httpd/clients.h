/*
 * How many connections each client has, where there is a limit (http_max_per_address). An IPv6
 * client is its /64: that is what one has to itself (RFC 6177). Bottom half.
 */
#ifndef HTTPD_CLIENTS_H
#define HTTPD_CLIENTS_H

#include <lwip/ip_addr.h>

struct client;

/* One connection more of this address; NULL: it has `most` already, or memory is short. */
struct client *client_enter(const ip_addr_t *address, unsigned most);

/* One less; NULL does nothing. */
void client_leave(struct client *client);

#endif
