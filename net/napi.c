/*
 * The bottom half of the NIC, in its four modes. (The lecture: "NAPI polling": the top half
 * "acknowledges interrupt, schedules the bottom half and disables further interrupts"; the bottom
 * half "is scheduled with a budget"; "if budget gets exhausted the bottom half is executed again,
 * otherwise polling stops and interrupts are enabled again". And "The problem of interrupts":
 * "busypolling trades off CPU cycles for higher throughput and lower latency".)
 *
 * The top half is in the driver. Everything below is SOFTIRQ_NET.
 */
#include "rx_adapt.h"
#include "rx_observe.h"
#include "watchdog.h"
#include <drivers/nic.h>
#include <drivers/trace.h>
#include <kernel/config.h>
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/reset.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <kernel/timer.h>
#include <net/capture.h>
#include <net/napi.h>
#include <net/stack.h>
#include <net/xdp.h>

static const char *const mode_names[] = { "interrupt", "napi", "poll", "adaptive", NULL };
_Static_assert(ARRAY_SIZE(mode_names) == RX_MODE_COUNT + 1, "one name a mode");

static struct napi {
    struct nic *nic;
    enum rx_mode mode;
    unsigned budget; /* packets a poll */
    unsigned defer_us;
    bool squeezed;          /* the last poll left packets on the ring */
    uint64_t deferred_seen; /* softirq rounds that hit their bounds, when it did */
    struct timer defer_timer;
    struct napi_stats stats;
    struct pktbuf *burst[NAPI_BUDGET_MAX];
} napi = { .mode = RX_MODE_ADAPTIVE,
           .budget = NAPI_BUDGET_DEFAULT,
           .defer_us = NAPI_DEFER_US_DEFAULT };

/* XDP programs have their place here: a burst of frames in the driver's buffers, before anything is
 * allocated or parsed for the stack. (The lecture: XDP hook.) */
static void napi_run_program(unsigned n)
{
    xdp_begin();
    for (unsigned i = 0; i < n; i++) {
        trace_enter(napi.burst[i]);
        capture_rx(napi.burst[i]);
        if (xdp_run(napi.burst[i]))
            stack_input(napi.burst[i]);
        trace_leave();
    }
}

/* Take what is on the ring, at most `budget` frames, and run each through the stack to its end.
 * Returns how many. (Part of the poll: its other caller, napi_drain(), is called once in a while.)
 */
static inline __attribute__((always_inline)) unsigned napi_receive(unsigned budget)
{
    unsigned n = nic_rx_burst(napi.nic, napi.burst, budget);

    if (unlikely(xdp_attached != NULL)) {
        napi_run_program(n);
        return n;
    }
    for (unsigned i = 0; i < n; i++) {
        trace_enter(napi.burst[i]);
        capture_rx(napi.burst[i]);
        stack_input(napi.burst[i]);
        trace_leave();
    }
    return n;
}

/* Two rings' worth is more than there can be, unless the card is faster than we are. */
void napi_drain(void)
{
    ASSERT_BOTTOM_HALF();
    for (unsigned rounds = 2; rounds > 0 && !nic_broken(napi.nic); rounds--)
        napi.stats.packets += napi_receive(NAPI_BUDGET_MAX);
}

/* The two rare things that a poll looks after besides packets. False: there is no device now. */
static bool napi_check_device(void)
{
    if (unlikely(nic_broken(napi.nic))) {
        bool back = watchdog_recover();

        stack_tx_complete(); /* what was in flight */
        stack_link_update();
        if (!back)
            return false; /* the watchdog raises us when it may be tried again */
    }
    if (unlikely(nic_take_config_change(napi.nic)))
        stack_link_update();
    return true;
}

/*
 * Stop polling: let the device interrupt again, and look once more. A frame that came between
 * our last look and the unmasking raises no interrupt; without this look it would lie there
 * until the next one. Finding one, the poll goes on, as a new run of the softirq, so that a
 * device that always has one more can not keep us here.
 */
static void napi_rearm(void)
{
    napi.stats.rearms++;
    if (!nic_rx_irq_enable(napi.nic))
        return;
    napi.stats.rearm_races++;
    nic_rx_irq_disable(napi.nic);
    softirq_raise(SOFTIRQ_NET);
}

/* The naive design: nobody masks the interrupt (but a reset of the device, or the mode before),
 * and it tells of each frame. */
static void napi_stay_interruptible(void)
{
    if (nic_rx_irq_enable(napi.nic))
        softirq_raise(SOFTIRQ_NET);
}

static void defer_timer_expired(void *arg)
{
    (void)arg;
    softirq_raise(SOFTIRQ_NET);
}

/* Between the two: the interrupt stays masked, and a timer looks whether more has come. Only a
 * look that finds nothing unmasks. */
static void napi_defer(unsigned n)
{
    if (n == 0) {
        napi_rearm();
        return;
    }
    napi.stats.deferrals++;
    timer_set(&napi.defer_timer, time_ns() + napi.defer_us * NS_PER_US);
}

/* What goes on after a poll that emptied the ring. */
static void napi_poll_end(unsigned n, enum rx_regime regime)
{
    if (napi.mode == RX_MODE_INTERRUPT)
        napi_stay_interruptible();
    else if (regime == RX_REGIME_POLL)
        softirq_raise(SOFTIRQ_NET); /* from the main loop, once this round has hit its bound */
    else if (regime == RX_REGIME_DEFER)
        napi_defer(n);
    else
        napi_rearm();
}

