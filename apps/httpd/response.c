/* Response heads, and the pages for errors: see response.h. Sources: RFC 9110 §6.6.1, §15. */
#include "response.h"
#include "http_date.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <kernel/time.h>
#include <string.h>

#define ERROR_HEAD_MAX 224 /* bytes */

#define PAGE(title)                                                                                \
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>" title "</title>\n"          \
    "<h1>" title "</h1>\n"
#define ALLOW "Allow: GET, HEAD, OPTIONS\r\n"
#define STATUS(code, reason_, extra_)                                                              \
    {                                                                                              \
        .status = code, .reason = reason_, .page = PAGE(#code " " reason_), .extra = extra_        \
    }

static const struct status_text {
    unsigned status;
    const char *reason;
    const char *page;
    const char *extra; /* fields that go with it */
} statuses[] = {
    STATUS(200, "OK", ""),
    STATUS(204, "No Content", ALLOW),
    STATUS(301, "Moved Permanently", ""),
    STATUS(400, "Bad Request", ""),
    STATUS(401, "Unauthorized", "WWW-Authenticate: Bearer\r\n"),
    STATUS(403, "Forbidden", ""),
    STATUS(404, "Not Found", ""),
    STATUS(405, "Method Not Allowed", ALLOW),
    STATUS(408, "Request Timeout", ""),
    STATUS(409, "Conflict", ""),
    STATUS(411, "Length Required", ""),
    STATUS(412, "Precondition Failed", ""),
    STATUS(413, "Content Too Large", ""),
    STATUS(414, "URI Too Long", ""),
    STATUS(417, "Expectation Failed", ""),
    STATUS(421, "Misdirected Request", ""),
    STATUS(422, "Unprocessable Content", ""),
    STATUS(431, "Request Header Fields Too Large", ""),
    STATUS(501, "Not Implemented", ""),
    STATUS(503, "Service Unavailable", "Retry-After: 1\r\n"),
    STATUS(505, "HTTP Version Not Supported", ""),
};

static char error_heads[ARRAY_SIZE(statuses)][ERROR_HEAD_MAX];
static struct response errors[ARRAY_SIZE(statuses)];

static unsigned status_index(unsigned status)
{
    for (unsigned i = 0; i < ARRAY_SIZE(statuses); i++)
        if (statuses[i].status == status)
            return i;
    panic("httpd: status %u has no text", status);
}

const char *response_reason(unsigned status)
{
    return statuses[status_index(status)].reason;
}

int response_format_head(char *out, size_t size, unsigned status, const char *type,
                         uint64_t body_bytes, const char *extra)
{
    int n =
        fmt_snprintf(out, size,
                     "HTTP/1.1 %u %s\r\nContent-Length: %llu\r\nContent-Type: %s\r\n"
                     "Server: Tophalf\r\nX-Content-Type-Options: nosniff\r\n%s",
                     status, response_reason(status), (unsigned long long)body_bytes, type, extra);

    return n < 0 || (size_t)n >= size ? -1 : n;
}

/* ---- files */

/* A head as it grows; too long it stays so. */
struct text {
    char *at;
    size_t len, size;
};

static void put(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *text, const char *fmt, ...)
{
    size_t room = text->size - MIN(text->len, text->size);
    va_list ap;

    va_start(ap, fmt);
    text->len += (size_t)fmt_vsnprintf(text->at + text->size - room, room, fmt, ap);
    va_end(ap);
}

static void put_validators(struct text *text, const struct response_file *file)
{
    char date[HTTP_DATE_BYTES];

    put(text, "Server: Tophalf\r\nAccept-Ranges: bytes\r\n");
    if (file->etag.at != NULL)
        put(text, "ETag: %.*s\r\n", (int)file->etag.len, file->etag.at);
    if (file->mtime != 0) {
        http_date(date, file->mtime);
        put(text, "Last-Modified: %s\r\n", date);
    }
}

bool response_make_file(struct response *out, char *head, size_t size,
                        const struct response_file *file)
{
    struct text text = { .at = head, .size = size };
    const char *etag;

    *out = (struct response){ .status = 200,
                              .head = head,
                              .body = file->body,
                              .body_bytes = file->body_bytes,
                              .mtime = file->mtime };
    put(&text, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n", (unsigned long long)file->body_bytes);
    out->fields_at = text.len;
    put(&text, "Content-Type: %.*s\r\n", (int)file->type.len, file->type.at);
    if (file->encoding != NULL)
        put(&text, "Content-Encoding: %s\r\n", file->encoding);
    out->shared_at = text.len;
    put_validators(&text, file);
    if (file->cache_control.at != NULL)
        put(&text, "Cache-Control: %.*s\r\n", (int)file->cache_control.len, file->cache_control.at);
    if (file->varies)
        put(&text, "Vary: Accept-Encoding\r\n");
    put(&text, "%s", file->security != NULL ? file->security : "");
    out->head_len = text.len;
    if (text.len >= size)
        return false;
    etag = strstr(head + out->shared_at, "ETag: ");
    if (etag != NULL)
        out->etag = (struct http_text){ .at = etag + 6, .len = file->etag.len };
    return true;
}

/* ---- pages */

void response_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(statuses); i++) {
        const struct status_text *s = &statuses[i];
        size_t page_len = strlen(s->page);
        int n = response_format_head(error_heads[i], ERROR_HEAD_MAX, s->status,
                                     "text/html; charset=utf-8", page_len, s->extra);

        if (s->status == 204) { /* neither a body nor a word about one (RFC 9110 §8.6) */
            page_len = 0;
            n = fmt_snprintf(error_heads[i], ERROR_HEAD_MAX,
                             "HTTP/1.1 204 %s\r\nServer: Tophalf\r\n%s", s->reason, s->extra);
        }
        ASSERT(n > 0);
        errors[i] = (struct response){ .status = s->status,
                                       .head = error_heads[i],
                                       .head_len = (size_t)n,
                                       .body = (const uint8_t *)s->page,
                                       .body_bytes = page_len };
    }
}

