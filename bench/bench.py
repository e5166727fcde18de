#!/usr/bin/python3
"""Tophalf beside Linux with nginx, in one run: the same QEMU, flags, pinning and load generator.

Each repeat boots each guest anew, so that what the machine does meanwhile meets all of them; wrk
asks for a page over 1 to 1,024 connections, on fresh connections, and for large files; 1 MiB is
uploaded; pings measure the round trip, idle and loaded; and it boots once more, to the first answer.
Some figures are taken again with the copies that Tophalf leaves out. Behind all rounds come the
smallest memory, sizes, what this emulator and wrk could do at most, and instructions for each
request. The raw figures go to web.csv; --redraw makes the tables and plots of them again.
"""

import argparse
import csv
import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import boots
import instructions
import netns
import progress
import report_web
import targets

FIELDS = ["repeat", "series", "case", "metric", "value"]
CONNECTIONS = [1, 16, 64, 256, 1024]
WRK_MORE_SECONDS = 40  # wrk hangs when the guest does not answer
PING_US = 2000
ECHO_WINDOW = 128
COPIES = {"tophalf-copies-1": 1, "tophalf-copies-2": 2}
SHORT = ("keep-1", "keep-64", "ping-idle", "ping-loaded")
SIZES = ("kernel.elf", "BOOTX64.EFI", "tophalf.img")

# case: (connections, path, one connection for each request)
WRK_CASES = {
    **{f"keep-{n}": (n, "/index.html", False) for n in CONNECTIONS},
    "fresh": (16, "/index.html", True),
    "64k": (4, "/64k.bin", False),
    "1m": (4, "/1m.bin", False),
}


def wrk_line(host, connections, path, fresh, seconds):
    line = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s",
            str(targets.TOP / "bench" / "wrk.lua")]
    if fresh:
        line += ["-H", "Connection: close"]
    return on_other_core([*line, f"http://{host}{path}"])


def on_other_core(line):
    if len(os.sched_getaffinity(0)) >= 2:
        return ["taskset", "-c", targets.OTHER_CORE, *line]
    return line


def wrk_says(text):
    """{metric: value}"""
    found = re.search(r"^JSON (.*)$", text, re.M)
    if not found:
        raise targets.qemu.GuestError(f"wrk said: {text[-300:]}")
    said = json.loads(found.group(1))
    return {"requests_per_s": said["requests"] / said["seconds"],
            "bytes_per_s": said["bytes"] / said["seconds"], "p50_us": said["p50_us"],
            "p99_us": said["p99_us"], "errors": said["errors"]}


def wrk(case, seconds, host=netns.GUEST_IP):
    connections, path, fresh = WRK_CASES[case]
    line = wrk_line(host, connections, path, fresh, seconds)
    try:
        done = subprocess.run(line, capture_output=True, text=True,
                              timeout=seconds + WRK_MORE_SECONDS)
    except subprocess.TimeoutExpired:
        raise targets.qemu.GuestError(f"{case}: wrk did not end; the guest does not answer") from None
    return wrk_says(done.stdout + done.stderr)


def pktgen(build, *words):
    line = on_other_core([str(build / "bench" / "pktgen"), *map(str, words)])
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def wire():
    return [netns.TAP, netns.GUEST_MAC, netns.HOST_IP, netns.GUEST_IP]


def ping(build, seconds, loaded):
    """Round-trip times; loaded: while wrk keeps 64 connections as busy as this guest can."""
    load = None
    if loaded:
        load = subprocess.Popen(wrk_line(netns.GUEST_IP, *WRK_CASES["keep-64"], seconds + 1),
                                stdout=subprocess.DEVNULL)
        time.sleep(0.5)
    said = json.loads(pktgen(build, "ping", *wire(), PING_US, seconds, "kernel").communicate()[0])
    if load:
        load.wait(WRK_MORE_SECONDS)
    if not said["received"]:
        raise targets.qemu.GuestError("no ping was answered")
    return {"p50_us": said["p50_ns"] / 1000, "p99_us": said["p99_ns"] / 1000,
            "lost": said["sent"] - said["received"]}


