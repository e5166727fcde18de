/*
 * The header template (4.4BSD's tcp_template(); Stevens and Wright, TCP/IP Illustrated 2, §26.5):
 * what lies before the payload of a connection's next segment is what lay before the last one, but
 * for a few numbers. tcp_output(), ip4_output_if(), etharp_output() and ethernet_output() find it
 * out anew for each segment; here the three headers are written at once, and the frame goes to the
 * device. The counterpart of tcp_predict.h.
 *
 * For new data of a synchronized connection that fits the window, for SYN-ACKs and ACKs, and,
 * called where lwIP calls ip4_output_if(), for other segments without data; over IPv4, to where a
 * frame went just before: the Ethernet header is learned from the frames that lwIP makes, and
 * forgotten after half a second. So ARP is asked twice a second for each address that is talked
 * with, which is what keeps its entries alive, and a host that moves is followed. Only with
 * checksum offload. Anything else is lwIP's, untouched.
 *
 * Bottom half.
 */
#ifndef NET_TCP_TEMPLATE_H
#define NET_TCP_TEMPLATE_H

#include <drivers/nic.h>
#include <stdbool.h>
#include <stdint.h>

struct pbuf;
struct tcp_pcb;

void tcp_template_init(const struct nic *nic);

/* A TCP segment over IPv4 goes out as this frame: its Ethernet header is good for its destination.
 */
void tcp_template_learn(const uint8_t *frame);

/* Send what tcp_output() would, as far as it is of the kind above; true: nothing is left. */
bool tcp_template_output(struct tcp_pcb *pcb);

/* Send an acknowledgement alone, as tcp_send_empty_ack() would; false: nothing was done. */
bool tcp_template_ack(struct tcp_pcb *pcb);

/* A pbuf that this may be written into, payload at TCP's header, with room for the others before
 * it, in place of one that has to be allocated; the caller's still. NULL: not any more. */
void tcp_template_lend(struct pbuf *p);

#endif
