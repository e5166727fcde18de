/*
 * The fast path of the key-value store: a memcached GET over UDP whose key is there is answered
 * here, in the frame that asked, which goes out again (XDP_TX). Everything else passes to the app
 * (APP=kv), which shares the map: misses, SETs, several keys, and what is not plain UDP.
 *
 *     xdp load kv.o
 *
 * kv_store: see kv.h. The key, filled up with zeros to 64 bytes -> when it expires, flags, length,
 * data. The app fills it from SETs (port 11211).
 *
 * kv_counters: packets and bytes. 0 answered, 1 GETs that passed because the key was not there (or
 * had expired), 2 other datagrams to the port.
 *
 *     map dump kv_counters
 *
 * The answer's UDP checksum is made over all of it: it costs little beside the rest, and IPv6 has
 * to have one.
 */
#include "frame.h"
#include "kv.h"

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, KV_ENTRIES_MAX);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
    __type(key, struct kv_key);
    __type(value, struct kv_value);
} kv_store SEC(".maps");

enum { ANSWERED, MISSED, OTHER, COUNTERS };

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, COUNTERS);
    __type(key, __u32);
    __type(value, struct counter);
} kv_counters SEC(".maps");

/* memcached's header of a UDP datagram (protocol.txt, "UDP protocol"). */
struct kv_frame {
    __be16 id, sequence, total, reserved;
};

#define ETH_BYTES  sizeof(struct ethhdr)
#define IPV4_L4    (ETH_BYTES + sizeof(struct iphdr)) /* options: the app's */
#define IPV6_L4    (ETH_BYTES + sizeof(struct ipv6hdr))
#define GET        bpf_htonl(0x67657420) /* "get " */
#define CRLF       bpf_htons(0x0d0a)
#define BEFORE_KEY (sizeof(struct udphdr) + sizeof(struct kv_frame) + 4)
#define END_BYTES  7   /* "\r\nEND\r\n" */
#define UDP_MOST   704 /* an answer with its headers: 622 */
#define CSUM_MOST  512 /* what Linux before 6.13 adds up at a time */
#define HOPS       64

/* Where an answer is made: too much for the stack. */
struct work {
    __u32 at, zero; /* where head ends. Here the verifier need not follow its every value */
    __u8 head[128]; /* room for indexes that are masked */
    __u8 datagram[1024];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct work);
} kv_work SEC(".maps");

static const char answer_end[8] = "\r\nEND\r\n";

static __always_inline void put(struct work *w, __u8 c)
{
    w->head[w->at++ & 127] = c;
}

#define PUT_DIGIT(unit)                                                                            \
    do {                                                                                           \
        if (number >= (unit))                                                                      \
            put(w, '0' + number / (unit) % 10);                                                    \
    } while (0)

/* In decimal. */
static __always_inline void put_number(struct work *w, __u32 number)
{
    PUT_DIGIT(1000000000);
    PUT_DIGIT(100000000);
    PUT_DIGIT(10000000);
    PUT_DIGIT(1000000);
    PUT_DIGIT(100000);
    PUT_DIGIT(10000);
    PUT_DIGIT(1000);
    PUT_DIGIT(100);
    PUT_DIGIT(10);
    put(w, '0' + number % 10);
}

/* "VALUE key flags bytes\r\n" into w->head from 2 on, so that the key is aligned, to w->at. */
static __noinline int make_head(struct work *w, const struct kv_key *key, __u32 key_bytes,
                                const struct kv_value *value)
{
    __builtin_memcpy(w->head + 2, "VALUE ", 6);
    __builtin_memcpy(w->head + 8, key, sizeof(*key));
    w->at = 8 + key_bytes;
    put(w, ' ');
    put_number(w, value->flags);
    put(w, ' ');
    put_number(w, value->len);
    put(w, '\r');
    put(w, '\n');
    return 0;
}

static __always_inline __u16 fold(__u64 sum)
{
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32 & 0xffff);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)~sum;
}

