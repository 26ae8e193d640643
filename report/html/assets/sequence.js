// sequence.js: the time-sequence graph of one direction, as tcptrace draws it:
// each segment is a bar from its first to its last byte, below them the line of
// what is acknowledged, above them the edge of the window.

// sequenceGraph gives an element that draws the sender's data of rows.
function sequenceGraph(rows, connection, side) {
  const peer = side === "client" ? "server" : "client";
  const sent = rows.filter((r) => r.kind === "segment" && r.from === side && !["next", "previous", "quoted"].includes(r.segment.kind));
  const heard = rows.filter((r) => r.kind === "segment" && r.from === peer && r.segment.ack !== null && r.segment.name !== "RST" && !["next", "previous", "quoted"].includes(r.segment.kind));
  if (sent.length === 0) return h("p", { class: "dim" }, `No segment of the ${side} is in the capture.`);
  const times = [...sent, ...heard].map((r) => r.t);
  const whole = [Math.min(...times), Math.max(...times)];
  const pad = Math.max((whole[1] - whole[0]) * 0.02, 1e-6);
  const all = [whole[0] - pad, whole[1] + pad];
  const view = { from: all[0], to: all[1] };
  const box = h("div", { class: "sequence", tabindex: "0", role: "group", "aria-label": "Time-sequence graph; plus and minus zoom, arrow keys move, zero shows all" });
  const shift = windowShift(connection, side, peer);

  function zoom(factor, at) {
    const middle = at === undefined ? (view.from + view.to) / 2 : at;
    const half = Math.max(((view.to - view.from) * factor) / 2, 1e-6);
    view.from = Math.max(all[0], middle - half);
    view.to = Math.min(all[1], middle + half);
    draw();
  }
  function move(share) {
    const by = Math.max(all[0] - view.from, Math.min(all[1] - view.to, (view.to - view.from) * share));
    view.from += by;
    view.to += by;
    draw();
  }
  function reset() { [view.from, view.to] = all; draw(); }

  function draw(paper) {
    const width = paper || Math.max(300, box.clientWidth || 700), height = narrowly.matches ? 260 : 340;
    const drawing = graph(sent, heard, view, shift, width, height, side);
    drawing.addEventListener("pointerdown", (e) => drag(e, drawing, width));
    drawing.addEventListener("dblclick", reset);
    box.replaceChildren(buttons(), drawing);
  }
  function buttons() {
    const button = (label, text, act) => h("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
    return h("div", { class: "tools" }, button("zoom in", "+", () => zoom(0.5)), button("zoom out", "−", () => zoom(2)),
      button("earlier", "◀", () => move(-0.4)), button("later", "▶", () => move(0.4)), button("show all", "all", reset),
      h("span", { class: "dim" }, "or drag over a span"));
  }
  // drag zooms to the span that the pointer is drawn over.
  function drag(e, drawing, width) {
    const bounds = drawing.getBoundingClientRect();
    const place = (event) => ((event.clientX - bounds.left) / bounds.width) * width;
    const time = (x) => view.from + ((x - 70) / (width - 86)) * (view.to - view.from);
    const begin = place(e);
    const mark = s("rect", { class: "chosen", x: begin, y: 8, width: 0, height: drawing.clientHeight - 36 });
    drawing.append(mark);
    drawing.setPointerCapture(e.pointerId);
    const onmove = (m) => { mark.setAttribute("x", Math.min(begin, place(m))); mark.setAttribute("width", Math.abs(place(m) - begin)); };
    drawing.addEventListener("pointermove", onmove);
    drawing.addEventListener("pointerup", (u) => {
      drawing.removeEventListener("pointermove", onmove);
      mark.remove();
      const [a, b] = [time(begin), time(place(u))].sort((p, q) => p - q);
      if (Math.abs(place(u) - begin) > 6) { view.from = Math.max(all[0], a); view.to = Math.min(all[1], b); draw(); }
    }, { once: true });
  }
  box.addEventListener("keydown", (e) => {
    const acts = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "0": reset, ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2) };
    if (e.target !== box || !(e.key in acts)) return;
    acts[e.key]();
    e.preventDefault();
    e.stopPropagation();
  });
  box.redraw = draw;
  return box;
}

// windowShift is the scale of the window that the peer advertises: 0 unless both
// ends offered the option (RFC 7323 section 2.2).
function windowShift(connection, side, peer) {
  const scale = (end) => (connection.endpoints[end].options || {}).window_scale;
  return scale(side) === undefined || scale(peer) === undefined ? 0 : scale(peer);
}

