"""More frames than the CPU can take, in every mode: the console still answers, TCP's timers still
fire, every frame is counted, and afterwards all is as before.
"""

import statistics
import struct
import time

import pytest
from scapy.layers.inet import TCP, UDP

import qemu
from buffers import all_back
from conftest import WIRED_CFG
from fates import assert_nothing_went_wrong, check, grown, wait_quiet
from flood import Flood
from frames import ether, ip, ping

pytestmark = pytest.mark.xdist_group("flood")

MODES = ("interrupt", "napi", "poll", "adaptive")
SECONDS = 5
COMMANDS_LEAST = 20
CLOSED_PORT = 9

# lwIP's timer ticks every 500 ms. The SYN-ACK goes out again at the second tick, then after 2 s.
# A machine that is busy otherwise makes them late, never early.
RETRANSMITTED_AFTER = ((0.4, 2.0), (1.7, 3.5))


@pytest.fixture(scope="module")
def booted():
    with qemu.Guest(cfg=WIRED_CFG, net="wire") as guest:
        guest.wait_prompt()
        guest.wait_for("(link-local)")
        time.sleep(1)  # what the stack sends by itself then
        ping(guest)
        yield guest


@pytest.fixture
def guest(booted):
    with all_back(booted):
        yield booted
        booted.console("mode adaptive")  # the interrupt mode keeps buffers of its own


def datagram(port=CLOSED_PORT):
    return bytes(ether() / ip() / UDP(sport=7, dport=port) / b"flood")


def syn(guest, port):
    """Ask for a connection; what comes back is not acknowledged."""
    guest.wire.send(ether() / ip() / TCP(sport=port, dport=80, seq=1000, flags="S",
                                         options=[("MSS", 1460)]))
    guest.wire.expect(is_syn_ack(port), 5, "SYN-ACK")


def is_syn_ack(port):
    ports = struct.pack(">HH", 80, port)
    return lambda frame: (frame[12:14] == b"\x08\x00" and frame[23] == 6 and frame[34:38] == ports
                          and frame[47] & 0x12 == 0x12)


def syn_acks(guest, port, since):
    """When the guest sent them, in seconds after `since`."""
    return [at - since for at, frame in guest.wire.seen if at >= since and is_syn_ack(port)(frame)]


def answer_times(guest, seconds):
    """Run a simple command again and again; how long each took to be echoed and answered."""
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(times) < COMMANDS_LEAST:
        begun = time.monotonic()
        assert "up" in guest.console("uptime")
        times.append(time.monotonic() - begun)
        time.sleep(0.05)
    return times


def idle_share(before, after):
    return (after["idle_ns"] - before["idle_ns"]) / (after["total_ns"] - before["total_ns"])


@pytest.mark.parametrize("mode", MODES)
def test_flood(guest, mode):
    guest.console(f"mode {mode}")
    port = 5001 + MODES.index(mode)
    before, deferred = wait_quiet(guest), guest.console_json("softirq")["deferred"]
    frames_before = guest.wire.sent
    asked = time.monotonic()
    syn(guest, port)  # before the flood: the interrupt mode would rather drop it than not
    with Flood(guest, datagram()) as flood:
        cpu = guest.console_json("cpu")
        times = answer_times(guest, SECONDS)
        idle = idle_share(cpu, guest.console_json("cpu"))
        during = guest.console_json("mode")
    acks = syn_acks(guest, port, asked)
    guest.wire.send(ether() / ip() / TCP(sport=port, dport=80, seq=1001, flags="R"))
    ping(guest)
    c = grown(before, wait_quiet(guest))
    dropped = c["nic.rx_queue_0_drop_backlog"]

    print(f"{mode}: {flood.sent} datagrams, {dropped} dropped, "
          f"{c['nic.rx_queue_0_interrupts']} interrupts, {idle:.1%} idle; console median "
          f"{statistics.median(times) * 1000:.1f} ms, max {max(times) * 1000:.1f} ms of "
          f"{len(times)}; SYN-ACKs at " + ", ".join(f"{at:.2f}" for at in acks) + " s")

    assert idle < 0.4, "this is no flood"  # some, where the sender has to wait for its CPU
    assert statistics.median(times) < 0.1 and max(times) < 1, sorted(times)[-5:]
    gaps = [after - before for before, after in zip(acks, acks[1:])]
    assert len(gaps) >= 2, acks
    for gap, (least, most) in zip(gaps, RETRANSMITTED_AFTER):
        assert least < gap < most, acks

    check(c)
    assert_nothing_went_wrong(c)
    assert c["nic.rx_queue_0_packets"] + dropped == guest.wire.sent - frames_before
    assert c["udp.recv"] == c["udp.proterr"]
    assert dropped == 0 if mode != "interrupt" else c["udp.recv"] > 0
    if dropped == 0:
        assert c["udp.recv"] == flood.sent and c["tcp.recv"] == 2
    assert guest.console_json("softirq")["deferred"] > deferred, "no round of softirqs was bounded"

    if mode == "poll":
        assert c["nic.rx_queue_0_interrupts"] == 0
    if mode == "adaptive":
        assert during["regime"] == "poll"
        assert c["nic.rx_queue_0_interrupts"] < 0.01 * c["nic.rx_queue_0_packets"]


def test_adaptive_comes_back_when_it_is_quiet(guest):
    guest.console("mode adaptive")
    before = guest.console_json("mode")["regime_switches"]
    with Flood(guest, datagram()):
        time.sleep(1)
        flooded = guest.console_json("mode")
    assert flooded["regime"] == "poll" and flooded["regime_switches"] > before
    assert flooded["log"][-1]["to"] == "poll" and flooded["log"][-1]["reason"]

    end = time.monotonic() + 10
    while guest.console_json("mode")["regime"] != "interrupt":
        assert time.monotonic() < end, guest.console("mode")
        time.sleep(0.1)
    log = guest.console_json("mode")["log"]
    assert [row["to"] for row in log if row["time_ns"] > flooded["log"][-1]["time_ns"]][0] in (
        "interrupt", "defer")
    assert all(row["from"] != row["to"] and row["reason"] for row in log)
    assert [row["time_ns"] for row in log] == sorted(row["time_ns"] for row in log)


@pytest.mark.parametrize("settings", [("budget 1", "usecs 100"), ("budget 256", "usecs 50000")])
def test_the_bounds_of_a_round(guest, settings):
    """The smallest and the largest, under a flood: the console answers in either."""
    guest.console("mode adaptive")
    before = wait_quiet(guest)
    for setting in settings:
        guest.console(setting)
    try:
        with Flood(guest, datagram()) as flood:
            times = answer_times(guest, 1)
        ping(guest)
        c = grown(before, wait_quiet(guest))
    finally:
        for setting in ("budget 64", "usecs 2000"):
            guest.console(setting)
    print(f"{settings}: {c['udp.recv']} datagrams, console median "
          f"{statistics.median(times) * 1000:.1f} ms, max {max(times) * 1000:.1f} ms")
    assert max(times) < 5
    check(c)
    assert_nothing_went_wrong(c)
    assert c["udp.recv"] == flood.sent
