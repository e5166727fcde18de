/* See fake_bpf.h. The weak ones give way to a test that links the real one. */
#include "fake_bpf.h"
#include "bpf/helper.h"
#include <kernel/rand.h>
#include <net/xsk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t fake_bpf_ifindex = 1;
uint32_t fake_bpf_xsks_open;

uint64_t fake_bpf_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15ull;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dull;
}

void rand_bytes(void *buf, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)buf)[i] = (uint8_t)(fake_bpf_random() >> 56);
}

__attribute__((weak)) bool bpf_ifindex_known(uint32_t ifindex)
{
    return ifindex == fake_bpf_ifindex;
}

bool xsk_is_open(uint32_t id)
{
    return id != 0 && id <= fake_bpf_xsks_open;
}

struct bpf_map *fake_bpf_map(uint32_t type, uint32_t key_size, uint32_t value_size,
                             uint32_t max_entries, uint32_t flags)
{
    const struct bpf_map_def def = { type, key_size, value_size, max_entries, flags };
    const char *why = NULL;
    struct bpf_map *map = bpf_map_create(&def, "test", &why);

    if (map == NULL) {
        fprintf(stderr, "map of type %u: %s\n", type, why);
        abort();
    }
    return map;
}

const char *fake_bpf_map_refused(uint32_t type, uint32_t key_size, uint32_t value_size,
                                 uint32_t max_entries, uint32_t flags)
{
    const struct bpf_map_def def = { type, key_size, value_size, max_entries, flags };
    const char *why = NULL;

    if (bpf_map_create(&def, "test", &why) != NULL || why == NULL) {
        fprintf(stderr, "map of type %u was made, or no reason given\n", type);
        abort();
    }
    return why;
}
