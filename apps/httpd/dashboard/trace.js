// The packets of trace.json: each as a bar of stages, the chosen one as a table with a waterfall.
// "done" is when our side saw the frame to be sent. Nobody hurries to look, so it is often a
// thousand times later than all else: it does not count for the scale, and is cut at the edge.

import { byId, make } from "./dom.js";
import { integer, time } from "./format.js";

const STAGES = {
  interrupt: ["out", "the top half: count, mask, raise the softirq"],
  softirq: ["in", "the bottom half begins its poll"],
  rx_ring: ["in", "the driver takes the frame off the receive ring"],
  ip: ["blue", "its addresses and checksum are looked at, and it is handed to IP"],
  transport: ["blue", "it is handed to its connection: TCP, UDP or ICMP"],
  app: ["violet", "the web server has the bytes, where the card wrote them"],
  response: ["violet", "TCP has taken the answer: a head, and a body by reference"],
  tx_ring: ["in", "the answer stands on the transmit ring"],
  kick: ["out", "the card is told, once for all frames of the round"],
  done: ["idle", "the frame was seen to be sent; nobody hurries to look"],
};

const end = (packet) => {
  const last = packet.stages.at(-1);
  return last.stage === "done" && packet.stages.length > 1 ? packet.stages.at(-2).ns : last.ns;
};

// The stages with what lay before each: [{stage, ns, from}]
const steps = (packet) => packet.stages.map((stage, i) =>
  ({ ...stage, from: i ? packet.stages[i - 1].ns : 0 }));

const colour = (stage) => `c-${STAGES[stage]?.[0] ?? "idle"}`;

function bars(steps, scale) {
  const row = make("span", "", "bars");
  row.append(...steps.map((step) => bar(step, scale)));
  return row;
}

function bar(step, scale) {
  const i = make("i", "", colour(step.stage) + (step.ns > scale ? " cut" : ""));
  const cut = (ns) => Math.min(100, 100 * ns / scale);
  i.style.left = `${cut(step.from)}%`;
  i.style.width = `${Math.max(0, cut(step.ns) - cut(step.from))}%`;
  return i;
}

function fate(packet) {
  if (packet.lost) return "The device was reset before it had sent the answer.";
  if (!packet.complete) return "The trace was ended here.";
  return packet.stages.some(({ stage }) => stage === "tx_ring") ? "" : "No answer to it.";
}

export class Trace {
  #packets = [];
  #chosen = 0;
  #list = byId("packets");
  #body = document.querySelector("#stages tbody");
  #note = byId("stage-note");

  constructor(controls) {
    controls.addEventListener("changed", ({ detail }) => {
      if (detail.name === "trace") this.#follow(Number(detail.value));
    });
  }

  async load() {
    const answer = await fetch("trace.json", { cache: "no-store" });
    const { packets, error } = await answer.json();
    this.show(packets ?? []);
    if (error) this.#say(error);
  }

  // Asking ends the trace. So see to it first that enough packets have come.
  async #follow(count) {
    this.#chosen = 0;
    for (let i = 0; i < count; i++) await fetch("icon.svg", { cache: "no-store" }).catch(() => {});
    this.#say("");
    await this.load().catch(() => this.#say("No answer from the machine."));
  }

  #say(text) {
    byId("trace-state").textContent = text;
  }

  show(packets) {
    this.#packets = packets;
    this.#chosen = Math.min(this.#chosen, Math.max(0, packets.length - 1));
    this.scale = Math.max(1, ...packets.map(end));
    if (!packets.length) this.#say("Nothing has been traced yet.");
    else this.#say(`${packets.length} packets, in the order in which they came.`);
    while (this.#list.children.length > packets.length) this.#list.lastChild.remove();
    packets.forEach((packet, i) => this.#row(packet, i));
    this.#choose(this.#chosen);
  }

  // Rows are kept, so that the focus is.
  #row(packet, i) {
    const item = this.#list.children[i] ?? this.#list.appendChild(make("li"));
    const button = item.firstChild ?? item.appendChild(make("button"));
    button.type = "button";
    button.onclick = () => this.#choose(i);
    button.replaceChildren(make("span", packet.summary), make("b", time(end(packet))),
      bars(steps(packet).filter(({ stage }) => stage !== "done"), this.scale));
  }

  #choose(i) {
    this.#chosen = i;
    [...this.#list.children].forEach((item, n) =>
      item.firstChild.setAttribute("aria-pressed", n === i));
    const packet = this.#packets[i];
    byId("stages").hidden = !packet;
    if (!packet) return;
    const table = this.#body.parentElement;
    table.caption.textContent = `Packet ${i + 1}: ${packet.summary}, ${packet.bytes} bytes`;
    const scale = Math.max(1, end(packet));
    this.#body.replaceChildren(...steps(packet).map((step) => this.#stage(step, packet, scale)));
    this.#note.textContent = fate(packet) || "Point at a stage, or step to it, for its function.";
  }

  #stage(step, packet, scale) {
    const row = make("tr"), head = make("th");
    const name = make("button", step.stage, colour(step.stage));
    if (step.stage === "kick" && !packet.kick_needed) name.textContent = "kick not needed";
    name.type = "button";
    name.setAttribute("aria-describedby", "stage-note");
    head.scope = "row";
    head.append(name);
    row.append(head, make("td", integer(step.ns), "num ns"), make("td", integer(step.ns - step.from), "num"));
    row.insertCell().append(bars([step], scale));
    const tell = () => this.#tell(row, step);
    row.addEventListener("pointerenter", tell);
    name.addEventListener("focus", tell);
    name.addEventListener("click", tell);
    return row;
  }

  #tell(row, step) {
    for (const other of this.#body.rows) other.classList.toggle("on", other === row);
    const where = make("code", `${step.function}() in ${step.file}`);
    this.#note.replaceChildren(where, ` ${STAGES[step.stage]?.[1] ?? ""}`);
  }
}
