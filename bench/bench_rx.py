#!/usr/bin/python3
"""The lecture's argument, measured: packets offered at rising rates to every receive mode.

For each series (the four modes, and a Linux guest as the reference) and each offered rate, small
UDP datagrams go to a closed port while pings measure the round trip: delivered packets a second,
interrupts a packet, idle CPU, RTT. A second set gives each datagram 10 us of work in an app
(APP=sink), so that the CPU and not the emulated card is what an overload meets.

What is delivered is what the guest's UDP counted; XDP_DROP counts as delivered what it dropped.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import netns
import progress
import targets

TOP = Path(__file__).resolve().parents[1]
MODES = ["interrupt", "napi", "poll", "adaptive"]
RATES = [1000, 5000, 20000, 50000, 75000, 100000, 150000, 200000, 300000, 400000]
QUICK_RATES = [1000, 20000, 50000, 100000, 200000, 300000]
WORK_US = 10
WORK_RATES = [10000, 25000, 50000, 75000, 100000, 200000, 300000]
PING_INTERVAL_US = 5000
FIELDS = ["set", "series", "offered_pps", "repeat", "sent_pps", "delivered_pps",
          "interrupts_per_packet", "idle_pct", "irq_pct", "softirq_pct", "app_pct",
          "rtt_p50_us", "rtt_p99_us", "ping_loss_pct"]


def pktgen(build, *words, nice=0):
    """Start the generator on the core of QEMU's main loop, to which the flood gives way."""
    line = [str(build / "bench" / "pktgen"), *map(str, words)]
    if nice:
        line = ["nice", "-n", str(nice), *line]
    if len(os.sched_getaffinity(0)) >= 2:
        line = ["taskset", "-c", targets.OTHER_CORE, *line]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process):
    out, err = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"pktgen: {err.strip() or process.returncode}")
    return json.loads(out)


def wake_up(build):
    """How long a thread that sleeps on the vCPU's core takes to wake, from QEMU's core."""
    line = [build / "bench" / "wake", targets.VCPU_CORE, targets.OTHER_CORE]
    said = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    return {name: round(ns / 1000, 1) for name, ns in json.loads(said).items()}


def rate(before, after, name):
    (t0, v0), (t1, v1) = before[name], after[name]
    return (v1 - v0) % 2**32 * 1e9 / (t1 - t0)


def share(before, after, name):
    if name not in before:
        return None
    total = after["total_ns"][1] - before["total_ns"][1]
    return 100 * (after[name][1] - before[name][1]) / total


def measure(build, target, offered, seconds):
    """One point: the flood runs longer than what is looked at, so that both ends are steady."""
    wire = [netns.TAP, netns.GUEST_MAC, netns.HOST_IP, netns.GUEST_IP]
    flood = pktgen(build, "flood", *wire, 9, offered, seconds + 2, nice=5)
    time.sleep(0.5)
    before = target.counters()
    ping = pktgen(build, "ping", *wire, PING_INTERVAL_US, seconds)
    time.sleep(seconds)
    after = target.counters()
    pinged, flooded = result(ping), result(flood)

    packets = rate(before, after, "packets")
    return {
        "sent_pps": round(flooded["sent_pps"]),
        "delivered_pps": round(rate(before, after, "delivered")),
        "interrupts_per_packet":
            round(rate(before, after, "interrupts") / packets, 5) if packets else None,
        "idle_pct": share(before, after, "idle_ns"),
        "irq_pct": share(before, after, "irq_ns"),
        "softirq_pct": share(before, after, "softirq_ns"),
        "app_pct": share(before, after, "app_ns"),
        "rtt_p50_us": pinged["p50_ns"] / 1000 if pinged["received"] else None,
        "rtt_p99_us": pinged["p99_ns"] / 1000 if pinged["received"] else None,
        "ping_loss_pct": 100 * (1 - pinged["received"] / max(1, pinged["sent"])),
    }


