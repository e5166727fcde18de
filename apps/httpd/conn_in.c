/*
 * Requests come in: parsed where the NIC wrote them, unless a head spans segments.
 */
#include "access_log.h"
#include "admin.h"
#include "conn.h"
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <string.h>

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

/* A body that is posted to be thrown away: http_discard. */
static bool is_to_discard(const struct http_request *request)
{
    const char *path = httpd.settings.discard;

    return path != NULL && request->method == HTTP_POST && request->target_len == strlen(path) &&
           memcmp(request->target, path, request->target_len) == 0;
}

/* Neither GET nor HEAD. */
static RARE const struct response *other_method(struct conn *conn,
                                                const struct http_request *request)
{
    if (is_to_discard(request))
        return response_for_status(200);
    if (admin_is_for(conn, request))
        return admin_respond(conn, request);
    if (request->method == HTTP_OTHER)
        return response_for_status(501);
    return response_for_status(request->method == HTTP_OPTIONS ? 204 : 405);
}

/* Not in the site. */
static RARE const struct response *no_such_target(struct conn *conn,
                                                  const struct http_request *request, int status)
{
    if (admin_is_for(conn, request))
        return admin_respond(conn, request);
    return status == 400 ? response_for_status(400) : httpd.site.not_found;
}

/* A request with conditions, or a response that is none. */
static RARE const struct response *not_plain(struct conn *conn, const struct http_request *request,
                                             const struct response *response)
{
    if (response->status == 301)
        return answer_redirect(conn, request, response);
    return answer_select(conn, request, response);
}

static const struct response *find_response(struct conn *conn, const struct http_request *request)
{
    const struct response *response;
    int status;

    if (unlikely(request->method != HTTP_GET && request->method != HTTP_HEAD))
        return other_method(conn, request);
    response = site_find_target(&httpd.site, request->target, request->target_len, &status);
    if (unlikely(response == NULL))
        return no_such_target(conn, request, status);
    if (unlikely(request->conditional || response->status != 200))
        return not_plain(conn, request, response);
    return response;
}

static enum response_persistence persistence(const struct conn *conn,
                                             const struct http_request *request)
{
    unsigned most = httpd.settings.max_requests;

    if (!request->keep_alive || (unlikely(most != 0) && conn->requests >= most))
        return RESPONSE_CLOSE;
    return request->minor == 0 ? RESPONSE_KEEP_HTTP10 : RESPONSE_KEEP;
}

static RARE bool is_wanted(const struct conn *conn, const struct http_request *request)
{
    return is_to_discard(request) || (conn->answer != NULL && conn->answer->body != NULL);
}

static void conn_request(struct conn *conn, const struct http_request *request)
{
    const struct response *response;

    httpd.stats.requests++;
    conn->requests++;
    response = find_response(conn, request);
    conn_set_response(conn, response, persistence(conn, request), request->method != HTTP_HEAD);
    if (unlikely(request->chunked || request->content_length > 0))
        conn_expect_body(conn, request, is_wanted(conn, request));
    else if (unlikely(admin_is_making(conn)))
        conn_enter(conn, CONN_MAKING);
    else
        conn_start_response(conn);
    access_log(conn, request);
}

void conn_refuse(struct conn *conn, unsigned status, bool with_body)
{
    answer_drop(conn);
    conn_set_response(conn, response_for_status(status), RESPONSE_CLOSE, with_body);
    conn_start_response(conn);
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
    size_t most = httpd.settings.limits.head_bytes;

    if (conn->head == NULL)
        conn->head = kmalloc(most);
    if (conn->head == NULL) {
        *request = (struct http_request){ .method = HTTP_OTHER };
        return -503;
    }
    while (conn->in != NULL) {
        size_t old = conn->head_len;
        size_t n = MIN((size_t)conn->in->len, most - old);
        size_t end;
        int r;

        memcpy(conn->head + old, conn->in->payload, n);
        end = find_head_end(conn->head, old >= 2 ? old - 2 : 0, old + n);
        conn->head_len = end != 0 ? end : old + n;
        conn_consume(conn, conn->head_len - old);
        if (end == 0 && conn->head_len < most)
            continue;
        r = http_request_parse(conn->head, conn->head_len, &httpd.settings.limits, request);
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
        in_place =
            http_request_parse(conn->in->payload, conn->in->len, &httpd.settings.limits, &request);
    r = in_place != 0 ? in_place : conn_gather(conn, &request);
    if (r == 0) {
        if (conn->state == CONN_IDLE)
            conn_enter(conn, CONN_HEAD);
        return;
    }
    if (likely(r > 0)) {
        conn_request(conn, &request);
    } else {
        conn_refuse(conn, (unsigned)-r, request.method != HTTP_HEAD);
        access_log(conn, request.line.at != NULL ? &request : NULL);
    }
    /* Only now: the request's target points into the buffer. */
    if (in_place > 0)
        conn_consume(conn, (size_t)in_place);
    if (unlikely(conn->head != NULL))
        conn_forget_head(conn);
}
