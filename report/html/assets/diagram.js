// diagram.js: figure 5 of RFC 9293, once for each endpoint, with the path that
// the endpoint has taken so far. CLOSED stands at the top, before the connection,
// and at the bottom, after it.

const places = {
  "CLOSED": [160, 18], "LISTEN": [160, 62], "SYN-RECEIVED": [62, 104], "SYN-SENT": [258, 104], "ESTABLISHED": [160, 150],
  "FIN-WAIT-1": [62, 196], "CLOSE-WAIT": [258, 196], "FIN-WAIT-2": [62, 248], "CLOSING": [160, 222], "LAST-ACK": [258, 248],
  "TIME-WAIT": [110, 298], "end": [258, 298],
};

// The moves of the figure; "end" is CLOSED at the bottom.
const moves = [
  ["CLOSED", "LISTEN"], ["CLOSED", "SYN-SENT"], ["LISTEN", "SYN-RECEIVED"], ["LISTEN", "SYN-SENT"], ["SYN-SENT", "SYN-RECEIVED"],
  ["SYN-RECEIVED", "ESTABLISHED"], ["SYN-SENT", "ESTABLISHED"], ["SYN-RECEIVED", "FIN-WAIT-1"], ["ESTABLISHED", "FIN-WAIT-1"],
  ["ESTABLISHED", "CLOSE-WAIT"], ["FIN-WAIT-1", "FIN-WAIT-2"], ["FIN-WAIT-1", "CLOSING"], ["FIN-WAIT-2", "TIME-WAIT"],
  ["CLOSING", "TIME-WAIT"], ["CLOSE-WAIT", "LAST-ACK"], ["LAST-ACK", "end"], ["TIME-WAIT", "end"],
];

const HALF = [45, 13]; // half a box

// border is where the line from one box's middle to another leaves the first.
function border([x, y], [tx, ty]) {
  const dx = tx - x, dy = ty - y;
  const k = Math.min(dx ? HALF[0] / Math.abs(dx) : Infinity, dy ? HALF[1] / Math.abs(dy) : Infinity);
  return [x + dx * k, y + dy * k];
}

// edge draws a move. One that the figure does not have, such as a reset, bends
// aside and is dashed.
function edge(from, to, kind) {
  const a = places[from], b = places[to];
  const [x1, y1] = border(a, b), [x2, y2] = border(b, a);
  const drawn = moves.some(([f, t]) => f === from && t === to);
  const angle = Math.atan2(y2 - y1, x2 - x1);
  let d = `M${px(x1)} ${px(y1)}L${px(x2)} ${px(y2)}`, tip = angle;
  if (!drawn) {
    const bend = from === "ESTABLISHED" ? 30 : 26;
    const cx = (x1 + x2) / 2 + bend * Math.sin(angle), cy = (y1 + y2) / 2 - bend * Math.cos(angle);
    d = `M${px(x1)} ${px(y1)}Q${px(cx)} ${px(cy)} ${px(x2)} ${px(y2)}`;
    tip = Math.atan2(y2 - cy, x2 - cx);
  }
  const wing = (turn) => `${px(x2 - 7 * Math.cos(tip + turn))} ${px(y2 - 7 * Math.sin(tip + turn))}`;
  return s("g", { class: `edge ${kind}${drawn ? "" : " aside"}` }, s("path", { d }),
    s("path", { class: "tip", d: `M${wing(0.4)}L${px(x2)} ${px(y2)}L${wing(-0.4)}` }));
}

// placeOf puts CLOSED at the top before anything happened, else at the bottom.
const placeOf = (state, begun) => (state === "CLOSED" && begun ? "end" : state);

// diagram draws the figure for one endpoint. path is its steps so far, each
// {state, evidence, withdrawn, refuted}: withdrawn ones are known to be taken
// back later, refuted ones have been by now.
function diagram(side, path) {
  const visited = new Map(), lit = [];
  let at = null, before = null, begun = false;
  for (const step of path) {
    const place = placeOf(step.state, begun);
    if (!places[place]) { before = null; at = step; continue; }
    if (before && before !== place) lit.push([before, place, step.withdrawn ? "withdrawn" : "lit"]);
    begun = true;
    if (step.withdrawn) {
      if (!visited.has(place)) visited.set(place, "withdrawn");
      if (!step.refuted) at = step;
      continue; // what follows goes on from where it stood before
    }
    visited.set(place, "lit");
    before = place;
    at = step;
  }
  const now = at ? placeOf(at.state, path.length > 1 || at.state !== "CLOSED") : null;
  const nodes = Object.entries(places).map(([place, [x, y]]) => {
    const state = place === "end" ? "CLOSED" : place;
    const kind = visited.get(place) || "dark";
    return s("g", { class: `node ${kind}${place === now ? " now" : ""}` },
      s("title", {}, (meta.state_texts[state] || "").split("\n")[0]),
      s("rect", { x: x - HALF[0], y: y - HALF[1], width: HALF[0] * 2, height: HALF[1] * 2, rx: 5 }),
      s("text", { x, y: y + 4, "text-anchor": "middle" }, state));
  });
  const words = path.filter((st) => !st.refuted).map((st) => `${st.state}${st.withdrawn ? " (withdrawn later)" : ""}`).join(", ");
  const label = at ? `${side} ${at.state}` : side;
  return h("div", { class: `diagram ${side}` },
    h("h4", {}, `${capital(side)}: `, h("span", { class: "state" }, at ? at.state : "nothing yet"),
      at && at.evidence ? h("span", { class: "dim" }, ` ${MARKS[at.evidence] || ""} ${at.evidence}`) : null),
    s("svg", { viewBox: "8 0 304 316", role: "img", "aria-label": `State diagram of RFC 9293 figure 5; ${label}. Path so far: ${words || "none"}.` },
      moves.map(([from, to]) => edge(from, to, "dark")), lit.map(([from, to, kind]) => edge(from, to, kind)), nodes));
}
