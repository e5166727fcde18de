/*
 * Received frames on their way up, without a copy: lwIP's pbuf lies in the packet buffer itself,
 * so that nothing is allocated for a frame and freeing the pbuf frees the buffer. (The lecture:
 * the bottom half "allocates socket buffer (sk_buff) structure for each packet"; here the NIC's
 * buffer is the socket buffer.) Bottom half.
 */
#include "stack_priv.h"
#include "tcp_banks.h"
#include "tcp_rx.h"
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <lwip/etharp.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ieee.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <netif/ethernet.h>
#include <string.h>

/*
 * Where the pbuf stands in a packet buffer: at the end of the owner's area. lwIP moves a pbuf's
 * payload pointer backwards to prepend headers, as far as the end of struct pbuf: for a PBUF_RAM
 * it takes what follows the struct for headroom. Here that is the free function's pointer and
 * then the real headroom, 256 bytes before the frame; lwIP never prepends more than it took off
 * (an ICMP echo is answered in its own buffer) and a link header.
 */
#define RX_CUSTOM_OFFSET                                                                           \
    ALIGN_DOWN(offsetof(struct pktbuf, priv) + PKTBUF_PRIV - sizeof(struct pbuf_custom),           \
               (size_t)MEM_ALIGNMENT)
_Static_assert(RX_CUSTOM_OFFSET >= offsetof(struct pktbuf, priv), "it fits the owner's area");
_Static_assert(offsetof(struct pbuf_custom, pbuf) == 0, "rx_free() is given the pbuf");
_Static_assert(PKTBUF_HEADROOM >= PBUF_LINK_HLEN + PBUF_IP_HLEN + PBUF_TRANSPORT_HLEN,
               "headers may be prepended");

#define ETHTYPE_SERVICE_VLAN 0x88a8 /* IEEE 802.1ad */

/*
 * Zeros behind each frame, in the buffer's tail. Where headers are chained, lwIP reads the first
 * bytes of the next one (8 of an IPv6 extension header, 2 of an option) before it looks whether the
 * packet has them, and then drops it. Without this it would look at what an earlier frame left
 * there.
 */
_Static_assert(PKTBUF_TAIL >= 8, "as far as lwIP reads");

static struct pbuf_custom *rx_custom(struct pktbuf *buf)
{
    return (struct pbuf_custom *)(void *)((uint8_t *)buf + RX_CUSTOM_OFFSET);
}

/* lwIP (or the app, or the device, after an answer in place) is done with a received frame. */
static void rx_free(struct pbuf *p)
{
    stack.stats.rx_held--;
    pktbuf_free((struct pktbuf *)(void *)((uint8_t *)p - RX_CUSTOM_OFFSET));
}

/*
 * The least that a frame of this type must be for lwIP, or 0 when the type is none of ours (and
 * counted). lwIP reads the fixed part of these headers before it looks whether it is there (ARP
 * always, IP's version and length): it would read what an earlier frame left in the buffer.
 */
static size_t rx_least(uint16_t type_be)
{
    switch (type_be) {
    case PP_HTONS(ETHTYPE_IP):
        return SIZEOF_ETH_HDR + IP_HLEN;
    case PP_HTONS(ETHTYPE_IPV6):
        return SIZEOF_ETH_HDR + IP6_HLEN;
    case PP_HTONS(ETHTYPE_ARP):
        return SIZEOF_ETH_HDR + SIZEOF_ETHARP_HDR;
    case PP_HTONS(ETHTYPE_VLAN):
    case PP_HTONS(ETHTYPE_QINQ):
    case PP_HTONS(ETHTYPE_SERVICE_VLAN):
        stack.stats.rx_vlan++;
        return 0;
    default: /* also IEEE 802.3 lengths: no LLC here */
        stack.stats.rx_ethertype++;
        return 0;
    }
}

/* Whether lwIP should see the frame; counts the reason when not. */
static bool rx_wanted(const struct pktbuf *buf)
{
    const struct eth_hdr *eth = (const void *)buf->frame;
    size_t least = SIZEOF_ETH_HDR;

    if (likely(buf->frame_len >= SIZEOF_ETH_HDR)) {
        /* The device may be promiscuous: virtio-net without CTRL_RX delivers everything. */
        if (!(eth->dest.addr[0] & 1) &&
            memcmp(&eth->dest, stack.netif.hwaddr, sizeof(eth->dest)) != 0) {
            stack.stats.rx_other_host++;
            return false;
        }
        least = rx_least(eth->type);
        if (least == 0)
            return false;
    }
    if (unlikely(buf->frame_len < least)) {
        stack.stats.rx_truncated++;
        return false;
    }
    return true;
}

static void rx_drop(struct pktbuf *buf)
{
    while (buf != NULL) {
        struct pktbuf *next = buf->next;

        pktbuf_free(buf);
        buf = next;
    }
}

static struct pbuf *rx_pbuf(struct pktbuf *buf)
{
    struct pbuf_custom *custom = rx_custom(buf);

    memset(buf->frame + buf->frame_len, 0, PKTBUF_TAIL);
    custom->custom_free_function = rx_free;
    stack.stats.rx_held++;
    return pbuf_alloced_custom(PBUF_RAW, (u16_t)buf->frame_len, PBUF_RAM, custom, buf->frame,
                               (u16_t)buf->frame_len);
}

struct pbuf *stack_rx_payload(struct pktbuf *buf, unsigned at, u16_t len)
{
    struct pbuf_custom *custom = rx_custom(buf);

