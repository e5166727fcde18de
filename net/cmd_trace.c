/*
 * `trace [n]`: the life of the next n packets, stage by stage; `trace stats`: how long packets
 * took from stage to stage. (The lecture: "What happens inside the kernel?"; here it is, with the
 * function that each step is.) Main context.
 */
#include "trace_text.h"
#include <drivers/trace.h>
#include <kernel/console.h>
#include <kernel/lib.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <string.h>

#define JSON_WAIT_NS (5 * NS_PER_SEC) /* with -j it must end by itself */
#define WAIT_S_MAX   3600u
#define LOOK_NS      (10 * NS_PER_MS)
/* For answers that the device has and that nobody has reaped: the lazy timer takes 10 ms. */
#define ANSWERS_WAIT_NS (200 * NS_PER_MS)

struct options {
    unsigned count;
    uint64_t wait_ns; /* 0: until a key is pressed */
};

/* Digits only, 1 to max. */
static bool parse_count(const char *s, unsigned max, unsigned *out)
{
    unsigned value = 0;

    for (const char *c = s; *c != '\0'; c++) {
        if (*c < '0' || *c > '9')
            return false;
        value = value * 10 + (unsigned)(*c - '0');
        if (value > max)
            return false;
    }
    *out = value;
    return value > 0;
}

