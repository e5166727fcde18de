/* The request parser: what it accepts, what it refuses with which status, and that it neither
 * reads past the data nor decides before it has seen enough. */
#include <httpd/http_request.h>
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants those before itself */
#include "guard.h"
#include <cmocka.h>

#define H "Host: a\r\n"

#define LINE_MAX   4096
#define HEAD_MAX   8192
#define FIELDS_MAX 64

static const struct http_limits limits = { .line_bytes = LINE_MAX,
                                           .head_bytes = HEAD_MAX,
                                           .fields = FIELDS_MAX };

static int parse(const char *text, size_t len, struct http_request *out)
{
    return http_request_parse(guarded(text, len), len, &limits, out);
}

/* The whole is a complete head; each shorter prefix is incomplete. */
static struct http_request accepts_bytes(const char *text, size_t len)
{
    struct http_request out;
    int r;

    for (size_t n = 0; n < len; n++)
        if ((r = parse(text, n, &out)) != 0)
            fail_msg("prefix %zu of %zu gave %d: %.*s", n, len, r, (int)n, text);
    r = parse(text, len, &out);
    if (r != (int)len)
        fail_msg("gave %d, not %zu: %s", r, len, text);
    return out;
}

static struct http_request accepts(const char *text)
{
    return accepts_bytes(text, strlen(text));
}

/* The whole is refused with that status; a prefix is either incomplete or refused likewise, and
 * once refused it stays so. */
static void refuses_bytes(int status, const char *text, size_t len)
{
    struct http_request out;
    bool refused = false;

    for (size_t n = 0; n <= len; n++) {
        int r = parse(text, n, &out);

        if (r != 0 && r != -status)
            fail_msg("prefix %zu gave %d, not -%d: %s", n, r, status, text);
        if (refused && r == 0)
            fail_msg("prefix %zu takes the refusal back: %s", n, text);
        refused = r != 0;
    }
    if (!refused)
        fail_msg("not refused: %s", text);
}

static void refuses(int status, const char *text)
{
    refuses_bytes(status, text, strlen(text));
}

#define REFUSES_WITH_NUL(status, text) refuses_bytes(status, text, sizeof(text) - 1)

static void assert_target(const struct http_request *request, const char *target)
{
    assert_int_equal(request->target_len, strlen(target));
    assert_memory_equal(request->target, target, strlen(target)); /* guarded() still holds it */
}

