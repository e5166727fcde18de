"""What bench.py measured, as text: medians with ranges, ratios, and how far each aim was reached.

The tables go to standard output, and into a document between the lines
<!-- bench: NAME --> and <!-- bench: end -->.
"""

import csv
import json
import re
import statistics
from dataclasses import dataclass

import instructions

SERIES = {"tophalf": "Tophalf", "linux": "Linux, default", "linux-tuned": "Linux, tuned"}
CASES = {
    "keep-1": "612 bytes, 1 connection", "keep-16": "16 connections",
    "keep-64": "64 connections", "keep-256": "256 connections",
    "keep-1024": "1,024 connections", "fresh": "a connection each, 16 at once",
    "64k": "64 KiB, 4 connections", "1m": "1 MiB, 4 connections",
    "upload": "upload of 1 MiB, 4 connections",
}
NAMES = ("aims", "speed", "latency", "instructions", "once", "ceiling", "copies", "made with")
LARGE = ("64k", "1m", "upload")


@dataclass
class Figure:
    """A median with its range."""

    values: list

    @property
    def median(self):
        return statistics.median(self.values)

    def text(self, form):
        if len(self.values) == 1 or min(self.values) == max(self.values):
            return form(self.median)
        return f"{form(self.median)} ({form(min(self.values))}–{form(max(self.values))})"


class Results:
    def __init__(self, folder):
        self.folder = folder
        self.values = {}  # (series, case, metric): {repeat: value}
        with open(folder / "web.csv", newline="") as file:
            for row in csv.DictReader(file):
                key = (row["series"], row["case"], row["metric"])
                self.values.setdefault(key, {})[int(row["repeat"])] = float(row["value"])
        self.about = json.loads((folder / "web.json").read_text())
        path = folder / "instructions.csv"
        self.counts = {(r["series"], r["case"]): r["instructions"]
                       for r in (instructions.read(path) if path.exists() else [])}

    def figure(self, series, case, metric):
        found = self.values.get((series, case, metric))
        return Figure(list(found.values())) if found else None

    def ratio(self, case, metric, series):
        """Tophalf's figure through another's, of the same rounds."""
        ours = self.values.get(("tophalf", case, metric), {})
        theirs = self.values.get((series, case, metric), {})
        pairs = [ours[r] / theirs[r] for r in ours if theirs.get(r)]
        return Figure(pairs) if pairs else None

    def hardest(self, case, metric, better=max):
        """The ratio to the Linux guest that is better at it, and which that is."""
        found = {}
        for series in ("linux", "linux-tuned"):
            figure = self.figure(series, case, metric)
            if figure:
                found[series] = figure.median
        if not found:
            return None, None
        series = better(found, key=found.get)
        return self.ratio(case, metric, series), series


def whole(value):
    return f"{value:,.0f}"


def two(value):
    return f"{value:.2f}"


def times(value):
    return f"{value:.2f}×"


def in_ms(us):
    return f"{us / 1000:.2f}" if us < 100000 else whole(us / 1000)


def table(heads, rows):
    def line(cells):
        return "| " + " | ".join(cells) + " |"
    return "\n".join([line(heads), line(["---"] + ["---:"] * (len(heads) - 1)), *map(line, rows)])


def cell(figure, form):
    return figure.text(form) if figure else "–"


def speed_table(results):
    """Requests a second, or megabytes, and how many times the Linux guests'."""
    rows = []
    for case, text in CASES.items():
        metric, form = "requests_per_s", whole
        if case in LARGE:
            metric, form = "bytes_per_s", lambda b: whole(b / 1e6)
            text += ", MB/s"
        if not results.figure("linux", case, metric) and not results.figure("tophalf", case, metric):
            continue
        rows.append([text, *(cell(results.figure(s, case, metric), form) for s in SERIES),
                     *(cell(results.ratio(case, metric, s), times) for s in ("linux", "linux-tuned")),
                     cell(results.figure("native", case, metric), form)])
    return table(["requests/s (MB/s)", *SERIES.values(), "ratio to default", "ratio to tuned",
                  "nginx without QEMU"], rows)


