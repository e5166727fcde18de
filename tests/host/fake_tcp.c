/* See fake_tcp.h. */
#include "fake_tcp.h"
#include <kernel/lib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "fake_tcp: %s:%d: %s\n", __FILE__, __LINE__, #cond);                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct piece {
    struct piece *next;
    const char *data;
    size_t len;
    char copy[]; /* where data points, if it was copied */
};

struct peer {
    struct tcp_pcb pcb; /* what the app sees; first, so that a pcb is a peer */
    bool app_done, fin_sent, fin_received, fin_delivered, reset_sent, aborted;
    tcp_recv_fn recv;
    tcp_sent_fn sent;
    tcp_err_fn err;
    tcp_poll_fn poll;
    struct piece *unacked;
    size_t in_flight;
    struct pbuf *refused;
    size_t unrecved;
    char *received;
    size_t received_len, received_room;
};

unsigned fake_write_calls, fake_write_fail_at, fake_pbufs_live, fake_pcbs_live;
unsigned fake_copied, fake_referenced;
bool fake_write_fail_all;
u16_t fake_listen_port;
const ip_addr_t ip_addr_any_type;

static struct tcp_pcb listener;
static tcp_accept_fn accept_fn;

void fake_tcp_reset(void)
{
    fake_write_calls = fake_write_fail_at = fake_copied = fake_referenced = 0;
    fake_write_fail_all = false;
    fake_listen_port = 0;
    accept_fn = NULL;
}

/* ---------------------------------------------------------------- pbufs */

/* The payload's own start is lost when bytes are taken off its front: it is kept beside. */
struct pbuf_block {
    struct pbuf p;
    char *block;
};

static struct pbuf *make_pbuf(const char *data, size_t len)
{
    struct pbuf_block *b = calloc(1, sizeof(*b));

    MUST(b != NULL);
    b->block = malloc(len > 0 ? len : 1);
    MUST(b->block != NULL);
    b->p.payload = memcpy(b->block, data, len);
    b->p.len = b->p.tot_len = (u16_t)len;
    b->p.ref = 1;
    fake_pbufs_live++;
    return &b->p;
}

u8_t pbuf_free(struct pbuf *p)
{
    u8_t freed = 0;

    while (p != NULL) {
        struct pbuf *next = p->next;

        MUST(p->ref >= 1);
        if (--p->ref > 0)
            return freed;
        free(((struct pbuf_block *)p)->block);
        free(p);
        fake_pbufs_live--;
        freed++;
        p = next;
    }
    return freed;
}

void pbuf_ref(struct pbuf *p)
{
    p->ref++;
}

void pbuf_cat(struct pbuf *head, struct pbuf *tail)
{
    struct pbuf *p = head;

    for (; p->next != NULL; p = p->next) {
        MUST(p->tot_len + tail->tot_len <= UINT16_MAX);
        p->tot_len = (u16_t)(p->tot_len + tail->tot_len);
    }
    MUST(p->tot_len + tail->tot_len <= UINT16_MAX);
    p->tot_len = (u16_t)(p->tot_len + tail->tot_len);
    p->next = tail;
}

u16_t pbuf_clen(const struct pbuf *p)
{
    u16_t n = 0;

    for (; p != NULL; p = p->next)
        n++;
    return n;
}

u16_t pbuf_copy_partial(const struct pbuf *p, void *data, u16_t len, u16_t offset)
{
    u16_t copied = 0;

    for (; p != NULL && copied < len; p = p->next) {
        u16_t n;

        if (offset >= p->len) {
            offset = (u16_t)(offset - p->len);
            continue;
        }
        n = (u16_t)(p->len - offset < len - copied ? p->len - offset : len - copied);
        memcpy((char *)data + copied, (const char *)p->payload + offset, n);
        copied = (u16_t)(copied + n);
        offset = 0;
    }
    return copied;
}

struct pbuf *pbuf_free_header(struct pbuf *q, u16_t size)
{
    while (size > 0) {
        MUST(q != NULL);
        if (size >= q->len) {
            struct pbuf *f = q;

            size = (u16_t)(size - q->len);
            q = q->next;
            f->next = NULL;
            pbuf_free(f);
        } else {
            q->payload = (char *)q->payload + size;
            q->len = (u16_t)(q->len - size);
            q->tot_len = (u16_t)(q->tot_len - size);
            size = 0;
        }
    }
    return q;
}

