/*
 * lwIP's options, each with its reason; what is not named here is as in lwIP's opt.h. lwIP's own
 * unit tests run with these too (tests/lwip/lwipopts.h says which they must override).
 */
#ifndef NET_PORT_LWIPOPTS_H
#define NET_PORT_LWIPOPTS_H

/* ------------------------------------------------------------------ system */

#define NO_SYS                  1 /* no threads: the bottom half calls lwIP, run to completion */
#define LWIP_NETCONN            0 /* the blocking APIs need threads */
#define LWIP_SOCKET             0
#define SYS_LIGHTWEIGHT_PROT    0 /* never entered from two contexts: LWIP_ASSERT_CORE_LOCKED */
#define LWIP_TCPIP_CORE_LOCKING 0 /* likewise: there is no core lock to take */
#define LWIP_SINGLE_NETIF       1 /* one NIC: routing is a test, not a search */
#define LWIP_HOOK_FILENAME      "lwip_hooks.h"
#if !__STDC_HOSTED__ /* lwIP's own unit tests are not traced */
#define LWIP_PERF 1  /* arch/perf.h: the packet trace's points in lwIP */
#endif

/* ------------------------------------------------------------------ memory */

#define MEM_ALIGNMENT 8 /* pointers in every struct */

/* The heap (segment headers, copied payload) is kmalloc: O(1), and in the direct map, so that
 * it may be handed to the device. */
#define MEM_CUSTOM_ALLOCATOR 1
#define MEM_CUSTOM_MALLOC    lwip_port_malloc
#define MEM_CUSTOM_CALLOC    lwip_port_calloc
#define MEM_CUSTOM_FREE      lwip_port_free
#include <stddef.h>
void *lwip_port_malloc(size_t bytes);
void *lwip_port_calloc(size_t count, size_t bytes);
void lwip_port_free(void *p);

/* PCBs, segments, pbuf heads come from static pools: they bound what a peer can make us hold,
 * and can be counted. In all 4.5 MiB (LATE_BSS). */
#define MEMP_MEM_MALLOC 0

/* Received frames are the NIC's own buffers (pbuf_custom, net/stack_rx.c); nothing else in our
 * configuration allocates from lwIP's pool of packet buffers. */
#define PBUF_POOL_SIZE           0
#define LWIP_SUPPORT_CUSTOM_PBUF 1

/* Connections: 10,000 and some. Found by hash (net/tcp_banks.h); TIME-WAIT is kept elsewhere
 * (net/tcp_timewait.h); when all are in use a newcomer is refused. */
#define MEMP_NUM_TCP_PCB        12288
#define MEMP_NUM_TCP_PCB_LISTEN 16
/* A response of a header and a file is one segment, a bulk sender has up to 360: as many as it
 * likes when few do, fewer when many do (tcp_send_room(), net/tcp_send.c). */
#define MEMP_NUM_TCP_SEG 16384
/* One pbuf head (24 bytes) for each piece of payload that is sent by reference. */
#define MEMP_NUM_PBUF    16384
#define MEMP_NUM_UDP_PCB 8 /* DHCP and what an app binds */
#define MEMP_NUM_RAW_PCB 4 /* ping */
/* lwIP's own and a few for an app's sys_timeout(). */
#define MEMP_NUM_SYS_TIMEOUT (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 8)

/* ------------------------------------------------------------------ Ethernet, ARP */

#define PBUF_LINK_ENCAPSULATION_HLEN 12 /* NIC_TX_HEADROOM: virtio's header before each frame */

#define LWIP_ARP       1
#define ARP_TABLE_SIZE 64 /* hosts of the local net that we talk with at once */
#define ARP_QUEUEING   1  /* keep more than the last packet while an address is asked for */
/* Of an unknown neighbour: as many as a load generator opens connections at once, and about what
 * Linux keeps (unres_qlen_bytes). lwIP drops the oldest beyond: TCP would send it again after a
 * second. Held by reference; the pool bounds what absent hosts make us hold: more than SYN-ACKs can
 * be on their way (TCP_DEFAULT_LISTEN_BACKLOG). */
#define ARP_QUEUE_LEN      128
#define MEMP_NUM_ARP_QUEUE 512
/* While a frame waits for an address, what it refers to may be given up by its app: copied. */
#define PBUF_NEEDS_COPY(p)    (!((p)->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS))
#define ETHARP_SUPPORT_VLAN   0 /* tagged frames are not ours: counted as rx_vlan and dropped */
#define LWIP_NETIF_HWADDRHINT 1 /* each PCB remembers its ARP entry: no search per packet */

/* ------------------------------------------------------------------ IPv4 */

#define LWIP_IPV4      1
#define IP_FORWARD     0  /* a host, not a router */
#define IP_DEFAULT_TTL 64 /* as Linux */
#define IP_REASSEMBLY  1
/* A 64 KiB datagram is 45 fragments: two at a time and some strays. Each holds a 2 KiB packet
 * buffer, so this is also what fragments can take from the receive ring. */
#define IP_REASS_MAX_PBUFS  128
#define MEMP_NUM_REASSDATA  16
#define IP_REASS_MAXAGE     15 /* s; RFC 791 suggests it */
#define IP_FRAG             1  /* large pings and UDP */
#define MEMP_NUM_FRAG_PBUF  128
#define LWIP_BROADCAST_PING 0 /* no amplifier (RFC 2644) */
#define LWIP_MULTICAST_PING 0

