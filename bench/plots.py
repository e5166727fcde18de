"""The plots of bench_rx.py: SVG and PNG, each line with its name at its end."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter  # noqa: E402

# Okabe and Ito's palette: told apart by all kinds of eyes; with a marker each, also without colour.
STYLE = {
    "interrupt": ("#D55E00", "o", "-"),
    "napi": ("#0072B2", "s", "-"),
    "poll": ("#009E73", "^", "-"),
    "adaptive": ("#000000", "D", "-"),
    "linux": ("#CC79A7", "v", "--"),
    "linux-xdp-drop": ("#999999", "x", "--"),
}


def line(points, name, series, field):
    found = sorted((offered, p[field]) for (n, s, offered), p in points.items()
                   if n == name and s == series and p[field] is not None)
    return [x for x, _ in found], [y for _, y in found]


def short(value, _=None):
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


class Plot:
    def __init__(self, title, x, y, about):
        self.figure, self.axes = plt.subplots(figsize=(8, 4.8))
        self.axes.set_title(title, loc="left", fontsize=12, fontweight="bold")
        self.axes.set_xlabel(x)
        self.axes.set_ylabel(y)
        self.axes.grid(True, which="major", color="#e4e4e4", linewidth=0.8)
        self.axes.set_axisbelow(True)
        for side in ("top", "right"):
            self.axes.spines[side].set_visible(False)
        caption = f"{about['machine']}; Tophalf {about['commit']}"
        if about.get("linux"):
            caption += f"; Linux {about['linux']}"
        caption += f"; median of {about['repeats']}"
        self.figure.text(0.01, 0.01, caption, fontsize=6.5, color="#666666")

    def add(self, xs, ys, series, **more):
        if not xs:
            return
        colour, marker, dash = STYLE[series]
        style = {"color": colour, "marker": marker, "linestyle": dash, "markersize": 5,
                 "linewidth": 1.8, "label": series, **more}
        self.axes.plot(xs, ys, **style)

    def save(self, folder, name, **legend):
        self.axes.legend(frameon=False, fontsize=9, **legend)
        self.figure.tight_layout(rect=(0, 0.03, 1, 1))
        for kind in ("svg", "png"):
            self.figure.savefig(folder / f"{name}.{kind}", dpi=110,
                                metadata={"Date": None} if kind == "svg" else None)
        svg = folder / f"{name}.svg"  # without blanks at the ends of lines
        svg.write_text("".join(row.rstrip() + "\n" for row in svg.read_text().splitlines()))
        plt.close(self.figure)


def throughput(points, about, folder, name, title, file):
    if not any(n == name for n, _, _ in points):
        return
    plot = Plot(title, "offered load, packets/s", "delivered, packets/s", about)
    top = max(o for n, _, o in points if n == name)
    plot.axes.plot([0, top], [0, top], color="#bbbbbb", linewidth=1, linestyle=":",
                   label="all that is offered")
    for series in STYLE:
        plot.add(*line(points, name, series, "delivered_pps"), series)
    for axis in (plot.axes.xaxis, plot.axes.yaxis):
        axis.set_major_formatter(FuncFormatter(short))
    if name == "work":  # the diagonal would squeeze what there is to see
        best = max(p["delivered_pps"] for (n, _, _), p in points.items() if n == name)
        plot.axes.set_ylim(0, best * 1.15)
    plot.save(folder, file, loc="upper left" if name == "udp" else "center right")


def over_load(points, about, folder, title, y, field, file, scale="linear", also=None):
    plot = Plot(title, "offered load, packets/s (logarithmic)", y, about)
    for series in STYLE:
        plot.add(*line(points, "udp", series, field), series)
        if also:
            plot.add(*line(points, "udp", series, also), series, linestyle=":", linewidth=1,
                     markersize=3, label=None)
    plot.axes.set_xscale("log")
    plot.axes.set_yscale(scale)
    plot.axes.xaxis.set_major_formatter(FuncFormatter(short))
    if scale == "log":
        plot.axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    plot.save(folder, file)


def draw(points, about, folder):
    plt.rcParams["svg.hashsalt"] = "tophalf"  # the same data make the same file
    throughput(points, about, folder, "udp",
               "UDP to a closed port: delivered against offered", "rx-throughput")
    throughput(points, about, folder, "work",
               "The same with 10 us of work for each datagram: receive livelock", "rx-livelock")
    over_load(points, about, folder, "Interrupts for each packet", "interrupts / packet",
              "interrupts_per_packet", "rx-interrupts")
    over_load(points, about, folder, "Round trip under load: p50, and p99 dotted",
              "ping RTT, us (logarithmic)", "rtt_p50_us", "rx-rtt", "log", "rtt_p99_us")
    over_load(points, about, folder, "What is left of the CPU", "idle, %", "idle_pct", "rx-idle")
