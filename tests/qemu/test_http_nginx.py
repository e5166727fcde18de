"""The same requests to Debian's nginx, serving the same folder: where the two differ, docs/http.md
("Beside nginx") says why. A difference that no row of DIFFERENCES explains is an error, and so is a
row that explains nothing.
"""

import os
import re
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest

import qemu
import tools
from http_cases import CASES, DATE, EARLIER, FILES
from test_http_conformance import write_site
from test_http import make_image

pytestmark = pytest.mark.xdist_group("http")

# As near as nginx comes to what httpd does by itself.
NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log crit;
{user}
events {{ worker_connections 256; }}
http {{
    types {{
{types}
    }}
    default_type application/octet-stream;
    charset utf-8;
    charset_types text/css text/plain text/javascript text/xml;
    access_log off;
    gzip_static on;
    gzip_vary on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {site};
        error_page 404 /404.html;
        client_header_timeout 1s;
        client_body_timeout 1s;
        keepalive_timeout 1s;
        absolute_redirect off;
    }}
}}
"""
CFG = "http_header_timeout_s = 1\nhttp_idle_timeout_s = 1\n"
TYPES = """\
        text/html html; text/css css; text/javascript js mjs; application/json json;
        text/plain txt; image/svg+xml svg; image/png png; image/jpeg jpg; font/woff2 woff2;
        application/wasm wasm; application/pdf pdf; application/xml xml;"""


@dataclass(frozen=True)
class Ask:
    name: str
    method: str
    target: str
    fields: dict = field(default_factory=dict)  # "{etag}": the server's own, of that file
    version: str = "1.1"


@dataclass
class Answer:
    status: int
    fields: dict
    body: bytes


def of_every_file():
    for name in FILES:
        path = "/" + quote(name)
        for method in ("GET", "HEAD", "POST"):
            yield Ask(f"{method} {path}", method, path)
        for what, fields in {
            "the same etag": {"If-None-Match": "{etag}"},
            "the same etag, weak": {"If-None-Match": "W/{etag}"},
            "another etag": {"If-None-Match": '"another"'},
            "since then": {"If-Modified-Since": DATE},
            "since before": {"If-Modified-Since": EARLIER},
            "first bytes": {"Range": "bytes=0-3"},
            "last bytes": {"Range": "bytes=-5"},
            "from the fifth": {"Range": "bytes=5-"},
            "beyond": {"Range": "bytes=100000-"},
            "part of the same": {"Range": "bytes=0-3", "If-Range": "{etag}"},
            "part of another": {"Range": "bytes=0-3", "If-Range": '"another"'},
        }.items():
            yield Ask(f"GET {path}, {what}", "GET", path, fields)


def of_paths():
    for target in ("/", "/?a=1", "/docs", "/docs?a=1", "/docs/", "/docs/deep", "/docs/deep/", "/nosuch", "/nosuch/",
                   "/docs/index.html/", "/./style.css", "/docs/../style.css", "//style.css", "/docs//deep/page.html",
                   "/%73tyle.css", "/docs/%2e%2e/style.css", "/..", "/../style.css", "/docs/../../style.css",
                   "/%2e%2e/style.css", "/a%20b/%C3%A4.txt", "/a%20b/%c3%a4.txt", "/100%25.txt", "/100%.txt",
                   "/%00", "/style.css%00", "/%", "/style.css?", "/STYLE.CSS", "/a..b/.../x.txt", "/style.css/",
                   "/docs/.", "/docs/..", "/%2fstyle.css", "/docs%2findex.html", "/index.html%20", "/~", "/*"):
        for method in ("GET", "HEAD"):
            yield Ask(f"{method} {target}", method, target)


def of_methods():
    for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "FOO", "get"):
        for target in ("/style.css", "/nosuch"):
            yield Ask(f"{method} {target}", method, target)
    yield Ask("OPTIONS *", "OPTIONS", "*")


def of_encodings():
    for accept in ("gzip", "GZIP", "gzip;q=0", "gzip;q=0.5", "gzip, br", "br", "zstd", "identity", "*", "*;q=0",
                   "deflate", "gzip;q=1.0, identity;q=0.5", "", "x-gzip", "gzip;q=x"):
        for target in ("/app.js", "/data.json", "/style.css"):
            yield Ask(f"GET {target} as {accept or 'nothing'}", "GET", target, {"Accept-Encoding": accept})


def of_ranges():
    for value in ("bytes=0-0", "bytes=999-", "bytes=999-1000", "bytes=1000-", "bytes=-1", "bytes=-0", "bytes=-1000",
                  "bytes=-1001", "bytes=0-999", "bytes=0-1000", "bytes=5-4", "bytes=", "bytes=a-b", "bytes", "lines=0-1",
                  "bytes=0-1,4-5", "bytes=0-1, 4-5", "bytes=0-5,3-8", "bytes=4-5,0-1", "bytes=0-1,2000-", "bytes=2000-,3000-",
                  "bytes=0-1,-1", "bytes=0-1,,4-5", "bytes= 0-1", "BYTES=0-1", "bytes=0-99999999999999999999",
                  "bytes=99999999999999999999-"):
        for method in ("GET", "HEAD"):
            yield Ask(f"{method} {value}", method, "/range.bin", {"Range": value})


def of_versions():
    for target in ("/style.css", "/nosuch", "/docs"):
        yield Ask(f"1.0 {target}", "GET", target, version="1.0")
        yield Ask(f"1.2 {target}", "GET", target, version="1.2")
        yield Ask(f"2.0 {target}", "GET", target, version="2.0")


ASKS = [*of_every_file(), *of_paths(), *of_methods(), *of_encodings(), *of_ranges(), *of_versions()]


# ------------------------------------------------------------ the two servers


class Server:
    def __init__(self, port):
        self.port = port
        self._etags = {}

    def raw(self, data):
        """All that comes until the server closes, or is silent for long."""
        got = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
            sock.sendall(data)
            try:
                while piece := sock.recv(65536):
                    got += piece
            except ConnectionResetError:
                pass
        return got

    def etag(self, target):
        if target not in self._etags:
            self._etags[target] = self.ask(Ask("etag", "GET", target)).fields.get("etag", '""')
        return self._etags[target]

    def ask(self, wish):
        fields = {"Host": "localhost", "Connection": "close", **wish.fields}
        lines = [f"{wish.method} {wish.target} HTTP/{wish.version}"]
        for name, value in fields.items():
            if "{etag}" in value:
                value = value.replace("{etag}", self.etag(wish.target))
            lines.append(f"{name}: {value}")
        return parse(self.raw("\r\n".join([*lines, "", ""]).encode("latin-1")))


def parse(data):
    """The first final answer."""
    while True:
        head, _, rest = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 "):
            return Answer(0, {}, data)
        status = int(head[9:12])
        if status >= 200:
            break
        data = rest
    lines = head.decode("latin-1").split("\r\n")[1:]
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "chunked" in fields.get("transfer-encoding", ""):
        rest = unchunked(rest)
    return Answer(status, fields, rest)


def unchunked(data):
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        if int(size, 16) == 0:
            return body
        body, data = body + data[:int(size, 16)], data[int(size, 16) + 2:]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    write_site(folder / "site")
    port = qemu.free_port()
    (folder / "nginx.conf").write_text(NGINX.format(
        folder=folder, site=folder / "site", port=port, types=TYPES,
        user="user root;" if os.geteuid() == 0 else ""))
    nginx = subprocess.Popen([tools.nginx(), "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"],
                             preexec_fn=qemu.die_with_parent)
    try:
        with qemu.Guest(image=make_image(folder, {}, CFG)) as guest:
            guest.wait_prompt()
            guest.wait_http()
            for _ in range(100):
                assert nginx.poll() is None, (folder / "error.log").read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield Server(guest.port), Server(port)
    finally:
        nginx.terminate()
        nginx.wait(10)


# ------------------------------------------------------------ what differs, and why

COMPARED = ("content-type", "content-range", "content-encoding", "location", "vary", "accept-ranges", "last-modified")


def body_of(answer):
    """What is compared of it: error pages are each server's own, boundaries are drawn."""
    if answer.status == 206 and answer.fields.get("content-type", "").startswith("multipart/byteranges"):
        boundary = answer.fields["content-type"].split("boundary=")[1].strip('"').encode()
        parts = answer.body.split(b"--" + boundary)[1:-1]
        return [part.partition(b"\r\n\r\n")[2] for part in parts]
    if answer.status in (200, 206) or answer.body == FILES["404.html"]:
        return answer.body
    return None


