package reassembly

import "github.com/finwait/finwait/reassembly/seqnum"

// This file: the words that Zeek's conn.log has for a connection, conn_state
// and history, so that reports can be laid beside Zeek's. They follow what the
// manual says of the fields of Conn::Info and how Zeek's TCP analyser behaves:
// who is originator (likely_server_ports, SYN-ACK before SYN), one state an
// endpoint, letters in the order of their first packets. They are Zeek's
// opinion: nothing else in this package looks at them. Told as by Zeek with -C:
// a bad checksum is no reason to pass over a packet, so there is no letter C.

// zeekState is the state of an endpoint in Zeek's TCP analyser.
type zeekState uint8

const (
	zeekInactive zeekState = iota
	zeekPartial            // it sent something, but its handshake was not seen
	zeekSYNSent
	zeekSYNACKSent // the originator sent a SYN-ACK
	zeekEstablished
	zeekClosed // it sent a FIN
	zeekReset  // it sent a RST
)

// zeekEnd is what Zeek's analyser keeps of one side.
type zeekEnd struct {
	state, prev   zeekState
	start         uint32 // sequence number of its SYN, or what it would be
	last          uint32 // the highest end of its segments
	ack           uint32 // the highest acknowledgment of it
	syn, fin, rst uint32 // relative numbers of its last such segments
	finAt         uint32 // sequence number of its FIN
	hasFIN        bool
	copies        zeekCount
	zeros         zeekCount
	gaps          zeekCount
	stream        zeekStream
}

// zeekCount counts what the history tells at 1, 10, 100, … of it.
type zeekCount struct{ n, next uint32 }

func (c *zeekCount) tick() bool {
	c.n++
	if c.n < max(c.next, 1) {
		return false
	}
	c.next = c.n * 10
	return true
}

// Letters that are told once a side; those of SYN, FIN and RST are told again
// for another sequence number.
const (
	zeekSawSYN = 1 << iota
	zeekSawFIN
	zeekSawRST
	zeekSawData
	zeekSawACK
	zeekSawMulti
	zeekSawFINRST
)

// zeekLetters bounds the history: a flood of RSTs with random numbers would
// make it as long as the flood.
const zeekLetters = 64

// zeek follows one connection as Zeek's TCP analyser does.
type zeek struct {
	end     [2]zeekEnd // by side
	seen    [2]uint8   // by role, originator first: letters told
	orig    uint8      // the side that is originator
	started bool
	n       uint8
	letters [zeekLetters]byte
}

// zeekServerPorts are the TCP ports that the scripts which Zeek loads by default
// add to likely_server_ports.
var zeekServerPorts = func() (set [1 << 16 / 64]uint64) {
	for _, p := range [...]uint16{21, 22, 25, 53, 79, 80, 81, 88, 110, 135, 137, 139, 143, 389, 443, 445, 502, 563, 585, 587, 614, 631, 636,
		989, 990, 992, 993, 995, 1080, 1434, 1883, 2811, 3128, 3268, 3306, 3389, 5060, 5222, 5223, 5269, 5353, 5355, 5432, 6379,
		6666, 6667, 6668, 6669, 8000, 8080, 8888, 20000} {
		set[p/64] |= 1 << (p % 64)
	}
	return set
}()

func zeekServer(port uint16) bool { return zeekServerPorts[port/64]>>(port%64)&1 != 0 }

// begin decides who is originator by the first segment, which side 0 sent from
// ports[0]: its sender, unless the ports speak for the other.
func (z *zeek) begin(r *rec, ports [2]uint16) {
	z.started = true
	z.orig = uint8(r.side())
	from, to := ports[r.side()], ports[1-r.side()]
	if r.flags&(FlagSYN|FlagACK) == FlagSYN || !zeekServer(from) {
		return
	}
	if !zeekServer(to) || r.flags&FlagSYN != 0 || from < to {
		z.flip()
	}
}

// flip makes the other side the originator.
func (z *zeek) flip() {
	z.orig ^= 1
	z.add('^')
}

func (z *zeek) add(letter byte) {
	if z.n < zeekLetters {
		z.letters[z.n] = letter
		z.n++
	}
}

// role is 0 for the originator's side.
func (z *zeek) role(x int) int { return x ^ int(z.orig) }

// tell adds a letter, given in upper case, for side x.
func (z *zeek) tell(x int, letter byte) {
	if z.role(x) != 0 {
		letter |= 'a' - 'A'
	}
	z.add(letter)
}

// once tells a letter the first time and reports whether it had been told.
func (z *zeek) once(x int, bit uint8, letter byte) bool {
	seen := &z.seen[z.role(x)]
	if *seen&bit != 0 {
		return true
	}
	*seen |= bit
	z.tell(x, letter)
	return false
}

