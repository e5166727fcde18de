/* Some 4,000 instructions in a row, with branches that the verifier has to follow: how long it
 * takes. Each step takes another byte of the frame into a sum that a branch depends on. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define WINDOW 64
#define STEPS  780

SEC("xdp")
int long4000(struct xdp_md *ctx)
{
    const unsigned char *frame = (const unsigned char *)(long)ctx->data;
    const unsigned char *end = (const unsigned char *)(long)ctx->data_end;
    unsigned long sum = 0;

    if (frame + WINDOW > end)
        return XDP_PASS;
#pragma clang loop unroll(full)
    for (int n = 0; n < STEPS; n++) {
        sum = (sum + frame[n % WINDOW]) * 3;
        asm volatile("%0 &= 255" : "+r"(sum));
        if (sum == (n & 255))
            return XDP_DROP;
        if (n % 64 == 0 && frame[n % WINDOW] > 200)
            sum ^= n;
    }
    return sum == 123 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
