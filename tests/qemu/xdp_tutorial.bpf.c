/* For test_xdp_tutorial.py: the lessons that people begin with, one program each. Between them,
 * those of xdp_hook.bpf.c and of apps/xdp, each kind of map and each helper is used on real
 * traffic. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2

/* ---- Packets and bytes of each protocol ---- */

struct counter {
    __u64 packets, bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, struct counter);
} protocols SEC(".maps");

static __always_inline struct iphdr *ipv4_of(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;
    struct iphdr *ip = data + sizeof(*eth);

    if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
        return NULL;
    return ip;
}

SEC("xdp/count") int count(struct xdp_md *ctx)
{
    struct counter first = { .packets = 1 }, *counter;
    struct iphdr *ip = ipv4_of(ctx);
    __u32 protocol;

    if (!ip)
        return XDP_PASS;
    protocol = ip->protocol;
    counter = bpf_map_lookup_elem(&protocols, &protocol);
    if (counter) {
        counter->packets++;
        counter->bytes += bpf_xdp_get_buff_len(ctx);
        return XDP_PASS;
    }
    first.bytes = bpf_xdp_get_buff_len(ctx);
    bpf_map_update_elem(&protocols, &protocol, &first, BPF_NOEXIST);
    return XDP_PASS;
}

/* ---- A router: the next hop by the system's own tables, out by a devmap ---- */

struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u32);
} ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} fib_results SEC(".maps");

static __always_inline void note(__u32 result)
{
    __u64 one = 1, *seen = bpf_map_lookup_elem(&fib_results, &result);

    if (seen)
        __sync_fetch_and_add(seen, 1);
    else
        bpf_map_update_elem(&fib_results, &result, &one, BPF_ANY);
}

static __always_inline void decrease_ttl(struct iphdr *ip)
{
    __u32 check = ip->check;

    check += bpf_htons(0x0100);
    ip->check = (__u16)(check + (check >= 0xffff));
    ip->ttl--;
}

SEC("xdp/router") int router(struct xdp_md *ctx)
{
    struct bpf_fib_lookup fib = { .family = AF_INET, .ifindex = ctx->ingress_ifindex };
    struct ethhdr *eth = (void *)(long)ctx->data;
    struct iphdr *ip = ipv4_of(ctx);
    long result;

    if (!ip || ip->ttl <= 1)
        return XDP_PASS;
    fib.l4_protocol = ip->protocol;
    fib.tot_len = bpf_ntohs(ip->tot_len);
    fib.tos = ip->tos;
    fib.ipv4_src = ip->saddr;
    fib.ipv4_dst = ip->daddr;
    result = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
    note((__u32)result);
    if (result != BPF_FIB_LKUP_RET_SUCCESS)
        return XDP_PASS;
    decrease_ttl(ip);
    __builtin_memcpy(eth->h_dest, fib.dmac, ETH_ALEN);
    __builtin_memcpy(eth->h_source, fib.smac, ETH_ALEN);
    return bpf_redirect_map(&ports, 0, XDP_DROP);
}

/* ---- A copy of each packet's beginning, as xdpdump takes it ---- */

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(__u32));
} copies SEC(".maps");

struct head {
    __u16 cookie, bytes;
};

SEC("xdp/dump") int dump(struct xdp_md *ctx)
{
    __u64 whole = (void *)(long)ctx->data_end - (void *)(long)ctx->data;
    __u64 taken = whole < 60 ? whole : 60;
    struct head head = { .cookie = 0xcafe, .bytes = (__u16)whole };

    bpf_perf_event_output(ctx, &copies, BPF_F_CURRENT_CPU | taken << 32, &head, sizeof(head));
    return XDP_PASS;
}

/* ---- Words in the log ---- */

SEC("xdp/log") int log_it(struct xdp_md *ctx)
{
    __u64 now_ns = bpf_ktime_get_ns(), boot_ns = bpf_ktime_get_boot_ns();

    if (!ipv4_of(ctx))
        return XDP_PASS;
    bpf_printk("tutorial: cpu %u, %d bytes", bpf_get_smp_processor_id(),
               (int)bpf_xdp_get_buff_len(ctx));
    bpf_printk("tutorial: %u %x %s %llu", 1, 0xbeef, "three", 4ull); /* bpf_trace_vprintk */
    if (boot_ns < now_ns)
        bpf_printk("tutorial: the clock went back");
    return XDP_PASS;
}

/* ---- Half of the packets, by chance ---- */

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} coins SEC(".maps");

SEC("xdp/coin") int coin(struct xdp_md *ctx)
{
    __u32 side = bpf_get_prandom_u32() & 1;
    struct iphdr *ip = ipv4_of(ctx);
    __u64 *seen;

    if (!ip || ip->protocol != IPPROTO_UDP)
        return XDP_PASS;
    seen = bpf_map_lookup_elem(&coins, &side);
    if (seen)
        ++*seen;
    return side ? XDP_PASS : XDP_DROP;
}

/* ---- A mark before the packet, for the program that goes on ---- */

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} next SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} marks SEC(".maps");

struct mark {
    __u32 length, filled;
};

SEC("xdp/mark") int mark(struct xdp_md *ctx)
{
    __u32 length = (__u32)bpf_xdp_get_buff_len(ctx);
    struct mark *at;

    if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*at)) < 0)
        return XDP_ABORTED;
    at = (void *)(long)ctx->data_meta;
    if ((void *)(at + 1) > (void *)(long)ctx->data)
        return XDP_ABORTED;
    at->length = length;
    at->filled = (__u32)bpf_ringbuf_query(&marks, BPF_RB_AVAIL_DATA);
    bpf_tail_call(ctx, &next, 0);
    return XDP_PASS;
}

SEC("xdp/marked") int marked(struct xdp_md *ctx)
{
    struct mark *at = (void *)(long)ctx->data_meta, copy;

    if ((void *)(at + 1) > (void *)(long)ctx->data)
        return XDP_ABORTED;
    copy = *at; /* ringbuf_output takes nothing out of packets */
    bpf_ringbuf_output(&marks, &copy, sizeof(copy), 0);
    return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
