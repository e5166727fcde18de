/*
 * Header prediction (Jacobson, "4BSD Header Prediction", 1990; Stevens and Wright, TCP/IP
 * Illustrated 2, §28.4): most segments that a busy connection receives are what its state lets one
 * expect: the next data, or an acknowledgement of something in flight, and nothing unusual. For
 * these, all that Ethernet, IP and TCP would check one after the other is a few comparisons, made
 * here against the connection itself, and what is left to do is little. It is done as lwIP's
 * tcp_receive() does it, on lwIP's connection; any other frame is lwIP's, untouched.
 *
 * Expected is: TCP without options, flags ACK and perhaps PSH; a connection that is ESTABLISHED, in
 * order, not recovering from loss, and with no data that its app refused. So are, without data, the
 * segments that a connection which ends as it should begins and ends with (tcp_predict_ends.c): the
 * handshake's last ACK, the ACK of our FIN, the peer's FIN.
 *
 * Bottom half.
 */
#ifndef NET_TCP_PREDICT_H
#define NET_TCP_PREDICT_H

#include <drivers/pktbuf.h>

/* Handle the frame, which tcp_rx() has found good so far, with so many bytes of TCP header and
 * data, if it is what was expected: true, and the buffer is taken. False: nothing was done, and
 * nothing of the frame was changed. */
bool tcp_predict(struct pktbuf *buf, unsigned tcp_bytes);

#endif
