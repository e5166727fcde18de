/*
 * ICMP errors. lwIP sends one for each packet that deserves one: the linker leads its calls here
 * (--wrap, see the Makefile), so that they are limited before anything is built or allocated. And
 * it believes whatever a received Packet Too Big says: here it is looked at first. Bottom half.
 */
#include "icmp_limit.h"
#include "stack_priv.h"
#include <kernel/time.h>
#include <lwip/icmp.h>
#include <lwip/icmp6.h>
#include <lwip/nd6.h>
#include <lwip/prot/icmp6.h>
#include <lwip/prot/ip6.h>
#include <string.h>

static struct icmp_limit limit;

static bool allow(void)
{
    if (icmp_limit_allow(&limit, time_ns))
        return true;
    stack.stats.icmp_limited++;
    return false;
}

#define LIMIT_ICMP_ERROR(name, type)                                                               \
    void __real_##name(struct pbuf *p, enum type t);                                               \
    void __wrap_##name(struct pbuf *p, enum type t);                                               \
    void __wrap_##name(struct pbuf *p, enum type t)                                                \
    {                                                                                              \
        if (allow())                                                                               \
            __real_##name(p, t);                                                                   \
    }

LIMIT_ICMP_ERROR(icmp_dest_unreach, icmp_dur_type)
LIMIT_ICMP_ERROR(icmp_time_exceeded, icmp_te_type)
LIMIT_ICMP_ERROR(icmp6_dest_unreach, icmp6_dur_code)

void __real_icmp6_param_problem(struct pbuf *p, enum icmp6_pp_code c, const void *pointer);
void __wrap_icmp6_param_problem(struct pbuf *p, enum icmp6_pp_code c, const void *pointer);
void __wrap_icmp6_param_problem(struct pbuf *p, enum icmp6_pp_code c, const void *pointer)
{
    if (allow())
        __real_icmp6_param_problem(p, c, pointer);
}

/* ---- Received ---- */

void __real_nd6_input(struct pbuf *p, struct netif *inp);
void __wrap_nd6_input(struct pbuf *p, struct netif *inp);

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

void __wrap_nd6_input(struct pbuf *p, struct netif *inp)
{
    if (*(const u8_t *)p->payload == ICMP6_TYPE_PTB && !too_big_is_plausible(p, inp)) {
        stack.stats.icmp6_mtu_ignored++;
        pbuf_free(p);
        return;
    }
    __real_nd6_input(p, inp);
}