    custom->pbuf = (struct pbuf){ .payload = buf->frame + at,
                                  .tot_len = len,
                                  .len = len,
                                  .type_internal = PBUF_REF, /* no header may be put before it */
                                  .flags = PBUF_FLAG_IS_CUSTOM,
                                  .ref = 1 };
    memset(buf->frame + buf->frame_len, 0, PKTBUF_TAIL);
    custom->custom_free_function = rx_free;
    stack.stats.rx_held++;
    return &custom->pbuf;
}

struct pbuf *stack_rx_reply(struct pktbuf *buf, unsigned at, u16_t len)
{
    struct pbuf *p = stack_rx_payload(buf, at, len);

    p->type_internal = (u8_t)PBUF_RAM;
    return p;
}

/* A frame in several buffers: a chain of pbufs. (nic_rx_burst() bounds it to 64 KiB.) */
static void rx_chain(struct pbuf *head, struct pktbuf *rest)
{
    struct pbuf *last = head;
    u32_t total = head->len;

    for (; rest != NULL; rest = rest->next) {
        last->next = rx_pbuf(rest);
        last = last->next;
        total += last->len;
    }
    ASSERT(total <= UINT16_MAX);
    for (struct pbuf *p = head; p != NULL; p = p->next) {
        p->tot_len = (u16_t)total;
        total -= p->len;
    }
}

/*
 * Whoever holds received frames holds the NIC's buffers, and an app may hold them for as long as it
 * likes. So that none can have the ring run dry, frames are copied while more than half of the pool
 * is held (what stack_rx_reclaim() has left is the app's): the heap is then what it can fill.
 */
static struct pbuf *rx_copy(const struct pktbuf *buf)
{
    size_t bytes = 0, at = 0;
    struct pbuf *p;

    for (const struct pktbuf *b = buf; b != NULL; b = b->next)
        bytes += b->frame_len;
    if (bytes > UINT16_MAX - PKTBUF_TAIL)
        return NULL;
    p = pbuf_alloc(PBUF_RAW, (u16_t)(bytes + PKTBUF_TAIL), PBUF_RAM);
    if (p == NULL)
        return NULL;
    for (const struct pktbuf *b = buf; b != NULL; b = b->next) {
        memcpy((uint8_t *)p->payload + at, b->frame, b->frame_len);
        at += b->frame_len;
    }
    memset((uint8_t *)p->payload + at, 0, PKTBUF_TAIL);
    p->len = p->tot_len = (u16_t)bytes;
    return p;
}

/* The frame as lwIP takes it, in its own buffers; the buffers are taken in any case. */
static struct pbuf *rx_take(struct pktbuf *buf)
{
    struct pbuf *p;

    if (unlikely(stack_rx_short())) {
        p = rx_copy(buf);
        rx_drop(buf);
        if (p == NULL)
            stack.stats.rx_no_memory++;
        else
            stack.stats.rx_copied++;
        return p;
    }
    p = rx_pbuf(buf);
    if (unlikely(buf->next != NULL))
        rx_chain(p, buf->next);
    return p;
}

/* lwIP asks the interface whether to check: here that is a matter of each frame. */
void stack_rx_checksum(const struct pktbuf *buf)
{
    stack.netif.chksum_flags =
        buf->checked ? stack.checksum_flags & ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP)
                     : stack.checksum_flags;
}

static __attribute__((noinline)) void input_any(struct pktbuf *buf)
{
    struct pbuf *p;

    if (!rx_wanted(buf)) {
        rx_drop(buf);
        return;
    }
    stack_rx_checksum(buf);
    p = rx_take(buf);
    if (unlikely(p == NULL))
        return;
    stack.stats.rx_frames++;
    ethernet_input(p, &stack.netif); /* takes p in any case */
}

void stack_input(struct pktbuf *buf)
{
    if (unlikely(stack_rx_short()) || !tcp_rx(buf))
        input_any(buf);
}

/* How many of the NIC's buffers are in the chain; what was copied holds none. */
static unsigned count_held(const struct pbuf *p)
{
    unsigned held = 0;

    for (; p != NULL; p = p->next)
        held += (p->flags & PBUF_FLAG_IS_CUSTOM) != 0;
    return held;
}

/* The connection with the most buffers in data that its app has refused so far, or NULL. */
static struct tcp_pcb *largest_refuser(void)
{
    struct tcp_pcb *largest = NULL;
    unsigned most = 0;

    for (struct tcp_pcb *pcb = tcp_banks_next(NULL); pcb != NULL; pcb = tcp_banks_next(pcb)) {
        unsigned held = count_held(pcb->refused_data);

        if (held > most) {
            most = held;
            largest = pcb;
        }
    }
    return largest;
}

/*
 * Received data stays in its receive buffers while it is out of order, or while the app refuses
 * it. Peers must not take the whole pool that way, or nothing could be received any more. First
 * out-of-order data is dropped, one connection's queue at a time: it has to be sent again. Where
 * that is not enough, connections whose app does not get on are reset, the largest first. At the
 * end of a round, never inside a callback of lwIP's: connections go away here.
 */
void stack_rx_reclaim(void)
{
    while (stack_rx_short()) {
        uint64_t before = stack.stats.rx_held;

        pbuf_free_ooseq();
        if (stack.stats.rx_held == before) {
            struct tcp_pcb *pcb = largest_refuser();

            if (pcb == NULL)
                return; /* the rest is the app's own, which bounds it */
            tcp_abort(pcb);
            stack.stats.rx_aborts++;
        } else {
            stack.stats.rx_reclaims++;
        }
    }
}
