/*
 * fib_lookup: where a packet would go next, from lwIP's interface, its default router, and its ARP
 * and ND tables. The rules are Linux's bpf_ipv4_fib_lookup() and bpf_ipv6_fib_lookup(), where
 * forwarding is on: a program that asks wants to forward. There is one interface and one table, so
 * tos, mark, table id and the flags that choose among them do not matter.
 *
 * Softirq context, as all of lwIP.
 */
#include "helper_impl.h"
#include <kernel/lib.h>
#include <lwip/etharp.h>
#include <lwip/ip6_addr.h>
#include <lwip/netif.h>
#include <lwip/priv/nd6_priv.h>
#include <net/xdp.h>
#include <string.h>

enum { FAMILY_INET = 2, FAMILY_INET6 = 10 }; /* Linux's AF_INET and AF_INET6 */

enum {
    FIB_LOOKUP_DIRECT = 1u << 0,
    FIB_LOOKUP_OUTPUT = 1u << 1,
    FIB_LOOKUP_SKIP_NEIGH = 1u << 2,
    FIB_LOOKUP_TBID = 1u << 3,
    FIB_LOOKUP_SRC = 1u << 4,
    FIB_LOOKUP_MARK = 1u << 5,
    FIB_LOOKUP_ALL = (1u << 6) - 1,
};

enum {
    FIB_RET_SUCCESS = 0,
    FIB_RET_NOT_FWDED = 4,
    FIB_RET_NO_NEIGH = 7,
    FIB_RET_FRAG_NEEDED = 8,
    FIB_RET_NO_SRC_ADDR = 9,
};

struct fib_lookup { /* struct bpf_fib_lookup of Linux's UAPI */
    uint8_t family;
    uint8_t l4_protocol;
    uint16_t sport, dport;
    uint16_t tot_len; /* out: the MTU */
    uint32_t ifindex;
    uint32_t rt_metric; /* in: tos or flow */
    uint32_t src[4];    /* IPv4: the first; network order, all of them */
    uint32_t dst[4];
    uint16_t h_vlan_proto, h_vlan_tci;
    uint8_t smac[6], dmac[6];
};
_Static_assert(sizeof(struct fib_lookup) == 64, "Linux's UAPI");

bool bpf_ifindex_known(uint32_t ifindex)
{
    return netif_default != NULL && ifindex == XDP_IFINDEX;
}

/* ---- IPv4 ---- */

/* The next hop to `dst`; false: it is not to be forwarded (ours, to many, or to nowhere). */
static bool route4(const struct netif *netif, const ip4_addr_t *dst, ip4_addr_t *hop)
{
    if (ip4_addr_isany(netif_ip4_addr(netif)) || ip4_addr_eq(dst, netif_ip4_addr(netif)) ||
        ip4_addr_isany(dst) || ip4_addr_ismulticast(dst) || ip4_addr_isbroadcast(dst, netif) ||
        ip4_addr_isloopback(dst))
        return false;
    *hop = ip4_addr_net_eq(dst, netif_ip4_addr(netif), netif_ip4_netmask(netif))
               ? *dst
               : *netif_ip4_gw(netif);
    return !ip4_addr_isany(hop);
}

static const uint8_t *neighbor4(struct netif *netif, const ip4_addr_t *hop)
{
    struct eth_addr *mac;
    const ip4_addr_t *ip;

    return etharp_find_addr(netif, hop, &mac, &ip) >= 0 ? mac->addr : NULL;
}

/* ---- IPv6 ---- */

static bool on_link6(struct netif *netif, const ip6_addr_t *dst)
{
    if (ip6_addr_islinklocal(dst))
        return true;
    for (unsigned i = 0; i < LWIP_ND6_NUM_PREFIXES; i++)
        if (prefix_list[i].netif == netif && prefix_list[i].invalidation_timer > 0 &&
            ip6_addr_net_zoneless_eq(dst, &prefix_list[i].prefix))
            return true;
    for (unsigned i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) /* a static address has a /64 */
        if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) && netif_ip6_addr_isstatic(netif, i) &&
            ip6_addr_net_zoneless_eq(dst, netif_ip6_addr(netif, i)))
            return true;
    return false;
}

static bool is_own6(struct netif *netif, const ip6_addr_t *dst)
{
    for (unsigned i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
        if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) &&
            ip6_addr_zoneless_eq(dst, netif_ip6_addr(netif, i)))
            return true;
    return false;
}

/* RFC 4861 §6.3.6: a router that is known to be reachable, or else any. */
static const struct nd6_neighbor_cache_entry *router6(const struct netif *netif)
{
    const struct nd6_neighbor_cache_entry *any = NULL;

    for (unsigned i = 0; i < LWIP_ND6_NUM_ROUTERS; i++) {
        const struct nd6_router_list_entry *router = &default_router_list[i];

        if (router->neighbor_entry == NULL || router->invalidation_timer == 0 ||
            router->neighbor_entry->netif != netif)
            continue;
        if (router->neighbor_entry->state == ND6_REACHABLE)
            return router->neighbor_entry;
        any = any == NULL ? router->neighbor_entry : any;
    }
    return any;
}

