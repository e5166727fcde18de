/* lwIP's hook for initial sequence numbers (lwip_hooks.h), on net/isn.h. Bottom half. */
#include "../isn.h"
#include <kernel/rand.h>
#include <kernel/time.h>
#include <lwip/opt.h>
#include <lwip/ip_addr.h>
#include LWIP_HOOK_FILENAME

static uint8_t isn_key[ISN_KEY_BYTES];
static const uint32_t *forced;

void isn_init(void)
{
    rand_bytes(isn_key, sizeof(isn_key));
}

void isn_force(const uint32_t *isn)
{
    forced = isn;
}

u32_t isn_hook(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
               u16_t remote_port)
{
    if (forced != NULL)
        return *forced;
    if (IP_IS_V6(remote_ip))
        return isn_compute(isn_key, time_ns(), ip_2_ip6(local_ip)->addr, local_port,
                           ip_2_ip6(remote_ip)->addr, remote_port, 16);
    return isn_compute(isn_key, time_ns(), &ip_2_ip4(local_ip)->addr, local_port,
                       &ip_2_ip4(remote_ip)->addr, remote_port, 4);
}
