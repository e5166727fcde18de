/*
 * The commands `interrupts` and `softirq`, in the layouts of /proc/interrupts and /proc/softirqs,
 * and what of it `reset` zeroes. Main context.
 */
#include "irq_local.h"
#include "rates.h"
#include <kernel/console.h>
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/reset.h>
#include <kernel/softirq.h>
#include <kernel/time.h>

/* ---- interrupts */

/* The rows of the table: the vectors, then what has none of its own. */
enum {
    ROW_SPURIOUS = 256,
    ROW_UNEXPECTED,
    ROW_ERRORS,
    ROWS,
};

/* When the command was given last, or at the last `reset`, or at boot: the rates count from here.
 */
static struct {
    uint64_t time_ns;
    uint64_t count[ROWS];
} since;

#define VECTORS_SHOWN 64 /* requested ones; there are a handful */

/* All of it at one moment: printing takes interrupts of its own. */
static struct {
    uint64_t interval_ns; /* that the rates are of */
    struct irq_info vector[VECTORS_SHOWN];
    unsigned vector_count;
    struct irq_counts counts;
    uint64_t milli[ROWS]; /* thousandths per second */
} table;

static void add_rate(unsigned row, uint64_t count)
{
    table.milli[row] = rate_milli(count - since.count[row], table.interval_ns);
    since.count[row] = count;
}

static void collect(void)
{
    uint64_t now_ns = time_ns();
    unsigned n = 0;

    table.interval_ns = now_ns - since.time_ns;
    since.time_ns = now_ns;
    while (n < VECTORS_SHOWN && irq_info(n, &table.vector[n])) {
        add_rate((unsigned)table.vector[n].vector, table.vector[n].count);
        n++;
    }
    table.vector_count = n;
    irq_counts(&table.counts);
    add_rate(ROW_SPURIOUS, table.counts.spurious);
    add_rate(ROW_UNEXPECTED, table.counts.unexpected);
    add_rate(ROW_ERRORS, table.counts.apic_errors);
}

static void reset_interrupts(void)
{
    irq_reset_counts();
    for (unsigned row = 0; row < ROWS; row++)
        since.count[row] = 0;
    since.time_ns = time_ns();
}
RESETTABLE(interrupts, reset_interrupts);

