/*
 * Captures: copies of the frames that pass the NIC, for tcpdump and Wireshark. A frame that came is
 * seen as it left the ring, before anybody else; one that goes, as it is handed to the device: a
 * super-segment as one frame, with the checksum that the device will make still missing, as on
 * Linux. Each capture has a ring of bytes that its reader empties; what finds no room is dropped
 * and counted, and nobody waits. Bottom half.
 */
#ifndef NET_CAPTURE_H
#define NET_CAPTURE_H

#include <drivers/nic.h>
#include <kernel/lib.h>

#define CAPTURES_MAX       4
#define CAPTURE_RING_BYTES (1u << 20)
#define CAPTURE_SNAPLEN    (256u << 10) /* the default: whole frames */

struct cbpf_insn;
struct capture;

/* One TCP connection of ours, to be left out. */
struct capture_connection {
    uint8_t address[16]; /* the peer's, as on the wire; IPv4: the first four bytes */
    bool ipv6;
    uint16_t port, local_port; /* host byte order */
};

struct capture_options {
    const struct cbpf_insn *filter; /* checked (cbpf.h); NULL: every frame. It is copied */
    size_t filter_len;
    uint32_t snaplen;                         /* bytes of a frame that are kept */
    uint64_t packets;                         /* so many, then it is over; 0: no such end */
    const struct capture_connection *without; /* NULL: nothing is left out */
};

/* Begin: NULL when CAPTURES_MAX are under way, or there is no memory. */
struct capture *capture_open(const struct capture_options *options);

/* What is there to read, in pcapng (pcapng.h): a pointer and how many bytes lie there in one piece;
 * 0: nothing now. capture_consume() frees the room of the first `len` of them. */
size_t capture_peek(struct capture *capture, const uint8_t **data);
void capture_consume(struct capture *capture, size_t len);

/* It takes no more; the last block, with what was lost, follows. Again: nothing. */
void capture_end(struct capture *capture);
bool capture_ended(const struct capture *capture);

void capture_close(struct capture *capture); /* free it, ended or not */

/* What each has taken so far. */
struct capture_status {
    uint64_t begun_ns; /* time_ns() */
    uint64_t seen, matched, dropped;
    uint64_t bytes; /* written into the ring */
    unsigned filter_len;
    bool ended;
};
unsigned capture_status(struct capture_status out[CAPTURES_MAX]); /* how many there are */

/* ---- Where frames pass ---- */

extern unsigned capture_active; /* captures that are not over */

void capture_take_rx(const struct pktbuf *frame);
void capture_take_tx(const struct nic_seg *pieces, unsigned count);

static inline void capture_rx(const struct pktbuf *frame)
{
    if (unlikely(capture_active > 0))
        capture_take_rx(frame);
}

static inline void capture_tx(const struct nic_seg *pieces, unsigned count)
{
    if (unlikely(capture_active > 0))
        capture_take_tx(pieces, count);
}

#endif