def upload(build):
    said = instructions.client(build, instructions.CASE["upload"])
    return {"requests_per_s": said["done"] / said["seconds"],
            "bytes_per_s": said["done"] * (1 << 20) / said["seconds"]}


def measure(case, options):
    if case.startswith("ping"):
        return ping(options.build, options.seconds, case == "ping-loaded")
    return upload(options.build) if case == "upload" else wrk(case, options.seconds)


def cases(series, options):
    if options.short:
        return SHORT
    if series in COPIES:
        return instructions.COPIED
    return [*WRK_CASES, "upload", "ping-idle", "ping-loaded"]


def guests(options):
    """{series: what makes its guest}"""
    found = {"tophalf": lambda: targets.Tophalf(options.image, cfg=targets.WEB_CFG)}
    if options.linux:
        found["linux"] = lambda: targets.LinuxWeb(options.linux, "default")
        found["linux-tuned"] = lambda: targets.LinuxWeb(options.linux, "tuned")
    return found


def plan(options):
    """{series of a guest: all series that are measured of it, the guest's own first}"""
    return {one: [one, *(COPIES if one == "tophalf" and not options.short else ())]
            for one in guests(options)}


class Others:
    """How much of the machine others take while we measure: what makes figures worthless."""

    def __init__(self):
        self.begun = time.monotonic()
        self.then = self.used()

    @staticmethod
    def used():
        """Seconds of CPU that are not ours, nor our ended children's."""
        with open("/proc/stat") as file:
            words = file.readline().split()
        user, nice, system, steal = (int(words[at]) for at in (1, 2, 3, 8))
        ours = sum(sum(resource.getrusage(who)[:2])
                   for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK") - ours

    def percent(self):
        have = (time.monotonic() - self.begun) * os.cpu_count()
        return max(0, round(100 * (self.used() - self.then) / have))


class Run:
    def __init__(self, options):
        self.options = options
        self.rows = []
        self.versions = {}
        self.others = Others()
        self.line = progress.Line(self.points())

    def points(self):
        """Steps of the progress line; of the memory search as many as it can take."""
        options = self.options
        each = sum(len(cases(one, options)) for series in plan(options).values() for one in series)
        if not options.short:
            each += len(boots.boots(options)) + 1 + (len(WRK_CASES) if options.linux else 0)
        tries = 0 if options.short else boots.most_tries(options)
        return options.repeats * each + tries

    def add(self, repeat, series, case, metrics):
        for metric, value in metrics.items():
            self.rows.append({"repeat": repeat, "series": series, "case": case, "metric": metric,
                              "value": round(value, 3)})

    def one(self, repeat, target, series, case):
        self.line.show(f"round {repeat + 1}, {series}: {case}")
        if case != "upload" or target.takes_uploads():
            self.add(repeat, series, case, measure(case, self.options))
        self.line.step()

    def serving(self, repeat):
        for series, all_series in plan(self.options).items():
            self.line.show(f"{series}: booting")
            with guests(self.options)[series]() as target:
                self.versions[series] = target.version()
                for one in all_series:
                    if one in COPIES:
                        target.copies(COPIES[one])
                    for case in cases(one, self.options):
                        self.one(repeat, target, one, case)

    def booting(self, repeat):
        for series, (begin, started) in boots.boots(self.options).items():
            self.line.show(f"boot {repeat + 1}: {series}")
            total, ours = boots.first_200(begin, started)
            self.add(repeat, series, "boot", {"ms": total, **({"our_ms": ours} if ours else {})})
            self.line.step()

    def memory(self):
        def show(text):
            self.line.show(text)
            self.line.step()

        for series, least in boots.memories(self.options, show).items():
            if least:
                self.add(0, series, "memory", {"mib": least})

    def sizes(self):
        for name in SIZES:
            self.add(0, "tophalf", name, {"bytes": (self.options.build / name).stat().st_size})
        if self.options.linux:
            for name in ("vmlinuz", "initramfs.gz"):
                self.add(0, "linux", name, {"bytes": (self.options.linux / name).stat().st_size})

    def ceilings(self):
        """What a guest that only echoes packets does, and nginx without an emulator."""
        options = self.options
        with targets.Tophalf(options.image, cfg=targets.WEB_CFG):
            for repeat in range(options.repeats):
                self.line.show(f"ceiling {repeat + 1}: echoed packets")
                said = pktgen(options.build, "echo", *wire(), ECHO_WINDOW, options.seconds)
                self.add(repeat, "emulator", "echo",
                         {"packets_per_s": json.loads(said.communicate()[0])["pps"]})
                self.line.step()
        if not options.linux:
            return
        with targets.NativeNginx(options.linux, options.build / "bench" / "native"):
            for repeat in range(options.repeats):
                for case in WRK_CASES:
                    self.line.show(f"ceiling {repeat + 1}: nginx on the host, {case}")
                    self.add(repeat, "native", case, wrk(case, 1, f"127.0.0.1:{targets.NativeNginx.PORT}"))
                    self.line.step()

    def about(self):
        return {"machine": targets.machine(), "commit": self.versions["tophalf"],
                "linux": self.versions.get("linux"), "repeats": self.options.repeats,
                "seconds": self.options.seconds, "others_pct": self.others.percent()}

    def write(self):
        """After each round: what was measured stays if a later one fails."""
        out = self.options.out
        with open(out / "web.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        (out / "web.json").write_text(json.dumps(self.about(), indent=2) + "\n")

    def all(self):
        options = self.options
        for repeat in range(options.repeats):
            self.serving(repeat)
            if not options.short:
                self.booting(repeat)
            self.write()
        self.sizes()
        if not options.short:
            self.ceilings()
            self.memory()
        self.write()
        self.line.end()


def count(options):
    """The instructions as bench/instructions.py counts them, into the same folder."""
    table = options.out / "instructions.csv"
    words = ["--build", options.build, "--committed", table, "--repeats", min(3, options.repeats)]
    if options.linux:
        words += ["--linux", options.linux]
    instructions.write(table, instructions.measure(instructions.parse(list(map(str, words)))))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", type=Path, default=Path("build"), help="the build folder")
    parser.add_argument("--out", type=Path, help="folder for what comes out (BUILD/bench)")
    parser.add_argument("--linux", type=Path, help="folder with the Linux guest")
    parser.add_argument("--document", type=Path, help="put the tables into this document")
    parser.add_argument("--seconds", type=at_least_one, default=3, help="for each figure")
    parser.add_argument("--repeats", type=at_least_one, default=5)
    parser.add_argument("--quick", action="store_true", help="one round: 6 min")
    parser.add_argument("--short", action="store_true", help="what the tests run")
    parser.add_argument("--redraw", action="store_true", help="tables and plots of OUT's files")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.image = options.build / "bench" / "web.img"
    options.out = (options.out or options.build / "bench").resolve()
    if options.quick or options.short:
        options.repeats = 1
    return options


def at_least_one(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def check(options):
    """What would else be found missing after twenty minutes."""
    if options.document:
        report_web.check(options.document)
    if options.redraw:
        needed = [options.out / "web.csv", options.out / "web.json"]
    else:
        needed = [options.image, options.build / "bench" / "pktgen"]
        needed += [options.linux / "initramfs.gz"] if options.linux else []
    for path in needed:
        if not path.exists():
            sys.exit(f"no {path}: make bench makes it")


def main():
    options = parse()
    check(options)
    if options.redraw:
        report_web.make(options.out, options.document)
        return
    netns.enter()
    netns.make_tap()
    options.out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    Run(options).all()
    if not options.short:
        count(options)
    report_web.make(options.out, options.document)
    print(f"\n{(time.monotonic() - begun) / 60:.0f} min; {options.out}/web.csv, "
          "and tables and plots beside it")


if __name__ == "__main__":
    targets.run_main(main)
