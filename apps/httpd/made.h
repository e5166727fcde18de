/*
 * A body that is made for one answer: text in buffers that TCP takes as they are, each a segment,
 * and frees when the peer has it. Bottom half, or main context with softirqs off.
 */
#ifndef HTTPD_MADE_H
#define HTTPD_MADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pbuf;

struct made {
    struct pbuf *first, *last; /* each with its own length; linked by next */
    size_t room;               /* bytes left in the last */
    size_t bytes;              /* in all of them */
    bool failed;               /* memory was short: a part is missing, the whole is of no use */
};

/* Append; without memory made->failed is set, and nothing more is taken. */
void made_write(struct made *made, const void *data, size_t len);

/* Take the first buffer off: the caller's from here on. NULL: empty. */
struct pbuf *made_take(struct made *made);

/* The other way: it was the first. */
void made_put_back(struct made *made, struct pbuf *piece);

/* Move all of `from` to the end of `made`. */
void made_join(struct made *made, struct made *from);

void made_free(struct made *made);

#endif
