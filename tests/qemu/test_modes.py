"""The four ways to receive, and changing between them, in the booted system.

The guest is on a hub with user networking, for HTTP, and with a raw wire, for pings and datagrams
of which each is counted.
"""

import itertools
import json
import random
import re
import subprocess
import threading
import time

import pytest
from scapy.layers.inet import IP, UDP

import qemu
from buffers import all_back
from fates import assert_nothing_went_wrong, check, grown, wait_quiet
from flood import Flood
from frames import echo_request, ether, is_echo_reply, ping
from test_http import assert_memory_is_back, make_image, memory, wait_closed

pytestmark = pytest.mark.xdist_group("modes")

MODES = ("interrupt", "napi", "poll", "adaptive")
OUR_IP, GUEST_IP = "10.0.2.9", "10.0.2.15"
CFG = f"ip = {GUEST_IP}/24\ngateway = 10.0.2.2\n"
BYTES = random.Random(2).randbytes(300_000)
FILES = {"kib.bin": BYTES[:1024], "big.bin": BYTES}
DEFAULTS = {"budget": 64, "defer-us": 50, "usecs": 2000}
LIMITS = {"budget": (1, 256), "defer-us": (1, 10000), "usecs": (100, 50000)}


@pytest.fixture(scope="module")
def booted(tmp_path_factory):
    image = make_image(tmp_path_factory.mktemp("modes"), FILES, CFG)
    with qemu.Guest(image=image, net="both") as guest:
        guest.wire.ip = OUR_IP
        guest.wire.wanted = lambda frame: frame[12:14] == b"\x08\x00" and frame[23] == 1  # ICMP
        guest.wait_prompt()
        guest.wait_http()
        guest.wait_for("(link-local)")
        time.sleep(3)  # until all addresses have settled
        yield guest


@pytest.fixture
def guest(booted):
    with all_back(booted):
        yield booted
        booted.console("mode adaptive")
    for name, value in DEFAULTS.items():
        booted.console(f"{name} {value}")


def ask(guest, ident):
    ping(guest, ident, dst=GUEST_IP)


def datagrams(guest, count):
    frame = bytes(ether() / IP(src=OUR_IP, dst=GUEST_IP) / UDP(sport=7, dport=9) / b"datagram")
    return guest.wire.pack([frame] * count)


# ------------------------------------------------------------ each mode


@pytest.mark.parametrize("mode", MODES)
def test_packets_and_their_fates(guest, mode):
    answer = guest.console_json(f"mode {mode}")
    assert answer["mode"] == mode
    if mode != "adaptive":
        assert answer["regime"] == ("poll" if mode == "poll" else "interrupt")
    before = wait_quiet(guest)
    for path, body in FILES.items():
        assert guest.get(f"/{path}")[2] == body
    burst = 200 if mode == "interrupt" else 500  # its backlog takes 256
    guest.wire.send_packed(datagrams(guest, burst))
    ask(guest, 0x3001)  # frames are taken in order: behind the reply, all were seen
    c = grown(before, wait_quiet(guest))

    check(c)
    assert_nothing_went_wrong(c)
    assert c["udp.recv"] == c["udp.proterr"] == burst
    assert c["icmp.recv"] == 1 and c["tcp.recv"] > 10
    assert c["nic.rx_queue_0_polls"] >= c["nic.rx_queue_0_packets"] / 64
    if mode == "poll":
        assert c["nic.rx_queue_0_interrupts"] == 0
    else:
        assert c["nic.rx_queue_0_interrupts"] > 0


def test_softnet_agrees_with_stats(guest):
    ask(guest, 0x3002)
    row, = guest.console_json("softnet")["cpus"]
    assert row["processed"] == wait_quiet(guest)["nic.rx_queue_0_packets"]
    assert row["dropped"] == 0 and row["polls"] >= row["empty_polls"] > 0


def split(guest):
    """`cpu -j`; its parts sum to the whole, to the nanosecond."""
    cpu = guest.console_json("cpu")
    parts = [cpu[f"{name}_ns"] for name in ("irq", "softirq", "app", "main", "idle")]
    assert sum(parts) == cpu["total_ns"]
    return cpu


