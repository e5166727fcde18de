/*
 * The other end of the wire for benchmarks: raw Ethernet frames into an interface, by AF_PACKET.
 *
 *   pktgen flood IF MAC SRC DST PORT RATE SECONDS [BYTES]
 *       UDP datagrams at an offered rate
 *   pktgen ping IF MAC SRC DST INTERVAL_US SECONDS [kernel]
 *       ICMP echo, with round-trip times; kernel: by the kernel's clock when a reply arrives, as
 *       ping(8) has it, so that what this process waits for a core is not in them
 *   pktgen echo IF MAC SRC DST WINDOW SECONDS
 *       ICMP echo as fast as it comes back, WINDOW requests on their way
 *
 * MAC is the guest's; SRC and DST are IPv4 addresses; RATE is packets a second. Frames are BYTES
 * long (60 to 1514, without their checksum). All end by themselves and print one line of JSON.
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

#define BURST            64u
#define FRAME_MIN        60u
#define FRAME_MAX        1514u
#define SECONDS_MAX      3600
#define PINGS_MAX        1000000u
#define LATE_REPLIES     1000000000ull /* ns that the last replies have */
#define ECHO_PATIENCE_NS 20000000ull
#define ECHO_PAUSE_NS    100000ull /* for a batch to come together; the core is QEMU's too */
#define ECHO_BYTES       98u
#define RECEIVE_BYTES    (4 << 20) /* of socket buffer: by default a few hundred small frames */

struct wire {
    int fd;
    bool stamped; /* arrivals have the kernel's time */
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

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
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
    int on = 1, bytes = RECEIVE_BYTES;

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
    setsockopt(w->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
    if (setsockopt(w->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
        setsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
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

/* Is this frame a reply to us? Then what it brings back. */
static bool is_reply(const uint8_t *frame, size_t bytes, uint16_t id, struct echo *echo)
{
    const struct iphdr *ip = (const void *)(frame + sizeof(struct ether_header));

    if (bytes < sizeof(struct ether_header) + sizeof(*ip) + sizeof(*echo) || ip->ihl != 5 ||
        ip->protocol != IPPROTO_ICMP)
        return false;
    memcpy(echo, ip + 1, sizeof(*echo));
    return echo->head.type == ICMP_ECHOREPLY && echo->head.un.echo.id == id;
}

static uint64_t wire_clock(const struct wire *w)
{
    return clock_ns(w->stamped ? CLOCK_REALTIME : CLOCK_MONOTONIC); /* the kernel's is the former */
}

/* One frame, if there is one, and when it came. */
static ssize_t wire_take(struct wire *w, uint8_t *frame, uint64_t *came_ns)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct timespec))];
    } control;
    struct iovec piece = { .iov_base = frame, .iov_len = FRAME_MAX };
    struct msghdr message = { .msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    ssize_t n = recvmsg(w->fd, &message, MSG_DONTWAIT);
    const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    struct timespec t;

    *came_ns = wire_clock(w);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
        memcpy(&t, CMSG_DATA(c), sizeof(t));
        *came_ns = (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
    }
    return n;
}

static void take_replies(struct wire *w, uint16_t id, uint64_t until_ns, uint64_t *rtt,
                         uint64_t *count)
{
    uint8_t frame[FRAME_MAX];
    uint64_t now, came;
    struct echo echo;

    while ((now = now_ns()) < until_ns) {
        struct pollfd p = { .fd = w->fd, .events = POLLIN };
        struct timespec left = { .tv_sec = (time_t)((until_ns - now) / NS_PER_SEC),
                                 .tv_nsec = (long)((until_ns - now) % NS_PER_SEC) };
        ssize_t n;

        if (ppoll(&p, 1, &left, NULL) <= 0)
            continue;
        n = wire_take(w, frame, &came);
        if (n > 0 && is_reply(frame, (size_t)n, id, &echo) && *count < PINGS_MAX)
            rtt[(*count)++] = came - echo.sent_ns;
    }
}

/* A request whose reply will say when it was sent. */
static void make_echo(uint8_t *payload, uint16_t id, uint64_t sequence, uint64_t sent_ns)
{
    struct echo echo = { .head = { .type = ICMP_ECHO,
                                   .un.echo = { .id = id, .sequence = htons((uint16_t)sequence) } },
                         .sent_ns = sent_ns };

    memcpy(payload, &echo, sizeof(echo));
    echo.head.checksum = checksum(payload, 64);
    memcpy(payload, &echo.head, sizeof(echo.head));
}

