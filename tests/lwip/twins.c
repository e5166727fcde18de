/* Two connections that live the same life: see twins.h. */
#include "twins.h"
#include "../../net/tcp_template.h"
#include <kernel/lib.h>
#include <lwip/priv/tcp_priv.h>

uint32_t twin_seed;

uint32_t twin_rnd(uint32_t below)
{
    twin_seed = twin_seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(twin_seed >> 8) * below >> 24);
}

void twin_open(struct twin *s, unsigned port)
{
    *s = (struct twin){ 0 };
    client_connect(&s->c, port);
    s->pcb = app.pcb;
    s->first_seq = s->c.seq;
    s->first_ack = s->c.ack;
    tcp_nagle_disable(s->pcb);
}

static void template_use(bool use)
{
    unsigned can = fake_nic.can;

    fake_nic.can = use ? can : 0;
    tcp_template_init((struct nic *)&fake_nic);
    fake_nic.can = can;
}

/* What both must send alike, and right checksums. */
static void note_frame(struct twin *s, const struct sent_frame *f)
{
    struct tcp_fields t = parse_tcp(f);
    uint32_t pseudo = 6 + (uint32_t)f->len - 34;
    const uint32_t alike[] = { get16(f->data + 14),
                               get16(f->data + 16),
                               get16(f->data + 20),
                               get16(f->data + 22),
                               t.flags,
                               t.window,
                               t.seq - s->first_ack,
                               t.ack - s->first_seq };

    assert_memory_equal(f->data + 6, fake_nic_mac_address, 6);
    assert_int_equal(checksum(f->data + 14, 20, 0), 0);
    for (unsigned i = 26; i < 34; i += 2)
        pseudo += get16(f->data + i);
    assert_int_equal(checksum(f->data + 34, f->len - 34, pseudo), 0);
    for (unsigned i = 0; i < 6; i++)
        s->wire = s->wire * 31 + f->data[i];
    for (unsigned i = 0; i < ARRAY_SIZE(alike); i++)
        s->wire = s->wire * 31 + alike[i];
    for (size_t i = 54; i < f->len; i++)
        s->wire = s->wire * 31 + f->data[i];
}

void twin_deliver(struct twin *s, const struct twin_segment *g)
{
    static const uint8_t nops[4] = { 1, 1, 1, 1 };
    struct tcp_fields t = { .sport = s->c.port,
                            .dport = 80,
                            .flags = g->flags,
                            .window = g->window,
                            .seq = s->first_seq + g->seq,
                            .ack = s->first_ack + g->ack,
                            .options = s->nops ? nops : g->options,
                            .options_len = s->nops ? 4 : g->options_len };
    uint8_t data[1460];
    struct packet k;

    for (size_t i = 0; i < g->len; i++)
        data[i] = (uint8_t)((g->seq + i) * 7);
    make_tcp(&k, &t, data, g->len);
    app.received = 0;
    app.hash = s->hash;
    fake_nic_clear();
    template_use(!s->untemplated);
    input(&k);
    s->told += app.received;
    s->hash = app.hash;
    s->frames = fake_nic.sent_count;
    for (unsigned i = 0; i < fake_nic.sent_count; i++)
        note_frame(s, &fake_nic.sent[i]);
}

static void check_queue(const struct twin *a, const struct tcp_seg *x, const struct twin *b,
                        const struct tcp_seg *y)
{
    for (; x != NULL && y != NULL; x = x->next, y = y->next) {
        assert_int_equal(lwip_ntohl(x->tcphdr->seqno) - a->first_ack,
                         lwip_ntohl(y->tcphdr->seqno) - b->first_ack);
        assert_int_equal(x->len, y->len);
    }
    assert_true(x == NULL && y == NULL);
}

/* lwIP keeps these in host byte order. */
static void check_ooseq(const struct twin *a, const struct tcp_seg *x, const struct twin *b,
                        const struct tcp_seg *y)
{
    for (; x != NULL && y != NULL; x = x->next, y = y->next) {
        assert_int_equal(x->tcphdr->seqno - a->first_seq, y->tcphdr->seqno - b->first_seq);
        assert_int_equal(x->len, y->len);
    }
    assert_true(x == NULL && y == NULL);
}

#define SAME(member)        assert_int_equal(a->pcb->member, b->pcb->member)
#define SAME_FROM(m, first) assert_int_equal(a->pcb->m - a->first, b->pcb->m - b->first)

void twins_check(const struct twin *a, const struct twin *b)
{
    SAME(state);
    SAME(flags);
    SAME_FROM(rcv_nxt, first_seq);
    SAME(rcv_wnd);
    SAME(rcv_ann_wnd);
    SAME_FROM(rcv_ann_right_edge, first_seq);
    SAME_FROM(lastack, first_ack);
    SAME_FROM(snd_nxt, first_ack);
    SAME_FROM(snd_lbb, first_ack);
    SAME_FROM(snd_wl1, first_seq);
    SAME_FROM(snd_wl2, first_ack);
    SAME(snd_wnd);
    SAME(snd_wnd_max);
    SAME(snd_buf);
    SAME(snd_queuelen);
    SAME(cwnd);
    SAME(ssthresh);
    SAME(bytes_acked);
    SAME(dupacks);
    SAME(nrtx);
    SAME(rtime);
    SAME(rto);
    SAME(sa);
    SAME(sv);
    SAME(rttest);
    SAME(tmr);
    SAME(polltmr);
    SAME(keep_cnt_sent);
    SAME(persist_backoff);
    SAME(persist_probe);
    SAME(unsent_oversize);
    check_queue(a, a->pcb->unacked, b, b->pcb->unacked);
    check_queue(a, a->pcb->unsent, b, b->pcb->unsent);
    check_ooseq(a, a->pcb->ooseq, b, b->pcb->ooseq);
    assert_int_equal(a->pcb->refused_data != NULL, b->pcb->refused_data != NULL);
    assert_int_equal(a->told, b->told);
    assert_int_equal(a->hash, b->hash);
    assert_int_equal(a->frames, b->frames);
    assert_int_equal(a->wire, b->wire);
}

struct twin_segment twin_next(const struct twin *s, unsigned strange)
{
    uint32_t flying = s->pcb->snd_nxt - s->pcb->lastack;
    struct twin_segment g = { .seq = s->pcb->rcv_nxt - s->first_seq,
                              .ack = s->pcb->lastack - s->first_ack,
                              .flags = twin_rnd(2) ? ACK : PSH | ACK,
                              .window = 500,
                              .len = twin_rnd(3) == 0 ? 0 : 1 + twin_rnd(1460) };

    if (twin_rnd(2))
        g.ack += flying;
    else if (flying > 0)
        g.ack += twin_rnd(flying + 1);
    if (twin_rnd(strange) == 0)
        g.window = twin_rnd(600);
    if (twin_rnd(strange) == 0)
        g.seq += twin_rnd(2000); /* a gap */
    if (twin_rnd(strange) == 0)
        g.seq -= twin_rnd(g.seq < 2000 ? g.seq + 1 : 2000); /* again, or in part */
    if (twin_rnd(strange) == 0)
        g.ack += twin_rnd(3) - 1;
    return g;
}
