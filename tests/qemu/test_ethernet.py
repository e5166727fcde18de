"""Raw frames: what must be answered is answered, and what is wrong is counted, never fatal."""

import contextlib
import random
import re
import time

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from frames import (
    GUEST_IP6, GUEST_MAC, arp_request, echo_request, ether, ip, is_arp_reply,
    is_echo_reply, ping, ping6)
from qemu import Wire


@contextlib.contextmanager
def counted(guest, pattern, at_least, exactly=False):
    """The counters of `stats` whose names match grow together by (at least) so many."""

    def total():
        found = {k: v for k, v in guest.counters().items() if re.search(pattern, k)}
        assert found, f"stats has no counter like {pattern!r}: {sorted(guest.counters())}"
        return sum(found.values())

    before = total()
    yield
    ping(guest, 0x7F00)  # frames are taken in order: behind the reply, all were seen
    grown = total() - before
    assert grown >= at_least, f"{pattern}: {grown} of {at_least} were counted"
    if exactly:
        assert grown == at_least, f"{pattern}: {grown} counted, {at_least} sent"


def no_reply(guest, matches, seconds=0.7):
    """Nothing that matches comes, even behind the reply to a later ping."""
    seen = len(guest.wire.seen)
    time.sleep(seconds)
    ping(guest, 0x7E00)
    assert not [f for _, f in guest.wire.seen[seen:] if matches(f)]


# ------------------------------------------------------------ what must be answered


def test_arp_is_answered(wired):
    wired.wire.send(arp_request())
    reply = Ether(wired.wire.expect(is_arp_reply(), what="ARP reply"))
    assert reply[ARP].hwsrc == GUEST_MAC and reply.src == GUEST_MAC
    assert reply.dst == Wire.MAC and reply[ARP].pdst == Wire.IP


def test_arp_for_somebody_else_is_not(wired):
    wired.wire.send(arp_request("10.0.0.77"))
    no_reply(wired, is_arp_reply("10.0.0.77"))


@pytest.mark.parametrize("size", [0, 1, 56, 1000, 1472])
def test_ping(wired, size):
    payload = bytes(n & 0xFF for n in range(size))
    reply = ping(wired, 0x1000 + size, payload)
    data = bytes(reply[Raw].load)[:size] if size else b""
    assert data == payload
    assert reply[ICMP].type == 0 and reply.src == GUEST_MAC


def test_replies_have_right_checksums(wired):
    reply = ping(wired, 0x1100)
    again = Ether(bytes(reply))
    said = (again[IP].chksum, again[ICMP].chksum)
    del again[IP].chksum, again[ICMP].chksum
    again = Ether(bytes(again))
    assert (again[IP].chksum, again[ICMP].chksum) == said


def test_ping_ipv6(wired):
    reply = ping6(wired)
    assert reply[IPv6].src == GUEST_IP6 and reply[IPv6].dst == Wire.IP6


def test_neighbour_solicitation_is_answered(wired):
    wired.wire.send(
        ether("33:33:ff:12:34:56") / IPv6(src=Wire.IP6, dst="ff02::1:ff12:3456", hlim=255)
        / ICMPv6ND_NS(tgt=GUEST_IP6) / ICMPv6NDOptSrcLLAddr(lladdr=Wire.MAC))
    reply = Ether(wired.wire.expect(
        lambda f: f[12:14] == b"\x86\xdd" and ICMPv6ND_NA in Ether(f), what="advertisement"))
    assert reply[ICMPv6ND_NA].tgt == GUEST_IP6 and reply[ICMPv6ND_NA].S == 1


def test_closed_tcp_port_is_refused(wired):
    wired.wire.send(ether() / ip() / TCP(sport=4000, dport=4321, flags="S", seq=7))
    reply = Ether(wired.wire.expect(
        lambda f: f[12:14] == b"\x08\x00" and f[23] == 6, what="TCP reset"))
    assert reply[TCP].flags == "RA" and reply[TCP].ack == 8


