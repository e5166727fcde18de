/*
 * Answers that are made for one request: what no ready response of the site is. It is the
 * connection's from the request on until TCP has all of it, in up to three stages:
 *
 *   a head of its own         304, 206, a redirect with a query; the body is the site's memory
 *   more parts                multipart/byteranges: each a few lines and a piece of the file
 *   a body that is made       pages under /_/: all at once, or as it comes (a stream)
 *
 * Bottom half.
 */
#ifndef HTTPD_ANSWER_H
#define HTTPD_ANSWER_H

#include "http_range.h"
#include "http_request.h"
#include "made.h"
#include "response.h"

struct conn;

struct answer {
    struct response response; /* its head is `head` */
    char head[RESPONSE_HEAD_MAX];

    /* multipart/byteranges: what is left of it */
    const struct response *file;
    struct http_range ranges[HTTP_RANGES_MAX];
    unsigned range_count, next_range;

    struct made made;  /* made already, not with TCP yet */
    bool stream;       /* more may be made: the end is stream_end()'s */
    bool chunked;      /* the stream's framing: the peer speaks HTTP/1.1 */
    struct conn *conn; /* whose it is */

    /* Who makes it, and is told when it goes before he is done; NULL: nobody does any more. */
    void *maker;
    void (*gone)(struct answer *answer);
    bool making; /* there is not even a head yet */

    /* The request's body, where the maker wants it (body: room for all that was announced), and who
     * is told when it is whole. NULL: it is read past. */
    uint8_t *body;
    size_t body_len;
    void (*body_whole)(struct answer *answer);
};

/* An answer for this connection, which is to have no other; NULL: no memory. */
struct answer *answer_new(struct conn *conn);

/*
 * What a request that has conditions or asks for ranges or encodings gets of a response with a
 * validator: the response or a variant of it, or an answer made for it. NULL: no memory.
 */
const struct response *answer_select(struct conn *conn, const struct http_request *request,
                                     const struct response *response);

/* A redirect that keeps the request's query (RFC 9110 §15.4.2 says nothing; all servers do). */
const struct response *answer_redirect(struct conn *conn, const struct http_request *request,
                                       const struct response *redirect);

/* A status with fields of its own (each "Name: value\r\n") and a line of text, for people. NULL: no
 * memory. */
const struct response *answer_message(struct conn *conn, unsigned status, const char *fields,
                                      const char *text);

/* The next piece of a body that has several: false when TCP takes nothing now, or nothing is there
 * yet. conn->answer is NULL, freed, when there are no more. */
bool answer_continue(struct conn *conn);

/* The connection's answer, if it has one, is freed. */
void answer_drop(struct conn *conn);

/* What is to be done before its head is sent: HEAD has no body, and the end of one whose framing
 * has none is the connection's. */
void answer_start(struct conn *conn);

/* A body of this type that is made bit by bit, until answer_stream_end(). */
void answer_stream_begin(struct answer *answer, const struct http_request *request,
                         const char *type);

/* More of a stream: framed as a chunk where that is needed, and sent with the next conn_kick(). */
void answer_stream_write(struct answer *answer, const void *data, size_t len);
void answer_stream_end(struct answer *answer);

#endif
