#!/usr/bin/python3
"""Guest instructions for each request, counted by bench/plugin/insn.c: figures without time.

They repeat whatever else the machine does, once two things are kept from changing them:

- How many requests a poll finds. The guest is kept the slowest part: its vCPU shares a core with
  the client and QEMU's main loop and gives way to both (SCHED_IDLE), so that whatever can be asked
  has been asked before it goes on. One connection alone keeps cores of its own: it is about waiting.
- Waiting itself. Tophalf counts in the mode napi, which halts; the default, adaptive, may poll for
  some microseconds instead, and how many instructions that is depends on the machine. The series
  tophalf-adaptive shows it.

tophalf-copies-1 and -2 make the copies that this system leaves out (net/include/net/copies.h).

--check compares with the committed values and says nothing about time; without it they are renewed.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import insn
import netns
import progress
import targets

COMMITTED = targets.TOP / "docs" / "bench" / "instructions.csv"
FIELDS = ["series", "case", "instructions", "least", "most", "repeats", "version"]
ALLOWED = 1.05  # times the committed value
SECONDS = 30    # for one count; it takes a second


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    connections: int
    requests: int
    path: str = "/index.html"  # "/" would cost nginx another look-up
    mode: str = "keep"
    upload: int = 0


CASES = [  # who has once given way can not be told otherwise without being root: keep-1 is first
    Case("keep-1", "612 bytes, 1 connection", 1, 4000),
    Case("keep-64", "612 bytes, 64 connections", 64, 10000),
    Case("keep-1024", "612 bytes, 1,024 connections", 1024, 20000),
    Case("fresh", "612 bytes, a connection each, 16 at once", 16, 4000, mode="fresh"),
    Case("64k", "64 KiB, 4 connections", 4, 2000, "/64k.bin"),
    Case("1m", "1 MiB, 4 connections", 4, 300, "/1m.bin"),
    Case("upload", "upload of 1 MiB, 4 connections", 4, 150, "/upload", upload=1 << 20),
]
CASE = {case.name: case for case in CASES}
COPIED = ["keep-64", "64k", "1m", "upload"]  # what is measured with copies of payload, too
OURS = {  # series: (mode, copies)
    "tophalf": ("napi", 0), "tophalf-adaptive": ("adaptive", 0),
    "tophalf-copies-1": ("napi", 1), "tophalf-copies-2": ("napi", 2),
}
TEXT = {case.name: case.text for case in CASES}


def client(build, case, requests=None, counter=None):
    """One run of the client, on the core of QEMU's main loop."""
    line = [build / "bench" / "client", netns.GUEST_IP, "80", case.mode, case.connections,
            requests or case.requests, SECONDS, case.path, case.upload]
    if counter:
        line.append(counter)
    if len(os.sched_getaffinity(0)) >= 2:
        line = ["taskset", "-c", targets.OTHER_CORE, *line]
    done = subprocess.run(list(map(str, line)), capture_output=True, text=True,
                          timeout=SECONDS + 20)
    if done.returncode != 0:
        raise targets.qemu.GuestError(f"{case.text}: {done.stderr.strip()} {done.stdout.strip()}")
    return json.loads(done.stdout)


