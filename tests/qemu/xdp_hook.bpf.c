/* For test_xdp.py: each verdict by UDP port, as a map says while the guest runs. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TAIL_CALL 100
#define GROW_TX   101 /* answer with 100 bytes of headroom and 8 of tail more */

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u16); /* network byte order */
    __type(value, __u32);
} ports SEC(".maps");

struct deny_key {
    __u32 prefixlen;
    __u8 address[4];
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 16);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct deny_key);
    __type(value, __u8);
} deny SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u32);
} jumps SEC(".maps");

struct headers {
    struct ethhdr eth;
    struct iphdr ip;
    struct udphdr udp;
} __attribute__((packed));

static __always_inline void swap_ends(struct headers *h)
{
    __u8 mac[ETH_ALEN];
    __u32 address = h->ip.saddr;
    __u16 port = h->udp.source;

    __builtin_memcpy(mac, h->eth.h_dest, ETH_ALEN);
    __builtin_memcpy(h->eth.h_dest, h->eth.h_source, ETH_ALEN);
    __builtin_memcpy(h->eth.h_source, mac, ETH_ALEN);
    h->ip.saddr = h->ip.daddr;
    h->ip.daddr = address;
    h->udp.source = h->udp.dest;
    h->udp.dest = port;
}

SEC("xdp")
int by_port(struct xdp_md *ctx)
{
    void *end = (void *)(long)ctx->data_end;
    struct headers *h = (void *)(long)ctx->data;
    struct deny_key from = { .prefixlen = 32 };
    __u32 *verdict, zero = 0;
    __u64 *count;
    __u16 port;

    if ((void *)(h + 1) > end || h->eth.h_proto != bpf_htons(ETH_P_IP))
        return XDP_PASS;
    __builtin_memcpy(from.address, &h->ip.saddr, 4);
    if (bpf_map_lookup_elem(&deny, &from))
        return XDP_DROP;
    if (h->ip.protocol != 17)
        return XDP_PASS;
    count = bpf_map_lookup_elem(&counts, &zero);
    if (count)
        (*count)++;
    port = h->udp.dest;
    verdict = bpf_map_lookup_elem(&ports, &port);
    if (!verdict)
        return XDP_PASS;
    bpf_ringbuf_output(&events, &port, sizeof(port), 0);
    if (*verdict == XDP_TX || *verdict == XDP_REDIRECT || *verdict == GROW_TX)
        swap_ends(h);
    if (*verdict == XDP_REDIRECT)
        return bpf_redirect(ctx->ingress_ifindex, 0);
    if (*verdict == TAIL_CALL) {
        bpf_tail_call(ctx, &jumps, 0);
        return XDP_ABORTED; /* an empty slot */
    }
    if (*verdict == GROW_TX) {
        struct ethhdr eth = h->eth;
        void *data;

        if (bpf_xdp_adjust_head(ctx, -100) || bpf_xdp_adjust_tail(ctx, 8))
            return XDP_ABORTED;
        data = (void *)(long)ctx->data;
        end = (void *)(long)ctx->data_end;
        if (data + sizeof(eth) > end)
            return XDP_ABORTED;
        __builtin_memcpy(data, &eth, sizeof(eth));
        return XDP_TX;
    }
    return *verdict;
}

SEC("xdp/drop")
int drop_all(struct xdp_md *ctx)
{
    (void)ctx;
    return XDP_DROP;
}

SEC("xdp")
int pass_all(struct xdp_md *ctx)
{
    (void)ctx;
    return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
