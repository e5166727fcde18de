/* The policy of the adaptive receive mode: rx_policy.h. Pure code. */
#include "rx_policy.h"
#include <kernel/lib.h>
#include <kernel/muldiv.h>

const char *rx_regime_name(enum rx_regime regime)
{
    static const char *const names[RX_REGIME_COUNT] = { "interrupt", "defer", "poll" };

    return names[regime];
}

const char *rx_reason_text(enum rx_reason reason)
{
    static const char *const texts[RX_REASON_COUNT] = {
        [RX_STAY] = "no change",
        [RX_BUSY] = "receiving keeps the CPU busy",
        [RX_PACKETS_MERGE] = "several packets a deferral",
        [RX_PACKETS_SPARSE] = "few packets a deferral",
        [RX_QUIET] = "most polls find nothing",
    };

    return texts[reason];
}

void rx_policy_reset(struct rx_policy *p)
{
    *p = (struct rx_policy){ .regime = RX_REGIME_INTERRUPT };
}

/* The average moves to the new value by the share that its time has of the time constant. */
static uint32_t average(uint32_t old, uint32_t seen, uint64_t elapsed_ns)
{
    int64_t weight = (int64_t)MIN(elapsed_ns, (uint64_t)RX_POLICY_TAU_NS);

    return (uint32_t)((int64_t)old +
                      ((int64_t)seen - (int64_t)old) * weight / (int64_t)RX_POLICY_TAU_NS);
}

static void observe(struct rx_policy *p, const struct rx_sample *s)
{
    uint64_t busy_ns = MIN(s->busy_ns, s->elapsed_ns);
    uint64_t pps = muldiv64(MIN(s->packets, (uint64_t)UINT32_MAX), NS_PER_SEC, s->elapsed_ns);

    p->busy = average(p->busy, (uint32_t)muldiv64(busy_ns, 1000, s->elapsed_ns), s->elapsed_ns);
    p->pps = average(p->pps, (uint32_t)MIN(pps, (uint64_t)INT32_MAX), s->elapsed_ns);
    if (p->busy <= RX_POLICY_QUIET_BUSY)
        p->quiet_ns += s->elapsed_ns;
    else
        p->quiet_ns = 0;
}

static enum rx_reason enter(struct rx_policy *p, enum rx_regime regime, enum rx_reason reason)
{
    p->regime = regime;
    p->quiet_ns = 0;
    return reason;
}

enum rx_reason rx_policy_step(struct rx_policy *p, const struct rx_sample *s)
{
    uint64_t merged; /* packets expected in a deferral, times NS_PER_SEC */

    if (s->elapsed_ns == 0)
        return RX_STAY;
    observe(p, s);
    merged = MIN(s->defer_ns, NS_PER_SEC) * p->pps;

    if (p->regime == RX_REGIME_POLL) {
        if (p->quiet_ns < RX_POLICY_QUIET_NS)
            return RX_STAY;
        return enter(p, RX_REGIME_INTERRUPT, RX_QUIET);
    }
    if (p->busy >= RX_POLICY_POLL_BUSY && p->pps >= RX_POLICY_POLL_PPS)
        return enter(p, RX_REGIME_POLL, RX_BUSY);
    if (p->regime == RX_REGIME_INTERRUPT) {
        if (p->busy >= RX_POLICY_DEFER_BUSY && merged >= RX_POLICY_MERGE_PKTS * NS_PER_SEC)
            return enter(p, RX_REGIME_DEFER, RX_PACKETS_MERGE);
    } else if (merged < RX_POLICY_MERGE_PKTS * NS_PER_SEC / 2) {
        return enter(p, RX_REGIME_INTERRUPT, RX_PACKETS_SPARSE);
    }
    return RX_STAY;
}
