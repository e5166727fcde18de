/*
 * The smallest app: TCP echo (RFC 862), the worked example of docs/writing-an-app.md.
 *
 * What comes in goes out from the very buffer that the NIC wrote it into. The buffers are held,
 * in order, until the peer has acknowledged the echo; only then does the receive window open
 * again. So a peer that sends and does not read stops itself, after at most one window.
 */
#include <apps/app.h>
#include <drivers/trace.h>
#include <kernel/config.h>
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/printk.h>
#include <lwip/tcp.h>
#include <net/copies.h>

/*
 * Bounds on the NIC's buffers that wait here: for a connection, more than a window of full
 * segments, so that only a peer that sends tiny ones ever meets it; for all together, a part of
 * what the NIC has, because it needs some to receive the very acknowledgements we wait for.
 */
#define HELD_MAX     256 /* a power of two */
#define HELD_ALL_MAX 768

struct echo_conn {
    struct tcp_pcb *pcb;
    /* Received and not yet acknowledged as echoed: held[first % HELD_MAX] up to next, in order. */
    struct pbuf *held[HELD_MAX];
    unsigned first, unsent, next; /* from unsent on TCP has not been given them */
    unsigned acked;               /* bytes of held[first] that the peer has */
    bool peer_has_closed;         /* nothing more will come */
};

static unsigned held_by_all;

/* The peer has the oldest buffer's bytes: nobody will read them again. */
static void conn_drop_first(struct echo_conn *conn)
{
    pbuf_free(conn->held[conn->first++ % HELD_MAX]);
    held_by_all--;
}

/* The connection is at its end on our side. */
static void conn_free(struct echo_conn *conn)
{
    while (conn->first != conn->next)
        conn_drop_first(conn);
    kfree(conn);
}

/* Give TCP as much of the held data as it takes; the rest goes when sent() makes room. */
static void conn_push(struct echo_conn *conn)
{
    enum cputime before = app_begin();

    for (; conn->unsent != conn->next; conn->unsent++) {
        const struct pbuf *p = conn->held[conn->unsent % HELD_MAX];

        /* By reference (no TCP_WRITE_FLAG_COPY). Out of room or memory: later is fine. */
        if (p->len > 0 && copies_write(conn->pcb, p->payload, p->len, 0) != ERR_OK)
            break;
        trace_point(TRACE_RESPONSE);
    }
    app_end(before);
}

/* Everything echoed and the peer has closed: close too. */
static err_t conn_finish(struct echo_conn *conn)
{
    if (!conn->peer_has_closed || conn->first != conn->next)
        return ERR_OK;
    tcp_arg(conn->pcb, NULL);
    tcp_recv(conn->pcb, NULL);
    tcp_sent(conn->pcb, NULL);
    tcp_poll(conn->pcb, NULL, 0);
    tcp_err(conn->pcb, NULL);
    tcp_close(conn->pcb); /* lwIP tries again by itself where memory for the FIN is short */
    conn_free(conn);
    return ERR_OK;
}

static err_t echo_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    struct echo_conn *conn = arg;
    unsigned count = pbuf_clen(p);

    (void)pcb;
    (void)err;
    trace_point(TRACE_APP);
    if (p == NULL) {
        conn->peer_has_closed = true;
        return conn_finish(conn);
    }
    if (conn->next - conn->first + count > HELD_MAX || held_by_all + count > HELD_ALL_MAX)
        return ERR_MEM; /* lwIP keeps it and offers it again */
    p = copies_receive(p);
    while (p != NULL) { /* one by one: a segment may be a chain */
        struct pbuf *rest = p->next;

        p->next = NULL;
        p->tot_len = p->len;
        conn->held[conn->next++ % HELD_MAX] = p;
        held_by_all++;
        p = rest;
    }
    conn_push(conn);
    return ERR_OK;
}

/*
 * The peer has `len` more bytes of the echo: their buffers go back to the NIC (when the device has
 * sent the last retransmission that refers to them), and the window opens by as much.
 */
static err_t echo_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
    struct echo_conn *conn = arg;

    tcp_recved(pcb, len);
    for (conn->acked += len; conn->first != conn->unsent; conn_drop_first(conn)) {
        unsigned bytes = conn->held[conn->first % HELD_MAX]->len;

        if (conn->acked < bytes)
            break;
        conn->acked -= bytes;
    }
    conn_push(conn);
    return conn_finish(conn);
}

/* Called each second: memory was short and nothing is in flight that sent() would tell of. */
static err_t echo_poll(void *arg, struct tcp_pcb *pcb)
{
    (void)pcb;
    conn_push(arg);
    return ERR_OK;
}

/* Reset by the peer, or given up: the pcb is gone already. */
static void echo_err(void *arg, err_t err)
{
    (void)err;
    conn_free(arg);
}

static err_t echo_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct echo_conn *conn;

    (void)arg;
    if (err != ERR_OK || pcb == NULL)
        return ERR_VAL; /* lwIP had no memory for the connection: there is none */
    conn = kzalloc(sizeof(*conn));
    if (conn == NULL)
        return ERR_MEM; /* lwIP resets it */
    conn->pcb = pcb;
    tcp_arg(pcb, conn);
    tcp_recv(pcb, echo_recv);
    tcp_sent(pcb, echo_sent);
    tcp_poll(pcb, echo_poll, 2);
    tcp_err(pcb, echo_err);
    tcp_nagle_disable(pcb);
    return ERR_OK;
}

static bool echo_start(void)
{
    u16_t port = (u16_t)config_u64("echo_port", 7, 1, 65535);
    struct tcp_pcb *bound = tcp_new_ip_type(IPADDR_TYPE_ANY);
    struct tcp_pcb *listener;

    if (bound == NULL || tcp_bind(bound, IP_ANY_TYPE, port) != ERR_OK ||
        (listener = tcp_listen(bound)) == NULL) {
        printk("echo: cannot listen on port %u", port);
        return false;
    }
    tcp_accept(listener, echo_accept);
    printk("echo: listening on port %u", port);
    return true;
}

const struct app app = {
    .name = "echo",
    .summary = "sends back what it receives (RFC 862)",
    .start = echo_start,
};
