/*
 * The policy of the adaptive receive mode: when to take packets by interrupts, when by polling.
 * A pure function of what was observed; it reads no clock and no ring, so that recorded and
 * synthetic loads can be played to it on the host. net/napi.c feeds it about once a millisecond
 * while packets come.
 *
 * The measure is how *busy* receiving keeps the CPU, rather than a packet rate: it means the same
 * on an emulator and on a server. Busy is the share of the time that went to interrupts and to
 * polls that found something, packets' way through stack and app included.
 *
 *   regime     how                                            entered when
 *   interrupt  as napi: mask, poll, unmask                    busy <= 15 % for 20 ms
 *   defer      masked for defer_us after a poll that found    two packets or more a deferral
 *              packets, then polled again; unmasked by a      are expected, and busy >= 30 %
 *              poll that finds nothing (napi_defer_hard_irqs
 *              and gro_flush_timeout of Linux)
 *   poll       the ring is polled without a pause             busy >= 60 %, and 5,000 packets a
 *                                                             second or more: for fewer, interrupts
 *                                                             are not what keeps it busy
 *
 * Why these: an interrupt costs about what a packet costs, so that receiving which keeps the CPU
 * 60 % busy with interrupts keeps it about 30 % busy without. 15 % is half of that again: between
 * the two thresholds nothing changes, and no steady load can make the policy swing.
 */
#ifndef NET_RX_POLICY_H
#define NET_RX_POLICY_H

#include <stdint.h>

enum rx_regime {
    RX_REGIME_INTERRUPT,
    RX_REGIME_DEFER,
    RX_REGIME_POLL,
    RX_REGIME_COUNT,
};

/* Why it switched. */
enum rx_reason {
    RX_STAY,           /* it did not */
    RX_BUSY,           /* -> poll: interrupts keep the CPU busy */
    RX_PACKETS_MERGE,  /* -> defer: several packets are expected within a deferral */
    RX_PACKETS_SPARSE, /* defer ->: not any more */
    RX_QUIET,          /* poll ->: most polls find nothing */
    RX_REASON_COUNT,
};

/* All shares in thousandths. */
#define RX_POLICY_WINDOW_NS  1000000u  /* observe for at least this long between two steps */
#define RX_POLICY_TAU_NS     10000000u /* time constant of the averages */
#define RX_POLICY_POLL_BUSY  600u      /* -> poll */
#define RX_POLICY_POLL_PPS   5000u     /* and at least so many packets a second */
#define RX_POLICY_DEFER_BUSY 300u      /* -> defer */
#define RX_POLICY_QUIET_BUSY 150u      /* poll -> interrupt, when it stays so for ... */
#define RX_POLICY_QUIET_NS   20000000u /* ... 20 ms */
#define RX_POLICY_MERGE_PKTS 2u        /* packets a deferral, for which it is worth its timer */

struct rx_policy {
    enum rx_regime regime;
    uint32_t busy;     /* average, thousandths */
    uint32_t pps;      /* average, packets a second */
    uint64_t quiet_ns; /* for how long it has been quiet */
};

/* What was seen since the last step. */
struct rx_sample {
    uint64_t elapsed_ns;
    uint64_t busy_ns; /* see above; at most elapsed_ns counts */
    uint64_t packets;
    uint64_t defer_ns; /* the setting defer_us */
};

/* Look at a sample; p->regime is what to do from now on. Returns why it changed, or RX_STAY. */
enum rx_reason rx_policy_step(struct rx_policy *p, const struct rx_sample *s);

/* Begin anew, driven by interrupts. */
void rx_policy_reset(struct rx_policy *p);

const char *rx_regime_name(enum rx_regime regime);
const char *rx_reason_text(enum rx_reason reason);

#endif
