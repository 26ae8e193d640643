// overview.js: what is drawn over all connections: states over time, TIME-WAIT
// against the number of ports, the time that handshakes took.

// drawOverview draws the charts for the width that they have now, or for paper.
function drawOverview(paper) {
  const box = find("charts");
  const width = paper || Math.max(300, Math.floor(box.clientWidth) - 34);
  box.replaceChildren(...[stateChart(width), timeWaitChart(width), handshakeChart(width)].filter(Boolean));
}

// stateChart is a small chart for each state, all with the same time axis.
function stateChart(width) {
  const { begin, step, states } = series.timeline;
  if (states.length === 0) return null;
  const left = width < 480 ? 104 : 128;
  const right = width - (width < 480 ? 44 : 64);
  const rowHeight = 40;
  const low = Math.max(0, begin);
  const high = Math.max(meta.summary.duration_s, low + 1e-6);
  const x = scaled(low, high, left, right);
  const bottom = states.length * rowHeight + 6;
  const words = [];
  const rows = states.map((st, i) => {
    const top = i * rowHeight + 8;
    const most = [st.client, st.server].map((v) => (v ? Math.max(...v) : 0));
    const y = scaled(0, Math.max(...most), top + rowHeight - 10, top);
    words.push(`${st.state}: ${count(st.client_entered)} clients and ${count(st.server_entered)} servers entered it, on average at most ${digits(most[0])} and ${digits(most[1])} at once`);
    const line = (values, side) => {
      if (!values) return null;
      const points = values.map((v, k) => [Math.min(Math.max(begin + k * step, low), high), v]);
      points.push([high, values[values.length - 1]]);
      return s("path", { class: `line ${side}`, d: stepPath(points, x, y) });
    };
    return s("g", {},
      s("text", { x: left - 10, y: top + 20, "text-anchor": "end", class: "name" }, st.state),
      s("line", { class: "grid", x1: left, x2: right, y1: top + rowHeight - 10, y2: top + rowHeight - 10 }),
      line(st.server, "server"), line(st.client, "client"),
      s("text", { x: right + 8, y: top + 12, class: "client" }, count(st.client_entered)),
      s("text", { x: right + 8, y: top + 26, class: "server" }, count(st.server_entered)));
  });
  const drawing = s("svg", { viewBox: `0 0 ${width} ${bottom + 24}`, width, height: bottom + 24, role: "img", "aria-label": `Endpoints in each state over time. ${words.join("; ")}.` },
    timeAxis(x, low, high, left, right, 4, bottom), rows);
  return figure("Endpoints in each state", `Clients are the solid line, servers the dashed one; each state has a scale of its own. At the right how many entered it. A point is the mean over ${span(step)}.`, drawing, legend());
}

function legend() {
  const key = (side) => h("span", { class: side }, s("svg", { width: 28, height: 8, "aria-hidden": "true" }, s("path", { class: `line ${side}`, d: "M0 4H28" })), ` ${side}s`);
  return h("p", { class: "legend" }, key("client"), key("server"));
}

// timeWaitChart holds pairs of hosts against the ports that a client has.
function timeWaitChart(width) {
  const entered = meta.summary.time_wait.entered;
  if (entered === 0) return null;
  const state = series.timeline.states.find((st) => st.state === "TIME-WAIT");
  const population = state ? timeWaitLines(state, width) : null;
  const pairs = meta.summary.port_pressure.slice(0, PAIRS);
  const table = pairs.length === 0 ? null : h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, ["Client", "Service", "Ports in TIME-WAIT at most"].map((t) => h("th", { scope: "col" }, t)),
      ["Ports", `Of ${count(PORTS)}`].map((t) => h("th", { scope: "col", class: "number" }, t)))),
    h("tbody", {}, pairs.map((p) => h("tr", {},
      h("td", {}, p.client), h("td", {}, address(p.server)), h("td", { class: "bar" }, portBar(p.peak)),
      h("td", { class: "number" }, count(p.peak)), h("td", { class: "number" }, `${digits(Math.round(p.share * 1e5) / 1e3)} %`, p.alarm ? " ▲" : ""))))));
  const rest = meta.summary.port_pressure.length - pairs.length + (meta.summary.more_port_pressure || 0);
  const more = rest > 0 ? h("p", { class: "dim" }, `${plural(rest, "more pair")} of a client and a service held as many or fewer.`) : null;
  return figure("TIME-WAIT and ports",
    `${plural(entered, "endpoint")} entered TIME-WAIT; ${count(meta.summary.time_wait.endpoints)} still held it when the trace ended. ` +
    `A client that holds it cannot use that port towards the same service: of the ${count(PORTS)} that Linux gives to clients (32768 to 60999), the table tells how many each pair lacked at its worst.`,
    population, table, more);
}

const PAIRS = 8; // that the table lists