def plan(options):
    """(set, maker of the guest, series, rates), in the order of one repeat: every guest is booted
    anew for each repeat, so that what the machine does meanwhile meets all of them."""
    httpd = options.build / "tophalf.img"
    if options.short:
        return [("udp", lambda: targets.Tophalf(httpd), ["napi", "poll"], [1000, 10000])]
    rates = QUICK_RATES if options.quick else RATES
    sets = [("udp", lambda: targets.Tophalf(httpd), MODES, rates)]
    if options.linux:
        sets.append(("udp", lambda: targets.Linux(options.linux), ["linux", "linux-xdp-drop"],
                     rates))
    if options.sink:
        work = WORK_RATES[::2] if options.quick else WORK_RATES
        sets.append(("work", lambda: targets.Tophalf(options.sink, WORK_US), MODES, work))
    return sets


def run(options):
    sets = plan(options)
    repeats = 1 if options.short or options.quick else options.repeats
    line = progress.Line(repeats * sum(len(s) * len(r) for _, _, s, r in sets))
    rows, versions = [], {}
    for repeat in range(repeats):
        for name, make, series, rates in sets:
            line.show("booting a guest")
            with make() as target:
                versions[type(target).__name__.lower()] = target.version()
                for offered in rates:
                    for one in series:
                        line.show(f"{name}: {one} at {offered:,} packets/s")
                        target.select(one)
                        row = measure(options.build, target, offered, options.seconds)
                        rows.append({"set": name, "series": one, "offered_pps": offered,
                                     "repeat": repeat, **row})
                        line.step()
    line.end()
    return rows, versions


def medians(rows):
    """{(set, series, offered): {field: median}}, None where nothing was measured."""
    groups = {}
    for row in rows:
        groups.setdefault((row["set"], row["series"], row["offered_pps"]), []).append(row)
    out = {}
    for key, group in groups.items():
        out[key] = {}
        for field in FIELDS[4:]:
            values = [row[field] for row in group if row[field] is not None]
            out[key][field] = statistics.median(values) if values else None
        # Of what was sent in the same run: the sender's own rate varies most of all.
        out[key]["share"] = statistics.median(
            row["delivered_pps"] / row["sent_pps"] for row in group)
    return out


def print_table(points):
    def cell(value, form):
        return format(value, form) if value is not None else "-"

    print(f"{'set':5}{'series':16}{'offered/s':>10}{'delivered/s':>12}{'irq/packet':>11}"
          f"{'idle %':>8}{'RTT p50':>10}{'p99 us':>10}")
    for (name, series, offered), p in sorted(points.items(), key=lambda i: (i[0][0], i[0][1],
                                                                            i[0][2])):
        print(f"{name:5}{series:16}{offered:>10,}{p['delivered_pps']:>12,.0f}"
              f"{cell(p['interrupts_per_packet'], '11.4f'):>11}{cell(p['idle_pct'], '8.1f'):>8}"
              f"{cell(p['rtt_p50_us'], '10.0f'):>10}{cell(p['rtt_p99_us'], '10.0f'):>10}")


