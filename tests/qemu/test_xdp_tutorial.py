"""Objects as people's first ones are: what their maps and helpers do with real packets. What is not
asked here is in test_xdp.py, test_xdp_programs.py, test_kv.py and test_l2fwd.py."""

import struct
import subprocess

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

import qemu
from conftest import WIRED_CFG
from frames import GUEST_MAC, ether, ip, ping
from test_schema import ask_by_schema

pytestmark = pytest.mark.xdist_group("xdp-programs")


@pytest.fixture(scope="module", params=["clang-14", "clang-19"])
def module_guest(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("tutorial") / "tutorial.o"
    triple = subprocess.run(["gcc", "-print-multiarch"], check=True, capture_output=True, text=True)
    subprocess.run([request.param, "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror",
                    f"-I/usr/include/{triple.stdout.strip()}", "-c",
                    qemu.TOP / "tests/qemu/xdp_tutorial.bpf.c", "-o", out], check=True)
    with qemu.Guest(cfg=WIRED_CFG, net="wire", files={"xdp/tutorial.o": out.read_bytes()}) as guest:
        guest.wait_prompt()
        guest.wait_for("(link-local)")
        ping(guest)
        yield guest


@pytest.fixture
def load(module_guest):
    def load(program):
        ask_by_schema(module_guest, f"xdp load tutorial prog {program}", "xdp")
        module_guest.wire.drain()
        return module_guest

    return load


def datagrams(guest, count, size=20, **fields):
    """Sent, and seen by the program: a ping behind them is answered."""
    frames = [bytes(ether() / ip(**fields) / UDP(sport=9, dport=9) / bytes([n & 255] * size))
              for n in range(count)]
    for frame in frames:
        guest.wire.send(frame)
    ping(guest)
    return frames


def dumped(guest, name):
    return {int(e["key_text"].split()[0]) if e["key_text"].isdigit() else struct.unpack(
        "<I", bytes.fromhex(e["key"]))[0]: bytes.fromhex(e["values"][0]["value"])
        for e in guest.console_json(f"map dump {name}")["entries"]}


def test_counters_by_protocol(load):
    guest = load("count")
    frames = datagrams(guest, 10, 100)
    found = {key: struct.unpack("<QQ", value) for key, value in dumped(guest, "protocols").items()}
    assert found[17] == (10, sum(map(len, frames)))
    assert set(found) == {17, 1} and found[1][0] == 1  # the ping


def test_router(load):
    guest = load("router")
    assert guest.console("map update ports key 0 value 2") == ""
    for dst in ("198.51.100.7", "10.0.0.1"):  # by the gateway, and on the link
        sent = ether() / IP(src="10.0.0.77", dst=dst, ttl=9) / UDP(sport=1, dport=2) / b"to be forwarded"
        guest.wire.send(sent)
        got = Ether(guest.wire.expect(lambda f: f[-15:] == b"to be forwarded", what="the frame again"))
        assert (got.dst, got.src) == (guest.wire.MAC, GUEST_MAC)
        expected = Ether(bytes(sent))
        expected.src, expected.dst, expected[IP].ttl = GUEST_MAC, guest.wire.MAC, 8
        del expected[IP].chksum
        assert bytes(got) == bytes(expected)
    guest.wire.send(ether() / IP(src="10.0.0.77", dst="10.0.0.99") / UDP(sport=1, dport=2) / b"x")
    ping(guest)  # is to the guest itself
    success, not_forwarded, no_neighbour = 0, 4, 7
    counts = {key: struct.unpack("<Q", value)[0] for key, value in dumped(guest, "fib_results").items()}
    assert counts == {success: 2, not_forwarded: 1, no_neighbour: 1}

    guest.console("map delete ports key 0")  # nowhere to go: the action that it names
    before = guest.console_json("xdp")["programs"]
    guest.wire.send(ether() / IP(src="10.0.0.77", dst="198.51.100.7") / UDP(sport=1, dport=2) / b"x")
    ping(guest)
    after = guest.console_json("xdp")["programs"]
    dropped = [next(p for p in programs if p["attached"])["actions"]["drop"] for programs in (before, after)]
    assert dropped[1] - dropped[0] == 1


def test_copies_of_packets(load):
    guest = load("dump")
    frames = datagrams(guest, 5, 200) + datagrams(guest, 5, 10)
    events = [bytes.fromhex(e["data"])
              for e in ask_by_schema(guest, "map events copies", "map")["events"]]
    wanted = [struct.pack("<HH", 0xCAFE, len(frame)) + frame[:60] for frame in frames]
    found = [event[:len(want)] for want in wanted for event in events if event.startswith(want)]
    assert found == wanted


def test_words_in_the_log(load):
    guest = load("log_it")
    frames = datagrams(guest, 1, 333)
    said = guest.console("dmesg 12")
    assert f"tutorial: cpu 0, {len(frames[0])} bytes" in said
    assert "tutorial: 1 beef three 4" in said
    assert "went back" not in said


def test_by_chance(load):
    guest = load("coin")
    datagrams(guest, 400)
    tails, heads = (struct.unpack("<Q", value)[0] for _, value in sorted(dumped(guest, "coins").items()))
    assert tails + heads == 400 and 120 < heads < 280  # eight standard deviations
    actions = next(p for p in guest.console_json("xdp")["programs"] if p["attached"])["actions"]
    assert actions["drop"] == tails


def test_a_mark_for_the_next_program(load):
    guest = load("mark")
    assert guest.console("map update next key 0 value prog name marked") == ""
    frames = datagrams(guest, 3, 50)
    events = [struct.unpack("<II", bytes.fromhex(e["data"]))
              for e in ask_by_schema(guest, "map events marks", "map")["events"]]
    assert [length for length, _ in events][:3] == [len(frame) for frame in frames]
    assert [filled for _, filled in events][:3] == [0, 16, 32]  # what lies in the ring: 8 and a head of 8
