/* SYN cookies and lwIP: answers that it knows nothing of, and connections that it takes for its
 * own. See tcp_backlog.h. */
#include "isn.h"
#include "stack_priv.h"
#include "tcp_backlog.h"
#include "tcp_gso.h"
#include <lwip/inet_chksum.h>
#include <lwip/ip.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/tcp.h>
#include <lwip/stats.h>
#include <string.h>

#define HEADER_BYTES (TCP_HLEN + 4u) /* with an MSS */

/* The header of a SYN or SYN-ACK; ports as on the wire, all else in host byte order. */
static void write_header(struct pbuf *p, u16_t src, u16_t dest, u32_t seqno, u32_t ackno,
                         u8_t flags, u16_t window, u16_t mss)
{
    struct tcp_hdr *tcp = p->payload;
    u8_t *option = (u8_t *)(tcp + 1);

    *tcp = (struct tcp_hdr){ .src = src,
                             .dest = dest,
                             .seqno = lwip_htonl(seqno),
                             .ackno = lwip_htonl(ackno),
                             .wnd = lwip_htons(window) };
    TCPH_HDRLEN_FLAGS_SET(tcp, HEADER_BYTES / 4, flags);
    option[0] = 2;
    option[1] = 4;
    option[2] = (u8_t)(mss >> 8);
    option[3] = (u8_t)mss;
}

/* ---- The answer ---- */

static struct eth_hdr back; /* what goes before it */

static err_t send_back(struct netif *netif, struct pbuf *p)
{
    struct nic_tx_offload offload;

    (void)netif;
    if (pbuf_add_header(p, SIZEOF_ETH_HDR) != 0)
        return ERR_BUF;
    memcpy(p->payload, &back, SIZEOF_ETH_HDR);
    tcp_gso_offload(p, &offload);
    return stack_tx(p, &offload) ? ERR_OK : ERR_MEM;
}

static err_t send_back4(struct netif *netif, struct pbuf *p, const ip4_addr_t *dest)
{
    (void)dest;
    return send_back(netif, p);
}

static err_t send_back6(struct netif *netif, struct pbuf *p, const ip6_addr_t *dest)
{
    (void)dest;
    return send_back(netif, p);
}

/* The Ethernet header of what is being received, with the addresses changed over; false: it does
 * not stand before IP's (the packet has been put together), or came from no single station. */
static bool turn_round(const struct pbuf *p, const struct netif *netif)
{
    const u8_t *ip = ip_current_is_v6() ? (const u8_t *)ip6_current_header()
                                        : (const u8_t *)ip4_current_header();

    if (p->next != NULL)
        return false;
    memcpy(&back, ip - SIZEOF_ETH_HDR, SIZEOF_ETH_HDR);
    back.dest = back.src;
    memcpy(&back.src, netif->hwaddr, ETH_HWADDR_LEN);
    return !(back.dest.addr[0] & 1);
}

/* lwIP makes IP's header, and looks for no station. */
static void send_to_asker(struct pbuf *p, struct netif *netif)
{
    netif_output_fn output = netif->output;
    netif_output_ip6_fn output_ip6 = netif->output_ip6;

    netif->output = send_back4;
    netif->output_ip6 = send_back6;
    ip_output_if(p, ip_current_dest_addr(), ip_current_src_addr(), TCP_TTL, 0, IP_PROTO_TCP, netif);
    netif->output = output;
    netif->output_ip6 = output_ip6;
}

void syncookie_answer(struct pbuf *p, struct netif *netif, u32_t isn)
{
    const struct tcp_hdr *syn = p->payload;
    struct pbuf *answer;

    if (stack.nic == NULL || nic_broken(stack.nic) || !turn_round(p, netif))
        return;
    answer = pbuf_alloc(PBUF_IP, HEADER_BYTES, PBUF_RAM);
    if (answer == NULL)
        return;
    /* The window that lwIP's connection begins with when there is no scaling. */
    write_header(answer, syn->dest, syn->src, isn, lwip_ntohl(syn->seqno) + 1, TCP_SYN | TCP_ACK,
                 TCPWND_MIN16(TCP_WND),
                 tcp_eff_send_mss_netif(TCP_MSS, netif, ip_current_src_addr()));
    IF__NETIF_CHECKSUM_ENABLED(netif, NETIF_CHECKSUM_GEN_TCP)
    {
        struct tcp_hdr *tcp = answer->payload;

        tcp->chksum = ip_chksum_pseudo(answer, IP_PROTO_TCP, HEADER_BYTES, ip_current_dest_addr(),
                                       ip_current_src_addr());
    }
    TCP_STATS_INC(tcp.xmit);
    send_to_asker(answer, netif);
    pbuf_free(answer);
}

/* ---- The connection ---- */

void __real_tcp_input(struct pbuf *p, struct netif *netif);

bool syncookie_opening;

/* What tcp_output() would have done, had it sent the SYN-ACK. */
static void count_as_sent(struct tcp_pcb *pcb)
{
    pcb->unacked = pcb->unsent;
    pcb->unsent = NULL;
    pcb->snd_nxt++;
    pcb->rtime = 0;
}

static void say_again(struct pbuf *syn, struct netif *netif)
{
    u16_t checked = netif->chksum_flags;

    netif->chksum_flags &= (u16_t)~NETIF_CHECKSUM_CHECK_TCP;
    syncookie_opening = true;
    __real_tcp_input(syn, netif);
    syncookie_opening = false;
    netif->chksum_flags = checked;
    lwip_stats.tcp.recv--; /* nobody has sent it */
}

struct tcp_pcb *syncookie_open(const struct pbuf *p, struct netif *netif, u16_t mss, u32_t isn)
{
    const struct tcp_hdr *ack = p->payload;
    struct pbuf *syn = pbuf_alloc(PBUF_RAW, HEADER_BYTES, PBUF_RAM);
    struct tcp_pcb *pcb;

    if (syn == NULL)
        return NULL;
    write_header(syn, ack->src, ack->dest, lwip_ntohl(ack->seqno) - 1, 0, TCP_SYN,
                 lwip_ntohs(ack->wnd), mss);
    isn_force(&isn);
    say_again(syn, netif);
    isn_force(NULL);
    pcb = tcp_input_pcb;
    tcp_input_pcb = NULL;
    if (pcb == NULL || pcb != tcp_active_pcbs || pcb->unsent == NULL)
        return NULL;
    count_as_sent(pcb);
    return pcb;
}
