/* The hook of XDP programs, and what becomes of a frame: see net/xdp.h. Called by napi_receive().
 */
#include "bpf/map.h"
#include "bpf/prog.h"
#include "chksum.h"
#include "tx_token.h"
#include <kernel/context.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/reset.h>
#include <net/capture.h>
#include <net/napi.h>
#include <net/stack.h>
#include <net/xdp.h>
#include <net/xsk.h>
#include <string.h>

/* The lowest byte that a program may have the frame begin at: nic_tx() puts the device's header
 * before it. */
#define HARD_START (PKTBUF_FRAME_OFFSET - PKTBUF_HEADROOM + NIC_TX_HEADROOM)

_Static_assert(PKTBUF_HEADROOM == 256, "XDP_PACKET_HEADROOM, less what is the device's");

struct bpf_prog *xdp_attached;

static struct nic *nic;
static struct xdp_stats stats;
static struct xdp_buff xdp = { .ingress_ifindex =
                                   XDP_IFINDEX }; /* of the frame that is looked at */

/* ---- Before the program ---- */

/*
 * A frame that was on its way when the card was told to make all checksums, or of one that takes no
 * such command: from this host, with the pseudo header's sum where the checksum belongs. A program
 * has no means to tell, so it is made here. What the device says of it may be nonsense: then the
 * frame is as wrong as it came, and whoever it is for finds out.
 */
static void make_checksum(struct pktbuf *buf)
{
    struct nic_rx_partial at;
    uint16_t sum;

    buf->checked = false;
    if (!nic_rx_partial(nic, buf, &at) || at.start + at.offset + sizeof(sum) > buf->frame_len)
        return;
    sum = (uint16_t)~lwip_port_chksum(buf->frame + at.start, (int)(buf->frame_len - at.start));
    if (sum == 0)
        sum = 0xffff; /* UDP: 0 would be "none"; to all others the two are the same */
    memcpy(buf->frame + at.start + at.offset, &sum, sizeof(sum));
    stats.csum_made++;
}

static void drop_chain(struct pktbuf *buf)
{
    while (buf != NULL) {
        struct pktbuf *next = buf->next;

        pktbuf_free(buf);
        buf = next;
    }
}

/* ---- Behind it ---- */

static bool transmit(struct pktbuf *buf)
{
    static const struct nic_tx_offload none;
    const struct nic_seg seg = { .data = buf->frame, .len = buf->frame_len };

    if (unlikely(!nic_tx(nic, &seg, 1, &none, tx_token(buf, TX_XDP)))) {
        stats.tx_errors++;
        pktbuf_free(buf);
        return false;
    }
    stats.tx++;
    capture_tx(&seg, 1);
    return true;
}

/* To all interfaces of a devmap: there is but one, and it came from there. */
static bool broadcast(const struct bpf_redirect *to)
{
    if (to->flags & BPF_F_EXCLUDE_INGRESS)
        return false;
    for (uint32_t i = 0; i < to->map->def.max_entries; i++)
        if (bpf_devmap_get(to->map, i) == XDP_IFINDEX)
            return true;
    return false;
}

static bool leads_to_card(const struct bpf_redirect *to)
{
    if (to->map == NULL)
        return to->index == XDP_IFINDEX;
    if (unlikely(to->flags & BPF_F_BROADCAST))
        return broadcast(to);
    return bpf_devmap_get(to->map, to->index) == XDP_IFINDEX;
}

/* False: dropped and counted. */
static bool redirect(struct pktbuf *buf)
{
    const struct bpf_redirect to = bpf_redirect;

    bpf_redirect = (struct bpf_redirect){ 0 };
    if (to.map != NULL && to.map->def.type == BPF_MAP_TYPE_XSKMAP) {
        uint32_t socket = bpf_xskmap_get(to.map, to.index);

        if (likely(xsk_is_open(socket)))
            return xsk_receive(socket, buf);
    } else if (likely(leads_to_card(&to))) {
        return transmit(buf);
    }
    stats.redirect_errors++;
    pktbuf_free(buf);
    return false;
}

