package report

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/finwait/finwait/reassembly/anomaly"
)

// This file tells one connection as text: its tuple, its findings, and the
// states of both endpoints as two lanes beside the packets that moved them.

const evidenceKey = "* observed  + confirmed  ? presumed  ~ assumed  @ timer  x withdrawn"

var evidenceMarks = map[Evidence]string{
	"observed": "*", "confirmed": "+", "presumed": "?", "assumed": "~", "timer": "@",
}

const withdrawnMark = "x"

// render prints a connection, but for the explanations of its findings: which
// one is the first of its rule is known when all stand in order.
func (t *text) render(b []byte, c *Connection) []byte {
	t.tuple(c)
	for i := range c.Findings {
		if f := &c.Findings[i]; f.Severity != "info" || t.Info {
			t.finding(f)
		}
	}
	t.lanes(c)
	t.outcome("client", &c.Endpoints.Client)
	t.outcome("server", &c.Endpoints.Server)
	return t.take(b)
}

// connection writes what render printed, with the explanations.
func (t *text) connection(printed []byte) error {
	for t.Explain {
		before, rest, ok := bytes.Cut(printed, []byte{explainMark})
		if !ok {
			break
		}
		id, after, _ := bytes.Cut(rest, []byte{explainMark})
		if _, err := t.w.Write(before); err != nil {
			return err
		}
		t.explain(string(id))
		if err := t.flush(); err != nil {
			return err
		}
		printed = after
	}
	_, err := t.w.Write(printed)
	return err
}

func (t *text) tuple(c *Connection) {
	t.printf("\n%s  %s\n", t.paint(bold, fmt.Sprintf("#%d  %s -> %s", c.ID, c.Client, c.Server)),
		t.paint(dim, fmt.Sprintf("tcp.stream eq %d", c.Wireshark.Stream)))
	closed := "closed " + string(c.Close.Kind)
	switch {
	case c.Close.Kind == "none":
		closed = "not closed"
	case c.Close.First == "client" || c.Close.First == "server":
		closed += " (" + string(c.Close.First) + " first)"
	}
	if c.Close.Reason != "" {
		closed += ": " + clean(c.Close.Reason)
	}
	start := c.Start.String()
	words := []string{
		fmt.Sprintf("opened %s at %s", c.Open.Kind, start[len("2006-01-02T"):len("2006-01-02T15:04:05.000000")]),
		closed, span(Seconds(max(c.End-c.Start, 0))), plural(c.Packets, "packet"),
	}
	if c.RoleGuessed {
		words = append(words, "client and server are guessed")
	}
	if c.OneSided {
		words = append(words, "one direction only")
	}
	if c.MPTCP {
		words = append(words, "subflow of Multipath TCP")
	}
	if c.Reuses != 0 {
		words = append(words, fmt.Sprintf("reuses the tuple of #%d", c.Reuses))
	}
	if c.ReusedBy != 0 {
		words = append(words, fmt.Sprintf("its tuple is reused by #%d", c.ReusedBy))
	}
	t.block("    ", strings.Join(words, ", "))
}

// block prints text with an indent, broken at the width.
func (t *text) block(indent, text string) {
	width := 0
	if t.Width > 0 {
		width = max(t.Width-len(indent), 20)
	}
	for _, line := range wrap(text, width) {
		t.printf("%s%s\n", indent, line)
	}
}

const findingIndent = "           "

func (t *text) finding(f *Finding) {
	words := []string{}
	if f.Endpoint != "" {
		words = append(words, string(f.Endpoint))
	}
	if f.Where != "" {
		words = append(words, string(f.Where))
	}
	words = append(words, string(f.Confidence))
	if f.Verdict != "" {
		words = append(words, f.Verdict)
	}
	t.printf("  %s  %s  %s\n", t.severity(f.Severity, pad(string(f.Severity), 7)), t.paint(bold, string(f.ID)), strings.Join(words, ", "))
	t.block(findingIndent, clean(f.Detail))
	for i := range f.Measures {
		t.printf("%s%s\n", findingIndent, f.Measures[i].words())
	}
	for _, line := range t.displayFilters(f) {
		t.printf("%s%s\n", findingIndent, t.paint(dim, line))
	}
	if t.Explain {
		t.b.WriteByte(explainMark)
		t.b.WriteString(string(f.ID))
		t.b.WriteByte(explainMark)
	}
}

// words tell a measure as people write it: names end in their unit.
func (m *Measure) words() string {
	say := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	name, seconds := strings.CutSuffix(m.Name, "_s")
	if seconds && math.Abs(m.Value) < math.MaxInt64/nsPerSecond && math.Abs(m.Limit) < math.MaxInt64/nsPerSecond {
		say = func(v float64) string { return span(Seconds(math.Round(v * nsPerSecond))) }
	}
	line := strings.ReplaceAll(name, "_", " ") + ": " + say(m.Value)
	if m.Limit != 0 {
		line += ", limit " + say(m.Limit)
	}
	return clean(line)
}

