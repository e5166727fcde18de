/* Of vmlinux.h's make: every struct may be adapted to the kernel, and of these none needs to be. */
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct xdp_md {
    __u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};
struct ethhdr {
    unsigned char h_dest[6], h_source[6];
    __u16 h_proto;
};
#pragma clang attribute pop

SEC("xdp") int core(struct xdp_md *ctx)
{
    struct ethhdr *eth = (void *)(long)ctx->data;

    if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
        return 2;
    return eth->h_proto == 8 ? 1 : 2;
}
