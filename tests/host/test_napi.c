/*
 * The bottom half against a NIC whose ring the test fills at chosen moments: budget, re-arming, the
 * frame that comes exactly between the last look and the unmasking, and the four modes.
 */
#include "fakes.h"
#include "rx_adapt.h"
#include "watchdog.h"
#include <drivers/nic.h>
#include <kernel/config.h>
#include <kernel/softirq.h>
#include <net/napi.h>
#include <kernel/time.h>
#include <kernel/timer.h>
#include <net/stack.h>
#include <net/xdp.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* ---------------------------------------------------------------- the fake NIC and stack */

static struct {
    unsigned ring;      /* frames that the device has put on the ring */
    unsigned bad;       /* of these, the next so many are bad: the driver drops them */
    unsigned at_enable; /* frames that arrive just before the unmasking takes effect */
    bool irq_on, irq_keep;
    uint64_t interrupts, irq_ticks;
    uint16_t used, taken;
    unsigned bursts, flushes, reaps, inputs, max_burst;
    unsigned in_use; /* buffers that the stack has */
    bool broken, config_changed, recovers, watched;
    unsigned recoveries, link_updates;
    unsigned xdp_begins, xdp_runs;
    bool flushed_last; /* the last thing that happened to the ring was the kick */
    uint64_t budget;
    enum rx_mode mode;
    uint64_t usecs;
    uint64_t tsc; /* one tick is one nanosecond */
    struct timer *timer;
    struct softirq_totals totals;
} fake;

static struct pktbuf bufs[512];

unsigned nic_rx_burst(struct nic *nic, struct pktbuf **out, unsigned budget)
{
    unsigned n = 0, seen = 0;

    (void)nic;
    fake.bursts++;
    if (budget > fake.max_burst)
        fake.max_burst = budget;
    while (fake.ring > 0 && seen < budget) {
        fake.ring--;
        fake.taken++;
        seen++;
        if (fake.bad > 0)
            fake.bad--;
        else
            out[n++] = &bufs[fake.in_use++ % 512];
    }
    return n;
}

void nic_rx_irq_disable(struct nic *nic)
{
    (void)nic;
    fake.irq_on = false;
}

bool nic_rx_irq_enable(struct nic *nic)
{
    (void)nic;
    fake.ring += fake.at_enable;
    fake.at_enable = 0;
    fake.irq_on = true;
    return fake.ring > 0;
}

void nic_rx_naive(struct nic *nic, bool keep)
{
    (void)nic;
    fake.irq_keep = keep;
}

void nic_rx_irqs(struct nic *nic, struct nic_rx_irqs *out)
{
    (void)nic;
    out->count = fake.interrupts;
    out->first_ticks = fake.irq_ticks;
    fake.irq_ticks = 0;
}

void nic_rx_position(struct nic *nic, struct nic_rx_position *out)
{
    (void)nic;
    out->taken = fake.taken;
    out->used = (uint16_t)(fake.taken + fake.ring);
}

bool nic_broken(const struct nic *nic)
{
    (void)nic;
    return fake.broken;
}

void watchdog_start(struct nic *nic)
{
    assert_ptr_equal(nic, &fake);
    fake.watched = true;
}

bool watchdog_recover(void)
{
    fake.recoveries++;
    fake.broken = !fake.recovers;
    return fake.recovers;
}

bool nic_take_config_change(struct nic *nic)
{
    bool was = fake.config_changed;

    (void)nic;
    fake.config_changed = false;
    return was;
}

void stack_input(struct pktbuf *buf)
{
    assert_non_null(buf);
    fake.inputs++;
    fake.flushed_last = false;
}

/* A program that lets every other frame pass. */
struct bpf_prog *xdp_attached;

void xdp_begin(void)
{
    fake.xdp_begins++;
}

bool xdp_run(struct pktbuf *buf)
{
    assert_non_null(xdp_attached);
    assert_non_null(buf);
    return fake.xdp_runs++ % 2 == 0;
}