/* Fills *o from the arguments. Returns NULL, or what is wrong. */
static const char *parse_options(int argc, char **argv, struct options *o)
{
    bool counted = false;
    unsigned seconds;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-t") == 0) {
            if (++i == argc || !parse_count(argv[i], WAIT_S_MAX, &seconds))
                return "-t wants seconds, 1 to 3600";
            o->wait_ns = seconds * NS_PER_SEC;
        } else if (counted || !parse_count(argv[i], TRACE_RECORDS, &o->count)) {
            return "wants a number of packets, 1 to 256; or stats, on, off, start, show";
        } else {
            counted = true;
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------- waiting */

static void look(struct trace_progress *progress)
{
    softirq_disable();
    trace_progress(progress);
    softirq_enable();
}

/* Until all are complete, a key is pressed, or time is up. */
static void wait_packets(struct console *con, const struct options *o)
{
    uint64_t end_ns = o->wait_ns == 0 ? UINT64_MAX : time_ns() + o->wait_ns;
    struct trace_progress progress;
    unsigned shown = 0;

    if (!con->json)
        console_printf(con, "waiting for %u packet%s; any key ends", o->count,
                       o->count == 1 ? "" : "s");
    for (;;) {
        uint64_t now_ns = time_ns();

        look(&progress);
        if (progress.begun != shown && !con->json)
            console_printf(con, "\r%u of %u packets have come; any key ends", progress.begun,
                           o->count);
        shown = progress.begun;
        if (progress.complete == o->count || now_ns >= end_ns)
            break;
        if (!console_wait(con, MIN(end_ns, now_ns + LOOK_NS), true))
            break;
    }
    if (!con->json)
        console_printf(con, "\n");
}

/* No new packets, but the answers of those that came may still leave. */
static void wait_answers(struct console *con)
{
    uint64_t end_ns = time_ns() + ANSWERS_WAIT_NS;
    struct trace_progress progress;

    do {
        look(&progress);
    } while (progress.complete != progress.begun && time_ns() < end_ns &&
             console_wait(con, time_ns() + LOOK_NS, true));
}

/* ---------------------------------------------------------------- one packet */

/* lwIP is compiled where it was unpacked: leave the build folder out. */
static const char *shown_file(const struct trace_site *site)
{
    const char *lwip = strstr(site->file, "lwip/src/");

    return lwip != NULL ? lwip : site->file;
}

/* The first stage and the last one that the packet came to. */
static void record_span(const struct trace_record *r, unsigned *first, unsigned *last)
{
    *first = TRACE_RING; /* that one always is there */
    *last = TRACE_RING;
    for (unsigned s = 0; s < TRACE_STAGES; s++) {
        if (r->mark[s].site == NULL)
            continue;
        *first = MIN(*first, s);
        *last = s;
    }
}

static const char *record_end(const struct trace_record *r)
{
    if (r->lost)
        return "the device was reset before it had sent the answer";
    if (!r->complete)
        return "the trace was ended here";
    return r->mark[TRACE_TX_RING].site == NULL ? "no answer to it" : NULL;
}

static void stage_text(struct console *con, const struct trace_record *r, unsigned s,
                       uint64_t first_ticks, uint64_t before_ticks)
{
    const struct trace_mark *m = &r->mark[s];
    const char *name = trace_stage_name(s);

    if (s == TRACE_KICK && !r->kick_needed)
        name = "kick not needed";
    if (m->site == NULL)
        console_printf(con, "  %-15s %9s\n", trace_stage_name(s), "-");
    else
        console_printf(con, "  %-15s %9llu %9llu  %s (%s)\n", name,
                       (unsigned long long)time_tsc_to_ns(m->ticks - first_ticks),
                       (unsigned long long)time_tsc_to_ns(m->ticks - before_ticks),
                       m->site->function, shown_file(m->site));
}

static void record_text(struct console *con, unsigned number, const struct trace_record *r)
{
    unsigned first, last;
    uint64_t before_ticks;
    char text[TRACE_TEXT_MAX];

    record_span(r, &first, &last);
    before_ticks = r->mark[first].ticks;
    console_printf(con, "packet %u, %u bytes: %s\n", number, r->frame_bytes,
                   trace_packet_text(r->head, r->head_bytes, text));
    console_printf(con, "  %-15s %9s %9s  %s\n", "stage", "ns", "+ns", "function");
    for (unsigned s = 0; s <= last; s++) {
        stage_text(con, r, s, r->mark[first].ticks, before_ticks);
        if (r->mark[s].site != NULL)
            before_ticks = r->mark[s].ticks;
    }
    if (record_end(r) != NULL)
        console_printf(con, "  (%s)\n", record_end(r));
}

static void record_json(struct json *j, const struct trace_record *r)
{
    unsigned first, last;
    char text[TRACE_TEXT_MAX];

    record_span(r, &first, &last);
    json_object(j, NULL);
    json_str(j, "summary", trace_packet_text(r->head, r->head_bytes, text));
    json_u64(j, "bytes", r->frame_bytes);
    json_bool(j, "complete", r->complete);
    json_bool(j, "lost", r->lost);
    json_bool(j, "kick_needed", r->kick_needed);
    json_array(j, "stages");
    for (unsigned s = first; s <= last; s++) {
        const struct trace_mark *m = &r->mark[s];

        if (m->site == NULL)
            continue;
        json_object(j, NULL);
        json_str(j, "stage", trace_stage_name(s));
        json_str(j, "function", m->site->function);
        json_str(j, "file", shown_file(m->site));
        json_u64(j, "ns", time_tsc_to_ns(m->ticks - r->mark[first].ticks));
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

/* ---------------------------------------------------------------- trace [n] */

/* What was recorded; nobody writes there any more. */
static void print_records(struct console *con)
{
    const struct trace_record *r;
    struct json j;

    if (!con->json) {
        for (unsigned i = 0; (r = trace_record(i)) != NULL; i++)
            record_text(con, i + 1, r);
        return;
    }
    console_json(con, &j);
    json_array(&j, "packets");
    for (unsigned i = 0; (r = trace_record(i)) != NULL; i++)
        record_json(&j, r);
    json_array_end(&j);
    json_end(&j);
}

static int trace_packets(struct console *con, const struct options *o)
{
    struct trace_progress before;

    softirq_disable();
    trace_progress(&before);
    trace_begin(o->count);
    softirq_enable();

    wait_packets(con, o);
    softirq_disable();
    trace_enough();
    softirq_enable();
    wait_answers(con);
    softirq_disable();
    trace_end();
    softirq_enable();

    print_records(con);
    if (before.endless) { /* `trace on` goes on where it was interrupted */
        softirq_disable();
        trace_begin(TRACE_ENDLESS);
        softirq_enable();
    }
    return 0;
}

/* ---------------------------------------------------------------- trace stats, on, off */

static const unsigned per_mille[] = { 500, 900, 990 };

/* A row of the table. Read with softirqs off and printed with them on, where printing may wait. */
struct row {
    uint64_t count, max_ns, ns[ARRAY_SIZE(per_mille)];
};

static void read_row(const struct hist *h, struct row *row)
{
    row->count = h->count;
    row->max_ns = h->max;
    for (unsigned i = 0; i < ARRAY_SIZE(per_mille); i++)
        row->ns[i] = hist_percentile(h, per_mille[i]);
}

static void row_text(struct console *con, const char *name, const struct row *row)
{
    console_printf(con, "  %-15s %9llu %11llu %11llu %11llu %11llu\n", name,
                   (unsigned long long)row->count, (unsigned long long)row->ns[0],
                   (unsigned long long)row->ns[1], (unsigned long long)row->ns[2],
                   (unsigned long long)row->max_ns);
}

static void row_json(struct json *j, const char *name, const struct row *row)
{
    json_object(j, NULL);
    json_str(j, "stage", name);
    json_u64(j, "count", row->count);
    json_u64(j, "p50_ns", row->ns[0]);
    json_u64(j, "p90_ns", row->ns[1]);
    json_u64(j, "p99_ns", row->ns[2]);
    json_u64(j, "max_ns", row->max_ns);
    json_object_end(j);
}

/* The steps from stage to stage, and behind them the whole of the way to the kick. */
#define ROWS (TRACE_STAGES - TRACE_SOFTIRQ + 1)
static const char *row_name(unsigned i)
{
    return i < ROWS - 1 ? trace_stage_name(TRACE_SOFTIRQ + i) : "to_kick";
}

static int cmd_stats(struct console *con)
{
    const struct trace_stats *stats = trace_stats();
    struct trace_progress progress;
    struct row rows[ROWS];
    uint64_t packets;
    struct json j;

    softirq_disable();
    packets = stats->packets;
    trace_progress(&progress);
    for (unsigned i = 0; i < ROWS - 1; i++)
        read_row(&stats->step[TRACE_SOFTIRQ + i], &rows[i]);
    read_row(&stats->answer, &rows[ROWS - 1]);
    softirq_enable();

    if (!con->json) {
        console_printf(con, "%llu packets traced%s; ns from the stage before\n",
                       (unsigned long long)packets, progress.endless ? ", tracing is on" : "");
        console_printf(con, "  %-15s %9s %11s %11s %11s %11s\n", "stage", "count", "p50", "p90",
                       "p99", "max");
        for (unsigned i = 0; i < ROWS; i++)
            row_text(con, row_name(i), &rows[i]);
        return 0;
    }
    console_json(con, &j);
    json_u64(&j, "packets", packets);
    json_bool(&j, "on", progress.endless);
    json_array(&j, "stages");
    for (unsigned i = 0; i < ROWS; i++)
        row_json(&j, row_name(i), &rows[i]);
    json_array_end(&j);
    json_end(&j);
    return 0;
}

static int cmd_switch(struct console *con, bool on)
{
    struct json j;

    softirq_disable();
    if (on)
        trace_begin(TRACE_ENDLESS);
    else
        trace_end();
    softirq_enable();
    if (con->json) {
        console_json(con, &j);
        json_bool(&j, "on", on);
        json_end(&j);
    } else {
        console_printf(con, on ? "every packet is traced from here on: see trace stats\n"
                               : "tracing is off\n");
    }
    return 0;
}

/* Without waiting, for whoever comes back to look: begin now... */
static int cmd_start(struct console *con, const char *packets)
{
    struct json j;
    unsigned count;

    if (!parse_count(packets, TRACE_RECORDS, &count))
        return console_error(con, "start wants a number of packets, 1 to 256");
    softirq_disable();
    trace_begin(count);
    softirq_enable();
    if (con->json) {
        console_json(con, &j);
        json_u64(&j, "started", count);
        json_end(&j);
    } else {
        console_printf(con, "the next %u are recorded: see trace show\n", count);
    }
    return 0;
}

/* ... and end with what has come. */
static int cmd_show(struct console *con)
{
    struct trace_progress progress;

    look(&progress);
    if (progress.endless)
        return console_error(con, "every packet is traced now, for the percentiles: trace off");
    softirq_disable();
    trace_end();
    softirq_enable();
    print_records(con);
    return 0;
}

static int cmd_trace(struct console *con, int argc, char **argv)
{
    struct options o = { .count = 1, .wait_ns = con->json ? JSON_WAIT_NS : 0 };
    const char *wrong;

    if (argc == 2 && strcmp(argv[1], "stats") == 0)
        return cmd_stats(con);
    if (argc == 2 && (strcmp(argv[1], "on") == 0 || strcmp(argv[1], "off") == 0))
        return cmd_switch(con, strcmp(argv[1], "on") == 0);
    if (argc == 3 && strcmp(argv[1], "start") == 0)
        return cmd_start(con, argv[2]);
    if (argc == 2 && strcmp(argv[1], "show") == 0)
        return cmd_show(con);
    wrong = parse_options(argc, argv, &o);
    if (wrong != NULL)
        return console_error(con, "%s", wrong);
    return trace_packets(con, &o);
}

static const char *complete_trace(unsigned i)
{
    static const char *const names[] = { "stats", "on", "off", "start", "show" };

    return i < ARRAY_SIZE(names) ? names[i] : NULL;
}

CONSOLE_COMMAND_COMPLETE(trace, "trace [-t seconds] [n] | stats | on | off | start n | show",
                         "the life of the next n packets, stage by stage with nanoseconds",
                         cmd_trace, complete_trace);
