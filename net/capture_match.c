/* See capture_match.h. */
#include "capture_match.h"
#include <string.h>

#define TCP 6

static uint16_t be16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* `addresses`: source, then destination, each of `size` bytes; `ports` likewise. */
static bool is_between(const struct capture_connection *c, const uint8_t *addresses, size_t size,
                       const uint8_t *ports)
{
    uint16_t from = be16(ports), to = be16(ports + 2);

    if (from == c->port && to == c->local_port)
        return memcmp(addresses, c->address, size) == 0;
    return from == c->local_port && to == c->port &&
           memcmp(addresses + size, c->address, size) == 0;
}

bool capture_is_of(const struct capture_connection *connection, const uint8_t *head, size_t len)
{
    const uint8_t *ip = head + 14;
    size_t ip_bytes;

    if (connection->ipv6)
        return len >= 14 + 40 + 4 && be16(head + 12) == 0x86dd && ip[6] == TCP &&
               is_between(connection, ip + 8, 16, ip + 40);
    if (len < 14 + 20 + 4 || be16(head + 12) != 0x0800 || ip[9] != TCP)
        return false;
    ip_bytes = (ip[0] & 15u) * 4u;
    return (be16(ip + 6) & 0x1fff) == 0 && ip_bytes >= 20 && len >= 14 + ip_bytes + 4 &&
           is_between(connection, ip + 12, 4, ip + ip_bytes);
}
