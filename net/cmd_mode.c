/*
 * The commands that show and change how packets are received: `mode`, `budget`, `defer-us`,
 * `usecs`, `copies`; and `softnet`, in the layout of /proc/net/softnet_stat with headings. Main
 * context.
 */
#include "rx_adapt.h"
#include "stack_priv.h"
#include <kernel/console.h>
#include <kernel/lib.h>
#include <kernel/softirq.h>
#include <net/copies.h>
#include <net/napi.h>
#include <string.h>

/* All at one moment. */
static void collect(struct napi_stats *stats, struct rx_adapt_stats *adapt)
{
    softirq_disable();
    napi_stats(stats);
    rx_adapt_stats(adapt);
    softirq_enable();
}

/* ---- mode ---- */

static void mode_json(struct console *con, const struct napi_stats *stats,
                      const struct rx_adapt_stats *adapt)
{
    struct json j;

    console_json(con, &j);
    json_str(&j, "mode", rx_mode_name(napi_mode()));
    json_str(&j, "regime", napi_regime_name());
    json_u64(&j, "budget", napi_budget());
    json_u64(&j, "defer_us", napi_defer_us());
    json_u64(&j, "usecs", softirq_round_ns() / NS_PER_US);
    json_u64(&j, "switches", stats->mode_switches);
    json_u64(&j, "regime_switches", adapt->switches);
    json_u64(&j, "rate_pps", adapt->pps);
    json_u64(&j, "busy_permille", adapt->busy);
    json_array(&j, "log");
    for (unsigned i = 0; i < adapt->log_count; i++) {
        const struct rx_switch *s = &adapt->log[i];

        json_object(&j, NULL);
        json_u64(&j, "time_ns", s->time_ns);
        json_str(&j, "from", rx_regime_name(s->from));
        json_str(&j, "to", rx_regime_name(s->to));
        json_str(&j, "reason", rx_reason_text(s->reason));
        json_u64(&j, "rate_pps", s->pps);
        json_u64(&j, "busy_permille", s->busy);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_end(&j);
}

static void adaptive_text(struct console *con, const struct rx_adapt_stats *adapt)
{
    console_printf(con, "by %s; at the last poll %u packets/s, receiving %u.%u%% busy\n",
                   rx_regime_name(rx_adapt_regime()), adapt->pps, adapt->busy / 10,
                   adapt->busy % 10);
    console_printf(con, "%llu switches", (unsigned long long)adapt->switches);
    for (unsigned i = RX_STAY + 1; i < RX_REASON_COUNT; i++)
        if (adapt->by_reason[i] > 0)
            console_printf(con, "; %s: %llu", rx_reason_text((enum rx_reason)i),
                           (unsigned long long)adapt->by_reason[i]);
    console_printf(con, "\n");
    for (unsigned i = 0; i < adapt->log_count; i++) {
        const struct rx_switch *s = &adapt->log[i];

        console_printf(con, "%6llu.%03llu s  %-9s -> %-9s  %7u packets/s %3u.%u%% busy: %s\n",
                       (unsigned long long)(s->time_ns / NS_PER_SEC),
                       (unsigned long long)(s->time_ns / NS_PER_MS % 1000), rx_regime_name(s->from),
                       rx_regime_name(s->to), s->pps, s->busy / 10, s->busy % 10,
                       rx_reason_text(s->reason));
    }
}

static int cmd_mode(struct console *con, int argc, char **argv)
{
    struct napi_stats stats;
    struct rx_adapt_stats adapt;
    unsigned mode = 0;

    if (argc > 2)
        return console_error(con, "one mode at a time");
    if (argc == 2) {
        while (rx_mode_name(mode) != NULL && strcmp(rx_mode_name(mode), argv[1]) != 0)
            mode++;
        if (rx_mode_name(mode) == NULL)
            return console_error(con, "no mode %s; there are interrupt, napi, poll, adaptive",
                                 argv[1]);
        napi_set_mode((enum rx_mode)mode);
    }
    collect(&stats, &adapt);
    if (con->json) {
        mode_json(con, &stats, &adapt);
        return 0;
    }
    console_printf(con, "%s, budget %u packets, defer-us %u, usecs %llu\n",
                   rx_mode_name(napi_mode()), napi_budget(), napi_defer_us(),
                   (unsigned long long)(softirq_round_ns() / NS_PER_US));
    if (napi_mode() == RX_MODE_ADAPTIVE)
        adaptive_text(con, &adapt);
    return 0;
}
CONSOLE_COMMAND_COMPLETE(mode, "mode [interrupt|napi|poll|adaptive]",
                         "how packets are received: show it, or change it under load", cmd_mode,
                         rx_mode_name);

/* ---- the numbers ---- */

struct setting {
    const char *key, *unit;
    unsigned min, max;
    unsigned (*get)(void);
    void (*set)(unsigned value);
};

static unsigned usecs_get(void)
{
    return (unsigned)(softirq_round_ns() / NS_PER_US);
}

static void usecs_set(unsigned us)
{
    softirq_set_round_ns(us * NS_PER_US);
}

/* Decimal digits only, at most max. */
static bool parse_number(const char *text, unsigned max, unsigned *value)
{
    uint64_t n = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        n = n * 10 + (uint64_t)(*text - '0');
        if (n > max)
            return false;
    }
    *value = (unsigned)n;
    return true;
}

