/*
 * XDP: an eBPF program that sees each received frame in the driver's own buffer, before anything is
 * allocated or parsed for the stack, and says what becomes of it. (The lecture: "XDP hook".)
 *
 *   verdict        what happens
 *   XDP_PASS       up the stack, as the program left it
 *   XDP_DROP       back to the pool
 *   XDP_TX         out again by the same card: the same buffer, no copy
 *   XDP_REDIRECT   by a devmap or an ifindex to our one card: as XDP_TX; by an xskmap to a raw ring
 *                  (net/xsk.h)
 *   XDP_ABORTED, and what is none of these: counted, logged (not often), dropped
 *
 * A capture sees frames before the program does, and what XDP_TX sends. While a program is attached
 * the card hands frames over as they were on the wire (nic_rx_plain()). Programs change between two
 * polls: no frame is lost, none meets half of each.
 */
#ifndef NET_XDP_H
#define NET_XDP_H

#include <drivers/nic.h>
#include <kernel/lib.h>

struct bpf_prog;

#define XDP_IFINDEX 2u /* of our card: as on Linux, where lo is the first */

/* The card (NULL: there is none); the program that xdp= names is loaded and attached. Boot, after
 * napi_init(). */
void xdp_init(struct nic *nic);

/*
 * Attach a verified program in the place of the one before; the attachment has a reference of its
 * own. False: there is no card, or it can not hand over frames as they were on the wire; *why is a
 * constant sentence, and nothing has changed. Main context.
 */
bool xdp_attach(struct bpf_prog *prog, const char **why);

/* Nothing where none is attached. Main context. */
void xdp_detach(void);

/* What is attached, or NULL. Bottom half, and main context with softirqs disabled. */
extern struct bpf_prog *xdp_attached;

/* Run what is attached on one frame, and do what it says. True: the frame goes up the stack, and is
 * still the caller's; false: it was taken. xdp_begin() before the first of a burst. Bottom half. */
void xdp_begin(void);
bool xdp_run(struct pktbuf *buf);

struct xdp_stats {
    uint64_t packets; /* a program has seen */
    uint64_t drops;   /* XDP_DROP */
    uint64_t tx;      /* XDP_TX, and redirected to our own card: queued */
    uint64_t redirects;
    uint64_t aborted;         /* XDP_ABORTED, and unknown verdicts */
    uint64_t tx_errors;       /* dropped: the transmit ring was full */
    uint64_t redirect_errors; /* dropped: nothing is where it was redirected to */
    uint64_t frags_drop;      /* not shown to the program: it lay in several buffers */
    uint64_t csum_made;       /* from this host with no checksum: it was made first */
};
void xdp_stats(struct xdp_stats *out);

#endif
