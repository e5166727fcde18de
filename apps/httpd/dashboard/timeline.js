// What has been heard of the machine: cumulative counters in, rates out, and which part of them is
// shown. All plots look at the same span, and share one cursor.

const KEEP_S = 930;
const GAP_S = 3.5; // events come once a second; a longer silence is not drawn over

const TWICE_MS = 400; // whoever begins to listen gets one at once, and so do we: too short for a rate

export const STATES = { interrupt: "interrupts", defer: "deferred polls", poll: "polls" };

// From one event to the next. A counter that went down was reset: it counts from zero.
function grown(before, now, key) {
  return now[key] >= before[key] ? now[key] - before[key] : now[key];
}

function cpuShares(before, now) {
  const names = ["irq", "softirq", "app", "main", "idle"];
  const spent = names.map((name) => grown(before.cpu, now.cpu, name));
  const all = spent.reduce((sum, ns) => sum + ns, 0);
  return Object.fromEntries(names.map((name, i) => [name, all ? 100 * spent[i] / all : null]));
}

// The sample between two events; rates are per second.
export function sampleOf(before, now) {
  const seconds = (now.t_ms - before.t_ms) / 1000;
  const per = (key) => grown(before, now, key) / seconds;
  const latency = now.latency_ns ?? {};
  return {
    t: now.t_ms / 1000,
    gap: seconds > GAP_S,
    mode: now.mode,
    state: now.state,
    modeText: now.mode,
    stateText: STATES[now.state] ?? now.state,
    switches: now.mode_switches,
    requests: per("requests"), r4xx: per("responses_4xx"), r5xx: per("responses_5xx"),
    bytes: per("bytes"), connections: now.connections,
    rx: per("rx_packets"), tx: per("tx_packets"),
    drops: per("rx_drops"), dropped: now.rx_drops,
    interrupts: per("interrupts"), polls: per("polls"),
    ...cpuShares(before, now),
    p50: latency.p50 ?? null, p90: latency.p90 ?? null, p99: latency.p99 ?? null,
  };
}

export class Timeline extends EventTarget {
  samples = [];
  span = 60; // seconds
  cursor = null; // seconds before the newest sample that is shown; null: none
  #last = null;
  #frozen = null; // the time of the newest sample that is shown; null: it runs

  // Takes an event of the stream. Returns false when the machine was started anew.
  add(event) {
    const before = this.#last, ms = event.t_ms - before?.t_ms;
    if (ms >= 0 && ms < TWICE_MS) return true;
    this.#last = event;
    if (!before) return true;
    if (ms < 0) {
      this.samples = [];
      this.#frozen = null;
      this.changed();
      return false;
    }
    this.samples.push(sampleOf(before, event));
    while (this.samples[0].t < event.t_ms / 1000 - KEEP_S) this.samples.shift();
    if (!this.paused) this.changed();
    return true;
  }

  get paused() {
    return this.#frozen !== null;
  }

  pause(paused) {
    this.#frozen = paused ? this.end : null;
    this.changed();
  }

  show(seconds) {
    this.span = seconds;
    this.point(null);
  }

  // Moves the cursor to what was `age` seconds before the newest sample.
  point(age) {
    this.cursor = age === null ? null : Math.min(Math.max(0, age), this.span);
    this.changed();
  }

  get end() {
    return this.#frozen ?? this.samples.at(-1)?.t ?? 0;
  }

  // One more than the span has, so that lines come in from the left edge.
  get shown() {
    const from = this.end - this.span - 1.5;
    return this.samples.filter((sample) => sample.t >= from && sample.t <= this.end);
  }

  // The sample below the cursor, or the newest that is shown.
  get current() {
    const wanted = this.end - (this.cursor ?? 0);
    let best = null;
    for (const sample of this.shown)
      if (!best || Math.abs(sample.t - wanted) <= Math.abs(best.t - wanted)) best = sample;
    return best;
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}
