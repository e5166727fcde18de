/*
 * Histograms: bounds of buckets, percentiles, the rows that are drawn. Pure code, any context;
 * whoever reads one that the bottom half writes turns softirqs off, or copies it that way first.
 *
 * The buckets are those of HdrHistogram with three bits of precision: a linear piece of eight
 * below 8, then eight equal ones to each power of two, so that no bucket is wider than an eighth of
 * its smallest value.
 */
#include <kernel/hist.h>
#include <kernel/panic.h>
#include <string.h>

_Static_assert(HIST_BUCKETS == (HIST_ROWS - HIST_SUB_BITS) * HIST_SUB, "rows cover all buckets");

uint64_t hist_bucket_low(unsigned bucket)
{
    unsigned shift;

    ASSERT(bucket < HIST_BUCKETS);
    if (bucket < HIST_SUB)
        return bucket;
    shift = bucket / HIST_SUB - 1;
    return (uint64_t)(HIST_SUB + bucket % HIST_SUB) << shift;
}

/* The last bucket has no upper end of its own. */
static uint64_t bucket_high(const struct hist *h, unsigned bucket)
{
    if (bucket == HIST_BUCKETS - 1)
        return h->max;
    return MIN(hist_bucket_low(bucket + 1) - 1, h->max);
}

uint64_t hist_percentile(const struct hist *h, unsigned per_mille)
{
    uint64_t rank, seen = 0;
    unsigned bucket = 0;

    ASSERT(per_mille <= 1000);
    if (h->count == 0)
        return 0;
    /* count * per_mille / 1000, rounded up, in steps that can not overflow; at least the first. */
    rank = h->count / 1000 * per_mille + (h->count % 1000 * per_mille + 999) / 1000;
    rank = MAX(rank, (uint64_t)1);
    for (; bucket < HIST_BUCKETS - 1; bucket++) {
        seen += h->bucket[bucket];
        if (seen >= rank)
            break;
    }
    return bucket_high(h, bucket);
}

void hist_reset(struct hist *h)
{
    memset(h, 0, sizeof(*h));
}

void hist_since(const struct hist *now, struct hist *before, struct hist *recent)
{
    *recent = *now;
    if (now->count >= before->count) {
        recent->count -= before->count;
        recent->sum -= before->sum;
        for (unsigned i = 0; i < HIST_BUCKETS; i++)
            recent->bucket[i] -= before->bucket[i];
    }
    *before = *now;
}

/* ---- powers of two: 0, 1, 2-3, 4-7, 8-15 ... */

uint64_t hist_row_low(unsigned row)
{
    ASSERT(row < HIST_ROWS);
    return row == 0 ? 0 : 1ull << (row - 1);
}

uint64_t hist_row_high(const struct hist *h, unsigned row)
{
    uint64_t high;

    ASSERT(row < HIST_ROWS);
    high = (1ull << row) - 1;
    return row == HIST_ROWS - 1 ? MAX(high, h->max) : high;
}

uint64_t hist_row_count(const struct hist *h, unsigned row)
{
    unsigned first = hist_bucket(hist_row_low(row));
    unsigned end = row == HIST_ROWS - 1 ? HIST_BUCKETS : hist_bucket(hist_row_low(row + 1));
    uint64_t count = 0;

    for (unsigned bucket = first; bucket < end; bucket++)
        count += h->bucket[bucket];
    return count;
}
