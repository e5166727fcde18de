/*
 * Responses go out: the head behind the TCP header, the body from where the loader put the
 * archive. TCP takes what it has room for; nothing is lost where it has none.
 */
#include "conn.h"
#include <drivers/trace.h>
#include <kernel/lib.h>
#include <net/copies.h>
#include <net/tcp_send.h>

void conn_set_response(struct conn *conn, const struct response *response,
                       enum response_persistence persistence, bool with_body)
{
    conn->response = response;
    conn->persistence = persistence;
    conn->with_body = with_body;
}

void conn_start_response(struct conn *conn)
{
    if (unlikely(conn->response == NULL)) { /* no memory for it */
        answer_drop(conn);
        conn->response = response_for_status(503);
        conn->persistence = RESPONSE_CLOSE;
    }
    if (unlikely(conn->answer != NULL))
        answer_start(conn);
    conn->head_written = false;
    conn->out = conn->response->body;
    conn->out_left = conn->with_body ? conn->response->body_bytes : 0;
    httpd.stats.responses[conn->response->status / 100]++;
    conn_enter(conn, CONN_ANSWERING);
}

void conn_sent_bytes(struct conn *conn, uint64_t bytes)
{
    conn->unacked += bytes;
    httpd.stats.bytes += bytes;
}

/* tcp_write(), with the books kept; false: no room or memory now, nothing was written. */
static bool conn_write(struct conn *conn, const void *data, size_t len, u8_t flags)
{
    if (len > tcp_sndbuf(conn->pcb) || copies_write(conn->pcb, data, (u16_t)len, flags) != ERR_OK)
        return false;
    trace_point(TRACE_RESPONSE);
    conn_sent_bytes(conn, len);
    return true;
}

/* The next part of the body, as large as TCP takes it now, by reference. */
static bool conn_write_body(struct conn *conn)
{
    size_t mss = tcp_mss(conn->pcb);
    size_t n = MIN(MIN(conn->out_left, tcp_sndbuf(conn->pcb)), UINT16_MAX);

    /* No small change: wait until a full segment fits (RFC 9293 §3.8.6.2.1). */
    if (n < conn->out_left && n < mss)
        return false;
    n = MIN(n, tcp_send_room(conn->pcb));
    if (n == 0)
        return false;
    while (!conn_write(conn, conn->out, n, n < conn->out_left ? TCP_WRITE_FLAG_MORE : 0)) {
        if (n <= mss)
            return false;
        n = MAX(n / 2, mss); /* segments are short; fewer may still be had */
    }
    conn->out += n;
    conn->out_left -= n;
    return true;
}

/* The head, written behind where TCP's will be, and with it what goes into the same segment of the
 * body. */
static bool conn_write_head(struct conn *conn)
{
    size_t bytes = response_head_bytes(conn->response, conn->persistence);
    struct pbuf *head = tcp_send_head((uint16_t)bytes);
    int32_t taken;

    if (head == NULL)
        return false;
    response_head(head->payload, conn->response, conn->persistence);
    taken = tcp_send(conn->pcb, head, conn->out, conn->out_left);
    if (taken < 0)
        return false;
    trace_point(TRACE_RESPONSE);
    conn_sent_bytes(conn, bytes + (uint64_t)taken);
    conn->head_written = true;
    conn->out += taken;
    conn->out_left -= (uint64_t)taken;
    return true;
}

bool conn_answer(struct conn *conn)
{
    if (!conn->head_written && !conn_write_head(conn))
        return false;
    for (;;) {
        while (conn->out_left > 0)
            if (!conn_write_body(conn))
                return false;
        if (likely(conn->answer == NULL))
            return true;
        if (!answer_continue(conn))
            return false;
    }
}
