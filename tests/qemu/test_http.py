"""httpd in the booted system, over the forwarded port: what is answered, and that it keeps up.

The parser's and the connection's finer points are host tests (tests/host/test_http*.c); here is
what needs real TCP: statuses and types end to end, large files, timeouts, and the long run.
"""

import json
import random
import re
import socket
import subprocess
import time

import pytest

import qemu
from buffers import all_back

pytestmark = pytest.mark.xdist_group("http")

BIG = random.Random(1).randbytes(5_000_003)
FILES = {
    "index.html": b"<h1>home</h1>",
    "404.html": b"<h1>none of ours</h1>",
    "style.css": b"body { color: red }",
    "app.mjs": b"export default 1",
    "data.json": b"{}",
    "pic.SVG": b"<svg/>",
    "a b/\u00e4.txt": "gr\u00fc\u00dfe".encode(),
    "empty.txt": b"",
    "noext": b"?",
    "docs/index.html": b"<h1>docs</h1>",
    "docs/deep/page.html": b"deep",
    "kib.bin": BIG[:1024],
    "big.bin": BIG,
}


def make_image(folder, files, cfg=""):
    """A bootable image with these files as its site."""
    site = folder / "site"
    for name, content in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)
    (folder / "tophalf.cfg").write_text(cfg)
    run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": qemu.TOP}
    subprocess.run(["scripts/mksite.sh", site, folder / "site.tar"], **run)
    subprocess.run(["scripts/mkimage.sh", folder / "test.img", qemu.BUILD / "BOOTX64.EFI",
                    qemu.BUILD / "kernel.elf", folder / "tophalf.cfg", folder / "site.tar"], **run)
    return folder / "test.img"


@pytest.fixture(scope="module")
def booted_web(tmp_path_factory):
    with qemu.Guest(image=make_image(tmp_path_factory.mktemp("web"), FILES)) as guest:
        guest.wait_prompt()
        guest.wait_http()
        yield guest


@pytest.fixture
def web(booted_web):
    """A guest with the files above, default settings."""
    with all_back(booted_web):
        yield booted_web


@pytest.fixture(scope="module")
def booted_hasty(tmp_path_factory):
    cfg = "http_header_timeout_s = 2\nhttp_idle_timeout_s = 4\n"
    with qemu.Guest(image=make_image(tmp_path_factory.mktemp("hasty"), FILES, cfg)) as guest:
        guest.wait_prompt()
        guest.wait_http()
        yield guest


@pytest.fixture
def hasty(booted_hasty):
    """A guest with short timeouts."""
    with all_back(booted_hasty):
        yield booted_hasty


class Client:
    """A raw connection: bytes out, answers in."""

    def __init__(self, guest, **options):
        self.socket = socket.socket()
        if "rcvbuf" in options:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["rcvbuf"])
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", guest.port))
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def _more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError(f"closed after {self.got[:200]!r}")
        self.got += piece

    def answer(self, is_head=False):
        """The next answer: status, {field: value}, body."""
        while b"\r\n\r\n" not in self.got:
            self._more()
        head, self.got = self.got.split(b"\r\n\r\n", 1)
        lines = head.decode("ascii").split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        length = 0 if is_head else int(fields.get("Content-Length", 0))
        while len(self.got) < length:
            self._more()
        body, self.got = self.got[:length], self.got[length:]
        assert re.match(r"HTTP/1\.1 \d{3} \w", lines[0]), lines[0]
        return int(lines[0].split()[1]), fields, body

    def at_end(self):
        """True when the server has closed, with nothing more to read."""
        return not self.got and self.socket.recv(1) == b""


def get(path, *fields, method="GET", version="1.1", host="Host: a\r\n"):
    return f"{method} {path} HTTP/{version}\r\n{host}" + "".join(f + "\r\n" for f in fields) + "\r\n"


