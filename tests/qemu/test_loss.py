"""TCP over a link that loses, doubles, corrupts, reorders and delays: what arrives is what was sent.

Downloads are files of httpd; the echo app carries data in both directions at once. All guests work
at the same time, each in a thread of its own, because a lost segment mostly means waiting: the
tests below then look at one result each. LOSSY_SEED=n takes other fates; LOSSY_LONG=1 adds runs
that take minutes: all of a transfer on one connection, where otherwise many connections share it.
"""

import dataclasses
import os
import random
import socket
import struct
import subprocess
import threading
import time

import pytest

import fates
import links
import qemu
from buffers import assert_back, settled
from test_http import make_image

pytestmark = pytest.mark.xdist_group("loss")

KIB, MIB = 1 << 10, 1 << 20
ADDRESS = f"ip = {links.GUEST_IP}/24\ngateway = {links.HOST_IP}\n"
PATIENT = "http_header_timeout_s = 3600\nhttp_idle_timeout_s = 3600\n"
BYTES = random.Random(4).randbytes(64 * MIB)
LONG = bool(os.environ.get("LOSSY_LONG"))
BUSY_GUESTS = 10  # at a time; the others wait


@dataclasses.dataclass(frozen=True)
class Setting:
    """A guest and what it is linked by."""

    link: str
    app: str
    nic: str = ""

    def __str__(self):
        return "-".join(filter(None, (self.link, self.app, self.nic)))


@dataclasses.dataclass(frozen=True)
class Run:
    """So many bytes over each of so many connections, at that rate of loss in percent."""

    size: int
    connections: int
    loss: int

    def __str__(self):
        return f"{self.size * self.connections / MIB:g}MiB-by-{self.connections}-{self.loss}%"

    def rates(self):
        return {"drop": self.loss, "duplicate": self.loss / 2, "corrupt": self.loss / 5,
                "reorder": self.loss, "delay": self.loss / 2}


RUNS = {
    "httpd": [Run(MIB, 1, 0), Run(64 * MIB, 1, 0), Run(MIB, 64, 1), Run(16 * KIB, 64, 10)],
    # It holds what the peer has not acknowledged. Four windows are about all that it may hold: with
    # more, data that it refuses piles up, and the stack resets connections (stack_rx_reclaim()).
    "echo": [Run(MIB, 1, 0), Run(64 * MIB, 1, 0), Run(2 * MIB, 4, 1), Run(16 * KIB, 64, 10)],
}
LONG_RUNS = [Run(MIB, 1, 1), Run(256 * KIB, 4, 3), Run(MIB, 1, 3), Run(16 * MIB, 4, 1),
             Run(MIB, 1, 10), Run(64 * MIB, 1, 1)]
SHORT_RUNS = [Run(16 * MIB, 1, 0), Run(256 * KIB, 4, 2)]
SIZES = sorted({run.size for run in sum(RUNS.values(), LONG_RUNS + SHORT_RUNS)})

# What can be had otherwise, beside the settings above with all that QEMU offers.
NICS = ["packed=on", "csum=off,guest_csum=off", "host_tso4=off,host_tso6=off,mrg_rxbuf=off",
        "event_idx=off,indirect_desc=off"]
LONG_NICS = ["csum=off", "guest_csum=off", "host_tso4=off,host_tso6=off", "mrg_rxbuf=off",
             "guest_tso4=off,guest_tso6=off", "event_idx=off", "indirect_desc=off",
             "packed=on,event_idx=off", "packed=on,indirect_desc=off", "packed=on,mrg_rxbuf=off"]

JOBS = {Setting(link, app): RUNS[app] + (LONG_RUNS if LONG else [])
        for link in links.KINDS for app in ("httpd", "echo")}
JOBS |= {Setting("whole", "echo", nic): SHORT_RUNS for nic in NICS + (LONG_NICS if LONG else [])}


@pytest.fixture(scope="module")
def images(tmp_path_factory, app_image):
    names = {f"{size}.bin": BYTES[:size] for size in SIZES}
    return {"httpd": make_image(tmp_path_factory.mktemp("site"), names, ADDRESS + PATIENT),
            "echo": app_image("echo")}


def difference(got, sent):
    """None, or where the one leaves the other."""
    if got == sent:
        return None
    same = next((n for n, (a, b) in enumerate(zip(got, sent)) if a != b), None)
    if same is None:
        return f"{len(got)} bytes of {len(sent)}, all as they were sent"
    return f"{len(got)} bytes of {len(sent)}, wrong from {same} on"


