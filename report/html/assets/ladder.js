// ladder.js: the ladder diagram. Time goes down; the lifelines of client and
// server stand left and right, beside each the lane of its state, between them the
// line of the capture point. What is lost ends where it was lost. Where both ends
// were captured, an arrow falls by how long its segment took; other points stand
// between them, and it bends where it passed them.

// Rows of ordinary data in a longer run than this are folded into one.
const FOLD = 8, KEEP = 2;

// fold replaces the middle of long runs of ordinary rows; open tells which runs
// the reader has unfolded.
function fold(rows, open) {
  const plain = (r) => r.kind === "segment" && r.client.length + r.server.length + r.cited.length + r.findings.length === 0 &&
    r.segment.kind === "fresh" && r.segment.received && r.segment.sack.length === 0 && r.segment.win !== 0 && ["data", "ACK"].includes(r.segment.name);
  const out = [];
  for (let i = 0; i < rows.length;) {
    let end = i;
    while (end < rows.length && plain(rows[end])) end++;
    if (end - i <= FOLD || open.has(i)) {
      for (const last = Math.max(end, i + 1); i < last; i++) out.push({ row: rows[i], index: i });
      continue;
    }
    for (let k = i; k < i + KEEP; k++) out.push({ row: rows[k], index: k });
    const hidden = rows.slice(i + KEEP, end - KEEP);
    out.push({ row: { kind: "folded", run: i, hidden, t: hidden[0].t, client: [], server: [], findings: [], cited: [] }, index: i + KEEP });
    for (let k = end - KEEP; k < end; k++) out.push({ row: rows[k], index: k });
    i = end;
  }
  return out;
}

// shape is where the columns of a ladder stand for a width.
function shape(width) {
  if (width < 620) return { narrow: true, width, client: 22, server: width - 22, lanes: [6, width - 18], lane: 12 };
  const lane = Math.min(150, Math.max(104, Math.floor(width * 0.13)));
  const client = 136 + lane + 8, server = width - lane - 12;
  return { narrow: false, width, client, server, lanes: [136, server + 8], lane };
}

const rowHeightOf = (row, narrow, list) => {
  const steps = Math.max(row.client.length, row.server.length);
  const notes = list.length * 17;
  if (row.kind === "gap") return 28;
  if (row.kind === "folded" || row.kind === "omitted") return 34;
  if (row.kind === "step") return Math.max(24, steps * 16 + 8) + notes;
  if (row.kind === "time-wait") return Math.max(32, steps * 16 + 10) + notes;
  return (narrow ? 42 + (row.client.length + row.server.length) * 15 : Math.max(38, 22 + steps * 16)) + notes;
};

// drawLadder gives the SVG, and the vertical place of each row by its index.
function drawLadder(rows, connection, between, width, open, onpick, onopen) {
  const g = shape(width);
  g.crosses = connection.path !== undefined;
  // Where lines stand between the ends, as shares of the way, and their names.
  g.points = g.crosses ? between.map((name, k) => ({ name, at: (k + 1) / (between.length + 1) })) : [{ name: "capture point", at: 0.5 }];
  g.slowest = rows.reduce((most, r) => Math.max(most, (r.segment && r.segment.delay) || 0), 0);
  const top = 34;
  const list = fold(rows, open);
  const marks = [], backs = [], lanes = { client: [], server: [] }, tops = new Map();
  let y = top;
  for (const { row, index } of list) {
    const notes = [...row.findings];
    const height = rowHeightOf(row, g.narrow, notes);
    tops.set(index, [y, height]);
    const group = s("g", {
      class: `ladder-row ${row.kind}`, "data-row": index,
      onclick: () => (row.kind === "folded" ? onopen(row.run) : onpick(index)),
    }, s("rect", { class: "hit", x: 0, y, width, height }));
    // The mark of the row stands behind the lanes, so that their names stay legible.
    backs.push(s("rect", { class: "back-row", "data-row": index, x: 0, y, width, height }));
    drawRow(group, g, row, y, connection, notes);
    noteSteps(lanes, row, y, height, g);
    marks.push(group);
    y += height;
  }
  const bottom = y + 10;
  const middle = (g.client + g.server) / 2;
  return {
    tops,
    svg: s("svg", { class: "ladder", viewBox: `0 0 ${width} ${bottom + 6}`, width, height: bottom + 6, role: "img", "aria-label": ladderWords(rows, connection) },
      backs, head(g, middle),
      SIDES.map((side, k) => lane(g, lanes[side], k, bottom)),
      s("line", { class: "life", x1: g.client, x2: g.client, y1: top - 8, y2: bottom }),
      s("line", { class: "life", x1: g.server, x2: g.server, y1: top - 8, y2: bottom }),
      g.points.map((p) => s("line", { class: "tap", x1: along(g, p.at), x2: along(g, p.at), y1: top - 8, y2: bottom })),
      marks),
  };
}