@pytest.mark.parametrize("path, content_type", [
    ("/", "text/html; charset=utf-8"),
    ("/style.css", "text/css; charset=utf-8"),
    ("/app.mjs", "text/javascript; charset=utf-8"),
    ("/data.json", "application/json"),
    ("/pic.SVG", "image/svg+xml"),
    ("/a%20b/%C3%A4.txt", "text/plain; charset=utf-8"),
    ("/empty.txt", "text/plain; charset=utf-8"),
    ("/noext", "application/octet-stream"),
    ("/docs/", "text/html; charset=utf-8"),
    ("/docs/deep/../deep/./page.html?x=1", "text/html; charset=utf-8"),
])
def test_files_and_types(web, path, content_type):
    name = {"/": "index.html", "/docs/": "docs/index.html", "/a%20b/%C3%A4.txt": "a b/\u00e4.txt"}
    body = FILES.get(name.get(path, path[1:]), b"deep")
    run = subprocess.run(
        ["curl", "-sS", "--path-as-is", "-m", "20", "-w", "\n%{http_code} %{content_type}",
         f"http://127.0.0.1:{web.port}{path}"], capture_output=True, check=True)
    got, status = run.stdout.rsplit(b"\n", 1)
    assert status.decode() == f"200 {content_type}"
    assert got == body


LONG = "/" + "x" * 5000
MANY = [f"X-{n}: y" for n in range(70)]


@pytest.mark.parametrize("request_text, status, closes", [
    (get("/"), 200, False),
    (get("/", "Connection: close"), 200, True),
    (get("/", version="1.0", host=""), 200, True),
    (get("/", "Connection: keep-alive", version="1.0"), 200, False),
    (get("http://a/style.css"), 200, False),
    (get("/docs"), 301, False),
    (get("/nothing"), 404, False),
    (get("/style.css/"), 404, False),
    (get("/docs/../../etc/passwd"), 400, False),
    (get("/%2e%2e/%2e%2e/etc/passwd"), 400, False),
    (get("/..%2f..%2fetc%2fpasswd"), 400, False),
    (get("/a%00b"), 400, False),
    (get("/a%zz"), 400, False),
    (get("/", method="POST"), 405, False),
    (get("*", method="OPTIONS"), 204, False),
    (get("/", host=""), 400, True),
    (get("/", "Host: b"), 400, True),
    (get("/", "A : b"), 400, True),
    (get("/", "A: b", " folded"), 400, True),
    ("GET / HTTP/1.1\nHost: a\n\n", 400, True),
    ("\x16\x03\x01\x02\x00\x01", 400, True),
    (get("/", "Content-Length: 1", "Content-Length: 1"), 400, True),
    (get("/", "Content-Length: 1", "Transfer-Encoding: chunked"), 400, True),
    (get(LONG), 414, True),
    (get("/", "X: " + "y" * 9000), 431, True),
    (get("/", *MANY), 431, True),
    (get("/", version="2.0"), 505, True),
], ids=lambda value: re.sub(r"\W+", "-", value)[:40] if isinstance(value, str) else None)
def test_status(web, request_text, status, closes):
    with Client(web) as client:
        client.send(request_text)
        got, fields, _ = client.answer()
        assert got == status
        assert fields["Server"] == "Tophalf"
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", fields["Date"])
        assert (fields.get("Connection") == "close") == closes
        if closes:
            assert client.at_end()
        else:
            client.send(get("/data.json"))
            assert client.answer()[2] == b"{}"


def test_fields(web):
    with Client(web) as client:
        client.send(get("/docs") + get("/nothing") + get("/", method="DELETE") + get("/kib.bin"))
        assert client.answer()[1]["Location"] == "/docs/"
        assert client.answer()[2] == FILES["404.html"]
        assert client.answer()[1]["Allow"] == "GET, HEAD, OPTIONS"
        modified = client.answer()[1]["Last-Modified"]
        assert abs(time.time() - time.mktime(time.strptime(modified, "%a, %d %b %Y %H:%M:%S GMT"))
                   ) < 2 * 86400


def test_head(web):
    with Client(web) as client:
        client.send(get("/big.bin", method="HEAD") + get("/nothing", method="HEAD") + get("/noext"))
        status, fields, _ = client.answer(is_head=True)
        assert (status, fields["Content-Length"]) == (200, str(len(BIG)))
        assert client.answer(is_head=True)[0] == 404
        assert client.answer()[2] == b"?"


