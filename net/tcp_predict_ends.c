/*
 * Header prediction where connections begin and end: see tcp_predict.h. A connection that carries
 * one request has three segments of these kinds for one with data, and lwIP's way through
 * tcp_input(), tcp_process() and tcp_receive() costs more for each than the request itself. Here
 * each is what these three do for it, in their order, with the checks that can come out in one way
 * only left out. Without data:
 *
 *   SYN-RCVD               the ACK of our SYN: ESTABLISHED, accepted
 *   FIN-WAIT-1, LAST-ACK   an ACK of what is in flight: FIN-WAIT-2, or closed, when that is all
 *   ESTABLISHED, FIN-WAIT-1 (and all is acknowledged), FIN-WAIT-2
 *                          the peer's FIN: CLOSE-WAIT, or TIME-WAIT
 *
 * CLOSING, FINs behind data and whatever comes twice are lwIP's. RFC 9293 §3.10.7.4.
 */
#include "tcp_banks.h"
#include "tcp_predict_priv.h"
#include "tcp_template.h"
#include "tcp_timewait.h"
#include "wire.h"
#include <drivers/trace.h>
#include <kernel/lib.h>

/* ---- What is expected ---- */

static bool acks_all(const struct tcp_pcb *pcb, const struct segment *s)
{
    return s->ack == pcb->snd_nxt && pcb->unsent == NULL;
}

static bool is_fin_expected(const struct tcp_pcb *pcb, const struct segment *s)
{
    if (pcb->rcv_wnd == 0 || !(s->ack == pcb->lastack || predict_is_new_ack(pcb, s)))
        return false;
    switch (pcb->state) {
    case ESTABLISHED:
        return !(pcb->flags & (TF_RXCLOSED | TF_FIN));
    case FIN_WAIT_1: /* else CLOSING */
        return acks_all(pcb, s);
    case FIN_WAIT_2:
        return true;
    default:
        return false;
    }
}

static bool is_ack_expected(const struct tcp_pcb *pcb, const struct segment *s)
{
    switch (pcb->state) {
    case SYN_RCVD: /* our SYN alone is in flight */
        return s->ack == pcb->lastack + 1 && s->ack == pcb->snd_nxt && pcb->unsent == NULL &&
               pcb->unacked != NULL && pcb->listener != NULL;
    case FIN_WAIT_1:
    case LAST_ACK:
        return predict_is_new_ack(pcb, s);
    default:
        return false;
    }
}

static bool is_expected(const struct tcp_pcb *pcb, const struct segment *s)
{
    return s->len == 0 && predict_is_regular(pcb, s) &&
           (pcb->flags & (TF_INFR | TF_RTO | TF_CLOSEPEND)) == 0 &&
           (s->fin ? is_fin_expected(pcb, s) : is_ack_expected(pcb, s));
}

/* ---- What is done then ---- */

/* False: the connection is gone. */
static bool accept(struct tcp_pcb *pcb, const struct segment *s)
{
    err_t err;

    pcb->state = ESTABLISHED;
    tcp_backlog_accepted(pcb);
    TCP_EVENT_ACCEPT(pcb->listener, pcb, pcb->callback_arg, ERR_OK, err);
    if (err != ERR_OK) {
        if (err != ERR_ABRT)
            tcp_abort(pcb);
        return false;
    }
    predict_take_ack(pcb, s->ack); /* of no byte that the app has written */
    pcb->cwnd = tcp_initial_window(pcb);
    return true;
}

/* The ACK leaves with the next segment, which is at the end of this. */
static void take_fin(struct tcp_pcb *pcb)
{
    pcb->rcv_nxt++;
    pcb->rcv_wnd--;
    tcp_update_rcv_ann_wnd(pcb);
    tcp_ack_now(pcb);
    if (pcb->state == ESTABLISHED) {
        pcb->state = CLOSE_WAIT;
        return;
    }
    pcb->rtime = -1; /* as tcp_pcb_purge(): there is nothing else to purge */
    pcb->unsent_oversize = 0;
    TCP_RMV_ACTIVE(pcb);
    pcb->state = TIME_WAIT;
    TCP_REG(&tcp_tw_pcbs, pcb);
}

/* False: the connection is gone. */
static bool tell_fin(struct tcp_pcb *pcb)
{
    err_t err;

    if (pcb->rcv_wnd != TCP_WND_MAX(pcb))
        pcb->rcv_wnd++; /* no app reads a FIN */
    TCP_EVENT_CLOSED(pcb, err);
    return err != ERR_ABRT;
}

/* The peer has the last of what we said. */
static void all_acknowledged(struct tcp_pcb *pcb)
{
    if (pcb->state == FIN_WAIT_1)
        pcb->state = FIN_WAIT_2;
    else if (pcb->state == LAST_ACK)
        predict_handling.closed = true;
}

static bool go_on(struct tcp_pcb *pcb, const struct segment *s)
{
    u32_t sent = 0;

    if (s->ack != pcb->lastack)
        sent = predict_take_ack(pcb, s->ack);
    if (s->fin)
        take_fin(pcb);
    else if (acks_all(pcb, s))
        all_acknowledged(pcb);
    if (!predict_tell_sent(pcb, sent))
        return false;
    return !s->fin || predict_handling.closed || tell_fin(pcb);
}

/* Its ACK leaves in the buffer that the FIN came in: nothing is allocated for it. */
static void answer_fin(struct tcp_pcb *pcb, bool alive, struct pktbuf *buf)
{
    struct pbuf *p = stack_rx_reply(buf, WIRE_TCP, TCP_HLEN);

    tcp_template_lend(p);
    predict_leave_app(pcb, alive);
    tcp_template_lend(NULL);
    pbuf_free(p);
}

bool tcp_predict_end(struct tcp_pcb *pcb, struct pktbuf *buf, const struct segment *s)
{
    bool alive;

    if (!is_expected(pcb, s))
        return false;

    trace_point(TRACE_IP);
    trace_point(TRACE_TRANSPORT);
    predict_begin(pcb, s);
    if (!(pcb->flags & TF_RXCLOSED)) /* else it has its time to end in, whatever comes */
        pcb->tmr = tcp_ticks;
    predict_enter_app(pcb);
    alive = pcb->state == SYN_RCVD ? accept(pcb, s) : go_on(pcb, s);
    if (s->fin)
        answer_fin(pcb, alive, buf);
    else {
        predict_leave_app(pcb, alive);
        pktbuf_free(buf);
    }
    if (tcp_tw_pcbs != NULL)
        tcp_timewait_compress();
    return true;
}