def differences(ours, theirs):
    """The names of what differs."""
    names = [] if ours.status == theirs.status else ["status"]
    if body_of(ours) != body_of(theirs):
        names.append("body")
    for name in COMPARED:
        a, b = (re.sub("boundary=.*", "", answer.fields.get(name, "")) for answer in (ours, theirs))
        if a != b:
            names.append(name)
    return names


def value(wish, name):
    return wish.fields.get(name, "")


# In docs/http.md: which requests, by what was asked and answered, and what may differ in the answers.
FOR_FILES = [
    ("`Accept-Ranges`", ("accept-ranges",),
     lambda wish, ours, theirs: ours.status in (206, 304, 416) or value(wish, "Range")
     or "content-encoding" in theirs.fields),
    ("dates to come", ("last-modified",), lambda wish, ours, theirs: "/future.txt" in wish.target),
    ("416", ("content-type", "last-modified"), lambda wish, ours, theirs: ours.status == theirs.status == 416),
    ("`br` and `zstd`", ("body", "content-encoding"),
     lambda wish, ours, theirs: ours.fields.get("content-encoding") in ("br", "zstd")),
    ("`*` and `x-gzip`", ("body", "content-encoding"),
     lambda wish, ours, theirs: value(wish, "Accept-Encoding") in ("*", "x-gzip")),
    ("types", ("content-type",), lambda wish, ours, theirs: wish.target.endswith((".gz", ".zst"))),
    ("redirects", ("content-type",), lambda wish, ours, theirs: ours.status == theirs.status == 301),
    ("folders without an index", ("status", "body", "content-type", "location"),
     lambda wish, ours, theirs: wish.target.startswith("/docs/deep") and theirs.status in (301, 403)),
    ("ranges with `HEAD`", ("status", "body", "content-type", "content-range", "last-modified"),
     lambda wish, ours, theirs: wish.method == "HEAD" and value(wish, "Range") and ours.status == 200),
    ("ranges that overlap", ("status", "body", "content-type"),
     lambda wish, ours, theirs: value(wish, "Range") == "bytes=0-5,3-8"),
    ("no ranges at all", ("status", "body", "content-type", "content-range", "last-modified"),
     lambda wish, ours, theirs: (ours.status, theirs.status) == (200, 416)
     and value(wish, "Range") in ("bytes=5-4", "bytes=a-b", "bytes=", "bytes=99999999999999999999-")),
    ("large numbers in ranges", ("status", "body", "content-type", "content-range", "last-modified"),
     lambda wish, ours, theirs: "99999999999999999999" in value(wish, "Range")),
    ("empty elements of lists", ("status", "body", "content-type", "content-range", "last-modified"),
     lambda wish, ours, theirs: value(wish, "Range") == "bytes=0-1,,4-5"),
    ("ranges of an empty file", ("status", "body", "content-type", "content-range"),
     lambda wish, ours, theirs: wish.target == "/empty.txt" and (ours.status, theirs.status) == (416, 200)),
    ("`OPTIONS`", ("status", "content-type"), lambda wish, ours, theirs: wish.method == "OPTIONS"),
    ("methods that are none", ("status",),
     lambda wish, ours, theirs: ours.status == 501 and theirs.status in (400, 405)),
]

