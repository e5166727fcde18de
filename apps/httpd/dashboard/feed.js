// The stream of events, kept open: when it breaks or falls silent it is opened anew, after 1, 2, 4
// and then always 8 s. EventSource's own reconnecting gives up at an answer that is not a stream.

const SILENT_MS = 5000;
const RETRY_MAX_S = 8;

export class Feed {
  #source = null;
  #timer = 0;
  #retry = 1;

  // onEvent(object) for each; onState("live") and onState("lost", seconds to the next try).
  constructor(url, onEvent, onState) {
    Object.assign(this, { url, onEvent, onState });
    this.open();
  }

  open() {
    this.#close();
    this.#source = new EventSource(this.url);
    this.#source.onmessage = (message) => this.#take(message);
    this.#source.onerror = () => this.#lost();
    this.#timer = setTimeout(() => this.#lost(), SILENT_MS);
  }

  #take(message) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(), SILENT_MS);
    this.#retry = 1;
    this.onState("live");
    this.onEvent(JSON.parse(message.data));
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
  }

  #lost() {
    this.#close();
    this.onState("lost", this.#retry);
    this.#timer = setTimeout(() => this.open(), this.#retry * 1000);
    this.#retry = Math.min(2 * this.#retry, RETRY_MAX_S);
  }
}
