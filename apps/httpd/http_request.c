/*
 * HTTP/1.x request heads: see http_request.h. Sources: RFC 9112 (message syntax), RFC 9110 §5
 * (fields), RFC 3986 §3.3 (what a path may hold).
 */
#include "http_request.h"
#include "bytes.h"
#include <kernel/lib.h>
#include <string.h>

#define METHOD_MAX 32 /* bytes; the longest registered one has 17 */

/* Results of the steps, besides minus a status. */
enum { OK = 1, INCOMPLETE = 0 };

struct cursor {
    const char *at;
    const char *end;   /* of what may be looked at: the data, or the limit on a head */
    bool more_to_come; /* end is the data's end: running into it means "incomplete" */
};

struct fields_seen {
    unsigned count;
    bool host, content_length, close, keep_alive;
};

/* Classes of characters. (tests/host/test_http_request.c says what is in them, one by one.) */
enum {
    TOKEN = 1, /* RFC 9110 §5.6.2 */
    VALUE = 2, /* field-vchar, SP, HTAB (RFC 9110 §5.5): no other control characters */
    /* What a target may hold: all that is visible, but for '#' and characters that no user agent
     * sends raw. Some that RFC 3986 wants encoded ({ } | ^ `) do come from browsers, and stay. */
    TARGET = 4,
    AUTHORITY = 8, /* uri-host [ ":" port ] (RFC 3986 §3.2.2), loosely; excludes userinfo */
};

/* clang-format off */
static const uint8_t class[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 15, 2, 3, 15, 15, 15, 15, 14, 14, 15, 15, 14, 15, 15, 6,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 14, 2, 14, 2, 6,
    6, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 2, 14, 7, 15,
    7, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6, 7, 6, 15, 0,
    [128 ... 255] = VALUE,
};
/* clang-format on */

/* The first character from `s` on that is not of the class, or end. */
static const char *skip(const char *s, const char *end, unsigned of)
{
    while (s < end && (class[(unsigned char)*s] & of))
        s++;
    return s;
}

/* Whether one of eight bytes is below 0x20 or 0x7f. */
static bool has_control(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101, high = ones * 0x80;
    uint64_t del = bytes ^ ones * 0x7f;

    return (((bytes - ones * 0x20) & ~bytes) | ((del - ones) & ~del)) & high;
}

static const char *skip_value(const char *s, const char *end)
{
    while (end - s >= 8 && !has_control(load64(s)))
        s += 8;
    return skip(s, end, VALUE);
}