def download(client, run, _):
    client.sendall(f"GET /{run.size}.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    got = bytearray()
    while piece := client.recv(MIB):
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    return difference(body, BYTES[:run.size])


def echo(client, run, number):
    """Each connection has other data: mixed up ones would show."""
    start = number * 4093 % (len(BYTES) - run.size + 1)
    data = memoryview(BYTES)[start:start + run.size]
    errors = []

    def send():
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError as error:
            errors.append(f"sender: {error!r}")

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    got = bytearray()
    try:
        while piece := client.recv(MIB):
            got += piece
    except OSError as error:
        errors.append(f"receiver: {error!r}")
    sender.join(60)
    wrong = [difference(got, data), *errors]
    return ", ".join(filter(None, wrong)) or None


class Work(threading.Thread):
    """The transfers of one setting, one run after the other."""

    busy = threading.Semaphore(BUSY_GUESTS)

    def __init__(self, setting, image, program):
        super().__init__(daemon=True)
        self.setting, self.image, self.program = setting, image, program
        self.ended = {run: threading.Event() for run in JOBS[setting]}
        self.said = {}
        self.failed = {}
        self.guest = None
        self.start()

    def run(self):
        try:
            with self.busy:
                self.work()
        except BaseException as error:  # raised again by the tests that wait for it
            for run in self.ended:
                if not self.ended[run].is_set():
                    self.failed[run] = error
        for event in self.ended.values():
            event.set()

    def work(self):
        cfg = ADDRESS + "echo_port = 80\n" if self.setting.app == "echo" else None
        with links.Link(self.setting.link) as link, qemu.Guest(
                image=self.image, cfg=cfg, net=link.plug, nic=self.setting.nic) as self.guest:
            link.lead_to_host(self.program)
            self.guest.wait_prompt()
            self.guest.wait_for("(link-local)")
            self.transfer(link, Run(SIZES[0], 2, 0))  # what is allocated once and for ever is now
            before = settled(self.guest)
            for run in self.ended:
                self.try_run(link, run, before)

    def try_run(self, link, run, before):
        seed = links.seed_of_this_run(f"{self.setting} {run}")
        counted = self.guest.counters()
        link.lossy.set(seed, **run.rates())
        begun = time.monotonic()
        try:
            self.transfer(link, run)
            seconds = time.monotonic() - begun
            done = link.lossy.set()
            assert_back(self.guest, before)
            c = fates.grown(counted, self.guest.counters())
            fates.check(c, strangers=True)
            for name in ("nic.device_resets", "watchdog.resets", "stack.rx_aborts",
                         "nic.rx_queue_0_drop_ring", "nic.rx_queue_0_drop_bad_length",
                         "nic.tx_queue_0_drop_ring"):
                assert c[name] == 0, (name, c)
            self.said[run] = f"seed {seed}: {seconds:.1f} s; {done}", done
        except BaseException as error:
            self.failed[run] = AssertionError(f"seed {seed}: {error!r}")
            if not isinstance(error, AssertionError):
                raise
        finally:
            self.ended[run].set()

    def transfer(self, link, run):
        """All connections at once, every second one over IPv6."""
        wrong = []
        before = self.guest.counters()

        def one(number):
            try:
                with link.connect(timeout=300, ipv6=number % 2 == 1) as client:
                    move = download if self.setting.app == "httpd" else echo
                    if trouble := move(client, run, number):
                        wrong.append((number, trouble))
            except (OSError, AssertionError) as error:
                wrong.append((number, repr(error)))

        threads = [threading.Thread(target=one, args=(number,), daemon=True)
                   for number in range(run.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, (f"{self.setting}, {run}: of {run.connections} connections: {wrong[:5]}",
                           fates.grown(before, self.guest.counters()))


@pytest.fixture(scope="module")
def works(request, images, lossy_program):
    """The work of every setting that a selected test is about."""
    params = [item.callspec.params for item in request.session.items
              if getattr(item, "originalname", "") == "test_transfer"]
    wanted = dict.fromkeys(p["setting"] for p in params)
    all_work = {setting: Work(setting, images[setting.app], lossy_program) for setting in wanted}
    yield all_work
    for work in all_work.values():
        work.join(20)


@pytest.mark.parametrize("setting, run", [
    pytest.param(setting, run, id=f"{setting}-{run}")
    for setting, runs in JOBS.items() for run in runs])
def test_transfer(works, setting, run):
    """Bit-exact, and no buffer is lost."""
    work = works[setting]
    assert work.ended[run].wait(3600 if LONG else 400), f"{setting}, {run} takes too long"
    if work.guest:
        qemu.used_guests.append(work.guest)
    if run in work.failed:
        raise work.failed[run]
    said, done = work.said[run]
    print(f"{setting}, {run}: {said}")  # pytest -s shows it
    for direction in done:
        assert direction["frames"] > 0 and direction["overflowed"] == 0
        kinds = ("dropped", "duplicated", "corrupted", "reordered", "delayed")
        assert (sum(direction[kind] for kind in kinds) > 0) == (run.loss > 0)
        assert setting.link == "whole" or direction["largest"] <= 1514
    if setting.link == "whole" and "host_tso4=off" not in setting.nic and "csum" not in setting.nic:
        assert done[0]["largest"] > 4 * 1514, "the guest hands over no super-segments"


# ------------------------------------------------------------ the proxy itself


def through(program, seed, frames, **rates):
    """What comes out of the other end, and what the program says it did."""
    pairs = [socket.socketpair() for _ in range(2)]
    lossy = links.Lossy(program, *(("stream", theirs) for _, theirs in pairs))
    ours, far = (ours for ours, _ in pairs)
    got = bytearray()
    try:
        lossy.set(seed, **rates)
        ours.sendall(qemu.Wire.pack(frames))
        far.settimeout(0.3)  # nothing is held back longer than 20 ms
        try:
            while True:
                got += far.recv(MIB)
        except TimeoutError:
            pass
        counts = lossy.set()
    finally:
        lossy.close()
        for end in (ours, far):
            end.close()
    out = []
    while got:
        end = 4 + struct.unpack_from(">I", got)[0]
        out.append(bytes(got[4:end]))
        del got[:end]
    return out, counts[0]


FRAMES = [bytes(12) + b"\x08\x00" + struct.pack(">I", n) + bytes(n % 1400) for n in range(2000)]


def test_proxy_passes_all_on_at_first(lossy_program):
    out, counts = through(lossy_program, 1, FRAMES)
    assert out == FRAMES
    assert counts["frames"] == 2000 and counts["largest"] == max(map(len, FRAMES))


@pytest.mark.parametrize("what, told", [
    ("drop", "dropped"), ("duplicate", "duplicated"), ("corrupt", "corrupted"),
    ("reorder", "reordered"), ("delay", "delayed")])
def test_proxy_does_what_it_says(lossy_program, what, told):
    """One of its ways at a time, at 10 percent; the same fates by the same seed only."""
    out, counts = through(lossy_program, 7, FRAMES, **{what: 10})
    number = counts[told]
    assert 120 < number < 280 and sum(counts[name] for name in (
        "dropped", "duplicated", "corrupted", "reordered", "delayed")) == number
    missing, extra = set(FRAMES) - set(out), set(out) - set(FRAMES)
    assert len(missing) == (number if what in ("drop", "corrupt") else 0)
    assert len(extra) == (number if what == "corrupt" else 0)
    assert len(out) == 2000 + {"drop": -number, "duplicate": number}.get(what, 0)
    if what in ("reorder", "delay"):
        moved = [n for n, frame in enumerate(out) if frame != FRAMES[n]]
        assert len(moved) > number
    elif what in ("drop", "corrupt"):
        assert [f for f in out if f in set(FRAMES)] == [f for f in FRAMES if f not in missing]
    if what != "delay":  # the only one that is a matter of time alone
        assert through(lossy_program, 7, FRAMES, **{what: 10})[0] == out
        assert through(lossy_program, 8, FRAMES, **{what: 10})[0] != out


def test_proxy_corrupts_no_arp(lossy_program):
    frames = [frame[:12] + b"\x08\x06" + frame[14:] for frame in FRAMES]
    assert through(lossy_program, 7, frames, corrupt=100)[0] == frames


def test_proxy_refuses_a_bad_line(lossy_program):
    a, b = socket.socketpair()
    with a, b:
        run = subprocess.run([lossy_program, f"stream:{a.fileno()}", f"stream:{b.fileno()}"],
                             input="1 2 3\n", pass_fds=(a.fileno(), b.fileno()),
                             capture_output=True, text=True, timeout=20)
    assert run.returncode == 2 and "bad line" in run.stderr
