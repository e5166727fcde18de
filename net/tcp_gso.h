/*
 * Segmentation offload for a stack that has none: TCP segments of many times the MSS, which the
 * device cuts (virtio 1.2 §5.1.6.2, VIRTIO_NET_HDR_GSO_TCPV4/6). lwIP's files stay as they are; the
 * linker leads some of its calls here (ld's --wrap; the Makefile has the list):
 *
 *   tcp_write()
 *       queues super-segments: the connection's MSS is larger while it runs, and its own again for
 *       the congestion window and all else
 *   tcp_output(), the RTO's functions
 *       cut the one super-segment that straddles the end of the window, at a multiple of the MSS
 *   tcp_rexmit_fast(), the RTO's functions
 *       resend one MSS of the oldest one, from where the acknowledgement ends, and not all of it
 *   tcp_split_unsent_seg()
 *       for window probes: without copying what is sent by reference
 *   ip4_frag(), ip6_frag()
 *       let super-segments pass
 *
 * A cut makes two segments of one, each with its own headers, over the same payload: by reference
 * where it is the app's memory, copied where it lies behind the headers (the first bytes only).
 *
 * Bottom half.
 */
#ifndef NET_TCP_GSO_H
#define NET_TCP_GSO_H

#include <drivers/nic.h>
#include <lwip/arch.h>

struct pbuf;
struct tcp_pcb;

/* What the device is able to do, once it is known. */
void tcp_gso_init(const struct nic *nic);

/* How much payload a new segment of this connection may have. */
u16_t tcp_gso_payload_max(const struct tcp_pcb *pcb);

/* What the device has to do for this frame (payload at the Ethernet header, headers in the first
 * pbuf), and TCP's checksum field prepared for it: the pseudo header's sum. */
void tcp_gso_offload(struct pbuf *p, struct nic_tx_offload *out);

#endif
