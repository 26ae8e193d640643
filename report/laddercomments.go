package report

import (
	"fmt"
	"strings"
)

// This file turns a ladder into comments on packets, for programs that show the
// packets themselves.

// Comments gives, for each packet of the ladder about which there is something
// to say, the lines that say it: the steps that it caused at each end with their
// evidence, what became of it, and the findings.
func (d *Ladder) Comments(each func(at PacketAt, lines []string)) {
	name := fmt.Sprintf("#%d ", d.Connection.ID)
	for i := range d.Rows {
		r := &d.Rows[i]
		if r.Packet == 0 || r.Packet == NoPacket || r.Kind == RowOmitted {
			continue
		}
		var lines []string
		for side, steps := range [2][]LadderStep{r.Client, r.Server} {
			for j := range steps {
				lines = append(lines, name+[2]string{"client", "server"}[side]+": "+steps[j].comment())
			}
		}
		if s := r.Segment; s != nil {
			if words := s.comment(r); words != "" {
				lines = append(lines, name+words)
			}
		}
		shown := map[int]bool{}
		for _, n := range r.Findings {
			shown[n] = true
			f := &d.Connection.Findings[n]
			lines = append(lines, fmt.Sprintf("%s%s %s (%s): %s", name, f.Severity, f.ID, f.where(), clean(f.Detail)))
		}
		for _, n := range r.Cited {
			if f := &d.Connection.Findings[n]; !shown[n] && f.Severity != "info" {
				lines = append(lines, fmt.Sprintf("%sone of the packets of %s %s, told at packet %s", name, f.Severity, f.ID, d.toldAt(n)))
			}
		}
		if len(lines) > 0 {
			each(PacketAt{r.File, r.Packet}, lines)
		}
	}
}

// toldAt names the packet at which a finding is told.
func (d *Ladder) toldAt(finding int) string {
	for i := range d.Rows {
		for _, n := range d.Rows[i].Findings {
			if n == finding {
				return d.Rows[i].packetName()
			}
		}
	}
	return "?"
}

func (f *Finding) where() string {
	var words []string
	for _, w := range []string{string(f.Endpoint), string(f.Where), string(f.Confidence)} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}

// comment is a step in one line: ESTABLISHED, confirmed by 3: receive SYN-ACK.
func (s *LadderStep) comment() string {
	lane := laneStep{Step: s.Step, withdrawn: s.Withdrawn, refutedBy: s.RefutedBy, reason: s.Reason}
	words := []string{string(s.State)}
	switch {
	case s.Withdrawn:
		words = append(words, "withdrawn")
	case len(s.ConfirmedBy) == 0: // else the extras say it
		words = append(words, string(s.Evidence))
	}
	words = append(words, lane.extras()...)
	text := strings.Join(words, ", ")
	if s.Event != "" {
		text += " (" + clean(s.Event) + ")"
	}
	return text
}

// comment says what is odd about a segment, "" if nothing is.
func (s *LadderSegment) comment(r *LadderRow) string {
	var text string
	switch {
	case s.Forged:
		return "not sent by the " + string(r.From) + ": " + clean(s.Why)
	case s.Kind == SegmentQuoted:
		return "an ICMP error that quotes a " + s.Name + " of the " + string(r.From)
	case s.Kind == SegmentNext:
		return "opens the next connection of the tuple"
	case s.Kind == SegmentPrevious:
		return "belongs to the connection before"
	case s.Kind == SegmentDuplicateFrame:
		text = "captured twice"
	case s.Kind == SegmentNetworkDuplicate:
		text = "delivered twice by the network"
	case s.Kind == SegmentRetransmission:
		text = "sent again"
	case s.Kind == SegmentLate:
		text = "overtaken on the way"
	case s.Kind == SegmentKeepAlive:
		text = "keep-alive probe"
	}
	if text != "" && s.Original != 0 {
		text += fmt.Sprintf(", the same as packet %d", s.Original)
	}
	if s.Lost != "" {
		if text != "" {
			text += "; "
		}
		text += "lost behind the tap: " + clean(s.Why)
	}
	return text
}
