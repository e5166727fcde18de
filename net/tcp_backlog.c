/* Half-open connections: see tcp_backlog.h. */
#include "tcp_backlog.h"
#include "stack_priv.h"
#include "syncookie.h"
#include "tcp_banks.h"
#include "tcp_guard.h"
#include "tcp_open.h"
#include <kernel/config.h>
#include <kernel/lib.h>
#include <kernel/page.h>
#include <kernel/rand.h>
#include <kernel/time.h>
#include <lwip/ip.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/tcp.h>
#include <lwip/stats.h>

#define HALF_OPEN_MAX 1024u /* for all listeners together; a power of two */
#define PATIENCE      6u    /* ticks of 500 ms: the SYN-ACK has been sent twice */

_Static_assert(IS_POWER_OF_TWO(HALF_OPEN_MAX), "indexed by a mask");

/* In the order in which they came. Nobody tells when one is complete or has timed out: its entry
 * stays, and is known by the ISN, which the next connection at that place does not have. */
struct half_open {
    struct tcp_pcb *pcb;
    u32_t isn;
};
static LATE_BSS struct half_open ring[HALF_OPEN_MAX];

static struct {
    unsigned first, next; /* run on */
    bool cookies;
    bool cookies_out; /* some have been sent, the last of them in this slot */
    uint32_t last_slot;
    uint8_t key[ISN_KEY_BYTES];
} backlog;

void tcp_backlog_init(void)
{
    backlog.cookies = config_bool("tcp_syncookies", true);
    rand_bytes(backlog.key, sizeof(backlog.key));
}

/* ---- The queue ---- */

static struct half_open *entry(unsigned i)
{
    return &ring[i & (HALF_OPEN_MAX - 1)];
}

static bool is_waiting(const struct half_open *h)
{
    return h->pcb->state == SYN_RCVD && h->pcb->lastack == h->isn;
}

static void give_up(struct tcp_pcb *pcb)
{
    stack.stats.tcp_half_open_evicted++;
    tcp_banks_abandon(pcb);
}

static void forget_stale(void)
{
    while (backlog.first != backlog.next && !is_waiting(entry(backlog.first)))
        backlog.first++;
}

static struct tcp_pcb *oldest_of(const struct tcp_pcb_listen *listener)
{
    forget_stale();
    for (unsigned i = backlog.first; i != backlog.next; i++) {
        const struct half_open *h = entry(i);

        if (is_waiting(h) && (listener == NULL || h->pcb->listener == listener))
            return h->pcb;
    }
    return NULL;
}

bool tcp_backlog_evict(const struct tcp_pcb_listen *listener)
{
    struct tcp_pcb *pcb = oldest_of(listener);

    if (pcb != NULL)
        give_up(pcb);
    return pcb != NULL;
}

/* Half of the ring is free afterwards, so that this is rare. */
static __attribute__((noinline)) void tidy(void)
{
    unsigned to;

    forget_stale();
    to = backlog.first;
    for (unsigned i = backlog.first; i != backlog.next; i++)
        if (is_waiting(entry(i)))
            *entry(to++) = *entry(i);
    backlog.next = to;
    while (backlog.next - backlog.first > HALF_OPEN_MAX / 2)
        give_up(entry(backlog.first++)->pcb);
}

static void add(struct tcp_pcb *pcb)
{
    if (unlikely(backlog.next - backlog.first == HALF_OPEN_MAX))
        tidy();
    *entry(backlog.next++) = (struct half_open){ pcb, pcb->lastack };
}

/* ---- SYNs ---- */

void __real_tcp_input(struct pbuf *p, struct netif *netif);

static struct tcp_pcb_listen *listener_of(const struct tcp_hdr *tcp)
{
    struct tcp_pcb_listen *listener = tcp_listen_pcbs.listen_pcbs;

    while (listener != NULL && listener->local_port != lwip_ntohs(tcp->dest))
        listener = listener->next;
    return listener;
}

static bool is_full(const struct tcp_pcb_listen *listener)
{
    unsigned kept = backlog.cookies && listener->backlog > 1;

    return listener->accepts_pending + kept >= listener->backlog;
}

static struct syncookie_ends ends_of(const struct tcp_hdr *tcp, u32_t remote_isn)
{
    const ip_addr_t *local = ip_current_dest_addr(), *remote = ip_current_src_addr();
    bool ipv6 = IP_IS_V6(remote);

    return (struct syncookie_ends){
        .local = ipv6 ? (const void *)ip_2_ip6(local)->addr : &ip_2_ip4(local)->addr,
        .remote = ipv6 ? (const void *)ip_2_ip6(remote)->addr : &ip_2_ip4(remote)->addr,
        .addr_bytes = ipv6 ? 16 : 4,
        .local_port = tcp->dest,
        .remote_port = tcp->src,
        .remote_isn = remote_isn,
    };
}