function graph(sent, heard, view, shift, width, height, side) {
  const left = 70, right = width - 16, top = 12, bottom = height - 28;
  const inView = (r) => r.t >= view.from && r.t <= view.to;
  const acks = heard.map((r) => [r.t, r.segment.ack]);
  const edges = heard.map((r) => [r.t, r.segment.ack + (r.segment.name === "SYN-ACK" || r.segment.name === "SYN" ? r.segment.win : r.segment.win * 2 ** shift)]);
  const shownSent = sent.filter(inView);
  const values = [...shownSent.flatMap((r) => [r.segment.seq, r.segment.end]), ...heard.filter(inView).map((r) => r.segment.ack)];
  if (values.length === 0) values.push(0, 1);
  const low = Math.min(...values);
  const data = Math.max(...values);
  const edgeMost = Math.max(data, ...edges.filter(([t]) => t >= view.from && t <= view.to).map(([, v]) => v));
  // A window far above the data would press the data flat: then its edge leaves the picture.
  const reach = Math.max(data - low, 10);
  const high = edgeMost - low <= reach * 4 ? edgeMost + reach * 0.05 : data + reach * 0.3;
  const x = scaled(view.from, view.to, left, right), y = scaled(low - reach * 0.04, high, bottom, top);
  const clip = (points) => {
    const before = points.filter(([t]) => t < view.from).pop(), after = points.filter(([t]) => t > view.to)[0];
    const list = points.filter(([t]) => t >= view.from && t <= view.to);
    if (before) list.unshift([view.from, before[1]]);
    if (list.length && (after || list[list.length - 1][0] < view.to)) list.push([view.to, list[list.length - 1][1]]);
    return list;
  };
  const frame = `M${left} ${top}H${right}V${bottom}H${left}Z`;
  const id = `clip-${side}`;
  return s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": graphWords(sent, heard, side) },
    s("defs", {}, s("clipPath", { id }, s("path", { d: frame }))),
    timeAxis(x, view.from, view.to, left, right, top, bottom),
    s("g", { class: "axis" }, ticks(low, high, 5).map((v) => [
      s("line", { class: "grid", x1: left, x2: right, y1: px(y(v)), y2: px(y(v)) }),
      s("text", { x: left - 8, y: px(y(v)) + 4, "text-anchor": "end" }, shortCount(v))])),
    s("g", { "clip-path": `url(#${id})` },
      s("path", { class: "window-line", d: stepPath(clip(edges), x, y) }),
      s("path", { class: "ack-line", d: stepPath(clip(acks), x, y) }),
      heard.filter(inView).map((r) => r.segment.sack.map(([a, b]) => s("line", { class: "sack", x1: px(x(r.t)), x2: px(x(r.t)), y1: px(y(a)), y2: px(y(b)) },
        s("title", {}, `${r.segment.dsack ? "D-SACK" : "SACK"} ${a} to ${b} in packet ${packetName(r.packet, r.file)}`)))),
      shownSent.map((r) => bar(r, x, y, [left + 14, right - 14]))));
}

// bar is one segment of the sender.
function bar(r, x, y, [least, most]) {
  const q = r.segment, at = px(x(r.t));
  const kind = q.lost ? "lost" : ["retransmission", "network-duplicate", "duplicate-frame"].includes(q.kind) ? "copy" : "";
  const title = s("title", {}, `Packet ${packetName(r.packet, r.file)}: ${segmentWords(q)}, ${q.seq} to ${q.end}, at ${span(r.t)}`);
  const out = [];
  if (q.end > q.seq) out.push(s("line", { class: `bar ${kind}`, x1: at, x2: at, y1: px(y(q.seq) + 1), y2: px(Math.min(y(q.end), y(q.seq) - 2)) }, title));
  else out.push(s("circle", { class: "pure", cx: at, cy: px(y(q.seq)), r: 1.5 }, title));
  const letter = q.name === "RST" ? "RST" : q.flags.includes("F") ? "FIN" : q.flags.includes("S") ? "SYN" : q.kind === "retransmission" ? "R" : "";
  if (letter) out.push(s("text", { class: `letter ${kind} ${q.name}`, x: Math.min(Math.max(at, least), most), y: px(y(q.end) - 5), "text-anchor": "middle" }, q.lost ? `${letter} ✕` : letter));
  return out;
}

function graphWords(sent, heard, side) {
  const copies = sent.filter((r) => r.segment.kind === "retransmission").length;
  const last = sent[sent.length - 1].segment.end;
  return `Time-sequence graph of the ${side}: ${plural(sent.length, "segment")} up to sequence number ${last}, ${copies} sent again, ${plural(heard.length, "ACK")} heard.`;
}
