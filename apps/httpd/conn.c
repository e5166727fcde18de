/*
 * One connection's life: requests come in, responses go out, in lwIP's callbacks. Everything
 * here runs to completion in the bottom half, inside the poll of the frame that caused it.
 *
 * The lecture ("Packet copy to sockets"): "on read from application, packet payload copied from
 * kernel memory to user memory". Not here. There is no socket, no read and no other memory: the
 * request is parsed where the NIC wrote it (conn_next_request), and the body goes out from where
 * the loader put the archive (conn_answer). The head alone, some 200 bytes, is written anew,
 * behind the TCP header. Copied is only the part of a request head that ends in the middle of a
 * segment, so that a slow sender never sits on the NIC's buffers (conn_gather).
 *
 *     accept -> IDLE -> (HEAD ->) (BODY ->) (MAKING ->) ANSWERING -> IDLE ...     keep-alive
 *                  \_______________________________________\-> LINGERING -> released
 *
 * Requests are answered one after the other. While a response waits for room in the send buffer
 * what else arrives stays where it is, its window not reopened: a client that pipelines and does
 * not read stops itself.
 */
#include "conn.h"
#include "clients.h"
#include <apps/app.h>
#include <drivers/trace.h>
#include <kernel/context.h>
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <net/copies.h>

/* After our FIN: how long the peer may take to close too (it may still be sending). */
#define LINGER_NS (5 * NS_PER_SEC)
/* Received buffers that may wait for send buffers: of one connection; of all, a third of those that
 * there are. */
#define HELD_PBUFS_CONN_MAX 32
#define HELD_PBUFS_ALL_MAX  768
/* In lwIP's slow ticks of 500 ms: how often the deadlines are looked at. */
#define POLL_TICKS 1

/* ---------------------------------------------------------------- the end */

/* Keep the global count in step with what the connection holds on to now. */
static void conn_account_held(struct conn *conn)
{
    unsigned held = conn->in != NULL ? pbuf_clen(conn->in) : 0;

    httpd.stats.held_pbufs += held - conn->held;
    conn->held = held;
}

static void conn_free(struct conn *conn)
{
    if (conn->in != NULL)
        pbuf_free(conn->in);
    conn->in = NULL;
    conn_account_held(conn);
    answer_drop(conn);
    client_leave(conn->client);
    kfree(conn->head);
    kfree(conn);
    httpd.stats.active--;
}

static void conn_detach(struct conn *conn)
{
    tcp_arg(conn->pcb, NULL);
    tcp_recv(conn->pcb, NULL);
    tcp_sent(conn->pcb, NULL);
    tcp_err(conn->pcb, NULL);
    tcp_poll(conn->pcb, NULL, 0);
}

/*
 * Our FIN is queued, and what is left lwIP does alone: minutes, when the peer never acknowledges
 * it. Such connections are outside of http_max_connections, but a newcomer may have their PCBs
 * (net/tcp_banks.c).
 */
static err_t conn_release(struct conn *conn)
{
    if (conn->pcb->state != TIME_WAIT) /* which calls nobody */
        conn_detach(conn);
    tcp_close(conn->pcb);
    conn_free(conn);
    return ERR_OK;
}

/* What the callback must return, so that lwIP knows the pcb is gone. */
static err_t conn_abort(struct conn *conn)
{
    conn_detach(conn);
    tcp_abort(conn->pcb);
    conn_free(conn);
    return ERR_ABRT;
}

static void conn_drop_input(struct conn *conn)
{
    if (conn->in != NULL)
        conn_consume(conn, conn->in->tot_len);
}

/*
 * Everything is said. Send our FIN behind it, but go on receiving: to close at once would answer
 * a late segment with a reset, and that makes the client's TCP throw away the response that it
 * has not read yet (RFC 9112 §9.6).
 */
static void conn_linger(struct conn *conn)
{
    conn_drop_input(conn);
    tcp_shutdown(conn->pcb, 0, 1); /* short of memory, lwIP tries again by itself */
    conn_enter(conn, CONN_LINGERING);
}

/* Both sides have closed. With data still on its way the connection stays in our books, or
 * peers that never read could collect PCBs outside of http_max_connections. */
static bool conn_has_ended(const struct conn *conn)
{
    return conn->state == CONN_LINGERING && conn->peer_closed && conn->unacked == 0;
}

/* ---------------------------------------------------------------- progress */

/* The response is with TCP: what comes next on this connection? */
static void conn_answered(struct conn *conn)
{
    if (conn->persistence == RESPONSE_CLOSE)
        conn_linger(conn);
    else
        conn_enter(conn, CONN_IDLE);
}

/* Go as far as the input and the send buffer allow. */
static void conn_advance(struct conn *conn)
{
    while (conn->state != CONN_LINGERING) {
        if (conn->state == CONN_ANSWERING) {
            if (!conn_answer(conn))
                return;
            conn_answered(conn);
        } else if (conn->state == CONN_MAKING) {
            return;
        } else if (conn->in == NULL) {
            if (!conn->peer_closed)
                return;
            conn_linger(conn); /* a half-closed peer has had all its answers */
        } else if (conn->state == CONN_BODY) {
            conn_skip_body(conn);
        } else {
            conn_next_request(conn);
        }
    }
    conn_drop_input(conn);
}

/* A chain that came at once, when a gap was filled, was taken before its first answer blocked. */
static bool conn_holds_too_much(const struct conn *conn)
{
    return conn->held > HELD_PBUFS_CONN_MAX ||
           (conn->held > 0 && httpd.stats.held_pbufs > HELD_PBUFS_ALL_MAX);
}

