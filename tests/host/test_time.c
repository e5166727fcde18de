/*
 * Time and calibration on a simulated machine: one hidden true time, from which the TSC, HPET,
 * PM timer, PIT and the local APIC's timer all derive; each access costs some of it, and
 * disturbances (an SMI, a clock that stands still) can be put in.
 */
#include "fake_hw.h"
#include "calibrate.h"
#include "fakes.h"
#include "lapic.h"
#include <kernel/boot.h>
#include <kernel/config.h>
#include <kernel/time.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---------------------------------------------------------------- the machine */

static unsigned __int128 now_fs;
static uint64_t tsc_khz, lapic_khz, access_fs, tsc_offset;
static uint32_t hpet_period_fs, hpet_config;
static bool hpet_stuck, pm_stuck, pit_stuck;
static unsigned forced_clock;
static unsigned smi_every, accesses, lapic_frees;
static uint8_t hpet_regs[0x400];
static uint64_t pm_start_ticks, pit_loaded_fs;
static uint16_t pit_latched;
static unsigned pit_reads, pit_writes;
static uint8_t port_b;
static struct acpi_info acpi;
static struct boot_info boot;

static void pass(void)
{
    now_fs += access_fs;
    if (smi_every != 0 && ++accesses % smi_every == 0)
        now_fs += 300000000000ull; /* 300 us gone, between any two instructions */
}

uint64_t fake_rdtsc(void)
{
    pass();
    return tsc_offset + (uint64_t)(now_fs * tsc_khz / 1000000000000ull);
}

uint32_t lapic_timer_count(void)
{
    pass();
    return UINT32_MAX - (uint32_t)(now_fs * lapic_khz / 1000000000000ull);
}

void lapic_init(void) {}
void lapic_timer_free_run(void)
{
    lapic_frees++;
}

volatile void *paging_map_mmio(uint64_t phys, uint64_t bytes)
{
    assert_int_equal(phys, 0xfed00000);
    assert_int_equal(bytes, 0x400);
    return hpet_regs;
}

uint32_t fake_mmio_read(const volatile void *where, unsigned bytes)
{
    size_t reg = (size_t)((const volatile uint8_t *)where - hpet_regs);

    assert_int_equal(bytes, 4);
    pass();
    if (reg == 4)
        return hpet_period_fs;
    if (reg == 0x10)
        return hpet_config;
    assert_int_equal(reg, 0xf0);
    if (hpet_stuck || !(hpet_config & 1))
        return 12345;
    return (uint32_t)(now_fs / hpet_period_fs) + 0xfff00000; /* wraps while we look */
}

void fake_mmio_write(volatile void *where, uint32_t value, unsigned bytes)
{
    assert_int_equal(bytes, 4);
    assert_ptr_equal(where, hpet_regs + 0x10);
    hpet_config = value;
}

uint32_t fake_in(uint16_t port, unsigned bytes)
{
    pass();
    switch (port) {
    case 0x608:
        assert_int_equal(bytes, 4);
        if (pm_stuck)
            return 0xffffffff;
        return (uint32_t)((pm_start_ticks + (uint64_t)(now_fs * 3579545 / 1000000000000000ull)) &
                          (acpi.pm_timer_32bit ? 0xffffffff : 0xffffff));
    case 0x61:
        return port_b;
    case 0x42:
        assert_int_equal(bytes, 1);
        return pit_reads++ % 2 == 0 ? pit_latched & 0xff : pit_latched >> 8;
    default:
        fail();
        return 0;
    }
}

void fake_out(uint16_t port, uint32_t value, unsigned bytes)
{
    assert_int_equal(bytes, 1);
    pass();
    switch (port) {
    case 0x61:
        assert_int_equal(value & 3, 1); /* gate open, speaker off */
        port_b = (uint8_t)value;
        break;
    case 0x43:
        if (value == 0x80 && !pit_stuck)
            pit_latched = (uint16_t)(0xffff - (uint64_t)((now_fs - pit_loaded_fs) * 1193182 /
                                                         1000000000000000ull));
        else
            assert_true(value == 0x80 || value == 0xb0);
        break;
    case 0x42:
        assert_int_equal(value, 0xff);
        if (++pit_writes % 2 == 0)
            pit_loaded_fs = (uint64_t)now_fs;
        break;
    default:
        fail();
    }
}

const struct acpi_info *acpi_info(void)
{
    return &acpi;
}
const struct boot_info *boot_info(void)
{
    return &boot;
}

unsigned config_choice(const char *key, const char *const *names, unsigned fallback)
{
    assert_string_equal(key, "clock");
    assert_string_equal(names[0], "auto");
    assert_string_equal(names[1], "hpet");
    assert_string_equal(names[2], "pm");
    assert_string_equal(names[3], "pit");
    assert_null(names[4]);
    assert_int_equal(fallback, 0);
    return forced_clock;
}

