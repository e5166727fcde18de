"""The benchmark's machinery, in its short form: what it counts is right. How fast is not asked."""

import csv
import json
import os
import socket
import subprocess
import sys
import time

import pytest
from scapy.layers.inet import UDP

import qemu
from fates import grown
from frames import ether, ip

pytestmark = pytest.mark.xdist_group("bench")  # one worker builds the generator

BENCH = qemu.TOP / "bench" / "bench_rx.py"
PKTGEN = qemu.BUILD / "bench" / "pktgen"


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run(["make", "--no-print-directory", f"BUILD={qemu.BUILD}", str(PKTGEN)],
                   cwd=qemu.TOP, check=True)


def test_short_form(tmp_path):
    done = subprocess.run(
        ["/usr/bin/python3", str(BENCH), "--short", "--seconds", "1", "--build", str(qemu.BUILD),
         "--out", str(tmp_path)],
        cwd=qemu.TOP, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "rx.csv").open()))
    assert {(r["series"], r["offered_pps"]) for r in rows} == {
        (mode, rate) for mode in ("napi", "poll") for rate in ("1000", "10000")}
    for row in rows:
        slow = row["offered_pps"] == "1000"
        delivered, sent = int(row["delivered_pps"]), int(row["sent_pps"])
        assert 0 < delivered <= 1.3 * sent
        if slow:  # nothing is lost where there is time for all
            assert 0.8 * sent <= delivered
        irqs = float(row["interrupts_per_packet"])
        assert irqs == 0 if row["series"] == "poll" else 0 < irqs <= 1.5
        assert float(row["rtt_p50_us"]) > 0
    idle = {r["series"]: float(r["idle_pct"]) for r in rows if r["offered_pps"] == "1000"}
    assert idle["poll"] == 0 and idle["napi"] > 30
    about = json.loads((tmp_path / "rx.json").read_text())
    assert "QEMU" in about["machine"] and about["commit"]
    assert "delivered/s" in done.stdout and "[1/4" in done.stderr


@pytest.mark.parametrize("words, says", [
    ([], "usage:"),
    (["flood", "lo", "52:54:00:12:34:56", "10.0.0.1", "10.0.0.2", "9", "0", "1"], "RATE"),
    (["flood", "lo", "52:54:00:12:34:56", "10.0.0.1", "10.0.0.2", "70000", "1", "1"], "PORT"),
    (["flood", "nosuch0", "52:54:00:12:34:56", "10.0.0.1", "10.0.0.2", "9", "1", "1"], "nosuch0"),
    (["ping", "lo", "52:54", "10.0.0.1", "10.0.0.2", "1000", "1"], "52:54:00:12:34:56"),
    (["ping", "lo", "52:54:00:12:34:56", "10.0.0.1", "host", "1000", "1"], "IPv4"),
])
def test_generator_refuses(words, says):
    done = subprocess.run([str(PKTGEN), *words], capture_output=True, text=True, timeout=20)
    assert done.returncode in (1, 2)
    assert says in done.stderr


def test_the_linux_guest(tmp_path):
    """It boots, counts what comes through UDP and what XDP drops, and says when it can not."""
    folder = qemu.BUILD / "bench" / "linux"
    done = subprocess.run([qemu.TOP / "bench/linux/build.sh", folder], capture_output=True,
                          text=True, timeout=300, env={**os.environ, "UNPINNED": "1"})
    assert done.returncode == 0, done.stderr
    sys.path.insert(0, str(qemu.TOP / "bench" / "linux"))
    import guest as linux

    ours, theirs = socket.socketpair()
    net = ["-netdev", f"stream,id=n0,addr.type=fd,addr.str={theirs.fileno()}",
           "-device", "virtio-net-pci,netdev=n0,romfile="]
    with ours, theirs, linux.LinuxGuest(folder, net, pass_fds=[theirs.fileno()]) as guest:
        guest.wait_ready()
        wire = qemu.Wire(ours)
        frame = bytes(ether() / ip() / UDP(sport=7, dport=9) / b"one of many")

        def grown_by(count):
            before = guest.counters()
            wire.send_packed(wire.pack([frame] * count))
            end = time.monotonic() + 20
            while True:
                now = grown(before, guest.counters())
                if now["udp_delivered"] + now["xdp_dropped"] >= count or time.monotonic() > end:
                    return now
                time.sleep(0.2)

        now = grown_by(100)
        assert now["udp_delivered"] == 100 and now["xdp_dropped"] == 0
        assert now["rx_interrupts"] > 0
        guest.xdp(True)
        now = grown_by(100)
        assert now["udp_delivered"] == 0 and now["xdp_dropped"] == 100
        guest.xdp(False)
        assert grown_by(10)["udp_delivered"] == 10
        before = guest.counters()
        time.sleep(1)
        now = grown(before, guest.counters())
        assert 0.5 * now["total_ns"] < now["idle_ns"] <= now["total_ns"] + 20_000_000
        with pytest.raises(linux.LinuxGuestError, match="no command 'nosuch'"):
            guest.command("nosuch")
