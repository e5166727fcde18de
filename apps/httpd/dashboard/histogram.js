// The histograms of stats.json: bars over powers of two, with the percentiles as marks.

import { css, make, makeRow, onRedraw, prepare } from "./dom.js";
import { integer, percent, time } from "./format.js";

const LEFT = 8, RIGHT = 8, TOP = 22, BOTTOM = 20;

// The row of `hist` that a value is in: 0 for 0, n for 2^(n-1) to 2^n - 1.
function rowOf(value) {
  return value < 1 ? 0 : Math.floor(Math.log2(value)) + 1;
}

// Where a value stands in units of rows. A row of packets has few values, each of some width.
function place(value, unit) {
  if (unit === "ns") return value < 1 ? 0.5 : Math.log2(value) + 1;
  const row = rowOf(value), width = 2 ** Math.max(0, row - 1);
  return row + (value - (row ? width : 0) + 0.5) / width;
}

class Histogram {
  // Into a figure that has its caption, if it has one.
  constructor(root) {
    this.root = root;
    root.insertAdjacentHTML("beforeend", `<div class="canvas"><canvas role="img"></canvas></div><dl></dl>
      <details><summary>Values</summary><table></table></details>`);
    this.canvas = this.root.querySelector("canvas");
    onRedraw(this.canvas, () => this.draw());
  }

  show(hist) {
    this.hist = hist;
    this.text = hist.unit === "ns" ? time : integer;
    const figures = ["p50", "p90", "p99", "max"].map((key) =>
      [key, hist.count ? this.text(hist[key]) : "–"]);
    figures.push(["count", integer(hist.count)]);
    this.root.querySelector("dl").replaceChildren(...figures.map(([name, value]) => {
      const item = make("div");
      item.append(make("dt", name), make("dd", value));
      return item;
    }));
    this.canvas.setAttribute("aria-label", `${hist.title}: ` +
      figures.map(([name, value]) => `${name} ${value}`).join(", "));
    this.table();
    this.draw();
  }

  table() {
    const { count, buckets } = this.hist;
    const head = makeRow(["from", "to", "count", "share"], "th");
    this.root.querySelector("table").replaceChildren(head, ...buckets.map((bucket) => makeRow(
      [this.text(bucket.low), this.text(bucket.high), integer(bucket.count),
       `${percent(100 * bucket.count / count)} %`])));
  }

  draw() {
    const drawing = this.hist && prepare(this.canvas);
    if (drawing) this.bars(drawing.context, drawing.width, drawing.height);
  }

  bars(context, width, height) {
    const { buckets, unit } = this.hist;
    const rows = buckets.map(({ low }) => rowOf(low));
    const first = Math.max(0, Math.min(...rows, unit === "ns" ? 12 : 0) - 1);
    const last = Math.max(first + 8, ...rows);
    const step = (width - LEFT - RIGHT) / (last - first + 1);
    const x = (row) => LEFT + (row - first) * step;
    const most = Math.max(1, ...buckets.map(({ count }) => count));
    const bottom = height - BOTTOM;
    context.fillStyle = css(this.root, "--line");
    context.fillRect(LEFT, bottom, width - LEFT - RIGHT, 1);
    context.fillStyle = css(this.root, "--in");
    context.globalAlpha = 0.8;
    buckets.forEach(({ count }, i) => {
      const size = Math.max(2, (bottom - TOP) * count / most);
      context.fillRect(x(rows[i]) + 1, bottom - size, step - 2, size);
    });
    context.globalAlpha = 1;
    this.axis(context, x, first, last, step, bottom);
    if (this.hist.count) this.marks(context, (value) => x(place(value, unit)), bottom);
  }

  // Each value stands below the left edge of the bar that begins with it.
  axis(context, x, first, last, step, bottom) {
    const every = Math.ceil(58 / step);
    context.fillStyle = css(this.root, "--soft");
    context.textAlign = "center";
    for (let row = Math.max(1, first); row <= last; row++) {
      const low = 2 ** (row - 1);
      if ((row - 1) % every || x(row) < LEFT + 14 || x(row) > x(last + 1) - 14) continue;
      const label = this.text === time ? time(Number(low.toPrecision(2))) : integer(low);
      context.fillText(label, x(row), bottom + 12);
    }
  }

  // p50, p90, p99, each label moved to the right where it would cover the one before.
  marks(context, x, bottom) {
    let free = 0;
    context.textAlign = "left";
    for (const name of ["p50", "p90", "p99"]) {
      const at = Math.round(x(this.hist[name])) + 0.5;
      context.strokeStyle = css(this.root, "--out");
      context.setLineDash([3, 2]);
      context.beginPath();
      context.moveTo(at, 15);
      context.lineTo(at, bottom);
      context.stroke();
      context.fillStyle = css(this.root, "--ink");
      const left = Math.max(free, at - 10);
      context.fillText(name, left, 7);
      free = left + context.measureText(name).width + 5;
    }
  }
}

export class Histograms {
  #shown = new Map();

  // Those of the page have their place from the start: nothing moves when they come.
  constructor(root) {
    this.root = root;
    for (const figure of root.children) this.#shown.set(figure.dataset.hist, new Histogram(figure));
  }

  #add({ name, title }) {
    const figure = this.root.appendChild(make("figure", "", "hist"));
    figure.append(make("h3", title));
    this.#shown.set(name, new Histogram(figure));
    return this.#shown.get(name);
  }

  show(list) {
    for (const hist of list) (this.#shown.get(hist.name) ?? this.#add(hist)).show(hist);
  }
}
