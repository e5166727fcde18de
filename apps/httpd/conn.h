/*
 * A connection, as its files see it: conn.c (its life: lwIP's callbacks, the end), conn_time.c (its
 * deadlines), conn_in.c (requests come in), conn_body.c (what follows their heads) and conn_out.c
 * (responses go out; answer.c those that are made for one request). Bottom half.
 */
#ifndef HTTPD_CONN_H
#define HTTPD_CONN_H

#include "answer.h"
#include "http_chunked.h"
#include "httpd.h"
#include "response.h"
#include <kernel/time.h>

enum conn_state {
    CONN_IDLE,      /* nothing of the next request has come */
    CONN_HEAD,      /* a part of its head has */
    CONN_BODY,      /* the request's body is being read past; then it is answered */
    CONN_MAKING,    /* main context makes the answer */
    CONN_ANSWERING, /* TCP has not been given all of the response yet */
    CONN_LINGERING, /* our FIN is on its way; what comes is dropped until the peer's */
};

struct conn {
    struct tcp_pcb *pcb;
    struct client *client; /* where connections are counted by client (clients.h); else NULL */
    enum conn_state state;
    uint64_t began_ns; /* when the state began */
    uint64_t since_ns; /* when it last made progress */
    uint64_t moved;    /* bytes of the body since it began: in, or acknowledged */

    struct pbuf *in; /* received, not looked at yet; never begins with an empty pbuf */
    unsigned held;   /* pbufs of it that httpd.stats.held_pbufs counts */
    size_t consumed; /* bytes to reopen the window by */
    char *head;      /* gathered part of a request head (http_max_header), or NULL */
    size_t head_len;
    unsigned requests;  /* so far */
    uint64_t body_left; /* of the request's body: to be read past */
    bool body_chunked;  /* its end is found by: */
    struct http_chunked chunked;
    bool peer_closed; /* the peer's FIN is here: nothing will follow `in` */

    /* The response to the request: decided when its head is here, sent when its body is. */
    const struct response *response;
    struct answer *answer; /* what the response is a part of, where it is made for this request */
    enum response_persistence persistence;
    bool with_body; /* not for HEAD */
    bool head_written;
    const uint8_t *out; /* the rest of the body, or of this piece of it */
    uint64_t out_left;
    uint64_t unacked; /* bytes that TCP has and the peer has not acknowledged */
};

static inline void conn_enter(struct conn *conn, enum conn_state state)
{
    conn->state = state;
    conn->began_ns = conn->since_ns = time_ns();
    conn->moved = 0;
}

/* conn.c */

/* Go as far as input and send buffer allow: for those who made an answer, or a part of it, outside
 * of lwIP's callbacks. The connection may be gone afterwards. */
void conn_kick(struct conn *conn);

/* conn_time.c */

/* What its deadlines demand now (CONN_LINGERING has its own). */
enum conn_verdict { CONN_GO_ON, CONN_CLOSE, CONN_TIMEOUT /* 408 */, CONN_ABORT };
enum conn_verdict conn_deadlines(const struct conn *conn);

/* conn_in.c */

/* Take n bytes off the front of what was received: those buffers go back to the NIC. */
void conn_consume(struct conn *conn, size_t n);

/* Look for the next request in conn->in, which is not empty. Either a response is started
 * (CONN_ANSWERING), or all of conn->in is used up and more is needed. */
void conn_next_request(struct conn *conn);

/* What came is no request, or not in time: say so and close, for where the next one would begin
 * is not known. */
void conn_refuse(struct conn *conn, unsigned status, bool with_body);

void conn_forget_head(struct conn *conn); /* the part that was gathered */

/* conn_body.c */

/* The request that conn->response is for has a body: read past it first, or close behind the
 * answer. */
void conn_expect_body(struct conn *conn, const struct http_request *request, bool wanted);

/* Go on reading past it. */
void conn_skip_body(struct conn *conn);

/* conn_out.c */

/* What the request will be answered with; the response is valid for ever, or conn->answer's. NULL:
 * there was no memory for it (503). */
void conn_set_response(struct conn *conn, const struct response *response,
                       enum response_persistence persistence, bool with_body);

/* Begin to answer with it; conn_answer() goes on. */
void conn_start_response(struct conn *conn);

/* Give TCP what it takes of the response. False: go on when sent() or poll() is called. */
bool conn_answer(struct conn *conn);

/* TCP has taken so many bytes of a response. */
void conn_sent_bytes(struct conn *conn, uint64_t bytes);

#endif
