/*
 * httpd as a whole on a fake of lwIP's raw API (fake_tcp.h): what a client sees, whatever the
 * segments, the windows and the memory are like; and that nothing is left behind.
 */
#include <boot/bootinfo.h>
#include <httpd/conn.h>
#include <httpd/http_request.h>
#include <kernel/config.h>
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include "fake_kmalloc.h"
#include "fake_tcp.h"
#include "fakes.h"
#include "tar.h"
#include <cmocka.h>

#define SND_BUF         65536u
#define GET(path)       "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD(path)      "HEAD " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_CLOSE(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

#define BIG_BYTES    300000u
#define HELD_ALL_MAX 768 /* as in conn.c */

static struct tar tar;
static char big[BIG_BYTES];
static unsigned max_connections = 1000;
static const char *discard;

uint64_t time_unix(void)
{
    return 0;
}

uint64_t config_u64(const char *key, uint64_t fallback, uint64_t min, uint64_t max)
{
    assert_true(min <= fallback && fallback <= max);
    return strcmp(key, "http_max_connections") == 0 ? max_connections : fallback;
}

const char *config_get(const char *key, const char *fallback)
{
    return strcmp(key, "http_discard") == 0 ? discard : fallback;
}

bool config_bool(const char *key, bool fallback)
{
    (void)key;
    return fallback;
}

unsigned config_choice(const char *key, const char *const *names, unsigned fallback)
{
    (void)key;
    (void)names;
    return fallback;
}

uint32_t rand_u32(void)
{
    return 4;
}

void softirq_disable(void) {}
void softirq_enable(void) {}

char *ipaddr_ntoa_r(const ip_addr_t *address, char *buf, int size)
{
    (void)address;
    snprintf(buf, (size_t)size, "192.0.2.1");
    return buf;
}

/* httpd.c reads the site through the direct map; here phys_to_virt() must give our archive. */
const struct boot_info *boot_info(void)
{
    static struct boot_info info;

    info.site.base = (uint64_t)tar.data - BOOT_PHYSMAP_BASE;
    info.site.bytes = tar.bytes;
    return &info;
}

static int start(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BIG_BYTES; i++)
        big[i] = (char)(i * 7 + i / 251);
    tar_file(&tar, "index.html", "<h1>home</h1>");
    tar_file(&tar, "a.txt", "alpha");
    tar_file(&tar, "empty.txt", "");
    tar_file(&tar, "docs/index.html", "docs");
    tar_add(&tar, '0', "big.bin", big, BIG_BYTES, 0);
    tar_end(&tar);
    assert_true(httpd_start());
    assert_int_equal(fake_listen_port, 80);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    site_free(&httpd.site);
    tar_free(&tar);
    assert_int_equal(fake_kmalloc_live, 0);
    return 0;
}

static unsigned heap_before;

static int begin(void **state)
{
    (void)state;
    heap_before = fake_kmalloc_live;
    memset(&httpd.stats, 0, sizeof(httpd.stats));
    httpd.settings.max_connections = max_connections;
    httpd.settings.min_rate = 0;
    httpd.settings.max_body = 16u << 20;
    fake_write_calls = fake_write_fail_at = fake_copied = fake_referenced = 0;
    fake_write_fail_all = false;
    return 0;
}

/* After every test: no connection, no buffer, no memory is left. */
static int end(void **state)
{
    (void)state;
    assert_int_equal(httpd.stats.active, 0);
    assert_int_equal(httpd.stats.held_pbufs, 0);
    assert_int_equal(fake_pcbs_live, 0);
    assert_int_equal(fake_pbufs_live, 0);
    assert_int_equal(fake_kmalloc_live, heap_before);
    return 0;
}

/* ---------------------------------------------------------------- reading answers */

struct reply {
    unsigned status;
    const char *head;
    size_t head_len;
    const char *body;
    size_t body_len;
};

static bool head_has(const struct reply *a, const char *line)
{
    return memmem(a->head, a->head_len, line, strlen(line)) != NULL;
}

/* Take the next answer off *text; `is_head`: it was for HEAD. */
static struct reply next_answer(const char **text, size_t *len, bool is_head)
{
    struct reply a = { .head = *text };
    const char *end = memmem(*text, *len, "\r\n\r\n", 4);
    const char *length;

