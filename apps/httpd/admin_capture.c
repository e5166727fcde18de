/*
 * /_/capture.pcapng?seconds=10&filter=...: the frames that pass the NIC, as they do, for Wireshark
 * and tcpdump (docs/capture.md). A timer moves what a capture's ring holds (net/capture.h) into the
 * answer, for as long as the client takes it; what it does not take in time the ring drops, and
 * counts. Bottom half.
 */
#include "admin_pages.h"
#include "http_query.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/timer.h>
#include <net/capture.h>
#include <net/cbpf.h>
#include <net/stack.h>
#include <string.h>

#define PERIOD_NS    (10 * NS_PER_MS)
#define BEHIND_MAX   (256u << 10) /* bytes that the client may have untaken before we wait */
#define SECONDS_MAX  3600
#define FILTER_INSNS 512 /* a head has room for no more */
#define VALUE_MAX    (16u << 10)
#define RETRY        "Retry-After: 10\r\n"

static struct stream {
    struct answer *answer; /* NULL: free */
    struct capture *capture;
    uint64_t end_ns;
} streams[CAPTURES_MAX];

static struct timer timer;

/* ---------------------------------------------------------------- what is asked for */

struct wish {
    uint64_t seconds, snaplen, packets, own; /* own: this connection too */
    struct cbpf_insn filter[FILTER_INSNS];
    size_t filter_len;
    char wrong[160]; /* why it can not be had; "": it can */
};

static void refuse(struct wish *wish, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void refuse(struct wish *wish, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fmt_vsnprintf(wish->wrong, sizeof(wish->wrong), fmt, ap);
    va_end(ap);
}

static bool read_number(const char *text, uint64_t *out)
{
    uint64_t value = 0;

    if (*text == '\0' || strlen(text) > 9)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = value;
    return true;
}

static void read_filter(struct wish *wish, const char *text, size_t len)
{
    struct cbpf_error error;

    wish->filter_len = cbpf_parse(text, len, wish->filter, FILTER_INSNS, &error);
    if (wish->filter_len == 0)
        refuse(wish, "filter, at %u: %s (it is what tcpdump -y EN10MB -ddd prints)\n", error.at,
               error.reason);
}

static const struct parameter {
    const char *name;
    size_t offset;
    uint64_t min, max;
} parameters[] = {
    { "seconds", offsetof(struct wish, seconds), 1, SECONDS_MAX },
    { "snaplen", offsetof(struct wish, snaplen), 14, CAPTURE_SNAPLEN },
    { "packets", offsetof(struct wish, packets), 1, 999999999 },
    { "own", offsetof(struct wish, own), 0, 1 },
};

static bool is_name(const struct http_pair *pair, const char *name)
{
    return pair->name_len == strlen(name) && memcmp(pair->name, name, pair->name_len) == 0;
}

static void read_pair(struct wish *wish, const struct http_pair *pair)
{
    static char value[VALUE_MAX]; /* too large for the stack; one at a time is read */
    int len = http_query_decode(pair->value, pair->value_len, value, sizeof(value));

    if (is_name(pair, "filter")) {
        read_filter(wish, value, len < 0 ? 0 : (size_t)len);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
        const struct parameter *p = &parameters[i];
        uint64_t *to = (uint64_t *)(void *)((char *)wish + p->offset);

        if (!is_name(pair, p->name))
            continue;
        if (len < 0 || !read_number(value, to) || *to < p->min || *to > p->max)
            refuse(wish, "%s wants a number, %llu to %llu\n", p->name, (unsigned long long)p->min,
                   (unsigned long long)p->max);
        return;
    }
    refuse(wish, "takes seconds, filter, snaplen, packets and own, each as name=value\n");
}

static void read_wish(struct wish *wish, const struct http_request *request)
{
    const char *end = request->target + request->target_len;
    const char *at = memchr(request->target, '?', request->target_len);
    struct http_pair pair;

    *wish = (struct wish){ .seconds = 10, .snaplen = CAPTURE_SNAPLEN };
    at = at != NULL ? at + 1 : end;
    while (wish->wrong[0] == '\0' && http_query_next(&at, end, &pair))
        read_pair(wish, &pair);
}

static struct capture_connection connection_of(const struct conn *conn)
{
    const ip_addr_t *peer = &conn->pcb->remote_ip;
    struct capture_connection c = { .ipv6 = IP_IS_V6(peer),
                                    .port = conn->pcb->remote_port,
                                    .local_port = conn->pcb->local_port };

    memcpy(c.address, c.ipv6 ? (const void *)ip_2_ip6(peer) : (const void *)ip_2_ip4(peer),
           c.ipv6 ? 16 : 4);
    return c;
}

/* ---------------------------------------------------------------- as it comes */

/* What the ring has, for as long as the client keeps up. */
static void move(struct stream *s)
{
    const uint8_t *data;
    size_t len;

    while (s->answer->made.bytes < BEHIND_MAX && (len = capture_peek(s->capture, &data)) > 0) {
        len = MIN(len, BEHIND_MAX);
        answer_stream_write(s->answer, data, len);
        capture_consume(s->capture, len);
    }
}

static void finish(struct stream *s)
{
    struct answer *answer = s->answer;

    s->answer = NULL;
    capture_close(s->capture);
    answer_stream_end(answer);
}

static void feed(struct stream *s, uint64_t now_ns)
{
    struct conn *conn = s->answer->conn;
    const uint8_t *data;

    if (now_ns >= s->end_ns)
        capture_end(s->capture);
    move(s);
    if (s->answer->made.failed ||
        (capture_ended(s->capture) && capture_peek(s->capture, &data) == 0))
        finish(s);
    conn_kick(conn); /* it may be gone now, and the stream with it */
}

static void tick(void *arg)
{
    uint64_t now_ns = time_ns();
    bool any = false;

    (void)arg;
    stack_tx_complete();
    for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
        if (streams[i].answer != NULL)
            feed(&streams[i], now_ns);
        any |= streams[i].answer != NULL;
    }
    stack_round_end();
    if (any)
        timer_set(&timer, now_ns + PERIOD_NS);
}

