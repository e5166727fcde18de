"""The programs of apps/xdp with traffic, as people use them: on the boot volume, loaded and set by
the console. kv.bpf.c is asked in test_kv.py."""

import collections
import itertools
import re
import socket
import struct
import sys
import threading
import time

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

import links
import qemu
from conftest import WIRED_CFG
from frames import GUEST_MAC, echo_request, ether, ip, ping, ping6
from test_schema import ask_by_schema

sys.path.insert(0, str(qemu.TOP / "apps" / "xdp"))
import maglev  # noqa: E402

pytestmark = pytest.mark.xdist_group("xdp-programs")

PROGRAMS = ("firewall", "kv", "lb", "sampler", "synflood")
COMPILERS = ("clang-14", "clang-19")
S = 10**9  # nanoseconds


@pytest.fixture(scope="module")
def objects(xdp_object):
    return {f"xdp/{name}-{clang}.o": xdp_object(name, clang) for name in PROGRAMS for clang in COMPILERS}


@pytest.fixture(scope="module")
def module_guest(objects):
    files = {**objects, **{f"xdp/{name}.o": objects[f"xdp/{name}-clang-14.o"] for name in PROGRAMS}}
    with qemu.Guest(cfg=WIRED_CFG, net="wire", files=files) as guest:
        guest.wait_prompt()
        guest.wait_for("(link-local)")
        yield guest


@pytest.fixture
def load(module_guest):
    """load(name): the guest with that program, its maps new."""

    def load(name):
        answer = ask_by_schema(module_guest, f"xdp load {name}", "xdp")
        assert [(p["name"], p["attached"]) for p in answer["programs"]] == [(name.split("-")[0], True)]
        module_guest.wire.drain()
        return module_guest

    yield load
    module_guest.console("xdp unload")


def typed(guest, line):
    """guest.console() of a line that may be wider than the screen, which then shows its end."""
    guest.type(line + "\r")
    wanted = rf"^{qemu.PROMPT}.*{re.escape(line[-20:])}\n((?:.*\n)*?){qemu.PROMPT}\Z"
    return re.search(wanted, guest.wait_for(wanted, qemu.REPLY_SECONDS, regex=True), re.M).group(1)


def say(guest, line):
    assert typed(guest, line) == "", line


def counted(guest, name="counters"):
    """Packets of each counter that has any."""
    entries = guest.console_json(f"map dump {name}")["entries"]
    packets = [struct.unpack("<Q", bytes.fromhex(e["values"][0]["value"])[:8])[0] for e in entries]
    return {number: count for number, count in enumerate(packets) if count}


def wait_counted(guest, expected, only=None):
    """Until the counters (those of `only`) are so; what comes meanwhile of others is not asked for."""
    only = only or expected
    deadline = time.monotonic() + qemu.REPLY_SECONDS
    while True:
        now = {number: count for number, count in counted(guest).items() if number in only}
        if now == {number: count for number, count in expected.items() if count}:
            return
        assert time.monotonic() < deadline, f"{now}, not {expected}"


idents = itertools.count(0x5000)


def answered(guest, *sources):
    """Which of them get an answer to a ping, all asked at once. Frames keep their order: when the
    last one's answer is there, no other is still to come."""
    last = next(idents)
    asked = {next(idents): source for source in sources}
    for ident, source in asked.items():
        guest.wire.send(echo_request(ident, src=source))
    guest.wire.send(echo_request(last))
    found = set()
    while True:
        packet = Ether(guest.wire.expect(
            lambda f: f[12:14] == b"\x08\x00" and f[23] == 1 and f[34] == 0, what="an echo reply"))
        ident = packet["ICMP"].id
        if ident == last:
            return found
        if ident in asked:
            found.add(asked[ident])


# ------------------------------------------------------------ all of them

