package record

import "github.com/finwait/finwait/reassembly"

// Version is the first byte of a block. A block of another version is refused.
const Version = 1

// Bits of a record's control word. The frequent ones stand low, so that the
// varint stays short. "Differs" means: from what the same direction of the same
// flow leads to expect.
const (
	bitFromB    = 1 << iota // the sender is the flow's endpoint B
	bitSameFlow             // the flow of the record before; else a flow follows
	bitSeq                  // the sequence number is not the end of the last segment
	bitAck                  // the acknowledgment number differs
	bitWindow               // the window differs
	bitFlags                // the flags differ
	bitLength               // there is payload

	bitTimes   // timestamps (RFC 7323) are present
	bitNumber  // the packet is not the next one of the same file
	bitIPID    // the IPv4 identification is not one more than the last
	bitWire    // the frame has other bytes around its payload than the last
	bitTTL     // the time to live differs
	bitPlace   // tag or VLAN differs
	bitSACK    // SACK blocks follow
	bitOptions // other options follow

	bitRare // what rare.go lists follows
	bitTick // no segment: nothing follows
	bitNew  // with a flow that follows: a new tuple

	allBits = 1<<iota - 1
)

// Bits of the options byte.
const (
	optMSS = 1 << iota
	optScale
	optSACKPermitted
	optFastOpen
	optMPTCP
)

// Bits of the rare byte.
const (
	rareUnknownLength = 1 << iota
	rareBadOptions
	rareUrgent
	rareQuote
	rareQuoteV6
	rareChecksum = 6 // two bits from here on
)

// Bits of the byte that begins a new tuple.
const (
	tupleV6     = 1 << iota // Segment.V6
	tupleLong               // addresses of 16 bytes; else of four, IPv4-mapped
	tupleTunnel             // a tunnel hash follows
	allTuple    = 1<<iota - 1
)

// side is what one direction of a flow leads to expect of its next segment.
type side struct {
	seq, ack     uint32
	tsval, tsecr uint32
	tag          uint32
	around       uint32 // bytes of the frame beside the payload
	window       uint16
	vlan         uint16
	ipid         uint16
	flags, ttl   uint8
}

// note takes a segment over.
func (d *side) note(s *reassembly.Segment) {
	d.seq, d.ack = s.Seq+s.Span(), s.Ack
	if s.HasTimestamps {
		d.tsval, d.tsecr = s.TSVal, s.TSEcr
	}
	d.tag, d.vlan = s.Tag, s.VLAN
	d.around = s.Wire - s.Length
	d.window, d.flags, d.ttl = s.Window, s.Flags, s.TTL
	d.ipid = s.IPID
}

// nextID is the identification that follows the last: hosts count, or send 0.
func (d *side) nextID() uint16 {
	if d.ipid == 0 {
		return 0
	}
	return d.ipid + 1
}

// flow is a tuple that the block has met.
type flow struct {
	key  reassembly.FlowKey
	side [2]side
}

// files is the last packet number of each file.
type files struct {
	file   int // of the record before
	number uint64
	others map[int]uint64
}

func (f *files) last(file int) uint64 {
	if file == f.file {
		return f.number
	}
	return f.others[file]
}

// expect is the packet after the last one.
func (f *files) expect() reassembly.Packet { return reassembly.MakePacket(f.file, f.number+1) }

func (f *files) note(p reassembly.Packet) {
	if file := p.File(); file != f.file {
		if f.others == nil {
			f.others = map[int]uint64{}
		}
		f.others[f.file] = f.number
		f.file = file
	}
	f.number = p.Number()
}
