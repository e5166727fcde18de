"""Frames for the tests on a raw wire: how to make them, and how to know the answers."""

import socket
import struct

from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Ether

from qemu import Wire

GUEST_MAC = "52:54:00:12:34:56"  # QEMU's first NIC
GUEST_IP = "10.0.0.2"
GUEST_IP6 = "fe80::5054:ff:fe12:3456"  # SLAAC's link-local from that MAC


def ether(dst=GUEST_MAC, **fields):
    return Ether(src=Wire.MAC, dst=dst, **fields)


def ip(dst=GUEST_IP, **fields):
    return IP(src=Wire.IP, dst=dst, **fields)


def echo_request(ident, payload=b"tophalf" * 4, seq=1, dst=GUEST_IP, src=Wire.IP):
    return ether() / IP(src=src, dst=dst) / ICMP(id=ident, seq=seq) / payload


def is_echo_reply(ident, seq=None):
    """A matcher for Wire.expect(): the (first fragment of the) reply to that request."""

    def matches(frame):
        if frame[12:14] != b"\x08\x00" or frame[23] != 1:
            return False
        if struct.unpack_from(">H", frame, 20)[0] & 0x1FFF:
            return False
        icmp = 14 + (frame[14] & 15) * 4
        kind, _, _, got, got_seq = struct.unpack_from(">BBHHH", frame, icmp)
        return kind == 0 and got == ident and seq in (None, got_seq)

    return matches


def ping(guest, ident=0x7001, payload=b"tophalf" * 4, dst=GUEST_IP, seconds=10):
    """Ask once and return the reply as scapy reads it."""
    guest.wire.send(echo_request(ident, payload, dst=dst, src=guest.wire.ip))
    reply = Ether(guest.wire.expect(is_echo_reply(ident), seconds, "echo reply"))
    assert reply[IP].src == dst and reply[IP].dst == guest.wire.ip
    return reply


def ping6(guest, ident=0x7006, seconds=10):
    guest.wire.send(
        ether() / IPv6(src=Wire.IP6, dst=GUEST_IP6) / ICMPv6EchoRequest(id=ident, data=b"six"))

    def matches(frame):
        if frame[12:14] != b"\x86\xdd":
            return False
        packet = Ether(frame)
        return ICMPv6EchoReply in packet and packet[ICMPv6EchoReply].id == ident

    return Ether(guest.wire.expect(matches, seconds, "ICMPv6 echo reply"))


def arp_request(target=GUEST_IP, dst="ff:ff:ff:ff:ff:ff"):
    return ether(dst) / ARP(op=1, hwsrc=Wire.MAC, psrc=Wire.IP, pdst=target)


def is_arp_reply(target=GUEST_IP):
    return lambda frame: (frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02"
                          and frame[28:32] == socket.inet_aton(target))