def ratios(points):
    """What the plots should show: (what, measured, target, reached); None: cannot be told."""
    def at(name, series, offered, field="delivered_pps"):
        point = points.get((name, series, offered))
        return point[field] if point else None

    def peak(name, series):
        values = [p["delivered_pps"] for (n, s, _), p in points.items()
                  if n == name and s == series]
        return max(values) if values else None

    udp = [o for n, _, o in points if n == "udp"]
    work = [o for n, _, o in points if n == "work"]
    top, top_work = max(udp, default=0), max(work, default=0)
    out = []

    def add(what, numerator, denominator, least=None, most=None):
        if not numerator or not denominator:
            return
        value = numerator / denominator
        good = (least is None or value >= least) and (most is None or value <= most)
        wanted = f">= {least}" if least is not None else f"<= {most}"
        out.append((what, value, wanted, good))

    for mode in ("poll", "adaptive"):
        add(f"{mode} / Linux UDP, peaks", peak("udp", mode), peak("udp", "linux"), least=2.5)
        add(f"{mode} / Linux XDP_DROP, peaks", peak("udp", mode), peak("udp", "linux-xdp-drop"),
            least=1.0)
    # Without work the sender and QEMU give up before the guest does: what share is delivered of
    # that which was really sent. With work the guest is what is overloaded.
    share_of_sent = {mode: at("udp", mode, top, "share") for mode in MODES}
    for mode in MODES:
        bound = {"most": 0.8} if mode == "interrupt" else {"least": 0.95}
        add(f"udp: {mode}, delivered / sent at overload", share_of_sent[mode], 1, **bound)
        add(f"work: {mode}, at overload / its peak", at("work", mode, top_work),
            peak("work", mode), **bound)
    add("udp: adaptive / poll, delivered / sent at overload", share_of_sent["adaptive"],
        share_of_sent["poll"], least=0.95)
    add("work: adaptive / poll at overload", at("work", "adaptive", top_work),
        at("work", "poll", top_work), least=0.95)
    rtt = {m: at("udp", m, 1000, "rtt_p50_us") for m in MODES}
    best = min((r for r in rtt.values() if r), default=None)
    halting = min((r for m, r in rtt.items() if r and m != "poll"), default=None)
    add("RTT p50 at 1,000/s: adaptive / best mode", rtt["adaptive"], best, most=1.10)
    add("RTT p50 at 1,000/s: adaptive / best that halts", rtt["adaptive"], halting, most=1.10)
    add("CPU idle at 1,000/s in adaptive, %", at("udp", "adaptive", 1000, "idle_pct"), 1, least=90)
    irqs = at("udp", "adaptive", top, "interrupts_per_packet")
    if irqs is not None:
        out.append(("interrupts a packet in adaptive at overload", irqs, "< 0.01", irqs < 0.01))
    return out


def print_ratios(points):
    print()
    for what, value, wanted, good in ratios(points):
        print(f"{what:52}{value:9.3f}   {wanted:8} {'yes' if good else 'NO'}")


def write_csv(path, rows):
    with open(path, "w", newline="") as out:
        writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: round(v, 3) if isinstance(v, float) and k != FIELDS[6] else v
                             for k, v in row.items()})


def number(text):
    return None if text == "" else float(text) if "." in text or "e" in text else int(text)


def read_csv(path):
    with open(path, newline="") as file:
        return [{k: v if k in ("set", "series") else number(v) for k, v in row.items()}
                for row in csv.DictReader(file)]


def report(points, about, folder):
    print_table(points)
    print_ratios(points)
    print(f"\nwaking a sleeping thread costs this machine {about['wake_up_p50_us']} us (p50), "
          f"{about['wake_up_p99_us']} us (p99)")
    import plots
    plots.draw(points, about, folder)
    print(f"\n{folder}/rx.csv, and plots beside it")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", type=Path, default=Path("build"), help="the build folder")
    parser.add_argument("--out", type=Path, help="folder for rx.csv and plots (BUILD/bench)")
    parser.add_argument("--linux", type=Path, help="folder with the Linux guest's kernel")
    parser.add_argument("--sink", type=Path, help="an image with APP=sink")
    parser.add_argument("--seconds", type=int, default=2, help="for each point")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer rates, once")
    parser.add_argument("--redraw", action="store_true", help="table and plots of OUT's rx.csv")
    parser.add_argument("--short", action="store_true", help="what the tests run")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.out = (options.out or options.build / "bench").resolve()
    return options


def main():
    options = parse()
    if options.redraw:
        about = json.loads((options.out / "rx.json").read_text())
        report(medians(read_csv(options.out / "rx.csv")), about, options.out)
        return
    netns.enter()
    netns.make_tap()
    options.out.mkdir(parents=True, exist_ok=True)
    wake = {} if options.short else wake_up(options.build)
    rows, versions = run(options)
    points = medians(rows)
    write_csv(options.out / "rx.csv", rows)
    about = {"machine": targets.machine(), "commit": versions.get("tophalf"),
             "linux": versions.get("linux"), "seconds": options.seconds,
             "repeats": max(row["repeat"] for row in rows) + 1,
             **{f"wake_up_{name.removesuffix('_ns')}_us": us for name, us in wake.items()}}
    (options.out / "rx.json").write_text(json.dumps(about, indent=2) + "\n")
    if options.short:
        print_table(points)
    else:
        report(points, about, options.out)


if __name__ == "__main__":
    targets.run_main(main)
