#!/usr/bin/python3
"""XDP measured: Tophalf beside the Linux guest, on the same QEMU, with the same programs.

  drop    packets a second that a program drops in the driver, at rising rates
  cost    guest instructions for each dropped packet: by the least program, by the firewall compiled
          and interpreted
  verify  how long the verifier takes
  http    requests a second while a UDP flood rises, with and without the firewall
  kv      GETs a second of memcached's protocol: through lwIP, from a raw ring, answered by a program;
          beside memcached in Linux

Each repeat boots each guest anew. Raw figures go to xdp.csv; --redraw makes tables and plots of them.
"""

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import bench
import insn
import netns
import progress
import report_web
import report_xdp
import targets

FIELDS = ["repeat", "part", "series", "x", "metric", "value"]
DROP_RATES = [50000, 100000, 200000, 300000, 400000]
FLOOD_RATES = [0, 10000, 25000, 50000, 100000, 200000]
COST_RATE = 20000
WINDOWS = [1, 16, 64, 256]
KEYS, VALUE_BYTES, MISSES = 1000, 100, 10
KV_COUNTED = 20000  # requests whose instructions are counted
FLOODER = "10.0.0.66"  # whom the firewall denies
DENIED_KEY = bytes([32, 0, 0, 0, 10, 0, 0, 66])  # of an LPM trie: 10.0.0.66/32
DENY = (1).to_bytes(4, "little")
PORT = 9
PARTS = ("drop", "cost", "verify", "http", "kv", "kvcost")


class Tophalf(targets.Tophalf):
    """With programs on the boot volume."""

    def load(self, name):
        self.say(f"xdp load {name}")
        if name == "firewall.o":
            self.say(f"map update rules4 key {FLOODER}/32 value 1")

    def say(self, line):
        answer = self.guest.console_json(line)
        if "error" in answer:
            raise targets.qemu.GuestError(f"{line}: {answer['error']}")
        return answer

    def unload(self):
        self.guest.console("xdp unload")

    def dropped(self):
        return self.guest.console_json("stats nic")["nic"]["rx_queue_0_xdp_drops"]

    def clock_and_dropped(self):
        said = self.guest.console_json("stats nic")
        return said["time_ns"], said["nic"]["rx_queue_0_xdp_drops"]


class Linux(targets.LinuxWeb):
    """With the same objects, loaded by libbpf; and memcached."""

    def __init__(self, folder, variant="default", **options):
        super().__init__(folder, variant, append="KV=1", **options)

    def load(self, name):
        self.guest.command(f"load {name}")
        if name == "firewall.o":
            self.guest.command(f"map rules4 {DENIED_KEY.hex()} {DENY.hex()}")

    def unload(self):
        self.guest.command("xdp off")

    def dropped(self):
        return self.guest.counters()["xdp_dropped"]

    def clock_and_dropped(self):
        now = self.guest.counters()
        return now["time_ns"], now["xdp_dropped"]


def flood(options, rate, seconds, source=netns.HOST_IP):
    line = ["nice", "-n", "5", str(options.build / "bench" / "pktgen"), "flood", netns.TAP,
            netns.GUEST_MAC, source, netns.GUEST_IP, PORT, rate, seconds]
    return subprocess.Popen(bench.on_other_core(list(map(str, line))), stdout=subprocess.PIPE,
                            text=True)


# ---------------------------------------------------------------- parts: yield (x, metric, value)

def measure_drop(options, target, show):
    target.load("drop.o")
    for rate in options.drop_rates:
        show(f"{rate:,} packets/s")
        sender = flood(options, rate, options.seconds + 2)
        time.sleep(0.7)
        begun, before = target.clock_and_dropped()
        time.sleep(options.seconds)
        ended, after = target.clock_and_dropped()
        sent = json.loads(sender.communicate()[0])
        yield rate, "sent_pps", sent["sent_pps"]
        yield rate, "dropped_pps", (after - before) * 1e9 / (ended - begun)
    target.unload()


def instructions_per_drop(options, target, counters):
    """The guest is quiet before and after: the whole flood is counted, and nothing else."""
    before = target.dropped()
    time.sleep(0.3)
    begun = counters.total()
    flood(options, COST_RATE, options.seconds, FLOODER).communicate()
    time.sleep(0.3)
    ended = counters.total()
    dropped = target.dropped() - before
    if dropped < COST_RATE * options.seconds / 3:
        raise targets.qemu.GuestError(f"{dropped} of {COST_RATE * options.seconds} packets were dropped")
    return (ended - begun) / dropped