def latency_table(results):
    rows = []
    cases = {c: t for c, t in CASES.items() if c not in LARGE}
    cases |= {"ping-idle": "ping, idle", "ping-loaded": "ping, 64 connections busy"}
    for case, text in cases.items():
        found = [[results.figure(s, case, p) for p in ("p50_us", "p99_us")] for s in SERIES]
        if any(p50 for p50, _ in found):
            rows.append([text, *("; ".join(f.text(in_ms) for f in pair) if all(pair) else "–"
                                 for pair in found)])
    return table(["p50; p99, ms", *SERIES.values()], rows)


def count_table(results):
    series = {**SERIES, "tophalf-adaptive": "Tophalf, mode adaptive"}
    rows = []
    for case in instructions.CASES:
        found = [results.counts.get((s, case.name)) for s in series]
        if not any(found):
            continue
        theirs = [n for n in found[1:3] if n]
        less = f"{min(theirs) / found[0]:.1f}×" if theirs and found[0] else "–"
        cells = [whole(n) if n else "–" for n in found]
        rows.append([case.text, *cells[:3], less, cells[3]])
    return table(["guest instructions for each request", *SERIES.values(), "fewer than the better",
                  series["tophalf-adaptive"]], rows)


def copies_table(results):
    """What the copies cost that sockets make: how much more, and how much slower."""
    levels = ("tophalf", "tophalf-copies-1", "tophalf-copies-2")
    rows = []
    for case in instructions.COPIED:
        metric, scale = ("bytes_per_s", 1e6) if case in LARGE else ("requests_per_s", 1)
        unit = "MB/s" if case in LARGE else "requests/s"
        counts = [results.counts.get((s, case)) for s in levels]
        figures = [results.figure(s, case, metric) for s in levels]
        if all(counts):
            more = [f" (+{100 * (n / counts[0] - 1):.0f}%)" if n != counts[0] else ""
                    for n in counts]
            rows.append([f"{CASES[case]}: instructions",
                         *(whole(n) + m for n, m in zip(counts, more))])
        if all(figures):
            rows.append([f"{CASES[case]}: {unit}",
                         *(cell(f, lambda v, by=scale: whole(v / by)) for f in figures)])
    return table(["", "`copies=0`", "`copies=1`", "`copies=2`"], rows)


def once_table(results):
    def ms(series, metric="ms"):
        return cell(results.figure(series, "boot", metric), whole)

    def mib(series):
        return cell(results.figure(series, "memory", "mib"), whole)

    def kib(series, *names):
        figures = [results.figure(series, name, "bytes") for name in names]
        return whole(sum(f.median for f in figures) / 1024) if all(figures) else "–"

    return table(["", "Tophalf", "Linux"], [
        ["boot to the first 200 under OVMF, ms", ms("tophalf"), ms("linux")],
        ["– of that after the firmware has started the loader", ms("tophalf", "our_ms"), "–"],
        ["boot to the first 200 with `-kernel`, ms", "–", ms("linux-kernel")],
        ["smallest `-m` that serves 64 connections, MiB; Linux without OVMF", mib("tophalf"),
         mib("linux-kernel")],
        ["– with which OVMF itself starts a loader", mib("firmware"), "–"],
        ["kernel, KiB", kib("tophalf", "kernel.elf"), kib("linux", "vmlinuz")],
        ["all that boots, KiB", kib("tophalf", "tophalf.img"),
         kib("linux", "vmlinuz", "initramfs.gz")],
    ])


def ceiling_table(results):
    echo = results.figure("emulator", "echo", "packets_per_s")
    busiest = max((f.median, c) for c in CASES
                  if (f := results.figure("tophalf", c, "requests_per_s")))
    native = results.figure("native", "keep-64", "requests_per_s")
    return table(["what could be had at most", "per second"], [
        ["packets that Tophalf echoes: ICMP, each one in and one out", cell(echo, whole)],
        ["wrk's requests to nginx on this machine itself, 64 connections", cell(native, whole)],
        [f"Tophalf's requests, {CASES[busiest[1]]}: each at least one packet in and one out",
         whole(busiest[0])],
    ])


