/* Addresses as text, as Linux prints them. Bottom half or main context. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <lwip/ip_addr.h>
#include <stddef.h>

#define ADDR_TEXT_MAX 48 /* an IPv6 address, brackets, a zone, and the end */

/* "10.0.2.15" or "fe80::1" (RFC 5952: lower case). Returns text. */
const char *addr_format(const ip_addr_t *addr, char text[ADDR_TEXT_MAX]);
const char *addr_format4(const ip4_addr_t *addr, char text[ADDR_TEXT_MAX]);
const char *addr_format6(const ip6_addr_t *addr, char text[ADDR_TEXT_MAX]);

/* "52:54:00:12:34:56" */
#define ADDR_MAC_TEXT_MAX 18
const char *addr_format_mac(const uint8_t mac[6], char text[ADDR_MAC_TEXT_MAX]);

/* Bits that are set in a netmask. */
unsigned addr_prefix(const ip4_addr_t *netmask);

#endif
