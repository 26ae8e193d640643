// table.js: the table of connections. It holds the columns as typed arrays and
// makes elements only for the rows in view, so that 100,000 rows scroll, sort and
// filter at once.

const columns = (() => {
  const raw = blocks("rows");
  const sum = (list) => {
    const out = new Float64Array(list.length);
    let v = 0;
    for (let i = 0; i < list.length; i++) out[i] = v += list[i];
    return out;
  };
  const out = { count: raw.count };
  for (const [name, list] of Object.entries(raw)) {
    if (name === "count") continue;
    out[name] = ["id", "start", "packet", "stream"].includes(name) ? sum(list) : Float64Array.from(list);
  }
  return out;
})();

const fullIds = new Set(meta.full);
const severityOf = (i) => meta.finding_sets[columns.findings[i]].severity;
const startOf = (i) => meta.rows_begin_s + columns.start[i] / 1e6;
const clientOf = (i) => address({ ip: meta.hosts[columns.client[i]], port: columns.clientPort[i] });
const serverOf = (i) => address({ ip: meta.hosts[columns.server[i]], port: columns.serverPort[i] });

// rowOf finds the row of a connection's id, -1 if the table does not have it.
function rowOf(id) {
  let low = 0, high = columns.count - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (columns.id[middle] === id) return middle;
    if (columns.id[middle] < id) low = middle + 1; else high = middle - 1;
  }
  return -1;
}

// The columns as they are shown: heading, class, text, key to sort by; most
// says that the greatest comes first.
const fields = [
  { key: "severity", title: "Worst", text: (i) => (severityOf(i) ? badge(SEVERITIES[severityOf(i)]) : h("span", { class: "dim" }, "–")), sort: severityOf, most: true },
  { key: "id", title: "ID", kind: "number", text: (i) => String(columns.id[i]), sort: (i) => columns.id[i] },
  { key: "client", title: "Client", kind: "host", text: clientOf, sort: (i) => columns.client[i] * 65536 + columns.clientPort[i] },
  { key: "server", title: "Server", kind: "host", text: serverOf, sort: (i) => columns.server[i] * 65536 + columns.serverPort[i] },
  { key: "findings", title: "Findings", kind: "ids", text: (i) => meta.finding_sets[columns.findings[i]].ids.join(", "), sort: (i) => meta.finding_sets[columns.findings[i]].ids.length, most: true },
  { key: "open", title: "Opened", text: (i) => meta.opens[columns.open[i]], sort: (i) => columns.open[i] },
  { key: "close", title: "Closed", text: (i) => meta.closes[columns.close[i]], sort: (i) => columns.close[i] },
  { key: "states", title: "States", kind: "states", text: (i) => `${meta.states[columns.clientState[i]]} / ${meta.states[columns.serverState[i]]}`, sort: (i) => columns.clientState[i] * 16 + columns.serverState[i] },
  { key: "start", title: "Start", kind: "number", text: (i) => startOf(i).toFixed(3), sort: (i) => columns.start[i] },
  { key: "duration", title: "Lasts", kind: "number", text: (i) => span(columns.duration[i] / 1e6), sort: (i) => columns.duration[i], most: true },
  { key: "packets", title: "Packets", kind: "number", text: (i) => count(columns.packets[i]), sort: (i) => columns.packets[i], most: true },
  { key: "bytes", title: "Bytes", kind: "number", text: (i) => size(columns.bytes[i]), sort: (i) => columns.bytes[i], most: true },
  { key: "copies", title: "Resent", kind: "number", text: (i) => count(columns.copies[i]), sort: (i) => columns.copies[i], most: true },
];

const table = {
  order: new Uint32Array(0), // rows that pass the filters, in order
  sort: "severity",
  turned: false, // sorted against the column's own direction
  active: 0, // index into order of the row that the keyboard is on
  filters: { text: "", finding: "", state: "", host: "", open: "", close: "", severity: "" },
};

