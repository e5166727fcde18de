"""The limits of docs/http.md, set in tophalf.cfg to something small: what is at it, and what is beyond.
What they do in detail is in the host tests; here each key is seen to be heard (http_max_connections:
test_http.py).
"""

import contextlib
import re
import socket
import time

import pytest

import qemu
from test_http import make_image

pytestmark = pytest.mark.xdist_group("limits")

CFG = """\
http_max_line = 100
http_max_header = 300
http_max_fields = 5
http_max_body = 1000
http_header_timeout_s = 2
http_idle_timeout_s = 3
http_min_rate = 2000
http_max_requests = 3
http_max_per_address = 4
http_security_headers = off
http_discard = /upload
"""


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    image = make_image(tmp_path_factory.mktemp("limits"), {"page": b"page"}, CFG)
    with qemu.Guest(image=image) as guest:
        guest.wait_prompt()
        guest.wait_http()
        yield guest


@pytest.fixture(autouse=True)
def alone(request):
    """One address may have four connections: those of the test before are gone."""
    if "guest" in request.fixturenames:
        guest = request.getfixturevalue("guest")
        end = time.monotonic() + 20
        while guest.console_json("http")["connections"]:
            assert time.monotonic() < end
            time.sleep(0.05)


@contextlib.contextmanager
def connected(guest):
    with socket.create_connection(("127.0.0.1", guest.port), timeout=40) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield sock


def to_the_end(sock):
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            got += piece
    return got


def status(guest, data):
    """Of the answer to these bytes, behind which the server closes."""
    with connected(guest) as sock:
        sock.sendall(data)
        return int(to_the_end(sock)[9:12])


def request(line=b"GET /page HTTP/1.1", fields=b"", body=b""):
    return line + b"\r\nHost: a\r\nConnection: close\r\n" + fields + b"\r\n" + body


def test_max_line(guest):
    line = b"GET /page?%s HTTP/1.1"
    at = line % (b"x" * (100 - len(line % b"")))
    assert len(at) == 100
    assert status(guest, request(at)) == 200
    assert status(guest, request(at.replace(b"?", b"?x"))) == 414


def test_max_header(guest):
    room = 300 - len(request(fields=b"X: \r\n"))
    assert status(guest, request(fields=b"X: " + b"x" * room + b"\r\n")) == 200
    assert status(guest, request(fields=b"X: " + b"x" * (room + 1) + b"\r\n")) == 431


def test_max_fields(guest):
    assert status(guest, request(fields=b"X: x\r\n" * 3)) == 200  # and Host, and Connection
    assert status(guest, request(fields=b"X: x\r\n" * 4)) == 431


def upload(size):
    return request(b"POST /upload HTTP/1.1", b"Content-Length: %d\r\n" % size, b"x" * size)


def test_max_body(guest):
    assert status(guest, upload(1000)) == 200
    assert status(guest, upload(1001)) == 413


def test_header_timeout(guest):
    """However steadily it comes."""
    with connected(guest) as sock:
        sock.sendall(b"GET /page HTTP/1.1\r\nHost: a\r\n")
        began = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - began < 20:
                sock.sendall(b"X")
                sock.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    if said := sock.recv(1000):
                        break
    assert said.startswith(b"HTTP/1.1 408 ") and time.monotonic() - began > 1.5


def test_idle_timeout(guest):
    with connected(guest) as sock:
        sock.sendall(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
        began = time.monotonic()
        said = to_the_end(sock)
    assert said.endswith(b"\r\n\r\npage") and 2 < time.monotonic() - began < 20


def test_min_rate(guest):
    """500 bytes a second where 2,000 are wanted, never silent: given the first ten seconds."""
    with connected(guest) as sock:
        sock.sendall(upload(0).replace(b"Length: 0", b"Length: 999"))
        began = time.monotonic()
        said = b""
        sock.settimeout(0.1)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while not said and time.monotonic() - began < 30:
                sock.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    said = sock.recv(1000)
    assert said.startswith(b"HTTP/1.1 408 ") and time.monotonic() - began > 9


def test_max_requests(guest):
    with connected(guest) as sock:
        sock.sendall(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
        said = to_the_end(sock)
    assert said.count(b"HTTP/1.1 200 ") == 3
    assert [b"Connection: close" in answer for answer in said.split(b"HTTP/1.1 200 ")[1:]] == [False, False, True]


def test_max_per_address(guest):
    refused = guest.console_json("http")["refused"]
    with contextlib.ExitStack() as open_ones:
        socks = [open_ones.enter_context(connected(guest)) for _ in range(4)]
        for sock in socks:
            sock.sendall(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
        with connected(guest) as fifth:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                fifth.sendall(request())
            assert to_the_end(fifth) == b""
        assert guest.console_json("http")["refused"] == refused + 1
    alone_again = time.monotonic() + 20
    while guest.console_json("http")["connections"]:
        assert time.monotonic() < alone_again
    assert status(guest, request()) == 200


def test_security_headers(guest):
    """Off for the site's files; errors are ours."""
    with connected(guest) as sock:
        sock.sendall(request())
        assert b"nosniff" not in to_the_end(sock)
    with connected(guest) as sock:
        sock.sendall(request(b"GET /nosuch HTTP/1.1"))
        assert b"nosniff" in to_the_end(sock)


# ------------------------------------------------------------ the access log

LINE = r'10\.0\.2\.2 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "%s" %d \d+ "-" "%s"'


def test_log_to_the_ring(boot):
    """One request in two; at most 20 in a second, which go on being counted."""
    guest = boot(cfg="http_log = ring\nhttp_log_sample = 2\nhttp_log_rate = 20\n")
    guest.wait_prompt()
    guest.wait_http()
    before = len(guest.console_json("log 1000")["lines"])
    for n in range(10):
        guest.get(f"/nosuch?{n}", headers={"User-Agent": "counter"})
    assert "GET /nosuch?" not in guest.text()
    lines = guest.console_json("log 1000")["lines"][before:]
    assert len(lines) == 5
    assert all(re.fullmatch(LINE % (r"GET /nosuch\?\d HTTP/1\.1", 404, "counter"), line) for line in lines), lines
    time.sleep(1.1)
    before = len(guest.console_json("log 1000")["lines"])
    began = time.monotonic()
    for n in range(200):
        guest.get()
    seconds = time.monotonic() - began
    assert len(guest.console_json("log 1000")["lines"]) - before <= 20 * (int(seconds) + 2)


def test_port_and_log_to_the_console(tmp_path):
    port = qemu.free_port()
    image = make_image(tmp_path, {"page": b"page"}, "http_port = 8081\nhttp_log = console\n")
    with qemu.Guest(image=image, net=lambda name, _: ["-netdev", f"user,id={name},hostfwd=tcp:127.0.0.1:{port}-:8081"]
                    ) as guest:
        guest.port = port
        guest.wait_prompt()
        guest.wait_http()
        assert guest.get("/page?%1b[2J", headers={"User-Agent": 'a"b\\'})[0] == 200
        guest.wait_for(LINE % (r"GET /page\?%1b\[2J HTTP/1\.1", 200, r"a\\x22b\\x5c"), 20, regex=True)
