/*
 * /_/maps/NAME/events?seconds=10: what programs send out by a ringbuf or a perf_event_array, a line
 * of JSON for each event, as they come. An event goes to whoever reads first (net/bpf/events.h).
 * Who does not take them in time leaves them in the map's ring, which drops, and counts, what finds
 * no room. Bottom half.
 */
#include "admin_pages.h"
#include "http_query.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/timer.h>
#include <net/bpf_events.h>
#include <net/stack.h>
#include <string.h>

#define STREAMS_MAX 4
#define PERIOD_NS   (20 * NS_PER_MS)
#define BEHIND_MAX  (32u << 10) /* bytes that the client may have untaken before we wait */
#define EVENT_BYTES 512u        /* of each: the rest is cut */
#define SECONDS     10
#define SECONDS_MAX 3600
#define EVENTS_PATH "/events"
#define MAPS_PATH   "maps/"

static struct stream {
    struct answer *answer; /* NULL: free */
    struct bpf_map *map;   /* a reference */
    uint64_t end_ns;
} streams[STREAMS_MAX];

static struct timer timer;

bool admin_is_map_events(const char *path, size_t len)
{
    size_t before = strlen(MAPS_PATH), behind = strlen(EVENTS_PATH);

    return len > before + behind && memcmp(path, MAPS_PATH, before) == 0 &&
           memcmp(path + len - behind, EVENTS_PATH, behind) == 0;
}

/* ---------------------------------------------------------------- as it comes */

static void write_event(struct stream *s, const uint8_t *data, const struct bpf_event *event)
{
    static const char digits[] = "0123456789abcdef";
    static char line[2 * EVENT_BYTES + 96]; /* too large for the stack; one at a time is written */
    size_t kept = MIN(event->bytes, EVENT_BYTES);
    size_t len = (size_t)fmt_snprintf(line, sizeof(line), "{\"bytes\":%u,\"lost\":%llu,\"data\":\"",
                                      event->bytes, (unsigned long long)event->lost);

    for (size_t i = 0; i < kept; i++) { /* up to 16 KiB in a row: not by fmt_snprintf() */
        line[len++] = digits[data[i] >> 4];
        line[len++] = digits[data[i] & 15];
    }
    len += (size_t)fmt_snprintf(line + len, sizeof(line) - len, "\"}\n");
    answer_stream_write(s->answer, line, len);
}

static void finish(struct stream *s)
{
    struct answer *answer = s->answer;

    s->answer = NULL;
    bpf_map_put(s->map);
    answer_stream_end(answer);
}

static void feed(struct stream *s, uint64_t now_ns)
{
    static uint8_t data[EVENT_BYTES];
    struct conn *conn = s->answer->conn;
    struct bpf_event event;

    while (s->answer->made.bytes < BEHIND_MAX &&
           bpf_events_read(s->map, data, sizeof(data), &event))
        write_event(s, data, &event);
    if (now_ns >= s->end_ns || s->answer->made.failed)
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
        bpf_map_put(streams[i].map);
    }
}

/* ---------------------------------------------------------------- what is asked for */

static struct stream *free_place(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
        if (streams[i].answer == NULL)
            return &streams[i];
    return NULL;
}

/* ?seconds=; 0: it is none. */
static uint64_t read_seconds(const char *query, size_t len)
{
    static const char name[] = "seconds=";
    uint64_t value = 0;

    if (len == 0)
        return SECONDS;
    if (len < sizeof(name) || len > sizeof(name) + 4 || memcmp(query, name, sizeof(name) - 1) != 0)
        return 0;
    for (size_t i = sizeof(name) - 1; i < len; i++) {
        if (query[i] < '0' || query[i] > '9')
            return 0;
        value = value * 10 + (uint64_t)(query[i] - '0');
    }
    return value <= SECONDS_MAX ? value : 0;
}

static const struct response *begin(struct conn *conn, const struct http_request *request,
                                    struct bpf_map *map, uint64_t seconds)
{
    struct stream *s = free_place();
    struct answer *answer;

    if (s == NULL)
        return answer_message(conn, 503, "Retry-After: 10\r\n",
                              "as many streams of events as there may be are under way\n");
    answer = answer_new(conn);
    if (answer == NULL)
        return NULL;
    answer_stream_begin(answer, request, "application/x-ndjson");
    answer->gone = gone;
    bpf_map_hold(map);
    *s =
        (struct stream){ .answer = answer, .map = map, .end_ns = time_ns() + seconds * NS_PER_SEC };
    if (!timer.armed) {
        timer_setup(&timer, tick, NULL);
        timer_set(&timer, time_ns());
    }
    return &answer->response;
}

const struct response *admin_map_events(struct conn *conn, const struct http_request *request)
{
    const char *path = request->target + strlen("/_/" MAPS_PATH);
    const char *end = request->target + request->target_len;
    const char *query = memchr(path, '?', (size_t)(end - path));
    size_t len = (size_t)((query != NULL ? query : end) - path) - strlen(EVENTS_PATH);
    uint64_t seconds = query == NULL ? SECONDS : read_seconds(query + 1, (size_t)(end - query - 1));
    char name[BPF_MAP_NAME_MAX];
    struct bpf_map *map = NULL;

    if (request->method != HTTP_GET)
        return answer_message(conn, 405, "Allow: GET\r\n", "takes GET\n");
    if (http_query_decode(path, len, name, sizeof(name)) > 0)
        map = bpf_map_by_name(name);
    if (map == NULL)
        return answer_message(conn, 404, "", "there is no such map\n");
    if (!bpf_events_has(map))
        return answer_message(conn, 409, "", "a map of this type has no events\n");
    if (seconds == 0)
        return answer_message(conn, 400, "", "seconds is a number from 1 to 3600\n");
    return begin(conn, request, map, seconds);
}
