/* Headers from a template: see tcp_template.h. */
#include "tcp_template.h"
#include "stack_priv.h"
#include "wire.h"
#include <kernel/lib.h>
#include <kernel/time.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/tcp.h>
#include <lwip/stats.h>
#include <string.h>

/* Where frames to an address go. Direct mapped: who shares a slot takes lwIP's way more often. */
#define ROUTE_BITS 8
struct route {
    u32_t dest; /* as on the wire */
    u32_t tick; /* never 0, which no route is from */
    u8_t ethernet[SIZEOF_ETH_HDR];
};

static struct {
    unsigned can; /* NIC_TX_... */
    u16_t ip_id;  /* RFC 6864: unique where a router fragments, and none does on our link */
    struct pbuf *lent;
    struct route routes[1u << ROUTE_BITS];
} template;

static struct route *route_slot(u32_t dest)
{
    return &template.routes[dest * 0x9e3779b1u >> (32 - ROUTE_BITS)];
}

/* 537 ms each. (lwIP's tcp_ticks stand still while there are no connections.) */
static u32_t now_tick(void)
{
    return (u32_t)(time_ns() >> 29) + 1;
}

void tcp_template_learn(const uint8_t *frame)
{
    u32_t dest = wire_get32(frame + WIRE_IP + 16);
    struct route *route = route_slot(dest);

    route->dest = dest;
    route->tick = now_tick();
    __builtin_memcpy(route->ethernet, frame, sizeof(route->ethernet));
}

/* NULL: not known now, or the headers are not all ours to make. */
static const struct route *find_route(const ip4_addr_t *dest)
{
    const struct route *route = route_slot(ip4_addr_get_u32(dest));

    return route->dest == ip4_addr_get_u32(dest) && route->tick == now_tick() &&
                   (template.can & NIC_TX_CSUM) && netif_is_link_up(&stack.netif)
               ? route
               : NULL;
}

/* ---- Headers ---- */

/* What IP's header says of a frame. */
struct ends {
    u32_t local, remote; /* as on the wire */
    u8_t ttl, tos;
};