void stack_tx_complete(void)
{
    fake.reaps++;
}
void stack_link_update(void)
{
    fake.link_updates++;
}

void stack_round_end(void)
{
    fake.flushes++;
    fake.flushed_last = true;
}

uint64_t config_u64(const char *key, uint64_t fallback, uint64_t min, uint64_t max)
{
    assert_in_range(fallback, min, max);
    if (strcmp(key, "budget") == 0) {
        assert_int_equal(min, 1);
        assert_int_equal(max, NAPI_BUDGET_MAX);
        return fake.budget;
    }
    assert_true(strcmp(key, "defer_us") == 0 || strcmp(key, "usecs") == 0);
    return fallback;
}

unsigned config_choice(const char *key, const char *const *names, unsigned fallback)
{
    assert_string_equal(key, "mode");
    assert_string_equal(names[fallback], "adaptive");
    assert_null(names[RX_MODE_COUNT]);
    return fake.mode;
}

void softirq_set_round_ns(uint64_t ns)
{
    fake.usecs = ns / 1000;
}

void softirq_totals(struct softirq_totals *out)
{
    *out = fake.totals;
}

void softirq_disable(void) {}
void softirq_enable(void) {}

void timer_setup(struct timer *timer, void (*fn)(void *arg), void *arg)
{
    *timer = (struct timer){ .fn = fn, .arg = arg };
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns;
    timer->armed = true;
    fake.timer = timer;
}

uint64_t fake_rdtsc(void)
{
    return fake.tsc;
}

uint64_t time_ns(void)
{
    return fake.tsc;
}

uint64_t time_tsc_to_ns(uint64_t ticks)
{
    return ticks;
}

uint64_t time_ns_to_tsc(uint64_t ns)
{
    return ns;
}

static void (*poll)(void);

void softirq_open(enum softirq nr, const char *name, void (*action)(void))
{
    assert_int_equal(nr, SOFTIRQ_NET);
    assert_non_null(name);
    poll = action;
}

/* ---------------------------------------------------------------- helpers */

#define NET_RAISED (1u << SOFTIRQ_NET)

static int setup(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(&fake_cpu, 0, sizeof(fake_cpu));
    fake.budget = NAPI_BUDGET_DEFAULT;
    fake.mode = RX_MODE_NAPI;
    fake.recovers = true;
    fake.tsc = 1000000;
    rx_adapt_reset_stats();
    fake_softirq_raised = 0;
    fake_context = CONTEXT_SOFTIRQ;
    xdp_attached = NULL;
    napi_init((struct nic *)&fake);
    return 0;
}

/* Run the softirq once, if it is raised. */
static bool run(void)
{
    if (!(fake_softirq_raised & NET_RAISED))
        return false;
    fake_softirq_raised &= ~NET_RAISED;
    poll();
    return true;
}

/* What the device and the top half do. */
static void frames_arrive(unsigned n)
{
    fake.ring += n;
    if (fake.irq_on) {
        fake.interrupts++;
        if (fake.irq_ticks == 0)
            fake.irq_ticks = fake.tsc;
        fake.irq_on = fake.irq_keep;
        fake_softirq_raised |= NET_RAISED;
    }
}

static void begin_in(enum rx_mode mode)
{
    fake.mode = mode;
    fake_softirq_raised = 0;
    napi_init((struct nic *)&fake);
    run();
}

/* Time goes by, of which the CPU is busy receiving for that many thousandths. */
static void time_passes(uint64_t ns, unsigned busy)
{
    fake.tsc += ns;
    fake_cpu.cputime_ticks[CPUTIME_IRQ] += ns * busy / 1000;
    fake_cpu.cputime_ticks[CPUTIME_IDLE] += ns - ns * busy / 1000;
}

/* Until nothing is raised any more, which must come about. */
static void settle(void)
{
    for (unsigned i = 0; i < 1000; i++)
        if (!run())
            return;
    fail_msg("polls without end");
}

