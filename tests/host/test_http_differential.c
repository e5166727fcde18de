/*
 * The request parser, which looks at words, takes short ways and leaves early, against one that
 * reads a byte at a time and takes none: the same result for requests of all kinds, right, nearly
 * right and cut anywhere, whatever stands behind them.
 */
#include <httpd/http_request.h>
#include <kernel/lib.h>
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
/* cmocka wants those before itself */
#include "guard.h"
#include <cmocka.h>

#define LINE_MAX   4096
#define HEAD_MAX   8192
#define FIELDS_MAX 64

static const struct http_limits limits = { .line_bytes = LINE_MAX,
                                           .head_bytes = HEAD_MAX,
                                           .fields = FIELDS_MAX };

/* ---------------------------------------------------------------- the other parser */

struct reader {
    const char *text;
    size_t at, len;
    size_t limit; /* no byte from there on is looked at */
    int status;   /* what reaching it means */
    jmp_buf done; /* with minus the result, plus 1 */
    unsigned hosts, lengths;
    bool close, keep_alive;
};

static void leave(struct reader *r, int status)
{
    longjmp(r->done, status + 1);
}

static int peek(struct reader *r)
{
    if (r->at == r->len && r->len < HEAD_MAX)
        leave(r, 0);
    if (r->at == r->limit)
        leave(r, r->status);
    return (unsigned char)r->text[r->at];
}

static void expect(struct reader *r, int c)
{
    if (peek(r) != c)
        leave(r, 400);
    r->at++;
}

static bool one_of(int c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static bool is_token(int c)
{
    return c < 128 && (isalnum(c) || one_of(c, "!#$%&'*+-.^_`|~"));
}

static bool is_target(int c)
{
    return c > ' ' && c < 0x7f && !one_of(c, "\"#<>\\");
}

static bool is_value(int c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

/* Of a host, between brackets or not; how many characters. */
static size_t host_character(const char *s, size_t len, bool literal)
{
    if (literal && *s == ':')
        return 1;
    if (!literal && *s == '%')
        return len >= 3 && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2]) &&
                       (s[1] != '0' || s[2] != '0')
                   ? 3
                   : 0;
    return isalnum((unsigned char)*s) || one_of(*s, "-._~!$&'()*+,;=");
}

static bool is_host(const char *s, size_t len)
{
    bool literal = len > 0 && *s == '[';
    size_t at = literal, n;

    while (at < len && (n = host_character(s + at, len - at, literal)) > 0)
        at += n;
    if (literal && (at < 3 || at == len || s[at++] != ']'))
        return false;
    if (at == len)
        return true;
    if (at == 0 || s[at++] != ':')
        return false;
    while (at < len && isdigit((unsigned char)s[at]))
        at++;
    return at == len;
}

/* The longest run of the class, if not longer than any method is; where it began. */
static const char *run(struct reader *r, bool (*is)(int), size_t max)
{
    const char *start = r->text + r->at;

    while (is(peek(r))) {
        r->at++;
        if ((size_t)(r->text + r->at - start) > max)
            leave(r, 501);
    }
    return start;
}

static bool is(const char *s, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(s, text, len) == 0;
}

static void read_target(struct reader *r, const char *method, size_t method_len,
                        struct http_request *out)
{
    const char *s = run(r, is_target, SIZE_MAX), *end = r->text + r->at, *path;
    size_t scheme = 0;

