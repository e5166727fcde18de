/*
 * The other end of the wire for benchmarks: raw Ethernet frames into an interface, by AF_PACKET.
 *
 *   pktgen flood IF MAC SRC DST PORT RATE SECONDS [BYTES]   UDP datagrams at an offered rate
 *   pktgen ping  IF MAC SRC DST INTERVAL_US SECONDS         ICMP echo, with round-trip times
 *
 * MAC is the guest's; SRC and DST are IPv4 addresses; RATE is packets a second. Frames are BYTES
 * long (60 to 1514, without their checksum). Both end by themselves and print one line of JSON.
 *
 * The pace: at most BURST frames a sendmmsg(2). Between bursts it sleeps, also at high rates: a
 * sender that spins takes the core that QEMU's main loop needs, and measures itself. A sleep of
 * some 50 us is made up for by the burst behind it.
 */
#define _GNU_SOURCE
#include "pacing.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BURST        64u
#define FRAME_MIN    60u
#define FRAME_MAX    1514u
#define SECONDS_MAX  3600
#define PINGS_MAX    1000000u
#define LATE_REPLIES 1000000000ull /* ns that the last replies have */

struct wire {
    int fd;
    uint8_t frame[FRAME_MAX];
    unsigned bytes;
};

static void die(const char *what)
{
    if (errno != 0)
        fprintf(stderr, "pktgen: %s: %s\n", what, strerror(errno));
    else
        fprintf(stderr, "pktgen: %s\n", what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
    struct timespec t = { .tv_sec = (time_t)(ns / NS_PER_SEC), .tv_nsec = (long)(ns % NS_PER_SEC) };

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static uint64_t number(const char *text, const char *what, uint64_t min, uint64_t max)
{
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || n < min || n > max) {
        fprintf(stderr, "pktgen: %s: %s is not a number from %llu to %llu\n", what, text,
                (unsigned long long)min, (unsigned long long)max);
        exit(2);
    }
    return n;
}

/* RFC 1071, over memory of even length. */
static uint16_t checksum(const void *data, unsigned bytes)
{
    const uint8_t *b = data;
    uint32_t sum = 0;

    for (unsigned i = 0; i < bytes; i += 2)
        sum += (uint32_t)b[i] << 8 | b[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static void wire_open(struct wire *w, const char *interface, int protocol)
{
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons((uint16_t)protocol) };
    int on = 1;

    errno = 0;
    at.sll_ifindex = (int)if_nametoindex(interface);
    if (at.sll_ifindex == 0)
        die(interface);
    w->fd = socket(AF_PACKET, SOCK_RAW, htons((uint16_t)protocol));
    if (w->fd < 0)
        die("a raw socket (this needs CAP_NET_RAW in the namespace)");
    if (bind(w->fd, (struct sockaddr *)&at, sizeof(at)) != 0)
        die(interface);
    setsockopt(w->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
}

/* Ethernet and IPv4 headers; returns where the payload begins. */
static uint8_t *frame_begin(struct wire *w, const char *interface, const char *mac, const char *src,
                            const char *dst, uint8_t protocol, unsigned bytes)
{
    struct ether_header *eth = (void *)w->frame;
    struct iphdr *ip = (void *)(w->frame + sizeof(*eth));
    unsigned m[6];
    char path[64 + IFNAMSIZ];
    FILE *own;

    w->bytes = bytes;
    memset(w->frame, 0, sizeof(w->frame));
    if (sscanf(mac, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6)
        die("MAC wants the form 52:54:00:12:34:56");
    for (unsigned i = 0; i < 6; i++)
        eth->ether_dhost[i] = (uint8_t)m[i];
    snprintf(path, sizeof(path), "/sys/class/net/%s/address", interface);
    own = fopen(path, "r");
    if (own == NULL || fscanf(own, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6)
        memcpy(m, (unsigned[]){ 2, 0, 0, 0, 0, 1 }, sizeof(m)); /* /sys is another namespace's */
    if (own != NULL)
        fclose(own);
    for (unsigned i = 0; i < 6; i++)
        eth->ether_shost[i] = (uint8_t)m[i];
    eth->ether_type = htons(ETHERTYPE_IP);

    ip->version = 4;
    ip->ihl = 5;
    ip->ttl = 64;
    ip->protocol = protocol;
    ip->tot_len = htons((uint16_t)(bytes - sizeof(*eth)));
    if (inet_pton(AF_INET, src, &ip->saddr) != 1 || inet_pton(AF_INET, dst, &ip->daddr) != 1)
        die("SRC and DST are IPv4 addresses");
    ip->check = checksum(ip, sizeof(*ip));
    return (uint8_t *)(ip + 1);
}

/* ---- flood ---- */

/* A UDP checksum that is right: the guest has to look at it. */
static void udp_finish(struct wire *w, struct udphdr *udp, uint16_t port)
{
    const struct iphdr *ip = (void *)(w->frame + sizeof(struct ether_header));
    unsigned length = w->bytes - (unsigned)sizeof(struct ether_header) - (unsigned)sizeof(*ip);
    uint8_t pseudo[12 + FRAME_MAX + 1] = { 0 };

    udp->source = htons(40000);
    udp->dest = htons(port);
    udp->len = htons((uint16_t)length);
    memcpy(pseudo, &ip->saddr, 8);
    pseudo[9] = IPPROTO_UDP;
    pseudo[10] = (uint8_t)(length >> 8);
    pseudo[11] = (uint8_t)length;
    memcpy(pseudo + 12, udp, length);
    udp->check = checksum(pseudo, 12 + length + (length & 1));
}

static int flood(char **argv, int argc)
{
    static struct mmsghdr burst[BURST];
    static struct iovec piece;
    struct wire w;
    uint16_t port = (uint16_t)number(argv[4], "PORT", 1, 65535);
    uint64_t rate = number(argv[5], "RATE", 1, 10000000);
    uint64_t seconds = number(argv[6], "SECONDS", 1, SECONDS_MAX);
    unsigned bytes =
        argc > 7 ? (unsigned)number(argv[7], "BYTES", FRAME_MIN, FRAME_MAX) : FRAME_MIN;
    uint64_t begun, end, now, sent = 0, refused = 0;

    wire_open(&w, argv[0], 0);
    udp_finish(&w, (void *)frame_begin(&w, argv[0], argv[1], argv[2], argv[3], IPPROTO_UDP, bytes),
               port);
    piece = (struct iovec){ .iov_base = w.frame, .iov_len = w.bytes };
    for (unsigned i = 0; i < BURST; i++)
        burst[i].msg_hdr = (struct msghdr){ .msg_iov = &piece, .msg_iovlen = 1 };

    begun = now_ns();
    end = begun + seconds * NS_PER_SEC;
    while ((now = now_ns()) < end) {
        uint64_t due = pacing_due(rate, now - begun) - sent - refused;
        int n;

        if (due == 0) {
            sleep_until(begun + pacing_time(rate, sent + refused));
            continue;
        }
        if (due > BURST)
            due = BURST;
        n = sendmmsg(w.fd, burst, (unsigned)due, MSG_DONTWAIT);
        if (n >= 0)
            sent += (uint64_t)n;
        else if (errno == ENOBUFS || errno == EAGAIN)
            refused += due; /* the queue of the interface is full: offered, and lost */
        else
            die("sendmmsg");
    }
    now = now_ns() - begun;
    printf("{\"offered\":%llu,\"sent\":%llu,\"refused\":%llu,\"ns\":%llu,\"sent_pps\":%llu}\n",
           (unsigned long long)(sent + refused), (unsigned long long)sent,
           (unsigned long long)refused, (unsigned long long)now,
           (unsigned long long)(sent * NS_PER_SEC / now));
    return 0;
}

/* ---- ping ---- */

struct echo {
    struct icmphdr head;
    uint64_t sent_ns; /* comes back as it went */
};

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* One frame that came in: the round-trip time if it is a reply to us, else 0. */
static uint64_t reply_rtt(const uint8_t *frame, ssize_t bytes, uint16_t id)
{
    const struct iphdr *ip = (const void *)(frame + sizeof(struct ether_header));
    struct echo echo;

    if (bytes < (ssize_t)(sizeof(struct ether_header) + sizeof(*ip) + sizeof(echo)) ||
        ip->ihl != 5 || ip->protocol != IPPROTO_ICMP)
        return 0;
    memcpy(&echo, ip + 1, sizeof(echo));
    if (echo.head.type != ICMP_ECHOREPLY || echo.head.un.echo.id != id)
        return 0;
    return now_ns() - echo.sent_ns;
}

static void take_replies(struct wire *w, uint16_t id, uint64_t until_ns, uint64_t *rtt,
                         uint64_t *count)
{
    uint8_t frame[FRAME_MAX];
    uint64_t now, one;

    while ((now = now_ns()) < until_ns) {
        struct pollfd p = { .fd = w->fd, .events = POLLIN };
        struct timespec left = { .tv_sec = (time_t)((until_ns - now) / NS_PER_SEC),
                                 .tv_nsec = (long)((until_ns - now) % NS_PER_SEC) };
        ssize_t n;

        if (ppoll(&p, 1, &left, NULL) <= 0)
            continue;
        n = recv(w->fd, frame, sizeof(frame), MSG_DONTWAIT);
        one = n > 0 ? reply_rtt(frame, n, id) : 0;
        if (one != 0 && *count < PINGS_MAX)
            rtt[(*count)++] = one;
    }
}

static int ping(char **argv)
{
    static uint64_t rtt[PINGS_MAX];
    struct wire w;
    uint64_t interval = 1000 * number(argv[4], "INTERVAL_US", 100, 10000000);
    uint64_t seconds = number(argv[5], "SECONDS", 1, SECONDS_MAX);
    uint16_t id = htons((uint16_t)getpid());
    uint64_t begun, next, sent = 0, got = 0;
    uint8_t *payload;

    prctl(PR_SET_TIMERSLACK, 1ul); /* a wake-up 50 us late would be measured as the guest's */
    wire_open(&w, argv[0], ETH_P_IP);
    payload = frame_begin(&w, argv[0], argv[1], argv[2], argv[3], IPPROTO_ICMP, 98);
    begun = next = now_ns();
    while (next < begun + seconds * NS_PER_SEC && sent < PINGS_MAX) {
        struct echo echo = { .head = { .type = ICMP_ECHO,
                                       .un.echo = { .id = id, .sequence = htons((uint16_t)sent) } },
                             .sent_ns = now_ns() };

        memcpy(payload, &echo, sizeof(echo));
        echo.head.checksum = checksum(payload, 64);
        memcpy(payload, &echo.head, sizeof(echo.head));
        if (send(w.fd, w.frame, 98, MSG_DONTWAIT) == 98)
            sent++;
        next += interval;
        take_replies(&w, id, next, rtt, &got);
    }
    take_replies(&w, id, now_ns() + (got < sent ? LATE_REPLIES / 4 : 0), rtt, &got);
    qsort(rtt, got, sizeof(rtt[0]), compare_u64);
    printf("{\"sent\":%llu,\"received\":%llu,\"p50_ns\":%llu,\"p90_ns\":%llu,\"p99_ns\":%llu,"
           "\"max_ns\":%llu}\n",
           (unsigned long long)sent, (unsigned long long)got,
           (unsigned long long)percentile(rtt, got, 500),
           (unsigned long long)percentile(rtt, got, 900),
           (unsigned long long)percentile(rtt, got, 990),
           (unsigned long long)percentile(rtt, got, 1000));
    return 0;
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, 9); /* bounded also when who started us is gone */
    if (argc >= 9 && argc <= 10 && strcmp(argv[1], "flood") == 0)
        return flood(argv + 2, argc - 2);
    if (argc == 8 && strcmp(argv[1], "ping") == 0)
        return ping(argv + 2);
    fprintf(stderr, "usage: pktgen flood IF MAC SRC DST PORT RATE SECONDS [BYTES]\n"
                    "       pktgen ping IF MAC SRC DST INTERVAL_US SECONDS\n");
    return 2;
}
