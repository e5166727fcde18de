/*
 * Cutting a segment. In lwIP a segment is a chain of pbufs: one with room for the headers (behind
 * which may be payload that was copied), then the app's memory by reference. The second part gets
 * headers of its own; pieces behind the cut are handed over as they are, the piece that is cut
 * is referenced twice.
 */
#include "stack_priv.h"
#include "tcp_cut.h"
#include <kernel/panic.h>
#include <lwip/memp.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <string.h>

/* Where a chain is cut: in (or at the beginning of) a piece. */
struct place {
    struct pbuf *before; /* the last piece that stays, whole or in part; never NULL: the headers' */
    u16_t keep;          /* bytes of it that stay */
};

static struct place find_place(struct pbuf *p, u32_t offset)
{
    while (offset > p->len) {
        offset -= p->len;
        p = p->next;
        ASSERT(p != NULL);
    }
    return (struct place){ .before = p, .keep = (u16_t)offset };
}

/* The rest of a piece that is cut: referenced again where it is the app's own memory, copied where
 * it lies in the pbuf itself, which goes away with the first part. */
static struct pbuf *rest_of(const struct pbuf *piece, u16_t keep)
{
    u16_t len = (u16_t)(piece->len - keep);
    uint8_t *from = (uint8_t *)piece->payload + keep;
    struct pbuf *rest;

    if (piece->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) {
        rest = pbuf_alloc(PBUF_RAW, len, PBUF_RAM);
        if (rest == NULL)
            return NULL;
        memcpy(rest->payload, from, len);
        stack.stats.tx_cut_copied++;
        return rest;
    }
    rest = pbuf_alloc(PBUF_RAW, len, PBUF_ROM);
    if (rest != NULL)
        rest->payload = from;
    return rest;
}

struct tcp_seg *tcp_new_segment(struct pbuf *p, u16_t src, u16_t dest, u32_t seqno, u8_t flags)
{
    struct tcp_seg *seg = memp_malloc(MEMP_TCP_SEG);
    struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)((u8_t *)p->payload - TCP_HLEN);

    if (seg == NULL)
        return NULL;
    ASSERT((u8_t *)tcp >= (u8_t *)(p + 1)); /* it was allocated with room for it */
    *seg = (struct tcp_seg){ .p = p, .len = p->tot_len, .tcphdr = tcp };
    p->payload = tcp;
    p->len += TCP_HLEN;
    p->tot_len += TCP_HLEN;
    *tcp = (struct tcp_hdr){ .src = src, .dest = dest, .seqno = lwip_htonl(seqno) };
    TCPH_HDRLEN_FLAGS_SET(tcp, TCP_HLEN / 4, flags);
    return seg;
}

/* Of what was one, the second: it ends as that did. */
static struct tcp_seg *second_segment(const struct tcp_seg *first, struct pbuf *headers,
                                      u16_t bytes)
{
    u8_t flags = TCPH_FLAGS(first->tcphdr), last = flags & (TCP_PSH | TCP_FIN);
    struct tcp_seg *seg = tcp_new_segment(headers, first->tcphdr->src, first->tcphdr->dest,
                                          lwip_ntohl(first->tcphdr->seqno) + bytes, last);

    if (seg == NULL)
        return NULL;
    seg->flags = first->flags;
    TCPH_FLAGS_SET(first->tcphdr, flags & ~last);
    return seg;
}

/* Take everything behind the place off the first chain. */
static struct pbuf *detach(struct pbuf *head, struct place at, u16_t rest_bytes)
{
    struct pbuf *behind = at.before->next;

    at.before->next = NULL;
    at.before->len = at.keep;
    for (struct pbuf *p = head; p != NULL; p = p->next)
        p->tot_len -= rest_bytes;
    return behind;
}

bool tcp_cut(struct tcp_pcb *pcb, struct tcp_seg *seg, u16_t bytes)
{
    u16_t rest_bytes = (u16_t)(seg->len - bytes);
    struct place at = find_place(seg->p, (u32_t)(seg->p->tot_len - seg->len) + bytes);
    struct pbuf *headers, *rest = NULL, *behind;
    struct tcp_seg *second = NULL;

    ASSERT(bytes > 0 && bytes < seg->len);
    if (seg->p->ref != 1 || (seg->flags & (TF_SEG_OPTS_MSS | TF_SEG_OPTS_WND_SCALE)))
        return false; /* the device reads it still; SYNs carry no payload here */
    headers = pbuf_alloc(PBUF_TRANSPORT, 0, PBUF_RAM);
    if (headers == NULL)
        return false;
    if (at.keep < at.before->len) {
        rest = rest_of(at.before, at.keep);
        if (rest != NULL)
            pbuf_cat(headers, rest);
    }
    if (rest != NULL || at.keep == at.before->len)
        second = second_segment(seg, headers, bytes);
    if (second == NULL) {
        pbuf_free(headers);
        return false;
    }
    pcb->snd_queuelen -= pbuf_clen(seg->p);
    behind = detach(seg->p, at, rest_bytes);
    if (behind != NULL)
        pbuf_cat(headers, behind);
    pcb->snd_queuelen += pbuf_clen(seg->p) + pbuf_clen(headers);

    second->len = rest_bytes;
    second->next = seg->next;
    seg->next = second;
    seg->len = bytes;
    if (second->next == NULL)
        pcb->unsent_oversize = 0; /* room behind the last unsent one: perhaps not its any more */
    stack.stats.tx_cuts++;
    return true;
}
