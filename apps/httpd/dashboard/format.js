// Numbers as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const NOTHING = "–";

// Three significant digits at most: 7, 45.6, 123.
function digits(value) {
  const places = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return String(Number(value.toFixed(places)));
}

function scaled(value, steps) {
  const [unit, name] = steps.find(([size]) => value >= size) ?? steps.at(-1);
  return [digits(value / unit), name];
}

const METRIC = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
const TIME = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];
const BYTES = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]];

// 3.2, 480, 12,345, 1.24M
export function rate(value) {
  if (value == null) return NOTHING;
  if (value < 10) return String(Number(value.toFixed(1)));
  return value < 100000 ? whole.format(value) : scaled(value, METRIC).join("");
}

export function integer(value) {
  return value == null ? NOTHING : whole.format(value);
}

export function percent(value) {
  if (value == null) return NOTHING;
  return value > 0 && value < 9.95 ? value.toFixed(1) : String(Math.round(value));
}

// Nanoseconds: ["12.3", "µs"]
export function timeParts(ns) {
  return ns == null ? [NOTHING, "µs"] : scaled(ns, TIME);
}

export function time(ns) {
  return ns == null ? NOTHING : timeParts(ns).join(" ");
}

export function bytes(value) {
  return value == null ? NOTHING : scaled(value, BYTES).join(" ");
}

export function uptime(seconds) {
  const s = Math.floor(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

// How a plot's data-unit is written: where there is room for digits, and at the axis.
const short = (value) => scaled(value, METRIC).join("");
export const UNITS = {
  rate: { value: rate, axis: short, floor: 10 },
  whole: { value: integer, axis: short, floor: 4 },
  percent: { value: (value) => `${percent(value)} %`, axis: (value) => `${value}%`, floor: 100 },
  time: { value: time, axis: time, floor: 1 },
};