/* The sum of the datagram in the frame from l4 on, of which the checksum is 0 so far. */
static __noinline __u64 sum_datagram(struct xdp_md *ctx, struct work *w, __u32 l4, __u32 bytes,
                                     __u32 seed)
{
    __u32 padded;

    if (bytes < sizeof(struct udphdr) || bytes > UDP_MOST)
        return 0;
    *(__u32 *)(w->datagram + (bytes & 0x3fc)) = 0; /* what fills up its last word */
    if (bpf_xdp_load_bytes(ctx, l4, w->datagram, bytes) < 0)
        return 0;
    padded = (bytes + 3) & ~3u;
    if (padded > CSUM_MOST) {
        seed = (__u32)bpf_csum_diff(0, 0, (__be32 *)(w->datagram + CSUM_MOST), padded - CSUM_MOST,
                                    seed);
        padded = CSUM_MOST;
    }
    return (__u32)bpf_csum_diff(0, 0, (__be32 *)w->datagram, padded, seed);
}

static __always_inline void swap_macs(struct ethhdr *eth)
{
    __u8 mac[ETH_ALEN];

    __builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
    __builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
    __builtin_memcpy(eth->h_source, mac, ETH_ALEN);
}

/* The IP header of the answer; the sum of what the UDP checksum takes of it, but for length and
 * protocol. */
static __always_inline __u32 turn_ipv4(struct iphdr *ip, __u32 udp_bytes)
{
    __be32 source = ip->saddr;

    ip->saddr = ip->daddr;
    ip->daddr = source;
    ip->tot_len = bpf_htons((__u16)(sizeof(*ip) + udp_bytes));
    ip->ttl = HOPS;
    ip->check = 0;
    ip->check = fold((__u32)bpf_csum_diff(0, 0, (__be32 *)ip, sizeof(*ip), 0));
    return (__u32)bpf_csum_diff(0, 0, &ip->saddr, 2 * sizeof(__be32), 0);
}

static __always_inline __u32 turn_ipv6(struct ipv6hdr *ip, __u32 udp_bytes)
{
    struct in6_addr source = ip->saddr;

    ip->saddr = ip->daddr;
    ip->daddr = source;
    ip->payload_len = bpf_htons((__u16)udp_bytes);
    ip->hop_limit = HOPS;
    return (__u32)bpf_csum_diff(0, 0, (__be32 *)&ip->saddr, 2 * sizeof(source), 0);
}

/* The frame has the answer in it: turn it round. */
static __always_inline int turn(struct xdp_md *ctx, struct work *w, const __u32 l4, __u32 udp_bytes)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct udphdr *udp = data + l4;
    struct kv_frame *frame = (void *)(udp + 1);
    __be16 port;
    __u64 sum;

    if ((void *)(frame + 1) > end)
        return XDP_ABORTED;
    swap_macs(data);
    if (l4 == IPV4_L4)
        sum = turn_ipv4(data + ETH_BYTES, udp_bytes);
    else
        sum = turn_ipv6(data + ETH_BYTES, udp_bytes);
    port = udp->source;
    udp->source = udp->dest;
    udp->dest = port;
    udp->len = bpf_htons((__u16)udp_bytes);
    udp->check = 0;
    frame->reserved = 0;
    sum += sum_datagram(ctx, w, l4, udp_bytes, bpf_htons(IPPROTO_UDP));
    udp->check = fold(sum + udp->len);
    if (udp->check == 0)
        udp->check = 0xffff; /* RFC 768: 0 means that there is none */
    return XDP_TX;
}

