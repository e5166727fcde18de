/* The decisions of the stall watchdog: watchdog.h. Pure code. */
#include "watchdog.h"
#include <kernel/lib.h>

void watchdog_queue_init(struct watchdog_queue *q, unsigned reset_first)
{
    *q = (struct watchdog_queue){ .reset_first = reset_first, .reset_after = reset_first };
}

void watchdog_queue_forget(struct watchdog_queue *q)
{
    q->looked = false;
    q->stalled = 0;
}

static unsigned progress(struct watchdog_queue *q)
{
    unsigned what = q->stalled > 0 ? WATCHDOG_RESUMED : 0;

    q->stalled = 0;
    if (q->calm < WATCHDOG_CALM && ++q->calm == WATCHDOG_CALM)
        q->reset_after = q->reset_first;
    return what;
}

static unsigned stall(struct watchdog_queue *q)
{
    unsigned what = 0;

    q->calm = 0;
    if (++q->stalled == 1)
        what |= WATCHDOG_STALLED;
    if (q->stalled <= WATCHDOG_HELP)
        what |= WATCHDOG_KICK | WATCHDOG_RAISE;
    if (q->stalled >= q->reset_after) {
        what |= WATCHDOG_RESET;
        q->reset_after = MIN(2 * q->reset_after, WATCHDOG_RESET_MAX);
    }
    return what;
}

/* Between the two looks chains were there to be taken back, and none was. (`packets` tells a ring
 * that stands still from one that went round.) */
static bool not_taken(const struct nic_ring *last, const struct nic_ring *now)
{
    return last->used != last->taken && now->taken == last->taken && now->packets == last->packets;
}

/* ... the device had chains to work on, shown to it or not yet, and did none. */
static bool not_used(const struct nic_ring *last, const struct nic_ring *now)
{
    return last->avail != last->used && now->used == last->used && now->packets == last->packets;
}

/* Nothing came since the device was kicked: it had no buffers before, and may not know that there
 * are some now. Once for all kicks so far. */
static unsigned repeat_kick(struct watchdog_queue *q, const struct nic_ring *now)
{
    if (now->kicks == q->kicks_sure || now->used != q->last.used)
        return 0;
    q->kicks_sure = now->kicks;
    return WATCHDOG_IDLE_KICK;
}

unsigned watchdog_rx_step(struct watchdog_queue *q, const struct nic_ring *now)
{
    unsigned what = 0;

    if (q->looked)
        what = not_taken(&q->last, now) ? stall(q) : progress(q) | repeat_kick(q, now);
    q->last = *now;
    q->looked = true;
    return what;
}

unsigned watchdog_tx_step(struct watchdog_queue *q, const struct nic_ring *now)
{
    unsigned what = 0;

    if (q->looked) {
        bool stalled = not_used(&q->last, now) || not_taken(&q->last, now);

        what = stalled ? stall(q) : progress(q);
    }
    q->last = *now;
    q->looked = true;
    return what;
}

bool recovery_due(const struct recovery *r, uint64_t now_ns)
{
    return now_ns - r->tried_ns >= r->wait_ns;
}

void recovery_tried(struct recovery *r, uint64_t now_ns)
{
    if (r->wait_ns == 0 || now_ns - r->tried_ns >= RECOVERY_CALM_NS)
        r->wait_ns = RECOVERY_WAIT_NS;
    else
        r->wait_ns = MIN(2 * r->wait_ns, RECOVERY_WAIT_MAX_NS);
    r->tried_ns = now_ns;
}
