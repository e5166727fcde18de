/*
 * Rates of counters from one look to the next. Pure code, any context.
 *
 * A table remembers the counters of one round by the order in which they came, so that whoever
 * prints one needs no name for it: the n-th of this round is compared with the n-th of the last.
 */
#ifndef KERNEL_RATES_H
#define KERNEL_RATES_H

#include <stdbool.h>
#include <stdint.h>

#define RATES_MAX     512u
#define RATE_TEXT_MAX 24 /* "18446744073709551" */

struct rates {
    uint64_t begun_ns, last_begun_ns;
    unsigned next;  /* counters of this round so far */
    unsigned known; /* counters of the last round, RATES_MAX at most */
    uint64_t value[RATES_MAX];
};

/* The next round begins. The first one, on a zeroed table, has no rates. */
void rates_begin(struct rates *r, uint64_t now_ns);

/*
 * The next counter of this round. Returns true and thousandths per second since the last round;
 * false where there is nothing to compare with: the first round, a counter that the last round did
 * not have (or was beyond RATES_MAX), one that went down (it was zeroed), no time in between.
 */
bool rates_next(struct rates *r, uint64_t value, uint64_t *per_second_milli);

/* Thousandths per second of `count` in `ns`, as many as 64 bits hold; 0 when ns is 0. */
uint64_t rate_milli(uint64_t count, uint64_t ns);

/* "0", "0.5", "99.9", "1234": one decimal below 100. Returns text. */
const char *rate_text(char text[RATE_TEXT_MAX], uint64_t per_second_milli);

#endif
