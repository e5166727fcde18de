/*
 * The smallest app: TCP echo (RFC 862), the worked example of docs/writing-an-app.md.
 *
 * What comes in goes out from the very buffer that the NIC wrote it into. The buffers are held,
 * in order, until the peer has acknowledged the echo; only then does the receive window open
 * again. So a peer that sends and does not read stops itself, after at most one window.
 */
#include <apps/app.h>
#include <kernel/config.h>
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/printk.h>
#include <lwip/tcp.h>

/* A peer's tiny segments hold a whole NIC buffer each, so they are counted as well as weighed. */
#define HELD_PBUFS_MAX 32

struct echo_conn {
    struct tcp_pcb *pcb;
    struct pbuf *held;    /* received and not yet acknowledged by the peer as echoed; in order */
    unsigned written;     /* of the bytes in held, those that TCP has already been given */
    bool peer_has_closed; /* nothing more will come */
};

/* The connection is at its end on our side: forget it, whoever still holds the pcb. */
static void conn_free(struct echo_conn *conn)
{
    if (conn->held != NULL)
        pbuf_free(conn->held);
    kfree(conn);
}

/* Give TCP as much of the held data as it takes; the rest goes when sent() makes room. */
static void conn_push(struct echo_conn *conn)
{
    unsigned offset = 0;

    for (struct pbuf *p = conn->held; p != NULL; offset += p->len, p = p->next) {
        while (conn->written < offset + p->len) {
            unsigned done = conn->written - offset;
            unsigned n = MIN(p->len - done, (unsigned)tcp_sndbuf(conn->pcb));

            /* By reference (no TCP_WRITE_FLAG_COPY). Out of room or memory: later is fine. */
            if (n == 0 || tcp_write(conn->pcb, (char *)p->payload + done, (u16_t)n, 0) != ERR_OK)
                return;
            conn->written += n;
        }
    }
}

/* Everything echoed and the peer has closed: close too. */
static err_t conn_finish(struct echo_conn *conn)
{
    if (!conn->peer_has_closed || conn->held != NULL)
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

    (void)pcb;
    (void)err;
    if (p == NULL) {
        conn->peer_has_closed = true;
        return conn_finish(conn);
    }
    if (conn->held == NULL)
        conn->held = p;
    else if (conn->held->tot_len + p->tot_len > UINT16_MAX ||
             pbuf_clen(conn->held) + pbuf_clen(p) > HELD_PBUFS_MAX)
        return ERR_MEM; /* lwIP keeps it and offers it again */
    else
        pbuf_cat(conn->held, p);
    conn_push(conn);
    return ERR_OK;
}

/*
 * The peer has `len` more bytes of the echo, so that nobody reads them again: their buffers go
 * back to the NIC. (A retransmission that is still in the transmit ring may now carry other
 * bytes; its checksum is wrong then, and the peer has that part already.)
 */
static err_t echo_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
    struct echo_conn *conn = arg;

    conn->held = pbuf_free_header(conn->held, len);
    conn->written -= len;
    tcp_recved(pcb, len);
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