const struct response *response_for_status(unsigned status)
{
    return &errors[status_index(status)];
}

/* "Date: ...\r\n", formatted once a second. Empty where the firmware had no clock to tell. */
static struct {
    char text[sizeof("Date: \r\n") + HTTP_DATE_BYTES];
    size_t len;
    uint64_t formatted;
} date_field;

static void date_field_update(void)
{
    uint64_t now = time_unix();
    char date[HTTP_DATE_BYTES];

    if (likely(now == date_field.formatted))
        return;
    http_date(date, now);
    fmt_snprintf(date_field.text, sizeof(date_field.text), "Date: %s\r\n", date);
    date_field.len = sizeof("Date: \r\n") - 1 + HTTP_DATE_BYTES - 1;
    date_field.formatted = now;
}

static const struct {
    const char *text;
    size_t len;
} ends[] = {
#define END(s)                                                                                     \
    {                                                                                              \
        s "\r\n", sizeof(s "\r\n") - 1                                                             \
    }
    [RESPONSE_CLOSE] = END("Connection: close\r\n"),
    [RESPONSE_KEEP] = END(""),
    [RESPONSE_KEEP_HTTP10] = END("Connection: keep-alive\r\n"),
#undef END
};

size_t response_head_bytes(const struct response *response, enum response_persistence persistence)
{
    size_t bytes;

    date_field_update();
    bytes = response->head_len + date_field.len + ends[persistence].len;
    ASSERT(bytes <= RESPONSE_HEAD_MAX); /* response_make_file() leaves RESPONSE_ENDS_MAX */
    return bytes;
}

void response_head(char *out, const struct response *response,
                   enum response_persistence persistence)
{
    memcpy(out, response->head, response->head_len);
    out += response->head_len;
    memcpy(out, date_field.text, date_field.len);
    out += date_field.len;
    memcpy(out, ends[persistence].text, ends[persistence].len);
}
