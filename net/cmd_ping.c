/* `ping`: are you there, and how far away; options and layout of iputils' ping. Main context. */
#include "addr.h"
#include "ipconf_parse.h"
#include "ping.h"
#include "stack_priv.h"
#include <kernel/console.h>
#include <kernel/lib.h>
#include <kernel/time.h>
#include <lwip/netif.h>
#include <net/stack.h>
#include <string.h>

#define LAST_WAIT_NS (1 * NS_PER_SEC) /* for replies to the last request */
#define LOOK_NS      (10 * NS_PER_MS) /* how often replies are printed */
#define JSON_COUNT   4                /* with -j it must end by itself */
#define COUNT_MAX    1000000u

struct options {
    uint64_t count; /* 0: until Ctrl-C */
    uint64_t interval_ns;
    uint32_t payload_bytes;
    const char *host;
};

static struct ping ping; /* one console, one ping */

/* "5", or with fraction: "0.2", in units of 1/scale (scale a power of ten). False: no number. */
static bool parse_decimal(const char *s, uint32_t scale, uint32_t max, uint32_t *out)
{
    uint64_t value = 0;
    bool fraction = false, digits = false;

    for (; *s != '\0'; s++) {
        if (*s == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (*s < '0' || *s > '9')
            return false;
        digits = true;
        if (fraction) {
            if (scale == 1)
                return false; /* finer than we can take */
            scale /= 10;
        }
        value = value * 10 + (uint64_t)(*s - '0');
        if (value * scale > max)
            return false;
    }
    *out = (uint32_t)(value * scale);
    return digits;
}

/* Fills *o from the arguments. Returns NULL, or what is wrong. */
static const char *parse_options(int argc, char **argv, struct options *o)
{
    uint32_t number;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";

        if (arg[0] != '-') {
            if (o->host != NULL)
                return "one host at a time";
            o->host = arg;
            continue;
        }
        if (strcmp(arg, "-c") == 0) {
            if (!parse_decimal(value, 1, COUNT_MAX, &number) || number == 0)
                return "-c wants a count of 1 to 1000000";
            o->count = number;
        } else if (strcmp(arg, "-i") == 0) {
            if (!parse_decimal(value, 1000, 3600 * 1000, &number) || number < 2)
                return "-i wants seconds, 0.002 to 3600";
            o->interval_ns = number * NS_PER_MS;
        } else if (strcmp(arg, "-s") == 0) {
            if (!parse_decimal(value, 1, PING_PAYLOAD_MAX, &number))
                return "-s wants bytes of payload, 0 to 65000";
            o->payload_bytes = number;
        } else {
            return "options are -c count, -i seconds, -s bytes";
        }
        i++;
    }
    return o->host == NULL ? "which host?" : NULL;
}

/* An address as numbers; "%eth0" after a link-local one is understood, and not needed. */
static bool parse_host(const char *host, ip_addr_t *addr)
{
    char text[ADDR_TEXT_MAX];
    size_t len = strlen(host);
    const char *zone = strchr(host, '%');
    ip6_addr_t v6;
    uint32_t v4;

    if (ipconf_parse_address(host, &v4) == NULL) {
        ip_addr_set_ip4_u32_val(*addr, lwip_htonl(v4));
        return true;
    }
    if (zone != NULL && strcmp(zone, "%" STACK_IFNAME) == 0)
        len = (size_t)(zone - host);
    if (len >= sizeof(text) || strchr(host, ':') == NULL)
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    if (!ip6addr_aton(text, &v6))
        return false;
    ip_addr_copy_from_ip6(*addr, v6);
    return true;
}

/* What can not be pinged and would only be silent. NULL: nothing is in the way. Bottom half. */
static const char *unreachable(const ip_addr_t *to)
{
    const struct netif *netif = stack_netif();

    if (!netif_is_link_up(netif))
        return "the network has no link";
    if (IP_IS_V6(to)) {
        if (netif_get_ip6_addr_match(stack_netif(), ip_2_ip6(to)) >= 0)
            return "that is this machine itself, and there is no loopback";
        return NULL;
    }
    if (ip4_addr_isany(netif_ip4_addr(netif)))
        return "the interface has no IPv4 address yet";
    if (ip4_addr_eq(netif_ip4_addr(netif), ip_2_ip4(to)))
        return "that is this machine itself, and there is no loopback";
    if (!ip4_addr_net_eq(netif_ip4_addr(netif), ip_2_ip4(to), netif_ip4_netmask(netif)) &&
        ip4_addr_isany(netif_ip4_gw(netif)))
        return "network is unreachable: there is no gateway";
    return NULL;
}

static void print_replies(struct console *con, const char *from)
{
    struct ping_reply r;
    bool got;

    do {
        net_enter();
        got = ping_take_reply(&ping, &r);
        net_leave();
        if (got && !con->json)
            console_printf(con, "%u bytes from %s: icmp_seq=%u ttl=%u time=%llu.%03llu ms%s\n",
                           r.bytes, from, r.seq, r.ttl, (unsigned long long)(r.rtt_us / 1000),
                           (unsigned long long)(r.rtt_us % 1000), r.duplicate ? " (DUP!)" : "");
    } while (got);
}

/* Wait, printing replies; until the deadline, or until all are there where that is enough.
 * False: Ctrl-C. */
