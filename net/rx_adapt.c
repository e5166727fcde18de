/* The adaptive mode at work: see rx_adapt.h. */
#include "rx_adapt.h"
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/time.h>

static struct {
    struct rx_policy policy;
    uint64_t window_ticks; /* RX_POLICY_WINDOW_NS */
    uint64_t window_begun; /* TSC */
    uint64_t irq_at_begin; /* the CPU's ticks in interrupts then */
    uint64_t useful;       /* ticks in polls that found something, in this window */
    uint64_t packets;      /* in this window */
    uint64_t told_ns;      /* when the log was last told of a switch */
    uint64_t switches;
    uint64_t by_reason[RX_REASON_COUNT];
    struct rx_switch log[RX_SWITCH_LOG];
} adapt;

static void window_begin(uint64_t now_ticks)
{
    adapt.window_begun = now_ticks;
    adapt.irq_at_begin = this_cpu()->cputime_ticks[CPUTIME_IRQ];
    adapt.useful = 0;
    adapt.packets = 0;
}

void rx_adapt_start(uint64_t now_ticks)
{
    adapt.window_ticks = time_ns_to_tsc(RX_POLICY_WINDOW_NS);
    rx_policy_reset(&adapt.policy);
    window_begin(now_ticks);
}

enum rx_regime rx_adapt_regime(void)
{
    return adapt.policy.regime;
}

/* Every switch is kept and counted; the console hears of one a second at most. */
static void record(enum rx_regime from, enum rx_reason reason)
{
    const struct rx_policy *p = &adapt.policy;
    struct rx_switch *s = &adapt.log[adapt.switches % RX_SWITCH_LOG];

    *s = (struct rx_switch){ .time_ns = time_ns(),
                             .from = from,
                             .to = p->regime,
                             .reason = reason,
                             .pps = p->pps,
                             .busy = p->busy };
    adapt.switches++;
    adapt.by_reason[reason]++;
    if (adapt.told_ns != 0 && s->time_ns - adapt.told_ns < NS_PER_SEC)
        return;
    adapt.told_ns = s->time_ns;
    printk("net: receive %s -> %s: %s (%u packets/s, %u.%u%% busy)", rx_regime_name(from),
           rx_regime_name(p->regime), rx_reason_text(reason), p->pps, p->busy / 10, p->busy % 10);
}

static void step(uint64_t now_ticks, uint64_t defer_ns)
{
    enum rx_regime from = adapt.policy.regime;
    uint64_t irq = this_cpu()->cputime_ticks[CPUTIME_IRQ];
    uint64_t busy = adapt.useful;
    struct rx_sample sample = { .elapsed_ns = time_tsc_to_ns(now_ticks - adapt.window_begun),
                                .packets = adapt.packets,
                                .defer_ns = defer_ns };
    enum rx_reason reason;

    if (irq > adapt.irq_at_begin) /* not, when `reset` has zeroed it meanwhile */
        busy += irq - adapt.irq_at_begin;
    sample.busy_ns = time_tsc_to_ns(busy);
    reason = rx_policy_step(&adapt.policy, &sample);
    if (reason != RX_STAY)
        record(from, reason);
    window_begin(now_ticks);
}

enum rx_regime rx_adapt_poll(uint64_t now_ticks, unsigned packets, uint64_t useful,
                             uint64_t defer_ns)
{
    ASSERT_BOTTOM_HALF();
    adapt.packets += packets;
    adapt.useful += useful;
    if (now_ticks - adapt.window_begun >= adapt.window_ticks)
        step(now_ticks, defer_ns);
    return adapt.policy.regime;
}

void rx_adapt_stats(struct rx_adapt_stats *out)
{
    uint64_t kept = MIN(adapt.switches, (uint64_t)RX_SWITCH_LOG);

    *out = (struct rx_adapt_stats){ .switches = adapt.switches,
                                    .pps = adapt.policy.pps,
                                    .busy = adapt.policy.busy,
                                    .log_count = (unsigned)kept };
    for (unsigned i = 0; i < RX_REASON_COUNT; i++)
        out->by_reason[i] = adapt.by_reason[i];
    for (unsigned i = 0; i < kept; i++)
        out->log[i] = adapt.log[(adapt.switches - kept + i) % RX_SWITCH_LOG];
}

void rx_adapt_reset_stats(void)
{
    adapt.switches = 0;
    for (unsigned i = 0; i < RX_REASON_COUNT; i++)
        adapt.by_reason[i] = 0;
}
