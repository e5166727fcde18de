/* Maps in .maps: each type that there is, and each way to say sizes. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct key {
    __u32 prefix;
    __u8 address[4];
};
typedef struct {
    __u64 packets, bytes;
    enum { KIND_A, KIND_B } kind;
} const_value;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 100);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, 20);
    __uint(map_flags, BPF_F_NO_PREALLOC);
} by_size SEC(".maps");
struct {
    __type(key, struct key);
    __type(value, const const_value);
    __uint(max_entries, 50);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
} by_type SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 3);
    __type(key, __u32);
    __type(value, __u16[5]);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} shared SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} percpu SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, 8);
    __type(key, __u64);
    __type(value, __u64);
} percpu_hash SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8);
    __type(key, __u64);
    __type(value, void *);
} lru SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 5000);
} ring SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} events SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, 4);
    __type(key, int);
    __type(value, int);
} devices SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 4);
    __type(key, int);
    __type(value, int);
} sockets SEC(".maps");

SEC("xdp") int maps(struct xdp_md *ctx)
{
    __u32 key = ctx->rx_queue_index;
    __u64 *value = bpf_map_lookup_elem(&percpu, &key);

    if (bpf_map_lookup_elem(&by_size, &key) || bpf_map_lookup_elem(&shared, &key))
        return XDP_DROP;
    if (value)
        (*value)++;
    bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &key, sizeof(key));
    bpf_ringbuf_output(&ring, &key, sizeof(key), 0);
    return bpf_redirect_map(&sockets, key, XDP_PASS);
}

char _license[] SEC("license") = "GPL";
