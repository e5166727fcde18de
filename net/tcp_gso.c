/* Super-segments: how large, when they are cut, and what is asked of the device. See tcp_gso.h. */
#include "stack_priv.h"
#include "tcp_gso.h"
#include "tcp_cut.h"
#include "tcp_template.h"
#include <kernel/context.h>
#include <kernel/lib.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip4_frag.h>
#include <lwip/ip6_frag.h>
#include <lwip/nd6.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <lwip/prot/tcp.h>
#include <net/tcp_send.h>

/* IP's total length and lwIP's u16_t hold a super-segment with all headers and TCP options. */
#define GSO_PAYLOAD_MAX (65535u - SIZEOF_ETH_HDR - NIC_TX_HEADROOM - IP6_HLEN - 60u)

/* Any smaller MSS is a peer's mistake or attack; its segments are sent one by one. It is also what
 * a frame is cut to whose connection is not known any more (it waited for an ARP reply). */
#define GSO_MSS_MIN 536u

static struct {
    unsigned can; /* NIC_TX_... */
    u16_t mss;    /* of the connection that is sending now; 0: none */
} gso;

static bool gso_possible(const struct tcp_pcb *pcb)
{
    return (gso.can & (IP_IS_V6_VAL(pcb->remote_ip) ? NIC_TX_TSO6 : NIC_TX_TSO4)) &&
           pcb->mss >= GSO_MSS_MIN;
}

/* The payload of a segment: a multiple of the MSS, at most half the largest window that the peer
 * has had (lwIP's own rule, against peers with small windows), and it only ever grows. */
static u16_t gso_payload(const struct tcp_pcb *pcb)
{
    u32_t most = LWIP_MIN(GSO_PAYLOAD_MAX, pcb->snd_wnd_max / 2);

    return (u16_t)(most >= pcb->mss ? most - most % pcb->mss : pcb->mss);
}

u16_t tcp_gso_payload_max(const struct tcp_pcb *pcb)
{
    u16_t most = gso_possible(pcb) ? gso_payload(pcb) : pcb->mss;
    tcpwnd_size_t half = pcb->snd_wnd_max / 2;

    return half != 0 && half < most ? (u16_t)half : most; /* as tcp_write() has it, which asserts */
}

err_t __real_tcp_write(struct tcp_pcb *pcb, const void *data, u16_t len, u8_t flags);
err_t __wrap_tcp_write(struct tcp_pcb *pcb, const void *data, u16_t len, u8_t flags);

err_t __wrap_tcp_write(struct tcp_pcb *pcb, const void *data, u16_t len, u8_t flags)
{
    u16_t mss = pcb->mss;
    err_t err;

    if (len > tcp_send_room(pcb))
        return ERR_MEM;
    if (!gso_possible(pcb))
        return __real_tcp_write(pcb, data, len, flags);
    pcb->mss = gso_payload(pcb);
    err = __real_tcp_write(pcb, data, len, flags);
    pcb->mss = mss;
    return err;
}

/* ---- Windows ---- */

static u32_t seg_start(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    return lwip_ntohl(seg->tcphdr->seqno) - pcb->lastack; /* "negative" where partly acknowledged */
}

/* A chain must fit a descriptor chain: cut behind so many pieces. */
static void cut_to_pieces(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    u32_t bytes = 0;
    unsigned pieces = 0;
    const struct pbuf *p = seg->p;

    for (; p != NULL && pieces < NIC_TX_SEGS_MAX; p = p->next, pieces++)
        bytes += p->len;
    if (p != NULL)
        tcp_cut(pcb, seg, (u16_t)(bytes - (seg->p->tot_len - seg->len)));
}

/* Cut what straddles the end of the window, so that lwIP, which sends whole segments only, sends
 * the part within. */