const along = (g, share) => px(g.client + (g.server - g.client) * share);

function ladderWords(rows, connection) {
  const n = rows.filter((r) => r.kind === "segment").length;
  return `Ladder diagram of ${plural(n, "segment")}. Client ends in ${connection.endpoints.client.state}, server in ${connection.endpoints.server.state}. The table of steps below tells the same in words.`;
}

function head(g, middle) {
  return s("g", { class: "ladder-heads" },
    g.narrow ? null : s("text", { x: 78, y: 16, "text-anchor": "end" }, "time"),
    g.narrow ? null : s("text", { x: 126, y: 16, "text-anchor": "end" }, "packet"),
    s("text", { class: "client", x: g.narrow ? 4 : g.client, y: 16, "text-anchor": g.narrow ? "start" : "middle" }, "client"),
    g.points.map((p) => s("text", { x: along(g, p.at), y: 16, "text-anchor": "middle" }, p.name)),
    g.points.length > 0 ? null : s("text", { x: middle, y: 16, "text-anchor": "middle" }, "one clock"),
    s("text", { class: "server", x: g.narrow ? g.width - 4 : g.server, y: 16, "text-anchor": g.narrow ? "end" : "middle" }, "server"));
}

// noteSteps remembers where a lane changes. A sender changes at the tail of its
// arrow, a receiver at its head.
function noteSteps(lanes, row, y, height, g) {
  for (const side of SIDES) {
    const at = row.kind === "segment" ? y + (row.from === side ? 20 : 28) : y + 6;
    row[side].forEach((step, k) => lanes[side].push({ step, y: at + (g.narrow ? 0 : k * 16) }));
  }
}

// lane draws one endpoint's states as bands.
function lane(g, steps, k, bottom) {
  const x = g.lanes[k], side = SIDES[k];
  const standing = steps.filter((e) => !e.step.withdrawn);
  const bands = standing.map((e, i) => {
    const end = i + 1 < standing.length ? standing[i + 1].y : bottom;
    return s("rect", { class: `band ${side} ${e.step.state}`, x, y: e.y, width: g.lane, height: Math.max(end - e.y, 1), rx: 2 },
      s("title", {}, `${e.step.state}: ${stepWords(e.step)}`));
  });
  if (g.narrow) return s("g", {}, bands);
  const names = steps.map((e) => s("text", { class: `state ${e.step.withdrawn ? "withdrawn" : ""}`, x: x + g.lane / 2, y: e.y + 12, "text-anchor": "middle" },
    `${e.step.state} ${MARKS[e.step.withdrawn ? "withdrawn" : e.step.evidence] || ""}`,
    s("title", {}, stepWords(e.step))));
  return s("g", {}, bands, names);
}

function drawRow(group, g, row, y, connection, notes) {
  const middle = (g.client + g.server) / 2;
  const center = (text, dy, kind) => s("text", { class: kind, x: middle, y: y + dy, "text-anchor": "middle" }, text);
  let below = y + 40;
  switch (row.kind) {
    case "segment":
    case "unseen":
      arrow(group, g, row, y);
      break;
    case "gap":
      group.append(s("rect", { class: "cover", x: middle - 70, y: y + 4, width: 140, height: 20 }), center(`${span(row.gap_s)} of silence`, 18, "quiet"));
      for (const x of [g.client, g.server]) group.append(s("path", { class: "break", d: `M${x - 5} ${y + 10}l10 4l-10 4` }));
      break;
    case "folded":
      group.append(s("rect", { class: "button", x: middle - Math.min(190, (g.server - g.client) / 2 - 8), y: y + 6, width: Math.min(380, g.server - g.client - 16), height: 22, rx: 4 }),
        center(`${plural(row.hidden.length, "ordinary segment")}, ${size(row.hidden.reduce((sum, r) => sum + r.segment.len, 0))}: show`, 21, "quiet"));
      break;
    case "omitted":
      group.append(center(capital(rowWords(row)), 21, "quiet"));
      break;
    case "time-wait":
      group.append(s("rect", { class: "cover", x: middle - 10, y: y + 2, width: 20, height: 24 }),
        center(row.left_s === undefined ? "2MSL has passed" : `trace ends: ${row.from} has ${leftWords(row.left_s)} of TIME-WAIT left`, 18, "quiet"));
      below = y + 36;
      break;
    case "step":
      if (g.narrow) narrowSteps(group, g, row, y + 2);
      below = y + Math.max(24, Math.max(row.client.length, row.server.length) * 16 + 8) + 4;
  }
  if (row.kind === "segment") below = y + (g.narrow ? 42 + (row.client.length + row.server.length) * 15 : Math.max(38, 22 + Math.max(row.client.length, row.server.length) * 16)) + 4;
  notes.forEach((f, k) => {
    const finding = connection.findings[f];
    const sign = { error: "■", warning: "▲", note: "●", info: "○" }[finding.severity];
    group.append(s("text", { class: `note ${finding.severity}`, x: middle, y: below + 8 + k * 17, "text-anchor": "middle" }, `${sign} ${finding.severity}: ${finding.id}`));
  });
}

