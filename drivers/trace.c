/*
 * Recording the life of packets (drivers/trace.h). What is here runs only while a trace is armed;
 * it stores a few words and searches nothing long, because it measures what it delays.
 *
 * Packets are numbered as they are taken; number n has the slot n % TRACE_RECORDS. Those from
 * `oldest` to `next` are the window in which some are still on their way, mostly the oldest.
 */
#include <drivers/pktbuf.h>
#include <drivers/trace.h>
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/page.h>
#include <kernel/panic.h>
#include <kernel/reset.h>
#include <kernel/time.h>
#include <string.h>

/* Read at every trace point of every packet. */
bool trace_armed;

static LATE_BSS struct tracer {
    unsigned oldest, next; /* packet numbers */
    unsigned limit;        /* no packet of this number is taken */
    unsigned complete;     /* packets */
    bool endless;
    struct trace_record *current;
    /* The interrupt is the top half's: its time there is 0 until one came, and since a poll. */
    uint64_t irq_ticks;
    const struct trace_site *irq_site;
    struct trace_mark irq, softirq; /* of the poll that runs */
    struct trace_stats stats;
    struct trace_record records[TRACE_RECORDS];
} tracer;

_Static_assert(TRACE_RECORDS < UINT16_MAX, "pktbuf.trace holds a slot and a none");
_Static_assert(IS_POWER_OF_TWO(TRACE_RECORDS), "packet numbers may wrap around");

static struct trace_record *record_of(unsigned number)
{
    return &tracer.records[number % TRACE_RECORDS];
}

static bool has(const struct trace_record *r, enum trace_stage stage)
{
    return r->mark[stage].site != NULL;
}

/*
 * The first time that a packet comes to a stage. One that it comes to after a later one (data
 * that came along with the acknowledgement that let more of an earlier answer out) is left out:
 * marks stay in the order of time.
 */
static void mark(struct trace_record *r, enum trace_stage stage, const struct trace_site *site)
{
    for (unsigned s = stage; s < TRACE_STAGES; s++)
        if (has(r, s))
            return;
    r->mark[stage] = (struct trace_mark){ .ticks = rdtsc(), .site = site };
}

/* ---------------------------------------------------------------- the end of a record */

/* The steps of a complete record into the histograms. */
static void count_steps(const struct trace_record *r)
{
    const struct trace_mark *first = NULL, *before = NULL;

    tracer.stats.packets++;
    for (unsigned s = 0; s < TRACE_STAGES; s++) {
        const struct trace_mark *m = &r->mark[s];

        if (m->site == NULL)
            continue;
        if (before != NULL)
            hist_add(&tracer.stats.step[s], time_tsc_to_ns(m->ticks - before->ticks));
        else
            first = m;
        if (s == TRACE_KICK)
            hist_add(&tracer.stats.answer, time_tsc_to_ns(m->ticks - first->ticks));
        before = m;
    }
}

static bool may_take(void)
{
    if (tracer.endless)
        return tracer.next - tracer.oldest < TRACE_RECORDS;
    return tracer.next != tracer.limit;
}

static void finish(struct trace_record *r)
{
    r->complete = true;
    r->buf = NULL;
    tracer.complete++;
    count_steps(r);
    while (tracer.oldest != tracer.next && record_of(tracer.oldest)->complete)
        tracer.oldest++;
    if (tracer.oldest == tracer.next && !may_take())
        WRITE_ONCE(trace_armed, false);
}

/* Buffers that a poll took and that nobody ever worked on: before the next poll begins they are
 * known to be dropped. */
static void finish_dropped(void)
{
    unsigned end = tracer.next;

    for (unsigned n = tracer.oldest; n != end; n++)
        if (record_of(n)->buf != NULL)
            finish(record_of(n));
}

/* ---------------------------------------------------------------- on the way in */

static void hit_interrupt(const struct trace_site *site)
{
    if (tracer.irq_ticks != 0)
        return;
    tracer.irq_site = site;
    WRITE_ONCE(tracer.irq_ticks, rdtsc());
}

/* An interrupt from now on is the next poll's, so take the one there was and clear it in one
 * instruction; and read the clock after that. */
static void hit_softirq(const struct trace_site *site)
{
    uint64_t irq_ticks = __atomic_exchange_n(&tracer.irq_ticks, 0, __ATOMIC_RELAXED);

    tracer.irq = (struct trace_mark){ 0 };
    if (irq_ticks != 0)
        tracer.irq = (struct trace_mark){ .ticks = irq_ticks, .site = tracer.irq_site };
    finish_dropped();
    tracer.softirq = (struct trace_mark){ .ticks = rdtsc(), .site = site };
}

void trace_hit(enum trace_stage stage, const struct trace_site *site)
{
    if (stage == TRACE_INTERRUPT)
        hit_interrupt(site);
    else if (stage == TRACE_SOFTIRQ)
        hit_softirq(site);
    else if (tracer.current != NULL)
        mark(tracer.current, stage, site);
}

