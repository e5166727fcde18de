/*
 * The hook of XDP programs: each verdict, what a program may do to a frame, what the frame is to
 * the stack afterwards, and where its buffer ends up. The programs are C functions.
 */
#include "bpf/map.h"
#include "bpf/prog.h"
#include "chksum.h"
#include "fakes.h"
#include "pktbuf_pool.h"
#include "tx_token.h"
#include <kernel/page.h>
#include <net/napi.h>
#include <net/stack.h>
#include <net/xdp.h>
#include <net/xsk.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEADROOM (PKTBUF_HEADROOM - NIC_TX_HEADROOM)

bool bpf_jit_enabled;
struct bpf_redirect bpf_redirect;
uint64_t kernel_image_offset;

static struct nic *const card = (struct nic *)&bpf_redirect; /* any address */

static struct {
    bool ring_full, plain, refuses, partial, in_net;
    struct nic_rx_partial at;
    unsigned sent, drains, plain_calls, interpreted;
    struct nic_seg seg;
    void *token;
    uint32_t socket;
    struct pktbuf *received;
} fake;

/* ---- What stands around it ---- */

void *page_alloc(unsigned order)
{
    static void *pool;

    assert_int_equal(order, PAGE_ORDER_2M);
    if (pool == NULL)
        assert_int_equal(posix_memalign(&pool, PAGE_2M, PAGE_2M), 0);
    return pool;
}

bool nic_tx(struct nic *nic, const struct nic_seg *segs, unsigned count,
            const struct nic_tx_offload *offload, void *token)
{
    assert_ptr_equal(nic, card);
    assert_int_equal(count, 1);
    assert_int_equal(offload->csum_start | offload->gso_size, 0);
    if (fake.ring_full)
        return false;
    memset((uint8_t *)(uintptr_t)segs[0].data - NIC_TX_HEADROOM, 0xee, NIC_TX_HEADROOM);
    fake.seg = segs[0];
    fake.token = token;
    fake.sent++;
    return true;
}

bool nic_rx_plain(struct nic *nic, bool plain, const char **why)
{
    assert_ptr_equal(nic, card);
    assert_true(fake.in_net);
    fake.plain_calls++;
    if (fake.refuses) {
        *why = "no";
        return false;
    }
    fake.plain = plain;
    return true;
}

bool nic_rx_partial(const struct nic *nic, const struct pktbuf *buf, struct nic_rx_partial *out)
{
    assert_ptr_equal(nic, card);
    assert_ptr_equal(buf->frame, (const uint8_t *)buf + PKTBUF_FRAME_OFFSET);
    *out = fake.at;
    return fake.partial;
}

/* Frames of before: the card has been told, and no program sees them yet. */
void napi_drain(void)
{
    assert_true(fake.in_net && fake.plain);
    assert_null(xdp_attached);
    fake.drains++;
}

void net_enter(void)
{
    assert_false(fake.in_net);
    fake.in_net = true;
}

void net_leave(void)
{
    assert_true(fake.in_net);
    fake.in_net = false;
}

bool xsk_is_open(uint32_t id)
{
    return id == 3 || id == 4;
}

bool xsk_receive(uint32_t id, struct pktbuf *buf)
{
    assert_true(xsk_is_open(id));
    fake.socket = id;
    fake.received = buf;
    if (id == 3)
        return true;
    pktbuf_free(buf);
    return false;
}

void bpf_prog_hold(struct bpf_prog *prog)
{
    prog->refs++;
}

void bpf_prog_put(struct bpf_prog *prog)
{
    assert_true(fake.in_net && prog->refs > 0);
    assert_true(prog != xdp_attached || prog->refs > 1); /* or the next frame would run it */
    prog->refs--;
}

/* ---- A program ---- */

static uint64_t verdict;
static int move_head, move_tail; /* as xdp_adjust_head() and xdp_adjust_tail() */
static struct xdp_buff seen;
static struct bpf_redirect redirect_to;

static uint64_t program(void *ctx)
{
    struct xdp_buff *xdp = ctx;

    seen = *xdp;
    xdp->data += move_head;
    xdp->data_end += move_tail;
    if (redirect_to.map != NULL || redirect_to.index != 0)
        bpf_redirect = redirect_to;
    return verdict;
}

uint64_t bpf_interpret(const struct bpf_prog *prog, void *ctx)
{
    assert_non_null(prog);
    fake.interpreted++;
    return program(ctx);
}

static struct bpf_prog progs[2];

static struct xdp_stats stats(void)
{
    struct xdp_stats s;

    xdp_stats(&s);
    return s;
}

