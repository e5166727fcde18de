/* Banks of TCP connections: see tcp_banks.h. */
#include "stack_priv.h"
#include "tcp_backlog.h"
#include "tcp_banks.h"
#include "tcp_guard.h"
#include "tcp_timewait.h"
#include <kernel/rand.h>
#include <lwip/ip.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/tcp.h>

_Static_assert(IS_POWER_OF_TWO(TCP_BANKS), "a mask takes the place of a division");
struct bank {
    struct tcp_pcb *active, *time_wait;
};

static struct {
    struct bank bank[TCP_BANKS];
    unsigned current; /* whose heads stand in lwIP's variables; what is in bank[] is old */
    unsigned input;   /* that of the segment being handled */
    uint64_t key[2];  /* so that nobody chooses ports that all fall into one bank */
    bool slow;        /* every other tick of tcp_tmr() */
} banks;

void tcp_banks_init(void)
{
    rand_bytes(banks.key, sizeof(banks.key));
}

/* ---- Which bank ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ banks.key[0]) * (b ^ banks.key[1]);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static unsigned bank_of_ip4(u32_t remote, u16_t remote_port, u16_t local_port)
{
    return (unsigned)mix(remote, (uint64_t)remote_port << 16 | local_port) & (TCP_BANKS - 1);
}

uint32_t tcp_banks_hash(const ip_addr_t *remote, uint16_t remote_port, uint16_t local_port)
{
    uint64_t ports = (uint64_t)remote_port << 16 | local_port;
    const u32_t *word;

    if (!IP_IS_V6(remote))
        return (uint32_t)mix(ip4_addr_get_u32(ip_2_ip4(remote)), ports);
    word = ip_2_ip6(remote)->addr;
    return (uint32_t)mix(mix((uint64_t)word[0] << 32 | word[1], ports),
                         (uint64_t)word[2] << 32 | word[3]);
}

static unsigned bank_of(const ip_addr_t *remote, u16_t remote_port, u16_t local_port)
{
    return tcp_banks_hash(remote, remote_port, local_port) & (TCP_BANKS - 1);
}

static void select_bank(unsigned index)
{
    struct bank *from = &banks.bank[banks.current], *to = &banks.bank[index];

    if (index == banks.current)
        return;
    *from = (struct bank){ tcp_active_pcbs, tcp_tw_pcbs };
    tcp_active_pcbs = to->active;
    tcp_tw_pcbs = to->time_wait;
    banks.current = index;
}

/* Returns the bank to go back to: calls nest, because apps are called and call again. */
static unsigned enter_bank(const struct tcp_pcb *pcb)
{
    unsigned outer = banks.current;

    if (pcb == tcp_input_pcb && outer == banks.input)
        return outer; /* its own callback: no need to find out */
    if (pcb->state != LISTEN && pcb->state != CLOSED)
        select_bank(bank_of(&pcb->remote_ip, pcb->remote_port, pcb->local_port));
    return outer;
}

static void select_for_input(unsigned index)
{
    select_bank(index);
    banks.input = index;
}

/* In the bank that is selected. */
static struct tcp_pcb *find_active(const ip_addr_t *remote, u16_t remote_port, u16_t local_port)
{
    struct tcp_pcb *pcb = tcp_active_pcbs;

    while (pcb != NULL && !(pcb->local_port == local_port && pcb->remote_port == remote_port &&
                            ip_addr_eq(&pcb->remote_ip, remote)))
        pcb = pcb->next;
    return pcb;
}

struct tcp_pcb *tcp_banks_find_ip4(uint32_t remote, uint16_t remote_port, uint16_t local_port)
{
    struct tcp_pcb *pcb;

