"""The benchmark's machinery, in its short form: what it counts is right. How fast is not asked."""

import csv
import json
import subprocess

import pytest

import qemu

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