static bool route6(struct netif *netif, const ip6_addr_t *dst, ip6_addr_t *hop)
{
    const struct nd6_neighbor_cache_entry *router;

    if (ip6_addr_isany(dst) || ip6_addr_ismulticast(dst) || ip6_addr_isloopback(dst) ||
        is_own6(netif, dst))
        return false;
    if (on_link6(netif, dst)) {
        *hop = *dst;
        return true;
    }
    router = router6(netif);
    if (router != NULL)
        *hop = router->next_hop_address;
    return router != NULL;
}

static const uint8_t *neighbor6(const struct netif *netif, const ip6_addr_t *hop)
{
    for (unsigned i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++) {
        const struct nd6_neighbor_cache_entry *n = &neighbor_cache[i];

        if (n->state >= ND6_REACHABLE && n->netif == netif &&
            ip6_addr_zoneless_eq(&n->next_hop_address, hop))
            return n->lladdr;
    }
    return NULL;
}

/* The address that we would send from: of the scope of the next hop. */
static const ip6_addr_t *source6(struct netif *netif, const ip6_addr_t *hop)
{
    for (unsigned i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
        if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) &&
            ip6_addr_islinklocal(netif_ip6_addr(netif, i)) == ip6_addr_islinklocal(hop))
            return netif_ip6_addr(netif, i);
    return NULL;
}

/* ---- Both ---- */

static int finish(const struct netif *netif, struct fib_lookup *fib, const uint8_t *mac, bool skip,
                  uint16_t mtu)
{
    if (!skip) {
        if (mac == NULL)
            return FIB_RET_NO_NEIGH;
        memcpy(fib->dmac, mac, sizeof(fib->dmac));
        memcpy(fib->smac, netif->hwaddr, sizeof(fib->smac));
    }
    fib->h_vlan_proto = fib->h_vlan_tci = 0;
    fib->tot_len = mtu;
    return FIB_RET_SUCCESS;
}

static bool too_long(struct fib_lookup *fib, uint16_t mtu)
{
    if (fib->tot_len <= mtu)
        return false;
    fib->tot_len = mtu;
    return true;
}

static int lookup4(struct netif *netif, struct fib_lookup *fib, uint32_t flags)
{
    ip4_addr_t dst = { fib->dst[0] }, hop;

    if (!route4(netif, &dst, &hop))
        return FIB_RET_NOT_FWDED;
    if (too_long(fib, netif->mtu))
        return FIB_RET_FRAG_NEEDED;
    fib->ifindex = XDP_IFINDEX;
    fib->rt_metric = 0;
    if (flags & FIB_LOOKUP_SRC)
        fib->src[0] = netif_ip4_addr(netif)->addr;
    fib->dst[0] = hop.addr;
    return finish(netif, fib, neighbor4(netif, &hop), flags & FIB_LOOKUP_SKIP_NEIGH, netif->mtu);
}

static int lookup6(struct netif *netif, struct fib_lookup *fib, uint32_t flags)
{
    ip6_addr_t dst, hop;
    const ip6_addr_t *source;

    memset(&dst, 0, sizeof(dst)); /* the zone, too */
    memcpy(dst.addr, fib->dst, sizeof(dst.addr));
    if (!route6(netif, &dst, &hop))
        return FIB_RET_NOT_FWDED;
    if (too_long(fib, netif->mtu6))
        return FIB_RET_FRAG_NEEDED;
    source = source6(netif, &hop);
    if ((flags & FIB_LOOKUP_SRC) && source == NULL)
        return FIB_RET_NO_SRC_ADDR;
    if (flags & FIB_LOOKUP_SRC)
        memcpy(fib->src, source->addr, sizeof(fib->src));
    fib->ifindex = XDP_IFINDEX;
    fib->rt_metric = 0;
    memcpy(fib->dst, hop.addr, sizeof(fib->dst));
    return finish(netif, fib, neighbor6(netif, &hop), flags & FIB_LOOKUP_SKIP_NEIGH, netif->mtu6);
}

BPF_HELPER(fib_lookup)
{
    struct netif *netif = netif_default;
    struct fib_lookup fib; /* the program's may lie at any address */
    int result;

    if ((uint32_t)r3 < sizeof(fib) || (uint32_t)r4 & ~(uint32_t)FIB_LOOKUP_ALL)
        return bpf_result(-BPF_EINVAL);
    memcpy(&fib, bpf_ptr(r2), sizeof(fib));
    if (fib.family != FAMILY_INET && fib.family != FAMILY_INET6)
        return bpf_result(-BPF_EAFNOSUPPORT);
    if (!bpf_ifindex_known(fib.ifindex))
        return bpf_result(-BPF_ENODEV);
    if (!netif_is_up(netif) || !netif_is_link_up(netif))
        return FIB_RET_NOT_FWDED;
    result = fib.family == FAMILY_INET ? lookup4(netif, &fib, (uint32_t)r4)
                                       : lookup6(netif, &fib, (uint32_t)r4);
    memcpy(bpf_ptr(r2), &fib, sizeof(fib));
    return bpf_result(result);
}
