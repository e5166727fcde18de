/*
 * This machine's own kernel, through bpf(2): what maps and helpers are compared with, where root
 * may use it. A translation unit of its own (bpf_linux.c), because Linux's <linux/bpf.h> and ours
 * define the same names.
 */
#ifndef TESTS_BPF_LINUX_H
#define TESTS_BPF_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool linux_bpf_permitted(void);

/* All return what bpf(2) does, or a negative errno. */
int linux_map_create(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t max_entries,
                     uint32_t flags);
int linux_map_lookup(int fd, const void *key, void *value);
int linux_map_update(int fd, const void *key, const void *value, uint64_t flags);
int linux_map_delete(int fd, const void *key);
int linux_map_next_key(int fd, const void *key, void *next);
int linux_close(int fd);
unsigned linux_cpus(void); /* values of a per-CPU map */

/* Load `count` instructions (as struct bpf_insn) as an XDP program with a GPL license. */
int linux_prog_load(const void *insns, size_t count);

/* Run it once on the frame, in place; *bytes: its length before and behind. The result, or a
 * negative errno in *error. */
uint32_t linux_prog_run(int fd, void *frame, size_t *bytes, size_t room, int *error);

#endif
