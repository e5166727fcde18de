/*
 * A frame's first bytes as one line of text, for the command `trace`. Nothing is believed: every
 * header is looked at only as far as its bytes are there, and each line is bounded.
 *
 * Ethernet (IEEE 802.3), ARP (RFC 826), IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293), UDP
 * (RFC 768), ICMP (RFC 792), ICMPv6 (RFC 4443, RFC 4861).
 */
#include "trace_text.h"
#include "addr.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <lwip/ip.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/icmp.h>
#include <lwip/prot/icmp6.h>
#include <lwip/prot/ieee.h>
#include <string.h>

/* What is left of the head, taken from the front. */
struct cursor {
    const uint8_t *at;
    size_t left;
};

/* The next n bytes, or NULL when there are not as many; then nothing is taken. */
static const uint8_t *take(struct cursor *c, size_t n)
{
    const uint8_t *bytes = c->at;

    if (c->left < n)
        return NULL;
    c->at += n;
    c->left -= n;
    return bytes;
}

static unsigned be16(const uint8_t *b)
{
    return (unsigned)b[0] << 8 | b[1];
}

/* Who to whom, as text. */
struct ends {
    char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];
    bool v6;
};

static void format4(const uint8_t *bytes, char text[ADDR_TEXT_MAX])
{
    ip4_addr_t addr;

    memcpy(&addr.addr, bytes, sizeof(addr.addr));
    addr_format4(&addr, text);
}

static void format6(const uint8_t *bytes, char text[ADDR_TEXT_MAX])
{
    ip6_addr_t addr;

    memcpy(addr.addr, bytes, sizeof(addr.addr));
    ip6_addr_clear_zone(&addr);
    addr_format6(&addr, text);
}

static void print_flags(uint8_t flags, char text[9])
{
    static const char names[8] = "FSRP.UEW"; /* tcpdump's; from bit 0 */
    unsigned n = 0;

    for (unsigned bit = 0; bit < 8; bit++)
        if (flags >> bit & 1)
            text[n++] = names[bit];
    text[n] = '\0';
}

/* TCP and UDP: the ports; TCP's flags are in its 14th byte. */
static void print_ports(struct cursor c, const struct ends *e, bool tcp, char text[TRACE_TEXT_MAX])
{
    const uint8_t *ports = take(&c, 4), *rest = take(&c, 10);
    const char *open = e->v6 ? "[" : "", *close = e->v6 ? "]" : "";
    char flags[9];
    int len;

    if (ports == NULL) {
        fmt_snprintf(text, TRACE_TEXT_MAX, "%s %s > %s, cut short", tcp ? "TCP" : "UDP", e->src,
                     e->dst);
        return;
    }
    len = fmt_snprintf(text, TRACE_TEXT_MAX, "%s %s%s%s:%u > %s%s%s:%u", tcp ? "TCP" : "UDP", open,
                       e->src, close, be16(ports), open, e->dst, close, be16(ports + 2));
    if (!tcp || rest == NULL)
        return;
    print_flags(rest[9], flags);
    fmt_snprintf(text + len, TRACE_TEXT_MAX - (size_t)len, " [%s]", flags);
}

static const char *icmp_name(unsigned type)
{
    switch (type) {
    case ICMP_ER:
        return "echo reply";
    case ICMP_DUR:
        return "unreachable";
    case ICMP_ECHO:
        return "echo request";
    case ICMP_TE:
        return "time exceeded";
    default:
        return NULL;
    }
}

static const char *icmp6_name(unsigned type)
{
    switch (type) {
    case ICMP6_TYPE_DUR:
        return "unreachable";
    case ICMP6_TYPE_PTB:
        return "packet too big";
    case ICMP6_TYPE_TE:
        return "time exceeded";
    case ICMP6_TYPE_EREQ:
        return "echo request";
    case ICMP6_TYPE_EREP:
        return "echo reply";
    case ICMP6_TYPE_RS:
        return "router solicitation";
    case ICMP6_TYPE_RA:
        return "router advertisement";
    case ICMP6_TYPE_NS:
        return "neighbour solicitation";
    case ICMP6_TYPE_NA:
        return "neighbour advertisement";
    default:
        return NULL;
    }
}

