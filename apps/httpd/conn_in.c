/*
 * Requests come in: parsed where the NIC wrote them, unless a head spans segments.
 */
#include "conn.h"
#include "http_request.h"
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <string.h>

/* A request's body is of no use to GET: up to this much is read past, else we close. */
#define BODY_DISCARD_MAX (64u << 10)

void conn_consume(struct conn *conn, size_t n)
{
    conn->consumed += n;
    while (conn->in != NULL && n >= conn->in->len) { /* with n == 0: what is empty */
        struct pbuf *used = conn->in;

        n -= used->len;
        conn->in = used->next;
        used->next = NULL;
        pbuf_free(used);
    }
    if (n > 0)
        conn->in = pbuf_free_header(conn->in, (u16_t)n);
}

static const struct response *find_response(const struct http_request *request)
{
    const struct response *response;
    int status;

    if (unlikely(request->method != HTTP_GET && request->method != HTTP_HEAD))
        return response_for_status(405);
    response = site_find_target(&httpd.site, request->target, request->target_len, &status);
    if (likely(response != NULL))
        return response;
    return status == 400 ? response_for_status(400) : httpd.site.not_found;
}

/* A body that is posted to be thrown away: of any length, but of a known one. */
static bool is_to_discard(const struct http_request *request)
{
    const char *path = httpd.settings.discard;

    return path != NULL && !request->chunked && !request->expects_continue &&
           request->target_len == strlen(path) &&
           memcmp(request->target, path, request->target_len) == 0;
}

static enum response_persistence persistence(const struct http_request *request, bool keep)
{
    if (!keep)
        return RESPONSE_CLOSE;
    return request->minor == 0 ? RESPONSE_KEEP_HTTP10 : RESPONSE_KEEP;
}

/* Its end is far or unknown, or it may not come: answer, and close. */
static bool has_body_to_avoid(const struct http_request *request)
{
    return request->chunked || request->expects_continue ||
           request->content_length > BODY_DISCARD_MAX;
}

static void conn_request(struct conn *conn, const struct http_request *request)
{
    const struct response *response;

    httpd.stats.requests++;
    conn->body_left = request->content_length;
    if (unlikely(request->method == HTTP_POST) && is_to_discard(request)) {
        conn->persistence = persistence(request, request->keep_alive);
        conn->answer_later = true;
        conn_enter(conn, CONN_BODY);
        return;
    }
    response = find_response(request);
    conn_start_response(conn, response,
                        persistence(request, request->keep_alive && !has_body_to_avoid(request)),
                        request->method != HTTP_HEAD);
}

void conn_refuse(struct conn *conn, unsigned status, bool with_body)
{
    conn_start_response(conn, response_for_status(status), RESPONSE_CLOSE, with_body);
}

/* Where the first empty line in text[0..len) ends, or 0. What is before `from` holds none. */
static size_t find_head_end(const char *text, size_t from, size_t len)
{
    const char *end = text + len;
    const char *lf = text + from;

    while ((lf = memchr(lf, '\n', (size_t)(end - lf))) != NULL) {
        if (end - lf > 1 && lf[1] == '\n')
            return (size_t)(lf + 2 - text);
        if (end - lf > 2 && lf[1] == '\r' && lf[2] == '\n')
            return (size_t)(lf + 3 - text);
        lf++;
    }
    return 0;
}

/*
 * The head does not stand in one buffer whole: collect it, and give the NIC its buffers back.
 * Parsed only when its end is there, so that a byte at a time costs no more than the bytes.
 * Returns as http_request_parse() does.
 */
static __attribute__((noinline)) int conn_gather(struct conn *conn, struct http_request *request)
{
    if (conn->head == NULL)
        conn->head = kmalloc(HTTP_HEAD_MAX);
    if (conn->head == NULL) {
        request->method = HTTP_OTHER;
        return -503;
    }
    while (conn->in != NULL) {
        size_t old = conn->head_len;
        size_t n = MIN((size_t)conn->in->len, HTTP_HEAD_MAX - old);
        size_t end;
        int r;

        memcpy(conn->head + old, conn->in->payload, n);
        end = find_head_end(conn->head, old >= 2 ? old - 2 : 0, old + n);
        conn->head_len = end != 0 ? end : old + n;
        conn_consume(conn, conn->head_len - old);
        if (end == 0 && conn->head_len < HTTP_HEAD_MAX)
            continue;
        r = http_request_parse(conn->head, conn->head_len, request);
        if (r != 0)
            return r;
        if (end != 0)
            conn->head_len = 0; /* nothing but empty lines, which may stand before a request */
    }
    return 0;
}

void conn_forget_head(struct conn *conn)
{
    kfree(conn->head);
    conn->head = NULL;
    conn->head_len = 0;
}

void conn_next_request(struct conn *conn)
{
    struct http_request request;
    int in_place = 0, r;

    if (conn->head_len == 0)
        in_place = http_request_parse(conn->in->payload, conn->in->len, &request);
    r = in_place != 0 ? in_place : conn_gather(conn, &request);
    if (r == 0) {
        if (conn->state == CONN_IDLE)
            conn_enter(conn, CONN_HEAD);
        return;
    }
    if (likely(r > 0))
        conn_request(conn, &request);
    else
        conn_refuse(conn, (unsigned)-r, request.method != HTTP_HEAD);
    /* Only now: the request's target points into the buffer. */
    if (in_place > 0)
        conn_consume(conn, (size_t)in_place);
    if (unlikely(conn->head != NULL))
        conn_forget_head(conn);
}

void conn_skip_body(struct conn *conn)
{
    if (conn->in != NULL) {
        size_t n = MIN(conn->body_left, (uint64_t)conn->in->tot_len);

        conn_consume(conn, n);
        conn->body_left -= n;
    }
    if (conn->answer_later)
        conn->since_ns = time_ns(); /* it may take its time, as long as something comes */
    if (conn->body_left > 0)
        return;
    if (conn->answer_later)
        conn_start_response(conn, response_for_status(200), conn->persistence, true);
    else
        conn_enter(conn, CONN_IDLE);
    conn->answer_later = false;
}
