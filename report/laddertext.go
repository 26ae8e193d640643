package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// This file draws a ladder in a terminal:
//
//	time  packet  state of the client | arrows, the tap in their middle | state of the server
//
// An arrow ends where its segment got to: at the other end, or at an x behind
// the tap. A line that begins and ends before the tap was never captured.
//
// Where both ends were captured, there is no tap in the middle: a column tells
// how long after it was sent each segment arrived, and what was lost ends on the
// way.

// LadderOptions set up the drawing of a ladder as text.
type LadderOptions struct {
	Width int  // columns; 0: defaultLadderWidth
	Color bool // with terminal escapes
	ASCII bool // no other characters
	Info  bool // show findings of severity info too
}

const (
	defaultLadderWidth = 100
	leastLadderWidth   = 72
	wideLadder         = 124 // from here on notes stand beside the row, not below it
	mostArrow          = 56
	leastArrow         = 20
)

// glyphs are the characters of a drawing.
type glyphs struct {
	solid, dashed    rune
	left, right      rune
	life, wait, over rune // lifeline: open, in TIME-WAIT, closed or not yet there
	tap, crossed     rune // the tap alone, and where a line crosses it
	lost             rune
	gap              rune
	bar              rune
}

var (
	unicodeGlyphs = glyphs{'─', '╌', '◀', '▶', '│', '║', '┊', '┊', '┼', '✕', '⋮', '▌'}
	asciiGlyphs   = glyphs{'-', '.', '<', '>', '|', '#', ':', ':', '+', 'x', ':', '|'}
)

type ladderText struct {
	*text
	glyphs
	o       LadderOptions
	d       *Ladder
	time    int // widths of the columns
	packet  int
	arrival int // 0: one tap
	lane    [2]int
	arrow   int
	note    int   // 0: notes go below
	taps    []int // columns of the points between both ends, in the room of the arrows
	current [2]State
}

// WriteText draws the ladder.
func (d *Ladder) WriteText(w io.Writer, o LadderOptions) error {
	t := &ladderText{glyphs: unicodeGlyphs, o: o, d: d}
	if o.ASCII {
		t.glyphs = asciiGlyphs
	}
	width := max(o.Width, d.leastWidth())
	if o.Width <= 0 {
		width = defaultLadderWidth
	}
	t.text = newText(w, TextOptions{Color: o.Color, Width: width, Info: o.Info}, 0)
	t.measure(width)
	t.tuple(&d.Connection)
	t.points(d.Points)
	if d.Dropped > 0 {
		t.block("    ", "the first "+plural(d.Dropped, "packet")+" are remembered no more: numbers count from the first one shown")
	}
	t.contents()
	t.head()
	for i := range d.Rows {
		t.row(&d.Rows[i])
	}
	t.printf("\n")
	t.outcome("client", &d.Connection.Endpoints.Client)
	t.outcome("server", &d.Connection.Endpoints.Server)
	t.key()
	if o.ASCII {
		plain := asciiOnly(t.b.String())
		t.b.Reset()
		t.b.WriteString(plain)
	}
	return t.flush()
}

// measure fits the columns to what stands in them.
func (t *ladderText) measure(width int) {
	t.time, t.packet = len("time"), len("packet")
	t.lane = [2]int{len("client"), len("server")}
	for i := range t.d.Rows {
		r := &t.d.Rows[i]
		t.time = max(t.time, columns(r.clock()))
		t.packet = max(t.packet, columns(r.packetName()))
		if t.d.crosses() {
			t.arrival = max(t.arrival, len(arrivalHead), columns(r.arrival(t.lost)))
		}
		for side, steps := range [2][]LadderStep{r.Client, r.Server} {
			for _, s := range steps {
				t.lane[side] = max(t.lane[side], len(s.State)+2)
			}
		}
	}
	rest := width - t.time - t.packet - t.lane[0] - t.lane[1] - 8
	if t.arrival > 0 {
		rest -= t.arrival + 1
	}
	t.arrow = max(min(rest, mostArrow), leastArrow)
	t.placeTaps()
	if note := rest - t.arrow - 2; width >= wideLadder && note >= 24 {
		t.note = note
	}
}

// clock is the time of a row since the connection's first packet.
func (r *LadderRow) clock() string {
	if r.At == 0 {
		return ""
	}
	return fmt.Sprintf("%.6f", float64(r.Relative)/nsPerSecond)
}

func (r *LadderRow) packetName() string {
	if r.Packet == 0 || r.Kind == RowOmitted {
		return ""
	}
	return packetName(r.Packet, r.File)
}

// contents tells at which packets there is something to see.
func (t *ladderText) contents() {
	for n := range t.d.Connection.Findings {
		f := &t.d.Connection.Findings[n]
		if f.Severity == "info" && !t.o.Info {
			continue
		}
		t.heading("  ", t.severity(f.Severity, pad(string(f.Severity), 7))+"  "+t.paint(bold, string(f.ID)), "at packet "+t.d.toldAt(n)+", "+f.where())
	}
}