def test_keep_alive(web):
    before = web.console_json("http")
    with Client(web) as client:
        for _ in range(100):
            client.send(get("/kib.bin"))
            assert client.answer()[2] == FILES["kib.bin"]
    after = web.console_json("http")
    assert after["requests"] - before["requests"] == 100
    assert after["accepted"] - before["accepted"] == 1
    assert after["responses"]["2xx"] - before["responses"]["2xx"] == 100
    assert after["bytes"] - before["bytes"] > 100 * 1024


def test_pipelining(web):
    """More in one go than any send buffer takes, answered in order, by a client that reads late."""
    paths = ["/style.css", "/nothing", "/kib.bin", "/docs", "/big.bin"] * 4
    with Client(web) as client:
        client.send("".join(get(path) for path in paths))
        time.sleep(1)
        for path in paths:
            status, _, body = client.answer()
            assert status == {"/nothing": 404, "/docs": 301}.get(path, 200)
            if status == 200:
                assert body == FILES[path[1:]]
        client.send(get("/data.json"))
        assert client.answer()[2] == b"{}"


def test_byte_by_byte(web):
    with Client(web) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in get("/style.css", "Accept: text/css"):
            client.send(byte)
            time.sleep(0.01)
        assert client.answer()[2] == FILES["style.css"]


def test_big_file(web):
    for _ in range(3):
        status, fields, body = web.get("/big.bin")
        assert status == 200 and fields["Content-Length"] == str(len(BIG))
        assert body == BIG


def test_slow_reader(web):
    """A window that opens little by little, while others are served at once."""
    with Client(web, rcvbuf=4096) as slow:
        slow.send(get("/big.bin", "Connection: close"))
        time.sleep(1)
        start = time.monotonic()
        assert web.get("/kib.bin")[2] == FILES["kib.bin"]
        assert time.monotonic() - start < 5
        assert slow.answer()[2] == BIG
        assert slow.at_end()


def test_half_close(web):
    with Client(web) as client:
        client.send(get("/big.bin"))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer()[2] == BIG
        assert client.at_end()


def test_request_bodies(web):
    with Client(web) as client:
        client.send(get("/noext", "Content-Length: 50000") + "z" * 50000 + get("/data.json"))
        assert client.answer()[2] == b"?"
        assert client.answer()[2] == b"{}"
    with Client(web) as client:  # too long to be read past: answered all the same
        client.send(get("/", "Content-Length: 1000000", method="PUT"))
        client.send("z" * 200000)
        status, fields, _ = client.answer()
        assert (status, fields["Connection"]) == (405, "close")


def wait_closed(guest, seconds=30):
    """Wait until the server has no connection left."""
    deadline = time.monotonic() + seconds
    while guest.console_json("http")["connections"] > 0:
        assert time.monotonic() < deadline, guest.console("http")
        time.sleep(0.3)


def test_aborted_clients(web):
    wait_closed(web)
    for said in ("", "GE", get("/kib.bin"), get("/big.bin")):
        client = Client(web)
        client.send(said)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.socket.close()  # with a reset
    assert web.get("/data.json")[2] == b"{}"  # behind them: they have been accepted by now
    wait_closed(web)
    assert web.get("/data.json")[2] == b"{}"


def test_header_timeout(hasty):
    with Client(hasty) as client:
        client.send("GET / HTTP/1.1\r\n")
        start = time.monotonic()
        status, fields, _ = client.answer()
        assert (status, fields["Connection"]) == (408, "close")
        assert 1.5 < time.monotonic() - start < 8
        assert client.at_end()


def test_idle_timeout(hasty):
    with Client(hasty) as client:
        client.send(get("/kib.bin"))
        client.answer()
        start = time.monotonic()
        assert client.at_end()
        assert 3.5 < time.monotonic() - start < 12


def test_reader_that_stopped(hasty):
    wait_closed(hasty)
    before = hasty.console_json("http")["stalled"]
    with Client(hasty, rcvbuf=4096) as client:
        client.send(get("/big.bin") * 8)  # more than this host's buffers take
        assert client.socket.recv(1) == b"H"  # it is connected, and being answered
        wait_closed(hasty)
        assert hasty.console_json("http")["stalled"] == before + 1


