/*
 * What lwIP 2.2.1 believes of a segment, and must not: it comes to an assertion, or worse, where a
 * peer likes (docs/hardening.md has the list, and why).
 *
 *   Before lwIP looks (__wrap_tcp_input(), net/tcp_banks.c): an option that does not fit the header
 * would be read beyond it, and one that lies in another buffer than the header is looked for in the
 * wrong place. Such segments are dropped.
 *
 *   For a segment of a connection (LWIP_HOOK_TCP_INPACKET_PCB, net/port/lwip_hooks.h): a maximum
 * segment size counts in a SYN only (RFC 9293 §3.2). lwIP takes it from any segment, and with it
 * what is queued already would be cut to pieces of a byte. Data ends within the window (RFC 9293
 * §3.10.7.4). lwIP trims what comes in order and what comes behind other out-of-order data, but not
 * the first of these. An acknowledgement is of what was sent, and not older than a window (RFC 5961
 * §5); lwIP takes data with any, and without one.
 *
 *   And it answers each segment that is unacceptable with an ACK. Two ends that find each other's
 * ACKs unacceptable do that for ever; and who guesses a connection makes us send as much as he does
 * (RFC 5961 §7). Here a connection has one such ACK in half a second, as Linux's
 * tcp_invalid_ratelimit has it, and ten where data came: a sender that lost our ACKs waits for
 * them. Each for itself: a limit for all together tells one peer what others do (CVE-2016-5696).
 *
 * Bottom half.
 */
#ifndef NET_TCP_GUARD_H
#define NET_TCP_GUARD_H

#include <lwip/err.h>
#include <lwip/tcp.h>
#include <stdbool.h>

struct tcp_hdr;
struct netif;

/* lwIP's: TCP's header in host byte order; options in two parts where two buffers have them. */
err_t tcp_guard(struct tcp_pcb *pcb, struct tcp_hdr *tcp, u16_t opt_len, u16_t opt1_len, u8_t *opt2,
                struct pbuf *p);

/* Whether a received segment's options are whole, and all in p, of which TCP_HLEN bytes are there.
 * A header length that is wrong itself is left to lwIP, which counts it. */
bool tcp_options_are_whole(const struct pbuf *p);

/* The MSS that such a segment tells; without one what RFC 9293 §3.7.1 has for IPv4. */
u16_t tcp_option_mss(const struct pbuf *p);

/* The checksum that lwIP checks in tcp_input(), for those who answer before. */
bool tcp_checksum_is_right(struct pbuf *p, const struct netif *netif);

#endif
