/*
 * HTTP/1.x request heads: see http_request.h. Sources: RFC 9112 (message syntax), RFC 9110 §5
 * (fields), RFC 3986 §3.3 (what a path may hold).
 *
 * A step takes the place in the text where it begins and returns where the next one does, or NULL:
 * parser->result says why.
 */
#include "http_request.h"
#include "bytes.h"
#include "http_authority.h"
#include "http_chars.h"
#include <kernel/lib.h>
#include <string.h>

#define METHOD_MAX 32 /* bytes; the longest registered one has 17 */

/* What few requests need stays out of the way of the others. */
#define RARE __attribute__((noinline, cold))

struct parser {
    const struct http_limits *limits;
    const char *end;   /* of what may be looked at: the data, or the limit on a head */
    bool more_to_come; /* end is the data's end: running into it means "incomplete" */
    int result;        /* 0 for incomplete, or minus a status */
    unsigned fields;
    bool host, content_length, close, keep_alive; /* seen */
};

static const char *refuse(struct parser *parser, int status)
{
    parser->result = -status;
    return NULL;
}

/* The data ended inside the head: wait for more, unless the head is too large already. */
static RARE const char *out_of_data(struct parser *parser, int status)
{
    return refuse(parser, parser->more_to_come ? 0 : status);
}

/* CR LF, nothing else, ends a line (RFC 9112 §2.2 would allow a bare LF to be taken for it). */
static inline bool is_line_end(const struct parser *parser, const char *at)
{
    return likely(parser->end - at >= 2 && load16(at) == load16("\r\n"));
}

/* Something else stands there, or nothing yet. */
static RARE const char *no_line_end(struct parser *parser, const char *at)
{
    if (at < parser->end && *at == '\r')
        at++;
    return at == parser->end ? out_of_data(parser, 431) : refuse(parser, 400);
}

/* Before the request line (RFC 9112 §2.2). */
static RARE const char *skip_empty_lines(struct parser *parser, const char *at)
{
    while (is_line_end(parser, at))
        at += 2;
    return at < parser->end && *at == '\r' ? no_line_end(parser, at) : at;
}

/* ---------------------------------------------------------------- the request line */

/* `end` is where a line that is not too long ends, or before that the data. */
static RARE const char *line_is_cut(struct parser *parser, const char *end)
{
    return end < parser->end ? refuse(parser, 414) : out_of_data(parser, 414);
}

static enum http_method which_method(const char *name, size_t len)
{
    static const struct {
        const char *name;
        enum http_method method;
    } known[] = {
        { "GET", HTTP_GET },       { "HEAD", HTTP_HEAD },   { "OPTIONS", HTTP_OPTIONS },
        { "POST", HTTP_POST },     { "PUT", HTTP_KNOWN },   { "DELETE", HTTP_DELETE },
        { "CONNECT", HTTP_KNOWN }, { "TRACE", HTTP_KNOWN }, { "PATCH", HTTP_KNOWN },
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strlen(known[i].name) == len && memcmp(known[i].name, name, len) == 0)
            return known[i].method;
    return HTTP_OTHER;
}

static RARE const char *parse_any_method(struct parser *parser, const char *start, const char *end,
                                         struct http_request *out)
{
    const char *at = http_skip(start, MIN(end, start + METHOD_MAX + 1), HTTP_TOKEN);
    size_t len = (size_t)(at - start);

    if (start == end)
        return out_of_data(parser, 431); /* nothing but empty lines */
    if (len > METHOD_MAX)
        return refuse(parser, 501); /* longer than any (RFC 9112 §3) */
    if (at == end)
        return line_is_cut(parser, end);
    if (len == 0 || *at != ' ')
        return refuse(parser, 400);
    out->method = which_method(start, len);
    /* For the forms of target that one method alone may use (RFC 9112 §3.2.3, §3.2.4). */
    out->target = start;
    out->target_len = len;
    return at + 1;
}

static const char *parse_method(struct parser *parser, const char *at, const char *end,
                                struct http_request *out)
{
    if (unlikely(end - at < 4 || load32(at) != load32("GET ")))
        return parse_any_method(parser, at, end, out);
    out->method = HTTP_GET;
    return at + 4;
}

