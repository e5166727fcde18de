"""Every kind of ring that QEMU offers, in every receive mode: split or packed, with and without
indirect tables and event indices.

The guest is on a hub with user networking, for HTTP, and with a raw wire, for pings.
"""

import itertools
import json
import random
import re
import subprocess
import time

import pytest

import qemu
from buffers import all_back
from fates import assert_nothing_went_wrong, check, grown, wait_quiet
from frames import ping
from test_http import assert_memory_is_back, make_image, memory, wait_closed

MODES = ("interrupt", "napi", "poll", "adaptive")
OUR_IP, GUEST_IP = "10.0.2.9", "10.0.2.15"
CFG = f"ip = {GUEST_IP}/24\ngateway = 10.0.2.2\nfault = on\n"
BYTES = random.Random(5).randbytes(1 << 20)
FILES = {"empty.txt": b"", "kib.bin": BYTES[:1024], "odd.bin": BYTES[:33_333], "mib.bin": BYTES}
PINGS = 20
CONNECTIONS = 200

FEATURES = {"indirect_desc": 28, "event_idx": 29, "packed": 34}
KINDS = [dict(zip(FEATURES, kind)) for kind in itertools.product((False, True), repeat=3)]


def name_of(kind):
    return " ".join(name for name, on in kind.items() if on) or "plain"


# The kinds are divided between two workers, so that not all guests of one stand idle.
@pytest.fixture(scope="module", params=[
    pytest.param(kind, id=name_of(kind), marks=pytest.mark.xdist_group(f"rings{number % 2}"))
    for number, kind in enumerate(KINDS)])
def booted(request, tmp_path_factory):
    kind = request.param
    nic = ",".join(f"{name}={'on' if on else 'off'}" for name, on in kind.items())
    image = make_image(tmp_path_factory.mktemp("rings"), FILES, CFG)
    with qemu.Guest(image=image, net="both", nic=nic) as guest:
        guest.kind = kind  # what check_interrupts() goes by
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


def negotiated(guest):
    features = int(re.search(r"features 0x([0-9a-f]+)", guest.console("dmesg")).group(1), 16)
    return {name: bool(features >> bit & 1) for name, bit in FEATURES.items()}


def test_what_is_offered_is_negotiated(guest):
    assert negotiated(guest) == guest.kind


def load(guest, client, folder, how, connections, requests, path):
    """tests/qemu/load.c: so many connections at a time, all answers right."""
    body = folder / path
    body.write_bytes(FILES[path])
    result = subprocess.run(
        [client, str(guest.port), how, str(connections), str(requests), "120", f"/{path}", body],
        capture_output=True, text=True, timeout=150)
    summary = json.loads(result.stdout)
    assert summary["errors"] == 0 and summary["done"] == requests, (summary, result.stderr)


def check_interrupts(guest, mode, c):
    """Masked is masked; with event indices in a split ring, but for one in 32768 chains and the
    device's first, which QEMU does not ask about."""
    stray = 2 if guest.kind["event_idx"] and not guest.kind["packed"] else 0
    rx, tx = c["nic.rx_queue_0_interrupts"], c["nic.tx_queue_0_interrupts"]
    if mode == "poll":
        assert rx <= stray
    elif mode in ("interrupt", "napi"):
        assert rx >= PINGS  # each ping comes to a guest that has gone to sleep
    if c["stack.tx_ring_full"] == 0:
        assert tx <= stray


@pytest.mark.parametrize("mode", MODES)
def test_the_web_server(guest, mode, load_client, tmp_path):
    guest.console(f"mode {mode}")
    wait_closed(guest)
    before = wait_quiet(guest)
    for path, body in FILES.items():
        assert guest.get(f"/{path}")[2] == body
    for number in range(PINGS):
        ping(guest, 0x6000 + number, dst=GUEST_IP, payload=BYTES[:64 * number])
        time.sleep(0.01)
    # The backlog of the interrupt mode overflows under more, and when the only frame of a connection
    # is lost, user networking may take a minute to send it again.
    path = "kib.bin" if mode == "interrupt" else "odd.bin"
    load(guest, load_client, tmp_path, "fresh", 16, CONNECTIONS, path)
    load(guest, load_client, tmp_path, "keep", 32, 3 * CONNECTIONS, path)
    wait_closed(guest)

    c = grown(before, wait_quiet(guest))
    check(c)
    assert_nothing_went_wrong(c)
    check_interrupts(guest, mode, c)
    assert c["icmp.recv"] == c["icmp.xmit"] == PINGS
    assert c["tcp.recv"] > 4 * CONNECTIONS
    rings = {name.removeprefix("nic."): value for name, value in c.items()
             if re.search(r"packets|interrupts|kicks", name)}
    print(f"{name_of(guest.kind)}, {mode}: {rings}")


def test_a_reset_starts_the_rings_over(guest):
    """In the middle of a transfer, again and again: the same rings, and all that was lost comes."""
    before = memory(guest)
    resets = guest.counters()["nic.device_resets"]
    for _ in range(3):
        guest.console("fault nic-broken")
        assert guest.get("/mib.bin")[2] == BYTES
        ping(guest, 0x6100, dst=GUEST_IP)
    assert guest.counters()["nic.device_resets"] == resets + 3
    wait_closed(guest)
    assert_memory_is_back(guest, before)


@pytest.mark.xdist_group("rings0")
def test_packed_rings_share_a_line(boot):
    """Without MSI-X: one line for both rings, level-triggered."""
    guest = boot(nic="packed=on,vectors=0")
    guest.wait_prompt()
    assert all(negotiated(guest).values())
    for mode in MODES:
        guest.console(f"mode {mode}")
        for _ in range(5):
            assert guest.wait_http()[0] == 200
    assert_nothing_went_wrong(guest.counters())
