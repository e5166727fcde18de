"""The app kv: memcached's UDP protocol, answered from three places, with the same words."""

import struct

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

import qemu
from conftest import WIRED_CFG
from frames import GUEST_IP6, ether, ip, ping
from test_schema import errors

pytestmark = pytest.mark.xdist_group("raw")

PATHS = ("lwip", "xsk", "xdp")
PORT = 11211


@pytest.fixture(scope="module")
def booted(app_image, xdp_object):
    with qemu.Guest(image=app_image("kv"), cfg=WIRED_CFG, net="wire",
                    files={"xdp/kv.o": xdp_object("kv")}) as guest:
        guest.wait_prompt()
        guest.wait_for("(link-local)")
        ping(guest)
        yield guest


@pytest.fixture(params=PATHS)
def guest(booted, request):
    said = booted.console_json(f"kv path {request.param}")
    assert errors("kv", said) == [] and said["path"] == request.param, said
    booted.path = request.param
    ask(booted, b"flush_all\r\n")
    return booted


class Asked:
    number = 0


def send(guest, command, header=None):
    Asked.number = (Asked.number + 1) & 0xFFFF
    head = struct.pack(">HHHH", Asked.number, 0, 1, 0) if header is None else header
    guest.wire.send(ether() / ip() / UDP(sport=4000 + Asked.number % 1000, dport=PORT) / (head + command))
    return 4000 + Asked.number % 1000, Asked.number


def ask(guest, command):
    """The text that comes back; every checksum and length on the way is looked at."""
    port, number = send(guest, command)

    def matches(frame):
        return frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[36:38] == struct.pack(">H", port)

    raw = guest.wire.expect(matches, what=f"an answer to {command[:40]}")
    packet = Ether(raw)
    assert packet[IP].src == "10.0.0.2" and packet[UDP].sport == PORT
    again = Ether(raw)
    del again[IP].chksum, again[UDP].chksum
    again = Ether(bytes(again))
    assert (packet[IP].chksum, packet[UDP].chksum or again[UDP].chksum) == (again[IP].chksum, again[UDP].chksum)
    assert packet[IP].len == 20 + packet[UDP].len
    payload = bytes(packet[UDP].payload)[:packet[UDP].len - 8]
    assert payload[:8] == struct.pack(">HHHH", number, 0, 1, 0)
    return payload[8:]


def store(guest, key, value, flags=0, expires=0):
    assert ask(guest, b"set %s %d %d %d\r\n%s\r\n" % (key, flags, expires, len(value), value)) == b"STORED\r\n"


def test_what_is_stored_is_there(guest):
    for size in (0, 1, 7, 8, 9, 100, 511, 512):
        value = bytes((size + i) & 255 for i in range(size))
        store(guest, b"k%d" % size, value, size)
        assert ask(guest, b"get k%d\r\n" % size) == b"VALUE k%d %d %d\r\n%s\r\nEND\r\n" % (size, size, size, value)
    assert ask(guest, b"get nosuch\r\n") == b"END\r\n"


def test_long_keys(guest):
    longest = b"k" * 64
    store(guest, longest, b"v", 2**32 - 1)
    assert ask(guest, b"get %s\r\n" % longest) == b"VALUE %s 4294967295 1\r\nv\r\nEND\r\n" % longest
    assert ask(guest, b"get %sk\r\n" % longest).startswith(b"CLIENT_ERROR")
    assert ask(guest, b"get %s\r\n" % longest[1:]) == b"END\r\n"


def test_many_keys_in_one_get(guest):
    store(guest, b"a", b"1")
    store(guest, b"b", b"2")
    assert ask(guest, b"get a x b\r\n") == b"VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n"
    for key in (b"a", b"b", b"c"):
        store(guest, key, bytes(512))
    assert ask(guest, b"get a b c\r\n").startswith(b"SERVER_ERROR")


def test_add_replace_delete(guest):
    assert ask(guest, b"replace r 0 0 1\r\n1\r\n") == b"NOT_STORED\r\n"
    assert ask(guest, b"add r 0 0 1\r\n2\r\n") == b"STORED\r\n"
    assert ask(guest, b"add r 0 0 1\r\n3\r\n") == b"NOT_STORED\r\n"
    assert ask(guest, b"replace r 0 0 1\r\n4\r\n") == b"STORED\r\n"
    assert ask(guest, b"get r\r\n") == b"VALUE r 0 1\r\n4\r\nEND\r\n"
    assert ask(guest, b"delete r\r\n") == b"DELETED\r\n"
    assert ask(guest, b"delete r\r\n") == b"NOT_FOUND\r\n"
    assert ask(guest, b"get r\r\n") == b"END\r\n"


def test_expiry(guest):
    store(guest, b"gone", b"v", expires=-1)
    store(guest, b"soon", b"v", expires=1)
    store(guest, b"late", b"v", expires=1000)
    assert ask(guest, b"get gone\r\n") == b"END\r\n"
    assert ask(guest, b"get late\r\n") == b"VALUE late 0 1\r\nv\r\nEND\r\n"
    for _ in range(200):
        if ask(guest, b"get soon\r\n") == b"END\r\n":
            break
    else:
        import time

        time.sleep(1.1)
        assert ask(guest, b"get soon\r\n") == b"END\r\n"