// heading is a finding's name and what is known of it, in one line where it fits.
func (t *ladderText) heading(indent, name, words string) {
	if columns(indent)+columns(name)+2+columns(words) <= t.Width {
		t.printf("%s%s  %s\n", indent, name, t.paint(dim, words))
		return
	}
	t.printf("%s%s\n%s%s\n", indent, name, indent, t.paint(dim, words))
}

// head names the columns and both ends.
func (t *ladderText) head() {
	names, arrives := spread(t.arrow, "client", "tap", "server"), ""
	if t.arrival > 0 {
		names, arrives = t.tapNames(), padLeft(arrivalHead, t.arrival)+" "
	}
	t.printf("\n%s\n", t.paint(dim, strings.TrimRight(fmt.Sprintf(" %s %s %s%s  %s  state", padLeft("time", t.time), padLeft("packet", t.packet),
		arrives, padLeft("state", t.lane[0]), names), " ")))
}

// spread puts three words at the left, the middle and the right of width columns.
func spread(width int, left, middle, right string) string {
	room := max(width+2-len(left)-len(middle)-len(right), 2)
	before := max((width+2)/2-len(left)-len(middle)/2, 1)
	return left + strings.Repeat(" ", before) + middle + strings.Repeat(" ", max(room-before, 1)) + right
}

// row draws a row with all that hangs on it.
func (t *ladderText) row(r *LadderRow) {
	notes := r.notes(t.note > 0)
	var beside, below []string
	if t.note > 0 {
		beside = wrapAll(notes, t.note)
	} else {
		below = wrapAll(notes, t.arrow-2)
	}
	middle := t.middle(r)
	lines := max(len(middle), len(r.Client), len(r.Server), len(beside))
	for i := range lines {
		clock, packet, between, note := "", t.packetCell("", ""), t.blank(), ""
		if i == 0 {
			clock, packet = r.clock(), t.packetCell(r.packetName(), r.arrival(t.lost))
		}
		if i < len(middle) {
			between = middle[i]
		}
		if i < len(beside) {
			note = t.paint(dim, beside[i])
		}
		t.line(clock, packet, stepAt(r.Client, i), stepAt(r.Server, i), between, note, r.Kind)
	}
	for _, note := range below {
		t.line("", t.packetCell("", ""), nil, nil, t.paint(dim, pad(" "+note, t.arrow)), "", r.Kind)
	}
	for _, n := range r.Findings {
		if f := &t.d.Connection.Findings[n]; f.Severity != "info" || t.o.Info {
			t.findingAt(f)
		}
	}
}

func wrapAll(list []string, width int) []string {
	var lines []string
	for _, s := range list {
		lines = append(lines, wrap(s, width)...)
	}
	return lines
}

func stepAt(steps []LadderStep, i int) *LadderStep {
	if i < len(steps) {
		return &steps[i]
	}
	return nil
}

// line prints one line of the drawing.
func (t *ladderText) line(clock, packet string, client, server *LadderStep, middle, note string, kind RowKind) {
	for side, s := range [2]*LadderStep{client, server} {
		if s != nil && !s.Withdrawn {
			t.current[side] = s.State
		}
	}
	left, right := "", ""
	if client != nil {
		left = t.state(client, kind)
	}
	if server != nil {
		right = t.state(server, kind)
	}
	lanes := fmt.Sprintf("%s %s%s%s %s", padLeft(left, t.lane[0]), t.lifeline(0, kind), middle, t.lifeline(1, kind), pad(right, t.lane[1]))
	text := fmt.Sprintf(" %s %s %s", padLeft(clock, t.time), packet, lanes)
	if note != "" {
		text += "  " + note
	}
	t.printf("%s\n", strings.TrimRight(text, " "))
}

// state is a state with the mark of its evidence.
func (t *ladderText) state(s *LadderStep, kind RowKind) string {
	lane := laneStep{Step: s.Step, withdrawn: s.Withdrawn}
	text := string(s.State) + " " + lane.mark()
	switch {
	case kind == RowOmitted:
		return t.paint(dim, "("+string(s.State)+")")
	case s.Withdrawn:
		return t.paint(red, text)
	case s.Evidence == "observed" || s.Evidence == "confirmed":
		return t.paint(green, text)
	}
	return text
}

// lifeline shows whether the endpoint has a connection, and TIME-WAIT apart.
func (t *ladderText) lifeline(side int, kind RowKind) string {
	switch {
	case kind == RowGap || kind == RowOmitted:
		return string(t.gap)
	case t.current[side] == "TIME-WAIT":
		return t.paint(yellow, string(t.wait))
	case t.current[side] == "CLOSED" || t.current[side] == "":
		return string(t.over)
	}
	return string(t.life)
}

func (t *ladderText) blank() string {
	cells := []rune(strings.Repeat(" ", t.arrow))
	for _, at := range t.taps {
		cells[at] = t.tap
	}
	return string(cells)
}

