/*
 * What lwIP 2.2.1 must not be given, of anything but TCP (net/tcp_guard.h has that): the linker
 * leads calls between its files here (--wrap, see the Makefile), and what it would read beyond its
 * end, or take for something that it is not, is mended, or dropped and counted. docs/hardening.md
 * says what each of these comes to in lwIP, and what became of it there. Bottom half.
 */
#include "stack_priv.h"
#include <kernel/lib.h>
#include <lwip/icmp6.h>
#include <lwip/ip4_frag.h>
#include <lwip/ip6_frag.h>
#include <lwip/nd6.h>
#include <lwip/prot/icmp6.h>
#include <lwip/prot/iana.h>
#include <lwip/prot/ip6.h>
#include <lwip/prot/nd6.h>
#include <lwip/prot/udp.h>
#include <lwip/udp.h>
#include <string.h>

/* ---- Fragments ---- */

/*
 * ip6_reass() counts the buffers of a fragment after it has made a record for its packet, and when
 * they are too many it leaves the record, without a fragment: its timer follows a NULL pointer. One
 * buffer a fragment never is too many. No card merges fragments: only a device that means harm.
 */
static bool fragment_is_whole(struct pbuf *p)
{
    if (likely(p->next == NULL))
        return true;
    stack.stats.rx_split_fragments++;
    pbuf_free(p);
    return false;
}

struct pbuf *__real_ip4_reass(struct pbuf *p);
struct pbuf *__wrap_ip4_reass(struct pbuf *p);

struct pbuf *__wrap_ip4_reass(struct pbuf *p)
{
    return fragment_is_whole(p) ? __real_ip4_reass(p) : NULL;
}

struct pbuf *__real_ip6_reass(struct pbuf *p);
struct pbuf *__wrap_ip6_reass(struct pbuf *p);

struct pbuf *__wrap_ip6_reass(struct pbuf *p)
{
    return fragment_is_whole(p) ? __real_ip6_reass(p) : NULL;
}

/* ---- DHCP ---- */

void __real_udp_input(struct pbuf *p, struct netif *inp);
void __wrap_udp_input(struct pbuf *p, struct netif *inp);

/* An option that is as long as the whole next buffer leads dhcp_parse_reply() beyond that one's
 * end. A server's message fits one frame. */
void __wrap_udp_input(struct pbuf *p, struct netif *inp)
{
    const struct udp_hdr *udp = p->payload;

    if (unlikely(p->next != NULL) && p->len >= UDP_HLEN &&
        udp->dest == PP_HTONS(LWIP_IANA_PORT_DHCP_CLIENT)) {
        stack.stats.rx_split_dhcp++;
        pbuf_free(p);
        return;
    }
    __real_udp_input(p, inp);
}

/* ---- Neighbour discovery ---- */

void __real_nd6_input(struct pbuf *p, struct netif *inp);
void __wrap_nd6_input(struct pbuf *p, struct netif *inp);

#define LLADDR_OPTION 8u /* bytes, on Ethernet (RFC 2464 §6) */

/*
 * RFC 4861 §4.6: options are of 8-byte units, at least one, and within the message. RFC 6980 §5:
 * the message is no fragment. And lwIP takes the first option for the link-layer address, whatever
 * it is (where `address` is not 0: that option's type): the right one is put there, or, when there
 * is none, no option is left.
 */
static bool take_options(struct pbuf *p, u16_t at, u8_t address)
{
    u8_t *first = (u8_t *)p->payload + at, *found = NULL, *option = first;
    size_t left = p->len >= at ? p->len - at : 0;

    if (p->next != NULL)
        return false;
    while (left > 0) {
        size_t bytes = left >= 2 ? option[1] * 8u : 0;

        if (bytes == 0 || bytes > left)
            return false;
        if (found == NULL && option[0] == address)
            found = option;
        option += bytes;
        left -= bytes;
    }
    if (found != NULL && found != first)
        memcpy(first, found, LLADDR_OPTION);
    if (found == NULL && address != 0 && p->len > at)
        pbuf_realloc(p, at);
    return true;
}

/*
 * RFC 8201 §4: a path's MTU is never below IPv6's least, and never grows by such a message. lwIP
 * would take any number for it: with less than 56 its fragments would have no payload at all, and
 * it would make them without end.
 */
static bool too_big_is_plausible(const struct pbuf *p, struct netif *inp)
{
    struct icmp6_hdr icmp;
    struct ip6_hdr quoted;
    ip6_addr_t dest;
    u32_t mtu;

    if (p->len < sizeof(icmp) + sizeof(quoted))
        return true; /* lwIP counts it, and drops it */
    memcpy(&icmp, p->payload, sizeof(icmp));
    memcpy(&quoted, (const u8_t *)p->payload + sizeof(icmp), sizeof(quoted));
    ip6_addr_copy_from_packed(dest, quoted.dest);
    ip6_addr_assign_zone(&dest, IP6_UNKNOWN, inp);
    mtu = lwip_ntohl(icmp.data);
    return mtu >= IP6_MIN_MTU_LENGTH && mtu < nd6_get_destination_mtu(&dest, inp);
}

/* The counter of what speaks against the message, or NULL. */
static uint64_t *judge_nd6(struct pbuf *p, struct netif *inp)
{
    uint64_t *bad = &stack.stats.nd6_bad_options;

    switch (*(const u8_t *)p->payload) {
    case ICMP6_TYPE_NS:
        return take_options(p, sizeof(struct ns_header), ND6_OPTION_TYPE_SOURCE_LLADDR) ? NULL
                                                                                        : bad;
    case ICMP6_TYPE_NA:
        return take_options(p, sizeof(struct na_header), ND6_OPTION_TYPE_TARGET_LLADDR) ? NULL
                                                                                        : bad;
    case ICMP6_TYPE_RA:
        return take_options(p, sizeof(struct ra_header), 0) ? NULL : bad;
    case ICMP6_TYPE_RD: /* lwIP does not ask whether it comes from the router (RFC 4861 §8.1) */
        return &stack.stats.nd6_redirects;
    case ICMP6_TYPE_PTB:
        return too_big_is_plausible(p, inp) ? NULL : &stack.stats.icmp6_mtu_ignored;
    default:
        return NULL;
    }
}

void __wrap_nd6_input(struct pbuf *p, struct netif *inp)
{
    uint64_t *counter = judge_nd6(p, inp);

    if (counter == NULL) {
        __real_nd6_input(p, inp);
        return;
    }
    (*counter)++;
    pbuf_free(p);
}
