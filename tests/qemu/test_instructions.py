"""What the receive path costs, in instructions: they repeat exactly where seconds do not.

Under -icount the guest's clock counts its instructions: with shift=1 each is two nanoseconds, and
the TSC (1 GHz then) two ticks.
"""

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

import qemu
from conftest import WIRED_CFG

TICKS_PER_INSTRUCTION = 2
BOOT_SECONDS = 240  # counting makes the firmware slow


@pytest.fixture(scope="module")
def counting():
    with qemu.Guest(cfg=WIRED_CFG + "mode = napi\n", net="wire",
                    args=["-icount", "shift=1"]) as guest:
        guest.wait_prompt(BOOT_SECONDS)
        yield guest


def datagram(guest, size=18):
    mac = next(line.split()[1] for line in guest.console("ip").splitlines() if "ether" in line)
    return bytes(Ether(dst=mac, src=guest.wire.MAC) / IP(src=guest.wire.IP, dst="10.0.0.2")
                 / UDP(sport=5000, dport=9) / bytes(size))


def receive_vector(guest):
    vectors = guest.console_json("interrupts")["interrupts"]
    return next(v for v in vectors if v["name"] == "virtio0-input.0")


def send_and_wait(guest, frame, count):
    """One by one, so that each frame has its interrupt."""
    for _ in range(count):
        before = guest.console_json("stats udp")["udp"]["recv"]
        guest.wire.send(frame)
        while guest.console_json("stats udp")["udp"]["recv"] == before:
            pass


@pytest.mark.xdist_group("counting")
def test_the_top_half_is_short(counting):
    """From irq_dispatch()'s first line to its last: the top half, the end-of-interrupt, and the
    accounting of both. (The stub around it saves and restores eleven registers: 30 more.)"""
    frame = datagram(counting)
    before = receive_vector(counting)
    send_and_wait(counting, frame, 20)
    after = receive_vector(counting)

    interrupts = after["count"] - before["count"]
    instructions = (after["ticks"] - before["ticks"]) / TICKS_PER_INSTRUCTION / interrupts
    print(f"{instructions} instructions in each of {interrupts} interrupts")
    assert interrupts >= 20
    assert instructions <= 110


@pytest.mark.xdist_group("counting")
def test_the_way_of_a_datagram(counting):
    """A poll that takes a burst of datagrams to a closed port: what each adds."""
    frame = datagram(counting)
    counting.wire.send(frame)
    counting.console("reset")
    for _ in range(20):
        for _ in range(32):
            counting.wire.send(frame)
        counting.console("uptime")
    histograms = {h["name"]: h for h in counting.console_json("hist")["histograms"]}
    packets = histograms["poll_packets"]["sum"]
    instructions = histograms["poll_time"]["sum"] / 2 / packets
    print(f"{instructions} instructions for each of {packets} packets, "
          f"{histograms['poll_packets']['mean']} packets a poll")
    assert packets >= 600
    assert instructions <= 2500