def test_handshake_and_isn_differ(wired):
    """RFC 6528: another connection, another sequence space."""
    numbers = set()
    for port in range(5000, 5004):
        wired.wire.send(ether() / ip() / TCP(sport=port, dport=80, flags="S", seq=1))
        reply = Ether(wired.wire.expect(
            lambda f, port=port: f[12:14] == b"\x08\x00" and f[23] == 6
            and f[36:38] == port.to_bytes(2, "big"), what="SYN ACK"))
        assert reply[TCP].flags == "SA" and reply[TCP].ack == 2
        numbers.add(reply[TCP].seq >> 20)
        wired.wire.send(ether() / ip() / TCP(sport=port, dport=80, flags="R", seq=2))
    assert len(numbers) > 1


# ------------------------------------------------------------ what must be counted


def test_runts_below_an_ethernet_header(promiscuous):
    with counted(promiscuous, r"^nic\.rx_queue_0_drop_runt", 13, exactly=True):
        for length in range(1, 14):
            promiscuous.wire.send(bytes(Ether(src=Wire.MAC, dst=GUEST_MAC))[:length])


@pytest.mark.parametrize("frame, counter, count", [
    (echo_request(0x2000), r"^ip\.drop|^stack\.rx_truncated", 46),
    (arp_request(), r"^stack\.rx_truncated", 42 - 14),  # from 42 bytes on it is whole
    (ether() / IPv6(src=Wire.IP6, dst=GUEST_IP6) / ICMPv6EchoRequest(id=1),
     r"^ip6\.drop|^stack\.rx_truncated", 46),
    (ether(type=0x1234) / Raw(bytes(60)), r"^stack\.rx_ethertype", 46),
], ids=["IPv4", "ARP", "IPv6", "unknown"])
def test_short_frames_of_every_length(wired, frame, counter, count):
    """14 to 59 bytes, cut out of frames that are right: each is dropped and counted."""
    with counted(wired, counter, count, exactly=True):
        for length in range(14, 60):
            wired.wire.send(bytes(frame)[:length])


def test_giants(wired):
    """Beyond MTU + header + VLAN tag, as far as the NIC lets them through to a buffer."""
    with counted(wired, r"^nic\.rx_queue_0_drop_over_length", 1600 - 1518, exactly=True):
        for length in range(1519, 1601):
            wired.wire.send(bytes(echo_request(0x2100, bytes(length)))[:length])


def test_giants_beyond_a_buffer(wired):
    for length in (1665, 2048, 4096, 9000, 65000):
        wired.wire.send(bytes(echo_request(0x2200, bytes(1400))) + bytes(length - 1442))
    ping(wired)


def test_full_size_with_trailer(wired):
    """1515 to 1518 bytes are within what a VLAN tag would need: taken, the trailer ignored."""
    for length in range(1515, 1519):
        frame = bytes(echo_request(length, bytes(1472)))
        wired.wire.send(frame + bytes(length - len(frame)))
        wired.wire.expect(is_echo_reply(length), 10, f"reply to {length} bytes")


def test_bad_ip_checksum(wired):
    with counted(wired, r"^ip\.chkerr", 5, exactly=True):
        for _ in range(5):
            wired.wire.send(ether() / ip(chksum=0xDEAD) / ICMP(id=0x3000) / b"x")
        no_reply(wired, is_echo_reply(0x3000))


def test_bad_icmp_checksum(wired):
    with counted(wired, r"^icmp\.chkerr", 5, exactly=True):
        for _ in range(5):
            wired.wire.send(ether() / ip() / ICMP(id=0x3001, chksum=0xDEAD) / b"x")
        no_reply(wired, is_echo_reply(0x3001))


def test_bad_tcp_checksum(wired):
    with counted(wired, r"^tcp\.chkerr", 5, exactly=True):
        for _ in range(5):
            wired.wire.send(
                ether() / ip() / TCP(sport=4001, dport=80, flags="S", chksum=0xDEAD))
        no_reply(wired, lambda f: f[12:14] == b"\x08\x00" and f[23] == 6)


def test_bad_udp_checksum(wired):
    with counted(wired, r"^udp\.chkerr", 5, exactly=True):
        for _ in range(5):
            wired.wire.send(
                ether() / ip() / UDP(sport=4001, dport=68, chksum=0xDEAD) / bytes(300))


