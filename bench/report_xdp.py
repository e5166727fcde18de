"""What bench_xdp.py measured, as tables and plots; docs/xdp.md has places for the tables:
<!-- bench: NAME --> and <!-- bench: end -->."""

import statistics

import matplotlib.pyplot as plt
import plots
from matplotlib.ticker import FuncFormatter
from report_web import put, table, times, whole

NAMES = ("xdp aims", "xdp cost", "xdp drop", "xdp http", "xdp kv", "xdp made with")
STYLE = {  # (colour, marker, dash)
    "tophalf": ("#000000", "D", "-"), "tophalf-firewall": ("#009E73", "^", "-"),
    "linux": ("#CC79A7", "v", "--"), "linux-firewall": ("#0072B2", "s", "--"),
    "lwip": ("#000000", "D", "-"), "xsk": ("#D55E00", "o", "-"), "xdp": ("#009E73", "^", "-"),
    "memcached": ("#CC79A7", "v", "--"),
}
PATHS = {"lwip": "Tophalf, through lwIP", "xsk": "Tophalf, raw ring", "xdp": "Tophalf, XDP program",
         "memcached": "Linux, memcached"}


class Results:
    def __init__(self, rows, about):
        self.about = about
        self.values = {}
        for row in rows:
            key = (row["part"], row["series"], str(row["x"]), row["metric"])
            self.values.setdefault(key, {})[row["repeat"]] = row["value"]

    def median(self, *key):
        found = self.values.get(tuple(map(str, key)))
        return statistics.median(found.values()) if found else None

    def curve(self, part, series, metric):
        """[(x, median)]"""
        xs = sorted({int(x) for p, s, x, m in self.values if (p, s, m) == (part, series, metric)})
        return [(x, self.median(part, series, x, metric)) for x in xs]

    def peak(self, part, series, metric):
        found = [y for _, y in self.curve(part, series, metric)]
        return max(found) if found else None


def cell(value, form=whole):
    return form(value) if value is not None else "–"


def ratio(one, other):
    return one / other if one and other else None


def aims(results):
    rows = []

    def add(what, value, aim, form, good):
        if value is not None:
            rows.append([what, aim, form(value), "yes" if good(value) else "**no**"])

    def cost(series, name, metric="instructions"):
        return results.median("cost", series, name, metric)

    add("XDP_DROP, packets/s, peaks: to Linux's", ratio(results.peak("drop", "tophalf", "dropped_pps"),
        results.peak("drop", "linux", "dropped_pps")), "≥ 1.4×", times, lambda v: v >= 1.4)
    add("guest instructions for a dropped packet: to Linux's",
        ratio(cost("tophalf", "drop.o"), cost("linux", "drop.o")), "≤ 0.33×", times, lambda v: v <= 1 / 3)
    add("a packet that the firewall drops, interpreted to compiled, all instructions", packet_ratio(results), "≥ 5×", times,
        lambda v: v >= 5)
    verify = results.median("verify", "tophalf", "long4000.o", "verify_us")
    add("verifier, 4,000 instructions, ms", verify / 1000 if verify else None, "≤ 50",
        lambda v: f"{v:.1f}", lambda v: v <= 50)
    for path in ("lwip", "xsk", "xdp"):
        add(f"kv, {PATHS[path].split(', ')[1]}, GETs/s, peaks: to memcached in Linux",
            ratio(results.peak("kv", "tophalf", f"gets_per_s_{path}"),
                  results.peak("kv", "linux", "gets_per_s_memcached")), "–", times, lambda v: v > 1)
    return table(["what", "aim", "measured", "reached"], rows)


def packet_ratio(results):
    """Of all that a packet costs, driver and interrupts too: of the program alone it is more. What is left
    when those are taken off depends on how many packets each poll finds, more than on the program."""
    whole_cost = [results.median("cost", "tophalf", "firewall.o", metric)
                  for metric in ("instructions_interpreted", "instructions")]
    return ratio(*whole_cost)


def cost_table(results):
    rows = []
    for name in ("drop.o", "firewall.o", "long4000.o"):
        found = [results.median("verify", "tophalf", name, m)
                 for m in ("program_instructions", "verified_instructions", "verify_us")]
        found += [results.median("cost", "tophalf", name, m)
                  for m in ("instructions", "instructions_interpreted")]
        rows.append([f"`{name}`", *(cell(v) for v in found),
                     cell(results.median("cost", "linux", name, "instructions"))])
    return table(["program", "eBPF instructions", "gone through by the verifier", "µs for that",
                  "guest instructions a packet", "interpreted", "Linux"], rows)