static enum rx_regime napi_regime(uint64_t now_ticks, unsigned n, uint64_t useful)
{
    if (napi.mode == RX_MODE_ADAPTIVE)
        return rx_adapt_poll(now_ticks, n, useful, napi.defer_us * NS_PER_US);
    return napi.mode == RX_MODE_POLL ? RX_REGIME_POLL : RX_REGIME_INTERRUPT;
}

/* As /proc/net/softnet_stat's time_squeeze: the round that our last poll was in ended by its bounds
 * though the ring had more. */
static void count_squeeze(bool left_some)
{
    struct softirq_totals totals;

    if (likely(!napi.squeezed && !left_some))
        return;
    softirq_totals(&totals);
    if (napi.squeezed && totals.deferred != napi.deferred_seen)
        napi.stats.time_squeeze++;
    napi.squeezed = left_some;
    napi.deferred_seen = totals.deferred;
}

static void napi_poll(void)
{
    uint64_t begun = rdtsc(), now = begun;
    enum rx_regime regime;
    unsigned n;

    ASSERT_BOTTOM_HALF();
    trace_point(TRACE_SOFTIRQ);
    /* Raised by the receive interrupt it is masked already; by another reason (room to send,
     * configuration, ourselves) it may not be. */
    if (likely(napi.mode != RX_MODE_INTERRUPT))
        nic_rx_irq_disable(napi.nic);
    napi.stats.polls++;

    rx_observe_begin(napi.nic, begun);
    stack_tx_complete(); /* room in the ring before answers need it */
    n = napi_receive(napi.budget);
    napi.stats.packets += n;
    stack_round_end(); /* refill the ring; one kick for all that was queued */
    if (!napi_check_device())
        return;

    if (n > 0)
        now = rx_observe_end(n, begun);
    else
        napi.stats.empty_polls++;
    regime = napi_regime(now, n, now - begun);
    count_squeeze(n == napi.budget);
    if (n == napi.budget) {
        napi.stats.budget_exhausted++;
        softirq_raise(SOFTIRQ_NET);
        return;
    }
    napi_poll_end(n, regime);
}

/* ---- Settings ---- */

const char *rx_mode_name(unsigned mode)
{
    return mode < RX_MODE_COUNT ? mode_names[mode] : NULL;
}

const char *napi_regime_name(void)
{
    switch (napi_mode()) {
    case RX_MODE_POLL:
        return rx_regime_name(RX_REGIME_POLL);
    case RX_MODE_ADAPTIVE:
        return rx_regime_name(rx_adapt_regime());
    default:
        return rx_regime_name(RX_REGIME_INTERRUPT);
    }
}

enum rx_mode napi_mode(void)
{
    return napi.mode;
}

unsigned napi_budget(void)
{
    return napi.budget;
}

unsigned napi_defer_us(void)
{
    return napi.defer_us;
}

/* The next poll ends in the new mode's way, which leaves the interrupt as that mode wants it. */
static void mode_enter(enum rx_mode mode)
{
    napi.mode = mode;
    rx_adapt_start(rdtsc());
    nic_rx_naive(napi.nic, mode == RX_MODE_INTERRUPT);
    softirq_raise(SOFTIRQ_NET);
}

void napi_set_mode(enum rx_mode mode)
{
    ASSERT(mode < RX_MODE_COUNT);
    if (mode == napi.mode)
        return;
    softirq_disable();
    printk("net: receive mode %s -> %s", mode_names[napi.mode], mode_names[mode]);
    napi.stats.mode_switches++;
    if (napi.nic != NULL)
        mode_enter(mode);
    else
        napi.mode = mode;
    softirq_enable();
}

void napi_set_budget(unsigned packets)
{
    ASSERT(packets >= 1 && packets <= NAPI_BUDGET_MAX);
    softirq_disable();
    napi.budget = packets;
    softirq_enable();
}

void napi_set_defer_us(unsigned us)
{
    ASSERT(us >= 1 && us <= NAPI_DEFER_US_MAX);
    softirq_disable();
    napi.defer_us = us;
    softirq_enable();
}

void napi_init(struct nic *nic)
{
    napi.nic = nic;
    napi.squeezed = false;
    napi.stats = (struct napi_stats){ 0 };
    napi.budget = (unsigned)config_u64("budget", NAPI_BUDGET_DEFAULT, 1, NAPI_BUDGET_MAX);
    napi.defer_us = (unsigned)config_u64("defer_us", NAPI_DEFER_US_DEFAULT, 1, NAPI_DEFER_US_MAX);
    softirq_set_round_ns(NS_PER_US *
                         config_u64("usecs", NAPI_USECS_DEFAULT, NAPI_USECS_MIN, NAPI_USECS_MAX));
    napi.mode = (enum rx_mode)config_choice("mode", mode_names, RX_MODE_ADAPTIVE);
    if (nic == NULL)
        return;
    timer_setup(&napi.defer_timer, defer_timer_expired, NULL);
    softirq_open(SOFTIRQ_NET, "net", napi_poll);
    softirq_disable();
    mode_enter(napi.mode); /* the first poll unmasks the interrupt, where the mode wants it */
    watchdog_start(nic);
    softirq_enable();
}

void napi_stats(struct napi_stats *out)
{
    *out = napi.stats;
}

static void napi_reset_stats(void)
{
    napi.stats = (struct napi_stats){ 0 };
    rx_adapt_reset_stats();
}
RESETTABLE(napi, napi_reset_stats);
