/*
 * A layer-4 load balancer: frames to a service's address go to one of its backends, which answers
 * the client itself (direct server return). Only MAC addresses are rewritten: every backend has the
 * service's address too (on a loopback interface, not answering ARP for it), and stands in the same
 * Ethernet segment. Which one it is, is looked up by a hash of both addresses and ports in a table
 * that is made outside by consistent hashing, so that when backends come and go most connections
 * stay where they are.
 *
 *     xdp load lb.o
 *
 * services: address (IPv4 as ::ffff:a.b.c.d), port, protocol (6 TCP, 17 UDP), 0 -> number of the
 * service, 0 to 7. 10.0.2.100 port 80 TCP is service 0:
 *
 *     map update services key ::ffff:10.0.2.100 be16 80 6 0 value 0
 *
 * backends: number, 0 to 63 -> MAC address, two zeros.
 *
 *     map update backends key 3 value 52:54:00:12:34:56 0 0
 *
 * health: number of the backend -> 1: frames go to it. Whoever checks them writes it.
 *
 *     map update health key 3 value 1
 *
 * table: 251 slots for each service; slot i of service s is entry 251 s + i -> a backend's number.
 * apps/xdp/maglev.py makes it, as commands or as JSON for /_/maps/table:
 *
 *     apps/xdp/maglev.py --service 0 1 2 3
 *
 * counters: of each backend, packets and bytes sent to it. Behind them (64) those for which no
 * healthy backend was found, dropped.
 *
 *     map dump counters
 *
 * A slot whose backend is down leads to another slot, by a second hash, at most eight times: its
 * connections spread over all others, and those of others do not move. Fragments have no ports, and
 * pass to the stack; so does all that is to no service.
 */
#include "frame.h"

#define SERVICES_MAX 8
#define BACKENDS_MAX 64
#define SLOTS        251 /* prime; apps/xdp/maglev.py has it too */
#define TRIES        8

struct service_key {
    struct address address;
    __be16 port;
    __u8 protocol, zero;
};

struct backend {
    __u8 mac[ETH_ALEN];
    __u8 zero[2];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, SERVICES_MAX);
    __type(key, struct service_key);
    __type(value, __u32);
} services SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SERVICES_MAX *SLOTS);
    __type(key, __u32);
    __type(value, __u32);
} table SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, BACKENDS_MAX);
    __type(key, __u32);
    __type(value, struct backend);
} backends SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, BACKENDS_MAX);
    __type(key, __u32);
    __type(value, __u32);
} health SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, BACKENDS_MAX + 1);
    __type(key, __u32);
    __type(value, struct counter);
} counters SEC(".maps");

/* Spreads every bit of `x` over all of the result (the finisher of MurmurHash3). */
static __always_inline __u32 mix(__u32 x)
{
    x ^= x >> 16;
    x *= 0x85ebca6b;
    x ^= x >> 13;
    x *= 0xc2b2ae35;
    return x ^ x >> 16;
}

static __always_inline __u32 hash_flow(const struct address *client, __be16 port,
                                       const struct service_key *service)
{
    __u32 hash = mix(client->words[0] ^ 0x9e3779b9);

    hash = mix(hash ^ client->words[1]);
    hash = mix(hash ^ client->words[2]);
    hash = mix(hash ^ client->words[3]);
    hash = mix(hash ^ service->address.words[3]);
    return mix(hash ^ ((__u32)port << 16 | service->port));
}

/* The backend's number; BACKENDS_MAX: no healthy one was found. */
static __noinline __u32 choose(__u32 service, __u32 hash)
{
    for (int i = 0; i < TRIES; i++) {
        __u32 slot = service * SLOTS + hash % SLOTS, *backend, *healthy;

        backend = bpf_map_lookup_elem(&table, &slot);
        if (!backend)
            break;
        healthy = bpf_map_lookup_elem(&health, backend);
        if (healthy && *healthy == 1 && *backend < BACKENDS_MAX)
            return *backend;
        hash = mix(hash + 0x9e3779b9);
    }
    return BACKENDS_MAX;
}

/* Whose frame it is: the service's key and the client; false: it is for the stack. */
static __always_inline int read_flow(struct xdp_md *ctx, struct service_key *service,
                                     struct address *client, __be16 *port)
{
    void *end = (void *)(long)ctx->data_end;
    struct frame f = {};
    struct udphdr *ports; /* of TCP they are in the same place */

    switch (frame_parse(ctx, &f)) {
    case FRAME_IPV4:
        address_of_ipv4(&service->address, f.ip4->daddr);
        address_of_ipv4(client, f.ip4->saddr);
        break;
    case FRAME_IPV6:
        address_of_ipv6(&service->address, &f.ip6->daddr);
        address_of_ipv6(client, &f.ip6->saddr);
        break;
    default:
        return 0;
    }
    ports = f.l4;
    if ((f.protocol != IPPROTO_TCP && f.protocol != IPPROTO_UDP) || f.fragment ||
        (void *)(ports + 1) > end)
        return 0;
    service->protocol = f.protocol;
    service->port = ports->dest;
    *port = ports->source;
    return 1;
}

SEC("xdp") int lb(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct service_key service = {};
    struct address client = {};
    struct ethhdr *eth = data;
    struct backend *backend;
    __u32 *number, chosen;
    __be16 port = 0;

    if ((void *)(eth + 1) > end || !read_flow(ctx, &service, &client, &port))
        return XDP_PASS;
    number = bpf_map_lookup_elem(&services, &service);
    if (!number)
        return XDP_PASS;
    chosen = choose(*number, hash_flow(&client, port, &service));
    counter_add(&counters, chosen, ctx);
    backend = bpf_map_lookup_elem(&backends, &chosen);
    if (!backend)
        return XDP_DROP;
    __builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
    __builtin_memcpy(eth->h_dest, backend->mac, ETH_ALEN);
    return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
