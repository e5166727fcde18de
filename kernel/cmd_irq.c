/* The commands `interrupts` and `softirq`, in the layouts of /proc/interrupts and /proc/softirqs.
 */
#include "irq_local.h"
#include <kernel/console.h>
#include <kernel/softirq.h>

static int interrupts_json(struct console *con, const struct irq_counts *counts)
{
    struct json j;
    struct irq_info info;

    console_json(con, &j);
    json_array(&j, "interrupts");
    for (unsigned i = 0; irq_info(i, &info); i++) {
        json_object(&j, NULL);
        json_u64(&j, "vector", (uint64_t)info.vector);
        json_str(&j, "controller", info.controller);
        json_str(&j, "name", info.name);
        json_u64(&j, "count", info.count);
        json_u64(&j, "ticks", info.ticks);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_u64(&j, "spurious", counts->spurious);
    json_u64(&j, "unexpected", counts->unexpected);
    json_u64(&j, "errors", counts->apic_errors);
    json_u64(&j, "error_status", counts->apic_error_status);
    json_end(&j);
    return 0;
}

static int cmd_interrupts(struct console *con, int argc, char **argv)
{
    struct irq_counts counts;
    struct irq_info info;

    (void)argv;
    if (argc != 1)
        return console_error(con, "takes no arguments");
    irq_counts(&counts);
    if (con->json)
        return interrupts_json(con, &counts);
    console_printf(con, "            CPU0\n");
    for (unsigned i = 0; irq_info(i, &info); i++)
        console_printf(con, "%3d: %10lu  %-18s  %s\n", info.vector, info.count, info.controller,
                       info.name);
    console_printf(con, "SPU: %10lu  Spurious interrupts\n", counts.spurious);
    console_printf(con, "UNX: %10lu  Interrupts on vectors that nobody requested\n",
                   counts.unexpected);
    console_printf(con, "ERR: %10lu  Local APIC errors (status 0x%x)\n", counts.apic_errors,
                   counts.apic_error_status);
    return 0;
}

CONSOLE_COMMAND(interrupts, "interrupts", "interrupts per vector, as /proc/interrupts",
                cmd_interrupts);

static int softirq_json(struct console *con, const struct softirq_totals *totals)
{
    struct softirq_stats stats;
    struct json j;

    console_json(con, &j);
    json_array(&j, "softirqs");
    for (unsigned nr = 0; softirq_stats(nr, &stats); nr++) {
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
    return 0;
}

static int cmd_softirq(struct console *con, int argc, char **argv)
{
    struct softirq_totals totals;
    struct softirq_stats stats;

    (void)argv;
    if (argc != 1)
        return console_error(con, "takes no arguments");
    softirq_totals(&totals);
    if (con->json)
        return softirq_json(con, &totals);
    console_printf(con, "                    CPU0     raised\n");
    for (unsigned nr = 0; softirq_stats(nr, &stats); nr++)
        console_printf(con, "%12s: %10lu %10lu\n", stats.name, stats.runs, stats.raised);
    console_printf(con, "rounds: %lu at interrupt exit, %lu from the main loop; %lu deferred\n",
                   totals.rounds_irq_exit, totals.rounds_main, totals.deferred);
    return 0;
}

CONSOLE_COMMAND(softirq, "softirq", "bottom halves run, as /proc/softirqs", cmd_softirq);