static bool is_authority(const char *s, size_t len)
{
    return skip(s, s + len, AUTHORITY) == s + len;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Case-insensitive; `name` in lower case. */
static bool equals(const char *s, size_t len, const char *name)
{
    size_t i;

    for (i = 0; i < len && name[i] != '\0'; i++)
        if (lower(s[i]) != name[i])
            return false;
    return i == len && name[i] == '\0';
}

static bool at_end(const struct cursor *c)
{
    return c->at == c->end;
}

/* The data ended inside the head: wait for more, unless the head is too large already. */
static int out_of_data(const struct cursor *c, int status)
{
    return c->more_to_come ? INCOMPLETE : -status;
}

/* CR LF, nothing else, ends a line (RFC 9112 §2.2 would allow a bare LF to be taken for it). */
static int line_end(struct cursor *c, int status_if_too_long)
{
    static const char crlf[2] = { '\r', '\n' };

    if (likely(c->end - c->at >= 2 && load16(c->at) == load16(crlf))) {
        c->at += 2;
        return OK;
    }
    for (unsigned i = 0; i < sizeof(crlf); i++) {
        if (at_end(c))
            return out_of_data(c, status_if_too_long);
        if (*c->at++ != crlf[i])
            return -400;
    }
    return OK;
}

static int parse_method(struct cursor *c, struct http_request *out)
{
    const char *start = c->at;
    size_t len;

    if (likely(c->end - start > 4 && load32(start) == load32("GET "))) {
        c->at += 4;
        out->method = HTTP_GET;
        out->target = start;
        out->target_len = 3;
        return OK;
    }
    c->at = skip(start, MIN(c->end, start + METHOD_MAX + 1), TOKEN);
    len = (size_t)(c->at - start);
    if (len > METHOD_MAX)
        return -400;
    if (at_end(c))
        return out_of_data(c, 414);
    if (len == 0 || *c->at++ != ' ')
        return -400;
    if (len == 3 && memcmp(start, "GET", 3) == 0)
        out->method = HTTP_GET; /* and nothing behind it yet */
    else if (len == 4 && memcmp(start, "HEAD", 4) == 0)
        out->method = HTTP_HEAD;
    else if (len == 4 && memcmp(start, "POST", 4) == 0)
        out->method = HTTP_POST;
    /* For the forms of target that one method alone may use (RFC 9112 §3.2.3, §3.2.4). */
    out->target = start;
    out->target_len = len;
    return OK;
}

/* http://authority/path?query: the path's start, or NULL when it is not of that form. */
static const char *skip_authority(const char *s, const char *end)
{
    size_t len = (size_t)(end - s);
    const char *authority;

    if (len > 7 && equals(s, 7, "http://"))
        s += 7;
    else if (len > 8 && equals(s, 8, "https://"))
        s += 8;
    else
        return NULL;
    authority = s;
    while (s < end && *s != '/' && *s != '?')
        s++;
    return s > authority && is_authority(authority, (size_t)(s - authority)) ? s : NULL;
}

/* The four forms of RFC 9112 §3.2. `method` is the method's text. */
static int parse_target_form(const char *start, size_t len, struct http_request *out)
{
    const char *method = out->target;
    size_t method_len = out->target_len;
    const char *path;

    out->target = start;
    out->target_len = 0;
    if (*start == '/') { /* origin-form */
        out->target_len = len;
        return OK;
    }
    if (len == 1 && *start == '*')
        return method_len == 7 && memcmp(method, "OPTIONS", 7) == 0 ? OK : -400;
    if (method_len == 7 && memcmp(method, "CONNECT", 7) == 0)
        return is_authority(start, len) ? OK : -400;
    path = skip_authority(start, start + len); /* absolute-form */
    if (path == NULL)
        return -400;
    out->target = path;
    out->target_len = (size_t)(start + len - path);
    if (out->target_len == 0 || *path == '?') { /* an empty path means "/" (RFC 9110 §4.2.3) */
        out->target = "/";
        out->target_len = 1;
    }
    return OK;
}

static int parse_target(struct cursor *c, struct http_request *out)
{
    const char *start = c->at;

    c->at = skip(start, c->end, TARGET);
    if (at_end(c))
        return out_of_data(c, 414);
    if (c->at == start || *c->at != ' ')
        return -400;
    return parse_target_form(start, (size_t)(c->at++ - start), out);
}

/* "HTTP/1.x": a higher minor is served as 1.1 (RFC 9110 §2.5), another major is not. */
static int parse_version(struct cursor *c, struct http_request *out)
{
    static const char pattern[] = "HTTP/#.#";
    char digit[2] = { 0, 0 };
    unsigned digits = 0;

    if (c->end - c->at >= 8 && load64(c->at) == load64("HTTP/1.1")) { /* nearly always */
        c->at += 8;
        out->minor = 1;
        return OK;
    }
    for (const char *p = pattern; *p != '\0'; p++, c->at++) {
        if (at_end(c))
            return out_of_data(c, 414);
        if (*p == '#' ? *c->at < '0' || *c->at > '9' : *c->at != *p)
            return -400;
        if (*p == '#')
            digit[digits++] = *c->at;
    }
    if (digit[0] != '1')
        return -505;
    out->minor = digit[1] > '1' ? 1 : (unsigned)(digit[1] - '0');
    return OK;
}

static int parse_request_line(struct cursor *head, struct http_request *out)
{
    struct cursor c = *head;
    int r;

    /* One byte beyond the line's limit is a CR at best; the line's own end is the head's. */
    if (c.end - c.at > HTTP_REQUEST_LINE_MAX + 1) {
        c.end = c.at + HTTP_REQUEST_LINE_MAX + 1;
        c.more_to_come = false;
    }
    r = parse_method(&c, out);
    if (r == OK)
        r = parse_target(&c, out);
    if (r == OK)
        r = parse_version(&c, out);
    if (r != OK)
        return r;
    head->at = c.at;
    if (c.at == c.end)
        return out_of_data(&c, 414);
    return line_end(head, 431);
}

/* 1*DIGIT that fits (RFC 9110 §8.6). The list form "5, 5" is refused too: nobody means it. */
static int parse_length(const char *s, size_t len, uint64_t *out)
{
    uint64_t value = 0;

    if (len == 0 || len > 18)
        return -400;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -400;
        value = value * 10 + (uint64_t)(s[i] - '0');
    }
    *out = value;
    return OK;
}