#define LWIP_ICMP 1
#define LWIP_RAW  1 /* ping */
#define LWIP_UDP  1

#define LWIP_DHCP 1
/* Asking the net whether anybody has the offered address (RFC 5227) costs seconds at every boot;
 * Linux's DHCP clients leave it to the server as well. */
#define LWIP_DHCP_DOES_ACD_CHECK       0
#define DHCP_OPTIONS_LEN               160 /* a host name of 63 characters besides what else is asked */
#define LWIP_NETIF_HOSTNAME            1 /* config key hostname=, sent to the DHCP server */
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1 /* net/ipconf.c logs addresses as they come and go */
#define LWIP_DNS                       0 /* a server: nothing to resolve */

/* ------------------------------------------------------------------ IPv6 */

#define LWIP_IPV6                     1
#define LWIP_IPV6_NUM_ADDRESSES       4 /* link-local and up to three prefixes */
#define LWIP_IPV6_AUTOCONFIG          1 /* SLAAC, RFC 4862 */
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 1 /* do not wait for the next periodic advertisement */
#define LWIP_IPV6_MLD                 1 /* switches that snoop drop solicitations without it */
#define LWIP_IPV6_REASS               1
#define LWIP_IPV6_FRAG                1
#define IPV6_FRAG_COPYHEADER          1  /* reassembly keeps 64-bit pointers in the packet */
#define IPV6_REASS_MAXAGE             60 /* s; RFC 8200 §4.5 */
#define LWIP_ND6_NUM_NEIGHBORS        32
#define LWIP_ND6_NUM_DESTINATIONS     64
#define MEMP_NUM_ND6_QUEUE            512 /* as MEMP_NUM_ARP_QUEUE; a neighbour may have all */
#define MEMP_NUM_MLD6_GROUP           8   /* one solicited-node group for each address */

/* ------------------------------------------------------------------ TCP */

#define LWIP_TCP 1
#define TCP_MSS  1460 /* Ethernet's 1500 less IPv4 and TCP headers; IPv6 takes 20 off by itself */

/* Window scaling (RFC 7323). 256 KiB fill 1 Gbit/s at 2 ms; they are at most 180 full packet
 * buffers, of the 2048 that a 64 MiB guest has, and only while an app does not read. */
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE  3
#define TCP_WND        (256 * 1024)

/* The same for sending; payload goes by reference, so this is segments, not memory. */
#define TCP_SND_BUF      (256 * 1024)
#define TCP_SND_QUEUELEN (4 * TCP_SND_BUF / TCP_MSS)
#define TCP_SNDLOWAT     (32 * 1024) /* used by the blocking APIs only, but checked */

/* Out-of-order data waits in packet buffers: at most this much a connection; when the pool runs
 * dry the stack gives all of it back (stack_rx_reclaim()). */
#define TCP_QUEUE_OOSEQ     1
#define TCP_OOSEQ_MAX_PBUFS 64
#define LWIP_TCP_SACK_OUT   1 /* tell the peer what arrived (RFC 2018): it resends less */

/* Spare room behind a copied write, for the next one: 512 bytes take the header of an HTTP
 * response, where a whole MSS would take 2 KiB of heap for it. */
#define TCP_OVERSIZE 512

#define LWIP_TCP_TIMESTAMPS 0    /* 12 bytes in every segment, and lwIP measures RTT without them */
#define LWIP_TCP_RTO_TIME   1000 /* ms before the first measurement: RFC 6298 §2.1 */
#define TCP_MSL             30000 /* ms: TIME_WAIT of 60 s, as Linux */

/* A listener takes at most this many connections that are not accepted yet: what a SYN flood
 * can take of the PCBs. Who comes beyond: net/tcp_backlog.h. */
#define TCP_LISTEN_BACKLOG         1
#define TCP_DEFAULT_LISTEN_BACKLOG 255

/* Local ports are random (RFC 6056): net/ports.c draws anew for each. ISNs are in lwip_hooks.h. */
#define LWIP_RANDOMIZE_INITIAL_LOCAL_PORTS 1

/* ------------------------------------------------------------------ checksums, statistics */

/* By software, but for TCP where the card does it (stack_init()), and for received frames that the
 * card has checked (stack_input()). */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define CHECKSUM_GEN_IP              1
#define CHECKSUM_GEN_UDP             1
#define CHECKSUM_GEN_TCP             1
#define CHECKSUM_GEN_ICMP            1
#define CHECKSUM_GEN_ICMP6           1
#define CHECKSUM_CHECK_IP            1
#define CHECKSUM_CHECK_UDP           1
#define CHECKSUM_CHECK_TCP           1
#define CHECKSUM_CHECK_ICMP          1
#define CHECKSUM_CHECK_ICMP6         1

#define LWIP_STATS         1 /* the command `stats` */
#define LWIP_STATS_LARGE   1 /* 32-bit counters: 16 bits pass by in a second */
#define LWIP_STATS_DISPLAY 0 /* we print them */
#define MEMP_STATS         1 /* and the pools in `stats` and `free` */

#endif
