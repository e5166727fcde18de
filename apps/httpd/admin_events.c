/*
 * /_/events: Server-Sent Events (WHATWG HTML §9.2), one a second with what the dashboard plots.
 * All who listen get the same text; who does not take it in time misses some. Collected and written
 * by main context, sent by the bottom half.
 */
#include "admin_numbers.h"
#include "admin_pages.h"
#include <kernel/fmt.h>
#include <kernel/hist.h>
#include <kernel/json.h>
#include <kernel/lib.h>
#include <kernel/softirq.h>
#include <kernel/timer.h>
#include <kernel/work.h>
#include <string.h>

#define LISTENERS_MAX 16
#define EVENT_MAX     1024       /* bytes */
#define BEHIND_MAX    (8u << 10) /* bytes that one may have untaken before it misses some */
#define PERIOD_NS     NS_PER_SEC

static struct answer *listeners[LISTENERS_MAX];
static struct timer timer;

/* ---------------------------------------------------------------- an event's text */

struct text {
    char at[EVENT_MAX];
    size_t len;
};

static void append(void *arg, const char *s, size_t len)
{
    struct text *text = arg;

    len = MIN(len, sizeof(text->at) - text->len);
    memcpy(text->at + text->len, s, len);
    text->len += len;
}

static void put_receiving(struct json *j, const struct admin_numbers *n)
{
    json_str(j, "mode", rx_mode_name(napi_mode()));
    json_str(j, "state", napi_regime_name());
    json_u64(j, "budget", napi_budget());
    json_u64(j, "defer_us", napi_defer_us());
    json_u64(j, "usecs", softirq_round_ns() / NS_PER_US);
    json_u64(j, "rx_packets", n->nic.rx_packets);
    json_u64(j, "rx_bytes", n->nic.rx_bytes);
    json_u64(j, "rx_drops", n->rx_drops);
    json_u64(j, "tx_packets", n->nic.tx_packets);
    json_u64(j, "tx_bytes", n->nic.tx_bytes);
    json_u64(j, "interrupts", n->interrupts);
    json_u64(j, "polls", n->napi.polls);
    json_u64(j, "mode_switches", n->napi.mode_switches);
}

static void put_http(struct json *j, const struct http_stats *s)
{
    json_u64(j, "requests", s->requests);
    json_u64(j, "responses_4xx", s->responses[4]);
    json_u64(j, "responses_5xx", s->responses[5]);
    json_u64(j, "bytes", s->bytes);
    json_u64(j, "connections", s->active);
}

static void put_cpu(struct json *j, const struct cputime_split *cpu)
{
    json_object(j, "cpu");
    json_u64(j, "irq", cpu->ns[CPUTIME_IRQ]);
    json_u64(j, "softirq", cpu->ns[CPUTIME_SOFTIRQ]);
    json_u64(j, "app", cpu->ns[CPUTIME_APP]);
    json_u64(j, "main", cpu->ns[CPUTIME_MAIN]);
    json_u64(j, "idle", cpu->ns[CPUTIME_IDLE]);
    json_object_end(j);
}

static const struct hist *ring_time(void)
{
    for (const struct hist_entry *e = hist_entries_start; e < hist_entries_end; e++)
        if (strcmp(e->name, "ring_time") == 0)
            return e->hist;
    return NULL;
}

/* Of the packets since the last event: how long they lay in the ring. */
static void put_latency(struct json *j)
{
    static struct hist before, recent; /* too large for the stack */
    const struct hist *now = ring_time();

    if (now == NULL)
        return;
    softirq_disable();
    hist_since(now, &before, &recent);
    softirq_enable();
    if (recent.count == 0) {
        json_null(j, "latency_ns");
        return;
    }
    json_object(j, "latency_ns");
    json_u64(j, "p50", hist_percentile(&recent, 500));
    json_u64(j, "p90", hist_percentile(&recent, 900));
    json_u64(j, "p99", hist_percentile(&recent, 990));
    json_object_end(j);
}

static void write_event(struct text *text)
{
    struct admin_numbers n;
    struct json j;

    admin_numbers_read(&n);
    append(text, "data: ", 6);
    json_begin(&j, append, text);
    json_u64(&j, "t_ms", n.uptime_ns / NS_PER_MS);
    put_receiving(&j, &n);
    put_http(&j, &n.http);
    put_cpu(&j, &n.cpu);
    put_latency(&j);
    json_end(&j);
    append(text, "\n\n", 2);
}

/* ---------------------------------------------------------------- who listens */

static bool anybody(void)
{
    for (unsigned i = 0; i < LISTENERS_MAX; i++)
        if (listeners[i] != NULL)
            return true;
    return false;
}

static void send_event(struct work *work)
{
    static struct text text;

    (void)work;
    text.len = 0;
    write_event(&text);
    net_enter();
    for (unsigned i = 0; i < LISTENERS_MAX; i++) {
        struct answer *listener = listeners[i];

        if (listener == NULL || listener->made.bytes > BEHIND_MAX)
            continue;
        answer_stream_write(listener, text.at, text.len);
        conn_kick(listener->conn); /* it may be gone now */
    }
    net_leave();
}

static struct work work = { .run = send_event };

static void tick(void *arg)
{
    (void)arg;
    if (!anybody())
        return;
    work_add(&work);
    timer_set(&timer, time_ns() + PERIOD_NS);
}

static void gone(struct answer *answer)
{
    for (unsigned i = 0; i < LISTENERS_MAX; i++)
        if (listeners[i] == answer)
            listeners[i] = NULL;
}

static struct answer **free_place(void)
{
    for (unsigned i = 0; i < LISTENERS_MAX; i++)
        if (listeners[i] == NULL)
            return &listeners[i];
    return NULL;
}

const struct response *admin_events(struct conn *conn, const struct http_request *request)
{
    struct answer **place = free_place();
    struct answer *answer;

    if (request->method != HTTP_GET)
        return answer_message(conn, 405, "Allow: GET\r\n", "events take GET alone\n");
    if (place == NULL)
        return response_for_status(503);
    answer = answer_new(conn);
    if (answer == NULL)
        return NULL;
    answer_stream_begin(answer, request, "text/event-stream");
    answer->gone = gone;
    if (!timer.armed) {
        timer_setup(&timer, tick, NULL);
        timer_set(&timer, time_ns() + PERIOD_NS);
    }
    *place = answer;
    work_add(&work); /* the first at once */
    return &answer->response;
}