    if (s == end || peek(r) != ' ')
        leave(r, 400);
    r->at++;
    out->target = s;
    if (*s == '/') {
        out->target_len = (size_t)(end - s);
        return;
    }
    if (is(s, (size_t)(end - s), "*")) {
        if (!is(method, method_len, "OPTIONS"))
            leave(r, 400);
        return;
    }
    if (is(method, method_len, "CONNECT") && is_host(s, (size_t)(end - s)))
        return;
    if (is(method, method_len, "CONNECT"))
        leave(r, 400);
    if (end - s > 8 && strncasecmp(s, "https://", 8) == 0)
        leave(r, 421);
    if (end - s >= 7 && strncasecmp(s, "http://", 7) == 0)
        scheme = 7;
    for (path = s + scheme; path < end && !one_of(*path, "/?"); path++)
        ;
    if (scheme == 0 || path == s + scheme || !is_host(s + scheme, (size_t)(path - s) - scheme))
        leave(r, 400);
    out->target = path < end && *path == '/' ? path : "/";
    out->target_len = path < end && *path == '/' ? (size_t)(end - path) : 1;
}

static const struct {
    const char *name;
    enum http_method method;
} registered[] = { { "GET", HTTP_GET },     { "HEAD", HTTP_HEAD },
                   { "POST", HTTP_POST },   { "OPTIONS", HTTP_OPTIONS },
                   { "PUT", HTTP_KNOWN },   { "DELETE", HTTP_DELETE },
                   { "PATCH", HTTP_KNOWN }, { "CONNECT", HTTP_KNOWN },
                   { "TRACE", HTTP_KNOWN } };

static void read_line(struct reader *r, struct http_request *out)
{
    static const char *const versions[] = { "HTTP/0.0", "HTTP/9.9" };
    const char *method, *version;
    size_t len;

    peek(r); /* a head of nothing but empty lines is too long a head */
    r->limit = MIN(r->at + LINE_MAX + 1, (size_t)HEAD_MAX);
    r->status = 414;
    method = run(r, is_token, 32);
    len = (size_t)(r->text + r->at - method);
    if (len == 0)
        leave(r, 400);
    expect(r, ' ');
    out->method = HTTP_OTHER;
    for (size_t i = 0; i < ARRAY_SIZE(registered); i++)
        if (is(method, len, registered[i].name))
            out->method = registered[i].method;
    read_target(r, method, len, out);
    version = r->text + r->at;
    for (size_t i = 0; i < 8; i++, r->at++)
        if (peek(r) < versions[0][i] || peek(r) > versions[1][i])
            leave(r, 400);
    if (version[5] != '1')
        leave(r, 505);
    out->minor = version[7] > '0';
    out->line = (struct http_text){ .at = method, .len = (size_t)(r->text + r->at - method) };
    peek(r);
    r->limit = HEAD_MAX;
    r->status = 431;
    expect(r, '\r');
    expect(r, '\n');
}

static void read_options(struct reader *r, const char *s, size_t len)
{
    char text[HEAD_MAX], *rest = text, *option;

    memcpy(text, s, len);
    text[len] = '\0';
    while ((option = strsep(&rest, ",")) != NULL) {
        size_t n;

        option += strspn(option, " \t");
        for (n = strlen(option); n > 0 && one_of(option[n - 1], " \t"); n--)
            option[n - 1] = '\0';
        r->close |= strcasecmp(option, "close") == 0;
        r->keep_alive |= strcasecmp(option, "keep-alive") == 0;
    }
}

static bool is_name(const char *s, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(s, name, len) == 0;
}

static const char *const noted[HTTP_NOTED_FIELDS] = {
    [HTTP_HOST] = "host",
    [HTTP_RANGE] = "range",
    [HTTP_IF_RANGE] = "if-range",
    [HTTP_IF_MATCH] = "if-match",
    [HTTP_IF_NONE_MATCH] = "if-none-match",
    [HTTP_IF_MODIFIED_SINCE] = "if-modified-since",
    [HTTP_IF_UNMODIFIED_SINCE] = "if-unmodified-since",
    [HTTP_ACCEPT_ENCODING] = "accept-encoding",
    [HTTP_AUTHORIZATION] = "authorization",
    [HTTP_ORIGIN] = "origin",
    [HTTP_SEC_FETCH_SITE] = "sec-fetch-site",
    [HTTP_USER_AGENT] = "user-agent",
    [HTTP_REFERER] = "referer",
};