static u32_t fold(u32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

static u32_t halves(u32_t word)
{
    return (word & 0xffff) + (word >> 16);
}

static void write_ip(u8_t *at, const struct ends *ends, u16_t bytes, u32_t addresses)
{
    u16_t id = lwip_htons(template.ip_id++);
    struct ip_hdr *ip = (void *)at;

    IPH_VHL_SET(ip, 4, IP_HLEN / 4);
    IPH_TOS_SET(ip, ends->tos);
    IPH_LEN_SET(ip, lwip_htons(bytes));
    IPH_ID_SET(ip, id);
    IPH_OFFSET_SET(ip, 0);
    IPH_TTL_SET(ip, ends->ttl);
    IPH_PROTO_SET(ip, IP_PROTO_TCP);
    ip->src.addr = ends->local;
    ip->dest.addr = ends->remote;
    IPH_CHKSUM_SET(ip, (u16_t)~fold(addresses + (0x45u | (u32_t)ends->tos << 8) +
                                    lwip_htons(bytes) + id + (ends->ttl | IP_PROTO_TCP << 8)));
}

static void move_payload(struct pbuf *p, int bytes)
{
    p->payload = (u8_t *)p->payload - bytes;
    p->len = (u16_t)(p->len + bytes);
    p->tot_len = (u16_t)(p->tot_len + bytes);
}

/* From TCP's header on to a frame that the device has. To TCP's checksum it adds all but the pseudo
 * header. mss: what it is to be cut to; 0: nothing. */
static bool emit(struct pbuf *p, const struct route *route, const struct ends *ends, u16_t mss)
{
    struct nic_tx_offload offload = { .csum_start = WIRE_TCP,
                                      .csum_offset = offsetof(struct tcp_hdr, chksum),
                                      .gso_size = mss,
                                      .hdr_len = mss != 0 ? WIRE_TCP + TCP_HLEN : 0 };
    u16_t bytes = p->tot_len;
    u32_t addresses = halves(ends->local) + halves(ends->remote);
    struct tcp_hdr *tcp = p->payload;

    tcp->chksum = (u16_t)fold(addresses + PP_HTONS(IP_PROTO_TCP) + lwip_htons(bytes));
    move_payload(p, WIRE_TCP);
    __builtin_memcpy(p->payload, route->ethernet, sizeof(route->ethernet));
    write_ip((u8_t *)p->payload + WIRE_IP, ends, (u16_t)(bytes + IP_HLEN), addresses);
    if (unlikely(!stack_tx(p, &offload))) {
        move_payload(p, -(int)WIRE_TCP);
        return false;
    }
    stack.stats.tx_templated++;
    IP_STATS_INC(ip.xmit);
    return true;
}

/* ---- Segments without data ---- */

/* Whether there is room before TCP's header; and no data, which may have to be cut. */
static bool is_control(const struct pbuf *p)
{
    return p->next == NULL && p->len <= TCP_HLEN + 40 &&
           (p->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) &&
           (const u8_t *)p->payload >= (const u8_t *)(p + 1) + NIC_TX_HEADROOM + WIRE_TCP;
}

err_t __real_ip4_output_if(struct pbuf *p, const ip4_addr_t *src, const ip4_addr_t *dest, u8_t ttl,
                           u8_t tos, u8_t proto, struct netif *netif);
err_t __wrap_ip4_output_if(struct pbuf *p, const ip4_addr_t *src, const ip4_addr_t *dest, u8_t ttl,
                           u8_t tos, u8_t proto, struct netif *netif);

err_t __wrap_ip4_output_if(struct pbuf *p, const ip4_addr_t *src, const ip4_addr_t *dest, u8_t ttl,
                           u8_t tos, u8_t proto, struct netif *netif)
{
    const struct route *route;

    if (proto == IP_PROTO_TCP && is_control(p) && (route = find_route(dest)) != NULL) {
        struct ends ends = { ip4_addr_get_u32(src), ip4_addr_get_u32(dest), ttl, tos };

        if (likely(emit(p, route, &ends, 0)))
            return ERR_OK;
    }
    return __real_ip4_output_if(p, src, dest, ttl, tos, proto, netif);
}

/* ---- New data ---- */

static bool connection_is_plain(const struct tcp_pcb *pcb)
{
    return pcb->state >= ESTABLISHED && !IP_IS_V6(&pcb->remote_ip) &&
           (pcb->flags & (TF_RTO | TF_INFR | TF_NAGLEMEMERR)) == 0;
}

/* New, whole, in the window, nothing that Nagle's algorithm could hold back, and never tried
 * before: its headers still are TCP's alone. */
static bool segment_is_plain(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    u32_t seqno = lwip_ntohl(seg->tcphdr->seqno);

    return ((pcb->flags & TF_NODELAY) || pcb->unacked == NULL) && seg->len > 0 && seg->flags == 0 &&
           seqno == pcb->snd_nxt &&
           seqno - pcb->lastack + seg->len <= LWIP_MIN(pcb->snd_wnd, pcb->cwnd) &&
           seg->p->payload == seg->tcphdr && seg->p->ref == 1 &&
           (seg->len <= pcb->mss || (template.can & NIC_TX_TSO4));
}

static struct ends ends_of(const struct tcp_pcb *pcb)
{
    return (struct ends){ ip4_addr_get_u32(ip_2_ip4(&pcb->local_ip)),
                          ip4_addr_get_u32(ip_2_ip4(&pcb->remote_ip)), pcb->ttl, pcb->tos };
}

static u16_t window_of(const struct tcp_pcb *pcb)
{
    return lwip_htons(TCPWND_MIN16(RCV_WND_SCALE(pcb, pcb->rcv_ann_wnd)));
}

/* As tcp_output_segment(): what is not known before it goes. */
static bool send_segment(const struct tcp_pcb *pcb, struct tcp_seg *seg, const struct route *route)
{
    struct ends ends = ends_of(pcb);
    struct tcp_hdr *tcp = seg->tcphdr;

    tcp->ackno = lwip_htonl(pcb->rcv_nxt);
    tcp->wnd = window_of(pcb);
    TCPH_SET_FLAG(tcp, TCP_ACK);
    return emit(seg->p, route, &ends, seg->len > pcb->mss ? pcb->mss : 0);
}

/* What goes out says so much of what we have, and of what we take. */
static void acknowledged(struct tcp_pcb *pcb)
{
    pcb->rcv_ann_right_edge = pcb->rcv_nxt + pcb->rcv_ann_wnd;
    tcp_clear_flags(pcb, TF_ACK_DELAY | TF_ACK_NOW);
    TCP_STATS_INC(tcp.xmit);
}

/* The segment is in flight. */
static void sent(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    acknowledged(pcb);
    if (pcb->rtime < 0)
        pcb->rtime = 0;
    if (pcb->rttest == 0) {
        pcb->rttest = tcp_ticks;
        pcb->rtseq = pcb->snd_nxt;
    }
    pcb->persist_backoff = 0;
    pcb->snd_nxt += TCP_TCPLEN(seg);
    pcb->unsent = seg->next;
    seg->next = NULL;
}

/* ---- SYN-ACKs ---- */

/* Its options, as tcp_output_segment() writes them; tcp_enqueue_flags() has made room. */
static void write_options(const struct tcp_seg *seg)
{
    u32_t *at = (u32_t *)(void *)(seg->tcphdr + 1);
    u16_t mss = (u16_t)LWIP_MIN(TCP_MSS, stack.netif.mtu - IP_HLEN - TCP_HLEN);

    *at++ = lwip_htonl(0x02040000 | mss);
    if (seg->flags & TF_SEG_OPTS_WND_SCALE)
        *at++ = PP_HTONL(0x01030300 | TCP_RCV_SCALE);
    if (seg->flags & TF_SEG_OPTS_SACK_PERM)
        *at++ = PP_HTONL(0x01010402);
}

/* The first time only: lwIP sends it again. */
static bool output_syn_ack(struct tcp_pcb *pcb)
{
    struct tcp_seg *seg = pcb->unsent;
    struct ends ends = ends_of(pcb);
    const struct route *route;

    if (IP_IS_V6(&pcb->remote_ip) || pcb->snd_nxt != pcb->lastack || pcb->unacked != NULL ||
        seg->next != NULL || seg->len != 0 || seg->p->ref != 1 || seg->p->payload != seg->tcphdr ||
        !(seg->flags & TF_SEG_OPTS_MSS) || (route = find_route(ip_2_ip4(&pcb->remote_ip))) == NULL)
        return false;
    seg->tcphdr->ackno = lwip_htonl(pcb->rcv_nxt);
    /* RFC 7323 §2.2: a SYN's window is never scaled */
    seg->tcphdr->wnd = seg->flags & TF_SEG_OPTS_WND_SCALE
                           ? lwip_htons(TCPWND_MIN16(pcb->rcv_ann_wnd))
                           : window_of(pcb);
    write_options(seg);
    if (!emit(seg->p, route, &ends, 0))
        return false;
    sent(pcb, seg);
    pcb->unacked = seg;
    return true;
}

/* ---- What is sent without tcp_output() ---- */

bool tcp_template_output(struct tcp_pcb *pcb)
{
    struct tcp_seg **end = &pcb->unacked, *seg;
    const struct route *route;

    if (unlikely(pcb->state == SYN_RCVD))
        return output_syn_ack(pcb);
    if (!connection_is_plain(pcb) || (route = find_route(ip_2_ip4(&pcb->remote_ip))) == NULL)
        return false;
    while (*end != NULL)
        end = &(*end)->next;
    while ((seg = pcb->unsent) != NULL) {
        if (!segment_is_plain(pcb, seg) || !send_segment(pcb, seg, route))
            return false;
        sent(pcb, seg);
        *end = seg;
        end = &seg->next;
    }
    pcb->unsent_oversize = 0;
    return true;
}

void tcp_template_lend(struct pbuf *p)
{
    template.lent = p;
}

/* For TCP's header alone. */
static struct pbuf *ack_pbuf(void)
{
    struct pbuf *p = template.lent;

    if (p == NULL)
        return pbuf_alloc(PBUF_IP, TCP_HLEN, PBUF_RAM);
    template.lent = NULL;
    pbuf_ref(p);
    return p;
}

bool tcp_template_ack(struct tcp_pcb *pcb)
{
    struct ends ends = ends_of(pcb);
    const struct route *route;
    struct tcp_hdr *tcp;
    struct pbuf *p;
    bool done;

    if (pcb->state < ESTABLISHED || IP_IS_V6(&pcb->remote_ip) || LWIP_TCP_SACK_VALID(pcb, 0) ||
        (route = find_route(ip_2_ip4(&pcb->remote_ip))) == NULL)
        return false;
    p = ack_pbuf();
    if (p == NULL)
        return false;
    tcp = p->payload;
    *tcp = (struct tcp_hdr){ .src = lwip_htons(pcb->local_port),
                             .dest = lwip_htons(pcb->remote_port),
                             .seqno = lwip_htonl(pcb->snd_nxt),
                             .ackno = lwip_htonl(pcb->rcv_nxt),
                             .wnd = window_of(pcb) };
    TCPH_HDRLEN_FLAGS_SET(tcp, TCP_HLEN / 4, TCP_ACK);
    done = emit(p, route, &ends, 0);
    if (done)
        acknowledged(pcb);
    pbuf_free(p);
    return done;
}

void tcp_template_init(const struct nic *nic)
{
    template.can = nic_tx_can(nic);
}
