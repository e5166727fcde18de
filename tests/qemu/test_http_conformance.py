"""HTTP/1.1 by the book: every case of http_cases.py, over a raw socket, against one guest.

Each case is asked twice: in one piece, and in several, for where TCP cuts a request must make no
difference. Behind what is expected comes either the end of the connection or, where it stays, the
answer to another request: nothing more was said, and nothing was left over.
"""

import email.utils
import os
import re
import socket
import time

import pytest

import qemu
from http_cases import CASES, CFG, FILES, FUTURE, MODIFIED, ask
from test_http import make_image

pytestmark = pytest.mark.xdist_group("http")

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
IMF_FIXDATE = re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
SECONDS = 15
PIECES = 4
BETWEEN = 0.002  # seconds, so that each is a segment of its own


def write_site(site):
    for name, content in FILES.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        modified = FUTURE if name == "future.txt" else MODIFIED
        os.utime(path, (modified, modified))


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conformance")
    write_site(folder / "site")
    with qemu.Guest(image=make_image(folder, {}, CFG)) as guest:
        guest.wait_prompt()
        guest.wait_http()
        yield guest


def seconds_of(date):
    assert IMF_FIXDATE.fullmatch(date), date
    return email.utils.parsedate_to_datetime(date).timestamp()


class Answer:
    """One answer, taken apart; what every answer has to be is checked on the way."""

    def __init__(self, head):
        status_line, *lines = head.decode("ascii").split("\r\n")
        assert re.fullmatch(r"HTTP/1\.1 [1-5]\d\d [\w ]+", status_line), status_line
        self.status = int(status_line.split()[1])
        self.fields = {}
        self.body = b""
        for line in lines:
            name, value = line.split(":", 1)
            assert TOKEN.fullmatch(name), line
            assert name.lower() not in self.fields, f"{name} twice"
            self.fields[name.lower()] = value.strip(" \t")

    def body_bytes(self):
        """RFC 9112 6.3: how long the body is that follows, unless it answers a HEAD."""
        assert "transfer-encoding" not in self.fields
        if self.status in (100, 204, 304):
            assert "content-length" not in self.fields
            return 0
        return int(self.fields["content-length"])

    def check_always(self):
        assert self.fields["server"] == "Tophalf"
        assert abs(seconds_of(self.fields["date"]) - time.time()) < 60  # RFC 9110 6.6.1
        if self.status != 204:
            assert self.fields["x-content-type-options"] == "nosniff"

    def check_page(self):
        """A page for people where the table says nothing else."""
        assert self.fields["content-type"] == "text/html; charset=utf-8"
        assert str(self.status).encode() in self.body

    def modified_by_now(self):
        """RFC 9110 8.8.2.1: nothing was modified later than it is sent."""
        assert seconds_of(self.fields["last-modified"]) <= seconds_of(self.fields["date"])


class Connection:
    def __init__(self, guest):
        self.socket = socket.create_connection(("127.0.0.1", guest.port), timeout=SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data, pieces):
        size = max(1, -(-len(data) // pieces))
        for at in range(0, len(data), size):
            if at:
                time.sleep(BETWEEN)
            self.socket.sendall(data[at:at + size])

    def more(self):
        piece = self.socket.recv(65536)
        assert piece, f"closed behind {self.got[:200]!r}"
        self.got += piece

    def answer(self, is_head):
        while b"\r\n\r\n" not in self.got:
            self.more()
        head, self.got = self.got.split(b"\r\n\r\n", 1)
        answer = Answer(head)
        size = answer.body_bytes()
        if not is_head:
            while len(self.got) < size:
                self.more()
            answer.body, self.got = self.got[:size], self.got[size:]
        return answer

    def assert_closed(self):
        assert not self.got and self.socket.recv(65536) == b""

    def assert_open(self):
        self.send(ask("/noext"), 1)
        answer = self.answer(False)
        assert (answer.status, answer.body) == (200, FILES["noext"])
        assert not self.got


def check(answer, want):
    assert answer.status == want.status
    if want.status == 100:
        return
    answer.check_always()
    for name, value in want.fields.items():
        got = answer.fields.get(name.lower())
        assert got == value, f"{name}: {got}, not {value}"
    if callable(want.body):
        want.body(answer)
    elif want.body is not None:
        assert answer.body == want.body
    elif want.status >= 400 and want.status != 416 and not want.head:
        answer.check_page()


@pytest.mark.parametrize("pieces", [1, PIECES], ids=["whole", "pieces"])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(web, case, pieces):
    with Connection(web) as connection:
        connection.send(case.request, pieces)
        for number, want in enumerate(case.wants):
            answer = connection.answer(want.head)
            check(answer, want)
            if number == 0 and case.then:
                connection.send(case.then, pieces)
        assert (answer.fields.get("connection") == "close") == case.closes
        if case.closes:
            connection.assert_closed()
        else:
            connection.assert_open()


def test_names():
    """A failing test is found by its name; no case is hidden behind another."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 150
    assert all(re.match(r"RFC \d{4} \d", case.rfc) for case in CASES)


@pytest.mark.parametrize("target, fields", [
    ("/", []), ("/none", []), ("/docs", []), ("/docs?x", []), ("/empty.txt", []),
    ("/app.js", ["Accept-Encoding: br"]), ("/style.css", ["If-None-Match: *"]),
    ("/style.css", ['If-Match: "x"']), ("/%zz", []),
])
def test_head_has_the_fields_of_get(web, target, fields):
    """RFC 9110 9.3.2."""
    with Connection(web) as connection:
        connection.send(ask(target, *fields) + ask(target, *fields, method="HEAD"), 1)
        get, head = connection.answer(False), connection.answer(True)
        get.fields["date"] = head.fields["date"]
        assert (get.status, get.fields) == (head.status, head.fields)
