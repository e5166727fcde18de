/*
 * Helpers: what a program may call, by Linux's numbers. The prototypes (helper_proto.c) are pure
 * data for the verifier; the functions (helper_*.c) are what the interpreter and compiled code
 * call.
 */
#ifndef NET_BPF_HELPER_H
#define NET_BPF_HELPER_H

#include "insn.h"
#include <stdbool.h>

enum bpf_arg {
    BPF_ARG_NONE,
    BPF_ARG_ANYTHING, /* any initialised scalar (no pointer may leak: Linux lets privileged
                         programs; so does this) */
    BPF_ARG_CTX,
    BPF_ARG_MAP,              /* a constant map pointer: of which types, see `maps` */
    BPF_ARG_MAP_KEY,          /* readable memory of key_size: stack, packet, map value */
    BPF_ARG_MAP_VALUE,        /* readable memory of value_size */
    BPF_ARG_MEM,              /* readable memory, whose size is the next argument */
    BPF_ARG_MEM_OR_NULL,      /* likewise; NULL with size 0 */
    BPF_ARG_UNINIT_MEM,       /* written by the helper; size next */
    BPF_ARG_MEM_RDWR_FIXED,   /* initialised memory, read and written, whose size is the next
                                 argument; at least `fixed_bytes` (0: the helper looks itself) */
    BPF_ARG_SIZE,             /* > 0, bounded */
    BPF_ARG_SIZE_OR_ZERO,     /* >= 0, bounded */
    BPF_ARG_CONST_ALLOC_SIZE, /* ringbuf_reserve: a known constant */
    BPF_ARG_ALLOC_MEM,        /* what ringbuf_reserve returned; released */
    BPF_ARG_CONST_STR_MEM,    /* trace_printk's format: readable memory, size next */
};

enum bpf_ret {
    BPF_RET_INTEGER,
    BPF_RET_VOID,
    BPF_RET_MAP_VALUE_OR_NULL, /* of the map argument; XSKMAP: a socket, of which queue_id (u32 at
                                  0) can be read; DEVMAP: read only */
    BPF_RET_ALLOC_MEM_OR_NULL, /* ringbuf_reserve */
};

struct bpf_helper {
    uint16_t id;
    uint8_t ret; /* enum bpf_ret */
    uint8_t args[5];
    bool gpl_only;
    bool moves_packet; /* packet pointers are invalid behind it */
    bool packet_args;  /* its memory arguments may be in the packet (Linux: pkt_access) */
    uint32_t maps;     /* bit 1 << enum bpf_map_type of each type that its BPF_ARG_MAP may be */
    uint16_t fixed_bytes;
    const char *name; /* "map_lookup_elem" */
};

/* NULL: there is none of that number here. Any context. */
const struct bpf_helper *bpf_helper_find(uint32_t id);

/* The name of any helper that Linux has, for messages; NULL: not known either. */
const char *bpf_helper_name(uint32_t id);

/* The function itself; not for tail_call, which interpreter and JIT do themselves. NULL likewise.
 */
uint64_t (*bpf_helper_function(uint32_t id))(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4,
                                             uint64_t r5);

#endif
