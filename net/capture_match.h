/* Whether a frame is of one TCP connection: what a capture leaves out. Pure code. */
#ifndef NET_CAPTURE_MATCH_H
#define NET_CAPTURE_MATCH_H

#include <net/capture.h>

/* `head`: the frame's first bytes, at least CAPTURE_MATCH_BYTES where it has so many. Fragments and
 * frames with a VLAN tag or extension headers are of none. */
#define CAPTURE_MATCH_BYTES 78u /* Ethernet, IP with options or IPv6, ports */
bool capture_is_of(const struct capture_connection *connection, const uint8_t *head, size_t len);

#endif
