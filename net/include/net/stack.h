/*
 * The TCP/IP stack (lwIP) bound to the NIC. lwIP is not re-entrant: everything here, and every
 * lwIP call of an app, is bottom-half code. Main context enters by net_enter()/net_leave().
 */
#ifndef NET_STACK_H
#define NET_STACK_H

#include <drivers/nic.h>

/* Start lwIP and its timers on this NIC (NULL: none, the stack runs without a link). Boot. */
void stack_init(struct nic *nic);

/*
 * One received frame goes up: Ethernet, IP, TCP, the app; it returns when all that is done. The
 * buffer is the stack's from here on, and goes back to the pool when its last reader has freed
 * it. Called by napi_poll().
 */
void stack_input(struct pktbuf *buf);

/* Free what the device has finished sending; restart senders that found the ring full. */
void stack_tx_complete(void);

/* Bracket for main context that calls lwIP: softirqs off, and one kick at the end. Nests. */
void net_enter(void);
void net_leave(void);

struct netif;
struct netif *stack_netif(void);

/* Frames dropped before lwIP sees them, by reason; the rest is in lwIP's own stats. */
struct stack_stats {
    uint64_t rx_vlan;        /* 802.1Q tagged: not ours */
    uint64_t rx_ethertype;   /* neither IPv4, IPv6 nor ARP */
    uint64_t rx_other_host;  /* unicast to another MAC */
    uint64_t rx_no_memory;
    uint64_t tx_ring_full;   /* lwIP was told to try again later */
    uint64_t tx_too_many_segments; /* copied into one buffer instead */
};
void stack_stats(struct stack_stats *out);

#endif