    if (end == NULL)
        fail_msg("no whole head in: %.*s", (int)*len, *text);
    a.head_len = (size_t)(end + 4 - *text);
    assert_int_equal(sscanf(a.head, "HTTP/1.1 %u ", &a.status), 1);
    length = memmem(a.head, a.head_len, "Content-Length: ", 16);
    a.body = *text + a.head_len;
    if (a.status == 204 || a.status == 304)
        assert_null(length);
    else
        assert_non_null(length);
    a.body_len = is_head || length == NULL ? 0 : strtoul(length + 16, NULL, 10);
    if (a.head_len + a.body_len > *len)
        fail_msg("body cut short: %zu of %zu", *len - a.head_len, a.body_len);
    *text += a.head_len + a.body_len;
    *len -= a.head_len + a.body_len;
    return a;
}

static void assert_body(const struct reply *a, const char *text)
{
    assert_int_equal(a->body_len, strlen(text));
    assert_memory_equal(a->body, text, strlen(text));
}

/* The one answer that the peer has received, with nothing behind it. */
static struct reply only_answer(const struct peer *peer, bool is_head)
{
    size_t len;
    const char *text = peer_received(peer, &len);
    struct reply a = next_answer(&text, &len, is_head);

    assert_int_equal(len, 0);
    return a;
}

/* Close as a client does that has what it wanted. */
static void leave(struct peer *peer)
{
    if (!peer_app_done(peer))
        peer_fin(peer);
    peer_ack_all(peer);
    assert_true(peer_app_done(peer));
    assert_true(peer_got_fin(peer));
    assert_false(peer_got_reset(peer));
    peer_free(peer);
}

/* One request on its own connection; its answer is left in *answer, the peer is returned. */
static struct peer *ask(const char *request, struct reply *answer)
{
    struct peer *peer = peer_connect(SND_BUF);

    peer_send_text(peer, request);
    peer_ack_all(peer);
    *answer = only_answer(peer, strncmp(request, "HEAD", 4) == 0);
    return peer;
}

/* ---------------------------------------------------------------- what is answered */

static void answers(const char *request, unsigned status, bool closes)
{
    struct reply a;
    struct peer *peer = ask(request, &a);

    if (a.status != status)
        fail_msg("%u, not %u: %s", a.status, status, request);
    if (peer_got_fin(peer) != closes || head_has(&a, "\r\nConnection: close\r\n") != closes)
        fail_msg("%s, but should%s: %s", peer_got_fin(peer) ? "closes" : "stays open",
                 closes ? "" : " not", request);
    leave(peer);
}

