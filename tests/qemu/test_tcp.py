"""TCP segment by segment: what lwIP and our super-segments (net/tcp_gso.h) do with a peer that
acknowledges in odd places, has odd windows and sizes, or sends the same bytes twice.

On a stream netdev, which offers no offloads, and on a tap, which offers all: there the guest hands
over super-segments, and the host's kernel cuts them before they come to us. After every test the
guest holds what it held before.
"""

import contextlib
import random
import time

import pytest
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6

import links
import qemu
from buffers import all_back, assert_back, settled
from frames import GUEST_IP6, ether, ip, ping
from peer import Peer, request
from test_http import make_image

pytestmark = pytest.mark.xdist_group("tcp")

BYTES = random.Random(6).randbytes(1 << 20)
SIZES = {"small": 10, "odd": 11, "page": 3000, "medium": 65536, "large": len(BYTES)}
FILES = {name: BYTES[:size] for name, size in SIZES.items()} | {"overlap" * 12: BYTES[:100]}
CFG = (f"ip = {links.GUEST_IP}/24\ngateway = {links.HOST_IP}\n"
       "http_header_timeout_s = 3600\nhttp_idle_timeout_s = 3600\n")
FLIGHT = 10  # segments that a connection begins with (RFC 6928)
RTO_LEAST = 0.4  # s: lwIP's timer ticks each half second; the second tick is the first that counts


@pytest.fixture(scope="module")
def site_image(tmp_path_factory):
    return make_image(tmp_path_factory.mktemp("site"), FILES, CFG)


@contextlib.contextmanager
def boot_on(kind, image, lossy_program, nic=""):
    with links.Link(kind) as link, qemu.Guest(image=image, net=link.plug, nic=nic) as guest:
        link.lead_to_wire(lossy_program)
        guest.wire, guest.kind = link.wire, kind
        guest.wait_prompt()
        guest.wait_for("(link-local)")
        ping(guest)
        for ipv6 in (False, True):  # what is allocated once and for ever is now
            with Peer(guest, ipv6=ipv6) as peer:
                peer.open()
                fetch(peer, "medium")
        guest.before = settled(guest)
        yield guest


@pytest.fixture(scope="module", params=["stream", "tap"])
def booted(request, site_image, lossy_program):
    with boot_on(request.param, site_image, lossy_program) as guest:
        yield guest


@pytest.fixture
def guest(booted):
    booted.wire.drain()
    with all_back(booted):
        yield booted


def fetch(peer, name, window=None):
    peer.send("PA", request(f"/{name}"))
    assert peer.answer(window) == FILES[name]


def super_segments(guest):
    return guest.counters()["nic.tx_queue_0_gso"]


def unhurried(attempt):
    """What must come at once, and not by the timer: again, where the machine was too slow to tell.

    attempt() returns how long the timer may have run.
    """
    for _ in range(5):
        if attempt() < RTO_LEAST:
            return
    pytest.fail("the machine is too slow for this test")


# ------------------------------------------------------------ sizes


@pytest.mark.parametrize("ipv6", [False, True], ids=["ip4", "ip6"])
@pytest.mark.parametrize("mss", [536, 1220, 1440])
def test_mss(guest, mss, ipv6):
    """No segment is larger than the MSS, most are as large: super-segments are cut to it."""
    before = super_segments(guest)
    with Peer(guest, mss=mss, ipv6=ipv6) as peer:
        answer = peer.open()
        assert bytes([2, 4]) in answer.options
        peer.send("PA", request("/medium"))
        sizes = []
        while peer.received < SIZES["medium"]:
            sizes.append(len(peer.next().data))
            peer.send()
        assert peer.answer() == FILES["medium"]
    assert max(sizes) == mss and sizes.count(mss) > 0.8 * len(sizes)
    assert (super_segments(guest) > before) == (guest.kind == "tap")


@pytest.mark.parametrize("options, mss", [
    ([], 536), ([("MSS", 9000)], 1460), ([("MSS", 64)], 64), ([("MSS", 0)], 1460),
    ([("MSS", 65535)], 1460)],
    ids=["none", "9000", "64", "0", "65535"])
def test_odd_mss(guest, options, mss):
    """None means 536 (RFC 9293 §3.7.1); what is larger than our own is not used."""
    with Peer(guest, mss=mss) as peer:
        peer.open(options)
        fetch(peer, "page")
        fetch(peer, "small")


