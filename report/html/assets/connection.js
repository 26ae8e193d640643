// connection.js: the page of one connection: its findings, the player with the
// diagrams and the ladder, the time-sequence graph, the steps as a table.

let view = null; // of the connection that is open

function openConnection(id) {
  closeConnection();
  const row = rowOf(id);
  const box = find("connection");
  const detail = blocks(`c-${id}`);
  if (!detail) {
    box.replaceChildren(backLink(), h("h1", { tabindex: "-1" }, `Connection ${id}`), h("p", { class: "notice" },
      row < 0 ? "This page does not have it." : `${clientOf(row)} to ${serverOf(row)}: only its row in the table is on this page. “finwait show FILE --conn ${id}” shows it in full.`));
  } else {
    view = { detail, connection: detail.connection, between: detail.between || [], rows: inCausalOrder(expand(detail), detail.connection), at: 0, open: new Set(), timer: 0 };
    view.moments = moments(view.rows, view.connection);
    build(box);
  }
  find("overview").hidden = true;
  box.hidden = false;
  box.querySelector("h1").focus();
  window.scrollTo(0, 0);
  if (view) { drawDetail(); go(0, true); }
}

function closeConnection() {
  if (view) clearInterval(view.timer);
  view = null;
  find("connection").hidden = true;
  find("overview").hidden = false;
}

const backLink = () => h("p", { class: "back" }, h("a", { href: "#/connections" }, "← All connections"));

function build(box) {
  const c = view.connection;
  view.ladder = h("div", { class: "ladder-box", id: "ladder", tabindex: "0", "aria-label": "Ladder diagram" });
  view.diagrams = h("div", { class: "diagrams" });
  view.caption = h("div", { class: "caption", id: "caption", "aria-live": "polite" });
  view.graphs = h("div", { class: "graphs" });
  box.replaceChildren(
    backLink(),
    h("h1", { tabindex: "-1" }, h("span", { class: "client" }, address(c.client)), " to ", h("span", { class: "server" }, address(c.server))),
    h("p", { class: "dim" }, facts(c).join(" · ")),
    ...(view.detail.path || []).map((words) => h("p", { class: "dim" }, `The ${words}.`)),
    findingsOf(c),
    h("section", { class: "panel stage-panel", "aria-label": "Step through the connection" }, h("h2", {}, "Step by step"),
      h("div", { class: "stage" },
        h("div", { class: "side" }, controls(), view.caption, view.diagrams),
        h("div", { class: "main" }, notices(), view.ladder, h("p", { class: "dim legend-line" }, "Beside each state how it is known: * observed, + confirmed, ? presumed, ~ assumed, @ timer, x withdrawn. Numbers are relative to the first of each side.")))),
    h("section", { class: "panel", "aria-label": "Time and sequence numbers" }, h("h2", {}, "Time and sequence numbers"), sequenceTabs(), view.graphs, sequenceLegend()),
    endpointsTable(c),
    stepsTable(c));
}

function facts(c) {
  const list = [`connection ${c.id}`, `tcp.stream ${c.wireshark.stream}`, `opened ${c.open.kind}`,
    `closed ${c.close.kind}${c.close.first && c.close.first !== "none" ? `, ${c.close.first} first` : ""}`,
    plural(c.packets, "packet"), `${c.start.replace("T", " ").replace(/(\.\d{6})\d*Z/, "$1")} UTC`];
  if (c.close.reason) list.push(c.close.reason);
  if (c.role_guessed) list.push("which end is the client is a guess");
  if (c.one_sided) list.push("one direction only");
  if (c.mptcp) list.push("Multipath TCP subflow");
  if (c.reuses) list.push(`reuses the tuple of ${c.reuses}`);
  if (c.reused_by) list.push(`tuple reused by ${c.reused_by}`);
  return list;
}

function notices() {
  return view.detail.dropped > 0 ? h("p", { class: "notice" }, `${plural(view.detail.dropped, "segment")} before the first of the ladder are not on this page; the steps that they caused are.`) : null;
}

