/*
 * bpf(2), with nothing of <linux/bpf.h> in sight: its struct bpf_insn and its constants have the
 * names of ours (net/bpf/insn.h), so that no file can see both. Errors are negative errnos.
 */
#ifndef TESTS_LINUX_BPF_H
#define TESTS_LINUX_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* May this process load XDP programs and run them? False: *why, in words. */
bool linux_bpf_usable(const char **why);

/* "6.18.44" */
const char *linux_release(void);

int linux_map_create(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t max_entries,
                     uint32_t flags);
int linux_map_freeze(int map);
int linux_map_update(int map, const void *key, const void *value);
int linux_map_lookup(int map, const void *key, void *value);
int linux_map_delete(int map, const void *key);
int linux_map_next_key(int map, const void *key, void *next); /* key NULL: the first one */

/* Load an XDP program of `count` 8-byte instructions, license GPL: its descriptor. log[room] gets
 * Linux's reason when room > 0, with all the way to it when every_step. */
int linux_prog_load(const void *insns, uint32_t count, char *log, uint32_t room, bool every_step);

/* The same without CAP_PERFMON, which forgoes leaks of pointers and reads of stale stack; the
 * program is gone again, 0 says that it was accepted. */
int linux_prog_try_restricted(const void *insns, uint32_t count);

/* Run it once. in[in_bytes]: meta_bytes of metadata, then the frame; out[*out_bytes] likewise. */
struct linux_run {
    const void *in;
    uint32_t in_bytes, in_meta_bytes;
    void *out;
    uint32_t out_bytes; /* room, then length */
    uint32_t out_meta_bytes;
    uint32_t retval;
};
int linux_prog_run(int prog, struct linux_run *run);

#endif
