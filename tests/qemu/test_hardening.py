"""Frames that lwIP 2.2.1 must not be given, and floods of SYNs (docs/hardening.md).

The first part sends, on a raw wire, what would bring lwIP to read beyond its end, and looks at the
counter and at whether the server lives. The second is a tap in a namespace of the test's own, where
a raw socket sends SYNs from made-up addresses while clients on the namespace's own TCP go on.
"""

import itertools
import socket
import struct
import threading
import time

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import (
    ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_Redirect, IPv6, IPv6ExtHdrFragment)
from scapy.packet import Raw

import links
import qemu
from frames import (
    GUEST_IP, GUEST_IP6, GUEST_MAC, echo_request, ether, ip, is_echo_reply, ping, ping6)
from peer import ACK, Peer, ones_sum, request
from qemu import Wire
from test_crowd import Place, connections, wait_connections

FLOOD = 30_000
BATCH = 100  # SYNs, each millisecond or so: more than the guest takes
KEPT = 200  # connections that are open all the time

# ------------------------------------------------------------ what lwIP must not be given


@pytest.fixture
def served(wired):
    """The guest still serves when the test is over."""
    yield wired
    ping(wired)
    ping6(wired)
    with Peer(wired) as peer:
        peer.open()
        peer.send("PA", request("/"))
        peer.next("answer", lambda s: s.data.startswith(b"HTTP/1.1 "))


def counted(guest, name, frames):
    """By how much the counter grows when these are sent, and nothing comes back."""
    before = guest.counters()[f"stack.{name}"]
    guest.wire.drain()
    for frame in frames:
        guest.wire.send(frame)
    guest.wire.send(echo_request(0x4A11))
    first = guest.wire.expect(lambda f: f[12:14] != b"\x08\x06", what="the echo's reply")
    assert is_echo_reply(0x4A11)(first), first.hex()
    return guest.counters()[f"stack.{name}"] - before


