"""/_/capture.pcapng: what tcpdump reads of it, filters, bounds, what is lost and counted, and that
nothing is left behind.
"""

import http.client
import socket
import struct
import subprocess
import threading
import time
from urllib.parse import quote_plus

import pytest
from scapy.layers.inet import UDP
from scapy.layers.l2 import Ether

import qemu
from buffers import all_back
from frames import ether

pytestmark = pytest.mark.xdist_group("capture")

CAPTURE = "/_/capture.pcapng"
IN, OUT = 1, 2
PACKET, STATISTICS = 6, 5


@pytest.fixture(scope="module")
def booted():
    with qemu.Guest(net="both") as guest:
        guest.wait_prompt()
        guest.wait_http()
        yield guest


@pytest.fixture
def guest(booted):
    with all_back(booted):
        yield booted


class Capture:
    """One that is under way: begins with the headers of its answer, so that nothing is missed."""

    def __init__(self, guest, query=""):
        self.connection = http.client.HTTPConnection("127.0.0.1", guest.port, timeout=60)
        self.connection.request("GET", CAPTURE + query)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        assert self.answer.headers["Content-Type"] == "application/x-pcapng"

    def read(self):
        """To its end."""
        data = self.answer.read()
        self.connection.close()
        return data


def expression(text):
    """A filter as tcpdump compiles it for Ethernet."""
    compiled = subprocess.run(["tcpdump", "-y", "EN10MB", "-ddd", text], check=True,
                              capture_output=True, text=True).stdout
    return f"filter={quote_plus(compiled)}"


def tcpdump(data):
    """What it says about the packets, a line for each."""
    done = subprocess.run(["tcpdump", "-n", "-r", "-"], input=data, capture_output=True)
    assert done.returncode == 0 and b"truncated" not in done.stderr, done.stderr
    return done.stdout.decode("latin-1")


