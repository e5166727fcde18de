// The receive mode over time: two rows of stretches, what was set and what was done.

import { css } from "./dom.js";
import { Figure } from "./plot.js";
import { STATES } from "./timeline.js";

const LEFT = 64, ROW = 26, SPACE = 6;
const COLOURS = { interrupt: "--out", napi: "--blue", poll: "--violet", adaptive: "--soft", defer: "--in" };

// Neighbours of the same value as one: [{value, from, to}] in seconds before the end.
function stretches(samples, key, end) {
  const found = [];
  let before = null;
  for (const sample of samples) {
    const from = before && !sample.gap ? before.t : sample.t - 1;
    const last = found.at(-1);
    if (last && last.value === sample[key] && !sample.gap) last.to = end - sample.t;
    else found.push({ value: sample[key], from: end - from, to: end - sample.t });
    before = sample;
  }
  return found;
}

export class Band extends Figure {
  draw(context, box) {
    const { timeline } = this;
    box.left = LEFT;
    box.top = 8;
    [["mode", "mode", (value) => value], ["state", "taken by", (value) => STATES[value] ?? value]]
      .forEach(([key, label, name], row) => {
        const y = box.top + row * (ROW + SPACE);
        context.fillStyle = css(this.figure, "--soft");
        context.textAlign = "right";
        context.fillText(label, box.left - 7, y + ROW / 2);
        context.fillStyle = css(this.figure, "--mark");
        context.fillRect(box.left, y, box.right - box.left, ROW);
        for (const stretch of stretches(timeline.shown, key, timeline.end))
          this.stretch(context, box, y, stretch, name(stretch.value));
      });
    this.timeAxis(context, box);
  }

  stretch(context, box, y, { value, from, to }, name) {
    const left = Math.max(box.left, this.x(from)), right = Math.max(left, this.x(to));
    context.fillStyle = css(this.figure, COLOURS[value] ?? "--soft");
    context.globalAlpha = 0.28;
    context.fillRect(left, y, right - left, ROW);
    context.globalAlpha = 1;
    context.fillRect(left, y + ROW - 3, right - left, 3);
    context.fillRect(left, y, 1, ROW);
    context.fillStyle = css(this.figure, "--ink");
    context.textAlign = "left";
    if (context.measureText(name).width + 12 < right - left)
      context.fillText(name, left + 7, y + ROW / 2 - 1);
  }
}