@pytest.mark.parametrize("clang", COMPILERS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_loads_and_is_compiled(load, name, clang):
    guest = load(f"{name}-{clang}")
    program = guest.console_json("xdp")["programs"][0]
    assert program["bytes_jited"] > 0 and program["verified_insns"] > 0 and program["gpl_compatible"]
    ping(guest)
    assert guest.console_json("xdp")["programs"][0]["actions"]["pass"] > 0


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_its_source_says_to_type(module_guest, name):
    text = (qemu.TOP / "apps" / "xdp" / f"{name}.bpf.c").read_text()
    head = text[:text.index("#include")]
    commands = re.findall(r"^ \* {5}((?:xdp|map) .*)$", head, re.M)
    assert commands[0] == f"xdp load {name}.o" and len(commands) > 1
    for command in commands:
        if command.startswith("map events"):
            command += " 1"  # or it waits for more
            say(module_guest, "map update settings key 0 value u32 1 u32 64")
            module_guest.wire.send(echo_request(next(idents)))
        answer = typed(module_guest, command)
        if command.startswith(("map update", "map delete")):
            assert answer == "", command
        else:
            assert "error" not in answer and answer, command
    module_guest.console("xdp unload")


# ------------------------------------------------------------ firewall

PASSED, ALLOWED, DENIED, OVER_RATE, UNLISTED, NOT_IP, MALFORMED = range(7)


def test_firewall_denies_by_prefix_from_the_next_packet_on(load):
    guest = load("firewall")
    hosts = ("10.1.2.3", "10.1.2.9", "10.1.3.1")
    assert answered(guest, *hosts) == set(hosts)
    say(guest, "map update rules4 key 10.1.2.0/24 value 1")
    assert answered(guest, *hosts) == {"10.1.3.1"}
    say(guest, "map update rules4 key 10.1.2.9/32 value 2")
    assert answered(guest, *hosts) == {"10.1.2.9", "10.1.3.1"}
    say(guest, "map update rules4 key 10.0.0.0/8 value 1")
    say(guest, "map update rules4 key 10.0.0.1 value 2")
    assert answered(guest, *hosts) == {"10.1.2.9"}
    say(guest, "map delete rules4 key 10.0.0.0/8")
    say(guest, "map delete rules4 key 10.1.2.0/24")
    assert answered(guest, *hosts) == set(hosts)
    wait_counted(guest, {DENIED: 2 + 1 + 2, ALLOWED: 1 + 2 + 2}, {DENIED, ALLOWED})
    assert "no such entry" in ask_by_schema(guest, "map delete rules4 key 10.1.2.0/24", "error")["error"]


def test_firewall_ipv6(load):
    guest = load("firewall")
    ping6(guest)
    say(guest, "map update rules6 key fe80::/10 value 1")
    with pytest.raises(qemu.GuestError):
        ping6(guest, seconds=2)
    say(guest, "map update rules6 key fe80::1/128 value 2")
    ping6(guest)
    say(guest, "map delete rules6 key fe80::/10")
    ping6(guest)
    packets = counted(guest)
    assert packets[DENIED] >= 1 and packets[ALLOWED] >= 2 and packets[PASSED] >= 1


def test_firewall_limits_each_source(load):
    """A packet costs 1000 s, and 5000 may be used ahead: six."""
    guest = load("firewall")
    say(guest, "map update rules4 key 10.0.0.1 value 2")
    say(guest, f"map update settings key 0 value u64 {1000 * S} u64 {5000 * S} u64 0")

    def datagrams(source, count):
        for _ in range(count):
            guest.wire.send(ether() / IP(src=source, dst="10.0.0.2") / UDP(sport=9, dport=9) / b"x")

    datagrams("10.9.0.1", 4)
    wait_counted(guest, {PASSED: 4}, {PASSED, OVER_RATE})
    datagrams("10.9.0.1", 10)
    wait_counted(guest, {PASSED: 6, OVER_RATE: 8})
    datagrams("10.9.0.2", 7)
    wait_counted(guest, {PASSED: 12, OVER_RATE: 9})
    datagrams("10.0.0.1", 50)  # whom a rule allows is not limited
    wait_counted(guest, {PASSED: 12, OVER_RATE: 9, ALLOWED: 50})
    sources = guest.console_json("map dump sources")["entries"]
    assert {e["key"][-11:] for e in sources} == {"0a 09 00 01", "0a 09 00 02"}
    say(guest, f"map update settings key 0 value u64 {1000 * S} u64 {9000 * S} u64 0")
    datagrams("10.9.0.2", 9)
    wait_counted(guest, {PASSED: 16, OVER_RATE: 14, ALLOWED: 50})


def test_firewall_may_drop_who_is_not_listed(load):
    guest = load("firewall")
    say(guest, "map update rules4 key 10.0.0.1 value 2")
    say(guest, "map update settings key 0 value u64 0 u64 0 u64 1")
    assert answered(guest, "10.9.0.1") == set()
    packets = counted(guest)
    assert packets[UNLISTED] == 1 and packets[ALLOWED] == 1


def test_firewall_what_is_not_ip_and_what_is_broken(load):
    guest = load("firewall")
    say(guest, "map update settings key 0 value u64 0 u64 0 u64 1")
    guest.wire.send(Ether(dst=GUEST_MAC, src=guest.wire.MAC, type=0x88B5) / bytes(46))
    guest.wire.send(Ether(dst=GUEST_MAC, src=guest.wire.MAC, type=0x0800) / (b"\x4f" + bytes(30)))
    guest.wire.send(Ether(dst=GUEST_MAC, src=guest.wire.MAC, type=0x0800) / (b"\x65" + bytes(45)))
    wait_counted(guest, {MALFORMED: 2})
    assert counted(guest)[NOT_IP] >= 1


# ------------------------------------------------------------ load balancer

SERVICE = "10.0.2.100"
NONE_HEALTHY = 64


def mac_of(backend):
    return f"02:00:00:00:01:{backend:02x}"


def mix(x):
    x ^= x >> 16
    x = x * 0x85EBCA6B & 0xFFFFFFFF
    x ^= x >> 13
    x = x * 0xC2B2AE35 & 0xFFFFFFFF
    return x ^ x >> 16


def words(address):
    packed = socket.inet_pton(socket.AF_INET6, address if ":" in address else f"::ffff:{address}")
    return struct.unpack("<4I", packed)


def flow_hash(client, port, service, service_port):
    """As lb.bpf.c says it, numbers as a little-endian machine reads them off the wire."""
    client, swapped = words(client), [socket.htons(p) for p in (port, service_port)]
    result = mix(client[0] ^ 0x9E3779B9)
    for word in (*client[1:], words(service)[3]):
        result = mix(result ^ word)
    return mix(result ^ (swapped[0] << 16 | swapped[1]))


def balanced(guest, frames):
    """The MAC address that each goes on to: everything else in it is as it was."""
    to = []
    for sent in map(bytes, frames):
        guest.wire.send(sent)
        got = guest.wire.expect(lambda f, s=sent: f[14:] == s[14:], what="a frame for a backend")
        assert Ether(got).src == GUEST_MAC and got[12:14] == sent[12:14]
        to.append(Ether(got).dst)
    return to


FLOWS = [(f"192.168.{n % 7}.{n + 1}", 1024 + 37 * n) for n in range(60)]


def syns(flows=FLOWS, protocol=TCP):
    return [ether() / IP(src=client, dst=SERVICE) / protocol(sport=port, dport=80) / b"data"
            for client, port in flows]


def fill_table(guest, old, new):
    for slot, (was, now) in enumerate(zip(old, new)):
        if was != now:
            say(guest, f"map update table key {slot} value {now}")


def test_load_balancer(load):
    guest = load("lb")
    say(guest, f"map update services key ::ffff:{SERVICE} be16 80 6 0 value 0")
    say(guest, "map update services key 2001:db8::100 be16 443 17 0 value 0")
    for backend in (1, 2, 3):
        say(guest, f"map update backends key {backend} value {mac_of(backend)} 0 0")
        say(guest, f"map update health key {backend} value 1")
    table = maglev.table([1, 2, 3])
    fill_table(guest, [0] * maglev.SLOTS, table)

    to = balanced(guest, syns())
    assert to == balanced(guest, syns())  # one flow, one backend
    assert to == [mac_of(table[flow_hash(client, port, SERVICE, 80) % maglev.SLOTS])
                  for client, port in FLOWS]
    share = collections.Counter(to)
    assert len(share) == 3 and min(share.values()) >= 8

    say(guest, "map update health key 2 value 0")  # its flows alone move
    moved = balanced(guest, syns())
    assert mac_of(2) not in moved and all(was == mac_of(2) or was == now for was, now in zip(to, moved))
    assert {now for was, now in zip(to, moved) if was == mac_of(2)} == {mac_of(1), mac_of(3)}
    say(guest, "map update health key 2 value 1")
    assert balanced(guest, syns()) == to

    six = [ether() / IPv6(src=f"2001:db8::{n:x}", dst="2001:db8::100") / UDP(sport=n, dport=443) / b"six"
           for n in range(1, 20)]
    assert set(balanced(guest, six)) == {mac_of(1), mac_of(2), mac_of(3)}

    packets = counted(guest)
    assert packets == {n: c for n, c in packets.items() if n in (1, 2, 3)}
    assert sum(packets.values()) == 4 * len(FLOWS) + len(six)

    # what is to no service is the stack's: another port, another protocol, fragments, its own address
    for other in (IP(src="192.168.0.1", dst=SERVICE) / TCP(sport=1, dport=81),
                  IP(src="192.168.0.1", dst=SERVICE) / UDP(sport=1, dport=80) / b"x",
                  IP(src="192.168.0.1", dst=SERVICE, flags="MF") / TCP(sport=1, dport=80)):
        guest.wire.send(ether() / other)
    ping(guest)
    assert counted(guest) == packets

    for backend in (1, 2, 3):
        say(guest, f"map update health key {backend} value 0")
    guest.wire.send(bytes(syns(FLOWS[:1])[0]))
    wait_counted(guest, {**packets, NONE_HEALTHY: 1})


def test_maglev_moves_few_slots():
    """Of what stays, when one of four goes; shares are equal to a slot or two."""
    before, after = maglev.table([1, 2, 3, 4]), maglev.table([1, 2, 3])
    share = collections.Counter(before)
    assert max(share.values()) - min(share.values()) <= 1
    stay = [(was, now) for was, now in zip(before, after) if was != 4]
    assert sum(was != now for was, now in stay) < 0.2 * len(stay)


# ------------------------------------------------------------ SYN flood

OTHER, KNOWN, UNKNOWN, OVER_SOURCE, OVER_ALL, OVER_KNOWN, COMPLETED = range(7)
SYN_KINDS = {KNOWN, UNKNOWN, OVER_SOURCE, OVER_ALL, OVER_KNOWN, COMPLETED}
ports = itertools.count(30000)


def syn(source=None, port=None):
    return ether() / IP(src=source or "10.0.0.1", dst="10.0.0.2") / TCP(
        sport=port or next(ports), dport=80, flags="S", seq=1000)


def shake_hands(guest):
    """A handshake from our own address; a reset ends it."""
    port = next(ports)
    guest.wire.send(syn(port=port))
    answer = Ether(guest.wire.expect(
        lambda f: f[12:14] == b"\x08\x00" and f[23] == 6 and f[36:38] == struct.pack(">H", port),
        what="SYN-ACK"))
    assert answer[TCP].flags == "SA" and answer[TCP].ack == 1001
    for flags in ("A", "R"):
        guest.wire.send(ether() / ip() / TCP(sport=port, dport=80, flags=flags, seq=1001,
                                             ack=answer[TCP].seq + 1))


def test_syn_flood(load):
    """A SYN of an unknown source costs 1000 s of 2000 ahead: three; all together have twelve."""
    guest = load("synflood")
    say(guest, f"map update settings key 0 value u64 {1000 * S} u64 {2000 * S} u64 {1000 * S} "
               f"u64 {11000 * S} u64 0 u64 0")
    for _ in range(5):
        guest.wire.send(syn("10.7.0.1"))
    wait_counted(guest, {UNKNOWN: 3, OVER_SOURCE: 2}, SYN_KINDS)

    shake_hands(guest)  # from now on it is known
    wait_counted(guest, {UNKNOWN: 4, OVER_SOURCE: 2, COMPLETED: 1}, SYN_KINDS)
    assert guest.console_json("map lookup known key ::ffff:10.0.0.1")["entry"]["values"][0]["number"] == 0
    assert "no such entry" in guest.console("map lookup known key ::ffff:10.7.0.1")

    for n in range(100):  # forged sources use up what all unknown ones have
        guest.wire.send(syn(f"10.8.{n}.1"))
    wait_counted(guest, {UNKNOWN: 12, OVER_SOURCE: 2, OVER_ALL: 92, COMPLETED: 1}, SYN_KINDS)
    shake_hands(guest)
    wait_counted(guest, {UNKNOWN: 12, OVER_SOURCE: 2, OVER_ALL: 92, COMPLETED: 1, KNOWN: 1}, SYN_KINDS)

    say(guest, "map update known key ::ffff:10.7.0.9 value 0")  # entered by hand
    guest.wire.send(syn("10.7.0.9"))
    wait_counted(guest, {UNKNOWN: 12, OVER_SOURCE: 2, OVER_ALL: 92, COMPLETED: 1, KNOWN: 2}, SYN_KINDS)
    say(guest, f"map update settings key 0 value u64 0 u64 0 u64 0 u64 0 u64 {1000 * S} u64 0")
    for _ in range(3):
        guest.wire.send(syn("10.7.0.9"))
    wait_counted(guest, {UNKNOWN: 12, OVER_SOURCE: 2, OVER_ALL: 92, COMPLETED: 1, KNOWN: 3, OVER_KNOWN: 2},
                 SYN_KINDS)
    before = counted(guest)[OTHER]
    ping(guest)  # all else passes
    assert counted(guest)[OTHER] > before


# ------------------------------------------------------------ sampler

def samples(guest):
    found = []
    for event in ask_by_schema(guest, "map events samples", "map")["events"]:
        raw = bytes.fromhex(event["data"])
        at_ns, whole, taken, ifindex, queue = struct.unpack_from("<QIIII", raw)
        assert len(raw) == 152 and at_ns > 0 and ifindex == 2 and queue == 0
        assert raw[24 + taken:] == bytes(128 - taken)
        found.append((whole, raw[24:24 + taken]))
    return found


def test_sampler(load):
    guest = load("sampler")
    frames = [bytes(ether() / ip() / UDP(sport=5, dport=9) / bytes((n + i) & 255 for i in range(n * 10)))
              for n in range(2, 12)]
    seen, sampled, lost = range(3)

    def send(frames):
        before = counted(guest).get(seen, 0)
        for frame in frames:
            guest.wire.send(frame)
        wait_counted(guest, {seen: before + len(frames)})

    def ours(taken):
        return [sample for sample in samples(guest) if sample[1][36:38] == taken]

    send(frames)
    assert samples(guest) == []  # until it is told to
    say(guest, "map update settings key 0 value u32 1 u32 0")
    send(frames)
    assert ours(b"\0\x09") == [(len(frame), frame[:64]) for frame in frames]
    say(guest, "map update settings key 0 value u32 1 u32 1000")
    send(frames)
    assert ours(b"\0\x09") == [(len(frame), frame[:128]) for frame in frames]
    say(guest, "map update settings key 0 value u32 5 u32 40")
    send(frames * 5)
    assert len(samples(guest)) == 10
    say(guest, "map update settings key 0 value u32 1 u32 64")
    send(frames * 50)  # more than the ring holds: what is lost is counted
    packets = counted(guest)
    held = 65536 // 160
    assert packets[sampled] - 30 == pytest.approx(held, abs=2) and packets[lost] == 530 - packets[sampled]
    assert len(samples(guest)) == packets[sampled] - 30


# ------------------------------------------------------------ swaps

SWAP_SECONDS = 0.05


def test_swapped_every_50_ms_no_connection_is_lost(objects, lossy_program):
    """Web clients whose connections stay open over more than a hundred swaps: each answer is whole."""
    names = ("firewall", "sampler", "synflood", "lb")
    with links.Link("tap") as link, \
            qemu.Guest(cfg=f"ip = {links.GUEST_IP}/24\n", net=link.plug,
                       files={f"xdp/{name}.o": objects[f"xdp/{name}-clang-14.o"] for name in names}) as guest:
        link.lead_to_host(lossy_program)
        guest.wait_prompt()
        stop = threading.Event()
        answers, errors = [], []

        def ask():
            try:
                with link.connect() as client, client.makefile("rb") as stream:
                    while not stop.is_set():
                        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                        status = stream.readline()
                        length = 0
                        while (line := stream.readline()) not in (b"\r\n", b""):
                            if line.lower().startswith(b"content-length:"):
                                length = int(line.split(b":")[1])
                        answers.append((status, stream.read(length)))
            except OSError as error:
                errors.append(error)

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            at = time.monotonic()
            for swap in range(120):
                guest.console(f"xdp load {names[swap % len(names)]}")
                at = max(at + SWAP_SECONDS, time.monotonic())
                time.sleep(max(0.0, at - time.monotonic()))
        finally:
            stop.set()
            for client in clients:
                client.join()
        assert errors == []
        assert len(answers) > 100 and set(answers) == {answers[0]}
        assert answers[0][0] == b"HTTP/1.1 200 OK\r\n" and len(answers[0][1]) > 100
        programs = guest.console_json("xdp")["programs"]
        assert [p["name"] for p in programs] == ["lb"] and programs[0]["id"] >= 120
        stats = guest.counters()
        assert stats["nic.rx_queue_0_xdp_drops"] == stats["nic.rx_queue_0_xdp_aborted"] == 0
