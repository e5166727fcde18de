"""One end of a TCP connection played by hand, segment by segment, against the guest's.

    with Peer(guest) as peer:
        peer.open()
        peer.send(data=request("/file"))
        segment = peer.next()
        peer.send(ack=700, window=0)

Nothing is answered by itself. Numbers are offsets in the two streams: byte 0 is the first behind
the SYN, which is -1. Whatever the guest sends is held against what it said before (a byte sent
again is the same byte), against our window, our MSS, and its checksum.
"""

import itertools
import struct
import time
from dataclasses import dataclass, field

from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6

from frames import GUEST_IP, GUEST_IP6, echo_request, ether, ip, is_echo_reply
from qemu import REPLY_SECONDS, GuestError

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class Segment:
    start: int
    ack: int
    flags: int
    window: int  # as it stands in the header
    data: bytes = field(repr=False)
    options: bytes = field(repr=False)
    at: float

    @property
    def end(self):
        """Behind its last byte, and its FIN."""
        return self.start + len(self.data) + bool(self.flags & FIN)

    def has(self, flags):
        return self.flags & flags == flags


def request(path, close=False):
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{'Connection: close' * close}\r\n\r\n".replace(
        "\r\n\r\n\r\n", "\r\n\r\n").encode()


def ones_sum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Peer:
    ports = itertools.count(20000)
    pings = itertools.count(1)

    def __init__(self, guest, port=80, *, mss=1460, window=65535, ipv6=False, sport=None,
                 isn=0x70000000):
        self.guest, self.wire = guest, guest.wire
        self.port, self.sport = port, sport or next(Peer.ports)
        self.mss, self.window, self.ipv6 = mss, window, ipv6
        self.isn, self.guest_isn = isn, None
        self.sent = -1  # what we send next
        self.acked = -1  # of ours, by the guest
        self.received = 0  # of the guest's, without a gap
        self.edge = 0  # of our window
        self.fin = None  # where the guest's is
        self.stream = bytearray()
        self._known = bytearray()  # which bytes of it have come
        self._fragments = {}
        self.largest = 0  # IP packet that came

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Leave no connection behind, whatever its state."""
        for at in {self.sent, self.acked}:
            self.send("R", at=at)

    # ------------------------------------------------------------ out

    def send(self, flags="A", data=b"", at=None, ack=None, window=None, options=(),
             checksum=None):
        """at: of its first byte; else the next one. ack: else all that came."""
        if window is not None:
            self.window = window
        start = self.sent if at is None else at
        if at is None:
            self.sent += len(data) + ("F" in flags) + ("S" in flags)
        ack = self._all() if ack is None else ack
        if "A" in flags:
            self.edge = max(self.edge, ack + self.window)
        tcp = TCP(sport=self.sport, dport=self.port, flags=flags, window=self.window,
                  seq=(self.isn + 1 + start) % 2**32, options=list(options),
                  ack=(self.guest_isn + 1 + ack) % 2**32 if "A" in flags else 0, chksum=checksum)
        head = IPv6(src=self.wire.IP6, dst=GUEST_IP6) if self.ipv6 else ip()
        self.wire.send(ether() / head / tcp / data)

    def _all(self):
        return self.received + (self.received == self.fin)

    def syn(self, options=None):
        self.sent = -1
        self.edge = self.window
        self.send("S", options=options if options is not None else [("MSS", self.mss)])

    def open(self, options=None):
        self.syn(options)
        answer = self.next("SYN-ACK", lambda s: s.has(SYN | ACK))
        assert answer.ack == 0 and not answer.data
        self.send()
        return answer

    # ------------------------------------------------------------ in

    def _put_together(self, frame):
        """A frame as it was before lwIP cut it (RFC 8200 §4.5), or None: there are more to come."""
        self.largest = max(self.largest, len(frame) - 14)
        following, _, offset, ident = struct.unpack_from(">BBHI", frame, 54)
        parts = self._fragments.setdefault(ident, {})
        parts[offset & 0xFFF8] = frame[62:]
        parts.setdefault("end", None)
        if not offset & 1:
            parts["end"] = (offset & 0xFFF8) + len(frame) - 62
        whole = b"".join(parts[at] for at in sorted(at for at in parts if at != "end"))
        if len(whole) != parts["end"]:
            return None
        del self._fragments[ident]
        return frame[:18] + struct.pack(">HB", len(whole), following) + frame[21:54] + whole

    def _parse(self, frame):
        """A Segment of this connection, or None."""
        size = len(frame) - 14
        if self.ipv6:
            if frame[12:14] == b"\x86\xdd" and frame[20] == 44:
                frame = self._put_together(frame)
            if not frame or frame[12:14] != b"\x86\xdd" or frame[20] != 6:
                return None
            at, length = 54, struct.unpack_from(">H", frame, 18)[0]
            addresses = frame[22:54]
        else:
            if frame[12:14] != b"\x08\x00" or frame[23] != 6:
                return None
            at = 14 + (frame[14] & 15) * 4
            length = struct.unpack_from(">H", frame, 16)[0] - (at - 14)
            addresses = frame[26:34]
        tcp = frame[at:at + length]
        sport, dport, seq, ack, offset, flags, window = struct.unpack_from(">HHIIBBH", tcp)
        if (sport, dport) != (self.port, self.sport):
            return None
        self.largest = max(self.largest, size)
        assert ones_sum(addresses + struct.pack(">II", length, 6) + tcp) == 0xFFFF, "bad checksum"
        if flags & SYN:
            self.guest_isn = seq
        base = self.guest_isn if self.guest_isn is not None else seq - 1
        ours = signed(ack - self.isn - 1) if flags & ACK else None
        head = (offset >> 4) * 4
        return Segment(signed(seq - base - 1), ours, flags, window, tcp[head:], tcp[20:head],
                       time.monotonic())

    def _take(self, segment):
        """Remember, and hold against what is known."""
        if segment.flags & (SYN | RST):
            return
        start, end = segment.start, segment.start + len(segment.data)
        self.acked = max(self.acked, segment.ack)
        assert len(segment.data) <= self.mss, f"{len(segment.data)} bytes, MSS {self.mss}"
        probe = len(segment.data) == 1 and start <= self.edge
        assert not segment.data or end <= self.edge or probe, f"{end} is beyond {self.edge}"
        if end > len(self.stream):
            self.stream += bytes(end - len(self.stream))
            self._known += bytes(end - len(self._known))
        for at in range(start, end):
            if self._known[at]:
                assert self.stream[at] == segment.data[at - start], f"byte {at} has changed"
        self.stream[start:end] = segment.data
        self._known[start:end] = b"\1" * (end - start)
        gap = self._known.find(0, self.received)
        self.received = len(self._known) if gap < 0 else gap
        if segment.flags & FIN:
            assert self.fin in (None, end)
            self.fin = end

    def next(self, what="segment", matches=lambda s: True, seconds=REPLY_SECONDS):
        """The next segment that matches; what comes before it is taken all the same."""
        deadline = time.monotonic() + seconds
        while True:
            found = []

            def mine(frame):
                segment = self._parse(frame)
                if segment:
                    found.append(segment)
                return segment is not None

            self.wire.expect(mine, max(0.0, deadline - time.monotonic()), what)
            self._take(found[0])
            if matches(found[0]):
                return found[0]

    def until_ping(self):
        """What the guest has sent, and what it answers to all that we sent so far."""
        ident = 0x5000 + next(Peer.pings) % 0x1000
        is_reply = is_echo_reply(ident)
        self.wire.send(echo_request(ident, dst=GUEST_IP))
        segments = []

        def matches(frame):
            segment = self._parse(frame)
            if segment:
                segments.append(segment)
                self._take(segment)
            return is_reply(frame)

        self.wire.expect(matches, what="echo reply")
        return segments

    def silent(self, seconds=0.0):
        """Nothing comes (for so long)."""
        time.sleep(seconds)
        came = self.until_ping()
        assert not came, came

    # ------------------------------------------------------------ both

    def take(self, until, window=None):
        """Acknowledge what comes in order, until so much has."""
        while (before := self.received) < until:
            self.next()
            if self.received > before:  # else it would be a duplicate
                self.send(ack=self.received, window=window)  # not its FIN

    def answer(self, window=None):
        """The body of the response that begins where the last one was read to."""
        head = self.head(window)
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        end = self.read + length
        self.take(end, window)
        body = bytes(self.stream[self.read:end])
        self.read = end
        return body

    read = 0

    def head(self, window=None):
        while (end := self.stream.find(b"\r\n\r\n", self.read)) < 0 or end + 4 > self.received:
            self.take(self.received + 1, window)
        head = bytes(self.stream[self.read:end + 4])
        assert head.startswith(b"HTTP/1.1 200 OK"), head
        self.read = end + 4
        return head

    def state(self):
        """What ss calls the connection, or None."""
        found = [row["state"] for row in self.guest.console_json("ss -a")["sockets"]
                 if str(self.sport) == str(row.get("peer_port"))]
        assert len(found) <= 1, found
        return found[0] if found else None

    def wait_state(self, *states, seconds=REPLY_SECONDS):
        deadline = time.monotonic() + seconds
        while (now := self.state()) not in states:
            if time.monotonic() > deadline:
                raise GuestError(f"{now}, not {states}")
            time.sleep(0.05)


def signed(number):
    return (number + 2**31) % 2**32 - 2**31
