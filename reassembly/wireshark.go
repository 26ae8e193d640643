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
	bits  uint8
	first uint8 // what the first segment adds once there is a second
	n     uint8 // segments, counted up to 2
}

// segment takes the next segment of the connection. A SYN counts only as the
// first. Whatever else the first segment is counts when the stream is gone
// through again, as for display, so it does not for a stream of one segment.
func (c *completeness) segment(r *rec) {
	switch c.n {
	case 0:
		c.n = 1
		if r.flags&(FlagSYN|FlagACK) == FlagSYN {
			c.bits = CompleteSYN
			if r.len > 0 {
				c.bits |= CompleteData
			}
		}
		c.first = completes(r)
	case 1:
		c.n = 2
		c.bits |= c.first | completes(r)
	default:
		c.bits |= completes(r)
	}
}

// completes is what a segment that is no SYN adds: a FIN only with an ACK; an
// ACK is one that carries nothing.
func completes(r *rec) (bits uint8) {
	switch r.flags & (FlagSYN | FlagACK) {
	case FlagSYN | FlagACK:
		bits = CompleteSYNACK
	case FlagACK:
		bits = CompleteACK
		if r.len > 0 {
			bits = CompleteData
		}
	}
	if r.has(FlagFIN | FlagACK) {
		bits |= CompleteFIN
	}
	if r.flags&FlagRST != 0 {
		bits |= CompleteRST
	}
	return bits
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
