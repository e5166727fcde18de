// The dashboard: the feed fills the timeline, and everything that is shown is drawn from that.

import { Band } from "./band.js";
import { Controls } from "./controls.js";
import { byId, setText } from "./dom.js";
import { Feed } from "./feed.js";
import { bytes, integer, percent, rate, time, timeParts, uptime } from "./format.js";
import { Histograms } from "./histogram.js";
import { Plot } from "./plot.js";
import { Timeline } from "./timeline.js";
import { Trace } from "./trace.js";

const STATS_EVERY_MS = 5000;

const timeline = new Timeline();
const controls = new Controls();
const trace = new Trace(controls);
const histograms = new Histograms(document.querySelector(".hists"));
let machine = ""; // what version says

for (const figure of document.querySelectorAll("[data-plot]"))
  new (figure.dataset.plot === "band" ? Band : Plot)(figure, timeline);

const set = (id, text) => setText(byId(id), text);

// ---- the link to the machine

function linkState(state, seconds) {
  const shown = state === "live" && timeline.paused ? "paused" : state;
  byId("link").dataset.state = shown;
  set("link-text", state === "lost" ? `connection lost, trying again in ${seconds} s` : shown);
}

function take(event) {
  controls.show(event);
  set("about", `${machine}up ${uptime(event.t_ms / 1000)}`);
  if (!timeline.add(event)) loadQuietly(); // another boot, perhaps another version
}

// ---- the numbers on top

function share(sample) {
  if (!sample.rx) return "no packets";
  return `${Number((sample.interrupts / sample.rx).toPrecision(2))} a packet`;
}

function showNumbers() {
  const sample = timeline.shown.at(-1);
  set("pause", timeline.paused ? "Resume" : "Pause");
  if (!sample) return;
  const [p99, unit] = timeParts(sample.p99);
  set("n-requests", rate(sample.requests));
  set("n-bytes", `${bytes(sample.bytes)}/s`);
  set("n-rx", rate(sample.rx));
  set("n-tx", `${rate(sample.tx)}/s out`);
  set("n-interrupts", rate(sample.interrupts));
  set("n-share", share(sample));
  set("n-busy", percent(sample.idle === null ? null : 100 - sample.idle));
  set("n-softirq", `softirq ${percent(sample.softirq)} %`);
  set("n-p99", p99);
  set("n-p99-unit", unit);
  set("n-p50", `half within ${time(sample.p50)}`);
  set("n-drops", rate(sample.drops));
  set("n-dropped", `${integer(sample.dropped)} in all`);
  byId("n-drop-tile").classList.toggle("bad", sample.drops > 0);
}
timeline.addEventListener("change", showNumbers);

// ---- what is asked for now and then, while it is looked at

async function loadStats() {
  const answer = await fetch("stats.json", { cache: "no-store" });
  const stats = await answer.json();
  if (stats.version) machine = `${stats.version.version}, ${stats.version.app}, `;
  if (stats.copies) controls.press("copies", stats.copies.copies);
  if (stats.hist) histograms.show(stats.hist.histograms);
}

function loadQuietly() {
  loadStats().catch(() => {}); // the link says that it is lost
}

let histsSeen = false;
new IntersectionObserver(([entry]) => {
  if (entry.isIntersecting && !histsSeen) loadQuietly();
  histsSeen = entry.isIntersecting;
}).observe(byId("hists"));
setInterval(() => {
  if (histsSeen && !document.hidden && !timeline.paused) loadQuietly();
}, STATS_EVERY_MS);
new IntersectionObserver(([entry], observer) => {
  if (!entry.isIntersecting) return;
  observer.disconnect();
  trace.load().catch(() => {});
}).observe(byId("trace"));
controls.addEventListener("changed", ({ detail }) => {
  if (detail.name === "reset") loadQuietly();
});

// ---- pause, span

byId("pause").addEventListener("click", () => {
  timeline.pause(!timeline.paused);
  if (byId("link").dataset.state !== "lost") linkState("live");
});

function show(seconds) {
  timeline.show(seconds);
  for (const button of byId("span").children)
    button.setAttribute("aria-pressed", Number(button.dataset.span) === seconds);
}
byId("span").addEventListener("click", ({ target }) => {
  if (target.dataset.span) show(Number(target.dataset.span));
});

show(60);
loadQuietly();
new Feed("events", take, linkState);
