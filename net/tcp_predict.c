/* Header prediction: see tcp_predict.h. */
#include "tcp_predict.h"
#include "tcp_predict_priv.h"
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

    if (tcp_bytes < TCP_HLEN || tcp[12] != TCP_HLEN / 4 << 4 ||
        (tcp[13] & ~(TCP_PSH | TCP_FIN)) != TCP_ACK)
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
    out->fin = tcp[13] & TCP_FIN;
    return true;
}

static u32_t seg_end(const struct tcp_seg *seg)
{
    return lwip_ntohl(seg->tcphdr->seqno) + TCP_TCPLEN(seg);
}

/* Whether the connection is in the state in which the segment is all that it seems. */
static bool is_expected(const struct tcp_pcb *pcb, const struct segment *s)
{
    if (pcb->state != ESTABLISHED || !predict_is_regular(pcb, s) || s->len > pcb->rcv_wnd ||
        s->fin || (pcb->flags & (TF_INFR | TF_RTO | TF_RXCLOSED | TF_FIN | TF_CLOSEPEND)))
        return false;
    if (s->ack == pcb->lastack)
        return s->len > 0; /* else it may be a duplicate, or open the window */
    return predict_is_new_ack(pcb, s);
}

/* ---- What is done then, in the order of tcp_receive() ---- */

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

u32_t predict_take_ack(struct tcp_pcb *pcb, u32_t ack)
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

struct predict_handling predict_handling;

void __real_tcp_trigger_input_pcb_close(void);
void __wrap_tcp_trigger_input_pcb_close(void);

void __wrap_tcp_trigger_input_pcb_close(void)
{
    if (predict_handling.active)
        predict_handling.closed = true;
    else
        __real_tcp_trigger_input_pcb_close();
}

bool predict_tell_sent(struct tcp_pcb *pcb, u32_t bytes)
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

void predict_leave_app(struct tcp_pcb *pcb, bool alive)
{
    tcp_input_pcb = NULL;
    predict_handling.active = false;
    if (!alive)
        return;
    if (predict_handling.closed)
        free_closed(pcb);
    else
        tcp_output(pcb);
}

/* Takes the buffer. */
static void tell_app(struct tcp_pcb *pcb, struct pktbuf *buf, const struct segment *s, u32_t sent)
{
    bool alive;

    predict_enter_app(pcb);
    alive = predict_tell_sent(pcb, sent);
    if (!alive || predict_handling.closed || s->len == 0)
        pktbuf_free(buf);
    else
        alive = hand_over(pcb, buf, s);
    predict_leave_app(pcb, alive);
}

bool tcp_predict(struct pktbuf *buf, unsigned tcp_bytes)
{
    struct tcp_pcb *pcb;
    struct segment s;
    u32_t sent = 0;

    if (!read_segment(buf, tcp_bytes, &s))
        return false;
    pcb = tcp_banks_find_ip4(s.remote_ip, s.remote_port, s.local_port);
    if (pcb == NULL)
        return false;
    if (unlikely(!is_expected(pcb, &s)))
        return tcp_predict_end(pcb, buf, &s);

    trace_point(TRACE_IP);
    trace_point(TRACE_TRANSPORT);
    predict_begin(pcb, &s);
    pcb->tmr = tcp_ticks;
    if (s.ack != pcb->lastack)
        sent = predict_take_ack(pcb, s.ack);
    if (s.len > 0)
        take_data(pcb, s.len);
    tell_app(pcb, buf, &s, sent);
    return true;
}