static uint32_t slot_now(void)
{
    return (uint32_t)(time_ns() >> SYNCOOKIE_SHIFT);
}

static void send_cookie(struct pbuf *p, struct netif *netif)
{
    const struct tcp_hdr *tcp = p->payload;
    struct syncookie_ends ends = ends_of(tcp, lwip_ntohl(tcp->seqno));

    backlog.cookies_out = true;
    backlog.last_slot = slot_now();
    stack.stats.tcp_syncookies_sent++;
    syncookie_answer(p, netif,
                     syncookie_make(backlog.key, &ends, backlog.last_slot, tcp_option_mss(p)));
}

/* Whether there is a place now. */
static bool make_room(const struct tcp_pcb_listen *listener)
{
    struct tcp_pcb *oldest;

    stack.stats.tcp_listen_overflows++;
    oldest = oldest_of(listener);
    if (oldest == NULL || (backlog.cookies && tcp_ticks - oldest->tmr < PATIENCE))
        return false;
    give_up(oldest);
    return true;
}

static bool is_for_us_alone(void)
{
    return !ip_addr_isbroadcast(ip_current_dest_addr(), ip_current_netif()) &&
           !ip_addr_ismulticast(ip_current_dest_addr());
}

/* What is out of the ordinary lwIP looks at, and perhaps opens. */
static void open_half(struct pbuf *p, struct netif *netif, struct tcp_pcb_listen *listener)
{
    const struct tcp_pcb *before = tcp_active_pcbs;
    struct tcp_pcb *pcb;

    if (likely(tcp_open_may(p, netif, listener))) {
        pcb = tcp_open(p, listener);
        if (pcb != NULL)
            add(pcb);
        pbuf_free(p);
        return;
    }
    __real_tcp_input(p, netif);
    if (tcp_active_pcbs != before && tcp_active_pcbs != NULL && tcp_active_pcbs->state == SYN_RCVD)
        add(tcp_active_pcbs);
}

static void take_syn(struct pbuf *p, struct netif *netif, struct tcp_pcb_listen *listener)
{
    if (likely(!is_full(listener)) || !is_for_us_alone() || !tcp_checksum_is_right(p, netif) ||
        make_room(listener) || !backlog.cookies) {
        open_half(p, netif, listener);
        return;
    }
    TCP_STATS_INC(tcp.recv);
    send_cookie(p, netif);
    pbuf_free(p);
}

/* ---- ACKs ---- */

/* Whether it is one that a cookie was sent for. Only while some may be on their way back: as with
 * Linux, nobody may try cookies at any time. */
static uint16_t mss_of(struct pbuf *p, struct netif *netif)
{
    const struct tcp_hdr *tcp = p->payload;
    struct syncookie_ends ends = ends_of(tcp, lwip_ntohl(tcp->seqno) - 1);
    uint32_t slot = slot_now();
    uint16_t mss;

    if (slot - backlog.last_slot > 1 || !is_for_us_alone() || !tcp_checksum_is_right(p, netif))
        return 0;
    mss = syncookie_check(backlog.key, &ends, slot, lwip_ntohl(tcp->ackno) - 1);
    if (mss == 0)
        stack.stats.tcp_syncookies_failed++;
    return mss;
}

static __attribute__((noinline)) enum backlog_verdict take_ack(
    struct pbuf *p, struct netif *netif, const struct tcp_pcb_listen *listener)
{
    const struct tcp_hdr *tcp = p->payload;
    uint16_t mss = mss_of(p, netif);
    struct tcp_pcb *pcb;

    if (mss == 0)
        return BACKLOG_PASSED;
    stack.stats.tcp_syncookies_recv++;
    if (listener->accepts_pending >= listener->backlog)
        tcp_backlog_evict(listener);
    pcb = syncookie_open(p, netif, mss, lwip_ntohl(tcp->ackno) - 1);
    if (pcb == NULL) { /* no memory: the client will send something again */
        pbuf_free(p);
        return BACKLOG_TAKEN;
    }
    add(pcb);
    return BACKLOG_OPENED;
}

enum backlog_verdict tcp_backlog_input(struct pbuf *p, struct netif *netif)
{
    const struct tcp_hdr *tcp = p->payload;
    u8_t flags = TCPH_FLAGS(tcp) & (TCP_SYN | TCP_ACK | TCP_RST);
    struct tcp_pcb_listen *listener = listener_of(tcp);

    if (listener == NULL)
        return BACKLOG_PASSED;
    if (flags == TCP_SYN) {
        take_syn(p, netif, listener);
        return BACKLOG_TAKEN;
    }
    return flags == TCP_ACK && backlog.cookies_out ? take_ack(p, netif, listener) : BACKLOG_PASSED;
}
