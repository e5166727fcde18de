/*
 * Time is the TSC, multiplied: ns = ticks * mult >> 32, with a 128-bit product, so that there is
 * no division and no overflow for centuries. One CPU, so its TSC cannot disagree with another's.
 */
#include "calibrate.h"
#include "lapic.h"
#include <kernel/acpi.h>
#include <kernel/boot.h>
#include <kernel/config.h>
#include <kernel/cpu.h>
#include <kernel/muldiv.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/time.h>

static uint64_t tsc_start, tsc_hz, lapic_hz;
static uint64_t ns_per_tick_32; /* nanoseconds a TSC tick, times 2^32; 0 before time_init() */
static uint64_t ticks_per_ns_32;
static const char *source = "none";

static uint64_t read_tsc(void)
{
    return rdtsc();
}

/* Returns NULL, or why this clock will not do. */
static const char *calibrate_with(enum clocksource_kind kind)
{
    /* With TSC-deadline the local APIC's own rate is of no interest. */
    const struct calibrate_counters counters = {
        .tsc = read_tsc, .lapic = cpu_features.tsc_deadline ? NULL : lapic_timer_count
    };
    struct clocksource clock;
    struct calibrate_result result;
    const char *error;

    if (!clocksource_open(kind, acpi_info(), &clock))
        return "the machine has none";
    /* Counts for 4 s and more: restarted here, it cannot run out within the windows. */
    lapic_timer_free_run();
    error = calibrate(&clock, &counters, &result);
    if (error != NULL)
        return error;
    if (result.tsc_hz < 1000000 || (counters.lapic != NULL && result.lapic_hz == 0))
        return "what was measured makes no sense";
    tsc_hz = result.tsc_hz;
    lapic_hz = result.lapic_hz;
    source = clock.name;
    if (!result.agreed)
        printk("time: %u windows against the %s, and no two agreed within 0.2%%: time may drift",
               result.windows, clock.name);
    return NULL;
}

void time_init(void)
{
    static const char *const names[] = { "auto", "hpet", "pm", "pit", NULL };
    unsigned forced = config_choice("clock", names, 0);
    const char *error = "not tried";

    lapic_init(); /* before irq_init(): its timer is measured in the same windows */
    if (forced != 0) {
        error = calibrate_with((enum clocksource_kind)(forced - 1));
        if (error != NULL)
            printk("time: clock=%s: %s; trying the others", names[forced], error);
    }
    for (unsigned kind = 0; error != NULL && kind < CLOCKSOURCE_COUNT; kind++)
        error = calibrate_with((enum clocksource_kind)kind);
    if (error != NULL)
        panic("time: no clock to calibrate the TSC against (HPET, ACPI PM timer, PIT)");

    ns_per_tick_32 = muldiv64(NS_PER_SEC, 1ull << 32, tsc_hz);
    ticks_per_ns_32 = muldiv64(tsc_hz, 1ull << 32, NS_PER_SEC);
    tsc_start = rdtsc();
    printk("time: TSC %lu.%03lu MHz against the %s%s", tsc_hz / 1000000, tsc_hz / 1000 % 1000,
           source, cpu_features.invariant_tsc ? "" : "; not invariant, says the CPU");
}

uint64_t time_tsc_to_ns(uint64_t ticks)
{
    return (uint64_t)(((unsigned __int128)ticks * ns_per_tick_32) >> 32);
}

uint64_t time_ns_to_tsc(uint64_t ns)
{
    return (uint64_t)(((unsigned __int128)ns * ticks_per_ns_32) >> 32) + 1;
}

uint64_t time_ns(void)
{
    return ns_per_tick_32 == 0 ? 0 : time_tsc_to_ns(rdtsc() - tsc_start);
}

uint64_t time_unix(void)
{
    const struct boot_info *info = boot_info();

    if (info->unix_time == 0)
        return 0;
    return info->unix_time + time_tsc_to_ns(rdtsc() - info->tsc_exit) / NS_PER_SEC;
}

uint64_t time_since_loader_ns(void)
{
    return time_tsc_to_ns(rdtsc() - boot_info()->tsc_entry);
}

uint64_t time_tsc_hz(void)
{
    return tsc_hz;
}

uint64_t time_lapic_hz(void)
{
    return lapic_hz;
}

const char *time_source(void)
{
    return source;
}

void time_spin_ns(uint64_t ns)
{
    uint64_t start = rdtsc(), ticks = time_ns_to_tsc(ns);

    while (rdtsc() - start < ticks)
        cpu_relax();
}
