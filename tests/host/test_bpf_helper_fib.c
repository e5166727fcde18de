/* fib_lookup: from an interface and tables of lwIP that the test fills in. */
#include "fake_bpf.h"
#include "fakes.h"
#include "bpf/helper_impl.h"
#include <lwip/etharp.h>
#include <lwip/netif.h>
#include <lwip/priv/nd6_priv.h>
#include <net/xdp.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct netif *netif_default;
struct nd6_neighbor_cache_entry neighbor_cache[LWIP_ND6_NUM_NEIGHBORS];
struct nd6_prefix_list_entry prefix_list[LWIP_ND6_NUM_PREFIXES];
struct nd6_router_list_entry default_router_list[LWIP_ND6_NUM_ROUTERS];

static struct netif card;
static const uint8_t card_mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };

static ip4_addr_t arp_ip; /* the only entry */
static struct eth_addr arp_mac = { { 0x52, 0x54, 0, 0, 0, 2 } };

ssize_t etharp_find_addr(struct netif *netif, const ip4_addr_t *ip, struct eth_addr **mac,
                         const ip4_addr_t **found)
{
    assert_ptr_equal(netif, &card);
    if (!ip4_addr_eq(ip, &arp_ip))
        return -1;
    *mac = &arp_mac;
    *found = &arp_ip;
    return 0;
}

/* Linux's struct bpf_fib_lookup, by its offsets: a program's own definition. */
struct fib {
    uint8_t family, l4_protocol;
    uint16_t sport, dport, tot_len;
    uint32_t ifindex, rt_metric;
    uint8_t src[16], dst[16];
    uint16_t vlan_proto, vlan_tci;
    uint8_t smac[6], dmac[6];
};

static int64_t lookup(struct fib *fib, uint32_t flags)
{
    return (int64_t)bpf_helper_fib_lookup(0, (uintptr_t)fib, sizeof(*fib), flags, 0);
}

static struct fib ask(uint8_t family, const uint8_t *dst)
{
    struct fib fib = { .family = family, .ifindex = XDP_IFINDEX, .tot_len = 100 };

    memcpy(fib.dst, dst, family == 2 ? 4 : 16);
    return fib;
}

static int64_t lookup4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    const uint8_t dst[4] = { a, b, c, d };
    struct fib fib = ask(2, dst);

    return lookup(&fib, 0);
}

static int setup(void **state)
{
    (void)state;
    memset(&card, 0, sizeof(card));
    memset(neighbor_cache, 0, sizeof(neighbor_cache));
    memset(prefix_list, 0, sizeof(prefix_list));
    memset(default_router_list, 0, sizeof(default_router_list));
    netif_default = &card;
    card.flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP | NETIF_FLAG_BROADCAST;
    card.mtu = 1500;
    card.mtu6 = 1400;
    memcpy(card.hwaddr, card_mac, 6);
    IP_ADDR4(&card.ip_addr, 10, 0, 2, 15);
    IP_ADDR4(&card.netmask, 255, 255, 255, 0);
    IP_ADDR4(&card.gw, 10, 0, 2, 2);
    IP4_ADDR(&arp_ip, 10, 0, 2, 2);
    return 0;
}

static void test_arguments(void **state)
{
    const uint8_t dst[4] = { 10, 0, 2, 2 };
    struct fib fib = ask(2, dst), before;

    (void)state;
    assert_int_equal(sizeof(fib), 64);
    assert_int_equal((int64_t)bpf_helper_fib_lookup(0, (uintptr_t)&fib, 63, 0, 0), -BPF_EINVAL);
    assert_int_equal(lookup(&fib, 1u << 6), -BPF_EINVAL);
    fib.family = 1;
    assert_int_equal(lookup(&fib, 0), -BPF_EAFNOSUPPORT);
    fib = ask(2, dst);
    fib.ifindex = 1;
    before = fib;
    assert_int_equal(lookup(&fib, 0), -BPF_ENODEV);
    assert_memory_equal(&fib, &before, sizeof(fib));
    assert_true(bpf_ifindex_known(XDP_IFINDEX) && !bpf_ifindex_known(1) && !bpf_ifindex_known(0));
    netif_default = NULL; /* no card */
    fib.ifindex = XDP_IFINDEX;
    assert_int_equal(lookup(&fib, 0), -BPF_ENODEV);
    assert_false(bpf_ifindex_known(XDP_IFINDEX));
}

