// A plot over time on a canvas. What it shows stands in the page: a figure with data-unit,
// data-scale, data-kind, and a key whose items name the series, their colours and dashes. The key
// doubles as the readout at the cursor; "Values" is the same as a table.

import { css, make, makeRow, onRedraw, prepare, setText } from "./dom.js";
import { UNITS } from "./format.js";

const LEFT = 46, RIGHT = 10, TOP = 10, BOTTOM = 20;
const TABLE_ROWS = 15;

// 1, 2 or 5 times a power of ten, at or above the value.
function niceStep(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * power >= value * 0.999999) * power;
}

export function linearTicks(max, count = 5) {
  const step = niceStep(max / count);
  const ticks = [0];
  while (ticks.at(-1) < max * 0.999999) ticks.push(ticks.length * step);
  return ticks;
}

// Powers of ten, at least two decades of them.
export function logTicks(min, max) {
  const high = Math.max(2, Math.ceil(Math.log10(max)));
  const low = Math.max(0, Math.min(Math.floor(Math.log10(min)), high - 2));
  return Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
}

function ago(seconds) {
  const s = Math.round(seconds);
  return s < 1 ? "now" : s < 60 ? `${s} s ago` : `${Math.floor(s / 60)} min ${s % 60} s ago`;
}

// The canvas, the key, the cursor and the table that all plots have; draw(context, box) is the rest.
export class Figure {
  constructor(figure, timeline) {
    Object.assign(this, { figure, timeline });
    this.canvas = figure.querySelector("canvas");
    this.title = (figure.querySelector("h2") ?? figure.parentElement.querySelector("h2")).textContent;
    this.unit = UNITS[figure.dataset.unit];
    this.series = [...figure.querySelectorAll("[data-series]")].map((item) => ({
      item, key: item.dataset.series, value: item.querySelector("b"),
      name: item.firstChild.textContent.trim(),
      dash: (item.dataset.dash ?? "").split(" ").filter(Boolean).map(Number),
      blank: "blank" in item.dataset,
    }));
    this.details = figure.querySelector("details");
    Object.assign(this.canvas, {
      tabIndex: 0, role: "slider", ariaLabel: this.title, ariaValueMax: 0,
      onpointermove: (event) => this.#pointed(event), onpointerleave: () => timeline.point(null),
      onfocus: () => this.#tell(), onblur: () => timeline.point(null),
      onkeydown: (event) => this.#pressed(event),
    });
    this.details.addEventListener("toggle", () => this.update());
    onRedraw(this.canvas, () => this.update());
    timeline.addEventListener("change", () => this.update());
    this.#tell();
  }

  // Draws once a frame at most.
  update() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      this.#draw();
      this.#readout();
      if (this.details.open) this.#table();
    });
  }

  text(key, sample) {
    const value = sample?.[key] ?? null;
    return typeof value === "string" ? value : (this.unit ?? UNITS.whole).value(value);
  }

  #draw() {
    const drawing = prepare(this.canvas);
    if (!drawing) return;
    const { context, width, height } = drawing;
    this.box = { left: LEFT, right: width - RIGHT, top: TOP, bottom: height - BOTTOM };
    this.draw(context, this.box);
    this.#cursor(context, this.box);
  }

  x(age) {
    return this.box.right - (this.box.right - this.box.left) * age / this.timeline.span;
  }

  age(sample) {
    return this.timeline.end - sample.t;
  }

  timeAxis(context, box) {
    const span = this.timeline.span, minutes = span > 120;
    const room = Math.floor((box.right - box.left) / 62); // labels
    const step = span / (room < 5 ? 2 : minutes ? 5 : 4);
    context.fillStyle = css(this.figure, "--soft");
    for (let age = 0; age <= span; age += step) {
      const label = age === 0 ? "now" : minutes ? `−${Number((age / 60).toFixed(1))} min` : `−${age} s`;
      context.textAlign = age === 0 ? "right" : age === span ? "left" : "center";
      context.fillText(label, this.x(age), box.bottom + 12);
    }
  }

  #cursor(context, box) {
    const sample = this.timeline.current;
    if (this.timeline.cursor === null || !sample) return;
    const x = Math.max(box.left, Math.round(this.x(this.age(sample))) + 0.5);
    context.strokeStyle = css(this.figure, "--ink");
    context.setLineDash([]);
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, box.top - 6);
    context.lineTo(x, box.bottom);
    context.stroke();
  }

  #readout() {
    const sample = this.timeline.current;
    for (const { key, value } of this.series) setText(value, this.text(key, sample));
  }

  #pointed(event) {
    if (!this.box) return;
    const { left, right } = this.box;
    this.timeline.point(this.timeline.span * (right - event.offsetX) / (right - left));
  }

  #pressed(event) {
    const { timeline } = this;
    const age = timeline.cursor ?? 0;
    const target = {
      ArrowLeft: age + 1, ArrowDown: age + 1, ArrowRight: age - 1, ArrowUp: age - 1,
      PageUp: age - 10, PageDown: age + 10, Home: timeline.span, End: 0, Escape: null,
    }[event.key];
    if (target === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    timeline.point(target);
    this.#tell();
  }

  // What a screen reader says of the cursor's place; when asked, not every second.
  #tell() {
    const { timeline, canvas } = this;
    const sample = timeline.current;
    const values = this.series.map(({ key, name }) => `${name} ${this.text(key, sample)}`);
    const age = timeline.cursor ?? 0;
    Object.assign(canvas, {
      ariaValueMin: -timeline.span, ariaValueNow: -Math.round(age),
      ariaValueText: sample ? `${ago(age)}: ${values.join(", ")}` : "no data yet",
    });
  }

  // The newest samples; made when it is opened and while it is.
  #table() {
    const table = make("table");
    const samples = this.timeline.shown.slice(-TABLE_ROWS).reverse();
    table.append(make("caption", `${this.title}: the last ${TABLE_ROWS} s`),
      makeRow(["when", ...this.series.map(({ name }) => name)], "th"),
      ...samples.map((sample) => makeRow(
        [ago(this.age(sample)), ...this.series.map(({ key }) => this.text(key, sample))])));
    this.details.querySelector("table")?.remove();
    this.details.append(table);
  }
}