// ---- findings

function findingsOf(c) {
  if (c.findings.length === 0) return h("p", { class: "panel" }, "No finding: nothing went wrong that finwait looks for.");
  return h("section", { class: "panel", "aria-label": "Findings" }, h("h2", {}, "Findings"), c.findings.map((f) => findingCard(f)));
}

const PLACES = {
  "before-tap": "lost before the capture point", "after-tap": "lost behind the capture point", "never-sent": "never sent",
  "capture-missed": "missed by the capture", "on-path": "lost on the path", "at-receiver": "came, and its host did not take it", "undetermined": "where it was lost is undetermined",
};

function findingCard(f) {
  const rule = meta.rules[f.id];
  const packets = f.packets.map((p, i) => {
    const name = packetName(p, f.files && f.files[i]);
    return [" ", h("button", { type: "button", class: "link", onclick: () => goToPacket(p, f.files && f.files[i]) }, name)];
  });
  const words = [f.confidence, f.endpoint && f.endpoint !== "both" ? `${f.endpoint}'s side` : f.endpoint ? "both ends" : null,
    f.where ? (f.between ? `lost between ${f.between.join(" and ")}` : PLACES[f.where] || f.where) : null, f.verdict].filter(Boolean);
  const part = (title, text) => (text ? [h("dt", {}, title), h("dd", {}, text)] : null);
  return h("article", { class: `finding ${f.severity}` },
    h("h3", {}, badge(f.severity), ` ${rule ? rule.title : f.id} `, h("code", {}, f.id)),
    h("p", {}, f.detail),
    h("p", { class: "dim" }, words.join(" · "), f.packets.length ? [" · packets", packets] : null,
      (f.measures || []).map((m) => ` · ${m.name} ${digits(m.value)}${m.limit !== undefined ? ` (limit ${digits(m.limit)})` : ""}`)),
    rule ? h("details", {}, h("summary", {}, "What it means"), h("dl", {},
      part("What it means", rule.meaning), part("Usual causes", rule.causes), part("When it is a false alarm", rule.false_alarm),
      part("What to look at next", rule.look_next), part("Rules", rule.rfc.join("; ")))) : null);
}

function goToPacket(packet, file) {
  const index = view.rows.findIndex((r) => r.kind === "segment" && r.packet === packet && (r.file || 0) === (file || 0));
  if (index < 0) { say(`Packet ${packetName(packet, file)} is not in the ladder.`); return; }
  pick(index);
  view.ladder.scrollIntoView({ block: "nearest", behavior: calmly.matches ? "auto" : "smooth" });
}

// ---- the player

function controls() {
  const button = (id, label, text, act) => h("button", { type: "button", id, title: label, "aria-label": label, onclick: act }, text);
  view.where = h("span", { class: "where", id: "where" });
  view.play = button("play", "play", "▶ Play", togglePlay);
  return h("div", { class: "tools player", role: "group", "aria-label": "Player; the arrow keys do the same" },
    button("first", "first step (Home)", "|◀", () => go(0)), button("back", "step back (left arrow)", "◀", () => go(view.at - 1)),
    button("next", "next step (right arrow)", "▶", () => go(view.at + 1)), button("last", "last step (End)", "▶|", () => go(view.moments.length - 1)),
    view.play, view.where);
}

function togglePlay() {
  if (view.timer) { stopPlay(); return; }
  if (view.at >= view.moments.length - 1) go(0);
  view.play.textContent = "Ⅱ Pause";
  const mine = view;
  view.timer = setInterval(() => {
    if (view !== mine || view.at >= view.moments.length - 1) { stopPlay(); return; }
    go(view.at + 1, false, true);
  }, 1600);
}

function stopPlay() {
  if (!view) return;
  clearInterval(view.timer);
  view.timer = 0;
  view.play.textContent = "▶ Play";
}