static struct xdp_stats before; /* counters go on from test to test */

static int setup(void **state)
{
    (void)state;
    pktbuf_pool = (struct pktbuf_pool){ 0 };
    memset(&fake, 0, sizeof(fake));
    fake_context = CONTEXT_MAIN;
    xdp_init(card);
    xdp_detach();
    memset(progs, 0, sizeof(progs));
    for (unsigned i = 0; i < 2; i++)
        progs[i] = (struct bpf_prog){
            .name = "p", .id = i + 1, .refs = 1, .verified = true, .entry = program
        };
    bpf_jit_enabled = true;
    verdict = XDP_PASS;
    move_head = move_tail = 0;
    redirect_to = bpf_redirect = (struct bpf_redirect){ 0 };
    assert_true(pktbuf_pool_init(1024));
    fake_context = CONTEXT_SOFTIRQ;
    fake.plain_calls = 0;
    before = stats();
    return 0;
}

static void attach(struct bpf_prog *prog)
{
    const char *why = NULL;

    fake_context = CONTEXT_MAIN;
    assert_true(xdp_attach(prog, &why));
    assert_null(why);
    assert_false(fake.in_net);
    fake_context = CONTEXT_SOFTIRQ;
}

static struct pktbuf *frame(uint32_t len)
{
    struct pktbuf *buf = pktbuf_alloc();

    buf->next = NULL;
    buf->frame_len = len;
    buf->checked = false;
    for (uint32_t i = 0; i < len; i++)
        buf->frame[i] = (uint8_t)(i * 7);
    return buf;
}

static unsigned pool_free(void)
{
    return pktbuf_pool.free;
}

/* ---- Verdicts ---- */

static void test_pass(void **state)
{
    struct pktbuf *buf;

    (void)state;
    attach(&progs[0]);
    buf = frame(60);
    xdp_begin();
    assert_true(xdp_run(buf));
    assert_ptr_equal(seen.data, (uint8_t *)buf + PKTBUF_FRAME_OFFSET);
    assert_ptr_equal(seen.data_meta, seen.data);
    assert_ptr_equal(seen.data_end, seen.data + 60);
    assert_ptr_equal(seen.hard_start, seen.data - HEADROOM);
    assert_ptr_equal(seen.hard_end, (uint8_t *)buf + PKTBUF_SIZE - PKTBUF_TAIL);
    assert_int_equal(seen.ingress_ifindex, XDP_IFINDEX);
    assert_int_equal(seen.rx_queue_index, 0);
    assert_ptr_equal(buf->frame, seen.data);
    assert_int_equal(buf->frame_len, 60);
    assert_int_equal(buf->owner, PKTBUF_HELD);
    assert_int_equal(progs[0].actions[XDP_PASS], 1);
    assert_int_equal(stats().packets, before.packets + 1);
    assert_int_equal(stats().drops, before.drops);
    pktbuf_free(buf);
}

/* As far as a program can move both ends: what is left has room for the card's header. */
static void test_moved_ends(void **state)
{
    static const int heads[] = { -(int)HEADROOM, -14, 0, 46 }, tails[] = { -46, 0, 1588 };

    (void)state;
    attach(&progs[0]);
    for (unsigned h = 0; h < ARRAY_SIZE(heads); h++) {
        for (unsigned t = 0; t < ARRAY_SIZE(tails); t++) {
            struct pktbuf *buf = frame(106);
            uint8_t *at = buf->frame;

            move_head = heads[h];
            move_tail = tails[t] == 1588 ? (int)(PKTBUF_FRAME_MAX - 106) : tails[t];
            verdict = XDP_PASS;
            assert_true(xdp_run(buf));
            assert_ptr_equal(buf->frame, at + move_head);
            assert_int_equal(buf->frame_len, 106 - move_head + move_tail);
            buf->frame = at; /* and the same, sent back */
            buf->frame_len = 106;
            verdict = XDP_TX;
            assert_false(xdp_run(buf));
            assert_ptr_equal(fake.seg.data, at + move_head);
            assert_int_equal(fake.seg.len, 106 - move_head + move_tail);
            assert_true((const uint8_t *)fake.seg.data - NIC_TX_HEADROOM >=
                        buf->priv + PKTBUF_PRIV);
            pktbuf_free(tx_token_pktbuf(fake.token));
        }
    }
}

static void test_drop(void **state)
{
    unsigned free = pool_free();

    (void)state;
    attach(&progs[0]);
    verdict = XDP_DROP;
    assert_false(xdp_run(frame(60)));
    assert_int_equal(pool_free(), free);
    assert_int_equal(stats().drops, before.drops + 1);
    assert_int_equal(progs[0].actions[XDP_DROP], 1);
}

