/*
 * `hist [name]`: the registered histograms, drawn in powers of two as bars. Each is copied with
 * softirqs off and printed with them on, where printing may wait. Main context.
 */
#include <kernel/console.h>
#include <kernel/fmt.h>
#include <kernel/hist.h>
#include <kernel/lib.h>
#include <kernel/muldiv.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <string.h>

#define COLUMNS  79 /* the last one stays empty: terminals differ in where the cursor goes then */
#define TEXT_MAX 64
#define BAR_MIN  10

static struct hist snapshot; /* 2.4 KiB: not on the stack */

static void take_snapshot(const struct hist *h)
{
    softirq_disable();
    memcpy(&snapshot, h, sizeof(snapshot));
    softirq_enable();
}

static uint64_t mean(const struct hist *h)
{
    return h->count == 0 ? 0 : h->sum / h->count;
}

/* ---- values as people read them */

struct scale {
    uint64_t unit;
    const char *name;
};

/* The unit of time in which ns is at least 1. Powers of two from 1024 ns on have one that both
 * ends of their row fit. */
static const struct scale *time_scale(uint64_t ns)
{
    static const struct scale scales[] = {
        { NS_PER_SEC, "s" }, { NS_PER_MS, "ms" }, { NS_PER_US, "us" }, { 1, "ns" }
    };
    const struct scale *s = scales;

    while (s->unit > 1 && ns < s->unit)
        s++;
    return s;
}

/* Rounded: to one decimal below 100, to none from there on. */
static int put_scaled(char *text, size_t size, uint64_t value, uint64_t unit)
{
    uint64_t whole = value / unit, rest = value % unit;
    unsigned tenths = (unsigned)(MIN(whole, (uint64_t)100) * 10 + (rest * 10 + unit / 2) / unit);

    if (unit > 1 && tenths < 1000)
        return fmt_snprintf(text, size, "%u.%u", tenths / 10, tenths % 10);
    return fmt_snprintf(text, size, "%llu", (unsigned long long)(whole + (rest * 2 >= unit)));
}

static const char *value_text(char text[TEXT_MAX], bool is_time, uint64_t value)
{
    const struct scale *s;
    int n;

    if (!is_time) {
        fmt_snprintf(text, TEXT_MAX, "%llu", (unsigned long long)value);
        return text;
    }
    s = time_scale(value);
    n = put_scaled(text, TEXT_MAX, value, s->unit);
    fmt_snprintf(text + n, TEXT_MAX - (size_t)n, " %s", s->name);
    return text;
}

/* "5", "4-7", "1.0-2.0 us" */
static const char *row_label(char text[TEXT_MAX], bool is_time, const struct hist *h, unsigned row)
{
    uint64_t low = hist_row_low(row), high = hist_row_high(h, row);
    const struct scale *s = is_time ? time_scale(low) : NULL;
    uint64_t unit = s != NULL ? s->unit : 1;
    int n = put_scaled(text, TEXT_MAX, low, unit);

    if (high != low) {
        text[n++] = '-';
        n += put_scaled(text + n, TEXT_MAX - (size_t)n,
                        unit > 1 && high < UINT64_MAX ? high + 1 : high, unit);
    }
    if (s != NULL)
        fmt_snprintf(text + n, TEXT_MAX - (size_t)n, " %s", s->name);
    return text;
}

/* ---- text */

static void bar_text(char *bar, unsigned width, uint64_t count, uint64_t most)
{
    unsigned len = (unsigned)muldiv64(count, width, most);

    if (count > 0 && len == 0)
        len = 1; /* what is there is seen */
    memset(bar, '#', len);
    bar[len] = '\0';
}

struct span {
    unsigned first, end; /* the rows from the first that is used to the last */
    uint64_t most;       /* the largest row */
    int label_width, count_width;
};

static void measure(const struct hist *h, bool is_time, struct span *span)
{
    char text[TEXT_MAX];

    *span = (struct span){ .first = HIST_ROWS };
    for (unsigned row = 0; row < HIST_ROWS; row++) {
        uint64_t count = hist_row_count(h, row);

        if (count == 0)
            continue;
        span->first = MIN(span->first, row);
        span->end = row + 1;
        span->most = MAX(span->most, count);
    }
    for (unsigned row = span->first; row < span->end; row++) {
        int width = (int)strlen(row_label(text, is_time, h, row));

        span->label_width = MAX(span->label_width, width);
    }
    span->count_width = fmt_snprintf(text, sizeof(text), "%llu", (unsigned long long)span->most);
}

