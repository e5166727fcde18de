/*
 * Responses, made once: the fixed part of the head as text and the body by reference. To answer
 * a request, only the date and the connection's fate are added. Bottom half.
 */
#ifndef HTTPD_RESPONSE_H
#define HTTPD_RESPONSE_H

#include "http_request.h"
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

    /* Of a file's 200 alone; for answers that are made of it (answer.h). */
    size_t fields_at;      /* in its head: what a 206 has as well: Content-Type... */
    size_t shared_at;      /* ... and from here on also a 304 */
    struct http_text etag; /* strong, with its quotes */
    uint64_t mtime;        /* seconds since 1970; 0: not known */
    /* By enum http_encoding, NULL where there is none; itself the first. NULL: it is all there is.
     */
    const struct response *const *variants;
};

#define RESPONSE_ENDS_MAX 64 /* bytes that the date and the connection's fate take */

/* What stands in a file's head. Texts that are NULL are left out. */
struct response_file {
    struct http_text type; /* Content-Type */
    const char *encoding;  /* Content-Encoding */
    struct http_text etag;
    uint64_t mtime; /* 0: not known */
    struct http_text cache_control;
    bool varies;          /* by Accept-Encoding */
    const char *security; /* fields, each with CR LF */
    const uint8_t *body;
    uint64_t body_bytes;
};

/* Write its head and describe it in *out, whose head is `head`. False: it does not fit. */
bool response_make_file(struct response *out, char *head, size_t size,
                        const struct response_file *file);

/* Write the head of a page of text: status line, Content-Length, Content-Type, Server, and extra
 * (more fields, each with CR LF; ""). Returns its length, or -1 when it does not fit. */
int response_format_head(char *out, size_t size, unsigned status, const char *type,
                         uint64_t body_bytes, const char *extra);

/* The fields of what is nobody else's and never the same again. */
#define RESPONSE_PRIVATE_FIELDS                                                                    \
    "Server: Tophalf\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"

/* "Not Found" */
const char *response_reason(unsigned status);

void response_init(void); /* boot: the pages below */

/* The ready-made answer for a status: all that this server gives (301: its page only). */
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
