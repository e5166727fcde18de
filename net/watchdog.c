/*
 * The stall watchdog at work: watchdog.h says what it is and why. One timer, softirq context; two
 * looks a second are what it costs an idle system. What is to be done is decided in
 * watchdog_step.c.
 */
#include "watchdog.h"
#include <kernel/context.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/reset.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <kernel/timer.h>
#include <net/napi.h>

/* One direction, and what is done to it. */
struct direction {
    const char *name; /* for the log */
    unsigned (*step)(struct watchdog_queue *q, const struct nic_ring *now);
    void (*kick)(struct nic *nic);
    const char *reset_why;
    uint64_t *stalls; /* counter */
    struct printk_limit limit;
    struct watchdog_queue queue;
};

static struct watchdog {
    struct nic *nic;
    struct timer timer;
    uint64_t polls; /* as of the last look */
    struct recovery recovery;
    bool lost; /* the last reset failed */
    struct watchdog_stats stats;
} watchdog;

static struct direction rx = { .name = "rx",
                               .step = watchdog_rx_step,
                               .kick = nic_rx_kick,
                               .reset_why = "frames stay on its receive ring",
                               .stalls = &watchdog.stats.rx_stalls };
static struct direction tx = { .name = "tx",
                               .step = watchdog_tx_step,
                               .kick = nic_tx_kick,
                               .reset_why = "its transmit ring stands still",
                               .stalls = &watchdog.stats.tx_stalls };

/* ---- Stalls ---- */

static void log_ring(const struct direction *d, const char *ring, const struct nic_ring *r)
{
    printk("watchdog: %s stall: %s ring of %u: avail %u, published %u, used %u, taken %u, "
           "outstanding %u, free %u, interrupt %s",
           d->name, ring, r->size, r->avail, r->published, r->used, r->taken,
           (uint16_t)(r->avail - r->taken), r->free, r->irq_on ? "on" : "masked");
}

static void log_stall(struct direction *d, const struct nic_rings *rings, uint64_t polls)
{
    if (!printk_limit_pass(&d->limit))
        return;
    printk("watchdog: %s stall: no progress in %llu ms and %llu polls; kicking, polling", d->name,
           WATCHDOG_PERIOD_NS / NS_PER_MS, (unsigned long long)polls);
    log_ring(d, "rx", &rings->rx);
    log_ring(d, "tx", &rings->tx);
}

static void kick_and_raise(struct direction *d, unsigned what)
{
    if (what & WATCHDOG_IDLE_KICK) {
        watchdog.stats.idle_kicks++;
        d->kick(watchdog.nic);
    }
    if (what & WATCHDOG_KICK) {
        watchdog.stats.kicks++;
        d->kick(watchdog.nic);
    }
    if (what & WATCHDOG_RAISE) {
        watchdog.stats.rearms++;
        softirq_raise(SOFTIRQ_NET);
    }
}

/* Returns false when the device was reset: there is nothing more to look at. */
static bool look_at(struct direction *d, const struct nic_ring *now, const struct nic_rings *rings,
                    uint64_t polls)
{
    unsigned looks = d->queue.stalled, what = d->step(&d->queue, now);

    if (what & WATCHDOG_STALLED) {
        (*d->stalls)++;
        log_stall(d, rings, polls);
    }
    if (what & WATCHDOG_RESUMED)
        printk_ratelimited("watchdog: %s goes on after %llu ms", d->name,
                           (looks + 1) * WATCHDOG_PERIOD_NS / NS_PER_MS);
    if (what & WATCHDOG_RESET) {
        watchdog.stats.resets++;
        nic_reset(watchdog.nic, d->reset_why);
        return false;
    }
    kick_and_raise(d, what);
    return true;
}

/* How many polls there were since the last look. (The command `reset` zeroes their counter.) */
static uint64_t polls_since(void)
{
    struct napi_stats napi;
    uint64_t before = watchdog.polls;

    napi_stats(&napi);
    watchdog.polls = napi.polls;
    return napi.polls >= before ? napi.polls - before : napi.polls;
}

static void look(void *arg)
{
    uint64_t polls = polls_since();
    struct nic_rings rings;

    (void)arg;
    timer_set(&watchdog.timer, time_ns() + WATCHDOG_PERIOD_NS);
    if (!nic_rings(watchdog.nic, &rings)) {
        softirq_raise(SOFTIRQ_NET); /* napi_poll() calls watchdog_recover() */
        return;
    }
    if (look_at(&rx, &rings.rx, &rings, polls))
        look_at(&tx, &rings.tx, &rings, polls);
}

/* ---- Recovery ---- */

/* One line for each change of state: there may be an attempt every half minute for ever. */
static void log_recovery(bool back)
{
    if (!back && !watchdog.lost)
        printk("net: the network card does not come back; trying again every now and then");
    else if (back && watchdog.lost)
        printk("net: the network card is back");
    else if (back)
        printk_ratelimited("net: the network card was reset");
    watchdog.lost = !back;
}

bool watchdog_recover(void)
{
    bool back;

    ASSERT_BOTTOM_HALF();
    if (!recovery_due(&watchdog.recovery, time_ns()))
        return false;
    back = nic_recover(watchdog.nic);
    recovery_tried(&watchdog.recovery, time_ns()); /* a device that does not reset takes its time */
    watchdog_queue_forget(&rx.queue);
    watchdog_queue_forget(&tx.queue);
    if (back)
        watchdog.stats.recoveries++;
    else
        watchdog.stats.recovery_fails++;
    log_recovery(back);
    return back;
}

/* ---- The rest ---- */

void watchdog_start(struct nic *nic)
{
    watchdog = (struct watchdog){ .nic = nic };
    watchdog_queue_init(&rx.queue, WATCHDOG_RX_RESET);
    watchdog_queue_init(&tx.queue, WATCHDOG_TX_RESET);
    timer_setup(&watchdog.timer, look, NULL);
    timer_set(&watchdog.timer, time_ns() + WATCHDOG_PERIOD_NS);
}

void watchdog_stats(struct watchdog_stats *out)
{
    *out = watchdog.stats;
}

static void watchdog_reset_stats(void)
{
    watchdog.stats = (struct watchdog_stats){ 0 };
}
RESETTABLE(watchdog, watchdog_reset_stats);