static struct napi_stats stats(void)
{
    struct napi_stats s;

    napi_stats(&s);
    return s;
}

/* ---------------------------------------------------------------- tests */

static void test_init_arms_by_its_first_poll(void **state)
{
    (void)state;
    assert_false(fake.irq_on);
    assert_true(fake.watched);
    assert_true(run());
    assert_true(fake.irq_on);
    assert_false(run());
    assert_int_equal(stats().polls, 1);
    assert_int_equal(stats().empty_polls, 1);
    assert_int_equal(stats().rearms, 1);
    assert_int_equal(stats().rearm_races, 0);
}

static void test_frames_before_the_first_poll(void **state)
{
    (void)state;
    frames_arrive(3); /* masked: nobody is told */
    assert_true(run());
    assert_int_equal(fake.inputs, 3);
    assert_true(fake.irq_on);
}

/* A program stands before the stack; what it takes does not go up. */
static void test_xdp(void **state)
{
    (void)state;
    frames_arrive(4);
    assert_true(run());
    assert_int_equal(fake.inputs, 4);
    assert_int_equal(fake.xdp_begins, 0);

    xdp_attached = (struct bpf_prog *)&fake;
    frames_arrive(5);
    settle();
    assert_int_equal(fake.xdp_runs, 5);
    assert_int_equal(fake.inputs, 4 + 3);
    assert_true(fake.xdp_begins >= 1);
    assert_int_equal(stats().packets, 9);

    xdp_attached = NULL;
    frames_arrive(2);
    settle();
    assert_int_equal(fake.xdp_runs, 5);
    assert_int_equal(fake.inputs, 4 + 3 + 2);
}

/* All that is there, bad frames among them; but never without end. */
static void test_drain(void **state)
{
    (void)state;
    fake.ring = 300;
    fake.bad = 10;
    napi_drain();
    assert_int_equal(fake.ring, 0);
    assert_int_equal(fake.inputs, 290);
    assert_int_equal(stats().packets, 290);
    fake.ring = 5000;
    napi_drain();
    assert_int_equal(fake.ring, 5000 - 2 * NAPI_BUDGET_MAX);
    fake.broken = true;
    napi_drain();
    assert_int_equal(fake.ring, 5000 - 2 * NAPI_BUDGET_MAX);
}

static void test_interrupt_poll_rearm(void **state)
{
    (void)state;
    run();
    frames_arrive(5);
    assert_false(fake.irq_on);
    assert_true(run());
    assert_int_equal(fake.inputs, 5);
    assert_true(fake.irq_on);
    assert_false(run());
    assert_int_equal(stats().packets, 5);
    assert_int_equal(stats().budget_exhausted, 0);
}

static void test_budget_used_up_runs_again_without_interrupt(void **state)
{
    (void)state;
    run();
    frames_arrive(64 + 64 + 10);
    assert_true(run());
    assert_int_equal(fake.inputs, 64);
    assert_false(fake.irq_on);
    assert_true(run());
    assert_int_equal(fake.inputs, 128);
    assert_false(fake.irq_on);
    assert_true(run());
    assert_int_equal(fake.inputs, 138);
    assert_true(fake.irq_on);
    assert_false(run());
    assert_int_equal(stats().budget_exhausted, 2);
    assert_int_equal(fake.max_burst, 64);
}

/* Exactly the budget: the poll can not know that the ring is empty, and looks again. */
static void test_exactly_the_budget(void **state)
{
    (void)state;
    run();
    frames_arrive(64);
    assert_true(run());
    assert_false(fake.irq_on);
    assert_true(run());
    assert_true(fake.irq_on);
    assert_int_equal(stats().budget_exhausted, 1);
    assert_int_equal(stats().empty_polls, 2); /* the first of all, and this one */
}

