"""The plots of bench.py: SVG and PNG."""

import plots
import report_web

import matplotlib.pyplot as plt  # behind plots, which chooses how it draws
from matplotlib.ticker import FuncFormatter, LogLocator

CONNECTIONS = [1, 16, 64, 256, 1024]
STYLE = {
    "tophalf": ("#000000", "D", "-"),
    "linux": ("#CC79A7", "v", "--"),
    "linux-tuned": ("#0072B2", "s", "--"),
    "native": ("#999999", "x", ":"),
}
NAMES = {**report_web.SERIES, "native": "nginx without QEMU"}


def short(value, _=None):
    return f"{value / 1e6:.3g}M" if value >= 1e6 else plots.short(value)


def logarithmic(axis):
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(short))


def over_connections(results, metric, title, y, file, scale, series):
    plot = plots.Plot(title, "connections", y, results.about)
    for one in series:
        found = [(n, figure) for n in CONNECTIONS
                 if (figure := results.figure(one, f"keep-{n}", metric))]
        if not found:
            continue
        colour, marker, dash = STYLE[one]
        middle = [figure.median / scale for _, figure in found]
        low = [m - min(f.values) / scale for m, (_, f) in zip(middle, found)]
        high = [max(f.values) / scale - m for m, (_, f) in zip(middle, found)]
        plot.axes.errorbar([n for n, _ in found], middle, yerr=[low, high], color=colour,
                           marker=marker, linestyle=dash, markersize=5, linewidth=1.8,
                           elinewidth=1, capsize=3, label=NAMES[one])
    plot.axes.set_xscale("log", base=2)
    plot.axes.set_yscale("log")
    plot.axes.set_xticks(CONNECTIONS, [f"{n:,}" for n in CONNECTIONS])
    plot.axes.minorticks_off()
    logarithmic(plot.axes.yaxis)
    plot.save(results.folder, file)


def bars(results, rows, title, y, file, scale="linear"):
    """rows: [(label, {series: value})]"""
    plot = plots.Plot(title, "", y, results.about)
    series = [one for one in report_web.SERIES if any(values.get(one) for _, values in rows)]
    width = 0.86 / max(1, len(series))
    for at, one in enumerate(series):
        places = [i + (at - (len(series) - 1) / 2) * width for i in range(len(rows))]
        heights = [values.get(one) or float("nan") for _, values in rows]
        shown = plot.axes.bar(places, heights, width * 0.92, color=STYLE[one][0], label=NAMES[one])
        labels = [short(float(f"{h:.3g}")) if h == h else "" for h in heights]
        plot.axes.bar_label(shown, labels, fontsize=6.5, padding=2)
    plot.axes.set_yscale(scale)
    plot.axes.set_xticks(range(len(rows)), [label for label, _ in rows], fontsize=8)
    plot.axes.grid(False, axis="x")
    plot.axes.minorticks_off()
    low, high = plot.axes.get_ylim()
    if scale == "log":
        logarithmic(plot.axes.yaxis)
        plot.axes.set_ylim(low, high * 3)
    else:
        plot.axes.yaxis.set_major_formatter(FuncFormatter(short))
        plot.axes.set_ylim(0, high * 1.15)
    plot.save(results.folder, file, loc="upper left", ncols=len(series) or 1)


def draw(results):
    plt.rcParams["svg.hashsalt"] = "tophalf"  # the same data make the same file
    over_connections(results, "requests_per_s", "Requests a second, a page of 612 bytes",
                     "requests/s (logarithmic)", "web-requests", 1, STYLE)
    over_connections(results, "p99_us", "The slowest one in a hundred", "p99, ms (logarithmic)",
                     "web-p99", 1000, report_web.SERIES)
    labels = {"keep-1": "keep-alive\n1", "keep-64": "keep-alive\n64",
              "keep-1024": "keep-alive\n1,024", "fresh": "a connection\neach", "64k": "64 KiB",
              "1m": "1 MiB", "upload": "upload\n1 MiB"}
    counted = [(label, {s: results.counts.get((s, case)) for s in report_web.SERIES})
               for case, label in labels.items()]
    if results.counts:
        bars(results, counted, "Guest instructions for each request",
             "instructions (logarithmic)", "web-instructions", "log")
    large = []
    for case in report_web.LARGE:
        figures = {s: results.figure(s, case, "bytes_per_s") for s in report_web.SERIES}
        large.append((labels[case], {s: f.median / 1e6 for s, f in figures.items() if f}))
    if any(values for _, values in large):
        bars(results, large, "Large files and uploads, 4 connections", "MB/s", "web-large")