# The same for the cases of http_cases.py: which, and both statuses. What brings its own ETags with it
# is asked above.
FOR_BYTES = [
    ("what is too large", r"head-|fields-too-many|line-|chunked-(far-)?too-large|chunked-size-of-64|chunked-unwanted|"
     r"chunked-as-large", {413, 414, 431}, {200, 400, 404, 405}),
    ("404 or 405", r"continue-|body-|post-|length-|chunked|pipelined", {405}, {404}),
    ("other expectations", "other-expectation", {417}, {200}),
    ("methods that are none", "unknown-method|method-", {501}, {400, 405}),
    ("`OPTIONS`", "options", {204}, {400, 405}),
    ("`CONNECT`", "connect-|path-for-connect", {400, 405}, {400, 405}),
    ("HTTP/0.9", "version-0.9|no-version", {400, 505}, {0, 400}),
    ("control characters", "control-|delete-in", {400}, {200}),
    ("bare line feeds", r"bare-lf|lf-before|two-crs|chunked-(data|end)|chunked-trailer-with-lf", {400}, {200, 404}),
    ("blanks in the request line", "two-blanks|blank-behind|version-of-two", {400}, {200}),
    ("characters of targets", "raw-utf8|backslash|quote|fragment", {400}, {200, 404}),
    ("hosts that are none", "host-", {400}, {200}),
    ("an empty `Host`", "host-(empty|blanks)", {200}, {400}),
    ("other schemes", "absolute-form-of", {400, 421}, {200}),
    ("fields that are none", "no-colon|name-|chunked-trailer", {400}, {200, 404}),
    ("other transfer codings", "chunked-not-last|coding-", {400}, {501}),
    ("folders without an index", "directory-without", {404}, {403}),
]
OWN_ETAGS = r"RFC 9110 (13|14)\.|RFC 9110 15\.5\.17|encoding-and"


