/*
 * A firewall: sources are allowed or denied by prefix, the rest may be limited in rate, and
 * everything is counted. What is changed in a map holds from the next packet on.
 *
 *     xdp load firewall.o
 *
 * rules4, rules6: by source prefix, 1 denies and 2 allows (XDP_DROP and XDP_PASS). The longest
 * prefix that matches decides, so that an address may be let through within a network that is not.
 * Allowed sources are not limited in rate. To deny 10.1.2.0/24, but not 10.1.2.9:
 *
 *     map update rules4 key 10.1.2.0/24 value 1
 *     map update rules4 key 10.1.2.9/32 value 2
 *     map update rules6 key 2001:db8::/32 value 1
 *     map delete rules4 key 10.1.2.0/24
 *
 * settings: one entry of three numbers of 64 bits. Nanoseconds that a packet of a source costs (1e9
 * / packets a second; 0: no limit), nanoseconds that it may be ahead (burst x cost), and what
 * becomes of sources that no rule is about (0: pass, 1: drop). 1000 packets a second with bursts of
 * 100, the rest passed:
 *
 *     map update settings key 0 value u64 1000000 u64 100000000 u64 0
 *
 * counters: packets and bytes. 0 passed, 1 allowed by a rule, 2 denied by a rule, 3 over the rate,
 * 4 of no rule and dropped, 5 not IP (passed), 6 malformed (dropped).
 *
 *     map dump counters
 *
 * sources: the rate of each source, kept here; the longest unused one gives way to a new one.
 */
#include "frame.h"

#define RULES_MAX   1024
#define SOURCES_MAX 8192

struct rule4_key {
    __u32 bits;
    __be32 address;
};
struct rule6_key {
    __u32 bits;
    struct in6_addr address;
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, RULES_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct rule4_key);
    __type(value, __u32);
} rules4 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, RULES_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct rule6_key);
    __type(value, __u32);
} rules6 SEC(".maps");

struct settings {
    __u64 cost_ns, burst_ns;
    __u64 drop_unlisted;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct settings);
} settings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, SOURCES_MAX);
    __type(key, struct address);
    __type(value, __u64);
} sources SEC(".maps");

enum { PASSED, ALLOWED, DENIED, OVER_RATE, UNLISTED, NOT_IP, MALFORMED, COUNTERS };

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, COUNTERS);
    __type(key, __u32);
    __type(value, struct counter);
} counters SEC(".maps");

/* Is the source within its rate? An entry that cannot be made is no reason to drop. */
static __noinline int within_rate(const struct address *source, const struct settings *s)
{
    __u64 now_ns = bpf_ktime_get_ns(), until_ns;
    __u64 *until = bpf_map_lookup_elem(&sources, source);

    if (until) {
        until_ns = rate_use(*until, now_ns, s->cost_ns, s->burst_ns);
        if (until_ns == 0)
            return 0;
        *until = until_ns;
        return 1;
    }
    until_ns = now_ns + s->cost_ns;
    bpf_map_update_elem(&sources, source, &until_ns, BPF_ANY);
    return 1;
}

/* What becomes of a source that no rule is about. */
static __always_inline __u32 judge_unlisted(const struct address *source)
{
    __u32 first = 0;
    struct settings *s = bpf_map_lookup_elem(&settings, &first);

    if (!s)
        return PASSED;
    if (s->drop_unlisted)
        return UNLISTED;
    if (s->cost_ns != 0 && !within_rate(source, s))
        return OVER_RATE;
    return PASSED;
}

static __always_inline __u32 judge(struct xdp_md *ctx)
{
    struct rule4_key key4 = { .bits = 32 };
    struct rule6_key key6 = { .bits = 128 };
    struct address source;
    struct frame f = {};
    __u32 *rule;

    switch (frame_parse(ctx, &f)) {
    case FRAME_IPV4:
        key4.address = f.ip4->saddr;
        rule = bpf_map_lookup_elem(&rules4, &key4);
        address_of_ipv4(&source, f.ip4->saddr);
        break;
    case FRAME_IPV6:
        key6.address = f.ip6->saddr;
        rule = bpf_map_lookup_elem(&rules6, &key6);
        address_of_ipv6(&source, &f.ip6->saddr);
        break;
    case FRAME_OTHER:
        return NOT_IP;
    default:
        return MALFORMED;
    }
    if (rule)
        return *rule == XDP_DROP ? DENIED : ALLOWED;
    return judge_unlisted(&source);
}

SEC("xdp") int firewall(struct xdp_md *ctx)
{
    __u32 verdict = judge(ctx);

    counter_add(&counters, verdict, ctx);
    return verdict == PASSED || verdict == ALLOWED || verdict == NOT_IP ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
