/* Which memory an interpreted program may touch: net/bpf/bpf_shadow.h. */
#include "../../net/bpf/bpf_shadow.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static struct region {
    const uint8_t *start;
    size_t bytes;
    bool writable;
} regions[BPF_SHADOW_REGIONS];
static unsigned region_count;
static const struct xdp_buff *frame;
static uint64_t steps_left = UINT64_MAX;
struct bpf_shadow_watch bpf_shadow_watch;

void bpf_shadow_reset(void)
{
    region_count = 0;
    frame = NULL;
}

void bpf_shadow_add(const void *start, size_t bytes, bool writable)
{
    if (region_count == BPF_SHADOW_REGIONS) {
        fprintf(stderr, "bpf_shadow: more than %u regions\n", BPF_SHADOW_REGIONS);
        abort();
    }
    regions[region_count++] = (struct region){ start, bytes, writable };
}

void bpf_shadow_remove(const void *start)
{
    for (unsigned i = 0; i < region_count; i++) {
        if (regions[i].start == start) {
            regions[i] = regions[--region_count];
            return;
        }
    }
}

void bpf_shadow_limit(uint64_t steps)
{
    steps_left = steps;
}

void bpf_shadow_step(void)
{
    if (steps_left-- > 0)
        return;
    fprintf(stderr, "bpf_shadow: the program does not end\n");
    abort();
}

void bpf_shadow_xdp(const struct xdp_buff *xdp)
{
    frame = xdp;
}

static bool lies_in(const void *p, size_t bytes, const void *start, size_t room)
{
    uintptr_t at = (uintptr_t)p, from = (uintptr_t)start;

    return at >= from && room >= bytes && at - from <= room - bytes;
}

static bool allowed(const void *p, size_t bytes, bool write)
{
    if (frame != NULL) {
        size_t room = (size_t)(frame->data_end - frame->data_meta);

        if (lies_in(p, bytes, frame->data_meta, room))
            return true;
        if (!write && lies_in(p, bytes, frame, sizeof(*frame)))
            return true;
    }
    for (unsigned i = 0; i < region_count; i++) {
        if (lies_in(p, bytes, regions[i].start, regions[i].bytes))
            return !write || regions[i].writable;
    }
    return false;
}

void bpf_shadow_check(const void *p, size_t bytes, bool write, const void *low, const void *high)
{
    if (lies_in(p, bytes, low, (size_t)((uintptr_t)high - (uintptr_t)low)) ||
        allowed(p, bytes, write))
        return;
    fprintf(stderr, "bpf_shadow: %s of %zu bytes at %p, stack from %p to %p\n",
            write ? "write" : "read", bytes, p, low, high);
    abort();
}