@pytest.mark.parametrize("mode", MODES)
def test_the_cpu_of_an_idle_guest(guest, mode):
    """It halts, but for the mode that never does."""
    guest.console(f"mode {mode}")
    wait_quiet(guest)
    before = split(guest)
    time.sleep(2)
    spent = grown(before, split(guest))
    assert abs(spent["total_ns"] - spent["time_ns"]) < 50_000_000
    assert spent["total_ns"] > 1_900_000_000
    idle = spent["idle_ns"] / spent["total_ns"]
    print(f"{mode}: {idle:.2%} idle")
    if mode == "poll":
        assert spent["idle_ns"] == 0
    else:
        assert idle >= 0.9


def test_the_cpu_s_time_under_load(guest):
    """Interrupts, softirqs and the app each take some of it, and show."""
    guest.console("mode napi")
    before = split(guest)
    for _ in range(50):
        guest.get("/kib.bin")
    spent = grown(before, split(guest))
    for name in ("irq_ns", "softirq_ns", "app_ns", "main_ns", "idle_ns"):
        assert spent[name] > 0, spent


def test_adaptive_polls_under_a_stream_and_stops(guest):
    guest.console("mode adaptive")
    before = guest.console_json("mode")
    frame = bytes(ether() / IP(src=OUR_IP, dst=GUEST_IP) / UDP(sport=7, dport=9) / b"stream")
    with Flood(guest, frame, dst=GUEST_IP):
        end = time.monotonic() + 10  # the sender may have to wait for a CPU, and the stream with it
        while (during := guest.console_json("mode"))["regime"] != "poll":
            assert time.monotonic() < end, during
            time.sleep(0.1)
    assert during["regime_switches"] > before["regime_switches"]
    end = time.monotonic() + 5
    while (after := guest.console_json("mode"))["regime"] != "interrupt":
        assert time.monotonic() < end, after
        time.sleep(0.1)
    began = during["log"][-1]["time_ns"]
    rows = [row for row in after["log"] if row["time_ns"] >= began]
    assert rows[0]["to"] == "poll" and rows[-1]["to"] == "interrupt"
    assert all(row["reason"] and row["from"] != row["to"] for row in rows)
    said = guest.console("mode")
    assert rows[-1]["reason"] in said and "poll" in said


# ------------------------------------------------------------ settings


@pytest.mark.parametrize("name", LIMITS)
def test_settings(guest, name):
    key = name.replace("-", "_")
    for value in (*LIMITS[name], DEFAULTS[name]):
        assert guest.console_json(f"{name} {value}") == {key: value}
        assert guest.console_json(name) == {key: value} and guest.console_json("mode")[key] == value
        assert re.match(rf"{value} \w", guest.console(name))
        ask(guest, 0x3100)


@pytest.mark.parametrize("command", [
    "mode fast", "mode INTERRUPT", "mode napi napi", "mode 1",
    "budget 0", "budget 257", "budget -1", "budget 0x10", "budget 1 2",
    "budget 18446744073709551617", "defer-us 0", "defer-us 10001", "defer-us 5us", "usecs 99", "usecs 50001", "usecs 1e3"])
def test_bad_settings_are_refused_with_a_sentence(guest, command):
    before = guest.console_json("mode")
    said = guest.console(command)
    assert re.fullmatch(rf"{command.split()[0]}: [^\n]{{15,}}\n", said), said
    after = guest.console_json("mode")
    for key in ("mode", "budget", "defer_us", "usecs", "switches"):
        assert after[key] == before[key]


def test_settings_in_the_configuration(boot):
    """In force from boot on: in poll mode there never is a receive interrupt."""
    guest = boot(cfg="mode = poll\nbudget = 7\ndefer_us = 123\nusecs = 3000\n")
    guest.wait_prompt()
    assert guest.wait_http()[0] == 200
    answer = guest.console_json("mode")
    assert {key: answer[key] for key in ("mode", "regime", "budget", "defer_us", "usecs")} == {
        "mode": "poll", "regime": "poll", "budget": 7, "defer_us": 123, "usecs": 3000}
    assert answer["switches"] == 0
    c = guest.counters()
    assert c["nic.rx_queue_0_packets"] > 0
    # With event indices a device's first one can not be masked (QEMU sends it to be sure).
    assert c["nic.rx_queue_0_interrupts"] <= 1
    assert guest.console_json("cpu")["idle_ns"] < 1_000_000_000  # of the time before the NIC
    assert "mistyped" not in guest.console("dmesg")