def measure_cost(options, target, show):
    counters = insn.Counters(options.counter)
    for name in ("drop.o", "firewall.o"):
        show(f"instructions of {name}")
        target.load(name)
        instructions_per_drop(options, target, counters)  # its way is warm
        yield name, "instructions", instructions_per_drop(options, target, counters)
        if isinstance(target, Tophalf):
            target.guest.console("xdp jit off")
            yield name, "instructions_interpreted", instructions_per_drop(options, target, counters)
            target.guest.console("xdp jit on")
    target.unload()


def measure_verify(_options, target, show):
    """What the verifier took: of us alone, as libbpf does not say it of Linux's."""
    for name in ("drop.o", "firewall.o", "long4000.o"):
        show(name)
        target.say(f"xdp load {name}")
        said = next(p for p in target.say("xdp show")["programs"] if p["attached"])
        yield name, "program_instructions", said["bytes_xlated"] // 8
        yield name, "verified_instructions", said["verified_insns"]
        yield name, "verify_us", said["verify_ns"] / 1000


def measure_http(options, target, show):
    for firewall in (False, True):
        if firewall:
            target.load("firewall.o")
        name = "with" if firewall else "without"
        for rate in options.flood_rates:
            show(f"{rate:,} packets/s, {name} the firewall")
            sender = flood(options, rate, options.seconds + 2, FLOODER) if rate else None
            time.sleep(0.5)
            yield rate, f"requests_per_s_{name}", bench.wrk("keep-64", options.seconds)["requests_per_s"]
            if sender:
                sender.communicate()
    target.unload()


def kvload(options, window, *more):
    line = [options.build / "bench" / "kvload", netns.GUEST_IP, 11211, window, options.seconds, KEYS,
            VALUE_BYTES, MISSES, *more]
    done = subprocess.run(bench.on_other_core(list(map(str, line))), capture_output=True, text=True,
                          timeout=options.seconds + 60)
    if done.returncode != 0:
        raise targets.qemu.GuestError(f"kvload: {done.stderr.strip()} {done.stdout.strip()}")
    return json.loads(done.stdout)


def measure_kv(options, target, show):
    paths = ("lwip", "xsk", "xdp") if isinstance(target, Tophalf) else ("memcached",)
    for path in paths:
        if isinstance(target, Tophalf):
            target.say(f"kv path {path}")
        for window in options.windows:
            show(f"{path}, {window} on their way")
            said = kvload(options, window)
            yield window, f"gets_per_s_{path}", said["per_second"]
            yield window, f"p99_us_{path}", said["p99_us"]


def measure_kv_cost(options, target, show):
    paths = ("lwip", "xsk", "xdp") if isinstance(target, Tophalf) else ("memcached",)
    for path in paths:
        if isinstance(target, Tophalf):
            target.say(f"kv path {path}")
        show(f"instructions of {path}")
        kvload(options, 64)
        said = kvload(options, 64, KV_COUNTED, options.counter)
        yield 64, f"instructions_{path}", said["instructions"] / said["answered"]


# ---------------------------------------------------------------- the run

def plan(options):
    """(part, series, what makes its guest, what measures it) in the order of one repeat."""
    counting = insn.plugin_options(options.build / "bench" / "plugin" / "insn.so", options.counter)

    def ours(args=()):
        return Tophalf(options.image, cfg="mode = adaptive\n", args=args)

    def store(args=()):
        return Tophalf(options.kv, args=args)

    def napi(args):
        return Tophalf(options.image, cfg="mode = napi\n", args=args)

    def linux(args=()):
        return Linux(options.linux, args=args)

    steps = [
        ("drop", "tophalf", ours, measure_drop), ("drop", "linux", linux, measure_drop),
        ("cost", "tophalf", lambda: napi(counting), measure_cost),
        ("cost", "linux", lambda: linux(counting), measure_cost),
        ("verify", "tophalf", ours, measure_verify),
        ("http", "tophalf", ours, measure_http), ("http", "linux", linux, measure_http),
        ("kv", "tophalf", store, measure_kv), ("kv", "linux", linux, measure_kv),
        ("kvcost", "tophalf", lambda: store(counting), measure_kv_cost),
        ("kvcost", "linux", lambda: linux(counting), measure_kv_cost),
    ]
    return [s for s in steps if (options.linux or s[1] != "linux") and s[0] in (options.parts or PARTS)]