export class Plot extends Figure {
  draw(context, box) {
    const shown = this.timeline.shown;
    this.scale(shown, box);
    this.valueAxis(context, box);
    this.timeAxis(context, box);
    context.save();
    context.beginPath();
    context.rect(box.left, 0, box.right - box.left + 2, box.bottom + 1);
    context.clip();
    if (this.figure.dataset.kind === "stack") this.stack(context, box, shown);
    else this.lines(context, box, shown);
    context.restore();
  }

  // Fills in this.ticks and this.y(value).
  scale(shown, box) {
    const values = this.series.flatMap(({ key }) => shown.map((sample) => sample[key]))
      .filter((value) => value != null);
    const max = Math.max(this.unit.floor, ...values);
    const height = box.bottom - box.top;
    if (this.figure.dataset.scale === "log") {
      this.ticks = logTicks(Math.min(...values, 1000), Math.max(...values, 1e5));
      const low = Math.log10(this.ticks[0]), high = Math.log10(this.ticks.at(-1));
      this.y = (value) => box.bottom - height *
        (Math.log10(Math.max(value, this.ticks[0])) - low) / (high - low);
    } else {
      this.ticks = linearTicks(max);
      this.y = (value) => box.bottom - height * value / this.ticks.at(-1);
    }
  }

  valueAxis(context, box) {
    const every = Math.ceil(this.ticks.length / 6);
    context.strokeStyle = css(this.figure, "--line");
    context.fillStyle = css(this.figure, "--soft");
    context.textAlign = "right";
    context.lineWidth = 1;
    this.ticks.forEach((tick, i) => {
      if (i % every) return;
      const y = Math.round(this.y(tick)) + 0.5;
      context.beginPath();
      context.moveTo(box.left, y);
      context.lineTo(box.right, y);
      context.stroke();
      context.fillText(this.unit.axis(tick), box.left - 7, y);
    });
  }

  // The series as pieces between gaps: arrays of [x, value, sample].
  pieces(shown, key) {
    const pieces = [[]];
    for (const sample of shown) {
      if (sample.gap || sample[key] == null) pieces.push([]);
      if (sample[key] != null) pieces.at(-1).push([this.x(this.age(sample)), sample[key], sample]);
    }
    return pieces.filter((piece) => piece.length);
  }

  lines(context, box, shown) {
    this.series.forEach(({ key, item, dash }, i) => {
      context.strokeStyle = context.fillStyle = css(item, "--c");
      context.lineWidth = 2;
      context.lineJoin = "round";
      for (const piece of this.pieces(shown, key)) {
        if (piece.length === 1) { // nothing to join it to
          context.fillRect(piece[0][0] - 1.5, this.y(piece[0][1]) - 1.5, 3, 3);
          continue;
        }
        context.setLineDash(dash);
        context.beginPath();
        for (const [x, value] of piece) context.lineTo(x, this.y(value));
        context.stroke();
        if (i > 0) continue; // the first one is what the plot is about
        context.lineTo(piece.at(-1)[0], box.bottom);
        context.lineTo(piece[0][0], box.bottom);
        context.globalAlpha = 0.1;
        context.fill();
        context.globalAlpha = 1;
      }
    });
  }

  // Each series on top of those before it; one that is `blank` is what is left.
  stack(context, box, shown) {
    const base = new Map(shown.map((sample) => [sample, 0]));
    for (const { key, item, blank } of this.series) {
      if (blank) continue;
      const colour = css(item, "--c");
      for (const piece of this.pieces(shown, key)) {
        const tops = piece.map(([x, value, sample]) => [x, base.get(sample) + value]);
        context.beginPath();
        for (const [x, value] of tops) context.lineTo(x, this.y(value));
        context.strokeStyle = context.fillStyle = colour;
        context.setLineDash([]);
        context.lineWidth = 1;
        context.stroke();
        for (const [x, , sample] of [...piece].reverse()) context.lineTo(x, this.y(base.get(sample)));
        context.globalAlpha = 0.75;
        context.fill();
        context.globalAlpha = 1;
      }
      for (const sample of shown) base.set(sample, base.get(sample) + (sample[key] ?? 0));
    }
  }
}
