/* The least an XDP program can do with a flood: drop UDP to port 9 over plain IPv4, as the 16
 * instructions of bench/linux/server.c do; all else goes up. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define HEADS 42

SEC("xdp")
int drop(struct xdp_md *ctx)
{
    const unsigned char *frame = (const unsigned char *)(long)ctx->data;
    const unsigned char *end = (const unsigned char *)(long)ctx->data_end;

    if (frame + HEADS > end)
        return XDP_PASS;
    if (frame[12] != 0x08 || frame[13] != 0 || frame[14] != 0x45 || frame[23] != 17)
        return XDP_PASS;
    return frame[36] == 0 && frame[37] == 9 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
