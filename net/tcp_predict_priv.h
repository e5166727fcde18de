/* What tcp_predict.c (data, and acknowledgements of it) and tcp_predict_ends.c (where connections
 * begin and end) share. Bottom half. */
#ifndef NET_TCP_PREDICT_PRIV_H
#define NET_TCP_PREDICT_PRIV_H

#include "stack_priv.h"
#include <drivers/pktbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/stats.h>
#include <stdbool.h>

/* An expected segment. Host byte order but for the address. */
struct segment {
    u32_t remote_ip; /* as on the wire */
    u32_t seq, ack;
    u16_t remote_port, local_port, window;
    u16_t len;
    bool push, fin;
};

/* Next in order, on a connection where nothing is out of the ordinary. */
static inline bool predict_is_regular(const struct tcp_pcb *pcb, const struct segment *s)
{
    return pcb->rcv_nxt == s->seq && pcb->ooseq == NULL && pcb->refused_data == NULL &&
           pcb->nrtx == 0 && pcb->persist_backoff == 0 && !LWIP_TCP_SACK_VALID(pcb, 0);
}

/* It acknowledges some of what is in flight; what waits behind that was never sent. */
static inline bool predict_is_new_ack(const struct tcp_pcb *pcb, const struct segment *s)
{
    return TCP_SEQ_BETWEEN(s->ack, pcb->lastack + 1, pcb->snd_nxt) &&
           (pcb->unsent == NULL || TCP_SEQ_LEQ(s->ack, lwip_ntohl(pcb->unsent->tcphdr->seqno)));
}

/* RFC 9293 §3.10.7.4: the window of the latest segment counts. */
static inline void predict_take_window(struct tcp_pcb *pcb, const struct segment *s)
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

/* What comes first for every expected segment: counted, the connection lives, its window. */
static inline void predict_begin(struct tcp_pcb *pcb, const struct segment *s)
{
    lwip_stats.ip.recv++;
    lwip_stats.tcp.recv++;
    stack.stats.rx_frames++;
    stack.stats.rx_predicted++;
    pcb->keep_cnt_sent = 0;
    pcb->persist_probe = 0;
    predict_take_window(pcb, s);
}

/* Take a new acknowledgement; returns how many bytes the app is to be told of. */
u32_t predict_take_ack(struct tcp_pcb *pcb, u32_t ack);

/* While lwIP handles a segment, a connection that the app closes for good is not freed under its
 * feet: lwIP sets a flag of its own for that. Here it is this one. */
struct predict_handling {
    bool active, closed;
};
extern struct predict_handling predict_handling;

/* Around the app's callbacks. What it writes leaves in one go at the end, and what it closes is
 * freed there; alive: it has not ended the connection. */
static inline void predict_enter_app(struct tcp_pcb *pcb)
{
    predict_handling = (struct predict_handling){ .active = true };
    tcp_input_pcb = pcb;
}
void predict_leave_app(struct tcp_pcb *pcb, bool alive);

/* In between: the sent callback; false: the connection is gone. */
bool predict_tell_sent(struct tcp_pcb *pcb, u32_t bytes);

/* The segments that tcp_predict_ends.c knows; buf is taken if it is one. */
bool tcp_predict_end(struct tcp_pcb *pcb, struct pktbuf *buf, const struct segment *s);

#endif
