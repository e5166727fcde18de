/*
 * TCP's short way in. Nearly all frames of a server are TCP over IPv4, for us, without IP options
 * or fragments, in one buffer. For these what ethernet_input(), ip4_input() and raw_input() find
 * out step by step is one list of comparisons; then they go to tcp_predict() or, whatever segment
 * it is, to lwIP's tcp_input(), as ip4_input() would call it. Any other frame goes the long way,
 * and so does one that is to be dropped: lwIP counts it.
 *
 * Bottom half.
 */
#ifndef NET_TCP_RX_H
#define NET_TCP_RX_H

#include <drivers/pktbuf.h>

/* True: the buffer is taken. False: nothing was done. */
bool tcp_rx(struct pktbuf *buf);

#endif