def test_bad_settings_in_the_configuration(boot):
    """The log says what is wrong and what is taken instead, and the system boots."""
    guest = boot(cfg="mode = fast\nbudget = 0\ndefer_us = 10001\nusecs = long\n")
    guest.wait_prompt()
    log = guest.console("dmesg")
    for sentence in (
            "mode=fast: must be interrupt, napi, poll or adaptive; using adaptive",
            "budget=0: must be a number from 1 to 256; using 64",
            "defer_us=10001: must be a number from 1 to 10000; using 50",
            "usecs=long: must be a number from 100 to 50000; using 2000"):
        assert sentence in log
    answer = guest.console_json("mode")
    assert answer["mode"] == "adaptive"
    assert [answer[name.replace("-", "_")] for name in DEFAULTS] == list(DEFAULTS.values())
    assert guest.wait_http()[0] == 200


# ------------------------------------------------------------ changes


def test_every_change_with_one_packet_on_its_way(guest):
    """With nothing else going on, a wake-up that a change loses leaves the ping lying there."""
    before = wait_quiet(guest)
    slowest = 0
    for number, (a, b) in enumerate(list(itertools.permutations(MODES, 2)) * 4):
        guest.console(f"mode {a}")
        guest.type(f"mode {b}\r")
        begun = time.monotonic()
        for part in range(8):  # some before the change, some while it is made, some behind it
            ask(guest, 0x4000 + 8 * number + part)
        slowest = max(slowest, time.monotonic() - begun)
        guest.wait_prompt(10)
    c = grown(before, wait_quiet(guest))
    print(f"8 pings around a change: {slowest * 1000:.1f} ms at most")
    check(c)
    assert_nothing_went_wrong(c)
    assert c["icmp.recv"] == c["icmp.xmit"] == 12 * 4 * 8


