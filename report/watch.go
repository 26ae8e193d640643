package report

import (
	"net/netip"
	"slices"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file finds out what there is to tell of living connections: it holds each
// Lifecycle against what was told of that connection before. Most of what it
// remembers of a connection goes with it as its Note; only steps and findings are
// kept here.

// Watch follows living connections. Fill in the fields before the first call.
// It is not safe for use by several goroutines.
type Watch struct {
	// Tell receives what happened; the Event is valid during the call. nil: it
	// only counts.
	Tell func(*Event)
	// Opened receives each connection once when it is decided how it opened.
	Opened func(*reassembly.Lifecycle)
	// Steps tells each step of a history too.
	Steps bool
	// MinSeverity leaves out findings below it.
	MinSeverity reassembly.Severity

	Counts Counts

	details map[uint64]*watchedDetails // of the connections that have any
	empty   watchedDetails             // for a connection that has none so far
	builder Builder
	event   Event // used again, as what follows
	client  Address
	server  Address
	open    Open
	close   Close
}

// watched is what was told of one connection, but for details that most have not.
type watched struct {
	seen, opened, closed, detailed bool
	state                          [2]tcpstate.State
}

const (
	noteSeen = 1 << iota
	noteOpened
	noteClosed
	noteDetailed
	noteState // of the first side; the second's is noteBits further
	noteBits  = 4
)

const _ = uint(1<<noteBits - tcpstate.NumStates) // they fit

// watchedBefore reads what was left as a Lifecycle's Note.
func watchedBefore(note uint16) watched {
	return watched{note&noteSeen != 0, note&noteOpened != 0, note&noteClosed != 0, note&noteDetailed != 0,
		[2]tcpstate.State{tcpstate.State(note / noteState & (1<<noteBits - 1)), tcpstate.State(note / noteState >> noteBits)}}
}

func (k *watched) note() uint16 {
	note := noteState * (uint16(k.state[0]) | uint16(k.state[1])<<noteBits)
	for i, b := range [...]bool{k.seen, k.opened, k.closed, k.detailed} {
		if b {
			note |= 1 << i
		}
	}
	return note
}

type watchedDetails struct {
	steps    []watchedStep
	findings []watchedFinding
	seenLast []reassembly.Finding // of a connection that may get too long for its log: those of the last look
	folded   []reassembly.Finding // whose packets the log holds no more
}

func (k *watchedDetails) any() bool {
	return len(k.steps)+len(k.findings)+len(k.seenLast)+len(k.folded) > 0
}

// foldedMost is how many findings of one connection outlive its log.
const foldedMost = 64

type watchedStep struct {
	side      uint8
	state     tcpstate.State
	evidence  reassembly.Evidence
	withdrawn bool
	packet    reassembly.Packet
}

type watchedFinding struct {
	id     string
	side   reassembly.Side
	packet reassembly.Packet // the first that it names
	last   reassembly.Packet // the last
	gone   bool
}

// Changed takes a connection as it stands now. It leaves l a Note and keeps nothing of it.
func (w *Watch) Changed(l *reassembly.Lifecycle) {
	k, d := w.take(l, false)
	if d == &w.empty && d.any() {
		k.detailed = true
		w.details[l.ID] = &watchedDetails{d.steps, d.findings, d.seenLast, d.folded}
		w.empty = watchedDetails{}
	}
	l.Note = k.note()
}

// Retired takes a connection for the last time. It keeps nothing of l.
func (w *Watch) Retired(l *reassembly.Lifecycle) {
	k, d := w.take(l, true)
	for side := range l.Endpoints {
		w.move(l, side, k.state[side], false)
	}
	if k.detailed {
		delete(w.details, l.ID)
	} else {
		*d = watchedDetails{steps: d.steps[:0], findings: d.findings[:0]}
	}
	if l.Close == reassembly.CloseEvicted {
		w.Counts.Evicted++
	}
}

func (w *Watch) take(l *reassembly.Lifecycle, last bool) (k watched, d *watchedDetails) {
	if w.details == nil {
		w.details = map[uint64]*watchedDetails{}
		w.Counts.Holders, w.Counts.Findings = map[netip.Addr]int64{}, map[string]uint64{}
	}
	k = watchedBefore(l.Note)
	if d = &w.empty; k.detailed {
		d = w.details[l.ID]
	}
	for side := range l.Endpoints {
		now := l.Endpoints[side].State
		if k.seen && now == k.state[side] {
			continue
		}
		if k.seen {
			w.move(l, side, k.state[side], false)
		}
		w.move(l, side, now, true)
		k.state[side] = now
	}
	k.seen = true
	if w.Steps {
		w.tellSteps(l, d)
	}
	w.tellEnds(l, &k, last)
	w.tellFindings(l, d)
	return k, d
}

// move counts an endpoint into a state, or out of it.
func (w *Watch) move(l *reassembly.Lifecycle, side int, state tcpstate.State, in bool) {
	n := int64(-1)
	if in {
		n = 1
	}
	c := &w.Counts
	c.States[side][state] += n
	if state != tcpstate.TimeWait {
		return
	}
	host := l.Client.Addr()
	if side == int(reassembly.Server) {
		host = l.Server.Addr()
	}
	host = host.Unmap()
	if c.Holders[host] += n; c.Holders[host] == 0 {
		delete(c.Holders, host)
	}
	c.TimeWait += n
	c.Peak = max(c.Peak, c.TimeWait)
}

func (w *Watch) tell(e Event, l *reassembly.Lifecycle) {
	if w.Tell == nil {
		return
	}
	w.client, w.server = address(l.Client), address(l.Server)
	e.Connection, e.Client, e.Server = l.ID, &w.client, &w.server
	w.event = e
	w.Tell(&w.event)
}

// tellEnds tells the opening once it is decided, and the close.
func (w *Watch) tellEnds(l *reassembly.Lifecycle, k *watched, last bool) {
	decided := l.Open != reassembly.OpenUnanswered && l.Open != reassembly.OpenHalf
	if !k.opened && (decided || last) {
		k.opened = true
		w.Counts.Opens[l.Open]++
		if w.Opened != nil {
			w.Opened(l)
		}
		w.open = Open{Kind: OpenKind(l.Open.String())}
		w.tell(Event{Event: EventOpen, At: openedAt(l), Open: &w.open}, l)
	}
	if !k.closed && l.Close != reassembly.CloseNone && l.Close != reassembly.CloseHalf {
		k.closed = true
		w.Counts.Closes[l.Close]++
		w.close = Close{Kind: CloseKind(l.Close.String()), First: SideName(l.CloseFirst.String()), Reason: l.Evicted}
		w.tell(Event{Event: EventClose, At: Time(l.End), Close: &w.close}, l)
	}
}

// openedAt is when the later endpoint was open, else the first packet.
func openedAt(l *reassembly.Lifecycle) Time {
	at := l.Start
	for side := range l.Endpoints {
		for _, s := range l.Endpoints[side].History {
			if s.State == tcpstate.Established {
				at = max(at, s.At)
			}
		}
	}
	return Time(at)
}

func (w *Watch) tellFindings(l *reassembly.Lifecycle, k *watchedDetails) {
	k.fold(l)
	for i := range k.findings {
		f := &k.findings[i]
		if f.gone || findingIn(l, f) != nil {
			continue
		}
		f.gone = true
		w.Counts.Undone++
		w.tell(Event{Event: EventFindingWithdrawn, At: Time(l.End), Undone: FindingID(f.id), Endpoint: sideName(f.side)}, l)
	}
	for i := range l.Findings {
		f := &l.Findings[i]
		if f.Severity < w.MinSeverity || k.told(f) {
			continue
		}
		w.Counts.Findings[f.ID]++
		if f.Severity > reassembly.Info {
			w.Counts.Above++
		}
		if w.Tell != nil {
			w.builder.numbers, w.builder.measures = w.builder.numbers[:0], w.builder.measures[:0]
			told := w.builder.finding(f)
			w.tell(Event{Event: EventFinding, At: Time(f.At), Finding: &told}, l)
		}
	}
	if l.Packets >= reassembly.DefaultLogLimit/2 {
		k.seenLast = slices.Clone(l.Findings) // whose room is used again
	}
	if len(k.folded) > 0 {
		l.Findings = slices.Concat(k.folded, l.Findings)
	}
}

// fold keeps what was found where the log of a long connection begins later now:
// nothing has shown it to be wrong. A finding that goes on is the same although
// its first packets are no longer there.
func (k *watchedDetails) fold(l *reassembly.Lifecycle) {
	if l.LogFrom == 0 {
		return
	}
	left := k.findings[:0]
	for _, f := range k.findings {
		if now := findingIn(l, &f); now != nil || f.packet >= l.LogFrom {
			left = append(left, f)
			continue
		}
		if on := k.goesOn(l, &f); on != nil {
			f.packet = firstPacket(on)
			left = append(left, f)
			continue
		}
		for i := range k.seenLast {
			if s := &k.seenLast[i]; !f.gone && f.is(s) && len(k.folded) < foldedMost {
				k.folded = append(k.folded, *s)
			}
		}
	}
	k.findings = left
}

// goesOn finds what a finding has become whose first packets fell out of the log.
func (k *watchedDetails) goesOn(l *reassembly.Lifecycle, f *watchedFinding) *reassembly.Finding {
	for i := range l.Findings {
		n := &l.Findings[i]
		known := slices.ContainsFunc(k.findings, func(o watchedFinding) bool { return o.is(n) })
		if n.ID == f.id && n.Side == f.side && !known && firstPacket(n) <= f.last {
			return n
		}
	}
	return nil
}

func (k *watchedFinding) is(f *reassembly.Finding) bool {
	return f.ID == k.id && f.Side == k.side && firstPacket(f) == k.packet
}

func sideName(s reassembly.Side) SideName {
	if s == reassembly.None {
		return ""
	}
	return SideName(s.String())
}

func firstPacket(f *reassembly.Finding) reassembly.Packet {
	if len(f.Packets) == 0 {
		return 0
	}
	return f.Packets[0]
}

func lastPacket(f *reassembly.Finding) reassembly.Packet {
	if len(f.Packets) == 0 {
		return 0
	}
	return f.Packets[len(f.Packets)-1]
}

func findingIn(l *reassembly.Lifecycle, k *watchedFinding) *reassembly.Finding {
	for i := range l.Findings {
		if f := &l.Findings[i]; k.is(f) {
			return f
		}
	}
	return nil
}

// told notes a finding and reports whether it was told before. One that grows by
// more packets is the same.
func (k *watchedDetails) told(f *reassembly.Finding) bool {
	for i := range k.findings {
		o := &k.findings[i]
		if o.is(f) {
			again := o.gone
			o.last = lastPacket(f)
			o.gone = false
			return !again
		}
	}
	k.findings = append(k.findings, watchedFinding{id: f.ID, side: f.Side, packet: firstPacket(f), last: lastPacket(f)})
	return false
}

// tellSteps tells what is new in the histories. A step is the same if side,
// state and packet are.
func (w *Watch) tellSteps(l *reassembly.Lifecycle, k *watchedDetails) {
	for side := range l.Endpoints {
		e := &l.Endpoints[side]
		for i := range e.Withdrawn {
			d := &e.Withdrawn[i]
			n := k.step(side, d.State, d.Packet)
			if n < 0 || k.steps[n].withdrawn {
				continue
			}
			k.steps[n].withdrawn = true
			w.reuse()
			told := w.builder.withdrawal(d)
			w.tell(Event{Event: EventStepWithdrawn, At: Time(l.End), StepID: uint64(n) + 1, Endpoint: sideName(reassembly.Side(side)), Withdraw: &told}, l)
		}
		for i := range e.History {
			w.tellStep(l, k, side, &e.History[i])
		}
	}
}

func (w *Watch) tellStep(l *reassembly.Lifecycle, k *watchedDetails, side int, s *reassembly.Step) {
	kind := EventStep
	n := k.step(side, s.State, s.Packet)
	switch {
	case n < 0:
		n = len(k.steps)
		k.steps = append(k.steps, watchedStep{side: uint8(side), state: s.State, packet: s.Packet, evidence: s.Evidence})
	case k.steps[n].withdrawn: // it came back
		k.steps[n].withdrawn, k.steps[n].evidence = false, s.Evidence
	case k.steps[n].evidence != s.Evidence:
		k.steps[n].evidence = s.Evidence
		if s.Evidence != reassembly.Confirmed && s.Evidence != reassembly.Observed {
			return
		}
		kind = EventStepConfirmed
	default:
		return
	}
	w.reuse()
	told := w.builder.step(s)
	at := Time(s.At)
	if at == 0 || kind == EventStepConfirmed {
		at = Time(l.End)
	}
	w.tell(Event{Event: kind, At: at, StepID: uint64(n) + 1, Endpoint: sideName(reassembly.Side(side)), Step: &told}, l)
}

func (w *Watch) reuse() {
	w.builder.numbers, w.builder.states = w.builder.numbers[:0], w.builder.states[:0]
}

// step finds a step that was told, -1 if it was not.
func (k *watchedDetails) step(side int, state tcpstate.State, packet reassembly.Packet) int {
	for i := range k.steps {
		if s := &k.steps[i]; int(s.side) == side && s.state == state && s.packet == packet {
			return i
		}
	}
	return -1
}
