/*
 * `ip`: the interface, its addresses and routes, in the layout of iproute2's `ip addr` followed
 * by `ip route`. Main context.
 */
#include "addr.h"
#include "stack_priv.h"
#include <kernel/console.h>
#include <kernel/fmt.h>
#include <lwip/dhcp.h>
#include <lwip/netif.h>
#include <lwip/prot/dhcp.h>
#include <net/ipconf.h>
#include <net/stack.h>
#include <string.h>

/* What is shown, taken at one moment. */
struct snapshot {
    struct netif netif;
    const char *source; /* of the IPv4 address */
    uint32_t lease_s;   /* left of it; 0: no lease */
    char mac[ADDR_MAC_TEXT_MAX];
};

static void take_snapshot(struct snapshot *s)
{
    struct dhcp *dhcp;

    net_enter();
    s->netif = *stack_netif();
    s->source = ipconf_source();
    s->lease_s = 0;
    dhcp = netif_dhcp_data(stack_netif());
    if (dhcp != NULL && dhcp_supplied_address(stack_netif())) {
        uint64_t used = (uint64_t)dhcp->lease_used * DHCP_COARSE_TIMER_SECS;

        if (dhcp->offered_t0_lease > used)
            s->lease_s = (uint32_t)(dhcp->offered_t0_lease - used);
    }
    net_leave();
    addr_format_mac(s->netif.hwaddr, s->mac);
}

/* 0 and all ones: for ever (lwIP's IP6_ADDR_LIFE_STATIC and IP6_ADDR_LIFE_INFINITE). */
static const char *lifetime(uint32_t seconds, char text[24])
{
    if (seconds == 0 || seconds == 0xffffffffu)
        return "forever";
    fmt_snprintf(text, 24, "%usec", seconds);
    return text;
}

static const char *ip6_kind(const struct netif *netif, s8_t i)
{
    u8_t state = netif_ip6_addr_state(netif, i);

    if (ip6_addr_istentative(state))
        return " tentative";
    if (ip6_addr_isduplicated(state))
        return " dadfailed";
    if (ip6_addr_isdeprecated(state))
        return " deprecated";
    return "";
}

static bool ip6_shown(const struct netif *netif, s8_t i)
{
    return !ip6_addr_isinvalid(netif_ip6_addr_state(netif, i));
}

static const char *ip6_scope(const struct netif *netif, s8_t i)
{
    return ip6_addr_islinklocal(netif_ip6_addr(netif, i)) ? "link" : "global";
}

static void print_inet(struct console *con, const struct snapshot *s)
{
    const struct netif *netif = &s->netif;
    ip4_addr_t broadcast = { netif_ip4_addr(netif)->addr | ~netif_ip4_netmask(netif)->addr };
    char addr[ADDR_TEXT_MAX], brd[ADDR_TEXT_MAX], life[24];
    bool dynamic = strcmp(s->source, "dhcp") == 0;
    const char *left;

    if (ip4_addr_isany(netif_ip4_addr(netif)))
        return;
    console_printf(con, "    inet %s/%u brd %s scope global%s " STACK_IFNAME "\n",
                   addr_format4(netif_ip4_addr(netif), addr), addr_prefix(netif_ip4_netmask(netif)),
                   addr_format4(&broadcast, brd), dynamic ? " dynamic" : "");
    left = lifetime(s->lease_s, life);
    console_printf(con, "       valid_lft %s preferred_lft %s\n", left, left);
}

static void print_inet6(struct console *con, const struct netif *netif)
{
    char addr[ADDR_TEXT_MAX], valid[24], preferred[24];

    for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        if (!ip6_shown(netif, i))
            continue;
        console_printf(con, "    inet6 %s/64 scope %s%s%s\n",
                       addr_format6(netif_ip6_addr(netif, i), addr), ip6_scope(netif, i),
                       i > 0 ? " dynamic" : "", ip6_kind(netif, i));
        console_printf(con, "       valid_lft %s preferred_lft %s\n",
                       lifetime(netif_ip6_addr_valid_life(netif, i), valid),
                       lifetime(netif_ip6_addr_pref_life(netif, i), preferred));
    }
}