static struct pbuf *make_chain(const char *data, size_t len, unsigned pbufs)
{
    struct pbuf *chain = NULL;

    pbufs = MAX(pbufs, 1u);
    for (unsigned i = 0; i < pbufs; i++) {
        size_t from = len * i / pbufs, to = len * (i + 1) / pbufs;
        struct pbuf *p = make_pbuf(data + from, to - from);

        if (chain == NULL)
            chain = p;
        else
            pbuf_cat(chain, p);
    }
    return chain;
}

/* ---------------------------------------------------------------- what the app calls */

struct tcp_pcb *tcp_new_ip_type(u8_t type)
{
    MUST(type == IPADDR_TYPE_ANY);
    memset(&listener, 0, sizeof(listener));
    return &listener;
}

err_t tcp_bind(struct tcp_pcb *pcb, const ip_addr_t *ip, u16_t port)
{
    MUST(pcb == &listener && ip == IP_ANY_TYPE);
    fake_listen_port = port;
    return ERR_OK;
}

struct tcp_pcb *tcp_listen_with_backlog(struct tcp_pcb *pcb, u8_t backlog)
{
    (void)backlog;
    return pcb;
}

void tcp_accept(struct tcp_pcb *pcb, tcp_accept_fn fn)
{
    MUST(pcb == &listener);
    accept_fn = fn;
}

static struct peer *peer_of(struct tcp_pcb *pcb)
{
    struct peer *peer = (struct peer *)pcb;

    MUST(!peer->app_done); /* the app uses a pcb that is gone */
    return peer;
}

void tcp_arg(struct tcp_pcb *pcb, void *arg)
{
    peer_of(pcb)->pcb.callback_arg = arg;
}
void tcp_recv(struct tcp_pcb *pcb, tcp_recv_fn fn)
{
    peer_of(pcb)->recv = fn;
}
void tcp_sent(struct tcp_pcb *pcb, tcp_sent_fn fn)
{
    peer_of(pcb)->sent = fn;
}
void tcp_err(struct tcp_pcb *pcb, tcp_err_fn fn)
{
    peer_of(pcb)->err = fn;
}

void tcp_poll(struct tcp_pcb *pcb, tcp_poll_fn fn, u8_t interval)
{
    MUST(fn == NULL || interval > 0);
    peer_of(pcb)->poll = fn;
}

/* net/copies.h: off, as by default. */
unsigned copies_level;

struct pbuf *copies_make(struct pbuf *p)
{
    MUST(p == NULL && "no copies");
    return p;
}

err_t copies_write_copied(struct tcp_pcb *pcb, const void *data, u16_t len, u8_t flags)
{
    (void)pcb;
    MUST(data == NULL && "no copies");
    return len == 0 && flags == 0 ? ERR_OK : ERR_ARG;
}

err_t tcp_write(struct tcp_pcb *pcb, const void *data, u16_t len, u8_t flags)
{
    struct peer *peer = peer_of(pcb);
    bool copy = flags & TCP_WRITE_FLAG_COPY;
    struct piece *piece, **tail = &peer->unacked;

    fake_write_calls++;
    MUST(data != NULL && len > 0);
    MUST(!peer->fin_sent); /* writes after its own FIN */
    if (len > pcb->snd_buf || fake_write_fail_all || fake_write_calls == fake_write_fail_at)
        return ERR_MEM;
    piece = malloc(sizeof(*piece) + (copy ? len : 0));
    MUST(piece != NULL);
    *piece = (struct piece){ .data = copy ? memcpy(piece->copy, data, len) : data, .len = len };
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = piece;
    pcb->snd_buf -= len;
    peer->in_flight += len;
    *(copy ? &fake_copied : &fake_referenced) += len;
    return ERR_OK;
}

struct pbuf *tcp_send_head(uint16_t bytes)
{
    static const char room[4096];

    return fake_write_fail_all ? NULL : make_pbuf(room, bytes);
}