static void read_note(const char *name, size_t name_len, const char *s, size_t len,
                      struct http_request *out)
{
    for (int i = 1; i < HTTP_NOTED_FIELDS; i++)
        if (is_name(name, name_len, noted[i]) && out->noted < HTTP_NOTES_MAX)
            out->notes[out->noted++] = (struct http_note){ (enum http_field)i, { s, len } };
}

static void read_coding(struct reader *r, const char *s, size_t len, struct http_request *out)
{
    if (out->chunked || len < 7 || strncasecmp(s + len - 7, "chunked", 7) != 0)
        leave(r, 400);
    if (len > 7)
        leave(r, one_of(s[len - 8], " ,") ? 501 : 400);
    out->chunked = true;
}

static void take(struct reader *r, const char *name, size_t name_len, const char *s, size_t len,
                 struct http_request *out)
{
    if (is_name(name, name_len, "host") && (r->hosts++ > 0 || !is_host(s, len)))
        leave(r, 400);
    if (is_name(name, name_len, "connection"))
        read_options(r, s, len);
    if (is_name(name, name_len, "expect")) {
        if (!is_name(s, len, "100-continue"))
            leave(r, 417);
        out->expects_continue = true;
    }
    if (is_name(name, name_len, "transfer-encoding"))
        read_coding(r, s, len, out);
    read_note(name, name_len, s, len, out);
    if (is_name(name, name_len, "content-length")) {
        if (r->lengths++ > 0 || len == 0 || len > 18)
            leave(r, 400);
        for (; len > 0; s++, len--) {
            if (!isdigit((unsigned char)*s))
                leave(r, 400);
            out->content_length = out->content_length * 10 + (uint64_t)(*s - '0');
        }
    }
}

static void read_field(struct reader *r, unsigned number, struct http_request *out)
{
    const char *name = run(r, is_token, SIZE_MAX), *s, *end;
    size_t name_len = (size_t)(r->text + r->at - name);

    if (name_len == 0)
        leave(r, 400);
    expect(r, ':');
    s = run(r, is_value, SIZE_MAX);
    end = r->text + r->at;
    expect(r, '\r');
    expect(r, '\n');
    if (number > FIELDS_MAX)
        leave(r, 431);
    while (s < end && one_of(*s, " \t"))
        s++;
    while (end > s && one_of(end[-1], " \t"))
        end--;
    take(r, name, name_len, s, (size_t)(end - s), out);
}

static void read_head(struct reader *r, struct http_request *out)
{
    while (peek(r) == '\r') {
        r->at++;
        expect(r, '\n');
    }
    read_line(r, out);
    for (unsigned n = 1; peek(r) != '\r'; n++)
        read_field(r, n, out);
    r->at++;
    expect(r, '\n');
    if (out->minor > 0 ? r->hosts == 0 : out->chunked)
        leave(r, 400);
    if (out->chunked && r->lengths > 0)
        leave(r, 400);
    out->expects_continue &= out->minor > 0;
    out->keep_alive = !r->close && (out->minor > 0 || r->keep_alive);
}

static int reference(const char *text, size_t len, struct http_request *out)
{
    struct reader r = { .text = text, .len = len, .limit = HEAD_MAX, .status = 431 };
    int left;

    memset(out, 0, sizeof(*out));
    left = setjmp(r.done);
    if (left != 0)
        return 1 - left;
    read_head(&r, out);
    return (int)r.at;
}

/* ---------------------------------------------------------------- both */

static unsigned seed = 1;

static unsigned below(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % n;
}

