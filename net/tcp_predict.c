/* Header prediction: see tcp_predict.h. */
#include "tcp_predict.h"
#include "port/chksum.h"
#include "stack_priv.h"
#include "tcp_banks.h"
#include "wire.h"
#include <drivers/trace.h>
#include <kernel/lib.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/tcp.h>
#include <lwip/stats.h>

/* An expected segment. Host byte order but for the address. */
struct segment {
    u32_t remote_ip; /* as on the wire */
    u32_t seq, ack;
    u16_t remote_port, local_port, window;
    u16_t len;
    bool push;
};

/* With the pseudo header: both addresses, the protocol, the length. */
static bool tcp_adds_up(const u8_t *frame, unsigned tcp_bytes)
{
    return wire_adds_up(wire_sum32(frame + WIRE_IP + 12, 2) + PP_HTONS(IP_PROTO_TCP) +
                        lwip_htons((u16_t)tcp_bytes) +
                        lwip_port_chksum(frame + WIRE_TCP, (int)tcp_bytes));
}

/* Whether the segment looks as expected; what its connection will be asked for goes to *out. */
static bool read_segment(const struct pktbuf *buf, unsigned tcp_bytes, struct segment *out)
{
    const u8_t *frame = buf->frame, *tcp = frame + WIRE_TCP;

    if (tcp_bytes < TCP_HLEN || tcp[12] != TCP_HLEN / 4 << 4 || (tcp[13] & ~TCP_PSH) != TCP_ACK)
        return false;
    if (!buf->checked && !tcp_adds_up(frame, tcp_bytes))
        return false; /* lwIP counts it */
    out->remote_ip = wire_get32(frame + WIRE_IP + 12);
    out->remote_port = lwip_ntohs(wire_get16(tcp));
    out->local_port = lwip_ntohs(wire_get16(tcp + 2));
    out->seq = lwip_ntohl(wire_get32(tcp + 4));
    out->ack = lwip_ntohl(wire_get32(tcp + 8));
    out->window = lwip_ntohs(wire_get16(tcp + 14));
    out->len = (u16_t)(tcp_bytes - TCP_HLEN);
    out->push = tcp[13] & TCP_PSH;
    return true;
}

static u32_t seg_end(const struct tcp_seg *seg)
{
    return lwip_ntohl(seg->tcphdr->seqno) + TCP_TCPLEN(seg);
}

/* Whether the connection is in the state in which the segment is all that it seems. */
static bool is_expected(const struct tcp_pcb *pcb, const struct segment *s)
{
    if (pcb->state != ESTABLISHED || pcb->rcv_nxt != s->seq || s->len > pcb->rcv_wnd ||
        (pcb->flags & (TF_INFR | TF_RTO | TF_RXCLOSED | TF_FIN | TF_CLOSEPEND)) ||
        pcb->ooseq != NULL || pcb->refused_data != NULL || pcb->nrtx != 0 ||
        pcb->persist_backoff != 0 || LWIP_TCP_SACK_VALID(pcb, 0))
        return false;
    if (s->ack == pcb->lastack)
        return s->len > 0; /* else it may be a duplicate, or open the window */
    /* Of what is in flight; what waits behind that was never sent. */
    return TCP_SEQ_BETWEEN(s->ack, pcb->lastack + 1, pcb->snd_nxt) &&
           (pcb->unsent == NULL || TCP_SEQ_LEQ(s->ack, lwip_ntohl(pcb->unsent->tcphdr->seqno)));
}

/* ---- What is done then, in the order of tcp_receive() ---- */

/* RFC 9293 §3.10.7.4: the window of the latest segment counts. */
static void take_window(struct tcp_pcb *pcb, const struct segment *s)
{
    u32_t window = SND_WND_SCALE(pcb, s->window);

    if (TCP_SEQ_LT(pcb->snd_wl1, s->seq) ||
        (pcb->snd_wl1 == s->seq && TCP_SEQ_LT(pcb->snd_wl2, s->ack)) ||
        (pcb->snd_wl2 == s->ack && window > pcb->snd_wnd)) {
        pcb->snd_wnd = window;
        pcb->snd_wnd_max = LWIP_MAX(pcb->snd_wnd_max, window);
        pcb->snd_wl1 = s->seq;
        pcb->snd_wl2 = s->ack;
    }
}

/* RFC 3465 §2.1, §2.2: by bytes acknowledged, at most two segments for one acknowledgement. */
static void grow_window(struct tcp_pcb *pcb, u32_t acked)
{
    if (pcb->cwnd < pcb->ssthresh) {
        TCP_WND_INC(pcb->cwnd, LWIP_MIN(acked, 2u * pcb->mss));
        return;
    }
    TCP_WND_INC(pcb->bytes_acked, acked);
    if (pcb->bytes_acked >= pcb->cwnd) {
        pcb->bytes_acked -= pcb->cwnd;
        TCP_WND_INC(pcb->cwnd, pcb->mss);
    }
}

static void update_rto(struct tcp_pcb *pcb)
{
    pcb->rto = (s16_t)((pcb->sa >> 3) + pcb->sv);
}

/* Jacobson, "Congestion Avoidance and Control", 1988, appendix A; ticks of lwIP's slow timer. */
static void measure_rtt(struct tcp_pcb *pcb)
{
    int error = (int)(s16_t)(tcp_ticks - pcb->rttest) - (pcb->sa >> 3);

    pcb->sa = (s16_t)(pcb->sa + error);
    pcb->sv = (s16_t)(pcb->sv + (error < 0 ? -error : error) - (pcb->sv >> 2));
    pcb->rttest = 0;
    update_rto(pcb);
}