static void interrupts_json(struct console *con)
{
    struct json j;

    console_json(con, &j);
    json_u64(&j, "interval_ns", table.interval_ns);
    json_array(&j, "interrupts");
    for (unsigned i = 0; i < table.vector_count; i++) {
        const struct irq_info *info = &table.vector[i];

        json_object(&j, NULL);
        json_u64(&j, "vector", (uint64_t)info->vector);
        json_str(&j, "controller", info->controller);
        json_str(&j, "name", info->name);
        json_u64(&j, "count", info->count);
        json_u64(&j, "per_second_milli", table.milli[info->vector]);
        json_u64(&j, "ticks", info->ticks);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_u64(&j, "spurious", table.counts.spurious);
    json_u64(&j, "unexpected", table.counts.unexpected);
    json_u64(&j, "errors", table.counts.apic_errors);
    json_u64(&j, "error_status", table.counts.apic_error_status);
    json_end(&j);
}

static void print_counter(struct console *con, const char *label, uint64_t count, unsigned row)
{
    char text[RATE_TEXT_MAX];

    console_printf(con, "%3s: %10llu %10s  ", label, (unsigned long long)count,
                   rate_text(text, table.milli[row]));
}

static void interrupts_text(struct console *con)
{
    char label[8];

    console_printf(con, "            CPU0     rate/s\n");
    for (unsigned i = 0; i < table.vector_count; i++) {
        const struct irq_info *info = &table.vector[i];

        fmt_snprintf(label, sizeof(label), "%d", info->vector);
        print_counter(con, label, info->count, (unsigned)info->vector);
        console_printf(con, "%-18s  %s\n", info->controller, info->name);
    }
    print_counter(con, "SPU", table.counts.spurious, ROW_SPURIOUS);
    console_printf(con, "Spurious interrupts\n");
    print_counter(con, "UNX", table.counts.unexpected, ROW_UNEXPECTED);
    console_printf(con, "Interrupts on vectors that nobody requested\n");
    print_counter(con, "ERR", table.counts.apic_errors, ROW_ERRORS);
    console_printf(con, "Local APIC errors (status 0x%x)\n", table.counts.apic_error_status);
}

static int cmd_interrupts(struct console *con, int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return console_error(con, "takes no arguments");
    collect();
    if (con->json)
        interrupts_json(con);
    else
        interrupts_text(con);
    return 0;
}

CONSOLE_COMMAND(interrupts, "interrupts",
                "interrupts per vector, as /proc/interrupts; rate/s is since it was last asked",
                cmd_interrupts);

/* ---- softirq */

/*
 * The counters at the last `reset`, which are subtracted: the originals go on, because the main
 * loop and the NIC's poll compare them with what they have seen to find out what has happened.
 */
static struct {
    uint64_t runs[SOFTIRQ_COUNT];
    struct softirq_totals totals;
} zero;

static void reset_softirq(void)
{
    struct softirq_stats stats;

    for (unsigned nr = 0; softirq_stats(nr, &stats); nr++)
        zero.runs[nr] = stats.runs;
    softirq_totals(&zero.totals);
}
RESETTABLE(softirq, reset_softirq);

static bool stats_since_reset(unsigned nr, struct softirq_stats *out)
{
    if (!softirq_stats(nr, out))
        return false;
    /* One that was pending at the reset has been raised and will run: both are counted. */
    out->raised -= zero.runs[nr];
    out->runs -= zero.runs[nr];
    return true;
}

static void totals_since_reset(struct softirq_totals *out)
{
    softirq_totals(out);
    out->rounds_irq_exit -= zero.totals.rounds_irq_exit;
    out->rounds_main -= zero.totals.rounds_main;
    out->deferred -= zero.totals.deferred;
}

static void softirq_json(struct console *con, const struct softirq_totals *totals)
{
    struct softirq_stats stats;
    struct json j;

    console_json(con, &j);
    json_array(&j, "softirqs");
    for (unsigned nr = 0; stats_since_reset(nr, &stats); nr++) {
        json_object(&j, NULL);
        json_str(&j, "name", stats.name);
        json_u64(&j, "raised", stats.raised);
        json_u64(&j, "runs", stats.runs);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_u64(&j, "rounds_irq_exit", totals->rounds_irq_exit);
    json_u64(&j, "rounds_main", totals->rounds_main);
    json_u64(&j, "deferred", totals->deferred);
    json_end(&j);
}

#define RATE_WIDTH 12

static void softirq_text(struct console *con, const struct softirq_totals *totals)
{
    const struct {
        const char *name;
        uint64_t value;
    } rounds[] = { { "at interrupt exit", totals->rounds_irq_exit },
                   { "from the main loop", totals->rounds_main },
                   { "deferred", totals->deferred } };
    int width = con->rates != NULL ? RATE_WIDTH : 0;
    char runs[CONSOLE_RATE_MAX], raised[CONSOLE_RATE_MAX];
    struct softirq_stats stats;

    console_printf(con, "%24s%*s%11s\n", "CPU0", width, "", "raised");
    for (unsigned nr = 0; stats_since_reset(nr, &stats); nr++) {
        console_rate_text(con, stats.runs, RATE_WIDTH, runs);
        console_rate_text(con, stats.raised, RATE_WIDTH, raised);
        console_printf(con, "%12s: %10llu%s %10llu%s\n", stats.name, (unsigned long long)stats.runs,
                       runs, (unsigned long long)stats.raised, raised);
    }
    console_printf(con, "rounds:\n");
    for (unsigned i = 0; i < ARRAY_SIZE(rounds); i++)
        console_printf(con, "%12s  %10llu%s %s\n", "", (unsigned long long)rounds[i].value,
                       console_rate_text(con, rounds[i].value, RATE_WIDTH, runs), rounds[i].name);
}

static int cmd_softirq(struct console *con, int argc, char **argv)
{
    struct softirq_totals totals;

    (void)argv;
    if (argc != 1)
        return console_error(con, "takes no arguments");
    totals_since_reset(&totals);
    if (con->json)
        softirq_json(con, &totals);
    else
        softirq_text(con, &totals);
    return 0;
}

CONSOLE_COMMAND(softirq, "softirq", "bottom halves run, as /proc/softirqs", cmd_softirq);