/* As if both went into one segment. */
uint32_t tcp_send_room(const struct tcp_pcb *pcb)
{
    return pcb->snd_buf;
}

int32_t tcp_send(struct tcp_pcb *pcb, struct pbuf *head, const void *body, uint64_t body_bytes)
{
    err_t err = tcp_write(pcb, head->payload, head->len, TCP_WRITE_FLAG_COPY);
    uint16_t n = (uint16_t)MIN(MIN(body_bytes, (uint64_t)pcb->snd_buf), (uint64_t)4000);

    pbuf_free(head);
    if (err != ERR_OK)
        return err;
    return n > 0 && tcp_write(pcb, body, n, 0) == ERR_OK ? n : 0;
}

err_t tcp_output(struct tcp_pcb *pcb)
{
    peer_of(pcb);
    return ERR_OK;
}

void tcp_recved(struct tcp_pcb *pcb, u16_t len)
{
    struct peer *peer = peer_of(pcb);

    MUST(len <= peer->unrecved);
    peer->unrecved -= len;
}

static void app_gone(struct peer *peer)
{
    peer->app_done = true;
    fake_pcbs_live--;
}

err_t tcp_shutdown(struct tcp_pcb *pcb, int rx, int tx)
{
    struct peer *peer = peer_of(pcb);

    MUST(!rx && tx && !peer->fin_sent);
    peer->fin_sent = true;
    return ERR_OK;
}

err_t tcp_close(struct tcp_pcb *pcb)
{
    struct peer *peer = peer_of(pcb);

    MUST(peer->recv == NULL && peer->sent == NULL && peer->err == NULL); /* forgotten callbacks */
    /* lwIP answers with a reset, and drops what is unsent, when data was left unread. */
    peer->reset_sent |= peer->unrecved > 0 && !peer->fin_sent;
    peer->fin_sent = true;
    app_gone(peer);
    return ERR_OK;
}

void tcp_abort(struct tcp_pcb *pcb)
{
    struct peer *peer = peer_of(pcb);
    tcp_err_fn err = peer->err;
    void *arg = pcb->callback_arg;

    peer->reset_sent = peer->aborted = true;
    app_gone(peer);
    if (err != NULL)
        err(arg, ERR_ABRT);
}

/* ---------------------------------------------------------------- what the test does */

/* A callback has returned: ERR_ABRT if and only if it aborted. */
static void check_result(const struct peer *peer, err_t err)
{
    MUST((err == ERR_ABRT) == peer->aborted);
}

struct peer *peer_connect(unsigned snd_buf)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    err_t err;

    MUST(peer != NULL && accept_fn != NULL);
    peer->pcb.snd_buf = (tcpwnd_size_t)snd_buf;
    peer->pcb.mss = TCP_MSS;
    fake_pcbs_live++;
    err = accept_fn(NULL, &peer->pcb, ERR_OK);
    if (err != ERR_OK) {
        peer->err = NULL;
        peer->reset_sent = true;
        app_gone(peer);
    }
    return peer;
}

static void deliver_fin(struct peer *peer)
{
    if (!peer->fin_received || peer->fin_delivered || peer->refused != NULL || peer->app_done)
        return;
    peer->fin_delivered = true;
    if (peer->recv != NULL)
        check_result(peer, peer->recv(peer->pcb.callback_arg, &peer->pcb, NULL, ERR_OK));
}

static void offer(struct peer *peer, struct pbuf *p)
{
    err_t err;

    peer->refused = NULL;
    if (peer->app_done || peer->recv == NULL) {
        pbuf_free(p);
        return;
    }
    err = peer->recv(peer->pcb.callback_arg, &peer->pcb, p, ERR_OK);
    check_result(peer, err);
    if (err == ERR_MEM)
        peer->refused = p;
    deliver_fin(peer);
}

static void offer_again(struct peer *peer)
{
    if (peer->refused != NULL)
        offer(peer, peer->refused);
}

/* As lwIP's: a segment that comes while another is still refused is dropped; the peer sends it
 * again until it is taken. Acknowledging, with memory at hand, must make room sooner or later. */
