package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/finwait/finwait/reassembly"
)

// This file is what a ladder shows where several points of the path were
// captured: when each segment arrived, and where one was lost on the way.

// Crossing is what captures at several points of the path tell of a segment.
type Crossing struct {
	Arrived Time     `json:"arrived,omitzero" doc:"When it reached its receiver, by the clock of the first point; absent if that is not known."`
	Packet  Number   `json:"packet,omitzero" doc:"Its number in the receiver's own capture."`
	File    int      `json:"file,omitzero" doc:"That capture's file."`
	Delay   Seconds  `json:"delay_s,omitzero" doc:"From the sender to the receiver; as uncertain as the clocks, thus below zero at times."`
	Passed  []Passed `json:"passed,omitempty" doc:"The points between both ends that have it, in the order of its way."`
	Delayed bool     `json:"delayed,omitzero" doc:"It was held up on the way: see delayed of the connection's path."`
	Between []string `json:"between,omitempty" doc:"The points between which it was lost."`
	Assumed bool     `json:"assumed,omitzero" doc:"It was lost there if the capture behind was running then, which nothing in it proves."`
}

// lostWhere says where a segment was lost that left its sender.
func (s *LadderSegment) lostWhere() string {
	switch {
	case s.Crossing != nil && len(s.Crossing.Between) == 2:
		words := "lost between " + clean(s.Crossing.Between[0]) + " and " + clean(s.Crossing.Between[1])
		if s.Crossing.Assumed {
			words += ", if the capture of " + clean(s.Crossing.Between[1]) + " was running then"
		}
		return words
	case s.Lost == Where(reassembly.AtReceiver.String()):
		return "came, and was not taken"
	case s.Lost == Where(reassembly.OnPath.String()):
		return "lost on the path"
	}
	return "lost behind the tap"
}

// arrival says when a segment reached its receiver after it was sent, or that it
// was lost; empty where captures of several points do not tell.
func (s *LadderSegment) arrival(lost string) string {
	switch {
	case s.Crossing == nil || s.Crossing.Arrived == 0 && len(s.Crossing.Between) == 0:
		return ""
	case s.Crossing.Arrived == 0 && s.Crossing.Assumed:
		return lost + " lost?"
	case s.Crossing.Arrived == 0:
		return lost + " lost"
	case s.Crossing.Delay < 0:
		return span(s.Crossing.Delay)
	}
	return "+" + span(s.Crossing.Delay)
}

// crosses reports whether the ladder shows both ends of the path.
func (d *Ladder) crosses() bool { return d.Connection.Path != nil }

func (d *Ladder) leastWidth() int {
	if d.crosses() {
		return leastLadderWidth + 1 + len(arrivalHead)
	}
	return leastLadderWidth
}

// arrivalHead names the column of arrivals.
const arrivalHead = "arrives"

// arrival is that of the row's segment, for a column.
func (r *LadderRow) arrival(lost rune) string {
	if r.Segment == nil {
		return ""
	}
	return strings.ReplaceAll(r.Segment.arrival(string(lost)), glue, " ")
}

// placeTaps finds the columns of the points between both ends: that of the one
// tap, or those of captures beside the ends' own.
func (t *ladderText) placeTaps() {
	if !t.d.crosses() {
		t.taps = []int{t.arrow / 2}
		return
	}
	for _, name := range t.d.PointsBetween() {
		t.taps = append(t.taps, int(float64(t.arrow)*t.d.stands(name)))
	}
}

// tapNames heads the lifelines and the points between them.
func (t *ladderText) tapNames() string {
	line := []rune(spread(t.arrow, "client", "   ", "server"))
	room := t.arrow/(len(t.taps)+1) - 2
	for i, name := range t.d.PointsBetween() {
		word := []rune(clean(name))
		if columns(name) != len(word) || len(word) > room {
			word = []rune(strconv.Itoa(i + 2)) // its number among the points
		}
		at := 1 + t.taps[i] - len(word)/2
		if at > len("client") && at+len(word) < len(line)-len("server") {
			copy(line[at:], word)
		}
	}
	return string(line)
}

// packetCell is a packet's number and, where both ends were captured, its arrival.
func (t *ladderText) packetCell(name, arrival string) string {
	cell := padLeft(name, t.packet)
	if t.arrival > 0 {
		cell += " " + padLeft(arrival, t.arrival)
	}
	return cell
}

// clocks says how the last point's clock goes with the first one's, briefly.
func (s *ladderSVG) clocks() string {
	if n := len(s.d.Points); n > 0 {
		if c := s.d.Points[n-1].Clock; c != nil && c.Uncertainty != nil {
			return "one clock, to within " + span(*c.Uncertainty)
		}
	}
	return "one clock"
}

