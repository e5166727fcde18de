"""Ten thousand connections at once, thirty thousand one after the other, and what comes beyond.

The guest's tap is an interface of the test's own namespace, where tests/qemu/crowd.c plays all
clients. Nothing here is about time, but that it ends; the throughput of each round is printed.
"""

import json
import subprocess
import time

import pytest

import links
import qemu
from buffers import assert_back, settled
from conftest import compiled
from namespace import Namespace
from test_http import make_image

pytestmark = pytest.mark.xdist_group("crowd")

MANY = 10_000
ROUNDS = 3
FRESH = 30_000
BODY = bytes(range(256)) * 2 + b"and a hundred more" * 5
CFG = f"ip = {links.GUEST_IP}/24\ngateway = {links.HOST_IP}\nhttp_idle_timeout_s = 3600\n"
FEW_PORTS = "20000 29999"  # that the client chooses from: fewer than connections in a row


class Crowd:
    """The program of crowd.c with one address."""

    def __init__(self, space, program, address, body):
        space.run("ip", "address", "add", f"{address}/24", "dev", "g0")
        self._process = subprocess.Popen(
            space.command(program, links.GUEST_IP, 80, address, "/page", body),
            preexec_fn=qemu.die_with_parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)

    def tell(self, *words):
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline() or "null")
        assert said, f"crowd ended at '{words}'"
        print(f"{' '.join(map(str, words))}: {said}, {said['done'] / (said['seconds'] or 1):.0f}/s")
        return said

    def all_right(self, done, *words):
        said = self.tell(*words)
        assert (said["done"], said["errors"]) == (done, 0), said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


class Place:
    """A namespace with a guest's tap in it."""

    def __init__(self, folder):
        self.space = Namespace()
        self.tap = self.space.tap("g0", vnet=True)
        self.ports("10000 65535")
        self.space.run("ip", "link", "set", "g0", "txqueuelen", 2 * MANY)  # all ask at once
        self.space.run("ip", "address", "add", f"{links.HOST_IP}/24", "dev", "g0")
        self.program = compiled("crowd", folder)
        self.body = folder / "page"
        self.body.write_bytes(BODY)
        self.image = make_image(folder, {"page": BODY}, CFG)
        self.addresses = iter(range(11, 200))

    def ports(self, first_and_last):
        self.space.write("/proc/sys/net/ipv4/ip_local_port_range", f"'{first_and_last}'")

    def plug(self, name, fds):
        fds.append(self.tap)
        return ["-netdev", f"tap,id={name},fd={self.tap.fileno()},vhost=off"]

    def crowd(self):
        return Crowd(self.space, self.program, f"10.0.0.{next(self.addresses)}", self.body)

    def close(self):
        self.tap.close()
        self.space.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("crowd"))
    yield place
    place.close()


@pytest.fixture(scope="module")
def booted(place):
    with qemu.Guest(image=place.image, net=place.plug) as guest:
        guest.wait_prompt()
        guest.wait_for("(link-local)")
        with place.crowd() as crowd:  # what is allocated once and for ever is now
            crowd.all_right(100, "open", 100)
            crowd.all_right(100, "use")
            crowd.all_right(100, "close")
        guest.before = settled(guest)
        yield guest


@pytest.fixture
def guest(booted):
    qemu.used_guests.append(booted)
    if booted.process.poll() is not None:
        booted.fail("an earlier test ended this guest")
    yield booted


def connections(guest):
    return guest.console_json("http")["connections"]


def wait_connections(guest, number, seconds=20):
    deadline = time.monotonic() + seconds
    while (now := connections(guest)) != number:
        assert time.monotonic() < deadline, f"{now} connections, not {number}"
        time.sleep(0.1)


def pools(guest):
    """What is in use, when nothing is on its way. (Not kmalloc's: it keeps pages for a while.)"""
    def look():
        return {pool["name"]: pool["used_bytes"] for pool in guest.console_json("free")["pools"]
                if pool["name"] != "Kmalloc"}

    last, used = None, look()
    while last != used:
        time.sleep(0.5)
        last, used = used, look()
    return used


def test_ten_thousand_connections(guest, place):
    """Opened, used, idle, used again and closed; three times, each time like the first time."""
    before = guest.counters()
    for _ in range(ROUNDS):
        with place.crowd() as crowd:
            crowd.all_right(MANY, "open", MANY)
            assert connections(guest) == MANY
            crowd.all_right(MANY, "use")
            used = pools(guest)
            time.sleep(1.5)  # three of TCP's slow ticks, which look at each of them
            assert connections(guest) == MANY
            assert pools(guest) == used
            crowd.all_right(MANY, "use")
            crowd.all_right(MANY, "close")
            wait_connections(guest, 0)
        assert_back(guest, guest.before)
    after = guest.counters()
    assert MANY <= after["memp.TCP_PCB_max"] <= MANY + 64  # none is left over from round to round
    for name in ("stack.rx_no_memory", "stack.rx_aborts", "stack.tx_no_memory", "stack.tx_copied",
                 "tcp.memerr", "tcp.drop", "memp.TCP_PCB_failed", "memp.TCP_SEG_failed",
                 "nic.rx_queue_0_drop_no_buffer"):
        assert after[name] == before[name], name
    http = guest.console_json("http")
    assert (http["refused"], http["reset"], http["stalled"]) == (0, 0, 0)


def test_one_too_many(guest, place):
    """http_max_connections: the next one is refused, and counted; those that are there go on."""
    before = guest.console_json("http")
    with place.crowd() as crowd, place.crowd() as late:
        crowd.all_right(MANY, "open", MANY)
        opened = late.tell("open", 5)  # SYNs are answered before the app is asked
        asked = late.tell("use")
        assert opened["errors"] + asked["errors"] == 5 and asked["done"] == 0
        after = guest.console_json("http")
        assert after["refused"] == before["refused"] + 5
        crowd.all_right(MANY, "use")
        crowd.all_right(MANY, "close")
        wait_connections(guest, 0)
        late.tell("close")
        late.all_right(5, "open", 5)
        late.all_right(5, "use")
    assert_back(guest, guest.before, seconds=60)


def test_time_wait_starves_nobody(guest, place):
    """The guest closes first, so that TIME-WAIT is on its side: more of them in a row than there are
    records (net/tcp_timewait.h) or ports at the client, and none has to ask twice."""
    before = guest.counters()
    place.ports(FEW_PORTS)
    with place.crowd() as crowd:
        for _ in range(3):
            crowd.all_right(FRESH // 3, "fresh", FRESH // 3)
    after = guest.counters()
    grown = {name: after[name] - before[name] for name in after if name in before}
    assert grown["timewait.entered"] == FRESH
    assert grown["timewait.evicted"] > 0 and grown["timewait.reused"] > 0
    assert grown["memp.TCP_PCB_failed"] == 0 and after["memp.TCP_PCB_used"] < 100
    http = guest.console_json("http")
    assert http["connections"] == 0
    print({name: value for name, value in grown.items() if name.startswith("timewait")})




def test_little_memory(place, boot, load_client):
    """What 10,000 connections need is not in the way of 64 in the least memory that OVMF takes."""
    guest = boot(image=place.image, cfg="", memory="64M")
    guest.wait_prompt()
    guest.wait_http()
    run = subprocess.run([load_client, str(guest.port), "keep", "64", "640", "60", "/page",
                          place.body], capture_output=True, text=True, timeout=100)
    assert json.loads(run.stdout)["done"] == 640, run
