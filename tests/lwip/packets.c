/* Frames for tests of the stack: see packets.h. */
#include "packets.h"
#include "fake_nic.h"
#include <string.h>

const uint8_t peer_mac[6] = { 0x02, 0, 0, 0, 0, 1 };
const uint8_t peer_ip6[16] = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1 };
const uint8_t our_ip6[16] = { 0xfe, 0x80, 0,    0,    0,    0,    0,    0,
                              0x50, 0x54, 0x00, 0xff, 0xfe, 0x12, 0x34, 0x56 };

void put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value & 0xffff);
}

unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}
uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

unsigned checksum(const uint8_t *p, size_t len, uint32_t start)
{
    uint32_t sum = start;

    for (size_t i = 0; i < len; i++)
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

/* The pseudo header's part of a checksum. */
static uint32_t pseudo4(unsigned proto, size_t len)
{
    return (PEER_IP >> 16) + (PEER_IP & 0xffff) + (OUR_IP >> 16) + (OUR_IP & 0xffff) + proto +
           (uint32_t)len;
}

static uint32_t pseudo6(const uint8_t dst[16], unsigned next, size_t len)
{
    uint32_t sum = next + (uint32_t)len;

    for (unsigned i = 0; i < 16; i += 2)
        sum += get16(peer_ip6 + i) + get16(dst + i);
    return sum;
}

void make_ether(struct packet *k, const uint8_t dst[6], unsigned type)
{
    memcpy(k->data, dst, 6);
    memcpy(k->data + 6, peer_mac, 6);
    put16(k->data + 12, type);
    k->len = 14;
}

void make_arp_request(struct packet *k, uint32_t target)
{
    static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    uint8_t *p = k->data + 14;

    make_ether(k, broadcast, ETH_ARP);
    put16(p, 1);
    put16(p + 2, ETH_IP4);
    p[4] = 6;
    p[5] = 4;
    put16(p + 6, 1);
    memcpy(p + 8, peer_mac, 6);
    put32(p + 14, PEER_IP);
    memset(p + 18, 0, 6);
    put32(p + 24, target);
    k->len += 28;
}

void make_ip(struct packet *k, unsigned proto, const uint8_t *payload, size_t len, unsigned id,
             unsigned fragment)
{
    uint8_t *p = k->data + 14;

    make_ether(k, fake_nic_mac_address, ETH_IP4);
    memset(p, 0, 20);
    p[0] = 0x45;
    put16(p + 2, (unsigned)(20 + len));
    put16(p + 4, id);
    put16(p + 6, fragment);
    p[8] = 64;
    p[9] = (uint8_t)proto;
    put32(p + 12, PEER_IP);
    put32(p + 16, OUR_IP);
    put16(p + 10, checksum(p, 20, 0));
    memcpy(p + 20, payload, len);
    k->len = 14 + 20 + len;
}

void make_echo(struct packet *k, unsigned seq, size_t payload)
{
    uint8_t icmp[1600] = { 8, 0 };

    put16(icmp + 4, 0x1234);
    put16(icmp + 6, seq);
    for (size_t i = 0; i < payload; i++)
        icmp[8 + i] = (uint8_t)i;
    put16(icmp + 2, checksum(icmp, 8 + payload, 0));
    make_ip(k, 1, icmp, 8 + payload, seq, 0);
}

void make_udp(struct packet *k, unsigned sport, unsigned dport, const char *text)
{
    uint8_t udp[1500] = { 0 };
    size_t len = 8 + strlen(text);

    put16(udp, sport);
    put16(udp + 2, dport);
    put16(udp + 4, (unsigned)len);
    memcpy(udp + 8, text, strlen(text));
    put16(udp + 6, checksum(udp, len, pseudo4(17, len)));
    make_ip(k, 17, udp, len, 7, 0);
}

void make_tcp(struct packet *k, const struct tcp_fields *t, const void *payload, size_t len)
{
    uint8_t tcp[1600] = { 0 };
    size_t header = 20 + t->options_len;

    put16(tcp, t->sport);
    put16(tcp + 2, t->dport);
    put32(tcp + 4, t->seq);
    put32(tcp + 8, t->ack);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = (uint8_t)t->flags;
    put16(tcp + 14, t->window);
    if (t->options_len > 0)
        memcpy(tcp + 20, t->options, t->options_len);
    if (len > 0)
        memcpy(tcp + header, payload, len);
    put16(tcp + 16, checksum(tcp, header + len, pseudo4(6, header + len)));
    make_ip(k, 6, tcp, header + len, 9, 0x4000);
}

void make_ip6(struct packet *k, const uint8_t dst[16], unsigned next, const uint8_t *payload,
              size_t len)
{
    uint8_t *p = k->data + 14;

    make_ether(k, fake_nic_mac_address, ETH_IP6);
    put32(p, 0x60000000);
    put16(p + 4, (unsigned)len);
    p[6] = (uint8_t)next;
    p[7] = 255;
    memcpy(p + 8, peer_ip6, 16);
    memcpy(p + 24, dst, 16);
    memcpy(p + 40, payload, len);
    k->len = 14 + 40 + len;
}

void make_echo6(struct packet *k, unsigned seq, size_t payload)
{
    uint8_t icmp[1600] = { 128, 0 };

    put16(icmp + 4, 0x1234);
    put16(icmp + 6, seq);
    put16(icmp + 2, checksum(icmp, 8 + payload, pseudo6(our_ip6, 58, 8 + payload)));
    make_ip6(k, our_ip6, 58, icmp, 8 + payload);
}

void make_solicitation(struct packet *k)
{
    static const uint8_t group[16] = { 0xff, 0x02, 0, 0,    0,    0,    0,    0,
                                       0,    0,    0, 0x01, 0xff, 0x12, 0x34, 0x56 };
    uint8_t ns[32] = { 135, 0 };

    memcpy(ns + 8, our_ip6, 16);
    ns[24] = 1; /* source link-layer address */
    ns[25] = 1;
    memcpy(ns + 26, peer_mac, 6);
    put16(ns + 2, checksum(ns, sizeof(ns), pseudo6(group, 58, sizeof(ns))));
    make_ip6(k, group, 58, ns, sizeof(ns));
    k->data[0] = 0x33;
    k->data[1] = 0x33;
    memcpy(k->data + 2, group + 12, 4);
}

void repair(struct packet *k)
{
    uint8_t *ip = k->data + 14;
    size_t header, left;
    unsigned proto, at;
    uint32_t sum = 0;

    if (k->len < 14 + 40)
        return;
    left = k->len - 14;
    if (get16(k->data + 12) == ETH_IP4) {
        header = (size_t)(ip[0] & 15) * 4;
        if (header < 20 || header > left)
            return;
        put16(ip + 10, 0);
        put16(ip + 10, checksum(ip, header, 0));
        if (get16(ip + 2) >= header && get16(ip + 2) <= left)
            left = get16(ip + 2);
        proto = ip[9];
        for (unsigned i = 12; i < 20; i += 2)
            sum += get16(ip + i);
    } else if (get16(k->data + 12) == ETH_IP6) {
        header = 40;
        if (get16(ip + 4) <= left - 40)
            left = 40 + get16(ip + 4);
        proto = ip[6];
        for (unsigned i = 8; i < 40; i += 2)
            sum += get16(ip + i);
    } else {
        return;
    }
    left -= header;
    at = proto == 6 ? 16 : proto == 17 ? 6 : 2;
    if ((proto != 1 && proto != 6 && proto != 17 && proto != 58) || left < at + 2)
        return;
    sum = proto == 1 ? 0 : sum + proto + (uint32_t)left;
    put16(ip + header + at, 0);
    put16(ip + header + at, checksum(ip + header, left, sum));
}
