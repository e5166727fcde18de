/*
 * Where things are in a frame, for the programs here. Each step checks against data_end, which is
 * what the verifier wants to see proven; a frame that ends before it should is malformed.
 */
#ifndef APPS_XDP_FRAME_H
#define APPS_XDP_FRAME_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN_TAGS_MAX 2
#define IP_FRAGMENT   0x3fff /* MF and the offset */

/* An address of either kind: IPv4 as ::ffff:a.b.c.d, as sockets have it. */
struct address {
    __u32 words[4];
};

struct vlan_tag {
    __be16 tci, type;
};

enum frame_kind { FRAME_OTHER, FRAME_IPV4, FRAME_IPV6, FRAME_MALFORMED };

struct frame {
    struct ethhdr *eth;
    struct iphdr *ip4;
    struct ipv6hdr *ip6;
    void *l4;      /* behind the IP header; NULL: in no place that is known */
    __u8 protocol; /* of l4 */
    __u8 fragment; /* IPv4: it is one, so that l4 is not to be trusted */
};

static __always_inline enum frame_kind frame_ipv4(struct frame *f, void *at, void *end)
{
    struct iphdr *ip = at;
    __u32 bytes;

    if ((void *)(ip + 1) > end)
        return FRAME_MALFORMED;
    bytes = ip->ihl * 4;
    if (ip->version != 4 || bytes < sizeof(*ip) || at + bytes > end)
        return FRAME_MALFORMED;
    f->ip4 = ip;
    f->protocol = ip->protocol;
    f->fragment = (ip->frag_off & bpf_htons(IP_FRAGMENT)) != 0;
    f->l4 = at + bytes;
    return FRAME_IPV4;
}

/* Extension headers are not gone through: what follows them is not l4 here. */
static __always_inline enum frame_kind frame_ipv6(struct frame *f, void *at, void *end)
{
    struct ipv6hdr *ip = at;

    if ((void *)(ip + 1) > end || ip->version != 6)
        return FRAME_MALFORMED;
    f->ip6 = ip;
    f->protocol = ip->nexthdr;
    f->l4 = ip + 1;
    return FRAME_IPV6;
}

/* Ethernet, up to two VLAN tags, IP. */
static __always_inline enum frame_kind frame_parse(struct xdp_md *ctx, struct frame *f)
{
    void *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __be16 type;

    f->eth = at;
    if ((void *)(f->eth + 1) > end)
        return FRAME_MALFORMED;
    type = f->eth->h_proto;
    at = f->eth + 1;
#pragma unroll
    for (int i = 0; i < VLAN_TAGS_MAX; i++) {
        struct vlan_tag *tag = at;

        if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
            break;
        if ((void *)(tag + 1) > end)
            return FRAME_MALFORMED;
        type = tag->type;
        at = tag + 1;
    }
    if (type == bpf_htons(ETH_P_IP))
        return frame_ipv4(f, at, end);
    if (type == bpf_htons(ETH_P_IPV6))
        return frame_ipv6(f, at, end);
    return FRAME_OTHER;
}

static __always_inline void address_of_ipv4(struct address *out, __be32 ip)
{
    out->words[0] = 0;
    out->words[1] = 0;
    out->words[2] = bpf_htonl(0xffff);
    out->words[3] = ip;
}

static __always_inline void address_of_ipv6(struct address *out, const struct in6_addr *ip)
{
    out->words[0] = ip->in6_u.u6_addr32[0];
    out->words[1] = ip->in6_u.u6_addr32[1];
    out->words[2] = ip->in6_u.u6_addr32[2];
    out->words[3] = ip->in6_u.u6_addr32[3];
}

/*
 * A rate, as GCRA keeps it (ITU-T I.371): the time up to which it is used up. A unit costs cost_ns,
 * and `burst_ns` may be used ahead of time. Returns the new time; 0: over the rate. There is no
 * division in it, which is why settings are in nanoseconds and not in packets a second.
 */
static __always_inline __u64 rate_use(__u64 until_ns, __u64 now_ns, __u64 cost_ns, __u64 burst_ns)
{
    if (until_ns < now_ns)
        until_ns = now_ns;
    if (until_ns - now_ns > burst_ns)
        return 0;
    return until_ns + cost_ns;
}

/* Keeps the compiler from knowing where `x` comes from, so that what is checked of it afterwards is
 * checked on the register that is used: the verifier does not follow what it would conclude. */
#define HIDE(x) asm volatile("" : "+r"(x))

/* min <= *x <= max, as two comparisons: the compiler would make one of x - min, and of what that
 * says about x Linux's verifier knows only since 6.11. */
static __always_inline int in_range(__u32 *x, __u32 min, __u32 max)
{
    HIDE(*x);
    if (*x < min)
        return 0;
    HIDE(*x);
    return *x <= max;
}

/* Otherwise it would be a difference of 32-bit numbers, and the verifier has pointers only whole.
 */
static __always_inline __u32 frame_bytes(struct xdp_md *ctx)
{
    __u64 bytes = (void *)(long)ctx->data_end - (void *)(long)ctx->data;

    HIDE(bytes);
    return (__u32)bytes;
}

/* A counter of packets and bytes, one for each CPU. */
struct counter {
    __u64 packets, bytes;
};

static __always_inline void counter_add(void *map, __u32 index, struct xdp_md *ctx)
{
    struct counter *counter = bpf_map_lookup_elem(map, &index);

    if (counter) {
        counter->packets++;
        counter->bytes += frame_bytes(ctx);
    }
}

#endif
