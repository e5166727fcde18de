/*
 * What the programs of these tests find around them, the same for every engine that runs them
 * (Linux, our interpreter, our JIT): a set of maps with first contents, and a frame. A program
 * names the maps by this list: MAP(R1, M_HASH).
 */
#ifndef TESTS_BPF_WORLD_H
#define TESTS_BPF_WORLD_H

#include "bpf_asm.h"
#include <stddef.h>

enum {
    M_OUT,         /* array: u32 -> 64 bytes, 1 entry: 32 of zeros, for results; 1, 2, ... 32 */
    M_ARRAY,       /* array: u32 -> 32 bytes, 4 entries: entry i has bytes 16 * i + 1, + 2, ... */
    M_HASH,        /* hash: u32 -> 16 bytes, 4 entries; 1 and 2 are there, bytes as above */
    M_HASH8,       /* hash: u64 -> u64, 4 entries; 7 -> 7 << 32 | 9 */
    M_LRU,         /* lru_hash: u32 -> u64; empty */
    M_PERCPU,      /* percpu_array: u32 -> 16 bytes, 2 entries of zeros */
    M_PERCPU_HASH, /* percpu_hash: u32 -> u64, 2 entries; 1 is there */
    M_LPM,         /* lpm_trie: u32 bits, 4 bytes -> u64; 10.0.0.0/8 -> 8, 10.1.0.0/16 -> 16 */
    M_PROGS,       /* prog_array of 4: 0 returns 42, 1 is empty, 2 writes 9 to M_OUT and returns
                      XDP_DROP, 3 is the program itself */
    M_DEV,         /* devmap of 4: 0 -> ifindex 1 */
    M_XSK,         /* xskmap of 4, empty */
    M_RING,        /* ringbuf of a page */
    M_PERF,        /* perf_event_array, empty */
    M_RDONLY, /* array: u32 -> 16 bytes, for programs read-only, frozen; 8, 0, 0, 0, 255, ... */
    M_WRONLY, /* array: u32 -> 16 bytes, for programs write-only */
    M_BIG,    /* array: u32 -> 1024 bytes of zeros, 1 entry; not compared */
    WORLD_MAPS
};

#define WORLD_KEY_MAX   8u
#define WORLD_VALUE_MAX 64u
#define WORLD_ENTRIES   4u
#define WORLD_PACKET    4096u /* all that a frame may grow to */

struct bpf_map;
struct xdp_buff;

struct world_map {
    const char *name;
    uint32_t type, key_size, value_size, max_entries, flags;
    bool frozen;
    bool compared; /* its contents afterwards belong to a run's outcome */
};
extern const struct world_map world_maps[WORLD_MAPS];

/* Entry i of the first contents; false: there are no more. Of maps of bytes, not of the prog_array,
 * devmap, ringbuf. */
bool world_entry(unsigned map, unsigned i, uint8_t *key, uint8_t *value);

/* The programs in M_PROGS: NULL where it is empty, or the program itself. */
const struct bpf_insn *world_tail(unsigned slot, uint32_t *count);

struct world_entry {
    uint8_t key[WORLD_KEY_MAX], value[WORLD_VALUE_MAX];
};

struct world_contents {
    unsigned count;
    struct world_entry entries[WORLD_ENTRIES]; /* sorted by key */
};
void world_contents_add(struct world_contents *contents, const void *key, size_t key_bytes,
                        const void *value, size_t value_bytes);
void world_contents_first(unsigned map, struct world_contents *contents);

/* Which maps a program refers to, a bit each; M_PROGS brings what its programs use. */
uint32_t world_maps_used(const struct bpf_insn *insns, uint32_t count);

struct world_input {
    uint8_t packet[WORLD_PACKET]; /* meta_bytes of metadata, then the frame */
    uint32_t bytes, meta_bytes;
};
/* A frame of `bytes` in which byte i is i (metadata: 0xa0 + i). */
void world_input_make(struct world_input *input, uint32_t bytes, uint32_t meta_bytes);

/* What came of a program. */
struct world_outcome {
    bool accepted;
    int error;        /* rejected: errno, negative; 0 where there is none */
    char reason[256]; /* rejected: the last words */
    bool ran;
    uint32_t retval;
    uint8_t packet[WORLD_PACKET]; /* as in the input */
    uint32_t bytes, meta_bytes;
    struct world_contents maps[WORLD_MAPS];
};

/* Equal, of two that ran? False: how they differ is in `text`. */
bool world_outcome_equal(const struct world_outcome *a, const struct world_outcome *b,
                         uint32_t maps, char *text, size_t room);

/* ---- The engines ---- */

/* Linux: world_linux.c. `log`: its reason, room for WORLD_LOG bytes; NULL: only the outcome. */
#define WORLD_LOG (1u << 20)
bool world_linux_open(const char **why);
void world_linux_run(const struct bpf_insn *insns, uint32_t count, const struct world_input *input,
                     struct world_outcome *outcome, char *log);
/* Into log: all the way that Linux's verifier goes. */
void world_linux_explain(const struct bpf_insn *insns, uint32_t count, char *log);
/* Would a Linux that does not grant CAP_PERFMON reject it? */
bool world_linux_rejects_restricted(const struct bpf_insn *insns, uint32_t count);

/* Ours: world_ours.c */
enum world_mode { WORLD_INTERPRET, WORLD_JIT };
void world_ours_run(const struct bpf_insn *insns, uint32_t count, const struct world_input *input,
                    enum world_mode mode, struct world_outcome *outcome, char *log);
/* For who wants to look on. */
struct world_watch {
    uint8_t log_level; /* of struct bpf_log */
    void (*before)(struct bpf_map *const maps[WORLD_MAPS], const struct xdp_buff *xdp); /* a run */
};
extern struct world_watch world_watch;
void world_disasm(const struct bpf_insn *insns, uint32_t count);

/* The last line of a verifier's log that says something of the program. */
void world_reason(const char *log, char *reason, size_t room);

#endif