def segment(options, flags="S"):
    """A TCP segment whose options are these bytes, as they are."""
    head = TCP(sport=6100, dport=80, seq=1, flags=flags, dataofs=5 + len(options) // 4)
    return ether() / ip() / head / Raw(options)


BAD_OPTIONS = [b"\1\1\1\2", b"\1\1\1\3", b"\2\0\5\xb4", b"\5\1\1\1", b"\x08\x0a\1\1",
               b"\2\4\5\xb4\1\1\1\x08", b"\xff" * 40]


def test_tcp_options_beyond_the_header(served):
    frames = [segment(options, flags) for options in BAD_OPTIONS for flags in ("S", "A", "PA", "R")]
    assert counted(served, "tcp_bad_options", frames) == len(frames)


def test_tcp_header_in_two_fragments(served):
    whole = IP(bytes(segment(b"\2\4\5\xb4\1\3\3\7\1\1\4\2").payload))
    frames = [ether() / piece for piece in fragment(whole, 24)]
    assert len(frames) == 2
    assert counted(served, "tcp_bad_options", frames) == 1


def nd(message, options):
    return ether() / IPv6(src=Wire.IP6, dst=GUEST_IP6, hlim=255) / message / Raw(options)


MESSAGES = [ICMPv6ND_NS(tgt=GUEST_IP6), ICMPv6ND_NA(tgt=Wire.IP6, S=1, O=1), ICMPv6ND_RA()]
BAD_ND_OPTIONS = [b"\1\0", b"\2\0", b"\1", b"\1\2" + bytes(6), b"\2\xff" + bytes(6),
                  b"\1\1\2\0\0\0\0\1\5\0", b"\1\1\2\0\0\0\0\1\5\1\0"]


def test_nd_options_beyond_the_message(served):
    frames = [nd(message, options) for message in MESSAGES for options in BAD_ND_OPTIONS]
    assert counted(served, "nd6_bad_options", frames) == len(frames)


def test_nd_in_fragments(served):
    """RFC 6980 §5."""
    text = bytes(nd(MESSAGES[1], b"\2\2" + bytes(14)))[54:]
    frames = [ether() / IPv6(src=Wire.IP6, dst=GUEST_IP6, hlim=255)
              / IPv6ExtHdrFragment(nh=58, id=7, offset=at // 8, m=at == 0) / Raw(piece)
              for at, piece in ((0, text[:32]), (32, text[32:]))]
    assert counted(served, "nd6_bad_options", frames) == 1


def test_redirects(served):
    frames = [nd(ICMPv6ND_Redirect(tgt="fe80::77", dst=Wire.IP6), b"\2\1\2\0\0\0\0\7"),
              nd(ICMPv6ND_Redirect(tgt="fe80::77", dst=Wire.IP6), b"\2\0")]
    assert counted(served, "nd6_redirects", frames) == 2


def test_dhcp_in_fragments(served):
    whole = (IP(src=Wire.IP, dst=GUEST_IP, id=9) / UDP(sport=67, dport=68)
             / BOOTP(op=2, chaddr=bytes.fromhex(GUEST_MAC.replace(":", "")))
             / DHCP(options=[("message-type", 2), ("vendor_class_id", b"x" * 200), "end"]))
    assert counted(served, "rx_split_dhcp", [ether() / p for p in fragment(whole, 256)]) == 1


def test_fragments_without_end(boot):
    """More than there is room for, of one packet and of many; and larger than any link's. That they are
    forgotten after a minute (RFC 8200 §4.5) is in tests/lwip/test_rx_guard.c, where time costs nothing."""
    guest = boot(cfg="ip = 10.0.0.2/24\n", net="wire")
    guest.wait_prompt()
    guest.wait_for("(link-local)")
    large = ether() / IPv6(src=Wire.IP6, dst=GUEST_IP6) / IPv6ExtHdrFragment(m=1) / Raw(bytes(6000))
    before = guest.counters()
    guest.wire.send(large)
    for number in range(400):
        guest.wire.send(ether() / IPv6(src=Wire.IP6, dst=GUEST_IP6) / IPv6ExtHdrFragment(
            nh=17, id=number % 50, offset=2 * number + 1, m=1) / Raw(bytes(8)))
        guest.wire.send(ether() / ip(id=number % 50, frag=2 * number + 1, flags="MF", proto=17)
                        / Raw(bytes(8)))
    ping(guest)
    ping6(guest)
    after = guest.counters()
    assert after["nic.rx_queue_0_drop_over_length"] == before["nic.rx_queue_0_drop_over_length"] + 1
    assert after["stack.rx_split_fragments"] == before["stack.rx_split_fragments"]
    assert 0 < after["stack.rx_held"] <= 256


# ------------------------------------------------------------ what is answered, and how often


def test_challenges(served):
    """RFC 5961: forged resets, SYNs, and data with a number that nobody can mean."""
    with Peer(served) as peer:
        peer.open()
        for send in (lambda n: peer.send("R", at=1 + n), lambda n: peer.send("S", at=1 + n),
                     lambda n: peer.send("PA", b"blind", at=0, ack=1 + n)):
            time.sleep(0.6)
            before = served.counters()
            for number in range(50):
                send(number)
            came = peer.until_ping()
            after = served.counters()
            assert 1 <= len(came) <= 2 and all(s.flags == ACK for s in came), came
            grown = {name: after[f"stack.{name}"] - before[f"stack.{name}"]
                     for name in ("tcp_challenge_acks", "tcp_acks_skipped", "tcp_bad_acks")}
            assert grown["tcp_challenge_acks"] == len(came)
            assert grown["tcp_acks_skipped"] == 50 - len(came)
        assert grown["tcp_bad_acks"] == 50
        peer.sent = 0
        peer.send("PA", request("/"))
        peer.next("answer", lambda s: s.data)


def test_no_war_of_acks(served):
    """Pure ACKs beyond the window, as many as we like: a few answers."""
    with Peer(served) as peer:
        peer.open()
        for number in range(300):
            peer.send("A", at=400_000 + number)
        assert 1 <= len(peer.until_ping()) <= 3


def test_pings_are_limited(boot):
    """icmp_rate=, for echo replies and errors each."""
    guest = boot(cfg="ip = 10.0.0.2/24\nicmp_rate = 100\n", net="wire")
    guest.wait_prompt()
    ping(guest)
    time.sleep(1.5)
    for number in range(1000):
        guest.wire.send(echo_request(0x4A12, seq=number))
        guest.wire.send(ether() / ip() / UDP(sport=7, dport=9) / b"nobody")
    time.sleep(1)
    counters = guest.counters()
    replies = sum(is_echo_reply(0x4A12)(frame) for _, frame in guest.wire.seen)
    assert 100 <= replies <= 500
    assert counters["stack.icmp_echo_limited"] == 1000 - replies
    assert 500 <= counters["stack.icmp_limited"] < 1000
    time.sleep(1.1)
    ping(guest)


# ------------------------------------------------------------ floods


class Strangers:
    """SYNs from made-up addresses, one after the other, from an interface of the namespace."""

    def __init__(self, space, addresses, dport=80, pause=0.001):
        self._socket = space.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind(("g0", 0))
        self._ended = threading.Event()
        ours = self._socket.getsockname()[4]
        self._head = bytes.fromhex(GUEST_MAC.replace(":", "")) + ours + b"\x08\x00"
        self._sources = [socket.inet_aton(address) for address in addresses]
        self._dport, self._pause = dport, pause
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.sent = 0

    def _frame(self, number):
        ends = self._sources[number % len(self._sources)] + socket.inet_aton(links.GUEST_IP)
        tcp = struct.pack(">HHIIBBHHHI", 1024 + number % 60001, self._dport, number * 7919 % 2**32,
                          0, 0x60, 2, 64240, 0, 0, 0x020405B4)
        sums = ones_sum(ends + struct.pack(">II", len(tcp), 6) + tcp)
        tcp = tcp[:16] + struct.pack(">H", 0xFFFF - sums) + tcp[18:]
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + ends
        head = head[:10] + struct.pack(">H", 0xFFFF - ones_sum(head)) + head[12:]
        return self._head + head + tcp

    def _send(self):
        for number in itertools.count():
            if self._ended.is_set():
                return
            try:
                self._socket.send(self._frame(number))
                self.sent += 1
            except OSError:  # the interface's queue is full
                time.sleep(0.001)
            if number % BATCH == 0:
                time.sleep(self._pause)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(30)
        self._socket.close()


FAR = [f"172.20.{high}.{low}" for high in range(256) for low in range(1, 255)]
NEAR = [f"10.0.0.{low}" for low in range(200, 250)]


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.close()


def boot_there(place, cfg=""):
    guest = qemu.Guest(image=place.image, net=place.plug,
                       cfg=f"ip = {links.GUEST_IP}/24\ngateway = {links.HOST_IP}\n"
                           f"http_idle_timeout_s = 3600\n{cfg}")
    guest.wait_prompt()
    guest.wait_for("(link-local)")
    return guest


def under_a_flood(guest, place, addresses, at_least=50, pause=0.001):
    """Connections that were open before live on, and of 50 new ones so many are served. What was
    counted."""
    with place.crowd() as kept, place.crowd() as fresh:
        kept.all_right(KEPT, "open", KEPT)
        fresh.all_right(50, "fresh", 50)
        before = guest.counters()
        with Strangers(place.space, addresses, pause=pause) as strangers:
            while strangers.sent < FLOOD:
                kept.all_right(KEPT, "use")
                assert fresh.tell("fresh", 50)["done"] >= at_least
        after = guest.counters()
        kept.all_right(KEPT, "use")
        assert connections(guest) >= KEPT
        kept.all_right(KEPT, "close")
        wait_connections(guest, 0)
    grown = {name: after[name] - before[name] for name in after if name in before}
    print(f"{strangers.sent} SYNs sent, {grown['tcp.recv']} segments taken;",
          {name: value for name, value in grown.items() if name.startswith("stack.tcp_")})
    assert grown["memp.TCP_PCB_failed"] == 0 and after["memp.TCP_PCB_max"] < 2 * KEPT + 400
    assert grown["stack.tcp_evicted"] == 0 and grown["stack.tcp_listen_overflows"] > 0
    return grown


@pytest.mark.xdist_group("hardening")
@pytest.mark.parametrize("addresses", [FAR, NEAR], ids=["far", "near"])
def test_a_flood_of_syns(place, addresses):
    """From beyond the router, and from the link itself, where nobody answers ARP."""
    with boot_there(place) as guest:
        grown = under_a_flood(guest, place, addresses)
        assert grown["stack.tcp_syncookies_sent"] > FLOOD // 3
        assert grown["stack.tcp_syncookies_recv"] > 0
        assert grown["stack.tcp_syncookies_failed"] == 0
        with place.crowd() as crowd:  # and afterwards all is as before
            crowd.all_right(100, "open", 100)
            crowd.all_right(100, "use")
            crowd.all_right(100, "close")


@pytest.mark.xdist_group("hardening")
def test_a_flood_without_cookies(place):
    """The oldest half-open connection goes, and no other. Who is the oldest before its ACK is there
    is not served: so the flood is such that 255 SYNs take longer than that."""
    with boot_there(place, "tcp_syncookies = off\n") as guest:
        grown = under_a_flood(guest, place, FAR, at_least=40, pause=0.02)
        assert grown["stack.tcp_syncookies_sent"] == 0
        assert grown["stack.tcp_half_open_evicted"] > FLOOD // 3


@pytest.mark.xdist_group("hardening")
def test_a_flood_of_a_closed_port(place):
    with boot_there(place) as guest, place.crowd() as crowd:
        with Strangers(place.space, FAR, dport=81) as strangers:
            while strangers.sent < FLOOD:
                crowd.all_right(50, "fresh", 50)
        assert guest.counters()["tcp.proterr"] > FLOOD // 3
