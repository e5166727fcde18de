/* A prog_array with first entries, one of them the program that uses it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int entry(struct xdp_md *ctx);
int third(struct xdp_md *ctx);
int fourth(struct xdp_md *ctx);

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __array(values, int(struct xdp_md *));
} other SEC(".maps") = { .values = { [1] = fourth } };
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 8);
    __uint(key_size, 4);
    __uint(value_size, 4);
    __array(values, int(struct xdp_md *));
} jumps SEC(".maps") = { .values = { [0] = entry, [3] = third, [7] = fourth } };

SEC("xdp") int entry(struct xdp_md *ctx)
{
    bpf_tail_call(ctx, &jumps, 3);
    return XDP_PASS;
}

SEC("xdp/third") int third(struct xdp_md *ctx)
{
    bpf_tail_call(ctx, &other, 1);
    return XDP_DROP;
}

SEC("xdp_fourth") int fourth(struct xdp_md *ctx)
{
    return ctx->rx_queue_index == 0 ? XDP_TX : XDP_PASS;
}

SEC("?xdp") int not_loaded(struct xdp_md *ctx)
{
    return ctx->rx_queue_index == 0 ? XDP_TX : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
