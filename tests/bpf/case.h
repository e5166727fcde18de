/*
 * A hand-made case: a program, what Linux's verifier says of it, and what it does. The expectation
 * is written down, so that the table is a test of ours on machines that do not let us ask Linux;
 * where they do, Linux has to agree with it.
 */
#ifndef TESTS_BPF_CASE_H
#define TESTS_BPF_CASE_H

#include "world.h"

struct oracle_write {
    uint8_t where; /* a map of world.h, or WRITE_PACKET */
    uint8_t size;  /* bytes of value; 0: the end of the list, unless gone */
    bool gone;     /* the entry is deleted */
    uint16_t off;
    uint64_t key; /* an entry that is not there yet starts as zeros */
    uint64_t value;
};
#define WRITE_PACKET 255

struct oracle_case {
    const char *name;
    const struct bpf_insn *insns; /* with labels */
    uint32_t count;

    const char *rejected; /* what Linux's reason contains; NULL: it accepts */
    const char *stricter; /* why we refuse what Linux accepts; NULL: we do not */
    bool compiled;        /* as compilers write it: we may not be stricter */

    uint32_t bytes, meta_bytes; /* of the frame; 0: 64 */
    uint32_t ret;
    struct oracle_write writes[4]; /* all that is different afterwards */
    int head, tail; /* bytes that the frame lost at its head (negative: won, zeros), and likewise
                       won at its tail; `writes` have the new offsets */
    uint32_t meta_after; /* bytes of metadata afterwards, all zeros but for `writes` */
    bool meta_changed;
};

#define CASE_INSNS_MAX 256u

struct oracle_table {
    const char *name;
    const struct oracle_case *cases;
    unsigned count;
};
#define ORACLE_TABLE(name_)                                                                        \
    const struct oracle_table table_##name_ = { #name_, cases, BPF_ASM_COUNT(cases) }

#define PROG(...)                                                                                  \
    .insns = (const struct bpf_insn[]){ __VA_ARGS__ },                                             \
    .count = BPF_ASM_COUNT(((const struct bpf_insn[]){ __VA_ARGS__ }))

/* Rows: ACCEPT("name", result, PROG(...)), with more fields behind as they are needed */
#define ACCEPT(name_, ret_, ...)                                                                   \
    {                                                                                              \
        .name = (name_), .ret = (ret_), __VA_ARGS__                                                \
    }
#define COMPILED(name_, ret_, ...)                                                                 \
    {                                                                                              \
        .name = (name_), .ret = (ret_), .compiled = true, __VA_ARGS__                              \
    }
#define REJECT(name_, reason, ...)                                                                 \
    {                                                                                              \
        .name = (name_), .rejected = (reason), PROG(__VA_ARGS__)                                   \
    }

#define IN_MAP(map, key_, off_, size_, value_)                                                     \
    {                                                                                              \
        .where = (map), .key = (key_), .off = (off_), .size = (size_), .value = (value_)           \
    }
#define IN_PACKET(off_, size_, value_) IN_MAP(WRITE_PACKET, 0, off_, size_, value_)
#define GONE(map, key_)                                                                            \
    {                                                                                              \
        .where = (map), .key = (key_), .gone = true                                                \
    }
#define WRITES(...) .writes = { __VA_ARGS__ }

/* ---- What many programs have in common ---- */

/* R0 to the result map, all 64 bits of it; R9 is lost. Return XDP_PASS. */
#define OUT0       MAPV(R9, M_OUT, 0), STX(DW, R9, 0, R0), MOVI(R0, XDP_PASS), EXIT()
#define OUT0_IS(v) WRITES(IN_MAP(M_OUT, 0, 0, 8, v))

/* The verifier shall not know the value any more: through a map. R9 is lost. */
#define HIDE(d) MAPV(R9, M_OUT, 0), STX(DW, R9, 8, d), LDX(DW, d, R9, 8), STI(DW, R9, 8, 0)

/* A number that no verifier knows: 0x0807060504030201, or its byte k: k + 1 */
#define UNKNOWN(d)      MAPV(d, M_OUT, 0), LDX(DW, d, d, 32)
#define UNKNOWN_B(d, k) MAPV(d, M_OUT, 0), LDX(B, d, d, 32 + (k))

/* R2: data, R3: data_end, of ctx in R1; at least n bytes, otherwise to SHORT. R4 is lost. */
#define FRAME             LDX(W, R2, R1, XDP_MD_DATA), LDX(W, R3, R1, XDP_MD_DATA_END)
#define FRAME_AT_LEAST(n) FRAME, MOV(R4, R2), ADDI(R4, n), JGT(R4, R3, TO(99))
#define SHORT             L(99), MOVI(R0, XDP_ABORTED), EXIT()

/* R0: the value of map's entry `key`, or on to NONE (R0 = 0). Stack at -4 is lost. */
#define LOOKUP(map, key)                                                                           \
    STI(W, R10, -4, key), MOV(R2, R10), ADDI(R2, -4), MAP(R1, map), CALL(map_lookup_elem)
#define RETURN(v) MOVI(R0, v), EXIT()

#endif
