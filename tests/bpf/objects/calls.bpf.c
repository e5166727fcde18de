/* Functions: static and global, called across sections and within .text, by two programs. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct pair {
    __u32 first, second;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} seen SEC(".maps");

__u32 calls;

static __noinline int leaf(__u32 a)
{
    calls++;
    return (int)(a * 3);
}

static __noinline int never_called_by_first(__u32 a)
{
    return leaf(a) + leaf(a + 1);
}

__noinline int count(struct xdp_md *ctx, __u32 key)
{
    __u64 *value = bpf_map_lookup_elem(&seen, &key);

    if (value)
        (*value)++;
    return leaf(key) + (int)ctx->rx_queue_index;
}

__noinline __attribute__((visibility("hidden"))) int hidden(struct pair *pair)
{
    return pair->first > pair->second ? leaf(pair->first) : leaf(pair->second);
}

__noinline int global_with_memory(struct pair *pair)
{
    return pair ? (int)(pair->first + pair->second) : 0;
}

SEC("xdp") int first(struct xdp_md *ctx)
{
    struct pair pair = { ctx->rx_queue_index, ctx->ingress_ifindex };

    return (count(ctx, 5) + count(ctx, 6) + hidden(&pair) + global_with_memory(&pair)) & 1
               ? XDP_PASS
               : XDP_DROP;
}

SEC("xdp/second") int second(struct xdp_md *ctx)
{
    return never_called_by_first(ctx->rx_queue_index) > 10 ? XDP_PASS : XDP_TX;
}

char _license[] SEC("license") = "MIT";