static int run_setting(struct console *con, int argc, char **argv, const struct setting *s)
{
    struct json j;
    unsigned value;

    if (argc > 2)
        return console_error(con, "one number, please");
    if (argc == 2) {
        if (!parse_number(argv[1], s->max, &value) || value < s->min)
            return console_error(con, "%s: not a number from %u to %u (%s)", argv[1], s->min,
                                 s->max, s->unit);
        s->set(value);
    }
    if (con->json) {
        console_json(con, &j);
        json_u64(&j, s->key, s->get());
        json_end(&j);
    } else {
        console_printf(con, "%u %s\n", s->get(), s->unit);
    }
    return 0;
}

static int cmd_budget(struct console *con, int argc, char **argv)
{
    static const struct setting budget = { "budget",        "packets a poll", 1,
                                           NAPI_BUDGET_MAX, napi_budget,      napi_set_budget };

    return run_setting(con, argc, argv, &budget);
}
CONSOLE_COMMAND(budget, "budget [packets]", "how many packets one poll may take", cmd_budget);

static int cmd_defer_us(struct console *con, int argc, char **argv)
{
    static const struct setting defer = { "defer_us",        "microseconds", 1,
                                          NAPI_DEFER_US_MAX, napi_defer_us,  napi_set_defer_us };

    return run_setting(con, argc, argv, &defer);
}
CONSOLE_COMMAND_NAMED(defer_us, "defer-us", "defer-us [microseconds]",
                      "how long the adaptive mode waits for more packets", cmd_defer_us, NULL);

static int cmd_usecs(struct console *con, int argc, char **argv)
{
    static const struct setting usecs = { "usecs",        "microseconds", NAPI_USECS_MIN,
                                          NAPI_USECS_MAX, usecs_get,      usecs_set };

    return run_setting(con, argc, argv, &usecs);
}
CONSOLE_COMMAND(usecs, "usecs [microseconds]", "time limit of one round of softirqs", cmd_usecs);

static int cmd_copies(struct console *con, int argc, char **argv)
{
    static const struct setting copies = { "copies",   "copies each way", 0,
                                           COPIES_MAX, copies_get,        copies_set };

    return run_setting(con, argc, argv, &copies);
}
CONSOLE_COMMAND(copies, "copies [0|1|2]", "copy payload as sockets do, to see what that costs",
                cmd_copies);

/* ---- softnet ---- */

/* What the driver dropped: the device's word was not to be believed. */
static uint64_t nic_dropped(void)
{
    struct nic_stats nic = { 0 };

    if (stack.nic != NULL)
        nic_stats(stack.nic, &nic);
    return nic.rx_runt + nic.rx_over_length + nic.rx_bad_length + nic.rx_bad_id +
           nic.rx_backlog_drop;
}

/* Under `watch` each has its rate behind it. */
static void softnet_text(struct console *con, const struct napi_stats *stats, uint64_t dropped)
{
    const struct {
        const char *name;
        uint64_t value;
    } column[] = { { "processed", stats->packets },
                   { "dropped", dropped },
                   { "time_squeeze", stats->time_squeeze },
                   { "polls", stats->polls },
                   { "empty_polls", stats->empty_polls } };
    char rate[CONSOLE_RATE_MAX];

    console_printf(con, "CPU");
    for (unsigned i = 0; i < ARRAY_SIZE(column); i++)
        console_printf(con, " %13s%*s", column[i].name, con->rates != NULL ? 12 : 0, "");
    console_printf(con, "\n  0");
    for (unsigned i = 0; i < ARRAY_SIZE(column); i++) {
        console_rate_text(con, column[i].value, 12, rate);
        console_printf(con, " %13llu%s", (unsigned long long)column[i].value, rate);
    }
    console_printf(con, "\n");
}

static int cmd_softnet(struct console *con, int argc, char **argv)
{
    struct napi_stats stats;
    struct rx_adapt_stats adapt;
    uint64_t dropped;
    struct json j;

    (void)argv;
    if (argc > 1)
        return console_error(con, "takes no arguments");
    softirq_disable();
    collect(&stats, &adapt);
    dropped = nic_dropped();
    softirq_enable();
    if (con->json) {
        console_json(con, &j);
        json_array(&j, "cpus");
        json_object(&j, NULL);
        json_u64(&j, "cpu", 0);
        json_u64(&j, "processed", stats.packets);
        json_u64(&j, "dropped", dropped);
        json_u64(&j, "time_squeeze", stats.time_squeeze);
        json_u64(&j, "polls", stats.polls);
        json_u64(&j, "empty_polls", stats.empty_polls);
        json_object_end(&j);
        json_array_end(&j);
        json_end(&j);
        return 0;
    }
    softnet_text(con, &stats, dropped);
    return 0;
}
CONSOLE_COMMAND(softnet, "softnet", "the receive softirq, as /proc/net/softnet_stat", cmd_softnet);
