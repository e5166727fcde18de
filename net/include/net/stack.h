/*
 * The TCP/IP stack (lwIP) bound to the NIC. lwIP is not re-entrant: everything here, and every
 * lwIP call of an app, is bottom-half code. Main context enters by net_enter()/net_leave().
 *
 * A round of the bottom half, from wherever it starts (napi_poll(), a timer, net_leave()):
 *
 *   stack_tx_complete();      room in the ring first: answers will want it
 *   stack_input(buf); ...     each frame to its end: Ethernet, IP, TCP, the app
 *   stack_round_end();        one kick, timers
 */
#ifndef NET_STACK_H
#define NET_STACK_H

#include <drivers/nic.h>

/* Start lwIP and its timers on this NIC (NULL: none, the stack runs without a link). Boot. */
void stack_init(struct nic *nic);

/*
 * One received frame goes up; it returns when all that is done. The buffer is the stack's from
 * here on, and goes back to the pool when its last reader has freed it. Called by napi_poll().
 */
void stack_input(struct pktbuf *buf);

/* Free what the device has finished sending; restart senders that found the ring full. */
void stack_tx_complete(void);

/* Give receive buffers back where the stack holds too many, refill the receive ring, kick the
 * device for all that was queued, and see to the timers. */
void stack_round_end(void);

/* The device said that its configuration changed: tell lwIP and the log if the link did. */
void stack_link_update(void);

/* Bracket for main context that calls lwIP: softirqs off, and the end of a round at the end.
 * Nests. */
void net_enter(void);
void net_leave(void);

struct netif;
struct netif *stack_netif(void);

/* The interface's name, as a Linux user expects it. */
#define STACK_IFNAME "eth0"

/* What lwIP does not count itself: frames dropped before it sees them, by reason, and sending. */
struct stack_stats {
    uint64_t rx_frames;          /* for us, of a kind that we take */
    uint64_t rx_predicted;       /* not handed to it: TCP as it was expected (net/tcp_predict.h) */
    uint64_t rx_vlan;            /* 802.1Q or 802.1ad tagged: not ours */
    uint64_t rx_ethertype;       /* neither IPv4, IPv6 nor ARP */
    uint64_t rx_other_host;      /* unicast to another MAC */
    uint64_t rx_truncated;       /* too short for its Ethernet, IP or ARP header */
    uint64_t rx_held;            /* now: receive buffers that lwIP or the app keeps */
    uint64_t rx_copied;          /* into the heap: an app holds half of all receive buffers */
    uint64_t rx_no_memory;       /* dropped: no memory for such a copy */
    uint64_t rx_reclaims;        /* out-of-order TCP data given up: too many buffers held */
    uint64_t rx_aborts;          /* connections reset because their app refused too much */
    uint64_t rx_split_fragments; /* IP fragments dropped that lay in several buffers */
    uint64_t rx_split_dhcp;      /* DHCP messages dropped, likewise */
    uint64_t icmp_limited;       /* ICMP errors not sent: there were too many (icmp_limit.h) */
    uint64_t icmp_echo_limited;  /* echo requests not answered, likewise */
    uint64_t icmp6_mtu_ignored;  /* Packet Too Big with an MTU that no path has (RFC 8201 §4) */
    uint64_t nd6_bad_options;    /* neighbour discovery dropped: options beyond its end */
    uint64_t nd6_redirects;      /* ignored */
    uint64_t tcp_bad_options;    /* segments dropped: options beyond the header's end */
    uint64_t tcp_bad_acks;       /* dropped: no ACK, or one that nobody can mean (RFC 5961 §5) */
    uint64_t tcp_mss_ignored;    /* told outside of a SYN */
    uint64_t tcp_beyond_window;  /* segments dropped that end beyond the window */
    uint64_t tcp_challenge_acks; /* sent where something may be forged (RFC 5961) */
    uint64_t tcp_acks_skipped;   /* not sent for what was unacceptable: there were too many */
    uint64_t tcp_evicted;        /* connections that their app had left, ended to make room */
    uint64_t tcp_listen_overflows;  /* SYNs that found a listener's backlog full */
    uint64_t tcp_half_open_evicted; /* half-open connections forgotten for a newer one */
    uint64_t tcp_syncookies_sent, tcp_syncookies_recv, tcp_syncookies_failed;
    uint64_t tx_frames;     /* handed to the device */
    uint64_t tx_templated;  /* of them: headers not made by lwIP (net/tcp_template.h) */
    uint64_t tx_ring_full;  /* lwIP was told to try again later */
    uint64_t tx_copied;     /* into one buffer: too many pieces, no headroom, or fragments of TCP */
    uint64_t tx_cuts;       /* super-segments cut in two (net/tcp_cut.h) */
    uint64_t tx_cut_copied; /* of these, with a part that was copied */
    uint64_t tx_no_memory;  /* no memory for such a copy: lwIP was told */
    uint64_t tx_no_device;  /* no NIC, or one that does not come back */
};
void stack_stats(struct stack_stats *out);
void stack_nic_stats(struct nic_stats *out); /* zeros without a NIC */
void stack_reset_stats(void);                /* all but rx_held. Bottom half */

#endif
