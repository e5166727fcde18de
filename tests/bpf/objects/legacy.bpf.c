/* As it was written before BTF; built without -g too. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct old_map_def {
    unsigned type, key_size, value_size, max_entries, map_flags;
};

struct old_map_def SEC("maps") first = {
    .type = BPF_MAP_TYPE_ARRAY,
    .key_size = sizeof(int),
    .value_size = sizeof(long),
    .max_entries = 256,
};
struct old_map_def SEC("maps") second = {
    .type = BPF_MAP_TYPE_HASH,
    .key_size = 6,
    .value_size = 12,
    .max_entries = 10,
    .map_flags = BPF_F_NO_PREALLOC,
};

SEC("xdp_legacy") int legacy(struct xdp_md *ctx)
{
    int key = 1;
    char address[6] = { 1, 2, 3, 4, 5, 6 };
    long *value = bpf_map_lookup_elem(&first, &key);

    if (value)
        __sync_fetch_and_add(value, 1);
    return bpf_map_lookup_elem(&second, address) && ctx->rx_queue_index ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL v2";
