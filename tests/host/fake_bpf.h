/* What tests of maps and helpers share: makers of maps, and the services that maps ask for. */
#ifndef TESTS_FAKE_BPF_H
#define TESTS_FAKE_BPF_H

#include "bpf/map.h"

extern uint32_t fake_bpf_ifindex;   /* the one that bpf_ifindex_known(); starts as 1 */
extern uint32_t fake_bpf_xsks_open; /* sockets with ids from 1 to this are open */

uint64_t fake_bpf_random(void); /* a fixed sequence, so that a failure comes again */

/* A map that must be made. */
struct bpf_map *fake_bpf_map(uint32_t type, uint32_t key_size, uint32_t value_size,
                             uint32_t max_entries, uint32_t flags);

/* The reason why it is not made; fails the test when it is. */
const char *fake_bpf_map_refused(uint32_t type, uint32_t key_size, uint32_t value_size,
                                 uint32_t max_entries, uint32_t flags);

#endif
