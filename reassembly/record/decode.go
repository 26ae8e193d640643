package record

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/finwait/finwait/reassembly"
)

// What a Decoder can meet. Use errors.Is.
var (
	ErrVersion = errors.New("segments of another version of the format")
	ErrCorrupt = errors.New("the segments are damaged")
)

// Decoder reads one block. It never reads beyond it, and holds no more than a
// bounded multiple of it.
type Decoder struct {
	b     []byte
	flows []flow
	last  int
	files files
	time  int64
	clock int64
	err   error
}

// Reset begins a block, whose bytes must stay as they are until it is read.
func (d *Decoder) Reset(block []byte) {
	clear(d.files.others)
	*d = Decoder{b: block, flows: d.flows[:0], files: files{others: d.files.others}, clock: math.MinInt64}
	switch {
	case len(block) == 0:
		d.err = io.EOF
	case block[0] != Version:
		d.err = ErrVersion
	default:
		d.b = block[1:]
	}
}

// Clock is the trace clock at the record read last: the greatest time of the
// block so far, ns since the epoch.
func (d *Decoder) Clock() int64 { return d.clock }

// Next reads the next record into s; tick says that it was one, and that only
// s.Time is valid. The error is io.EOF at the end, ErrVersion or ErrCorrupt,
// and is given again.
func (d *Decoder) Next(s *reassembly.Segment) (tick bool, err error) {
	if d.err != nil {
		return false, d.err
	}
	if len(d.b) == 0 {
		d.err = io.EOF
		return false, d.err
	}
	control := d.uvarint()
	d.time += d.varint()
	*s = reassembly.Segment{Time: d.time}
	tick = control&bitTick != 0
	switch {
	case control&^allBits != 0, tick && control != bitTick:
		d.err = ErrCorrupt
	case !tick:
		d.segment(control, s)
	}
	if d.err == nil {
		d.clock = max(d.clock, d.time)
	}
	return tick, d.err
}

func (d *Decoder) segment(control uint64, s *reassembly.Segment) {
	switch {
	case control&(bitSameFlow|bitNew) == bitSameFlow|bitNew:
		d.err = ErrCorrupt
	case control&bitNew != 0:
		d.tuple()
	case control&bitSameFlow == 0:
		n := d.uvarint()
		if n >= uint64(len(d.flows)) {
			d.err = ErrCorrupt
			return
		}
		d.last = int(n)
	}
	if d.err != nil || d.last >= len(d.flows) {
		d.err = ErrCorrupt
		return
	}
	f := &d.flows[d.last]
	s.V6, s.Tunnel = f.key.V6, f.key.Scope
	x := &f.side[control&bitFromB]
	if control&bitFromB == 0 {
		s.Src, s.SrcPort, s.Dst, s.DstPort = f.key.A, f.key.APort, f.key.B, f.key.BPort
	} else {
		s.Src, s.SrcPort, s.Dst, s.DstPort = f.key.B, f.key.BPort, f.key.A, f.key.APort
	}
	s.Packet = d.number(control)
	d.fields(control, x, s)
	if d.err == nil {
		x.note(s)
		d.files.note(s.Packet)
	}
}

func (d *Decoder) tuple() {
	head := d.byte()
	if head&^allTuple != 0 {
		d.err = ErrCorrupt
		return
	}
	f := flow{}
	f.key.V6 = head&tupleV6 != 0
	for _, ip := range [...]*reassembly.IP{&f.key.A, &f.key.B} {
		if head&tupleLong != 0 {
			copy(ip[:], d.take(16))
		} else {
			ip[10], ip[11] = 0xff, 0xff
			copy(ip[12:], d.take(4))
		}
	}
	f.key.APort, f.key.BPort = d.uint16(), d.uint16()
	if head&tupleTunnel != 0 {
		f.key.Scope = binary.BigEndian.Uint64(d.take(8))
	}
	d.last = len(d.flows)
	d.flows = append(d.flows, f)
}

func (d *Decoder) number(control uint64) reassembly.Packet {
	if control&bitNumber == 0 {
		return d.files.expect()
	}
	v := d.varint()
	file, step := d.files.file, v>>1
	if v&1 != 0 {
		file += int(step)
		step = d.varint()
	}
	const mostFiles = 1 << 24 // see reassembly.MakePacket
	if file < 0 || file >= mostFiles {
		d.err = ErrCorrupt
		return 0
	}
	return reassembly.MakePacket(file, d.files.last(file)+uint64(step))
}

