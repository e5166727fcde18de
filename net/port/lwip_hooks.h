/* lwIP's hooks (LWIP_HOOK_FILENAME): what we need otherwise than lwIP does it, without editing it.
 */
#ifndef NET_PORT_LWIP_HOOKS_H
#define NET_PORT_LWIP_HOOKS_H

#include <lwip/ip_addr.h>

/* Initial sequence numbers by RFC 6528: net/isn.c. */
u32_t isn_hook(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
               u16_t remote_port);
#define LWIP_HOOK_TCP_ISN isn_hook

#endif