static void print_icmp(struct cursor c, const struct ends *e, char text[TRACE_TEXT_MAX])
{
    const uint8_t *type = take(&c, 1);
    const char *name = NULL, *protocol = e->v6 ? "ICMPv6" : "ICMP";

    if (type == NULL) {
        fmt_snprintf(text, TRACE_TEXT_MAX, "%s %s > %s, cut short", protocol, e->src, e->dst);
        return;
    }
    name = e->v6 ? icmp6_name(*type) : icmp_name(*type);
    if (name != NULL)
        fmt_snprintf(text, TRACE_TEXT_MAX, "%s %s > %s %s", protocol, e->src, e->dst, name);
    else
        fmt_snprintf(text, TRACE_TEXT_MAX, "%s %s > %s type %u", protocol, e->src, e->dst, *type);
}

static void print_ip(struct cursor c, const struct ends *e, unsigned protocol,
                     char text[TRACE_TEXT_MAX])
{
    if (protocol == IP_PROTO_TCP || protocol == IP_PROTO_UDP)
        print_ports(c, e, protocol == IP_PROTO_TCP, text);
    else if (protocol == (e->v6 ? IP6_NEXTH_ICMP6 : IP_PROTO_ICMP))
        print_icmp(c, e, text);
    else
        fmt_snprintf(text, TRACE_TEXT_MAX, "%s %s > %s protocol %u", e->v6 ? "IPv6" : "IPv4",
                     e->src, e->dst, protocol);
}

static void print_ip4(struct cursor c, char text[TRACE_TEXT_MAX])
{
    const uint8_t *ip = take(&c, 20);
    struct ends e = { .v6 = false };
    unsigned header, fragment;

    if (ip == NULL || ip[0] >> 4 != 4) {
        fmt_snprintf(text, TRACE_TEXT_MAX, "IPv4 without its header");
        return;
    }
    header = (ip[0] & 15) * 4u;
    fragment = (be16(ip + 6) & 0x1fff) * 8;
    format4(ip + 12, e.src);
    format4(ip + 16, e.dst);
    if (header < 20 || (header > 20 && take(&c, header - 20) == NULL))
        fmt_snprintf(text, TRACE_TEXT_MAX, "IPv4 %s > %s with a bad header", e.src, e.dst);
    else if (fragment != 0)
        fmt_snprintf(text, TRACE_TEXT_MAX, "IPv4 %s > %s protocol %u, fragment at %u", e.src, e.dst,
                     ip[9], fragment);
    else
        print_ip(c, &e, ip[9], text);
}

static void print_ip6(struct cursor c, char text[TRACE_TEXT_MAX])
{
    const uint8_t *ip = take(&c, 40);
    struct ends e = { .v6 = true };

    if (ip == NULL || ip[0] >> 4 != 6) {
        fmt_snprintf(text, TRACE_TEXT_MAX, "IPv6 without its header");
        return;
    }
    format6(ip + 8, e.src);
    format6(ip + 24, e.dst);
    print_ip(c, &e, ip[6], text); /* an extension header is shown by its number */
}

static void print_arp(struct cursor c, char text[TRACE_TEXT_MAX])
{
    const uint8_t *arp = take(&c, 28);
    char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];

    /* for IPv4 on Ethernet */
    if (arp == NULL || be16(arp) != 1 || be16(arp + 2) != ETHTYPE_IP || arp[4] != 6 ||
        arp[5] != 4) {
        fmt_snprintf(text, TRACE_TEXT_MAX, "ARP of another kind");
        return;
    }
    format4(arp + 14, src);
    format4(arp + 24, dst);
    if (be16(arp + 6) == 1 || be16(arp + 6) == 2)
        fmt_snprintf(text, TRACE_TEXT_MAX, "ARP %s %s > %s",
                     be16(arp + 6) == 1 ? "request" : "reply", src, dst);
    else
        fmt_snprintf(text, TRACE_TEXT_MAX, "ARP operation %u %s > %s", be16(arp + 6), src, dst);
}

const char *trace_packet_text(const uint8_t *head, size_t bytes, char text[TRACE_TEXT_MAX])
{
    struct cursor c = { head, bytes };
    const uint8_t *eth = take(&c, SIZEOF_ETH_HDR);

    if (eth == NULL) {
        fmt_snprintf(text, TRACE_TEXT_MAX, "too short for Ethernet");
        return text;
    }
    switch (be16(eth + 12)) {
    case ETHTYPE_IP:
        print_ip4(c, text);
        break;
    case ETHTYPE_IPV6:
        print_ip6(c, text);
        break;
    case ETHTYPE_ARP:
        print_arp(c, text);
        break;
    default:
        fmt_snprintf(text, TRACE_TEXT_MAX, "Ethernet type 0x%04x", be16(eth + 12));
    }
    return text;
}
