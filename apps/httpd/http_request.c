/*
 * HTTP/1.x request heads: see http_request.h. Sources: RFC 9112 (message syntax), RFC 9110 §5
 * (fields), RFC 3986 §3.3 (what a path may hold).
 */
#include "http_request.h"
#include "bytes.h"
#include "http_chars.h"
#include <kernel/lib.h>
#include <string.h>

#define METHOD_MAX 32 /* bytes; the longest registered one has 17 */

/* What few requests need stays out of the way of the others. */
#define RARE __attribute__((noinline, cold))

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

static bool is_authority(const char *s, size_t len)
{
    return http_skip(s, s + len, HTTP_AUTHORITY) == s + len;
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

static bool is_crlf(const char *s, const char *end)
{
    return end - s >= 2 && load16(s) == load16("\r\n");
}

/* line_end() where that is not the end of a line, or the data ends. */
static RARE int no_line_end(const struct cursor *c, int status_if_too_long)
{
    const char *at = c->at;

    if (at < c->end && *at == '\r')
        at++;
    return at == c->end ? out_of_data(c, status_if_too_long) : -400;
}

/* CR LF, nothing else, ends a line (RFC 9112 §2.2 would allow a bare LF to be taken for it). */
static inline int line_end(struct cursor *c, int status_if_too_long)
{
    if (unlikely(!is_crlf(c->at, c->end)))
        return no_line_end(c, status_if_too_long);
    c->at += 2;
    return OK;
}

static RARE int parse_any_method(struct cursor *c, struct http_request *out)
{
    const char *start = c->at;
    size_t len;

    c->at = http_skip(start, MIN(c->end, start + METHOD_MAX + 1), HTTP_TOKEN);
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

static int parse_method(struct cursor *c, struct http_request *out)
{
    if (unlikely(c->end - c->at < 4 || load32(c->at) != load32("GET ")))
        return parse_any_method(c, out);
    c->at += 4;
    out->method = HTTP_GET;
    return OK;
}

/* http://authority/path?query: the path's start, or NULL when it is not of that form. */
static const char *skip_authority(const char *s, const char *end)
{
    size_t len = (size_t)(end - s);
    const char *authority;

    if (len > 7 && same_name(s, "http://", 7))
        s += 7;
    else if (len > 8 && same_name(s, "https://", 8))
        s += 8;
    else
        return NULL;
    authority = s;
    while (s < end && *s != '/' && *s != '?')
        s++;
    return s > authority && is_authority(authority, (size_t)(s - authority)) ? s : NULL;
}

/* The three forms of RFC 9112 §3.2 that are not a path. `method` is the method's text. */
static RARE int parse_other_target(const char *start, size_t len, struct http_request *out)
{
    const char *method = out->target;
    size_t method_len = out->target_len;
    const char *path;

    out->target = start;
    out->target_len = 0;
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
    size_t len;

    c->at = http_skip(start, c->end, HTTP_TARGET);
    if (at_end(c))
        return out_of_data(c, 414);
    if (c->at == start || *c->at != ' ')
        return -400;
    len = (size_t)(c->at++ - start);
    if (unlikely(*start != '/'))
        return parse_other_target(start, len, out);
    out->target = start; /* origin-form */
    out->target_len = len;
    return OK;
}

/* "HTTP/1.x": a higher minor is served as 1.1 (RFC 9110 §2.5), another major is not. */
static RARE int parse_version(struct cursor *c, struct http_request *out)
{
    static const char pattern[] = "HTTP/#.#";
    char digit[2] = { 0, 0 };
    unsigned digits = 0;

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
    if (r != OK)
        return r;
    if (likely(c.end - c.at >= 10 && load64(c.at) == load64("HTTP/1.1") &&
               load16(c.at + 8) == load16("\r\n"))) {
        out->minor = 1;
        head->at = c.at + 10;
        return OK;
    }
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

/* Take away the blanks around s..stop (OWS, RFC 9110 §5.6.3). */
static void trim(const char **s, const char **stop)
{
    while (*s < *stop && (**s == ' ' || **s == '\t'))
        (*s)++;
    while (*stop > *s && ((*stop)[-1] == ' ' || (*stop)[-1] == '\t'))
        (*stop)--;
}

/* One option of a Connection field. False: it is none of ours. */
static bool take_option(const char *s, size_t len, struct fields_seen *seen)
{
    bool keep_alive = len == 10 && same_name(s, "keep-alive", 10);
    bool close = len == 5 && same_name(s, "close", 5);

    seen->keep_alive |= keep_alive;
    seen->close |= close;
    return keep_alive || close;
}

/* The comma-separated options of a Connection field (RFC 9110 §7.6.1). */
static void parse_connection(const char *s, size_t len, struct fields_seen *seen)
{
    const char *end = s + len;

    if (likely(take_option(s, len, seen)))
        return; /* nearly always there is but one */
    while (s < end) {
        const char *comma = memchr(s, ',', (size_t)(end - s));
        const char *next = comma != NULL ? comma + 1 : end;
        const char *stop = comma != NULL ? comma : end;

        trim(&s, &stop);
        take_option(s, (size_t)(stop - s), seen);
        s = next;
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

enum field { FIELD_OTHER, HOST, EXPECT, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING };

/* The fields that framing and persistence depend on; all others are no matter of ours. */
static enum field which_field(const char *name, size_t len)
{
    switch (len) {
    case 4:
        return same_name(name, "host", 4) ? HOST : FIELD_OTHER;
    case 6:
        return same_name(name, "expect", 6) ? EXPECT : FIELD_OTHER;
    case 10:
        return same_name(name, "connection", 10) ? CONNECTION : FIELD_OTHER;
    case 14:
        return same_name(name, "content-length", 14) ? CONTENT_LENGTH : FIELD_OTHER;
    case 17:
        return same_name(name, "transfer-encoding", 17) ? TRANSFER_ENCODING : FIELD_OTHER;
    default:
        return FIELD_OTHER;
    }
}

static RARE int take_field(enum field field, const char *value, const char *stop,
                           struct fields_seen *seen, struct http_request *out)
{
    size_t len;

    trim(&value, &stop);
    len = (size_t)(stop - value);
    switch (field) {
    case HOST:
        return take_host(value, len, seen);
    case CONTENT_LENGTH:
        return take_length(value, len, seen, out);
    case CONNECTION:
        parse_connection(value, len, seen);
        return OK;
    case EXPECT:
        out->expects_continue = true;
        return OK;
    case TRANSFER_ENCODING:
        out->chunked = true;
        return OK;
    default:
        return OK;
    }
}

/* "Host: " and what ends its line: each request has one, so this is the short way. */
static bool take_plain_host(struct cursor *c, struct fields_seen *seen)
{
    const char *name = c->at, *stop;

    if (seen->host || seen->count == HTTP_FIELDS_MAX || c->end - name < 8 ||
        (load32(name) | 0x20202020) != load32("host") || load16(name + 4) != load16(": "))
        return false;
    stop = http_skip(name + 6, c->end, HTTP_AUTHORITY);
    if (!is_crlf(stop, c->end))
        return false;
    c->at = stop + 2;
    seen->host = true;
    seen->count++;
    return true;
}

/* field-name ":" OWS field-value OWS CR LF (RFC 9112 §5) */
static int parse_field(struct cursor *c, struct fields_seen *seen, struct http_request *out)
{
    const char *name = c->at, *value, *stop;
    enum field field;
    size_t name_len;
    int r;

    if (take_plain_host(c, seen))
        return OK;
    c->at = http_skip(name, c->end, HTTP_TOKEN);
    if (at_end(c))
        return out_of_data(c, 431);
    name_len = (size_t)(c->at - name);
    if (name_len == 0 || *c->at++ != ':')
        return -400;
    value = c->at;
    c->at = http_skip_value(value, c->end);
    stop = c->at;
    r = line_end(c, 431);
    if (r != OK)
        return r;
    if (++seen->count > HTTP_FIELDS_MAX)
        return -431;
    field = which_field(name, name_len);
    return field == FIELD_OTHER ? OK : take_field(field, value, stop, seen, out);
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
