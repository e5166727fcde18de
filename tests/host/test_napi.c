/*
 * NAPI against a NIC whose ring the test fills at chosen moments: budget, re-arming, and the
 * frame that comes exactly between the last look and the unmasking.
 */
#include "fakes.h"
#include <drivers/nic.h>
#include <kernel/config.h>
#include <kernel/softirq.h>
#include <net/napi.h>
#include <net/stack.h>
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
    bool irq_on;
    unsigned bursts, flushes, reaps, inputs, max_burst;
    unsigned in_use; /* buffers that the stack has */
    bool broken, config_changed, recovers;
    unsigned recoveries, link_updates;
    bool flushed_last; /* the last thing that happened to the ring was the kick */
    uint64_t budget;
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

bool nic_broken(const struct nic *nic)
{
    (void)nic;
    return fake.broken;
}

bool nic_recover(struct nic *nic)
{
    (void)nic;
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
    assert_string_equal(key, "budget");
    assert_int_equal(fallback, NAPI_BUDGET_DEFAULT);
    assert_int_equal(min, 1);
    assert_int_equal(max, NAPI_BUDGET_MAX);
    return fake.budget;
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
    fake.budget = NAPI_BUDGET_DEFAULT;
    fake.recovers = true;
    fake_softirq_raised = 0;
    fake_context = CONTEXT_SOFTIRQ;
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
        fake.irq_on = false;
        fake_softirq_raised |= NET_RAISED;
    }
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
        while (run())
            ;
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

static void test_device_that_does_not_come_back(void **state)
{
    unsigned bursts;

    (void)state;
    run();
    fake.broken = true;
    fake.recovers = false;
    fake_softirq_raised |= NET_RAISED;
    run();
    assert_false(fake.irq_on);
    assert_int_equal(fake.link_updates, 1);
    bursts = fake.bursts;
    fake_softirq_raised |= NET_RAISED;
    run();
    assert_int_equal(fake.bursts, bursts); /* left alone from then on */
    assert_int_equal(fake.recoveries, 1);
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
        cmocka_unit_test_setup(test_context_is_asserted, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