@pytest.mark.parametrize("row", FOR_FILES, ids=lambda row: row[0])
def test_rows_are_in_the_document(row):
    assert f"| {row[0]} |" in (qemu.TOP / "docs/http.md").read_text()


@pytest.mark.parametrize("row", FOR_BYTES, ids=lambda row: row[0])
def test_rows_of_bytes_are_in_the_document(row):
    assert f"| {row[0]} |" in (qemu.TOP / "docs/http.md").read_text()


def test_there_are_enough():
    assert len({(ask.method, ask.target, tuple(ask.fields.items()), ask.version) for ask in ASKS}) >= 500


def test_the_same_answers_but_for_what_is_listed(servers):
    httpd, nginx = servers
    unexplained, used = [], set()
    for wish in ASKS:
        ours, theirs = httpd.ask(wish), nginx.ask(wish)
        found = set(differences(ours, theirs))
        rows = [row for row in FOR_FILES if found & set(row[1]) and row[2](wish, ours, theirs)]
        used |= {row[0] for row in rows}
        left = found.difference(*(row[1] for row in rows))
        if left:
            unexplained.append((wish, left, ours.status, theirs.status, ours.fields, theirs.fields))
    assert not unexplained
    assert used == {row[0] for row in FOR_FILES}, "a row explains nothing any more"


def test_the_same_statuses_but_for_what_is_listed(servers):
    """Of what is wrong, or unusual, in its bytes."""
    httpd, nginx = servers
    last = b"GET /style.css HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    cases = [case for case in CASES if not case.then and not re.search(OWN_ETAGS, f"{case.rfc} {case.name}")]

    def statuses(case):
        return tuple(parse(server.raw(case.request + last)).status for server in (httpd, nginx))

    with ThreadPoolExecutor(8) as pool:  # some linger for seconds
        answers = list(pool.map(statuses, cases))
    unexplained, used = [], set()
    for case, (ours, theirs) in zip(cases, answers):
        if ours == theirs:
            continue
        rows = [row for row in FOR_BYTES if re.match(row[1], case.name) and ours in row[2] and theirs in row[3]]
        used |= {row[0] for row in rows}
        if not rows:
            unexplained.append((case.name, ours, theirs))
    assert not unexplained
    assert used == {row[0] for row in FOR_BYTES}, "a row explains nothing any more"
