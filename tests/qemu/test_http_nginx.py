"""The same requests to Debian's nginx, serving the same folder: where the two differ, docs/http.md
("Beside nginx") says why. A difference that no row of DIFFERENCES explains is an error, and so is a
row that explains nothing.
"""

import re
import socket
import subprocess
import time
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
    charset_types text/html text/css text/plain text/javascript text/xml;
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
        absolute_redirect off;
    }}
}}
"""
TYPES = """\
        text/html html; text/css css; text/javascript js mjs; application/json json;
        text/plain txt; image/svg+xml svg; image/png png PNG; image/jpeg jpg; font/woff2 woff2;
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
        user="user root;" if subprocess.os.geteuid() == 0 else ""))
    nginx = subprocess.Popen([tools.nginx(), "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"],
                             preexec_fn=qemu.die_with_parent)
    try:
        with qemu.Guest(image=make_image(folder, {})) as guest:
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
DIFFERENCES = {}


def explain(wish, ours, theirs):
    found = differences(ours, theirs)
    return found, [key for key, fits in DIFFERENCES.items() if found and fits(wish, ours, theirs, found)]


def test_there_are_enough():
    assert len(ASKS) >= 300 and len({ask.name for ask in ASKS}) == len(ASKS)
