/* The command `cpu`. */
#include <kernel/console.h>
#include <kernel/cputime.h>
#include <kernel/lib.h>
#include <kernel/time.h>

/* The way of a packet, then the rest. */
static const enum cputime order[CPUTIME_COUNT] = { CPUTIME_IRQ, CPUTIME_SOFTIRQ, CPUTIME_APP,
                                                   CPUTIME_MAIN, CPUTIME_IDLE };

static int cpu_json(struct console *con, const struct cputime_split *now)
{
    struct json j;

    console_json(con, &j);
    json_u64(&j, "time_ns", time_ns());
    json_u64(&j, "irq_ns", now->ns[CPUTIME_IRQ]);
    json_u64(&j, "softirq_ns", now->ns[CPUTIME_SOFTIRQ]);
    json_u64(&j, "app_ns", now->ns[CPUTIME_APP]);
    json_u64(&j, "main_ns", now->ns[CPUTIME_MAIN]);
    json_u64(&j, "idle_ns", now->ns[CPUTIME_IDLE]);
    json_u64(&j, "total_ns", now->total_ns);
    json_end(&j);
    return 0;
}

static void print_row(struct console *con, const char *what, const struct cputime_split *split)
{
    unsigned share[CPUTIME_COUNT];

    cputime_shares(split, share);
    console_printf(con, "%-11s", what);
    for (unsigned i = 0; i < CPUTIME_COUNT; i++)
        console_printf(con, " %4u.%02u%%", share[order[i]] / 100, share[order[i]] % 100);
    console_printf(con, "%11llu.%03llu s\n", (unsigned long long)(split->total_ns / NS_PER_SEC),
                   (unsigned long long)(split->total_ns / NS_PER_MS % 1000));
}

/* Since the last time that it was asked, and since boot. */
static int cmd_cpu(struct console *con, int argc, char **argv)
{
    static struct cputime_split last;
    struct cputime_split now, recent = { 0 };

    (void)argv;
    if (argc > 1)
        return console_error(con, "takes no arguments");
    cputime_read(&now);
    if (con->json)
        return cpu_json(con, &now);
    console_printf(con, "%-11s", "CPU0");
    for (unsigned i = 0; i < CPUTIME_COUNT; i++)
        console_printf(con, " %8s", cputime_name(order[i]));
    console_printf(con, "%15s\n", "of");
    if (now.total_ns >= last.total_ns) { /* else it was zeroed since */
        for (unsigned i = 0; i < CPUTIME_COUNT; i++)
            recent.ns[i] = now.ns[i] - MIN(last.ns[i], now.ns[i]);
        recent.total_ns = now.total_ns - last.total_ns;
        print_row(con, "since last", &recent);
    }
    print_row(con, "since boot", &now);
    last = now;
    return 0;
}
CONSOLE_COMMAND(cpu, "cpu", "where the CPU's time went: irq, softirq, app, main, idle", cmd_cpu);
