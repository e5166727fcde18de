/* Headers from a template: see tcp_template.h. */
#include "tcp_template.h"
#include "stack_priv.h"
#include <kernel/lib.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/tcp.h>
#include <lwip/stats.h>
#include <string.h>

#define IP_AT   SIZEOF_ETH_HDR
#define TCP_AT  (IP_AT + IP_HLEN)
#define DATA_AT (TCP_AT + TCP_HLEN)

/* Where frames to an address go. Direct mapped: who shares a slot takes lwIP's way more often. */
#define ROUTE_BITS 8
struct route {
    u32_t dest; /* as on the wire */
    u32_t tick; /* tcp_ticks; never 0, which no route is from */
    u8_t ethernet[SIZEOF_ETH_HDR];
};

static struct {
    unsigned can; /* NIC_TX_... */
    u16_t ip_id;  /* RFC 6864: unique where a router fragments, and none does on our link */
    struct route routes[1u << ROUTE_BITS];
} template;

static struct route *route_slot(u32_t dest)
{
    return &template.routes[dest * 0x9e3779b1u >> (32 - ROUTE_BITS)];
}

static u32_t now_tick(void)
{
    return tcp_ticks + 1;
}

void tcp_template_learn(const uint8_t *frame)
{
    const struct ip_hdr *ip = (const void *)(frame + IP_AT);
    struct route *route = route_slot(ip->dest.addr);

    route->dest = ip->dest.addr;
    route->tick = now_tick();
    memcpy(route->ethernet, frame, sizeof(route->ethernet));
}

/* ---- What is sent this way ---- */

static bool connection_is_plain(const struct tcp_pcb *pcb)
{
    return (template.can & NIC_TX_CSUM) && netif_is_link_up(&stack.netif) &&
           pcb->state >= ESTABLISHED && !IP_IS_V6(&pcb->remote_ip) &&
           (pcb->flags & (TF_RTO | TF_INFR | TF_NAGLEMEMERR)) == 0 &&
           ((pcb->flags & TF_NODELAY) || pcb->unacked == NULL); /* Nagle would not hold it back */
}

/* New, whole, in the window, and never tried before: its headers still are TCP's alone. */
static bool segment_is_plain(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    u32_t seqno = lwip_ntohl(seg->tcphdr->seqno);

    return seg->len > 0 && seg->flags == 0 && seqno == pcb->snd_nxt &&
           seqno - pcb->lastack + seg->len <= LWIP_MIN(pcb->snd_wnd, pcb->cwnd) &&
           seg->p->payload == seg->tcphdr && seg->p->ref == 1 &&
           (seg->len <= pcb->mss || (template.can & NIC_TX_TSO4));
}

/* ---- Headers ---- */