static void test_tx(void **state)
{
    unsigned free = pool_free();
    struct pktbuf *buf;

    (void)state;
    attach(&progs[0]);
    verdict = XDP_TX;
    buf = frame(60);
    assert_false(xdp_run(buf));
    assert_int_equal(fake.sent, 1);
    assert_ptr_equal(fake.seg.data, buf->frame); /* the same buffer */
    assert_int_equal(fake.seg.len, 60);
    assert_int_equal(tx_token_kind(fake.token), TX_XDP);
    assert_ptr_equal(tx_token_pktbuf(fake.token), buf);
    assert_int_equal(buf->owner, PKTBUF_HELD); /* until the card has sent it */
    assert_int_equal(pool_free(), free - 1);
    assert_int_equal(stats().tx, before.tx + 1);
    pktbuf_free(buf);

    fake.ring_full = true;
    assert_false(xdp_run(frame(60)));
    assert_int_equal(stats().tx, before.tx + 1);
    assert_int_equal(stats().tx_errors, before.tx_errors + 1);
    assert_int_equal(progs[0].actions[XDP_TX], 2);
    assert_int_equal(pool_free(), free);
}

static void test_aborted_and_unknown(void **state)
{
    static const uint64_t verdicts[] = { XDP_ABORTED, XDP_ACTIONS, 0xffffffff, 77 };
    unsigned free = pool_free();

    (void)state;
    attach(&progs[0]);
    for (unsigned i = 0; i < ARRAY_SIZE(verdicts); i++) {
        unsigned lines = fake_printk_lines;

        verdict = verdicts[i];
        assert_false(xdp_run(frame(60)));
        assert_int_equal(fake_printk_lines, lines + 1);
    }
    assert_non_null(strstr(fake_printk_last, "returned 77"));
    assert_int_equal(stats().aborted, before.aborted + 4);
    assert_int_equal(progs[0].actions[XDP_ABORTED], 4);
    assert_int_equal(pool_free(), free);

    verdict = 0x500000000 | XDP_DROP; /* only 32 bits of r0 are the verdict */
    assert_false(xdp_run(frame(60)));
    assert_int_equal(stats().drops, before.drops + 1);
}

/* ---- Redirects ---- */

static uint32_t entries[4]; /* by index */

static struct bpf_map devmap = { .def = { .type = BPF_MAP_TYPE_DEVMAP, .max_entries = 4 } };
static struct bpf_map xskmap = { .def = { .type = BPF_MAP_TYPE_XSKMAP, .max_entries = 4 } };

uint32_t bpf_devmap_get(struct bpf_map *map, uint32_t index)
{
    assert_ptr_equal(map, &devmap);
    return index < ARRAY_SIZE(entries) ? entries[index] : 0;
}

uint32_t bpf_xskmap_get(struct bpf_map *map, uint32_t index)
{
    assert_ptr_equal(map, &xskmap);
    return index < ARRAY_SIZE(entries) ? entries[index] : 0;
}

static void run_redirect_flags(struct bpf_map *map, uint32_t index, uint32_t flags)
{
    redirect_to = (struct bpf_redirect){ map, index, flags };
    fake.received = NULL;
    fake.sent = 0;
    verdict = XDP_REDIRECT;
    assert_false(xdp_run(frame(60)));
    assert_true(bpf_redirect.map == NULL && bpf_redirect.index == 0);
}

static void run_redirect(struct bpf_map *map, uint32_t index)
{
    run_redirect_flags(map, index, 0);
}