/* authority/path?query: the path's start, or NULL when it is not of that form. */
static const char *skip_authority(const char *authority, const char *end)
{
    const char *s = authority;

    while (s < end && *s != '/' && *s != '?')
        s++;
    return s > authority && http_is_authority(authority, (size_t)(s - authority)) ? s : NULL;
}

/* absolute-form (RFC 9112 §3.2.2): 0, or a status. */
static int parse_absolute(const char *start, size_t len, struct http_request *out)
{
    const char *end = start + len, *path;

    if (len > 8 && same_name(start, "https://", 8))
        return 421; /* RFC 9110 §7.4: it did not come over a secured connection */
    if (len <= 7 || !same_name(start, "http://", 7))
        return 400;
    path = skip_authority(start + 7, end);
    if (path == NULL)
        return 400;
    out->target = path;
    out->target_len = (size_t)(end - path);
    if (out->target_len == 0 || *path == '?') { /* an empty path means "/" (RFC 9110 §4.2.3) */
        out->target = "/";
        out->target_len = 1;
    }
    return 0;
}

/* The three forms of RFC 9112 §3.2 that are not a path: 0, or a status. out->target is the method's
 * text. */
static int parse_target_form(const char *start, size_t len, struct http_request *out)
{
    const char *method = out->target;
    size_t method_len = out->target_len;

    out->target = start;
    out->target_len = 0;
    if (len == 1 && *start == '*')
        return method_len == 7 && memcmp(method, "OPTIONS", 7) == 0 ? 0 : 400;
    if (method_len == 7 && memcmp(method, "CONNECT", 7) == 0)
        return http_is_authority(start, len) ? 0 : 400;
    return parse_absolute(start, len, out);
}

static RARE const char *parse_other_target(struct parser *parser, const char *start, const char *at,
                                           struct http_request *out)
{
    int status =
        at == start || *at != ' ' ? 400 : parse_target_form(start, (size_t)(at - start), out);

    return status == 0 ? at + 1 : refuse(parser, status);
}

static const char *parse_target(struct parser *parser, const char *start, const char *end,
                                struct http_request *out)
{
    const char *at = http_skip(start, end, HTTP_TARGET);

    if (unlikely(at == end))
        return line_is_cut(parser, end);
    if (unlikely(*at != ' ' || *start != '/'))
        return parse_other_target(parser, start, at, out);
    out->target = start; /* origin-form */
    out->target_len = (size_t)(at - start);
    return at + 1;
}

/* Whether the line ends with these eight characters. */
static inline bool is_last(const char *at, const char *end, const char *version)
{
    return end - at >= 10 && load64(at) == load64(version) && load16(at + 8) == load16("\r\n");
}

/* "HTTP/1.x": a higher minor is served as 1.1 (RFC 9110 §2.5), another major is not. */
static RARE const char *parse_version(struct parser *parser, const char *at, const char *end,
                                      struct http_request *out)
{
    static const char pattern[] = "HTTP/#.#";
    char digit[2] = { 0, 0 };
    unsigned digits = 0;

    if (is_last(at, end, "HTTP/1.0"))
        return at + 10;
    for (const char *p = pattern; *p != '\0'; p++, at++) {
        if (at == end)
            return line_is_cut(parser, end);
        if (*p == '#' ? *at < '0' || *at > '9' : *at != *p)
            return refuse(parser, 400);
        if (*p == '#')
            digit[digits++] = *at;
    }
    if (digit[0] != '1')
        return refuse(parser, 505);
    out->minor = digit[1] > '1' ? 1 : (unsigned)(digit[1] - '0');
    if (at == end)
        return line_is_cut(parser, end);
    return is_line_end(parser, at) ? at + 2 : no_line_end(parser, at);
}

static const char *parse_request_line(struct parser *parser, const char *at,
                                      struct http_request *out)
{
    /* One byte beyond the line's limit is a CR at best. */
    size_t room = parser->limits->line_bytes + 1;
    const char *start = at, *end = (size_t)(parser->end - at) > room ? at + room : parser->end;

    at = parse_method(parser, at, end, out);
    if (at != NULL)
        at = parse_target(parser, at, end, out);
    if (at == NULL)
        return NULL;
    if (likely(is_last(at, end, "HTTP/1.1"))) {
        out->minor = 1;
        at += 10;
    } else {
        at = parse_version(parser, at, end, out);
        if (at == NULL)
            return NULL;
    }
    out->line = (struct http_text){ .at = start, .len = (size_t)(at - 2 - start) };
    return at;
}