// go shows a moment; quiet leaves the ladder where it is scrolled to.
function go(n, quiet, playing) {
  if (!playing) stopPlay();
  if (view.moments.length === 0) { view.caption.replaceChildren("Nothing happened that the ladder shows."); return; }
  view.at = Math.min(Math.max(n, 0), view.moments.length - 1);
  const lines = caption(view.moments, view.at, view.connection);
  view.caption.replaceChildren(...lines.map((line) => h("p", {}, line)));
  view.where.textContent = `${view.at + 1} of ${view.moments.length}`;
  view.diagrams.replaceChildren(...SIDES.map((side) => diagram(side, pathAt(view.moments, view.at, side))));
  mark(view.moments[view.at].index, quiet);
}

// pick chooses a row: the player goes to the last moment at or before it.
function pick(index) {
  if (!view.tops.has(index)) unfoldAround(index);
  let n = view.moments.findIndex((m) => m.index >= index);
  if (n < 0) n = view.moments.length - 1;
  if (n > 0 && view.moments[n].index > index) n--;
  go(n, true);
  mark(index, false);
  const row = view.rows[index];
  if (row.segment && view.moments[n].index !== index) view.caption.prepend(h("p", {}, `${capital(rowWords(row))} at ${span(row.t)}.`));
  if (row.segment && row.kind === "segment") view.caption.append(h("p", { class: "dim" }, segmentNumbers(row)));
}

// segmentNumbers are the header fields of a segment.
function segmentNumbers(row) {
  const q = row.segment;
  const list = [`seq ${q.seq}`, q.ack === null ? null : `ack ${q.ack}`, `length ${q.len}`, `window field ${q.win}`,
    q.tsval !== null && q.tsval !== undefined ? `TSval ${q.tsval} TSecr ${q.tsecr}` : null,
    ...q.sack.map(([a, b], i) => `${q.dsack && i === 0 ? "D-SACK" : "SACK"} ${a}–${b}`), q.why ? `not received: ${q.why}` : null];
  return list.filter(Boolean).join(", ");
}

// unfoldAround opens the folded run that holds a row.
function unfoldAround(index) {
  let begin = index;
  while (begin > 0 && !view.tops.has(begin)) begin--;
  // The folded row stands for rows from its own index on; its run begins KEEP before.
  view.open.add(begin - KEEP);
  drawDetail();
}

function mark(index, quiet) {
  for (const old of view.ladder.querySelectorAll(".here")) old.classList.remove("here");
  const marked = view.ladder.querySelectorAll(`[data-row="${index}"]`);
  if (marked.length === 0) return;
  for (const part of marked) part.classList.add("here");
  if (quiet) return;
  const [y, height] = view.tops.get(index);
  const box = view.ladder;
  if (y < box.scrollTop + 40 || y + height > box.scrollTop + box.clientHeight - 40) {
    box.scrollTo({ top: Math.max(0, y - box.clientHeight / 2), behavior: calmly.matches ? "auto" : "smooth" });
  }
}

// drawDetail draws what depends on the width: that of the window, or of paper.
function drawDetail(paper) {
  const width = paper || Math.max(300, view.ladder.clientWidth - 4);
  const drawn = drawLadder(view.rows, view.connection, view.between, width, view.open, pick, (run) => { view.open.add(run); drawDetail(); });
  view.tops = drawn.tops;
  view.ladder.replaceChildren(drawn.svg);
  if (view.moments.length) mark(view.moments[view.at].index, true);
  showSequence(view.side || busier(), paper);
}

// ---- the time-sequence graph

const busier = () => (view.connection.endpoints.client.bytes > view.connection.endpoints.server.bytes ? "client" : "server");

function sequenceTabs() {
  view.tabs = SIDES.map((side) => h("button", { type: "button", "aria-pressed": "false", onclick: () => showSequence(side) }, `${side} sends`));
  return h("div", { class: "tools", role: "group", "aria-label": "Direction" }, view.tabs);
}

function showSequence(side, paper) {
  view.side = side;
  view.tabs.forEach((tab, k) => tab.setAttribute("aria-pressed", String(SIDES[k] === side)));
  const box = sequenceGraph(view.rows, view.connection, side);
  view.graphs.replaceChildren(box);
  if (box.redraw) box.redraw(paper);
}

