/* What the tests of the stack share: see stack_test.h. */
#include "../../net/tcp_banks.h"
#include "stack_test.h"
#include <kernel/lib.h>
#include <lwip/memp.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <stdio.h>

/* ---------------------------------------------------------------- an app */

struct app_state app;

const char app_page[] = "a page that is sent from where it lies";
const size_t app_page_len = sizeof(app_page) - 1;

static err_t app_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg;
    (void)err;
    if (p == NULL) {
        app.pcb = NULL;
        tcp_close(pcb);
        return ERR_OK;
    }
    if (app.mode == APP_REFUSE)
        return ERR_MEM;
    app.received += p->tot_len;
    app.payload = p->payload;
    app.tail = 0;
    for (unsigned i = 0; i < 16; i++)
        app.tail += ((const uint8_t *)p->payload)[p->len + i];
    for (const struct pbuf *q = p; q != NULL; q = q->next)
        for (unsigned i = 0; i < q->len; i++)
            app.hash = app.hash * 31 + ((const uint8_t *)q->payload)[i];
    if (app.mode == APP_ABORT) {
        pbuf_free(p);
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    if (app.mode == APP_CLOSE_UNREAD) {
        pbuf_free(p);
        app.pcb = NULL;
        tcp_close(pcb);
        return ERR_OK;
    }
    tcp_recved(pcb, p->tot_len);
    if (app.mode == APP_ECHO)
        tcp_write(pcb, p->payload, p->len, TCP_WRITE_FLAG_COPY);
    else if (app.mode == APP_REPLY_BY_REFERENCE)
        tcp_write(pcb, app_page, app_page_len, 0);
    if (app.mode == APP_ECHO_BY_REFERENCE) {
        tcp_write(pcb, p->payload, p->len, 0);
        app.held = p;
        return ERR_OK;
    }
    if (app.mode == APP_HOLD) {
        pbuf_cat(p, app.held); /* the newest first: the chain is long */
        app.held = p;
        return ERR_OK;
    }
    pbuf_free(p);
    if (app.mode == APP_CLOSE) {
        app.pcb = NULL;
        tcp_close(pcb);
    }
    return ERR_OK;
}

static void app_drop_held(void)
{
    if (app.held != NULL)
        pbuf_free(app.held);
    app.held = NULL;
}

static err_t app_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
    (void)arg;
    (void)pcb;
    app.sent += len;
    app_drop_held();
    return ERR_OK;
}

static void app_err(void *arg, err_t err)
{
    (void)arg;
    (void)err;
    app_drop_held();
    app.errors++;
    app.pcb = NULL;
}

static err_t app_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    (void)err;
    app.accepted++;
    app.pcb = pcb;
    tcp_recv(pcb, app_recv);
    tcp_sent(pcb, app_sent);
    tcp_err(pcb, app_err);
    return ERR_OK;
}

/* ---------------------------------------------------------------- helpers */

void input(const struct packet *k)
{
    fake_nic_receive(k->data, k->len);
    stack_tx_complete();
    stack_round_end();
    /* What the end of a round frees and sends itself is not left for the next one. */
    assert_int_equal(fake_nic.out_at_refill, fake_nic.buffers_out);
    assert_int_equal(fake_nic.sent_at_kick, fake_nic.sent_count);
}

const struct sent_frame *last_sent(void)
{
    assert_true(fake_nic.sent_count > 0);
    return &fake_nic.sent[(fake_nic.sent_count - 1) % SENT_MAX];
}

struct stack_stats glue(void)
{
    struct stack_stats s;

    stack_stats(&s);
    return s;
}

/* What lwIP allocates and must give back. */
static const struct {
    memp_t pool;
    const char *name;
} pools[] = {
    { MEMP_TCP_PCB, "TCP_PCB" },
    { MEMP_TCP_SEG, "TCP_SEG" },
    { MEMP_PBUF, "PBUF" },
    { MEMP_REASSDATA, "REASSDATA" },
    { MEMP_RAW_PCB, "RAW_PCB" },
    { MEMP_FRAG_PBUF, "FRAG_PBUF" },
    { MEMP_ARP_QUEUE, "ARP_QUEUE" },
    { MEMP_ND6_QUEUE, "ND6_QUEUE" },
    { MEMP_IP6_REASSDATA, "IP6_REASSDATA" },
};

static unsigned in_use(void)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(pools); i++)
        sum += (unsigned)lwip_stats.memp[pools[i].pool]->used;
    return sum;
}

static const char *in_use_text(void)
{
    static char text[256];
    size_t n = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(pools); i++)
        if (lwip_stats.memp[pools[i].pool]->used != 0)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %u ", pools[i].name,
                                  (unsigned)lwip_stats.memp[pools[i].pool]->used);
    return text;
}