// arrow draws a segment: across the capture point where it passed, and to where
// it was lost if it was.
function arrow(group, g, row, y) {
  const q = row.segment, forward = row.from === "client";
  const from = forward ? g.client : g.server, to = forward ? g.server : g.client;
  const share = q.lost === "before-tap" ? 0.3 : q.lost === "at-receiver" ? 1 : q.lost ? (g.crosses ? q.lostAt ?? 0.5 : 0.74) : 1;
  const fall = q.delay === undefined || g.slowest <= 0 ? 10 : 14 * Math.max(q.delay, 0) / g.slowest;
  const tail = y + 22, tip = tail + fall * share, end = from + (to - from) * share;
  const dir = forward ? 1 : -1;
  const kind = q.lost ? "lost" : q.forged ? "forged" : q.kind === "fresh" ? "" : "copy";
  // It bends at the points between, where it arrived and the clocks tell when.
  const bends = q.delay > 0 ? q.passed.map(([k, took]) => `${along(g, g.points[k].at)},${px(tail + fall * Math.min(Math.max(took / 1e9 / q.delay, 0), 1))}`) : [];
  group.append(s("polyline", { class: `arrow ${row.from} ${kind}`, points: [`${from},${tail}`, ...bends, `${px(end - (q.lost ? 0 : dir))},${px(tip)}`].join(" ") }));
  if (q.lost) group.append(s("path", { class: "cross", d: `M${px(end - 5)} ${px(tip - 5)}l10 10m0 -10l-10 10` }));
  else group.append(s("path", { class: `head ${row.from}`, d: `M${end} ${px(tip)}l${-dir * 9} -5v9z` }));
  const label = arrowLabel(q, row, g.narrow);
  group.append(s("text", { class: "flags", x: (g.client + g.server) / 2, y: y + 15, "text-anchor": "middle" }, label));
  if (g.narrow) {
    narrowSteps(group, g, row, y + 32);
    return;
  }
  if (q.delay !== undefined && g.server - g.client > 480) {
    group.append(s("text", { class: "time", x: end - dir * 10, y: y + 15, "text-anchor": forward ? "end" : "start" }, delayWords(q.delay) + (q.delayed ? ", delayed" : "")));
  }
  group.append(s("text", { class: "time", x: 78, y: tail + 4, "text-anchor": "end" }, offset(row.t)));
  if (row.packet) group.append(s("text", { class: "packet", x: 126, y: tail + 4, "text-anchor": "end" }, packetName(row.packet, row.file)));
}

// arrowLabel is a line as a person would write it on a ladder.
function arrowLabel(q, row, narrow) {
  if (row.kind === "unseen") return `${q.name} (never passed here)`;
  const words = narrow ? [`${packetName(row.packet, row.file)}:`] : [];
  words.push(q.name === "FIN" && q.flags.includes(".") ? "FIN, ACK" : q.name);
  if (q.name !== "ACK") words.push(`${q.seq}${q.len ? `:${q.end}` : ""}`);
  if (q.len && !narrow) words.push(`(${count(q.len)} B)`);
  if (q.ack !== null && q.ack !== undefined) words.push(`ack ${q.ack}`);
  if (q.sack.length) words.push(q.dsack ? "D-SACK" : "SACK");
  if (q.win === 0 && q.name !== "RST") words.push("win 0");
  if (q.kind !== "fresh") words.push(narrow ? "again" : q.kind === "retransmission" ? `again${q.original ? `, copy of ${q.original}` : ""}` : q.kind.replace("-", " "));
  if (q.forged) words.push("forged");
  else if (q.lost || q.assumed) words.push(narrow ? (q.assumed ? "lost?" : "lost") : q.assumed ? `lost between ${q.between.join(" and ")}?` : lostWords(q));
  return words.join(" ");
}

// narrowSteps writes state changes inside the ladder, where the lanes are too
// narrow for names.
function narrowSteps(group, g, row, y) {
  let line = y;
  SIDES.forEach((side, k) => {
    for (const step of row[side]) {
      line += 15;
      group.append(s("text", { class: `state ${side} ${step.withdrawn ? "withdrawn" : ""}`, x: k === 0 ? g.client + 8 : g.server - 8, y: line, "text-anchor": k === 0 ? "start" : "end" },
        `${step.state} ${MARKS[step.withdrawn ? "withdrawn" : step.evidence] || ""}`));
    }
  });
}