// displayFilters are ready for Wireshark's filter line. A packet number holds
// within its file only.
func (t *text) displayFilters(f *Finding) []string {
	if len(f.Packets) == 0 {
		return nil
	}
	if len(f.Files) == 0 {
		return []string{"frame.number in {" + joinNumbers(f.Packets, ",") + "}"}
	}
	var order []int
	byFile := map[int][]Number{}
	for i, file := range f.Files {
		if byFile[file] == nil {
			order = append(order, file)
		}
		byFile[file] = append(byFile[file], f.Packets[i])
	}
	lines := make([]string, len(order))
	for i, file := range order {
		lines[i] = fmt.Sprintf("file %d: frame.number in {%s}", file, joinNumbers(byFile[file], ","))
	}
	return lines
}

// explainMark stands on either side of the rule's id where an explanation
// belongs; nothing that a report prints has a byte of 0.
const explainMark = 0

// explain prints the rule once a report; later findings of it refer to that.
func (t *text) explain(id string) {
	rule, ok := anomaly.Lookup(id)
	if !ok {
		return
	}
	const margin = findingIndent + "| "
	if t.explained[rule.ID] {
		t.printf("%s%s\n", margin, t.paint(dim, rule.Title+": explained above"))
		return
	}
	t.explained[rule.ID] = true
	t.block(margin, rule.Title+" ("+strings.Join(rule.RFC, "; ")+").")
	t.block(margin, rule.Explanation)
	if rule.FalseAlarm != "" {
		t.block(margin, "What could overturn it: "+rule.FalseAlarm)
	}
	if rule.LookNext != "" {
		t.block(margin, "What to look at next: "+rule.LookNext)
	}
}

func joinNumbers(list []Number, separator string) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = strconv.FormatUint(uint64(n), 10)
	}
	return strings.Join(words, separator)
}

// lanes prints a row for each step: when, which packet, the state of either side.
func (t *text) lanes(c *Connection) {
	rows := laneRows(c)
	if len(rows) == 0 {
		return
	}
	const lane = len("SYN-RECEIVED") + 2 // a state and its mark
	times := make([]string, len(rows))
	timeWidth, packetWidth := len("time"), len("packet")
	for i := range rows {
		if at := rows[i].at(); at != 0 {
			times[i] = fmt.Sprintf("%+.6f", float64(at-c.Start)/nsPerSecond)
		}
		timeWidth = max(timeWidth, len(times[i]))
		packetWidth = max(packetWidth, len(rows[i].packet()))
	}
	indent := 2 + timeWidth + 2 + packetWidth + 2 + lane + 2 + lane + 2
	t.printf("\n%s\n", t.paint(dim, fmt.Sprintf("  %s  %s  %s  %s  event", padLeft("time", timeWidth), padLeft("packet", packetWidth), pad("client", lane), pad("server", lane))))
	for i := range rows {
		r := &rows[i]
		width := 0
		if t.Width > 0 {
			width = max(t.Width-indent, 20)
		}
		for j, line := range wrap(r.words(), width) {
			if j > 0 {
				t.printf("%s%s\n", strings.Repeat(" ", indent), line)
				continue
			}
			row := fmt.Sprintf("  %s  %s  %s  %s  %s", padLeft(times[i], timeWidth), padLeft(r.packet(), packetWidth),
				t.cell(r.side[0], lane), t.cell(r.side[1], lane), line)
			t.printf("%s\n", strings.TrimRight(row, " "))
		}
	}
}

// cell is one state in its lane, coloured by how sure it is.
func (t *text) cell(s *laneStep, width int) string {
	if s == nil {
		return pad("", width)
	}
	text := pad(string(s.State), width-2) + " " + s.mark()
	fill := strings.Repeat(" ", max(0, width-columns(text)))
	switch {
	case s.withdrawn:
		return t.paint(red, text) + fill
	case s.Evidence == "observed" || s.Evidence == "confirmed":
		return t.paint(green, text) + fill
	}
	return text + fill
}

// outcome says how an endpoint stood at the end and what it sent.
func (t *text) outcome(side string, e *Endpoint) {
	state := string(e.State)
	if e.Evidence != "" {
		state += ", " + string(e.Evidence)
	}
	if e.Undetermined {
		state = "undetermined, last known " + string(e.State)
	}
	if e.MayBe != "" {
		state += ", may be " + string(e.MayBe) + " by now"
	}
	if l := e.TimeWaitLeft; l.InTimeWait {
		if l.Least != l.Most {
			state += fmt.Sprintf(", %s to %s of 2MSL left", span(l.Least), span(l.Most))
		} else {
			state += fmt.Sprintf(", %s of 2MSL left", span(l.Least))
		}
	}
	words := []string{plural(e.Packets, "packet"), plural(e.Bytes, "byte")}
	for _, c := range []struct {
		n    uint64
		noun string
	}{
		{e.Retransmissions, "retransmission"}, {e.DuplicateACKs, "duplicate ACK"},
		{e.OutOfOrder, "packet out of order,packets out of order"}, {e.ZeroWindows, "zero window"},
	} {
		if c.n > 0 {
			one, many, irregular := strings.Cut(c.noun, ",")
			switch {
			case irregular && c.n == 1:
				words = append(words, "1 "+one)
			case irregular:
				words = append(words, thousands(c.n)+" "+many)
			default:
				words = append(words, plural(c.n, c.noun))
			}
		}
	}
	if e.RTT.Samples > 0 {
		words = append(words, fmt.Sprintf("round trip from the tap %s", span(e.RTT.Mean)))
	}
	t.block("  ", fmt.Sprintf("%s: %s; sent %s", side, state, strings.Join(words, ", ")))
}
