/*
 * eBPF instructions as RFC 9669 encodes them, and the numbers that Linux gives to what is not in
 * the RFC: pseudo sources, helpers, map types, verdicts (include/uapi/linux/bpf.h is the interface
 * that compiled objects were made for). Pure definitions, any context.
 */
#ifndef NET_BPF_INSN_H
#define NET_BPF_INSN_H

#include <stdint.h>

/* RFC 9669 §3: little-endian, as we are. A 64-bit immediate takes two of them. */
struct bpf_insn {
    uint8_t code;
    uint8_t dst : 4, src : 4;
    int16_t off;
    int32_t imm;
};
_Static_assert(sizeof(struct bpf_insn) == 8, "RFC 9669 §3");

enum { BPF_R0, BPF_R1, BPF_R2, BPF_R3, BPF_R4, BPF_R5, BPF_R6, BPF_R7, BPF_R8, BPF_R9, BPF_R10 };
#define BPF_REGS           11u /* r10: the frame pointer, read only */
#define BPF_STACK_BYTES    512 /* of a chain of calls, all frames together */
#define BPF_FRAMES_MAX     8u
#define BPF_TAIL_CALLS_MAX 33u

/* Class: code & 7 (§4.1, §5) */
#define BPF_CLASS(code) ((code)&0x07)
enum {
    BPF_LD = 0x00,
    BPF_LDX = 0x01,
    BPF_ST = 0x02,
    BPF_STX = 0x03,
    BPF_ALU = 0x04,
    BPF_JMP = 0x05,
    BPF_JMP32 = 0x06,
    BPF_ALU64 = 0x07,
};

/* Loads and stores: size and mode (§5) */
#define BPF_SIZE(code) ((code)&0x18)
#define BPF_MODE(code) ((code)&0xe0)
enum { BPF_W = 0x00, BPF_H = 0x08, BPF_B = 0x10, BPF_DW = 0x18 };
enum {
    BPF_IMM = 0x00,
    BPF_ABS = 0x20, /* legacy packet access: refused */
    BPF_IND = 0x40, /* the same */
    BPF_MEM = 0x60,
    BPF_MEMSX = 0x80, /* sign-extending (cpu=v4) */
    BPF_ATOMIC = 0xc0,
};

/* Arithmetic and jumps: operation, and whether the operand is imm or src (§4) */
#define BPF_OP(code)  ((code)&0xf0)
#define BPF_SRC(code) ((code)&0x08)
enum { BPF_K = 0x00, BPF_X = 0x08 };
enum {
    BPF_ADD = 0x00,
    BPF_SUB = 0x10,
    BPF_MUL = 0x20,
    BPF_DIV = 0x30, /* off 1: signed */
    BPF_OR = 0x40,
    BPF_AND = 0x50,
    BPF_LSH = 0x60,
    BPF_RSH = 0x70,
    BPF_NEG = 0x80,
    BPF_MOD = 0x90, /* off 1: signed */
    BPF_XOR = 0xa0,
    BPF_MOV = 0xb0, /* off 8, 16, 32: sign-extending */
    BPF_ARSH = 0xc0,
    BPF_END = 0xd0, /* ALU: to little (K), to big (X) endian; ALU64: swap */
};
enum {
    BPF_JA = 0x00, /* JMP32: the offset is imm */
    BPF_JEQ = 0x10,
    BPF_JGT = 0x20,
    BPF_JGE = 0x30,
    BPF_JSET = 0x40,
    BPF_JNE = 0x50,
    BPF_JSGT = 0x60,
    BPF_JSGE = 0x70,
    BPF_CALL = 0x80,
    BPF_EXIT = 0x90,
    BPF_JLT = 0xa0,
    BPF_JLE = 0xb0,
    BPF_JSLT = 0xc0,
    BPF_JSLE = 0xd0,
};

/* Atomics: imm (§5.3): BPF_ADD, BPF_OR, BPF_AND, BPF_XOR, each with or without BPF_FETCH, or: */
enum { BPF_FETCH = 0x01, BPF_XCHG = 0xe0 | BPF_FETCH, BPF_CMPXCHG = 0xf0 | BPF_FETCH };

#define BPF_LD_IMM64 (BPF_LD | BPF_DW | BPF_IMM)
/* Its src: what the immediate stands for (§5.4) */
enum {
    BPF_PSEUDO_MAP_FD = 1,    /* before verification: imm is an index of bpf_prog.maps */
    BPF_PSEUDO_MAP_VALUE = 2, /* likewise; the second imm is an offset into the only value */
    BPF_PSEUDO_FUNC = 4,      /* a call-back: no helper here takes one */
};
/* src of BPF_CALL: 0 a helper by number, 1 a function of the program, imm from the next one on */
enum { BPF_PSEUDO_CALL = 1, BPF_PSEUDO_KFUNC_CALL = 2 };

/* The result of an XDP program */
enum xdp_action { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT, XDP_ACTIONS };