/* ---------------------------------------------------------------- the fields */

/* The fields that framing, persistence and what is answered depend on; all others are no matter of
 * ours. */
static enum http_field which_field(const char *name, size_t len)
{
#define IS(text, field)                                                                            \
    if (same_name(name, text, sizeof(text) - 1))                                                   \
    return field
    switch (len) {
    case 4:
        IS("host", HTTP_HOST);
        break;
    case 5:
        IS("range", HTTP_RANGE);
        break;
    case 6:
        IS("expect", HTTP_EXPECT);
        IS("origin", HTTP_ORIGIN);
        break;
    case 7:
        IS("referer", HTTP_REFERER);
        break;
    case 8:
        IS("if-range", HTTP_IF_RANGE);
        IS("if-match", HTTP_IF_MATCH);
        break;
    case 10:
        IS("connection", HTTP_CONNECTION);
        IS("user-agent", HTTP_USER_AGENT);
        break;
    case 13:
        IS("if-none-match", HTTP_IF_NONE_MATCH);
        IS("authorization", HTTP_AUTHORIZATION);
        break;
    case 14:
        IS("content-length", HTTP_CONTENT_LENGTH);
        IS("sec-fetch-site", HTTP_SEC_FETCH_SITE);
        break;
    case 15:
        IS("accept-encoding", HTTP_ACCEPT_ENCODING);
        break;
    case 17:
        IS("transfer-encoding", HTTP_TRANSFER_ENCODING);
        IS("if-modified-since", HTTP_IF_MODIFIED_SINCE);
        break;
    case 19:
        IS("if-unmodified-since", HTTP_IF_UNMODIFIED_SINCE);
        break;
    }
#undef IS
    return HTTP_FIELD_OTHER;
}

/* 1*DIGIT that fits (RFC 9110 §8.6). The list form "5, 5" is refused too: nobody means it. */
static bool parse_length(const char *s, size_t len, uint64_t *out)
{
    uint64_t value = 0;

    if (len == 0 || len > 18)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(s[i] - '0');
    }
    *out = value;
    return true;
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
static bool take_option(struct parser *parser, const char *s, size_t len)
{
    bool keep_alive = len == 10 && same_name(s, "keep-alive", 10);
    bool close = len == 5 && same_name(s, "close", 5);

    parser->keep_alive |= keep_alive;
    parser->close |= close;
    return keep_alive || close;
}

/* The comma-separated options of a Connection field (RFC 9110 §7.6.1). */
static void parse_connection(struct parser *parser, const char *s, size_t len)
{
    const char *end = s + len;

    if (take_option(parser, s, len))
        return; /* nearly always there is but one */
    while (s < end) {
        const char *comma = memchr(s, ',', (size_t)(end - s));
        const char *next = comma != NULL ? comma + 1 : end;
        const char *stop = comma != NULL ? comma : end;

        trim(&s, &stop);
        take_option(parser, s, (size_t)(stop - s));
        s = next;
    }
}

/* Note where a value stands. */
static void note(struct http_request *out, enum http_field field, const char *value, size_t len)
{
    if (unlikely(out->noted == HTTP_NOTES_MAX))
        return;
    out->conditional |= field >= HTTP_RANGE && field <= HTTP_ACCEPT_ENCODING;
    out->notes[out->noted++] =
        (struct http_note){ .field = field, .value = { .at = value, .len = len } };
}

/*
 * "chunked" alone (RFC 9112 §6.1, §7.1): another coding in front of it we do not know (501), and
 * without it at the end nobody knows where the body ends (400). A second field would make a list of
 * it.
 */
static int take_coding(struct http_request *out, const char *value, size_t len)
{
    bool ends_well = len >= 7 && same_name(value + len - 7, "chunked", 7);

    if (!ends_well || out->chunked)
        return -400;
    if (len > 7)
        return value[len - 8] == ',' || value[len - 8] == ' ' ? -501 : -400;
    out->chunked = true;
    return 0;
}