func (d *Decoder) fields(control uint64, x *side, s *reassembly.Segment) {
	step := func(bit uint64, from uint32) uint32 {
		if control&bit == 0 {
			return from
		}
		return from + uint32(d.varint())
	}
	s.Seq = step(bitSeq, x.seq)
	s.Ack = step(bitAck, x.ack)
	s.Window, s.Flags, s.IPID, s.TTL, s.Tag, s.VLAN = x.window, x.flags, x.nextID(), x.ttl, x.tag, x.vlan
	if control&bitWindow != 0 {
		s.Window = d.uint16()
	}
	if control&bitFlags != 0 {
		s.Flags = d.byte()
	}
	if control&bitLength != 0 {
		s.Length = uint32(d.uvarint())
	}
	if control&bitTimes != 0 {
		s.HasTimestamps = true
		s.TSVal = step(bitTimes, x.tsval)
		s.TSEcr = step(bitTimes, x.tsecr)
	}
	if control&bitIPID != 0 {
		s.IPID = d.uint16()
	}
	s.Wire = step(bitWire, x.around) + s.Length
	if control&bitTTL != 0 {
		s.TTL = d.byte()
	}
	if control&bitPlace != 0 {
		s.Tag = binary.BigEndian.Uint32(d.take(4))
		s.VLAN = uint16(d.uvarint())
	}
	if control&bitSACK != 0 {
		d.sack(s)
	}
	if control&bitOptions != 0 {
		d.options(s)
	}
	if control&bitRare != 0 {
		d.rare(s)
	}
}

func (d *Decoder) sack(s *reassembly.Segment) {
	s.SACKCount = d.byte()
	if int(s.SACKCount) > len(s.SACK) {
		d.err = ErrCorrupt
		return
	}
	for i := range s.SACK[:s.SACKCount] {
		s.SACK[i].Left = s.Ack + uint32(d.varint())
		s.SACK[i].Right = s.SACK[i].Left + uint32(d.varint())
	}
}

func (d *Decoder) options(s *reassembly.Segment) {
	have := d.byte()
	if have&optMSS != 0 {
		s.MSS = d.uint16()
	}
	if have&optScale != 0 {
		s.WindowScale, s.HasScale = d.byte(), d.byte() != 0
	}
	s.SACKPermitted = have&optSACKPermitted != 0
	if have&optFastOpen != 0 {
		s.FastOpenLen, s.FastOpen = d.byte(), d.byte() != 0
	}
	if have&optMPTCP != 0 {
		s.MPTCPSubtypes, s.MPTCP = d.uint16(), d.byte() != 0
	}
}

func (d *Decoder) rare(s *reassembly.Segment) {
	have := d.byte()
	s.LengthUnknown, s.BadOptions = have&rareUnknownLength != 0, have&rareBadOptions != 0
	s.Checksum = reassembly.Checksum(have >> rareChecksum)
	if have&rareUrgent != 0 {
		s.Urgent = d.uint16()
	}
	if have&rareQuote != 0 {
		s.Quote.Type, s.Quote.Code, s.Quote.V6 = d.byte(), d.byte(), have&rareQuoteV6 != 0
		copy(s.Quote.From[:], d.take(16))
	}
}

// zeros stands for bytes that are not there, so that reading goes on to where
// the error is looked at.
var zeros [16]byte

func (d *Decoder) take(n int) []byte {
	if len(d.b) < n {
		d.b, d.err = nil, ErrCorrupt
		return zeros[:n]
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *Decoder) byte() uint8     { return d.take(1)[0] }
func (d *Decoder) uint16() uint16  { return binary.BigEndian.Uint16(d.take(2)) }
func (d *Decoder) uvarint() uint64 { return varint(d, binary.Uvarint) }
func (d *Decoder) varint() int64   { return varint(d, binary.Varint) }

func varint[T int64 | uint64](d *Decoder, read func([]byte) (T, int)) T {
	v, n := read(d.b)
	if n <= 0 {
		d.b, d.err = nil, ErrCorrupt
		return 0
	}
	d.b = d.b[n:]
	return v
}
