/*
 * Two connections that get the same segments, at random, of which one is handled by what is tested
 * and the other one, for a reason that makes no difference to its peer, by lwIP alone: after each
 * segment both are in the same state, and have been told and have sent the same.
 */
#ifndef TESTS_LWIP_TWINS_H
#define TESTS_LWIP_TWINS_H

#include "stack_test.h"
#include <lwip/priv/tcp_priv.h>
#include <stdbool.h>
#include <stdint.h>

struct twin {
    struct client c;
    struct tcp_pcb *pcb;
    uint32_t first_seq, first_ack; /* both sides' numbers begin elsewhere */
    bool nops;                     /* four NOPs as options: not predicted */
    bool untemplated;              /* as if net/tcp_template.c were not there */
    size_t told;                   /* bytes that the app has had */
    uint32_t hash;
    unsigned frames; /* sent, for the last segment */
    uint32_t wire;   /* hash of all that was sent, but of what differs by right */
};

struct twin_segment {
    uint32_t seq, ack; /* from the connection's beginning */
    unsigned flags, window;
    size_t len;
    const uint8_t *options; /* a multiple of 4 bytes */
    size_t options_len;
};

extern uint32_t twin_seed;
uint32_t twin_rnd(uint32_t below);

void twin_open(struct twin *s, unsigned port);
void twin_deliver(struct twin *s, const struct twin_segment *g);
void twins_check(const struct twin *a, const struct twin *b);

/* What a peer could send next: mostly what is expected; once in `strange` times anything. */
struct twin_segment twin_next(const struct twin *s, unsigned strange);

#endif
