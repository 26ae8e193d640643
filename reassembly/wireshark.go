package reassembly

// This file: what Wireshark shows of a connection, so that a reader finds it
// there: tcp.stream and tcp.completeness, as version 4.0's TCP dissector counts
// them (Wireshark User's Guide, "TCP Conversation Completeness").

// Bits of Lifecycle.Completeness.
const (
	CompleteSYN = 1 << iota
	CompleteSYNACK
	CompleteACK
	CompleteData
	CompleteFIN
	CompleteRST
)

// completeness gathers the bits of tcp.completeness.
type completeness struct {
	bits    uint8
	started bool
}

// segment takes the next segment of the connection. Of its first segment
// Wireshark notes only whether it is a SYN and carries data; FINs count with an
// ACK, and an ACK is one that carries nothing.
func (c *completeness) segment(r *rec) {
	if !c.started {
		c.started = true
		if r.flags&(FlagSYN|FlagACK) == FlagSYN {
			c.bits = CompleteSYN
			if r.len > 0 {
				c.bits |= CompleteData
			}
		}
		return
	}
	switch r.flags & (FlagSYN | FlagACK) {
	case FlagSYN | FlagACK:
		c.bits |= CompleteSYNACK
	case FlagACK:
		if r.len > 0 {
			c.bits |= CompleteData
		} else {
			c.bits |= CompleteACK
		}
	}
	if r.has(FlagFIN | FlagACK) {
		c.bits |= CompleteFIN
	}
	if r.flags&FlagRST != 0 {
		c.bits |= CompleteRST
	}
}

// interop is what a machine gathers for other programs' words.
type interop struct {
	zeek     zeek
	complete completeness
}

// segment takes a segment of the machine's log.
func (p *interop) segment(m *machine, r *rec) {
	p.zeek.segment(r, m.ports)
	p.complete.segment(r)
}

// tell fills in the words.
func (p *interop) tell(l *Lifecycle) {
	l.ZeekState, l.ZeekHistory = p.zeek.connState(), p.zeek.told()
	l.Completeness = p.complete.bits
}