// portBar is a share of the ports, with marks at 70 % and at all of them.
const portBar = (n) => s("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
  s("rect", { width: px(Math.min(100, (n / PORTS) * 100)), height: 8 }), s("path", { class: "limit-mark", d: "M70 0V8M99.6 0V8" }));

function timeWaitLines(state, width) {
  const { begin, step } = series.timeline;
  const left = 64, right = width - 16, top = 12, bottom = 168;
  const low = Math.max(0, begin);
  const high = Math.max(meta.summary.duration_s, low + 1e-6);
  const lists = [state.client, state.server].filter(Boolean);
  const most = Math.max(...lists.map((v) => Math.max(...v)));
  const limitShown = most > PORTS / 8;
  const ceiling = limitShown ? Math.max(most, PORTS) * 1.08 : most * 1.12;
  const x = scaled(low, high, left, right), y = scaled(0, ceiling, bottom, top);
  const line = (values, side) => values && s("path", {
    class: `line ${side}`,
    d: stepPath([...values.map((v, k) => [Math.min(Math.max(begin + k * step, low), high), v]), [high, values[values.length - 1]]], x, y),
  });
  const limit = limitShown
    ? s("g", { class: "limit" }, s("line", { x1: left, x2: right, y1: px(y(PORTS)), y2: px(y(PORTS)) }),
      s("text", { x: left + 6, y: px(y(PORTS)) - 5 }, `${count(PORTS)}: the ports of one client towards one service (the lines count all hosts)`))
    : s("text", { class: "limit", x: right, y: top + 4, "text-anchor": "end" }, `the ${count(PORTS)} ports of one client are ${count(Math.round(PORTS / most))} times the most`);
  return s("svg", { viewBox: `0 0 ${width} 196`, width, height: 196, role: "img", "aria-label": `Endpoints in TIME-WAIT over time, at most ${digits(most)} on one side; a client has ${count(PORTS)} ports towards one service.` },
    timeAxis(x, low, high, left, right, top, bottom),
    s("g", { class: "axis" }, ticks(0, ceiling, 4).map((v) => [
      s("line", { class: "grid", x1: left, x2: right, y1: px(y(v)), y2: px(y(v)) }),
      s("text", { x: left - 8, y: px(y(v)) + 4, "text-anchor": "end" }, count(v))])),
    line(state.server, "server"), line(state.client, "client"), limit);
}

// handshakeChart is a histogram over a logarithmic axis, ten bins to a decade.
function handshakeChart(width) {
  const { bins, count: all } = series.handshakes;
  if (all === 0) return null;
  const edge = (i) => 10 ** (i / 10 - 6);
  let from = bins.findIndex((n) => n > 0), to = bins.length - 1;
  while (bins[to] === 0) to--;
  from = Math.max(0, from - 3);
  to = Math.min(bins.length - 1, to + 3);
  const left = 56, right = width - 16, top = 12, bottom = 148;
  const most = Math.max(...bins);
  const x = scaled(from, to + 1, left, right), y = scaled(0, most * 1.1, bottom, top);
  const quantile = (q) => {
    let sum = 0;
    return edge(bins.findIndex((n) => (sum += n) >= q * all) + 0.5);
  };
  const wide = Math.max(1, px(x(1) - x(0)) - 1);
  const labels = [];
  for (let i = from; i <= to + 1; i++) if (i % (to - from > 40 ? 10 : 5) === 0) labels.push(i);
  const drawing = s("svg", { viewBox: `0 0 ${width} 178`, width, height: 178, role: "img", "aria-label": `Histogram of handshake times: median about ${span(quantile(0.5))}, 95th percentile about ${span(quantile(0.95))}.` },
    s("g", { class: "axis" }, ticks(0, most * 1.1, 3).filter(Number.isInteger).map((v) => [
      s("line", { class: "grid", x1: left, x2: right, y1: px(y(v)), y2: px(y(v)) }),
      s("text", { x: left - 8, y: px(y(v)) + 4, "text-anchor": "end" }, count(v))]),
    labels.map((i) => s("text", { x: px(x(i)), y: bottom + 16, "text-anchor": x(i) > right - 24 ? "end" : "middle" }, span(edge(i))))),
    s("g", { class: "histogram" }, bins.map((n, i) => n > 0 && s("rect", { x: px(x(i)), y: px(y(n)), width: wide, height: px(bottom - y(n)) },
      s("title", {}, `${span(edge(i))} to ${span(edge(i + 1))}: ${count(n)}`)))));
  return figure("Handshake round trip",
    `From the first SYN to the ACK that ends the handshake, as they passed the capture point, over ${plural(all, "three-way handshake")}: ` +
    `half took up to about ${span(quantile(0.5))}, 95 % up to about ${span(quantile(0.95))}. A hump at 1 s and 3 s is a SYN or SYN-ACK sent again.`, drawing);
}
