/* Frames for tests of the stack, built byte by byte (RFC 791, 792, 826, 9293, 8200, 4443, 4861). */
#ifndef TESTS_LWIP_PACKETS_H
#define TESTS_LWIP_PACKETS_H

#include <stddef.h>
#include <stdint.h>

#define ETH_IP4 0x0800
#define ETH_ARP 0x0806
#define ETH_IP6 0x86dd

#define PEER_IP 0x0a000001u /* 10.0.0.1 */
#define OUR_IP  0x0a000002u /* 10.0.0.2 */

extern const uint8_t peer_mac[6];
extern const uint8_t peer_ip6[16], our_ip6[16]; /* link-local, from the MACs */

struct packet {
    uint8_t data[2048];
    size_t len;
};

void put16(uint8_t *p, unsigned value);
void put32(uint8_t *p, uint32_t value);
unsigned get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);
unsigned checksum(const uint8_t *p, size_t len, uint32_t start); /* RFC 1071, ready to store */

void make_ether(struct packet *k, const uint8_t dst[6], unsigned type);
void make_arp_request(struct packet *k, uint32_t target);
/* An IPv4 header and payload; fragment: the header's flags-and-offset field. */
void make_ip(struct packet *k, unsigned proto, const uint8_t *payload, size_t len, unsigned id,
             unsigned fragment);
void make_echo(struct packet *k, unsigned seq, size_t payload);
void make_udp(struct packet *k, unsigned sport, unsigned dport, const char *text);

struct tcp_fields {
    unsigned sport, dport, flags, window;
    uint32_t seq, ack;
    const uint8_t *options; /* a multiple of 4 bytes */
    size_t options_len;
};
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
void make_tcp(struct packet *k, const struct tcp_fields *t, const void *payload, size_t len);

void make_ip6(struct packet *k, const uint8_t dst[16], unsigned next, const uint8_t *payload,
              size_t len);
void make_echo6(struct packet *k, unsigned seq, size_t payload);
void make_solicitation(struct packet *k); /* for our address */

/* Put right checksums into a damaged frame, so that the damage gets past them. */
void repair(struct packet *k);

#endif
