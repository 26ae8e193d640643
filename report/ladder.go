package report

import (
	"slices"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file is the data of a ladder: one connection told segment by segment, with
// what each segment did to both endpoints. It holds no layout: laddertext.go and
// laddersvg.go draw it, and so can any reader of its JSON.

// RowKind is what a row of a ladder shows.
type RowKind string

// Kinds of rows.
const (
	RowSegment  RowKind = "segment"   // a packet of the capture
	RowUnseen   RowKind = "unseen"    // a segment that was lost before the tap: a finding tells of it
	RowStep     RowKind = "step"      // a step that no packet of the ladder caused
	RowGap      RowKind = "gap"       // a silence worth noticing
	RowTimeWait RowKind = "time-wait" // 2MSL ran out, or the trace ends while it runs
	RowOmitted  RowKind = "omitted"   // rows left out here
)

// SegmentKind is what a segment is to earlier ones of its sender.
type SegmentKind string

// Kinds of segments.
const (
	SegmentFresh            SegmentKind = "fresh"
	SegmentRetransmission   SegmentKind = "retransmission"
	SegmentDuplicateFrame   SegmentKind = "duplicate-frame"   // the capture saw one packet twice
	SegmentNetworkDuplicate SegmentKind = "network-duplicate" // the network delivered one packet twice
	SegmentLate             SegmentKind = "late"              // overtaken on the way
	SegmentKeepAlive        SegmentKind = "keep-alive"
	SegmentQuoted           SegmentKind = "quoted"   // inside an ICMP error
	SegmentNext             SegmentKind = "next"     // of the next incarnation
	SegmentPrevious         SegmentKind = "previous" // of the incarnation before
)

var segmentKinds = [...]SegmentKind{
	reassembly.Fresh: SegmentFresh, reassembly.Retransmission: SegmentRetransmission,
	reassembly.DuplicateFrame: SegmentDuplicateFrame, reassembly.NetworkDuplicate: SegmentNetworkDuplicate,
	reassembly.LateOriginal: SegmentLate, reassembly.KeepAlive: SegmentKeepAlive,
}

// Ladder is one connection, row by row.
type Ladder struct {
	Connection Connection  `json:"connection" doc:"What a report tells of the connection."`
	Dropped    uint64      `json:"dropped,omitzero" doc:"Segments before the first row that are remembered no more."`
	Points     []Point     `json:"points,omitempty" doc:"Captures of several points of the path; absent for one point."`
	Rows       []LadderRow `json:"rows" doc:"In capture order."`
}

// LadderRow is one row. A segment's row holds the steps that it caused and the
// findings that show at it.
type LadderRow struct {
	Kind     RowKind        `json:"kind" doc:"What the row shows."`
	At       Time           `json:"at,omitzero" doc:"When; absent if it has no time."`
	Relative Seconds        `json:"t_s" doc:"Time since the connection's first packet."`
	Packet   Number         `json:"packet,omitzero" doc:"The packet, if the row has one."`
	File     int            `json:"file,omitzero" doc:"Its file, where there are several."`
	From     SideName       `json:"from,omitempty" doc:"Who sent the segment, or whose TIME-WAIT it is."`
	Segment  *LadderSegment `json:"segment,omitempty" doc:"What passed the tap."`
	Client   []LadderStep   `json:"client,omitempty" doc:"Steps of the client."`
	Server   []LadderStep   `json:"server,omitempty" doc:"Steps of the server."`
	Findings []int          `json:"findings,omitempty" doc:"Findings that show here: indexes into those of the connection."`
	Cited    []int          `json:"cited,omitempty" doc:"Findings that name this packet as decisive, those of findings among them."`
	Comments []string       `json:"comments,omitempty" doc:"What the capture file remarks on the packet."`
	Gap      Seconds        `json:"gap_s,omitzero" doc:"Of a gap: how long."`
	Left     TimeLeft       `json:"left_s,omitzero" doc:"Of TIME-WAIT at the end of the trace: what is left of it."`
	Omitted  int            `json:"omitted,omitzero" doc:"Rows left out."`
}

// LadderSegment is a segment with numbers relative to the connection.
type LadderSegment struct {
	Flags    string      `json:"flags" doc:"As tcpdump prints them: S F R P . U E W."`
	Name     string      `json:"name" doc:"SYN, SYN-ACK, FIN, RST, data or ACK."`
	Seq      int64       `json:"seq" doc:"First sequence number, relative to the initial one."`
	End      int64       `json:"end" doc:"Sequence number after it, relative."`
	Len      uint32      `json:"len" doc:"Payload bytes."`
	Ack      *int64      `json:"ack,omitempty" doc:"Acknowledgement number, relative to the peer's initial one; absent without ACK."`
	Window   uint16      `json:"win" doc:"Window field as on the wire."`
	SACK     [][2]int64  `json:"sack,omitempty" doc:"SACK blocks, relative."`
	DSACK    bool        `json:"dsack,omitzero" doc:"The first block tells of bytes received twice."`
	TSVal    *uint32     `json:"tsval,omitempty" doc:"Time stamp value, if it has the option."`
	TSEcr    *uint32     `json:"tsecr,omitempty" doc:"Time stamp echo."`
	Kind     SegmentKind `json:"kind" doc:"What it is to earlier ones of its sender."`
	Original Number      `json:"original,omitzero" doc:"Packet of which it is a copy."`
	Received bool        `json:"received" doc:"Nothing refutes that it reached its receiver."`
	Lost     Where       `json:"lost,omitempty" doc:"Where it was lost, if it was."`
	Crossing *Crossing   `json:"crossing,omitempty" doc:"Where captures of several points tell of it: what they tell."`
	Why      string      `json:"why,omitempty" doc:"Why it was not received, or not sent by its alleged sender."`
	Forged   bool        `json:"forged,omitzero" doc:"Its alleged sender did not send it."`
}

// LadderStep is a step of an endpoint, or one that was withdrawn.
type LadderStep struct {
	Step
	Withdrawn bool   `json:"withdrawn,omitzero" doc:"It was presumed, and later packets refute it."`
	RefutedBy string `json:"refuted_by,omitempty" doc:"Those packets."`
	Reason    string `json:"reason,omitempty" doc:"Why they refute it."`
}

// BuildLadder makes the ladder of l from the segments of its Case. It keeps
// nothing of either. Packets carry their files only if the connection lies in
// more than the first; Builder.Ladder decides that otherwise.
func BuildLadder(l *reassembly.Lifecycle, segs []reassembly.CaseSegment) *Ladder {
	several := l.Last.File() > 0
	for i := range segs {
		several = several || segs[i].Packet.File() > 0
	}
	return (&Builder{SeveralFiles: several}).Ladder(l, segs)
}

// Ladder is BuildLadder for a capture of one or several files. The result is not
// touched by later calls.
func (b *Builder) Ladder(l *reassembly.Lifecycle, segs []reassembly.CaseSegment) *Ladder {
	own := Builder{SeveralFiles: b.SeveralFiles, Points: b.Points} // its memory is the ladder's alone
	d := &Ladder{Connection: *own.Build(l)}
	var seen uint64
	for i := range segs {
		if s := &segs[i]; !s.Next && !s.Old && !s.Quoted {
			seen++
		}
	}
	if l.Packets > seen {
		d.Dropped = l.Packets - seen
	}
	n := newRelative(segs)
	for i := range segs {
		d.Rows = append(d.Rows, own.ladderRow(l, segs, i, n))
	}
	d.addSteps(&own, l)
	d.addFindings(l, &own)
	d.addTimeWait(l)
	d.addGaps()
	return d
}

func (b *Builder) ladderRow(l *reassembly.Lifecycle, segs []reassembly.CaseSegment, i int, n *relative) LadderRow {
	s := &segs[i]
	g := &LadderSegment{
		Flags: flagLetters(s.Flags), Name: s.Name(), Len: s.Len, Window: s.Window, DSACK: s.DSACK(),
		Kind: segmentKinds[s.Kind], Received: s.Received, Why: s.Why, Forged: s.Unsent,
	}
	switch {
	case s.Next:
		g.Kind = SegmentNext
	case s.Old:
		g.Kind = SegmentPrevious
	case s.Quoted:
		g.Kind = SegmentQuoted
	}
	g.Seq = n.of(s.Side, s.Seq, i)
	g.End = g.Seq + int64(s.End()-s.Seq)
	if s.Has(reassembly.FlagACK) {
		ack := n.of(s.Side.Other(), s.Ack, i)
		g.Ack = &ack
	}
	for _, block := range s.SACK {
		if block != (reassembly.SACKBlock{}) {
			left := n.of(s.Side.Other(), block.Left, i)
			g.SACK = append(g.SACK, [2]int64{left, left + int64(block.Right-block.Left)})
		}
	}
	if s.HasTS {
		val, ecr := s.TSVal, s.TSEcr
		g.TSVal, g.TSEcr = &val, &ecr
	}
	if s.Original >= 0 && s.Original < len(segs) {
		g.Original = number(segs[s.Original].Packet)
	}
	// What passed the tap and did not arrive was lost behind it.
	if !s.Received && !s.Unsent && !s.Next && !s.Old && !s.Quoted {
		switch {
		case l.Path == nil:
			g.Lost = Where(reassembly.AfterTap.String())
		case s.Crossed.ArrivedAs != 0:
			g.Lost = Where(reassembly.AtReceiver.String())
		default:
			g.Lost = Where(reassembly.OnPath.String())
		}
	}
	if x := &s.Crossed; x.ArrivedAs != 0 {
		g.Crossing = &Crossing{Passed: b.passed(x.Via), Arrived: Time(x.ArrivedAt), Packet: number(x.ArrivedAs), File: b.file(x.ArrivedAs), Delay: Seconds(x.ArrivedAt - s.At), Delayed: x.Delayed}
	} else if x.Lost {
		g.Crossing = &Crossing{Passed: b.passed(x.Via), Between: b.between(x.Between), Assumed: x.Assumed}
	} else if len(x.Via) > 0 {
		g.Crossing = &Crossing{Passed: b.passed(x.Via)}
	}
	return LadderRow{
		Kind: RowSegment, At: Time(s.At), Relative: Seconds(s.At - l.Start), Packet: number(s.Packet), File: b.file(s.Packet),
		From: SideName(s.Side.String()), Segment: g,
	}
}

// relative turns sequence numbers into numbers that count from the initial one,
// or from the first that was seen. They do not wrap.
type relative struct {
	base [2]uint32
	high [2][]int64 // by segment: the highest relative number so far
}

func newRelative(segs []reassembly.CaseSegment) *relative {
	n := &relative{}
	var known, initial [2]bool
	learn := func(side reassembly.Side, base uint32, isn bool) {
		if !known[side] || isn && !initial[side] {
			n.base[side], known[side], initial[side] = base, true, isn
		}
	}
	for i := range segs {
		s := &segs[i]
		if s.Next || s.Old || s.Quoted || s.Unsent {
			continue
		}
		learn(s.Side, s.Seq-1, false)
		if s.Has(reassembly.FlagSYN) {
			learn(s.Side, s.Seq, true)
		}
		if s.Has(reassembly.FlagACK) && !s.Has(reassembly.FlagRST) {
			learn(s.Side.Other(), s.Ack-1, false)
		}
	}
	var high [2]int64
	for i := range segs {
		s := &segs[i]
		if !s.Next && !s.Old && !s.Quoted && !s.Unsent {
			for _, v := range [2]struct {
				side reassembly.Side
				seq  uint32
				ok   bool
			}{{s.Side, s.End(), true}, {s.Side.Other(), s.Ack, s.Has(reassembly.FlagACK)}} {
				if v.ok {
					high[v.side] = max(high[v.side], near(v.seq-n.base[v.side], high[v.side]))
				}
			}
		}
		n.high[0], n.high[1] = append(n.high[0], high[0]), append(n.high[1], high[1])
	}
	return n
}

// of is the number seq of a side, as of segment i.
func (n *relative) of(side reassembly.Side, seq uint32, i int) int64 {
	return near(seq-n.base[side], n.high[side][i])
}

// near is the number nearest to the given one whose low 32 bits are v.
func near(v uint32, to int64) int64 { return to + int64(int32(v-uint32(to))) }

func flagLetters(flags uint8) string {
	const letters = "FSRP.UEW"
	b := make([]byte, 0, 8)
	for _, bit := range [...]int{1, 0, 2, 3, 4, 5, 6, 7} {
		if flags&(1<<bit) != 0 {
			b = append(b, letters[bit])
		}
	}
	if len(b) == 0 {
		return "none"
	}
	return string(b)
}

// row finds the row of a packet, -1 if it has none. A packet that an ICMP error
// quotes has a row of its own besides.
func (d *Ladder) row(packet Number, file int) int {
	return slices.IndexFunc(d.Rows, func(r LadderRow) bool {
		return r.Kind == RowSegment && r.Packet == packet && r.File == file
	})
}

// addSteps puts each step at the packet that caused it; one without a packet
// gets a row of its own, in causal order.
func (d *Ladder) addSteps(b *Builder, l *reassembly.Lifecycle) {
	for _, side := range []reassembly.Side{reassembly.Client, reassembly.Server} {
		e := &d.Connection.Endpoints.Client
		if side == reassembly.Server {
			e = &d.Connection.Endpoints.Server
		}
		after := -1 // the row of the step before it
		for _, s := range laneSteps(e) {
			step := LadderStep{Step: s.Step, Withdrawn: s.withdrawn, RefutedBy: s.refutedBy, Reason: s.reason}
			i := -1
			if s.Packet != 0 && s.Packet != NoPacket {
				if i = d.row(s.Packet, s.File); s.SentPacket != 0 { // a row is where the packet was sent
					i = d.row(s.SentPacket, s.SentFile)
				}
			}
			if i < 0 {
				i = d.insertStep(&s, side, after, l)
			}
			if side == reassembly.Client {
				d.Rows[i].Client = append(d.Rows[i].Client, step)
			} else {
				d.Rows[i].Server = append(d.Rows[i].Server, step)
			}
			after = max(after, i)
		}
	}
}

// insertStep makes a row for a step without a packet of the ladder: before the
// packet it was inferred from, or else by its time.
func (d *Ladder) insertStep(s *laneStep, side reassembly.Side, after int, l *reassembly.Lifecycle) int {
	from, at := -1, after+1
	if s.InferredFrom != 0 {
		from = d.row(s.InferredFrom, s.InferredFromFile)
	}
	switch {
	case from > after:
		at = from
	case s.At != 0:
		for at < len(d.Rows) && (d.Rows[at].At == 0 || d.Rows[at].At <= s.At) {
			at++
		}
	}
	row := LadderRow{Kind: RowStep, At: s.At, From: SideName(side.String())}
	if s.At != 0 {
		row.Relative = Seconds(int64(s.At) - l.Start)
	}
	if s.Packet != NoPacket {
		row.Packet, row.File = s.Packet, s.File
	}
	if State(tcpstate.Closed.String()) == s.State && s.Evidence == Evidence(reassembly.Timer.String()) {
		row.Kind = RowTimeWait
	}
	// What is assumed of both ends at the same point is one row.
	for _, other := range [2]int{at - 1, at} {
		if side == reassembly.Server && other > after && other < len(d.Rows) && d.Rows[other].assumes(s) {
			d.Rows[other].From = ""
			return other
		}
	}
	d.Rows = slices.Insert(d.Rows, at, row)
	return at
}

// assumes reports whether the row says of the client alone, without a packet,
// what s says of the server.
func (r *LadderRow) assumes(s *laneStep) bool {
	return r.Kind == RowStep && r.At == 0 && s.At == 0 && len(r.Server) == 0 && len(r.Client) == 1 &&
		r.Client[0].State == s.State && r.Client[0].Evidence == s.Evidence
}

// addFindings puts each finding at the packet at which it shows: the last that it
// names. An ACK that was lost before the tap gets a row of its own.
func (d *Ladder) addFindings(l *reassembly.Lifecycle, b *Builder) {
	for n := range l.Findings {
		f := &l.Findings[n]
		shows := -1
		for _, p := range f.Packets {
			if i := d.row(number(p), b.file(p)); i >= 0 {
				d.Rows[i].Cited = append(d.Rows[i].Cited, n)
				shows = max(shows, i)
			}
		}
		if shows < 0 {
			for i := range d.Rows {
				if d.Rows[i].Kind == RowSegment && (shows < 0 || int64(d.Rows[i].At) <= f.At) {
					shows = i
				}
			}
		}
		if shows >= 0 {
			d.Rows[shows].Findings = append(d.Rows[shows].Findings, n)
		}
	}
	for n := range l.Findings {
		d.addUnseen(&l.Findings[n], n, b)
	}
}

func (d *Ladder) addUnseen(f *reassembly.Finding, n int, b *Builder) {
	if f.Where != reassembly.BeforeTap || f.Family != "lost-ack" || f.Side > reassembly.Server || len(f.Packets) == 0 {
		return
	}
	i := d.row(number(f.Packets[0]), b.file(f.Packets[0]))
	if i < 0 {
		return
	}
	row := LadderRow{
		Kind: RowUnseen, Relative: d.Rows[i].Relative, From: SideName(f.Side.Other().String()), Cited: []int{n},
		Segment: &LadderSegment{Flags: ".", Name: "ACK", Kind: SegmentFresh, Lost: Where(f.Where.String())},
	}
	d.Rows = slices.Insert(d.Rows, i+1, row)
}

// addTimeWait ends a TIME-WAIT that outlasts the trace.
func (d *Ladder) addTimeWait(l *reassembly.Lifecycle) {
	for _, side := range []reassembly.Side{reassembly.Client, reassembly.Server} {
		e := &l.Endpoints[side]
		if !e.InTimeWait {
			continue
		}
		row := LadderRow{
			Kind: RowTimeWait, Relative: Seconds(l.End - l.Start), From: SideName(side.String()),
			Left: TimeLeft{true, Seconds(e.TimeWaitLeast), Seconds(e.TimeWaitMost)},
		}
		if last := len(d.Rows) - 1; last >= 0 && d.Rows[last].Kind == RowTimeWait && d.Rows[last].Left == row.Left {
			d.Rows[last].From = SideName(reassembly.Both.String())
			continue
		}
		d.Rows = append(d.Rows, row)
	}
}

// Silences below minGap are what a connection is made of.
const minGap = Seconds(nsPerSecond / 2)

// addGaps tells of silences between rows.
func (d *Ladder) addGaps() {
	rows := make([]LadderRow, 0, len(d.Rows)+8)
	last := Time(0)
	for _, r := range d.Rows {
		if r.At != 0 && last != 0 && Seconds(r.At-last) >= minGap {
			rows = append(rows, LadderRow{Kind: RowGap, Relative: r.Relative, Gap: Seconds(r.At - last)})
		}
		if r.At != 0 {
			last = r.At
		}
		rows = append(rows, r)
	}
	d.Rows = rows
}
