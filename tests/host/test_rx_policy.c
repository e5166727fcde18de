/*
 * The adaptive policy against loads: steady ones at every level, steps, bursts, noise at the
 * thresholds, and recorded ones. It must settle, never swing, and see to both ends.
 */
#include "rx_policy.h"
#include <kernel/lib.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define DEFER_NS 50000u
#define MS       1000000u

static unsigned switches;
static enum rx_reason last_reason;

static void step(struct rx_policy *p, uint64_t elapsed_ns, unsigned busy, uint64_t pps)
{
    struct rx_sample s = { .elapsed_ns = elapsed_ns,
                           .busy_ns = elapsed_ns * busy / 1000,
                           .packets = pps * elapsed_ns / NS_PER_SEC,
                           .defer_ns = DEFER_NS };
    enum rx_regime before = p->regime;
    enum rx_reason reason = rx_policy_step(p, &s);

    assert_int_equal(reason != RX_STAY, p->regime != before);
    if (reason != RX_STAY) {
        switches++;
        last_reason = reason;
    }
}

/*
 * A load as a CPU would feel it: packets that cost `work` ns each, and an interrupt that costs
 * `irq` ns for each wake-up. What is busy depends on the regime, as it does in the machine.
 */
struct load {
    unsigned work_ns, irq_ns;
};

static unsigned busy_of(const struct rx_policy *p, const struct load *l, uint64_t pps)
{
    uint64_t wakeups = pps, busy;

    if (p->regime == RX_REGIME_DEFER)
        wakeups = MIN(pps, NS_PER_SEC / DEFER_NS);
    if (p->regime == RX_REGIME_POLL)
        wakeups = 0;
    busy = (pps * l->work_ns + wakeups * l->irq_ns) / MS;
    return (unsigned)MIN(busy, 1000u);
}

static void run_load(struct rx_policy *p, const struct load *l, uint64_t pps, unsigned ms)
{
    while (ms-- > 0)
        step(p, MS, busy_of(p, l, pps), pps);
}

static int setup(void **state)
{
    (void)state;
    switches = 0;
    return 0;
}

static const struct load loads[] = {
    { 3000, 3000 }, /* emulated: an interrupt costs as much as a packet */
    { 1000, 1500 }, /* a virtual machine */
    { 300, 1000 },  /* hardware */
    { 20000, 3000 } /* an app that works for its packets */
};

/* Whatever the steady rate: after 100 ms nothing changes any more, for ten seconds. */
static void test_steady_loads_settle(void **state)
{
    (void)state;
    for (unsigned l = 0; l < ARRAY_SIZE(loads); l++) {
        for (uint64_t pps = 10; pps < 3000000; pps += pps / 7 + 1) {
            struct rx_policy p;

            rx_policy_reset(&p);
            run_load(&p, &loads[l], pps, 100);
            switches = 0;
            run_load(&p, &loads[l], pps, 10000);
            if (switches != 0)
                fail_msg("load %u at %lu packets/s: %u switches", l, (unsigned long)pps, switches);
        }
    }
}

/* The same with a rate that shakes by a tenth from window to window. */
static void test_noisy_loads_do_not_swing(void **state)
{
    (void)state;
    srand(7);
    for (unsigned l = 0; l < ARRAY_SIZE(loads); l++) {
        for (uint64_t pps = 1000; pps < 3000000; pps += pps / 7 + 1) {
            struct rx_policy p;

            rx_policy_reset(&p);
            run_load(&p, &loads[l], pps, 100);
            switches = 0;
            for (unsigned i = 0; i < 5000; i++)
                run_load(&p, &loads[l], pps * (90 + (unsigned)rand() % 21) / 100, 1);
            if (switches > 4)
                fail_msg("load %u at about %lu packets/s: %u switches in 5 s", l,
                         (unsigned long)pps, switches);
        }
    }
}

static void test_low_rates_stay_with_interrupts(void **state)
{
    (void)state;
    for (unsigned l = 0; l < ARRAY_SIZE(loads); l++) {
        struct rx_policy p;

        rx_policy_reset(&p);
        run_load(&p, &loads[l], 1000, 10000);
        assert_int_equal(p.regime, RX_REGIME_INTERRUPT);
    }
    assert_int_equal(switches, 0);
}

/* Overload is met within 20 ms, and left within 80 ms of silence. */
static void test_overload_and_back(void **state)
{
    (void)state;
    for (unsigned l = 0; l < ARRAY_SIZE(loads); l++) {
        struct rx_policy p;

        rx_policy_reset(&p);
        run_load(&p, &loads[l], 3000000, 20);
        assert_int_equal(p.regime, RX_REGIME_POLL);
        assert_int_equal(last_reason, RX_BUSY);
        run_load(&p, &loads[l], 3000000, 1000);
        assert_int_equal(p.regime, RX_REGIME_POLL);
        run_load(&p, &loads[l], 0, 80);
        assert_int_equal(p.regime, RX_REGIME_INTERRUPT);
        assert_int_equal(last_reason, RX_QUIET);
    }
}