static void test_statuses(void **state)
{
    char line[5200] = "GET /";

    (void)state;
    answers(GET("/"), 200, false);
    answers(GET_CLOSE("/"), 200, true);
    answers("GET / HTTP/1.0\r\n\r\n", 200, true);
    answers("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false);
    answers(HEAD("/a.txt"), 200, false);
    answers(GET("http://a/a.txt"), 200, false);
    answers(GET("/docs"), 301, false);
    answers(GET("/docs/"), 200, false);
    answers(GET("/none"), 404, false);
    answers(HEAD("/none"), 404, false);
    answers(GET("/a.txt/"), 404, false);
    answers(GET("/%00"), 400, false); /* a well-formed request for an impossible name */
    answers(GET("/../a"), 400, false);
    answers("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, false);
    answers("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204, false);
    answers("OPTIONS /none HTTP/1.1\r\nHost: a\r\n\r\n", 204, false);
    answers("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, false);
    answers("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417, true);
    answers("GET / HTTP/1.1\r\n\r\n", 400, true);
    answers("HEAD / HTTP/1.1\r\n\r\n", 400, true);
    answers("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, true);
    memset(line + 5, 'x', 5000);
    answers(line, 414, true);
    sprintf(line, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (unsigned i = 0; i < 70; i++)
        strcat(line, "X: y\r\n");
    answers(line, 431, true);
}

static void test_head_fields(void **state)
{
    struct reply a;
    struct peer *peer = ask(GET("/a.txt"), &a);

    (void)state;
    assert_true(head_has(&a, "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_true(head_has(&a, "Server: Tophalf\r\n"));
    assert_body(&a, "alpha");
    leave(peer);

    peer = ask("DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n", &a);
    assert_true(head_has(&a, "\r\nAllow: GET, HEAD, OPTIONS\r\n"));
    leave(peer);

    peer = ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &a);
    assert_true(head_has(&a, "\r\nConnection: keep-alive\r\n"));
    leave(peer);

    peer = ask(HEAD("/big.bin"), &a);
    assert_true(head_has(&a, "\r\nContent-Length: 300000\r\n"));
    leave(peer);
    assert_int_equal(httpd.stats.requests, 4);
    assert_int_equal(httpd.stats.responses[2], 3);
    assert_int_equal(httpd.stats.responses[4], 1);
}

/* Only heads are copied. */
static void test_bodies_by_reference(void **state)
{
    struct reply a;
    struct peer *peer = ask(GET("/big.bin"), &a);

    (void)state;
    assert_int_equal(a.body_len, BIG_BYTES);
    assert_memory_equal(a.body, big, BIG_BYTES);
    assert_int_equal(fake_referenced, BIG_BYTES);
    assert_int_equal(fake_copied, a.head_len);
    assert_int_equal(httpd.stats.bytes, BIG_BYTES + a.head_len);
    leave(peer);
}

static void test_keep_alive(void **state)
{
    struct peer *peer = peer_connect(SND_BUF);
    size_t len;
    const char *text;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        peer_send_text(peer, GET("/a.txt"));
        assert_int_equal(peer_window_closed_by(peer), 0);
        peer_ack_all(peer);
    }
    text = peer_received(peer, &len);
    for (unsigned i = 0; i < 500; i++) {
        struct reply a = next_answer(&text, &len, false);

        assert_body(&a, "alpha");
    }
    assert_int_equal(len, 0);
    assert_int_equal(httpd.stats.accepted, 1);
    leave(peer);
}

/* ---------------------------------------------------------------- segments */

/* Four answers in order, the last of which closes. */
#define FOUR GET("/a.txt") HEAD("/docs/") GET("/none") GET_CLOSE("/big.bin")

static void assert_four(struct peer *peer)
{
    size_t len;
    const char *text = peer_received(peer, &len);
    struct reply a;

    a = next_answer(&text, &len, false);
    assert_body(&a, "alpha");
    a = next_answer(&text, &len, true);
    assert_true(head_has(&a, "Content-Length: 4\r\n"));
    a = next_answer(&text, &len, false);
    assert_int_equal(a.status, 404);
    a = next_answer(&text, &len, false);
    assert_int_equal(a.body_len, BIG_BYTES);
    assert_memory_equal(a.body, big, BIG_BYTES);
    assert_int_equal(len, 0);
    assert_true(peer_got_fin(peer));
}

static void test_pipelined_in_one_segment(void **state)
{
    struct peer *peer = peer_connect(SND_BUF);

    (void)state;
    peer_send_text(peer, FOUR);
    peer_ack_all(peer);
    assert_four(peer);
    leave(peer);
}

/* Cut in two at every place, and each half a chain of several pbufs (some of them empty). */
static void test_cut_anywhere(void **state)
{
    static const char text[] = FOUR;

    (void)state;
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        for (unsigned pbufs = 1; pbufs <= 7; pbufs += 3) {
            struct peer *peer = peer_connect(SND_BUF);

            if (cut > 0)
                peer_send(peer, text, cut, pbufs * (cut % 5));
            if (cut < sizeof(text) - 1)
                peer_send(peer, text + cut, sizeof(text) - 1 - cut, pbufs);
            peer_ack_all(peer);
            assert_four(peer);
            leave(peer);
        }
    }
}

static void test_byte_by_byte(void **state)
{
    static const char text[] = "\r\n" FOUR;
    struct peer *peer = peer_connect(SND_BUF);

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        peer_send(peer, text + i, 1, 1);
        /* A slow sender holds none of the NIC's buffers, and its window stays open. */
        if (i < 30) {
            assert_int_equal(fake_pbufs_live, 0);
            assert_int_equal(peer_window_closed_by(peer), 0);
        }
    }
    peer_ack_all(peer);
    assert_four(peer);
    leave(peer);
}

/* An oversized head that trickles in is refused when it is too large, not before or later. */
static void test_gathered_limits(void **state)
{
    struct peer *peer = peer_connect(SND_BUF);
    struct reply a;
    size_t sent = 0;

    (void)state;
    peer_send_text(peer, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    for (sent = 28; sent < 8192; sent += 4)
        peer_send_text(peer, "yyyy");
    peer_ack_all(peer);
    a = only_answer(peer, false);
    assert_int_equal(a.status, 431);
    leave(peer);

    peer = peer_connect(SND_BUF); /* a bare LF is seen as the end of the head, and refused */
    peer_send_text(peer, "GET / HTTP/1.1\nHost:");
    peer_ack_all(peer);
    a = only_answer(peer, false);
    assert_int_equal(a.status, 400);
    leave(peer);
    peer = peer_connect(SND_BUF);
    peer_send_text(peer, "GET / HTTP/1.1\r");
    peer_send_text(peer, "\nHost: a\n");
    peer_send_text(peer, "\n");
    peer_ack_all(peer);
    a = only_answer(peer, false);
    assert_int_equal(a.status, 400);
    leave(peer);
}

static void test_no_memory_to_gather(void **state)
{
    struct peer *peer = peer_connect(SND_BUF);
    struct reply a;

    (void)state;
    fake_kmalloc_fail_in = 1;
    peer_send_text(peer, "GET / HT");
    peer_ack_all(peer);
    a = only_answer(peer, false);
    assert_int_equal(a.status, 503);
    assert_true(head_has(&a, "\r\nRetry-After: 1\r\n")); /* RFC 9110 §15.6.4 */
    leave(peer);
}

/* ---------------------------------------------------------------- made for one request */

#define TAG_OF_A "\"2ebc98a1-5\""

static struct reply asks(const char *target, const char *fields)
{
    static struct peer *last;
    char text[1024];
    struct reply a;

    if (target == NULL) {
        leave(last);
        last = NULL;
        return (struct reply){ 0 };
    }
    if (last != NULL)
        leave(last);
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", target, fields);
    last = ask(text, &a);
    return a;
}

static void test_not_modified(void **state)
{
    struct reply a = asks("/a.txt", "If-None-Match: " TAG_OF_A "\r\n");

    (void)state;
    assert_int_equal(a.status, 304);
    assert_true(head_has(&a, "\r\nETag: " TAG_OF_A "\r\n"));
    assert_false(head_has(&a, "\r\nContent-Type: "));
    assert_int_equal(asks("/a.txt", "If-None-Match: \"x\"\r\n").status, 200);
    assert_int_equal(asks("/a.txt", "If-Match: \"x\"\r\n").status, 412);
    assert_int_equal(asks("/none", "If-None-Match: *\r\n").status, 404);
    assert_int_equal(asks("/docs", "If-None-Match: *\r\n").status, 301);
    asks(NULL, NULL);
}

static void test_ranges(void **state)
{
    struct reply a = asks("/a.txt", "Range: bytes=1-3\r\n");

    (void)state;
    assert_int_equal(a.status, 206);
    assert_true(head_has(&a, "\r\nContent-Range: bytes 1-3/5\r\n"));
    assert_true(head_has(&a, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    assert_body(&a, "lph");
    a = asks("/a.txt", "Range: bytes=5-\r\n");
    assert_int_equal(a.status, 416);
    assert_true(head_has(&a, "\r\nContent-Range: bytes */5\r\n"));
    a = asks("/a.txt", "Range: bytes=1-3\r\nIf-Range: \"x\"\r\n");
    assert_int_equal(a.status, 200);
    a = asks("/a.txt", "Range: bytes=1-3\r\nRange: bytes=0-0\r\n");
    assert_int_equal(a.status, 200);
    a = asks("/big.bin", "Range: bytes=-100000\r\n");
    assert_int_equal(a.body_len, 100000);
    assert_memory_equal(a.body, big + BIG_BYTES - 100000, 100000);
    asks(NULL, NULL);
}

static void test_several_ranges(void **state)
{
    struct reply a = asks("/big.bin", "Range: bytes=0-0,100000-299998,5-6\r\n");
    const char *at = a.body, *part;
    static const struct {
        unsigned first, bytes;
    } parts[] = { { 0, 1 }, { 100000, 199999 }, { 5, 2 } };

    (void)state;
    assert_int_equal(a.status, 206);
    assert_true(head_has(&a, "\r\nContent-Type: multipart/byteranges; boundary="));
    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
        char range[64];

        snprintf(range, sizeof(range), "Content-Range: bytes %u-%u/%u\r\n\r\n", parts[i].first,
                 parts[i].first + parts[i].bytes - 1, BIG_BYTES);
        part = memmem(at, a.body_len - (size_t)(at - a.body), range, strlen(range));
        assert_non_null(part);
        at = part + strlen(range);
        assert_memory_equal(at, big + parts[i].first, parts[i].bytes);
        at += parts[i].bytes;
    }
    assert_memory_equal(a.body + a.body_len - 4, "--\r\n", 4);
    asks(NULL, NULL);
}

/* HEAD knows no ranges, and a redirect keeps the query. */
static void test_head_and_redirect(void **state)
{
    struct reply a;
    struct peer *peer = ask("HEAD /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0\r\n\r\n", &a);

    (void)state;
    assert_int_equal(a.status, 200);
    leave(peer);
    a = asks("/docs?a=b", "");
    assert_true(head_has(&a, "\r\nLocation: /docs/?a=b\r\n"));
    asks(NULL, NULL);
}

/* Whatever TCP takes at a time, and whenever memory is short for it. */
static void test_parts_through_a_small_window(void **state)
{
    struct peer *peer = peer_connect(1500);
    struct reply a;

    (void)state;
    peer_send_text(peer,
                   "GET /big.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=0-999,2000-2999\r\n\r\n");
    for (unsigned i = 0; i < 200; i++) {
        fake_write_fail_all = i % 3 == 1;
        peer_ack(peer, 97);
        peer_poll(peer);
    }
    fake_write_fail_all = false;
    peer_ack_all(peer);
    a = only_answer(peer, false);
    assert_int_equal(a.status, 206);
    assert_non_null(memmem(a.body, a.body_len, big, 1000));
    assert_non_null(memmem(a.body, a.body_len, big + 2000, 1000));
    leave(peer);
}

/* ---------------------------------------------------------------- request bodies */

static void test_bodies_are_skipped(void **state)
{
    struct peer *peer = peer_connect(SND_BUF);
    size_t len;
    const char *text;

    (void)state;
    assert_int_equal(strlen(GET("/no")) + 4, 33);
    peer_send_text(peer, "GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\n" GET("/no"));
    peer_send_text(peer, "0123" GET("/docs/"));
    peer_send_text(peer, "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n");
    for (unsigned i = 0; i < 64; i++)
        peer_send(peer, big, 1024, 2);
    peer_send_text(peer, GET("/a.txt"));
    peer_ack_all(peer);
    text = peer_received(peer, &len);
    assert_int_equal(next_answer(&text, &len, false).body_len, 5);
    assert_int_equal(next_answer(&text, &len, false).body_len, 4);
    assert_int_equal(next_answer(&text, &len, false).status, 405);
    assert_int_equal(next_answer(&text, &len, false).status, 200);
    assert_int_equal(len, 0);
    assert_int_equal(httpd.stats.requests, 4);
    leave(peer);
}

/* A body that is too long, or may not come: answered, closed, and what comes is dropped without a
 * reset, so that the client sees the answer. */
static void test_bodies_that_close(void **state)
{
    static const struct {
        const char *text;
        unsigned status;
    } requests[] = {
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 405 },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777217\r\n\r\n", 413 },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n", 413 },
        { "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\n", 400 },
        { "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", 405 },
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
        struct peer *peer = peer_connect(SND_BUF);
        struct reply a;

        peer_send_text(peer, requests[i].text);
        for (unsigned n = 0; n < 200; n++)
            peer_send(peer, big, 1460, 1);
        assert_int_equal(peer_window_closed_by(peer), 0);
        assert_int_equal(fake_pbufs_live, 0);
        peer_ack_all(peer);
        a = only_answer(peer, false);
        assert_int_equal(a.status, requests[i].status);
        leave(peer);
    }
}

/* The client waits for the word to send. */
static void test_continue(void **state)
{
    struct peer *peer = peer_connect(SND_BUF);
    size_t len;
    const char *text;

    (void)state;
    peer_send_text(peer, "GET /a.txt HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                         "Content-Length: 3\r\n\r\n");
    peer_ack_all(peer);
    text = peer_received(peer, &len);
    assert_int_equal(len, 25);
    assert_memory_equal(text, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    peer_send_text(peer, "abc" GET("/docs/"));
    peer_ack_all(peer);
    text = peer_received(peer, &len) + 25;
    len -= 25;
    assert_int_equal(next_answer(&text, &len, false).body_len, 5);
    assert_int_equal(next_answer(&text, &len, false).body_len, 4);
    leave(peer);
}

/* http_discard: answered when all of the body has come, however long it is. */
static void test_bodies_to_discard(void **state)
{
    struct peer *peer = peer_connect(SND_BUF);
    size_t len;
    const char *text;

    (void)state;
    httpd.settings.discard = "/upload";
    peer_send_text(peer, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
    for (unsigned i = 0; i < 1024; i++) {
        peer_received(peer, &len);
        assert_int_equal(len, 0);
        peer_send(peer, big, 1024, 2);
        assert_int_equal(fake_pbufs_live, 0);
    }
    peer_send_text(peer, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    peer_send_text(
        peer, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n123"
              "POST /uploads HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n123" GET("/a.txt"));
    peer_ack_all(peer);
    text = peer_received(peer, &len);
    assert_int_equal(next_answer(&text, &len, false).status, 200);
    assert_int_equal(next_answer(&text, &len, false).status, 200);
    assert_int_equal(next_answer(&text, &len, false).status, 200);
    assert_int_equal(next_answer(&text, &len, false).status, 405);
    assert_int_equal(next_answer(&text, &len, false).body_len, 5);
    assert_int_equal(len, 0);
    leave(peer);

    answers("POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab",
            200, true);
    answers("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            "12;x\r\n0123456789abcdefgh\r\n0\r\nX: y\r\n\r\n",
            200, false);
    answers("GET /upload HTTP/1.1\r\nHost: a\r\n\r\n", 404, false);
    httpd.settings.discard = NULL;
    answers("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 405, false);
}

/* ---------------------------------------------------------------- windows and memory */

static void test_slow_windows(void **state)
{
    static const size_t steps[] = { 1, 700, 1460, 4096 };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        struct peer *peer = peer_connect(2048 << i);

        peer_send_text(peer, FOUR);
        while (peer_in_flight(peer) > 0)
            peer_ack(peer, steps[i]);
        assert_four(peer);
        leave(peer);
    }
}

/* Each tcp_write in turn is refused; then each from one on, for a while: nothing is lost. */
static void test_every_write_fails(void **state)
{
    unsigned calls;

    (void)state;
    for (unsigned fail_at = 1;; fail_at++) {
        struct peer *peer = peer_connect(20000);

        fake_write_calls = 0;
        fake_write_fail_at = fail_at;
        peer_send_text(peer, FOUR);
        for (unsigned i = 0; !peer_got_fin(peer) && i < 1000; i++) {
            peer_ack(peer, 5000);
            peer_poll(peer); /* nothing in flight: only this can go on */
        }
        peer_ack_all(peer);
        assert_four(peer);
        leave(peer);
        calls = fake_write_calls;
        if (fail_at > calls)
            break;
    }
    assert_true(calls > 20);
}

static void test_memory_comes_back_late(void **state)
{
    struct peer *peer = peer_connect(SND_BUF);

    (void)state;
    fake_write_fail_all = true;
    peer_send_text(peer, FOUR);
    for (unsigned i = 0; i < 10; i++)
        peer_poll(peer);
    assert_int_equal(peer_in_flight(peer), 0);
    fake_write_fail_all = false;
    peer_poll(peer);
    peer_ack_all(peer);
    assert_four(peer);
    leave(peer);
}

/* A client that pipelines without reading: bounded, its window closed, nobody else's business. */
static void test_pipeline_backpressure(void **state)
{
    struct peer *peer = peer_connect(4096);
    unsigned sent = 0, answers = 0;
    size_t len;
    const char *text;

    (void)state;
    while (httpd.stats.held_pbufs < 30 && sent < 1000) {
        peer_send_text(peer, GET("/a.txt"));
        sent++;
    }
    assert_true(sent < 100);
    assert_true(peer_window_closed_by(peer) > 0);
    assert_true(peer_in_flight(peer) <= 4096);
    for (unsigned i = 0; i < 200; i++, sent++) /* peer_send() acknowledges when it must */
        peer_send_text(peer, GET("/a.txt"));
    assert_true(httpd.stats.held_pbufs <= 32);
    peer_ack_all(peer);
    assert_int_equal(peer_window_closed_by(peer), 0);
    text = peer_received(peer, &len);
    for (; len > 0; answers++)
        assert_int_equal(next_answer(&text, &len, false).status, 200);
    assert_int_equal(answers, sent);
    leave(peer);
}

/* What all connections together may hold of the NIC's buffers. */
static void test_held_bound(void **state)
{
    struct peer *peers[60];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(peers); i++) {
        peers[i] = peer_connect(2048);
        peer_send_text(peers[i], GET("/big.bin"));
        peer_send(peers[i], GET("/a.txt"), strlen(GET("/a.txt")), 20);
    }
    assert_true(httpd.stats.held_pbufs <= HELD_ALL_MAX);
    for (unsigned i = 0; i < ARRAY_SIZE(peers); i++) {
        peer_reset(peers[i]);
        peer_free(peers[i]);
    }
}

/* A chain that comes at once (a gap was filled) is looked at before the first answer blocks. */
static void test_held_bound_of_one_chain(void **state)
{
    static char many[4000];
    struct peer *peers[60];

    (void)state;
    strcpy(many, GET("/big.bin"));
    for (unsigned i = 0; i < 60; i++)
        strcat(many, GET("/a.txt"));
    for (unsigned i = 0; i < ARRAY_SIZE(peers); i++) {
        peers[i] = peer_connect(2048);
        peer_send(peers[i], many, strlen(many), 64);
        assert_true(httpd.stats.held_pbufs <= HELD_ALL_MAX);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(peers); i++) {
        peer_reset(peers[i]);
        peer_free(peers[i]);
    }
    assert_int_equal(fake_pbufs_live, 0);
}

/* Empty lines before a request are passed over (RFC 9112 §2.2), however many, and kept nowhere. */
static void test_many_empty_lines(void **state)
{
    static char lines[1400];
    struct peer *peer = peer_connect(SND_BUF);

    (void)state;
    for (unsigned i = 0; i < sizeof(lines); i += 2)
        memcpy(lines + i, "\r\n", 2);
    for (unsigned i = 0; i < 12; i++)
        peer_send(peer, lines, sizeof(lines), 1);
    peer_send_text(peer, GET("/a.txt"));
    peer_ack_all(peer);
    assert_int_equal(only_answer(peer, false).status, 200);
    leave(peer);
}

/* ---------------------------------------------------------------- ends */

static void test_half_close(void **state)
{
    struct peer *peer = peer_connect(4096);
    struct reply a;

    (void)state;
    peer_send_text(peer, GET("/big.bin"));
    peer_fin(peer); /* has asked all it wanted, and still gets it */
    assert_false(peer_app_done(peer));
    peer_ack_all(peer);
    a = only_answer(peer, false);
    assert_memory_equal(a.body, big, BIG_BYTES);
    assert_true(peer_app_done(peer));
    leave(peer);
}

static void test_close_in_each_state(void **state)
{
    static const char *const said[] = { "",
                                        "GE",
                                        GET("/a.txt"),
                                        GET("/big.bin"),
                                        GET_CLOSE("/big.bin"),
                                        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n" };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(said); i++) {
        for (unsigned reset = 0; reset < 2; reset++) {
            struct peer *peer = peer_connect(SND_BUF);

            if (said[i][0] != '\0')
                peer_send_text(peer, said[i]);
            if (reset) {
                peer_reset(peer);
                assert_int_equal(httpd.stats.active, 0);
                peer_free(peer);
            } else {
                leave(peer);
            }
        }
    }
    assert_int_equal(httpd.stats.reset, ARRAY_SIZE(said));
}

static void pass(struct peer *peer, unsigned seconds)
{
    fake_time_ns += seconds * NS_PER_SEC;
    peer_poll(peer);
}

static void test_header_timeout(void **state)
{
    struct peer *peer = peer_connect(SND_BUF);
    struct reply a;

    (void)state;
    pass(peer, 50); /* an open connection that has not begun has longer */
    peer_send_text(peer, "GET / HTTP/1.1\r\n");
    pass(peer, 6);
    peer_send_text(peer, "Host: a\r\n"); /* more does not extend it */
    pass(peer, 3);
    assert_int_equal(peer_in_flight(peer), 0);
    pass(peer, 2);
    peer_ack_all(peer);
    a = only_answer(peer, false);
    assert_int_equal(a.status, 408);
    assert_true(head_has(&a, "Connection: close\r\n"));
    leave(peer);
}

static void test_idle_timeout(void **state)
{
    struct reply a;
    struct peer *peer = ask(GET("/a.txt"), &a);

    (void)state;
    pass(peer, 59);
    assert_false(peer_got_fin(peer));
    pass(peer, 2);
    assert_true(peer_got_fin(peer));
    assert_int_equal(httpd.stats.idle_closed, 1);
    leave(peer);
}

static void test_body_timeout(void **state)
{
    struct peer *peer = peer_connect(SND_BUF);

    (void)state;
    peer_send_text(peer, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1");
    pass(peer, 59);
    peer_send_text(peer, "2");
    pass(peer, 59);
    assert_false(peer_got_fin(peer));
    pass(peer, 2);
    peer_ack_all(peer);
    assert_int_equal(only_answer(peer, false).status, 408);
    leave(peer);
}

/* Takes a byte now and then: stays. Takes nothing: goes, in whatever state. */
static void test_stalled_reader(void **state)
{
    static const char *const requests[] = { GET("/big.bin"), GET_CLOSE("/docs/") };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
        struct peer *peer = peer_connect(8192);

        peer_send_text(peer, requests[i]);
        for (unsigned n = 0; n < 5; n++) {
            pass(peer, 59);
            peer_ack(peer, 1);
        }
        assert_false(peer_app_done(peer));
        pass(peer, 61);
        assert_true(peer_app_done(peer));
        assert_true(peer_got_reset(peer));
        peer_free(peer);
    }
    assert_int_equal(httpd.stats.stalled, 2);
}

/* The peer has everything and does not close: after a while lwIP is left alone with it. */
static void test_linger_ends(void **state)
{
    struct reply a;
    struct peer *peer = ask(GET_CLOSE("/a.txt"), &a);

    (void)state;
    pass(peer, 4);
    assert_false(peer_app_done(peer));
    pass(peer, 2);
    assert_true(peer_app_done(peer));
    assert_false(peer_got_reset(peer));
    peer_free(peer);
}

static void test_fin_before_all_is_acknowledged(void **state)
{
    struct peer *peer = peer_connect(SND_BUF);

    (void)state;
    peer_send_text(peer, GET_CLOSE("/a.txt"));
    peer_fin(peer);
    assert_false(peer_app_done(peer)); /* still counted while data is on its way */
    peer_ack_all(peer);
    leave(peer);
}

static void test_max_connections(void **state)
{
    struct peer *a, *b, *c;

    (void)state;
    httpd.settings.max_connections = 2;
    a = peer_connect(SND_BUF);
    b = peer_connect(SND_BUF);
    c = peer_connect(SND_BUF);
    assert_true(peer_got_reset(c));
    assert_int_equal(httpd.stats.refused, 1);
    peer_free(c);
    leave(a);
    c = peer_connect(SND_BUF);
    assert_false(peer_got_reset(c));
    leave(b);
    leave(c);
    fake_kmalloc_fail_in = 1;
    a = peer_connect(SND_BUF);
    assert_true(peer_got_reset(a));
    assert_int_equal(httpd.stats.refused, 2);
    peer_free(a);
}

/* Random segments, acknowledgements, polls and ends, and always the right bytes. */
static void test_random(void **state)
{
    static const char text[] = FOUR;
    unsigned seed = 1;

    (void)state;
    for (unsigned round = 0; round < 1500; round++) {
        struct peer *peer = peer_connect(1500 + (unsigned)rand_r(&seed) % 30000);
        size_t at = 0;
        bool cut_off = rand_r(&seed) % 8 == 0;

        while (at < sizeof(text) - 1) {
            size_t n = 1 + (size_t)rand_r(&seed) % 60;

            n = MIN(n, sizeof(text) - 1 - at);
            fake_write_fail_all = rand_r(&seed) % 4 == 0;
            peer_send(peer, text + at, n, (unsigned)rand_r(&seed) % 4);
            at += n;
            if (rand_r(&seed) % 2 == 0)
                peer_ack(peer, (size_t)rand_r(&seed) % 3000);
            fake_write_fail_all = false;
            if (cut_off && rand_r(&seed) % 8 == 0)
                break;
        }
        if (at < sizeof(text) - 1) {
            peer_reset(peer);
            peer_free(peer);
            continue;
        }
        while (!peer_got_fin(peer)) {
            peer_ack(peer, 1 + (size_t)rand_r(&seed) % 9000);
            peer_poll(peer);
        }
        peer_ack_all(peer);
        assert_four(peer);
        leave(peer);
    }
}

/* http_min_rate: a byte now and then is no transfer. */
static void test_too_slow(void **state)
{
    struct peer *peer = peer_connect(8192);

    (void)state;
    httpd.settings.min_rate = 100;
    peer_send_text(peer, GET("/big.bin"));
    for (unsigned n = 0; n < 9; n++) {
        pass(peer, 1);
        peer_ack(peer, 99);
    }
    assert_false(peer_app_done(peer));
    pass(peer, 2);
    assert_true(peer_got_reset(peer));
    peer_free(peer);

    peer = peer_connect(8192); /* fast enough: stays as long as it likes */
    peer_send_text(peer, GET("/big.bin"));
    for (unsigned n = 0; n < 60; n++) {
        pass(peer, 1);
        peer_ack(peer, 120);
    }
    assert_false(peer_app_done(peer));
    peer_ack_all(peer);
    leave(peer);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_statuses),
        TEST(test_head_fields),
        TEST(test_bodies_by_reference),
        TEST(test_keep_alive),
        TEST(test_pipelined_in_one_segment),
        TEST(test_cut_anywhere),
        TEST(test_byte_by_byte),
        TEST(test_gathered_limits),
        TEST(test_no_memory_to_gather),
        TEST(test_not_modified),
        TEST(test_ranges),
        TEST(test_several_ranges),
        TEST(test_head_and_redirect),
        TEST(test_parts_through_a_small_window),
        TEST(test_continue),
        TEST(test_too_slow),
        TEST(test_bodies_are_skipped),
        TEST(test_bodies_that_close),
        TEST(test_bodies_to_discard),
        TEST(test_slow_windows),
        TEST(test_every_write_fails),
        TEST(test_memory_comes_back_late),
        TEST(test_pipeline_backpressure),
        TEST(test_held_bound),
        TEST(test_half_close),
        TEST(test_close_in_each_state),
        TEST(test_header_timeout),
        TEST(test_idle_timeout),
        TEST(test_body_timeout),
        TEST(test_stalled_reader),
        TEST(test_held_bound_of_one_chain),
        TEST(test_many_empty_lines),
        TEST(test_linger_ends),
        TEST(test_fin_before_all_is_acknowledged),
        TEST(test_max_connections),
        TEST(test_random),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