/* The client went before the end. */
static void gone(struct answer *answer)
{
    for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
        if (streams[i].answer != answer)
            continue;
        streams[i].answer = NULL;
        capture_close(streams[i].capture);
    }
}

static struct stream *free_place(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
        if (streams[i].answer == NULL)
            return &streams[i];
    return NULL;
}

static struct capture *open_capture(const struct conn *conn, const struct wish *wish)
{
    const struct capture_connection own = connection_of(conn);

    return capture_open(&(struct capture_options){ .filter = wish->filter,
                                                   .filter_len = wish->filter_len,
                                                   .snaplen = (uint32_t)wish->snaplen,
                                                   .packets = wish->packets,
                                                   .without = wish->own ? NULL : &own });
}

static const struct response *begin(struct conn *conn, const struct http_request *request,
                                    const struct wish *wish)
{
    struct stream *s = free_place();
    struct answer *answer;

    if (s == NULL)
        return answer_message(conn, 503, RETRY, "as many captures as there may be are under way\n");
    answer = answer_new(conn);
    if (answer == NULL)
        return NULL;
    s->capture = open_capture(conn, wish);
    if (s->capture == NULL) {
        answer_drop(conn);
        return answer_message(conn, 503, RETRY, "no memory for a capture now\n");
    }
    answer_stream_begin(answer, request, "application/x-pcapng");
    answer->gone = gone;
    s->answer = answer;
    s->end_ns = time_ns() + wish->seconds * NS_PER_SEC;
    if (!timer.armed) {
        timer_setup(&timer, tick, NULL);
        timer_set(&timer, time_ns());
    }
    return &answer->response;
}

const struct response *admin_capture(struct conn *conn, const struct http_request *request)
{
    static struct wish wish; /* too large for the stack */

    if (request->method != HTTP_GET)
        return answer_message(conn, 405, "Allow: GET\r\n", "a capture takes GET alone\n");
    read_wish(&wish, request);
    if (wish.wrong[0] != '\0')
        return answer_message(conn, 400, "", wish.wrong);
    return begin(conn, request, &wish);
}
