/*
 * Addresses: see ipconf.h. RFC 2131 (DHCP), RFC 4862 (SLAAC) are lwIP's work; here is what is
 * asked of it, what is done when nobody answers, and what the log says.
 */
#include "addr.h"
#include "ipconf_parse.h"
#include "stack_priv.h"
#include <kernel/config.h>
#include <kernel/printk.h>
#include <kernel/time.h>
#include <kernel/timer.h>
#include <lwip/dhcp.h>
#include <lwip/netif.h>
#include <net/ipconf.h>
#include <net/stack.h>
#include <string.h>

#define DHCP_PATIENCE_NS    (5 * NS_PER_SEC)
#define FALLBACK_IP_DEFAULT "192.168.76.2/24"
#define HOSTNAME_DEFAULT    "tophalf"

enum source { SOURCE_NONE, SOURCE_STATIC, SOURCE_DHCP, SOURCE_FALLBACK };
static const char *const source_names[] = { "none", "static", "dhcp", "fallback" };

static struct {
    enum source source;
    bool use_dhcp;
    ip4_addr_t logged; /* the address that the log has announced */
    struct ipconf_prefix fallback;
    struct timer patience; /* armed while we wait for a DHCP server */
} conf;

NETIF_DECLARE_EXT_CALLBACK(netif_event)

const char *ipconf_source(void)
{
    return source_names[conf.source];
}

static void log_ipv4(const struct netif *netif)
{
    char addr[ADDR_TEXT_MAX], gateway[ADDR_TEXT_MAX];
    bool has_gateway = !ip4_addr_isany(netif_ip4_gw(netif));

    conf.logged = *netif_ip4_addr(netif);
    printk("net: %s/%u%s%s (%s)", addr_format4(netif_ip4_addr(netif), addr),
           addr_prefix(netif_ip4_netmask(netif)), has_gateway ? " via " : ", no gateway",
           has_gateway ? addr_format4(netif_ip4_gw(netif), gateway) : "", ipconf_source());
}

static void set_ipv4(const struct ipconf_prefix *own, uint32_t gateway)
{
    ip4_addr_t addr = { lwip_htonl(own->address) };
    ip4_addr_t netmask = { lwip_htonl(own->netmask) };
    ip4_addr_t gw = { lwip_htonl(gateway) };

    netif_set_addr(stack_netif(), &addr, &netmask, &gw);
}

/* The timer's callback: nobody has answered. lwIP's DHCP client goes on asking, at growing
 * intervals of up to a minute, whatever address we have. */
static void patience_ended(void *arg)
{
    char addr[ADDR_TEXT_MAX];

    (void)arg;
    conf.source = SOURCE_FALLBACK;
    set_ipv4(&conf.fallback, 0);
    printk("net: %s in 5 s: using %s/%u; DHCP goes on asking",
           netif_is_link_up(stack_netif()) ? "no DHCP server has answered" : "no link for DHCP",
           addr_format4(netif_ip4_addr(stack_netif()), addr), conf.fallback.prefix);
    stack_round_end();
}

/* lwIP's DHCP client has got, renewed or lost an address. */
static void ipv4_changed(struct netif *netif)
{
    if (!conf.use_dhcp)
        return;
    if (dhcp_supplied_address(netif)) {
        bool news = conf.source != SOURCE_DHCP || !ip4_addr_eq(netif_ip4_addr(netif), &conf.logged);

        conf.source = SOURCE_DHCP;
        timer_cancel(&conf.patience);
        if (news)
            log_ipv4(netif);
    } else if (conf.source == SOURCE_DHCP && ip4_addr_isany(netif_ip4_addr(netif))) {
        printk("net: the DHCP lease is gone; asking again");
        conf.source = SOURCE_NONE;
        timer_set(&conf.patience, time_ns() + DHCP_PATIENCE_NS);
    }
}