static bool wait_replies(struct console *con, const char *from, uint64_t deadline_ns, bool all)
{
    for (;;) {
        uint64_t now = time_ns();

        print_replies(con, from);
        if (now >= deadline_ns || (all && READ_ONCE(ping.received) == ping.transmitted))
            return true;
        if (!console_wait(con, MIN(deadline_ns, now + LOOK_NS), false))
            return false;
    }
}

/* The requests, one an interval. Returns lwIP's error of the first one, if that failed. */
static err_t run(struct console *con, const struct options *o, const char *from)
{
    uint64_t next_ns = time_ns();
    err_t err;

    for (uint64_t n = 1;; n++) {
        bool last = n == o->count;

        net_enter();
        err = ping_send(&ping);
        net_leave();
        if (err != ERR_OK && n == 1)
            return err;
        if (err != ERR_OK && !con->json)
            console_printf(con, "ping: request %llu was not sent: out of memory or ring full\n",
                           (unsigned long long)n);
        next_ns += o->interval_ns;
        if (!wait_replies(con, from, last ? time_ns() + LAST_WAIT_NS : next_ns, last) || last)
            return ERR_OK;
    }
}

static uint64_t loss_percent(void)
{
    return ping.transmitted == 0 ? 0 : (ping.transmitted - ping.received) * 100 / ping.transmitted;
}

static void summary_text(struct console *con, const char *host, uint64_t took_ns)
{
    uint64_t rtt[4] = { ping.rtt_min_us, ping.received ? ping.rtt_sum_us / ping.received : 0,
                        ping.rtt_max_us, ping_mdev_us(&ping) };

    console_printf(con, "\n--- %s ping statistics ---\n", host);
    console_printf(con, "%llu packets transmitted, %llu received, ",
                   (unsigned long long)ping.transmitted, (unsigned long long)ping.received);
    if (ping.duplicates > 0)
        console_printf(con, "+%llu duplicates, ", (unsigned long long)ping.duplicates);
    console_printf(con, "%llu%% packet loss, time %llums\n", (unsigned long long)loss_percent(),
                   (unsigned long long)(took_ns / NS_PER_MS));
    if (ping.received == 0)
        return;
    console_printf(con, "rtt min/avg/max/mdev = ");
    for (unsigned i = 0; i < ARRAY_SIZE(rtt); i++)
        console_printf(con, "%s%llu.%03llu", i > 0 ? "/" : "", (unsigned long long)(rtt[i] / 1000),
                       (unsigned long long)(rtt[i] % 1000));
    console_printf(con, " ms\n");
}

static void summary_json(struct console *con, const char *host)
{
    struct json j;

    console_json(con, &j);
    json_str(&j, "host", host);
    json_u64(&j, "transmitted", ping.transmitted);
    json_u64(&j, "received", ping.received);
    json_u64(&j, "duplicates", ping.duplicates);
    json_u64(&j, "loss_percent", loss_percent());
    if (ping.received > 0) {
        json_u64(&j, "rtt_min_us", ping.rtt_min_us);
        json_u64(&j, "rtt_avg_us", ping.rtt_sum_us / ping.received);
        json_u64(&j, "rtt_max_us", ping.rtt_max_us);
        json_u64(&j, "rtt_mdev_us", ping_mdev_us(&ping));
    }
    json_end(&j);
}

/* Open, or say why not. */
static const char *start(const ip_addr_t *to, const struct options *o)
{
    const char *wrong;

    net_enter();
    wrong = unreachable(to);
    if (wrong == NULL && !ping_open(&ping, to, (uint16_t)o->payload_bytes))
        wrong = "out of memory";
    net_leave();
    return wrong;
}

static int cmd_ping(struct console *con, int argc, char **argv)
{
    struct options o = { .interval_ns = NS_PER_SEC,
                         .payload_bytes = 56,
                         .count = con->json ? JSON_COUNT : 0 };
    const char *wrong = parse_options(argc, argv, &o);
    char from[ADDR_TEXT_MAX];
    uint64_t begun_ns = time_ns();
    ip_addr_t to;
    err_t err;

    if (wrong != NULL)
        return console_error(con, "%s", wrong);
    if (!parse_host(o.host, &to))
        return console_error(con, "%s: not an address (names are not resolved)", o.host);
    wrong = start(&to, &o);
    if (wrong != NULL)
        return console_error(con, "%s: %s", o.host, wrong);

    addr_format(&to, from);
    if (!con->json)
        console_printf(con, "PING %s (%s) %u(%u) bytes of data.\n", o.host, from, o.payload_bytes,
                       o.payload_bytes + 8 + (IP_IS_V6_VAL(to) ? 40 : 20));
    err = run(con, &o, from);
    net_enter();
    ping_close(&ping);
    net_leave();
    print_replies(con, from);
    if (err != ERR_OK)
        return console_error(con, "%s: could not send: %s", o.host,
                             err == ERR_RTE ? "no route" : "out of memory or ring full");
    if (con->json)
        summary_json(con, o.host);
    else
        summary_text(con, o.host, time_ns() - begun_ns);
    return ping.received > 0 ? 0 : 1;
}
CONSOLE_COMMAND(ping, "ping [-c count] [-i seconds] [-s bytes] address",
                "ask a host for an echo, until Ctrl-C", cmd_ping);
