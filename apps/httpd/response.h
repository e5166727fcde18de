/*
 * Responses, made once: the fixed part of the head as text and the body by reference. To answer
 * a request, only the date and the connection's fate are added. Bottom half.
 */
#ifndef HTTPD_RESPONSE_H
#define HTTPD_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESPONSE_HEAD_MAX 1024 /* bytes, the whole head */

/* Valid for ever, like the memory that it points to: TCP refers to it until the peer has it. */
struct response {
    unsigned status;
    const char *head; /* status line and fixed fields, each with its CR LF */
    size_t head_len;
    const uint8_t *body;
    uint64_t body_bytes;
};

/*
 * Write the fixed part of a head: status line, Server, Content-Type, Content-Length, and extra
 * (more fields, each with CR LF; ""). Returns its length, or -1 when it does not fit.
 */
int response_format_head(char *out, size_t size, unsigned status, const char *type,
                         uint64_t body_bytes, const char *extra);

void response_init(void); /* boot: the pages below */

/* The ready-made answer for 301 (its page only), 400, 404, 405, 408, 414, 431, 503 and 505. */
const struct response *response_for_status(unsigned status);

/* How a response ends the connection, as the head says it. */
enum response_persistence {
    RESPONSE_CLOSE,      /* Connection: close */
    RESPONSE_KEEP,       /* HTTP/1.1: nothing to say */
    RESPONSE_KEEP_HTTP10 /* Connection: keep-alive */
};

/* How long the whole head is at this moment: at most RESPONSE_HEAD_MAX; and the head, written to
 * where that many bytes have room, before time goes on (the same round of the bottom half). */
size_t response_head_bytes(const struct response *response, enum response_persistence persistence);
void response_head(char *out, const struct response *response,
                   enum response_persistence persistence);

#endif