void trace_hit_taken(struct pktbuf *buf, const struct trace_site *site)
{
    struct trace_record *r = record_of(tracer.next);

    buf->trace = 0;
    if (!may_take())
        return;
    buf->trace = (uint16_t)(1 + tracer.next % TRACE_RECORDS);
    *r = (struct trace_record){ .frame_bytes = buf->frame_len, .buf = buf };
    r->mark[TRACE_INTERRUPT] = tracer.irq;
    r->mark[TRACE_SOFTIRQ] = tracer.softirq;
    mark(r, TRACE_RING, site);
    r->head_bytes = (uint8_t)MIN(buf->frame_len, TRACE_HEAD_MAX);
    memcpy(r->head, buf->frame, r->head_bytes);
    tracer.next++;
}

void trace_hit_enter(const struct pktbuf *buf)
{
    struct trace_record *r;

    if (buf->trace == 0)
        return;
    r = &tracer.records[buf->trace - 1];
    if (r->buf != buf) /* the mark on the buffer is from an earlier trace */
        return;
    r->buf = NULL;
    r->current = true;
    tracer.current = r;
}

void trace_hit_leave(void)
{
    struct trace_record *r = tracer.current;

    if (r == NULL)
        return;
    tracer.current = NULL;
    r->current = false;
    if (r->token == NULL)
        finish(r);
}

/* ---------------------------------------------------------------- on the way out */

void trace_hit_sent(const void *token, const struct trace_site *site)
{
    struct trace_record *r = tracer.current;

    if (r == NULL || has(r, TRACE_TX_RING))
        return;
    mark(r, TRACE_TX_RING, site);
    r->token = token;
}

void trace_hit_kicked(bool told, const struct trace_site *site)
{
    for (unsigned n = tracer.oldest; n != tracer.next; n++) {
        struct trace_record *r = record_of(n);

        if (r->token == NULL || has(r, TRACE_KICK))
            continue;
        r->kick_needed = told;
        mark(r, TRACE_KICK, site);
    }
}

/* The record whose answer this is, no longer waiting for it; or NULL. */
static struct trace_record *take_token(const void *token)
{
    if (token == NULL)
        return NULL;
    for (unsigned n = tracer.oldest; n != tracer.next; n++) {
        struct trace_record *r = record_of(n);

        if (r->token == token) {
            r->token = NULL;
            return r;
        }
    }
    return NULL;
}

void trace_hit_done(const void *token, const struct trace_site *site)
{
    struct trace_record *r = take_token(token);

    if (r == NULL)
        return;
    mark(r, TRACE_DONE, site);
    if (!r->current)
        finish(r);
}

void trace_hit_lost(const void *token)
{
    struct trace_record *r = take_token(token);

    if (r == NULL)
        return;
    r->lost = true;
    if (!r->current)
        finish(r);
}

/* ---------------------------------------------------------------- begin, end, look */

void trace_begin(unsigned packets)
{
    ASSERT_BOTTOM_HALF();
    ASSERT(packets <= TRACE_RECORDS);
    trace_end();
    tracer.oldest = tracer.next = tracer.complete = 0;
    tracer.limit = packets;
    tracer.endless = packets == TRACE_ENDLESS;
    tracer.irq = tracer.softirq = (struct trace_mark){ 0 };
    WRITE_ONCE(tracer.irq_ticks, 0);
    WRITE_ONCE(trace_armed, true);
}

void trace_enough(void)
{
    ASSERT_BOTTOM_HALF();
    tracer.endless = false;
    tracer.limit = tracer.next;
    if (tracer.oldest == tracer.next)
        WRITE_ONCE(trace_armed, false);
}

void trace_end(void)
{
    ASSERT_BOTTOM_HALF();
    WRITE_ONCE(trace_armed, false);
    tracer.endless = false;
    tracer.limit = tracer.next;
    tracer.current = NULL;
    for (unsigned n = tracer.oldest; n != tracer.next; n++) {
        record_of(n)->buf = NULL;
        record_of(n)->token = NULL;
        record_of(n)->current = false;
    }
}

void trace_progress(struct trace_progress *out)
{
    *out = (struct trace_progress){ .endless = tracer.endless,
                                    .begun = tracer.next,
                                    .complete = tracer.complete };
}

const struct trace_record *trace_record(unsigned i)
{
    return i < tracer.next && i < TRACE_RECORDS ? &tracer.records[i] : NULL;
}

const struct trace_stats *trace_stats(void)
{
    return &tracer.stats;
}

static void stats_reset(void)
{
    memset(&tracer.stats, 0, sizeof(tracer.stats)); /* no compound literal: 27 KiB of stack */
}
RESETTABLE(trace, stats_reset);

const char *trace_stage_name(enum trace_stage stage)
{
    static const char *const names[TRACE_STAGES] = {
        [TRACE_INTERRUPT] = "interrupt", [TRACE_SOFTIRQ] = "softirq",
        [TRACE_RING] = "rx_ring",        [TRACE_IP] = "ip",
        [TRACE_TRANSPORT] = "transport", [TRACE_APP] = "app",
        [TRACE_RESPONSE] = "response",   [TRACE_TX_RING] = "tx_ring",
        [TRACE_KICK] = "kick",           [TRACE_DONE] = "done",
    };

    return names[stage];
}