// middle is what stands between the lifelines: at least one line.
func (t *ladderText) middle(r *LadderRow) []string {
	if r.Segment != nil {
		return []string{t.arrowOf(r)}
	}
	words := r.middle()
	if words == "" {
		return []string{t.blank()}
	}
	lines := wrap(words, t.arrow-2)
	for i, line := range lines {
		before := (t.arrow - columns(line)) / 2
		lines[i] = pad(strings.Repeat(" ", before)+line, t.arrow)
		if r.Kind == RowGap || r.Kind == RowOmitted {
			lines[i] = t.paint(dim, lines[i])
		}
	}
	return lines
}

// arrowOf draws a segment. It is drawn from left to right and turned round for
// the server's.
func (t *ladderText) arrowOf(r *LadderRow) string {
	s := r.Segment
	line, end, reach := t.stroke(s), t.right, t.arrow
	switch {
	case r.Kind == RowUnseen:
		end, reach = t.lost, max(t.arrow/4, len(s.Name)+5)
	case s.Lost == "at-receiver":
		end = t.lost
	case s.Lost != "" && t.arrival > 0:
		end, reach = t.lost, int(float64(t.arrow)*t.d.LostAt(r))+1
	case s.Lost != "":
		end, reach = t.lost, t.arrow*3/4+1
	}
	fromClient := r.From == "client"
	if s.Kind == SegmentQuoted {
		fromClient = !fromClient // the error goes back to the sender of what it quotes
	}
	label := t.label(s, r)
	reach = min(max(reach, columns(label)+5), t.arrow)
	cells := []rune(strings.Repeat(" ", t.arrow))
	for i := range reach {
		cells[i] = line
	}
	cells[reach-1] = end
	for i, tap := range t.taps {
		if !fromClient {
			tap = t.arrow - 1 - tap
		}
		switch {
		case cells[tap] == ' ':
			cells[tap] = t.tap
		case cells[tap] == line && (t.arrival == 0 || s.passes(t.d.PointsBetween()[i])):
			cells[tap] = t.crossed
		}
	}
	text := []rune(" " + label + " ")
	at := 1
	if !fromClient {
		for i, j := 0, len(cells)-1; i < j; i, j = i+1, j-1 {
			cells[i], cells[j] = cells[j], cells[i]
		}
		for i, c := range cells {
			if c == t.right {
				cells[i] = t.left
			}
		}
		at = t.arrow - 1 - len(text)
	}
	copy(cells[at:], text)
	if r.Kind == RowUnseen {
		t.caption(cells, reach, fromClient)
	}
	if code := segmentColor(r); code != "" {
		return t.paint(code, string(cells))
	}
	return string(cells)
}

// caption tells of a segment that was never captured, in the room that it left.
func (t *ladderText) caption(cells []rune, reach int, fromClient bool) {
	const words = "lost before the tap"
	if reach+len(words)+2 > len(cells) {
		return
	}
	at := reach + 1
	if !fromClient {
		at = len(cells) - reach - 1 - len(words)
	}
	copy(cells[at:], []rune(words))
}

func (t *ladderText) stroke(s *LadderSegment) rune {
	switch s.Kind {
	case SegmentDuplicateFrame, SegmentNetworkDuplicate, SegmentQuoted, SegmentNext, SegmentPrevious:
		return t.dashed
	}
	return t.solid
}

// label is the longest way to write the segment that leaves room for its arrow.
func (t *ladderText) label(s *LadderSegment, r *LadderRow) string {
	if r.Kind == RowUnseen {
		return s.Name
	}
	list := s.labels()
	for _, label := range list {
		if columns(label)+5 <= t.arrow {
			return label
		}
	}
	return list[len(list)-1]
}

func segmentColor(r *LadderRow) string {
	s := r.Segment
	switch {
	case s.Lost != "" || s.Forged:
		return red
	case s.Kind == SegmentRetransmission || s.Kind == SegmentLate:
		return yellow
	case s.Kind == SegmentFresh || s.Kind == SegmentKeepAlive:
		return ""
	}
	return dim
}

// findingAt tells a finding below the packet at which it shows.
func (t *ladderText) findingAt(f *Finding) {
	bar := strings.Repeat(" ", t.time+2) + t.severity(f.Severity, string(t.bar)) + " "
	t.heading(bar, t.severity(f.Severity, string(f.Severity)+": "+string(f.ID)), f.where())
	for _, line := range wrap(clean(f.Detail), max(t.Width-columns(bar), 20)) {
		t.printf("%s%s\n", bar, line)
	}
}

// key explains the signs that the ladder uses.
func (t *ladderText) key() {
	t.block("  ", t.paint(dim, "evidence "+evidenceKey+deliveredKey(t.arrival > 0)))
	if t.arrival > 0 {
		t.block("  ", t.paint(dim, "time: when it was sent, by the clock of the first point; arrives: how long after that its receiver's own capture has it"))
	}
	t.block("  ", t.paint(dim, fmt.Sprintf("lifeline %c open  %c TIME-WAIT  %c no connection; %c lost there", t.life, t.wait, t.over, t.lost)))
}

// asciiOnly spells out what is not ASCII.
func asciiOnly(s string) string {
	s = strings.NewReplacer("µ", "u", "…", "...", "→", "->", "←", "<-", glue, " ").Replace(s)
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, s)
}