static void compare(const char *text, size_t len, size_t known)
{
    const char *copy = guarded(text, len);
    struct http_request a, b;
    int got = http_request_parse(copy, len, &limits, &a), expected = reference(copy, known, &b);

    if (got != expected)
        fail_msg("gave %d, not %d: %zu %.*s", got, expected, known, (int)len, text);
    if (got != 0)
        assert_int_equal(a.method, b.method);
    if (got <= 0)
        return;
    assert_int_equal(a.target_len, b.target_len);
    assert_true(a.target_len == 0 || a.target == b.target ||
                memcmp(a.target, b.target, a.target_len) == 0);
    assert_int_equal(a.minor, b.minor);
    assert_int_equal(a.keep_alive, b.keep_alive);
    assert_int_equal(a.chunked, b.chunked);
    assert_int_equal(a.expects_continue, b.expects_continue);
    assert_int_equal(a.content_length, b.content_length);
    assert_ptr_equal(a.line.at, b.line.at);
    assert_int_equal(a.line.len, b.line.len);
    assert_int_equal(a.noted, b.noted);
    for (unsigned i = 0; i < a.noted; i++) {
        assert_int_equal(a.notes[i].field, b.notes[i].field);
        assert_int_equal(a.notes[i].value.len, b.notes[i].value.len);
        assert_true(a.notes[i].value.len == 0 || a.notes[i].value.at == b.notes[i].value.at);
    }
}

/* Cut at each byte; and with something behind it, which also moves it against the words. */
static void compare_all(char *text, size_t len)
{
    struct http_request out;

    for (size_t n = 0; n <= len; n++)
        compare(text, n, n);
    if (reference(text, len, &out) == 0)
        return;
    for (size_t more = 1; more <= 9; more++) {
        for (size_t i = 0; i < more; i++)
            text[len + i] = "\rG: \n\tx/\xff"[below(9)];
        compare(text, len + more, len);
    }
}

#define PICK(list) list[below(ARRAY_SIZE(list))]

static const char *const starts[] = { "", "", "", "", "", "", "\r\n", "\r\n\r\n", "\r", "\n" };
static const char *const methods[] = { "GET", "GET",     "GET",     "GET", "HEAD", "POST",
                                       "PUT", "OPTIONS", "CONNECT", "get", "",     "GETT" };
static const char *const targets[] = { "/",
                                       "/",
                                       "/index.html",
                                       "/a?b",
                                       "/a/long/way/to/go/%41",
                                       "*",
                                       "http://h",
                                       "HTTP://h:1/p",
                                       "http://h:p/p",
                                       "HTTPS://h:1/p",
                                       "http://h?q",
                                       "a:1",
                                       "/a b",
                                       "/a#b",
                                       "/\x7f",
                                       "" };
static const char *const versions[] = { "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1",
                                        "HTTP/1.0", "HTTP/1.7", "HTTP/2.0", "http/1.1" };
static const char *const ends[] = { "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n",
                                    "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n",
                                    "\r\n", "\r\n", "\r\n", "\r\n", "\n",   "\r",   "\r\n " };
static const char *const names[] = { "Host",
                                     "Host",
                                     "host",
                                     "hOSt",
                                     "Hos",
                                     "Hosts",
                                     "Accept",
                                     "Expect",
                                     "Connection",
                                     "Connection",
                                     "User-Agent",
                                     "Content-Length",
                                     "X",
                                     "Transfer-Encoding",
                                     "Te",
                                     "Content-Lengt\r",
                                     "If-None",
                                     "Accept-Encoding",
                                     "If-None-Match",
                                     "range" };
static const char *const colons[] = { ": ", ": ", ": ", ": ", ": ", ":", ":  ", ":\t", " : ", "" };
static const char *const values[] = { "a",
                                      "10.0.2.15",
                                      "h.example:8080",
                                      "[::1]:80",
                                      "[::1",
                                      "a:b",
                                      ":80",
                                      "a%41b:",
                                      "a%4",
                                      "",
                                      "close",
                                      "keep-alive",
                                      "Keep-Alive",
                                      "x, close ,y",
                                      "keep-alive, close",
                                      "closed",
                                      "12",
                                      "0",
                                      "999999999999999999",
                                      "1234567890123456789",
                                      "chunked",
                                      "100-continue",
                                      "gzip, chunked",
                                      "bytes=0-1",
                                      "text/html;q=0.9,*/*;q=0.8",
                                      "a\tb \xff\xff~ c",
                                      "keep\ralive",
                                      "b ",
                                      "\x01" };

