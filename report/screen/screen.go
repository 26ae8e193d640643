// Package screen shows a live capture on a terminal: a table of connections,
// counts by state, who holds TIME-WAIT, findings as they come.
//
//	capture loop --Changed, Retired, Event, Update--> Screen (a bounded store)
//	                                                     | four times a second
//	                                                     v
//	keys ------------------------------------------> model -> view
//
// The capture loop only writes into the store; it never waits for the terminal.
package screen

import (
	"io"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
	"github.com/finwait/finwait/report"
)

const (
	mostRows   = 20_000 // connections that the table holds; more are only counted
	mostEvents = 200    // findings that are remembered
	drawEvery  = 250 * time.Millisecond
)

// Options set up a Screen.
type Options struct {
	Title   string // the interface
	Color   bool
	In      io.Reader
	Out     io.Writer
	Explain func(id string) string // title of a finding's rule
}

// Screen is the store between the capture and the terminal. Its methods but Quit
// are for the capture's goroutine.
type Screen struct {
	o       Options
	program *tea.Program
	done    chan struct{}
	quit    atomic.Bool

	mu      sync.Mutex
	rows    map[uint64]*reassembly.Lifecycle
	events  []told
	states  [2][tcpstate.NumStates]int64
	holders map[netip.Addr]int64
	held    int64
	peak    int64
	sample  report.Sample
}

// told is a finding as it came.
type told struct {
	at         report.Time
	severity   report.Severity
	id, detail string
	connection uint64
	undone     bool
}

// New makes a Screen; Start shows it.
func New(o Options) *Screen {
	s := &Screen{o: o, done: make(chan struct{}), rows: map[uint64]*reassembly.Lifecycle{}, holders: map[netip.Addr]int64{}}
	s.program = tea.NewProgram(newModel(s), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithoutSignalHandler())
	return s
}

// Start takes the terminal.
func (s *Screen) Start() {
	go func() {
		defer close(s.done)
		defer s.quit.Store(true)
		// A terminal that fails is the end of the screen, not of the capture's report.
		_, _ = s.program.Run()
	}()
}

// Stop gives the terminal back as it was.
func (s *Screen) Stop() {
	s.program.Quit()
	<-s.done
}

// Quit reports whether the person has ended it.
func (s *Screen) Quit() bool { return s.quit.Load() }

// Changed takes a connection as it stands. l must not be changed afterwards.
func (s *Screen) Changed(l *reassembly.Lifecycle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.rows[l.ID]; !known && len(s.rows) >= mostRows {
		return
	}
	s.rows[l.ID] = l
}

// Retired takes a connection out of the table.
func (s *Screen) Retired(l *reassembly.Lifecycle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, l.ID)
}

// Event takes what happened; only findings are shown.
func (s *Screen) Event(e *report.Event) {
	var t told
	switch e.Event {
	case report.EventFinding:
		t = told{at: e.At, severity: e.Finding.Severity, id: string(e.Finding.ID), detail: e.Finding.Detail, connection: e.Connection}
	case report.EventFindingWithdrawn:
		t = told{at: e.At, id: string(e.Undone), detail: "later packets say otherwise", connection: e.Connection, undone: true}
	default:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) >= mostEvents {
		s.events = append(s.events[:0], s.events[mostEvents/2:]...)
	}
	s.events = append(s.events, t)
}

// Update takes the counts as they stand.
func (s *Screen) Update(c *report.Counts, sample *report.Sample) {
	holders := maps.Clone(c.Holders)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states, s.holders, s.held, s.peak, s.sample = c.States, holders, c.TimeWait, c.Peak, *sample
}

// picture is the store at a moment.
type picture struct {
	rows    []*reassembly.Lifecycle
	events  []told
	states  [2][tcpstate.NumStates]int64
	holders map[netip.Addr]int64
	held    int64
	peak    int64
	sample  report.Sample
}

func (s *Screen) picture() *picture {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &picture{events: append([]told(nil), s.events...), states: s.states, holders: s.holders,
		held: s.held, peak: s.peak, sample: s.sample, rows: make([]*reassembly.Lifecycle, 0, len(s.rows))}
	for _, l := range s.rows {
		p.rows = append(p.rows, l)
	}
	if len(p.rows) < mostRows {
		p.sample.Open = len(p.rows) // the sample is a second old: the two numbers would differ
	}
	return p
}
