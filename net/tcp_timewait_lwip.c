/* TIME-WAIT records and lwIP: connections become records, and records answer segments. */
#include "tcp_guard.h"
#include "tcp_timewait.h"
#include <kernel/time.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/tcp.h>

static u32_t now(void)
{
    return (u32_t)(time_ns() >> TIMEWAIT_SHIFT);
}

/* An app that has closed gets no more callbacks, and may not touch the connection (lwip/tcp.h). */
static bool is_nobody_s(const struct tcp_pcb *pcb)
{
    return (pcb->flags & TF_RXCLOSED) && pcb->unacked == NULL && pcb->unsent == NULL;
}

void tcp_timewait_compress(void)
{
    u32_t at = now();
    struct tcp_pcb *next;

    timewait_expire(at);
    for (struct tcp_pcb *pcb = tcp_tw_pcbs; pcb != NULL; pcb = next) {
        struct timewait tw = { .local_port = pcb->local_port,
                               .remote_port = pcb->remote_port,
                               .snd_nxt = pcb->snd_nxt,
                               .rcv_nxt = pcb->rcv_nxt,
                               .until = at + (u32_t)TIMEWAIT_UNITS };

        next = pcb->next;
        if (!is_nobody_s(pcb))
            continue;
        ip_addr_copy(tw.local, pcb->local_ip);
        ip_addr_copy(tw.remote, pcb->remote_ip);
        timewait_add(&tw);
        TCP_RMV(&tcp_tw_pcbs, pcb);   /* as tcp_pcb_remove(): nothing is left to purge */
        memp_free(MEMP_TCP_PCB, pcb); /* as tcp_free() of lwIP */
    }
}

static void send_ack(const struct timewait *tw, struct netif *netif)
{
    struct pbuf *p = pbuf_alloc(PBUF_IP, TCP_HLEN, PBUF_RAM);
    struct tcp_hdr *tcp;

    if (p == NULL)
        return;
    tcp = p->payload;
    *tcp = (struct tcp_hdr){ .src = lwip_htons(tw->local_port),
                             .dest = lwip_htons(tw->remote_port),
                             .seqno = lwip_htonl(tw->snd_nxt),
                             .ackno = lwip_htonl(tw->rcv_nxt),
                             .wnd = lwip_htons(TCPWND_MIN16(TCP_WND >> TCP_RCV_SCALE)) };
    TCPH_HDRLEN_FLAGS_SET(tcp, TCP_HLEN / 4, TCP_ACK);
    IF__NETIF_CHECKSUM_ENABLED(netif, NETIF_CHECKSUM_GEN_TCP)
    {
        tcp->chksum = ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len, &tw->local, &tw->remote);
    }
    tcp_timewait_stats.acks++;
    ip_output_if(p, &tw->local, &tw->remote, TCP_TTL, 0, IP_PROTO_TCP, netif);
    pbuf_free(p);
}

static __attribute__((noinline)) bool answer(struct timewait *tw, struct pbuf *p,
                                             struct netif *netif)
{
    const struct tcp_hdr *tcp = p->payload;
    u8_t flags = TCPH_FLAGS(tcp), header = TCPH_HDRLEN_BYTES(tcp);
    u32_t bytes;

    if ((s32_t)(tw->until - now()) <= 0) {
        timewait_remove(tw);
        return false;
    }
    if (header < TCP_HLEN || header > p->tot_len || !tcp_checksum_is_right(p, netif))
        return false; /* what is broken is lwIP's to count and drop */
    bytes = (u32_t)(p->tot_len - header) + ((flags & (TCP_SYN | TCP_FIN)) != 0);
    switch (timewait_judge(tw, flags, lwip_ntohl(tcp->seqno), bytes)) {
    case TIMEWAIT_OPEN:
        tcp_timewait_stats.reused++;
        timewait_remove(tw);
        return false;
    case TIMEWAIT_ACK_AND_WAIT:
        tw->until = now() + (u32_t)TIMEWAIT_UNITS;
        send_ack(tw, netif);
        break;
    case TIMEWAIT_ACK:
        send_ack(tw, netif);
        break;
    case TIMEWAIT_IGNORE:
        break;
    }
    TCP_STATS_INC(tcp.recv); /* as tcp_input() */
    pbuf_free(p);
    return true;
}

bool tcp_timewait_input(struct pbuf *p, struct netif *netif)
{
    const struct tcp_hdr *tcp = p->payload;
    struct timewait *tw = timewait_find(ip_current_src_addr(), lwip_ntohs(tcp->src),
                                        ip_current_dest_addr(), lwip_ntohs(tcp->dest));

    return tw != NULL && answer(tw, p, netif);
}
