// player.js: the story of a connection as moments, one for each row of the ladder
// at which an endpoint changes its state, a finding shows, or a step is taken
// back. The player goes from one to the next.

// expand turns the short arrays of segments back into rows (see detail.go).
function expand(detail) {
  let time = 0;
  return detail.rows.map((r) => {
    if (!Array.isArray(r)) return { client: [], server: [], findings: [], cited: [], ...r, t: r.t_s };
    const [after, packet, from, flags, seq, space, len, ack, win, tsval, tsecr, more] = r;
    time += after;
    const e = more || {};
    return {
      kind: "segment", t: time / 1e9, packet, file: e.file, from: SIDES[from],
      client: e.client || [], server: e.server || [], findings: e.findings || [], cited: e.cited || [],
      segment: {
        flags, name: segmentName(flags, len), seq, end: seq + space, len, ack, win, tsval, tsecr, sack: e.sack || [], dsack: e.dsack,
        kind: e.kind || "fresh", original: e.original, received: !e.missed, lost: e.lost, why: e.why, forged: e.forged,
        delay: e.delay, delayed: e.delayed, between: e.between, assumed: e.assumed, passed: e.passed || [], lostAt: e.lost_at,
      },
    };
  });
}

function segmentName(flags, len) {
  if (flags.includes("R")) return "RST";
  if (flags.includes("S")) return flags.includes(".") ? "SYN-ACK" : "SYN";
  if (flags.includes("F")) return "FIN";
  return len > 0 ? "data" : "ACK";
}

// inCausalOrder moves each step to the row by which all steps before it have
// happened too: a FIN that was under way when its receiver sent its own passes the
// capture point first, but takes effect after it.
function inCausalOrder(rows, connection) {
  for (const side of SIDES) {
    const history = connection.endpoints[side].history;
    const found = [];
    rows.forEach((row, index) => {
      for (const step of row[side]) {
        if (step.withdrawn) continue;
        const order = history.findIndex((e, k) => e.state === step.state && e.packet === step.packet && e.file === step.file && e.at === step.at && !found.some((f) => f.order === k));
        found.push({ step, index, order });
      }
    });
    found.sort((a, b) => a.order - b.order);
    let last = 0;
    for (const f of found) {
      last = Math.max(last, f.index);
      if (last === f.index) continue;
      rows[f.index][side] = rows[f.index][side].filter((step) => step !== f.step);
      rows[last][side].push(f.step);
    }
  }
  return rows;
}

// moments lists what happens, in the order of the rows.
function moments(rows, connection) {
  const refutations = new Map(); // packet name -> what it takes back
  for (const side of SIDES) {
    for (const w of connection.endpoints[side].withdrawn) {
      const by = w.refuted_by.map((p, i) => packetName(p, w.refuted_by_files && w.refuted_by_files[i]));
      if (by.length === 0) continue;
      const key = by[0];
      if (!refutations.has(key)) refutations.set(key, []);
      refutations.get(key).push({ side, withdrawal: w });
    }
  }
  const list = [];
  rows.forEach((row, index) => {
    const takes = row.kind === "segment" ? refutations.get(packetName(row.packet, row.file)) || [] : [];
    if (row.client.length + row.server.length + row.findings.length + takes.length === 0 && row.kind !== "time-wait" && row.kind !== "unseen") return;
    list.push({ index, row, takes });
  });
  return list;
}

// pathAt is what an endpoint has gone through up to and with moment n.
function pathAt(list, n, side) {
  const path = [];
  const gone = [];
  for (let i = 0; i <= n && i < list.length; i++) {
    for (const take of list[i].takes) if (take.side === side) gone.push(take.withdrawal);
    for (const step of list[i].row[side]) path.push({ state: step.state, evidence: step.withdrawn ? "presumed" : step.evidence, withdrawn: step.withdrawn, packet: step.packet, file: step.file });
  }
  for (const step of path) {
    step.refuted = step.withdrawn && gone.some((w) => w.state === step.state && w.packet === step.packet && (w.file || 0) === (step.file || 0));
  }
  return path;
}