static size_t add(char *text, size_t len, const char *piece)
{
    size_t n = strlen(piece);

    memcpy(text + len, piece, n);
    return len + n;
}

static size_t make_request(char *text)
{
    static const char blank[] = " ";
    size_t len = add(text, 0, PICK(starts));

    len = add(text, len, PICK(methods));
    len = add(text, len, blank);
    len = add(text, len, PICK(targets));
    len = add(text, len, blank);
    len = add(text, len, PICK(versions));
    len = add(text, len, PICK(ends));
    if (below(4) != 0)
        len = add(text, len, "Host: h\r\n");
    for (unsigned n = below(4); n > 0; n--) {
        len = add(text, len, PICK(names));
        len = add(text, len, PICK(colons));
        len = add(text, len, PICK(values));
        len = add(text, len, PICK(ends));
    }
    return add(text, len, PICK(ends));
}

static void test_made_requests(void **state)
{
    char text[1024];

    (void)state;
    for (unsigned i = 0; i < 30000; i++)
        compare_all(text, make_request(text));
}

static void test_changed_bytes(void **state)
{
    static const char *const requests[] = {
        "GET /index.html HTTP/1.1\r\nHost: 10.0.2.15\r\n\r\n",
        "\r\nPOST http://h/p HTTP/1.0\r\nAccept-Language: en-US,en\r\nConnection: keep-alive\r\n"
        "content-length: 77\r\nHost: h\r\n\r\n",
    };
    char text[1024];

    (void)state;
    for (size_t r = 0; r < ARRAY_SIZE(requests); r++) {
        size_t len = add(text, 0, requests[r]);

        for (size_t i = 0; i < len; i++) {
            for (unsigned c = 0; c < 256; c++) {
                text[i] = (char)c;
                compare(text, len, len);
            }
            text[i] = requests[r][i];
        }
    }
}

/* The limits on the line, the head and the number of fields, from both sides. */
static void test_limits(void **state)
{
    static char text[3 * HEAD_MAX];
    size_t len;

    (void)state;
    for (size_t line = LINE_MAX - 3; line < LINE_MAX + 4; line++) {
        memset(text, 'x', line);
        memcpy(text, "GET /", 5);
        memcpy(text + line - 9, " HTTP/1.1", 9);
        len = add(text, line, "\r\nHost: h\r\n\r\n");
        for (size_t n = line - 12; n <= len; n++)
            compare(text, n, n);
        compare(text, 2 * line, len);
    }
    for (size_t head = HEAD_MAX - 3; head < HEAD_MAX + 4; head++) {
        len = add(text, 0, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
        memset(text + len, 'x', head - len);
        memcpy(text + head - 4, "\r\n\r\n", 4);
        for (size_t n = head - 12; n <= head; n++)
            compare(text, n, n);
        for (size_t n = 0; n < head; n += 2) /* and of empty lines, of which none ends it */
            memcpy(text + n, "\r\n", 2);
        compare(text, head, head);
        for (size_t left = 20; left >= 2; left -= 2) { /* and a line that the limit cuts */
            memcpy(text + HEAD_MAX - left, "GET / HTTP/1.1\r\n", 16);
            compare(text, head, head);
            memcpy(text + HEAD_MAX - left, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", 16);
        }
    }
    for (unsigned fields = FIELDS_MAX - 1; fields < FIELDS_MAX + 3; fields++) {
        for (unsigned host = 0; host < fields; host++) {
            len = add(text, 0, "GET / HTTP/1.1\r\n");
            for (unsigned n = 0; n < fields; n++)
                len = add(text, len, n == host ? "Host: h\r\n" : "X: y\r\n");
            len = add(text, len, "\r\n");
            compare(text, len, len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_requests),
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