// match makes a test of rows from the filters.
function match(f) {
  const tests = [];
  if (f.severity) {
    const least = SEVERITIES.indexOf(f.severity);
    tests.push((i) => severityOf(i) >= least);
  }
  if (f.finding) {
    const has = meta.finding_sets.map((set) => set.ids.includes(f.finding));
    tests.push((i) => has[columns.findings[i]]);
  }
  if (f.state) {
    const past = f.state.startsWith("passed ");
    const state = meta.states.indexOf(past ? f.state.slice(7) : f.state);
    tests.push(past ? (i) => (columns.passed[i] >> state) & 1 : (i) => columns.clientState[i] === state || columns.serverState[i] === state);
  }
  if (f.open) { const k = meta.opens.indexOf(f.open); tests.push((i) => columns.open[i] === k); }
  if (f.close) { const k = meta.closes.indexOf(f.close); tests.push((i) => columns.close[i] === k); }
  if (f.host) {
    const has = meta.hosts.map((name) => name === f.host);
    tests.push((i) => has[columns.client[i]] || has[columns.server[i]]);
  }
  for (const word of f.text.toLowerCase().split(/\s+/).filter(Boolean)) tests.push(matchWord(word));
  return (i) => tests.every((test) => test(i));
}

// matchWord looks for a word in addresses, ids of findings, kinds and states; a
// number is a port, an id or a tcp.stream as well; host:port is both at once.
function matchWord(word) {
  const holds = (list) => list.map((name) => name.toLowerCase().includes(word));
  const hosts = holds(meta.hosts), opens = holds(meta.opens), closes = holds(meta.closes), states = holds(meta.states);
  const sets = meta.finding_sets.map((set) => set.ids.some((id) => id.includes(word)));
  const number = /^#?\d+$/.test(word) ? Number(word.replace("#", "")) : -1;
  const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(word) || [];
  const exact = host ? meta.hosts.map((name) => name.toLowerCase() === host) : null;
  return (i) => hosts[columns.client[i]] || hosts[columns.server[i]] || sets[columns.findings[i]] ||
    opens[columns.open[i]] || closes[columns.close[i]] || states[columns.clientState[i]] || states[columns.serverState[i]] ||
    (number >= 0 && (columns.id[i] === number || columns.clientPort[i] === number || columns.serverPort[i] === number || columns.stream[i] === number)) ||
    (exact !== null && ((exact[columns.client[i]] && columns.clientPort[i] === Number(port)) || (exact[columns.server[i]] && columns.serverPort[i] === Number(port))));
}

// select filters and sorts anew.
function select() {
  const test = match(table.filters);
  const list = new Uint32Array(columns.count);
  let n = 0;
  for (let i = 0; i < columns.count; i++) if (test(i)) list[n++] = i;
  const order = list.subarray(0, n);
  const field = fields.find((f) => f.key === table.sort);
  const keys = new Float64Array(columns.count);
  for (const i of order) keys[i] = field.sort(i);
  const sign = (field.most ? -1 : 1) * (table.turned ? -1 : 1);
  order.sort((a, b) => sign * (keys[a] - keys[b]) || a - b);
  table.order = order;
  table.active = 0;
}

const rowHeight = () => (narrowly.matches ? 84 : 34);
let grid, body, spacer, shown, headings;

// drawTable builds the frame of the table once.
function drawTable() {
  shown = h("p", { class: "dim", role: "status", id: "shown" });
  headings = fields.map((f, c) => h("div", { role: "columnheader", class: `cell ${f.key} ${f.kind || ""}`, "aria-colindex": c + 1 },
    h("button", { type: "button", onclick: () => sortBy(f.key) }, f.title)));
  spacer = h("div", { class: "spacer", role: "presentation" });
  body = h("div", { class: "rows", role: "rowgroup" });
  grid = h("div", {
    class: "grid", role: "grid", tabindex: "0", id: "grid", "aria-label": "Connections; arrow keys move, Enter opens",
    "aria-colcount": fields.length, onkeydown: moveInTable, onscroll: () => requestAnimationFrame(drawRows),
  },
    h("div", { role: "rowgroup", class: "heads" }, h("div", { role: "row", class: "head", "aria-rowindex": 1 }, headings)),
    spacer, body);
  find("table").append(filterForm(), shown, grid);
  narrowly.addEventListener("change", drawRows);
  update();
}

