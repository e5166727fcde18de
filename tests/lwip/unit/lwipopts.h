/*
 * Our options for lwIP's own unit tests: those of the kernel, and below what the tests can not do
 * without, each with its reason.
 */
#ifndef TESTS_LWIP_UNIT_LWIPOPTS_H
#define TESTS_LWIP_UNIT_LWIPOPTS_H

#include "../../../net/port/lwipopts.h"

#define LWIP_TESTMODE 1 /* makes some functions visible */
#define MEM_STATS     1 /* each test ends by looking whether the heap is empty */
#define MIB2_STATS    1 /* the reassembly tests count by these */

/* The interface, pbuf and TCP tests add interfaces of their own, several at a time. */
#undef LWIP_SINGLE_NETIF
#define LWIP_SINGLE_NETIF 0

/* The tests make their packets in lwIP's pool, which we do not use. */
#undef PBUF_POOL_SIZE
#define PBUF_POOL_SIZE 400

/* The IP suites' fixture empties the loopback interface's queue. */
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_HAVE_LOOPIF    1

/* The TCP suites send without having exchanged an MSS, so with 536, and calculate with TCP_MSS. */
#undef TCP_MSS
#define TCP_MSS 536

/* Without it lwIP announces a new address by ARP at once; the suites count frames, and test it. */
#undef LWIP_DHCP_DOES_ACD_CHECK
#define LWIP_DHCP_DOES_ACD_CHECK 1

/* They steer the sequence numbers through lwIP's own formula: not ours (tests/host/test_isn.c). */
#undef LWIP_HOOK_FILENAME

/* The TCP suites fill the window, and list the segments that this takes. */
#undef TCP_WND
#define TCP_WND (10 * TCP_MSS)
#undef TCP_SND_BUF
#define TCP_SND_BUF (12 * TCP_MSS)
#undef TCP_SNDLOWAT
#define TCP_SNDLOWAT (4 * TCP_MSS)
#undef TCP_RCV_SCALE
#define TCP_RCV_SCALE 0 /* they read the window field as bytes */

/* The suite's test of this limit does not compile: it uses variables that are no longer there. */
#undef TCP_OOSEQ_MAX_PBUFS
#define TCP_OOSEQ_MAX_PBUFS 0

#undef LWIP_TCP_RTO_TIME
#define LWIP_TCP_RTO_TIME 3000 /* they count the timer's ticks of lwIP's default */

#define ETHARP_SUPPORT_STATIC_ENTRIES 1 /* tested by the ARP suite */

#endif
