/* Connections by client: see clients.h. */
#include "clients.h"
#include "bytes.h"
#include <kernel/kmalloc.h>
#include <kernel/rand.h>
#include <string.h>

#define BUCKETS 1024u /* a power of two; at most some 12,000 connections */

struct client {
    struct client *next; /* in its bucket */
    uint64_t address;    /* an IPv4 address, or the first half of an IPv6 one */
    bool ipv6;
    unsigned connections;
};
static struct client *buckets[BUCKETS];

static uint64_t key_of(const ip_addr_t *address)
{
    uint64_t key;

    if (!IP_IS_V6(address))
        return ip_2_ip4(address)->addr;
    memcpy(&key, ip_2_ip6(address)->addr, sizeof(key));
    return key;
}

/* Nobody outside can tell which addresses share a chain. */
static struct client **bucket_of(uint64_t key)
{
    static uint64_t secret;

    if (secret == 0)
        secret = (uint64_t)rand_u32() << 32 | rand_u32() | 1;
    key ^= secret;
    return &buckets[hash_bytes((const char *)&key, sizeof(key)) & (BUCKETS - 1)];
}

struct client *client_enter(const ip_addr_t *address, unsigned most)
{
    uint64_t key = key_of(address);
    bool ipv6 = IP_IS_V6(address);
    struct client **bucket = bucket_of(key);
    struct client *client = *bucket;

    while (client != NULL && (client->address != key || client->ipv6 != ipv6))
        client = client->next;
    if (client == NULL) {
        client = kzalloc(sizeof(*client));
        if (client == NULL)
            return NULL;
        client->address = key;
        client->ipv6 = ipv6;
        client->next = *bucket;
        *bucket = client;
    }
    if (client->connections >= most)
        return NULL; /* most is at least 1: a new one never comes here */
    client->connections++;
    return client;
}

void client_leave(struct client *client)
{
    struct client **at;

    if (client == NULL || --client->connections > 0)
        return;
    at = bucket_of(client->address);
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    kfree(client);
}
