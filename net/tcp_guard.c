/* What lwIP must not believe of a segment: see tcp_guard.h. */
#include "tcp_guard.h"
#include "stack_priv.h"
#include <kernel/lib.h>
#include <kernel/page.h>
#include <kernel/time.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip.h>
#include <lwip/memp.h>
#include <lwip/priv/memp_priv.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/tcp.h>

enum {
    OPTION_END,
    OPTION_NOP,
    OPTION_MSS,
    OPTION_UNKNOWN = 254
}; /* 254: RFC 4727, for experiments */

/* ---- Options ---- */

bool tcp_options_are_whole(const struct pbuf *p)
{
    unsigned bytes = TCPH_HDRLEN_BYTES((const struct tcp_hdr *)p->payload);
    const u8_t *at = (const u8_t *)p->payload + TCP_HLEN;
    const u8_t *last = (const u8_t *)p->payload + bytes - 1;

    if (unlikely(bytes > p->len))
        return bytes > p->tot_len;
    while (at < last) {
        if (*at <= OPTION_NOP) {
            if (*at == OPTION_END)
                return true;
            at++;
            continue;
        }
        if (at[1] < 2)
            return false;
        at += at[1];
    }
    return at > last ? at == last + 1 || bytes < TCP_HLEN : *at <= OPTION_NOP;
}

/* Of one that is whole. */
static unsigned option_bytes(const u8_t *at)
{
    return *at == OPTION_NOP ? 1 : LWIP_MAX(at[1], 2u);
}

u16_t tcp_option_mss(const struct pbuf *p)
{
    const u8_t *tcp = p->payload;
    unsigned end = TCPH_HDRLEN_BYTES((const struct tcp_hdr *)p->payload), at = TCP_HLEN;

    while (at < end && tcp[at] != OPTION_END) {
        if (tcp[at] == OPTION_MSS && tcp[at + 1] == 4)
            return (u16_t)(tcp[at + 2] << 8 | tcp[at + 3]);
        at += option_bytes(tcp + at);
    }
    return 536;
}

/* They are whole, and in one part: tcp_options_are_whole(). */
static void forget_mss(struct tcp_hdr *tcp, unsigned opt_len)
{
    u8_t *options = (u8_t *)(tcp + 1);
    unsigned at = 0;

    while (at < opt_len && options[at] != OPTION_END) {
        if (options[at] == OPTION_MSS) {
            options[at] = OPTION_UNKNOWN;
            stack.stats.tcp_mss_ignored++;
        }
        at += option_bytes(options + at);
    }
}

bool tcp_checksum_is_right(struct pbuf *p, const struct netif *netif)
{
    IF__NETIF_CHECKSUM_ENABLED(netif, NETIF_CHECKSUM_CHECK_TCP)
    {
        return ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len, ip_current_src_addr(),
                                ip_current_dest_addr()) == 0;
    }
    return true;
}

/* ---- Answers to what is unacceptable ---- */

#define ANSWER_SHIFT 29u /* in units of 2^29 ns, about half a second */

enum { ANSWERS = 1, ANSWERS_TO_DATA = 10 };

/* By the connection's place in lwIP's pool; the port tells it from the next one there. */
static LATE_BSS struct answered {
    u16_t unit, port;
    u16_t count; /* in that unit */
} answered[MEMP_NUM_TCP_PCB];

static struct answered *answered_to(const struct tcp_pcb *pcb)
{
    const struct memp_desc *pool = memp_pools[MEMP_TCP_PCB];

    return &answered[(size_t)((const u8_t *)pcb - pool->base) / pool->size];
}

static bool may_answer(const struct tcp_pcb *pcb, unsigned most)
{
    struct answered *a = answered_to(pcb);
    u16_t now = (u16_t)(time_ns() >> ANSWER_SHIFT);

    if (a->unit != now || a->port != pcb->remote_port)
        *a = (struct answered){ now, pcb->remote_port, 0 };
    if (a->count >= most) {
        stack.stats.tcp_acks_skipped++;
        return false;
    }
    a->count++;
    return true;
}

static err_t drop_and_answer(struct tcp_pcb *pcb, unsigned most)
{
    if (pcb->state >= ESTABLISHED && may_answer(pcb, most)) {
        tcp_ack_now(pcb);
        tcp_output(pcb);
    }
    return ERR_VAL;
}

/* RFC 5961 §3.2, §4.2: lwIP answers a reset that is not exactly what is expected next, and any SYN,
 * and does nothing else about it. */
