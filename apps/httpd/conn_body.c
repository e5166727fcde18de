/*
 * Request bodies. But for what some pages of the admin area take (answer->body), none is of use
 * here: they are read past, so that the next request on the connection is found, and only then the
 * request is answered, for a body may yet prove to be none (a bad chunk). What is too long for that
 * is not read at all: the answer ends the connection.
 */
#include "admin.h"
#include "conn.h"
#include <kernel/lib.h>
#include <net/tcp_send.h>
#include <string.h>

/* What nobody asked for: up to this much is read past. */
#define UNWANTED_MAX (64u << 10)

/* RFC 9110 §15.2.1. True when it is queued. */
static bool say_continue(struct conn *conn)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct pbuf *p = tcp_send_head(sizeof(text) - 1);

    if (p == NULL)
        return false;
    memcpy(p->payload, text, sizeof(text) - 1);
    if (tcp_send(conn->pcb, p, NULL, 0) < 0)
        return false;
    conn_sent_bytes(conn, sizeof(text) - 1);
    return true;
}

/* The body is here, or will not be looked at: answer. */
static void conn_body_ends(struct conn *conn)
{
    struct answer *answer = conn->answer;

    if (answer != NULL && answer->body_whole != NULL)
        answer->body_whole(answer);
    if (admin_is_making(conn))
        conn_enter(conn, CONN_MAKING);
    else
        conn_start_response(conn);
}

static void answer_and_close(struct conn *conn, unsigned status)
{
    if (status != 0) {
        conn_refuse(conn, status, conn->with_body);
        return;
    }
    conn->persistence = RESPONSE_CLOSE;
    conn_body_ends(conn);
}

void conn_expect_body(struct conn *conn, const struct http_request *request, bool wanted)
{
    uint64_t most = wanted ? httpd.settings.max_body : MIN(UNWANTED_MAX, httpd.settings.max_body);
    bool refused = conn->response != NULL && conn->response->status >= 400;

    if (request->content_length > httpd.settings.max_body) {
        answer_and_close(conn, 413);
    } else if (request->content_length > most || (request->expects_continue && refused)) {
        answer_and_close(conn, 0);
    } else if (request->expects_continue && !say_continue(conn)) {
        answer_and_close(conn, 503);
    } else {
        conn->body_left = request->content_length;
        conn->body_chunked = request->chunked;
        if (request->chunked)
            http_chunked_begin(&conn->chunked, most);
        conn_enter(conn, CONN_BODY);
    }
}

static void skip_chunks(struct conn *conn)
{
    while (conn->in != NULL) {
        size_t used;
        int state = http_chunked_skip(&conn->chunked, conn->in->payload, conn->in->len, &used);

        conn->moved += used;
        conn_consume(conn, used);
        if (state < 0) {
            conn_refuse(conn, (unsigned)-state, conn->with_body);
            return;
        }
        if (state > 0) {
            conn_body_ends(conn);
            return;
        }
    }
}

void conn_skip_body(struct conn *conn)
{
    uint64_t n;

    conn->since_ns = time_ns();
    if (conn->body_chunked) {
        skip_chunks(conn);
        return;
    }
    n = MIN(conn->body_left, (uint64_t)conn->in->tot_len);
    if (conn->answer != NULL && conn->answer->body != NULL)
        conn->answer->body_len +=
            pbuf_copy_partial(conn->in, conn->answer->body + conn->answer->body_len, (u16_t)n, 0);
    conn->moved += n;
    conn->body_left -= n;
    conn_consume(conn, n);
    if (conn->body_left == 0)
        conn_body_ends(conn);
}
