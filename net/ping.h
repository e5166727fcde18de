/*
 * One run of ping: ICMP echo (RFC 792) or ICMPv6 echo (RFC 4443 §4) over a raw PCB. The command
 * is in cmd_ping.c. Bottom half.
 */
#ifndef NET_PING_H
#define NET_PING_H

#include <lwip/err.h>
#include <lwip/ip_addr.h>
#include <stdbool.h>
#include <stdint.h>

#define PING_WINDOW      64    /* requests whose replies are still told apart */
#define PING_PAYLOAD_MAX 65000 /* bytes; with headers it must fit a datagram */

struct ping_reply {
    uint16_t seq;
    uint16_t bytes; /* ICMP header and payload */
    uint8_t ttl;
    bool duplicate;
    uint64_t rtt_us;
};

struct ping {
    struct raw_pcb *pcb;
    ip_addr_t to;
    uint16_t id;
    uint16_t payload_bytes;

    uint16_t seq; /* of the last request */
    uint64_t sent_ns[PING_WINDOW];
    bool answered[PING_WINDOW];

    struct ping_reply reply[PING_WINDOW]; /* a ring, for the command to print */
    unsigned reply_head, reply_tail;

    uint64_t transmitted, received, duplicates;
    uint64_t rtt_min_us, rtt_max_us, rtt_sum_us, rtt_square_sum;
};

/* Get ready to ping `to`. Returns false when lwIP has no PCB left. */
bool ping_open(struct ping *ping, const ip_addr_t *to, uint16_t payload_bytes);

/* Send the next request. Returns lwIP's error; a request that could not be sent counts as sent
 * and lost. */
err_t ping_send(struct ping *ping);

/* The next reply to print; false: none. */
bool ping_take_reply(struct ping *ping, struct ping_reply *reply);

void ping_close(struct ping *ping);

/* Mean deviation as iputils' ping computes it: the root of the variance. */
uint64_t ping_mdev_us(const struct ping *ping);

#endif