def run(options):
    steps = plan(options)
    line = progress.Line(len(steps) * options.repeats)
    rows, versions = [], {}
    for repeat in range(options.repeats):
        for part, series, make, measure in steps:
            if part.endswith("cost") and repeat > 0:
                line.step()
                continue  # instructions repeat
            line.show(f"{part}: booting {series}")
            with make() as target:
                versions[series] = target.version()
                netns.know_guest()
                time.sleep(1)
                for x, metric, value in measure(
                        options, target, lambda text, p=part, s=series: line.show(f"{p}: {s}: {text}")):
                    rows.append(dict(zip(FIELDS, (repeat, part, series, x, metric, value))))
            line.step()
    line.end()
    return rows, versions


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", type=Path, default=Path("build"), help="the build folder")
    parser.add_argument("--out", type=Path, help="folder for xdp.csv and plots (BUILD/bench)")
    parser.add_argument("--document", type=Path, help="the page whose tables are renewed")
    parser.add_argument("--linux", type=Path, help="folder with the Linux guest")
    parser.add_argument("--seconds", type=bench.at_least_one, default=3, help="for each point")
    parser.add_argument("--repeats", type=bench.at_least_one, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer points, once")
    parser.add_argument("--short", action="store_true", help="what the tests run")
    parser.add_argument("--parts", nargs="*", choices=PARTS, help="only these")
    parser.add_argument("--redraw", action="store_true", help="tables and plots of OUT's files")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.image, options.kv = (options.build / "bench" / name for name in ("xdp.img", "kv.img"))
    options.out = (options.out or options.build / "bench").resolve()
    options.counter = options.build / "bench" / "xdp.counters"
    options.drop_rates, options.flood_rates, options.windows = DROP_RATES, FLOOD_RATES, WINDOWS
    if options.quick or options.short:
        options.repeats = 1
        options.drop_rates = [100000, 300000]
        options.flood_rates, options.windows = FLOOD_RATES[::2], WINDOWS[::3]
    if options.short:
        options.drop_rates, options.flood_rates, options.windows = [2000], [0, 2000], [1, 16]
    return options


def check(options):
    """What would else be found missing later."""
    if options.document:
        report_web.check(options.document, report_xdp.NAMES)
    tools = options.build / "bench"
    if options.redraw:
        needed = [options.out / "xdp.csv", options.out / "xdp.json"]
    else:
        needed = [options.image, options.kv, tools / "pktgen", tools / "kvload", tools / "plugin" / "insn.so"]
        needed += [options.linux / "initramfs.gz"] if options.linux else []
    for path in needed:
        if not path.exists():
            sys.exit(f"no {path}: make bench-xdp makes it")


def read(path):
    with open(path, newline="") as file:
        return [{**r, "value": float(r["value"]), "repeat": int(r["repeat"])} for r in csv.DictReader(file)]


def write(path, rows):
    """Parts that were not measured now stay."""
    kept = read(path) if path.exists() else []
    new = {r["part"] for r in rows}
    with open(path, "w", newline="") as out:
        writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
        writer.writeheader()
        for row in [r for r in kept if r["part"] not in new] + rows:
            writer.writerow({**row, "value": f"{row['value']:.4g}" if row["value"] < 100
                             else round(row["value"])})


def main():
    options = parse()
    check(options)
    if not options.redraw:
        netns.enter()
        netns.make_tap()
        options.out.mkdir(parents=True, exist_ok=True)
        rows, versions = run(options)
        write(options.out / "xdp.csv", rows)
        about = {"machine": targets.machine(), "commit": versions.get("tophalf"),
                 "linux": versions.get("linux"), "seconds": options.seconds, "repeats": options.repeats}
        (options.out / "xdp.json").write_text(json.dumps(about, indent=2) + "\n")
    about = json.loads((options.out / "xdp.json").read_text())
    report_xdp.report(read(options.out / "xdp.csv"), about, options.out, options.document)


if __name__ == "__main__":
    targets.run_main(main)