def test_bad_icmpv6_checksum(wired):
    with counted(wired, r"^icmp6\.chkerr", 5, exactly=True):
        for _ in range(5):
            wired.wire.send(ether() / IPv6(src=Wire.IP6, dst=GUEST_IP6)
                            / ICMPv6EchoRequest(id=1, cksum=0xDEAD))


def test_bad_ip_header_fields(wired):
    """Versions, header lengths and total lengths that lie."""
    with counted(wired, r"^ip\.drop", 8, exactly=True):
        for fields in ({"version": 5}, {"version": 0}, {"ihl": 0}, {"ihl": 4}, {"ihl": 15},
                       {"len": 0}, {"len": 19}, {"len": 65535}):
            wired.wire.send(ether() / ip(**fields) / ICMP(id=0x3100) / b"x")
        no_reply(wired, is_echo_reply(0x3100))


def test_bad_tcp_header_fields(wired):
    for fields in ({"dataofs": 0}, {"dataofs": 4}, {"dataofs": 15}, {"flags": "FSRPAUEC"},
                   {"flags": 0}, {"options": [(2, b"")]}, {"options": [(3, b"\xff" * 8)]}):
        wired.wire.send(ether() / ip() / TCP(sport=4002, dport=80, **fields))
    ping(wired)
    wired.wire.send(ether() / ip() / TCP(sport=4002, dport=80, flags="R", seq=1))  # a SYN was right


def test_vlan_tagged(wired):
    with counted(wired, r"^stack\.rx_vlan", 10, exactly=True):
        for vlan in range(10):
            wired.wire.send(
                Ether(src=Wire.MAC, dst=GUEST_MAC) / Dot1Q(vlan=vlan) / ip()
                / ICMP(id=0x3200) / b"tagged")
        no_reply(wired, is_echo_reply(0x3200))


def test_unknown_ethertype(wired):
    with counted(wired, r"^stack\.rx_ethertype", 10, exactly=True):
        for number in range(10):
            wired.wire.send(ether(type=0x88B5 + number % 2) / Raw(bytes(46)))


def send_to_another(guest):
    for _ in range(10):
        guest.wire.send(ether("52:54:00:99:99:99") / ip() / ICMP(id=0x3300) / b"x")
    no_reply(guest, is_echo_reply(0x3300))


def test_unicast_to_another_mac(promiscuous):
    with counted(promiscuous, r"^stack\.rx_other_host", 10, exactly=True):
        send_to_another(promiscuous)


def test_the_card_drops_unicast_to_another_mac(wired):
    with counted(wired, r"^stack\.rx_other_host", 0, exactly=True):
        send_to_another(wired)


# ------------------------------------------------------------ fragments


