/*
 * A sampler: the first bytes of one frame in N go to a ring, to be seen on the console or over
 * HTTP; every frame passes.
 *
 *     xdp load sampler.o
 *
 * settings: one entry, N, and how many bytes of a frame are taken (up to 128; 0: 64). N is 0: none
 * is. One in a thousand, 64 bytes:
 *
 *     map update settings key 0 value u32 1000 u32 64
 *
 * samples: the ring. An event: time in nanoseconds (64 bits), the frame's length, how much of it
 * was taken, interface, queue (32 bits each), the bytes (room for 128).
 *
 *     map events samples
 *
 * counters: frames. 0 seen, 1 sampled, 2 lost because the ring was full.
 *
 *     map dump counters
 */
#include "frame.h"

#define SAMPLE_BYTES  128
#define DEFAULT_BYTES 64
#define RING_BYTES    (64 * 1024)

struct settings {
    __u32 every, bytes;
};

struct sample {
    __u64 time_ns;
    __u32 frame_bytes, taken_bytes;
    __u32 ifindex, queue;
    __u8 data[SAMPLE_BYTES];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct settings);
} settings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, RING_BYTES);
} samples SEC(".maps");

enum { SEEN, SAMPLED, LOST, COUNTERS };

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, COUNTERS);
    __type(key, __u32);
    __type(value, struct counter);
} counters SEC(".maps");

__u32 left; /* frames until the next one that is taken: a count, as division is slow */

static __always_inline void take(struct xdp_md *ctx, const struct settings *s)
{
    __u32 whole = frame_bytes(ctx);
    __u32 bytes = s->bytes == 0 ? DEFAULT_BYTES : s->bytes;
    struct sample *sample = bpf_ringbuf_reserve(&samples, sizeof(*sample), 0);

    if (!sample) {
        counter_add(&counters, LOST, ctx);
        return;
    }
    if (bytes > whole)
        bytes = whole;
    if (bytes > SAMPLE_BYTES)
        bytes = SAMPLE_BYTES;
    sample->time_ns = bpf_ktime_get_ns();
    sample->frame_bytes = whole;
    sample->taken_bytes = bytes;
    sample->ifindex = ctx->ingress_ifindex;
    sample->queue = ctx->rx_queue_index;
    __builtin_memset(sample->data, 0, sizeof(sample->data)); /* the ring has old frames in it */
    if (!in_range(&bytes, 1, SAMPLE_BYTES) || bpf_xdp_load_bytes(ctx, 0, sample->data, bytes) < 0) {
        bpf_ringbuf_discard(sample, 0);
        return;
    }
    bpf_ringbuf_submit(sample, 0);
    counter_add(&counters, SAMPLED, ctx);
}

SEC("xdp") int sampler(struct xdp_md *ctx)
{
    __u32 first = 0;
    struct settings *s = bpf_map_lookup_elem(&settings, &first);

    counter_add(&counters, SEEN, ctx);
    if (!s || s->every == 0)
        return XDP_PASS;
    if (left > 0 && left <= s->every && --left > 0) /* `every` may just have become smaller */
        return XDP_PASS;
    left = s->every;
    take(ctx, s);
    return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
