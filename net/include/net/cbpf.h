/*
 * Classic BPF: the filter programs that `tcpdump -ddd` prints (McCanne and Jacobson, "The BSD
 * Packet Filter", USENIX 1993; bpf(4)). A program comes from outside, so it is checked once, as a
 * whole; what passes ends, and reads nothing but the packet and its own memory. Pure code.
 */
#ifndef NET_CBPF_H
#define NET_CBPF_H

#include <drivers/nic.h>
#include <stddef.h>
#include <stdint.h>

struct cbpf_insn {
    uint16_t code;
    uint8_t jt, jf; /* instructions to skip: taken, not taken */
    uint32_t k;
};

#define CBPF_INSNS_MAX 4096 /* as Linux's BPF_MAXINSNS */
#define CBPF_MEMWORDS  16

/* Why a program is refused. */
struct cbpf_error {
    unsigned at; /* the instruction, or the number in a text, from 0 */
    const char *reason;
};

/*
 * Whether it may be run: known instructions, jumps forward and within it, a return at its end, no
 * shift by more than 31, no division by a constant 0, no memory word beyond the last, and none of
 * Linux's ancillary loads (offsets that are negative). False: *error tells.
 */
bool cbpf_check(const struct cbpf_insn *program, size_t count, struct cbpf_error *error);

/*
 * Read a program as tcpdump -ddd prints it: how many instructions, then each one's code, jt, jf and
 * k, in decimal; what stands between the numbers may be spaces, line ends and commas. Checked.
 * Returns how many instructions, or 0: *error tells. `len` bytes of text, not terminated.
 */
size_t cbpf_parse(const char *text, size_t len, struct cbpf_insn out[], size_t max,
                  struct cbpf_error *error);

/*
 * Run a checked program on a frame that lies in `count` pieces and has `len` bytes in all. Returns
 * of how many bytes it wants a copy; 0: of none. A load beyond the frame's end, or a division by 0,
 * ends it with 0.
 */
uint32_t cbpf_run(const struct cbpf_insn *program, const struct nic_seg *pieces, unsigned count,
                  uint32_t len);

#endif