static void abort_frame(const struct bpf_prog *prog, uint32_t verdict, struct pktbuf *buf)
{
    stats.aborted++;
    if (verdict == XDP_ABORTED)
        printk_ratelimited("xdp: program %u (%s) aborted", prog->id, prog->name);
    else
        printk_ratelimited("xdp: program %u (%s) returned %u, which is no verdict", prog->id,
                           prog->name, verdict);
    pktbuf_free(buf);
}

void xdp_begin(void)
{
    /* What a program left there without returning XDP_REDIRECT. Maps go away between bursts only.
     */
    bpf_redirect = (struct bpf_redirect){ 0 };
}

bool xdp_run(struct pktbuf *buf)
{
    struct bpf_prog *prog = xdp_attached;
    uint32_t verdict;

    if (unlikely(buf->next != NULL)) {
        stats.frags_drop++;
        drop_chain(buf);
        return false;
    }
    if (unlikely(buf->checked))
        make_checksum(buf);
    xdp.data = xdp.data_meta = buf->frame;
    xdp.data_end = buf->frame + buf->frame_len;
    xdp.hard_start = (uint8_t *)buf + HARD_START;
    xdp.hard_end = (uint8_t *)buf + PKTBUF_SIZE - PKTBUF_TAIL;
    verdict = (uint32_t)bpf_prog_run(prog, &xdp);
    stats.packets++;
    prog->actions[likely(verdict < XDP_ACTIONS) ? verdict : XDP_ABORTED]++;
    if (verdict == XDP_DROP) {
        stats.drops++;
        pktbuf_free(buf);
        return false;
    }
    buf->frame = xdp.data;
    buf->frame_len = (uint32_t)(xdp.data_end - xdp.data);
    if (likely(verdict == XDP_PASS))
        return true;
    if (verdict == XDP_TX)
        transmit(buf);
    else if (verdict == XDP_REDIRECT)
        stats.redirects += redirect(buf);
    else
        abort_frame(prog, verdict, buf);
    return false;
}

/* ---- Control ---- */

/* Softirqs are off, and this is the only CPU: no program runs, so the one before may go. */
static void replace(struct bpf_prog *prog)
{
    struct bpf_prog *before = xdp_attached;

    if (prog != NULL)
        bpf_prog_hold(prog);
    xdp_attached = prog;
    if (before != NULL)
        bpf_prog_put(before);
}

static bool attach(struct bpf_prog *prog, const char **why)
{
    if (nic == NULL) {
        *why = "there is no network card";
        return false;
    }
    if (xdp_attached == NULL) {
        if (!nic_rx_plain(nic, true, why))
            return false;
        napi_drain(); /* frames that are still as the card put them together: no program's yet */
    }
    replace(prog);
    return true;
}

bool xdp_attach(struct bpf_prog *prog, const char **why)
{
    bool attached;

    ASSERT_CONTEXT(CONTEXT_MAIN);
    ASSERT(prog->verified);
    net_enter();
    attached = attach(prog, why);
    net_leave();
    if (attached)
        printk("xdp: program %u (%s) is attached", prog->id, prog->name);
    return attached;
}

void xdp_detach(void)
{
    const char *why;

    ASSERT_CONTEXT(CONTEXT_MAIN);
    net_enter();
    if (xdp_attached != NULL) {
        replace(NULL);
        if (!nic_rx_plain(nic, false, &why))
            printk("xdp: %s", why); /* slower, and right */
    }
    net_leave();
}

void xdp_init(struct nic *card)
{
    nic = card;
}

void xdp_stats(struct xdp_stats *out)
{
    *out = stats;
}

static void xdp_reset_stats(void)
{
    stats = (struct xdp_stats){ 0 };
}
RESETTABLE(xdp, xdp_reset_stats);
