/*
 * Histograms: how often a value of which size came. Buckets are logarithmic, eight to each power
 * of two (as HdrHistogram's), so that a percentile is right within an eighth of its value at any
 * scale; what people see is drawn in powers of two. Adding is a handful of instructions, no
 * division and no loop: cheap enough to stay on.
 *
 *   static struct hist poll_packets;
 *   HISTOGRAM(poll_packets, "packets per poll", "packets", poll_packets);
 *
 *   hist_add(&poll_packets, n);
 *
 * Registered ones are shown by the command `hist` and zeroed by `reset`, found through a linker
 * section like the console's commands. One writer (the bottom half); readers turn softirqs off.
 */
#ifndef KERNEL_HIST_H
#define KERNEL_HIST_H

#include <kernel/lib.h>

#define HIST_SUB_BITS 3u /* eight buckets to a power of two */
#define HIST_SUB      (1u << HIST_SUB_BITS)
#define HIST_MAX_BITS 40u /* larger values go into the last bucket */
#define HIST_BUCKETS  ((HIST_MAX_BITS - HIST_SUB_BITS + 1) * HIST_SUB)
#define HIST_ROWS     (HIST_MAX_BITS + 1) /* powers of two, and the row of 0 */

struct hist {
    uint64_t count, sum, max;
    uint64_t bucket[HIST_BUCKETS];
};

/* Which bucket a value falls into: itself below 8, then eight to each power of two. */
static inline unsigned hist_bucket(uint64_t value)
{
    unsigned top, index;

    if (value < HIST_SUB)
        return (unsigned)value;
    top = 63u - (unsigned)__builtin_clzll(value);
    index = (top - HIST_SUB_BITS + 1) * HIST_SUB +
            (unsigned)(value >> (top - HIST_SUB_BITS) & (HIST_SUB - 1));
    return MIN(index, HIST_BUCKETS - 1);
}

/* The value came n times. */
static inline void hist_add_n(struct hist *h, uint64_t value, uint64_t n)
{
    h->count += n;
    h->sum += value * n;
    if (value > h->max)
        h->max = value;
    h->bucket[hist_bucket(value)] += n;
}

static inline void hist_add(struct hist *h, uint64_t value)
{
    hist_add_n(h, value, 1);
}

/* The smallest value of a bucket. */
uint64_t hist_bucket_low(unsigned bucket);

/* The value below or at which per_mille (0 to 1000) thousandths of all values lie: the upper end of
 * the bucket where that falls, never above max: at most an eighth too much, but for values beyond
 * HIST_MAX_BITS. 0 for an empty histogram. */
uint64_t hist_percentile(const struct hist *h, unsigned per_mille);

void hist_reset(struct hist *h);

/* What came between `*before` and `now`, two states of one histogram, into *recent (its max is that
 * of `now`); *before is `now` from here on. If it was zeroed in between, all that came since then.
 */
void hist_since(const struct hist *now, struct hist *before, struct hist *recent);

/* What is drawn: row 0 is the value 0, row n is 2^(n-1) to 2^n - 1; the last one takes all that is
 * larger, up to max. */
uint64_t hist_row_low(unsigned row);
uint64_t hist_row_high(const struct hist *h, unsigned row); /* inclusive */
uint64_t hist_row_count(const struct hist *h, unsigned row);

struct hist_entry {
    const char *name;  /* the ident: "poll_packets" */
    const char *title; /* "packets per poll" */
    const char *unit;  /* "packets", "ns" */
    struct hist *hist;
};

#define HISTOGRAM(ident, title_, unit_, hist_)                                                     \
    static const struct hist_entry hist_entry_##ident                                              \
        __attribute__((used, section(".histogram." #ident), aligned(8))) = {                       \
            .name = #ident, .title = title_, .unit = unit_, .hist = &(hist_)                       \
        }

/* All of the kernel image, sorted by ident (linker.ld). */
extern const struct hist_entry hist_entries_start[], hist_entries_end[];

#endif
