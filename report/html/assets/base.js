// base.js: what every other script uses. Data comes from the blocks of JSON in
// the page; elements are made here, and text always becomes a text node, so that
// nothing from a capture is ever read as markup.

const blocks = (id) => {
  const block = document.getElementById(id);
  return block ? JSON.parse(block.textContent) : null;
};

const meta = blocks("meta");
const series = blocks("series");
const SIDES = ["client", "server"];
const SEVERITIES = ["none", "info", "note", "warning", "error"];
const MARKS = { observed: "*", confirmed: "+", presumed: "?", assumed: "~", timer: "@", withdrawn: "x" };
const PORTS = series.ports;

const SVG = "http://www.w3.org/2000/svg";

// fill sets attributes and appends children; "on…" attributes are listeners.
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child);
  }
  return node;
}

// h makes an HTML element, s one of SVG.
const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const find = (id) => document.getElementById(id);
const grouped = new Intl.NumberFormat("en");
const count = (n) => grouped.format(n);
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

// digits writes a number with three or so significant digits, without exponent.
function digits(v) {
  if (v === 0) return "0";
  const places = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(v))));
  const text = v.toFixed(Math.min(places, 9));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

// span writes a length of time, given in seconds, in a unit that suits it.
function span(seconds) {
  const v = Math.abs(seconds);
  if (v === 0) return "0 s";
  if (v < 1e-3) return `${digits(seconds * 1e6)} µs`;
  if (v < 1) return `${digits(seconds * 1e3)} ms`;
  if (v < 120) return `${digits(seconds)} s`;
  if (v < 7200) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

// shortCount is for axes: 20,000,000 is 20 M.
function shortCount(v) {
  if (Math.abs(v) >= 1e6) return `${digits(v / 1e6)} M`;
  return count(Math.round(v * 100) / 100);
}

function size(bytes) {
  if (bytes < 10000) return `${count(bytes)} B`;
  if (bytes < 1e7) return `${digits(bytes / 1e3)} kB`;
  return `${digits(bytes / 1e6)} MB`;
}

// seconds is the number in an offset from the trace's first packet, such as +1.250000.
const offset = (seconds) => `${seconds < 0 ? "−" : ""}${Math.abs(seconds).toFixed(6)}`;

const address = (a) => (a.ip.includes(":") ? `[${a.ip}]:${a.port}` : `${a.ip}:${a.port}`);
const packetName = (packet, file) => (file ? `${file}:${packet}` : String(packet));

// badge names a severity; its colour only repeats the word.
const badge = (severity) => h("span", { class: `badge ${severity}` }, severity);

// capital is for the first word of a sentence.
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// say tells screen readers what has changed.
const announcer = h("div", { class: "spoken", "aria-live": "polite", role: "status" });
const say = (text) => { announcer.textContent = text; };

const darkly = window.matchMedia("(prefers-color-scheme: dark)");
const narrowly = window.matchMedia("(max-width: 640px)");
const calmly = window.matchMedia("(prefers-reduced-motion: reduce)");