static u32_t fold(u32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

/* The sum of both addresses, as they stand in memory. */
static u32_t sum_addresses(const struct tcp_pcb *pcb)
{
    u32_t local = ip4_addr_get_u32(ip_2_ip4(&pcb->local_ip));
    u32_t remote = ip4_addr_get_u32(ip_2_ip4(&pcb->remote_ip));

    return (local & 0xffff) + (local >> 16) + (remote & 0xffff) + (remote >> 16);
}

static void write_ip(u8_t *at, const struct tcp_pcb *pcb, u16_t bytes, u32_t addresses)
{
    u16_t id = lwip_htons(template.ip_id++);
    struct ip_hdr *ip = (void *)at;

    IPH_VHL_SET(ip, 4, IP_HLEN / 4);
    IPH_TOS_SET(ip, pcb->tos);
    IPH_LEN_SET(ip, lwip_htons(bytes));
    IPH_ID_SET(ip, id);
    IPH_OFFSET_SET(ip, 0);
    IPH_TTL_SET(ip, pcb->ttl);
    IPH_PROTO_SET(ip, IP_PROTO_TCP);
    ip4_addr_copy(ip->src, *ip_2_ip4(&pcb->local_ip));
    ip4_addr_copy(ip->dest, *ip_2_ip4(&pcb->remote_ip));
    IPH_CHKSUM_SET(ip, (u16_t)~fold(addresses + (0x45u | (u32_t)pcb->tos << 8) + lwip_htons(bytes) +
                                    id + (pcb->ttl | IP_PROTO_TCP << 8)));
}

/* What is not known before it goes; the device adds the rest to the pseudo header's sum. */
static void write_tcp(struct tcp_hdr *tcp, const struct tcp_pcb *pcb, u16_t bytes, u32_t addresses)
{
    tcp->ackno = lwip_htonl(pcb->rcv_nxt);
    tcp->wnd = lwip_htons(TCPWND_MIN16(RCV_WND_SCALE(pcb, pcb->rcv_ann_wnd)));
    tcp->chksum = (u16_t)fold(addresses + PP_HTONS(IP_PROTO_TCP) + lwip_htons(bytes));
    TCPH_SET_FLAG(tcp, TCP_ACK);
}

/* ---- Sending, as tcp_output() and tcp_output_segment() do it ---- */

static void move_payload(struct pbuf *p, s16_t bytes)
{
    p->payload = (u8_t *)p->payload - bytes;
    p->len = (u16_t)(p->len + bytes);
    p->tot_len = (u16_t)(p->tot_len + bytes);
}

static bool send_frame(const struct tcp_pcb *pcb, struct tcp_seg *seg, const struct route *route)
{
    struct nic_tx_offload offload = { .csum_start = TCP_AT,
                                      .csum_offset = offsetof(struct tcp_hdr, chksum) };
    u16_t bytes = seg->p->tot_len; /* TCP's header and payload */
    u32_t addresses = sum_addresses(pcb);

    if (seg->len > pcb->mss) {
        offload.gso_size = pcb->mss;
        offload.hdr_len = DATA_AT;
    }
    move_payload(seg->p, TCP_AT);
    memcpy(seg->p->payload, route->ethernet, sizeof(route->ethernet));
    write_ip((u8_t *)seg->p->payload + IP_AT, pcb, (u16_t)(bytes + IP_HLEN), addresses);
    write_tcp(seg->tcphdr, pcb, bytes, addresses);
    if (likely(stack_tx(seg->p, &offload)))
        return true;
    move_payload(seg->p, -TCP_AT);
    return false;
}

/* The segment is in flight. */
static void sent(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    pcb->rcv_ann_right_edge = pcb->rcv_nxt + pcb->rcv_ann_wnd;
    if (pcb->rtime < 0)
        pcb->rtime = 0;
    if (pcb->rttest == 0) {
        pcb->rttest = tcp_ticks;
        pcb->rtseq = pcb->snd_nxt;
    }
    pcb->persist_backoff = 0;
    tcp_clear_flags(pcb, TF_ACK_DELAY | TF_ACK_NOW);
    pcb->snd_nxt += TCP_TCPLEN(seg);
    pcb->unsent = seg->next;
    seg->next = NULL;
    stack.stats.tx_templated++;
    TCP_STATS_INC(tcp.xmit);
    IP_STATS_INC(ip.xmit);
}

bool tcp_template_output(struct tcp_pcb *pcb)
{
    const struct route *route = route_slot(ip4_addr_get_u32(ip_2_ip4(&pcb->remote_ip)));
    struct tcp_seg **end = &pcb->unacked, *seg;

    if (!connection_is_plain(pcb) || route->dest != ip4_addr_get_u32(ip_2_ip4(&pcb->remote_ip)) ||
        route->tick != now_tick())
        return false;
    while (*end != NULL)
        end = &(*end)->next;
    while ((seg = pcb->unsent) != NULL) {
        if (!segment_is_plain(pcb, seg) || !send_frame(pcb, seg, route))
            return false;
        sent(pcb, seg);
        *end = seg;
        end = &seg->next;
    }
    pcb->unsent_oversize = 0;
    return true;
}

void tcp_template_init(const struct nic *nic)
{
    template.can = nic_tx_can(nic);
}