static void print_routes(struct console *con, const struct snapshot *s)
{
    const struct netif *netif = &s->netif;
    ip4_addr_t net = { netif_ip4_addr(netif)->addr & netif_ip4_netmask(netif)->addr };
    char text[ADDR_TEXT_MAX], own[ADDR_TEXT_MAX];

    if (ip4_addr_isany(netif_ip4_addr(netif)))
        return;
    if (!ip4_addr_isany(netif_ip4_gw(netif)))
        console_printf(con, "default via %s dev " STACK_IFNAME " proto %s\n",
                       addr_format4(netif_ip4_gw(netif), text), s->source);
    console_printf(con, "%s/%u dev " STACK_IFNAME " proto kernel scope link src %s\n",
                   addr_format4(&net, text), addr_prefix(netif_ip4_netmask(netif)),
                   addr_format4(netif_ip4_addr(netif), own));
}

static void ip_text(struct console *con, const struct snapshot *s)
{
    bool up = netif_is_link_up(&s->netif);

    console_printf(con, "1: " STACK_IFNAME ": <%sBROADCAST,MULTICAST,UP%s> mtu %u state %s\n",
                   up ? "" : "NO-CARRIER,", up ? ",LOWER_UP" : "", s->netif.mtu,
                   up ? "UP" : "DOWN");
    console_printf(con, "    link/ether %s brd ff:ff:ff:ff:ff:ff\n", s->mac);
    print_inet(con, s);
    print_inet6(con, &s->netif);
    print_routes(con, s);
}

static void json_inet6(struct json *j, const struct netif *netif)
{
    char addr[ADDR_TEXT_MAX];

    for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        if (!ip6_shown(netif, i))
            continue;
        json_object(j, NULL);
        json_str(j, "family", "inet6");
        json_str(j, "local", addr_format6(netif_ip6_addr(netif, i), addr));
        json_u64(j, "prefixlen", 64);
        json_str(j, "scope", ip6_scope(netif, i));
        json_bool(j, "tentative", ip6_addr_istentative(netif_ip6_addr_state(netif, i)));
        json_object_end(j);
    }
}

static void ip_json(struct console *con, const struct snapshot *s)
{
    const struct netif *netif = &s->netif;
    char addr[ADDR_TEXT_MAX];
    struct json j;

    console_json(con, &j);
    json_str(&j, "ifname", STACK_IFNAME);
    json_u64(&j, "mtu", netif->mtu);
    json_str(&j, "operstate", netif_is_link_up(netif) ? "UP" : "DOWN");
    json_str(&j, "address", s->mac);
    json_str(&j, "source", s->source);
    json_array(&j, "addr_info");
    if (!ip4_addr_isany(netif_ip4_addr(netif))) {
        json_object(&j, NULL);
        json_str(&j, "family", "inet");
        json_str(&j, "local", addr_format4(netif_ip4_addr(netif), addr));
        json_u64(&j, "prefixlen", addr_prefix(netif_ip4_netmask(netif)));
        json_str(&j, "scope", "global");
        json_bool(&j, "dynamic", strcmp(s->source, "dhcp") == 0);
        json_u64(&j, "valid_life_time", s->lease_s != 0 ? s->lease_s : 0xffffffffu);
        json_object_end(&j);
    }
    json_inet6(&j, netif);
    json_array_end(&j);
    if (ip4_addr_isany(netif_ip4_gw(netif)))
        json_null(&j, "gateway");
    else
        json_str(&j, "gateway", addr_format4(netif_ip4_gw(netif), addr));
    json_end(&j);
}

static int cmd_ip(struct console *con, int argc, char **argv)
{
    static struct snapshot s; /* half a page: not for the stack */

    (void)argv;
    if (argc > 1)
        return console_error(con, "takes no arguments; addresses are set in tophalf.cfg");
    if (stack.nic == NULL)
        return console_error(con, "there is no network card");
    take_snapshot(&s);
    if (con->json)
        ip_json(con, &s);
    else
        ip_text(con, &s);
    return 0;
}
CONSOLE_COMMAND(ip, "ip", "the network interface: link, addresses, routes", cmd_ip);
