// What all drawings need of the page.

export const byId = (id) => document.getElementById(id);
export const css = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();

// What did not change is not said again by a screen reader.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

// A row of a table, of cells that are `tag`.
export function makeRow(texts, tag = "td") {
  const row = make("tr");
  row.append(...texts.map((text) => make(tag, text)));
  return row;
}

// A canvas as large as the box around it, in the pixels of the screen. Nothing when that is hidden.
export function prepare(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas.parentElement;
  if (!width) return null;
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = `12px ${css(document.body, "font-family")}`;
  context.textBaseline = "middle";
  return { context, width, height };
}

// Calls when the canvas has to be drawn again for another size or other colours.
export function onRedraw(canvas, draw) {
  new ResizeObserver(draw).observe(canvas.parentElement);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
