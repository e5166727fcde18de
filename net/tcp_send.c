/* Answers in one segment: see net/tcp_send.h. */
#include "tcp_cut.h"
#include "tcp_gso.h"
#include <kernel/context.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/stats.h>
#include <net/copies.h>
#include <net/tcp_send.h>

#define HEAD_MAX 4096u

struct pbuf *tcp_send_head(uint16_t bytes)
{
    ASSERT_BOTTOM_HALF();
    ASSERT(bytes > 0 && bytes <= HEAD_MAX);
    return pbuf_alloc(PBUF_TRANSPORT, bytes, PBUF_RAM);
}

/* By how full the pools are, in eighths: what a connection may have queued for one more, in pbufs;
 * a segment is two. Ten thousand connections with a segment each fit into what the steps leave. */
static const uint16_t queue_most[] = { TCP_SND_QUEUELEN, TCP_SND_QUEUELEN, 16, 8, 2, 2, 2, 0, 0 };
_Static_assert(MEMP_NUM_TCP_SEG == MEMP_NUM_PBUF && MEMP_NUM_TCP_SEG % 8 == 0,
               "one scale for both");

/* How many pbufs the connection may have queued beyond those that it has. */
static unsigned queue_room(const struct tcp_pcb *pcb)
{
    unsigned segments = lwip_stats.memp[MEMP_TCP_SEG]->used;
    unsigned pieces = lwip_stats.memp[MEMP_PBUF]->used;
    unsigned most = queue_most[MAX(segments, pieces) / (MEMP_NUM_TCP_SEG / 8)];

    return pcb->snd_queuelen < most ? most - pcb->snd_queuelen : 0;
}

uint32_t tcp_send_room(const struct tcp_pcb *pcb)
{
    return queue_room(pcb) / 2 * tcp_gso_payload_max(pcb);
}

/* As tcp_write() sees it; the answer is 0 when it may be queued. */
static int32_t check(const struct tcp_pcb *pcb, const struct pbuf *head)
{
    if (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT)
        return ERR_CONN;
    return head->len > pcb->snd_buf || queue_room(pcb) < 2 ? ERR_MEM : ERR_OK;
}

static void append(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    struct tcp_seg **at = &pcb->unsent;

    while (*at != NULL)
        at = &(*at)->next;
    *at = seg;
    pcb->unsent_oversize = 0;
    pcb->snd_lbb += seg->len;
    pcb->snd_buf -= seg->len;
    pcb->snd_queuelen += seg->p->next != NULL ? 2 : 1;
}

/* The body behind the head, by reference; or both copied, where that is wanted. NULL: no memory;
 * the head is still there. */
static struct pbuf *join(struct pbuf *head, const void *body, u16_t bytes)
{
    struct pbuf *p;

    if (unlikely(copies_level > 0))
        return copies_join(head, body, bytes);
    if (bytes == 0)
        return head;
    p = pbuf_alloc_reference((void *)(uintptr_t)body, bytes, PBUF_ROM);
    if (p == NULL)
        return NULL;
    head->next = p; /* pbuf_cat() would look for the end */
    head->tot_len += bytes;
    return head;
}

/* Whole, as one segment, or not at all; `most` bytes of payload fit. Takes the head. */
static int32_t send_segment(struct tcp_pcb *pcb, struct pbuf *head, const void *body,
                            uint64_t body_bytes, u32_t most)
{
    u16_t bytes = (u16_t)MIN(body_bytes, (uint64_t)most - head->len);
    struct pbuf *p = join(head, body, bytes);
    struct tcp_seg *seg;

    if (p == NULL) {
        pbuf_free(head);
        return ERR_MEM;
    }
    seg = tcp_new_segment(p, lwip_htons(pcb->local_port), lwip_htons(pcb->remote_port),
                          pcb->snd_lbb, bytes == body_bytes ? TCP_PSH : 0);
    if (seg == NULL) {
        pbuf_free(p);
        return ERR_MEM;
    }
    append(pcb, seg);
    return bytes;
}

int32_t tcp_send(struct tcp_pcb *pcb, struct pbuf *head, const void *body, uint64_t body_bytes)
{
    u32_t most = LWIP_MIN(tcp_gso_payload_max(pcb), pcb->snd_buf);
    int32_t taken = check(pcb, head);

    ASSERT_BOTTOM_HALF();
    if (likely(taken == ERR_OK)) {
        if (likely(head->len <= most))
            return send_segment(pcb, head, body, body_bytes, most);
        /* a tiny MSS: more than one segment */
        if (copies_write(pcb, head->payload, head->len, TCP_WRITE_FLAG_COPY) != ERR_OK)
            taken = ERR_MEM;
    }
    pbuf_free(head);
    return taken;
}