// segment takes the next segment of the connection.
func (z *zeek) segment(r *rec, ports [2]uint16) {
	if !z.started {
		z.begin(r, ports)
	}
	x := r.side()
	e, p := &z.end[x], &z.end[1-x]
	end := r.end()
	if r.flags&FlagRST != 0 {
		end -= r.len
	}
	if r.flags&FlagSYN != 0 || e.state == zeekInactive {
		e.begin(r, end)
	}
	z.history(r, x, e)
	if r.win == 0 && r.flags&FlagRST == 0 && p.state != zeekClosed && e.state != zeekReset && e.zeros.tick() {
		z.tell(x, 'W')
	}
	if r.flags&FlagFIN != 0 {
		e.finAt, e.hasFIN = end-1, true
	}
	if r.flags&FlagACK != 0 {
		p.acknowledged(r)
	}
	if e.advance(r, end) && e.copies.tick() {
		z.tell(x, 'T')
	}
	if e.state != zeekEstablished || r.flags&(FlagSYN|FlagFIN|FlagRST) != 0 {
		z.move(r, x)
	}
	if r.flags&FlagACK != 0 && seqnum.Less(p.stream.next, r.ack) {
		z.gaps(1-x, r.ack)
	}
	if r.len > 0 && r.flags&FlagRST == 0 {
		lo := r.seq
		if r.flags&FlagSYN != 0 {
			lo++
		}
		e.stream.add(lo, lo+r.len)
	}
}

// begin sets the numbers of an endpoint by the first segment of its own, and
// again by a SYN where the handshake is not over or was only guessed.
func (e *zeekEnd) begin(r *rec, end uint32) {
	syn := r.flags&FlagSYN != 0
	switch {
	case e.state == zeekInactive && !syn:
		e.start, e.ack, e.last = r.seq-1, r.seq-1, r.seq
		e.stream.start(r.seq)
	case e.state == zeekInactive,
		syn && (e.state == zeekSYNSent || e.state == zeekSYNACKSent) && r.seq != e.start,
		syn && (e.state == zeekEstablished || e.state == zeekPartial),
		syn && e.state == zeekReset && e.prev == zeekInactive:
		e.start, e.ack, e.last = r.seq, r.seq, end
		e.stream.start(r.seq + 1)
	}
}

// history tells the letters of a segment's flags and payload.
func (z *zeek) history(r *rec, x int, e *zeekEnd) {
	rel := r.seq - e.start
	switch r.flags & (FlagSYN | FlagFIN | FlagRST) {
	case 0:
		if r.len > 0 {
			z.once(x, zeekSawData, 'D')
		} else if r.flags&FlagACK != 0 {
			z.once(x, zeekSawACK, 'A')
		}
	case FlagSYN:
		letter := byte('S')
		if r.flags&FlagACK != 0 {
			letter = 'H'
		}
		if z.once(x, zeekSawSYN, letter) && rel != e.syn {
			z.tell(x, letter)
		}
		e.syn = rel
	case FlagFIN:
		if z.once(x, zeekSawFIN, 'F') && rel+r.len != e.fin {
			z.tell(x, 'F')
		}
		e.fin = rel + r.len
	case FlagRST:
		if z.once(x, zeekSawRST, 'R') && rel != e.rst {
			z.tell(x, 'R')
		}
		e.rst = rel
	default:
		if r.has(FlagFIN | FlagRST) {
			z.once(x, zeekSawFINRST, 'I')
		} else {
			z.once(x, zeekSawMulti, 'Q')
		}
	}
}

// acknowledged notes what segment r of the peer acknowledges of e.
func (e *zeekEnd) acknowledged(r *rec) {
	switch {
	case e.state == zeekInactive:
		e.start, e.ack, e.last = r.ack-1, r.ack-1, r.ack-1
		e.stream.start(r.ack)
	case r.flags&FlagRST != 0 || seqnum.Less(r.ack, e.start):
	case seqnum.Less(e.ack, r.ack) && (r.ack != 0 || r.ack-e.ack <= zeekFar):
		e.ack = r.ack
	}
}

// zeekFar is how far numbers of SYNs and RSTs may jump and still be believed.
const zeekFar = 1 << 20

// advance moves the highest end on; it reports a segment that repeats payload.
func (e *zeekEnd) advance(r *rec, end uint32) bool {
	ahead := int32(end - e.last)
	switch {
	case r.flags&(FlagSYN|FlagRST) != 0 && (ahead > zeekFar || ahead < -zeekFar):
	case r.flags&FlagFIN != 0 && e.last == e.start+1:
		e.last = end
	case e.state == zeekReset:
	case ahead > 0:
		e.last = end
	default:
		return r.len > 0
	}
	return false
}