def drop_table(results):
    rows = []
    for rate, ours in results.curve("drop", "tophalf", "dropped_pps"):
        theirs = results.median("drop", "linux", rate, "dropped_pps")
        rows.append([whole(rate), cell(ours), cell(theirs), cell(ratio(ours, theirs), times)])
    return table(["offered, packets/s", "Tophalf drops", "Linux drops", "ratio"], rows)


def http_table(results):
    rows = []
    for rate, _ in results.curve("http", "tophalf", "requests_per_s_without"):
        rows.append([whole(rate), *(cell(results.median("http", s, rate, f"requests_per_s_{w}"))
                                    for s in ("tophalf", "linux") for w in ("without", "with"))])
    return table(["flood, packets/s", "Tophalf, requests/s", "with the firewall", "Linux",
                  "with the firewall"], rows)


def kv_table(results):
    rows = []
    for path, text in PATHS.items():
        series = "linux" if path == "memcached" else "tophalf"
        points = results.curve("kv", series, f"gets_per_s_{path}")
        rows.append([text, *(cell(y) for _, y in points),
                     cell(results.median("kvcost", series, 64, f"instructions_{path}"))])
    windows = [x for x, _ in results.curve("kv", "tophalf", "gets_per_s_lwip")]
    return table(["GETs/s", *(f"{w} on their way" for w in windows), "instructions a GET"], rows)


def made_with(results):
    about = results.about
    linux = f" Linux {about['linux']};" if about.get("linux") else ""
    return (f"{about['machine']}; Tophalf {about['commit']};{linux} medians of "
            f"{about['repeats']}, {about['seconds']} s a point.")


# ---------------------------------------------------------------- plots

def add(plot, points, style, label):
    if points:
        colour, marker, dash = STYLE[style]
        plot.axes.plot([x for x, _ in points], [y for _, y in points], color=colour, marker=marker,
                       linestyle=dash, markersize=5, linewidth=1.8, label=label)


def finish(plot, folder, name):
    if not plot.axes.lines:
        return  # that part was not measured
    for axis in (plot.axes.xaxis, plot.axes.yaxis):
        axis.set_major_formatter(FuncFormatter(plots.short))
    plot.axes.set_ylim(bottom=0)
    plot.save(folder, name)


def draw(results, folder):
    plt.rcParams["svg.hashsalt"] = "tophalf"
    plot = plots.Plot("Dropped by an XDP program", "offered load, packets/s", "dropped, packets/s",
                      results.about)
    for series, text in (("tophalf", "Tophalf"), ("linux", "Linux")):
        add(plot, results.curve("drop", series, "dropped_pps"), series, text)
    finish(plot, folder, "xdp-drop")
    plot = plots.Plot("HTTP beside a UDP flood, 64 connections", "flood, packets/s", "requests/s",
                      results.about)
    for series, text in (("tophalf", "Tophalf"), ("linux", "Linux")):
        add(plot, results.curve("http", series, "requests_per_s_without"), series, text)
        add(plot, results.curve("http", series, "requests_per_s_with"), f"{series}-firewall",
            f"{text}, firewall")
    finish(plot, folder, "xdp-http")
    plot = plots.Plot("GETs of memcached's protocol over UDP", "requests on their way", "GETs/s",
                      results.about)
    for path, text in PATHS.items():
        series = "linux" if path == "memcached" else "tophalf"
        add(plot, results.curve("kv", series, f"gets_per_s_{path}"), path, text)
    finish(plot, folder, "xdp-kv")


PLOTS = {"xdp drop": "xdp-drop", "xdp http": "xdp-http", "xdp kv": "xdp-kv"}


def with_plot(name, content):
    """Where there are figures there is a plot of them."""
    plot = PLOTS.get(name)
    return f"{content}\n\n![{plot}](bench/{plot}.png)" if plot else content


def report(rows, about, folder, document):
    results = Results(rows, about)
    made = dict(zip(NAMES, (make(results) for make in
                            (aims, cost_table, drop_table, http_table, kv_table, made_with))))
    for content in made.values():
        print(f"\n{content}")
    if document:
        put(document, {name: with_plot(name, content) for name, content in made.items()})
    draw(results, folder)
    print(f"\n{folder}/xdp.csv, and plots beside it")