static err_t guard_reset_or_syn(const struct tcp_pcb *pcb, const struct tcp_hdr *tcp)
{
    u32_t ahead = tcp->seqno - pcb->rcv_nxt;
    bool challenged =
        TCPH_FLAGS(tcp) & TCP_RST ? ahead != 0 && ahead <= pcb->rcv_wnd : pcb->state != SYN_RCVD;

    if (!challenged)
        return ERR_OK;
    if (!may_answer(pcb, ANSWERS))
        return ERR_VAL;
    stack.stats.tcp_challenge_acks++;
    return ERR_OK;
}

/* RFC 5961 §5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT */
static bool ack_is_plausible(const struct tcp_pcb *pcb, const struct tcp_hdr *tcp)
{
    return tcp->ackno - pcb->lastack <= pcb->snd_nxt - pcb->lastack ||
           pcb->lastack - tcp->ackno <= pcb->snd_wnd_max;
}

static err_t refuse_ack(struct tcp_pcb *pcb, const struct tcp_hdr *tcp)
{
    stack.stats.tcp_bad_acks++;
    if (!(TCPH_FLAGS(tcp) & TCP_ACK)) /* RFC 9293 §3.10.7.4: without a word */
        return ERR_VAL;
    if (may_answer(pcb, ANSWERS)) {
        stack.stats.tcp_challenge_acks++;
        tcp_ack_now(pcb);
        tcp_output(pcb);
    }
    return ERR_VAL;
}

/* What a segment without data is for, whatever its number is: a window that is closed leaves none
 * that lwIP would find acceptable. */
static bool brings_news(const struct tcp_pcb *pcb, const struct tcp_hdr *tcp)
{
    return TCP_SEQ_GT(tcp->ackno, pcb->lastack) ||
           (u32_t)SND_WND_SCALE(pcb, tcp->wnd) > pcb->snd_wnd;
}

/* It does not lie in the window as a whole: ahead of what is expected by so much, or ("negative")
 * behind; len counts a FIN. */
static err_t guard_edges(struct tcp_pcb *pcb, const struct tcp_hdr *tcp, u32_t ahead, u32_t len,
                         bool data)
{
    if ((s32_t)ahead < 0 && (s32_t)(ahead + len) > 0 && pcb->rcv_wnd > 0)
        return ERR_OK; /* a part of it is new, and lwIP takes that */
    if (data && (s32_t)ahead > 0) {
        stack.stats.tcp_beyond_window++; /* what is right of it will come again */
        return drop_and_answer(pcb, ANSWERS_TO_DATA);
    }
    if (len == 0 && brings_news(pcb, tcp))
        return ERR_OK;
    return may_answer(pcb, len > 0 ? ANSWERS_TO_DATA : ANSWERS) ? ERR_OK : ERR_VAL;
}

static __attribute__((noinline)) err_t look_closer(struct tcp_pcb *pcb, struct tcp_hdr *tcp,
                                                   u16_t opt_len, const struct pbuf *p)
{
    u8_t flags = TCPH_FLAGS(tcp);
    u32_t ahead = tcp->seqno - pcb->rcv_nxt, len = p->tot_len + ((flags & TCP_FIN) != 0);

    if (flags & (TCP_SYN | TCP_RST))
        return guard_reset_or_syn(pcb, tcp);
    if (opt_len > 0)
        forget_mss(tcp, opt_len);
    if (pcb->state >= ESTABLISHED && !((flags & TCP_ACK) && ack_is_plausible(pcb, tcp)))
        return refuse_ack(pcb, tcp);
    if (ahead < pcb->rcv_wnd && (ahead == 0 || ahead + len <= pcb->rcv_wnd))
        return ERR_OK;
    return guard_edges(pcb, tcp, ahead, len, p->tot_len > 0);
}

/* Most segments are what comes next, and acknowledge what was sent. (lwIP cuts what is too long for
 * the window from these.) */
err_t tcp_guard(struct tcp_pcb *pcb, struct tcp_hdr *tcp, u16_t opt_len, u16_t opt1_len, u8_t *opt2,
                struct pbuf *p)
{
    (void)opt1_len;
    (void)opt2;
    if ((unsigned)pcb->state - SYN_RCVD >= (unsigned)TIME_WAIT - SYN_RCVD)
        return ERR_OK;
    if (likely(tcp->seqno == pcb->rcv_nxt && pcb->rcv_wnd > 0 && opt_len == 0 &&
               (TCPH_FLAGS(tcp) & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK &&
               tcp->ackno - pcb->lastack <= pcb->snd_nxt - pcb->lastack))
        return ERR_OK;
    return look_closer(pcb, tcp, opt_len, p);
}
