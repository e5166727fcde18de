/*
 * memcached's UDP protocol (its doc/protocol.txt): each datagram is a header of 8 bytes and one
 * command as text. Pure but for the store.
 *
 *   get KEY...  set|add|replace KEY FLAGS EXPTIME BYTES [noreply]   delete KEY [noreply]
 *   flush_all [noreply]       version
 *
 * Keys have up to KV_KEY_MAX bytes and values up to KV_VALUE_MAX, less than memcached's own 250 and
 * 1 MiB: what is longer is refused with memcached's words. A request is one datagram, and so is an
 * answer: a `get` of more than fits one is refused.
 */
#ifndef KV_PROTO_H
#define KV_PROTO_H

#include <stddef.h>
#include <stdint.h>

#define KV_HEADER_BYTES 8u    /* request id, sequence number, datagrams in all, 0: 16 bits each */
#define KV_REPLY_MAX    1400u /* bytes of a datagram, as memcached has it */

struct kv_counts {
    uint64_t gets, hits, misses; /* keys asked for */
    uint64_t sets, deletes;      /* commands */
    uint64_t errors;             /* commands refused */
    uint64_t bad_datagrams;      /* not of this protocol: not answered */
};

/* Do what one datagram asks for. Returns the bytes of the answer in reply[KV_REPLY_MAX]; 0: there
 * is none. `reply` and `datagram` do not overlap. */
size_t kv_answer(const uint8_t *datagram, size_t len, uint8_t *reply, struct kv_counts *counts);

#endif