// stepWords says what a step was, and how it is known.
function stepWords(step) {
  const words = [];
  if (step.withdrawn) words.push(`presumed, but withdrawn: ${step.reason || "refuted"}${step.refuted_by ? ` (packet ${step.refuted_by})` : ""}`);
  else {
    words.push(step.evidence);
    const by = (step.confirmed_by || []).map((p, i) => packetName(p, step.confirmed_by_files && step.confirmed_by_files[i]));
    if (by.length) words.push(`confirmed by packet ${by.join(", ")}`);
    if (step.packet === null && step.inferred_from) words.push(`its packet was not seen; inferred from ${packetName(step.inferred_from, step.inferred_from_file)}`);
    if (step.alternatives) words.push(`or ${step.alternatives.join(" or ")}`);
    if (step.censored) words.push("the trace ends too soon after it to tell");
  }
  return words.join(", ");
}

// rowWords says what a row of the ladder shows.
function rowWords(row) {
  const g = row.segment;
  switch (row.kind) {
    case "segment":
      return `packet ${packetName(row.packet, row.file)}, ${row.from} sends ${segmentWords(g)}`;
    case "unseen":
      return `${row.from}'s ACK, lost before the capture point`;
    case "time-wait":
      return row.left_s === undefined ? "2MSL has passed" : `the trace ends; ${row.from} stays in TIME-WAIT for another ${leftWords(row.left_s)}`;
    case "gap":
      return `${span(row.gap_s)} of silence`;
    case "omitted":
      return `${plural(row.omitted, "row")} left out of this page`;
  }
  return "before or between the packets";
}

const leftWords = (left) => (Array.isArray(left) ? `${span(left[0])} to ${span(left[1])}` : span(left));

// lostWords says where a segment was lost.
function lostWords(g) {
  if (g.between) return `lost between ${g.between.join(" and ")}${g.assumed ? `, if the capture of ${g.between[1]} was running then` : ""}`;
  if (g.lost === "on-path") return "lost on the path";
  if (g.lost === "at-receiver") return "came, and was not taken";
  return `lost ${g.lost === "after-tap" ? "behind" : "before"} the capture point`;
}

const delayWords = (delay) => (delay < 0 ? `-${span(-delay)}` : `+${span(delay)}`);

function segmentWords(g) {
  const words = [g.name === "data" ? `${count(g.len)} bytes` : g.name];
  if (g.name !== "data" && g.len > 0) words.push(`with ${count(g.len)} bytes`);
  if (g.name !== "ACK" && g.ack !== null && g.ack !== undefined && g.name !== "data" && g.name !== "SYN-ACK") words.push("and ACK");
  if (g.kind !== "fresh") words.push(`(${g.kind.replace("-", " ")}${g.original ? ` of ${g.original}` : ""})`);
  if (g.lost || g.assumed) words.push(`(${lostWords(g)})`);
  if (g.delay !== undefined) words.push(`(arrives ${delayWords(g.delay)}${g.delayed ? ", delayed" : ""})`);
  if (g.forged) words.push("(not sent by it)");
  return words.join(" ");
}

// caption is the moment in words, for the page and for screen readers.
function caption(list, n, connection) {
  const { row, takes } = list[n];
  const lines = [`${capital(rowWords(row))}${row.at || row.kind === "segment" ? ` at ${span(row.t)}` : ""}.`];
  for (const side of SIDES) {
    for (const step of row[side]) lines.push(`${capital(side)}: ${step.state}, ${stepWords(step)}${step.packet && step.packet !== row.packet ? `, by packet ${packetName(step.packet, step.file)}` : ""}.`);
  }
  for (const { side, withdrawal } of takes) lines.push(`This takes back that the ${side} was ${withdrawal.state} since packet ${packetName(withdrawal.packet, withdrawal.file)}: ${withdrawal.reason}.`);
  for (const f of row.findings) lines.push(`Finding: ${connection.findings[f].id} (${connection.findings[f].severity}).`);
  return lines;
}