static int setup(void **state)
{
    (void)state;
    now_fs = 1000000000000ull;
    tsc_khz = 2100000;
    lapic_khz = 1000000;
    access_fs = 50000000; /* 50 ns an access */
    tsc_offset = 0;
    hpet_period_fs = 10000000;
    hpet_config = 0;
    hpet_stuck = pm_stuck = pit_stuck = false;
    forced_clock = smi_every = accesses = lapic_frees = 0;
    pm_start_ticks = 0xfffff0; /* about to wrap */
    acpi = (struct acpi_info){ .hpet_phys = 0xfed00000, .pm_timer_port = 0x608 };
    cpu_features = (struct cpu_features){ .invariant_tsc = true };
    boot = (struct boot_info){ 0 };
    fake_printk_lines = 0;
    return 0;
}

static void assert_within_ppm(uint64_t value, uint64_t truth, uint64_t ppm)
{
    assert_in_range(value, truth - truth / 1000000 * ppm, truth + truth / 1000000 * ppm);
}

/* ---------------------------------------------------------------- tests */

static void check_clock(const char *name, uint64_t ppm)
{
    unsigned __int128 before = now_fs;

    time_init();
    assert_string_equal(time_source(), name);
    assert_within_ppm(time_tsc_hz(), 2100000000, ppm);
    assert_within_ppm(time_lapic_hz(), 1000000000, ppm);
    assert_in_range((uint64_t)((now_fs - before) / 1000000000), 10000, 11000); /* us: in 10 ms */
}

static void the_hpet_comes_first(void **state)
{
    (void)state;
    check_clock("hpet", 50);
    assert_int_equal(hpet_config & 1, 1);
}

static void then_the_pm_timer(void **state)
{
    (void)state;
    acpi.hpet_phys = 0;
    check_clock("acpi_pm", 200);
}

static void a_32_bit_pm_timer(void **state)
{
    (void)state;
    acpi.hpet_phys = 0;
    acpi.pm_timer_32bit = true;
    pm_start_ticks = 0xfffffff0;
    check_clock("acpi_pm", 200);
}

static void then_the_pit(void **state)
{
    (void)state;
    acpi.hpet_phys = 0;
    acpi.pm_timer_port = 0;
    check_clock("pit", 400);
}

static void each_can_be_forced(void **state)
{
    static const char *const names[] = { "", "hpet", "acpi_pm", "pit" };

    for (unsigned i = 1; i <= 3; i++) {
        setup(state);
        forced_clock = i;
        check_clock(names[i], 400);
    }
}

static void one_that_is_forced_and_absent_is_replaced(void **state)
{
    (void)state;
    forced_clock = 1;
    acpi.hpet_phys = 0;
    check_clock("acpi_pm", 200);
    assert_int_equal(fake_printk_lines, 2); /* it says so */
}

static void clocks_that_stand_still_are_passed_over(void **state)
{
    (void)state;
    hpet_stuck = true;
    pm_stuck = true;
    time_init();
    assert_string_equal(time_source(), "pit");
    setup(state);
    hpet_period_fs = 0;
    time_init();
    assert_string_equal(time_source(), "acpi_pm");
    setup(state);
    hpet_period_fs = 100000001; /* slower than the specification allows */
    time_init();
    assert_string_equal(time_source(), "acpi_pm");
}

static void without_any_clock_it_panics(void **state)
{
    (void)state;
    hpet_stuck = pm_stuck = pit_stuck = true;
    EXPECT_PANIC(time_init());
}

static void with_tsc_deadline_the_local_apic_is_not_measured(void **state)
{
    (void)state;
    cpu_features.tsc_deadline = true;
    lapic_khz = 0;
    time_init();
    assert_within_ppm(time_tsc_hz(), 2100000000, 50);
    setup(state);
    lapic_khz = 0; /* and one that does not count is noticed where it is needed */
    EXPECT_PANIC(time_init());
}

static void occasional_disturbances_are_repeated_away(void **state)
{
    (void)state;
    for (unsigned every = 90001; every < 300000; every += 7919) {
        setup(state);
        smi_every = every;
        time_init();
        assert_within_ppm(time_tsc_hz(), 2100000000, 1000);
    }
}

/* 10% more ticks in the first window than there should be. */
static uint64_t tsc_with_a_bad_first_window(void)
{
    static const uint64_t bad_fs = 1000000000000 + 5000000000000;
    uint64_t fs;

    pass();
    fs = (uint64_t)now_fs;
    return (fs * 2 + MIN(fs, bad_fs) / 5) / 1000000;
}

