/* Answers that are made for one request: see answer.h. Sources: RFC 9110 §13-§15. */
#include "answer.h"
#include "conn.h"
#include "http_conditional.h"
#include "http_encoding.h"
#include <kernel/fmt.h>
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <kernel/rand.h>
#include <lwip/pbuf.h>
#include <net/tcp_send.h>
#include <string.h>

struct answer *answer_new(struct conn *conn)
{
    struct answer *answer = kzalloc(sizeof(*answer));

    if (answer == NULL)
        return NULL;
    ASSERT(conn->answer == NULL);
    answer->response.head = answer->head;
    answer->response.body = (const uint8_t *)""; /* none of its own */
    answer->conn = conn;
    conn->answer = answer;
    return answer;
}

void answer_drop(struct conn *conn)
{
    struct answer *answer = conn->answer;

    if (answer == NULL)
        return;
    conn->answer = NULL;
    if (answer->gone != NULL)
        answer->gone(answer);
    made_free(&answer->made);
    kfree(answer);
}

/* ---------------------------------------------------------------- heads */

static void head_add(struct answer *answer, const char *text, size_t len)
{
    size_t room = sizeof(answer->head) - answer->response.head_len;

    len = MIN(len, room); /* it always fits: the parts are shorter than the file's head */
    memcpy(answer->head + answer->response.head_len, text, len);
    answer->response.head_len += len;
}