@pytest.mark.parametrize("command, says", [
    (b"\r\n", b"ERROR\r\n"), (b"nonsense\r\n", b"ERROR\r\n"), (b"get\r\n", b"ERROR\r\n"),
    (b"get no line end", b"ERROR\r\n"), (b"set a 0 0\r\n", b"ERROR\r\n"),
    (b"set a x 0 1\r\n1\r\n", b"CLIENT_ERROR bad command line format\r\n"),
    (b"set a 0 0 -1\r\n\r\n", b"CLIENT_ERROR bad command line format\r\n"),
    (b"set a 4294967296 0 1\r\n1\r\n", b"CLIENT_ERROR bad command line format\r\n"),
    (b"set a 0 0 513\r\n" + bytes(513) + b"\r\n", b"SERVER_ERROR object too large for cache\r\n"),
    (b"set a 0 0 5\r\n1234\r\n", b"CLIENT_ERROR bad data chunk\r\n"),
    (b"set a 0 0 3\r\n1234\r\n", b"CLIENT_ERROR bad data chunk\r\n"),
    (b"version\r\n", b"VERSION Tophalf\r\n"), (b"get" + b" a" * 30 + b"\r\n", b"ERROR\r\n"),
], ids=lambda value: repr(value[:20]))
def test_what_is_refused(guest, command, says):
    assert ask(guest, command) == says


def test_noreply_and_datagrams_of_no_protocol_get_no_answer(guest):
    before = guest.console_json("kv")
    send(guest, b"set quiet 0 0 1 noreply\r\n1\r\n")
    send(guest, b"get a\r\n", header=struct.pack(">HHHH", 1, 0, 2, 0))
    send(guest, b"", header=b"short")
    guest.wire.drain()
    assert ask(guest, b"get quiet\r\n") == b"VALUE quiet 0 1\r\n1\r\nEND\r\n"
    after = guest.console_json("kv")
    assert after["bad_datagrams"] - before["bad_datagrams"] == 2
    assert after["sets"] - before["sets"] == 1


def test_who_answered(guest):
    store(guest, b"here", b"1")
    before = guest.console_json("kv")
    for _ in range(10):
        ask(guest, b"get here\r\n")
    for _ in range(3):
        ask(guest, b"get nothere\r\n")
    after = guest.console_json("kv")
    grew = {name: after[name] - before[name] for name in ("lwip_datagrams", "raw_datagrams", "gets", "hits")}
    assert grew == {"lwip": {"lwip_datagrams": 13, "raw_datagrams": 0, "gets": 13, "hits": 10},
                    "xsk": {"lwip_datagrams": 0, "raw_datagrams": 13, "gets": 13, "hits": 10},
                    "xdp": {"lwip_datagrams": 3, "raw_datagrams": 0, "gets": 3, "hits": 0}}[guest.path]
    assert after["accounted"] is True


def test_what_the_program_counts(booted):
    """0 answered by itself, 1 GETs that it passed, 2 all else to the port."""
    booted.console("kv path xdp")
    store(booted, b"here", b"1")
    for _ in range(10):
        ask(booted, b"get here\r\n")
    for _ in range(3):
        ask(booted, b"get nothere\r\n")
    ask(booted, b"get here here\r\n")
    entries = booted.console_json("map dump kv_counters")["entries"]
    packets = [struct.unpack("<Q", bytes.fromhex(e["values"][0]["value"])[:8])[0] for e in entries]
    assert packets == [10, 4, 1]


def test_ipv6(guest):
    """From each place, too: the raw ring leaves it to the stack, the program answers it itself."""
    store(guest, b"six", b"of six", 6)
    Asked.number += 1
    port = 4000 + Asked.number % 1000
    head = struct.pack(">HHHH", Asked.number & 0xFFFF, 0, 1, 0)
    guest.wire.send(ether() / IPv6(src=guest.wire.IP6, dst=GUEST_IP6) / UDP(sport=port, dport=PORT)
                    / (head + b"get six\r\n"))
    raw = guest.wire.expect(lambda f: f[12:14] == b"\x86\xdd" and f[20] == 17 and f[56:58] == struct.pack(">H", port),
                            what="an answer over IPv6")
    packet, again = Ether(raw), Ether(raw)
    del again[UDP].chksum
    assert Ether(bytes(again))[UDP].chksum == packet[UDP].chksum
    assert (packet[IPv6].src, packet[IPv6].dst) == (GUEST_IP6, guest.wire.IP6)
    assert packet[IPv6].plen == packet[UDP].len
    assert bytes(packet[UDP].payload)[:packet[UDP].len - 8] == head + b"VALUE six 6 6\r\nof six\r\nEND\r\n"


def test_all_else_goes_to_the_stack(guest):
    ping(guest)


def test_the_store_outlives_a_change_of_path(booted):
    booted.console("kv path lwip")
    store(booted, b"stays", b"yes")
    for path in ("xsk", "xdp", "lwip", "xdp", "xsk", "lwip"):
        booted.console(f"kv path {path}")
        assert ask(booted, b"get stays\r\n") == b"VALUE stays 0 3\r\nyes\r\nEND\r\n"


def test_more_than_it_has_room_for(booted):
    """The least recently used make room: nothing is refused."""
    booted.console("kv path lwip")
    entries = 4096
    for n in range(entries + 100):
        send(booted, b"set n%d 0 0 1 noreply\r\n1\r\n" % n)
        if n % 64 == 0:
            ask(booted, b"version\r\n")
    assert ask(booted, b"get n%d\r\n" % (entries + 99)) == b"VALUE n%d 0 1\r\n1\r\nEND\r\n" % (entries + 99)
    assert booted.console_json("kv")["entries"] <= entries


def test_the_command(booted):
    for bad in ("kv x", "kv path", "kv path nowhere", "kv path lwip now"):
        assert errors("error", booted.console_json(bad)) == [], bad
    text = booted.console("kv")
    assert "accounted for" in text and "hits" in text