# ------------------------------------------------------------ acknowledgements


@pytest.mark.parametrize("ipv6", [False, True], ids=["ip4", "ip6"])
@pytest.mark.parametrize("acked", [1, 1460, 2000, 4379])
def test_ack_inside_a_super_segment(guest, acked, ipv6):
    """The first flight is ten MSS, on a tap one super-segment; a part of it is acknowledged, and
    nothing else: what is sent again begins there, and is one MSS, not what was acknowledged."""
    mss = 1440 if ipv6 else 1460
    acked = min(acked, FLIGHT * mss - 1)
    before = super_segments(guest)
    with Peer(guest, mss=mss, ipv6=ipv6) as peer:
        peer.open()
        peer.send("PA", request("/large"))
        while peer.received < FLIGHT * mss:
            peer.next()
        peer.send(ack=acked)
        again = peer.next("retransmission", lambda s: s.start <= acked)
        assert again.start == acked and 0 < len(again.data) <= mss
        assert (super_segments(guest) > before) == (guest.kind == "tap")
        peer.send()
        assert peer.answer() == FILES["large"]
        fetch(peer, "small")


def test_ack_of_every_odd_byte(guest):
    """Acknowledgements that keep falling into segments, small and large steps."""
    steps = random.Random(3)
    with Peer(guest) as peer:
        peer.open()
        peer.send("PA", request("/large"))
        at = 0
        while not (len(peer.stream) > SIZES["large"] and peer.received == len(peer.stream)
                   and at == peer.received):
            if at == peer.received:
                peer.next()
            at = min(peer.received, at + steps.choice([1, 7, 700, 1459, 1461, 4000, 20000]))
            peer.send(ack=at)
            if peer.received > SIZES["large"] and b"\r\n\r\n" in peer.stream[:1000]:
                end = peer.stream.index(b"\r\n\r\n") + 4 + SIZES["large"]
                if at == end:
                    break
        assert peer.answer() == FILES["large"]


def test_ack_of_what_was_never_sent(guest):
    """RFC 9293 §3.10.7.4: it is answered with an ACK, and changes nothing."""
    with Peer(guest) as peer:
        peer.open()
        peer.send("PA", request("/large"))
        while peer.received < FLIGHT * 1460:
            peer.next()
        peer.send(ack=peer.received + 100000)
        peer.send(ack=-100000)
        for segment in peer.until_ping():
            assert not segment.data or segment.end <= peer.received
        peer.send()
        assert peer.answer() == FILES["large"]


def grow(peer, flights=4):
    """Take the beginning of a large response, so that the congestion window grows."""
    peer.send("PA", request("/large"))
    while peer.received < FLIGHT * peer.mss:
        peer.next()
    for _ in range(flights):
        peer.send()
        peer.until_ping()


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_fast_retransmit(guest, lost):
    """Without SACK: the third duplicate ACK brings the lost segment, at once, and only that."""

    def attempt():
        with Peer(guest) as peer:
            peer.open()
            grow(peer)
            hole = peer.received - (lost + 4) * 1460
            begun = time.monotonic()
            peer.send(ack=hole)
            for _ in range(2):
                peer.send(ack=hole)
            early = peer.until_ping()
            peer.send(ack=hole)
            late = peer.until_ping()
            took = time.monotonic() - begun
            again = [s for s in late if s.start < peer.received and s.data
                     and s.start < hole + 1460]
            if took < RTO_LEAST:
                assert not [s for s in early if s.data and s.start <= hole]
                assert [(s.start, len(s.data)) for s in again] == [(hole, 1460)]
            peer.send()
            assert peer.answer() == FILES["large"]
        return took

    unhurried(attempt)


# ------------------------------------------------------------ windows


@pytest.mark.parametrize("window", [1, 700, 1459, 3000])
def test_small_window(guest, window):
    """Never more on its way than the window takes (Peer holds each segment against it)."""
    with Peer(guest, window=window) as peer:
        peer.open()
        if window == 1:  # a byte at a time, by the timer: two of them
            peer.send("PA", request("/small"))
            peer.take(2)
            peer.send(window=65535)
            assert peer.answer() == FILES["small"]
        else:
            fetch(peer, "page" if window < 1000 else "medium")


