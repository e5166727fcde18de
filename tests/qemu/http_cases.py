"""What httpd has to answer to which bytes: the table of test_http_conformance.py, and its site.

A case is a request as it travels, and what has to come back by RFC 9110 (semantics), RFC 9112
(HTTP/1.1) and RFC 3986 (URIs). Where these leave a choice, docs/http.md says which is ours.
"""

import hashlib
import re
from dataclasses import dataclass, field

MODIFIED = 1709208000  # of every file but future.txt
DATE = "Thu, 29 Feb 2024 12:00:00 GMT"
EARLIER = "Thu, 29 Feb 2024 11:59:59 GMT"
LATER = "Thu, 29 Feb 2024 12:00:01 GMT"
FUTURE = 4102444800  # 2100

CFG = """\
http_cache = *.html=no-cache; /assets/*=max-age=31536000, immutable; data.json=no-store
http_discard = /upload
http_max_body = 200000
"""

RANGE = bytes(n * 7 % 251 for n in range(1000))
FILES = {
    "index.html": b"<h1>home</h1>",
    "404.html": b"<h1>404: none of ours</h1>",
    "style.css": b"body { color: red }",
    "app.js": b"export const it = 'plain, and long enough'\n",
    "app.js.gz": b"as gzip",
    "app.js.br": b"as br",
    "app.js.zst": b"as zstd",
    "data.json": b'{"a": 1}',
    "data.json.gz": b"gzipped data",
    "a b/\u00e4.txt": "gr\u00fc\u00dfe".encode(),
    "100%.txt": b"all of it",
    "a..b/.../x.txt": b"no dot segments",
    ".hidden": b"published all the same",
    "empty.txt": b"",
    "noext": b"?",
    "future.txt": b"not yet",
    "docs/index.html": b"<h1>docs</h1>",
    "docs/deep/page.html": b"deep",
    "assets/logo.svg": b"<svg/>",
    "range.bin": RANGE,
    "pic.PNG": b"png",
    "photo.jpg": b"jpg",
    "font.woff2": b"woff2",
    "code.wasm": b"wasm",
    "paper.pdf": b"pdf",
    "bundle.mjs": b"mjs",
    "feed.xml": b"<a/>",
    "notes.txt": b"notes",
}


def etag(name):
    """As scripts/mksite.sh makes it of what the file holds."""
    return f'"{hashlib.sha256(FILES[name]).hexdigest()[:22]}"'


@dataclass(frozen=True)
class Want:
    """One answer."""

    status: int
    fields: dict = field(default_factory=dict)  # {name: value, pattern, or None: it is not there}
    body: object = None  # bytes, a function of the answer, or None: whatever fits the status
    head: bool = False  # the answer to a HEAD


@dataclass(frozen=True)
class Case:
    name: str
    rfc: str
    request: bytes
    wants: tuple
    closes: bool = False  # the server, behind the last answer
    then: bytes = b""  # is sent when the first answer is here


CASES = []


def case(name, rfc, request, status, fields=None, body=None, closes=False, then=b""):
    """A request with one answer."""
    want = Want(status, fields or {}, body, request.lstrip(b"\r\n").startswith(b"HEAD "))
    CASES.append(Case(name, rfc, request, (want,), closes, then))


def several(name, rfc, request, *wants, closes=False, then=b""):
    """Requests, or one with an interim answer."""
    CASES.append(Case(name, rfc, request, wants, closes, then))