/*
 * The end of every callback. One burst: all that was written leaves in this tcp_output(), or,
 * inside tcp_input(), in the one that lwIP does when the callback has returned.
 */
static err_t conn_run(struct conn *conn)
{
    bool held_before = conn->held > 0;
    enum cputime before = app_begin();

    conn_advance(conn);
    app_end(before);
    conn_account_held(conn);
    if (!held_before && conn_holds_too_much(conn)) {
        httpd.stats.stalled++;
        return conn_abort(conn);
    }
    if (conn->consumed > 0) {
        tcp_recved(conn->pcb, (u16_t)conn->consumed);
        conn->consumed = 0;
    }
    if (conn_has_ended(conn))
        return conn_release(conn);
    tcp_output(conn->pcb);
    return ERR_OK;
}

/* ---------------------------------------------------------------- lwIP's callbacks */

/* May this wait behind a response that waits? If not, lwIP keeps it and offers it again. */
static bool conn_may_hold(const struct conn *conn, const struct pbuf *p)
{
    unsigned more = pbuf_clen(p);
    unsigned bytes = conn->in != NULL ? conn->in->tot_len : 0;

    return bytes + p->tot_len <= UINT16_MAX && conn->held + more <= HELD_PBUFS_CONN_MAX &&
           httpd.stats.held_pbufs + more <= HELD_PBUFS_ALL_MAX;
}

static err_t conn_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    struct conn *conn = arg;

    (void)pcb;
    (void)err; /* always ERR_OK */
    trace_point(TRACE_APP);
    if (p == NULL) {
        conn->peer_closed = true;
        return conn_has_ended(conn) ? conn_release(conn) : conn_run(conn);
    }
    if ((conn->state == CONN_ANSWERING || conn->state == CONN_MAKING) && !conn_may_hold(conn, p))
        return ERR_MEM;
    p = copies_receive(p);
    if (conn->in != NULL)
        pbuf_cat(conn->in, p);
    else
        conn->in = p;
    conn_consume(conn, 0); /* empty pbufs may stand before the data */
    return conn_run(conn);
}

/* The peer has taken `len` more bytes: there is room for the next. */
static err_t conn_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
    struct conn *conn = arg;

    (void)pcb;
    conn->unacked -= MIN(conn->unacked, (uint64_t)len);
    if (conn->state != CONN_ANSWERING && conn->state != CONN_LINGERING)
        return ERR_OK; /* nothing waits for this */
    conn->since_ns = time_ns();
    conn->moved += len;
    if (conn->state == CONN_LINGERING && !conn_has_ended(conn))
        return ERR_OK;
    return conn_run(conn);
}

/* Linger until the peer has all and has closed, or has had its time. */
static err_t conn_poll_lingering(struct conn *conn, uint64_t age_ns)
{
    if (conn->unacked > 0) {
        if (age_ns <= httpd.settings.idle_timeout_ns)
            return ERR_OK;
        httpd.stats.stalled++;
        return conn_abort(conn);
    }
    return age_ns > LINGER_NS ? conn_release(conn) : ERR_OK;
}

/* Deadlines; and another try for what only failed for want of memory. */
static err_t conn_poll(void *arg, struct tcp_pcb *pcb)
{
    struct conn *conn = arg;

    (void)pcb;
    if (conn->state == CONN_LINGERING)
        return conn_poll_lingering(conn, time_ns() - conn->since_ns);
    switch (conn_deadlines(conn)) {
    case CONN_GO_ON:
        break;
    case CONN_CLOSE:
        httpd.stats.idle_closed++;
        conn_linger(conn);
        break;
    case CONN_TIMEOUT:
        conn_forget_head(conn);
        conn_refuse(conn, 408, true);
        break;
    case CONN_ABORT:
        httpd.stats.stalled++;
        return conn_abort(conn);
    }
    return conn_run(conn);
}

void conn_kick(struct conn *conn)
{
    conn_run(conn);
}

/* The pcb is gone already: reset by the peer, given up, or (ERR_CLSD) closed in good order. */
static void conn_err(void *arg, err_t err)
{
    if (err != ERR_CLSD)
        httpd.stats.reset++;
    conn_free(arg);
}

/* A connection's memory, counted in; NULL: refused. */
static struct conn *conn_new(const struct tcp_pcb *pcb)
{
    unsigned per_address = httpd.settings.max_per_address;
    struct conn *conn;

    if (httpd.stats.active >= httpd.settings.max_connections)
        return NULL;
    conn = kzalloc(sizeof(*conn));
    if (conn == NULL || per_address == 0)
        return conn;
    conn->client = client_enter(&pcb->remote_ip, per_address);
    if (conn->client != NULL)
        return conn;
    kfree(conn);
    return NULL;
}

err_t conn_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct conn *conn = NULL;

    (void)arg;
    ASSERT_BOTTOM_HALF();
    if (err == ERR_OK && pcb != NULL)
        conn = conn_new(pcb);
    if (conn == NULL) {
        httpd.stats.refused++;
        return ERR_MEM; /* lwIP resets the connection, if there is one */
    }
    httpd.stats.accepted++;
    httpd.stats.active++;
    conn->pcb = pcb;
    conn_enter(conn, CONN_IDLE);
    tcp_arg(pcb, conn);
    tcp_recv(pcb, conn_recv);
    tcp_sent(pcb, conn_sent);
    tcp_err(pcb, conn_err);
    tcp_poll(pcb, conn_poll, POLL_TICKS);
    tcp_nagle_disable(pcb); /* responses are written whole: there is nothing to wait for */
    return ERR_OK;
}
