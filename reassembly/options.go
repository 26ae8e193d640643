package reassembly

import "time"

// Options set up a Tracker. The zero value of a field means its default.
type Options struct {
	// MSL is the maximum segment lifetime (RFC 9293 section 3.4.1). TIME-WAIT
	// lasts twice as long. Default 30 s: Linux and FreeBSD.
	MSL time.Duration
	// HostMSL sets the MSL of single hosts.
	HostMSL map[IP]time.Duration
	// RestartByRFC restarts TIME-WAIT only at a copy of the peer's FIN (the
	// profiles other than linux); else any segment with ACK that arrives does.
	RestartByRFC bool

	// HalfOpenTimeout ends a connection whose handshake never completed after
	// so long a silence, trace time. Default 5 min.
	HalfOpenTimeout time.Duration
	// IdleTimeout ends an open connection after so long a silence. Default 24 h;
	// silence is no proof of an end.
	IdleTimeout time.Duration
	// HalfClosedTimeout is the same after one FIN. Default 1 h.
	HalfClosedTimeout time.Duration
	// MaxConnections bounds the table; the one silent for the longest is
	// evicted, and told as evicted. Default 4,000,000.
	MaxConnections int

	// LogLimit is how many segments of one connection are remembered, at least
	// 256 (the default). Beyond it the oldest are folded away: what they did
	// stands, but can be judged no more, and Case.Segments starts later. Where
	// nothing is odd, a connection of up to seven times as many is told from
	// all of them, if not Live. A ladder of one connection wants more, memory
	// for many wants the default.
	LogLimit int

	// KeyVLAN makes the VLAN part of the flow key; NoKeyTunnel leaves the
	// tunnel ids out of it.
	KeyVLAN, NoKeyTunnel bool

	// Check turns a retired connection's Case into findings
	// (anomaly.Check). nil: no findings.
	Check func(*Case)
	// CheckClean does the same for a connection in which nothing is odd and of
	// which no Case is made (anomaly.CheckClean). It must find what Check would.
	// nil: Check judges all.
	CheckClean func(*Lifecycle, *Clean)
	// Emit receives each connection as it retires: 2MSL after its close, at
	// its eviction, or at the end of the trace. The Lifecycle is the receiver's.
	Emit func(*Lifecycle)

	// Parallel, if set, takes retired connections in place of Emit.
	Parallel *Parallel

	// Live lets Tracker.Changed tell connections before they retire.
	Live bool

	machineOnly bool // no clean path: for a benchmark
}