static void test_frame_between_last_look_and_unmasking(void **state)
{
    (void)state;
    run();
    frames_arrive(1);
    fake.at_enable = 1; /* no interrupt will tell of it */
    assert_true(run());
    assert_int_equal(fake.inputs, 1);
    assert_false(fake.irq_on); /* masked again, and going on */
    assert_int_equal(stats().rearm_races, 1);
    assert_true(run());
    assert_int_equal(fake.inputs, 2);
    assert_true(fake.irq_on);
    assert_false(run());
    assert_int_equal(stats().rearms, 3);
}

/* Whatever moment frames come at, none stays on the ring with its interrupt gone. */
static void test_no_frame_is_left_behind(void **state)
{
    unsigned sent = 0, seed = 12345;

    (void)state;
    run();
    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 1103515245 + 12345;
        unsigned n = (seed >> 16) % 5, late = (seed >> 20) % 3;

        if ((seed >> 24) % 50 == 0)
            n = 200;
        fake.at_enable = late;
        sent += n + late;
        frames_arrive(n);
        settle();
        if (fake.at_enable != 0) { /* no poll came so far */
            sent -= fake.at_enable;
            fake.at_enable = 0;
        }
        assert_true(fake.irq_on);
        assert_int_equal(fake.ring, 0);
    }
    assert_int_equal(fake.inputs, sent);
    assert_int_equal(stats().packets, sent);
    assert_int_equal(stats().polls,
                     stats().budget_exhausted + stats().rearms); /* each poll ends one way */
    assert_true(stats().rearm_races > 0 && stats().budget_exhausted > 0);
}

/* The driver drops what the device reports wrongly, so a burst can be short of the budget with
 * frames left on the ring: the look after unmasking finds them. */
static void test_short_burst_with_frames_left(void **state)
{
    (void)state;
    run();
    fake.bad = 10;
    frames_arrive(70);
    assert_true(run());
    assert_int_equal(fake.inputs, 54);
    assert_int_equal(stats().rearm_races, 1);
    assert_true(run());
    assert_int_equal(fake.inputs, 60);
    assert_true(fake.irq_on);
}

/* Raised for another reason (room to send) while the receive interrupt is on. */
static void test_poll_for_another_reason(void **state)
{
    (void)state;
    run();
    assert_true(fake.irq_on);
    fake_softirq_raised |= NET_RAISED;
    assert_true(run());
    assert_true(fake.irq_on);
    assert_int_equal(fake.inputs, 0);
    assert_int_equal(fake.reaps, 2);
    assert_int_equal(stats().empty_polls, 2);
}

static void test_one_kick_a_round_after_the_frames(void **state)
{
    (void)state;
    run();
    fake.flushes = 0;
    frames_arrive(64);
    run();
    assert_int_equal(fake.flushes, 1);
    assert_true(fake.flushed_last);
}

static void test_configured_budget(void **state)
{
    (void)state;
    fake.budget = 1;
    napi_init((struct nic *)&fake);
    run();
    frames_arrive(3);
    for (unsigned i = 1; i <= 3; i++) {
        assert_true(run());
        assert_int_equal(fake.inputs, i);
    }
    assert_true(run());
    assert_true(fake.irq_on);
    assert_int_equal(stats().budget_exhausted, 3);
}

static void test_configuration_change(void **state)
{
    (void)state;
    fake.config_changed = true;
    run();
    assert_int_equal(fake.link_updates, 1);
    fake_softirq_raised |= NET_RAISED;
    run();
    assert_int_equal(fake.link_updates, 1);
}

static void test_broken_device_is_recovered(void **state)
{
    (void)state;
    run();
    fake.broken = true;
    fake_softirq_raised |= NET_RAISED;
    run();
    assert_int_equal(fake.recoveries, 1);
    assert_true(fake.irq_on);
    frames_arrive(1);
    run();
    assert_int_equal(fake.inputs, 1);
}