// Passed is a segment's passing of a point between both ends.
type Passed struct {
	Point  string `json:"point" doc:"The name of the point."`
	At     Time   `json:"at" doc:"When it passed there, by the clock of the first point."`
	Packet Number `json:"packet" doc:"Its number there."`
	File   int    `json:"file,omitzero" doc:"That capture's file."`
}

func (b *Builder) passed(via []reassembly.Passing) (out []Passed) {
	for _, v := range via {
		out = append(out, Passed{Point: b.point(v.Point), At: Time(v.At), Packet: number(v.As), File: b.file(v.As)})
	}
	return out
}

// passes reports whether a point has the segment.
func (s *LadderSegment) passes(point string) bool {
	return s.Crossing != nil && slices.ContainsFunc(s.Crossing.Passed, func(p Passed) bool { return p.Point == point })
}

// stands is where a point stands on the path: 0 at the client, 1 at the server.
// Those between are spread evenly. A name that is no point's stands in the middle.
func (d *Ladder) stands(point string) float64 {
	between := d.PointsBetween()
	for i, name := range between {
		if name == point {
			return float64(i+1) / float64(len(between)+1)
		}
	}
	for i := range d.Points {
		if p := &d.Points[i]; p.Name == point && p.Host == SideName(reassembly.Client.String()) {
			return 0
		} else if p.Name == point {
			return 1
		}
	}
	return 0.5
}

// PointsBetween names the points that stand between both ends, in the order of the path.
func (d *Ladder) PointsBetween() (names []string) {
	for i := range d.Points {
		if d.Points[i].Host == "" {
			names = append(names, d.Points[i].Name)
		}
	}
	return names
}

// LostAt is how far a lost segment came on its way, from 0 to 1.
func (d *Ladder) LostAt(r *LadderRow) float64 {
	x := r.Segment.Crossing
	if x == nil || len(x.Between) != 2 {
		return 0.5
	}
	at := (d.stands(x.Between[0]) + d.stands(x.Between[1])) / 2
	if r.From != SideName(reassembly.Client.String()) {
		at = 1 - at
	}
	return at
}

// slant is by how much the tip of a segment lies lower than its tail, by its
// delay; 0 with one tap. What was lost has no delay: it goes half as steep.
func (s *ladderSVG) slant(r *LadderRow) int {
	switch x := r.Segment.Crossing; {
	case x == nil || s.slowest <= 0:
		return 0
	case x.Arrived == 0:
		return svgSlant / 2
	default:
		return int(max(x.Delay, 0) * svgSlant / s.slowest)
	}
}

// taps are the places of the lines of the points between both ends.
func (s *ladderSVG) taps() (list []int) {
	for _, name := range s.d.PointsBetween() {
		list = append(list, s.tapAt(name))
	}
	return list
}

func (s *ladderSVG) tapAt(point string) int {
	return svgClient + int(float64(svgServer-svgClient)*s.d.stands(point))
}

// pointHeads heads the points between both ends, and says of the clocks what
// there is room for.
func (s *ladderSVG) pointHeads() string {
	between := s.d.PointsBetween()
	if len(between) == 0 {
		return svgWords(svgTap, svgHead-14, "dim", "middle", s.clocks())
	}
	out := svgWords(svgMargin, 64, "dim", "", s.clocks())
	for _, name := range between {
		out += svgWords(s.tapAt(name), svgHead-14, "dim", "middle", clean(name))
	}
	return out
}

// way draws the line of a segment: straight, or by way of the points between
// both ends at the times at which it passed them.
func (s *ladderSVG) way(r *LadderRow, x1, y1, x2, y2 int) {
	var passed []Passed
	if x := r.Segment.Crossing; x != nil && x.Delay > 0 {
		passed = x.Passed
	}
	if len(passed) == 0 {
		fmt.Fprintf(&s.b, `<line class="arrow" x1="%d" y1="%d" x2="%d" y2="%d"/>`, x1, y1, x2, y2)
		return
	}
	fmt.Fprintf(&s.b, `<polyline class="arrow" points="%d,%d`, x1, y1)
	for _, p := range passed {
		took := min(max(Seconds(p.At-r.At), 0), r.Segment.Crossing.Delay)
		fmt.Fprintf(&s.b, " %d,%d", s.tapAt(p.Point), y1+int(Seconds(y2-y1)*took/r.Segment.Crossing.Delay))
	}
	fmt.Fprintf(&s.b, ` %d,%d"/>`, x2, y2)
}
