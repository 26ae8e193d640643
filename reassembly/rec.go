package reassembly

// A rec is a segment as a connection remembers it: the bounded log from which
// histories are built and, when a presumption falls, built again. It holds no
// pointers and is one cache line long.

// rec bits.
const (
	recFromB    = 1 << iota // sent by side 1 (side 0 sent the connection's first packet)
	recTS                   // tsval and tsecr are valid
	recV6                   // no IP-ID
	recUnknown              // length is a guess
	recMoreSACK             // more than two SACK blocks
	recNext                 // belongs to the next incarnation; cited here
	recOld                  // belongs to the previous incarnation; cited here
	recICMP                 // an ICMP error quotes this segment; the sender did not send it again
)

type rec struct {
	at    int64
	pkt   Packet
	seq   uint32
	ack   uint32
	len   uint32
	tsval uint32
	tsecr uint32
	sack  [2]SACKBlock // {0,0}: none
	win   uint16
	ipid  uint16
	flags uint8
	bits  uint8
	ttl   uint8
	tag   uint8 // interface and VLAN, folded: tells frames captured at two places apart; of a quoted segment the error's type and code
}

func (r *rec) side() int { return int(r.bits & recFromB) }

func (r *rec) has(flags uint8) bool { return r.flags&flags == flags }

func (r *rec) span() uint32 {
	n := r.len
	if r.flags&FlagSYN != 0 {
		n++
	}
	if r.flags&FlagFIN != 0 {
		n++
	}
	return n
}

// noSACK reports that there are no SACK blocks. Comparing the arrays as a whole
// is a call, which takes longer than all else that packing a rec does.
func (r *rec) noSACK() bool {
	return r.sack[0].Left|r.sack[0].Right|r.sack[1].Left|r.sack[1].Right == 0
}

// end is the sequence number after the segment.
func (r *rec) end() uint32 { return r.seq + r.span() }

// pureACK reports a segment that takes no sequence space and only acknowledges.
func (r *rec) pureACK() bool {
	return r.len == 0 && r.flags&(FlagSYN|FlagFIN|FlagRST|FlagACK) == FlagACK
}

// fill copies what inference needs of a segment.
func (r *rec) fill(s *Segment, side int) {
	r.at, r.pkt = s.Time, s.Packet
	r.seq, r.ack, r.len = s.Seq, s.Ack, s.Length
	r.tsval, r.tsecr = s.TSVal, s.TSEcr
	r.sack = [2]SACKBlock{}
	r.win, r.ipid = s.Window, s.IPID
	r.flags, r.bits, r.ttl = s.Flags, uint8(side), s.TTL
	r.tag = uint8(s.Tag ^ s.Tag>>8 ^ s.Tag>>16 ^ s.Tag>>24)
	if s.HasTimestamps {
		r.bits |= recTS
	}
	if s.V6 {
		r.bits |= recV6
	}
	if s.LengthUnknown {
		r.bits |= recUnknown
	}
	for i := range min(int(s.SACKCount), len(r.sack)) {
		r.sack[i] = s.SACK[i]
	}
	if int(s.SACKCount) > len(r.sack) {
		r.bits |= recMoreSACK
	}
	if s.Quoted() {
		r.bits |= recICMP
		r.tag = s.Quote.Type<<4 | min(s.Quote.Code, 15) // no error that quotes has a higher type
	}
}

// refusal reports a segment quoted by an ICMP error that refuses it: destination
// unreachable, but not for its size (RFC 792, RFC 4443 section 3.1). That a hop
// count ran out, say, is the path's affair.
func (r *rec) refusal() bool {
	if r.bits&recICMP == 0 {
		return false
	}
	if r.bits&recV6 != 0 {
		return r.tag>>4 == 1
	}
	return r.tag>>4 == 3 && r.tag&15 != 4
}