/* Or not yet: the bottom half sleeps until the watchdog raises it for another attempt. */
static void test_device_that_does_not_come_back(void **state)
{
    (void)state;
    run();
    fake.broken = true;
    fake.recovers = false;
    for (unsigned i = 1; i <= 3; i++) {
        fake_softirq_raised |= NET_RAISED;
        run();
        assert_int_equal(fake.recoveries, i);
        assert_int_equal(fake.link_updates, i);
        assert_false(fake.irq_on);
        assert_int_equal(fake_softirq_raised & NET_RAISED, 0);
    }
    fake.recovers = true;
    fake_softirq_raised |= NET_RAISED;
    run();
    assert_true(fake.irq_on);
    frames_arrive(1);
    run();
    assert_int_equal(fake.inputs, 1);
}

/* Nor does the mode that never ends polling spin around a device that is not there. */
static void test_poll_mode_without_its_device(void **state)
{
    (void)state;
    begin_in(RX_MODE_POLL);
    fake.broken = true;
    fake.recovers = false;
    fake_softirq_raised |= NET_RAISED;
    run();
    assert_false(run());
    fake.recovers = true;
    fake_softirq_raised |= NET_RAISED;
    run();
    assert_true(run()); /* on and on again */
    assert_false(fake.irq_on);
}

/* ---- the other modes */

/* The naive design: nobody masks, each frame interrupts, and a burst is still bounded. */
static void test_interrupt_mode_never_masks(void **state)
{
    (void)state;
    begin_in(RX_MODE_INTERRUPT);
    assert_true(fake.irq_on && fake.irq_keep);
    for (unsigned i = 1; i <= 100; i++) {
        frames_arrive(1);
        assert_true(fake.irq_on);
    }
    assert_int_equal(fake.interrupts, 100);
    assert_true(run());
    assert_int_equal(fake.inputs, 64);
    assert_true(fake.irq_on);
    assert_true(run());
    assert_int_equal(fake.inputs, 100);
    assert_false(run());
    assert_true(fake.irq_on);
    assert_int_equal(stats().rearms, 0);
}

/* A frame between the last look and the end of a poll: its own interrupt, or the look, tells. */
static void test_interrupt_mode_leaves_nothing_behind(void **state)
{
    (void)state;
    begin_in(RX_MODE_INTERRUPT);
    fake.bad = 10;
    frames_arrive(70); /* the burst comes out short of its budget */
    settle();
    assert_int_equal(fake.inputs, 60);
    assert_int_equal(fake.ring, 0);
}

static void test_poll_mode_never_unmasks(void **state)
{
    (void)state;
    begin_in(RX_MODE_POLL);
    for (unsigned i = 0; i < 100; i++) {
        assert_false(fake.irq_on);
        if (i == 50)
            frames_arrive(3);
        assert_true(run()); /* always wants to run again */
    }
    assert_int_equal(fake.interrupts, 0);
    assert_int_equal(fake.inputs, 3);
    assert_int_equal(stats().rearms, 0);
    assert_int_equal(stats().empty_polls, 100); /* and the first of all */
}

/* From any mode to any other with frames on the ring and arriving: all are taken, and the
 * interrupt is left as the new mode wants it. */
static void test_every_switch_under_load(void **state)
{
    unsigned sent = 0;

    (void)state;
    for (unsigned from = 0; from < RX_MODE_COUNT; from++) {
        for (unsigned to = 0; to < RX_MODE_COUNT; to++) {
            begin_in((enum rx_mode)from);
            sent += 300;
            frames_arrive(200);
            run();
            napi_set_mode((enum rx_mode)to);
            frames_arrive(100);
            for (unsigned i = 0; i < 10; i++)
                run();
            assert_int_equal(napi_mode(), to);
            assert_int_equal(fake.inputs, sent);
            assert_int_equal(fake.ring, 0);
            assert_int_equal(fake.irq_on, to != RX_MODE_POLL);
            assert_int_equal(fake.irq_keep, to == RX_MODE_INTERRUPT);
            assert_int_equal((fake_softirq_raised & NET_RAISED) != 0, to == RX_MODE_POLL);
            assert_int_equal(stats().mode_switches, from != to);
            sent++;
            frames_arrive(1); /* and the next one is noticed */
            assert_true(run());
            assert_int_equal(fake.inputs, sent);
        }
    }
}