static void test_ipv4(void **state)
{
    const uint8_t gateway[4] = { 10, 0, 2, 2 }, far[4] = { 192, 0, 2, 1 };
    struct fib fib = ask(2, gateway);

    (void)state;
    fib.vlan_proto = fib.vlan_tci = 0xffff;
    assert_int_equal(lookup(&fib, 0), 0); /* on the link */
    assert_int_equal(fib.ifindex, XDP_IFINDEX);
    assert_memory_equal(fib.smac, card_mac, 6);
    assert_memory_equal(fib.dmac, arp_mac.addr, 6);
    assert_memory_equal(fib.dst, gateway, 4);
    assert_int_equal(fib.tot_len, 1500); /* out: the MTU */
    assert_true(fib.vlan_proto == 0 && fib.vlan_tci == 0);

    fib = ask(2, far);
    assert_int_equal(lookup(&fib, 1u << 4), 0); /* by the gateway, asking for a source */
    assert_memory_equal(fib.dst, gateway, 4);
    assert_memory_equal(fib.src, "\x0a\x00\x02\x0f", 4);
    assert_memory_equal(fib.dmac, arp_mac.addr, 6);

    fib = ask(2, far);
    fib.tot_len = 1501;
    assert_int_equal(lookup(&fib, 0), 8); /* FRAG_NEEDED */
    assert_int_equal(fib.tot_len, 1500);
    assert_memory_equal(fib.dst, far, 4);
}

static void test_ipv4_refused(void **state)
{
    const uint8_t far[4] = { 192, 0, 2, 1 };
    struct fib fib;

    (void)state;
    assert_int_equal(lookup4(10, 0, 2, 77), 7); /* NO_NEIGH: nobody has answered yet */
    fib = ask(2, far);
    IP4_ADDR(&arp_ip, 10, 0, 2, 3);
    assert_int_equal(lookup(&fib, 0), 7);
    assert_memory_equal(fib.dst, "\x0a\x00\x02\x02", 4); /* told all the same, as Linux does */
    assert_int_equal(lookup(&fib, 1u << 2), 0);          /* SKIP_NEIGH */
    assert_int_equal(lookup4(10, 0, 2, 15), 4); /* NOT_FWDED: ours, and whatever is to many */
    assert_int_equal(lookup4(10, 0, 2, 255), 4);
    assert_int_equal(lookup4(255, 255, 255, 255), 4);
    assert_int_equal(lookup4(224, 0, 0, 1), 4);
    assert_int_equal(lookup4(127, 0, 0, 1), 4);
    assert_int_equal(lookup4(0, 0, 0, 0), 4);
    ip_addr_set_zero_ip4(&card.gw);
    assert_int_equal(lookup4(192, 0, 2, 1), 4); /* no route */
    card.flags &= (u8_t)~NETIF_FLAG_LINK_UP;
    assert_int_equal(lookup4(10, 0, 2, 3), 4);
    card.flags |= NETIF_FLAG_LINK_UP;
    assert_int_equal(lookup4(10, 0, 2, 3), 0);
    ip_addr_set_zero_ip4(&card.ip_addr); /* no address yet */
    assert_int_equal(lookup4(10, 0, 2, 3), 4);
}

static void set6(ip6_addr_t *to, const uint8_t from[16])
{
    memset(to, 0, sizeof(*to));
    memcpy(to->addr, from, 16);
}

static const uint8_t global[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x15 },
                     host[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9 },
                     far6[16] = { 0x20, 1, 0xd, 0xb8, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9 },
                     router[16] = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
                     link_local[16] = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x15 };

static void set_neighbour(unsigned i, const uint8_t addr[16], u8_t state, uint8_t mac)
{
    set6(&neighbor_cache[i].next_hop_address, addr);
    neighbor_cache[i].netif = &card;
    neighbor_cache[i].state = state;
    memset(neighbor_cache[i].lladdr, mac, 6);
}

static void setup6(void)
{
    set6(ip_2_ip6(&card.ip6_addr[0]), link_local);
    set6(ip_2_ip6(&card.ip6_addr[1]), global);
    card.ip6_addr_state[0] = card.ip6_addr_state[1] = IP6_ADDR_PREFERRED;
    card.ip6_addr_valid_life[0] = IP6_ADDR_LIFE_STATIC;
    card.ip6_addr_valid_life[1] = 1000; /* autoconfigured: says nothing about the link */
    set6(&prefix_list[2].prefix, global);
    prefix_list[2].netif = &card;
    prefix_list[2].invalidation_timer = 1000;
    set_neighbour(3, host, ND6_STALE, 9);
    set_neighbour(4, router, ND6_REACHABLE, 1);
    default_router_list[1].neighbor_entry = &neighbor_cache[4];
    default_router_list[1].invalidation_timer = 1000;
}

