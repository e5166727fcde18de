/* The Internet checksum for lwIP (LWIP_CHKSUM): chksum.c. */
#ifndef NET_PORT_CHKSUM_H
#define NET_PORT_CHKSUM_H

#include <stdint.h>

/* The one's complement sum (RFC 1071) of data[0..len), not inverted, in host byte order, an odd
 * last byte counted as if a zero byte followed. Any alignment, any context. */
uint16_t lwip_port_chksum(const void *data, int len);

#endif