def test_zero_window_and_probes(guest):
    """A closed window is probed with the next byte, again and again, and nothing else is sent."""
    with Peer(guest) as peer:
        peer.open()
        peer.send("PA", request("/large"))
        while peer.received < FLIGHT * 1460:
            peer.next()
        closed = peer.received
        peer.send(window=0)
        times = []
        for _ in range(2):
            probe = peer.next("window probe", seconds=30)
            assert probe.start == closed and len(probe.data) <= 1
            times.append(probe.at)
            peer.send(ack=closed)
        assert times[1] - times[0] > 1  # it backs off: 1.5 s, 3 s
        peer.send(window=65535, ack=closed)
        assert peer.answer() == FILES["large"]


def test_probe_that_is_taken(guest):
    """Some peers take the probe's byte and keep the window shut."""
    with Peer(guest) as peer:
        peer.open()
        peer.send("PA", request("/large"))
        while peer.received < FLIGHT * 1460:
            peer.next()
        closed = peer.received
        peer.send(window=0)
        for taken in range(1, 3):
            probe = peer.next("window probe", lambda s: s.data, seconds=30)
            assert len(probe.data) == 1 and closed <= probe.start < closed + taken
            peer.send()
        peer.send(window=65535)
        assert peer.answer() == FILES["large"]


def test_last_byte_taken_as_a_probe(guest):
    """Then there is nothing left to probe for, and lwIP's timer must not look for it.

    Both halves of a window are filled (lwIP sends no segment larger than half of the largest window
    that it was given), so the response is one whose length is odd.
    """
    for name in ("small", "odd"):
        with Peer(guest, window=400) as peer:
            peer.open()
            peer.send("PA", request("/" + name))
            peer.head()
            length = peer.read + SIZES[name]
        if length % 2:
            break
    with Peer(guest, window=length - 1) as peer:
        peer.open()
        peer.send("PA", request("/" + name))
        while peer.received < length - 1:
            peer.next()
        peer.send(window=0)
        probe = peer.next("window probe", lambda s: s.start == length - 1 and s.data, seconds=30)
        assert probe.data == FILES[name][-1:]
        peer.send()
        peer.silent(4)
        peer.send(window=65535)
        assert peer.answer() == FILES[name]
        fetch(peer, "page")


def test_window_closed_from_the_start(guest):
    with Peer(guest, window=0) as peer:
        peer.open()
        peer.send("PA", request("/medium"))
        assert not [s for s in peer.until_ping() if s.data]
        peer.send(window=65535)
        assert peer.answer() == FILES["medium"]


def test_window_taken_back(guest):
    """RFC 9293 §3.8.6: a peer should not shrink its window, but what it does not take is kept."""
    with Peer(guest) as peer:
        peer.open()
        grow(peer)
        taken = peer.received - 4 * 1460
        peer.send(ack=taken, window=100)
        peer.until_ping()
        peer.send(window=65535)
        assert peer.answer() == FILES["large"]


# ------------------------------------------------------------ what comes in odd pieces


def test_request_in_overlapping_pieces(guest):
    """Sent twice, out of order, overlapping: the first copy of each byte is as good as any."""
    text = request("/" + "overlap" * 12)
    pieces = random.Random(9)
    for _ in range(10):
        with Peer(guest) as peer:
            peer.open()
            for _ in range(30):
                start = pieces.randrange(len(text) - 1)
                end = pieces.randrange(start + 1, min(len(text), start + 40) + 1)
                peer.send("A", text[start:end], at=start)
            for start in reversed(range(0, len(text), 25)):
                peer.send("A", text[max(0, start - 5):start + 30], at=max(0, start - 5))
            peer.sent = len(text)
            assert peer.answer() == FILES["overlap" * 12]
            assert peer.acked == len(text)
            peer.send("A", text[5:], at=5)  # and once more when it has been answered
            assert not [s for s in peer.until_ping() if s.data]
            fetch(peer, "small")


def test_segments_beyond_the_window(guest):
    """They are answered with an ACK and not kept."""
    with Peer(guest) as peer:
        peer.open()
        for at in (300_000, 2**30, -5000):
            peer.send("A", b"x" * 1000, at=at)
            answers = peer.until_ping()
            assert [(s.data, s.ack) for s in answers] == [(b"", 0)]
        peer.sent = 0
        fetch(peer, "small")


def test_old_and_new_data_in_one_segment(guest):
    first, second = request("/small"), request("/page")
    with Peer(guest) as peer:
        peer.open()
        peer.send("PA", first)
        assert peer.answer() == FILES["small"]
        peer.send("PA", first + second, at=0)
        peer.sent = len(first + second)
        assert peer.answer() == FILES["page"]


