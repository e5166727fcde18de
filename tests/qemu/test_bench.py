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
WEB = qemu.TOP / "bench" / "bench.py"
DOCUMENT = qemu.TOP / "docs" / "performance.md"
PKTGEN = qemu.BUILD / "bench" / "pktgen"
WEB_IMAGE = qemu.BUILD / "bench" / "web.img"


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run(["make", "--no-print-directory", f"BUILD={qemu.BUILD}", str(PKTGEN),
                    str(WEB_IMAGE)],
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


def web(*words):
    return subprocess.run(
        ["/usr/bin/python3", str(WEB), "--build", str(qemu.BUILD), *map(str, words)],
        cwd=qemu.TOP, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def web_run(tmp_path_factory):
    """Its folder, a copy of the document in there, and what was printed."""
    folder = tmp_path_factory.mktemp("web")
    document = folder / "performance.md"
    document.write_text(DOCUMENT.read_text())
    done = web("--short", "--seconds", "1", "--out", folder, "--document", document)
    assert done.returncode == 0, done.stderr
    return folder, document, done


def test_web_short_form(web_run):
    folder, document, done = web_run
    rows = list(csv.DictReader((folder / "web.csv").open()))
    found = {(r["series"], r["case"], r["metric"]): float(r["value"]) for r in rows}
    for case in ("keep-1", "keep-64"):
        assert found["tophalf", case, "requests_per_s"] > 0
        assert found["tophalf", case, "errors"] == 0
        assert 0 < found["tophalf", case, "p50_us"] <= found["tophalf", case, "p99_us"]
        # 612 bytes behind a head of 100 to 400
        size = (found["tophalf", case, "bytes_per_s"] / found["tophalf", case, "requests_per_s"])
        assert 712 <= size <= 1012
    for case in ("ping-idle", "ping-loaded"):
        assert found["tophalf", case, "p50_us"] > 0 and found["tophalf", case, "lost"] >= 0
    elf = found["tophalf", "kernel.elf", "bytes"]
    assert elf == (qemu.BUILD / "kernel.elf").stat().st_size
    about = json.loads((folder / "web.json").read_text())
    assert "QEMU" in about["machine"] and about["commit"] and about["repeats"] == 1
    assert 0 <= about["others_pct"] <= 100
    assert "[1/4" in done.stderr and "| what | aim |" in done.stdout
    for name in ("web-requests", "web-p99"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (folder / f"{name}.svg").read_text()
    text = document.read_text()
    assert f"| kernel.elf stripped, KiB | ≤ 300 | {elf / 1024:,.0f} |" in text
    assert about["machine"] in text


def test_web_redraw(web_run):
    """Tables, plots and document come of the CSV alone, and are the same again."""
    folder, document, _ = web_run
    files = [*folder.glob("*.svg"), document]
    before = [path.read_bytes() for path in files]
    for path in files[:-1]:
        path.unlink()
    done = web("--redraw", "--out", folder, "--document", document)
    assert done.returncode == 0, done.stderr
    assert [path.read_bytes() for path in files] == before


RESULTS = """repeat,series,case,metric,value
0,tophalf,keep-64,requests_per_s,4000
1,tophalf,keep-64,requests_per_s,9000
2,tophalf,keep-64,requests_per_s,6000
0,linux,keep-64,requests_per_s,1000
1,linux,keep-64,requests_per_s,1000
2,linux,keep-64,requests_per_s,1000
0,linux-tuned,keep-64,requests_per_s,2000
1,linux-tuned,keep-64,requests_per_s,3000
2,linux-tuned,keep-64,requests_per_s,2000
2,linux-tuned,keep-64,errors,7
0,tophalf,memory,mib,53
0,firmware,memory,mib,38
"""


def test_web_arithmetic(tmp_path):
    """Medians with their ranges, ratios of pairs, against the better guest."""
    (tmp_path / "web.csv").write_text(RESULTS)
    (tmp_path / "web.json").write_text(json.dumps(
        {"machine": "M", "commit": "C", "linux": "L", "repeats": 3, "seconds": 1, "others_pct": 4}))
    done = web("--redraw", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert ("| 64 connections | 6,000 (4,000–9,000) | 1,000 | 2,000 (2,000–3,000) "
            "| 6.00× (4.00×–9.00×) | 3.00× (2.00×–3.00×) | – |") in done.stdout
    assert "| requests/s at 64 connections | ≥ 4× | 3.00× Linux, tuned | **no** |" in done.stdout
    assert "| ≤ 38 | 53 | **no** |" in done.stdout
    assert "| instructions, 1 MiB | ≤ 60,000 | not measured | – |" in done.stdout
    assert "other work took 4% of the machine." in done.stdout
    assert "Requests that failed: Linux, tuned 7." in done.stdout


@pytest.mark.parametrize("words, says", [
    (["--nosuch"], "--nosuch"),
    (["--seconds", "0"], "0 is less than 1"),
    (["--repeats", "many"], "many"),
    (["--redraw", "--out", "/nonexistent"], "no /nonexistent/web.csv"),
    (["--build", "/nonexistent", "--short"], "no /nonexistent/bench/web.img"),
    (["--linux", "/nonexistent", "--short"], "no /nonexistent/initramfs.gz"),
    (["--short", "--document", "/nonexistent"], "there is no /nonexistent"),
    (["--short", "--document", "README.md"], "README.md has no place for 'aims'"),
])
def test_web_refuses(words, says):
    done = web(*words)
    assert done.returncode != 0
    assert says in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("words, says", [
    ([], "usage:"),
    (["flood", "lo", "52:54:00:12:34:56", "10.0.0.1", "10.0.0.2", "9", "0", "1"], "RATE"),
    (["flood", "lo", "52:54:00:12:34:56", "10.0.0.1", "10.0.0.2", "70000", "1", "1"], "PORT"),
    (["flood", "nosuch0", "52:54:00:12:34:56", "10.0.0.1", "10.0.0.2", "9", "1", "1"], "nosuch0"),
    (["ping", "lo", "52:54", "10.0.0.1", "10.0.0.2", "1000", "1"], "52:54:00:12:34:56"),
    (["ping", "lo", "52:54:00:12:34:56", "10.0.0.1", "host", "1000", "1"], "IPv4"),
    (["ping", "lo", "52:54:00:12:34:56", "10.0.0.1", "10.0.0.2", "9", "1", "sundial"], "usage:"),
    (["echo", "lo", "52:54:00:12:34:56", "10.0.0.1", "10.0.0.2", "1001", "1"], "WINDOW"),
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


# ------------------------------------------------------------ XDP programs

XDP = qemu.TOP / "bench" / "bench_xdp.py"


def xdp(*words):
    return subprocess.run(
        ["/usr/bin/python3", str(XDP), "--build", str(qemu.BUILD), *map(str, words)],
        cwd=qemu.TOP, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def xdp_run(tmp_path_factory, app_image):
    """Its folder, a copy of the document in there, and what was printed."""
    app_image("kv")  # in turn with another worker that wants it; what make does below is done then
    bench = qemu.BUILD / "bench"
    env = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    subprocess.run(["make", "--no-print-directory", f"BUILD={qemu.BUILD}", *(str(bench / name) for name in (
        "xdp.img", "kv.img", "kvload", "pktgen", "plugin/insn.so"))], cwd=qemu.TOP, check=True,
        env={**env, "LWIP_DIR": str(qemu.BUILD / "lwip")})
    folder = tmp_path_factory.mktemp("xdp")
    document = folder / "xdp.md"
    document.write_text((qemu.TOP / "docs" / "xdp.md").read_text())
    done = xdp("--short", "--seconds", "1", "--out", folder, "--document", document)
    assert done.returncode == 0, done.stderr
    return folder, document, done


def test_xdp_short_form(xdp_run):
    folder, document, done = xdp_run
    rows = list(csv.DictReader((folder / "xdp.csv").open()))
    found = {(r["part"], r["x"], r["metric"]): float(r["value"]) for r in rows}
    assert {r["series"] for r in rows} == {"tophalf"} and {r["repeat"] for r in rows} == {"0"}
    # nothing is lost where there is time for all, and what is dropped is what was sent
    assert 0 < found["drop", "2000", "dropped_pps"] <= 1.3 * found["drop", "2000", "sent_pps"]
    for name in ("drop.o", "firewall.o"):
        compiled = found["cost", name, "instructions"]
        assert 100 < compiled < found["cost", name, "instructions_interpreted"] < 100_000
        assert found["verify", name, "verified_instructions"] > 0
    assert 3500 < found["verify", "long4000.o", "program_instructions"] < 4500
    assert found["verify", "long4000.o", "verify_us"] > 0
    for rate in ("0", "2000"):
        for firewall in ("with", "without"):
            assert found["http", rate, f"requests_per_s_{firewall}"] > 0
    for path in ("lwip", "xsk", "xdp"):
        for window in ("1", "16"):
            assert found["kv", window, f"gets_per_s_{path}"] > 0 and found["kv", window, f"p99_us_{path}"] > 0
        assert 300 < found["kvcost", "64", f"instructions_{path}"] < 30_000
    text = document.read_text()
    about = json.loads((folder / "xdp.json").read_text())
    assert about["machine"] in text and "Tophalf, raw ring" in text
    for name in ("xdp-drop", "xdp-http", "xdp-kv"):
        assert f"(bench/{name}.png)" in text
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "[1/6" in done.stderr and "| what | aim |" in done.stdout


def test_xdp_redraw(xdp_run):
    folder, document, _ = xdp_run
    files = [*folder.glob("*.svg"), document]
    before = [path.read_bytes() for path in files]
    done = xdp("--redraw", "--out", folder, "--document", document)
    assert done.returncode == 0, done.stderr
    assert [path.read_bytes() for path in files] == before


XDP_RESULTS = """repeat,part,series,x,metric,value
0,drop,tophalf,1000,dropped_pps,900
1,drop,tophalf,1000,dropped_pps,1000
2,drop,tophalf,1000,dropped_pps,1100
0,drop,tophalf,2000,dropped_pps,700
0,drop,linux,1000,dropped_pps,500
0,drop,linux,2000,dropped_pps,800
0,cost,tophalf,drop.o,instructions,600
0,cost,tophalf,firewall.o,instructions,700
0,cost,tophalf,firewall.o,instructions_interpreted,1500
0,cost,linux,drop.o,instructions,1500
0,verify,tophalf,long4000.o,verify_us,51000
0,kv,tophalf,1,gets_per_s_xdp,3000
0,kv,linux,1,gets_per_s_memcached,1000
"""


def test_xdp_arithmetic(tmp_path):
    """Medians, peaks, and ratios."""
    (tmp_path / "xdp.csv").write_text(XDP_RESULTS)
    (tmp_path / "xdp.json").write_text(json.dumps(
        {"machine": "M", "commit": "C", "linux": "L", "repeats": 3, "seconds": 1}))
    done = xdp("--redraw", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for row in ("| XDP_DROP, packets/s, peaks: to Linux's | ≥ 1.4× | 1.25× | **no** |",
                "| guest instructions for a dropped packet: to Linux's | ≤ 0.33× | 0.40× | **no** |",
                "| a packet that the firewall drops, interpreted to compiled, all instructions | ≥ 5× | 2.14× | **no** |",
                "| verifier, 4,000 instructions, ms | ≤ 50 | 51.0 | **no** |",
                "GETs/s, peaks: to memcached in Linux | – | 3.00× | yes |",
                "| 2,000 | 700 | 800 | 0.88× |"):
        assert row in done.stdout, row


@pytest.mark.parametrize("words, says", [
    (["--nosuch"], "--nosuch"),
    (["--seconds", "0"], "0 is less than 1"),
    (["--parts", "nosuch"], "nosuch"),
    (["--redraw", "--out", "/nonexistent"], "no /nonexistent/xdp.csv"),
    (["--build", "/nonexistent", "--short"], "no /nonexistent/bench/xdp.img"),
    (["--short", "--document", "/nonexistent"], "there is no /nonexistent"),
    (["--short", "--document", "README.md"], "README.md has no place for 'xdp aims'"),
])
def test_xdp_refuses(words, says):
    done = xdp(*words)
    assert done.returncode != 0
    assert says in done.stderr and "Traceback" not in done.stderr
