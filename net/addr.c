/* Addresses as text: see addr.h. */
#include "addr.h"
#include <kernel/fmt.h>
#include <lwip/def.h>

const char *addr_format4(const ip4_addr_t *addr, char text[ADDR_TEXT_MAX])
{
    ip4addr_ntoa_r(addr, text, ADDR_TEXT_MAX);
    return text;
}

const char *addr_format6(const ip6_addr_t *addr, char text[ADDR_TEXT_MAX])
{
    ip6addr_ntoa_r(addr, text, ADDR_TEXT_MAX);
    for (char *c = text; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'F')
            *c = (char)(*c - 'A' + 'a');
    return text;
}

const char *addr_format(const ip_addr_t *addr, char text[ADDR_TEXT_MAX])
{
    if (IP_IS_V6(addr))
        return addr_format6(ip_2_ip6(addr), text);
    return addr_format4(ip_2_ip4(addr), text);
}

const char *addr_format_mac(const uint8_t mac[6], char text[ADDR_MAC_TEXT_MAX])
{
    fmt_snprintf(text, ADDR_MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                 mac[3], mac[4], mac[5]);
    return text;
}

unsigned addr_prefix(const ip4_addr_t *netmask)
{
    uint32_t mask = lwip_ntohl(netmask->addr);
    unsigned bits = 0;

    for (; mask & 0x80000000u; mask <<= 1)
        bits++;
    return bits;
}
