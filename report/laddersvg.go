package report

import (
	"fmt"
	"html"
	"io"
	"strings"
	"unicode/utf8"
)

// This file draws a ladder as one SVG that needs nothing else: no script, no
// font, no style sheet from elsewhere. It follows the reader's light or dark
// theme, and every row has a title that says in words what it shows.

// The places of the drawing, in pixels.
const (
	svgWidth    = 1000
	svgRow      = 26
	svgClient   = 330 // lifelines
	svgServer   = 790
	svgTap      = (svgClient + svgServer) / 2
	svgTime     = 96 // right edge of the times
	svgPacket   = 160
	svgLane     = 14 // from the lifeline to the state beside it
	svgHead     = 92
	svgText     = 13 // font size
	svgMargin   = 20
	svgSlant    = 18 // by how much the slowest segment arrives lower than it was sent
	svgLetter   = 8  // advance of a letter at least this wide, for line breaking
	svgFindText = (svgWidth - 2*svgMargin - 24) / svgLetter
)

const svgStyle = `
svg{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;--bg:#fff;--fg:#1b1f24;--dim:#59636e;--line:#8c959f;
--sure:#116329;--lost:#b3261e;--again:#7d4e00;--wait:#e0a100;--note:#0b5cad;--box:#f3f5f7}
@media (prefers-color-scheme:dark){svg{--bg:#0d1117;--fg:#e6edf3;--dim:#9198a1;--line:#6e7681;--sure:#56d364;--lost:#ff7b72;--again:#e3b341;--wait:#e3b341;--note:#79c0ff;--box:#161b22}}
@media print{svg{--bg:#fff;--fg:#000;--dim:#444;--box:#f3f5f7}}
text{fill:var(--fg);white-space:pre}.bg{fill:var(--bg)}.dim{fill:var(--dim)}.head{font-weight:700}
.life{stroke:var(--line);stroke-width:2}.none{stroke-dasharray:2 5;stroke-width:1}.wait{stroke:var(--wait);stroke-width:6}
.tap{stroke:var(--line);stroke-dasharray:1 5}.arrow{stroke:var(--fg);stroke-width:1.4;fill:none}.tip{fill:var(--fg)}
.copy .arrow{stroke-dasharray:4 4;stroke:var(--dim)}.copy .tip,.copy text.label{fill:var(--dim)}
.again .arrow{stroke:var(--again)}.again .tip,.again text.label{fill:var(--again)}
.lost .arrow,.lost .tip{stroke:var(--lost)}.lost text.label,.lost .cross{fill:var(--lost)}
.label{paint-order:stroke;stroke:var(--bg);stroke-width:4px}
.sure{fill:var(--sure)}.withdrawn{fill:var(--lost);text-decoration:line-through}
.box{fill:var(--box)}.error{fill:var(--lost)}.warning{fill:var(--again)}.note{fill:var(--note)}.info{fill:var(--dim)}
`

type ladderSVG struct {
	d       *Ladder
	b       strings.Builder
	y       int
	current [2]State
	since   [2]int // where the present stretch of a lifeline began
	lines   strings.Builder
	slowest Seconds // of the segments that arrived; where both ends were captured
}

// WriteSVG draws the ladder as one self-contained SVG.
func (d *Ladder) WriteSVG(w io.Writer) error {
	s := &ladderSVG{d: d, y: svgHead, since: [2]int{svgHead, svgHead}}
	for i := range d.Rows {
		if g := d.Rows[i].Segment; g != nil && g.Crossing != nil {
			s.slowest = max(s.slowest, g.Crossing.Delay)
		}
	}
	for i := range d.Rows {
		s.row(&d.Rows[i])
	}
	bottom := s.y + svgRow/2
	for side := range 2 {
		s.stretch(side, bottom)
	}
	height := bottom + 3*svgRow
	c := &d.Connection
	title := fmt.Sprintf("Connection %d: %s to %s", c.ID, c.Client, c.Server)
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="t d">`+"\n",
		svgWidth, height, svgWidth, height)
	fmt.Fprintf(&out, "<title id=\"t\">%s</title>\n<desc id=\"d\">%s</desc>\n<style>%s</style>\n", esc(title), esc(s.describe()), svgStyle)
	fmt.Fprintf(&out, `<rect class="bg" width="%d" height="%d"/>`+"\n", svgWidth, height)
	out.WriteString(s.header())
	signs := "slanted: from when it was sent to when it arrived, the slowest the steepest; a cross: lost there; thick lifeline: TIME-WAIT"
	taps := []int{svgTap}
	if d.crosses() {
		taps = s.taps()
	} else {
		signs = "dotted line: the tap, where the packets were captured; a cross: lost there; thick lifeline: TIME-WAIT"
	}
	for _, x := range taps {
		fmt.Fprintf(&out, `<line class="tap" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", x, svgHead, x, bottom)
	}
	out.WriteString(s.lines.String())
	out.WriteString(s.b.String())
	out.WriteString(svgWords(svgMargin, bottom+svgRow, "dim", "", "evidence "+evidenceKey+deliveredKey(d.crosses())))
	out.WriteString(svgWords(svgMargin, bottom+2*svgRow-4, "dim", "", signs))
	out.WriteString("</svg>\n")
	_, err := io.WriteString(w, strings.ReplaceAll(out.String(), glue, " "))
	return err
}

