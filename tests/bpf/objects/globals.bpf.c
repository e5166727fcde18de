/* Global data of every kind, with places in it that are reached by an addend. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 limit = 1500;
const volatile __u32 table[4] = { 11, 22, 33, 44 };
static const char *volatile unused_pointer =
    "kept"; /* relocated data: left alone, as libbpf does */
__u32 counter;
__u64 counters[8];
__u32 initialised = 7;
static volatile __u32 hidden = 9;
static volatile __u32 hidden_array[4] = { 1, 2, 3, 4 };
__u32 config SEC(".data.config") = 0x11223344;
const volatile __u32 fixed SEC(".rodata.fixed") = 0x55667788;

SEC("xdp") int globals(struct xdp_md *ctx)
{
    __u32 index = ctx->rx_queue_index & 3;

    bpf_printk("queue %d of %d", index, limit);
    counter += table[2] + hidden_array[3] + hidden;
    counters[index + 1]++;
    config += fixed;
    hidden_array[index] = initialised;
    return unused_pointer != 0 && hidden_array[1] > table[index] ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