/* Free what the peer has; returns its bytes. */
static u32_t free_acknowledged(struct tcp_pcb *pcb)
{
    u32_t bytes = 0;

    while (pcb->unacked != NULL && TCP_SEQ_LEQ(seg_end(pcb->unacked), pcb->lastack)) {
        struct tcp_seg *seg = pcb->unacked;

        pcb->unacked = seg->next;
        pcb->snd_queuelen -= pbuf_clen(seg->p);
        bytes += seg->len;
        tcp_seg_free(seg);
    }
    return bytes;
}

/* Returns how many bytes the app is to be told of. */
static u32_t take_ack(struct tcp_pcb *pcb, u32_t ack)
{
    u32_t bytes;

    grow_window(pcb, ack - pcb->lastack);
    pcb->dupacks = 0;
    pcb->lastack = ack;
    update_rto(pcb);
    bytes = free_acknowledged(pcb);
    pcb->rtime = pcb->unacked == NULL ? -1 : 0;
    pcb->polltmr = 0;
    if (pcb->unsent == NULL)
        pcb->unsent_oversize = 0;
    pcb->snd_buf += bytes;
    if (pcb->rttest != 0 && TCP_SEQ_LT(pcb->rtseq, ack))
        measure_rtt(pcb);
    return bytes;
}

static void take_data(struct tcp_pcb *pcb, u16_t len)
{
    pcb->rcv_nxt += len;
    pcb->rcv_wnd -= len;
    tcp_update_rcv_ann_wnd(pcb);
    tcp_ack(pcb);
}

/* ---- The app's turn, as tcp_input() gives it ---- */

/* While lwIP handles a segment, a connection that the app closes for good is not freed under its
 * feet: lwIP sets a flag of its own for that. Here it is this one. */
static struct {
    bool active, closed;
} handling;

void __real_tcp_trigger_input_pcb_close(void);
void __wrap_tcp_trigger_input_pcb_close(void);

void __wrap_tcp_trigger_input_pcb_close(void)
{
    if (handling.active)
        handling.closed = true;
    else
        __real_tcp_trigger_input_pcb_close();
}

/* False: the connection is gone. */
static bool tell_sent(struct tcp_pcb *pcb, u32_t bytes)
{
    while (bytes > 0) {
        u16_t part = (u16_t)LWIP_MIN(bytes, 0xffffu);
        err_t err;

        TCP_EVENT_SENT(pcb, part, err);
        if (err == ERR_ABRT)
            return false;
        bytes -= part;
    }
    return true;
}

static bool hand_over(struct tcp_pcb *pcb, struct pktbuf *buf, const struct segment *s)
{
    struct pbuf *p = stack_rx_payload(buf, WIRE_TCP + TCP_HLEN, s->len);
    err_t err;

    if (s->push)
        p->flags |= PBUF_FLAG_PUSH;
    if (pcb->flags & TF_RXCLOSED) { /* the app has closed just now: tcp_abort() sends the reset */
        pbuf_free(p);
        tcp_abort(pcb);
        return false;
    }
    TCP_EVENT_RECV(pcb, p, ERR_OK, err);
    if (err == ERR_ABRT)
        return false;
    if (err != ERR_OK)
        pcb->refused_data = p; /* the app will be asked again */
    return true;
}

/* The app has closed, and there is nothing left to wait for. */
static void free_closed(struct tcp_pcb *pcb)
{
    if (!(pcb->flags & TF_RXCLOSED))
        TCP_EVENT_ERR(pcb->state, pcb->errf, pcb->callback_arg, ERR_CLSD);
    tcp_pcb_remove(&tcp_active_pcbs, pcb);
    tcp_free(pcb);
}

/* Takes the buffer. */
static void tell_app(struct tcp_pcb *pcb, struct pktbuf *buf, const struct segment *s, u32_t sent)
{
    bool alive;

    handling.active = true;
    handling.closed = false;
    tcp_input_pcb = pcb; /* whatever is written leaves in one go, below */
    alive = tell_sent(pcb, sent);
    if (!alive || handling.closed || s->len == 0)
        pktbuf_free(buf);
    else
        alive = hand_over(pcb, buf, s);
    tcp_input_pcb = NULL;
    handling.active = false;
    if (!alive)
        return;
    if (handling.closed)
        free_closed(pcb);
    else
        tcp_output(pcb);
}

bool tcp_predict(struct pktbuf *buf, unsigned tcp_bytes)
{
    struct tcp_pcb *pcb;
    struct segment s;
    u32_t sent = 0;

    if (!read_segment(buf, tcp_bytes, &s))
        return false;
    pcb = tcp_banks_find_ip4(s.remote_ip, s.remote_port, s.local_port);
    if (pcb == NULL || !is_expected(pcb, &s))
        return false;

    trace_point(TRACE_IP);
    trace_point(TRACE_TRANSPORT);
    lwip_stats.ip.recv++;
    lwip_stats.tcp.recv++;
    stack.stats.rx_frames++;
    stack.stats.rx_predicted++;
    pcb->tmr = tcp_ticks;
    pcb->keep_cnt_sent = 0;
    pcb->persist_probe = 0;
    take_window(pcb, &s);
    if (s.ack != pcb->lastack)
        sent = take_ack(pcb, s.ack);
    if (s.len > 0)
        take_data(pcb, s.len);
    tell_app(pcb, buf, &s, sent);
    return true;
}