    select_for_input(bank_of_ip4(remote, remote_port, local_port));
    for (pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
        if (pcb->remote_port == remote_port && pcb->local_port == local_port &&
            IP_IS_V4_VAL(pcb->remote_ip) && ip4_addr_get_u32(ip_2_ip4(&pcb->remote_ip)) == remote)
            break;
    return pcb;
}

/* ---- Segments ---- */

void __real_tcp_input(struct pbuf *p, struct netif *netif);
void __wrap_tcp_input(struct pbuf *p, struct netif *netif);

/*
 * The device puts segments together (GUEST_TSO), and lwIP acknowledges every second one that it
 * sees: a sender whose window is one such segment would wait for the timer of the delayed
 * acknowledgement each time. So what is worth two (RFC 9293 §3.8.6.3) counts as the second of two.
 */
static void acknowledge_now(struct tcp_pcb *pcb, const struct pbuf *p)
{
    if (unlikely(p->tot_len >= 2 * TCP_MSS))
        tcp_set_flags(pcb, TF_ACK_DELAY);
}

tcpwnd_size_t tcp_initial_window(const struct tcp_pcb *pcb)
{
    return LWIP_MIN(10u * pcb->mss, LWIP_MAX(2u * pcb->mss, 14600u));
}

/* lwIP has put the connection at the head of its bank: there it is, if it lives. */
static void open_connection(struct pbuf *p, struct netif *netif, struct tcp_pcb *pcb)
{
    __real_tcp_input(p, netif);
    if (tcp_active_pcbs == pcb && pcb->state == ESTABLISHED)
        pcb->cwnd = tcp_initial_window(pcb);
}

static void refuse(struct pbuf *p)
{
    stack.stats.tcp_bad_options++;
    TCP_STATS_INC(tcp.recv);
    TCP_STATS_INC(tcp.drop);
    pbuf_free(p);
}

void __wrap_tcp_input(struct pbuf *p, struct netif *netif)
{
    const struct tcp_hdr *tcp = p->payload;
    struct tcp_pcb *pcb = NULL;

    if (likely(p->len >= TCP_HLEN)) {
        u16_t remote_port = lwip_ntohs(tcp->src), local_port = lwip_ntohs(tcp->dest);

        if (TCPH_HDRLEN(tcp) > TCP_HLEN / 4 && unlikely(!tcp_options_are_whole(p))) {
            refuse(p);
            return;
        }
        select_for_input(bank_of(ip_current_src_addr(), remote_port, local_port));
        pcb = find_active(ip_current_src_addr(), remote_port, local_port);
        if (pcb != NULL) {
            acknowledge_now(pcb, p);
        } else {
            if (tcp_timewait_count() > 0 && tcp_timewait_input(p, netif))
                return;
            switch (tcp_backlog_input(p, netif)) {
            case BACKLOG_TAKEN:
                return;
            case BACKLOG_OPENED:
                pcb = tcp_active_pcbs;
                break;
            case BACKLOG_PASSED:
                break;
            }
        }
    }
    if (pcb != NULL && pcb->state == SYN_RCVD && pcb->nrtx == 0)
        open_connection(p, netif, pcb);
    else
        __real_tcp_input(p, netif);
    if (unlikely(tcp_tw_pcbs != NULL))
        tcp_timewait_compress();
}

/* ---- What apps call ---- */

err_t __real_tcp_close(struct tcp_pcb *pcb);
err_t __wrap_tcp_close(struct tcp_pcb *pcb);

err_t __wrap_tcp_close(struct tcp_pcb *pcb)
{
    unsigned outer = enter_bank(pcb);
    err_t err = __real_tcp_close(pcb);

    select_bank(outer);
    return err;
}

err_t __real_tcp_shutdown(struct tcp_pcb *pcb, int rx, int tx);
err_t __wrap_tcp_shutdown(struct tcp_pcb *pcb, int rx, int tx);

err_t __wrap_tcp_shutdown(struct tcp_pcb *pcb, int rx, int tx)
{
    unsigned outer = enter_bank(pcb);
    err_t err = __real_tcp_shutdown(pcb, rx, tx);

    select_bank(outer);
    return err;
}

void __real_tcp_abort(struct tcp_pcb *pcb);
void __wrap_tcp_abort(struct tcp_pcb *pcb);

void __wrap_tcp_abort(struct tcp_pcb *pcb)
{
    unsigned outer = enter_bank(pcb);

    __real_tcp_abort(pcb);
    select_bank(outer);
}

err_t __real_tcp_connect(struct tcp_pcb *pcb, const ip_addr_t *to, u16_t port,
                         tcp_connected_fn connected);
err_t __wrap_tcp_connect(struct tcp_pcb *pcb, const ip_addr_t *to, u16_t port,
                         tcp_connected_fn connected);

/* The bank depends on our own port, so it is chosen here: RFC 6056 §3.3.1, at random. */
err_t __wrap_tcp_connect(struct tcp_pcb *pcb, const ip_addr_t *to, u16_t port,
                         tcp_connected_fn connected)
{
    unsigned outer = banks.current;
    bool bound = pcb->local_port != 0;
    err_t err;

    for (unsigned i = 0; i < TCP_BANKS; i++) {
        if (!bound)
            pcb->local_port = (u16_t)(0xc000 + (rand_u32() & 0x3fff));
        select_bank(bank_of(to, port, pcb->local_port));
        if (find_active(to, port, pcb->local_port) == NULL) {
            err = __real_tcp_connect(pcb, to, port, connected);
            select_bank(outer);
            return err;
        }
    }
    if (!bound)
        pcb->local_port = 0;
    select_bank(outer);
    return ERR_USE;
}

void tcp_banks_abandon(struct tcp_pcb *pcb)
{
    unsigned outer = enter_bank(pcb);

    tcp_abandon(pcb, 0);
    select_bank(outer);
}

/* ---- Newcomers ---- */

/*
 * A connection that its app has closed is in nobody's books. If its peer never acknowledges our FIN
 * it takes its place for minutes: no limit of an app's keeps such peers from taking all of them. So
 * these, and no others, make room, where a hand that goes round the banks finds them (a few banks
 * for each newcomer).
 */
#define EVICT_BANKS 64u

static bool is_left(const struct tcp_pcb *pcb)
{
    return pcb->flags & TF_RXCLOSED && pcb != tcp_input_pcb;
}

static bool evict(void)
{
    static unsigned hand;
    unsigned outer = banks.current;
    struct tcp_pcb *pcb = NULL;

    for (unsigned i = 0; i < EVICT_BANKS && pcb == NULL; i++) {
        hand = (hand + 1) & (TCP_BANKS - 1);
        select_bank(hand);
        for (pcb = tcp_active_pcbs; pcb != NULL && !is_left(pcb);)
            pcb = pcb->next;
    }
    if (pcb != NULL) {
        tcp_abort(pcb);
        stack.stats.tcp_evicted++;
    }
    select_bank(outer);
    return pcb != NULL;
}

/* lwIP would end a live connection for a new one; here the new one is refused. Half-open ones are
 * not live: any of them may be made up. */
static bool has_place(void)
{
    const struct stats_mem *pool = lwip_stats.memp[MEMP_TCP_PCB];

    if (likely(pool->used < memp_pools[MEMP_TCP_PCB]->num) || evict() || tcp_backlog_evict(NULL))
        return true;
    lwip_stats.memp[MEMP_TCP_PCB]->err++;
    return false;
}

struct tcp_pcb *__real_tcp_alloc(u8_t priority);
struct tcp_pcb *__wrap_tcp_alloc(u8_t priority);

struct tcp_pcb *__wrap_tcp_alloc(u8_t priority)
{
    struct tcp_pcb *pcb = has_place() ? __real_tcp_alloc(priority) : NULL;

