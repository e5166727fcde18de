/* Bodies that are made: see made.h. */
#include "made.h"
#include <kernel/lib.h>
#include <lwip/pbuf.h>
#include <net/tcp_send.h>
#include <string.h>

#define PIECE_BYTES 4000 /* with what lwIP and the headers need in front, a page */

/* Another buffer at the end, as yet without bytes. */
static bool add_piece(struct made *made)
{
    struct pbuf *p = tcp_send_head(PIECE_BYTES);

    if (p == NULL)
        return false;
    p->len = p->tot_len = 0;
    if (made->last != NULL)
        made->last->next = p;
    else
        made->first = p;
    made->last = p;
    made->room = PIECE_BYTES;
    return true;
}

void made_write(struct made *made, const void *data, size_t len)
{
    const char *from = data;

    while (len > 0 && !made->failed) {
        size_t n;

        if (made->room == 0 && !add_piece(made)) {
            made->failed = true;
            return;
        }
        n = MIN(len, made->room);
        memcpy((char *)made->last->payload + made->last->len, from, n);
        made->last->len = made->last->tot_len = (u16_t)(made->last->len + n);
        made->room -= n;
        made->bytes += n;
        from += n;
        len -= n;
    }
}

struct pbuf *made_take(struct made *made)
{
    struct pbuf *p = made->first;

    if (p == NULL)
        return NULL;
    made->first = p->next;
    p->next = NULL;
    made->bytes -= p->len;
    if (made->first == NULL) {
        made->last = NULL;
        made->room = 0;
    }
    return p;
}

void made_put_back(struct made *made, struct pbuf *piece)
{
    piece->next = made->first;
    made->first = piece;
    if (made->last == NULL)
        made->last = piece; /* what room it had is given up */
    made->bytes += piece->len;
}

void made_join(struct made *made, struct made *from)
{
    made->failed |= from->failed;
    if (from->first == NULL)
        return;
    if (made->last != NULL)
        made->last->next = from->first;
    else
        made->first = from->first;
    made->last = from->last;
    made->room = from->room;
    made->bytes += from->bytes;
    *from = (struct made){ 0 };
}

void made_free(struct made *made)
{
    struct pbuf *p;

    while ((p = made_take(made)) != NULL)
        pbuf_free(p);
}
