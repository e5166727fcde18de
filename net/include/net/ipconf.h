/*
 * How the interface gets its addresses: ip= (address/prefix), gateway=, from tophalf.cfg, or
 * DHCP; when no DHCP server has answered after 5 s the log says so, the fallback address
 * (fallback_ip=, default 192.168.76.2/24) is taken, and DHCP goes on asking. IPv6 by SLAAC.
 */
#ifndef NET_IPCONF_H
#define NET_IPCONF_H

void ipconf_start(void); /* boot, after stack_init() */

/* Where the IPv4 address is from: "none", "static", "dhcp", "fallback". */
const char *ipconf_source(void);

#endif