def test_urgent_data(guest):
    """Its pointer is not heeded (RFC 6093): the bytes are in the stream as any other."""
    with Peer(guest) as peer:
        peer.open()
        peer.send("PAU", request("/small"))
        assert peer.answer() == FILES["small"]


# ------------------------------------------------------------ the path's MTU


def test_fragmentation_needed(guest):
    """lwIP does no path MTU discovery over IPv4: routers may cut what it sends, as it says by
    leaving Don't Fragment clear. So the message (RFC 1191), which anybody can send, has no say."""
    with Peer(guest) as peer:
        peer.open()
        peer.send("PA", request("/large"))
        peer.next()
        frame = next(f for _, f in reversed(guest.wire.seen) if len(f) > 1000)
        assert not frame[20] & 0x40, "Don't Fragment is set"
        for mtu in (0, 68, 600, 1400, 65535):
            guest.wire.send(ether() / ip() / ICMP(type=3, code=4, nexthopmtu=mtu) / frame[14:42])
        peer.send()
        assert peer.answer() == FILES["large"]


@pytest.fixture
def other_host(guest):
    """We have an address that no other test uses: what is told of its path stays known."""
    guest.wire.IP6 = f"fe80::{next(Peer.ports):x}"
    yield guest
    del guest.wire.IP6


def too_big(guest, mtu, quoted):
    """That the last packet like this one was too big for a link on its way."""
    guest.wire.send(ether() / IPv6(src="fe80::77", dst=GUEST_IP6) / ICMPv6PacketTooBig(mtu=mtu)
                    / quoted[14:][:1000])


def last_large(guest):
    return next(f for _, f in reversed(guest.wire.seen) if len(f) > 1000 and f[12] == 0x86)


def narrow_the_path(guest):
    with Peer(guest, mss=1440, ipv6=True) as peer:
        peer.open()
        peer.send("PA", request("/large"))
        peer.next()
        for mtu in (1400, 1280):
            too_big(guest, mtu, last_large(guest))
            peer.until_ping()
            peer.largest = 0
            taken = peer.received  # and not acknowledged: the timer sends it again
            peer.next("retransmission", lambda s: s.start < taken and s.data)
            peer.send()
            peer.take(taken + 100_000)
            assert 1000 < peer.largest <= mtu
            peer.next()
        peer.largest = 0
        assert peer.answer() == FILES["large"]
        assert 1000 < peer.largest <= 1280
    with Peer(guest, mss=1440, ipv6=True) as peer:  # new ones know
        peer.open()
        fetch(peer, "medium")
        assert peer.largest <= 1280 and not peer._fragments


def test_packet_too_big(other_host):
    """What is on its way already comes again, in smaller packets, and nothing larger from then on
    (RFC 8201): cut by the device, or in fragments."""
    narrow_the_path(other_host)


def test_packet_too_big_with_checksums_alone(site_image, lossy_program):
    """The device makes the checksum of a segment, but not of one that is in fragments."""
    with boot_on("tap", site_image, lossy_program, "host_tso6=off") as guest:
        narrow_the_path(guest)
        assert_back(guest, guest.before)


def test_hostile_packet_too_big(other_host):
    """Smaller than IPv6's least (RFC 8201 §4) or larger than it was: no path's, and ignored."""
    guest = other_host
    with Peer(guest, mss=1440, ipv6=True) as peer:
        peer.open()
        peer.send("PA", request("/large"))
        peer.next()
        quoted = last_large(guest)
        hostile = (0, 1, 39, 40, 47, 48, 55, 56, 68, 1279, 1500, 1501, 65535, 65536, 2**32 - 1)
        before = guest.counters()["stack.icmp6_mtu_ignored"]
        for mtu in hostile:
            too_big(guest, mtu, quoted)
        peer.until_ping()
        assert guest.counters()["stack.icmp6_mtu_ignored"] == before + len(hostile)
        stranger = quoted[:38] + b"\x20\x01" + bytes(14) + quoted[54:]
        too_big(guest, 1280, stranger)
        too_big(guest, 1280, quoted[:14 + 39])  # not even a whole header
        peer.largest = 0
        peer.send()
        assert peer.answer() == FILES["large"]
        assert peer.largest == 1500
