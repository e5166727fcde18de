/*
 * Captures in the pcapng format (draft-ietf-opsawg-pcapng), as Wireshark and tcpdump read it: a
 * section header, one interface, packets with nanoseconds and direction, and what was lost at the
 * end. Each function writes into `out` and returns the bytes. Host byte order, as the format lets
 * the writer choose. Pure code.
 */
#ifndef NET_PCAPNG_H
#define NET_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

struct pcapng_interface {
    const char *name;        /* "eth0"; at most 15 bytes, as the next but one */
    const char *description; /* of the machine that captures: at most 63 bytes */
    const uint8_t *mac;      /* 6 bytes */
    uint32_t snaplen;        /* bytes of a packet that are kept */
};

/* What a file begins with. */
#define PCAPNG_BEGIN_MAX 256
size_t pcapng_begin(uint8_t out[PCAPNG_BEGIN_MAX], const struct pcapng_interface *interface);

enum pcapng_direction { PCAPNG_IN = 1, PCAPNG_OUT = 2 };

/* Before a packet's bytes and behind them: `kept` of `len` bytes are there, at `ns` since 1970. */
#define PCAPNG_HEAD_BYTES 28u
#define PCAPNG_TAIL_MAX   19u
size_t pcapng_packet_head(uint8_t out[PCAPNG_HEAD_BYTES], uint64_t ns, uint32_t kept, uint32_t len);
size_t pcapng_packet_tail(uint8_t out[PCAPNG_TAIL_MAX], uint32_t kept,
                          enum pcapng_direction direction);

/* Head, `kept` bytes and tail. */
size_t pcapng_packet_bytes(uint32_t kept);

struct pcapng_totals {
    uint64_t begun_ns, ended_ns; /* since 1970 */
    uint64_t seen;               /* frames that passed the interface */
    uint64_t matched;            /* that the filter wanted */
    uint64_t dropped;            /* of these: not in the file, for want of room */
};

/* What it ends with. */
#define PCAPNG_END_MAX 128
size_t pcapng_end(uint8_t out[PCAPNG_END_MAX], const struct pcapng_totals *totals);

#endif