def fragments(ident, size=3000, piece=1000, seed=0):
    """An echo request of size bytes in pieces, in order."""
    whole = bytes(ip(id=ident) / ICMP(id=ident, seq=seed) / bytes(size))[20:]
    made = []
    for start in range(0, len(whole), piece):
        last = start + piece >= len(whole)
        made.append(ether() / ip(id=ident, proto=1, flags=0 if last else "MF", frag=start // 8)
                    / Raw(whole[start:start + piece]))
    return made


@pytest.mark.parametrize("order", ["in order", "reversed", "shuffled"])
def test_fragments_are_put_together(wired, order):
    ident = {"in order": 0x4000, "reversed": 0x4001, "shuffled": 0x4002}[order]
    pieces = fragments(ident)
    if order == "reversed":
        pieces.reverse()
    elif order == "shuffled":
        random.Random(1).shuffle(pieces)
    for piece in pieces:
        wired.wire.send(piece)
    wired.wire.expect(is_echo_reply(ident), 10, "reply to the whole")


def test_overlapping_fragment_is_dropped(wired):
    pieces = fragments(0x4100)
    pieces.insert(1, ether() / ip(id=0x4100, proto=1, flags="MF", frag=60) / Raw(bytes(1000)))
    with counted(wired, r"^ip_frag\.drop", 1):
        for piece in pieces:
            wired.wire.send(piece)


def test_duplicate_and_impossible_fragments(wired):
    for piece in fragments(0x4200):
        wired.wire.send(piece)
        wired.wire.send(piece)
    wired.wire.send(ether() / ip(id=0x4201, proto=1, frag=8191) / Raw(bytes(1000)))  # > 65535
    wired.wire.send(ether() / ip(id=0x4202, proto=1, flags="MF", frag=0) / Raw(b""))
    wired.wire.send(ether() / ip(id=0x4203, proto=1, flags="MF", frag=0) / Raw(b"1234567"))
    ping(wired)


def test_incomplete_fragments_give_their_memory_back(wired):
    """More open datagrams than there is room for; in the end every buffer is free again."""

    def free_buffers():
        return wired.counters()["pktbuf.free"]

    ping(wired)
    before = free_buffers()
    for ident in range(0x5000, 0x5000 + 300):
        wired.wire.send(fragments(ident)[ident % 3])
    ping(wired)  # still answers while they are held
    deadline = time.monotonic() + 60
    while (now := free_buffers()) < before and time.monotonic() < deadline:
        time.sleep(2)
    assert now >= before, f"{before - now} buffers are lost"


# ------------------------------------------------------------ garbage


def test_random_garbage(wired):
    """2,000 frames of noise behind headers that get deeper and deeper into the stack."""
    rng = random.Random(20)
    heads = [
        b"",
        bytes(ether(type=0x0800)),
        bytes(ether(type=0x86DD)),
        bytes(ether(type=0x0806)),
        bytes(ether() / ip(proto=1)),
        bytes(ether() / ip(proto=6)),
        bytes(ether() / ip(proto=17)),
        bytes(ether() / IPv6(src=Wire.IP6, dst=GUEST_IP6, nh=58)),
        bytes(ether() / IPv6(src=Wire.IP6, dst=GUEST_IP6, nh=0)),
        bytes(ether() / ip() / TCP(sport=6000, dport=80, flags="PA")),
    ]
    for number in range(2000):
        frame = bytearray(heads[number % len(heads)] + rng.randbytes(rng.randrange(0, 200)))
        if len(frame) > 24 and rng.random() < 0.5:
            frame[rng.randrange(14, len(frame))] = rng.randrange(256)
        wired.wire.send(frame or b"\0")
        if number % 200 == 199:
            ping(wired, 0x6000 + number)
    assert wired.process.poll() is None
    assert "panic" not in wired.text()


def test_mutated_frames(wired):
    """Right frames with a few bits turned, checksums and all."""
    rng = random.Random(21)
    right = [
        bytes(echo_request(0x6666)),
        bytes(arp_request()),
        bytes(ether() / ip() / TCP(sport=6001, dport=80, flags="S", options=[("MSS", 1460)])),
        bytes(ether() / IPv6(src=Wire.IP6, dst=GUEST_IP6) / ICMPv6EchoRequest(data=b"x" * 40)),
        bytes(ether("33:33:ff:12:34:56") / IPv6(src=Wire.IP6, dst="ff02::1:ff12:3456")
              / ICMPv6ND_NS(tgt=GUEST_IP6)),
    ]
    for number in range(1000):
        frame = bytearray(right[number % len(right)])
        for _ in range(rng.randrange(1, 4)):
            frame[rng.randrange(12, len(frame))] ^= 1 << rng.randrange(8)
        wired.wire.send(frame)
        if number % 200 == 199:
            ping(wired, 0x6800 + number)
    ping6(wired)


def test_a_burst_is_survived(wired):
    """Far more at once than the ring holds: some are lost, the guest is not."""
    for number in range(3000):
        wired.wire.send(echo_request(0x6A00, seq=number & 0xFFFF))
    time.sleep(2)
    wired.wire.drain()
    ping(wired, 0x6A01, seconds=30)
    assert wired.console_json("uptime")


def test_answers_over_dgram_sockets_too(boot, tmp_path):
    """The same over -netdev dgram: each datagram is a frame."""
    import socket

    guest = boot(cfg="ip = 10.0.0.2/24\n", net="dgram")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind(str(guest.folder / "ours.sock"))
        wire.settimeout(10)
        guest.wait_prompt()
        wire.sendto(bytes(arp_request()), str(guest.folder / "qemu.sock"))
        while not is_arp_reply()(wire.recv(65536)):
            pass