static void print_rows(struct console *con, const struct hist *h, bool is_time)
{
    char label[TEXT_MAX], bar[COLUMNS + 1];
    struct span span;
    unsigned used, width;

    measure(h, is_time, &span);
    used = (unsigned)(2 + span.label_width + 2 + span.count_width + 2 + 6 + 2);
    width = used + BAR_MIN < COLUMNS ? COLUMNS - used : BAR_MIN;
    for (unsigned row = span.first; row < span.end; row++) {
        uint64_t count = hist_row_count(h, row);
        unsigned per_mille = (unsigned)muldiv64(count, 1000, h->count);

        bar_text(bar, width, count, span.most);
        console_printf(con, "  %*s  %*llu  %3u.%u%%%s%s\n", span.label_width,
                       row_label(label, is_time, h, row), span.count_width,
                       (unsigned long long)count, per_mille / 10, per_mille % 10,
                       count > 0 ? "  " : "", bar);
    }
}

static void print_summary(struct console *con, const struct hist *h, bool is_time)
{
    char text[TEXT_MAX];

    console_printf(con, "  count %llu", (unsigned long long)h->count);
    if (is_time) {
        console_printf(con, "  mean %s", value_text(text, true, mean(h)));
    } else {
        uint64_t tenths = muldiv64(h->sum % h->count, 10, h->count);

        console_printf(con, "  mean %llu.%llu", (unsigned long long)mean(h),
                       (unsigned long long)tenths);
    }
    console_printf(con, "  p50 %s", value_text(text, is_time, hist_percentile(h, 500)));
    console_printf(con, "  p90 %s", value_text(text, is_time, hist_percentile(h, 900)));
    console_printf(con, "  p99 %s", value_text(text, is_time, hist_percentile(h, 990)));
    console_printf(con, "  max %s\n", value_text(text, is_time, h->max));
}

static void hist_text(struct console *con, const struct hist_entry *entry, const struct hist *h)
{
    bool is_time = strcmp(entry->unit, "ns") == 0;

    if (h->count == 0) {
        console_printf(con, "%s: %s (%s): empty\n", entry->name, entry->title, entry->unit);
        return;
    }
    console_printf(con, "%s: %s (%s)\n", entry->name, entry->title, entry->unit);
    print_summary(con, h, is_time);
    print_rows(con, h, is_time);
}

/* ---- JSON */

static void hist_json(struct json *j, const struct hist_entry *entry, const struct hist *h)
{
    json_object(j, NULL);
    json_str(j, "name", entry->name);
    json_str(j, "title", entry->title);
    json_str(j, "unit", entry->unit);
    json_u64(j, "count", h->count);
    json_u64(j, "sum", h->sum);
    json_u64(j, "mean", mean(h));
    json_u64(j, "p50", hist_percentile(h, 500));
    json_u64(j, "p90", hist_percentile(h, 900));
    json_u64(j, "p99", hist_percentile(h, 990));
    json_u64(j, "max", h->max);
    json_array(j, "buckets");
    for (unsigned row = 0; row < HIST_ROWS; row++) {
        if (hist_row_count(h, row) == 0)
            continue;
        json_object(j, NULL);
        json_u64(j, "low", hist_row_low(row));
        json_u64(j, "high", hist_row_high(h, row));
        json_u64(j, "count", hist_row_count(h, row));
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

/* ---- the command */

static const char *hist_name(unsigned i)
{
    return i < (size_t)(hist_entries_end - hist_entries_start) ? hist_entries_start[i].name : NULL;
}

static const struct hist_entry *find(const char *name)
{
    for (const struct hist_entry *entry = hist_entries_start; entry < hist_entries_end; entry++)
        if (strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

static int cmd_hist(struct console *con, int argc, char **argv)
{
    const struct hist_entry *first = hist_entries_start, *end = hist_entries_end;
    struct json j;

    if (argc > 2)
        return console_error(con, "one histogram at a time, or all of them");
    if (argc == 2) {
        first = find(argv[1]);
        if (first == NULL)
            return console_error(con, "no histogram %s; Tab lists them", argv[1]);
        end = first + 1;
    }
    if (con->json) {
        console_json(con, &j);
        json_array(&j, "histograms");
    }
    for (const struct hist_entry *entry = first; entry < end; entry++) {
        take_snapshot(entry->hist);
        if (con->json) {
            hist_json(&j, entry, &snapshot);
            continue;
        }
        if (entry != first)
            console_printf(con, "\n");
        hist_text(con, entry, &snapshot);
    }
    if (con->json) {
        json_array_end(&j);
        json_end(&j);
    }
    return 0;
}
CONSOLE_COMMAND_COMPLETE(hist, "hist [name]",
                         "histograms of the receive path, drawn in powers of two, with percentiles",
                         cmd_hist, hist_name);