/* BPF_F_BROADCAST: to each interface there is, once. */
static void test_broadcast(void **state)
{
    unsigned free = pool_free();

    (void)state;
    attach(&progs[0]);
    memcpy(entries, (uint32_t[]){ 0, 1, XDP_IFINDEX, XDP_IFINDEX }, sizeof(entries));
    run_redirect_flags(&devmap, 0, BPF_F_BROADCAST);
    assert_int_equal(fake.sent, 1);
    pktbuf_free(tx_token_pktbuf(fake.token));
    run_redirect_flags(&devmap, 2, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
    assert_int_equal(fake.sent, 0);
    memset(entries, 0, sizeof(entries));
    run_redirect_flags(&devmap, 0, BPF_F_BROADCAST);
    assert_int_equal(fake.sent, 0);
    assert_int_equal(stats().redirects, before.redirects + 1);
    assert_int_equal(stats().redirect_errors, before.redirect_errors + 2);
    assert_int_equal(pool_free(), free);
}

static void test_redirect(void **state)
{
    unsigned free = pool_free();

    (void)state;
    attach(&progs[0]);
    memcpy(entries, (uint32_t[]){ XDP_IFINDEX, 3, 4, 0 }, sizeof(entries));

    run_redirect(NULL, XDP_IFINDEX);
    assert_int_equal(fake.sent, 1);
    pktbuf_free(tx_token_pktbuf(fake.token));
    run_redirect(&devmap, 0);
    assert_int_equal(fake.sent, 1);
    pktbuf_free(tx_token_pktbuf(fake.token));
    run_redirect(&xskmap, 1);
    assert_non_null(fake.received);
    assert_int_equal(fake.socket, 3);
    assert_int_equal(fake.received->frame_len, 60);
    pktbuf_free(fake.received);
    assert_int_equal(stats().redirects, before.redirects + 3);
    assert_int_equal(stats().tx, before.tx + 2);
    assert_int_equal(stats().redirect_errors, before.redirect_errors);

    run_redirect(&xskmap, 2); /* the socket has no room: its own counter */
    assert_int_equal(fake.socket, 4);
    run_redirect(NULL, 1);    /* lo, say */
    run_redirect(&devmap, 1); /* a card that is not there */
    run_redirect(&devmap, 3); /* no entry */
    run_redirect(&devmap, 99);
    run_redirect(&xskmap, 0); /* a socket that is not open */
    run_redirect(&xskmap, 3);
    run_redirect(NULL, 0); /* redirect() was never called */
    assert_int_equal(fake.sent, 0);
    assert_int_equal(stats().redirects, before.redirects + 3);
    assert_int_equal(stats().redirect_errors, before.redirect_errors + 7);
    assert_int_equal(progs[0].actions[XDP_REDIRECT], 11);

    fake.ring_full = true;
    run_redirect(NULL, XDP_IFINDEX);
    assert_int_equal(stats().redirects, before.redirects + 3);
    assert_int_equal(stats().tx_errors, before.tx_errors + 1);
    assert_int_equal(pool_free(), free);
}

/* What a program left behind without redirecting is nobody's in the next burst: its map may be
 * gone by then. */
static void test_stale_redirect(void **state)
{
    struct pktbuf *buf;

    (void)state;
    attach(&progs[0]);
    redirect_to = (struct bpf_redirect){ .map = &devmap };
    buf = frame(60);
    assert_true(xdp_run(buf));
    pktbuf_free(buf);
    assert_ptr_equal(bpf_redirect.map, &devmap);
    xdp_begin();
    assert_null(bpf_redirect.map);
    assert_int_equal(bpf_redirect.index, 0);
}

/* ---- Checksums, and frames in pieces ---- */

static void test_partial_checksum(void **state)
{
    (void)state;
    attach(&progs[0]);
    fake.partial = true;
    fake.at = (struct nic_rx_partial){ 34, 6 };
    for (uint32_t len = 42; len < 90; len++) {
        struct pktbuf *buf = frame(len);
        uint16_t pseudo;
        uint32_t sum;

        memcpy(&pseudo, buf->frame + 40, sizeof(pseudo));
        buf->checked = true;
        assert_true(xdp_run(buf));
        sum = lwip_port_chksum(buf->frame + 34, (int)len - 34) + (uint32_t)pseudo;
        assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff); /* as its receiver checks it */
        assert_int_equal(buf->frame[33], (uint8_t)(33 * 7));
        assert_false(buf->checked);
        pktbuf_free(buf);
    }
    assert_int_equal(stats().csum_made, before.csum_made + 48);
}

/* A sum of zero is sent as its other form: in UDP 0 says that there is none. */
static void test_partial_checksum_of_zero(void **state)
{
    struct pktbuf *buf;

    (void)state;
    attach(&progs[0]);
    fake.partial = true;
    fake.at = (struct nic_rx_partial){ 14, 6 };
    buf = frame(60);
    memset(buf->frame + 14, 0, 46);
    memset(buf->frame + 14, 0xff, 2);
    buf->checked = true;
    assert_true(xdp_run(buf));
    assert_int_equal(buf->frame[20], 0xff);
    assert_int_equal(buf->frame[21], 0xff);
    pktbuf_free(buf);
}