void abort_all(void)
{
    struct tcp_pcb *pcb;

    do {
        pcb = tcp_banks_next(NULL);
        while (pcb != NULL && pcb->state == TIME_WAIT)
            pcb = tcp_banks_next(pcb);
        if (pcb != NULL)
            tcp_abort(pcb);
    } while (pcb != NULL);
}

void introduce_peer(void)
{
    struct packet k;

    make_arp_request(&k, OUR_IP);
    input(&k);
    make_solicitation(&k);
    input(&k);
}

int stack_test_setup(void **state)
{
    (void)state;
    memset(&app, 0, sizeof(app));
    fake_nic.ring_room = 256;
    fake_nic.hold = false;
    introduce_peer();
    fake_nic_clear();
    return 0;
}

int stack_test_teardown(void **state)
{
    struct stack_stats stats;

    (void)state;
    fake_nic.hold = false;
    fake_nic.ring_room = 256;
    abort_all();
    stack_tx_complete();
    fake_time_advance(200000); /* TIME_WAIT, SYN_RCVD, reassembly, queues: all time out */
    fake_time_advance(200000);
    stack_tx_complete(); /* what the last timers sent */
    stack_stats(&stats);
    assert_int_equal(stats.rx_held, 0);
    assert_int_equal(fake_nic.buffers_out, 0);
    if (in_use() != 0)
        fail_msg("lwIP's pools: %s", in_use_text());
    assert_int_equal(fake_nic.outstanding, 0);
    return 0;
}

int stack_test_setup_group(void **state)
{
    ip4_addr_t ip = { PP_HTONL(OUR_IP) }, mask = { PP_HTONL(0xffffff00) },
               gateway = { PP_HTONL(PEER_IP) };
    struct tcp_pcb *listener;

    (void)state;
    fake_time_ns = 1000000000ull;
    fake_nic_init();
    stack_init((struct nic *)&fake_nic);
    netif_set_addr(stack_netif(), &ip, &mask, &gateway);
    netif_create_ip6_linklocal_address(stack_netif(), 1);
    netif_ip6_addr_set_state(stack_netif(), 0, IP6_ADDR_PREFERRED);
    listener = tcp_new_ip_type(IPADDR_TYPE_ANY);
    assert_int_equal(tcp_bind(listener, IP_ANY_TYPE, 80), ERR_OK);
    tcp_accept(tcp_listen(listener), app_accept);
    fake_time_advance(20000); /* multicast reports and the like */
    return 0;
}

/* ---------------------------------------------------------------- a TCP client */

void client_send(struct client *c, unsigned flags, const void *data, size_t len)
{
    struct tcp_fields t = { .sport = c->port,
                            .dport = 80,
                            .flags = flags,
                            .window = c->window,
                            .seq = c->seq,
                            .ack = c->ack };
    struct packet k;

    make_tcp(&k, &t, data, len);
    c->seq += (uint32_t)len + (flags & FIN ? 1 : 0);
    input(&k);
}

struct tcp_fields parse_tcp(const struct sent_frame *f)
{
    const uint8_t *tcp = f->data + 34;

    assert_int_equal(get16(f->data + 12), ETH_IP4);
    assert_int_equal(f->data[23], 6);
    return (struct tcp_fields){ .sport = get16(tcp),
                                .dport = get16(tcp + 2),
                                .seq = get32(tcp + 4),
                                .ack = get32(tcp + 8),
                                .flags = tcp[13],
                                .window = get16(tcp + 14),
                                .options_len = (size_t)(tcp[12] >> 4) * 4 - 20 };
}

size_t tcp_payload(const struct sent_frame *f)
{
    return get16(f->data + 16) - 20 - 20 - parse_tcp(f).options_len;
}

void client_connect(struct client *c, unsigned port)
{
    static const uint8_t options[] = { 2, 4, 0x05, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2 };
    struct tcp_fields syn = { .sport = port,
                              .dport = 80,
                              .flags = SYN,
                              .window = 65000,
                              .seq = 1000,
                              .options = options,
                              .options_len = sizeof(options) };
    struct packet k;
    struct tcp_fields got;

    make_tcp(&k, &syn, NULL, 0);
    input(&k);
    got = parse_tcp(last_sent());
    assert_int_equal(got.flags, SYN | ACK);
    assert_int_equal(got.ack, 1001);
    *c = (struct client){ .port = port, .window = 65000, .seq = 1001, .ack = got.seq + 1 };
    client_send(c, ACK, NULL, 0);
}