static int ping(char **argv, bool stamped)
{
    static uint64_t rtt[PINGS_MAX];
    struct wire w = { .stamped = stamped };
    uint64_t interval = number(argv[4], "INTERVAL_US", 1, 10000000) * 1000;
    uint64_t seconds = number(argv[5], "SECONDS", 1, SECONDS_MAX);
    uint16_t id = htons((uint16_t)getpid());
    uint64_t begun, next, sent = 0, got = 0;
    uint8_t *payload;
    int on = stamped;

    wire_open(&w, argv[0], ETH_P_IP);
    if (setsockopt(w.fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0)
        die("SO_TIMESTAMPNS");
    payload = frame_begin(&w, argv[0], argv[1], argv[2], argv[3], IPPROTO_ICMP, ECHO_BYTES);
    begun = next = now_ns();
    while (next < begun + seconds * NS_PER_SEC && sent < PINGS_MAX) {
        make_echo(payload, id, sent, wire_clock(&w));
        if (send(w.fd, w.frame, w.bytes, MSG_DONTWAIT) == (ssize_t)w.bytes)
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
           (unsigned long long)(got > 0 ? rtt[got - 1] : 0));
    return 0;
}

/* ---- echo ---- */

static uint64_t send_echoes(struct wire *w, uint64_t wanted)
{
    static struct mmsghdr burst[BURST];
    struct iovec piece = { .iov_base = w->frame, .iov_len = w->bytes };
    uint64_t sent = 0;
    int n = 1;

    for (unsigned i = 0; i < BURST; i++)
        burst[i].msg_hdr = (struct msghdr){ .msg_iov = &piece, .msg_iovlen = 1 };
    for (; sent < wanted && n > 0; sent += n > 0 ? (uint64_t)n : 0)
        n = sendmmsg(w->fd, burst, wanted - sent < BURST ? (unsigned)(wanted - sent) : BURST,
                     MSG_DONTWAIT);
    return sent;
}

/* Replies that are here now. */
static uint64_t take_echoes(struct wire *w, uint16_t id)
{
    static uint8_t frames[BURST][FRAME_MAX];
    static struct mmsghdr burst[BURST];
    struct iovec pieces[BURST];
    struct echo echo;
    uint64_t got = 0;
    int n;

    do {
        for (unsigned i = 0; i < BURST; i++) {
            pieces[i] = (struct iovec){ .iov_base = frames[i], .iov_len = FRAME_MAX };
            burst[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
        }
        n = recvmmsg(w->fd, burst, BURST, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++)
            got += is_reply(frames[i], burst[i].msg_len, id, &echo);
    } while (n == BURST);
    return got;
}

/* One there and back: the guest has to ask who we are, and what it sends meanwhile is lost. */
static void first_echo(struct wire *w, uint16_t id)
{
    for (unsigned tries = 0; tries < 10; tries++) {
        send_echoes(w, 1);
        for (unsigned i = 0; i < 100; i++) {
            sleep_until(now_ns() + 10 * ECHO_PAUSE_NS);
            if (take_echoes(w, id) > 0)
                return;
        }
    }
}

/* The most packets that go through the card and back. What is lost on the way is replaced when
 * nothing has come for a while. */
static int echo_many(char **argv)
{
    struct wire w = { .fd = -1 };
    uint64_t window = number(argv[4], "WINDOW", 1, 1000);
    uint64_t seconds = number(argv[5], "SECONDS", 1, SECONDS_MAX);
    uint16_t id = htons((uint16_t)getpid());
    uint64_t begun, now, last, sent = 0, got = 0, waiting = 0;

    wire_open(&w, argv[0], ETH_P_IP);
    make_echo(frame_begin(&w, argv[0], argv[1], argv[2], argv[3], IPPROTO_ICMP, ECHO_BYTES), id, 0,
              0);
    first_echo(&w, id);
    begun = last = now_ns();
    while ((now = now_ns()) < begun + seconds * NS_PER_SEC) {
        uint64_t more = send_echoes(&w, window - waiting), came;

        sent += more;
        sleep_until(now + ECHO_PAUSE_NS);
        came = take_echoes(&w, id);
        got += came;
        waiting += more;
        waiting -= came < waiting ? came : waiting;
        if (came > 0)
            last = now;
        else if (now - last > ECHO_PATIENCE_NS)
            waiting = 0;
    }
    printf("{\"sent\":%llu,\"received\":%llu,\"pps\":%llu}\n", (unsigned long long)sent,
           (unsigned long long)got, (unsigned long long)(got * NS_PER_SEC / (now - begun)));
    return 0;
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, 9); /* bounded also when who started us is gone */
    if (argc >= 9 && argc <= 10 && strcmp(argv[1], "flood") == 0)
        return flood(argv + 2, argc - 2);
    if (argc == 8 && strcmp(argv[1], "ping") == 0)
        return ping(argv + 2, false);
    if (argc == 9 && strcmp(argv[1], "ping") == 0 && strcmp(argv[8], "kernel") == 0)
        return ping(argv + 2, true);
    if (argc == 8 && strcmp(argv[1], "echo") == 0)
        return echo_many(argv + 2);
    fprintf(stderr, "usage: pktgen flood IF MAC SRC DST PORT RATE SECONDS [BYTES]\n"
                    "       pktgen ping IF MAC SRC DST INTERVAL_US SECONDS [kernel]\n"
                    "       pktgen echo IF MAC SRC DST WINDOW SECONDS\n");
    return 2;
}