class Background(threading.Thread):
    """Work that goes on until it is told to end; what goes wrong there is raised by end()."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work = work
        self.ended = threading.Event()
        self.result = self.error = None
        self.start()

    def run(self):
        try:
            self.result = self.work(self.ended)
        except BaseException as error:  # an assertion, too
            self.error = error

    def end(self):
        self.ended.set()
        self.join(60)
        assert not self.is_alive()
        if self.error:
            raise self.error
        return self.result


def ping_steadily(guest, ended):
    """One at a time. How long the answers took, and how many did not come."""
    times = []
    lost = 0
    guest.wire.drain()
    while not ended.wait(0.02):
        number = (len(times) + lost) & 0x7FFF
        begun = time.monotonic()
        guest.wire.send(echo_request(0x5000, seq=number, dst=GUEST_IP, src=OUR_IP))
        try:
            guest.wire.expect(is_echo_reply(0x5000, number), 3, "echo reply")
            times.append(time.monotonic() - begun)
        except qemu.GuestError:
            lost += 1
    return times, lost


def send_datagrams(guest, ended):
    """By turns many, few and none for a second. How many."""
    batches = {count: datagrams(guest, count) for count in (100, 3)}
    sent = 0
    for count in itertools.cycle((100, 3, 0)):
        end = time.monotonic() + 1
        while time.monotonic() < end:
            if count:
                guest.wire.send_packed(batches[count])
                sent += count
            if ended.wait(0.01):
                return sent


def load(guest, client, folder, path, connections, seconds):
    """tests/qemu/load.c on connections that stay open; its summary."""
    result = subprocess.run(
        [client, str(guest.port), "keep", str(connections), "0", str(seconds), f"/{path}",
         folder / path], capture_output=True, text=True, timeout=seconds + 60)
    summary = json.loads(result.stdout)
    assert summary["errors"] == 0 and summary["done"] == summary["wanted"] > 0, result
    assert summary["connections"] == connections, "a connection was lost"
    return summary


def load_now_and_then(guest, client, folder, ended):
    """Heavy load for 4 s, then a pause, so that every mode meets both. The summaries."""
    summaries = []
    while not ended.is_set():
        summaries.append(load(guest, client, folder, "big.bin", 2, 2))
        summaries.append(load(guest, client, folder, "kib.bin", 8, 2))
        ended.wait(2)
    return summaries


def switch_modes(guest, seconds, rng):
    """Each 100 ms another mode; now and then the bounds, the deferral. What was done how often."""
    done = {"mode": 0, **dict.fromkeys(LIMITS, 0)}
    seen = set()
    mode = guest.console_json("mode")["mode"]
    begun = due = time.monotonic()
    while due < begun + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due + 0.1, time.monotonic())
        mode, last = rng.choice([other for other in MODES if other != mode]), mode
        guest.console(f"mode {mode}")
        done["mode"] += 1
        seen.add((last, mode))
        if rng.random() < 0.15:
            name = rng.choice(list(LIMITS))
            guest.console(f"{name} {rng.choice((*LIMITS[name], DEFAULTS[name]))}")
            done[name] += 1
    assert len(seen) == 12, "not every change was made"
    return done


def test_switching_every_100_ms_under_mixed_load_for_a_minute(guest, load_client, tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    load(guest, load_client, tmp_path, "big.bin", 11, 1)  # whatever is allocated once is by now
    wait_closed(guest)
    before, memory_before = wait_quiet(guest), memory(guest)

    steady = Background(lambda ended: load(guest, load_client, tmp_path, "kib.bin", 1, 60))
    heavy = Background(lambda ended: load_now_and_then(guest, load_client, tmp_path, ended))
    pings = Background(lambda ended: ping_steadily(guest, ended))
    udp = Background(lambda ended: send_datagrams(guest, ended))
    done = switch_modes(guest, 60, random.Random(3))
    (round_trips, pings_lost), datagrams_sent = pings.end(), udp.end()
    summaries = [steady.end(), *heavy.end()]

    wait_closed(guest)
    done["mode"] += guest.console_json("mode")["mode"] != "adaptive"
    guest.console("mode adaptive")  # the naive mode keeps spare buffers
    c = grown(before, wait_quiet(guest))
    slowest = max(summary["slowest_ms"] for summary in summaries)
    dropped = c["nic.rx_queue_0_drop_backlog"]
    print(f"{done}; {sum(s['done'] for s in summaries)} requests on "
          f"{sum(s['connections'] for s in summaries)} connections, the slowest {slowest:.0f} ms; "
          f"{datagrams_sent} datagrams; {len(round_trips)} pings, the slowest "
          f"{max(round_trips) * 1000:.0f} ms; {c['nic.rx_queue_0_packets']} packets, "
          f"{dropped} dropped, {c['nic.rx_queue_0_interrupts']} interrupts")

    assert done["mode"] >= 300, "this machine is too slow for the test"
    assert min(done.values()) > 0
    check(c)
    assert_nothing_went_wrong(c, slow_peer=True)
    assert c["nic.rx_mode_switches"] == done["mode"]
    # Only the interrupt mode drops anything, and counts it: then HTTP has to send again. Answers
    # to pings and datagrams find the transmit ring full now and then, which is counted, too.
    assert 0 <= datagrams_sent - c["udp.recv"] <= dropped
    answered, asked = len(round_trips), len(round_trips) + pings_lost
    assert asked - dropped <= c["icmp.recv"] <= asked
    assert 0 <= c["icmp.recv"] - answered <= c["stack.tx_ring_full"]
    assert slowest < (3000 if dropped == 0 else 20_000) and max(round_trips) < 3
    assert [row["state"] for row in guest.console_json("ss -a")["sockets"]] == ["LISTEN"]
    http = guest.console_json("http")
    assert http["connections"] == 0 and http["held_pbufs"] == 0
    assert_memory_is_back(guest, memory_before)