static int64_t lookup6(const uint8_t dst[16], uint32_t flags, struct fib *fib)
{
    *fib = ask(10, dst);
    return lookup(fib, flags);
}

static void test_ipv6(void **state)
{
    struct fib fib;

    (void)state;
    setup6();
    assert_int_equal(lookup6(host, 0, &fib), 0);
    assert_memory_equal(fib.dst, host, 16);
    assert_memory_equal(fib.dmac, "\x09\x09\x09\x09\x09\x09", 6);
    assert_memory_equal(fib.smac, card_mac, 6);
    assert_int_equal(fib.tot_len, 1400);

    assert_int_equal(lookup6(far6, 0, &fib), 0); /* by the router */
    assert_memory_equal(fib.dst, router, 16);
    assert_memory_equal(fib.dmac, "\x01\x01\x01\x01\x01\x01", 6);
    assert_int_equal(lookup6(host, 1u << 4, &fib), 0);
    assert_memory_equal(fib.src, global, 16);
    assert_int_equal(lookup6(router, 1u << 4, &fib), 0); /* link-local, by its scope */
    assert_memory_equal(fib.src, link_local, 16);
}

static void test_ipv6_refused(void **state)
{
    static const uint8_t any[16], loopback[16] = { [15] = 1 },
                                  all_nodes[16] = { 0xff, 2, [15] = 1 };
    struct fib fib;

    (void)state;
    setup6();
    assert_int_equal(lookup6(global, 0, &fib), 4);
    assert_int_equal(lookup6(any, 0, &fib), 4);
    assert_int_equal(lookup6(loopback, 0, &fib), 4);
    assert_int_equal(lookup6(all_nodes, 0, &fib), 4);
    set_neighbour(3, host, ND6_INCOMPLETE, 9);
    assert_int_equal(lookup6(host, 0, &fib), 7);
    fib = ask(10, far6);
    fib.tot_len = 1401;
    assert_int_equal(lookup(&fib, 0), 8);
    assert_int_equal(fib.tot_len, 1400);

    prefix_list[2].invalidation_timer = 0; /* no longer on the link: by the router */
    assert_int_equal(lookup6(host, 0, &fib), 0);
    assert_memory_equal(fib.dst, router, 16);
    card.ip6_addr_valid_life[1] = IP6_ADDR_LIFE_STATIC; /* its /64 is */
    assert_int_equal(lookup6(host, 1u << 2, &fib), 0);
    assert_memory_equal(fib.dst, host, 16);
    card.ip6_addr_state[1] = IP6_ADDR_INVALID;
    assert_int_equal(lookup6(far6, 0, &fib), 0);
    card.ip6_addr_state[0] = IP6_ADDR_TENTATIVE;
    assert_int_equal(lookup6(far6, 1u << 4, &fib), 9); /* NO_SRC_ADDR */

    default_router_list[1].invalidation_timer = 0;
    assert_int_equal(lookup6(far6, 0, &fib), 4);
}

/* A router that answers is taken before one that may be gone. */
static void test_routers(void **state)
{
    struct fib fib;

    (void)state;
    setup6();
    set_neighbour(5, link_local, ND6_PROBE, 5);
    neighbor_cache[5].next_hop_address.addr[3] ^= 0x01000000;
    default_router_list[0].neighbor_entry = &neighbor_cache[5];
    default_router_list[0].invalidation_timer = 1000;
    assert_int_equal(lookup6(far6, 0, &fib), 0);
    assert_memory_equal(fib.dst, router, 16);
    neighbor_cache[4].state = ND6_STALE;
    assert_int_equal(lookup6(far6, 0, &fib), 0);
    assert_memory_equal(fib.dmac, "\x05\x05\x05\x05\x05\x05", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_arguments, setup),
        cmocka_unit_test_setup(test_ipv4, setup),
        cmocka_unit_test_setup(test_ipv4_refused, setup),
        cmocka_unit_test_setup(test_ipv6, setup),
        cmocka_unit_test_setup(test_ipv6_refused, setup),
        cmocka_unit_test_setup(test_routers, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