/* Whether it may stand there, with that value: 0, or minus a status. */
static int take_field(struct parser *parser, enum http_field field, const char *value,
                      const char *stop, struct http_request *out)
{
    size_t len;
    bool again;

    trim(&value, &stop);
    len = (size_t)(stop - value);
    switch (field) {
    case HTTP_HOST:
        again = parser->host;
        parser->host = true;
        note(out, field, value, len);
        return again || !http_is_authority(value, len) ? -400 : 0;
    case HTTP_CONTENT_LENGTH: /* two are wrong even if they agree: their sender is confused */
        again = parser->content_length;
        parser->content_length = true;
        return again || !parse_length(value, len, &out->content_length) ? -400 : 0;
    case HTTP_CONNECTION:
        parse_connection(parser, value, len);
        return 0;
    case HTTP_EXPECT: /* RFC 9110 §10.1.1: there is one expectation */
        out->expects_continue = len == 12 && same_name(value, "100-continue", 12);
        return out->expects_continue ? 0 : -417;
    case HTTP_TRANSFER_ENCODING:
        return take_coding(out, value, len);
    default:
        note(out, field, value, len);
        return 0;
    }
}

/* Host stands first where the client does as it should (RFC 9110 §7.2), and is gone through once,
 * here. Anything else, or not quite right, is parse_field()'s. */
static const char *parse_first_host(struct parser *parser, const char *name,
                                    struct http_request *out)
{
    const char *stop;

    if (parser->end - name < 8 || (load32(name) | 0x20202020) != load32("host") ||
        load16(name + 4) != load16(": "))
        return name;
    stop = http_skip_authority(name + 6, parser->end);
    if (!is_line_end(parser, stop))
        return name;
    parser->host = true;
    parser->fields = 1;
    note(out, HTTP_HOST, name + 6, (size_t)(stop - name - 6));
    return stop + 2;
}

/* field-name ":" OWS field-value OWS CR LF (RFC 9112 §5) */
static const char *parse_field(struct parser *parser, const char *name, struct http_request *out)
{
    const char *colon = http_skip(name, parser->end, HTTP_TOKEN), *stop;
    enum http_field field;
    int status;

    if (unlikely(colon == parser->end))
        return out_of_data(parser, 431);
    if (unlikely(colon == name || *colon != ':'))
        return *name == '\r' ? no_line_end(parser, name) : refuse(parser, 400);
    stop = http_skip_value(colon + 1, parser->end);
    if (unlikely(!is_line_end(parser, stop)))
        return no_line_end(parser, stop);
    if (unlikely(++parser->fields > parser->limits->fields))
        return refuse(parser, 431);
    field = which_field(name, (size_t)(colon - name));
    if (field == HTTP_FIELD_OTHER)
        return stop + 2;
    status = take_field(parser, field, colon + 1, stop, out);
    return likely(status == 0) ? stop + 2 : refuse(parser, -status);
}

/* ---------------------------------------------------------------- the whole */

/* What only the whole head tells. */
static bool conclude(const struct parser *parser, struct http_request *out)
{
    if (!parser->host && out->minor >= 1)
        return false; /* RFC 9112 §3.2 */
    if (out->chunked && (parser->content_length || out->minor == 0))
        return false; /* RFC 9112 §6.1: framing that two readers may take differently */
    out->expects_continue &= out->minor >= 1; /* RFC 9110 §10.1.1 */
    out->keep_alive = !parser->close && (out->minor >= 1 || parser->keep_alive);
    return true;
}

int http_request_parse(const char *buf, size_t len, const struct http_limits *limits,
                       struct http_request *out)
{
    struct parser parser = { .limits = limits,
                             .end = buf + MIN(len, limits->head_bytes),
                             .more_to_come = len < limits->head_bytes };
    const char *at = buf;

    memset(out, 0, offsetof(struct http_request, notes));
    if (unlikely(len > 0 && *at == '\r'))
        at = skip_empty_lines(&parser, at);
    if (at != NULL)
        at = parse_request_line(&parser, at, out);
    if (at != NULL)
        at = parse_first_host(&parser, at, out);
    while (at != NULL && !is_line_end(&parser, at))
        at = parse_field(&parser, at, out);
    if (at == NULL)
        return parser.result;
    return conclude(&parser, out) ? (int)(at + 2 - buf) : -400;
}

struct http_text http_request_field(const struct http_request *request, enum http_field field,
                                    unsigned nth)
{
    for (unsigned i = 0; i < request->noted; i++)
        if (request->notes[i].field == field && nth-- == 0)
            return request->notes[i].value;
    return (struct http_text){ NULL, 0 };
}
