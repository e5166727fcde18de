/*
 * Addresses and names as people write them in tophalf.cfg. Stricter than inet_aton(): four decimal
 * parts, nothing else, so that a typing error is an error. Pure code, any context.
 */
#ifndef NET_IPCONF_PARSE_H
#define NET_IPCONF_PARSE_H

#include <stdint.h>

struct ipconf_prefix {
    uint32_t address; /* host byte order */
    uint32_t netmask;
    unsigned prefix; /* bits */
};

/* "10.0.2.2": NULL when right, or a constant sentence that says what is wrong. */
const char *ipconf_parse_address(const char *text, uint32_t *address);

/* "10.0.2.15/24": likewise; also refuses what no host can have as its address. */
const char *ipconf_parse_prefix(const char *text, struct ipconf_prefix *out);

/* Whether the gateway can be reached from that address; likewise. */
const char *ipconf_check_gateway(const struct ipconf_prefix *own, uint32_t gateway);

/* "tophalf": one label of a name (RFC 1123 §2.1); likewise. */
const char *ipconf_check_hostname(const char *name);

#endif
