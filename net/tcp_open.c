/* A SYN makes a connection: see tcp_open.h. */
#include "tcp_open.h"
#include "tcp_cut.h"
#include "tcp_guard.h"
#include <drivers/trace.h>
#include <kernel/lib.h>
#include <lwip/ip.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/tcp.h>
#include <lwip/stats.h>

bool tcp_open_may(struct pbuf *p, const struct netif *netif, const struct tcp_pcb_listen *listener)
{
    unsigned header = TCPH_HDRLEN_BYTES((const struct tcp_hdr *)p->payload);

    return header >= TCP_HLEN && header <= p->len && IP_IS_ANY_TYPE_VAL(listener->local_ip) &&
           listener->netif_idx == NETIF_NO_INDEX && listener->accepts_pending < listener->backlog &&
           !ip_addr_isbroadcast(ip_current_dest_addr(), ip_current_netif()) &&
           !ip_addr_ismulticast(ip_current_dest_addr()) && tcp_checksum_is_right(p, netif);
}

/* ---- What the SYN says ---- */

static void scale_windows(struct tcp_pcb *pcb, u8_t shift)
{
    if (pcb->flags & TF_WND_SCALE)
        return;
    pcb->snd_scale = LWIP_MIN(shift, 14u); /* RFC 7323 §2.3 */
    pcb->rcv_scale = TCP_RCV_SCALE;
    tcp_set_flags(pcb, TF_WND_SCALE);
    pcb->rcv_wnd = pcb->rcv_ann_wnd = TCP_WND;
}

static u16_t limit_mss(unsigned mss)
{
    return (u16_t)(mss == 0 || mss > TCP_MSS ? TCP_MSS : mss);
}

/* They are whole (tcp_options_are_whole()); one of a wrong length ends them, as in lwIP. */
static void take_options(struct tcp_pcb *pcb, const u8_t *at, const u8_t *end)
{
    enum { NOP = 1, MSS = 2, WINDOW_SCALE = 3, SACK_PERMITTED = 4 };

    while (at < end && *at != 0) {
        if (*at == NOP) {
            at++;
            continue;
        }
        if (*at == MSS && at[1] == 4)
            pcb->mss = limit_mss((unsigned)at[2] << 8 | at[3]);
        else if (*at == WINDOW_SCALE && at[1] == 3)
            scale_windows(pcb, at[2]);
        else if (*at == SACK_PERMITTED && at[1] == 2)
            tcp_set_flags(pcb, TF_SACK);
        else if (*at <= SACK_PERMITTED)
            return;
        at += at[1];
    }
}

/* ---- The connection ---- */

static void set_up(struct tcp_pcb *pcb, struct tcp_pcb_listen *listener, const struct tcp_hdr *syn)
{
    u32_t seqno = lwip_ntohl(syn->seqno), isn;

    listener->accepts_pending++;
    tcp_set_flags(pcb, TF_BACKLOGPEND);
    ip_addr_copy(pcb->local_ip, *ip_current_dest_addr());
    ip_addr_copy(pcb->remote_ip, *ip_current_src_addr());
    pcb->local_port = listener->local_port;
    pcb->remote_port = lwip_ntohs(syn->src);
    pcb->state = SYN_RCVD;
    pcb->rcv_nxt = pcb->rcv_ann_right_edge = seqno + 1;
    isn = tcp_next_iss(pcb);
    pcb->snd_wl2 = pcb->snd_nxt = pcb->lastack = pcb->snd_lbb = isn;
    pcb->snd_wl1 = seqno - 1; /* so that the first segment's window is taken */
    pcb->callback_arg = listener->callback_arg;
    pcb->listener = listener;
    pcb->so_options = listener->so_options & SOF_INHERITED;
    TCP_REG_ACTIVE(pcb);
    take_options(pcb, (const u8_t *)(syn + 1), (const u8_t *)syn + TCPH_HDRLEN_BYTES(syn));
    pcb->snd_wnd = pcb->snd_wnd_max = lwip_ntohs(syn->wnd);
    pcb->mss = tcp_eff_send_mss(pcb->mss, &pcb->local_ip, &pcb->remote_ip);
}

/* Its SYN-ACK, as tcp_enqueue_flags() would: who sends it writes the options into the room that is
 * left for them. */
static bool queue_syn_ack(struct tcp_pcb *pcb)
{
    u8_t options = TF_SEG_OPTS_MSS;
    u16_t bytes = LWIP_TCP_OPT_LEN_MSS;
    struct tcp_seg *seg;
    struct pbuf *p;

    if (pcb->flags & TF_WND_SCALE) {
        options |= TF_SEG_OPTS_WND_SCALE;
        bytes += LWIP_TCP_OPT_LEN_WS_OUT;
    }
    if (pcb->flags & TF_SACK) {
        options |= TF_SEG_OPTS_SACK_PERM;
        bytes += LWIP_TCP_OPT_LEN_SACK_PERM_OUT;
    }
    p = pbuf_alloc(PBUF_TRANSPORT, bytes, PBUF_RAM);
    if (p == NULL)
        return false;
    seg = tcp_new_segment(p, lwip_htons(pcb->local_port), lwip_htons(pcb->remote_port),
                          pcb->snd_lbb, TCP_SYN | TCP_ACK);
    if (seg == NULL) {
        pbuf_free(p);
        return false;
    }
    TCPH_HDRLEN_SET(seg->tcphdr, (TCP_HLEN + bytes) / 4);
    seg->flags = options;
    seg->len = 0;
    pcb->unsent = seg;
    pcb->snd_queuelen = 1;
    pcb->snd_lbb++;
    return true;
}

/* As lwIP does: the app counts whom it could not have. */
static void tell_refused(const struct tcp_pcb_listen *listener)
{
    err_t err;

    TCP_STATS_INC(tcp.memerr);
    TCP_EVENT_ACCEPT(listener, NULL, listener->callback_arg, ERR_MEM, err);
    (void)err;
}

struct tcp_pcb *tcp_open(const struct pbuf *p, struct tcp_pcb_listen *listener)
{
    struct tcp_pcb *pcb;

    trace_point(TRACE_TRANSPORT);
    TCP_STATS_INC(tcp.recv);
    pcb = tcp_alloc(listener->prio);
    if (unlikely(pcb == NULL)) {
        tell_refused(listener);
        return NULL;
    }
    set_up(pcb, listener, p->payload);
    if (unlikely(!queue_syn_ack(pcb))) {
        TCP_STATS_INC(tcp.memerr);
        tcp_abandon(pcb, 0);
        return NULL;
    }
    tcp_output(pcb);
    return pcb;
}
