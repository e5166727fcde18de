/* IPv4 addresses from the configuration: see ipconf_parse.h. */
#include "ipconf_parse.h"
#include <stdbool.h>
#include <stddef.h>

/* A decimal number of at most `max` without leading zeros. Returns what follows it, or NULL. */
static const char *parse_number(const char *s, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;

    if (*s < '0' || *s > '9')
        return NULL;
    if (*s == '0' && s[1] >= '0' && s[1] <= '9')
        return NULL; /* 010 is eight to some programs and ten to others */
    for (; *s >= '0' && *s <= '9'; s++) {
        value = value * 10 + (uint32_t)(*s - '0');
        if (value > max)
            return NULL;
    }
    *out = value;
    return s;
}

static const char *parse_quad(const char *s, uint32_t *address)
{
    uint32_t part, value = 0;

    for (unsigned i = 0; i < 4; i++) {
        if (i > 0 && *s++ != '.')
            return NULL;
        s = parse_number(s, 255, &part);
        if (s == NULL)
            return NULL;
        value = value << 8 | part;
    }
    *address = value;
    return s;
}

const char *ipconf_parse_address(const char *text, uint32_t *address)
{
    const char *end = parse_quad(text, address);

    if (end == NULL || *end != '\0')
        return "an address is four numbers of 0 to 255 with dots between, like 10.0.2.2";
    return NULL;
}

static const char *check_host(uint32_t address, uint32_t netmask, unsigned prefix)
{
    uint32_t host = address & ~netmask;

    if (address >> 24 == 0)
        return "0.x.x.x is no host's address";
    if (address >> 24 == 127)
        return "127.x.x.x is loopback, not an interface's address";
    if (address >> 28 >= 0xe)
        return "224.0.0.0 and above are multicast or reserved";
    if (prefix < 31 && host == 0)
        return "that is the network's address, not a host's";
    if (prefix < 31 && host == ~netmask)
        return "that is the network's broadcast address, not a host's";
    return NULL;
}

const char *ipconf_parse_prefix(const char *text, struct ipconf_prefix *out)
{
    uint32_t prefix;
    const char *s = parse_quad(text, &out->address);

    if (s == NULL || *s != '/')
        return "write address/prefix, like 192.168.1.10/24";
    s = parse_number(s + 1, 32, &prefix);
    if (s == NULL || *s != '\0' || prefix == 0)
        return "the prefix length after the / is 1 to 32";
    out->prefix = prefix;
    out->netmask = 0xffffffffu << (32 - prefix);
    return check_host(out->address, out->netmask, prefix);
}

const char *ipconf_check_gateway(const struct ipconf_prefix *own, uint32_t gateway)
{
    if ((gateway & own->netmask) != (own->address & own->netmask))
        return "the gateway is not in the network of ip=";
    if (gateway == own->address)
        return "the gateway is this machine's own address";
    return check_host(gateway, own->netmask, own->prefix);
}

const char *ipconf_check_hostname(const char *name)
{
    size_t len = 0;

    for (const char *c = name; *c != '\0'; c++, len++) {
        bool alnum =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');

        if (!alnum && (*c != '-' || len == 0 || c[1] == '\0'))
            return "a host name is letters, digits, and hyphens between them";
    }
    if (len == 0 || len > 63)
        return "a host name has 1 to 63 characters";
    return NULL;
}
