/* What a traced packet was, in a line for people. Pure; the bytes are the network's. */
#ifndef NET_TRACE_TEXT_H
#define NET_TRACE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TRACE_TEXT_MAX 160

/*
 * "TCP 10.0.2.2:40312 > 10.0.2.15:80 [P.]", "ICMPv6 fe80::2 > fe80::1 neighbour solicitation",
 * "ARP request 10.0.2.2 > 10.0.2.15"; flags as tcpdump writes them. `head` is the frame's
 * beginning, as much as there is of it. Returns text.
 */
const char *trace_packet_text(const uint8_t *head, size_t bytes, char text[TRACE_TEXT_MAX]);

#endif