/* Put the answer where the request is, behind its UDP header and memcached's. */
static __always_inline int answer(struct xdp_md *ctx, const __u32 l4, const struct kv_key *key,
                                  __u32 key_bytes, const struct kv_value *value)
{
    __u32 first = 0, head_bytes, value_bytes = value->len, udp_bytes, at;
    struct work *w = bpf_map_lookup_elem(&kv_work, &first);

    if (!w)
        return XDP_PASS;
    make_head(w, key, key_bytes, value);
    head_bytes = (w->at - 2) & 127;
    if (head_bytes == 0 || value_bytes > KV_VALUE_MAX)
        return XDP_PASS;
    at = l4 + sizeof(struct udphdr) + sizeof(struct kv_frame);
    udp_bytes = at - l4 + head_bytes + value_bytes + END_BYTES;
    if (bpf_xdp_adjust_tail(ctx, (int)(l4 + udp_bytes - frame_bytes(ctx))) < 0)
        return XDP_PASS;
    if (bpf_xdp_store_bytes(ctx, at, w->head + 2, head_bytes) < 0)
        return XDP_ABORTED;
    at += head_bytes;
    if (value_bytes > 0 && bpf_xdp_store_bytes(ctx, at, (void *)value->data, value_bytes) < 0)
        return XDP_ABORTED;
    at += value_bytes;
    if (bpf_xdp_store_bytes(ctx, at, (void *)answer_end, END_BYTES) < 0)
        return XDP_ABORTED;
    return turn(ctx, w, l4, udp_bytes);
}

/* The key of "get KEY\r\n"; returns its bytes, or 0 where the datagram is something else. */
static __always_inline __u32 read_key(struct xdp_md *ctx, const __u32 l4, const struct udphdr *udp,
                                      struct kv_key *key)
{
    const struct kv_frame *frame = (void *)(udp + 1);
    const __u32 *command = (void *)(frame + 1);
    __u32 bytes = bpf_ntohs(udp->len) - (__u32)BEFORE_KEY - 2;
    __u16 crlf = 0;

    if (*command != GET || frame->sequence != 0 || frame->total != bpf_htons(1) ||
        !in_range(&bytes, 1, KV_KEY_MAX) ||
        bpf_xdp_load_bytes(ctx, l4 + BEFORE_KEY, key->bytes, bytes) < 0 ||
        bpf_xdp_load_bytes(ctx, l4 + BEFORE_KEY + bytes, &crlf, sizeof(crlf)) < 0)
        return 0;
    return crlf == CRLF ? bytes : 0;
}

static __always_inline int serve(struct xdp_md *ctx, const __u32 l4)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct udphdr *udp = data + l4;
    struct kv_value *value;
    struct kv_key key = {};
    __u32 key_bytes;

    if (data + l4 + BEFORE_KEY > end || udp->dest != bpf_htons(KV_PORT))
        return XDP_PASS;
    key_bytes = read_key(ctx, l4, udp, &key);
    if (key_bytes == 0) {
        counter_add(&kv_counters, OTHER, ctx);
        return XDP_PASS;
    }
    /* Several keys have a space between them, which no key that is kept has: they are missed. */
    value = bpf_map_lookup_elem(&kv_store, &key);
    if (!value || (value->expires_ns != 0 && value->expires_ns <= bpf_ktime_get_ns())) {
        counter_add(&kv_counters, MISSED, ctx);
        return XDP_PASS;
    }
    counter_add(&kv_counters, ANSWERED, ctx);
    return answer(ctx, l4, &key, key_bytes, value);
}

SEC("xdp") int kv(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;
    struct ipv6hdr *ip6 = data + ETH_BYTES;
    struct iphdr *ip4 = data + ETH_BYTES;

    if ((void *)(ip4 + 1) > end)
        return XDP_PASS;
    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        if (ip4->version != 4 || ip4->ihl != 5 || ip4->protocol != IPPROTO_UDP ||
            (ip4->frag_off & bpf_htons(IP_FRAGMENT)) != 0)
            return XDP_PASS;
        return serve(ctx, IPV4_L4);
    }
    if (eth->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(ip6 + 1) > end || ip6->version != 6 ||
        ip6->nexthdr != IPPROTO_UDP)
        return XDP_PASS;
    return serve(ctx, IPV6_L4);
}

char _license[] SEC("license") = "Dual BSD/GPL";
