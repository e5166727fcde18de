/*
 * Frames on their way out, without a copy: a pbuf chain becomes the segments of one descriptor
 * chain. The chain's head is the token that comes back when the device has finished; until then
 * a reference holds it, so that an acknowledgement frees nothing that the device still reads,
 * and lwIP retransmits no segment that is still queued (tcp_output_segment_busy()). What the device
 * does for TCP (checksum, segmentation) is asked for here, frame by frame. Bottom half.
 */
#include "stack_priv.h"
#include "tcp_gso.h"
#include "tcp_template.h"
#include "tx_token.h"
#include <kernel/lib.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <net/capture.h>
#include <net/xsk.h>

/* The chain's pieces; returns their number, or more than NIC_TX_SEGS_MAX when they do not fit. */
static unsigned tx_gather(const struct pbuf *p, struct nic_seg segs[NIC_TX_SEGS_MAX])
{
    unsigned count = 0;

    for (; p != NULL; p = p->next) {
        if (p->len == 0)
            continue;
        if (count == NIC_TX_SEGS_MAX)
            return NIC_TX_SEGS_MAX + 1;
        segs[count++] = (struct nic_seg){ .data = p->payload, .len = p->len };
    }
    return count;
}

/* Whether the device's header has a place before the frame: between struct pbuf and payload. lwIP
 * leaves it where it makes the headers (PBUF_LINK_ENCAPSULATION_HLEN). */
static bool tx_has_headroom(const struct pbuf *p)
{
    return (p->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) &&
           (const uint8_t *)p->payload >= (const uint8_t *)(p + 1) + NIC_TX_HEADROOM;
}

/* What TCP sends by reference (PBUF_ROM) is its app's, who may give it up whenever it is
 * acknowledged or the connection ends: were it a received buffer, the NIC would write the next
 * frame into what the device still reads. */
static void tx_begin(const struct pbuf *p)
{
    for (; p != NULL; p = p->next)
        if (p->type_internal == PBUF_ROM)
            pktbuf_tx_begin(p->payload);
}

static void tx_end(const struct pbuf *p)
{
    for (; p != NULL; p = p->next)
        if (p->type_internal == PBUF_ROM)
            pktbuf_tx_end(p->payload);
}

/* Queue a chain, of which the caller gives one reference away. */
static inline bool tx_queue(struct pbuf *p, const struct nic_seg *segs, unsigned count,
                            const struct nic_tx_offload *offload)
{
    if (unlikely(!nic_tx(stack.nic, segs, count, offload, p))) {
        pbuf_free(p);
        return false;
    }
    if (p->next != NULL)
        tx_begin(p->next);
    stack.stats.tx_frames++;
    capture_tx(segs, count);
    return true;
}

bool stack_tx(struct pbuf *p, const struct nic_tx_offload *offload)
{
    struct nic_seg segs[NIC_TX_SEGS_MAX];
    unsigned count = tx_gather(p, segs);

    if (unlikely(count > NIC_TX_SEGS_MAX || !tx_has_headroom(p)))
        return false;
    pbuf_ref(p);
    return tx_queue(p, segs, count, offload);
}

err_t stack_linkoutput(struct netif *netif, struct pbuf *p)
{
    struct nic_tx_offload offload;
    struct nic_seg segs[NIC_TX_SEGS_MAX];
    unsigned count;

    (void)netif;
    if (unlikely(stack.nic == NULL || nic_broken(stack.nic))) {
        stack.stats.tx_no_device++;
        return ERR_IF;
    }
    count = tx_gather(p, segs);
    if (likely(count <= NIC_TX_SEGS_MAX && tx_has_headroom(p))) {
        pbuf_ref(p);
    } else {
        p = pbuf_clone(PBUF_RAW_TX, PBUF_RAM, p);
        if (p == NULL) {
            stack.stats.tx_no_memory++;
            return ERR_MEM;
        }
        stack.stats.tx_copied++;
        count = tx_gather(p, segs);
    }
    tcp_gso_offload(p, &offload);
    if (offload.csum_start != 0 && !offload.ipv6)
        tcp_template_learn(p->payload);
    if (likely(tx_queue(p, segs, count, &offload)))
        return ERR_OK;
    /* TCP keeps the segment and sets TF_NAGLEMEMERR: tcp_txnow() below tries again. */
    stack.stats.tx_ring_full++;
    stack.tx_stalled = true;
    return ERR_MEM;
}

/* A frame that never was the stack's. */
static void tx_done_raw(void *token)
{
    struct pktbuf *buf = tx_token_pktbuf(token);

    if (tx_token_kind(token) == TX_XSK)
        xsk_tx_done(buf);
    else
        pktbuf_free(buf);
}

static void tx_done(struct pbuf *p)
{
    if (p->next != NULL)
        tx_end(p->next);
    pbuf_free(p);
}

void stack_tx_complete(void)
{
    void *token;
    bool room = false;

    if (stack.nic == NULL)
        return;
    while ((token = nic_tx_reap(stack.nic)) != NULL) {
        if (likely(tx_token_kind(token) == TX_PBUF))
            tx_done(token);
        else
            tx_done_raw(token);
        room = true;
    }
    if (unlikely(stack.tx_stalled && room)) {
        stack.tx_stalled = false;
        tcp_txnow();
    }
}
