/*
 * A connection, as its three files see it: conn.c (its life: lwIP's callbacks, deadlines, the
 * end), conn_in.c (requests come in) and conn_out.c (responses go out). Bottom half.
 */
#ifndef HTTPD_CONN_H
#define HTTPD_CONN_H

#include "httpd.h"
#include "response.h"
#include <kernel/time.h>

enum conn_state {
    CONN_IDLE,      /* nothing of the next request has come */
    CONN_HEAD,      /* a part of its head has */
    CONN_ANSWERING, /* TCP has not been given all of the response yet */
    CONN_BODY,      /* the rest of a request's body is being read past */
    CONN_LINGERING, /* our FIN is on its way; what comes is dropped until the peer's */
};

struct conn {
    struct tcp_pcb *pcb;
    enum conn_state state;
    uint64_t since_ns; /* when the state began, or last made progress */

    struct pbuf *in; /* received, not looked at yet; never begins with an empty pbuf */
    unsigned held;   /* pbufs of it that httpd.stats.held_pbufs counts */
    size_t consumed; /* bytes to reopen the window by */
    char *head;      /* gathered part of a request head (HTTP_HEAD_MAX), or NULL */
    size_t head_len;
    uint64_t body_left; /* of the request's body: to be read past */
    bool answer_later;  /* there is no response yet: 200 when the body is here (http_discard) */
    bool peer_closed;   /* the peer's FIN is here: nothing will follow `in` */

    const struct response *response; /* being sent, in state CONN_ANSWERING */
    enum response_persistence persistence;
    bool head_written;
    const uint8_t *out; /* the rest of the body */
    uint64_t out_left;
    uint64_t unacked; /* bytes that TCP has and the peer has not acknowledged */
};

static inline void conn_enter(struct conn *conn, enum conn_state state)
{
    conn->state = state;
    conn->since_ns = time_ns();
}

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

/* Read past a request's body. */
void conn_skip_body(struct conn *conn);

/* conn_out.c */

/* Begin to answer; conn_answer() does it. The response must be valid for ever. */
void conn_start_response(struct conn *conn, const struct response *response,
                         enum response_persistence persistence, bool with_body);

/* Give TCP what it takes of the response. False: go on when sent() or poll() is called. */
bool conn_answer(struct conn *conn);

#endif
