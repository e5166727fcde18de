/*
 * The life of a packet, stage by stage: what the command `trace` shows. Off, a trace point is one
 * load and one predictable branch. On, each of the next received packets gets a record, which
 * travels with its packet buffer; whatever is sent while that packet is worked on is its answer.
 * A stage is recorded once a packet, the first time; with it the function that it is in.
 *
 * It stands in this layer because it is the lowest that knows packets; the layers above mark their
 * own stages. Run to completion makes it simple: one packet is worked on at a time, the current
 * one.
 *
 *   trace_point(TRACE_INTERRUPT);        top half
 *   trace_point(TRACE_SOFTIRQ);          a poll begins: what it takes inherits these two
 *   trace_taken(buf);                    each frame that is taken off the ring
 *   trace_enter(buf);                    the frame is the current one from here ...
 *     trace_point(TRACE_IP); ...           whoever handles it
 *     trace_sent(token);                   a frame is put on the transmit ring
 *   trace_leave();                       ... to here; without an answer this is its end
 *   trace_kicked(told);                  the round's end
 *   trace_done(token);                   or trace_lost(token): the answer has left (NULL: none)
 */
#ifndef DRIVERS_TRACE_H
#define DRIVERS_TRACE_H

#include <kernel/hist.h>
#include <kernel/lib.h>

struct pktbuf;

enum trace_stage {
    TRACE_INTERRUPT, /* taken: the top half */
    TRACE_SOFTIRQ,   /* entered: the bottom half */
    TRACE_RING,      /* taken off the receive ring */
    TRACE_IP,        /* handed to IP (not ARP) */
    TRACE_TRANSPORT, /* handed to TCP, UDP, ICMP */
    TRACE_APP,       /* handed to the app: its receive callback */
    TRACE_RESPONSE,  /* the app's answer is with TCP */
    TRACE_TX_RING,   /* written to the transmit ring */
    TRACE_KICK,      /* the device was told, where it wanted to be */
    TRACE_DONE,      /* our side has seen that the device is done; nobody hurries to look */
    TRACE_STAGES,
};

/* ---------------------------------------------------------------- trace points */

extern bool trace_armed; /* there are packets to begin with, or begun ones to follow */

/* A place in the source. */
struct trace_site {
    const char *function, *file;
};
#define TRACE_HERE                                                                                 \
    ({                                                                                             \
        static const struct trace_site trace_here_ = { __func__, __FILE__ };                       \
        &trace_here_;                                                                              \
    })
#define TRACE_IF_ARMED(call)                                                                       \
    do {                                                                                           \
        if (unlikely(READ_ONCE(trace_armed)))                                                      \
            call;                                                                                  \
    } while (0)

/* Bottom half; trace_point(TRACE_INTERRUPT): top half. */
#define trace_point(stage) TRACE_IF_ARMED(trace_hit(stage, TRACE_HERE))
#define trace_taken(buf)   TRACE_IF_ARMED(trace_hit_taken(buf, TRACE_HERE))
#define trace_enter(buf)   TRACE_IF_ARMED(trace_hit_enter(buf))
#define trace_leave()      TRACE_IF_ARMED(trace_hit_leave())
#define trace_sent(token)  TRACE_IF_ARMED(trace_hit_sent(token, TRACE_HERE))
#define trace_kicked(told) TRACE_IF_ARMED(trace_hit_kicked(told, TRACE_HERE))
#define trace_done(token)  TRACE_IF_ARMED(trace_hit_done(token, TRACE_HERE))
#define trace_lost(token)  TRACE_IF_ARMED(trace_hit_lost(token)) /* never sent: device reset */

void trace_hit(enum trace_stage stage, const struct trace_site *site);
void trace_hit_taken(struct pktbuf *buf, const struct trace_site *site);
void trace_hit_enter(const struct pktbuf *buf);
void trace_hit_leave(void);
void trace_hit_sent(const void *token, const struct trace_site *site);
void trace_hit_kicked(bool told, const struct trace_site *site);
void trace_hit_done(const void *token, const struct trace_site *site);
void trace_hit_lost(const void *token);

/* ---------------------------------------------------------------- what was recorded */

#define TRACE_RECORDS  256u
#define TRACE_HEAD_MAX 96u /* Ethernet, an IPv4 header of 60 bytes, TCP's flags */

struct trace_mark {
    uint64_t ticks;                /* TSC */
    const struct trace_site *site; /* NULL: the packet did not come here */
};

struct trace_record {
    struct trace_mark mark[TRACE_STAGES]; /* those that are there are in order of time */
    uint32_t frame_bytes;
    uint8_t head_bytes;
    uint8_t head[TRACE_HEAD_MAX]; /* the frame's beginning as it came in */
    bool complete;                /* false: the trace was ended before the packet was */
    bool kick_needed;             /* with TRACE_KICK: the device wanted to be told */
    bool lost;                    /* the device was reset with the answer on its ring */

    bool current;             /* for trace.c: the packet is worked on now */
    const struct pktbuf *buf; /* for trace.c: NULL from the moment that it is worked on */
    const void *token;        /* for trace.c: of the answer that the device has; NULL: none */
};

/* Forget what there was; record the next `packets` (1 to TRACE_RECORDS), or, with TRACE_ENDLESS,
 * all that there is room for until trace_end(), for the percentiles. Bottom half. */
#define TRACE_ENDLESS 0u
void trace_begin(unsigned packets);

/* Take no more packets; follow those that there are to their end. Bottom half. */
void trace_enough(void);

/* From here on nothing is recorded; what is not complete stays so. Bottom half. */
void trace_end(void);

struct trace_progress {
    bool endless;   /* and armed */
    unsigned begun; /* packets that have a record, since trace_begin() */
    unsigned complete;
};
void trace_progress(struct trace_progress *out);

/* The i-th packet after a trace_begin(n) and a trace_end(); NULL past the last. */
const struct trace_record *trace_record(unsigned i);

/* How long packets took to each stage from the one before that they had, in ns; zeroed by
 * `reset`. Softirqs off to read. */
struct trace_stats {
    uint64_t packets;               /* complete ones */
    struct hist step[TRACE_STAGES]; /* the first stage has none */
    struct hist answer;             /* from the first stage to the kick */
};
const struct trace_stats *trace_stats(void);

const char *trace_stage_name(enum trace_stage stage); /* "interrupt" */

#endif