static void test_request_line(void **state)
{
    static const char text[] = "GET /a?b HTTP/1.1\r\n" H "\r\n";
    struct http_request r = accepts(text);

    (void)state;
    assert_int_equal(r.method, HTTP_GET);
    assert_int_equal(r.minor, 1);
    assert_true(r.keep_alive);
    assert_false(r.chunked);
    assert_int_equal(r.content_length, 0);
    assert_target(&r, "/a?b");

    /* The target points into the buffer that was given. */
    assert_int_equal(http_request_parse(text, sizeof(text) - 1, &limits, &r), sizeof(text) - 1);
    assert_ptr_equal(r.target, text + 4);

    assert_int_equal(accepts("HEAD / HTTP/1.1\r\n" H "\r\n").method, HTTP_HEAD);
    assert_int_equal(accepts("POST / HTTP/1.1\r\n" H "\r\n").method, HTTP_POST);
    assert_int_equal(accepts("OPTIONS / HTTP/1.1\r\n" H "\r\n").method, HTTP_OPTIONS);
    assert_int_equal(accepts("PUT / HTTP/1.1\r\n" H "\r\n").method, HTTP_KNOWN);
    assert_int_equal(accepts("DELETE / HTTP/1.1\r\n" H "\r\n").method, HTTP_DELETE);
    assert_int_equal(accepts("PATCH / HTTP/1.1\r\n" H "\r\n").method, HTTP_KNOWN);
    assert_int_equal(accepts("TRACE / HTTP/1.1\r\n" H "\r\n").method, HTTP_KNOWN);
    assert_int_equal(accepts("BREW / HTTP/1.1\r\n" H "\r\n").method, HTTP_OTHER);
    assert_int_equal(accepts("get / HTTP/1.1\r\n" H "\r\n").method, HTTP_OTHER);
    assert_int_equal(accepts("GETX / HTTP/1.1\r\n" H "\r\n").method, HTTP_OTHER);
    assert_int_equal(accepts("!#$%&'*+-.^_`|~9 / HTTP/1.1\r\n" H "\r\n").method, HTTP_OTHER);
    accepts("UPDATEREDIRECTREF / HTTP/1.1\r\n" H "\r\n");

    refuses(400, "GET  / HTTP/1.1\r\n" H "\r\n");
    refuses(400, " GET / HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET /  HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET / HTTP/1.1 \r\n" H "\r\n");
    refuses(400, "GET\t/ HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET /\r\n\r\n"); /* HTTP/0.9 */
    refuses(400, "GET\r\n\r\n");
    refuses(400, "/ HTTP/1.1\r\n\r\n");
    refuses(400, "G(T / HTTP/1.1\r\n" H "\r\n");
    refuses(501, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJK / HTTP/1.1\r\n" H "\r\n");
    refuses(400, "\x16\x03\x01\x02\x01"); /* a TLS client that took the wrong port */
    REFUSES_WITH_NUL(400, "GET /\0 HTTP/1.1\r\n" H "\r\n");
    REFUSES_WITH_NUL(400, "\0");
}

static void test_version(void **state)
{
    (void)state;
    assert_int_equal(accepts("GET / HTTP/1.0\r\n\r\n").minor, 0);
    assert_int_equal(accepts("GET / HTTP/1.9\r\n" H "\r\n").minor, 1);
    refuses(505, "GET / HTTP/2.0\r\n" H "\r\n");
    refuses(505, "GET / HTTP/0.9\r\n\r\n");
    refuses(505, "GET / HTTP/3.1\r\n\r\n");
    refuses(400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); /* HTTP/2's preface: no method for '*' */
    refuses(400, "GET / http/1.1\r\n" H "\r\n");
    refuses(400, "GET / HTTP/1\r\n" H "\r\n");
    refuses(400, "GET / HTTP/11.1\r\n" H "\r\n");
    refuses(400, "GET / HTTP/1.10\r\n" H "\r\n");
    refuses(400, "GET / HTTP/1,1\r\n" H "\r\n");
    refuses(400, "GET / HTTP/x.1\r\n" H "\r\n");
    refuses(400, "GET / ICY/1.1\r\n" H "\r\n");
}

static void test_target_forms(void **state)
{
    struct http_request r;

    (void)state;
    r = accepts("GET http://h.example/x/y?q HTTP/1.1\r\n" H "\r\n");
    assert_target(&r, "/x/y?q");
    r = accepts("GET HTTP://h.example:8080/z HTTP/1.1\r\n" H "\r\n");
    assert_target(&r, "/z");
    r = accepts("GET http://h HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(r.target_len, 1);
    assert_int_equal(r.target[0], '/');
    r = accepts("GET http://[::1]?q HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(r.target_len, 1);
    r = accepts("OPTIONS * HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(r.method, HTTP_OPTIONS);
    assert_int_equal(r.target_len, 0);
    r = accepts("CONNECT a:443 HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(r.method, HTTP_KNOWN);
    accepts("GET /{a}|b^`~ HTTP/1.1\r\n" H "\r\n"); /* browsers send these raw */

    refuses(400, "GET * HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET a HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET ?a HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET http:// HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET http:///a HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET http://u@h/a HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET http://:80/a HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET http://h:p/a HTTP/1.1\r\n" H "\r\n");
    refuses(421, "GET https://h/a HTTP/1.1\r\n" H "\r\n");
    refuses(421, "GET HTTPS://h:443 HTTP/1.1\r\n" H "\r\n");
    refuses(400, "CONNECT h:x HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET ftp://h/a HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET h:80 HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET /a#b HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET /\"a HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET /<a> HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET /a\\b HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n");
    refuses(400, "GET /a\x7f HTTP/1.1\r\n" H "\r\n");
}

static void test_host(void **state)
{
    (void)state;
    accepts("GET / HTTP/1.1\r\nhOsT:a\r\n\r\n");
    accepts("GET / HTTP/1.1\r\nHost:\r\n\r\n"); /* empty is right where there is no authority */
    accepts("GET / HTTP/1.1\r\nHost: [fe80::1]:8080\r\n\r\n");
    accepts("GET / HTTP/1.1\r\nHost: [v1.a:b]\r\n\r\n");
    accepts("GET / HTTP/1.1\r\nHost: h.example:8080\r\n\r\n");
    accepts("GET / HTTP/1.1\r\nHost: a:\r\n\r\n"); /* port = *DIGIT */
    accepts("GET / HTTP/1.1\r\nHost: a%2Db_~!$&'()*+,;=:1\r\n\r\n");
    accepts("GET / HTTP/1.0\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHosts: a\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H H "\r\n");
    refuses(400, "GET / HTTP/1.0\r\n" H "Host: b\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a, b/c\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: \xff\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: []\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: [\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: [[::1]]\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a]\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a%4\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a%\r\n\r\n");
}

static void test_field_syntax(void **state)
{
    (void)state;
    accepts("GET / HTTP/1.1\r\n" H "X:\r\nY: \t \r\nZ:a\t b\xff \r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "X : a\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "X\t: a\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n"); /* folded */
    refuses(400, "GET / HTTP/1.1\r\n X: a\r\n" H "\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H ": a\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "X\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "X{: a\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n");
    REFUSES_WITH_NUL(400, "GET / HTTP/1.1\r\n" H "X: \0\r\n\r\n");
    /* ends of lines */
    refuses(400, "GET / HTTP/1.1\n" H "\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a\r\n\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\r\n" H "\r\n");
    refuses(400, "GET / HTTP/1.1\r\nHost: a\r\n\rX");
    refuses(400, "\nGET / HTTP/1.1\r\n" H "\r\n");
}

static void test_blank_lines_before(void **state)
{
    (void)state;
    accepts("\r\nGET / HTTP/1.1\r\n" H "\r\n");
    accepts("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n");
    refuses(400, "\rGET / HTTP/1.1\r\n" H "\r\n");
}

static void test_persistence(void **state)
{
    (void)state;
    assert_true(accepts("GET / HTTP/1.1\r\n" H "\r\n").keep_alive);
    assert_false(accepts("GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n").keep_alive);
    assert_false(accepts("GET / HTTP/1.1\r\n" H "connection: x ,\tCLOSE , y\r\n\r\n").keep_alive);
    assert_false(
        accepts("GET / HTTP/1.1\r\n" H "Connection: a\r\nConnection: close\r\n\r\n").keep_alive);
    assert_true(accepts("GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n").keep_alive);
    assert_true(accepts("GET / HTTP/1.1\r\n" H "Connection: clos\r\n\r\n").keep_alive);
    assert_true(accepts("GET / HTTP/1.1\r\n" H "Connection: ,,\r\n\r\n").keep_alive);
    assert_false(accepts("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert_true(accepts("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
    assert_false(accepts("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n").keep_alive);
}

static void test_body_framing(void **state)
{
    struct http_request r;

    (void)state;
    assert_int_equal(accepts("GET / HTTP/1.1\r\n" H "Content-Length: 12\r\n\r\n").content_length,
                     12);
    r = accepts("GET / HTTP/1.1\r\n" H "Content-Length: 999999999999999999\r\n\r\n");
    assert_int_equal(r.content_length, 999999999999999999);
    assert_true(accepts("GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n").chunked);
    assert_true(accepts("GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n").expects_continue);

    refuses(400, "GET / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Content-Length: 1 2\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n");
    refuses(400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void test_codings(void **state)
{
    (void)state;
    assert_true(accepts("GET / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked \r\n\r\n").chunked);
    refuses(501, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n");
    refuses(501, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: gzip,chunked\r\n\r\n");
    refuses(501, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunkedx\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n");
    refuses(400, "GET / HTTP/1.1\r\n" H
                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void test_expectations(void **state)
{
    (void)state;
    assert_true(accepts("GET / HTTP/1.1\r\n" H "Expect: 100-Continue\r\n\r\n").expects_continue);
    assert_false(accepts("GET / HTTP/1.0\r\n" H "Expect: 100-continue\r\n\r\n").expects_continue);
    refuses(417, "GET / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n");
    refuses(417, "GET / HTTP/1.1\r\n" H "Expect:\r\n\r\n");
}

static void assert_text(struct http_text text, const char *expected)
{
    assert_non_null(text.at);
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.at, expected, text.len);
}

static void test_notes(void **state)
{
    struct http_request r = accepts("GET /x HTTP/1.1\r\nhost:  a:80\t\r\nRANGE: bytes=0-1 \r\n"
                                    "X-Range: no\r\nIf-None-Match: \"a\"\r\nUser-Agent: u a\r\n"
                                    "If-None-Match:\r\nReferer: http://r/\r\nOrigin: o\r\n"
                                    "If-Match: *\r\nIf-Range: \"x\"\r\nAuthorization: Bearer t\r\n"
                                    "If-Modified-Since: m\r\nIf-Unmodified-Since: u\r\n"
                                    "Sec-Fetch-Site: none\r\nAccept-Encoding: br\r\n\r\n");

    (void)state;
    assert_text(r.line, "GET /x HTTP/1.1");
    assert_true(r.conditional);
    assert_text(http_request_field(&r, HTTP_HOST, 0), "a:80");
    assert_text(http_request_field(&r, HTTP_RANGE, 0), "bytes=0-1");
    assert_null(http_request_field(&r, HTTP_RANGE, 1).at);
    assert_text(http_request_field(&r, HTTP_IF_NONE_MATCH, 0), "\"a\"");
    assert_text(http_request_field(&r, HTTP_IF_NONE_MATCH, 1), "");
    assert_text(http_request_field(&r, HTTP_USER_AGENT, 0), "u a");
    assert_text(http_request_field(&r, HTTP_REFERER, 0), "http://r/");
    assert_text(http_request_field(&r, HTTP_ORIGIN, 0), "o");
    assert_text(http_request_field(&r, HTTP_IF_MATCH, 0), "*");
    assert_text(http_request_field(&r, HTTP_IF_RANGE, 0), "\"x\"");
    assert_text(http_request_field(&r, HTTP_AUTHORIZATION, 0), "Bearer t");
    assert_text(http_request_field(&r, HTTP_IF_MODIFIED_SINCE, 0), "m");
    assert_text(http_request_field(&r, HTTP_IF_UNMODIFIED_SINCE, 0), "u");
    assert_text(http_request_field(&r, HTTP_SEC_FETCH_SITE, 0), "none");
    assert_text(http_request_field(&r, HTTP_ACCEPT_ENCODING, 0), "br");

    r = accepts("GET / HTTP/1.1\r\nX: y\r\nHost: b\r\nUser-Agent: u\r\n\r\n");
    assert_false(r.conditional);
    assert_text(http_request_field(&r, HTTP_HOST, 0), "b");
    assert_null(http_request_field(&r, HTTP_RANGE, 0).at);
}

/* More of them than there is room for: the first count. */
static void test_too_many_notes(void **state)
{
    char text[4096];
    size_t n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n" H);
    struct http_request r;

    (void)state;
    for (unsigned i = 1; i < FIELDS_MAX; i++)
        n += (size_t)sprintf(text + n, "Range: %u\r\n", i);
    n += (size_t)sprintf(text + n, "\r\n");
    r = accepts_bytes(text, n);
    assert_int_equal(r.noted, HTTP_NOTES_MAX);
    assert_text(http_request_field(&r, HTTP_RANGE, HTTP_NOTES_MAX - 2), "23");
    assert_null(http_request_field(&r, HTTP_RANGE, HTTP_NOTES_MAX - 1).at);
}

static void test_other_limits(void **state)
{
    static const char text[] = "GET /234567890 HTTP/1.1\r\n" H "X: y\r\n\r\n";
    struct http_limits l = { .line_bytes = 23, .head_bytes = sizeof(text) - 1, .fields = 2 };
    struct http_request r;

    (void)state;
    assert_int_equal(http_request_parse(text, sizeof(text) - 1, &l, &r), sizeof(text) - 1);
    l.line_bytes--;
    assert_int_equal(http_request_parse(text, sizeof(text) - 1, &l, &r), -414);
    l.line_bytes++;
    l.head_bytes--;
    assert_int_equal(http_request_parse(text, sizeof(text) - 1, &l, &r), -431);
    l.head_bytes++;
    l.fields--;
    assert_int_equal(http_request_parse(text, sizeof(text) - 1, &l, &r), -431);
}

/* "GET /xxx... HTTP/1.1" of exactly that many bytes, then the rest. */
static size_t long_line(char *out, size_t line, const char *rest)
{
    size_t n = (size_t)sprintf(out, "GET /");

    memset(out + n, 'x', line - 14);
    n += line - 14;
    return n + (size_t)sprintf(out + n, " HTTP/1.1%s", rest);
}

static void test_line_limit(void **state)
{
    static char text[GUARD_BYTES];
    struct http_request r;
    size_t n;

    (void)state;
    n = long_line(text, LINE_MAX, "\r\n" H "\r\n");
    r = accepts_bytes(text, n);
    assert_int_equal(r.target_len, LINE_MAX - 13);
    n = long_line(text, LINE_MAX + 1, "\r\n" H "\r\n");
    refuses_bytes(414, text, n);
    n = long_line(text, 3 * LINE_MAX, "");
    refuses_bytes(414, text, n);
    memset(text, 'A', 9000); /* a method without end is none that we know */
    refuses_bytes(501, text, 9000);
}

static void test_head_limit(void **state)
{
    static char text[GUARD_BYTES];
    size_t n, fill;

    (void)state;
    /* a head of exactly the limit, and one byte more */
    for (unsigned over = 0; over < 2; over++) {
        n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n" H "X: ");
        fill = HEAD_MAX - n - 4 + over;
        memset(text + n, 'y', fill);
        n += fill;
        n += (size_t)sprintf(text + n, "\r\n\r\n");
        if (over)
            refuses_bytes(431, text, n);
        else
            accepts_bytes(text, n);
    }
    n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n" H "X: ");
    memset(text + n, 'y', 12000);
    refuses_bytes(431, text, n + 12000);
    for (n = 0; n + 2 < 12000; n += 2) /* nothing but blank lines */
        memcpy(text + n, "\r\n", 2);
    refuses_bytes(431, text, n);
}

static void test_field_limit(void **state)
{
    static char text[GUARD_BYTES];

    (void)state;
    for (unsigned over = 0; over < 2; over++) {
        size_t n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n" H);

        for (unsigned i = 1; i < FIELDS_MAX + over; i++)
            n += (size_t)sprintf(text + n, "X: %u\r\n", i);
        n += (size_t)sprintf(text + n, "\r\n");
        if (over)
            refuses_bytes(431, text, n);
        else
            accepts_bytes(text, n);
    }
}

static void test_pipelined(void **state)
{
    static const char first[] = "GET /1 HTTP/1.1\r\n" H "\r\n";
    static const char both[] = "GET /1 HTTP/1.1\r\n" H "\r\nHEAD /2 HTTP/1.1\r\n" H "\r\n";
    struct http_request r;

    (void)state;
    assert_int_equal(parse(both, sizeof(both) - 1, &r), sizeof(first) - 1);
    assert_int_equal(r.method, HTTP_GET);
    assert_int_equal(
        http_request_parse(both + sizeof(first) - 1, sizeof(both) - sizeof(first), &limits, &r),
        sizeof(both) - sizeof(first));
    assert_int_equal(r.method, HTTP_HEAD);
}

/* The method is told even where the rest is refused: a HEAD's refusal has no body. */
static void test_method_of_refused(void **state)
{
    static const char text[] = "HEAD / HTTP/1.1\r\n\r\n";
    struct http_request r;

    (void)state;
    assert_int_equal(parse(text, sizeof(text) - 1, &r), -400);
    assert_int_equal(r.method, HTTP_HEAD);
}

/* Every single byte changed in every way: never a read past the end, never a length beyond it. */
static void test_every_mutation(void **state)
{
    static const char text[] = "GET http://a/b?c HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n"
                               "Connection: close, x\r\n\r\n";
    char copy[sizeof(text)];
    struct http_request r;

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        for (unsigned c = 0; c < 256; c++) {
            int got;

            memcpy(copy, text, sizeof(text));
            copy[i] = (char)c;
            got = parse(copy, sizeof(text) - 1, &r);
            assert_true(got == 0 || got == -400 || got == -505 ||
                        (got > 0 && (size_t)got <= sizeof(text) - 1));
            if (got > 0)
                assert_true(r.target_len == 0 || r.target[0] == '/');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_line),   cmocka_unit_test(test_version),
        cmocka_unit_test(test_target_forms),   cmocka_unit_test(test_host),
        cmocka_unit_test(test_field_syntax),   cmocka_unit_test(test_blank_lines_before),
        cmocka_unit_test(test_persistence),    cmocka_unit_test(test_body_framing),
        cmocka_unit_test(test_codings),        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_notes),          cmocka_unit_test(test_too_many_notes),
        cmocka_unit_test(test_other_limits),   cmocka_unit_test(test_line_limit),
        cmocka_unit_test(test_head_limit),     cmocka_unit_test(test_field_limit),
        cmocka_unit_test(test_pipelined),      cmocka_unit_test(test_method_of_refused),
        cmocka_unit_test(test_every_mutation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
