// main.js: where the page begins: theme, addresses, keys, printing.

// ---- theme: system, light, dark

const THEMES = ["system", "light", "dark"];

function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  find("theme").textContent = `Theme: ${theme}`;
}

function stored() {
  try { return localStorage.getItem("finwait-theme") || "system"; } catch { return "system"; }
}

function switchTheme() {
  const now = document.documentElement.dataset.theme || "system";
  // Whoever presses the switch wants to see another picture: first the other one.
  const other = darkly.matches ? ["light", "dark"] : ["dark", "light"];
  const next = now === "system" ? other[0] : now === other[0] ? other[1] : "system";
  setTheme(THEMES.includes(next) ? next : "system");
  try { localStorage.setItem("finwait-theme", next); } catch { /* a page from a file may have no storage */ }
}

// ---- addresses: #/ the overview, #/connection/ID, #/summary and so on

function route() {
  const [, part, id] = location.hash.split("/");
  if (part === "connection" && /^\d+$/.test(id || "")) {
    openConnection(Number(id));
    return;
  }
  const came = view !== null || !find("connection").hidden;
  closeConnection();
  if (came) { drawRows(); drawOverview(); }
  const section = ["summary", "connections", "time"].includes(part) ? find(part) : null;
  if (section) section.scrollIntoView();
  if (part === "connections" && came) grid.focus({ preventScroll: true });
}

// filterFrom is a click on a count of the summary.
function filterFrom(button) {
  for (const key of Object.keys(table.filters)) { table.filters[key] = ""; find(`filter-${key}`).value = ""; }
  setFilter(button.dataset.filter, button.dataset.value);
  find("connections").scrollIntoView();
  grid.focus({ preventScroll: true });
}

// ---- keys of the player

function onKey(e) {
  if (!view || e.altKey || e.ctrlKey || e.metaKey || ["INPUT", "SELECT", "TEXTAREA"].includes(e.target.tagName)) return;
  const acts = {
    ArrowRight: () => go(view.at + 1), ArrowLeft: () => go(view.at - 1), Home: () => go(0), End: () => go(view.moments.length - 1),
    Escape: () => { location.hash = "#/connections"; },
  };
  if (e.key === " " && !["BUTTON", "SUMMARY", "A"].includes(e.target.tagName)) { togglePlay(); e.preventDefault(); return; }
  if (!(e.key in acts)) return;
  e.preventDefault();
  acts[e.key]();
}

// ---- paper: the table has elements only for what is in view, so a plain one is
// made for printing.

const PRINTED = 100;
const PAPER = 650; // width of drawings on paper, px
let printedAt = 0;

function beforePrint() {
  const rows = Array.from(table.order.subarray(0, PRINTED));
  const shownFields = fields.filter((f) => !["bytes", "copies", "start"].includes(f.key));
  const rest = table.order.length - rows.length;
  find("table").append(h("div", { id: "printed" },
    h("table", {}, h("thead", {}, h("tr", {}, shownFields.map((f) => h("th", { scope: "col" }, f.title)))),
      h("tbody", {}, rows.map((i) => h("tr", {}, shownFields.map((f) => h("td", { class: f.kind || null }, f.text(i))))))),
    rest > 0 ? h("p", {}, `${plural(rest, "more connection")} not printed.`) : null));
  if (!view) { drawOverview(PAPER); return; }
  find("steps").open = true;
  drawDetail(PAPER);
  printedAt = view.at;
  go(view.moments.length - 1, true);
}

function afterPrint() {
  const printed = find("printed");
  if (printed) printed.remove();
  if (!view) { drawOverview(); return; }
  drawDetail();
  go(printedAt, true);
}

// ---- start

document.body.append(announcer);
setTheme(stored());
find("theme").addEventListener("click", switchTheme);
if (meta.sort && fields.some((f) => f.key === meta.sort)) table.sort = meta.sort;
drawTable();
drawOverview();
for (const button of document.querySelectorAll("[data-filter]")) button.addEventListener("click", () => filterFrom(button));
document.addEventListener("keydown", onKey);
window.addEventListener("hashchange", route);
window.addEventListener("beforeprint", beforePrint);
window.addEventListener("afterprint", afterPrint);
let resized = 0;
window.addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => { drawRows(); if (view) drawDetail(); else drawOverview(); }, 120);
});
if (location.hash.length > 2) route();
document.documentElement.dataset.ready = "yes";