/* Helpers by Linux's numbers; bpf_helper_find() (helper.h) knows those that are here. */
enum bpf_func_id {
    BPF_FUNC_map_lookup_elem = 1,
    BPF_FUNC_map_update_elem = 2,
    BPF_FUNC_map_delete_elem = 3,
    BPF_FUNC_ktime_get_ns = 5,
    BPF_FUNC_trace_printk = 6,
    BPF_FUNC_get_prandom_u32 = 7,
    BPF_FUNC_get_smp_processor_id = 8,
    BPF_FUNC_tail_call = 12,
    BPF_FUNC_redirect = 23,
    BPF_FUNC_perf_event_output = 25,
    BPF_FUNC_csum_diff = 28,
    BPF_FUNC_xdp_adjust_head = 44,
    BPF_FUNC_redirect_map = 51,
    BPF_FUNC_xdp_adjust_meta = 54,
    BPF_FUNC_xdp_adjust_tail = 65,
    BPF_FUNC_fib_lookup = 69,
    BPF_FUNC_ktime_get_boot_ns = 125,
    BPF_FUNC_ringbuf_output = 130,
    BPF_FUNC_ringbuf_reserve = 131,
    BPF_FUNC_ringbuf_submit = 132,
    BPF_FUNC_ringbuf_discard = 133,
    BPF_FUNC_ringbuf_query = 134,
    BPF_FUNC_trace_vprintk = 177,
    BPF_FUNC_xdp_get_buff_len = 188,
    BPF_FUNC_xdp_load_bytes = 189,
    BPF_FUNC_xdp_store_bytes = 190,
};

enum bpf_map_type {
    BPF_MAP_TYPE_HASH = 1,
    BPF_MAP_TYPE_ARRAY = 2,
    BPF_MAP_TYPE_PROG_ARRAY = 3,
    BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
    BPF_MAP_TYPE_PERCPU_HASH = 5,
    BPF_MAP_TYPE_PERCPU_ARRAY = 6,
    BPF_MAP_TYPE_LRU_HASH = 9,
    BPF_MAP_TYPE_LPM_TRIE = 11,
    BPF_MAP_TYPE_DEVMAP = 14,
    BPF_MAP_TYPE_XSKMAP = 17,
    BPF_MAP_TYPE_RINGBUF = 27,
};

/* bpf_map_def.flags */
enum {
    BPF_F_NO_PREALLOC = 1u << 0,   /* taken; all maps here are allocated at once */
    BPF_F_NO_COMMON_LRU = 1u << 1, /* of lru_hash: a list for each CPU; there is one */
    BPF_F_NUMA_NODE = 1u << 2,     /* taken; there is one */
    BPF_F_RDONLY = 1u << 3,        /* for the control side */
    BPF_F_WRONLY = 1u << 4,
    BPF_F_ZERO_SEED = 1u << 6,   /* for tests of Linux's hash; taken */
    BPF_F_RDONLY_PROG = 1u << 7, /* for programs: .rodata */
    BPF_F_WRONLY_PROG = 1u << 8,
    BPF_F_MMAPABLE = 1u << 10, /* libbpf's mark of global data; without meaning here */
};

/* Flags of an update */
enum { BPF_ANY, BPF_NOEXIST, BPF_EXIST, BPF_F_LOCK = 4 /* values with locks: none here */ };

/* Flags of redirect_map: the verdict where there is no such entry, and for devmaps: */
enum { BPF_F_ACTION_MASK = 3, BPF_F_BROADCAST = 1u << 3, BPF_F_EXCLUDE_INGRESS = 1u << 4 };

/* Flags of perf_event_output: which CPU's ring, and how much of the packet goes behind the data */
#define BPF_F_INDEX_MASK  0xffffffffull
#define BPF_F_CURRENT_CPU BPF_F_INDEX_MASK
#define BPF_F_CTXLEN_MASK (0xfffffull << 32)

/* Flags of ringbuf_submit, _discard and _output: when to wake the reader. Here readers look. And
 * what ringbuf_query answers. */
enum { BPF_RB_NO_WAKEUP = 1u << 0, BPF_RB_FORCE_WAKEUP = 1u << 1 };
enum { BPF_RB_AVAIL_DATA, BPF_RB_RING_SIZE, BPF_RB_CONS_POS, BPF_RB_PROD_POS };

/* What a program's ctx looks like to it: Linux's struct xdp_md, six fields of 32 bits. Loads from
 * it become loads from struct xdp_buff (xdp_buff.h) when the program is verified. */
enum {
    XDP_MD_DATA = 0,
    XDP_MD_DATA_END = 4,
    XDP_MD_DATA_META = 8,
    XDP_MD_INGRESS_IFINDEX = 12,
    XDP_MD_RX_QUEUE_INDEX = 16,
    XDP_MD_EGRESS_IFINDEX = 20, /* devmap programs only: refused */
    XDP_MD_BYTES = 24,
};

/* Errors are Linux's, negative, because programs compare with them. */
enum {
    BPF_EPERM = 1,
    BPF_ENOENT = 2,
    BPF_E2BIG = 7,
    BPF_EBADF = 9,
    BPF_EAGAIN = 11,
    BPF_ENOMEM = 12,
    BPF_EACCES = 13,
    BPF_EFAULT = 14,
    BPF_EBUSY = 16,
    BPF_EEXIST = 17,
    BPF_ENODEV = 19,
    BPF_EINVAL = 22,
    BPF_ENOSPC = 28,
    BPF_EOPNOTSUPP = 95,
    BPF_EAFNOSUPPORT = 97,
    BPF_ENOTSUPP = 524, /* Linux's own, not POSIX's */
};

#endif