// describe tells the whole in a few words.
func (s *ladderSVG) describe() string {
	c := &s.d.Connection
	words := []string{fmt.Sprintf("A ladder diagram of %s. Opened %s, closed %s. At the end the client is in %s and the server in %s.",
		plural(c.Packets, "packet"), c.Open.Kind, c.Close.Kind, c.Endpoints.Client.State, c.Endpoints.Server.State)}
	for _, f := range c.Findings {
		if f.Severity != "info" {
			words = append(words, fmt.Sprintf("%s, %s: %s", f.Severity, f.ID, f.Detail))
		}
	}
	return strings.Join(words, " ")
}

func (s *ladderSVG) header() string {
	c, tap := &s.d.Connection, svgWords(svgTap, svgHead-14, "dim", "middle", "tap")
	if s.d.crosses() {
		tap = s.pointHeads()
	}
	return svgWords(svgMargin, 26, "head", "", fmt.Sprintf("#%d  %s -> %s", c.ID, c.Client, c.Server)) +
		svgWords(svgMargin, 46, "dim", "", fmt.Sprintf("opened %s, closed %s, %s, tcp.stream eq %d", c.Open.Kind, c.Close.Kind, plural(c.Packets, "packet"), c.Wireshark.Stream)) +
		svgWords(svgTime, svgHead-14, "dim", "end", "time") + svgWords(svgPacket, svgHead-14, "dim", "end", "packet") +
		svgWords(svgClient, svgHead-14, "head", "middle", "client") + tap +
		svgWords(svgServer, svgHead-14, "head", "middle", "server")
}

// row draws a row with its steps and findings.
func (s *ladderSVG) row(r *LadderRow) {
	s.y += svgRow
	y := s.y
	class := ""
	if r.Segment != nil {
		class = r.class()
	}
	fmt.Fprintf(&s.b, `<g class="%s"><title>%s</title>`+"\n", class, esc(r.sentence()))
	if clock := r.clock(); clock != "" {
		s.b.WriteString(svgWords(svgTime, y+4, "dim", "end", clock))
	}
	s.b.WriteString(svgWords(svgPacket, y+4, "", "end", r.packetName()))
	drop := 0 // the receiver is at the tip
	if r.Segment != nil {
		drop = s.slant(r)
		s.arrow(r, y, drop)
	} else if words := r.middle(); words != "" {
		s.b.WriteString(svgWords(svgTap, y+4, "dim label", "middle", words))
	}
	for i := range max(len(r.Client), len(r.Server)) {
		if i > 0 {
			s.y += svgRow - 6
		}
		for side, steps := range [2][]LadderStep{r.Client, r.Server} {
			at := s.y
			if r.Segment != nil && string(r.From) != [2]string{"client", "server"}[side] {
				at += drop
			}
			s.state(side, stepAt(steps, i), r.Kind, at)
		}
	}
	s.y += drop
	s.b.WriteString("</g>\n")
	for _, note := range r.notes(false) {
		for _, line := range wrap(note, (svgServer-svgClient)/svgLetter-6) {
			s.y += svgText + 4
			s.b.WriteString(svgWords(svgClient+14, s.y+2, "dim label", "", line))
		}
	}
	for _, n := range r.Findings {
		if f := &s.d.Connection.Findings[n]; f.Severity != "info" {
			s.finding(f)
		}
	}
}

func (r *LadderRow) class() string {
	switch segmentColor(r) {
	case red:
		return "lost"
	case yellow:
		return "again"
	case dim:
		return "copy"
	}
	return "segment"
}

// arrow draws a segment from its sender to where it got, drop lower.
func (s *ladderSVG) arrow(r *LadderRow, y, drop int) {
	g := r.Segment
	from, to := svgClient+4, svgServer-4
	fromClient := r.From == "client"
	if g.Kind == SegmentQuoted {
		fromClient = !fromClient
	}
	reach := to - from
	switch {
	case r.Kind == RowUnseen:
		reach /= 4
	case g.Lost == "at-receiver":
	case g.Lost != "" && s.d.crosses():
		reach = int(float64(reach) * s.d.LostAt(r))
	case g.Lost != "":
		reach = reach * 3 / 4
	}
	end, sign, anchor, labelAt := from+reach, 1, "start", from+12
	if !fromClient {
		from = to
		end, sign, anchor, labelAt = from-reach, -1, "end", from-12
	}
	s.way(r, from, y, end, y+drop)
	if g.Lost != "" {
		fmt.Fprintf(&s.b, `<path class="arrow" d="M%d %dl10 10m0 -10l-10 10"/>`+"\n", end-5, y+drop-5)
	} else {
		fmt.Fprintf(&s.b, `<path class="tip" d="M%d %dl%d -4v8z"/>`+"\n", end, y+drop, -9*sign)
	}
	label := g.labels()[0]
	if r.Kind == RowUnseen {
		label = g.Name + ", lost before the tap"
	}
	s.b.WriteString(svgWords(labelAt, y-6, "label", anchor, label))
	if x := g.Crossing; x != nil && x.Arrived != 0 {
		side := "end"
		if !fromClient {
			side = "start"
		}
		s.b.WriteString(svgWords(end-12*sign, y+drop-8, "dim", side, g.arrival("")))
	}
}