void peer_send(struct peer *peer, const void *data, size_t len, unsigned pbufs)
{
    MUST(!peer->fin_received);
    offer_again(peer);
    fake_write_fail_all &= peer->refused == NULL;
    for (unsigned tries = 0; peer->refused != NULL && tries < 1000; tries++) {
        peer_ack(peer, SIZE_MAX);
        peer_poll(peer);
    }
    MUST(peer->refused == NULL); /* stuck: what it waits for is acknowledged */
    peer->unrecved += peer->app_done ? 0 : len;
    offer(peer, make_chain(data, len, pbufs));
}

void peer_send_text(struct peer *peer, const char *text)
{
    peer_send(peer, text, strlen(text), 1);
}

void peer_fin(struct peer *peer)
{
    peer->fin_received = true;
    deliver_fin(peer);
}

void peer_reset(struct peer *peer)
{
    tcp_err_fn err = peer->err;

    if (peer->app_done)
        return;
    app_gone(peer);
    if (err != NULL)
        err(peer->pcb.callback_arg, ERR_RST);
}

static void take_piece(struct peer *peer, size_t n)
{
    struct piece *piece = peer->unacked;

    if (peer->received_len + n >= peer->received_room) {
        peer->received_room = 2 * (peer->received_len + n) + 4096;
        peer->received = realloc(peer->received, peer->received_room);
        MUST(peer->received != NULL);
    }
    memcpy(peer->received + peer->received_len, piece->data, n);
    peer->received_len += n;
    peer->received[peer->received_len] = '\0';
    piece->data += n;
    piece->len -= n;
    if (piece->len == 0) {
        peer->unacked = piece->next;
        free(piece);
    }
}

/* LAST_ACK: our FIN is acknowledged after the peer's. lwIP tells whoever only shut down. */
static void finish_last_ack(struct peer *peer)
{
    tcp_err_fn err = peer->err;

    if (peer->app_done || !peer->fin_sent || !peer->fin_delivered || peer->in_flight > 0)
        return;
    app_gone(peer);
    if (err != NULL)
        err(peer->pcb.callback_arg, ERR_CLSD);
}

void peer_ack(struct peer *peer, size_t n)
{
    size_t total = MIN(n, peer->in_flight), left = total;

    while (left > 0) {
        size_t part = MIN(left, peer->unacked->len);

        take_piece(peer, part);
        left -= part;
    }
    peer->in_flight -= total;
    peer->pcb.snd_buf += (tcpwnd_size_t)total;
    while (total > 0 && !peer->app_done && peer->sent != NULL) {
        u16_t part = (u16_t)MIN(total, UINT16_MAX);

        total -= part;
        check_result(peer, peer->sent(peer->pcb.callback_arg, &peer->pcb, part));
    }
    offer_again(peer);
    finish_last_ack(peer);
}

void peer_ack_all(struct peer *peer)
{
    do {
        peer_ack(peer, SIZE_MAX);
    } while (peer->in_flight > 0);
}

void peer_poll(struct peer *peer)
{
    if (!peer->app_done && peer->poll != NULL)
        check_result(peer, peer->poll(peer->pcb.callback_arg, &peer->pcb));
    offer_again(peer);
}

void peer_free(struct peer *peer)
{
    MUST(peer->app_done); /* the test ends while the app still holds the connection */
    while (peer->unacked != NULL) {
        struct piece *next = peer->unacked->next;

        free(peer->unacked);
        peer->unacked = next;
    }
    if (peer->refused != NULL)
        pbuf_free(peer->refused);
    free(peer->received);
    free(peer);
}

const char *peer_received(const struct peer *peer, size_t *len)
{
    if (len != NULL)
        *len = peer->received_len;
    return peer->received != NULL ? peer->received : "";
}

size_t peer_in_flight(const struct peer *peer)
{
    return peer->in_flight;
}
bool peer_got_fin(const struct peer *peer)
{
    return peer->fin_sent;
}
bool peer_got_reset(const struct peer *peer)
{
    return peer->reset_sent;
}
bool peer_app_done(const struct peer *peer)
{
    return peer->app_done;
}
size_t peer_window_closed_by(const struct peer *peer)
{
    return peer->unrecved;
}