def blocks(data):
    """(type, body) of each."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert size % 4 == 0 and data[at + size - 4:at + size] == struct.pack("<I", size)
        yield kind, data[at + 8:at + size - 4]
        at += size
    assert at == len(data)


def packets(data):
    """(ns since 1970, direction, whole length, the bytes that are there) of each."""
    rows = []
    for kind, body in blocks(data):
        if kind != PACKET:
            continue
        _, high, low, kept, whole = struct.unpack_from("<IIIII", body)
        (direction,) = struct.unpack_from("<I", body, 20 + (kept + 3) // 4 * 4 + 4)
        rows.append((high << 32 | low, direction, whole, body[20:20 + kept]))
    return rows


def totals(data):
    """seen, matched, dropped: of the last block."""
    kind, body = list(blocks(data))[-1]
    assert kind == STATISTICS
    options = {}
    at = 12
    while (option := struct.unpack_from("<HH", body, at)) != (0, 0):
        options[option[0]] = struct.unpack_from("<Q", body, at + 4)[0]
        at += 4 + option[1]
    return options[4], options[6], options[7]


def test_tcpdump_reads_requests_and_answers(guest):
    began = time.time_ns()
    capture = Capture(guest, "?seconds=2")
    for n in range(5):
        assert guest.get(f"/?n={n}")[0] == 200
    data = capture.read()
    said = tcpdump(data)
    for n in range(5):
        assert said.count(f"GET /?n={n} HTTP/1.1") == 1
    assert said.count("HTTP/1.1 200 OK") == 5
    assert CAPTURE not in said, "its own connection was not left out"
    rows = packets(data)
    assert {direction for _, direction, _, _ in rows} == {IN, OUT}
    for _, direction, _, frame in rows:
        sender = Ether(frame).src
        assert (sender == "52:54:00:12:34:56") == (direction == OUT)
    times = [ns for ns, _, _, _ in rows]
    assert times == sorted(times)
    # The guest's clock is QEMU's, whose seconds may begin up to one later than ours.
    assert began - 2e9 < times[0] and times[-1] < time.time_ns() + 2e9
    assert totals(data) == (len(rows), len(rows), 0)


def test_frames_are_what_was_on_the_wire(guest):
    """Byte for byte, of every length."""
    sent = [bytes(ether(type=0x88B5)) + bytes([n & 255]) * n for n in (46, 47, 100, 1000, 1499, 1500)]
    capture = Capture(guest, f"?packets={len(sent)}&{expression('ether proto 0x88b5')}")
    for frame in sent:
        guest.wire.send(frame)
    rows = packets(capture.read())
    assert [frame for _, _, _, frame in rows] == sent
    assert [whole for _, _, whole, _ in rows] == [len(frame) for frame in sent]


def test_a_filter(guest):
    capture = Capture(guest, f"?seconds=2&{expression('tcp[tcpflags] & tcp-syn != 0 and port 80')}")
    for _ in range(4):
        guest.get()
    data = capture.read()
    assert len(packets(data)) == 8  # SYN and SYN-ACK of each
    assert tcpdump(data).count("Flags [S") == 8
    seen, matched, dropped = totals(data)
    assert seen > 8 and matched == 8 and dropped == 0


def test_the_filter_sees_what_leaves(guest):
    capture = Capture(guest, f"?seconds=2&{expression('src port 80 and tcp[20:4] = 0x48545450')}")
    for _ in range(3):
        guest.get()
    rows = packets(capture.read())
    assert [(direction, b"HTTP/1.1 200" in frame) for _, direction, _, frame in rows] == [(OUT, True)] * 3


def test_so_many_packets_and_no_more(guest):
    capture = Capture(guest, "?packets=3&seconds=60&" + expression("tcp"))
    for _ in range(3):
        guest.get()
    data = capture.read()
    assert len(packets(data)) == 3 and totals(data)[1] == 3


def test_snaplen(guest):
    capture = Capture(guest, "?seconds=1&snaplen=60")
    guest.get()
    rows = packets(capture.read())
    assert rows and all(len(frame) == min(whole, 60) for _, _, whole, frame in rows)
    assert max(whole for _, _, whole, _ in rows) > 500


def test_it_ends_in_time_when_nothing_comes(guest):
    began = time.monotonic()
    data = Capture(guest, "?seconds=1&" + expression("udp port 9")).read()
    assert 0.8 < time.monotonic() - began < 15
    assert packets(data) == []


def test_its_own_connection_when_asked_for(guest):
    said = tcpdump(Capture(guest, "?seconds=1&own=1").read())
    assert ".80 >" in said and "Flags [" in said


def test_what_finds_no_room_is_counted_and_nobody_waits(guest):
    """A client that reads nothing for a while: the ring fills, others are served, the rest is lost."""
    slow = socket.create_connection(("127.0.0.1", guest.port), timeout=20)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(f"GET {CAPTURE}?seconds=3600&packets=1000000 HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
    deadline = time.monotonic() + 30
    while (row := guest.console_json("capture")["captures"])[0]["dropped"] == 0:
        assert guest.get("/_/app.js")[0] == 200
        assert time.monotonic() < deadline, row
    assert row[0]["matched"] > row[0]["dropped"]
    assert row[0]["bytes"] <= row[0]["seen"] * 66000
    slow.close()
    while guest.console_json("capture")["captures"]:
        assert time.monotonic() < deadline + 30
        time.sleep(0.1)


def test_a_slow_reader_gets_a_whole_file(guest):
    """Slower than what comes, to the end: every packet is in the file or counted as lost."""
    capture = Capture(guest, "?seconds=4")
    ended = threading.Event()

    def load():
        while not ended.is_set():
            guest.get("/_/app.js")

    asking = threading.Thread(target=load)
    asking.start()
    try:
        data = b""
        while part := capture.answer.read(20_000):
            data += part
            time.sleep(0.01)
    finally:
        ended.set()
        asking.join()
        capture.connection.close()
    seen, matched, dropped = totals(data)
    assert seen == matched == len(packets(data)) + dropped
    tcpdump(data)


def test_no_more_than_four(guest):
    """The fifth is told so; a place is free again when one ends, or when its client goes."""
    held = [Capture(guest, "?seconds=60") for _ in range(4)]
    rows = guest.console_json("capture")["captures"]
    assert len(rows) == 4 and not any(row["ended"] for row in rows)
    status, headers, body = guest.get(CAPTURE)
    assert status == 503 and b"as many captures" in body
    assert int({k.lower(): v for k, v in dict(headers).items()}["retry-after"]) > 0
    held.pop().connection.close()
    deadline = time.monotonic() + 20
    while len(guest.console_json("capture")["captures"]) == 4:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert packets(Capture(guest, "?seconds=1&" + expression("udp port 9")).read()) == []
    for capture in held:
        capture.connection.close()


@pytest.mark.parametrize("query, said", [
    ("?seconds=0", "seconds wants a number, 1 to 3600"),
    ("?seconds=3601", "seconds wants"),
    ("?seconds=", "seconds wants"),
    ("?seconds=1e3", "seconds wants"),
    ("?seconds=99999999999999999999", "seconds wants"),
    ("?snaplen=13", "snaplen wants"),
    ("?packets=0", "packets wants"),
    ("?own=2", "own wants"),
    ("?second=1", "takes seconds, filter, snaplen, packets and own"),
    ("?filter=", "filter, at 0"),
    ("?filter=tcp", "tcpdump -y EN10MB -ddd"),
    ("?filter=1%0A0+0+0+0", "no return"),
    ("?filter=1%0A6+0+0", "filter, at"),
    ("?filter=1000%0A6+0+0+0", "filter, at"),
    ("?filter=%zz", "filter, at"),
    ("?filter=2%0A5+0+0+1%0A6+0+0+0", "beyond the end"),
])
def test_what_is_refused(guest, query, said):
    status, _, body = guest.get(CAPTURE + query)
    assert status == 400 and said in body.decode()
    assert guest.console_json("capture")["captures"] == []


def test_other_methods(guest):
    status, headers, _ = guest.get(CAPTURE, method="POST")
    assert status == 405 and dict(headers)["Allow"] == "GET"
    assert guest.get(CAPTURE, method="HEAD")[0] == 405


def test_the_command(guest):
    assert "curl -sN" in guest.console("capture")
    capture = Capture(guest, "?seconds=60&" + expression("udp port 9"))
    guest.wire.send(bytes(ether() / UDP(dport=9)))
    said = guest.console("capture")
    assert "filter" in said and "dropped" in said
    capture.connection.close()