/* The comma-separated options of a Connection field (RFC 9110 §7.6.1). */
static void parse_connection(const char *s, size_t len, struct fields_seen *seen)
{
    const char *end = s + len;

    while (s < end) {
        const char *comma = memchr(s, ',', (size_t)(end - s));
        const char *stop = comma != NULL ? comma : end;
        const char *last = stop;

        while (s < last && (*s == ' ' || *s == '\t'))
            s++;
        while (last > s && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        if (equals(s, (size_t)(last - s), "close"))
            seen->close = true;
        else if (equals(s, (size_t)(last - s), "keep-alive"))
            seen->keep_alive = true;
        s = comma != NULL ? stop + 1 : end;
    }
}

static int take_host(const char *value, size_t len, struct fields_seen *seen)
{
    if (seen->host || !is_authority(value, len))
        return -400;
    seen->host = true;
    return OK;
}

static int take_length(const char *value, size_t len, struct fields_seen *seen,
                       struct http_request *out)
{
    if (seen->content_length)
        return -400; /* even if they agree: whoever sends two is confused or hostile */
    seen->content_length = true;
    return parse_length(value, len, &out->content_length);
}

/* Act on the fields that framing and persistence depend on; all others are no matter of ours. */
static int take_field(const char *name, size_t name_len, const char *value, size_t value_len,
                      struct fields_seen *seen, struct http_request *out)
{
    switch (name_len) {
    case 4:
        if (same_name(name, "host", 4))
            return take_host(value, value_len, seen);
        break;
    case 6:
        if (same_name(name, "expect", 6))
            out->expects_continue = true;
        break;
    case 10:
        if (same_name(name, "connection", 10))
            parse_connection(value, value_len, seen);
        break;
    case 14:
        if (same_name(name, "content-length", 14))
            return take_length(value, value_len, seen, out);
        break;
    case 17:
        if (same_name(name, "transfer-encoding", 17))
            out->chunked = true;
        break;
    default:
        break;
    }
    return OK;
}

/* field-name ":" OWS field-value OWS CR LF (RFC 9112 §5) */
static int parse_field(struct cursor *c, struct fields_seen *seen, struct http_request *out)
{
    const char *name = c->at, *value, *stop;
    size_t name_len;
    int r;

    c->at = skip(name, c->end, TOKEN);
    if (at_end(c))
        return out_of_data(c, 431);
    name_len = (size_t)(c->at - name);
    if (name_len == 0 || *c->at++ != ':')
        return -400;
    while (!at_end(c) && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
    value = c->at;
    c->at = skip_value(value, c->end);
    stop = c->at;
    r = line_end(c, 431);
    if (r != OK)
        return r;
    while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    if (++seen->count > HTTP_FIELDS_MAX)
        return -431;
    return take_field(name, name_len, value, (size_t)(stop - value), seen, out);
}

/* What only the whole head tells. */
static int conclude(const struct fields_seen *seen, struct http_request *out)
{
    if (!seen->host && out->minor >= 1)
        return -400; /* RFC 9112 §3.2 */
    if (out->chunked && (seen->content_length || out->minor == 0))
        return -400; /* RFC 9112 §6.1: framing that two readers may take differently */
    out->keep_alive = !seen->close && (out->minor >= 1 || seen->keep_alive);
    return OK;
}

int http_request_parse(const char *buf, size_t len, struct http_request *out)
{
    struct cursor c = { buf, buf + MIN(len, (size_t)HTTP_HEAD_MAX), len < HTTP_HEAD_MAX };
    struct fields_seen seen = { 0 };
    int r;

    memset(out, 0, sizeof(*out));
    /* Empty lines before the request line are skipped (RFC 9112 §2.2). */
    while (!at_end(&c) && *c.at == '\r') {
        r = line_end(&c, 431);
        if (r != OK)
            return r;
    }
    if (at_end(&c))
        return out_of_data(&c, 431);
    r = parse_request_line(&c, out);
    while (r == OK) {
        if (at_end(&c))
            return out_of_data(&c, 431);
        if (*c.at == '\r') {
            r = line_end(&c, 431);
            break;
        }
        r = parse_field(&c, &seen, out);
    }
    if (r == OK)
        r = conclude(&seen, out);
    return r == OK ? (int)(c.at - buf) : r;
}