function sequenceLegend() {
  const key = (shape, text) => h("span", {}, s("svg", { width: 22, height: 14, "aria-hidden": "true" }, shape), ` ${text}`);
  return h("p", { class: "legend" },
    key(s("line", { class: "bar", x1: 11, x2: 11, y1: 1, y2: 13 }), "segment"),
    key(s("line", { class: "bar copy", x1: 11, x2: 11, y1: 1, y2: 13 }), "sent again (R)"),
    key(s("line", { class: "bar lost", x1: 11, x2: 11, y1: 1, y2: 13 }), "lost behind the capture point (✕)"),
    key(s("path", { class: "ack-line", d: "M0 10H11V4H22" }), "acknowledged"),
    key(s("path", { class: "window-line", d: "M0 10H11V4H22" }), "end of the window"),
    key(s("line", { class: "sack", x1: 11, x2: 11, y1: 1, y2: 13 }), "SACK block"));
}

// ---- tables

function endpointsTable(c) {
  const rtt = (e) => (e.rtt ? `${span(e.rtt.min_s)} / ${span(e.rtt.mean_s)} / ${span(e.rtt.max_s)}` : "–");
  const options = (e) => {
    const o = e.options || {};
    const words = [o.mss && `MSS ${o.mss}`, o.window_scale !== undefined && `window scale ${o.window_scale}`, o.sack_permitted && "SACK", o.timestamps && "timestamps", o.fast_open && "Fast Open", o.mptcp && "MPTCP"];
    return words.filter(Boolean).join(", ") || "–";
  };
  const times = (e) => Object.entries(e.time_in_state_s || {}).map(([state, t]) => `${state} ${span(t)}`).join(", ") || "–";
  const lines = [
    ["State at the end", (e) => `${e.state}${e.evidence ? ` (${e.evidence})` : ""}${e.undetermined ? ", undetermined" : ""}${e.may_be ? `, may be ${e.may_be}` : ""}`],
    ["TIME-WAIT left", (e) => (e.time_wait_left_s === undefined ? "–" : leftWords(e.time_wait_left_s))],
    ["Packets, payload", (e) => `${count(e.packets)}, ${size(e.bytes)}`], ["Retransmissions", (e) => count(e.retransmissions)],
    ["Duplicate ACKs", (e) => count(e.duplicate_acks)], ["Out of order", (e) => count(e.out_of_order)], ["Zero windows", (e) => count(e.zero_windows)],
    ["Round trip from the capture point: least, mean, most", rtt], ["Options", options], ["Time in states", times],
  ];
  return h("section", { class: "panel", "aria-label": "Both ends" }, h("h2", {}, "Both ends"), h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, h("td"), SIDES.map((side) => h("th", { scope: "col", class: side }, capital(side))))),
    h("tbody", {}, lines.map(([title, text]) => h("tr", {}, h("th", { scope: "row" }, title), SIDES.map((side) => h("td", {}, text(c.endpoints[side])))))))));
}

function stepsTable() {
  const lines = view.moments.flatMap((m) => SIDES.flatMap((side) => m.row[side].map((step) => h("tr", { class: step.withdrawn ? "withdrawn" : "" },
    h("td", { class: "number" }, step.at ? offset(m.row.t) : "–"),
    h("td", { class: "number" }, step.packet ? packetName(step.packet, step.file) : "–"),
    h("td", { class: side }, side), h("td", {}, step.event || "–"), h("td", { class: "state" }, step.state), h("td", {}, stepWords(step))))));
  return h("section", { class: "panel", "aria-label": "Steps" }, h("details", { id: "steps" }, h("summary", {}, `All ${plural(lines.length, "step")} as a table`),
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Time", "Packet", "End", "Event", "State", "How it is known"].map((t, k) => h("th", { scope: "col", class: k < 2 ? "number" : "" }, t)))),
      h("tbody", {}, lines)))));
}