def count(build, target, case, counter, repeats):
    """Instructions for each request, one figure for each repeat."""
    targets.pin(target.pid(), yields=case.connections > 1)
    client(build, case, max(1, case.requests // 4))  # its way is warm: caches of ours, routes
    figures = []
    for _ in range(repeats):
        said = client(build, case, counter=counter)
        figures.append(said["instructions"] / said["done"])
    return figures


def row(series, case, figures, version):
    return {"series": series, "case": case.name, "instructions": round(statistics.median(figures)),
            "least": round(min(figures)), "most": round(max(figures)), "repeats": len(figures),
            "version": version}


def tophalf(options, extra):
    lines = "".join(f"{line}\n" for line in options.cfg)
    return targets.Tophalf(options.build / "bench" / "web.img", cfg=targets.WEB_CFG + lines,
                           args=extra)


def plan(options):
    """(maker of a guest, its series) for each guest to boot."""
    def linux(variant):
        return lambda extra: targets.LinuxWeb(options.linux, variant, args=extra)

    if options.check or options.cfg:
        return [(tophalf, ["tophalf"])]
    guests = [(tophalf, list(OURS))]
    if options.linux:
        guests += [(lambda _, extra: linux("default")(extra), ["linux"]),
                   (lambda _, extra: linux("tuned")(extra), ["linux-tuned"])]
    return guests


def wanted(options):
    return [case for case in CASES if not options.cases or case.name in options.cases]


def select(target, series):
    if series in OURS:
        mode, copies = OURS[series]
        target.select(mode)
        target.copies(copies)


def applies(series, case):
    return "copies" not in series or case.name in COPIED


def measure(options):
    """Rows of the table; a case that a guest does not offer (no upload) is left out."""
    guests, rows = plan(options), []
    counter = options.build / "bench" / "insn.counters"
    extra = insn.plugin_options(options.build / "bench" / "plugin" / "insn.so", counter)
    line = progress.Line(sum(applies(one, case) for _, series in guests for one in series
                             for case in wanted(options)))
    for make, all_series in guests:
        line.show(f"{all_series[0]}: booting")
        with make(options, extra) as target:
            for case in wanted(options):
                for series in all_series:
                    if not applies(series, case):
                        continue
                    select(target, series)
                    line.show(f"{series}: {case.text}")
                    if not case.upload or target.takes_uploads():
                        figures = count(options.build, target, case, counter, options.repeats)
                        rows.append(row(series, case, figures, target.version()))
                    line.step()
            if options.check:
                check_again(options, target, rows, counter)
    line.end()
    return rows


def check_again(options, target, rows, counter):
    """What is too much is counted once more: a median can be spoilt, though it rarely is."""
    for at, (one, was, good) in enumerate(compare(rows, read(options.committed))):
        if not good and was:
            figures = count(options.build, target, CASE[one["case"]], counter, options.repeats)
            rows[at] = row(one["series"], CASE[one["case"]], figures, one["version"])


def read(path):
    with open(path, newline="") as file:
        return [{key: int(value) if key in FIELDS[2:6] else value for key, value in r.items()}
                for r in csv.DictReader(file)]


def write(path, rows):
    """Rows that were not measured now stay."""
    kept = read(path) if path.exists() else []
    new = {(r["series"], r["case"]) for r in rows}
    rows = [r for r in kept if (r["series"], r["case"]) not in new] + rows
    order = [*OURS, "linux", "linux-tuned"]
    rows.sort(key=lambda r: (order.index(r["series"]), list(TEXT).index(r["case"])))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as out:
        writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return rows


def compare(rows, committed):
    """(row, committed value or None, good) for each. The least of the repeats counts: what else the
    machine does can cost more acknowledgements and polls, but no fewer."""
    old = {(r["series"], r["case"]): r["instructions"] for r in committed}
    for one in rows:
        was = old.get((one["series"], one["case"]))
        yield one, was, was is not None and one["least"] <= ALLOWED * was


def print_rows(rows):
    print(f"{'':18}{'guest instructions for each request':44}{'median':>9}{'spread':>9}")
    for one in rows:
        spread = 100 * (one["most"] - one["least"]) / one["instructions"]
        print(f"{one['series']:18}{TEXT[one['case']]:44}{one['instructions']:>9,}{spread:>8.1f}%")


def print_check(rows, committed):
    failed = 0
    for one, was, good in compare(rows, committed):
        failed += not good
        change = f"{100 * (one['least'] / was - 1):+.1f}%" if was else "not committed"
        print(f"  {TEXT[one['case']]:44}{one['least']:>9,} {change:>14} "
              f"{'ok' if good else 'FAILED'}")
    print(f"instructions: {len(rows) - failed} passed, {failed} failed")
    if failed:
        print("More than 5% above docs/bench/instructions.csv. If that is meant, renew the file: "
              "make bench-instructions ARGS=--ours", file=sys.stderr)
    return failed == 0


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", type=Path, default=Path("build"), help="the build folder")
    parser.add_argument("--committed", type=Path, default=COMMITTED, help="the table")
    parser.add_argument("--linux", type=Path, help="folder with the Linux guest")
    parser.add_argument("--ours", action="store_true", help="the Linux guests' rows stay as they are")
    parser.add_argument("--check", action="store_true", help="fail where more than 5%% above")
    parser.add_argument("--cfg", action="append", default=[], metavar="KEY=VALUE",
                        help="ours with this in its configuration; only shown, not kept")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cases", nargs="*", choices=list(TEXT), help="only these")
    options = parser.parse_args(words)
    options.build = options.build.resolve()
    options.committed = options.committed.resolve()
    if options.ours:
        options.linux = None
    return options


def main():
    options = parse()
    netns.enter()
    netns.make_tap()
    rows = measure(options)
    if options.check:
        sys.exit(0 if print_check(rows, read(options.committed)) else 1)
    if not options.cfg:
        write(options.committed, rows)
    print_rows(rows)


if __name__ == "__main__":
    targets.run_main(main)