static void head_printf(struct answer *answer, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void head_printf(struct answer *answer, const char *fmt, ...)
{
    size_t room = sizeof(answer->head) - answer->response.head_len;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = fmt_vsnprintf(answer->head + answer->response.head_len, room, fmt, ap);
    va_end(ap);
    answer->response.head_len += MIN((size_t)n, room - 1);
}

/* What of a file's head also stands in answers that are made of it: from `at` on. */
static void head_add_fields(struct answer *answer, const struct response *file, size_t at)
{
    head_add(answer, file->head + at, file->head_len - at);
}

/* ---------------------------------------------------------------- without a body */

static const struct response *not_modified(struct conn *conn, const struct response *file)
{
    struct answer *answer = answer_new(conn);

    if (answer == NULL)
        return NULL;
    answer->response.status = 304;
    head_printf(answer, "HTTP/1.1 304 Not Modified\r\n");
    head_add_fields(answer, file, file->shared_at);
    return &answer->response;
}

static const struct response *range_not_satisfiable(struct conn *conn, const struct response *file)
{
    struct answer *answer = answer_new(conn);

    if (answer == NULL)
        return NULL;
    answer->response.status = 416;
    head_printf(answer,
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n"
                "Content-Range: bytes */%llu\r\n",
                (unsigned long long)file->body_bytes);
    head_add_fields(answer, file, file->shared_at);
    return &answer->response;
}

const struct response *answer_redirect(struct conn *conn, const struct http_request *request,
                                       const struct response *redirect)
{
    const char *query = memchr(request->target, '?', request->target_len);
    const char *location = strstr(redirect->head, "Location: ");
    struct answer *answer;
    size_t query_len, before;

    if (query == NULL || location == NULL)
        return redirect;
    query_len = request->target_len - (size_t)(query - request->target);
    before = (size_t)(strstr(location, "\r\n") - redirect->head);
    if (redirect->head_len + query_len > RESPONSE_HEAD_MAX - RESPONSE_ENDS_MAX)
        return redirect;
    answer = answer_new(conn);
    if (answer == NULL)
        return NULL;
    head_add(answer, redirect->head, before);
    head_add(answer, query, query_len);
    head_add(answer, redirect->head + before, redirect->head_len - before);
    answer->response.status = redirect->status;
    answer->response.body = redirect->body;
    answer->response.body_bytes = redirect->body_bytes;
    return &answer->response;
}

const struct response *answer_message(struct conn *conn, unsigned status, const char *fields,
                                      const char *text)
{
    struct answer *answer = answer_new(conn);

    if (answer == NULL)
        return NULL;
    made_write(&answer->made, text, strlen(text));
    if (answer->made.failed) {
        answer_drop(conn);
        return NULL;
    }
    answer->response.status = status;
    head_printf(answer,
                "HTTP/1.1 %u %s\r\nContent-Length: %zu\r\nContent-Type: "
                "text/plain\r\n%s" RESPONSE_PRIVATE_FIELDS,
                status, response_reason(status), strlen(text), fields);
    return &answer->response;
}

/* ---------------------------------------------------------------- ranges */

static const struct response *one_range(struct conn *conn, const struct response *file,
                                        const struct http_range *range)
{
    struct answer *answer = answer_new(conn);

    if (answer == NULL)
        return NULL;
    answer->response.status = 206;
    answer->response.body = file->body + range->first;
    answer->response.body_bytes = range->bytes;
    head_printf(answer,
                "HTTP/1.1 206 Partial Content\r\nContent-Length: %llu\r\n"
                "Content-Range: bytes %llu-%llu/%llu\r\n",
                (unsigned long long)range->bytes, (unsigned long long)range->first,
                (unsigned long long)(range->first + range->bytes - 1),
                (unsigned long long)file->body_bytes);
    head_add_fields(answer, file, file->fields_at);
    return &answer->response;
}

/* No part may hold it. It is not secret, so the same for all until the next boot. */
static uint64_t boundary(void)
{
    static uint64_t drawn;

    if (drawn == 0)
        drawn = (uint64_t)rand_u32() << 32 | rand_u32() | 1;
    return drawn;
}

#define PART_HEAD_MAX (RESPONSE_HEAD_MAX + 128)

/* Where the line that begins at `at` in the file's head ends, with its CR LF. */
static size_t line_end(const struct response *file, size_t at)
{
    return (size_t)((const char *)memchr(file->head + at, '\n', file->head_len - at) + 1 -
                    file->head);
}

/* What stands before the nth part, and, with n beyond the last, behind all of them. */
static int part_head(const struct answer *answer, unsigned n, char out[PART_HEAD_MAX])
{
    const struct response *file = answer->file;
    const struct http_range *range = &answer->ranges[n];
    size_t type_end = line_end(file, file->fields_at);

    if (n == answer->range_count)
        return fmt_snprintf(out, PART_HEAD_MAX, "\r\n--%016llx--\r\n",
                            (unsigned long long)boundary());
    return fmt_snprintf(out, PART_HEAD_MAX,
                        "\r\n--%016llx\r\n%.*sContent-Range: bytes %llu-%llu/%llu\r\n\r\n",
                        (unsigned long long)boundary(), (int)(type_end - file->fields_at),
                        file->head + file->fields_at, (unsigned long long)range->first,
                        (unsigned long long)(range->first + range->bytes - 1),
                        (unsigned long long)file->body_bytes);
}

static uint64_t multipart_bytes(const struct answer *answer)
{
    char text[PART_HEAD_MAX];
    uint64_t bytes = 0;

    for (unsigned n = 0; n <= answer->range_count; n++) {
        bytes += (uint64_t)part_head(answer, n, text);
        if (n < answer->range_count)
            bytes += answer->ranges[n].bytes;
    }
    return bytes;
}

static const struct response *several_ranges(struct conn *conn, const struct response *file,
                                             const struct http_range *ranges, unsigned count)
{
    struct answer *answer = answer_new(conn);

    if (answer == NULL)
        return NULL;
    answer->file = file;
    answer->range_count = count;
    memcpy(answer->ranges, ranges, count * sizeof(*ranges));
    answer->response.status = 206;
    head_printf(answer,
                "HTTP/1.1 206 Partial Content\r\nContent-Length: %llu\r\n"
                "Content-Type: multipart/byteranges; boundary=%016llx\r\n",
                (unsigned long long)multipart_bytes(answer), (unsigned long long)boundary());
    head_add_fields(answer, file, line_end(file, file->fields_at)); /* without its own type */
    return &answer->response;
}

/* ---------------------------------------------------------------- which it is */

static const struct response *select_range(struct conn *conn, const struct http_request *request,
                                           const struct response *file)
{
    struct http_text field = http_request_field(request, HTTP_RANGE, 0);
    struct http_range ranges[HTTP_RANGES_MAX];
    int count;

    if (field.at == NULL || request->method != HTTP_GET ||
        http_request_field(request, HTTP_RANGE, 1).at != NULL ||
        !http_if_range_holds(request, file->etag, file->mtime))
        return file;
    count = http_ranges_parse(field, file->body_bytes, ranges);
    if (count == 0)
        return file;
    if (count < 0)
        return range_not_satisfiable(conn, file);
    return count == 1 ? one_range(conn, file, &ranges[0])
                      : several_ranges(conn, file, ranges, (unsigned)count);
}

static const struct response *select_variant(const struct http_request *request,
                                             const struct response *response)
{
    unsigned available = 0;

    if (response->variants == NULL)
        return response;
    for (unsigned i = 0; i <= HTTP_ZSTD; i++)
        if (response->variants[i] != NULL)
            available |= 1u << i;
    return response->variants[http_encoding_choose(request, available)];
}

const struct response *answer_select(struct conn *conn, const struct http_request *request,
                                     const struct response *response)
{
    if (response->etag.at == NULL)
        return response; /* an error, a redirect */
    response = select_variant(request, response);
    switch (http_conditional(request, response->etag, response->mtime)) {
    case HTTP_NOT_MODIFIED:
        return not_modified(conn, response);
    case HTTP_PRECONDITION_FAILED:
        return response_for_status(412);
    case HTTP_GO_ON:
        break;
    }
    return select_range(conn, request, response);
}

/* ---------------------------------------------------------------- more than one piece */

/* Send a buffer, and with it what goes into its segment of conn->out; keeps it when TCP has no
 * room. */
static bool send_piece(struct conn *conn, struct pbuf *piece)
{
    uint16_t bytes = piece->len;
    int32_t taken;

    pbuf_ref(piece);
    taken = tcp_send(conn->pcb, piece, conn->out, conn->out_left);
    if (taken < 0)
        return false;
    pbuf_free(piece);
    conn_sent_bytes(conn, bytes + (uint64_t)taken);
    conn->out += taken;
    conn->out_left -= (uint64_t)taken;
    return true;
}

/* The next lines between the ranges, with the range that follows them. */
static bool send_part(struct conn *conn, struct answer *answer)
{
    unsigned n = answer->next_range;
    char text[PART_HEAD_MAX];
    int len = part_head(answer, n, text);
    struct pbuf *piece = tcp_send_head((uint16_t)len);
    bool sent;

    if (piece == NULL)
        return false;
    memcpy(piece->payload, text, (size_t)len);
    if (n < answer->range_count) {
        conn->out = answer->file->body + answer->ranges[n].first;
        conn->out_left = answer->ranges[n].bytes;
    }
    sent = send_piece(conn, piece);
    if (sent) {
        answer->next_range++;
    } else {
        conn->out_left = 0; /* the lines go first */
        pbuf_free(piece);
    }
    return sent;
}

static bool send_made(struct conn *conn, struct answer *answer)
{
    struct pbuf *piece = made_take(&answer->made);

    if (send_piece(conn, piece))
        return true;
    made_put_back(&answer->made, piece);
    return false;
}

void answer_start(struct conn *conn)
{
    struct answer *answer = conn->answer;

    if (!conn->with_body) {
        made_free(&answer->made);
        answer->range_count = 0;
        answer->file = NULL;
    }
    if (answer->stream && !answer->chunked)
        conn->persistence = RESPONSE_CLOSE;
}

void answer_stream_begin(struct answer *answer, const struct http_request *request,
                         const char *type)
{
    answer->stream = true;
    answer->chunked = request->minor >= 1;
    answer->response.status = 200;
    head_printf(answer, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s" RESPONSE_PRIVATE_FIELDS, type,
                answer->chunked ? "Transfer-Encoding: chunked\r\n" : "");
}

void answer_stream_write(struct answer *answer, const void *data, size_t len)
{
    char size[24];

    if (len == 0)
        return; /* a chunk of no bytes is the end */
    if (answer->chunked)
        made_write(&answer->made, size, (size_t)fmt_snprintf(size, sizeof(size), "%zx\r\n", len));
    made_write(&answer->made, data, len);
    if (answer->chunked)
        made_write(&answer->made, "\r\n", 2);
}

void answer_stream_end(struct answer *answer)
{
    if (answer->chunked)
        made_write(&answer->made, "0\r\n\r\n", 5);
    answer->stream = false;
    answer->gone = NULL;
}

bool answer_continue(struct conn *conn)
{
    struct answer *answer = conn->answer;

    if (answer->file != NULL && answer->next_range <= answer->range_count)
        return send_part(conn, answer);
    if (answer->made.first != NULL)
        return send_made(conn, answer);
    if (answer->made.failed)
        conn->persistence = RESPONSE_CLOSE; /* a part is missing: the client is to see it */
    else if (answer->stream)
        return false;
    answer_drop(conn);
    return true;
}
