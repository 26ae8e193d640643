package report

import (
	"net/netip"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file is what a live capture counts.

// Counts is how things stand, and what happened since the beginning.
type Counts struct {
	States   [2][tcpstate.NumStates]int64 // endpoints of connections in the table
	Holders  map[netip.Addr]int64         // endpoints in TIME-WAIT now, by host
	TimeWait int64                        // their sum
	Peak     int64                        // the most that they ever were
	Opens    [reassembly.NumOpenKinds]uint64
	Closes   [reassembly.NumCloseKinds]uint64
	Findings map[string]uint64 // by id; of any severity
	Above    uint64            // findings above info
	Undone   uint64            // findings that were withdrawn
	Evicted  uint64            // connections that the table had no room for
}

// Interval is how things stand now, but for what the capture itself knows.
func (c *Counts) Interval(open int) Interval {
	i := Interval{Open: open, States: []StateCount{}, Findings: c.Above}
	for _, n := range c.Opens {
		i.Opened += n
	}
	for _, n := range c.Closes {
		i.Closed += n
	}
	for state := range tcpstate.State(tcpstate.NumStates) {
		s := StateCount{State(state.String()), uint64(c.States[0][state]), uint64(c.States[1][state])}
		if s.Client+s.Server > 0 {
			i.States = append(i.States, s)
		}
	}
	return i
}

// Sample is what a live capture knows of itself at a moment.
type Sample struct {
	At       Time
	Open     int     // connections in the table
	Packets  uint64  // captured
	Bytes    uint64  // on the wire
	Dropped  uint64  // packets that the kernel lost because its buffer was full
	Missed   uint64  // packets that the interface or its driver lost
	Unsaid   uint64  // lines of output that were left out
	Unkept   uint64  // packets that --write left out
	Lag      Seconds // how far behind the clock the analysis is
	Down     bool    // the interface is down
	Finished bool
}