def raw(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def ask(target, *fields, method="GET", version="1.1", host="Host: a", body=b""):
    """A request; the target and the fields are taken as they are."""
    lines = [raw(method) + b" " + raw(target) + b" HTTP/" + raw(version)]
    lines += [raw(f) for f in ((host,) if host else ()) + fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def file(name, **more):
    """The fields of a file's 200."""
    return {"Content-Length": str(len(FILES[name])), "ETag": etag(name), "Accept-Ranges": "bytes",
            **more}


ALLOW = {"Allow": "GET, HEAD, OPTIONS"}
PLAIN = FILES["style.css"]
HTML = "text/html; charset=utf-8"

# ---------------------------------------------------------------- methods

M = "RFC 9110 9"
case("get", f"{M}.3.1", ask("/"), 200, file("index.html", Allow=None), FILES["index.html"])
case("get-with-a-body", f"{M}.3.1", ask("/", "Content-Length: 3", body=b"abc"), 200, {},
     FILES["index.html"])
case("head", f"{M}.3.2", ask("/style.css", method="HEAD"), 200, file("style.css"))
case("head-of-nothing", f"{M}.3.2", ask("/none", method="HEAD"), 404,
     {"Content-Length": str(len(FILES["404.html"]))})
case("head-of-a-bad-path", f"{M}.3.2", ask("/%zz", method="HEAD"), 400)
case("head-refused", f"{M}.3.2", ask("/", method="HEAD", host=""), 400, closes=True)
case("head-redirected", f"{M}.3.2", ask("/docs", method="HEAD"), 301, {"Location": "/docs/"})
case("options", f"{M}.3.7", ask("/style.css", method="OPTIONS"), 204, ALLOW)
case("options-of-all", f"{M}.3.7", ask("*", method="OPTIONS"), 204, ALLOW)
case("options-of-all-absolute", "RFC 9112 3.2.4", ask("http://a", method="OPTIONS"), 204, ALLOW)
case("options-with-a-body", f"{M}.3.7",
     ask("*", "Content-Length: 3", method="OPTIONS", body=b"abc"), 204, ALLOW)
for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
    case(f"{method.lower()}-not-allowed", "RFC 9110 15.5.6", ask("/style.css", method=method), 405,
         ALLOW)
case("post-with-a-body-not-allowed", "RFC 9110 15.5.6",
     ask("/", "Content-Length: 5", method="POST", body=b"a=b&c"), 405, ALLOW)
case("connect-not-allowed", f"{M}.3.6", ask("a:443", method="CONNECT"), 405, ALLOW)
case("unknown-method", "RFC 9110 15.6.2", ask("/", method="BREW"), 501)
case("method-is-case-sensitive", f"{M}.1", ask("/", method="get"), 501)
case("method-is-the-whole-word", f"{M}.1", ask("/", method="GETS"), 501)
case("method-of-token-characters", "RFC 9110 5.6.2", ask("/", method="!#$%&'*+-.^_`|~9"), 501)
case("method-longer-than-any", "RFC 9112 3", ask("/", method="A" * 60), 501, closes=True)
case("method-with-a-separator", f"{M}.1", ask("/", method="G(T"), 400, closes=True)
case("method-empty", "RFC 9112 3", ask("/", method=""), 400, closes=True)
case("post-to-discard", f"{M}.3.3", ask("/upload", "Content-Length: 4", method="POST",
                                        body=b"abcd"), 200)
case("post-of-nothing-to-discard", f"{M}.3.3", ask("/upload", method="POST"), 200)
case("put-to-discard", "RFC 9110 15.5.6", ask("/upload", method="PUT"), 405, ALLOW)
case("get-of-discard", f"{M}.3.1", ask("/upload"), 404)

# ---------------------------------------------------------------- the request line

L = "RFC 9112 3"
for name, text in (
        ("two-blanks-before-the-target", b"GET  / HTTP/1.1"),
        ("two-blanks-before-the-version", b"GET /  HTTP/1.1"),
        ("blank-before-the-method", b" GET / HTTP/1.1"),
        ("blank-behind-the-version", b"GET / HTTP/1.1 "),
        ("tab-for-a-blank", b"GET\t/ HTTP/1.1"),
        ("vertical-tab-for-a-blank", b"GET\x0b/ HTTP/1.1"),
        ("no-version", b"GET /"),
        ("no-target", b"GET HTTP/1.1"),
        ("method-alone", b"GET"),
        ("version-in-small-letters", b"GET / http/1.1"),
        ("version-without-a-minor", b"GET / HTTP/1"),
        ("version-of-two-digits", b"GET / HTTP/1.10"),
        ("version-with-a-comma", b"GET / HTTP/1,1"),
        ("other-protocol", b"GET / ICY/1.1"),
        ("http2-preface", b"PRI * HTTP/2.0"),
        ("bare-cr-in-the-line", b"GET /\rHTTP/1.1"),
        ("bare-lf-in-the-line", b"GET / HTTP/1.1\nX: y"),
        ("lf-before-the-line", b"\nGET / HTTP/1.1"),
        ("nul-in-the-target", b"GET /\0 HTTP/1.1"),
        ("blank-in-the-target", b"GET /a b HTTP/1.1"),
        ("fragment", b"GET /style.css#top HTTP/1.1"),
        ("raw-utf8-in-the-target", b"GET /\xc3\xa4 HTTP/1.1"),
        ("delete-in-the-target", b"GET /a\x7f HTTP/1.1"),
        ("backslash-in-the-target", b"GET /..\\..\\a HTTP/1.1"),
        ("quote-in-the-target", b'GET /"a HTTP/1.1'),
        ("asterisk-for-get", b"GET * HTTP/1.1"),
        ("target-without-a-slash", b"GET style.css HTTP/1.1"),
        ("authority-for-get", b"GET a:80 HTTP/1.1"),
        ("path-for-connect-with-scheme", b"CONNECT http://a/ HTTP/1.1"),
        ("tls-hello", b"\x16\x03\x01\x02\x00\x01\x00"),
):
    case(name, L, text + b"\r\nHost: a\r\n\r\n", 400, closes=True)
case("higher-minor", "RFC 9110 2.5", ask("/style.css", version="1.9"), 200, {}, PLAIN)
case("version-2", "RFC 9110 15.6.6", ask("/", version="2.0"), 505, closes=True)
case("version-0.9", "RFC 9110 15.6.6", ask("/", version="0.9"), 505, closes=True)
case("empty-line-before", "RFC 9112 2.2", b"\r\n" + ask("/style.css"), 200, {}, PLAIN)
case("empty-lines-before", "RFC 9112 2.2", b"\r\n\r\n\r\n" + ask("/style.css"), 200, {}, PLAIN)
case("empty-lines-beyond-a-head", "RFC 9112 2.2", b"\r\n" * 5000 + ask("/style.css"), 200, {},
     PLAIN)
case("empty-line-before-head", "RFC 9112 2.2", b"\r\n" + ask("/", method="HEAD"), 200)

# ---------------------------------------------------------------- forms of the target

A = "RFC 9112 3.2.2"
case("absolute-form", A, ask("http://a/style.css"), 200, {}, PLAIN)
case("absolute-form-in-capitals", "RFC 3986 3.1", ask("HTTP://a/style.css"), 200, {}, PLAIN)
case("absolute-form-with-a-port", A, ask("http://a:80/style.css"), 200, {}, PLAIN)
case("absolute-form-ipv6", A, ask("http://[::1]:80/style.css"), 200, {}, PLAIN)
case("absolute-form-without-a-path", "RFC 9110 4.2.3", ask("http://a"), 200, {},
     FILES["index.html"])
case("absolute-form-with-a-query-alone", "RFC 9110 4.2.3", ask("http://a?x"), 200, {},
     FILES["index.html"])
case("absolute-form-overrides-host", A, ask("http://a/style.css", host="Host: b"), 200, {}, PLAIN)
case("absolute-form-needs-host-too", "RFC 9112 3.2", ask("http://a/style.css", host=""), 400,
     closes=True)
case("absolute-form-in-1.0", A, ask("http://a/style.css", version="1.0", host=""), 200, {}, PLAIN,
     closes=True)
case("absolute-form-with-userinfo", "RFC 9110 4.2.4", ask("http://u:p@a/style.css"), 400,
     closes=True)
case("absolute-form-without-a-host", "RFC 9110 4.2.1", ask("http:///style.css"), 400, closes=True)
case("absolute-form-with-a-port-alone", "RFC 9110 4.2.1", ask("http://:80/style.css"), 400,
     closes=True)
case("absolute-form-with-a-bad-port", A, ask("http://a:b/style.css"), 400, closes=True)
case("absolute-form-of-ftp", A, ask("ftp://a/style.css"), 400, closes=True)
case("absolute-form-of-https", "RFC 9110 7.4", ask("https://a/style.css"), 421, closes=True)
case("absolute-form-climbing-out", A, ask("http://a/../style.css"), 400)

# ---------------------------------------------------------------- paths

P = "RFC 3986 "
for name, rfc, target, found in (
        ("escaped-letter", "2.4", "/%73tyle.css", "style.css"),
        ("escaped-whole-name", "2.4", "/%73%74%79%6C%65%2e%63%73%73", "style.css"),
        ("escaped-blank-and-utf8", "2.5", "/a%20b/%C3%A4.txt", "a b/\u00e4.txt"),
        ("escape-in-small-letters", "2.1", "/a%20b/%c3%a4.txt", "a b/\u00e4.txt"),
        ("escaped-percent", "2.4", "/100%25.txt", "100%.txt"),
        ("escaped-slash", "2.2", "/docs%2Findex.html", "docs/index.html"),
        ("dot-segment", "5.2.4", "/./docs/./index.html", "docs/index.html"),
        ("dot-segment-last", "5.2.4", "/docs/.", "docs/index.html"),
        ("two-dots", "5.2.4", "/docs/../style.css", "style.css"),
        ("two-dots-last", "5.2.4", "/docs/..", "index.html"),
        ("two-dots-over-two", "5.2.4", "/docs/deep/../../style.css", "style.css"),
        ("two-dots-escaped", "6.2.2.3", "/docs/%2e%2E/style.css", "style.css"),
        ("three-dots-are-a-name", "3.3", "/a..b/.../x.txt", "a..b/.../x.txt"),
        ("dot-file", "3.3", "/.hidden", ".hidden"),
        ("two-slashes", "3.3", "//style.css", "style.css"),
        ("slashes-within", "3.3", "/docs///deep//page.html", "docs/deep/page.html"),
        ("query", "3.4", "/style.css?v=1", "style.css"),
        ("query-empty", "3.4", "/style.css?", "style.css"),
        ("query-with-dots-and-slashes", "3.4", "/style.css?/../../x", "style.css"),
        ("query-with-a-bad-escape", "3.4", "/style.css?%zz", "style.css"),
        ("directory", "3.3", "/docs/", "docs/index.html"),
):
    case(name, P + rfc, ask(target), 200, file(found), FILES[found])
for name, rfc, target in (
        ("out-of-the-root", "5.2.4", "/.."),
        ("out-of-the-root-to-a-file", "5.2.4", "/../etc/passwd"),
        ("out-of-the-root-and-in-again", "5.2.4", "/../style.css"),
        ("out-of-the-root-later", "5.2.4", "/docs/../../etc/passwd"),
        ("out-of-the-root-escaped-dots", "5.2.4", "/%2e%2e/etc/passwd"),
        ("out-of-the-root-escaped-slash", "5.2.4", "/..%2fetc%2fpasswd"),
        ("out-of-the-root-half-escaped", "5.2.4", "/.%2e/etc/passwd"),
        ("out-of-the-root-behind-slashes", "5.2.4", "///..//etc/passwd"),
        ("escape-without-digits", "2.1", "/a%zz"),
        ("escape-cut", "2.1", "/a%4"),
        ("escape-alone", "2.1", "/%"),
        ("escape-with-a-sign", "2.1", "/%+1"),
        ("escaped-nul", "2.4", "/style.css%00"),
):
    case(name, P + rfc, ask(target), 400)
for name, rfc, target in (
        ("not-there", "3.3", "/none"),
        ("twice-escaped-dots", "2.4", "/%252e%252e/style.css"),
        ("escaped-question-mark", "2.4", "/style.css%3Fv=1"),
        ("escaped-backslash", "3.3", "/..%5cstyle.css"),
        ("case-matters", "6.2.2.1", "/STYLE.CSS"),
        ("slash-behind-a-file", "3.3", "/style.css/"),
        ("path-below-a-file", "3.3", "/style.css/x"),
        ("path-as-long-as-may-be", "3.3", "/" + "x" * 4000),
        ("directory-without-an-index", "3.3", "/docs/deep/"),
        ("archive-index-is-private", "3.3", "/.tophalf/index"),
        ("semicolon-is-a-character", "3.3", "/style.css;v=1"),
        ("plus-is-no-blank", "2.2", "/a+b/%C3%A4.txt"),
):
    case(name, P + rfc, ask(target), 404, {"Content-Type": HTML}, FILES["404.html"])

# ---------------------------------------------------------------- Host

H = "RFC 9112 3.2"
for name, value in (
        ("name", "a.example"), ("port", "a:8080"), ("empty-port", "a:"), ("empty", ""),
        ("ipv4", "10.0.2.15:80"), ("ipv6", "[fe80::1]:80"), ("ipv4-in-ipv6", "[::ffff:1.2.3.4]"),
        ("underscore", "a_b"), ("escape", "a%2Db"), ("sub-delims", "a!$&'()*+,;=b"),
        ("blanks-around", " \t a \t "),
):
    case(f"host-{name}", H, ask("/style.css", host=f"Host:{value}"), 200, {}, PLAIN)
for name, value in (
        ("with-a-blank", "a b"), ("list", "a, b"), ("userinfo", "u@a"), ("path", "a/b"),
        ("scheme", "http://a"), ("query", "a?b"), ("port-alone", ":80"),
        ("port-of-letters", "a:http"), ("two-ports", "a:80:80"),
        ("ipv6-without-brackets", "fe80::1"), ("ipv6-cut", "[::1"), ("ipv6-empty", "[]"),
        ("behind-ipv6", "[::1]a"), ("bad-escape", "a%zz"), ("bytes-above-ascii", "\xe4"),
        ("quoted", '"a"'),
):
    case(f"host-{name}", H, ask("/", host=f"Host: {value}"), 400, closes=True)
case("host-missing", H, ask("/", host=""), 400, closes=True)
case("host-missing-in-1.0", H, ask("/style.css", version="1.0", host=""), 200, {}, PLAIN,
     closes=True)
case("host-twice", H, ask("/", "Host: b"), 400, closes=True)
case("host-twice-the-same", H, ask("/", "Host: a"), 400, closes=True)
case("host-twice-in-1.0", H, ask("/", "Host: b", version="1.0"), 400, closes=True)
case("host-name-in-capitals", "RFC 9110 5.1", ask("/style.css", host="HOST: a"), 200, {}, PLAIN)
case("host-last", "RFC 9110 5.3", ask("/style.css", "X: y", "Host: a", host=""), 200, {}, PLAIN)

# ---------------------------------------------------------------- fields and framing

F = "RFC 9112 5"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
for name, rfc, lines in (
        ("blank-before-the-colon", F + ".1", b"X : y"),
        ("tab-before-the-colon", F + ".1", b"X\t: y"),
        ("blank-in-a-name", F + ".1", b"X Y: z"),
        ("no-name", F, b": y"),
        ("no-colon", F, b"X"),
        ("name-with-a-slash", F, b"X/Y: z"),
        ("name-above-ascii", F, b"X\xe4: z"),
        ("name-with-nul", F, b"X\0: z"),
        ("folded-line", F + ".2", b"X: y\r\n z"),
        ("folded-line-by-a-tab", F + ".2", b"X: y\r\n\tz"),
        ("folded-length", F + ".2", b"Content-Length:\r\n 5"),
        ("nul-in-a-value", "RFC 9110 5.5", b"X: a\0b"),
        ("control-in-a-value", "RFC 9110 5.5", b"X: a\x08b"),
        ("delete-in-a-value", "RFC 9110 5.5", b"X: a\x7fb"),
        ("bare-cr-in-a-value", "RFC 9112 2.2", b"X: a\rY: b"),
        ("bare-cr-ends-a-field", "RFC 9112 2.2", b"X: a\rTransfer-Encoding: chunked"),
        ("bare-lf-ends-a-field", "RFC 9112 2.2", b"X: a\nTransfer-Encoding: chunked"),
        ("two-crs", "RFC 9112 2.2", b"X: a\r\r"),
):
    case(name, rfc, ask("/", lines, body=SMUGGLED), 400, closes=True)
case("bare-lf-everywhere", "RFC 9112 2.2", b"GET / HTTP/1.1\nHost: a\n\n", 400, closes=True)
case("bare-lf-ends-the-head", "RFC 9112 2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\n" + SMUGGLED, 400,
     closes=True)
case("blank-before-the-first-field", "RFC 9112 2.2", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400,
     closes=True)
case("odd-but-valid-fields", "RFC 9110 5.5",
     ask("/style.css", "X:", "Y: \t ", b"Z:a\t\xe4 \xff", "!#$%&'*+-.^_`|~: 1", "X: again"), 200,
     {}, PLAIN)

S = "RFC 9112 6"
for name, rfc, lines in (
        ("length-and-chunked", ".3", ["Content-Length: 5", "Transfer-Encoding: chunked"]),
        ("chunked-and-length", ".3", ["Transfer-Encoding: chunked", "Content-Length: 5"]),
        ("length-twice", ".3", ["Content-Length: 5", "Content-Length: 6"]),
        ("length-twice-the-same", ".3", ["Content-Length: 5", "Content-Length: 5"]),
        ("length-list", ".3", ["Content-Length: 5, 5"]),
        ("length-with-plus", ".3", ["Content-Length: +5"]),
        ("length-with-minus", ".3", ["Content-Length: -5"]),
        ("length-in-hex", ".3", ["Content-Length: 0x5"]),
        ("length-with-a-point", ".3", ["Content-Length: 5.0"]),
        ("length-with-a-blank", ".3", ["Content-Length: 5 5"]),
        ("length-with-letters", ".3", ["Content-Length: 5a"]),
        ("length-empty", ".3", ["Content-Length:"]),
        ("length-quoted", ".3", ['Content-Length: "5"']),
        ("length-beyond-64-bits", ".3", ["Content-Length: 18446744073709551621"]),
        ("chunked-twice", ".1", ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]),
        ("chunked-not-last", ".1", ["Transfer-Encoding: chunked, gzip"]),
        ("coding-but-not-chunked", ".3", ["Transfer-Encoding: gzip"]),
        ("coding-identity", ".3", ["Transfer-Encoding: identity"]),
        ("coding-empty", ".1", ["Transfer-Encoding:"]),
        ("coding-xchunked", ".1", ["Transfer-Encoding: xchunked"]),
        ("coding-chunked-with-a-parameter", ".1", ["Transfer-Encoding: chunked;q=1"]),
        ("coding-quoted", ".1", ['Transfer-Encoding: "chunked"']),
        ("coding-with-vertical-tab", ".1", ["Transfer-Encoding: \x0bchunked"]),
        ("coding-in-two-fields", ".1", ["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"]),
):
    case(name, S + rfc, ask("/upload", *lines, method="POST", body=b"0\r\n\r\n" + SMUGGLED), 400,
         closes=True)
case("chunked-in-1.0", S + ".1",
     ask("/upload", "Transfer-Encoding: chunked", method="POST", version="1.0",
         body=b"0\r\n\r\n" + SMUGGLED), 400, closes=True)
case("unknown-coding-and-chunked", S + ".1",
     ask("/upload", "Transfer-Encoding: gzip, chunked", method="POST", body=b"0\r\n\r\n"), 501,
     closes=True)
several("length-hides-a-request", S + ".3",
        ask("/style.css", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED) + ask("/noext"),
        Want(200, {}, PLAIN), Want(200, {}, b"?"))
case("length-with-zeros-in-front", "RFC 9110 8.6",
     ask("/upload", "Content-Length: 0005", method="POST", body=b"abcde"), 200)

# ---------------------------------------------------------------- connections

K = "RFC 9112 9"
case("keep-alive-by-default", f"{K}.3", ask("/style.css"), 200, {"Connection": None}, PLAIN)
case("close", f"{K}.6", ask("/style.css", "Connection: close"), 200, {}, PLAIN, closes=True)
case("close-in-capitals", f"{K}.6", ask("/style.css", "Connection: CLOSE"), 200, closes=True)
case("close-in-a-list", f"{K}.6", ask("/style.css", "Connection: x, ,\tclose , y"), 200,
     closes=True)
case("close-in-a-second-field", f"{K}.6", ask("/style.css", "Connection: x", "Connection: close"),
     200, closes=True)
case("close-beats-keep-alive", f"{K}.3", ask("/style.css", "Connection: keep-alive, close"), 200,
     closes=True)
case("close-as-a-part-of-a-word", f"{K}.6", ask("/style.css", "Connection: closed"), 200)
case("1.0-closes", f"{K}.3", ask("/style.css", version="1.0"), 200, {}, PLAIN, closes=True)
case("1.0-keep-alive", f"{K}.3", ask("/style.css", "Connection: Keep-Alive", version="1.0"), 200,
     {"Connection": "keep-alive"}, PLAIN)
case("1.0-keep-alive-and-close", f"{K}.3",
     ask("/style.css", "Connection: keep-alive, close", version="1.0"), 200, closes=True)
case("1.0-keep-alive-of-nothing", f"{K}.3",
     ask("/none", "Connection: keep-alive", version="1.0"), 404, {"Connection": "keep-alive"})
case("404-keeps", f"{K}.3", ask("/none"), 404, {"Connection": None})
case("close-with-404", f"{K}.6", ask("/none", "Connection: close"), 404, closes=True)
several("pipelined", f"{K}.3.2", b"".join(map(ask, ("/style.css", "/none", "/docs", "/noext"))),
        Want(200, {}, PLAIN), Want(404), Want(301), Want(200, {}, b"?"))
several("pipelined-methods", f"{K}.3.2",
        ask("/range.bin", method="HEAD") + ask("/", method="DELETE") + ask("/", method="BREW")
        + ask("*", method="OPTIONS") + ask("/noext"),
        Want(200, {"Content-Length": "1000"}, head=True), Want(405), Want(501), Want(204),
        Want(200, {}, b"?"))
several("pipelined-until-close", f"{K}.6",
        ask("/style.css") + ask("/noext", "Connection: close") + SMUGGLED,
        Want(200, {}, PLAIN), Want(200, {}, b"?"), closes=True)
several("pipelined-until-a-bad-one", f"{K}.3.2",
        ask("/style.css") + b"no request\r\n\r\n" + SMUGGLED, Want(200, {}, PLAIN), Want(400),
        closes=True)
several("pipelined-with-bodies", f"{K}.3.2",
        ask("/upload", "Content-Length: 3", method="POST", body=b"abc") + ask("/noext")
        + ask("/upload", "Transfer-Encoding: chunked", method="POST", body=b"1\r\na\r\n0\r\n\r\n")
        + ask("/style.css"),
        Want(200), Want(200, {}, b"?"), Want(200), Want(200, {}, PLAIN))
several("pipelined-with-empty-lines", "RFC 9112 2.2",
        ask("/style.css") + b"\r\n\r\n" + ask("/noext"), Want(200, {}, PLAIN),
        Want(200, {}, b"?"))
several("pipelined-ranges-and-conditions", f"{K}.3.2",
        ask("/range.bin", "Range: bytes=0-9") + ask("/style.css", "If-None-Match: *")
        + ask("/range.bin", "Range: bytes=0-1, 4-5") + ask("/noext"),
        Want(206, {}, RANGE[:10]), Want(304), Want(206), Want(200, {}, b"?"))

# ---------------------------------------------------------------- Expect

E = "RFC 9110 10.1.1"
CONTINUE = "Expect: 100-continue"
several("continue", E, ask("/upload", CONTINUE, "Content-Length: 5", method="POST"), Want(100),
        Want(200), then=b"abcde")
several("continue-chunked", E,
        ask("/upload", CONTINUE, "Transfer-Encoding: chunked", method="POST"), Want(100), Want(200),
        then=b"5\r\nabcde\r\n0\r\n\r\n")
several("continue-in-capitals", E,
        ask("/upload", "Expect: 100-Continue", "Content-Length: 5", method="POST"), Want(100),
        Want(200), then=b"abcde")
several("continue-not-waited-for", E,
        ask("/upload", CONTINUE, "Content-Length: 5", method="POST", body=b"abcde"), Want(100),
        Want(200))
case("continue-not-for-405", E, ask("/", CONTINUE, "Content-Length: 5", method="PUT"), 405, ALLOW,
     closes=True)
case("continue-not-for-too-much", E,
     ask("/upload", CONTINUE, "Content-Length: 200001", method="POST"), 413, closes=True)
case("continue-without-a-body", E, ask("/upload", CONTINUE, method="POST"), 200)
case("continue-without-a-body-for-get", E, ask("/style.css", CONTINUE), 200, {}, PLAIN)
case("continue-ignored-in-1.0", E,
     ask("/upload", CONTINUE, "Content-Length: 5", method="POST", version="1.0", body=b"abcde"),
     200, closes=True)
case("other-expectation", "RFC 9110 15.5.18", ask("/", "Expect: a-wonder"), 417, closes=True)

# ---------------------------------------------------------------- bodies

B = "RFC 9112 6.2"
case("body-that-looks-like-a-request", B,
     ask("/upload", f"Content-Length: {len(SMUGGLED)}", method="POST", body=SMUGGLED), 200)
case("body-of-length-0", B, ask("/upload", "Content-Length: 0", method="POST"), 200)
case("body-as-large-as-may-be", B,
     ask("/upload", "Content-Length: 200000", method="POST", body=b"z" * 200000), 200)
case("body-too-large", "RFC 9110 15.5.14", ask("/upload", "Content-Length: 200001", method="POST"),
     413, closes=True)
case("body-far-too-large", "RFC 9110 15.5.14",
     ask("/upload", "Content-Length: 999999999999999999", method="POST"), 413, closes=True)
case("body-unwanted-is-read-past", B,
     ask("/style.css", "Content-Length: 65536", body=b"z" * 65536), 200, {}, PLAIN)
case("body-unwanted-too-long-to-read", "RFC 9112 9.3",
     ask("/style.css", "Content-Length: 65537", body=b"z" * 1000), 200, {}, PLAIN, closes=True)
case("body-unwanted-too-large", "RFC 9110 15.5.14", ask("/style.css", "Content-Length: 200001"),
     413, closes=True)

C = "RFC 9112 7.1"
CHUNKED = "Transfer-Encoding: chunked"


def chunked(*parts, target="/upload", method="POST", **more):
    return ask(target, CHUNKED, method=method, body=b"".join(map(raw, parts)), **more)


for name, rfc, body in (
        ("", "", b"5\r\nabcde\r\n0\r\n\r\n"),
        ("empty", "", b"0\r\n\r\n"),
        ("several", "", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
        ("hex-in-both-cases", "", b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"),
        ("zeros-in-front", "", b"0005\r\nabcde\r\n000\r\n\r\n"),
        ("holds-line-ends", "", b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
        ("extension", ".1", b"5;a\r\nabcde\r\n0;b=c\r\n\r\n"),
        ("extension-quoted", ".1", b'5;a="b;c"\r\nabcde\r\n0\r\n\r\n'),
        ("extension-quoted-with-escapes", ".1", b'5;a="\\"\\\\";b\r\nabcde\r\n0\r\n\r\n'),
        ("extension-with-blanks", ".1", b"5 ; a = b\r\nabcde\r\n0\t;c\r\n\r\n"),
        ("trailer", ".2", b"5\r\nabcde\r\n0\r\nX: y\r\n\r\n"),
        ("trailers", ".2", b"0\r\nX: y\r\nZ:\r\n\r\n"),
        ("trailer-is-no-field", ".2", b"0\r\nContent-Length: 7\r\nHost: b\r\n\r\n"),
        ("as-large-as-may-be", "", b"30d40\r\n" + b"z" * 200000 + b"\r\n0\r\n\r\n"),
):
    case(f"chunked-{name}".rstrip("-"), C + rfc, chunked(body), 200)
for name, rfc, body in (
        ("size-not-hex", "", b"g\r\n"),
        ("size-empty", "", b"\r\n"),
        ("size-with-0x", "", b"0x5\r\nabcde\r\n"),
        ("size-with-plus", "", b"+5\r\nabcde\r\n"),
        ("size-with-minus", "", b"-5\r\nabcde\r\n"),
        ("size-behind-a-blank", "", b" 5\r\nabcde\r\n"),
        ("size-with-a-blank-behind", "", b"5 \r\nabcde\r\n"),
        ("size-beyond-64-bits", "", b"10000000000000005\r\nabcde\r\n"),
        ("size-ends-with-lf", "", b"5\nabcde\r\n"),
        ("size-ends-with-cr", "", b"5\rabcde\r\n"),
        ("size-too-small", "", b"3\r\nabcde\r\n"),
        ("data-ends-with-lf", "", b"5\r\nabcde\n0\r\n\r\n"),
        ("data-without-an-end", "", b"5\r\nabcde0\r\n\r\n"),
        ("extension-with-lf", ".1", b"5;a\nabcde\r\n"),
        ("extension-with-nul", ".1", b"5;\0\r\nabcde\r\n"),
        ("extension-without-a-name", ".1", b"5;\r\nabcde\r\n"),
        ("extension-without-its-value", ".1", b"5;a=\r\nabcde\r\n"),
        ("extension-not-closed", ".1", b'5;a="b\r\nabcde\r\n'),
        ("extension-behind-quotes", ".1", b'5;a="b"c\r\nabcde\r\n'),
        ("extension-with-a-blank-behind", ".1", b"5;a \r\nabcde\r\n"),
        ("extension-endless", ".1", b"5;" + b"x" * 5000 + b"\r\n"),
        ("trailer-folded", ".2", b"0\r\nX: y\r\n z\r\n\r\n"),
        ("trailer-blank-before-the-colon", ".2", b"0\r\nX : y\r\n\r\n"),
        ("trailer-without-a-colon", ".2", b"0\r\nX\r\n\r\n"),
        ("trailer-with-lf", ".2", b"0\r\nX: y\n\r\n"),
        ("end-with-lf", "", b"0\r\n\n"),
        ("end-is-a-request", "", b"0\r\n" + SMUGGLED),
):
    case(f"chunked-{name}", C + rfc, chunked(body, SMUGGLED), 400, closes=True)
case("chunked-too-large-a-chunk", "RFC 9110 15.5.14", chunked("30d41\r\n", b"z" * 100), 413,
     closes=True)
case("chunked-size-of-64-bits", "RFC 9110 15.5.14", chunked("ffffffffffffffff\r\nabc"), 413,
     closes=True)
case("chunked-too-large-in-all", "RFC 9110 15.5.14",
     chunked("186a0\r\n", b"z" * 100000, "\r\n186a1\r\n"), 413, closes=True)
case("chunked-for-get", C, chunked("3\r\nabc\r\n0\r\n\r\n", target="/style.css", method="GET"), 200,
     {}, PLAIN)
case("chunked-unwanted-too-large", "RFC 9110 15.5.14",
     chunked("10001\r\n", target="/style.css", method="GET"), 413, closes=True)
case("chunked-bad-for-get", C, chunked("x\r\n", target="/style.css", method="GET"), 400,
     closes=True)
case("chunked-bad-for-head", C, chunked("x\r\n", target="/style.css", method="HEAD"), 400,
     closes=True)
case("chunked-in-capitals", "RFC 9112 7",
     ask("/upload", "TRANSFER-ENCODING: CHUNKED", method="POST", body=b"0\r\n\r\n"), 200)
several("chunked-ends-where-it-ends", C, chunked("1\r\na\r\n0\r\n\r\n", ask("/noext")), Want(200),
        Want(200, {}, b"?"))

# ---------------------------------------------------------------- conditions

TAG = etag("style.css")


def condition(name, rfc, fields, status, target="/style.css", body=None, **more):
    want = {"ETag": TAG, "Last-Modified": DATE}
    if status == 304:
        want["Content-Length"] = want["Content-Range"] = None
    body = PLAIN if status == 200 and target == "/style.css" and not more else body
    case(name, f"RFC 9110 13.1.{rfc}", ask(target, *fields, **more), status,
         want if status in (200, 304) else {}, body)


for name, fields, status in (
        ("same", [f"If-None-Match: {TAG}"], 304),
        ("weak", [f"If-None-Match: W/{TAG}"], 304),
        ("other", ['If-None-Match: "other"'], 200),
        ("any", ["If-None-Match: *"], 304),
        ("list", [f'If-None-Match: "a", W/"b",{TAG}'], 304),
        ("list-of-others", ['If-None-Match: "a", "b"'], 200),
        ("empty-elements", [f"If-None-Match: , ,\t{TAG},"], 304),
        ("comma-in-a-tag", [f'If-None-Match: "a,b", {TAG}'], 304),
        ("second-field", ['If-None-Match: "a"', f"If-None-Match: {TAG}"], 304),
        ("without-quotes", [f"If-None-Match: {TAG[1:-1]}"], 200),
        ("part-of-it", [f'If-None-Match: {TAG[:-2]}"'], 200),
        ("beats-date", ['If-None-Match: "other"', f"If-Modified-Since: {DATE}"], 200),
        ("beats-older-date", [f"If-None-Match: {TAG}", f"If-Modified-Since: {EARLIER}"], 304),
):
    condition(f"if-none-match-{name}", "2", fields, status)
for name, fields, status in (
        ("same", [f"If-Match: {TAG}"], 200),
        ("other", ['If-Match: "other"'], 412),
        ("any", ["If-Match: *"], 200),
        ("weak-never-matches", [f"If-Match: W/{TAG}"], 412),
        ("list", [f'If-Match: "a", {TAG}'], 200),
        ("empty", ["If-Match:"], 412),
        ("then-if-none-match", [f"If-Match: {TAG}", f"If-None-Match: {TAG}"], 304),
        ("beats-date", [f"If-Match: {TAG}", f"If-Unmodified-Since: {EARLIER}"], 200),
):
    condition(f"if-match-{name}", "1", fields, status)
for name, date, status in (
        ("same", DATE, 304),
        ("earlier", EARLIER, 200),
        ("later", LATER, 304),
        ("rfc850", "Thursday, 29-Feb-24 12:00:00 GMT", 304),
        ("rfc850-earlier", "Thursday, 29-Feb-24 11:59:59 GMT", 200),
        ("asctime", "Thu Feb 29 12:00:00 2024", 304),
        ("asctime-one-digit", "Fri Mar  1 00:00:00 2024", 304),
        ("no-date", "yesterday", 200),
        ("no-such-day", "Fri, 30 Feb 2024 12:00:00 GMT", 200),
        ("other-zone", "Thu, 29 Feb 2024 12:00:00 CET", 200),
        ("number", "1709208000", 200),
):
    condition(f"if-modified-since-{name}", "3", [f"If-Modified-Since: {date}"], status)
for name, date, status in (
        ("same", DATE, 200), ("earlier", EARLIER, 412), ("later", LATER, 200),
        ("no-date", "tomorrow", 200), ("asctime", "Thu Feb 29 11:59:59 2024", 412),
):
    condition(f"if-unmodified-since-{name}", "4", [f"If-Unmodified-Since: {date}"], status)
condition("if-none-match-for-head", "2", [f"If-None-Match: {TAG}"], 304, method="HEAD")
condition("if-match-for-head", "1", ['If-Match: "x"'], 412, method="HEAD")
case("condition-ignored-for-404", "RFC 9110 13.2.1", ask("/none", "If-Match: *"), 404)
case("condition-ignored-for-301", "RFC 9110 13.2.1", ask("/docs", "If-None-Match: *"), 301)
case("condition-ignored-for-405", "RFC 9110 13.2.1",
     ask("/style.css", "If-None-Match: *", method="PUT"), 405)
case("condition-of-the-index", "RFC 9110 13.1.2",
     ask("/docs/", f"If-None-Match: {etag('docs/index.html')}"), 304,
     {"Cache-Control": "no-cache", "ETag": etag("docs/index.html")})

# ---------------------------------------------------------------- ranges

R = "RFC 9110 14"
RTAG = etag("range.bin")


def ranged(name, fields, first, last, rfc=".1.2"):
    case(f"range-{name}", R + rfc, ask("/range.bin", *fields), 206,
         {"Content-Range": f"bytes {first}-{last}/1000", "Content-Length": str(last - first + 1),
          "ETag": RTAG, "Last-Modified": DATE, "Content-Type": "application/octet-stream"},
         RANGE[first:last + 1])


def whole(name, fields, rfc=".2", **more):
    case(f"range-{name}", R + rfc, ask("/range.bin", *fields, **more), 200,
         {"Content-Range": None, "Content-Length": "1000"}, None if more else RANGE)


def parts(*wanted):
    """A check: multipart/byteranges of these ranges of range.bin."""

    def check(answer):
        given = re.fullmatch(r"multipart/byteranges; boundary=([\w-]{1,70})",
                             answer.fields["content-type"])
        assert given, answer.fields
        boundary = given[1].encode()
        pieces = answer.body.split(b"\r\n--" + boundary)
        assert pieces[0] == b"" and pieces[-1] == b"--\r\n"
        assert len(pieces) == len(wanted) + 2
        for (first, last), piece in zip(wanted, pieces[1:]):
            head, body = piece.split(b"\r\n\r\n", 1)
            assert f"Content-Range: bytes {first}-{last}/1000".encode() in head.split(b"\r\n")
            assert b"Content-Type: application/octet-stream" in head.split(b"\r\n")
            assert body == RANGE[first:last + 1]

    return check


ranged("first-byte", ["Range: bytes=0-0"], 0, 0)
ranged("single", ["Range: bytes=100-199"], 100, 199)
ranged("last-byte", ["Range: bytes=999-999"], 999, 999)
ranged("open", ["Range: bytes=900-"], 900, 999)
ranged("open-from-0", ["Range: bytes=0-"], 0, 999)
ranged("suffix", ["Range: bytes=-100"], 900, 999)
ranged("suffix-too-long", ["Range: bytes=-5000"], 0, 999)
ranged("last-beyond-the-end", ["Range: bytes=990-2000"], 990, 999)
ranged("last-beyond-64-bits", ["Range: bytes=990-99999999999999999999999"], 990, 999)
ranged("unit-in-capitals", ["Range: BYTES=1-2"], 1, 2, ".1")
ranged("one-of-two-can-be-had", ["Range: bytes=1-2, 5000-"], 1, 2)
ranged("empty-elements", ["Range: bytes=,1-2,,"], 1, 2, ".1.1")
case("range-several", f"{R}.6", ask("/range.bin", "Range: bytes=0-9, 500-509,-10"), 206,
     {"Content-Range": None, "ETag": RTAG}, parts((0, 9), (500, 509), (990, 999)))
case("range-several-out-of-order", f"{R}.6", ask("/range.bin", "Range: bytes=500-509,0-9"), 206,
     {}, parts((500, 509), (0, 9)))
for name, value in (("behind-the-end", "1000-"), ("far-behind", "5000-6000"),
                    ("suffix-of-0", "-0"), ("several-behind", "1000-1001, 2000-"),
                    ("beyond-64-bits", "18446744073709551616-")):
    case(f"range-{name}", "RFC 9110 15.5.17", ask("/range.bin", f"Range: bytes={value}"), 416,
         {"Content-Range": "bytes */1000"})
case("range-of-an-empty-file", "RFC 9110 15.5.17", ask("/empty.txt", "Range: bytes=0-"), 416,
     {"Content-Range": "bytes */0"})
case("range-suffix-of-an-empty-file", f"{R}.1.2", ask("/empty.txt", "Range: bytes=-5"), 200,
     {"Content-Range": None, "Content-Length": "0"}, b"")
for name, value in (
        ("backwards", "bytes=5-4"), ("no-number", "bytes=a-b"), ("no-dash", "bytes=5"),
        ("dash-alone", "bytes=-"), ("empty", "bytes="), ("other-unit", "lines=0-1"),
        ("no-unit", "0-1"), ("blank-within", "bytes=0 -1"), ("signed", "bytes=+1-2"),
        ("one-of-two-bad", "bytes=0-1,x"), ("overlapping", "bytes=0-10,5-15"),
        ("overlapping-much", "bytes=" + ",".join(["0-"] * 200)),
        ("too-many", "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 200, 2))),
):
    whole(f"{name}-ignored", [f"Range: {value}"])
whole("twice-ignored", ["Range: bytes=0-1", "Range: bytes=4-5"])
whole("for-head-ignored", ["Range: bytes=0-1"], method="HEAD")
case("range-for-404-ignored", f"{R}.2", ask("/none", "Range: bytes=0-1"), 404,
     {"Content-Range": None}, FILES["404.html"])
W = "RFC 9110 13.1.5"
FIRST = "Range: bytes=0-9"
for name, value, holds in (
        ("etag", RTAG, True), ("other-etag", '"other"', False), ("weak-etag", f"W/{RTAG}", False),
        ("date", DATE, True), ("later-date", LATER, False), ("earlier-date", EARLIER, False),
        ("no-date", "once", False), ("star", "*", False), ("list", f'"a", {RTAG}', False),
):
    case(f"if-range-{name}", W, ask("/range.bin", FIRST, f"If-Range: {value}"),
         206 if holds else 200, {}, RANGE[:10] if holds else RANGE)
case("if-range-without-range", W, ask("/range.bin", f"If-Range: {RTAG}"), 200, {}, RANGE)
case("if-range-fails-before-416", W, ask("/range.bin", "Range: bytes=5000-", 'If-Range: "x"'), 200,
     {}, RANGE)
case("if-none-match-before-range", "RFC 9110 13.2.2",
     ask("/range.bin", FIRST, f"If-None-Match: {RTAG}"), 304, {"Content-Range": None})
case("if-match-before-range", "RFC 9110 13.2.2", ask("/range.bin", FIRST, 'If-Match: "x"'), 412)
case("if-match-then-range", "RFC 9110 13.2.2", ask("/range.bin", FIRST, f"If-Match: {RTAG}"), 206,
     {}, RANGE[:10])

# ---------------------------------------------------------------- encodings

V = "RFC 9110 12.5.3"
NAMES = {"gzip": "app.js.gz", "br": "app.js.br", "zstd": "app.js.zst", None: "app.js"}


def variant(name, accepted, encoding, *fields, rfc=V):
    found = NAMES[encoding]
    lines = [f"Accept-Encoding: {value}" for value in accepted]
    case(f"encoding-{name}", rfc, ask("/app.js", *lines, *fields), 200,
         file(found, Vary="Accept-Encoding", **{
             "Content-Encoding": encoding, "Content-Type": "text/javascript; charset=utf-8"}),
         FILES[found])


variant("unsaid", [], None)
variant("gzip", ["gzip"], "gzip")
variant("br", ["br"], "br")
variant("zstd", ["zstd"], "zstd")
variant("as-browsers-ask", ["gzip, deflate, br, zstd"], "br")
variant("gzip-and-zstd", ["gzip, zstd"], "zstd")
variant("in-capitals", ["GZIP"], "gzip")
variant("x-gzip", ["x-gzip"], "gzip", rfc="RFC 9110 8.4.1.3")
variant("unknown", ["deflate, compress"], None)
variant("empty", [""], None)
variant("identity", ["identity"], None)
variant("any", ["*"], "br")
variant("weights", ["br;q=0.5, gzip;q=0.8, zstd;q=0.1"], "gzip", rfc="RFC 9110 12.4.2")
variant("weights-of-three-digits", ["br;q=0.123, gzip;q=0.124"], "gzip", rfc="RFC 9110 12.4.2")
variant("weights-with-blanks", ["br ; q=0.5 ,gzip ;\tq=0.8"], "gzip", rfc="RFC 9110 12.4.2")
variant("weight-0", ["br;q=0, gzip"], "gzip", rfc="RFC 9110 12.4.2")
variant("weight-0.000", ["br;q=0.000, zstd;q=0.0, gzip;q=0.001"], "gzip", rfc="RFC 9110 12.4.2")
variant("weight-in-capitals", ["br;Q=0, gzip;Q=1.000"], "gzip", rfc="RFC 9110 12.4.2")
variant("all-forbidden", ["gzip;q=0, br;q=0, zstd;q=0"], None)
variant("any-but-br", ["*, br;q=0"], "zstd")
variant("any-forbidden-but-gzip", ["gzip;q=0.1, *;q=0"], "gzip")
variant("identity-preferred", ["identity, gzip;q=0.5, br;q=0.5"], None)
variant("identity-forbidden", ["identity;q=0, gzip;q=0.5"], "gzip")
variant("in-two-fields", ["gzip;q=0.5", "zstd"], "zstd")
variant("bad-weight", ["br;q=2, gzip;q=0.1"], "gzip", rfc="RFC 9110 12.4.2")
case("encoding-only-gzip-there", V, ask("/data.json", "Accept-Encoding: br, gzip;q=0.1"), 200,
     file("data.json.gz", Vary="Accept-Encoding", **{"Content-Encoding": "gzip",
                                                      "Content-Type": "application/json"}),
     FILES["data.json.gz"])
case("encoding-not-there", V, ask("/data.json", "Accept-Encoding: br"), 200,
     file("data.json", Vary="Accept-Encoding", **{"Content-Encoding": None}), FILES["data.json"])
case("encoding-without-variants", V, ask("/style.css", "Accept-Encoding: gzip, br"), 200,
     file("style.css", Vary=None, **{"Content-Encoding": None}), PLAIN)
case("encoding-for-head", V, ask("/app.js", "Accept-Encoding: br", method="HEAD"), 200,
     file("app.js.br", Vary="Accept-Encoding", **{"Content-Encoding": "br"}))
case("encoding-and-condition", "RFC 9110 13.1.2",
     ask("/app.js", "Accept-Encoding: br", f"If-None-Match: {etag('app.js.br')}"), 304,
     {"ETag": etag("app.js.br"), "Vary": "Accept-Encoding"})
case("encoding-and-condition-of-another", "RFC 9110 13.1.2",
     ask("/app.js", "Accept-Encoding: br", f"If-None-Match: {etag('app.js')}"), 200, {},
     FILES["app.js.br"])
case("encoding-and-range", "RFC 9110 14.2",
     ask("/app.js", "Accept-Encoding: gzip", "Range: bytes=3-6"), 206,
     {"Content-Range": "bytes 3-6/7", "Content-Encoding": "gzip", "Vary": "Accept-Encoding"},
     b"gzip")
case("encoded-file-itself", "RFC 9110 8.4", ask("/app.js.gz"), 200,
     file("app.js.gz", Vary=None, **{"Content-Encoding": None, "Content-Type":
                                     "application/gzip"}), FILES["app.js.gz"])

# ---------------------------------------------------------------- the site

for name, kind in (
        ("index.html", HTML), ("style.css", "text/css; charset=utf-8"),
        ("bundle.mjs", "text/javascript; charset=utf-8"), ("data.json", "application/json"),
        ("assets/logo.svg", "image/svg+xml"), ("pic.PNG", "image/png"),
        ("photo.jpg", "image/jpeg"), ("font.woff2", "font/woff2"),
        ("code.wasm", "application/wasm"), ("paper.pdf", "application/pdf"),
        ("feed.xml", "application/xml"), ("notes.txt", "text/plain; charset=utf-8"),
        ("noext", "application/octet-stream"), (".hidden", "application/octet-stream"),
        ("empty.txt", "text/plain; charset=utf-8"),
):
    case(f"type-of-{name.replace('/', '-')}", "RFC 9110 8.3", ask("/" + name), 200,
         file(name, **{"Content-Type": kind, "Last-Modified": DATE}), FILES[name])
D = "RFC 9110 15.4.2"
case("redirect-to-the-slash", D, ask("/docs"), 301, {"Location": "/docs/"})
case("redirect-keeps-the-query", D, ask("/docs?a=b&c"), 301, {"Location": "/docs/?a=b&c"})
case("redirect-from-an-escape", D, ask("/%64ocs"), 301, {"Location": "/docs/"})
case("redirect-is-not-elsewhere", D, ask("//docs"), 301, {"Location": "/docs/"})
case("redirect-ignores-range", D, ask("/docs", "Range: bytes=0-1"), 301, {"Content-Range": None})
case("index-by-name", "RFC 9110 7.1", ask("/index.html"), 200, file("index.html"))
case("page-for-404", "RFC 9110 15.5.5", ask("/none"), 404,
     {"Content-Type": HTML, "ETag": None, "Last-Modified": None}, FILES["404.html"])
case("page-for-404-itself", "RFC 9110 15.3.1", ask("/404.html"), 200, file("404.html"))
case("modified-in-the-future", "RFC 9110 8.8.2.1", ask("/future.txt"), 200, {},
     lambda answer: answer.modified_by_now())
CACHE = "RFC 9111 5.2"
case("cache-by-extension", CACHE, ask("/docs/deep/page.html"), 200, {"Cache-Control": "no-cache"})
case("cache-of-an-index", CACHE, ask("/docs/"), 200, {"Cache-Control": "no-cache"})
case("cache-by-folder", CACHE, ask("/assets/logo.svg"), 200,
     {"Cache-Control": "max-age=31536000, immutable"})
case("cache-by-name", CACHE, ask("/data.json"), 200, {"Cache-Control": "no-store"})
case("cache-of-a-variant", CACHE, ask("/data.json", "Accept-Encoding: gzip"), 200,
     {"Cache-Control": "no-store"})
case("cache-without-a-rule", CACHE, ask("/style.css"), 200, {"Cache-Control": None})
case("cache-in-304", "RFC 9110 15.4.5", ask("/assets/logo.svg", "If-None-Match: *"), 304,
     {"Cache-Control": "max-age=31536000, immutable", "ETag": etag("assets/logo.svg")})
case("cache-in-206", "RFC 9110 15.3.7", ask("/assets/logo.svg", "Range: bytes=0-1"), 206,
     {"Cache-Control": "max-age=31536000, immutable"}, b"<s")

# ---------------------------------------------------------------- limits


def line_of(length):
    """A request whose first line has that many bytes."""
    return ask("/none?" + "x" * (length - len("GET /none? HTTP/1.1")))


def head_of(length):
    """A request whose head has that many bytes."""
    return ask("/style.css", "X: " + "y" * (length - len(ask("/style.css", "X: "))))


def fields_of(count):
    return ask("/style.css", *[f"X-{n}: y" for n in range(count - 1)])


case("line-as-long-as-may-be", "RFC 9112 3", line_of(4096), 404)
case("line-too-long", "RFC 9110 15.5.15", line_of(4097), 414, closes=True)
case("line-far-too-long", "RFC 9110 15.5.15", line_of(8000), 414, closes=True)
case("line-longer-than-a-head", "RFC 9110 15.5.15", line_of(20000), 414, closes=True)
case("head-as-large-as-may-be", "RFC 9110 5.4", head_of(8192), 200, {}, PLAIN)
case("head-too-large", "RFC 6585 5", head_of(8193), 431, closes=True)
case("head-far-too-large", "RFC 6585 5", head_of(30000), 431, closes=True)
case("head-without-an-end", "RFC 6585 5", ask("/")[:-2] + b"X: y\r\n" * 20 + b"Y: " + b"z" * 9000,
     431, closes=True)
case("fields-as-many-as-may-be", "RFC 9110 5.4", fields_of(64), 200, {}, PLAIN)
case("fields-too-many", "RFC 6585 5", fields_of(65), 431, closes=True)
