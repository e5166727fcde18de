"""The hook of XDP programs in the guest: where they come from, each verdict on frames of a real wire,
swaps and map edits while packets come, and what the card is told meanwhile."""

import subprocess
import threading
import time

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

import fates
import links
import qemu
from conftest import WIRED_CFG
from frames import ping
from test_schema import ask_by_schema

pytestmark = pytest.mark.xdist_group("xdp")

DROP, PASS, TX, REDIRECT, TAIL_CALL, GROW_TX = 1, 2, 3, 4, 100, 101


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The object of xdp_hook.bpf.c, as people compile theirs."""
    out = tmp_path_factory.mktemp("xdp") / "hook.o"
    triple = subprocess.run(["gcc", "-print-multiarch"], check=True, capture_output=True, text=True)
    subprocess.run(["clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror",
                    f"-I/usr/include/{triple.stdout.strip()}", "-c",
                    qemu.TOP / "tests/qemu/xdp_hook.bpf.c", "-o", out], check=True)
    return out.read_bytes()


@pytest.fixture(scope="module")
def module_guest(program):
    with qemu.Guest(cfg=WIRED_CFG + "mode = napi\nxdp = hook.o\n", net="wire",
                    files={"xdp/hook.o": program, "xdp/junk.o": b"junk", "xdp/notes.txt": b"-"}) as guest:
        guest.wait_prompt()
        guest.wait_for("(link-local)")
        yield guest


@pytest.fixture
def guest(module_guest):
    """With by_port attached, and its maps empty."""
    assert "attached to eth0" in module_guest.console("xdp load hook prog by_port")
    module_guest.wire.drain()
    return module_guest


def mac_of(guest):
    return next(line.split()[1] for line in guest.console("ip").splitlines() if "ether" in line)


def datagram(guest, port, size=18, src=None):
    return bytes(Ether(dst=mac_of(guest), src=guest.wire.MAC) / IP(src=src or guest.wire.IP, dst="10.0.0.2")
                 / UDP(sport=5000, dport=port) / bytes(i % 251 for i in range(size)))


def nic(guest):
    return guest.console_json("stats nic")["nic"]


def send_all(guest, frames):
    """The program has seen them; how each counter of the hook grew, but for `packets`: of what passes,
    an answer may bring more (ARP)."""
    before = nic(guest)
    for frame in frames:
        guest.wire.send(frame)
    deadline = time.monotonic() + qemu.REPLY_SECONDS
    while True:
        after = nic(guest)
        if after["rx_queue_0_packets"] - before["rx_queue_0_packets"] >= len(frames):
            break
        assert time.monotonic() < deadline, after
    grown = {name.removeprefix("rx_queue_0_xdp_"): after[name] - before[name]
             for name in after if name.startswith("rx_queue_0_xdp_") and after[name] != before[name]}
    assert grown.pop("packets") >= len(frames)
    return grown


def expect(guest, matches):
    return Ether(guest.wire.expect(lambda frame: matches(Ether(frame))))


def attached(guest):
    return next(p for p in guest.console_json("xdp")["programs"] if p["attached"])


# ------------------------------------------------------------ where programs come from

def test_the_volume_hands_them_over(module_guest):
    files = ask_by_schema(module_guest, "xdp files", "xdp")["files"]
    assert {f["name"] for f in files} >= {"hook.o", "junk.o"} and "notes.txt" not in str(files)
    assert "xdp: program 1 (by_port) is attached" in module_guest.text()


def test_what_is_wrong_is_said_and_changes_nothing(guest):
    before = attached(guest)
    for command, why in (("xdp load junk", "junk.o: it is not an ELF file"),
                         ("xdp load nosuch", "no such file"),
                         ("xdp load hook prog nosuch", "there is no program nosuch")):
        assert why in ask_by_schema(guest, command, "error")["error"]
    assert attached(guest) == before
    assert len(guest.console_json("xdp")["programs"]) == 3


@pytest.mark.parametrize("line, why", [
    ("xdp = nosuch.o\n", "xdp: nosuch.o: there is no such file"),
    ("xdp = junk.o\n", "xdp: junk.o: it is not an ELF file"),
    ("xdp = hook.o nosuch\n", "xdp: hook.o: there is no program nosuch"),
])
def test_the_system_goes_on_without(boot, program, line, why):
    guest = boot(cfg=line, files={"xdp/hook.o": program, "xdp/junk.o": b"junk"})
    guest.wait_prompt()
    assert guest.text().count(why) == 1
    assert guest.console_json("xdp")["programs"] == []
    assert guest.wait_http()[0] == 200


def test_a_file_that_is_too_large_is_left_out(boot):
    guest = boot(files={"xdp/big.o": bytes((1 << 20) + 1), "xdp/small.o": b"x"})
    guest.wait_prompt()
    assert guest.text().count("xdp/big.o is left out: it has more than 1024 KiB") == 1
    names = {f["name"] for f in guest.console_json("xdp files")["files"]}
    assert "small.o" in names and "big.o" not in names


# ------------------------------------------------------------ verdicts

def test_pass_and_drop(guest):
    guest.console(f"map update ports key be16 7 value {DROP}")
    assert send_all(guest, [datagram(guest, 7)] * 5) == {"drops": 5}
    # what passes reaches the stack, which has nobody at that port
    assert send_all(guest, [datagram(guest, 8)]) == {}
    expect(guest, lambda p: p.haslayer("ICMP") and p["ICMP"].type == 3)
    assert attached(guest)["actions"] | {"pass": 0} == \
        {"aborted": 0, "drop": 5, "pass": 0, "tx": 0, "redirect": 0}


def test_each_frame_is_counted_where_it_went(guest):
    frames = []
    for port, verdict in enumerate((0, DROP, PASS, TX, REDIRECT, GROW_TX, TAIL_CALL), 5000):
        guest.console(f"map update ports key be16 {port} value {verdict}")
        frames += [datagram(guest, port)] * 5
    before = fates.wait_quiet(guest)
    for frame in frames * 5:
        guest.wire.send(frame)
    grown = fates.grown(before, fates.wait_quiet(guest))
    assert grown["nic.rx_queue_0_packets"] >= 175
    fates.check(grown, strangers=True)


@pytest.mark.parametrize("verdict, counted", [(TX, {"tx": 1}), (REDIRECT, {"tx": 1, "redirects": 1})])
def test_sent_back(guest, verdict, counted):
    guest.console(f"map update ports key be16 7 value {verdict}")
    frame = datagram(guest, 7, 300)
    assert send_all(guest, [frame]) == counted
    back = expect(guest, lambda p: p.haslayer(UDP) and p[UDP].sport == 7)
    assert (back[Ether].dst, back[IP].dst, back[UDP].dport) == (guest.wire.MAC, guest.wire.IP, 5000)
    assert bytes(back[UDP].payload) == bytes(Ether(frame)[UDP].payload)


def test_grown_in_both_directions_and_sent_back(guest):
    guest.console(f"map update ports key be16 7 value {GROW_TX}")
    frame = datagram(guest, 7, 300)
    assert send_all(guest, [frame]) == {"tx": 1}
    back = bytes(guest.wire.expect(lambda p: len(p) == len(frame) + 108))
    sent, got = Ether(frame), Ether(back[100:-8])
    assert back[:14] == bytes(got)[:14] and back[-8:] == bytes(8)
    assert (got.src, got[IP].src, got[UDP].sport) == (sent.dst, sent[IP].dst, sent[UDP].dport)
    assert bytes(got[UDP].payload) == bytes(sent[UDP].payload)


def test_unknown_verdicts_are_dropped_and_said(guest):
    guest.console("map update ports key be16 7 value 77")
    assert send_all(guest, [datagram(guest, 7)] * 3) == {"aborted": 3}
    assert "returned 77, which is no verdict" in guest.console("dmesg 20")


def test_tail_call(guest):
    guest.console(f"map update ports key be16 7 value {TAIL_CALL}")
    assert send_all(guest, [datagram(guest, 7)]) == {"aborted": 1}  # an empty slot
    guest.console("map update jumps key 0 value prog name drop_all")
    assert send_all(guest, [datagram(guest, 7)]) == {"drops": 1}
    guest.console("map delete jumps key 0")
    assert send_all(guest, [datagram(guest, 7)]) == {"aborted": 1}


def test_interpreted_it_is_the_same(guest):
    guest.console(f"map update ports key be16 7 value {TX}")
    try:
        assert ask_by_schema(guest, "xdp jit off", "xdp")["jit"] is False
        assert send_all(guest, [datagram(guest, 7)] * 3) == {"tx": 3}
    finally:
        guest.console("xdp jit on")


def test_in_the_naive_mode_too(guest):
    guest.console(f"map update ports key be16 7 value {DROP}")
    try:
        guest.console("mode interrupt")
        assert send_all(guest, [datagram(guest, 7)] * 40) == {"drops": 40}
    finally:
        guest.console("mode napi")


def test_a_capture_sees_what_is_dropped(guest):
    """trace does not end with a frame that a program took, either."""
    guest.console(f"map update ports key be16 7 value {DROP}")
    guest.console("trace start 3")
    send_all(guest, [datagram(guest, 7)] * 3)
    packets = guest.console_json("trace show")["packets"]
    assert [p["complete"] for p in packets] == [True] * 3
    assert packets[0]["stages"][-1]["stage"] == "rx_ring"


# ------------------------------------------------------------ control

def test_map_commands(guest):
    ask_by_schema(guest, "map update ports key be16 7 value 1", "map")
    ask_by_schema(guest, "map update ports key hex 0 8 value 0x02 0 0 0 noexist", "map")
    assert "already" in ask_by_schema(guest, "map update ports key 0 8 value 1 noexist", "error")["error"]
    assert "no such entry" in ask_by_schema(guest, "map update ports key 0 9 value 1 exist", "error")["error"]
    assert "it has 4 bytes, 2 are given" in \
        ask_by_schema(guest, "map update ports key 0 9 value 1 2", "error")["error"]
    entries = ask_by_schema(guest, "map dump ports", "map")["entries"]
    assert {(e["key"], e["values"][0]["number"]) for e in entries} == {("00 07", 1), ("00 08", 2)}
    assert ask_by_schema(guest, "map lookup ports key be16 8", "map")["entry"]["values"][0]["value"] == \
        "02 00 00 00"
    ask_by_schema(guest, "map delete ports key be16 8", "map")
    ask_by_schema(guest, "map lookup ports key be16 8", "error")
    maps = {m["name"]: m for m in ask_by_schema(guest, "map", "map")["maps"]}
    assert maps["ports"]["type"] == "hash" and maps["deny"]["type"] == "lpm_trie"
    assert ask_by_schema(guest, f"map dump id {maps['ports']['id']}", "map")["entries"][0]["key"] == "00 07"


def test_an_address_is_blocked_with_the_next_packet(guest):
    frame = datagram(guest, 9, src="10.1.2.3")
    assert send_all(guest, [frame]) == {}
    guest.console("map update deny key 10.1.0.0/16 value 1")
    assert send_all(guest, [frame]) == {"drops": 1}
    assert "10.1.0.0/16" in guest.console("map dump deny")
    guest.console("map delete deny key 10.1.0.0/16")
    assert send_all(guest, [frame]) == {}


def test_events(guest):
    guest.console(f"map update ports key be16 7 value {DROP}")
    send_all(guest, [datagram(guest, 7)] * 3)
    assert guest.console("map events events 1").splitlines() == ["2B: 00 07"]
    answer = ask_by_schema(guest, "map events events", "map")
    assert answer["events"] == [{"bytes": 2, "data": "00 07"}] * 2 and answer["lost"] == 0
    assert "has no events" in ask_by_schema(guest, "map events ports", "error")["error"]


def test_dumps(guest):
    xlated = ask_by_schema(guest, "xdp dump xlated", "xdp")
    jited = ask_by_schema(guest, "xdp dump jited", "xdp")
    assert [i["disasm"] for i in xlated["insns"]] == [i["disasm"] for i in jited["insns"]]
    assert xlated["insns"][-1]["disasm"] == "exit"
    assert all(i["code"] is None for i in xlated["insns"]) and all(i["code"] for i in jited["insns"][1:])
    lines = guest.console("xdp dump xlated name drop_all").split()
    assert lines == "drop_all: 0: (b4) w0 = 1 1: (95) exit".split()


def test_compiled_code_is_never_writable(guest):
    """And what was loaded and is gone leaves nothing behind."""
    def code():
        tables = guest.console_json("pagetables")
        assert tables["wx_pages"] == 0
        return [row for row in tables["ranges"] if row["what"] == "compiled programs"]

    def free():
        return guest.console_json("free")["memory"]["free_bytes"]

    assert len(code()) == 3 and {row["rights"] for row in code()} == {"r-x"}
    guest.console("xdp unload")
    assert code() == []
    assert guest.console_json("xdp")["programs"] == [] and guest.console_json("map")["maps"] == []
    before = free()
    for _ in range(5):
        guest.console("xdp load hook prog by_port")
        guest.console("xdp load hook prog drop_all")
        guest.console("xdp unload")
    assert free() == before


def test_swapped_under_load_nothing_is_lost(guest):
    """Interpreter and compiled code, and one program after another, in turns: each datagram goes on to
    where the program of its moment says, one answer each."""
    guest.console(f"map update ports key be16 7 value {DROP}")
    stop = threading.Event()
    swaps = 0

    def swap():
        nonlocal swaps
        while not stop.is_set():
            swaps += 2
            guest.console("xdp jit off")
            guest.console("xdp load hook prog drop_all")
            guest.console("xdp jit on")
            guest.console("xdp load hook prog by_port")
            guest.console(f"map update ports key be16 7 value {DROP}")

    frame = datagram(guest, 7)
    ping(guest)  # the guest knows our address: what passes between two programs is answered without asking
    before = nic(guest)
    swapper = threading.Thread(target=swap)
    swapper.start()
    sent = 0
    try:
        while swaps < 20:
            guest.wire.send(frame)
            sent += 1
            time.sleep(0.002)
    finally:
        stop.set()
        swapper.join()
    grown = {name: value - before[name] for name, value in nic(guest).items()}
    assert sent > 100 and grown["rx_queue_0_packets"] == sent
    assert grown["rx_queue_0_xdp_packets"] == sent  # each has met a program, and just one
    assert guest.console_json("pagetables")["wx_pages"] == 0
    assert len(guest.console_json("xdp")["programs"]) == 3


# ------------------------------------------------------------ the card

def offloads(guest):
    return {o["name"]: o for o in guest.console_json("offload")["offloads"]}


def upload(link, size):
    """POST so many bytes; the status that comes back when all have arrived."""
    with link.connect() as client:
        client.sendall(f"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode())
        client.sendall(bytes(size))
        return client.recv(1 << 16).split()[1]


def test_the_card_is_told_and_told_again(program, lossy_program):
    """TCP over a tap, which comes put together and without checksums. While a program is attached
    frames come whole instead, it sees each of them, and attaching and detaching in the middle of
    uploads harms none; so also over a reset of the card."""
    with links.Link("whole") as link, \
            qemu.Guest(cfg=f"ip = {links.GUEST_IP}/24\nfault = on\nhttp_discard = /upload\n", net=link.plug,
                       files={"xdp/hook.o": program}) as guest:
        link.lead_to_host(lossy_program)
        guest.wait_prompt()
        assert upload(link, 1 << 20) == b"200"
        before = nic(guest)
        assert before["rx_queue_0_merged"] > 10 and before["rx_queue_0_csum_ok"] > 10

        guest.console("xdp load hook prog pass_all")
        rows = offloads(guest)
        assert rows["guest_tso4"]["suspended"] and rows["guest_csum"]["suspended"]
        assert not rows["csum"]["suspended"] and not rows["mrg_rxbuf"]["suspended"]
        started = nic(guest)
        assert upload(link, 1 << 20) == b"200"
        after = nic(guest)
        assert after["rx_queue_0_merged"] == started["rx_queue_0_merged"]
        assert after["rx_queue_0_xdp_packets"] - started["rx_queue_0_xdp_packets"] > 700
        assert after["rx_queue_0_drop_checksum"] == 0 and after["rx_queue_0_xdp_frags_drop"] == 0

        answers = []
        uploading = threading.Thread(target=lambda: answers.extend(upload(link, 4 << 20) for _ in range(3)))
        uploading.start()
        while uploading.is_alive():
            guest.console("xdp unload")
            guest.console("xdp load hook prog pass_all")
        uploading.join()
        assert answers == [b"200"] * 3

        guest.console("fault nic-broken")
        assert upload(link, 1 << 20) == b"200"
        assert offloads(guest)["guest_tso4"]["suspended"]
        last = nic(guest)
        assert last["device_resets"] == 1
        guest.console("xdp unload")
        assert not offloads(guest)["guest_tso4"]["suspended"]
        assert upload(link, 1 << 20) == b"200"
        assert nic(guest)["rx_queue_0_merged"] > last["rx_queue_0_merged"] + 10


def test_refused_where_the_card_can_not_be_told(program):
    with links.Link("whole") as link, \
            qemu.Guest(cfg=f"ip = {links.GUEST_IP}/24\nxdp = hook.o pass_all\n", net=link.plug,
                       nic="ctrl_guest_offloads=off", files={"xdp/hook.o": program}) as guest:
        guest.wait_prompt()
        assert guest.text().count("offloads=-guest_tso4 -guest_tso6") == 1
        assert guest.console_json("xdp")["programs"] == []