// state writes a state at y beside its lifeline and changes the lifeline.
func (s *ladderSVG) state(side int, step *LadderStep, kind RowKind, y int) {
	if step == nil {
		return
	}
	lane := laneStep{Step: step.Step, withdrawn: step.Withdrawn}
	class, words := "", string(step.State)+" "+lane.mark()
	switch {
	case kind == RowOmitted:
		class, words = "dim", "("+string(step.State)+")"
	case step.Withdrawn:
		class = "withdrawn"
	case step.Evidence == "observed" || step.Evidence == "confirmed":
		class = "sure"
	}
	if side == 0 {
		s.b.WriteString(svgWords(svgClient-svgLane, y+4, class, "end", words))
	} else {
		s.b.WriteString(svgWords(svgServer+svgLane, y+4, class, "start", words))
	}
	if !step.Withdrawn {
		s.stretch(side, y)
		s.current[side] = step.State
	}
}

// stretch draws a lifeline up to y in the look of its state.
func (s *ladderSVG) stretch(side, y int) {
	x := svgClient
	if side == 1 {
		x = svgServer
	}
	class := "life"
	switch s.current[side] {
	case "TIME-WAIT":
		class = "life wait"
	case "CLOSED", "":
		class = "life none"
	}
	if y > s.since[side] {
		fmt.Fprintf(&s.lines, `<line class="%s" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", class, x, s.since[side], x, y)
	}
	s.since[side] = y
}

func (s *ladderSVG) finding(f *Finding) {
	lines := wrap(clean(f.Detail), svgFindText)
	top := s.y + 10
	height := (len(lines)+1)*(svgText+5) + 10
	fmt.Fprintf(&s.b, `<g><title>%s</title><rect class="box" x="%d" y="%d" width="%d" height="%d" rx="4"/><rect class="%s" x="%d" y="%d" width="5" height="%d"/>`+"\n",
		esc(string(f.Severity)+": "+string(f.ID)), svgMargin, top, svgWidth-2*svgMargin, height, f.Severity, svgMargin, top, height)
	y := top + svgText + 5
	s.b.WriteString(svgWords(svgMargin+16, y, "head "+string(f.Severity), "", fmt.Sprintf("%s: %s  (%s)", f.Severity, f.ID, f.where())))
	for _, line := range lines {
		y += svgText + 5
		s.b.WriteString(svgWords(svgMargin+16, y, "", "", line))
	}
	s.b.WriteString("</g>\n")
	s.y = top + height - 6
}

// sentence says a row in words.
func (r *LadderRow) sentence() string {
	var words []string
	if r.Segment != nil {
		who := "the " + string(r.From)
		switch {
		case r.Kind == RowUnseen:
			words = append(words, "an ACK of "+who+" was lost before the tap")
		case r.Segment.Kind == SegmentQuoted:
			words = append(words, fmt.Sprintf("packet %s: an ICMP error quotes a segment of %s", r.packetName(), who))
		default:
			words = append(words, fmt.Sprintf("packet %s: %s sends %s", r.packetName(), who, r.Segment.labels()[0]))
		}
	} else if m := r.middle(); m != "" {
		words = append(words, m)
	}
	for i, steps := range [2][]LadderStep{r.Client, r.Server} {
		for _, step := range steps {
			how := string(step.Evidence)
			if step.Withdrawn {
				how = "withdrawn"
			}
			words = append(words, fmt.Sprintf("%s %s (%s)", [2]string{"client", "server"}[i], step.State, how))
		}
	}
	if g := r.Segment; g != nil && g.Crossing != nil && g.Crossing.Arrived != 0 {
		words = append(words, "arrives "+g.arrival("")+" as packet "+packetName(g.Crossing.Packet, g.Crossing.File))
	}
	return strings.Join(append(words, r.notes(false)...), "; ")
}

// svgWords is a text element; class and anchor may be empty.
func svgWords(x, y int, class, anchor, words string) string {
	if words == "" {
		return ""
	}
	attributes := ""
	if class != "" {
		attributes += ` class="` + class + `"`
	}
	if anchor != "" && anchor != "start" {
		attributes += ` text-anchor="` + anchor + `"`
	}
	return fmt.Sprintf("<text x=\"%d\" y=\"%d\"%s>%s</text>\n", x, y, attributes, esc(words))
}

// esc makes text safe inside XML: markup, and characters that XML does not know.
func esc(s string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r == 0xfffe || r == 0xffff {
			return '\ufffd'
		}
		return r
	}, s))
}
