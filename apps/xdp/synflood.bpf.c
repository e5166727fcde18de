/* clang-format off */
/*
 * A filter against floods of TCP SYNs, before the stack does anything for them. Sources that have
 * completed a handshake come in as they please, within a generous rate; of all others each has a
 * budget of SYNs, and all together have one, which a flood from forged sources uses up while those
 * that are known go on. Other packets than SYNs pass.
 *
 * A handshake counts as completed when an ACK comes from where a SYN came from, with the sequence
 * number behind that SYN's. Who forges SYNs does not see the answers, but could guess that the ACK
 * is asked for: this keeps out floods, not an attacker who has read it; the stack's SYN cookies
 * stand behind it.
 *
 *     xdp load synflood.o
 *
 * settings: one entry of six numbers of 64 bits, nanoseconds. What a SYN costs, and how far ahead
 * one may be, for an unknown source, for all unknown sources, for a known source. (1e9 / SYNs a
 * second, and bursts x cost; a cost of 0: no limit.) 10 a second with bursts of 20 for a source,
 * 1000 with bursts of 1000 for all, no limit for known ones:
 *
 *     map update settings key 0 value u64 100000000 u64 2000000000 u64 1000000 u64 1000000000 u64 0 u64 0
 *
 * known: sources (IPv4 as ::ffff:a.b.c.d) that have completed a handshake. They can be entered:
 *
 *     map update known key ::ffff:10.0.2.2 value 0
 *
 * waiting: SYNs let through from unknown sources; the longest unused one gives way.
 *
 * counters: packets and bytes. 0 other packets, 1 SYNs of known sources, 2 SYNs of unknown ones,
 * both passed; dropped: 3 over a source's budget, 4 over that of all unknown ones, 5 over a known
 * one's; 6 handshakes completed.
 *
 *     map dump counters
 */
/* clang-format on */
#include "frame.h"

#define KNOWN_MAX   8192
#define WAITING_MAX 8192

struct budget {
    __u64 cost_ns, burst_ns;
};
struct settings {
    struct budget source, all, known;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct settings);
} settings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, KNOWN_MAX);
    __type(key, struct address);
    __type(value, __u64); /* the time up to which its rate is used up */
} known SEC(".maps");

struct waiting {
    __u64 until_ns;
    __u32 next_seq; /* what its ACK will have; network order */
    __be16 from, to;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, WAITING_MAX);
    __type(key, struct address);
    __type(value, struct waiting);
} waiting SEC(".maps");

enum { OTHER, KNOWN, UNKNOWN, OVER_SOURCE, OVER_ALL, OVER_KNOWN, COMPLETED, COUNTERS };

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, COUNTERS);
    __type(key, __u32);
    __type(value, struct counter);
} counters SEC(".maps");

__u64 all_until_ns; /* of all unknown sources together */

/* False: over it. */
static __always_inline int use(__u64 *until_ns, __u64 now_ns, const struct budget *budget)
{
    __u64 next_ns;

    if (budget->cost_ns == 0)
        return 1;
    next_ns = rate_use(*until_ns, now_ns, budget->cost_ns, budget->burst_ns);
    if (next_ns == 0)
        return 0;
    *until_ns = next_ns;
    return 1;
}

static __always_inline __u32 judge_syn(const struct address *source, const struct tcphdr *tcp)
{
    struct waiting new = { .next_seq = bpf_htonl(bpf_ntohl(tcp->seq) + 1),
                           .from = tcp->source,
                           .to = tcp->dest };
    __u64 now_ns = bpf_ktime_get_ns(), *until_ns;
    struct waiting *old;
    __u32 first = 0;
    struct settings *s = bpf_map_lookup_elem(&settings, &first);

    if (!s)
        return UNKNOWN;
    until_ns = bpf_map_lookup_elem(&known, source);
    if (until_ns)
        return use(until_ns, now_ns, &s->known) ? KNOWN : OVER_KNOWN;
    old = bpf_map_lookup_elem(&waiting, source);
    if (old)
        new.until_ns = old->until_ns;
    if (!use(&new.until_ns, now_ns, &s->source))
        return OVER_SOURCE;
    if (!use(&all_until_ns, now_ns, &s->all))
        return OVER_ALL;
    bpf_map_update_elem(&waiting, source, &new, BPF_ANY);
    return UNKNOWN;
}

static __always_inline __u32 judge_ack(const struct address *source, const struct tcphdr *tcp)
{
    struct waiting *w = bpf_map_lookup_elem(&waiting, source);
    __u64 never = 0;

    if (!w || w->next_seq != tcp->seq || w->from != tcp->source || w->to != tcp->dest)
        return OTHER;
    bpf_map_update_elem(&known, source, &never, BPF_ANY);
    bpf_map_delete_elem(&waiting, source);
    return COMPLETED;
}

static __always_inline __u32 judge(struct xdp_md *ctx)
{
    void *end = (void *)(long)ctx->data_end;
    struct address source;
    struct frame f = {};
    struct tcphdr *tcp;

    switch (frame_parse(ctx, &f)) {
    case FRAME_IPV4:
        address_of_ipv4(&source, f.ip4->saddr);
        break;
    case FRAME_IPV6:
        address_of_ipv6(&source, &f.ip6->saddr);
        break;
    default:
        return OTHER;
    }
    tcp = f.l4;
    if (f.protocol != IPPROTO_TCP || f.fragment || (void *)(tcp + 1) > end)
        return OTHER;
    if (tcp->syn && !tcp->ack)
        return judge_syn(&source, tcp);
    if (tcp->ack && !tcp->syn && !tcp->rst)
        return judge_ack(&source, tcp);
    return OTHER;
}

SEC("xdp") int synflood(struct xdp_md *ctx)
{
    __u32 verdict = judge(ctx);

    counter_add(&counters, verdict, ctx);
    return verdict == OVER_SOURCE || verdict == OVER_ALL || verdict == OVER_KNOWN ? XDP_DROP
                                                                                  : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
