// What can be changed: POST control?name=value with the token that the console printed at boot. What
// is shown as set is what the machine says, never what was asked for.

import { byId } from "./dom.js";

const KEY = "tophalf-token";
const SAID_MS = 6000;
const SAID = { reset: "Counters and histograms start from zero.", trace: "" }; // trace tells itself
const ASK = "Changes need the token: open the link that the console printed at boot, or type it here.";

// Kept for this tab only. The fragment it comes in is not sent to any server, and does not stay.
class Token {
  #form = byId("token");
  #input = byId("token-text");
  #text = sessionStorage.getItem(KEY) ?? "";

  constructor() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.set(this.#text ? "" : this.#input.value.trim());
    });
    addEventListener("hashchange", () => this.#fragment());
    this.#fragment();
    this.#show();
  }

  get text() {
    return this.#text;
  }

  set(text) {
    this.#text = text;
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
    this.#show();
  }

  ask() {
    this.#input.focus();
  }

  #fragment() {
    const found = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!found) return;
    history.replaceState(null, "", location.pathname + location.search);
    this.set(found);
  }

  #show() {
    const has = this.#text !== "";
    this.#input.value = "";
    this.#input.readOnly = has;
    this.#input.required = !has;
    this.#input.placeholder = has ? "••••••••" : "";
    this.#form.querySelector("button").textContent = has ? "Forget" : "Use";
    byId("token-note").textContent = has ? "kept for this tab" : "the console prints it at boot";
  }
}

export class Controls extends EventTarget {
  #token = new Token();
  #result = byId("result");
  #fading = 0;

  constructor() {
    super();
    for (const button of document.querySelectorAll("button[data-value]")) {
      const name = button.dataset.name ?? button.parentElement.dataset.name;
      button.addEventListener("click", () => this.change(name, button.dataset.value));
    }
    for (const form of document.querySelectorAll("form[data-name]")) {
      const input = form.querySelector("input");
      input.addEventListener("input", () => { input.dataset.edited = ""; });
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.#submit(form.dataset.name, input);
      });
    }
  }

  async #submit(name, input) {
    if (await this.change(name, input.value)) delete input.dataset.edited;
  }

  // Returns whether it was done, and says so.
  async change(name, value) {
    if (!this.#token.text) {
      this.#say(ASK, true);
      this.#token.ask();
      return false;
    }
    try {
      const answer = await fetch(`control?${name}=${encodeURIComponent(value)}`, {
        method: "POST", headers: { Authorization: `Bearer ${this.#token.text}` },
      });
      return this.#answered(name, value, answer);
    } catch {
      this.#say(`${name}: no answer from the machine.`, true);
      return false;
    }
  }

  async #answered(name, value, answer) {
    const body = await answer.json().catch(() => ({}));
    if (answer.status === 401) {
      this.#token.set("");
      this.#say("That token is not the one of this boot.", true);
      this.#token.ask();
      return false;
    }
    if (!answer.ok) {
      this.#say(`${name}: ${body.error ?? `the machine answered ${answer.status}`}`, true);
      return false;
    }
    if (name === "copies") this.press("copies", value);
    this.#say(SAID[name] ?? `${name} is ${value} now.`);
    this.dispatchEvent(new CustomEvent("changed", { detail: { name, value } }));
    return true;
  }

  // What went wrong stays until the next word.
  #say(text, bad = false) {
    clearTimeout(this.#fading);
    this.#result.textContent = text;
    this.#result.classList.toggle("bad", bad);
    if (text && !bad) this.#fading = setTimeout(() => this.#say(""), SAID_MS);
  }

  // Which of a row of buttons is on.
  press(name, value) {
    for (const button of document.querySelectorAll(`[data-name="${name}"] > button`))
      button.setAttribute("aria-pressed", button.dataset.value === String(value));
  }

  // What an event says is set; what somebody is typing into stays.
  show(event) {
    this.press("mode", event.mode);
    const set = { budget: event.budget, "defer-us": event.defer_us, usecs: event.usecs };
    for (const [id, value] of Object.entries(set)) {
      const input = byId(id);
      if (!("edited" in input.dataset) && input.value !== String(value)) input.value = value;
    }
  }
}
