"""Addresses: static, by DHCP, without any DHCP server, and from one that wakes up late."""

import re
import time

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import Ether

from frames import ether, ping
from qemu import Wire

FALLBACK = "192.168.76.2"
FALLBACK_NEIGHBOUR = "192.168.76.1"


def dhcp_kind(frame):
    """1 for a DISCOVER, 3 for a REQUEST..., None for all that is not DHCP from a client."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[36:38] != b"\x00\x43":
        return None
    for option in Ether(frame)[DHCP].options:
        if option[0] == "message-type":
            return option[1]
    return None


def is_dhcp(kind):
    return lambda frame: dhcp_kind(frame) == kind


def answer(guest, request, kind, address="10.0.0.99"):
    """As a server at our end of the wire: an offer (2) or acknowledgement (5)."""
    asked = Ether(request)[BOOTP]
    guest.wire.send(
        ether("ff:ff:ff:ff:ff:ff") / IP(src=Wire.IP, dst="255.255.255.255")
        / UDP(sport=67, dport=68)
        / BOOTP(op=2, xid=asked.xid, chaddr=asked.chaddr, yiaddr=address, siaddr=Wire.IP)
        / DHCP(options=[
            ("message-type", kind), ("server_id", Wire.IP), ("lease_time", 3600),
            ("subnet_mask", "255.255.255.0"), ("router", Wire.IP), "end"]))


def lease(guest, address="10.0.0.99"):
    """Serve one whole exchange."""
    answer(guest, guest.wire.expect(is_dhcp(1), 60, "DHCPDISCOVER"), 2, address)
    answer(guest, guest.wire.expect(is_dhcp(3), 30, "DHCPREQUEST"), 5, address)


def wait_address(guest, address, seconds=30):
    deadline = time.monotonic() + seconds
    while f"inet {address}/" not in (said := guest.console("ip")):
        assert time.monotonic() < deadline, said
        time.sleep(0.5)


def get_by_hand(guest, address):
    """GET / over the raw wire: handshake, request, the first bytes of the answer."""
    port = 40000 + int(time.monotonic()) % 20000

    def packet(**fields):
        return ether() / IP(src=guest.wire.ip, dst=address) / TCP(sport=port, dport=80, **fields)

    def ours(frame):
        return (frame[12:14] == b"\x08\x00" and frame[23] == 6
                and frame[36:38] == port.to_bytes(2, "big"))

    guest.wire.send(packet(flags="S", seq=100, options=[("MSS", 1460)]))
    opened = Ether(guest.wire.expect(ours, 10, "SYN ACK"))
    assert opened[TCP].flags == "SA"
    at = opened[TCP].seq + 1
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    guest.wire.send(packet(flags="PA", seq=101, ack=at) / request)
    data = guest.wire.expect(
        lambda f: ours(f) and len(bytes(Ether(f)[TCP].payload).rstrip(b"\0")) > 8, 10, "answer")
    guest.wire.send(packet(flags="R", seq=101 + len(request)))
    return bytes(Ether(data)[TCP].payload)


def test_static_address(wired):
    said = wired.console("ip")
    assert "inet 10.0.0.2/24" in said
    assert "DHCP" not in said.upper() or "static" in said
    assert not [f for _, f in wired.wire.seen if dhcp_kind(f)], "asked DHCP all the same"
    assert get_by_hand(wired, "10.0.0.2").startswith(b"HTTP/1.1 200")


def test_bad_static_address_is_told(boot):
    """The log says what is wrong, and the machine still boots."""
    guest = boot(cfg="ip = 10.0.0.300/24\n", net="wire")
    guest.wait_prompt()
    assert "10.0.0.300" in guest.console("dmesg")


def test_dhcp(boot):
    guest = boot(net="wire", cfg="")
    lease(guest)
    guest.wait_prompt()
    wait_address(guest, "10.0.0.99")
    ping(guest, dst="10.0.0.99")
    assert get_by_hand(guest, "10.0.0.99").startswith(b"HTTP/1.1 200")


def test_dhcp_by_qemu(shared):
    assert "inet 10.0.2.15/24" in shared.console("ip")
    assert shared.get()[0] == 200


def test_no_dhcp_server(boot):
    """The boot does not wait for one; after 5 s it says so and goes on asking."""
    guest = boot(net="wire", cfg="")
    guest.wait_prompt()  # the prompt is there long before
    first = guest.wire.expect(is_dhcp(1), 30, "DHCPDISCOVER")
    assert first
    begun = next(t for t, f in guest.wire.seen if dhcp_kind(f) == 1)
    guest.wait_for(FALLBACK, 30)
    told = time.monotonic() - begun
    assert 3.5 < told < 15, f"told {told:.1f} s after the first question"
    line = next(line for line in guest.text().splitlines() if FALLBACK in line)
    assert "DHCP" in line.upper(), line
    wait_address(guest, FALLBACK)
    guest.wire.ip = FALLBACK_NEIGHBOUR
    ping(guest, dst=FALLBACK)
    assert get_by_hand(guest, FALLBACK).startswith(b"HTTP/1.1 200")
    guest.wire.drain()
    guest.wire.expect(is_dhcp(1), 90, "later DHCPDISCOVER: it gave up asking")


def test_fallback_address_from_the_config(boot):
    guest = boot(net="wire", cfg="fallback_ip = 172.16.5.5/16\n")
    guest.wait_prompt()
    wait_address(guest, "172.16.5.5")
    guest.wire.ip = "172.16.200.1"
    ping(guest, dst="172.16.5.5")


def test_late_dhcp_server_is_taken(boot):
    guest = boot(net="wire", cfg="")
    guest.wait_prompt()
    wait_address(guest, FALLBACK)
    guest.wire.drain()
    lease(guest, "10.0.0.98")
    wait_address(guest, "10.0.0.98")
    assert FALLBACK not in guest.console("ip")
    ping(guest, dst="10.0.0.98")
    assert get_by_hand(guest, "10.0.0.98").startswith(b"HTTP/1.1 200")


def test_slaac(boot):
    """A router is asked for, and its advertisement gives a global address (RFC 4862)."""
    guest = boot(net="wire", cfg="ip = 10.0.0.2/24\n")
    guest.wait_prompt()
    guest.wire.expect(lambda f: f[12:14] == b"\x86\xdd" and ICMPv6ND_RS in Ether(f), 20,
                      "router solicitation")
    guest.wire.send(
        ether("33:33:00:00:00:01") / IPv6(src=Wire.IP6, dst="ff02::1", hlim=255)
        / ICMPv6ND_RA(routerlifetime=1800)
        / ICMPv6NDOptSrcLLAddr(lladdr=Wire.MAC)
        / ICMPv6NDOptPrefixInfo(prefix="2001:db8:1::", prefixlen=64, L=1, A=1,
                                validlifetime=86400, preferredlifetime=14400))
    deadline = time.monotonic() + 20
    while not re.search(r"inet6 2001:db8:1:[^/]*/64", said := guest.console("ip")):
        assert time.monotonic() < deadline, said
        time.sleep(0.5)
