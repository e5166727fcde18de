/* Response heads and the pages for errors: see response.h. Sources: RFC 9110 §6.6.1, §15. */
#include "response.h"
#include "http_date.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <kernel/time.h>
#include <string.h>

#define ERROR_HEAD_MAX 192 /* bytes */

#define PAGE(title)                                                                                \
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>" title "</title>\n"          \
    "<h1>" title "</h1>\n"
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
    STATUS(301, "Moved Permanently", ""),
    STATUS(400, "Bad Request", ""),
    STATUS(404, "Not Found", ""),
    STATUS(405, "Method Not Allowed", "Allow: GET, HEAD\r\n"),
    STATUS(408, "Request Timeout", ""),
    STATUS(414, "URI Too Long", ""),
    STATUS(431, "Request Header Fields Too Large", ""),
    STATUS(503, "Service Unavailable", ""),
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

int response_format_head(char *out, size_t size, unsigned status, const char *type,
                         uint64_t body_bytes, const char *extra)
{
    int n = fmt_snprintf(out, size,
                         "HTTP/1.1 %u %s\r\nServer: Tophalf\r\nContent-Type: %s\r\n"
                         "Content-Length: %llu\r\n%s",
                         status, statuses[status_index(status)].reason, type,
                         (unsigned long long)body_bytes, extra);

    return n < 0 || (size_t)n >= size ? -1 : n;
}

void response_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(statuses); i++) {
        const struct status_text *s = &statuses[i];
        size_t page_len = strlen(s->page);
        int n = response_format_head(error_heads[i], ERROR_HEAD_MAX, s->status,
                                     "text/html; charset=utf-8", page_len, s->extra);

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
    ASSERT(bytes <= RESPONSE_HEAD_MAX);
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