static void fit_window(struct tcp_pcb *pcb)
{
    u32_t wnd = LWIP_MIN(pcb->snd_wnd, pcb->cwnd);

    for (struct tcp_seg *seg = pcb->unsent; seg != NULL; seg = seg->next) {
        s32_t room = (s32_t)(wnd - seg_start(pcb, seg));

        if (seg->len > pcb->mss) {
            if (room >= pcb->mss && room < seg->len)
                tcp_cut(pcb, seg, (u16_t)(room - room % pcb->mss));
            cut_to_pieces(pcb, seg);
        }
        if (room < seg->len)
            return;
    }
}

/* ---- The acknowledged part of a super-segment ---- */

/*
 * Where an acknowledgement ends within the oldest segment, a retransmission cuts that segment
 * there. The first part stays at the head of pcb->unacked until the next acknowledgement: only then
 * does lwIP count it as sent, and tell the app. Meanwhile it must not be sent again, nor be taken
 * for something in flight: around lwIP's calls it is taken off.
 */
static struct tcp_seg *detach_acknowledged(struct tcp_pcb *pcb)
{
    struct tcp_seg *first = pcb->unacked, *last = NULL;

    for (struct tcp_seg *seg = first; seg != NULL; seg = seg->next) {
        if ((s32_t)(seg_start(pcb, seg) + TCP_TCPLEN(seg)) > 0)
            break;
        last = seg;
    }
    if (likely(last == NULL))
        return NULL;
    pcb->unacked = last->next;
    last->next = NULL;
    return first;
}

static void attach_acknowledged(struct tcp_pcb *pcb, struct tcp_seg *first)
{
    struct tcp_seg *last = first;

    if (likely(first == NULL))
        return;
    while (last->next != NULL)
        last = last->next;
    last->next = pcb->unacked;
    pcb->unacked = first;
}

/* Cut the oldest segment where the acknowledgement ends, if it ends within. */
static struct tcp_seg *cut_acknowledged(struct tcp_pcb *pcb)
{
    struct tcp_seg *seg = pcb->unacked;
    u32_t acked;

    while (seg != NULL && (s32_t)(seg_start(pcb, seg) + TCP_TCPLEN(seg)) <= 0)
        seg = seg->next;
    if (seg != NULL) {
        acked = 0 - seg_start(pcb, seg);
        if ((s32_t)acked > 0 && acked < seg->len)
            tcp_cut(pcb, seg, (u16_t)acked);
    }
    return detach_acknowledged(pcb);
}

/* ---- Sending ---- */

err_t __real_tcp_output(struct tcp_pcb *pcb);
err_t __wrap_tcp_output(struct tcp_pcb *pcb);

static __attribute__((noinline)) err_t output(struct tcp_pcb *pcb)
{
    struct tcp_seg *acknowledged = detach_acknowledged(pcb);
    u16_t outer = gso.mss;
    err_t err;

    if (gso_possible(pcb))
        fit_window(pcb);
    gso.mss = pcb->mss;
    err = __real_tcp_output(pcb);
    gso.mss = outer;
    attach_acknowledged(pcb, acknowledged);
    return err;
}

err_t __wrap_tcp_output(struct tcp_pcb *pcb)
{
    if (tcp_input_pcb == pcb)
        return ERR_OK; /* the segment that is being handled ends with another call */
    if (pcb->unsent != NULL)
        return likely(tcp_template_output(pcb)) ? ERR_OK : output(pcb);
    if (pcb->flags & TF_ACK_NOW) /* an acknowledgement alone */
        return tcp_template_ack(pcb) ? ERR_OK : __real_tcp_output(pcb);
    tcp_clear_flags(pcb, TF_NAGLEMEMERR);
    return ERR_OK;
}

err_t __real_tcp_rexmit_rto_prepare(struct tcp_pcb *pcb);
err_t __wrap_tcp_rexmit_rto_prepare(struct tcp_pcb *pcb);

err_t __wrap_tcp_rexmit_rto_prepare(struct tcp_pcb *pcb)
{
    struct tcp_seg *acknowledged = cut_acknowledged(pcb);
    err_t err = __real_tcp_rexmit_rto_prepare(pcb);

    /* lwIP's timer asks for nothing in flight, but something to send: what the first part hides. */
    if (acknowledged != NULL && pcb->unacked == NULL && pcb->unsent != NULL)
        err = ERR_OK;
    attach_acknowledged(pcb, acknowledged);
    return err;
}