function filterForm() {
  const options = (list, none) => [h("option", { value: "" }, none), list.map((v) => h("option", { value: v }, v))];
  const pick = (key, title, none, list) => h("label", {}, title,
    h("select", { id: `filter-${key}`, onchange: (e) => setFilter(key, e.target.value) }, options(list, none)));
  const findings = [...new Set(meta.finding_sets.flatMap((set) => set.ids))].sort();
  const states = meta.summary.states.map((st) => st.state);
  const passed = meta.states.slice(1).map((st) => `passed ${st}`);
  let wait = 0;
  const search = h("input", {
    type: "search", id: "filter-text", autocomplete: "off", spellcheck: "false", placeholder: "host, host:port, id, finding, state…",
    oninput: (e) => { clearTimeout(wait); wait = setTimeout(() => setFilter("text", e.target.value), columns.count > 20000 ? 120 : 0); },
  });
  return h("form", { class: "filters", role: "search", onsubmit: (e) => e.preventDefault() },
    h("label", { class: "search" }, "Search", search),
    pick("severity", "At least", "any severity", SEVERITIES.slice(1).reverse()),
    pick("finding", "Finding", "any finding", findings),
    pick("state", "State", "any state", [...states, ...passed]),
    h("label", {}, "Host", h("input", { id: "filter-host", list: "hosts", autocomplete: "off", placeholder: "any host", onchange: (e) => setFilter("host", e.target.value.trim()) }),
      h("datalist", { id: "hosts" }, meta.hosts.slice(0, 500).map((name) => h("option", { value: name })))),
    pick("open", "Opened", "any way", meta.summary.opens.map((c) => c.kind)),
    pick("close", "Closed", "any way", meta.summary.closes.map((c) => c.kind)),
    h("button", { type: "button", id: "filter-clear", onclick: clearFilters }, "Clear"));
}

function setFilter(key, value) {
  table.filters[key] = value;
  const input = find(`filter-${key}`);
  if (input.value !== value) input.value = value;
  update();
}

function clearFilters() {
  for (const key of Object.keys(table.filters)) {
    table.filters[key] = "";
    find(`filter-${key}`).value = "";
  }
  update();
}

function sortBy(key) {
  table.turned = table.sort === key ? !table.turned : false;
  table.sort = key;
  update();
}

function update() {
  select();
  fields.forEach((f, c) => {
    const up = Boolean(f.most) === table.turned;
    headings[c].setAttribute("aria-sort", table.sort === f.key ? (up ? "ascending" : "descending") : "none");
  });
  shown.textContent = table.order.length === columns.count ? plural(columns.count, "connection")
    : `${count(table.order.length)} of ${plural(columns.count, "connection")}`;
  grid.setAttribute("aria-rowcount", table.order.length + 1);
  grid.scrollTop = 0;
  drawRows();
}

// drawRows makes the elements of the rows in view and a few beyond.
function drawRows() {
  const height = rowHeight();
  spacer.style.height = `${table.order.length * height}px`;
  // A short list gets a short table.
  grid.style.height = table.order.length * height < 560 ? `${Math.max(table.order.length, 2) * height + (narrowly.matches ? 6 : 54)}px` : "";
  const from = Math.max(0, Math.floor(grid.scrollTop / height) - 4);
  const to = Math.min(table.order.length, from + Math.ceil((grid.clientHeight || 600) / height) + 8);
  const list = [];
  for (let k = from; k < to; k++) list.push(tableRow(k, height));
  body.replaceChildren(...list);
  body.style.transform = `translateY(${from * height}px)`;
  const active = find(`row-${table.active}`);
  if (active) grid.setAttribute("aria-activedescendant", active.id); else grid.removeAttribute("aria-activedescendant");
}

function tableRow(k, height) {
  const i = table.order[k];
  const full = fullIds.has(columns.id[i]);
  const row = h("div", {
    role: "row", class: `row${k === table.active ? " active" : ""}${full ? " full" : ""}`, id: `row-${k}`, "aria-rowindex": k + 2,
    onclick: () => { table.active = k; openRow(k); },
  }, fields.map((f, c) => {
    const text = f.text(i);
    return h("div", { role: "gridcell", class: `cell ${f.key} ${f.kind || ""}`, "aria-colindex": c + 1, "data-title": f.title, title: typeof text === "string" ? text : null },
      text, f.key === "id" && full && meta.full.length < columns.count ? h("span", { class: "tag", title: "shown in full" }, "◆") : null);
  }));
  row.style.height = `${height}px`;
  return row;
}

const openRow = (k) => { if (k < table.order.length) location.hash = `#/connection/${columns.id[table.order[k]]}`; };

function moveInTable(e) {
  if (e.target !== grid) return;
  const page = Math.max(1, Math.floor(grid.clientHeight / rowHeight()) - 2);
  const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  if (e.key === "Enter") { openRow(table.active); e.preventDefault(); return; }
  if (!(e.key in moves)) return;
  e.preventDefault();
  table.active = Math.min(Math.max(table.active + moves[e.key], 0), Math.max(table.order.length - 1, 0));
  const height = rowHeight(), head = grid.querySelector(".heads").offsetHeight, top = table.active * height;
  if (top < grid.scrollTop) grid.scrollTop = top;
  if (top + height + head > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + height + head - grid.clientHeight;
  drawRows();
}