def test_max_connections(tmp_path, boot):
    guest = boot(image=make_image(tmp_path, FILES, "http_max_connections = 10\n"))
    guest.wait_http()
    wait_closed(guest)
    clients = [Client(guest) for _ in range(10)]
    try:
        for client in clients:
            client.send(get("/data.json"))
            assert client.answer()[2] == b"{}"
        with Client(guest) as one_more:
            with pytest.raises((ConnectionError, EOFError)):
                one_more.send(get("/data.json"))
                one_more.answer()
        assert guest.console_json("http")["refused"] == 1
    finally:
        for client in clients:
            client.socket.close()
    wait_closed(guest)
    assert guest.get("/data.json")[2] == b"{}"


def test_console_command(web):
    said = web.console("http")
    assert re.search(r"^site +13 files, \d+ bytes$", said, re.M), said
    assert re.search(r"^responses +2xx \d+, 3xx \d+, 4xx \d+, 5xx \d+$", said, re.M), said
    assert "http" in web.console("help")


def test_no_site(tmp_path, boot):
    """An image whose archive is empty still answers."""
    guest = boot(image=make_image(tmp_path, {"empty/.keep": b""}))
    status, _, body = guest.wait_http()
    assert status == 404 and b"404 Not Found" in body


# ---------------------------------------------------------------- the long run


@pytest.fixture(scope="module")
def load(load_client, tmp_path_factory):
    """load(guest, mode, connections, requests): the client of load.c; asserts that all went well."""
    folder = tmp_path_factory.mktemp("body")
    (folder / "body").write_bytes(FILES["kib.bin"])

    def run(guest, mode, connections, requests, seconds=240):
        result = subprocess.run(
            [load_client, str(guest.port), mode, str(connections), str(requests), str(seconds),
             "/kib.bin", folder / "body"], capture_output=True, text=True, timeout=seconds + 30)
        print(f"{mode}: {result.stdout.strip()}")  # pytest -s shows the rates
        summary = json.loads(result.stdout)
        assert summary["errors"] == 0 and summary["done"] == requests, (summary, result.stderr)
        return summary

    return run


def memory(guest):
    """What `free` says is used, of memory and of each pool. Waits for frames in flight."""
    answer = guest.console_json("free")
    used = {pool["name"]: pool["used_bytes"] for pool in answer["pools"]}
    return used | {"memory": answer["memory"]["used_bytes"]}


def assert_memory_is_back(guest, before, seconds=20):
    deadline = time.monotonic() + seconds
    while memory(guest) != before:
        assert time.monotonic() < deadline, f"before {before}\nafter  {memory(guest)}"
        time.sleep(0.5)


def test_long_run(tmp_path, boot, load):
    """100,000 keep-alive requests and 20,000 fresh connections: no error, and no memory gone."""
    web = boot(image=make_image(tmp_path, {"kib.bin": FILES["kib.bin"]}))
    web.wait_prompt()
    load(web, "keep", 16, 200)  # whatever is allocated once and for ever is by now
    wait_closed(web)
    time.sleep(3)  # addresses have settled
    before, counted = memory(web), web.console_json("http")
    load(web, "keep", 64, 100_000)
    load(web, "fresh", 16, 20_000)
    wait_closed(web)
    after = web.console_json("http")
    assert after["requests"] - counted["requests"] == 120_000
    assert after["responses"]["2xx"] - counted["responses"]["2xx"] == 120_000
    assert after["accepted"] - counted["accepted"] == 20_064
    for what in ("refused", "reset", "stalled", "idle_closed"):
        assert after[what] == counted[what], what
    assert after["held_pbufs"] == 0
    assert_memory_is_back(web, before)


def test_server_closes_first(web, load):
    """TIME_WAIT stays in the guest, in its fixed pool; more of them than there are PCBs."""
    load(web, "server", 8, 2_000)
    wait_closed(web)
    assert web.get("/data.json")[2] == b"{}"


def test_ss_of_closed_connections(web):
    """Those that the server closed stand in TIME-WAIT, with nothing left in their queues."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as s:
        s.sendall(b"GET /data.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while s.recv(4096):
            pass
    deadline = time.monotonic() + 10
    while True:
        rows = web.console_json("ss -a")["sockets"]
        waiting = [row for row in rows if row["state"] == "TIME-WAIT"]
        if waiting or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert waiting
    for row in waiting:
        assert row["recv_q"] == 0 and row["send_q"] == 0