def aims(results):
    """(what, aim, measured, reached) as the project set itself."""
    out = []

    def add(what, value, form, least=None, most=None, beside=""):
        aim = f"≥ {least:g}×" if least is not None else f"≤ {form(most)}"
        if value is None:
            aim = "–" if most == float("inf") else aim
            out.append([what, aim, "not measured", "–"])
            return
        good = value >= least if least is not None else value <= most
        out.append([what, aim, form(value) + beside, "yes" if good else "**no**"])

    def instr(case):
        return results.counts.get(("tophalf", case))

    def ratio(what, case, metric, least=None, most=None, better=max, against=None):
        figure, series = results.hardest(case, metric, better)
        if against:
            figure, series = results.ratio(case, metric, against), against
        add(what, figure.median if figure else None, times, least, most,
            f" {SERIES[series]}" if series else "")

    add("instructions, keep-alive, 64 connections", instr("keep-64"), whole, most=3400)
    add("the same at 1 connection", instr("keep-1"), whole, most=5000)
    many, few = instr("keep-1024"), instr("keep-64")
    add("the same at 1,024, to that at 64", many / few if many and few else None, times, most=1.1)
    add("instructions, fresh connections", instr("fresh"), whole, most=9000)
    add("instructions, 64 KiB", instr("64k"), whole, most=6700)
    add("instructions, 1 MiB", instr("1m"), whole, most=60000)
    ratio("requests/s at 64 connections", "keep-64", "requests_per_s", least=4)
    ratio("requests/s at 1 connection", "keep-1", "requests_per_s", least=2)
    ratio("fresh connections/s", "fresh", "requests_per_s", least=4)
    ratio("1 MiB, MB/s", "1m", "bytes_per_s", least=1.5)
    ratio("p99 at 64 connections", "keep-64", "p99_us", most=0.3, better=min)
    ratio("idle ping", "ping-idle", "p50_us", most=0.7, against="linux")
    boot = results.figure("tophalf", "boot", "our_ms")
    add("boot to the first 200, our part, ms", boot.median if boot else None, whole, most=100)
    mib, least = (results.figure(s, "memory", "mib") for s in ("tophalf", "firmware"))
    add("smallest `-m`, MiB: what OVMF needs", mib.median if mib else None, whole,
        most=least.median if least else float("inf"))
    elf = results.figure("tophalf", "kernel.elf", "bytes")
    add("kernel.elf stripped, KiB", elf.median / 1024 if elf else None, whole, most=300)
    return out


def failures(results):
    """What wrk counted as errors, said only if there were any."""
    found = {SERIES[s]: sum(sum(f.values) for c in CASES if (f := results.figure(s, c, "errors")))
             for s in SERIES}
    said = ", ".join(f"{name} {whole(n)}" for name, n in found.items() if n)
    return f" Requests that failed: {said}." if said else ""


def made_with(results):
    about = results.about
    rounds = f"medians of {about['repeats']} rounds with ranges"
    if about["repeats"] == 1:
        rounds = "one round"
    return (f"{about['machine']}; Tophalf {about['commit']}; "
            f"Linux {about['linux'] or 'not measured'}; {rounds}, "
            f"{about['seconds']} s each; other work took {about['others_pct']}% of the machine."
            f"{failures(results)}")


def tables(results):
    return {
        "aims": table(["what", "aim", "measured", "reached"], aims(results)),
        "speed": speed_table(results), "latency": latency_table(results),
        "instructions": count_table(results), "once": once_table(results),
        "ceiling": ceiling_table(results), "copies": copies_table(results),
        "made with": made_with(results),
    }


def place(name):
    return re.compile(rf"(<!-- bench: {name} -->\n).*?(<!-- bench: end -->)", re.S)


def check(document, names=NAMES):
    """Has it all the places?"""
    if not document.exists():
        raise SystemExit(f"there is no {document}")
    text = document.read_text()
    for name in names:
        if not place(name).search(text):
            raise SystemExit(f"{document} has no place for '{name}'")


def put(document, made):
    check(document, made)
    text = document.read_text()
    for name, content in made.items():
        text = place(name).sub(lambda m, c=content: f"{m.group(1)}{c}\n{m.group(2)}", text)
    document.write_text(text)


def make(folder, document=None):
    results = Results(folder)
    made = tables(results)
    assert set(made) == set(NAMES)
    for name, content in made.items():
        print(f"\n{content}")
    if document:
        put(document, made)
    import plots_web
    plots_web.draw(results)