static void test_settings(void **state)
{
    (void)state;
    assert_int_equal(fake.usecs, NAPI_USECS_DEFAULT);
    napi_set_budget(7);
    napi_set_defer_us(123);
    assert_int_equal(napi_budget(), 7);
    assert_int_equal(napi_defer_us(), 123);
    run();
    frames_arrive(10);
    run();
    assert_int_equal(fake.inputs, 7);
    EXPECT_PANIC(napi_set_budget(0));
    EXPECT_PANIC(napi_set_budget(NAPI_BUDGET_MAX + 1));
    EXPECT_PANIC(napi_set_mode(RX_MODE_COUNT));
    assert_string_equal(rx_mode_name(RX_MODE_POLL), "poll");
    assert_null(rx_mode_name(RX_MODE_COUNT));
}

static void test_without_a_card(void **state)
{
    (void)state;
    fake_softirq_raised = 0;
    fake.mode = RX_MODE_POLL;
    napi_init(NULL);
    assert_int_equal(napi_mode(), RX_MODE_POLL);
    napi_set_mode(RX_MODE_NAPI);
    assert_int_equal(napi_mode(), RX_MODE_NAPI);
    assert_int_equal(fake_softirq_raised, 0);
}

/* ---- adaptive */

/* One packet each interval, taken at once by its interrupt or by the poll that goes on. */
static void stream(unsigned packets, uint64_t interval_ns, unsigned busy)
{
    for (unsigned i = 0; i < packets; i++) {
        time_passes(interval_ns, busy);
        frames_arrive(1);
        if (fake.timer != NULL && fake.timer->armed && fake.timer->deadline_ns <= fake.tsc) {
            fake.timer->armed = false;
            fake.timer->fn(fake.timer->arg);
        }
        while (run() && rx_adapt_regime() != RX_REGIME_POLL)
            ;
    }
}

static void test_adaptive_is_napi_when_quiet(void **state)
{
    struct rx_adapt_stats adapt;

    (void)state;
    begin_in(RX_MODE_ADAPTIVE);
    stream(1000, NS_PER_MS, 20);
    rx_adapt_stats(&adapt);
    assert_int_equal(adapt.switches, 0);
    assert_int_equal(rx_adapt_regime(), RX_REGIME_INTERRUPT);
    assert_int_equal(fake.interrupts, 1000);
    assert_true(fake.irq_on);
}

static void test_adaptive_polls_when_busy_and_comes_back(void **state)
{
    struct rx_adapt_stats adapt;
    uint64_t interrupts;

    (void)state;
    begin_in(RX_MODE_ADAPTIVE);
    stream(6000, 5000, 900);
    assert_int_equal(rx_adapt_regime(), RX_REGIME_POLL);
    assert_false(fake.irq_on);
    interrupts = fake.interrupts;
    for (unsigned i = 0; i < 20; i++) {
        frames_arrive(64);
        run();
    }
    assert_int_equal(fake.interrupts, interrupts);

    for (unsigned i = 0; i < 100; i++) { /* 100 ms of silence */
        time_passes(NS_PER_MS, 0);
        run();
    }
    assert_int_equal(rx_adapt_regime(), RX_REGIME_INTERRUPT);
    assert_true(fake.irq_on);
    assert_false(fake_softirq_raised & NET_RAISED);
    rx_adapt_stats(&adapt);
    assert_int_equal(adapt.switches, 3); /* by way of deferring */
    assert_int_equal(adapt.log_count, 3);
    assert_int_equal(adapt.log[0].from, RX_REGIME_INTERRUPT);
    assert_int_equal(adapt.log[1].to, RX_REGIME_POLL);
    assert_int_equal(adapt.log[1].reason, RX_BUSY);
    assert_int_equal(adapt.log[2].reason, RX_QUIET);
    assert_int_equal(adapt.by_reason[RX_BUSY] + adapt.by_reason[RX_QUIET], 2);
}

