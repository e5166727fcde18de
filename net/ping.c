/* One run of ping: see ping.h. */
#include "ping.h"
#include <kernel/lib.h>
#include <kernel/rand.h>
#include <kernel/time.h>
#include <lwip/icmp.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip.h>
#include <lwip/ip6.h>
#include <lwip/pbuf.h>
#include <lwip/prot/icmp.h>
#include <lwip/prot/icmp6.h>
#include <lwip/raw.h>
#include <lwip/stats.h>
#include <string.h>

/* Both versions' echo header (RFC 792, RFC 4443 §4.1): the same fields at the same places. */
struct echo_header {
    uint8_t type, code;
    uint16_t checksum, id, seq;
};
_Static_assert(sizeof(struct echo_header) == 8, "wire format");

static void take_rtt(struct ping *ping, uint64_t rtt_us)
{
    if (ping->received == 0 || rtt_us < ping->rtt_min_us)
        ping->rtt_min_us = rtt_us;
    if (rtt_us > ping->rtt_max_us)
        ping->rtt_max_us = rtt_us;
    ping->rtt_sum_us += rtt_us;
    ping->rtt_square_sum += rtt_us * rtt_us;
    ping->received++;
}

/* Keep the reply for the command; when it is slow to print, the newest are not printed. */
static void keep_reply(struct ping *ping, const struct ping_reply *reply)
{
    if (ping->reply_head - ping->reply_tail < PING_WINDOW)
        ping->reply[ping->reply_head++ % PING_WINDOW] = *reply;
}

/* A raw PCB sees packets before ICMP looks at them: the checksum is ours to check. */
static bool checksum_right(struct pbuf *p, uint16_t header_bytes, bool v6)
{
    uint16_t sum;

    pbuf_remove_header(p, header_bytes);
    sum = v6 ? ip6_chksum_pseudo(p, IP6_NEXTH_ICMP6, p->tot_len, ip6_current_src_addr(),
                                 ip6_current_dest_addr())
             : inet_chksum_pbuf(p);
    pbuf_add_header_force(p, header_bytes);
    return sum == 0;
}

/* raw_recv()'s callback, for every packet of the protocol: returns 1 when it was ours. */
static u8_t ping_input(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    struct ping *ping = arg;
    uint16_t header_bytes = ip_current_header_tot_len();
    struct echo_header echo;
    struct ping_reply reply;
    unsigned slot;

    (void)pcb;
    if (!ip_addr_eq(from, &ping->to) ||
        pbuf_copy_partial(p, &echo, sizeof(echo), header_bytes) != sizeof(echo) ||
        echo.type != (IP_IS_V6(from) ? ICMP6_TYPE_EREP : ICMP_ER) ||
        lwip_ntohs(echo.id) != ping->id)
        return 0;

    reply.seq = lwip_ntohs(echo.seq);
    if (reply.seq == 0 || (uint16_t)(ping->seq - reply.seq) >= PING_WINDOW ||
        (uint64_t)(uint16_t)(ping->seq - reply.seq) >= ping->transmitted)
        return 0; /* never asked, or too long ago */
    if (!checksum_right(p, header_bytes, IP_IS_V6(from))) {
        ICMP_STATS_INC(icmp.chkerr);
        return 0;
    }
    slot = reply.seq % PING_WINDOW;
    reply.rtt_us = (time_ns() - ping->sent_ns[slot]) / NS_PER_US;
    reply.bytes = (uint16_t)(p->tot_len - header_bytes);
    reply.ttl = IP_IS_V6(from) ? IP6H_HOPLIM(ip6_current_header()) : IPH_TTL(ip4_current_header());
    reply.duplicate = ping->answered[slot];
    if (reply.duplicate)
        ping->duplicates++;
    else
        take_rtt(ping, reply.rtt_us);
    ping->answered[slot] = true;
    keep_reply(ping, &reply);
    pbuf_free(p);
    return 1;
}

bool ping_open(struct ping *ping, const ip_addr_t *to, uint16_t payload_bytes)
{
    bool v6 = IP_IS_V6(to);

    memset(ping, 0, sizeof(*ping));
    ping->pcb = raw_new_ip_type(IP_GET_TYPE(to), v6 ? IP6_NEXTH_ICMP6 : IP_PROTO_ICMP);
    if (ping->pcb == NULL)
        return false;
    if (v6) { /* its checksum covers the addresses, which lwIP knows */
        ping->pcb->chksum_reqd = 1;
        ping->pcb->chksum_offset = offsetof(struct echo_header, checksum);
    }
    ping->to = *to;
    ping->id = (uint16_t)rand_u32();
    ping->payload_bytes = payload_bytes;
    raw_recv(ping->pcb, ping_input, ping);
    return true;
}

err_t ping_send(struct ping *ping)
{
    uint16_t bytes = (uint16_t)(sizeof(struct echo_header) + ping->payload_bytes);
    struct pbuf *p = pbuf_alloc(PBUF_IP, bytes, PBUF_RAM);
    struct echo_header echo = { 0 };
    uint8_t *payload;
    err_t err;

    ping->seq = ping->seq == 0xffff ? 1 : (uint16_t)(ping->seq + 1); /* 0 is never used */
    ping->sent_ns[ping->seq % PING_WINDOW] = time_ns();
    ping->answered[ping->seq % PING_WINDOW] = false;
    ping->transmitted++;
    if (p == NULL)
        return ERR_MEM;

    echo.type = IP_IS_V6(&ping->to) ? ICMP6_TYPE_EREQ : ICMP_ECHO;
    echo.id = lwip_htons(ping->id);
    echo.seq = lwip_htons(ping->seq);
    memcpy(p->payload, &echo, sizeof(echo));
    payload = (uint8_t *)p->payload + sizeof(echo);
    for (unsigned i = 0; i < ping->payload_bytes; i++)
        payload[i] = (uint8_t)i;
    if (!IP_IS_V6(&ping->to)) {
        echo.checksum = inet_chksum(p->payload, bytes);
        memcpy(p->payload, &echo, sizeof(echo));
    }
    err = raw_sendto(ping->pcb, p, &ping->to);
    pbuf_free(p);
    return err;
}

bool ping_take_reply(struct ping *ping, struct ping_reply *reply)
{
    if (ping->reply_tail == ping->reply_head)
        return false;
    *reply = ping->reply[ping->reply_tail++ % PING_WINDOW];
    return true;
}

void ping_close(struct ping *ping)
{
    raw_remove(ping->pcb);
    ping->pcb = NULL;
}

static uint64_t square_root(uint64_t x)
{
    uint64_t root = 0;

    for (uint64_t bit = 1ull << 31; bit != 0; bit >>= 1)
        if ((root | bit) * (root | bit) <= x)
            root |= bit;
    return root;
}

uint64_t ping_mdev_us(const struct ping *ping)
{
    uint64_t mean, mean_square;

    if (ping->received == 0)
        return 0;
    mean = ping->rtt_sum_us / ping->received;
    mean_square = ping->rtt_square_sum / ping->received;
    return mean_square > mean * mean ? square_root(mean_square - mean * mean) : 0;
}