static void windows_that_disagree_are_repeated(void **state)
{
    const struct calibrate_counters counters = { .tsc = tsc_with_a_bad_first_window };
    struct clocksource clock;
    struct calibrate_result result;

    (void)state;
    assert_true(clocksource_open(CLOCKSOURCE_HPET, &acpi, &clock));
    assert_null(calibrate(&clock, &counters, &result));
    assert_true(result.agreed);
    assert_int_equal(result.windows, 3);
    assert_within_ppm(result.tsc_hz, 2000000000, 500);
}

static uint64_t noisy_tsc(void)
{
    static uint64_t tsc;

    return tsc += 1000000 + (uint64_t)rand() % 1000000;
}

static void a_hopeless_clock_is_bounded_and_reported(void **state)
{
    const struct calibrate_counters counters = { .tsc = noisy_tsc };
    struct clocksource clock;
    struct calibrate_result result;

    (void)state;
    srand(3);
    assert_true(clocksource_open(CLOCKSOURCE_HPET, &acpi, &clock));
    assert_null(calibrate(&clock, &counters, &result));
    assert_true(result.agreed || result.windows == CALIBRATE_WINDOWS_MAX);
    hpet_stuck = true;
    assert_string_equal(calibrate(&clock, &counters, &result), "it does not count");
}

static void conversions_hold_for_centuries(void **state)
{
    uint64_t hz, year;

    (void)state;
    time_init();
    hz = time_tsc_hz();
    assert_int_equal(time_tsc_to_ns(0), 0);
    assert_in_range(time_tsc_to_ns(hz), 999999999, 1000000000);
    year = hz * 86400 * 365;
    assert_in_range(time_tsc_to_ns(year), 86400ull * 365 * 999999999, 86400ull * 365 * 1000000000);
    assert_in_range(time_tsc_to_ns(100 * year), 86400ull * 36500 * 999999999,
                    86400ull * 36500 * 1000000000);
    for (uint64_t ns = 1; ns < 1000000000000; ns = ns * 3 + 1) {
        /* Rounded up, but for the 32 bits that the factors have: 1 ns in a second. */
        assert_true(time_tsc_to_ns(time_ns_to_tsc(ns)) + 1 + ns / 500000000 >= ns);
        assert_true(time_ns_to_tsc(ns) <= ns / 1000 * hz / 1000000 + hz / 1000000 + 2);
    }
}

static void time_goes_on_from_zero_and_never_back(void **state)
{
    uint64_t last, start;

    (void)state;
    time_init();
    start = last = time_ns();
    assert_true(last < 10000);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t now = time_ns();

        assert_true(now >= last);
        last = now;
    }
    assert_in_range(last - start, 499000, 501000); /* 10,000 accesses of 50 ns */
    start = time_ns();
    time_spin_ns(20000);
    assert_in_range(time_ns() - start, 20000, 20300);
}

static void the_wall_clock_goes_on_from_the_hand_over(void **state)
{
    (void)state;
    tsc_offset = 5000000000; /* the firmware had its time */
    boot.tsc_entry = fake_rdtsc();
    now_fs += 700000000000000; /* the loader took 0.7 s */
    boot.tsc_exit = fake_rdtsc();
    time_init();
    assert_int_equal(time_unix(), 0); /* no clock */
    boot.unix_time = 1700000000;
    now_fs += 2500000000000000;
    assert_int_equal(time_unix(), 1700000002);
    assert_in_range(time_since_loader_ns(), 3200000000, 3220000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_hpet_comes_first, setup),
        cmocka_unit_test_setup(then_the_pm_timer, setup),
        cmocka_unit_test_setup(a_32_bit_pm_timer, setup),
        cmocka_unit_test_setup(then_the_pit, setup),
        cmocka_unit_test_setup(each_can_be_forced, setup),
        cmocka_unit_test_setup(one_that_is_forced_and_absent_is_replaced, setup),
        cmocka_unit_test_setup(clocks_that_stand_still_are_passed_over, setup),
        cmocka_unit_test_setup(without_any_clock_it_panics, setup),
        cmocka_unit_test_setup(with_tsc_deadline_the_local_apic_is_not_measured, setup),
        cmocka_unit_test_setup(occasional_disturbances_are_repeated_away, setup),
        cmocka_unit_test_setup(windows_that_disagree_are_repeated, setup),
        cmocka_unit_test_setup(a_hopeless_clock_is_bounded_and_reported, setup),
        cmocka_unit_test_setup(conversions_hold_for_centuries, setup),
        cmocka_unit_test_setup(time_goes_on_from_zero_and_never_back, setup),
        cmocka_unit_test_setup(the_wall_clock_goes_on_from_the_hand_over, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
