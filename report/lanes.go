package report

import (
	"fmt"
	"strconv"
	"strings"
)

// This file brings the histories of both endpoints into one order of rows.

// laneStep is a step, or one that was withdrawn, of one endpoint.
type laneStep struct {
	Step
	withdrawn bool
	refutedBy string
	reason    string
}

// laneRow is one row: a step of either endpoint, or the step that one packet
// caused at both.
type laneRow struct {
	side [2]*laneStep // client, server
}

// laneRows merges the two histories. Each keeps its causal order; between them
// packets decide, and time where there is no packet.
func laneRows(c *Connection) []laneRow {
	client, server := laneSteps(&c.Endpoints.Client), laneSteps(&c.Endpoints.Server)
	var rows []laneRow
	for len(client) > 0 || len(server) > 0 {
		switch {
		case len(client) == 0:
			rows, server = append(rows, laneRow{[2]*laneStep{nil, &server[0]}}), server[1:]
		case len(server) == 0:
			rows, client = append(rows, laneRow{[2]*laneStep{&client[0], nil}}), client[1:]
		case client[0].sameSegment(&server[0]), client[0].sameAssumption(&server[0]):
			rows, client, server = append(rows, laneRow{[2]*laneStep{&client[0], &server[0]}}), client[1:], server[1:]
		case server[0].before(&client[0]):
			rows, server = append(rows, laneRow{[2]*laneStep{nil, &server[0]}}), server[1:]
		default:
			rows, client = append(rows, laneRow{[2]*laneStep{&client[0], nil}}), client[1:]
		}
	}
	return rows
}

// laneSteps puts the withdrawn steps of an endpoint among those that stand.
func laneSteps(e *Endpoint) []laneStep {
	list := make([]laneStep, 0, len(e.History)+len(e.Withdrawn))
	for _, s := range e.History {
		list = append(list, laneStep{Step: s})
	}
	for _, w := range e.Withdrawn {
		s := laneStep{
			Step:      Step{State: w.State, At: w.At, Packet: w.Packet, File: w.File, Event: w.Event},
			withdrawn: true, refutedBy: packetList(w.RefutedBy, w.RefutedByFiles), reason: w.Reason,
		}
		i := 0
		for i < len(list) && !s.before(&list[i]) {
			i++
		}
		list = append(list[:i], append([]laneStep{s}, list[i:]...)...)
	}
	return list
}

// place is where in the trace a step belongs: file and packet, 0 if no packet tells.
func (s *laneStep) place() (file int, packet Number) {
	if s.Packet != 0 && s.Packet != NoPacket {
		return s.File, s.Packet
	}
	return s.InferredFromFile, s.InferredFrom
}

func (s *laneStep) before(o *laneStep) bool {
	f, p := s.place()
	g, q := o.place()
	if p != 0 && q != 0 && f == g {
		return p < q
	}
	// Time orders what stands in different files. What has neither packet nor
	// time was so before the trace began.
	return s.At < o.At
}

// sameSegment reports whether two steps are the sending and the receipt of one
// segment's SYN, FIN or RST.
func (s *laneStep) sameSegment(o *laneStep) bool {
	what, sent, ok := s.act()
	what2, sent2, ok2 := o.act()
	return ok && ok2 && what == what2 && sent != sent2 && s.Packet != 0 && s.Packet != NoPacket &&
		s.Packet == o.Packet && s.File == o.File
}

// sameAssumption reports whether two steps say the same of both endpoints
// without a packet, as at a mid-stream start.
func (s *laneStep) sameAssumption(o *laneStep) bool {
	return s.Evidence == "assumed" && o.Evidence == "assumed" && s.State == o.State && s.Event == o.Event &&
		s.At == o.At && s.Packet == 0 && o.Packet == 0
}

// act takes an event such as "send FIN" apart.
func (s *laneStep) act() (what string, sent, ok bool) {
	if what, ok = strings.CutPrefix(s.Event, "send "); ok {
		return what, true, true
	}
	what, ok = strings.CutPrefix(s.Event, "receive ")
	return what, false, ok
}

func (s *laneStep) mark() string {
	if s.withdrawn {
		return withdrawnMark
	}
	return evidenceMarks[s.Evidence]
}

// extras are the words that tell more of a step than its event.
func (s *laneStep) extras() []string {
	var words []string
	if len(s.ConfirmedBy) > 0 {
		words = append(words, "confirmed by "+packetList(s.ConfirmedBy, s.ConfirmedByFiles))
	}
	if s.PacketEvidence != "" {
		words = append(words, "packet only "+string(s.PacketEvidence))
	}
	if s.Packet == NoPacket {
		if s.InferredFrom != 0 {
			words = append(words, "inferred from "+packetName(s.InferredFrom, s.InferredFromFile))
		} else {
			words = append(words, "its packet was not seen")
		}
	}
	if len(s.Alternatives) > 0 {
		names := make([]string, len(s.Alternatives))
		for i, a := range s.Alternatives {
			names[i] = string(a)
		}
		words = append(words, "or "+strings.Join(names, " or "))
	}
	if s.Censored {
		words = append(words, "trace ends too soon to tell")
	}
	if s.withdrawn {
		words = append(words, fmt.Sprintf("refuted by %s: %s", s.refutedBy, clean(s.reason)))
	}
	return words
}

// at is the time of the row, 0 if it has none.
func (r *laneRow) at() Time {
	for _, s := range r.side {
		if s != nil && s.At != 0 {
			return s.At
		}
	}
	return 0
}

// packet names the packet of the row, "" if there is none.
func (r *laneRow) packet() string {
	for _, s := range r.side {
		if s != nil && s.Packet != 0 && s.Packet != NoPacket {
			return packetName(s.Packet, s.File)
		}
	}
	return ""
}

// words tell what happened. A segment that moved both endpoints is an arrow.
func (r *laneRow) words() string {
	client, server := r.side[0], r.side[1]
	var event string
	var extras []string
	switch {
	case client != nil && server != nil:
		what, fromClient, act := client.act()
		switch {
		case !act:
			event = client.Event
		case fromClient:
			event = what + " ->"
		default:
			event = "<- " + what
		}
		for i, s := range r.side {
			side := [2]string{"client", "server"}[i]
			for _, word := range s.extras() {
				extras = append(extras, side+": "+word)
			}
		}
	case client != nil:
		event, extras = client.Event, client.extras()
	default:
		event, extras = server.Event, server.extras()
	}
	if event == "" {
		return strings.Join(extras, ", ")
	}
	return strings.Join(append([]string{clean(event)}, extras...), ", ")
}

// packetName is N, or FILE:N where there are several files.
func packetName(n Number, file int) string {
	name := strconv.FormatUint(uint64(n), 10)
	if file > 0 {
		return strconv.Itoa(file) + ":" + name
	}
	return name
}

func packetList(numbers []Number, files []int) string {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		file := 0
		if i < len(files) {
			file = files[i]
		}
		words[i] = packetName(n, file)
	}
	return strings.Join(words, " ")
}