void __real_tcp_rexmit_rto_commit(struct tcp_pcb *pcb);
void __wrap_tcp_rexmit_rto_commit(struct tcp_pcb *pcb);

void __wrap_tcp_rexmit_rto_commit(struct tcp_pcb *pcb)
{
    struct tcp_seg *acknowledged = detach_acknowledged(pcb);
    u16_t outer = gso.mss;

    fit_window(pcb);
    gso.mss = pcb->mss;
    __real_tcp_rexmit_rto_commit(pcb);
    gso.mss = outer;
    attach_acknowledged(pcb, acknowledged);
}

void __real_tcp_rexmit_fast(struct tcp_pcb *pcb);
void __wrap_tcp_rexmit_fast(struct tcp_pcb *pcb);

void __wrap_tcp_rexmit_fast(struct tcp_pcb *pcb)
{
    struct tcp_seg *acknowledged;

    if (pcb->unacked == NULL || (pcb->flags & TF_INFR)) {
        __real_tcp_rexmit_fast(pcb); /* does nothing */
        return;
    }
    acknowledged = cut_acknowledged(pcb);
    if (pcb->unacked != NULL && pcb->unacked->len > pcb->mss)
        tcp_cut(pcb, pcb->unacked, pcb->mss);
    __real_tcp_rexmit_fast(pcb);
    attach_acknowledged(pcb, acknowledged);
}

err_t __wrap_tcp_split_unsent_seg(struct tcp_pcb *pcb, u16_t split);

err_t __wrap_tcp_split_unsent_seg(struct tcp_pcb *pcb, u16_t split)
{
    struct tcp_seg *seg = pcb->unsent;

    if (seg == NULL)
        return ERR_MEM;
    if (split == 0)
        return ERR_VAL;
    if (seg->len <= split)
        return ERR_OK;
    return tcp_cut(pcb, seg, split) ? ERR_OK : ERR_MEM;
}

/* ---- The frame ---- */

err_t __real_ip4_frag(struct pbuf *p, struct netif *netif, const ip4_addr_t *dest);
err_t __wrap_ip4_frag(struct pbuf *p, struct netif *netif, const ip4_addr_t *dest);

/* lwIP makes no other TCP segment than a super-segment larger than the MTU. */
err_t __wrap_ip4_frag(struct pbuf *p, struct netif *netif, const ip4_addr_t *dest)
{
    const struct ip_hdr *ip = p->payload;

    if (IPH_PROTO(ip) == IP_PROTO_TCP && (gso.can & NIC_TX_TSO4))
        return netif->output(netif, p, dest);
    return __real_ip4_frag(p, netif, dest);
}

err_t __real_ip6_frag(struct pbuf *p, struct netif *netif, const ip6_addr_t *dest);
err_t __wrap_ip6_frag(struct pbuf *p, struct netif *netif, const ip6_addr_t *dest);

/* What the device would have done for it as a whole. */
static void make_checksum(struct pbuf *p)
{
    const struct ip6_hdr *ip6 = p->payload;
    struct tcp_hdr *tcp = (void *)((u8_t *)p->payload + IP6_HLEN);
    ip6_addr_t src, dest;

    ip6_addr_copy_from_packed(src, ip6->src);
    ip6_addr_copy_from_packed(dest, ip6->dest);
    pbuf_remove_header(p, IP6_HLEN);
    tcp->chksum = 0;
    tcp->chksum = ip6_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len, &src, &dest);
    pbuf_add_header(p, IP6_HLEN);
}

/* Beyond the path's MTU, which may have become smaller (RFC 8201) since the segment was queued: the
 * device cuts to what fits now. Where it does not cut, lwIP makes fragments, but of a copy: it
 * takes the chain apart that it is given, and TCP may have to send it again. */
