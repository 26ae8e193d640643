// chart.js: axes and lines for the charts of overview.js and sequence.js.

// ticks gives round numbers from low to high, about n of them.
function ticks(low, high, n) {
  const rough = (high - low) / Math.max(n, 1);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough) * power;
  const list = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) list.push(Math.abs(v) < step * 1e-6 ? 0 : v);
  return list;
}

// timeTicks labels seconds in the unit of the step between them.
function timeTicks(low, high, n) {
  const list = ticks(low, high, n);
  const step = list.length > 1 ? list[1] - list[0] : high - low || 1;
  const [unit, scale] = step >= 60 ? ["min", 60] : step >= 1 ? ["s", 1] : step >= 1e-3 ? ["ms", 1e-3] : ["µs", 1e-6];
  const places = step / scale >= 1 ? 0 : Math.min(3, Math.ceil(-Math.log10(step / scale)));
  return list.map((v) => [v, `${(v / scale).toFixed(places)} ${unit}`]);
}

// scaled maps [low, high] onto [from, to].
function scaled(low, high, from, to) {
  const k = high > low ? (to - from) / (high - low) : 0;
  return (v) => from + (v - low) * k;
}

const px = (v) => Math.round(v * 10) / 10;

// steps is the path of a line that keeps each value to the next point.
function stepPath(points, x, y) {
  let d = "";
  let before = null;
  for (const [t, v] of points) {
    if (v === null) { before = null; continue; }
    d += before === null ? `M${px(x(t))} ${px(y(v))}` : `H${px(x(t))}V${px(y(v))}`;
    before = v;
  }
  return d;
}

// timeAxis draws the ticks of a time axis below a chart.
function timeAxis(x, low, high, left, right, top, bottom) {
  const marks = timeTicks(low, high, Math.max(2, Math.floor((right - left) / 90)));
  return s("g", { class: "axis" },
    s("line", { x1: left, x2: right, y1: bottom, y2: bottom }),
    marks.map(([v, label]) => [
      s("line", { class: "grid", x1: px(x(v)), x2: px(x(v)), y1: top, y2: bottom }),
      s("text", { x: px(x(v)), y: bottom + 16, "text-anchor": v === low ? "start" : x(v) > right - 24 ? "end" : "middle" }, label),
    ]));
}

// figure frames a chart: a title, what it says in words, the drawing.
function figure(title, words, drawing, ...more) {
  return h("figure", { class: "panel" }, h("figcaption", {}, h("h3", {}, title), h("p", { class: "dim" }, words)), drawing, more);
}