/* 40 % busy at 100,000 packets a second: deferred, and the interrupt comes back by a poll of the
 * timer that finds nothing. */
static void test_adaptive_defers_between(void **state)
{
    uint64_t interrupts;

    (void)state;
    begin_in(RX_MODE_ADAPTIVE);
    stream(5000, 10000, 400);
    assert_int_equal(rx_adapt_regime(), RX_REGIME_DEFER);
    interrupts = fake.interrupts;
    stream(1000, 10000, 400);
    assert_int_equal(fake.interrupts, interrupts); /* the timer does it */
    assert_true(stats().deferrals > 100);

    assert_false(fake.irq_on);
    assert_true(fake.timer->armed);
    time_passes(50000, 0);
    fake.timer->armed = false;
    fake.timer->fn(fake.timer->arg);
    settle();
    assert_true(fake.irq_on || (fake.timer->armed && !fake.irq_on));
    if (!fake.irq_on) { /* there was a last packet: one more look */
        fake.timer->armed = false;
        fake.timer->fn(fake.timer->arg);
        settle();
    }
    assert_true(fake.irq_on);
}

static void test_time_squeeze(void **state)
{
    (void)state;
    run();
    frames_arrive(200);
    run();                  /* leaves some ... */
    fake.totals.deferred++; /* ... and the round ends there */
    run();
    assert_int_equal(stats().time_squeeze, 1);
    run();
    run();
    assert_int_equal(fake.ring, 0);
    fake.totals.deferred++; /* a round that ended with nothing on the ring */
    frames_arrive(1);
    run();
    assert_int_equal(stats().time_squeeze, 1);
}

static void test_context_is_asserted(void **state)
{
    (void)state;
    fake_context = CONTEXT_IRQ;
    EXPECT_PANIC(poll());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_init_arms_by_its_first_poll, setup),
        cmocka_unit_test_setup(test_frames_before_the_first_poll, setup),
        cmocka_unit_test_setup(test_xdp, setup),
        cmocka_unit_test_setup(test_drain, setup),
        cmocka_unit_test_setup(test_interrupt_poll_rearm, setup),
        cmocka_unit_test_setup(test_budget_used_up_runs_again_without_interrupt, setup),
        cmocka_unit_test_setup(test_exactly_the_budget, setup),
        cmocka_unit_test_setup(test_frame_between_last_look_and_unmasking, setup),
        cmocka_unit_test_setup(test_no_frame_is_left_behind, setup),
        cmocka_unit_test_setup(test_short_burst_with_frames_left, setup),
        cmocka_unit_test_setup(test_poll_for_another_reason, setup),
        cmocka_unit_test_setup(test_one_kick_a_round_after_the_frames, setup),
        cmocka_unit_test_setup(test_configured_budget, setup),
        cmocka_unit_test_setup(test_configuration_change, setup),
        cmocka_unit_test_setup(test_broken_device_is_recovered, setup),
        cmocka_unit_test_setup(test_device_that_does_not_come_back, setup),
        cmocka_unit_test_setup(test_poll_mode_without_its_device, setup),
        cmocka_unit_test_setup(test_interrupt_mode_never_masks, setup),
        cmocka_unit_test_setup(test_interrupt_mode_leaves_nothing_behind, setup),
        cmocka_unit_test_setup(test_poll_mode_never_unmasks, setup),
        cmocka_unit_test_setup(test_every_switch_under_load, setup),
        cmocka_unit_test_setup(test_settings, setup),
        cmocka_unit_test_setup(test_without_a_card, setup),
        cmocka_unit_test_setup(test_adaptive_is_napi_when_quiet, setup),
        cmocka_unit_test_setup(test_adaptive_polls_when_busy_and_comes_back, setup),
        cmocka_unit_test_setup(test_adaptive_defers_between, setup),
        cmocka_unit_test_setup(test_time_squeeze, setup),
        cmocka_unit_test_setup(test_context_is_asserted, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