/* The device says where: it is not believed. */
static void test_partial_checksum_beyond_the_frame(void **state)
{
    static const struct nic_rx_partial wrong[] = {
        { 60, 0 }, { 59, 0 }, { 34, 25 }, { 65535, 65535 }, { 0, 65535 }, { 65535, 0 }, { 0, 59 },
    };

    (void)state;
    attach(&progs[0]);
    fake.partial = true;
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct pktbuf *buf = frame(60);

        fake.at = wrong[i];
        buf->checked = true;
        assert_true(xdp_run(buf));
        for (unsigned b = 0; b < 70; b++)
            assert_true(b >= 60 || buf->frame[b] == (uint8_t)(b * 7));
        assert_false(buf->checked); /* the stack looks itself, and finds it wrong */
        pktbuf_free(buf);
    }
    assert_int_equal(stats().csum_made, before.csum_made);
}

/* What the card vouched for does not hold for what a program may have changed. */
static void test_checked_is_no_more(void **state)
{
    struct pktbuf *buf;

    (void)state;
    attach(&progs[0]);
    buf = frame(60);
    buf->checked = true;
    assert_true(xdp_run(buf));
    assert_false(buf->checked);
    assert_int_equal(stats().csum_made, before.csum_made);
    pktbuf_free(buf);
}

static void test_pieces_are_dropped(void **state)
{
    unsigned free = pool_free();
    struct pktbuf *buf;

    (void)state;
    attach(&progs[0]);
    buf = frame(1648);
    buf->next = frame(1660);
    buf->next->next = frame(10);
    assert_false(xdp_run(buf));
    assert_int_equal(pool_free(), free);
    assert_int_equal(stats().frags_drop, before.frags_drop + 1);
    assert_int_equal(stats().packets, before.packets); /* the program has not seen it */
    assert_int_equal(progs[0].actions[XDP_PASS], 0);
}

/* ---- Attaching ---- */

static void test_attach_replace_detach(void **state)
{
    (void)state;
    attach(&progs[0]);
    assert_ptr_equal(xdp_attached, &progs[0]);
    assert_int_equal(progs[0].refs, 2);
    assert_true(fake.plain);
    assert_int_equal(fake.drains, 1);

    attach(&progs[1]);
    assert_ptr_equal(xdp_attached, &progs[1]);
    assert_int_equal(progs[0].refs, 1);
    assert_int_equal(progs[1].refs, 2);
    assert_int_equal(fake.plain_calls, 1); /* it is so already */
    assert_int_equal(fake.drains, 1);

    attach(&progs[1]); /* itself */
    assert_int_equal(progs[1].refs, 2);

    fake_context = CONTEXT_MAIN;
    xdp_detach();
    assert_null(xdp_attached);
    assert_int_equal(progs[1].refs, 1);
    assert_false(fake.plain);
    xdp_detach();
    assert_int_equal(fake.plain_calls, 2);
}

static void test_attach_refused(void **state)
{
    const char *why = NULL;

    (void)state;
    fake_context = CONTEXT_MAIN;
    fake.refuses = true;
    assert_false(xdp_attach(&progs[0], &why));
    assert_string_equal(why, "no");
    assert_null(xdp_attached);
    assert_int_equal(progs[0].refs, 1);
    assert_int_equal(fake.drains, 0);

    xdp_init(NULL);
    why = NULL;
    assert_false(xdp_attach(&progs[0], &why));
    assert_non_null(why);
    assert_int_equal(progs[0].refs, 1);
    assert_false(fake.in_net);

    progs[0].verified = false;
    EXPECT_PANIC(xdp_attach(&progs[0], &why));
}

/* `xdp jit off` holds from the next frame on. */
static void test_interpreted(void **state)
{
    (void)state;
    attach(&progs[0]);
    verdict = XDP_DROP;
    xdp_run(frame(60));
    assert_int_equal(fake.interpreted, 0);
    bpf_jit_enabled = false;
    xdp_run(frame(60));
    assert_int_equal(fake.interpreted, 1);
    bpf_jit_enabled = true;
    progs[0].entry = NULL; /* there was no memory to compile it */
    xdp_run(frame(60));
    assert_int_equal(fake.interpreted, 2);
    assert_int_equal(progs[0].actions[XDP_DROP], 3);
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pass),
        TEST(test_moved_ends),
        TEST(test_drop),
        TEST(test_tx),
        TEST(test_aborted_and_unknown),
        TEST(test_redirect),
        TEST(test_broadcast),
        TEST(test_stale_redirect),
        TEST(test_partial_checksum),
        TEST(test_partial_checksum_of_zero),
        TEST(test_partial_checksum_beyond_the_frame),
        TEST(test_checked_is_no_more),
        TEST(test_pieces_are_dropped),
        TEST(test_attach_replace_detach),
        TEST(test_attach_refused),
        TEST(test_interpreted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