err_t __wrap_ip6_frag(struct pbuf *p, struct netif *netif, const ip6_addr_t *dest)
{
    const struct ip6_hdr *ip6 = p->payload;
    struct pbuf *copy;
    err_t err;

    if (IP6H_NEXTH(ip6) != IP6_NEXTH_TCP)
        return __real_ip6_frag(p, netif, dest);
    if (gso.can & NIC_TX_TSO6) {
        gso.mss = LWIP_MIN(gso.mss, nd6_get_destination_mtu(dest, netif) - IP6_HLEN - TCP_HLEN);
        return netif->output_ip6(netif, p, dest);
    }
    copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
    if (copy == NULL)
        return ERR_MEM;
    stack.stats.tx_copied++;
    if (gso.can & NIC_TX_CSUM)
        make_checksum(copy);
    err = __real_ip6_frag(copy, netif, dest);
    pbuf_free(copy);
    return err;
}

/* The sum of whole 16-bit words, as they stand in memory: order does not matter (RFC 1071). */
static uint32_t sum_words(const void *data, unsigned count)
{
    const uint8_t *bytes = data;
    uint32_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        uint16_t word;

        __builtin_memcpy(&word, bytes + 2 * (size_t)i, sizeof(word));
        sum += word;
    }
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Offset of TCP's header in the frame, or 0: no TCP. *addresses, *words: the pseudo header's. */
static u16_t find_tcp(const struct pbuf *p, const void **addresses, unsigned *words, bool *ipv6)
{
    const uint8_t *frame = p->payload;
    const struct eth_hdr *eth = p->payload;
    const struct ip_hdr *ip = (const void *)(frame + SIZEOF_ETH_HDR);
    const struct ip6_hdr *ip6 = (const void *)(frame + SIZEOF_ETH_HDR);
    u16_t at = 0;

    if (eth->type == PP_HTONS(ETHTYPE_IP) && p->len >= SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN) {
        if (IPH_PROTO(ip) == IP_PROTO_TCP)
            at = SIZEOF_ETH_HDR + IPH_HL_BYTES(ip);
        *addresses = &ip->src;
        *words = 4;
        *ipv6 = false;
    } else if (eth->type == PP_HTONS(ETHTYPE_IPV6) &&
               p->len >= SIZEOF_ETH_HDR + IP6_HLEN + TCP_HLEN) {
        if (IP6H_NEXTH(ip6) == IP6_NEXTH_TCP)
            at = SIZEOF_ETH_HDR + IP6_HLEN;
        *addresses = &ip6->src;
        *words = 16;
        *ipv6 = true;
    }
    return at != 0 && at + TCP_HLEN <= p->len ? at : 0;
}

void tcp_gso_offload(struct pbuf *p, struct nic_tx_offload *out)
{
    const void *addresses = NULL;
    unsigned words = 0;
    struct tcp_hdr *tcp;
    uint32_t sum;
    u16_t at, headers, mss;

    *out = (struct nic_tx_offload){ 0 };
    if (!(gso.can & NIC_TX_CSUM))
        return;
    at = find_tcp(p, &addresses, &words, &out->ipv6);
    if (at == 0)
        return;
    tcp = (struct tcp_hdr *)(void *)((uint8_t *)p->payload + at);
    sum = sum_words(addresses, words) + PP_HTONS(IP_PROTO_TCP) + lwip_htons(p->tot_len - at);
    tcp->chksum = fold(sum);
    out->csum_start = at;
    out->csum_offset = offsetof(struct tcp_hdr, chksum);
    /* More than the peer takes at once, even where the MTU is larger: its MSS may be small. */
    headers = at + TCPH_HDRLEN_BYTES(tcp);
    mss = gso.mss != 0 ? gso.mss : GSO_MSS_MIN;
    if (p->tot_len > headers + mss && (gso.can & (out->ipv6 ? NIC_TX_TSO6 : NIC_TX_TSO4))) {
        out->gso_size = mss;
        out->hdr_len = headers;
    }
}

void tcp_gso_init(const struct nic *nic)
{
    gso.can = nic_tx_can(nic);
}