/* A single burst, however dense, is no load: polling would burn 20 ms for it. */
static void test_short_bursts_are_ignored(void **state)
{
    struct rx_policy p;

    (void)state;
    rx_policy_reset(&p);
    for (unsigned i = 0; i < 100; i++) {
        step(&p, MS, 1000, 300000);
        step(&p, 99 * MS, 10, 100);
        assert_int_equal(p.regime, RX_REGIME_INTERRUPT);
    }
    assert_int_equal(switches, 0);
}

/* Pauses shorter than its patience do not make it leave polling. */
static void test_short_pauses_are_bridged(void **state)
{
    struct rx_policy p;

    (void)state;
    rx_policy_reset(&p);
    run_load(&p, &loads[0], 300000, 20);
    assert_int_equal(p.regime, RX_REGIME_POLL);
    switches = 0;
    for (unsigned i = 0; i < 100; i++) {
        run_load(&p, &loads[0], 0, 15);
        run_load(&p, &loads[0], 300000, 10);
    }
    assert_int_equal(p.regime, RX_REGIME_POLL);
    assert_int_equal(switches, 0);
}

static void test_defer_where_packets_merge(void **state)
{
    struct rx_policy p;

    (void)state;
    rx_policy_reset(&p);
    run_load(&p, &loads[0], 60000, 100); /* 36 % busy, three packets in 50 us */
    assert_int_equal(p.regime, RX_REGIME_DEFER);
    assert_int_equal(last_reason, RX_PACKETS_MERGE);
    run_load(&p, &loads[0], 5000, 100);
    assert_int_equal(p.regime, RX_REGIME_INTERRUPT);
    assert_int_equal(last_reason, RX_PACKETS_SPARSE);
    /* Busy, but with single packets that mean much work: nothing to merge. */
    run_load(&p, &(struct load){ 100000, 3000 }, 4000, 1000);
    assert_int_equal(p.regime, RX_REGIME_INTERRUPT);
    run_load(&p, &loads[0], 60000, 100);
    assert_int_equal(p.regime, RX_REGIME_DEFER);
    run_load(&p, &loads[0], 200000, 100);
    assert_int_equal(p.regime, RX_REGIME_POLL);
}

/* One sample after a long silence counts as what it is. */
static void test_long_windows(void **state)
{
    struct rx_policy p;

    (void)state;
    rx_policy_reset(&p);
    run_load(&p, &loads[0], 70000, 100);
    step(&p, 60ull * NS_PER_SEC, 1, 10);
    assert_int_equal(p.busy, 1);
    assert_int_equal(p.pps, 10);
    assert_int_equal(p.regime, RX_REGIME_INTERRUPT);
}

static void test_nonsense_is_survived(void **state)
{
    struct rx_policy p;

    (void)state;
    rx_policy_reset(&p);
    srand(3);
    for (unsigned i = 0; i < 200000; i++) {
        struct rx_sample s;

        for (unsigned b = 0; b < sizeof(s); b++)
            ((uint8_t *)&s)[b] = (uint8_t)(rand() >> 7);
        s.elapsed_ns >>= rand() % 64;
        s.busy_ns >>= rand() % 64;
        s.packets >>= rand() % 64;
        s.defer_ns >>= rand() % 64;
        rx_policy_step(&p, &s);
        assert_true(p.regime < RX_REGIME_COUNT);
        assert_true(p.busy <= 1000);
    }
    assert_int_equal(rx_policy_step(&p, &(struct rx_sample){ 0 }), RX_STAY);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RX_REGIME_COUNT; i++)
        assert_non_null(rx_regime_name((enum rx_regime)i));
    for (unsigned i = 0; i < RX_REASON_COUNT; i++)
        assert_non_null(rx_reason_text((enum rx_reason)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_steady_loads_settle, setup),
        cmocka_unit_test_setup(test_noisy_loads_do_not_swing, setup),
        cmocka_unit_test_setup(test_low_rates_stay_with_interrupts, setup),
        cmocka_unit_test_setup(test_overload_and_back, setup),
        cmocka_unit_test_setup(test_short_bursts_are_ignored, setup),
        cmocka_unit_test_setup(test_short_pauses_are_bridged, setup),
        cmocka_unit_test_setup(test_defer_where_packets_merge, setup),
        cmocka_unit_test_setup(test_long_windows, setup),
        cmocka_unit_test_setup(test_nonsense_is_survived, setup),
        cmocka_unit_test_setup(test_names, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