    if (unlikely(syncookie_opening))
        tcp_input_pcb = pcb;
    return pcb;
}

struct tcp_pcb *__real_tcp_new_ip_type(u8_t type);
struct tcp_pcb *__wrap_tcp_new_ip_type(u8_t type);

struct tcp_pcb *__wrap_tcp_new_ip_type(u8_t type)
{
    return has_place() ? __real_tcp_new_ip_type(type) : NULL;
}

struct tcp_pcb *__real_tcp_new(void);
struct tcp_pcb *__wrap_tcp_new(void);

struct tcp_pcb *__wrap_tcp_new(void)
{
    return has_place() ? __real_tcp_new() : NULL;
}

/* ---- All of them ---- */

static bool is_empty(const struct bank *bank)
{
    return bank->active == NULL && bank->time_wait == NULL;
}

/* What is in bank[] of the bank that is selected is right, until lwIP is called again. */
static void put_back(void)
{
    banks.bank[banks.current] = (struct bank){ tcp_active_pcbs, tcp_tw_pcbs };
}

static __attribute__((noinline)) void every_bank(void (*visit)(void))
{
    unsigned outer = banks.current;

    put_back();
    for (unsigned i = 0; i < TCP_BANKS; i++) {
        if (is_empty(&banks.bank[i]))
            continue;
        select_bank(i);
        visit();
    }
    select_bank(outer);
}

/* Take off what the peer has of what was cut for it (net/tcp_gso.c); returns its bytes. */
static u32_t free_acknowledged(struct tcp_pcb *pcb)
{
    u32_t bytes = 0;

    while (pcb->unacked != NULL &&
           TCP_SEQ_LEQ(lwip_ntohl(pcb->unacked->tcphdr->seqno) + TCP_TCPLEN(pcb->unacked),
                       pcb->lastack)) {
        struct tcp_seg *seg = pcb->unacked;

        pcb->unacked = seg->next;
        pcb->snd_queuelen -= pbuf_clen(seg->p);
        bytes += seg->len;
        tcp_seg_free(seg);
    }
    pcb->snd_buf += bytes;
    return bytes;
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

/*
 * A connection's persist timer runs while there is something to send, no window for it, and nothing
 * in flight; lwIP's slow timer asserts that. Before it runs here it is made so: lwIP 2.2.1 leaves
 * the timer running when the byte of a window probe is acknowledged and it was the last one (RFC
 * 9293 §3.8.6.1: nothing to send, no window to probe for); and the acknowledged part of a
 * super-segment stands among what is in flight until the next acknowledgement, which may never
 * come.
 */
static bool settle_persist_timer(struct tcp_pcb *pcb)
{
    bool alive = true;

    if (pcb->unsent == NULL) {
        pcb->persist_backoff = 0;
    } else if (pcb->unacked != NULL) {
        alive = tell_sent(pcb, free_acknowledged(pcb));
        if (alive && pcb->unacked != NULL)
            pcb->persist_backoff = 0;
        else if (alive)
            pcb->rtime = -1;
    }
    return alive;
}

static void settle_persist_timers(void)
{
    struct tcp_pcb *pcb = tcp_active_pcbs, *next;

    for (; pcb != NULL; pcb = next) {
        next = pcb->next;
        if (unlikely(pcb->persist_backoff > 0) && !settle_persist_timer(pcb))
            next = tcp_active_pcbs; /* a callback ended it, and perhaps others */
    }
}

static u32_t ticks; /* lwIP's clock counts runs of its slow timer: one each tick, not one a bank */

/* lwIP numbers its timers' runs with 8 bits, and marks each connection with the number of the run
 * that has visited it, so as not to visit it twice. Here a run is a bank's, and many come between
 * two visits: a mark could be that old, and look new. So each is renewed with the number of the
 * last run. */
static u8_t runs; /* as many as lwIP has counted: all come from here */

static void mark_unvisited(void)
{
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
        pcb->last_timer = runs;
    runs++;
}

static void fast_timer(void)
{
    mark_unvisited();
    tcp_fasttmr();
}

static void slow_timer(void)
{
    settle_persist_timers();
    mark_unvisited();
    tcp_ticks = ticks;
    tcp_slowtmr();
}

/* lwIP's timer goes on as long as its variables hold a connection. */
static void select_any(void)
{
    put_back();
    for (unsigned i = 0; i < TCP_BANKS && is_empty(&banks.bank[banks.current]); i++)
        if (!is_empty(&banks.bank[i]))
            select_bank(i);
}

void __wrap_tcp_tmr(void);

/* As tcp_tmr(): every 250 ms, the slow timer every other time. */
void __wrap_tcp_tmr(void)
{
    every_bank(fast_timer);
    banks.slow = !banks.slow;
    if (banks.slow) {
        ticks = tcp_ticks;
        every_bank(slow_timer);
        tcp_ticks = ticks + 1;
    }
    select_any();
}

void __real_tcp_txnow(void);
void __wrap_tcp_txnow(void);

void __wrap_tcp_txnow(void)
{
    every_bank(__real_tcp_txnow);
}

void __real_pbuf_free_ooseq(void);
void __wrap_pbuf_free_ooseq(void);

/* It stops at the first connection that has something to free. */
void __wrap_pbuf_free_ooseq(void)
{
    every_bank(__real_pbuf_free_ooseq);
}

void __real_tcp_netif_ip_addr_changed(const ip_addr_t *old, const ip_addr_t *new);
void __wrap_tcp_netif_ip_addr_changed(const ip_addr_t *old, const ip_addr_t *new);

/* It ends connections, on whose err callbacks others may be ended: bank by bank all the same. */
void __wrap_tcp_netif_ip_addr_changed(const ip_addr_t *old, const ip_addr_t *new)
{
    unsigned outer = banks.current;

    for (unsigned i = 0; i < TCP_BANKS; i++) {
        select_bank(i);
        __real_tcp_netif_ip_addr_changed(old, new);
    }
    select_bank(outer);
}

/* ---- Walking ---- */

static struct tcp_pcb *first_from(unsigned index)
{
    for (; index < TCP_BANKS; index++) {
        select_bank(index);
        if (tcp_active_pcbs != NULL)
            return tcp_active_pcbs;
        if (tcp_tw_pcbs != NULL)
            return tcp_tw_pcbs;
    }
    return NULL;
}

struct tcp_pcb *tcp_banks_next(struct tcp_pcb *pcb)
{
    if (pcb == NULL)
        return first_from(0);
    if (pcb->next != NULL)
        return pcb->next;
    if (pcb->state != TIME_WAIT && tcp_tw_pcbs != NULL)
        return tcp_tw_pcbs;
    return first_from(banks.current + 1);
}

unsigned tcp_banks_longest(void)
{
    unsigned outer = banks.current, most = 0;

    for (unsigned i = 0; i < TCP_BANKS; i++) {
        unsigned length = 0;

        select_bank(i);
        for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
            length++;
        most = length > most ? length : most;
    }
    select_bank(outer);
    return most;
}
