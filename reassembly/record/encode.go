package record

import (
	"encoding/binary"
	"math"

	"github.com/finwait/finwait/reassembly"
)

// Encoder makes one block at a time. The zero value begins one. It is not safe
// for use by several goroutines.
type Encoder struct {
	buf     []byte
	flows   []flow
	index   map[reassembly.FlowKey]int
	last    int // flow of the record before
	files   files
	time    int64 // of the record before
	clock   int64 // greatest time in the block
	begun   bool
	records int
}

// asCaptured makes tuples with their tunnels, whatever the analysis makes of them.
var asCaptured = reassembly.Options{}

// Segment appends a segment. clock is the trace clock at it, ns since the
// epoch: the greatest time of a frame of the same source so far, itself included.
func (e *Encoder) Segment(s *reassembly.Segment, clock int64) {
	e.begin()
	if clock > s.Time && clock > e.clock {
		e.Tick(clock)
	}
	k, fromB := reassembly.KeyOf(s, &asCaptured)
	n, known := e.find(k)
	f := &e.flows[n]
	x := 0
	control := uint64(0)
	if fromB {
		x, control = 1, bitFromB
	}
	d := &f.side[x]
	same := e.records > 0 && known && n == e.last
	control |= d.differences(s) | on(same, bitSameFlow) | on(!known, bitNew) | on(s.Packet != e.files.expect(), bitNumber)
	e.buf = binary.AppendUvarint(e.buf, control)
	e.moment(s.Time)
	switch {
	case !known:
		e.tuple(&k)
	case !same:
		e.buf = binary.AppendUvarint(e.buf, uint64(n))
	}
	if control&bitNumber != 0 {
		e.number(s.Packet)
	}
	e.fields(control, d, s)
	d.note(s)
	e.files.note(s.Packet)
	e.last = n
}

// Tick appends a time at which a frame passed that gave no segment, ns since
// the epoch.
func (e *Encoder) Tick(at int64) {
	e.begin()
	e.buf = binary.AppendUvarint(e.buf, bitTick)
	e.moment(at)
}

// Len is how many bytes the block has so far.
func (e *Encoder) Len() int { return len(e.buf) }

// Records is how many segments and ticks the block has so far.
func (e *Encoder) Records() int { return e.records }

// Clock is the greatest time in the block, ns since the epoch; math.MinInt64 in
// an empty one.
func (e *Encoder) Clock() int64 {
	if !e.begun {
		return math.MinInt64
	}
	return e.clock
}

// Bytes is the block, valid until the next call of Reset.
func (e *Encoder) Bytes() []byte { return e.buf }

// Reset begins the next block.
func (e *Encoder) Reset() {
	clear(e.index)
	clear(e.files.others)
	*e = Encoder{buf: e.buf[:0], flows: e.flows[:0], index: e.index, files: files{others: e.files.others}}
}

func (e *Encoder) begin() {
	if !e.begun {
		e.begun = true
		e.clock = math.MinInt64
		e.buf = append(e.buf, Version)
	}
}

func (e *Encoder) moment(at int64) {
	e.buf = binary.AppendVarint(e.buf, at-e.time)
	e.time = at
	e.clock = max(e.clock, at)
	e.records++
}

// find gives the number of a flow, or makes one. Most blocks that are shipped
// hold a single flow and need no map.
func (e *Encoder) find(k reassembly.FlowKey) (n int, known bool) {
	if e.last < len(e.flows) && e.flows[e.last].key == k {
		return e.last, true
	}
	if n, known = e.index[k]; known {
		return n, true
	}
	n = len(e.flows)
	e.flows = append(e.flows, flow{key: k})
	if n == 0 {
		return 0, false
	}
	if len(e.index) == 0 {
		if e.index == nil {
			e.index = map[reassembly.FlowKey]int{}
		}
		e.index[e.flows[0].key] = 0
	}
	e.index[k] = n
	return n, false
}

func (e *Encoder) tuple(k *reassembly.FlowKey) {
	head := on(k.V6, tupleV6) | on(!mapped(&k.A) || !mapped(&k.B), tupleLong) | on(k.Scope != 0, tupleTunnel)
	e.buf = append(e.buf, uint8(head))
	from := 12
	if head&tupleLong != 0 {
		from = 0
	}
	e.buf = append(append(e.buf, k.A[from:]...), k.B[from:]...)
	e.buf = binary.BigEndian.AppendUint16(e.buf, k.APort)
	e.buf = binary.BigEndian.AppendUint16(e.buf, k.BPort)
	if k.Scope != 0 {
		e.buf = binary.BigEndian.AppendUint64(e.buf, k.Scope)
	}
}

// number says where a packet stands: the step from what was expected. The
// lowest bit says that the step is one of files, and that the number follows.
func (e *Encoder) number(p reassembly.Packet) {
	step := p.File() - e.files.file
	if step != 0 {
		e.buf = binary.AppendVarint(e.buf, int64(step)<<1|1)
		e.buf = binary.AppendVarint(e.buf, int64(p.Number()-e.files.last(p.File())))
		return
	}
	e.buf = binary.AppendVarint(e.buf, int64(p.Number()-e.files.last(p.File()))<<1)
}

func on(condition bool, bit uint64) uint64 {
	if condition {
		return bit
	}
	return 0
}

// mapped reports whether an address is an IPv4 address in 16 bytes.
func mapped(ip *reassembly.IP) bool {
	return [12]byte(ip[:12]) == [12]byte{10: 0xff, 11: 0xff}
}
