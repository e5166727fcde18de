/*
 * The stall watchdog: a ring that has work and does not move is looked into, and helped. Interrupts
 * and kicks are edges: one that is lost (by the device, the hypervisor or ourselves) leaves both
 * sides waiting for each other for ever. Twice a second it compares both rings with what they were
 * at the last look. A queue *stalls* when over a whole period
 *
 *   receive    frames lay on the ring and none was taken
 *   transmit   the device had frames to send and was done with none; or it was done with some,
 *              and none was taken back
 *
 * It is helped one step a look, and any progress ends that:
 *
 *   look 1, 2  counted and logged (1); the device is kicked, the bottom half raised, as if the
 *              interrupt had come: it takes what there is, and arms the interrupt at its end
 *   look 4     receive: the device is reset. Nothing outside the guest keeps frames on the ring.
 *   look 10    transmit: the device is reset
 *
 * Ten looks, 5 s, are also what Linux's dev_watchdog() gives a driver. A full transmit ring need
 * not be a fault: a peer that does not read (a stopped process behind a stream socket, a full tap)
 * stops the device just so, for as long as it likes. From here the two look alike, and a reset
 * helps only one of them; to the other it costs the frames of a ring, which TCP sends again. So it
 * comes well after a kick would have helped, and its bound doubles each time, to 5 minutes; a
 * minute without a stall takes it back. A stop of less than 5 s loses nothing.
 *
 * A kick of the receive queue that is lost while the device has no buffers can not be told from a
 * network that is quiet. So the first quiet look after receive kicks repeats one: it costs a
 * notification, says nothing of a stall, and is counted apart (idle_kicks).
 *
 * The first part is pure and is tested with synthetic sequences; the rest is bottom half.
 */
#ifndef NET_WATCHDOG_H
#define NET_WATCHDOG_H

#include <drivers/nic.h>

#define WATCHDOG_PERIOD_NS (500 * NS_PER_MS)

/* All in looks. */
#define WATCHDOG_HELP      2u   /* it is kicked and raised this often */
#define WATCHDOG_RX_RESET  4u   /* 2 s */
#define WATCHDOG_TX_RESET  10u  /* 5 s: then 10, 20, ... */
#define WATCHDOG_RESET_MAX 640u /* ... 320 s */
#define WATCHDOG_CALM      120u /* 1 minute */

/* What a look asks for. */
#define WATCHDOG_STALLED   1u  /* a stall has begun */
#define WATCHDOG_KICK      2u  /* notify the device */
#define WATCHDOG_RAISE     4u  /* raise the bottom half */
#define WATCHDOG_RESET     8u  /* nic_reset() */
#define WATCHDOG_RESUMED   16u /* the stall is over */
#define WATCHDOG_IDLE_KICK 32u /* notify the device: it may have missed it */

struct watchdog_queue {
    unsigned reset_first; /* WATCHDOG_RX_RESET or WATCHDOG_TX_RESET */
    unsigned reset_after; /* now: looks without progress */
    unsigned stalled;     /* looks without progress */
    unsigned calm;        /* looks since it stalled last */
    bool looked;          /* `last` is there to compare with */
    uint64_t kicks_sure;  /* receive kicks that need not be repeated */
    struct nic_ring last;
};

void watchdog_queue_init(struct watchdog_queue *q, unsigned reset_first);

/* A look at a ring. Returns what is to be done: WATCHDOG_* or'ed. */
unsigned watchdog_rx_step(struct watchdog_queue *q, const struct nic_ring *now);
unsigned watchdog_tx_step(struct watchdog_queue *q, const struct nic_ring *now);

/* The device starts over: the next look is a first one. Bounds stay as they are. */
void watchdog_queue_forget(struct watchdog_queue *q);

/*
 * When to reset a device that broke: at once the first time; a device that breaks (or does not come
 * back) again and again waits longer each time, so that it can not keep the CPU busy, and is never
 * given up for good. A device that worked for RECOVERY_CALM_NS begins anew.
 */
#define RECOVERY_WAIT_NS     (500 * NS_PER_MS)
#define RECOVERY_WAIT_MAX_NS (32 * NS_PER_SEC)
#define RECOVERY_CALM_NS     (64 * NS_PER_SEC)

struct recovery {
    uint64_t tried_ns; /* when it was reset last */
    uint64_t wait_ns;  /* how long it has to wait from then on; 0: it never was */
};

bool recovery_due(const struct recovery *r, uint64_t now_ns);

/* It is reset now. */
void recovery_tried(struct recovery *r, uint64_t now_ns);

/* ---- At work ---- */

/* Watch this NIC. Boot, at the end of napi_init(). */
void watchdog_start(struct nic *nic);

/*
 * The NIC is broken: reset it, if its time has come. False: it has not (SOFTIRQ_NET will be raised
 * when it has), or the device did not come back (then too). napi_poll() calls this.
 */
bool watchdog_recover(void);

struct watchdog_stats {
    uint64_t rx_stalls, tx_stalls;
    uint64_t kicks, rearms; /* the device notified, the bottom half raised: because of a stall */
    uint64_t idle_kicks;    /* receive kicks repeated because nothing came since */
    uint64_t resets;        /* because of a stall */
    uint64_t recoveries;    /* a broken or stalled device reset and back */
    uint64_t recovery_fails;
};
void watchdog_stats(struct watchdog_stats *out);

#endif
