/*
 * Keys and values of eBPF maps as people write and read them, on the console and by HTTP. What
 * bpftool takes is taken: bytes in their order, decimal or 0x, all hexadecimal behind the word
 * `hex`. Besides, for those whom that tires:
 *
 *   10.0.0.1  2001:db8::1  52:54:00:12:34:56    4, 16 and 6 bytes, as on the wire
 *   ::ffff:10.0.0.1                             16, IPv4 as IPv6 sockets have it
 *   10.0.0.0/8  2001:db8::/32                   the key of an lpm_trie: length, then address
 *   u8 N  u16 N  u32 N  u64 N                   a number as this machine has it; prog id N: u32
 *   be16 N  be32 N  be64 N                      as on the wire: a port is be16
 *   N alone                                     all of it, where it has 2, 4 or 8 bytes
 *
 * One behind another they make up what has several parts: `u32 24 10.1.2.0`, `10.0.0.1 be16 80`.
 * Pure code, any context.
 */
#ifndef NET_BPF_TEXT_H
#define NET_BPF_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPF_TEXT_WHY_MAX 96

/* What the words are to become. */
struct bpf_text_kind {
    const char *what; /* "key", "value": for messages */
    size_t bytes;     /* exactly so many */
    bool prefix;      /* the key of an lpm_trie: struct { u32 prefixlen; u8 address[]; } */
};

/* Parse words[0 to count) into out[kind->bytes]. False: why[] has one sentence, and what is in out
 * means nothing. */
bool bpf_text_parse(const struct bpf_text_kind *kind, char *const *words, unsigned count,
                    uint8_t *out, char why[BPF_TEXT_WHY_MAX]);

/* The same of a line, whose words are separated by blanks. */
#define BPF_TEXT_WORD_MAX 48u
bool bpf_text_parse_line(const struct bpf_text_kind *kind, const char *line, uint8_t *out,
                         char why[BPF_TEXT_WHY_MAX]);

/* "0a 00 00 01": as many as fit into text[room], which is terminated. Returns text. */
const char *bpf_text_bytes(const uint8_t *bytes, size_t count, char *text, size_t room);

/* A key for people: "10.0.0.0/8" of an lpm_trie, "5" of 4 bytes that are an index (`index`), else
 * its bytes. Returns text. */
const char *bpf_text_key(const struct bpf_text_kind *kind, bool index, const uint8_t *key,
                         char *text, size_t room);

/* What a negative result of the maps means (net/bpf/map.h): a constant sentence. */
const char *bpf_text_error(int error);

#endif