static void ipv6_changed(const struct netif *netif, s8_t i, u8_t old_state)
{
    u8_t state = netif_ip6_addr_state(netif, i);
    char addr[ADDR_TEXT_MAX];

    if (ip6_addr_ispreferred(state) && !ip6_addr_ispreferred(old_state))
        printk("net: %s/64 (%s)", addr_format6(netif_ip6_addr(netif, i), addr),
               ip6_addr_islinklocal(netif_ip6_addr(netif, i)) ? "link-local" : "slaac");
    else if (ip6_addr_isduplicated(state))
        printk("net: %s is another host's address; not using it",
               addr_format6(netif_ip6_addr(netif, i), addr));
}

static void netif_event_fn(struct netif *netif, netif_nsc_reason_t reason,
                           const netif_ext_callback_args_t *args)
{
    if (reason & (LWIP_NSC_IPV4_SETTINGS_CHANGED | LWIP_NSC_IPV4_ADDR_VALID))
        ipv4_changed(netif);
    if (reason & LWIP_NSC_IPV6_ADDR_STATE_CHANGED)
        ipv6_changed(netif, args->ipv6_addr_state_changed.addr_index,
                     args->ipv6_addr_state_changed.old_state);
}

/* Takes ip= and gateway=. False: there is no (right) static address, so DHCP it is. */
static bool start_static(void)
{
    const char *ip = config_get("ip", "dhcp"), *gateway = config_get("gateway", NULL);
    const char *wrong;
    struct ipconf_prefix own;
    uint32_t gw = 0;

    if (strcmp(ip, "dhcp") == 0) {
        if (gateway != NULL)
            printk("net: gateway=%s is not used: DHCP tells the gateway (set ip= too)", gateway);
        return false;
    }
    wrong = ipconf_parse_prefix(ip, &own);
    if (wrong != NULL) {
        printk("net: ip=%s: %s; using DHCP", ip, wrong);
        return false;
    }
    if (gateway != NULL) {
        wrong = ipconf_parse_address(gateway, &gw);
        if (wrong == NULL)
            wrong = ipconf_check_gateway(&own, gw);
        if (wrong != NULL) {
            printk("net: gateway=%s: %s; going without a gateway", gateway, wrong);
            gw = 0;
        }
    }
    conf.source = SOURCE_STATIC;
    set_ipv4(&own, gw);
    log_ipv4(stack_netif());
    return true;
}

static void start_dhcp(void)
{
    const char *text = config_get("fallback_ip", FALLBACK_IP_DEFAULT);
    const char *wrong = ipconf_parse_prefix(text, &conf.fallback);

    if (wrong != NULL) {
        printk("net: fallback_ip=%s: %s; using %s", text, wrong, FALLBACK_IP_DEFAULT);
        ipconf_parse_prefix(FALLBACK_IP_DEFAULT, &conf.fallback);
    }
    conf.use_dhcp = true;
    timer_set(&conf.patience, time_ns() + DHCP_PATIENCE_NS);
    if (dhcp_start(stack_netif()) != ERR_OK)
        printk("net: the DHCP client could not start; there will be the fallback address only");
}

/* What the DHCP server is told. lwIP's DHCP message has room for one label of a name. */
static const char *hostname(void)
{
    const char *name = config_get("hostname", HOSTNAME_DEFAULT);
    const char *wrong = ipconf_check_hostname(name);

    if (wrong == NULL)
        return name;
    printk("net: hostname=%s: %s; using %s", name, wrong, HOSTNAME_DEFAULT);
    return HOSTNAME_DEFAULT;
}

void ipconf_start(void)
{
    timer_setup(&conf.patience, patience_ended, NULL);
    if (stack.nic == NULL)
        return;

    net_enter();
    netif_set_hostname(stack_netif(), hostname());
    netif_add_ext_callback(&netif_event, netif_event_fn);
    if (!start_static())
        start_dhcp();
    netif_create_ip6_linklocal_address(stack_netif(), 1);
    netif_set_ip6_autoconfig_enabled(stack_netif(), 1);
    net_leave();
}
