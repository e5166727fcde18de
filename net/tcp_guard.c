/* What lwIP must not believe of a segment: see tcp_guard.h. */
#include "tcp_guard.h"
#include "stack_priv.h"
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/tcp.h>

enum {
    OPTION_END,
    OPTION_NOP,
    OPTION_MSS,
    OPTION_UNKNOWN = 254
}; /* 254: RFC 4727, for experiments */

static u8_t *option_at(const struct tcp_hdr *tcp, u16_t opt1_len, u8_t *opt2, unsigned at)
{
    return at < opt1_len ? (u8_t *)(uintptr_t)(tcp + 1) + at : opt2 + (at - opt1_len);
}

static void forget_mss(const struct tcp_hdr *tcp, u16_t opt_len, u16_t opt1_len, u8_t *opt2)
{
    unsigned at = 0;

    while (at + 1 < opt_len) {
        u8_t *kind = option_at(tcp, opt1_len, opt2, at);
        u8_t length = *option_at(tcp, opt1_len, opt2, at + 1);

        if (*kind == OPTION_END)
            return;
        if (*kind == OPTION_NOP) {
            at++;
            continue;
        }
        if (*kind == OPTION_MSS) {
            *kind = OPTION_UNKNOWN;
            stack.stats.tcp_mss_ignored++;
        }
        if (length < 2)
            return; /* lwIP stops there too */
        at += length;
    }
}

static bool is_beyond_window(const struct tcp_pcb *pcb, const struct tcp_hdr *tcp,
                             const struct pbuf *p)
{
    u32_t end = tcp->seqno + p->tot_len + ((TCPH_FLAGS(tcp) & TCP_FIN) != 0);

    return p->tot_len > 0 && TCP_SEQ_GT(tcp->seqno, pcb->rcv_nxt) &&
           TCP_SEQ_GT(end, pcb->rcv_nxt + pcb->rcv_wnd);
}

err_t tcp_guard(struct tcp_pcb *pcb, struct tcp_hdr *tcp, u16_t opt_len, u16_t opt1_len, u8_t *opt2,
                struct pbuf *p)
{
    if (pcb->state < SYN_RCVD || pcb->state == TIME_WAIT || (TCPH_FLAGS(tcp) & TCP_SYN))
        return ERR_OK;
    if (opt_len > 0)
        forget_mss(tcp, opt_len, opt1_len, opt2);
    if (!is_beyond_window(pcb, tcp, p))
        return ERR_OK;
    stack.stats.tcp_beyond_window++;
    if (pcb->state >= ESTABLISHED) { /* what is right of it will come again */
        tcp_ack_now(pcb);
        tcp_output(pcb);
    }
    return ERR_VAL;
}
