/*
 * How the interface gets its addresses. IPv4: ip= (address/prefix) and gateway= from
 * tophalf.cfg, or DHCP (ip=dhcp, the default) under the name hostname=; when no DHCP server has
 * answered after 5 s the log says so, the fallback address (fallback_ip=, default
 * 192.168.76.2/24) is taken, and DHCP goes on asking. IPv6: link-local and SLAAC.
 */
#ifndef NET_IPCONF_H
#define NET_IPCONF_H

void ipconf_start(void); /* boot, after stack_init() */

/* Where the IPv4 address is from: "none", "static", "dhcp", "fallback". */
const char *ipconf_source(void);

#endif
