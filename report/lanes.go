package report

import (
	"fmt"
	"slices"
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
func laneRows(c *Connection) []laneRow { return new(laneMerger).rows(c) }

// laneMerger uses its memory again: rows are valid until the next call.
type laneMerger struct {
	steps  [2][]laneStep
	merged []laneRow
}

func (m *laneMerger) rows(c *Connection) []laneRow {
	m.steps[0] = appendLaneSteps(m.steps[0][:0], &c.Endpoints.Client)
	m.steps[1] = appendLaneSteps(m.steps[1][:0], &c.Endpoints.Server)
	client, server, rows := m.steps[0], m.steps[1], m.merged[:0]
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
	m.merged = rows
	return rows
}

// laneSteps puts the withdrawn steps of an endpoint among those that stand.
func laneSteps(e *Endpoint) []laneStep { return appendLaneSteps(nil, e) }

func appendLaneSteps(list []laneStep, e *Endpoint) []laneStep {
	list = slices.Grow(list, len(e.History)+len(e.Withdrawn))
	for i := range e.History {
		list = append(list, laneStep{Step: e.History[i]})
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
		list = slices.Insert(list, i, s)
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
func (s *laneStep) extras() []string { return s.appendExtras(nil) }

func (s *laneStep) appendExtras(words []string) []string {
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
func (r *laneRow) packet() string { return string(r.appendPacket(nil)) }

func (r *laneRow) appendPacket(b []byte) []byte {
	for _, s := range r.side {
		if s != nil && s.Packet != 0 && s.Packet != NoPacket {
			return appendPacketName(b, s.Packet, s.File)
		}
	}
	return b
}

// appendWords tells what happened. A segment that moved both endpoints is an arrow.
func (r *laneRow) appendWords(b []byte) []byte {
	var room [8]string
	extras := room[:0]
	from := len(b)
	client, server := r.side[0], r.side[1]
	switch {
	case client != nil && server != nil:
		what, fromClient, act := client.act()
		switch {
		case !act:
			b = append(b, clean(client.Event)...)
		case fromClient:
			b = append(append(b, clean(what)...), " ->"...)
		default:
			b = append(append(b, "<- "...), clean(what)...)
		}
		extras = client.appendExtras(extras)
		for i := range extras {
			extras[i] = "client: " + extras[i]
		}
		n := len(extras)
		extras = server.appendExtras(extras)
		for i := range extras[n:] {
			extras[n+i] = "server: " + extras[n+i]
		}
	case client != nil:
		b, extras = append(b, clean(client.Event)...), client.appendExtras(extras)
	default:
		b, extras = append(b, clean(server.Event)...), server.appendExtras(extras)
	}
	for _, word := range extras {
		if len(b) > from {
			b = append(b, ", "...)
		}
		b = append(b, word...)
	}
	return b
}

// packetName is N, or FILE:N where there are several files.
func packetName(n Number, file int) string { return string(appendPacketName(nil, n, file)) }

func appendPacketName(b []byte, n Number, file int) []byte {
	if file > 0 {
		b = append(strconv.AppendInt(b, int64(file), 10), ':')
	}
	return strconv.AppendUint(b, uint64(n), 10)
}

func packetList(numbers []Number, files []int) string {
	if len(numbers) == 1 && len(files) == 0 {
		return packetName(numbers[0], 0)
	}
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
