/*
 * Responses go out: the head behind the TCP header, the body from where the loader put the
 * archive. TCP takes what it has room for; nothing is lost where it has none.
 */
#include "conn.h"
#include <drivers/trace.h>
#include <kernel/lib.h>
#include <net/copies.h>

void conn_start_response(struct conn *conn, const struct response *response,
                         enum response_persistence persistence, bool with_body)
{
    conn->response = response;
    conn->persistence = persistence;
    conn->head_written = false;
    conn->out = response->body;
    conn->out_left = with_body ? response->body_bytes : 0;
    httpd.stats.responses[response->status / 100]++;
    conn_enter(conn, CONN_ANSWERING);
}

/* tcp_write(), with the books kept; false: no room or memory now, nothing was written. */
static bool conn_write(struct conn *conn, const void *data, size_t len, u8_t flags)
{
    if (len > tcp_sndbuf(conn->pcb) || copies_write(conn->pcb, data, (u16_t)len, flags) != ERR_OK)
        return false;
    trace_point(TRACE_RESPONSE);
    conn->unacked += len;
    httpd.stats.bytes += len;
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
    while (!conn_write(conn, conn->out, n, n < conn->out_left ? TCP_WRITE_FLAG_MORE : 0)) {
        if (n <= mss)
            return false;
        n = MAX(n / 2, mss); /* segments are short; fewer may still be had */
    }
    conn->out += n;
    conn->out_left -= n;
    return true;
}

bool conn_answer(struct conn *conn)
{
    if (!conn->head_written) {
        size_t len;
        const char *head = response_head(conn->response, conn->persistence, &len);

        /* Copied, behind the TCP header into one buffer. Without the MORE flag, which would make
         * lwIP reserve room for more copies; the body's first piece joins this segment anyway. */
        if (!conn_write(conn, head, len, TCP_WRITE_FLAG_COPY))
            return false;
        conn->head_written = true;
    }
    while (conn->out_left > 0)
        if (!conn_write_body(conn))
            return false;
    return true;
}
