package report

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/finwait/finwait/reassembly/anomaly"
)

// This file tells one connection as text: its tuple, its findings, and the
// states of both endpoints as two lanes beside the packets that moved them.

const evidenceKey = "* observed  + confirmed  ? presumed  ~ assumed  @ timer  x withdrawn"

// deliveredKey explains the mark that only captures of several points have.
func deliveredKey(several bool) string {
	if several {
		return "  > delivered"
	}
	return ""
}

var evidenceMarks = map[Evidence]string{
	"observed": "*", "confirmed": "+", "presumed": "?", "assumed": "~", "timer": "@", "delivered": ">",
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
	t.path(c.Path)
	t.outcome("client", &c.Endpoints.Client)
	t.outcome("server", &c.Endpoints.Server)
	return t.take(b)
}

// connection writes what render printed, with the explanations and the names of
// the addresses.
func (t *text) connection(printed []byte) error {
	if len(t.captured.Names) > 0 {
		var err error
		if printed, err = t.called(printed); err != nil {
			return err
		}
	}
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

// called writes the line with the tuple, and under it what the capture calls its
// addresses; it gives the rest. A file may tell names at its end, when its
// connections are printed already.
func (t *text) called(printed []byte) ([]byte, error) {
	end := 2 + bytes.IndexByte(printed[1:], '\n') // the tuple stands between the first two line ends
	tuple := printed[:end]
	t.b.Write(tuple)
	for word := range bytes.FieldsSeq(tuple) {
		word, _, _ = bytes.Cut(word, []byte{0x1b}) // the end of a colour
		at, err := netip.ParseAddrPort(string(word))
		if err != nil {
			continue
		}
		if names := t.captured.NamesOf(at.Addr()); names != "" {
			t.block("    ", fmt.Sprintf("%s is called %s in the capture", at.Addr(), clean(names)))
		}
	}
	return printed[end:], t.flush()
}

func (t *text) tuple(c *Connection) {
	t.b.WriteByte('\n')
	b := append(strconv.AppendUint(append(t.line[:0], '#'), c.ID, 10), "  "...)
	b = c.Server.appendText(append(c.Client.appendText(b), " -> "...))
	t.b.WriteString(t.paint(bold, string(b)))
	b = strconv.AppendUint(append(b[:0], "tcp.stream eq "...), c.Wireshark.Stream, 10)
	t.put("  ", t.paint(dim, string(b)), "\n")

	b = append(append(b[:0], "opened "...), c.Open.Kind...)
	b = append(b, " at "...)
	from := len(b)
	b = c.Start.AppendTo(b)
	b = append(b[:from], b[from+len("2006-01-02T"):from+len("2006-01-02T15:04:05.000000")]...)
	switch {
	case c.Close.Kind == "none":
		b = append(b, ", not closed"...)
	default:
		b = append(append(b, ", closed "...), c.Close.Kind...)
		if c.Close.First == "client" || c.Close.First == "server" {
			b = append(append(append(b, " ("...), c.Close.First...), " first)"...)
		}
	}
	if c.Close.Reason != "" {
		b = append(append(b, ": "...), clean(c.Close.Reason)...)
	}
	b = append(append(b, ", "...), span(Seconds(max(c.End-c.Start, 0)))...)
	b = appendPlural(append(b, ", "...), c.Packets, "packet")
	if c.RoleGuessed {
		b = append(b, ", client and server are guessed"...)
	}
	if c.OneSided {
		b = append(b, ", one direction only"...)
	}
	if c.MPTCP {
		b = append(b, ", subflow of Multipath TCP"...)
	}
	if c.Reuses != 0 {
		b = strconv.AppendUint(append(b, ", reuses the tuple of #"...), c.Reuses, 10)
	}
	if c.ReusedBy != 0 {
		b = strconv.AppendUint(append(b, ", its tuple is reused by #"...), c.ReusedBy, 10)
	}
	t.line = b
	t.paragraph("    ", b)
}

// put prints its parts one after another.
func (t *text) put(parts ...string) {
	for _, p := range parts {
		t.b.WriteString(p)
	}
}

// block prints text with an indent, broken at the width.
func (t *text) block(indent, text string) {
	width := 0
	if t.Width > 0 {
		width = max(t.Width-len(indent), 20)
	}
	for _, line := range wrap(text, width) {
		t.put(indent, line, "\n")
	}
}

// paragraph is block for what was put together.
func (t *text) paragraph(indent string, text []byte) {
	if t.Width > 0 {
		t.block(indent, string(text))
		return
	}
	t.b.WriteString(indent)
	t.b.Write(text)
	t.b.WriteByte('\n')
}

const findingIndent = "           "

func (t *text) finding(f *Finding) {
	t.put("  ", t.severity(f.Severity, pad(string(f.Severity), 7)), "  ", t.paint(bold, string(f.ID)), "  ")
	if f.Endpoint != "" {
		t.put(string(f.Endpoint), ", ")
	}
	if f.Where != "" {
		t.put(string(f.Where))
		if len(f.Between) == 2 {
			t.put(" between ", clean(f.Between[0]), " and ", clean(f.Between[1]))
		}
		t.put(", ")
	}
	t.put(string(f.Confidence))
	if f.Verdict != "" {
		t.put(", ", f.Verdict)
	}
	t.put("\n")
	t.block(findingIndent, clean(f.Detail))
	for i := range f.Measures {
		t.put(findingIndent, f.Measures[i].words(), "\n")
	}
	for _, line := range t.displayFilters(f) {
		t.put(findingIndent, t.paint(dim, line), "\n")
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
	rows := t.lanesOf.rows(c)
	if len(rows) == 0 {
		return
	}
	const lane = len("SYN-RECEIVED") + 2 // a state and its mark
	timeWidth, packetWidth := len("time"), len("packet")
	for i := range rows {
		timeWidth = max(timeWidth, len(rows[i].appendTime(t.line[:0], c.Start)))
		packetWidth = max(packetWidth, len(rows[i].appendPacket(t.line[:0])))
	}
	b := appendLeft(append(t.line[:0], "  "...), []byte("time"), timeWidth)
	b = appendLeft(append(b, "  "...), []byte("packet"), packetWidth)
	b = append(appendSpaces(append(b, "  client"...), lane-len("client")), "  server"...)
	b = append(appendSpaces(b, lane-len("server")), "  event"...)
	t.put("\n", t.paint(dim, string(b)), "\n")
	indent := 2 + timeWidth + 2 + packetWidth + 2 + lane + 2 + lane + 2
	var room [64]byte
	for i := range rows {
		r := &rows[i]
		b = appendLeft(append(b[:0], "  "...), r.appendTime(room[:0], c.Start), timeWidth)
		b = appendLeft(append(b, "  "...), r.appendPacket(room[:0]), packetWidth)
		b = t.appendCell(append(b, "  "...), r.side[0], lane)
		b = append(t.appendCell(append(b, "  "...), r.side[1], lane), "  "...)
		if t.Width == 0 {
			b = r.appendWords(b)
			t.b.Write(bytes.TrimRight(b, " "))
			t.b.WriteByte('\n')
			continue
		}
		for j, line := range wrap(string(r.appendWords(nil)), max(t.Width-indent, 20)) {
			if j > 0 {
				b = appendSpaces(b[:0], indent)
			}
			b = append(b, line...)
			if j == 0 {
				b = bytes.TrimRight(b, " ")
			}
			t.b.Write(append(b, '\n'))
		}
	}
	t.line = b
}

// appendLeft appends words with spaces before them to a width.
func appendLeft(b, words []byte, width int) []byte {
	return append(appendSpaces(b, width-len(words)), words...)
}

func appendSpaces(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}

// appendTime is when the row happened, in seconds after the connection's start.
func (r *laneRow) appendTime(b []byte, start Time) []byte {
	at := r.at()
	if at == 0 {
		return b
	}
	after := float64(at-start) / nsPerSecond
	if after >= 0 {
		b = append(b, '+')
	}
	return strconv.AppendFloat(b, after, 'f', 6, 64)
}

// appendCell appends one state in its lane, coloured by how sure it is.
func (t *text) appendCell(b []byte, s *laneStep, width int) []byte {
	if s == nil {
		return appendSpaces(b, width)
	}
	code := ""
	switch {
	case s.withdrawn:
		code = red
	case s.Evidence == "observed" || s.Evidence == "confirmed":
		code = green
	}
	if !t.on || code == "" {
		from := len(b)
		b = append(appendSpaces(append(b, s.State...), width-1-len(s.State)), s.mark()...)
		return appendSpaces(b, width-(len(b)-from))
	}
	return append(b, t.paint(code, pad(string(s.State), width-2)+" "+s.mark())...)
}

// outcome says how an endpoint stood at the end and what it sent.
func (t *text) outcome(side string, e *Endpoint) {
	b := append(append(t.line[:0], side...), ": "...)
	if e.Undetermined {
		b = append(append(b, "undetermined, last known "...), e.State...)
	} else {
		b = append(b, e.State...)
		if e.Evidence != "" {
			b = append(append(b, ", "...), e.Evidence...)
		}
	}
	if e.MayBe != "" {
		b = append(append(append(b, ", may be "...), e.MayBe...), " by now"...)
	}
	if l := e.TimeWaitLeft; l.InTimeWait {
		b = append(append(b, ", "...), span(l.Least)...)
		if l.Least != l.Most {
			b = append(append(b, " to "...), span(l.Most)...)
		}
		b = append(b, " of 2MSL left"...)
	}
	b = appendPlural(append(b, "; sent "...), e.Packets, "packet")
	b = appendPlural(append(b, ", "...), e.Bytes, "byte")
	if e.Retransmissions > 0 {
		b = appendPlural(append(b, ", "...), e.Retransmissions, "retransmission")
	}
	if e.DuplicateACKs > 0 {
		b = appendPlural(append(b, ", "...), e.DuplicateACKs, "duplicate ACK")
	}
	switch n := e.OutOfOrder; {
	case n == 1:
		b = append(b, ", 1 packet out of order"...)
	case n > 1:
		b = append(appendThousands(append(b, ", "...), n), " packets out of order"...)
	}
	if e.ZeroWindows > 0 {
		b = appendPlural(append(b, ", "...), e.ZeroWindows, "zero window")
	}
	if e.RTT.Samples > 0 {
		b = append(append(b, ", round trip from the tap "...), span(e.RTT.Mean)...)
	}
	t.line = b
	t.paragraph("  ", b)
}
