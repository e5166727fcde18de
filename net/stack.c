/*
 * lwIP's frame: the interface, its timers on the kernel's one-shot timer, and the brackets within
 * which it may be called. Receiving is in stack_rx.c, sending in stack_tx.c.
 */
#include "isn.h"
#include "stack_priv.h"
#include "tcp_backlog.h"
#include "tcp_banks.h"
#include "tcp_gso.h"
#include "tcp_template.h"
#include <kernel/context.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <kernel/timer.h>
#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/timeouts.h>
#include <net/stack.h>
#include <net/xsk.h>
#include <netif/ethernet.h>
#include <string.h>

/* How long a sent frame may wait to be reaped when nothing else happens: transmit interrupts are
 * off, and the next poll would do it. Only memory waits for it. */
#define TX_LAZY_REAP_NS (10 * NS_PER_MS)

struct stack stack;

/* The command `version` shows it when it is there (kernel/cmd_system.c). */
extern const char stack_version[];
const char stack_version[] = "lwIP " LWIP_VERSION_STRING;

static struct timer lwip_timer; /* lwIP's next timeout */
static struct timer reap_timer; /* armed only while frames are outstanding */
static unsigned enter_depth;    /* net_enter() nests */

struct netif *stack_netif(void)
{
    return &stack.netif;
}

/*
 * Arm the kernel's timer for lwIP's next timeout. Called at the end of every round, because any
 * of lwIP's calls may have started a timer; it looks at the head of a sorted list only. An early
 * one (its timeout was cancelled) does no harm.
 */
static void lwip_timer_update(void)
{
    u32_t sleep_ms = sys_timeouts_sleeptime();
    uint64_t deadline_ns;

    if (sleep_ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE)
        return;
    deadline_ns = (time_ns() / NS_PER_MS + sleep_ms) * NS_PER_MS;
    if (!lwip_timer.armed || deadline_ns < lwip_timer.deadline_ns)
        timer_set(&lwip_timer, deadline_ns);
}

static void lwip_timer_expired(void *arg)
{
    (void)arg;
    stack_tx_complete();
    sys_check_timeouts();
    stack_round_end();
}

static void reap_timer_expired(void *arg)
{
    (void)arg;
    stack_tx_complete();
    stack_round_end();
}

void stack_round_end(void)
{
    /* First: what it frees goes into the ring, and its resets leave, in this round. */
    if (unlikely(stack_rx_short()))
        stack_rx_reclaim();
    xsk_round_end(); /* apps on raw rings: what they answer leaves in this round */
    if (stack.nic != NULL) {
        /* Not in polls alone: a ring that ran empty while all buffers were held raises no
         * interrupt, so whoever frees them has to fill it. */
        nic_rx_refill(stack.nic);
        nic_flush(stack.nic);
        if (!reap_timer.armed && nic_tx_outstanding(stack.nic) > 0)
            timer_set(&reap_timer, time_ns() + TX_LAZY_REAP_NS);
    }
    lwip_timer_update();
}

void net_enter(void)
{
    softirq_disable();
    enter_depth++;
}

void net_leave(void)
{
    ASSERT(enter_depth > 0);
    if (--enter_depth == 0) {
        stack_tx_complete();
        stack_round_end();
    }
    softirq_enable();
}

void stack_link_update(void)
{
    bool up = stack.nic != NULL && !nic_broken(stack.nic) && nic_link_up(stack.nic);

    if (up == (netif_is_link_up(&stack.netif) != 0))
        return;
    printk("net: link %s", up ? "up" : "down");
    if (up)
        netif_set_link_up(&stack.netif);
    else
        netif_set_link_down(&stack.netif);
}

void stack_stats(struct stack_stats *out)
{
    *out = stack.stats;
}

void stack_nic_stats(struct nic_stats *out)
{
    *out = (struct nic_stats){ 0 };
    if (stack.nic != NULL)
        nic_stats(stack.nic, out);
}

void stack_reset_stats(void)
{
    ASSERT_BOTTOM_HALF();
    stack.stats = (struct stack_stats){ .rx_held = stack.stats.rx_held };
}

/* netif_add()'s callback: what kind of interface this is. */
static err_t netif_setup(struct netif *netif)
{
    netif->name[0] = 'e';
    netif->name[1] = 't';
    netif->mtu = 1500;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    if (stack.nic != NULL) {
        netif->mtu = (u16_t)MIN(nic_mtu(stack.nic), 1500u); /* what a packet buffer takes */
        memcpy(netif->hwaddr, nic_mac(stack.nic), ETH_HWADDR_LEN);
    }
    netif->mtu6 = netif->mtu;
    if (stack.nic != NULL && (nic_tx_can(stack.nic) & NIC_TX_CSUM))
        NETIF_SET_CHECKSUM_CTRL(netif, NETIF_CHECKSUM_ENABLE_ALL & ~NETIF_CHECKSUM_GEN_TCP);
    stack.checksum_flags = netif->chksum_flags;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_MLD6;
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = stack_linkoutput;
    return ERR_OK;
}

void stack_init(struct nic *nic)
{
    struct pktbuf_stats pool;

    stack.nic = nic;
    pktbuf_stats(&pool);
    stack.rx_held_max = pool.total / 2; /* the ring and the frames of one poll keep the rest */
    timer_setup(&lwip_timer, lwip_timer_expired, NULL);
    timer_setup(&reap_timer, reap_timer_expired, NULL);
    isn_init();
    tcp_banks_init();
    tcp_backlog_init();
    stack_icmp_init();
    if (nic != NULL) {
        tcp_gso_init(nic);
        tcp_template_init(nic);
    }

    net_enter();
    lwip_init();
    netif_add_noaddr(&stack.netif, NULL, netif_setup, ethernet_input);
    netif_set_default(&stack.netif);
    netif_set_up(&stack.netif);
    stack_link_update();
    net_leave();
    if (nic == NULL)
        printk("net: no network card: the stack runs without a link");
}
