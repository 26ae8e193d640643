package report

import (
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
	case s.Crossing == nil:
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
